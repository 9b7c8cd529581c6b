/* SPDX-License-Identifier: MIT */
/* Contexts and the chain of current ones: C1-C3, C7, C11-C17, H4, H7, H10, H11, D8. */
#include "support.h"

static NOOK_VAR_DEFINE(user);
static NOOK_VAR_DEFINE(other);

static char alice[] = "alice", bob[] = "bob", carol[] = "carol", unset[] = "unset";

static void *get(nook_var *var)
{
    return nook_var_get_or(var, unset);
}

static nook_context *new_context(void)
{
    nook_context *context = NULL;
    assert_int_equal(nook_context_new(&context), 0);
    return context;
}

/* What the context binds the variable to. */
static void *bound(nook_context *context, nook_var *var)
{
    void *value;
    int rc = nook_context_find(context, var, &value);
    return rc == 0 ? value : unset;
}

/* --- making and copying --------------------------------------------------- */

static void C1_a_new_context_is_empty(void **state)
{
    nook_context *context = new_context();
    (void)state;
    assert_int_equal(nook_context_len(context), 0);
    assert_int_equal(nook_context_contains(context, &user), 0);
    nook_context_unref(context);
    assert_int_equal(nook_context_new(NULL), NOOK_EINVAL);
}

static void C1_a_copy_is_another_object_with_the_same_bindings(void **state)
{
    nook_context *copy, *again;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    assert_int_equal(nook_context_copy_current(&copy), 0);
    assert_int_equal(nook_context_copy(copy, &again), 0);
    assert_ptr_not_equal(copy, again);
    assert_ptr_equal(bound(copy, &user), alice);
    assert_ptr_equal(bound(again, &user), alice);
    assert_int_equal(nook_context_len(again), 1);
    nook_context_unref(copy);
    nook_context_unref(again);
}

/* O(1): however much the context holds, a copy makes one object and no part of a map. */
static void C1_M4_a_copy_shares_the_whole_map(void **state)
{
    enum { VARS = 2000, COPIES = 50 };
    static nook_var vars[VARS];
    nook_context *copies[COPIES];
    nook_context_counts before, after;
    (void)state;
    for (int i = 0; i < VARS; i++)
        assert_int_equal(nook_var_set(&vars[i], alice, NULL), 0);
    int counted = nook_context_count(&before) == 0;
    for (int i = 0; i < COPIES; i++)
        assert_int_equal(nook_context_copy_current(&copies[i]), 0);
    if (counted) {
        assert_int_equal(nook_context_count(&after), 0);
        assert_int_equal(after.nodes, before.nodes);
        assert_int_equal(after.contexts, before.contexts + COPIES);
    }
    for (int i = 0; i < COPIES; i++) {
        assert_int_equal(nook_context_len(copies[i]), VARS);
        nook_context_unref(copies[i]);
    }
}

static void C2_copies_diverge(void **state)
{
    nook_context *copy, *second;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    assert_int_equal(nook_context_copy_current(&copy), 0);
    assert_int_equal(nook_context_copy(copy, &second), 0);
    assert_int_equal(nook_var_set(&user, bob, NULL), 0);
    assert_int_equal(nook_context_enter(copy), 0);
    assert_int_equal(nook_var_set(&user, carol, NULL), 0);
    assert_int_equal(nook_var_set(&other, carol, NULL), 0);
    assert_int_equal(nook_context_exit(copy), 0);
    assert_ptr_equal(get(&user), bob);
    assert_ptr_equal(get(&other), unset);
    assert_ptr_equal(bound(copy, &user), carol);
    assert_ptr_equal(bound(second, &user), alice);
    assert_int_equal(nook_context_len(second), 1);
    nook_context_unref(copy);
    nook_context_unref(second);
}

static int values[8];

static long nodes_alive(void)
{
    nook_context_counts counts = {0};
    return nook_context_count(&counts) == 0 ? counts.nodes : 0;
}

