/* SPDX-License-Identifier: MIT */
/* A context as a mapping: len, find, contains, iteration, equality: C4-C10, H6, H8, H9, M8-M10.
 */
#include "support.h"

static NOOK_VAR_DEFINE(user);
static NOOK_VAR_DEFINE(other);

static char alice[] = "alice", bob[] = "bob", unset[] = "unset";

static nook_context *new_context(void)
{
    nook_context *context = NULL;
    assert_int_equal(nook_context_new(&context), 0);
    return context;
}

/* Binds in any context that is not entered. */
static void bind(nook_context *context, nook_var *var, void *value)
{
    assert_int_equal(nook_context_enter(context), 0);
    assert_int_equal(nook_var_set(var, value, NULL), 0);
    assert_int_equal(nook_context_exit(context), 0);
}

/* --- looking up ------------------------------------------------------------- */

static void C4_len_contains_and_find(void **state)
{
    nook_context *context = new_context();
    void *value = unset;
    (void)state;
    bind(context, &user, alice);
    assert_int_equal(nook_context_len(context), 1);
    assert_int_equal(nook_context_contains(context, &user), 1);
    assert_int_equal(nook_context_contains(context, &other), 0);
    assert_int_equal(nook_context_find(context, &user, &value), 0);
    assert_ptr_equal(value, alice);
    bind(context, &other, NULL);
    bind(context, &user, bob);
    assert_int_equal(nook_context_len(context), 2);
    assert_int_equal(nook_context_find(context, &other, &value), 0);
    assert_null(value);
    nook_context_unref(context);
}

static void C5_a_lookup_asks_no_default(void **state)
{
    nook_var with_default = NOOK_VAR_INIT("with default", NULL, 1, bob);
    nook_context *context = new_context();
    void *value = alice;
    (void)state;
    assert_int_equal(nook_context_find(context, &with_default, &value), NOOK_EUNSET);
    assert_ptr_equal(value, alice); /* untouched */
    assert_int_equal(nook_context_contains(context, &with_default), 0);
    assert_int_equal(nook_context_len(context), 0);
    nook_context_unref(context);
}

static void C6_what_is_no_context_or_variable(void **state)
{
    nook_context *context = new_context();
    nook_context_iter iter;
    nook_var *var;
    void *value = alice;
    (void)state;
    assert_int_equal(nook_context_find(NULL, &user, &value), NOOK_EINVAL);
    assert_int_equal(nook_context_find(context, NULL, &value), NOOK_EINVAL);
    assert_int_equal(nook_context_find(context, &user, NULL), NOOK_EINVAL);
    assert_ptr_equal(value, alice);
    assert_int_equal(nook_context_contains(NULL, &user), 0);
    assert_int_equal(nook_context_contains(context, NULL), 0);
    assert_int_equal(nook_context_len(NULL), 0);
    assert_int_equal(nook_context_equal(NULL, context), NOOK_EINVAL);
    assert_int_equal(nook_context_equal(context, NULL), NOOK_EINVAL);
    assert_int_equal(nook_context_iter_open(NULL, context), NOOK_EINVAL);
    assert_int_equal(nook_context_iter_open(&iter, NULL), NOOK_EINVAL);
    assert_int_equal(nook_context_iter_next(&iter, &var, &value), NOOK_EEND);
    assert_int_equal(nook_context_iter_next(&iter, NULL, &value), NOOK_EINVAL);
    assert_int_equal(nook_context_iter_next(NULL, &var, &value), NOOK_EINVAL);
    nook_context_iter_close(&iter);
    nook_context_iter_close(NULL);
    nook_context_unref(context);
}

static void C5_H8_a_found_value_is_the_callers(void **state)
{
    struct counted a = {0};
    nook_var_options options = {.ops = &counted_ops};
    nook_context *context = new_context();
    nook_var *var;
    void *value;
    (void)state;
    assert_int_equal(nook_var_new(&var, "counted", &options), 0);
    bind(context, var, &a);
    assert_int_equal(nook_context_find(context, var, &value), 0);
    assert_int_equal(a.held, 2);
    nook_context_unref(context);
    assert_int_equal(a.held, 1);
    nook_value_release(var, value);
    assert_int_equal(a.held, 0);
    nook_var_unref(var);
}

struct question {
    nook_context *context;
    size_t len;
    int contains, find, equal, pairs;
    void *value;
};

