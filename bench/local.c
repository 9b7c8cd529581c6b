/* SPDX-License-Identifier: MIT */
/* nook's thread-local storage: keys, Local, LocalStack, LocalProxy, one name in each. */
#include "own.h"

static int values[2];
static nook_tls_key key;
static nook_local *local;
static nook_local_stack *stack;
static nook_local_proxy proxy;

static void with_storage(long n)
{
    (void)n;
    BENCH_MUST(nook_tls_new(&key, NULL) == 0);
    BENCH_MUST(nook_tls_set(key, &values[0]) == 0);
    BENCH_MUST(nook_local_new(&local, NULL) == 0);
    BENCH_MUST(nook_local_set(local, "user", &values[0]) == 0);
    BENCH_MUST(nook_local_stack_new(&stack, NULL) == 0);
    BENCH_MUST(nook_local_stack_push(stack, &values[0]) == 0);
    BENCH_MUST(nook_local_proxy_of_local(&proxy, local, "user", NULL) == 0);
    bench_measure();
    nook_local_stack_unref(stack);
    nook_local_unref(local);
    BENCH_MUST(nook_tls_delete(key) == 0);
}

static void key_get(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        void *value = NULL;
        MUST_BE_0(nook_tls_get(key, &value));
        bench_keep(value);
    }
}

static void key_set(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        MUST_BE_0(nook_tls_set(key, &values[i % 2]));
    }
}

static void local_get(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        void *value = NULL;
        MUST_BE_0(nook_local_get(local, "user", &value));
        bench_keep(value);
    }
}

static void local_set(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        MUST_BE_0(nook_local_set(local, "user", &values[i % 2]));
    }
}

static void push_pop(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        void *value = NULL;
        MUST_BE_0(nook_local_stack_push(stack, &values[1]));
        MUST_BE_0(nook_local_stack_pop(stack, &value));
        bench_keep(value);
    }
}

static void proxy_get(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        void *object = NULL;
        MUST_BE_0(nook_local_proxy_get(&proxy, &object));
        bench_keep(object);
    }
}

static const struct bench benches[] = {
    {.metric = "key-get", .n = 1, .loop = key_get, .around = with_storage},
    {.metric = "key-set", .n = 1, .loop = key_set, .around = with_storage},
    {.metric = "local-get", .n = 1, .loop = local_get, .around = with_storage},
    {.metric = "local-set", .n = 1, .loop = local_set, .around = with_storage},
    {.metric = "stack-push-pop", .n = 1, .loop = push_pop, .around = with_storage},
    {.metric = "proxy-get", .n = 1, .loop = proxy_get, .around = with_storage},
};

OWN_MAIN(benches)