/* Sets `var` in copies of the current context: how many nodes all of that made. */
static long nodes_of_copies(nook_var *var, int copies, int number)
{
    nook_context *copy[8] = {NULL};
    long before = nodes_alive();
    for (int i = 0; i < copies; i++) {
        assert_int_equal(nook_context_copy_current(&copy[i]), 0);
        assert_int_equal(nook_context_enter(copy[i]), 0);
        assert_int_equal(nook_var_set(var, &values[number + i], NULL), 0);
        assert_int_equal(nook_context_exit(copy[i]), 0);
    }
    long made = nodes_alive() - before;
    for (int i = 0; i < copies; i++) {
        void *value = NULL;
        assert_int_equal(nook_context_find(copy[i], var, &value), 0);
        assert_ptr_equal(value, &values[number + i]);
        nook_context_unref(copy[i]);
    }
    return made;
}

/*
 * What a server does: one context, copied for each request, which sets a variable of its
 * own. Such a set costs no node, however the parent came by its bindings; where the parent
 * itself has bound something beside the trie, copying finds out and makes room.
 */
static void M11_the_first_set_in_each_copy_makes_no_node(void **state)
{
    nook_var *vars[3] = {NULL};
    nook_context *alive;
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(nook_var_new(&vars[i], "of a server", NULL), 0);
        assert_int_equal(nook_var_set(vars[i], &values[0], NULL), 0);
    }
    assert_int_equal(nodes_of_copies(vars[2], 4, 1), 0);
    assert_int_equal(nook_context_copy_current(&alive), 0); /* so that all stay shared */
    assert_int_equal(nook_var_set(vars[0], &values[1], NULL), 0);
    long path = nodes_of_copies(vars[2], 1, 1);
    assert_int_equal(nodes_of_copies(vars[2], 4, 1), path); /* the parent's own */
    assert_int_equal(nodes_of_copies(vars[1], 4, 1), 0);
    void *value = NULL;
    assert_int_equal(nook_var_get(vars[0], &value), 0);
    assert_ptr_equal(value, &values[1]);
    nook_context_unref(alive);
    for (int i = 0; i < 3; i++)
        nook_var_unref(vars[i]);
    nook_thread_detach();
}

static void C3_copy_current_never_gives_the_current_object(void **state)
{
    nook_context *context = new_context(), *copy;
    (void)state;
    assert_int_equal(nook_context_enter(context), 0);
    assert_ptr_equal(nook_context_peek(), context);
    assert_int_equal(nook_context_copy_current(&copy), 0);
    assert_ptr_not_equal(copy, context);
    assert_int_equal(nook_context_exit(context), 0);
    nook_context_unref(context);
    nook_context_unref(copy);
}

static void C1_copies_of_nothing(void **state)
{
    nook_context *context = new_context(), *copy = NULL;
    (void)state;
    assert_int_equal(nook_context_copy(NULL, &copy), NOOK_EINVAL);
    assert_int_equal(nook_context_copy(context, NULL), NOOK_EINVAL);
    assert_int_equal(nook_context_copy_current(NULL), NOOK_EINVAL);
    assert_null(copy);
    nook_context_unref(context);
    nook_context_unref(NULL);
    assert_null(nook_context_ref(NULL));
}

/* --- entering and leaving ------------------------------------------------- */

static void C7_an_entered_context_is_seen_changing(void **state)
{
    nook_context *context = new_context();
    nook_token token;
    (void)state;
    assert_int_equal(nook_context_enter(context), 0);
    assert_int_equal(nook_var_set(&user, alice, &token), 0);
    assert_ptr_equal(bound(context, &user), alice);
    assert_int_equal(nook_context_len(context), 1);
    assert_int_equal(nook_var_set(&user, bob, NULL), 0);
    assert_ptr_equal(bound(context, &user), bob);
    assert_int_equal(nook_var_reset(&user, &token), 0);
    assert_int_equal(nook_context_contains(context, &user), 0);
    assert_int_equal(nook_context_exit(context), 0);
    nook_context_unref(context);
}

static int set_bob_and_fail(void *arg)
{
    *(void **)arg = get(&user);
    (void)nook_var_set(&user, bob, NULL);
    return -77;
}

static void C11_C12_run_passes_the_argument_and_the_result(void **state)
{
    nook_context *context = new_context();
    void *seen = NULL;
    int result = 0;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    assert_int_equal(nook_context_run(context, set_bob_and_fail, &seen, &result), 0);
    assert_int_equal(result, -77);
    assert_ptr_equal(seen, unset);
    assert_ptr_equal(bound(context, &user), bob); /* a failing function's changes stay */
    assert_ptr_equal(get(&user), alice);
    assert_int_equal(nook_context_run(context, set_bob_and_fail, &seen, NULL), 0);
    nook_context_unref(context);
}

