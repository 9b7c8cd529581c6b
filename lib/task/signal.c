/* SPDX-License-Identifier: MIT */
/*
 * Signals, by a signalfd for each wait. It takes what is pending for the process only when
 * it is read, so a wait that ends before has taken nothing, and several waits for the same
 * signal are several descriptors: the first to read gets it, the others wait on.
 */
#include "run.h"

#include <nook/io.h>
#include <nook/signal.h>
#include <signal.h>
#include <sys/signalfd.h>

static int can_be_taken(const sigset_t *set, const sigset_t *blocked)
{
    int n = 0;
    for (int signo = 1; signo <= SIGRTMAX; signo++) {
        if (sigismember(set, signo) != 1)
            continue;
        if (sigismember(blocked, signo) != 1)
            return 0;
        n++;
    }
    return n > 0;
}

/* As in io.c: what touches errno does not park. */
static __attribute__((noinline)) int open_signals(const sigset_t *set)
{
    int before = errno;
    sigset_t blocked;
    nook__workers_mask(&blocked);
    if (!can_be_taken(set, &blocked))
        return NOOK_EINVAL;
    int fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
    int rc = fd < 0 ? -errno : fd;
    errno = before;
    return rc;
}

int nook_signal_wait(const sigset_t *set, int *signo)
{
    struct signalfd_siginfo info;
    size_t got;
    if (nook_task_current() == NULL)
        return nook__no_task();
    if (set == NULL)
        return NOOK_EINVAL;
    int fd = open_signals(set);
    if (fd < 0)
        return fd;
    int rc = nook_read(fd, &info, sizeof(info), &got);
    (void)nook_close(fd);
    if (rc == 0 && signo != NULL)
        *signo = (int)info.ssi_signo;
    return rc;
}
