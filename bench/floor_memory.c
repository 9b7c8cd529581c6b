/* SPDX-License-Identifier: MIT */
/*
 * The floor of a parked task with a guarded stack: one page of it touched, one forbidden,
 * 16 KiB from one stack to the next, in a few mappings.
 */
#include "harness.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define STRIDE (16u * 1024)
#define PAGE 4096u
#define SLAB 65536 /* stacks in a mapping */

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static double bytes;
static double nanoseconds;

static void slab(long n)
{
    size_t size = (size_t)n * STRIDE;
    char *stacks = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    BENCH_MUST(stacks != MAP_FAILED);
    (void)madvise(stacks, size, MADV_NOHUGEPAGE);
    for (char *stack = stacks; stack < stacks + size; stack += STRIDE) {
        if (madvise(stack, PAGE, MADV_GUARD_INSTALL) != 0) {
            bench_cannot("no guard pages: %s", strerror(errno));
        }
        stack[STRIDE - 1] = 1;
    }
}

static void measure(long n)
{
    struct bench_memory before = bench_memory();
    uint64_t start = bench_now();
    for (long left = n; left > 0; left -= SLAB) {
        slab(left < SLAB ? left : SLAB);
    }
    nanoseconds = (double)(bench_now() - start) / (double)n;
    struct bench_memory after = bench_memory();
    bytes = ((double)after.resident - (double)before.resident + (double)after.tables -
             (double)before.tables) /
            (double)n;
}

static double parked(long n)
{
    measure(n);
    return bytes;
}

static double create(long n)
{
    measure(n);
    return nanoseconds;
}

static const struct bench benches[] = {
    {.metric = "floor-parked-bytes", .n = 10000, .figure = parked},
    {.metric = "floor-parked-bytes", .n = 100000, .figure = parked},
    {.metric = "floor-parked-bytes", .n = 1000000, .figure = parked},
    {.metric = "floor-create", .n = 10000, .figure = create},
    {.metric = "floor-create", .n = 100000, .figure = create},
    {.metric = "floor-create", .n = 1000000, .figure = create},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "hardware, " BENCH_COMPILER, benches, BENCH_LEN(benches));
}