static void C11_run_needs_a_context_and_a_function(void **state)
{
    nook_context *context = new_context();
    void *seen = NULL;
    int result = 5;
    (void)state;
    assert_int_equal(nook_context_run(NULL, set_bob_and_fail, &seen, &result), NOOK_EINVAL);
    assert_int_equal(nook_context_run(context, NULL, &seen, &result), NOOK_EINVAL);
    assert_int_equal(result, 5);
    assert_null(seen);
    nook_context_unref(context);
}

static void C13_a_context_can_be_run_again_and_remembers(void **state)
{
    nook_context *context = new_context();
    void *seen = NULL;
    (void)state;
    assert_int_equal(nook_context_run(context, set_bob_and_fail, &seen, NULL), 0);
    assert_ptr_equal(seen, unset);
    assert_int_equal(nook_context_run(context, set_bob_and_fail, &seen, NULL), 0);
    assert_ptr_equal(seen, bob);
    assert_ptr_equal(get(&user), unset);
    nook_context_unref(context);
}

static void C14_each_inner_context_starts_from_its_own_map(void **state)
{
    enum { DEPTH = 20 };
    nook_context *contexts[DEPTH];
    int numbers[DEPTH];
    (void)state;
    for (int i = 0; i < DEPTH; i++) {
        contexts[i] = new_context();
        assert_int_equal(nook_context_enter(contexts[i]), 0);
        assert_ptr_equal(get(&user), unset);
        assert_int_equal(nook_var_set(&user, &numbers[i], NULL), 0);
    }
    for (int i = DEPTH; i-- > 0;) {
        assert_ptr_equal(get(&user), &numbers[i]);
        assert_int_equal(nook_context_exit(contexts[i]), 0);
        nook_context_unref(contexts[i]);
    }
    assert_ptr_equal(get(&user), unset);
}

struct attempt {
    nook_context *context;
    int rc;
};

static void *try_to_enter(void *arg)
{
    struct attempt *attempt = arg;
    attempt->rc = nook_context_enter(attempt->context);
    if (attempt->rc == 0)
        attempt->rc = nook_context_exit(attempt->context);
    return NULL;
}

static void C15_an_entered_context_cannot_be_entered(void **state)
{
    struct attempt attempt = {.context = new_context()};
    nook_context *between = new_context();
    void *seen = NULL;
    (void)state;
    assert_int_equal(nook_context_enter(attempt.context), 0);
    assert_int_equal(nook_context_enter(attempt.context), NOOK_EENTERED);
    assert_int_equal(nook_context_run(attempt.context, set_bob_and_fail, &seen, NULL),
                     NOOK_EENTERED);
    assert_null(seen);
    assert_int_equal(nook_context_enter(between), 0);
    assert_int_equal(nook_context_enter(attempt.context), NOOK_EENTERED);
    in_thread(try_to_enter, &attempt);
    assert_int_equal(attempt.rc, NOOK_EENTERED);
    assert_int_equal(nook_context_exit(between), 0);
    assert_int_equal(nook_context_exit(attempt.context), 0);
    in_thread(try_to_enter, &attempt);
    assert_int_equal(attempt.rc, 0);
    assert_int_equal(nook_context_enter(NULL), NOOK_EINVAL);
    nook_context_unref(between);
    nook_context_unref(attempt.context);
}

static void *try_to_exit(void *arg)
{
    struct attempt *attempt = arg;
    attempt->rc = nook_context_exit(attempt->context);
    return NULL;
}

static void C16_exit_tells_why_not(void **state)
{
    struct attempt attempt = {.context = new_context()};
    nook_context *inner = new_context();
    (void)state;
    assert_int_equal(nook_context_exit(NULL), NOOK_EINVAL);
    assert_int_equal(nook_context_exit(attempt.context), NOOK_ENOTENTERED);
    assert_int_equal(nook_context_enter(attempt.context), 0);
    assert_int_equal(nook_context_enter(inner), 0);
    assert_int_equal(nook_context_exit(attempt.context), NOOK_ENOTCURRENT);
    in_thread(try_to_exit, &attempt);
    assert_int_equal(attempt.rc, NOOK_ENOTCURRENT);
    assert_ptr_equal(nook_context_peek(), inner);
    assert_int_equal(nook_context_exit(inner), 0);
    assert_int_equal(nook_context_exit(attempt.context), 0);
    assert_int_equal(nook_context_exit(attempt.context), NOOK_ENOTENTERED);
    nook_context_unref(inner);
    nook_context_unref(attempt.context);
}

