/* SPDX-License-Identifier: MIT */
/* Tokens in corners that test_var.c leaves out: T3-T8, T10, T13-T19, H5, C21. */
#include "support.h"

#include <stdio.h>

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

/* --- where it was made --------------------------------------------------------- */

/* A refused reset can name the set. */
static void T5_a_token_says_where_it_was_made(void **state)
{
    nook_context *elsewhere = new_context();
    nook_token token, quiet, none = {0};
    char here[512];
    (void)state;
    int rc = nook_var_set(&user, alice, &token), line = __LINE__;
    assert_int_equal(rc, 0);
    assert_int_equal((nook_var_set)(&user, bob, &quiet), 0);
    assert_int_equal(nook_context_enter(elsewhere), 0);
    assert_int_equal(nook_var_reset(&user, &token), NOOK_EWRONGCONTEXT);
    snprintf(here, sizeof here, "%s:%d", __FILE__, line);
    assert_string_equal(nook_token_site(&token), here);
    assert_int_equal(nook_context_exit(elsewhere), 0);
    assert_null(nook_token_site(&quiet));
    assert_null(nook_token_site(&none));
    assert_null(nook_token_site(NULL));
    nook_context_unref(elsewhere);
    assert_int_equal(nook_var_reset(&user, &quiet), 0);
    assert_int_equal(nook_var_reset(&user, &token), 0);
    assert_non_null(nook_token_site(&token)); /* also afterwards */
    NOOK_WITH (&user, carol)
        assert_ptr_equal(get(&user), carol);
}

/* --- checks ------------------------------------------------------------------- */

static void T6_checks_are_ordered_used_variable_context(void **state)
{
    nook_context *elsewhere = new_context();
    nook_token token, used;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, &used), 0);
    assert_int_equal(nook_var_reset(&user, &used), 0);
    assert_int_equal(nook_var_set(&user, alice, &token), 0);
    assert_int_equal(nook_context_enter(elsewhere), 0);
    assert_int_equal(nook_var_reset(&other, &used), NOOK_EUSED); /* all three are wrong */
    assert_int_equal(nook_var_reset(&user, &used), NOOK_EUSED);
    assert_int_equal(nook_var_reset(&other, &token), NOOK_EWRONGVAR);
    assert_int_equal(nook_var_reset(&user, &token), NOOK_EWRONGCONTEXT);
    assert_int_equal(nook_context_exit(elsewhere), 0);
    nook_context_unref(elsewhere);
    nook_token_drop(&token);
}

static void T5_contexts_are_compared_by_identity(void **state)
{
    nook_context *equal;
    nook_token token;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, &token), 0);
    assert_int_equal(nook_context_copy_current(&equal), 0);
    assert_int_equal(nook_context_equal(equal, nook_context_peek()), 1);
    assert_int_equal(nook_context_enter(equal), 0);
    assert_int_equal(nook_var_reset(&user, &token), NOOK_EWRONGCONTEXT);
    assert_int_equal(nook_context_exit(equal), 0);
    nook_context_unref(equal);
    assert_int_equal(nook_var_reset(&user, &token), 0);
}

static void T5_a_context_at_a_dead_ones_address_is_another(void **state)
{
    nook_token token;
    int same_address = 0;
    (void)state;
    for (int i = 0; i < 100; i++) {
        nook_context *first = new_context();
        assert_int_equal(nook_context_enter(first), 0);
        assert_int_equal(nook_var_set(&user, alice, &token), 0);
        assert_int_equal(nook_context_exit(first), 0);
        uintptr_t address = (uintptr_t)first;
        nook_context_unref(first);
        nook_context *second = new_context();
        same_address += address == (uintptr_t)second;
        assert_int_equal(nook_context_enter(second), 0);
        assert_int_equal(nook_var_reset(&user, &token), NOOK_EWRONGCONTEXT);
        assert_int_equal(nook_context_exit(second), 0);
        nook_context_unref(second);
        nook_token_drop(&token);
    }
    print_message("the address was the same %d times of 100\n", same_address);
}

static void T5_without_a_context_every_token_is_from_elsewhere(void **state)
{
    nook_token token;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, &token), 0);
    nook_thread_detach();
    assert_int_equal(nook_var_reset(&user, &token), NOOK_EWRONGCONTEXT);
    assert_null(nook_context_peek()); /* and a failed reset makes none */
    nook_token_drop(&token);
}

