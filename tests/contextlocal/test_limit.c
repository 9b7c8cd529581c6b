/* SPDX-License-Identifier: MIT */
/* A program of its own: static variables keep their numbers, and here they take all. */
#include "support.h"

enum { LIMIT = (1 << 20) - 1 }; /* the number 0 is nobody's */

static nook_var vars[LIMIT];
static NOOK_VAR_DEFINE(one_too_many);

static char value[] = "value", unset[] = "unset";

static size_t count_pairs(nook_context *context)
{
    nook_context_iter iter;
    nook_var *var;
    void *found;
    size_t n = 0;
    assert_int_equal(nook_context_iter_open(&iter, context), 0);
    while (nook_context_iter_next(&iter, &var, &found) == 0)
        n += found == &vars[n]; /* dense numbers come in the order of the first set */
    nook_context_iter_close(&iter);
    return n;
}

static void M4_a_million_variables_and_not_one_more(void **state)
{
    nook_context *copy;
    nook_token token;
    (void)state;
    for (size_t i = 0; i < LIMIT; i++)
        if (nook_var_set(&vars[i], &vars[i], NULL) != 0)
            fail_msg("variable %zu could not be set", i);
    assert_int_equal(nook_var_set(&one_too_many, value, &token), NOOK_EAGAIN);
    assert_int_equal(nook_var_reset(&one_too_many, &token), NOOK_ENOTOKEN);
    assert_ptr_equal(nook_var_get_or(&one_too_many, unset), unset);
    assert_int_equal(nook_context_contains(nook_context_peek(), &one_too_many), 0);
    assert_int_equal(nook_context_len(nook_context_peek()), LIMIT);
    assert_int_equal(count_pairs(nook_context_peek()), LIMIT);
    assert_int_equal(nook_context_copy_current(&copy), 0);
    assert_int_equal(nook_var_set(&vars[LIMIT - 1], value, NULL), 0);
    assert_int_equal(nook_context_equal(copy, nook_context_peek()), 0);
    assert_ptr_equal(nook_var_get_or(&vars[LIMIT - 1], unset), value);
    assert_ptr_equal(nook_var_get_or(&vars[0], unset), &vars[0]);
    nook_context_unref(copy);
}

static void a_variable_without_a_number_can_go(void **state)
{
    nook_var *var;
    (void)state;
    assert_int_equal(nook_var_new(&var, "no number left", NULL), 0);
    assert_int_equal(nook_var_set(var, value, NULL), NOOK_EAGAIN);
    nook_var_unref(var);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        context_test(M4_a_million_variables_and_not_one_more),
        context_test(a_variable_without_a_number_can_go),
    };
    return cmocka_run_group_tests_name("contextlocal.limit", tests, NULL, NULL);
}
