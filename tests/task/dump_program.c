/* SPDX-License-Identifier: MIT */
/*
 * Programs whose reports test_dump.c reads. The first argument says which; what they
 * write goes to standard output.
 */
#define NOOK_PARK_SITES
#include <nook/nook.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

static nook_var request = NOOK_VAR_INIT("request_id", NULL, 0, NULL);
static NOOK_VAR_DEFINE(secret);
static NOOK_VAR_DEFINE(plain);
static atomic_int turns, over;
static nook_lock door;

/* --- a tree of tasks in several states ---------------------------------------- */

static int grandchild(void *arg)
{
    (void)arg;
    nook_var_set(&request, "grand\nchild", NULL);
    return nook_sleep(3600 * 1000 * MS);
}

static int sleeper(void *arg)
{
    nook_task *child;
    nook_var_set(&request, arg, NULL);
    nook_task_spawn(&child, grandchild, NULL, &(nook_task_options){.name = "grandchild"});
    int rc = nook_task_join(child, NULL);
    nook_task_unref(child);
    return rc;
}

static int waiter(void *arg)
{
    (void)arg;
    return nook_lock_acquire(&door);
}

static int yielder(void *arg)
{
    (void)arg;
    while (nook_yield() == 0)
        atomic_fetch_add(&turns, 1);
    return 0;
}

static int orphan(void *arg)
{
    (void)arg;
    return nook_sleep(3600 * 1000 * MS);
}

static int parent(void *arg)
{
    (void)arg;
    return nook_task_spawn(NULL, orphan, NULL, &(nook_task_options){.name = "orphan"});
}

static void populate(void)
{
    nook_task *gone;
    nook_var_set(&secret, "sesame", NULL);
    nook_var_set(&plain, (void *)0x1234, NULL);
    nook_lock_acquire(&door);
    nook_task_spawn(NULL, sleeper, "alice", &(nook_task_options){.name = "sleeper"});
    nook_task_spawn(NULL, waiter, NULL, &(nook_task_options){.name = "waiter"});
    nook_task_spawn(&gone, parent, NULL, NULL);
    nook_task_join(gone, NULL);
    nook_task_unref(gone);
    nook_sleep(20 * MS);
}

static void printers(void)
{
    nook_dump_printer(&request, nook_dump_string, NULL);
    nook_dump_printer(&secret, nook_dump_redacted, NULL);
}

static int tree(void *arg)
{
    (void)arg;
    populate();
    return nook_dump(STDOUT_FILENO);
}

static int die(void *arg)
{
    (void)arg;
    populate();
    abort();
}

/* --- from another thread, while tasks run --------------------------------------- */

static void *dump_often(void *arg)
{
    int *rc = arg;
    for (int i = 0; i < 20 && *rc == 0; i++) {
        *rc = nook_dump(STDOUT_FILENO);
        usleep(1000);
    }
    atomic_store(&over, 1);
    return NULL;
}

static int until_over(void *arg)
{
    (void)arg;
    populate();
    for (int i = 0; i < 4; i++)
        nook_task_spawn(NULL, yielder, NULL, &(nook_task_options){.name = "yielder"});
    atomic_store(&turns, 1);
    while (!atomic_load(&over)) {
        nook_task *brief;
        nook_task_spawn(&brief, parent, NULL, &(nook_task_options){.name = "brief"});
        nook_task_join(brief, NULL);
        nook_task_unref(brief);
        nook_sleep(1 * MS);
    }
    return 0;
}

static void *run_until_over(void *arg)
{
    nook_run_options options = {.workers = *(unsigned *)arg};
    nook_run(until_over, NULL, &options, NULL);
    return NULL;
}

static int from_a_thread(unsigned workers)
{
    pthread_t runner, dumper;
    int rc = 0;
    pthread_create(&runner, NULL, run_until_over, &workers);
    while (!atomic_load(&turns))
        usleep(1000);
    pthread_create(&dumper, NULL, dump_often, &rc);
    pthread_join(dumper, NULL);
    pthread_join(runner, NULL);
    return rc;
}

/* --- on a signal ------------------------------------------------------------------ */

static int signalled(void *arg)
{
    (void)arg;
    nook_dump_on_signal(SIGUSR1, STDOUT_FILENO);
    populate();
    raise(SIGUSR1);
    return nook_sleep(100 * MS);
}

/* --- a task that does not park ------------------------------------------------------ */

static int hog(void *arg)
{
    (void)arg;
    atomic_store(&turns, 1);
    while (!atomic_load(&over))
        continue;
    return 0;
}

static void *run_hog(void *arg)
{
    (void)arg;
    nook_run(hog, NULL, NULL, NULL);
    return NULL;
}

static int silent(void)
{
    pthread_t runner;
    pthread_create(&runner, NULL, run_hog, NULL);
    while (!atomic_load(&turns))
        usleep(1000);
    int rc = nook_dump(STDOUT_FILENO);
    atomic_store(&over, 1);
    pthread_join(runner, NULL);
    return rc == NOOK_ETIMEDOUT ? 0 : 1;
}

/* --- a deadlock ------------------------------------------------------------------------ */

static void dump_it(void *user)
{
    printf("deadlock of %s\n", (const char *)user);
    fflush(stdout);
    nook_dump(STDOUT_FILENO);
}

static int lock_twice(void *arg)
{
    (void)arg;
    nook_lock_acquire(&door);
    nook_task_spawn(NULL, waiter, NULL, &(nook_task_options){.name = "waiter"});
    return nook_lock_acquire(&door) == NOOK_ECANCELED ? 0 : 1;
}

