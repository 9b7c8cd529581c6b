/* SPDX-License-Identifier: MIT */
/* Variables and tokens: V1-V17, T1-T18; the corners of tokens are in test_token.c. */
#include "support.h"

#include <string.h>

static NOOK_VAR_DEFINE(user);
static NOOK_VAR_DEFINE(other);

static char alice[] = "alice", bob[] = "bob", carol[] = "carol", unset[] = "unset";

static void *get(nook_var *var)
{
    return nook_var_get_or(var, unset);
}

/* --- V: variables --------------------------------------------------------- */

static void V1_new_needs_a_name(void **state)
{
    nook_var *var = NULL;
    (void)state;
    assert_int_equal(nook_var_new(&var, NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_var_new(NULL, "x", NULL), NOOK_EINVAL);
    assert_null(var);
}

static void V2_name_is_a_copy(void **state)
{
    char name[] = "city";
    nook_var *var;
    (void)state;
    assert_int_equal(nook_var_new(&var, name, NULL), 0);
    name[0] = 'X';
    assert_string_equal(nook_var_name(var), "city");
    assert_string_equal(nook_var_name(&user), "user");
    nook_var_unref(var);
}

static void V3_same_name_is_another_variable(void **state)
{
    nook_var *a, *b;
    (void)state;
    assert_int_equal(nook_var_new(&a, "twin", NULL), 0);
    assert_int_equal(nook_var_new(&b, "twin", NULL), 0);
    assert_int_equal(nook_var_set(a, alice, NULL), 0);
    assert_ptr_equal(get(a), alice);
    assert_string_equal(get(b), "unset");
    nook_var_unref(a);
    nook_var_unref(b);
}

static void V5_V6_lookup_order(void **state)
{
    nook_var_options options = {.has_default = 1, .default_value = carol};
    nook_var *var;
    void *value = NULL;
    (void)state;
    assert_int_equal(nook_var_get(&user, &value), NOOK_EUNSET);
    assert_null(value);
    assert_int_equal(nook_var_new(&var, "with default", &options), 0);
    assert_int_equal(nook_var_get(var, &value), 0);
    assert_ptr_equal(value, carol);
    assert_ptr_equal(nook_var_get_or(var, bob), bob);
    assert_null(nook_var_get_or(var, NULL));
    assert_int_equal(nook_var_set(var, alice, NULL), 0);
    assert_ptr_equal(nook_var_get_or(var, bob), alice);
    nook_var_unref(var);
}

static void V6_null_is_a_default(void **state)
{
    nook_var_options options = {.has_default = 1, .default_value = NULL};
    nook_var *var;
    void *value = alice;
    (void)state;
    assert_int_equal(nook_var_new(&var, "null default", &options), 0);
    assert_int_equal(nook_var_get(var, &value), 0);
    assert_null(value);
    nook_var_unref(var);
}

static void V7_get_stores_nothing(void **state)
{
    nook_var_options options = {.has_default = 1, .default_value = carol};
    nook_var *var;
    nook_context *context;
    void *value;
    (void)state;
    assert_int_equal(nook_var_new(&var, "with default", &options), 0);
    assert_int_equal(nook_var_get(var, &value), 0);
    assert_int_equal(nook_context_copy_current(&context), 0);
    assert_int_equal(nook_context_len(context), 0);
    assert_int_equal(nook_context_contains(context, var), 0);
    assert_int_equal(nook_context_find(context, var, &value), NOOK_EUNSET);
    nook_context_unref(context);
    nook_var_unref(var);
}

static void V8_get_makes_no_context(void **state)
{
    nook_context *copy;
    void *value;
    (void)state;
    nook_thread_detach();
    assert_int_equal(nook_var_get(&user, &value), NOOK_EUNSET);
    assert_ptr_equal(nook_var_get_or(&user, bob), bob);
    assert_null(nook_context_peek());
    assert_int_equal(nook_context_copy_current(&copy), 0);
    assert_non_null(nook_context_peek());
    assert_ptr_not_equal(nook_context_peek(), copy);
    nook_context_unref(copy);
    nook_thread_detach();
    assert_int_equal(nook_var_set(&user, bob, NULL), 0);
    assert_non_null(nook_context_peek());
}

static void V9_set_binds_in_the_current_context_only(void **state)
{
    nook_context *copy;
    nook_token first, second;
    (void)state;
    assert_int_equal(nook_context_copy_current(&copy), 0);
    assert_int_equal(nook_var_set(&user, alice, &first), 0);
    assert_int_equal(nook_var_set(&user, bob, &second), 0);
    assert_ptr_equal(get(&user), bob);
    assert_int_equal(nook_context_contains(copy, &user), 0);
    nook_context_unref(copy);
    nook_token_drop(&first);
    nook_token_drop(&second);
}

static void V10_null_is_a_value(void **state)
{
    void *value = alice;
    (void)state;
    assert_int_equal(nook_var_set(&user, NULL, NULL), 0);
    assert_int_equal(nook_var_get(&user, &value), 0);
    assert_null(value);
    assert_int_equal(nook_context_contains(nook_context_peek(), &user), 1);
}

static void V11_set_of_the_same_object_gives_a_fresh_token(void **state)
{
    nook_token first, second;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, &first), 0);
    assert_int_equal(nook_var_set(&user, alice, &second), 0);
    assert_int_equal(nook_var_reset(&user, &second), 0);
    assert_ptr_equal(get(&user), alice);
    assert_int_equal(nook_var_reset(&user, &first), 0);
    assert_string_equal(get(&user), "unset");
}

