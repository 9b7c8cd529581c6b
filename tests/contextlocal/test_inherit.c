/* SPDX-License-Identifier: MIT */
/* What a child inherits: each variable says it for itself [V15, V18, X6, X10]. */
#include "support.h"

#include <stdlib.h>

/* A list that a duplicate owns alone. */
struct list {
    int held;
    int items;
};

static int lists_alive, duplicated, fail_after = -1;

static struct list *list_new(int items)
{
    struct list *list = malloc(sizeof *list);
    if (list != NULL) {
        *list = (struct list){1, items};
        lists_alive++;
    }
    return list;
}

static void list_retain(void *value, void *user)
{
    (void)user;
    ((struct list *)value)->held++;
}

static void list_release(void *value, void *user)
{
    struct list *list = value;
    (void)user;
    if (--list->held != 0)
        return;
    free(list);
    lists_alive--;
}

static int list_duplicate(void *value, void **copy, void *user)
{
    (void)user;
    if (fail_after == 0)
        return NOOK_EBUSY;
    fail_after -= fail_after > 0;
    duplicated++;
    *copy = list_new(((struct list *)value)->items);
    return *copy != NULL ? 0 : NOOK_ENOMEM;
}

static const nook_value_ops list_ops = {list_retain, list_release, NULL, list_duplicate,
                                        NOOK_INHERIT_DUPLICATE};
static const nook_value_ops drop_ops = {.inherit = NOOK_INHERIT_DROP};
static const nook_value_ops counted_drop_ops = {counted_retain, counted_release, NULL, NULL,
                                                NOOK_INHERIT_DROP};

static NOOK_VAR_DEFINE(plain);
static nook_var dropped = NOOK_VAR_INIT("dropped", &drop_ops, 0, NULL);
static nook_var transaction = NOOK_VAR_INIT("transaction", &counted_drop_ops, 0, NULL);
static nook_var list_var = NOOK_VAR_INIT("list", &list_ops, 0, NULL);

static char alice[] = "alice", unset[] = "unset";

static int fresh(void **state)
{
    lists_alive = duplicated = 0;
    fail_after = -1;
    return nothing_alive(state);
}

static int none_left(void **state)
{
    int rc = nothing_alive(state);
    return lists_alive == 0 ? rc : -1;
}

#define inherit_test(fn) cmocka_unit_test_setup_teardown(fn, fresh, none_left)

static nook_context *inherit(void)
{
    nook_context *child = NULL;
    assert_int_equal(nook_context_inherit(&child), 0);
    return child;
}

static void *bound(nook_context *context, nook_var *var)
{
    void *value;
    if (nook_context_find(context, var, &value) != 0)
        return unset;
    nook_value_release(var, value);
    return value;
}

/* Binds the variable to a new list, which the context then holds alone. */
static struct list *set_list(nook_var *var, int items)
{
    struct list *list = list_new(items);
    assert_non_null(list);
    assert_int_equal(nook_var_set(var, list, NULL), 0);
    list_release(list, NULL);
    return nook_var_get_or(var, NULL);
}

static void V15_the_default_policy_shares_the_value(void **state)
{
    (void)state;
    assert_int_equal(nook_var_set(&plain, alice, NULL), 0);
    nook_context *child = inherit();
    assert_ptr_equal(bound(child, &plain), alice);
    assert_ptr_not_equal(child, nook_context_peek());
    nook_context_unref(child);
}

static void V18_a_dropped_variable_is_unset_in_the_child(void **state)
{
    struct counted open = {0};
    (void)state;
    assert_int_equal(nook_var_set(&plain, alice, NULL), 0);
    assert_int_equal(nook_var_set(&dropped, alice, NULL), 0);
    assert_int_equal(nook_var_set(&transaction, &open, NULL), 0);
    nook_context *child = inherit();
    assert_int_equal(nook_context_len(child), 1);
    assert_ptr_equal(bound(child, &plain), alice);
    assert_int_equal(nook_context_contains(child, &dropped), 0);
    assert_int_equal(nook_context_contains(child, &transaction), 0);
    assert_int_equal(open.held, 1);
    assert_ptr_equal(nook_var_get_or(&dropped, unset), alice); /* the parent keeps it */
    assert_int_equal(nook_context_len(nook_context_peek()), 3);
    nook_context_unref(child);
    nook_thread_detach();
    assert_int_equal(open.held, 0);
}

