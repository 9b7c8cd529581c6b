/* SPDX-License-Identifier: MIT */
/*
 * Signals that a task waits for.
 *
 * This is sigwait(3) for tasks. As there, the signals must be blocked in every thread of
 * the process, so that they stay pending until somebody waits: block them before
 * nook_run, whose threads inherit the mask. Nothing of the process is changed, no handler
 * and no mask, so there is nothing to put back.
 *
 * A signal mask belongs to the worker, and a switch does not change it. docs/io.md says
 * what that means, and how a program gives each task a mask of its own.
 */
#ifndef NOOK_SIGNAL_H
#define NOOK_SIGNAL_H

#include <nook/error.h>
#include <nook/export.h>
#include <sys/select.h> /* sigset_t, also where <signal.h> keeps it back */

NOOK_BEGIN_DECLS

/*
 * Parks until a signal of the set is pending for the process, and takes it; *signo (may
 * be NULL) gets its number. Where several tasks wait for it, one of them gets it. One
 * that is sent to a single thread (pthread_kill) may be seen by no other, so do not.
 * A cancelled wait takes no signal. A run in which tasks wait for signals is no deadlock.
 * NOOK_EINVAL: set is NULL or empty, or has a signal that is not blocked on this worker, as
 * SIGKILL never is. NOOK_ECANCELED, NOOK_ENOTASK, NOOK_ENOMEM, or a negative
 * errno, such as -EMFILE: a wait needs a descriptor.
 */
NOOK_API NOOK_NODISCARD int nook_signal_wait(const sigset_t *set, int *signo);

NOOK_END_DECLS

#endif
