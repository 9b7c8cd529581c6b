/* SPDX-License-Identifier: MIT */
/* What a host's cycle collector is told: H17. */
#include "support.h"

static NOOK_VAR_DEFINE(plain); /* nobody counts its values */
static nook_var counted = NOOK_VAR_INIT("counted", &counted_ops, 0, NULL);
static const nook_var_options with_ops = {.ops = &counted_ops};
static struct counted value;

struct visited {
    int times, limit;
    nook_var *var;
    void *value;
};

static int note(nook_var *var, void *bound, void *arg)
{
    struct visited *visited = arg;
    visited->times++;
    visited->var = var;
    visited->value = bound;
    return visited->times == visited->limit ? visited->limit : 0;
}

/* How many bindings were told. */
static int told(nook_context *context)
{
    struct visited visited = {.times = 0};
    assert_int_equal(nook_context_visit(context, note, &visited), 0);
    return visited.times;
}

static nook_context *context_with(nook_var *var, void *bound)
{
    nook_context *context;
    assert_int_equal(nook_context_new(&context), 0);
    assert_int_equal(nook_context_enter(context), 0);
    assert_int_equal(nook_var_set(var, bound, NULL), 0);
    assert_int_equal(nook_context_exit(context), 0);
    return context;
}

static void set_in(nook_context *context, nook_var *var, void *bound)
{
    assert_int_equal(nook_context_enter(context), 0);
    assert_int_equal(nook_var_set(var, bound, NULL), 0);
    assert_int_equal(nook_context_exit(context), 0);
}

static void H17_a_visit_tells_of_what_goes_with_the_context(void **state)
{
    nook_var *created;
    struct visited visited = {.times = 0};
    nook_context *context = context_with(&counted, &value);
    (void)state;
    set_in(context, &plain, &value);
    assert_int_equal(nook_context_visit(context, note, &visited), 0);
    assert_int_equal(visited.times, 1);
    assert_ptr_equal(visited.var, &counted);
    assert_ptr_equal(visited.value, &value);
    assert_int_equal(nook_var_new(&created, "created", &with_ops), 0);
    set_in(context, created, NULL);
    assert_int_equal(told(context), 2);
    nook_var_unref(created);
    nook_context_clear(context);
    assert_int_equal(told(context), 0);
    nook_context_unref(context);
}

static void H17_nothing_that_is_shared_is_told(void **state)
{
    nook_var *vars[40];
    nook_context *context = context_with(&counted, &value), *copy;
    (void)state;
    assert_int_equal(nook_context_copy(context, &copy), 0);
    assert_int_equal(told(context), 0);
    assert_int_equal(told(copy), 0);
    nook_context_unref(copy);
    assert_int_equal(told(context), 1);
    for (int i = 0; i < 40; i++) { /* more than one leaf */
        assert_int_equal(nook_var_new(&vars[i], "var", &with_ops), 0);
        set_in(context, vars[i], &value);
    }
    assert_int_equal(told(context), 41);
    assert_int_equal(nook_context_copy(context, &copy), 0);
    set_in(copy, vars[39], NULL); /* its leaf is the copy's own now, the others are shared */
    int mine = told(context), its = told(copy);
    assert_int_equal(mine, its);
    assert_in_range(its, 1, 31);
    nook_context_unref(copy);
    assert_int_equal(told(context), 41);
    for (int i = 0; i < 40; i++)
        nook_var_unref(vars[i]);
    nook_context_unref(context);
}

static void H17_nothing_is_told_of_a_context_that_others_hold(void **state)
{
    nook_context *context = context_with(&counted, &value);
    (void)state;
    assert_int_equal(told(nook_context_ref(context)), 0);
    nook_context_unref(context);
    assert_int_equal(told(context), 1);
    assert_int_equal(nook_context_enter(context), 0);
    assert_int_equal(told(context), 0);
    assert_int_equal(nook_context_exit(context), 0);
    assert_int_equal(told(context), 1);
    nook_context *mine = nook_state_swap(nook_context_ref(context));
    assert_int_equal(told(context), 0);
    nook_state_drop(nook_state_swap(mine));
    assert_int_equal(told(context), 1);
    nook_context_unref(context);
}

static void H17_a_visit_ends_where_the_visitor_says_so(void **state)
{
    struct visited visited = {.limit = 2};
    nook_var *vars[3];
    nook_context *context = context_with(&counted, &value);
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(nook_var_new(&vars[i], "var", &with_ops), 0);
        set_in(context, vars[i], NULL);
    }
    assert_int_equal(nook_context_visit(context, note, &visited), 2);
    assert_int_equal(visited.times, 2);
    assert_int_equal(nook_context_visit(NULL, note, &visited), NOOK_EINVAL);
    assert_int_equal(nook_context_visit(context, NULL, NULL), NOOK_EINVAL);
    for (int i = 0; i < 3; i++)
        nook_var_unref(vars[i]);
    nook_context_unref(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        context_test(H17_a_visit_tells_of_what_goes_with_the_context),
        context_test(H17_nothing_that_is_shared_is_told),
        context_test(H17_nothing_is_told_of_a_context_that_others_hold),
        context_test(H17_a_visit_ends_where_the_visitor_says_so),
    };
    return cmocka_run_group_tests_name("contextlocal.visit", tests, NULL, NULL);
}
