/* SPDX-License-Identifier: MIT */
/*
 * Signals that a task waits for.
 *
 * This is sigwait(3) for tasks. As there, the signals must be blocked in every thread of
 * the process, so that they stay pending until somebody waits: block them before
 * nook_run, whose threads inherit the mask. Nothing of the process is changed, no handler
 * and no mask, so there is nothing to put back.
 *
 * A signal mask belongs to the worker, because a switch that saved it would cost several
 * times as much. A task that wants one of its own sets it with nook_task_sigmask, and pays
 * for it at its own parks. docs/io.md says more.
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
 * SIGKILL never is: a mask of the task's own does not help, since it waits parked.
 * NOOK_ECANCELED, NOOK_ENOTASK, NOOK_ENOMEM, or a negative errno, such as -EMFILE: a wait needs
 * a descriptor.
 */
NOOK_API NOOK_NODISCARD int nook_signal_wait(const sigset_t *set, int *signo);

/*
 * The calling task's signal mask, with the arguments of pthread_sigmask(3): what it runs
 * with from now on, on whatever worker, until it ends. Other tasks do not see it, and tasks
 * that it spawns begin with the worker's. As a thread's, it says what may interrupt the
 * task, not what becomes of the signal: one that came for the process, and found every
 * other thread blocking it, reaches the worker once this task parks.
 *
 * Each park of a task whose mask is not the worker's is two system calls more; one that has
 * set it back pays nothing. What pthread_sigmask changes in a task that has a mask of
 * its own, it changes for that task; in any other, for the worker. At the task's end the
 * worker's mask is back before what was registered earlier with nook_task_at_end runs.
 * Does not park. set NULL: asks only. old may be NULL.
 * NOOK_EINVAL: how is none of SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK. NOOK_ENOTASK,
 * NOOK_EFORKED, NOOK_ENOMEM.
 */
NOOK_API int nook_task_sigmask(int how, const sigset_t *set, sigset_t *old);

NOOK_END_DECLS

#endif
