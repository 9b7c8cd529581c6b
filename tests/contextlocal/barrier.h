/* SPDX-License-Identifier: MIT */
/*
 * For suites of what membarrier orders, or fences where there is none.
 *
 * usage: test [fence | late]. To have none, the program forbids itself the call: before
 * nook asks for it (fence), or after nook was granted it (late).
 */
#ifndef TESTS_CONTEXTLOCAL_BARRIER_H
#define TESTS_CONTEXTLOCAL_BARRIER_H

#include <nook/context.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int forbid_membarrier(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return -1;
    return syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) < 0 ? 0 : -1;
}

/* 0, or what the suite ends with. errno is left alone by nook. */
static inline int set_up_mode(const char *mode)
{
    nook_context *context;
    errno = EDOM;
    if (strcmp(mode, "fence") == 0 && forbid_membarrier() != 0)
        return 77;
    errno = EDOM;
    if (nook_context_new(&context) != 0 || errno != EDOM)
        return 1;
    nook_context_unref(context);
    return strcmp(mode, "late") == 0 && forbid_membarrier() != 0 ? 77 : 0;
}

#endif