static int finalised;

static void count_finalised(void *where)
{
    (*(int *)where)++;
}

static void V14_a_context_keeps_the_variable(void **state)
{
    nook_var_options options = {.user = &finalised, .finalise = count_finalised};
    nook_var *var;
    nook_context *context;
    (void)state;
    finalised = 0;
    assert_int_equal(nook_var_new(&var, "closure", &options), 0);
    assert_int_equal(nook_var_set(var, alice, NULL), 0);
    assert_int_equal(nook_context_copy_current(&context), 0);
    nook_var_unref(var);
    assert_int_equal(finalised, 0);
    nook_thread_detach();
    assert_int_equal(finalised, 0);
    assert_string_equal(nook_var_name(var), "closure");
    nook_context_unref(context);
    assert_int_equal(finalised, 1);
}

static void V15_a_copy_is_shallow(void **state)
{
    int list = 1;
    nook_context *copy;
    void *value;
    (void)state;
    assert_int_equal(nook_var_set(&user, &list, NULL), 0);
    assert_int_equal(nook_context_copy_current(&copy), 0);
    list = 2;
    assert_int_equal(nook_context_find(copy, &user, &value), 0);
    assert_int_equal(*(int *)value, 2);
    nook_context_unref(copy);
}

static void V16_a_mutable_default_is_one_object_for_all(void **state)
{
    int shared = 1;
    nook_var var = NOOK_VAR_INIT("list", NULL, 1, &shared);
    nook_context *context;
    void *value;
    (void)state;
    assert_int_equal(nook_context_new(&context), 0);
    assert_int_equal(nook_var_get(&var, &value), 0);
    *(int *)value = 2;
    assert_int_equal(nook_context_enter(context), 0);
    assert_int_equal(nook_var_get(&var, &value), 0);
    assert_int_equal(*(int *)value, 2);
    assert_int_equal(nook_context_exit(context), 0);
    nook_context_unref(context);
}

static void V17_never_a_stale_value(void **state)
{
    nook_context *context;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    assert_int_equal(nook_context_new(&context), 0);
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(get(&user), alice);
        assert_int_equal(nook_context_enter(context), 0);
        assert_ptr_equal(get(&user), i == 0 ? unset : bob);
        assert_int_equal(nook_var_set(&user, bob, NULL), 0);
        assert_ptr_equal(get(&user), bob);
        assert_int_equal(nook_context_exit(context), 0);
    }
    assert_ptr_equal(get(&user), alice);
    nook_context_unref(context);
}

/* --- T: tokens ------------------------------------------------------------ */

static void T1_token_knows_variable_and_old_value(void **state)
{
    nook_token token;
    void *old = NULL;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, &token), 0);
    assert_ptr_equal(nook_token_var(&token), &user);
    assert_int_equal(nook_token_old(&token, &old), NOOK_EUNSET);
    nook_token_drop(&token);
    assert_int_equal(nook_var_set(&user, bob, &token), 0);
    assert_int_equal(nook_token_old(&token, &old), 0);
    assert_ptr_equal(old, alice);
    nook_token_drop(&token);
    assert_null(nook_token_var(&token));
}

