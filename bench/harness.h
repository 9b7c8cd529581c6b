/* SPDX-License-Identifier: MIT */
/*
 * What every measuring program of bench/ shares: the command line, the warm-up, the size
 * of a batch, and the clock. README.md has the protocol.
 *
 * A program is a table of struct bench and a main that hands it over. One entry is one
 * metric with one n, measured in one of two ways:
 *
 *   loop    does the operation `count` times. The harness finds a count for which that
 *           takes a few milliseconds, and times batches of it. What `base` takes for as
 *           many turns is subtracted: the part of the loop that is not meant. `beside` does
 *           the least that the thing needs, as often: batches of the two take turns, and a
 *           sample is two figures, for where minutes apart would be too far to compare.
 *   figure  measures by itself, once, and returns the figure. Each sample runs in a
 *           process of its own, forked before anything else happened: for memory and for
 *           what can be done for the first time only once.
 *
 * Where the loop needs something around it, a run of tasks or a thousand variables,
 * `around` makes that, calls bench_measure() and clears up. It may be on another stack or
 * thread by then: bench_measure() needs little stack and prints nothing.
 */
#ifndef NOOK_BENCH_HARNESS_H
#define NOOK_BENCH_HARNESS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench {
    const char *metric;
    long n;
    void (*loop)(long n, size_t count);
    /* How many operations one turn of the loop makes, as 2 messages or n yields; 0: 1. */
    long operations;
    void (*around)(long n);
    double (*figure)(long n);
    void (*base)(long n, size_t count);
    void (*beside)(long n, size_t count);
};

/* The exit status of a program that cannot measure this here. */
#define BENCH_CANNOT 77

/*
 * The whole program: `what` says what is measured, as "State Threads 1.9, gcc 12.2".
 * Returns the exit status.
 */
int bench_main(int argc, char **argv, const char *what, const struct bench *benches,
               size_t len);

/* bench_main(argc, argv, what, benches, BENCH_LEN(benches)) */
#define BENCH_LEN(array) (sizeof(array) / sizeof *(array))

/*
 * For `around`, once: warms up, finds the count, takes the samples.
 *
 * `PROGRAM --count METRIC N TURNS` makes it run the loop, with no base and without
 * measuring, for exactly so many turns instead, and prints how many operations that were:
 * for those who count instructions.
 */
void bench_measure(void);

/* Ends the program: it cannot be measured here, and why. Exit status 77. */
void bench_cannot(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Ends the program with status 1 unless `condition` holds; for what must not fail. */
#define BENCH_MUST(condition) \
    ((condition) ? (void)0 : bench_failed(#condition, __FILE__, __LINE__))
void bench_failed(const char *what, const char *file, int line) __attribute__((noreturn));

/* Nanoseconds on the monotonic clock. */
uint64_t bench_now(void);

/*
 * In a loop, for who wakes: waits until that thread sleeps in the kernel, which does not
 * count. On any thread, as long as the loop's own has nothing else to do meanwhile.
 * `thread` is what bench_thread() returned there.
 */
void bench_await_sleep(int thread);
int bench_thread(void);

/*
 * Pins the calling thread to the nth processor, from 0, of those that the process was
 * given when it began. 0, or -1 where there are fewer.
 */
int bench_pin(unsigned nth);

/* How many processors the process was given. */
unsigned bench_processors(void);

/*
 * Bytes that the process has in memory: of pages, and of the tables that map them. The
 * kernel counts a page where it is touched, and in batches for each thread; the figures
 * here are exact, since they come from a walk over the page tables (smaps_rollup).
 */
struct bench_memory {
    uint64_t resident;
    uint64_t tables;
};
struct bench_memory bench_memory(void);

/* The compiler takes the value for used, and all memory for changed. */
static inline void bench_keep(const void *value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

/* "gcc 12.2.0" or "clang 14.0.6", for `what`. */
#if defined(__clang__)
#define BENCH_COMPILER "clang " __clang_version__
#else
#define BENCH_COMPILER "gcc " __VERSION__
#endif

#ifdef __cplusplus
}
#endif

#endif
