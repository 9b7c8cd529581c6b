/* SPDX-License-Identifier: MIT */
/*
 * The floors of waking another thread: two threads on two processors take turns at a word
 * that both watch (one cache line goes back and forth), or sleep in the kernel until the word
 * has changed (futex). Half a round trip each.
 */
#include "harness.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Even: the first thread's turn. On a line of its own. */
static _Alignas(128) atomic_uint turn;
static void (*wait_for)(unsigned now);
static void (*tell)(void);
static unsigned next; /* of the first thread's turns */
static atomic_int over;

static void watch(unsigned now)
{
    while (atomic_load_explicit(&turn, memory_order_acquire) == now) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
}

static void say_nothing(void)
{
}

static void sleep_until_told(unsigned now)
{
    while (atomic_load(&turn) == now) {
        (void)syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
    }
}

static void wake(void)
{
    (void)syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void take(unsigned now)
{
    if (atomic_load_explicit(&turn, memory_order_acquire) != now) {
        wait_for(now - 1);
    }
    atomic_store(&turn, now + 1);
    tell();
}

static void *second(void *arg)
{
    BENCH_MUST(bench_pin(1) == 0);
    for (unsigned now = 1; !atomic_load_explicit(&over, memory_order_relaxed); now += 2) {
        take(now);
    }
    return arg;
}

static void ping(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++, next += 2) {
        take(next);
    }
}

/*
 * One thread for all batches, at home on its processor before the first of them. It looks
 * whether all is over only after a turn, so it is given one more.
 */
static void measure_two(void (*waiting)(unsigned now), void (*telling)(void))
{
    wait_for = waiting;
    tell = telling;
    if (bench_pin(1) != 0) {
        bench_cannot("needs 2 processors, and has %u", bench_processors());
    }
    pthread_t thread;
    BENCH_MUST(pthread_create(&thread, NULL, second, NULL) == 0);
    BENCH_MUST(bench_pin(0) == 0);
    bench_measure();
    atomic_store(&over, 1);
    take(next);
    BENCH_MUST(pthread_join(thread, NULL) == 0);
}

static void line(long n)
{
    (void)n;
    measure_two(watch, say_nothing);
}

static void futex(long n)
{
    (void)n;
    measure_two(sleep_until_told, wake);
}

static const struct bench benches[] = {
    {.metric = "floor-line", .n = 2, .loop = ping, .operations = 2, .around = line},
    {.metric = "floor-futex", .n = 2, .loop = ping, .operations = 2, .around = futex},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "hardware, " BENCH_COMPILER, benches, BENCH_LEN(benches));
}