static void T2_reset_restores_or_removes(void **state)
{
    nook_token first, second;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, &first), 0);
    assert_int_equal(nook_var_set(&user, bob, &second), 0);
    assert_int_equal(nook_var_reset(&user, &second), 0);
    assert_ptr_equal(get(&user), alice);
    assert_int_equal(nook_var_reset(&user, &first), 0);
    assert_int_equal(nook_context_contains(nook_context_peek(), &user), 0);
    assert_int_equal(nook_context_len(nook_context_peek()), 0);
}

static void T3_a_token_works_once(void **state)
{
    nook_token token;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, &token), 0);
    assert_int_equal(nook_token_used(&token), 0);
    assert_int_equal(nook_var_reset(&user, &token), 0);
    assert_int_equal(nook_token_used(&token), 1);
    assert_int_equal(nook_var_reset(&user, &token), NOOK_EUSED);
}

static void T4_T5_T6_T7_failed_resets_and_their_order(void **state)
{
    nook_token token;
    nook_context *context;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, &token), 0);
    assert_int_equal(nook_context_copy_current(&context), 0);
    assert_int_equal(nook_var_reset(&other, &token), NOOK_EWRONGVAR);
    assert_int_equal(nook_context_enter(context), 0);
    assert_int_equal(nook_var_reset(&other, &token), NOOK_EWRONGVAR);
    assert_int_equal(nook_var_reset(&user, &token), NOOK_EWRONGCONTEXT);
    assert_int_equal(nook_context_exit(context), 0);
    nook_context_unref(context);
    assert_int_equal(nook_var_reset(&user, &token), 0);
    assert_int_equal(nook_var_reset(&other, &token), NOOK_EUSED);
    assert_string_equal(get(&user), "unset");
}

static void T8_tokens_reset_in_any_order(void **state)
{
    nook_token t1, t2, t3;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, &t1), 0);
    assert_int_equal(nook_var_set(&user, bob, &t2), 0);
    assert_int_equal(nook_var_set(&user, carol, &t3), 0);
    assert_int_equal(nook_var_reset(&user, &t1), 0);
    assert_string_equal(get(&user), "unset");
    assert_int_equal(nook_var_reset(&user, &t3), 0);
    assert_ptr_equal(get(&user), bob);
    assert_int_equal(nook_var_reset(&user, &t2), 0);
    assert_ptr_equal(get(&user), alice);
}

static void T9_T11_what_no_set_made_is_no_token(void **state)
{
    nook_token token = {0};
    void *old;
    (void)state;
    assert_int_equal(nook_var_reset(&user, &token), NOOK_ENOTOKEN);
    assert_int_equal(nook_var_reset(&user, NULL), NOOK_EINVAL);
    assert_int_equal(nook_var_reset(NULL, &token), NOOK_EINVAL);
    assert_int_equal(nook_token_old(&token, &old), NOOK_ENOTOKEN);
    assert_int_equal(nook_var_set(NULL, alice, &token), NOOK_EINVAL);
    assert_int_equal(nook_var_reset(&user, &token), NOOK_ENOTOKEN);
    nook_token_drop(&token);
    nook_token_drop(NULL);
}

static void T10_a_token_keeps_variable_and_old_value(void **state)
{
    struct counted a = {0}, b = {0};
    nook_var_options options = {
        .ops = &counted_ops, .user = &finalised, .finalise = count_finalised};
    nook_var *var;
    nook_token token;
    void *old;
    (void)state;
    finalised = 0;
    assert_int_equal(nook_var_new(&var, "kept", &options), 0);
    assert_int_equal(nook_var_set(var, &a, NULL), 0);
    assert_int_equal(nook_var_set(var, &b, &token), 0);
    nook_var_unref(var);
    nook_thread_detach();
    assert_int_equal(b.held, 0);
    assert_int_equal(a.held, 1);
    assert_int_equal(finalised, 0);
    assert_int_equal(nook_token_old(&token, &old), 0);
    assert_ptr_equal(old, &a);
    assert_int_equal(nook_var_reset(var, &token), NOOK_EWRONGCONTEXT);
    nook_token_drop(&token);
    assert_int_equal(a.held, 0);
    assert_int_equal(finalised, 1);
}

static void T13_T14_scopes_undo_themselves_on_every_way_out(void **state)
{
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    for (int i = 0; i < 3; i++) {
        NOOK_SCOPED_SET(&user, bob);
        assert_ptr_equal(get(&user), bob);
        if (i == 1)
            continue;
    }
    assert_ptr_equal(get(&user), alice);
    NOOK_WITH (&user, carol) {
        assert_ptr_equal(get(&user), carol);
        NOOK_WITH (&other, bob)
            assert_ptr_equal(get(&other), bob);
        break;
    }
    assert_ptr_equal(get(&user), alice);
    assert_string_equal(get(&other), "unset");
}

