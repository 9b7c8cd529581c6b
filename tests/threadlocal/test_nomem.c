/* SPDX-License-Identifier: MIT */
/* Without memory: each program is starved at each of its allocations. */
#include "support.h"

#include "../starve.h"

static char value_a[] = "a", value_b[] = "b";

/* --- keys ----------------------------------------------------------------- */

static int make_b(void **value, void *arg, void *user)
{
    (void)arg;
    (void)user;
    *value = value_b;
    return 0;
}

static int ignore(uintptr_t ident, void *value, void *arg)
{
    (void)ident;
    (void)value;
    (void)arg;
    return 0;
}

static int replace(uintptr_t ident, void *value, void *arg)
{
    (void)ident;
    (void)value;
    int rc = nook_tls_set(*(nook_tls_key *)arg, value_b); /* needs a node: this one is held */
    void *found = NULL;
    if (rc != 0 && (nook_tls_get(*(nook_tls_key *)arg, &found) != 0 || found != value))
        return NOOK_EINVAL;
    return rc;
}

static int use_keys(void)
{
    enum { KEYS = 40 };
    nook_tls_key keys[KEYS];
    nook_tls_options options = {.init = make_b};
    void *found;
    int n = 0, rc = 0;
    while (rc == 0 && n < KEYS) {
        TRY(nook_tls_new(&keys[n], n % 2 ? &options : NULL));
        if (rc == 0)
            n++;
    }
    for (int i = 0; i < n; i++) {
        if (i % 2)
            TRY(nook_tls_get(keys[i], &found));
        else
            TRY(nook_tls_set(keys[i], value_a));
    }
    if (n > 0) {
        TRY(nook_tls_foreach(keys[0], ignore, NULL));
        TRY(nook_tls_foreach(keys[0], replace, &keys[0]));
    }
    while (n-- > 0)
        (void)nook_tls_delete(keys[n]);
    return rc;
}

static void H18_keys_without_memory(void **state)
{
    (void)state;
    starve(ONCE, use_keys);
}

/* --- Locals --------------------------------------------------------------- */

static int set_two(nook_local *self, void *arg, void *user)
{
    (void)arg;
    (void)user;
    int rc = nook_local_set(self, "one", value_a);
    return rc == 0 ? nook_local_set(self, "two", value_b) : rc;
}

static int visit(uintptr_t ident, const char *name, void *value, void *arg)
{
    (void)name;
    return ignore(ident, value, arg);
}

static int use_local(const nook_backing *backing, int visited)
{
    nook_local *local = NULL;
    nook_local_options options = {.backing = backing, .init = set_two};
    nook_local_iter iter;
    char name[8];
    size_t len = 0;
    int rc = nook_local_new(&local, &options);
    for (int i = 0; i < 10; i++) {
        (void)snprintf(name, sizeof name, "n%d", i);
        TRY(nook_local_set(local, name, value_a));
    }
    TRY(nook_local_set(local, "n3", value_b));
    TRY(nook_local_del(local, "n5"));
    TRY(nook_local_len(local, &len));
    TRY(nook_local_iter_open(&iter, local));
    if (rc == 0)
        nook_local_iter_close(&iter);
    if (visited)
        TRY(nook_local_foreach(local, visit, NULL));
    if (rc == 0 && len != 11)
        rc = NOOK_EINVAL;
    nook_local_unref(local);
    return rc;
}

static int use_local_by_thread(void)
{
    return use_local(NULL, 1);
}

static int use_local_by_flow(void)
{
    return use_local(&flow_backing, 0);
}

static int use_local_by_key(void)
{
    nook_backing *keyed = NULL;
    int rc = nook_backing_keyed_new(&keyed, ident_by_hand, NULL);
    for (ident_now = 1; ident_now < 20; ident_now++)
        TRY(use_local(keyed, 1));
    nook_backing_keyed_free(keyed);
    return rc;
}

static int many_identities(void)
{
    nook_backing *keyed = NULL;
    nook_local *local = NULL;
    nook_local_options options = {0};
    int rc = nook_backing_keyed_new(&keyed, ident_by_hand, NULL);
    options.backing = keyed;
    TRY(nook_local_new(&local, &options));
    for (ident_now = 1; ident_now < 200; ident_now++)
        TRY(nook_local_set(local, "n", value_a));
    TRY(nook_local_foreach(local, visit, NULL));
    nook_local_unref(local);
    nook_backing_keyed_free(keyed);
    return rc;
}

static void H19_locals_without_memory(void **state)
{
    (void)state;
    starve(ONCE, use_local_by_thread);
    starve(ONCE, use_local_by_flow);
    starve(ONCE, use_local_by_key);
    starve(ONCE, many_identities);
}

static struct counted owned;

