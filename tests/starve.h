/* SPDX-License-Identifier: MIT */
/*
 * Starving a program. It runs again and again, and each time one more allocation
 * succeeds before one fails: that one alone, or it and all that follow. It must
 * report NOOK_ENOMEM or do without, and leave nothing behind. The linker sends
 * malloc, calloc and realloc through here: see nook_add_starved_test.
 *
 * Included by one file of a test, after its support.h, which has nothing_alive.
 */
#ifndef TESTS_STARVE_H
#define TESTS_STARVE_H

#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);

enum hunger { ONCE, FOR_GOOD };

static long countdown = -1; /* allocations until the one that fails; -1: none does */
static enum hunger hunger;
static int failed;

static int fails(void)
{
    if (countdown < 0)
        return 0;
    if (countdown > 0) {
        countdown--;
        return 0;
    }
    if (hunger == ONCE)
        countdown = -1;
    failed = 1;
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
static void starve(enum hunger how, int (*program)(void))
{
    int refused = 0;
    hunger = how;
    for (long n = 0;; n++) {
        countdown = n;
        failed = 0;
        int rc = program();
        countdown = -1;
        assert_true(rc == 0 || (failed && rc == NOOK_ENOMEM));
        refused += rc != 0;
        assert_int_equal(nothing_alive(NULL), 0);
        if (!failed)
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