static int leave_another_current(void *arg)
{
    return nook_context_enter(arg);
}

static int leave_it_oneself(void *arg)
{
    return nook_context_exit(arg);
}

static void C16_a_function_that_leaves_another_context_current(void **state)
{
    nook_context *context = new_context(), *left = new_context();
    int result = 99;
    (void)state;
    assert_int_equal(nook_context_run(context, leave_another_current, left, &result),
                     NOOK_ENOTCURRENT);
    assert_int_equal(result, 99);
    assert_ptr_equal(nook_context_peek(), left);
    assert_int_equal(nook_context_exit(left), 0);
    assert_int_equal(nook_context_exit(context), 0);
    assert_int_equal(nook_context_run(context, leave_it_oneself, context, &result),
                     NOOK_ENOTENTERED);
    assert_int_equal(result, 99);
    assert_null(nook_context_peek());
    nook_context_unref(left);
    nook_context_unref(context);
}

static void C17_a_base_is_not_entered_and_can_be(void **state)
{
    nook_context *inner = new_context();
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    nook_context *base = nook_context_ref(nook_context_peek());
    assert_int_equal(nook_context_exit(base), NOOK_ENOTENTERED);
    assert_int_equal(nook_context_enter(base), 0); /* over itself */
    assert_ptr_equal(get(&user), alice);
    assert_int_equal(nook_context_enter(base), NOOK_EENTERED);
    assert_int_equal(nook_context_exit(base), 0);
    assert_ptr_equal(nook_context_peek(), base);
    assert_int_equal(nook_context_enter(inner), 0); /* and over another one */
    assert_int_equal(nook_context_enter(base), 0);
    assert_ptr_equal(get(&user), alice);
    assert_int_equal(nook_context_exit(base), 0);
    assert_ptr_equal(nook_context_peek(), inner);
    assert_int_equal(nook_context_exit(inner), 0);
    assert_ptr_equal(nook_context_peek(), base);
    nook_context_unref(base);
    nook_context_unref(inner);
}

static void C17_a_base_entered_over_another_is_dropped_with_the_chain(void **state)
{
    nook_context *inner = new_context();
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    nook_context *base = nook_context_peek();
    assert_int_equal(nook_context_enter(inner), 0);
    assert_int_equal(nook_context_enter(base), 0);
    nook_thread_detach();
    assert_null(nook_context_peek());
    nook_context_unref(inner); /* the fixture finds what remains */
}

static void H7_the_chain_holds_what_is_entered(void **state)
{
    nook_context *context = new_context();
    (void)state;
    assert_int_equal(nook_context_enter(context), 0);
    nook_context_unref(context);
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    assert_ptr_equal(get(&user), alice);
    assert_int_equal(nook_context_exit(nook_context_peek()), 0);
    assert_null(nook_context_peek());
}

/* --- base and detach ------------------------------------------------------ */

static void H10_detach_gives_up_the_whole_chain(void **state)
{
    nook_context *contexts[3];
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    for (int i = 0; i < 3; i++) {
        contexts[i] = new_context();
        assert_int_equal(nook_context_enter(contexts[i]), 0);
    }
    nook_thread_detach();
    assert_null(nook_context_peek());
    for (int i = 0; i < 3; i++) {
        assert_int_equal(nook_context_enter(contexts[i]), 0);
        assert_int_equal(nook_context_exit(contexts[i]), 0);
        nook_context_unref(contexts[i]);
    }
    assert_ptr_equal(get(&user), unset);
    nook_thread_detach();
}

static void H10_after_a_detach_the_thread_starts_from_empty(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(get(&user), unset);
        assert_int_equal(nook_var_set(&user, bob, NULL), 0);
        assert_ptr_equal(get(&user), bob);
        nook_thread_detach();
    }
}

/* --- state swap ----------------------------------------------------------- */

