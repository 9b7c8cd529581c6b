/* SPDX-License-Identifier: MIT */
/* What an interpreter or a coroutine library does with contexts: H2-H12 of docs/semantics.md.
 */
#include "support.h"

static NOOK_VAR_DEFINE(user);

static char alice[] = "alice";

/* A chain that nobody runs on: a base that binds what is given, an entered context on top. */
static nook_context *make_chain(nook_var *var, void *value)
{
    nook_context *mine = nook_state_swap(NULL);
    nook_context *top;
    assert_int_equal(nook_var_set(var, value, NULL), 0);
    assert_int_equal(nook_context_new(&top), 0);
    assert_int_equal(nook_context_enter(top), 0);
    assert_int_equal(nook_var_set(var, value, NULL), 0);
    nook_context_unref(top);
    return nook_state_swap(mine);
}

static void *install_and_die(void *chain)
{
    return nook_state_swap(chain);
}

static void H11_a_thread_that_dies_drops_the_chain_it_was_given(void **state)
{
    struct counted value = {0};
    nook_var_options options = {.ops = &counted_ops};
    nook_var *var;
    (void)state;
    assert_int_equal(nook_var_new(&var, "carried", &options), 0);
    in_thread(install_and_die, make_chain(var, &value));
    assert_int_equal(value.held, 0);
    nook_var_unref(var);
}

static void H11_a_chain_moves_and_stays_entered(void **state)
{
    nook_context *chain, *top;
    (void)state;
    chain = make_chain(&user, alice);
    assert_ptr_equal(nook_var_get_or(&user, NULL), NULL);
    assert_int_equal(nook_context_enter(chain), NOOK_EENTERED);
    nook_context *mine = nook_state_swap(chain);
    assert_ptr_equal(nook_context_peek(), chain);
    assert_ptr_equal(nook_var_get_or(&user, NULL), alice);
    top = nook_context_ref(chain);
    assert_int_equal(nook_context_exit(top), 0);
    nook_context_unref(top);
    assert_ptr_equal(nook_var_get_or(&user, NULL), alice); /* the base */
    nook_state_drop(nook_state_swap(mine));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        context_test(H11_a_thread_that_dies_drops_the_chain_it_was_given),
        context_test(H11_a_chain_moves_and_stays_entered),
    };
    return cmocka_run_group_tests_name("contextlocal.host", tests, NULL, NULL);
}