/* A value that was not bound is still the caller's. */
static int bind_owned(void)
{
    nook_local *local = NULL;
    nook_local_stack *stack = NULL;
    nook_local_options options = {.release = counted_release};
    nook_local_stack_options stack_options = {.release = counted_release};
    int bound = 0;
    owned = (struct counted){0, 0};
    int rc = nook_local_new(&local, &options);
    TRY(nook_local_stack_new(&stack, &stack_options));
    TRY(nook_local_set(local, "n", &owned));
    bound += rc == 0;
    TRY(nook_local_stack_push(stack, &owned));
    bound += rc == 0;
    nook_local_unref(local);
    nook_local_stack_unref(stack);
    return owned.released == bound ? rc : NOOK_EINVAL;
}

static void H19_a_value_that_was_not_bound_is_not_released(void **state)
{
    (void)state;
    starve(ONCE, bind_owned);
}

/* --- stacks and managers -------------------------------------------------- */

static int use_stack(const nook_backing *backing)
{
    nook_local_stack *stack = NULL;
    nook_local_stack_options options = {.backing = backing};
    void *top = NULL;
    int rc = nook_local_stack_new(&stack, &options);
    for (int i = 0; i < 9; i++)
        TRY(nook_local_stack_push(stack, value_a));
    TRY(nook_local_stack_pop(stack, NULL));
    TRY(nook_local_stack_pop(stack, &top));
    if (rc == 0 && (top != value_a || nook_local_stack_depth(stack) != 7))
        rc = NOOK_EINVAL;
    nook_local_stack_unref(stack);
    return rc;
}

static int use_stack_by_thread(void)
{
    return use_stack(NULL);
}

static int use_stack_by_flow(void)
{
    return use_stack(&flow_backing);
}

static int use_manager(void)
{
    nook_local_manager *manager = NULL;
    nook_local *locals[6] = {NULL};
    int rc = nook_local_manager_new(&manager);
    for (int i = 0; i < 6; i++) {
        TRY(nook_local_new(&locals[i], NULL));
        TRY(nook_local_manager_add(manager, locals[i]));
    }
    TRY(nook_local_manager_cleanup(manager));
    for (int i = 0; i < 6; i++)
        nook_local_unref(locals[i]);
    nook_local_manager_free(manager);
    return rc;
}

static void H19_stacks_and_managers_without_memory(void **state)
{
    (void)state;
    starve(ONCE, use_stack_by_thread);
    starve(ONCE, use_stack_by_flow);
    starve(ONCE, use_manager);
}

/* --- contexts ------------------------------------------------------------- */

static int after(void **response, void *user)
{
    (void)response;
    (void)user;
    return 0;
}

static int torn_down;

static int teardown(nook_app *app, int error, void *user)
{
    (void)app;
    (void)error;
    (void)user;
    torn_down++;
    return 0;
}

/* What could not be popped for want of memory is popped by a second try. */
static int pop(nook_request_context *context)
{
    int rc = nook_request_context_pop(context, 0, NULL);
    return rc == NOOK_ENOMEM ? nook_request_context_pop(context, 0, NULL) : rc;
}

static int use_g(const nook_backing *backing)
{
    nook_g *g = NULL;
    nook_local_iter iter;
    int rc = nook_current_g(backing, &g);
    TRY(nook_g_set(g, "a", value_a));
    TRY(nook_g_setdefault(g, "b", value_b, NULL));
    TRY(nook_g_iter_open(&iter, g));
    if (rc == 0)
        nook_local_iter_close(&iter);
    return rc;
}

static int use_contexts(const nook_backing *backing)
{
    nook_app *app = NULL;
    nook_app_options options = {.backing = backing};
    nook_request_context *context = NULL, *copy = NULL;
    void *response = NULL;
    int pushed = 0, copied = 0;
    torn_down = 0;
    int rc = nook_app_new(&app, &options);
    TRY(nook_app_on(app, NOOK_TEARDOWN_REQUEST, teardown, NULL));
    TRY(nook_request_context_new(app, value_a, &context));
    TRY(nook_request_context_push(context));
    pushed = rc == 0;
    TRY(use_g(backing));
    TRY(nook_after_this_request(backing, after, NULL));
    TRY(nook_process_response(backing, &response));
    TRY(nook_copy_current_request_context(backing, &copy));
    TRY(nook_request_context_push(copy));
    copied = rc == 0;
    int error = copied ? pop(copy) : 0;
    if (error == 0 && pushed)
        error = pop(context);
    if (error == 0 && torn_down != (pushed && app != NULL) + copied)
        error = NOOK_EINVAL;
    nook_request_context_unref(copy);
    nook_request_context_unref(context);
    nook_app_unref(app);
    return error != 0 ? error : rc;
}

static int use_contexts_by_thread(void)
{
    return use_contexts(NULL);
}

static int use_contexts_by_flow(void)
{
    return use_contexts(&flow_backing);
}

static void F11_F14_contexts_without_memory(void **state)
{
    (void)state;
    starve(ONCE, use_contexts_by_thread);
    starve(ONCE, use_contexts_by_flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        local_test(H18_keys_without_memory),
        local_test(H19_locals_without_memory),
        local_test(H19_a_value_that_was_not_bound_is_not_released),
        local_test(H19_stacks_and_managers_without_memory),
        local_test(F11_F14_contexts_without_memory),
    };
    return cmocka_run_group_tests_name("no memory", tests, NULL, NULL);
}