static void H11_swap_hands_over_the_whole_chain(void **state)
{
    nook_context *context = new_context();
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    assert_int_equal(nook_context_enter(context), 0);
    assert_int_equal(nook_var_set(&user, bob, NULL), 0);
    nook_context *mine = nook_state_swap(NULL);
    assert_null(nook_context_peek());
    assert_ptr_equal(get(&user), unset);
    assert_int_equal(nook_var_set(&user, carol, NULL), 0);
    assert_int_equal(nook_context_enter(context), NOOK_EENTERED); /* it stays entered [G6] */
    nook_context *its = nook_state_swap(mine);
    assert_ptr_equal(get(&user), bob);
    assert_int_equal(nook_context_exit(context), 0);
    assert_ptr_equal(get(&user), alice);
    nook_context_unref(context);
    nook_state_drop(its);
}

/* Two coroutines, each with its own chain: they leave in an order that is nobody's stack. */
static void H11_chains_are_left_in_any_order(void **state)
{
    nook_context *a = new_context(), *b = new_context();
    (void)state;
    assert_int_equal(nook_context_enter(a), 0);
    nook_context *first = nook_state_swap(NULL);
    assert_int_equal(nook_context_enter(b), 0);
    assert_int_equal(nook_context_exit(a), NOOK_ENOTCURRENT);
    nook_context *second = nook_state_swap(first);
    assert_int_equal(nook_context_exit(a), 0);
    first = nook_state_swap(second);
    assert_null(first);
    assert_int_equal(nook_context_exit(b), 0);
    nook_context_unref(a);
    nook_context_unref(b);
}

static void H11_a_context_may_be_the_state_of_several(void **state)
{
    nook_context *shared = new_context();
    (void)state;
    nook_context *mine = nook_state_swap(nook_context_ref(shared));
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    nook_context *one = nook_state_swap(nook_context_ref(shared));
    assert_ptr_equal(get(&user), alice); /* nobody asked whether it was entered [G3] */
    nook_context *two = nook_state_swap(mine);
    nook_state_drop(one);
    nook_state_drop(two);
    assert_ptr_equal(bound(shared, &user), alice);
    nook_context_unref(shared);
}

static void H11_a_dropped_chain_leaves_what_it_had_entered(void **state)
{
    nook_context *a = new_context(), *b = new_context();
    (void)state;
    assert_int_equal(nook_context_enter(a), 0);
    assert_int_equal(nook_context_enter(b), 0);
    nook_state_drop(nook_state_swap(NULL));
    assert_int_equal(nook_context_enter(a), 0);
    assert_int_equal(nook_context_exit(a), 0);
    assert_int_equal(nook_context_exit(b), NOOK_ENOTENTERED);
    nook_context_unref(a);
    nook_context_unref(b);
    nook_state_drop(NULL);
}

/* --- what a set costs ------------------------------------------------------ */

/* How many parts of maps it took to bind the variable in a map that a copy shares. */
static long nodes_of_a_set(nook_var *var, void *value, nook_token *token)
{
    nook_context_counts before = {0}, after = {0};
    (void)nook_context_count(&before);
    assert_int_equal(nook_var_set(var, value, token), 0);
    (void)nook_context_count(&after);
    return after.nodes - before.nodes;
}

static void M2_the_identical_value_leaves_the_map_shared(void **state)
{
    struct counted a = {0}, same = {0};
    nook_var_options options = {.ops = &counted_ops};
    nook_context_counts counts;
    nook_context *copy;
    nook_var *var;
    nook_token token;
    void *old;
    (void)state;
    assert_int_equal(nook_var_new(&var, "counted", &options), 0);
    assert_int_equal(nook_var_set(var, &a, NULL), 0);
    assert_int_equal(nook_context_copy_current(&copy), 0);
    assert_int_equal(nodes_of_a_set(var, &a, &token), 0);
    assert_int_equal(a.held, 2); /* the map's and the token's */
    assert_int_equal(nook_token_old(&token, &old), 0);
    assert_ptr_equal(old, &a);
    assert_int_equal(nook_var_reset(var, &token), 0);
    assert_int_equal(a.held, 1);
    if (nook_context_count(&counts) == 0) /* equal is not identical */
        assert_in_range(nodes_of_a_set(var, &same, NULL), 1, 4);
    nook_context_unref(copy);
    nook_thread_detach();
    nook_var_unref(var);
    assert_int_equal(a.held, 0);
    assert_int_equal(same.held, 0);
}