static void *ask(void *arg)
{
    struct question *q = arg;
    nook_context_iter iter;
    nook_var *var;
    void *value;
    q->len = nook_context_len(q->context);
    q->contains = nook_context_contains(q->context, &user);
    q->find = nook_context_find(q->context, &user, &q->value);
    q->equal = nook_context_equal(q->context, q->context);
    if (nook_context_iter_open(&iter, q->context) == 0)
        while (nook_context_iter_next(&iter, &var, &value) == 0)
            q->pairs++;
    nook_context_iter_close(&iter);
    return NULL;
}

static void check_answers(const struct question *q)
{
    assert_int_equal(q->len, 1);
    assert_int_equal(q->contains, 1);
    assert_int_equal(q->find, 0);
    assert_ptr_equal(q->value, alice);
    assert_int_equal(q->equal, 1);
    assert_int_equal(q->pairs, 1);
}

static void H8_any_context_answers_anywhere(void **state)
{
    struct question here = {.context = new_context()}, nested = here, there = here, out = here;
    nook_context *inner = new_context();
    (void)state;
    assert_int_equal(nook_context_enter(here.context), 0);
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    ask(&here); /* current */
    check_answers(&here);
    assert_int_equal(nook_context_enter(inner), 0);
    ask(&nested); /* entered, below another one */
    check_answers(&nested);
    in_thread(ask, &there); /* entered by another thread */
    check_answers(&there);
    assert_int_equal(nook_context_exit(inner), 0);
    assert_int_equal(nook_context_exit(here.context), 0);
    ask(&out); /* not entered */
    check_answers(&out);
    nook_context_unref(inner);
    nook_context_unref(here.context);
}

/* --- iterating -------------------------------------------------------------- */

enum { MANY = 100 };

static void M10_iteration_visits_each_binding_once(void **state)
{
    static nook_var vars[MANY];
    nook_context *context = new_context();
    nook_context_iter iter;
    nook_var *var;
    void *value;
    int visits[MANY] = {0}, n = 0;
    (void)state;
    for (int i = 0; i < MANY; i++)
        bind(context, &vars[i], &visits[i]);
    assert_int_equal(nook_context_iter_open(&iter, context), 0);
    while (nook_context_iter_next(&iter, &var, &value) == 0) {
        assert_ptr_equal(value, &visits[var - vars]);
        ++*(int *)value;
        n++;
    }
    assert_int_equal(nook_context_iter_next(&iter, &var, &value), NOOK_EEND);
    nook_context_iter_close(&iter);
    assert_int_equal(n, MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(visits[i], 1);
    nook_context_unref(context);
}

static void C8_an_iterator_sees_what_was_there_when_it_was_opened(void **state)
{
    nook_context_iter iter;
    nook_token token;
    nook_var *var;
    void *value;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, &token), 0);
    assert_int_equal(nook_context_iter_open(&iter, nook_context_peek()), 0);
    assert_int_equal(nook_var_set(&other, bob, NULL), 0);
    assert_int_equal(nook_var_reset(&user, &token), 0);
    assert_int_equal(nook_context_iter_next(&iter, &var, &value), 0);
    assert_ptr_equal(var, &user);
    assert_ptr_equal(value, alice);
    assert_int_equal(nook_context_iter_next(&iter, &var, &value), NOOK_EEND);
    nook_context_iter_close(&iter);
}

static void M10_an_iterator_holds_what_it_iterates(void **state)
{
    struct counted a = {0};
    nook_var_options options = {.ops = &counted_ops};
    nook_context *context = new_context();
    nook_context_iter iter;
    nook_var *var;
    void *value;
    (void)state;
    assert_int_equal(nook_var_new(&var, "held", &options), 0);
    bind(context, var, &a);
    nook_var_unref(var);
    assert_int_equal(nook_context_iter_open(&iter, context), 0);
    nook_context_unref(context);
    assert_int_equal(a.held, 1);
    assert_int_equal(nook_context_iter_next(&iter, &var, &value), 0);
    assert_string_equal(nook_var_name(var), "held");
    nook_context_iter_close(&iter);
    assert_int_equal(a.held, 0);
    nook_context_iter_close(&iter); /* once more does no harm */
}

static void C8_an_iterator_may_be_closed_half_way(void **state)
{
    nook_context_iter iter;
    nook_var *var;
    void *value;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    assert_int_equal(nook_var_set(&other, bob, NULL), 0);
    assert_int_equal(nook_context_iter_open(&iter, nook_context_peek()), 0);
    assert_int_equal(nook_context_iter_next(&iter, &var, &value), 0);
    nook_context_iter_close(&iter);
    assert_int_equal(nook_context_iter_next(&iter, &var, &value), NOOK_EEND);
}