static void T7_a_failed_reset_changes_nothing(void **state)
{
    nook_context *elsewhere = new_context();
    nook_token token;
    void *old = NULL;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    assert_int_equal(nook_var_set(&user, bob, &token), 0);
    assert_int_equal(nook_context_enter(elsewhere), 0);
    assert_int_equal(nook_var_set(&user, carol, NULL), 0);
    assert_int_equal(nook_var_reset(&user, &token), NOOK_EWRONGCONTEXT);
    assert_ptr_equal(get(&user), carol);
    assert_int_equal(nook_context_exit(elsewhere), 0);
    assert_int_equal(nook_token_used(&token), 0);
    assert_int_equal(nook_token_old(&token, &old), 0);
    assert_ptr_equal(old, alice);
    assert_int_equal(nook_var_reset(&user, &token), 0);
    assert_ptr_equal(get(&user), alice);
    nook_context_unref(elsewhere);
}

/* A coroutine's token, reset by another coroutine: the commonest error in the wild. */
static void T19_reset_from_another_chain(void **state)
{
    nook_token token;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, &token), 0);
    nook_context *mine = nook_state_swap(NULL);
    assert_int_equal(nook_var_set(&user, bob, NULL), 0);
    assert_int_equal(nook_var_reset(&user, &token), NOOK_EWRONGCONTEXT);
    assert_ptr_equal(get(&user), bob);
    nook_context *its = nook_state_swap(mine);
    assert_ptr_equal(get(&user), alice);
    assert_int_equal(nook_var_reset(&user, &token), 0);
    nook_state_drop(its);
}

/* --- life ---------------------------------------------------------------------- */

static void H5_a_token_outlives_context_and_creator(void **state)
{
    struct counted a = {0}, b = {0};
    nook_var_options options = {.ops = &counted_ops};
    nook_context *context = new_context();
    nook_var *var;
    nook_token token;
    void *old;
    (void)state;
    assert_int_equal(nook_var_new(&var, "kept", &options), 0);
    assert_int_equal(nook_context_enter(context), 0);
    assert_int_equal(nook_var_set(var, &a, NULL), 0);
    assert_int_equal(nook_var_set(var, &b, &token), 0);
    assert_int_equal(nook_context_exit(context), 0);
    nook_context_unref(context);
    nook_var_unref(var);
    assert_int_equal(a.held, 1);
    assert_int_equal(b.held, 0);
    assert_string_equal(nook_var_name(nook_token_var(&token)), "kept");
    assert_int_equal(nook_token_old(&token, &old), 0);
    assert_ptr_equal(old, &a);
    nook_token_drop(&token);
    assert_int_equal(a.held, 0);
    assert_int_equal(nook_token_old(&token, &old), NOOK_EUSED);
    assert_int_equal(nook_token_used(&token), 1);
    nook_token_drop(&token);
}

/* The number of a variable that only a token holds is not given to another one. */
static void H3_H5_a_tokens_variable_keeps_its_number(void **state)
{
    nook_var *var, *next;
    nook_token token, next_token;
    (void)state;
    assert_int_equal(nook_var_new(&var, "held by a token", NULL), 0);
    assert_int_equal(nook_var_set(var, alice, &token), 0);
    nook_context_clear(nook_context_peek());
    nook_var_unref(var);
    assert_int_equal(nook_var_new(&next, "next", NULL), 0);
    assert_int_equal(nook_var_set(next, bob, &next_token), 0);
    assert_ptr_equal(get(var), unset);
    assert_int_equal(nook_var_reset(var, &token), 0); /* to unset, in the same context */
    assert_ptr_equal(get(next), bob);
    assert_int_equal(nook_var_reset(next, &next_token), 0);
    nook_var_unref(next);
}

static void T8_many_tokens_in_a_random_order(void **state)
{
    enum { SETS = 200 };
    static nook_token tokens[SETS];
    struct counted values[SETS] = {{0}};
    nook_var_options options = {.ops = &counted_ops};
    nook_var *var;
    (void)state;
    assert_int_equal(nook_var_new(&var, "many", &options), 0);
    for (int i = 0; i < SETS; i++)
        assert_int_equal(nook_var_set(var, &values[i], &tokens[i]), 0);
    for (int n = 0; n < SETS; n++) {
        int i = (n * 77 + 13) % SETS; /* 77 has no factor of SETS */
        assert_int_equal(nook_var_reset(var, &tokens[i]), 0);
        assert_ptr_equal(get(var), i > 0 ? (void *)&values[i - 1] : unset);
        assert_int_equal(nook_var_reset(var, &tokens[i]), NOOK_EUSED);
    }
    nook_context_clear(nook_context_peek());
    for (int i = 0; i < SETS; i++)
        assert_int_equal(values[i].held, 0);
    nook_var_unref(var);
}