static void V18_a_duplicated_value_is_the_childs_own(void **state)
{
    (void)state;
    struct list *mine = set_list(&list_var, 3);
    nook_context *child = inherit();
    struct list *its = bound(child, &list_var);
    assert_ptr_not_equal(its, mine);
    assert_int_equal(its->items, 3);
    assert_int_equal(its->held, 1);
    mine->items = 4;
    assert_int_equal(its->items, 3);
    assert_int_equal(duplicated, 1);
    nook_context_unref(child);
    assert_int_equal(lists_alive, 1);
}

/* A plain copy is exact: the policies are for children. */
static void C1_an_exact_copy_asks_no_policy(void **state)
{
    nook_context *copy;
    (void)state;
    struct list *mine = set_list(&list_var, 3);
    assert_int_equal(nook_var_set(&dropped, alice, NULL), 0);
    assert_int_equal(nook_context_copy_current(&copy), 0);
    assert_ptr_equal(bound(copy, &list_var), mine);
    assert_ptr_equal(bound(copy, &dropped), alice);
    assert_int_equal(duplicated, 0);
    nook_context_unref(copy);
}

static void a_grandchild_inherits_by_the_same_policies(void **state)
{
    (void)state;
    set_list(&list_var, 3);
    nook_context *child = inherit();
    assert_int_equal(nook_context_enter(child), 0);
    assert_int_equal(nook_var_set(&dropped, alice, NULL), 0);
    nook_context *grandchild = inherit();
    assert_int_equal(nook_context_exit(child), 0);
    assert_ptr_not_equal(bound(grandchild, &list_var), bound(child, &list_var));
    assert_int_equal(nook_context_contains(grandchild, &dropped), 0);
    assert_int_equal(lists_alive, 3);
    nook_context_unref(grandchild);
    nook_context_unref(child);
}

static void what_was_unset_again_is_not_inherited(void **state)
{
    nook_token token;
    (void)state;
    struct list *list = list_new(1);
    assert_int_equal(nook_var_set(&list_var, list, &token), 0);
    list_release(list, NULL);
    assert_int_equal(nook_var_reset(&list_var, &token), 0);
    nook_context *child = inherit();
    assert_int_equal(duplicated, 0);
    assert_int_equal(nook_context_len(child), 0);
    nook_context_unref(child);
}

static void a_failed_duplicate_makes_nothing(void **state)
{
    enum { LISTS = 100 };
    static nook_var lists[LISTS];
    nook_context *child = NULL;
    nook_context_counts before = {0}, after = {0};
    (void)state;
    for (int i = 0; i < LISTS; i++) {
        lists[i].ops = &list_ops;
        set_list(&lists[i], i);
    }
    (void)nook_context_count(&before);
    for (int n = 0; n < LISTS; n += 7) {
        fail_after = n;
        duplicated = 0;
        assert_int_equal(nook_context_inherit(&child), NOOK_EBUSY);
        assert_null(child);
        assert_int_equal(duplicated, n);
        assert_int_equal(lists_alive, LISTS);
    }
    (void)nook_context_count(&after);
    assert_int_equal(after.nodes, before.nodes);
    assert_int_equal(after.contexts, before.contexts);
    fail_after = -1;
    child = inherit();
    assert_int_equal(lists_alive, 2 * LISTS);
    assert_int_equal(nook_context_len(child), LISTS);
    nook_context_unref(child);
}