/* --- equality ---------------------------------------------------------------- */

static void C9_equality_is_of_variables_and_values(void **state)
{
    nook_context *a = new_context(), *b = new_context();
    (void)state;
    assert_int_equal(nook_context_equal(a, b), 1);
    bind(a, &user, alice);
    assert_int_equal(nook_context_equal(a, b), 0);
    assert_int_equal(nook_context_equal(b, a), 0);
    bind(b, &other, alice);
    assert_int_equal(nook_context_equal(a, b), 0); /* as many, but not the same */
    bind(b, &user, alice);
    bind(a, &other, alice);
    assert_int_equal(nook_context_equal(a, b), 1);
    bind(b, &user, bob);
    assert_int_equal(nook_context_equal(a, b), 0);
    bind(a, &user, NULL);
    assert_int_equal(nook_context_equal(a, b), 0);
    bind(b, &user, NULL);
    assert_int_equal(nook_context_equal(a, b), 1);
    nook_context_unref(a);
    nook_context_unref(b);
}

/* One of them is higher than the other, but holds no more. */
static void C9_equality_of_maps_of_different_shape(void **state)
{
    static nook_var filler[40], last = NOOK_VAR_INIT("last", NULL, 0, NULL);
    nook_context *a = new_context(), *b = new_context();
    nook_token token;
    (void)state;
    for (int i = 0; i < 40; i++)
        bind(b, &filler[i], alice);
    nook_context_clear(b);
    bind(a, &user, alice);
    assert_int_equal(nook_context_enter(b), 0);
    assert_int_equal(nook_var_set(&last, bob, &token), 0);
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    assert_int_equal(nook_var_reset(&last, &token), 0);
    assert_int_equal(nook_context_exit(b), 0);
    assert_int_equal(nook_context_equal(a, b), 1);
    assert_int_equal(nook_context_equal(b, a), 1);
    bind(b, &last, bob);
    assert_int_equal(nook_context_equal(a, b), 0);
    nook_context_unref(a);
    nook_context_unref(b);
}

static void C9_M9_values_are_equal_if_equal_says_so(void **state)
{
    struct counted one = {0, 1}, also_one = {0, 1}, two = {0, 2};
    nook_var_options options = {.ops = &counted_ops};
    nook_context *a = new_context(), *b = new_context();
    nook_var *var;
    (void)state;
    assert_int_equal(nook_var_new(&var, "number", &options), 0);
    bind(a, var, &one);
    bind(b, var, &also_one);
    assert_int_equal(nook_context_equal(a, b), 1);
    bind(b, var, &two);
    assert_int_equal(nook_context_equal(a, b), 0);
    nook_context_unref(a);
    nook_context_unref(b);
    nook_var_unref(var);
    assert_int_equal(one.held + also_one.held + two.held, 0);
}

static int comparisons;

static int equal_fails(void *a, void *b, void *error)
{
    (void)a;
    (void)b;
    comparisons++;
    return *(int *)error;
}

static void C9_M8_a_failing_equal_is_the_result(void **state)
{
    static const nook_value_ops ops = {.equal = equal_fails};
    int error = -1234;
    nook_var_options options = {.ops = &ops, .user = &error};
    nook_context *a = new_context(), *b = new_context();
    nook_var *var;
    (void)state;
    comparisons = 0;
    assert_int_equal(nook_var_new(&var, "cannot compare", &options), 0);
    bind(a, var, alice);
    bind(b, var, alice);
    assert_int_equal(nook_context_equal(a, b), 1); /* identical: nobody is asked */
    assert_int_equal(comparisons, 0);
    bind(b, var, bob);
    assert_int_equal(nook_context_equal(a, b), -1234);
    assert_int_equal(nook_context_equal(b, a), -1234);
    assert_int_equal(comparisons, 2);
    assert_int_equal(nook_context_len(a), 1); /* and both go on */
    error = 1;
    assert_int_equal(nook_context_equal(a, b), 1);
    nook_context_unref(a);
    nook_context_unref(b);
    nook_var_unref(var);
}