static void T15_one_reset_undoes_several_sets(void **state)
{
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    NOOK_WITH (&user, bob) {
        assert_int_equal(nook_var_set(&user, carol, NULL), 0);
        assert_int_equal(nook_var_set(&user, NULL, NULL), 0);
    }
    assert_ptr_equal(get(&user), alice);
}

static void T16_T17_a_scope_may_reset_its_token_or_another(void **state)
{
    nook_token outer;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, &outer), 0);
    {
        nook_token mine __attribute__((cleanup(nook_token_leave))) =
            nook_var_scoped(&user, bob, NULL);
        assert_int_equal(nook_var_reset(&user, &mine), 0);
        assert_int_equal(nook_var_reset(&user, &mine), NOOK_EUSED);
    }
    assert_ptr_equal(get(&user), alice);
    NOOK_WITH (&user, bob)
        assert_int_equal(nook_var_reset(&user, &outer), 0);
    assert_ptr_equal(get(&user), alice); /* the scope restores its own old value [T8] */
}

struct migration {
    nook_token token;
    nook_context *state;
    int reset;
    void *after;
};

static void *reset_elsewhere(void *arg)
{
    struct migration *m = arg;
    nook_context *mine = nook_state_swap(m->state);
    m->reset = nook_var_reset(&user, &m->token);
    m->after = get(&user);
    m->state = nook_state_swap(mine);
    return NULL;
}

static void T18_a_token_follows_its_context_to_another_thread(void **state)
{
    struct migration m;
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    assert_int_equal(nook_var_set(&user, bob, &m.token), 0);
    m.state = nook_state_swap(NULL);
    in_thread(reset_elsewhere, &m);
    assert_int_equal(m.reset, 0);
    assert_ptr_equal(m.after, alice);
    nook_state_drop(m.state);
}

/* --- H3: life of a variable ---- */

static void H3_the_user_pointer_can_be_set_later(void **state)
{
    nook_var_options options = {.finalise = count_finalised};
    nook_var *var;
    (void)state;
    finalised = 0;
    assert_int_equal(nook_var_new(&var, "wrapped", &options), 0);
    assert_null(nook_var_user(var));
    nook_var_set_user(var, &finalised);
    assert_ptr_equal(nook_var_user(var), &finalised);
    assert_ptr_equal(nook_var_ref(var), var);
    nook_var_unref(var);
    assert_int_equal(finalised, 0);
    nook_var_unref(var);
    assert_int_equal(finalised, 1);
    assert_null(nook_var_user(NULL));
    nook_var_set_user(NULL, &finalised);
    assert_null(nook_var_name(NULL));
    assert_null(nook_var_ref(NULL));
    nook_var_unref(NULL);
    assert_ptr_equal(nook_var_ref(&user), &user); /* a static one lives on */
    nook_var_unref(&user);
    nook_var_unref(&user);
    assert_string_equal(nook_var_name(&user), "user");
}

/* The default's release and the finaliser may use other variables. */
static void set_another(void *unused)
{
    (void)unused;
    finalised += nook_var_set(&user, alice, NULL) == 0;
}

static void H2_H3_a_finaliser_may_set_variables(void **state)
{
    nook_var_options options = {.finalise = set_another};
    nook_var *var;
    (void)state;
    finalised = 0;
    assert_int_equal(nook_var_new(&var, "last", &options), 0);
    assert_int_equal(nook_var_set(var, bob, NULL), 0);
    nook_var_unref(var);
    nook_context_clear(nook_context_peek()); /* the last holder */
    assert_int_equal(finalised, 1);
    assert_ptr_equal(get(&user), alice);
}

static void H6_get_of_nothing(void **state)
{
    void *value = alice;
    (void)state;
    assert_int_equal(nook_var_get(NULL, &value), NOOK_EINVAL);
    assert_int_equal(nook_var_get(&user, NULL), NOOK_EINVAL);
    assert_int_equal(nook_var_get(&user, &value), NOOK_EUNSET);
    assert_ptr_equal(value, alice); /* untouched */
}

/* --- counting ------------------------------------------------------------- */

