/* SPDX-License-Identifier: MIT */
/*
 * The floors of waking another thread: two threads on two processors take turns at a word
 * that both watch (one cache line goes back and forth), or sleep in the kernel until the word
 * has changed (futex). Half a round trip each.
 */
#include "floor_wake.h"

static void watch(unsigned now)
{
    while (atomic_load_explicit(&floor_turn, memory_order_acquire) == now) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
}

static void say_nothing(void)
{
}

static void measure_two(const struct floor_way *way)
{
    floor_turns_begin(way);
    BENCH_MUST(bench_pin(0) == 0);
    bench_measure();
    floor_turns_end();
}

static void line(long n)
{
    static const struct floor_way watching = {watch, say_nothing, 0};
    (void)n;
    measure_two(&watching);
}

static void futex(long n)
{
    (void)n;
    measure_two(&floor_futex);
}

static const struct bench benches[] = {
    {.metric = "floor-line", .n = 2, .loop = floor_turns, .operations = 2, .around = line},
    {.metric = "floor-futex", .n = 2, .loop = floor_turns, .operations = 2, .around = futex},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "hardware, " BENCH_COMPILER, benches, BENCH_LEN(benches));
}
