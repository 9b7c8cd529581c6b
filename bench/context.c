/* SPDX-License-Identifier: MIT */
/*
 * Context variables with 1 to 1000 of them bound: what an access costs, and how it grows.
 * One variable is read and set, the last that was bound: the deepest in any structure
 * that grows. Only get-each goes round all of them.
 */
#include "own.h"

#include <stdio.h>

#define MOST 1000

static nook_var *vars[MOST];
static int values[2];
static nook_context *other;

/* n variables, bound in the current context. */
static void bind_all(long n)
{
    for (long i = 0; i < n; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "v%ld", i);
        BENCH_MUST(nook_var_new(&vars[i], name, NULL) == 0);
        BENCH_MUST(nook_var_set(vars[i], &values[0], NULL) == 0);
    }
}

/* And a second context that holds as much, and shares nothing of the one last set. */
static void with_variables(long n)
{
    bind_all(n);
    BENCH_MUST(nook_context_copy_current(&other) == 0);
    BENCH_MUST(nook_var_set(vars[n - 1], &values[1], NULL) == 0);
    bench_measure();
    nook_context_unref(other);
    nook_thread_detach();
    for (long i = 0; i < n; i++) {
        nook_var_unref(vars[i]);
    }
}

/* Where the loop makes copies of its own, no second context shares the map. */
static void with_variables_alone(long n)
{
    bind_all(n);
    bench_measure();
    nook_thread_detach();
    for (long i = 0; i < n; i++) {
        nook_var_unref(vars[i]);
    }
}

static void get(long n, size_t count)
{
    nook_var *var = vars[n - 1];
    for (size_t i = 0; i < count; i++) {
        void *value = NULL;
        MUST_BE_0(nook_var_get(var, &value));
        bench_keep(value);
    }
}

static void get_each(long n, size_t count)
{
    long at = 0;
    for (size_t i = 0; i < count; i++) {
        void *value = NULL;
        MUST_BE_0(nook_var_get(vars[at], &value));
        bench_keep(value);
        at = at + 1 == n ? 0 : at + 1;
    }
}

static void get_first(long n, size_t count)
{
    nook_var *var = vars[n - 1];
    for (size_t i = 0; i < count; i++) {
        void *value = NULL;
        MUST_BE_0(nook_context_enter(other));
        MUST_BE_0(nook_var_get(var, &value));
        bench_keep(value);
        MUST_BE_0(nook_context_exit(other));
    }
}

static void enter_exit(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        MUST_BE_0(nook_context_enter(other));
        MUST_BE_0(nook_context_exit(other));
    }
}

static int nothing(void *arg)
{
    bench_keep(arg);
    return 0;
}

static void run(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        MUST_BE_0(nook_context_run(other, nothing, NULL, NULL));
    }
}

static void set(long n, size_t count)
{
    nook_var *var = vars[n - 1];
    for (size_t i = 0; i < count; i++) {
        nook_token token;
        MUST_BE_0(nook_var_set(var, &values[i % 2], &token));
        nook_token_drop(&token);
    }
}

static void set_plain(long n, size_t count)
{
    nook_var *var = vars[n - 1];
    for (size_t i = 0; i < count; i++) {
        MUST_BE_0(nook_var_set(var, &values[i % 2], NULL));
    }
}

static void set_reset(long n, size_t count)
{
    nook_var *var = vars[n - 1];
    for (size_t i = 0; i < count; i++) {
        nook_token token;
        MUST_BE_0(nook_var_set(var, &values[1], &token));
        MUST_BE_0(nook_var_reset(var, &token));
    }
}

static void copy_drop(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        nook_context *copy = NULL;
        MUST_BE_0(nook_context_copy_current(&copy));
        nook_context_unref(copy);
    }
}

static void first_set(long n, size_t count)
{
    nook_var *var = vars[n - 1];
    for (size_t i = 0; i < count; i++) {
        nook_context *copy = NULL;
        MUST_BE_0(nook_context_copy_current(&copy));
        MUST_BE_0(nook_var_set(var, &values[i % 2], NULL));
        nook_context_unref(copy);
    }
}

/* One entry for each number of variables. */
#define ONE(name, turns, make, without, size)                                               \
    {                                                                                       \
        .metric = (name), .n = (size), .loop = (turns), .around = (make), .base = (without) \
    }
#define GROWING(metric, loop, around, base)                                        \
    ONE(metric, loop, around, base, 1), ONE(metric, loop, around, base, 8),        \
        ONE(metric, loop, around, base, 32), ONE(metric, loop, around, base, 100), \
        ONE(metric, loop, around, base, 1000)

static const struct bench benches[] = {
    GROWING("get", get, with_variables_alone, NULL),
    GROWING("get-each", get_each, with_variables_alone, NULL),
    GROWING("get-first", get_first, with_variables, enter_exit),
    GROWING("set", set, with_variables_alone, NULL),
    GROWING("set-plain", set_plain, with_variables_alone, NULL),
    GROWING("set-reset", set_reset, with_variables_alone, NULL),
    GROWING("first-set", first_set, with_variables_alone, NULL),
    GROWING("copy-drop", copy_drop, with_variables_alone, NULL),
    GROWING("enter-exit", enter_exit, with_variables, NULL),
    GROWING("run", run, with_variables, NULL),
};

OWN_MAIN(benches)