static void every_way_of_losing_a_value_releases_it(void **state)
{
    struct counted a = {0}, b = {0}, fallback = {0};
    nook_var_options options = {
        .ops = &counted_ops, .has_default = 1, .default_value = &fallback};
    nook_var *var;
    nook_token token;
    (void)state;
    assert_int_equal(nook_var_new(&var, "counted", &options), 0);
    assert_int_equal(fallback.held, 1);
    assert_int_equal(nook_var_set(var, &a, NULL), 0);
    assert_int_equal(nook_var_set(var, &b, &token), 0);
    assert_int_equal(a.held, 1);
    assert_int_equal(b.held, 1);
    assert_int_equal(nook_var_reset(var, &token), 0);
    assert_int_equal(b.held, 0);
    assert_int_equal(a.held, 1);
    assert_int_equal(nook_var_set(var, &b, NULL), 0);
    assert_int_equal(a.held, 0);
    nook_context_clear(nook_context_peek());
    assert_int_equal(b.held, 0);
    nook_var_unref(var);
    assert_int_equal(fallback.held, 0);
}

static void numbers_of_dead_variables_are_reused_and_start_unset(void **state)
{
    void *value;
    (void)state;
    for (int i = 0; i < 5000; i++) {
        nook_var *var;
        assert_int_equal(nook_var_new(&var, "short-lived", NULL), 0);
        assert_int_equal(nook_var_get(var, &value), NOOK_EUNSET);
        nook_token token;
        assert_int_equal(nook_var_set(var, alice, &token), 0);
        assert_true(var->nook__index < 1024);
        assert_int_equal(nook_var_reset(var, &token), 0);
        nook_var_unref(var);
    }
}

/* Both forms of get, and of get_or: the one that is put in place, and the function. */
static void both_gets(const nook_var *var, int rc, void *value)
{
    void *inlined = &rc, *called = &rc;
    assert_int_equal(nook_var_get(var, &inlined), rc);
    assert_int_equal((nook_var_get)(var, &called), rc);
    assert_ptr_equal(inlined, rc == 0 ? value : &rc);
    assert_ptr_equal(called, inlined);
    assert_ptr_equal(nook_var_get_or(var, &rc), inlined);
    assert_ptr_equal((nook_var_get_or)(var, &rc), inlined);
}

/* At each height of the map, at the ends of leaves, in a patch and without a context. */
static void V5_get_is_one_function_in_place_and_called(void **state)
{
    enum { N = 1100 };
    static char targets[N + 1];
    static nook_var *vars[N];
    nook_context *copy;
    (void)state;
    for (int i = 0; i < N; i++) {
        assert_int_equal(nook_var_new(&vars[i], "one of many", NULL), 0);
        both_gets(vars[i], NOOK_EUNSET, NULL);
    }
    for (int i = 0; i < N; i++) {
        assert_int_equal(nook_var_set(vars[i], &targets[i], NULL), 0);
        for (int back = 0; back <= i && back < 34; back++)
            both_gets(vars[i - back], 0, &targets[i - back]);
        both_gets(vars[0], 0, targets);
        if (i + 1 < N)
            both_gets(vars[i + 1], NOOK_EUNSET, NULL);
    }
    assert_int_equal(nook_context_copy_current(&copy), 0);
    for (int i = 0; i < N; i += 100) {
        assert_int_equal(nook_var_set(vars[i], &targets[i + 1], NULL), 0);
        both_gets(vars[i], 0, &targets[i + 1]);
        both_gets(vars[i + 1], 0, &targets[i + 1]);
    }
    nook_context_unref(copy);
    nook_thread_detach();
    both_gets(vars[0], NOOK_EUNSET, NULL);
    for (int i = N; i-- > 0;)
        nook_var_unref(vars[i]);
}

/* "unset" has an address, of which code in place sees the last byte. */
static void V10_values_that_look_like_unset(void **state)
{
    static NOOK_VAR_DEFINE(var);
    void *value = NULL;
    (void)state;
    for (uintptr_t high = 0; high < 3; high++) {
        void *odd = (void *)(high << 8 | 0xff);
        nook_token token;
        assert_int_equal(nook_var_set(&var, odd, NULL), 0);
        assert_int_equal(nook_var_get(&var, &value), 0);
        assert_ptr_equal(value, odd);
        assert_ptr_equal(nook_var_get_or(&var, NULL), odd);
        assert_int_equal(nook_var_set(&var, &value, &token), 0);
        assert_int_equal(nook_var_reset(&var, &token), 0);
        assert_ptr_equal(nook_var_get_or(&var, NULL), odd);
        assert_int_equal(nook_var_reset(&var, &token), NOOK_EUSED);
    }
    assert_int_equal(nook_var_set(&var, (void *)UINTPTR_MAX, NULL), 0);
    assert_ptr_equal(nook_var_get_or(&var, NULL), (void *)UINTPTR_MAX);
}

