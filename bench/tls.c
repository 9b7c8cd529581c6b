/* SPDX-License-Identifier: MIT */
/*
 * What a thread-local costs: in the program itself (local-exec), in a library by each of
 * the models that compilers know, and by the keys of POSIX and of C11. Every access is a
 * call that is not inlined, as one into a library is.
 */
#include "harness.h"
#include "tls_lib.h"

#include <pthread.h>
#include <threads.h>

/* The most variables that context.c goes round. */
#define MOST 1000

static _Thread_local void *own_value;
static pthread_key_t key;
static pthread_key_t keys[MOST];
static tss_t tss;
static int values[2];

static __attribute__((noinline)) void *own_get(void)
{
    bench_keep(NULL);
    return own_value;
}

static __attribute__((noinline)) void own_set(void *to)
{
    own_value = to;
    bench_keep(NULL);
}

/* A loop for each, or else a call by pointer would be measured. */
#define READ(name, call)                          \
    static void read_##name(long n, size_t count) \
    {                                             \
        (void)n;                                  \
        for (size_t i = 0; i < count; i++) {      \
            bench_keep(call);                     \
        }                                         \
    }
#define WRITE(name, call)                          \
    static void write_##name(long n, size_t count) \
    {                                              \
        (void)n;                                   \
        for (size_t i = 0; i < count; i++) {       \
            void *value = &values[i % 2];          \
            (void)(call);                          \
        }                                          \
    }

READ(local_exec, own_get())
WRITE(local_exec, own_set(value))
READ(initial_exec, tls_initial_exec_get())
WRITE(initial_exec, tls_initial_exec_set(value))
READ(global_dynamic, tls_global_dynamic_get())
WRITE(global_dynamic, tls_global_dynamic_set(value))
#ifdef HAVE_DESCRIPTORS
READ(descriptor, tls_descriptor_get())
WRITE(descriptor, tls_descriptor_set(value))
#endif
READ(key, pthread_getspecific(key))
WRITE(key, pthread_setspecific(key, value))
READ(tss, tss_get(tss))
WRITE(tss, tss_set(tss, value))

/* As context.c's get-each, so that one loop differs from the other by the read alone. */
static void read_each_key(long n, size_t count)
{
    long at = 0;
    for (size_t i = 0; i < count; i++) {
        bench_keep(pthread_getspecific(keys[at]));
        at = at + 1 == n ? 0 : at + 1;
    }
}

/* The C library and others have keys too: how many are left is not ours to say. */
static void with_many_keys(long n)
{
    for (long i = 0; i < n; i++) {
        if (pthread_key_create(&keys[i], NULL) != 0) {
            bench_cannot("there are only %ld keys left", i);
        }
        BENCH_MUST(pthread_setspecific(keys[i], &values[0]) == 0);
    }
    bench_measure();
    for (long i = 0; i < n; i++) {
        BENCH_MUST(pthread_key_delete(keys[i]) == 0);
    }
}

static void with_keys(long n)
{
    (void)n;
    BENCH_MUST(pthread_key_create(&key, NULL) == 0);
    BENCH_MUST(tss_create(&tss, NULL) == thrd_success);
    BENCH_MUST(pthread_setspecific(key, &values[0]) == 0);
    BENCH_MUST(tss_set(tss, &values[0]) == thrd_success);
    bench_measure();
    tss_delete(tss);
    BENCH_MUST(pthread_key_delete(key) == 0);
}

#ifndef HAVE_DESCRIPTORS
static void no_descriptors(long n)
{
    (void)n;
    bench_cannot("this compiler knows no TLS descriptors here");
}
#define read_descriptor NULL
#define write_descriptor NULL
#define DESCRIPTORS no_descriptors
#else
#define DESCRIPTORS NULL
#endif

#define EACH(size)                                                        \
    {                                                                     \
        .metric = "pthread-get-each", .n = (size), .loop = read_each_key, \
        .around = with_many_keys                                          \
    }

static const struct bench benches[] = {
    {.metric = "tls-read-local-exec", .n = 1, .loop = read_local_exec},
    {.metric = "tls-read-initial-exec", .n = 1, .loop = read_initial_exec},
    {.metric = "tls-read-global-dynamic", .n = 1, .loop = read_global_dynamic},
    {.metric = "tls-read-tlsdesc", .n = 1, .loop = read_descriptor, .around = DESCRIPTORS},
    {.metric = "tls-write-local-exec", .n = 1, .loop = write_local_exec},
    {.metric = "tls-write-initial-exec", .n = 1, .loop = write_initial_exec},
    {.metric = "tls-write-global-dynamic", .n = 1, .loop = write_global_dynamic},
    {.metric = "tls-write-tlsdesc", .n = 1, .loop = write_descriptor, .around = DESCRIPTORS},
    {.metric = "pthread-get", .n = 1, .loop = read_key, .around = with_keys},
    EACH(1),
    EACH(8),
    EACH(32),
    EACH(100),
    EACH(MOST),
    {.metric = "pthread-set", .n = 1, .loop = write_key, .around = with_keys},
    {.metric = "tss-get", .n = 1, .loop = read_tss, .around = with_keys},
    {.metric = "tss-set", .n = 1, .loop = write_tss, .around = with_keys},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "thread-locals, " BENCH_C_LIBRARY ", " BENCH_COMPILER,
                      benches, BENCH_LEN(benches));
}