static void T3_questions_about_a_used_token(void **state)
{
    nook_token token;
    void *old = carol;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, &token), 0);
    assert_int_equal(nook_token_old(&token, NULL), NOOK_EINVAL);
    assert_int_equal(nook_token_old(NULL, &old), NOOK_EINVAL);
    assert_int_equal(nook_var_reset(&user, &token), 0);
    assert_int_equal(nook_token_old(&token, &old), NOOK_EUSED);
    assert_ptr_equal(old, carol);
    assert_null(nook_token_var(&token));
    assert_null(nook_token_var(NULL));
    assert_int_equal(nook_token_used(NULL), 0);
}

/* --- callbacks -------------------------------------------------------------------- */

static nook_token *reset_again;
static nook_var *reset_var;
static int second_reset;

static void reset_inside(void *value, void *unused)
{
    nook_token *token = reset_again;
    reset_again = NULL;
    counted_release(value, unused);
    if (token != NULL)
        second_reset = nook_var_reset(reset_var, token);
}

/* Used is said before the map changes, so a callback cannot use a token twice. */
static void T7_C21_a_release_cannot_use_the_token_again(void **state)
{
    static const nook_value_ops ops = {counted_retain, reset_inside, NULL, NULL,
                                       NOOK_INHERIT_COPY};
    struct counted a = {0}, b = {0};
    nook_var_options options = {.ops = &ops};
    nook_token token;
    (void)state;
    assert_int_equal(nook_var_new(&reset_var, "resetting", &options), 0);
    assert_int_equal(nook_var_set(reset_var, &a, NULL), 0);
    assert_int_equal(nook_var_set(reset_var, &b, &token), 0);
    reset_again = &token;
    second_reset = 0;
    assert_int_equal(nook_var_reset(reset_var, &token), 0);
    assert_int_equal(second_reset, NOOK_EUSED);
    assert_ptr_equal(get(reset_var), &a);
    assert_int_equal(b.held, 0);
    nook_thread_detach();
    assert_int_equal(a.held, 0);
    nook_var_unref(reset_var);
}

/*
 * The same while the map is copied: what the copied part holds is retained in the middle
 * of the reset, and what a retain then does must be neither lost nor done twice.
 */
static void reset_while_retained(void *value, void *unused)
{
    nook_token *token = reset_again;
    reset_again = NULL;
    counted_retain(value, unused);
    if (token != NULL)
        second_reset = nook_var_reset(reset_var, token);
}

static void T7_C21_a_retain_cannot_use_the_token_again(void **state)
{
    static const nook_value_ops ops = {reset_while_retained, counted_release, NULL, NULL,
                                       NOOK_INHERIT_COPY};
    struct counted a = {0}, b = {0}, neighbour_value = {0};
    nook_var_options options = {.ops = &counted_ops}, noisy = {.ops = &ops};
    nook_var *neighbour;
    nook_context *copy;
    nook_token token;
    (void)state;
    assert_int_equal(nook_var_new(&reset_var, "resetting", &options), 0);
    assert_int_equal(nook_var_new(&neighbour, "neighbour", &noisy), 0);
    assert_int_equal(nook_var_set(neighbour, &neighbour_value, NULL), 0);
    assert_int_equal(nook_var_set(reset_var, &a, NULL), 0);
    assert_int_equal(nook_var_set(reset_var, &b, &token), 0);
    assert_int_equal(nook_context_copy_current(&copy), 0);
    reset_again = &token;
    second_reset = 0;
    assert_int_equal(nook_var_reset(reset_var, &token), 0);
    assert_null(reset_again); /* the neighbour was retained */
    assert_int_equal(second_reset, NOOK_EUSED);
    assert_ptr_equal(get(reset_var), &a);
    nook_context_unref(copy);
    nook_thread_detach();
    assert_int_equal(a.held + b.held + neighbour_value.held, 0);
    nook_var_unref(neighbour);
    nook_var_unref(reset_var);
}

