/* SPDX-License-Identifier: MIT */
/*
 * The floors of tasks: a ring of stacks that only switch to the next, and the least that
 * spawning, running and joining can be. The stacks' tops are coloured, a few cache lines
 * apart: at the same distance from a page's end, all would fight for the same lines.
 */
#include "harness.h"

#include "floor_switch.h"

#include <stdlib.h>
#include <sys/mman.h>

#ifdef FLOOR_SWITCH

#define STRIDE (16u * 1024)
#define BATCH 10000

static struct stack {
    void *at;
    struct stack *next;
} * ring;
static struct stack *now;
static struct stack home;
static size_t left;

static char *map_stacks(size_t n)
{
    char *stacks =
        mmap(NULL, n * STRIDE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    BENCH_MUST(stacks != MAP_FAILED);
    return stacks;
}

static char *coloured_top(char *stacks, size_t i)
{
    return stacks + (i + 1) * STRIDE - i % 24 * 128;
}

/* Whoever makes the last switch goes home. */
static void go_round(void)
{
    for (;;) {
        struct stack *self = now;
        now = --left == 0 ? &home : self->next;
        floor_switch(&self->at, now->at);
    }
}

static void switches(long n, size_t count)
{
    left = count * (size_t)n;
    now = ring;
    floor_switch(&home.at, now->at);
}

static void with_ring(long n)
{
    size_t len = (size_t)n;
    char *stacks = map_stacks(len);
    ring = calloc(len, sizeof *ring);
    BENCH_MUST(ring != NULL);
    for (size_t i = 0; i < len; i++) {
        ring[i].at = floor_begin(coloured_top(stacks, i), go_round);
        ring[i].next = &ring[(i + 1) % len];
    }
    bench_measure();
    free(ring);
    BENCH_MUST(munmap(stacks, len * STRIDE) == 0);
}

/* --- spawn, run, join ----------------------------------------------------------- */

/* A task that has not begun needs no stack, and one that has ended gives it back. */
static struct task {
    struct task *next;
    int (*fn)(void *arg);
    void *arg;
    int result;
} * idle, *batch[BATCH], *running;
static char *stack_top;
static long ran;

static int child(void *arg)
{
    bench_keep(arg);
    ran++;
    return 0;
}

static struct task *spawn(void)
{
    struct task *task = idle;
    idle = task->next;
    task->fn = child;
    task->arg = NULL;
    return task;
}

static void run_on_stack(void)
{
    void *unused = NULL;
    running->result = running->fn(running->arg);
    floor_switch(&unused, home.at);
}

static void run(struct task *task)
{
    running = task;
    floor_switch(&home.at, floor_begin(stack_top, run_on_stack));
}

static void join(struct task *task)
{
    bench_keep(&task->result);
    task->next = idle;
    idle = task;
}

static void spawn_join(long n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (long j = 0; j < n; j++) {
            batch[j] = spawn();
        }
        for (long j = 0; j < n; j++) {
            run(batch[j]);
        }
        for (long j = 0; j < n; j++) {
            join(batch[j]);
        }
    }
}

static void with_tasks(long n)
{
    struct task *tasks = calloc((size_t)n, sizeof *tasks);
    char *stack = map_stacks(1);
    BENCH_MUST(tasks != NULL);
    stack_top = stack + STRIDE;
    for (long i = 0; i < n; i++) {
        join(&tasks[i]);
    }
    bench_measure();
    BENCH_MUST(ran > 0);
    BENCH_MUST(munmap(stack, STRIDE) == 0);
    free(tasks);
}

#else

#define BATCH 10000

static void no_switch(long n)
{
    (void)n;
    bench_cannot("no switch is written for this processor");
}
#define with_ring no_switch
#define with_tasks no_switch
#define switches NULL
#define spawn_join NULL

#endif

#define SWITCH(size)                                                                   \
    {                                                                                  \
        .metric = "floor-switch", .n = (size), .loop = switches, .operations = (size), \
        .around = with_ring                                                            \
    }
#define SPAWN(size)                                                                          \
    {                                                                                        \
        .metric = "floor-spawn-join", .n = (size), .loop = spawn_join, .operations = (size), \
        .around = with_tasks                                                                 \
    }

static const struct bench benches[] = {
    SWITCH(2), SWITCH(1000), SWITCH(100000), SPAWN(1), SPAWN(BATCH),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "hardware, " BENCH_COMPILER, benches, BENCH_LEN(benches));
}
