/* SPDX-License-Identifier: MIT */
/*
 * Without memory: each program is starved at each of its allocations. What fails
 * loses nothing, changes nothing, and says so [H15, T7].
 */
#include "support.h"

#include "../starve.h"

#include <string.h>

static struct counted values[4];

static int values_held(void)
{
    int n = 0;
    for (int i = 0; i < 4; i++)
        n += values[i].held;
    return n;
}

static nook_var counted_var = NOOK_VAR_INIT("counted", &counted_ops, 0, NULL);
static NOOK_VAR_DEFINE(plain);

/* What a context answers, to be compared with what it answers later. */
struct answers {
    size_t len;
    void *bound[2];
};

static struct answers ask(nook_context *context)
{
    nook_var *const vars[] = {&counted_var, &plain};
    struct answers answers;
    memset(&answers, 0, sizeof answers);
    answers.len = nook_context_len(context);
    for (int i = 0; i < 2; i++)
        if (nook_context_find(context, vars[i], &answers.bound[i]) == 0)
            nook_value_release(vars[i], answers.bound[i]);
    return answers;
}

static int same(struct answers a, struct answers b)
{
    return a.len == b.len && a.bound[0] == b.bound[0] && a.bound[1] == b.bound[1];
}

/* --- variables and set ------------------------------------------------------- */

static int finalised;

static void count_finalised(void *unused)
{
    (void)unused;
    finalised++;
}

static int make_variables(void)
{
    nook_var *vars[6] = {NULL};
    nook_var_options options = {.ops = &counted_ops,
                                .finalise = count_finalised,
                                .has_default = 1,
                                .default_value = &values[0]};
    int rc = 0, made = 0;
    finalised = 0;
    for (int i = 0; i < 6; i++) {
        TRY(nook_var_new(&vars[i], "made", &options));
        made += vars[i] != NULL;
        if (values[0].held != made)
            rc = NOOK_EINVAL;
    }
    for (int i = 0; i < 6; i++)
        nook_var_unref(vars[i]);
    return finalised == made && values_held() == 0 ? rc : NOOK_EINVAL;
}

static void V1_variables_without_memory(void **state)
{
    (void)state;
    starve(ONCE, make_variables);
    starve(FOR_GOOD, make_variables);
}

/* A set that fails: the value is not held, the old one still is, the token is none. */
static int set_unchanged(nook_var *var, struct counted *value)
{
    nook_token token;
    struct answers before = ask(nook_context_peek());
    int held = values_held();
    int rc = nook_var_set(var, value, &token);
    if (rc == 0) {
        nook_token_drop(&token);
        return nook_var_get_or(var, NULL) == value ? 0 : NOOK_EINVAL;
    }
    if (!same(before, ask(nook_context_peek())) || held != values_held() ||
        nook_var_reset(var, &token) != NOOK_ENOTOKEN)
        return NOOK_EINVAL;
    return rc;
}

static int set_alone_and_shared(void)
{
    nook_context *copy = NULL;
    int rc = set_unchanged(&counted_var, &values[0]);
    TRY(set_unchanged(&plain, &values[3]));
    TRY(nook_context_copy_current(&copy));
    TRY(set_unchanged(&counted_var, &values[1]));
    TRY(set_unchanged(&counted_var, &values[2])); /* in place */
    if (rc == 0 && ask(copy).bound[0] != &values[0])
        rc = NOOK_EINVAL;
    nook_context_unref(copy);
    nook_thread_detach();
    return values_held() == 0 ? rc : NOOK_EINVAL;
}

static void V9_sets_without_memory(void **state)
{
    (void)state;
    starve(ONCE, set_alone_and_shared);
    starve(FOR_GOOD, set_alone_and_shared);
}

/* As many variables as need a map of several levels, and new pages of numbers. */
static int set_many(void)
{
    enum { MANY = 1100 };
    static nook_var many[MANY];
    nook_context *copies[MANY / 100] = {NULL};
    int rc = 0, n = 0;
    while (rc == 0 && n < MANY) {
        if (n % 100 == 0)
            TRY(nook_context_copy_current(&copies[n / 100]));
        TRY(nook_var_set(&many[n], &many[n], NULL));
        n += rc == 0;
    }
    for (int i = 0; i < n; i++)
        if (nook_var_get_or(&many[i], NULL) != &many[i])
            rc = NOOK_EINVAL;
    if (nook_context_peek() != NULL && nook_context_len(nook_context_peek()) != (size_t)n)
        rc = NOOK_EINVAL;
    for (int i = 0; i < MANY / 100; i++) {
        if (copies[i] != NULL && nook_context_len(copies[i]) != (size_t)i * 100)
            rc = NOOK_EINVAL;
        nook_context_unref(copies[i]);
    }
    return rc;
}

static void M11_large_maps_without_memory(void **state)
{
    (void)state;
    starve(ONCE, set_many);
    starve(FOR_GOOD, set_many);
}

/* --- reset --------------------------------------------------------------------- */