static void C9_a_copy_that_nobody_changed_is_equal_without_asking(void **state)
{
    static const nook_value_ops ops = {.equal = equal_fails};
    int error = -1;
    nook_var_options options = {.ops = &ops, .user = &error};
    nook_context *a = new_context(), *b;
    nook_var *var;
    (void)state;
    comparisons = 0;
    assert_int_equal(nook_var_new(&var, "cannot compare", &options), 0);
    bind(a, var, alice);
    assert_int_equal(nook_context_copy(a, &b), 0);
    assert_int_equal(nook_context_equal(a, b), 1);
    assert_int_equal(comparisons, 0);
    nook_context_unref(a);
    nook_context_unref(b);
    nook_var_unref(var);
}

/* What `equal` changes while it compares. */
static nook_context *compared[2];
static nook_var *compared_vars[2];
static struct counted *replacement;

static int set_in(void *value)
{
    int wrong = 0;
    for (int i = 0; i < 2; i++)
        wrong += nook_var_set(compared_vars[i], value, NULL) != 0;
    return wrong;
}

static int equal_changes_both(void *a, void *b, void *wrong)
{
    comparisons++;
    for (int i = 0; i < 2; i++) {
        int failed = 1;
        *(int *)wrong +=
            nook_context_run(compared[i], set_in, replacement, &failed) != 0 || failed;
    }
    nook_context_clear(compared[comparisons % 2]);
    return counted_equal(a, b, NULL);
}

static void C10_equal_may_change_what_is_compared(void **state)
{
    static const nook_value_ops ops = {counted_retain, counted_release, equal_changes_both,
                                       NULL, NOOK_INHERIT_COPY};
    int wrong = 0;
    struct counted values[4] = {{0, 1}, {0, 1}, {0, 2}, {0, 2}}, new_value = {0, 9};
    nook_var_options options = {.ops = &ops, .user = &wrong};
    (void)state;
    comparisons = 0;
    replacement = &new_value;
    for (int i = 0; i < 2; i++) {
        compared[i] = new_context();
        assert_int_equal(nook_var_new(&compared_vars[i], "compared", &options), 0);
    }
    for (int i = 0; i < 4; i++)
        bind(compared[i % 2], compared_vars[i / 2], &values[i]);
    /* What was held at the call is equal, whatever became of it meanwhile. */
    assert_int_equal(nook_context_equal(compared[0], compared[1]), 1);
    assert_int_equal(comparisons, 2);
    assert_int_equal(wrong, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(values[i].held, 0);
    for (int i = 0; i < 2; i++) {
        nook_context_unref(compared[i]);
        nook_var_unref(compared_vars[i]);
    }
    assert_int_equal(new_value.held, 0);
}

/* The last references to both contexts go while they are compared. */
static int equal_drops_both(void *a, void *b, void *unused)
{
    (void)unused;
    nook_context_unref(compared[0]);
    nook_context_unref(compared[1]);
    return counted_equal(a, b, NULL);
}

static void C10_equal_may_drop_what_is_compared(void **state)
{
    static const nook_value_ops ops = {counted_retain, counted_release, equal_drops_both, NULL,
                                       NOOK_INHERIT_COPY};
    struct counted a = {0, 1}, b = {0, 1};
    nook_var_options options = {.ops = &ops};
    nook_var *var;
    (void)state;
    assert_int_equal(nook_var_new(&var, "dropping", &options), 0);
    compared[0] = new_context();
    compared[1] = new_context();
    bind(compared[0], var, &a);
    bind(compared[1], var, &b);
    nook_var_unref(var);
    assert_int_equal(nook_context_equal(compared[0], compared[1]), 1);
    assert_int_equal(a.held + b.held, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        context_test(C4_len_contains_and_find),
        context_test(C5_a_lookup_asks_no_default),
        context_test(C6_what_is_no_context_or_variable),
        context_test(C5_H8_a_found_value_is_the_callers),
        context_test(H8_any_context_answers_anywhere),
        context_test(M10_iteration_visits_each_binding_once),
        context_test(C8_an_iterator_sees_what_was_there_when_it_was_opened),
        context_test(M10_an_iterator_holds_what_it_iterates),
        context_test(C8_an_iterator_may_be_closed_half_way),
        context_test(C9_equality_is_of_variables_and_values),
        context_test(C9_equality_of_maps_of_different_shape),
        context_test(C9_M9_values_are_equal_if_equal_says_so),
        context_test(C9_M8_a_failing_equal_is_the_result),
        context_test(C9_a_copy_that_nobody_changed_is_equal_without_asking),
        context_test(C10_equal_may_change_what_is_compared),
        context_test(C10_equal_may_drop_what_is_compared),
    };
    return cmocka_run_group_tests_name("contextlocal.mapping", tests, NULL, NULL);
}