static void M3_unsetting_what_is_not_set_leaves_the_map_shared(void **state)
{
    nook_context_counts before = {0}, after = {0};
    nook_context *copy;
    nook_token token;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, &token), 0);
    nook_context_clear(nook_context_peek());
    assert_int_equal(nook_var_set(&other, alice, NULL), 0);
    assert_int_equal(nook_context_copy_current(&copy), 0);
    (void)nook_context_count(&before);
    assert_int_equal(nook_var_reset(&user, &token), 0);
    (void)nook_context_count(&after);
    assert_int_equal(after.nodes, before.nodes);
    assert_int_equal(nook_context_len(copy), 1);
    nook_context_unref(copy);
}

/* --- clear and user pointer ----------------------------------------------- */

static void D8_clear_drops_every_binding(void **state)
{
    struct counted a = {0}, b = {0};
    nook_var_options options = {.ops = &counted_ops};
    nook_var *var;
    nook_context *copy;
    (void)state;
    assert_int_equal(nook_var_new(&var, "counted", &options), 0);
    assert_int_equal(nook_var_set(var, &a, NULL), 0);
    assert_int_equal(nook_context_copy_current(&copy), 0);
    nook_context_clear(nook_context_peek());
    assert_int_equal(nook_context_len(nook_context_peek()), 0);
    assert_int_equal(a.held, 1); /* the copy's */
    assert_int_equal(nook_var_set(var, &b, NULL), 0);
    nook_context_clear(copy); /* current nowhere */
    assert_int_equal(a.held, 0);
    assert_int_equal(b.held, 1);
    nook_context_clear(NULL);
    nook_context_unref(copy);
    nook_thread_detach();
    assert_int_equal(b.held, 0);
    nook_var_unref(var);
}

static void context_release(void *value, void *unused)
{
    (void)unused;
    nook_context_unref(value);
}

static void context_retain(void *value, void *unused)
{
    (void)unused;
    (void)nook_context_ref(value);
}

static const nook_value_ops context_ops = {context_retain, context_release, NULL, NULL,
                                           NOOK_INHERIT_COPY};

static void D8_a_context_that_holds_itself_is_freed_by_clear(void **state)
{
    static nook_var self = NOOK_VAR_INIT("self", &context_ops, 0, NULL);
    nook_context *context = new_context();
    (void)state;
    assert_int_equal(nook_context_enter(context), 0);
    assert_int_equal(nook_var_set(&self, context, NULL), 0);
    assert_int_equal(nook_context_exit(context), 0);
    nook_context_clear(context);
    nook_context_unref(context);
}

static void H4_a_context_carries_a_pointer(void **state)
{
    nook_context *context = new_context(), *copy;
    (void)state;
    assert_null(nook_context_user(context));
    nook_context_set_user(context, alice);
    assert_ptr_equal(nook_context_user(context), alice);
    assert_int_equal(nook_context_copy(context, &copy), 0);
    assert_null(nook_context_user(copy)); /* the wrapper of one is not the wrapper of both */
    assert_null(nook_context_user(NULL));
    nook_context_set_user(NULL, alice);
    nook_context_unref(copy);
    nook_context_unref(context);
}

/* --- callbacks that change what is under way ------------------------------ */

static nook_var *reentered;
static struct counted *set_meanwhile;

static void set_on_release(void *value, void *unused)
{
    struct counted *next = set_meanwhile;
    set_meanwhile = NULL;
    counted_release(value, unused);
    if (next != NULL)
        (void)nook_var_set(reentered, next, NULL);
}

static void set_on_retain(void *value, void *unused)
{
    struct counted *next = set_meanwhile;
    set_meanwhile = NULL;
    counted_retain(value, unused);
    if (next != NULL)
        (void)nook_var_set(reentered, next, NULL);
}

static const nook_value_ops release_sets = {counted_retain, set_on_release, NULL, NULL,
                                            NOOK_INHERIT_COPY};
static const nook_value_ops retain_sets = {set_on_retain, counted_release, NULL, NULL,
                                           NOOK_INHERIT_COPY};

