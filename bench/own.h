/* SPDX-License-Identifier: MIT */
/* What the programs that measure nook itself share. */
#ifndef NOOK_BENCH_OWN_H
#define NOOK_BENCH_OWN_H

#include "harness.h"

#include <nook/nook.h>

/*
 * In loops: the branch that every caller has, who looks at the result. An error ends the
 * program, or else it would be measured.
 */
#define MUST_BE_0(call)                              \
    do {                                             \
        if (__builtin_expect((call) != 0, 0))        \
            bench_failed(#call, __FILE__, __LINE__); \
    } while (0)

/* BENCH_LIBRARY is "nook", or that and how it was built. */
#define OWN_MAIN(benches)                                                                 \
    int main(int argc, char **argv)                                                       \
    {                                                                                     \
        return bench_main(argc, argv, BENCH_LIBRARY " " NOOK_VERSION ", " BENCH_COMPILER, \
                          benches, BENCH_LEN(benches));                                   \
    }

#endif