/* A reset that fails leaves the token usable; it is tried again when memory is back. */
static int reset_after(int shared)
{
    nook_token tokens[2];
    nook_context *copy = NULL;
    int rc = 0, sets = 0;
    for (int i = 0; i < 2; i++) {
        TRY(nook_var_set(&counted_var, &values[i], &tokens[i]));
        sets += rc == 0;
    }
    if (shared)
        TRY(nook_context_copy_current(&copy));
    int first_error = rc;
    for (int i = sets; i-- > 0;) {
        struct answers before = ask(nook_context_peek());
        int failed_reset = nook_var_reset(&counted_var, &tokens[i]);
        if (failed_reset == NOOK_ENOMEM) {
            if (!same(before, ask(nook_context_peek())) || nook_token_used(&tokens[i]))
                first_error = NOOK_EINVAL;
            long hungry = countdown;
            countdown = -1;
            failed_reset = nook_var_reset(&counted_var, &tokens[i]);
            countdown = hungry;
            if (first_error == 0)
                first_error = NOOK_ENOMEM;
        }
        if (failed_reset != 0)
            first_error = NOOK_EINVAL;
    }
    if (nook_var_get_or(&counted_var, NULL) != NULL)
        first_error = NOOK_EINVAL;
    nook_context_unref(copy);
    nook_thread_detach();
    return values_held() == 0 ? first_error : NOOK_EINVAL;
}

static int reset_alone(void)
{
    return reset_after(0);
}

static int reset_shared(void)
{
    return reset_after(1);
}

static void T7_resets_without_memory(void **state)
{
    (void)state;
    starve(ONCE, reset_alone);
    starve(FOR_GOOD, reset_alone);
    starve(ONCE, reset_shared);
    starve(FOR_GOOD, reset_shared);
}

/* A scope whose reset fails lets go: nothing is lost but the undoing. */
static int scoped(void)
{
    nook_context *copy = NULL;
    int rc = nook_var_set(&counted_var, &values[0], NULL);
    TRY(nook_context_copy_current(&copy));
    {
        NOOK_SCOPED_SET(&counted_var, &values[1]);
        nook_context_unref(copy);
        copy = NULL;
        TRY(nook_context_copy_current(&copy));
        if (rc == 0 && nook_var_get_or(&counted_var, NULL) != &values[1])
            rc = NOOK_ENOMEM; /* the scope bound nothing */
    }
    if (rc == 0 && nook_var_get_or(&counted_var, NULL) != &values[0])
        rc = failed ? NOOK_ENOMEM : NOOK_EINVAL;
    nook_context_unref(copy);
    nook_thread_detach();
    return values_held() == 0 ? rc : NOOK_EINVAL;
}

static void T13_scopes_without_memory(void **state)
{
    (void)state;
    starve(ONCE, scoped);
    starve(FOR_GOOD, scoped);
}

/* --- contexts ------------------------------------------------------------------- */

static int say_so(void *ran)
{
    *(int *)ran = 1;
    return nook_var_set(&counted_var, &values[1], NULL);
}

static int use_contexts(void)
{
    nook_context *fresh = NULL, *copy = NULL, *current = NULL;
    nook_context_iter iter;
    int ran = 0, result = 0;
    int rc = nook_context_new(&fresh);
    TRY(nook_context_run(fresh, say_so, &ran, &result));
    TRY(result);
    TRY(nook_context_copy(fresh, &copy));
    TRY(nook_context_copy_current(&current));
    TRY(nook_context_iter_open(&iter, copy)); /* needs no memory */
    if (rc == 0)
        nook_context_iter_close(&iter);
    if (rc == 0 && nook_context_equal(fresh, copy) != 1)
        rc = NOOK_EINVAL;
    if (fresh != NULL && nook_context_exit(fresh) != NOOK_ENOTENTERED)
        rc = NOOK_EINVAL;
    nook_context_unref(fresh);
    nook_context_unref(copy);
    nook_context_unref(current);
    nook_thread_detach();
    return values_held() == 0 ? rc : NOOK_EINVAL;
}

static void C1_contexts_without_memory(void **state)
{
    (void)state;
    starve(ONCE, use_contexts);
    starve(FOR_GOOD, use_contexts);
}

/* --- inheriting ------------------------------------------------------------------- */

static int duplicates;

static int duplicate(void *value, void **copy, void *unused)
{
    counted_retain(value, unused); /* as good as one of its own */
    duplicates++;
    *copy = value;
    return 0;
}

static const nook_value_ops duplicate_ops = {counted_retain, counted_release, NULL, duplicate,
                                             NOOK_INHERIT_DUPLICATE};
static const nook_value_ops drop_ops = {counted_retain, counted_release, NULL, NULL,
                                        NOOK_INHERIT_DROP};

static int inherit(void)
{
    enum { EACH = 40 };
    static nook_var vars[2 * EACH];
    nook_context *child = NULL;
    int rc = 0;
    for (int i = 0; i < 2 * EACH; i++) {
        vars[i].ops = i % 2 ? &duplicate_ops : &drop_ops;
        TRY(nook_var_set(&vars[i], &values[i % 4], NULL));
    }
    int held = values_held();
    duplicates = 0;
    TRY(nook_context_inherit(&child));
    if (child == NULL && values_held() != held)
        rc = NOOK_EINVAL;
    if (child != NULL && (duplicates != EACH || nook_context_len(child) != EACH))
        rc = NOOK_EINVAL;
    nook_context_unref(child);
    nook_thread_detach();
    return values_held() == 0 ? rc : NOOK_EINVAL;
}

static void V18_inheriting_without_memory(void **state)
{
    (void)state;
    starve(ONCE, inherit);
    starve(FOR_GOOD, inherit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        context_test(V1_variables_without_memory),   context_test(V9_sets_without_memory),
        context_test(M11_large_maps_without_memory), context_test(T7_resets_without_memory),
        context_test(T13_scopes_without_memory),     context_test(C1_contexts_without_memory),
        context_test(V18_inheriting_without_memory),
    };
    return cmocka_run_group_tests_name("contextlocal.nomem", tests, NULL, NULL);
}
