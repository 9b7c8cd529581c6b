/* SPDX-License-Identifier: MIT */
/*
 * Starving a program. It runs again and again, and each time one more allocation
 * succeeds before one fails: that one alone, or it and all that follow. It must
 * report NOOK_ENOMEM or do without, and leave nothing behind. The linker sends
 * malloc and its kin through here: see nook_add_starved_test.
 *
 * Included by one file of a test, after its support.h, which has nothing_alive.
 */
#ifndef TESTS_STARVE_H
#define TESTS_STARVE_H

#include <stdatomic.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

enum hunger { ONCE, FOR_GOOD };

/* Any thread may allocate. */
static atomic_long countdown =
    -1; /* allocations until the one that fails; below 0: none does */
static enum hunger hunger;
static atomic_int failed;

static int fails(void)
{
    long left = atomic_load(&countdown);
    while (left > 0)
        if (atomic_compare_exchange_weak(&countdown, &left, left - 1))
            return 0;
    if (left < 0 || (hunger == ONCE && !atomic_compare_exchange_strong(&countdown, &left, -1)))
        return 0;
    atomic_store(&failed, 1);
    return 1;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails() ? NULL : __real_realloc(block, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

/* Runs the program until none of its allocations fails any more. */
static void starve(enum hunger how, int (*program)(void))
{
    int refused = 0;
    hunger = how;
    for (long n = 0;; n++) {
        atomic_store(&failed, 0);
        atomic_store(&countdown, n);
        int rc = program();
        atomic_store(&countdown, -1);
        assert_true(rc == 0 || (atomic_load(&failed) && rc == NOOK_ENOMEM));
        refused += rc != 0;
        assert_int_equal(nothing_alive(NULL), 0);
        if (!atomic_load(&failed))
            break;
    }
    assert_in_range(refused, 1, 100000);
}

#define TRY(call)        \
    do {                 \
        if (rc == 0)     \
            rc = (call); \
    } while (0)

#endif
