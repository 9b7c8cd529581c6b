/* SPDX-License-Identifier: MIT */
/*
 * For analyzers, which know nothing of cmocka's jump: after an assert that failed,
 * the test does not go on. Included before each test where NOOK_ANALYZE is on.
 */
#ifndef TESTS_DEV_ASSERTS_H
#define TESTS_DEV_ASSERTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOOK_ASSERT(condition) ((condition) ? (void)0 : abort())

#undef assert_true
#undef assert_false
#undef assert_null
#undef assert_non_null
#undef assert_int_equal
#undef assert_int_not_equal
#undef assert_ptr_equal
#undef assert_ptr_not_equal
#undef assert_string_equal
#define assert_true(c) NOOK_ASSERT(c)
#define assert_false(c) NOOK_ASSERT(!(c))
#define assert_null(p) NOOK_ASSERT((p) == NULL)
#define assert_non_null(p) NOOK_ASSERT((p) != NULL)
#define assert_int_equal(a, b) \
    NOOK_ASSERT(cast_to_largest_integral_type(a) == cast_to_largest_integral_type(b))
#define assert_int_not_equal(a, b) \
    NOOK_ASSERT(cast_to_largest_integral_type(a) != cast_to_largest_integral_type(b))
#define assert_ptr_equal(a, b) NOOK_ASSERT((uintptr_t)(a) == (uintptr_t)(b))
#define assert_ptr_not_equal(a, b) NOOK_ASSERT((uintptr_t)(a) != (uintptr_t)(b))
#define assert_string_equal(a, b) NOOK_ASSERT(strcmp(a, b) == 0)

#endif