/* --- scopes ------------------------------------------------------------------------- */

static void *return_from_a_scope(void)
{
    NOOK_SCOPED_SET(&user, bob);
    NOOK_WITH (&other, carol)
        return get(&other);
    return NULL;
}

static void *jump_out_of_a_scope(void)
{
    void *seen;
    {
        NOOK_SCOPED_SET(&user, bob);
        seen = get(&user);
        if (seen == bob)
            goto out;
        seen = NULL;
    }
out:
    return get(&user) == alice ? seen : NULL;
}

static void T14_return_and_goto_leave_a_scope(void **state)
{
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    assert_ptr_equal(return_from_a_scope(), carol);
    assert_ptr_equal(get(&user), alice);
    assert_ptr_equal(get(&other), unset);
    assert_ptr_equal(jump_out_of_a_scope(), bob);
    assert_ptr_equal(get(&user), alice);
}

static void T13_a_scope_in_which_the_set_failed_undoes_nothing(void **state)
{
    static const nook_value_ops misfit = {.release = counted_release};
    nook_var cannot = NOOK_VAR_INIT("cannot be set", &misfit, 0, NULL);
    int ran = 0;
    (void)state;
    NOOK_WITH (&cannot, alice)
        ran++;
    assert_int_equal(ran, 1);
    assert_int_equal(nook_context_contains(nook_context_peek(), &cannot), 0);
}

/* A scope that ends where another context is current cannot reset: it lets go. */
static void T17_a_scope_that_ends_in_another_context_lets_go(void **state)
{
    struct counted a = {0}, b = {0};
    nook_var_options options = {.ops = &counted_ops};
    nook_context *context = new_context();
    nook_var *var;
    (void)state;
    assert_int_equal(nook_var_new(&var, "scoped", &options), 0);
    assert_int_equal(nook_var_set(var, &a, NULL), 0);
    {
        NOOK_SCOPED_SET(var, &b);
        assert_int_equal(nook_context_enter(context), 0);
    }
    assert_int_equal(a.held, 0);
    assert_int_equal(nook_context_exit(context), 0);
    assert_ptr_equal(get(var), &b);
    nook_context_unref(context);
    nook_thread_detach();
    assert_int_equal(b.held, 0);
    nook_var_unref(var);
}

/* Through a struct, as a token that moves with a coroutine's state does. */
struct session {
    nook_token token;
    nook_context *state;
    int reset;
};

static void *end_session(void *arg)
{
    struct session *session = arg;
    nook_context *own = nook_state_swap(session->state);
    session->reset = nook_var_reset(&user, &session->token);
    session->state = nook_state_swap(own);
    return NULL;
}

static void T18_a_token_visits_many_threads(void **state)
{
    struct session session = {.state = NULL};
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(nook_var_set(&user, bob, &session.token), 0);
        session.state = nook_state_swap(NULL);
        in_thread(end_session, &session);
        assert_int_equal(session.reset, 0);
        assert_null(nook_state_swap(session.state));
        assert_ptr_equal(get(&user), alice);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        context_test(T5_a_token_says_where_it_was_made),
        context_test(T6_checks_are_ordered_used_variable_context),
        context_test(T5_contexts_are_compared_by_identity),
        context_test(T5_a_context_at_a_dead_ones_address_is_another),
        context_test(T5_without_a_context_every_token_is_from_elsewhere),
        context_test(T7_a_failed_reset_changes_nothing),
        context_test(T19_reset_from_another_chain),
        context_test(H5_a_token_outlives_context_and_creator),
        context_test(H3_H5_a_tokens_variable_keeps_its_number),
        context_test(T8_many_tokens_in_a_random_order),
        context_test(T3_questions_about_a_used_token),
        context_test(T7_C21_a_release_cannot_use_the_token_again),
        context_test(T7_C21_a_retain_cannot_use_the_token_again),
        context_test(T14_return_and_goto_leave_a_scope),
        context_test(T13_a_scope_in_which_the_set_failed_undoes_nothing),
        context_test(T17_a_scope_that_ends_in_another_context_lets_go),
        context_test(T18_a_token_visits_many_threads),
    };
    return cmocka_run_group_tests_name("contextlocal.token", tests, NULL, NULL);
}
