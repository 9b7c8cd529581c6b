/* SPDX-License-Identifier: MIT */
/*
 * Stack overflow by name: a handler for SIGSEGV, on an alternate signal stack,
 * that recognises a fault in a guard of ours, writes one sentence to standard
 * error, and then does what would have happened without it.
 */
#ifndef NOOK__OVERFLOW_H
#define NOOK__OVERFLOW_H

#include <stddef.h>

/*
 * Names the task that runs on the calling thread and where it was spawned,
 * such as "task \"render\" spawned at web.c:41". Called in the signal handler:
 * it must be async-signal-safe. NULL: unknown.
 */
typedef const char *(*nook__overflow_describe)(void);

/* What a thread gave up when it got an alternate signal stack. */
struct nook__overflow_thread {
    void *memory; /* NULL: the thread had an alternate stack already, and keeps it */
    size_t size;
};

/*
 * Counted: the first install puts the handler in place and its describe
 * counts until the last uninstall; others only raise the count. The last
 * uninstall puts the previous handler back, unless somebody has replaced ours
 * meanwhile. Any thread. NOOK_EINVAL: describe is NULL, or the kernel refused.
 */
int nook__overflow_install(nook__overflow_describe describe);
void nook__overflow_uninstall(void);

/* Round a fork: locks, or unlocks, the handler's counts. */
void nook__overflow_fork(int before);

/*
 * Gives the calling thread an alternate signal stack, unless it has one. Every
 * thread that runs tasks needs it: the overflowed stack cannot carry the
 * handler. leave undoes it, on the same thread. NOOK_ENOMEM.
 */
int nook__overflow_thread_enter(struct nook__overflow_thread *thread);
void nook__overflow_thread_leave(struct nook__overflow_thread *thread);

#endif