/* Once with a map of its own, once with one that a copy shares. */
static void set_reentered(const nook_value_ops *ops, int shared, int set_inside_wins)
{
    struct counted a = {0}, b = {0}, c = {0};
    nook_var_options options = {.ops = ops};
    nook_context *copy = NULL;
    assert_int_equal(nook_var_new(&reentered, "re-entered", &options), 0);
    assert_int_equal(nook_var_set(reentered, &a, NULL), 0);
    if (shared)
        assert_int_equal(nook_context_copy_current(&copy), 0);
    set_meanwhile = &b;
    assert_int_equal(nook_var_set(reentered, &c, NULL), 0);
    if (shared && ops == &release_sets) /* the copy kept a: nothing was released */
        nook_context_unref(copy);
    assert_ptr_equal(get(reentered), set_inside_wins ? &b : &c);
    if (shared && ops != &release_sets) {
        assert_ptr_equal(bound(copy, reentered), &a);
        nook_value_release(reentered, &a);
        nook_context_unref(copy);
    }
    assert_int_equal(a.held, 0);
    assert_int_equal(b.held, set_inside_wins);
    assert_int_equal(c.held, !set_inside_wins);
    nook_var_unref(reentered);
    nook_thread_detach();
    assert_int_equal(b.held + c.held, 0);
}

static void C21_H2_a_release_that_sets_comes_after_the_set(void **state)
{
    (void)state;
    set_reentered(&release_sets, 0, 1);
    set_reentered(&release_sets, 1, 1);
}

static void C21_H2_a_retain_that_sets_comes_before_the_set(void **state)
{
    (void)state;
    set_reentered(&retain_sets, 0, 0);
    set_reentered(&retain_sets, 1, 0);
}

/* The set under way copies a part of the map, and with it retains what stands beside. */
static void C21_H2_what_a_retain_sets_while_the_map_is_copied_is_kept(void **state)
{
    struct counted a = {0}, b = {0}, beside = {0};
    nook_var_options options = {.ops = &counted_ops}, noisy = {.ops = &retain_sets};
    nook_var *neighbour, *var;
    nook_context *copy;
    (void)state;
    assert_int_equal(nook_var_new(&neighbour, "neighbour", &noisy), 0);
    assert_int_equal(nook_var_new(&reentered, "re-entered", &options), 0);
    assert_int_equal(nook_var_new(&var, "set", &options), 0);
    assert_int_equal(nook_var_set(neighbour, &beside, NULL), 0);
    assert_int_equal(nook_var_set(var, &a, NULL), 0);
    assert_int_equal(nook_context_copy_current(&copy), 0);
    set_meanwhile = &b;
    assert_int_equal(nook_var_set(var, &b, NULL), 0);
    assert_null(set_meanwhile);
    assert_ptr_equal(get(var), &b);
    assert_ptr_equal(get(reentered), &b); /* not overwritten by a map from before it */
    assert_int_equal(nook_context_len(nook_context_peek()), 3);
    assert_int_equal(nook_context_len(copy), 2);
    nook_context_unref(copy);
    nook_thread_detach();
    assert_int_equal(a.held + b.held + beside.held, 0);
    nook_var_unref(var);
    nook_var_unref(reentered);
    nook_var_unref(neighbour);
}

static void detach_on_retain(void *value, void *unused)
{
    int now = set_meanwhile != NULL;
    set_meanwhile = NULL;
    counted_retain(value, unused);
    if (now)
        nook_thread_detach();
}

/* A second copy moves what the context has beside the map into a copied part of the map. */
static void copy_with_callbacks(const nook_value_ops *ops, int detaches)
{
    struct counted beside = {0}, b = {0};
    nook_var_options noisy = {.ops = ops}, counting = {.ops = &counted_ops};
    nook_var *neighbour, *var;
    nook_context *alive, *copies[2];
    assert_int_equal(nook_var_new(&neighbour, "neighbour", &noisy), 0);
    assert_int_equal(nook_var_new(&reentered, "re-entered", &counting), 0);
    assert_int_equal(nook_var_new(&var, "set", NULL), 0);
    assert_int_equal(nook_var_set(neighbour, &beside, NULL), 0);
    assert_int_equal(nook_var_set(var, &values[0], NULL), 0);
    assert_int_equal(nook_context_copy_current(&alive), 0);
    assert_int_equal(nook_var_set(var, &values[1], NULL), 0);
    assert_int_equal(nook_context_copy_current(&copies[0]), 0);
    set_meanwhile = &b;
    assert_int_equal(nook_context_copy_current(&copies[1]), 0);
    assert_null(set_meanwhile);
    for (int i = 0; i < 2; i++) {
        assert_ptr_equal(bound(copies[i], var), &values[1]);
        nook_context_unref(copies[i]);
    }
    assert_ptr_equal(bound(alive, var), &values[0]);
    assert_ptr_equal(nook_var_get_or(var, NULL), detaches ? NULL : (void *)&values[1]);
    assert_ptr_equal(nook_var_get_or(reentered, NULL), detaches ? NULL : (void *)&b);
    nook_context_unref(alive);
    nook_thread_detach();
    assert_int_equal(beside.held + b.held, 0);
    nook_var_unref(var);
    nook_var_unref(reentered);
    nook_var_unref(neighbour);
}