static int deadlock(unsigned workers)
{
    nook_watch watch = {.deadlocked = dump_it, .user = "this"};
    int result = 1;
    int rc = nook_run(lock_twice, NULL,
                      &(nook_run_options){.workers = workers, .watch = &watch}, &result);
    return rc == NOOK_EDEADLK ? result : 1;
}

/* --- who does not park -------------------------------------------------------------------- */

static atomic_int stalls[2]; /* of tasks, and of callbacks */

static void report_stall(const nook_stall *stall, void *user)
{
    (void)user;
    printf("%s on worker %u for %s: %s:%d\n", stall->name != NULL ? stall->name : "a callback",
           stall->worker, stall->ns >= 100 * MS ? "100 ms" : "too little",
           stall->site != NULL ? stall->site->function : "?",
           stall->site != NULL ? stall->site->line : 0);
    fflush(stdout);
    if (stall->name == NULL || strcmp(stall->name, "keeper") == 0)
        atomic_fetch_add(&stalls[stall->name == NULL], 1);
}

static void until_reported(void *arg)
{
    while (atomic_load((atomic_int *)arg) == 0)
        continue;
    usleep(250000); /* not a second time */
}

static int keep(void *arg)
{
    until_reported(arg);
    return 0;
}

static int yield_for_long(void *arg)
{
    (void)arg;
    uint64_t end = nook_now() + 300 * MS;
    while (nook_now() < end)
        nook_yield();
    return 0;
}

static int stall_once_each(void *arg)
{
    nook_task *task;
    nook_handle *handle;
    (void)arg;
    nook_task_spawn(&task, yield_for_long, NULL, &(nook_task_options){.name = "polite"});
    nook_sleep(300 * MS); /* waiting is no stall */
    nook_task_join(task, NULL);
    nook_task_unref(task);
    nook_task_spawn(&task, keep, &stalls[0], &(nook_task_options){.name = "keeper"});
    nook_task_join(task, NULL);
    nook_task_unref(task);
    nook_call_soon(&handle, until_reported, &stalls[1], NULL);
    nook_handle_unref(handle);
    nook_sleep(1);
    return 0;
}

static int stall(unsigned workers)
{
    nook_watch watch = {.stall_ns = 100 * MS, .stalled = report_stall};
    int result = 1;
    int rc = nook_run(stall_once_each, NULL,
                      &(nook_run_options){.workers = workers, .watch = &watch}, &result);
    return rc == 0 ? result : 1;
}

/* --- stacks ---------------------------------------------------------------------------------
 */

__attribute__((noinline)) static int use(volatile int bytes)
{
    volatile char frame[1024];
    for (size_t i = 0; i < sizeof frame; i++) /* clang leaves a memset out */
        frame[i] = 1;
    return bytes > 0 ? use(bytes - 1024) + frame[1] : 0;
}

static int use_stack(void *arg)
{
    return use((int)(intptr_t)arg) < 0;
}

static int overflow(void *arg)
{
    return nook_task_spawn(NULL, use_stack, (void *)10000000,
                           &(nook_task_options){.name = "deep", .stack_size = 65536}) ||
           nook_sleep(1000 * MS) + (arg != NULL);
}

static int use_stacks(void *arg)
{
    (void)arg;
    for (intptr_t kib = 4; kib <= 40; kib += 12) { /* the deepest is not the last */
        nook_task *deep, *flat;
        nook_task_spawn(&deep, use_stack, (void *)(kib == 40 ? 4096 : kib * 1024), NULL);
        nook_task_spawn(&flat, use_stack, (void *)0, NULL);
        nook_task_join(deep, NULL);
        nook_task_join(flat, NULL);
        nook_task_unref(deep);
        nook_task_unref(flat);
    }
    return 0;
}

static void print_use(const nook_stack_use *stack, void *user)
{
    (void)user;
    printf("%s %s:%d %ju %zu\n", stack->name, stack->site != NULL ? stack->site->function : "?",
           stack->site != NULL ? stack->site->line : 0, (uintmax_t)stack->tasks,
           stack->deepest / 1024);
}

static int census(unsigned workers)
{
    nook_watch watch = {.measure_stacks = 1};
    int result = 1;
    nook_run(use_stacks, NULL, &(nook_run_options){.workers = workers, .watch = &watch},
             &result);
    nook_stack_census(print_use, NULL);
    nook_stack_census_reset();
    return result;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int result = 1;
    printers();
    if (strcmp(what, "tree") == 0)
        nook_run(tree, NULL, NULL, &result);
    else if (strcmp(what, "abort") == 0)
        nook_run(die, NULL, NULL, &result);
    else if (strcmp(what, "tree3") == 0)
        nook_run(tree, NULL, &(nook_run_options){.workers = 3}, &result);
    else if (strcmp(what, "thread") == 0)
        result = from_a_thread(1);
    else if (strcmp(what, "thread3") == 0)
        result = from_a_thread(3);
    else if (strcmp(what, "signal") == 0)
        nook_run(signalled, NULL, NULL, &result);
    else if (strcmp(what, "silent") == 0)
        result = silent();
    else if (strcmp(what, "deadlock") == 0)
        result = deadlock(1);
    else if (strcmp(what, "deadlock3") == 0)
        result = deadlock(3);
    else if (strcmp(what, "stall") == 0)
        result = stall(1);
    else if (strcmp(what, "stall3") == 0)
        result = stall(3);
    else if (strcmp(what, "census") == 0)
        result = census(1);
    else if (strcmp(what, "census3") == 0)
        result = census(3);
    else if (strcmp(what, "overflow") == 0)
        nook_run(overflow, NULL, NULL, &result);
    nook_dump_on_signal(0, -1);
    return result == 0 ? 0 : 1;
}