/* Two special ones among thousands, in every order of setting: each is found. */
static void special_variables_are_found_in_a_large_context(void **state)
{
    enum { PLAIN = 3000 };
    static nook_var vars[PLAIN];
    static nook_var first = NOOK_VAR_INIT("first", &list_ops, 0, NULL);
    static nook_var last = NOOK_VAR_INIT("last", &drop_ops, 0, NULL);
    (void)state;
    set_list(&first, 1);
    for (int i = 0; i < PLAIN; i++)
        assert_int_equal(nook_var_set(&vars[i], alice, NULL), 0);
    assert_int_equal(nook_var_set(&last, alice, NULL), 0);
    nook_context *child = inherit();
    assert_int_equal(nook_context_len(child), PLAIN + 1);
    assert_int_equal(duplicated, 1);
    assert_ptr_equal(bound(child, &vars[PLAIN - 1]), alice);
    nook_context_unref(child);
}

static void V8_inheriting_makes_no_base(void **state)
{
    (void)state;
    assert_null(nook_context_peek());
    nook_context *child = inherit();
    assert_null(nook_context_peek());
    assert_int_equal(nook_context_len(child), 0);
    nook_context_unref(child);
    assert_int_equal(nook_context_inherit(NULL), NOOK_EINVAL);
}

static int set_while_duplicating(void *value, void **copy, void *user)
{
    nook_token token;
    int rc = nook_var_set(&plain, alice, &token);
    nook_token_drop(&token);
    nook_context_clear(nook_context_peek());
    return rc == 0 ? list_duplicate(value, copy, user) : rc;
}

static void H2_a_duplicate_may_change_the_parent(void **state)
{
    static const nook_value_ops ops = {list_retain, list_release, NULL, set_while_duplicating,
                                       NOOK_INHERIT_DUPLICATE};
    static nook_var one = NOOK_VAR_INIT("one", &ops, 0, NULL);
    static nook_var two = NOOK_VAR_INIT("two", &ops, 0, NULL);
    (void)state;
    set_list(&one, 1);
    set_list(&two, 2);
    nook_context *child = inherit();
    assert_int_equal(nook_context_len(nook_context_peek()), 0);
    assert_int_equal(((struct list *)bound(child, &one))->items, 1);
    assert_int_equal(((struct list *)bound(child, &two))->items, 2);
    nook_context_unref(child);
    assert_int_equal(lists_alive, 0);
}

/* Values that are let go but not held would be let go once for each map that shares them. */
static void H1_operations_must_fit_each_other(void **state)
{
    const nook_value_ops misfits[] = {
        {.release = list_release},
        {.retain = list_retain},
        {.inherit = NOOK_INHERIT_DUPLICATE},
        {.inherit = (nook_inherit)7},
    };
    nook_token token;
    nook_var *var = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
        nook_var_options options = {.ops = &misfits[i]};
        nook_var fixed = NOOK_VAR_INIT("fixed", &misfits[i], 0, NULL);
        assert_int_equal(nook_var_new(&var, "misfit", &options), NOOK_EINVAL);
        assert_null(var);
        assert_int_equal(nook_var_set(&fixed, alice, &token), NOOK_EINVAL);
        assert_int_equal(nook_var_reset(&fixed, &token), NOOK_ENOTOKEN);
        assert_null(nook_context_peek());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        inherit_test(V15_the_default_policy_shares_the_value),
        inherit_test(V18_a_dropped_variable_is_unset_in_the_child),
        inherit_test(V18_a_duplicated_value_is_the_childs_own),
        inherit_test(C1_an_exact_copy_asks_no_policy),
        inherit_test(a_grandchild_inherits_by_the_same_policies),
        inherit_test(what_was_unset_again_is_not_inherited),
        inherit_test(a_failed_duplicate_makes_nothing),
        inherit_test(special_variables_are_found_in_a_large_context),
        inherit_test(V8_inheriting_makes_no_base),
        inherit_test(H2_a_duplicate_may_change_the_parent),
        inherit_test(H1_operations_must_fit_each_other),
    };
    return cmocka_run_group_tests_name("contextlocal.inherit", tests, NULL, NULL);
}
