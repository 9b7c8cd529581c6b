/* SPDX-License-Identifier: MIT */
/*
 * Context variables with 1 to 1000 of them bound: what an access costs, and how it grows.
 * The variable that is read or set changes with n: it is the last of them, the deepest in
 * any structure that grows.
 */
#include "harness.h"

#include <nook/nook.h>
#include <stdio.h>

#define MOST 1000

static nook_var *vars[MOST];
static int value;

/* n variables, bound in the current context. */
static void bind_all(long n)
{
    for (long i = 0; i < n; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "v%ld", i);
        BENCH_MUST(nook_var_new(&vars[i], name, NULL) == 0);
        BENCH_MUST(nook_var_set(vars[i], &value, NULL) == 0);
    }
}

static void with_variables(long n)
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
    void *got = NULL;
    for (size_t i = 0; i < count; i++) {
        if (nook_var_get(var, &got) != 0) {
            bench_failed("get", __FILE__, __LINE__);
        }
        bench_keep(got);
    }
}

/* One entry for each number of variables. */
#define GROWING(metric, loop)                                                               \
    {metric, 1, loop, 1, with_variables, NULL}, {metric, 8, loop, 1, with_variables, NULL}, \
        {metric, 32, loop, 1, with_variables, NULL},                                        \
        {metric, 100, loop, 1, with_variables, NULL},                                       \
    {                                                                                       \
        metric, 1000, loop, 1, with_variables, NULL                                         \
    }

static const struct bench benches[] = {
    GROWING("get", get),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "nook " NOOK_VERSION ", " BENCH_COMPILER, benches,
                      BENCH_LEN(benches));
}
