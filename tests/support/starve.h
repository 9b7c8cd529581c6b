/* SPDX-License-Identifier: MIT */
/*
 * Programs without memory: each runs again and again, and each time one more
 * allocation succeeds before one fails. It must report NOOK_ENOMEM or do
 * without, and leave nothing behind. The linker sends malloc, calloc and realloc
 * through here (WRAP malloc calloc realloc), so the library must be static.
 *
 * For one source file of a test program. Any thread may allocate.
 */
#ifndef TESTS_SUPPORT_STARVE_H
#define TESTS_SUPPORT_STARVE_H

#include <stdatomic.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);

static atomic_long countdown =
    -1; /* allocations until the one that fails; below 0: none does */
static atomic_int failed;

static int fails(void)
{
    if (atomic_load(&countdown) < 0 || atomic_fetch_sub(&countdown, 1) != 0)
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

/* Runs the program until none of its allocations fails any more. */
static void starve(int (*program)(void), int (*is_clean)(void **state))
{
    int refused = 0;
    for (long n = 0;; n++) {
        atomic_store(&failed, 0);
        atomic_store(&countdown, n);
        int rc = program();
        atomic_store(&countdown, -1);
        assert_true(rc == 0 || (atomic_load(&failed) && rc == NOOK_ENOMEM));
        refused += rc != 0;
        assert_int_equal(is_clean(NULL), 0);
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