/* A value that keeps the token of its own set: gone with its last holder. */
struct session {
    int held;
    nook_token token;
};

static void session_retain(void *value, void *where)
{
    (void)where;
    ((struct session *)value)->held++;
}

/* What free and the next malloc do to it, but defined. */
static void session_release(void *value, void *where)
{
    struct session *session = value;
    (void)where;
    if (--session->held == 0)
        memset(&session->token, 0x55, sizeof session->token);
}

static const nook_value_ops session_ops = {.retain = session_retain,
                                           .release = session_release};

static void a_token_may_lie_in_the_value_that_its_reset_releases(void **state)
{
    nook_var_options options = {
        .ops = &session_ops, .user = &finalised, .finalise = count_finalised};
    struct session session = {0};
    nook_var *var;
    (void)state;
    finalised = 0;
    assert_int_equal(nook_var_new(&var, "session", &options), 0);
    assert_int_equal(nook_var_set(var, &session, &session.token), 0);
    assert_int_equal(nook_var_reset(var, &session.token), 0);
    assert_int_equal(session.held, 0);
    nook_var_unref(var);
    assert_int_equal(finalised, 1);
}

static void a_token_may_lie_in_the_old_value_that_it_drops(void **state)
{
    nook_var_options options = {
        .ops = &session_ops, .user = &finalised, .finalise = count_finalised};
    struct session session = {0}, next = {0};
    nook_var *var;
    (void)state;
    finalised = 0;
    assert_int_equal(nook_var_new(&var, "session", &options), 0);
    assert_int_equal(nook_var_set(var, &session, NULL), 0);
    assert_int_equal(nook_var_set(var, &next, &session.token), 0);
    nook_token_drop(&session.token);
    assert_int_equal(session.held, 0);
    nook_thread_detach();
    nook_var_unref(var);
    assert_int_equal(finalised, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        context_test(V1_new_needs_a_name),
        context_test(V2_name_is_a_copy),
        context_test(V3_same_name_is_another_variable),
        context_test(V5_V6_lookup_order),
        context_test(V5_get_is_one_function_in_place_and_called),
        context_test(V10_values_that_look_like_unset),
        context_test(V6_null_is_a_default),
        context_test(V7_get_stores_nothing),
        context_test(V8_get_makes_no_context),
        context_test(V9_set_binds_in_the_current_context_only),
        context_test(V10_null_is_a_value),
        context_test(V11_set_of_the_same_object_gives_a_fresh_token),
        context_test(V14_a_context_keeps_the_variable),
        context_test(V15_a_copy_is_shallow),
        context_test(V16_a_mutable_default_is_one_object_for_all),
        context_test(V17_never_a_stale_value),
        context_test(T1_token_knows_variable_and_old_value),
        context_test(T2_reset_restores_or_removes),
        context_test(T3_a_token_works_once),
        context_test(T4_T5_T6_T7_failed_resets_and_their_order),
        context_test(T8_tokens_reset_in_any_order),
        context_test(T9_T11_what_no_set_made_is_no_token),
        context_test(T10_a_token_keeps_variable_and_old_value),
        context_test(T13_T14_scopes_undo_themselves_on_every_way_out),
        context_test(T15_one_reset_undoes_several_sets),
        context_test(T16_T17_a_scope_may_reset_its_token_or_another),
        context_test(T18_a_token_follows_its_context_to_another_thread),
        context_test(H3_the_user_pointer_can_be_set_later),
        context_test(H2_H3_a_finaliser_may_set_variables),
        context_test(H6_get_of_nothing),
        context_test(every_way_of_losing_a_value_releases_it),
        context_test(a_token_may_lie_in_the_value_that_its_reset_releases),
        context_test(a_token_may_lie_in_the_old_value_that_it_drops),
        context_test(numbers_of_dead_variables_are_reused_and_start_unset),
    };
    return cmocka_run_group_tests_name("contextlocal.var", tests, NULL, NULL);
}