static void C21_H2_a_retain_that_sets_or_gives_up_the_chain_while_it_is_copied(void **state)
{
    static const nook_value_ops detaching = {detach_on_retain, counted_release, NULL, NULL,
                                             NOOK_INHERIT_COPY};
    (void)state;
    copy_with_callbacks(&retain_sets, 0);
    copy_with_callbacks(&detaching, 1);
}

static void C21_H2_a_retain_that_gives_up_the_chain(void **state)
{
    static const nook_value_ops ops = {detach_on_retain, counted_release, NULL, NULL,
                                       NOOK_INHERIT_COPY};
    struct counted a = {0};
    nook_var_options options = {.ops = &ops};
    nook_var *var;
    (void)state;
    assert_int_equal(nook_var_new(&var, "detaching", &options), 0);
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    set_meanwhile = &a;
    assert_int_equal(nook_var_set(var, &a, NULL), 0); /* in the context that was current */
    assert_null(nook_context_peek());
    assert_int_equal(a.held, 0);
    nook_var_unref(var);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        context_test(C1_a_new_context_is_empty),
        context_test(C1_a_copy_is_another_object_with_the_same_bindings),
        context_test(C1_M4_a_copy_shares_the_whole_map),
        context_test(C2_copies_diverge),
        context_test(C3_copy_current_never_gives_the_current_object),
        context_test(C1_copies_of_nothing),
        context_test(C7_an_entered_context_is_seen_changing),
        context_test(C11_C12_run_passes_the_argument_and_the_result),
        context_test(C11_run_needs_a_context_and_a_function),
        context_test(C13_a_context_can_be_run_again_and_remembers),
        context_test(C14_each_inner_context_starts_from_its_own_map),
        context_test(C15_an_entered_context_cannot_be_entered),
        context_test(C16_exit_tells_why_not),
        context_test(C16_a_function_that_leaves_another_context_current),
        context_test(C17_a_base_is_not_entered_and_can_be),
        context_test(C17_a_base_entered_over_another_is_dropped_with_the_chain),
        context_test(H7_the_chain_holds_what_is_entered),
        context_test(H10_detach_gives_up_the_whole_chain),
        context_test(H10_after_a_detach_the_thread_starts_from_empty),
        context_test(H11_swap_hands_over_the_whole_chain),
        context_test(H11_chains_are_left_in_any_order),
        context_test(H11_a_context_may_be_the_state_of_several),
        context_test(H11_a_dropped_chain_leaves_what_it_had_entered),
        context_test(M11_the_first_set_in_each_copy_makes_no_node),
        context_test(M2_the_identical_value_leaves_the_map_shared),
        context_test(M3_unsetting_what_is_not_set_leaves_the_map_shared),
        context_test(D8_clear_drops_every_binding),
        context_test(D8_a_context_that_holds_itself_is_freed_by_clear),
        context_test(H4_a_context_carries_a_pointer),
        context_test(C21_H2_a_release_that_sets_comes_after_the_set),
        context_test(C21_H2_a_retain_that_sets_comes_before_the_set),
        context_test(C21_H2_what_a_retain_sets_while_the_map_is_copied_is_kept),
        context_test(C21_H2_a_retain_that_gives_up_the_chain),
        context_test(C21_H2_a_retain_that_sets_or_gives_up_the_chain_while_it_is_copied),
    };
    return cmocka_run_group_tests_name("contextlocal.context", tests, NULL, NULL);
}
