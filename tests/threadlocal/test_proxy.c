/* SPDX-License-Identifier: MIT */
/* LocalProxy: W4, W9, P1-P8 of docs/semantics-threadlocal.md. */
#include "support.h"

static nook_local *local;
static nook_local_stack *stack;

static char alice[] = "alice", bob[] = "bob";

static int open_both(void **state)
{
    int rc = nothing_alive(state);
    if (rc == 0)
        rc = nook_local_new(&local, NULL);
    return rc == 0 ? nook_local_stack_new(&stack, NULL) : rc;
}

static int close_both(void **state)
{
    nook_local_unref(local);
    nook_local_stack_unref(stack);
    return nothing_alive(state);
}

#define proxy_test(fn) cmocka_unit_test_setup_teardown(fn, open_both, close_both)

static void *get(const nook_local_proxy *proxy)
{
    void *object = NULL;
    return nook_local_proxy_get(proxy, &object) == 0 ? object : NULL;
}

static int code(const nook_local_proxy *proxy)
{
    void *object;
    return nook_local_proxy_get(proxy, &object);
}

/* --- sources -------------------------------------------------------------- */

static void P1_W4_a_local_is_asked_at_every_access(void **state)
{
    nook_local_proxy user, copy;
    (void)state;
    assert_int_equal(nook_local_proxy_of_local(&user, local, "user", NULL), 0);
    assert_int_equal(code(&user), NOOK_EUNBOUND);
    assert_int_equal(nook_local_set(local, "user", alice), 0);
    copy = user;
    assert_ptr_equal(get(&user), alice);
    assert_int_equal(nook_local_set(local, "user", bob), 0);
    assert_ptr_equal(get(&user), bob);
    assert_ptr_equal(get(&copy), bob);
    assert_int_equal(nook_local_release(local), 0);
    assert_int_equal(code(&user), NOOK_EUNBOUND);
}

static void P1_W9_a_stack_is_asked_for_its_top(void **state)
{
    nook_local_proxy current;
    (void)state;
    assert_int_equal(nook_local_proxy_of_stack(&current, stack, NULL), 0);
    assert_int_equal(code(&current), NOOK_EUNBOUND);
    assert_int_equal(nook_local_stack_push(stack, alice), 0);
    assert_ptr_equal(get(&current), alice);
    assert_int_equal(nook_local_stack_push(stack, bob), 0);
    assert_ptr_equal(get(&current), bob);
    assert_int_equal(nook_local_stack_pop(stack, NULL), 0);
    assert_ptr_equal(get(&current), alice);
}

struct source {
    void *object;
    int rc;
    int calls;
};

static int look_there(void *arg, void **object)
{
    struct source *source = arg;
    source->calls++;
    *object = source->object;
    return source->rc;
}

static void P1_a_function_is_called_at_every_access(void **state)
{
    struct source source = {.object = alice};
    nook_local_proxy proxy;
    (void)state;
    assert_int_equal(nook_local_proxy_of_function(&proxy, look_there, &source, NULL), 0);
    assert_int_equal(source.calls, 0);
    assert_ptr_equal(get(&proxy), alice);
    source.object = bob;
    assert_ptr_equal(get(&proxy), bob);
    assert_int_equal(source.calls, 2);
}

struct frame {
    char *user;
    int rc;
};

static int user_of_frame(void *object, void **part, void *arg)
{
    struct frame *frame = object;
    ++*(int *)arg;
    *part = frame->user;
    return frame->rc;
}

static void P2_W9_a_part_of_what_any_source_gives(void **state)
{
    int calls = 0;
    struct frame frame = {alice, 0};
    struct source source = {.object = &frame};
    nook_local_proxy_options options = {.part = user_of_frame, .part_arg = &calls};
    nook_local_proxy of_stack, of_local, of_function;
    (void)state;
    assert_int_equal(nook_local_proxy_of_stack(&of_stack, stack, &options), 0);
    assert_int_equal(nook_local_proxy_of_local(&of_local, local, "frame", &options), 0);
    assert_int_equal(nook_local_proxy_of_function(&of_function, look_there, &source, &options),
                     0);
    assert_int_equal(code(&of_stack), NOOK_EUNBOUND);
    assert_int_equal(code(&of_local), NOOK_EUNBOUND);
    assert_int_equal(calls, 0);
    assert_int_equal(nook_local_stack_push(stack, &frame), 0);
    assert_int_equal(nook_local_set(local, "frame", &frame), 0);
    assert_ptr_equal(get(&of_stack), alice);
    assert_ptr_equal(get(&of_local), alice);
    assert_ptr_equal(get(&of_function), alice);
    frame.user = bob;
    assert_ptr_equal(get(&of_stack), bob);
    frame.rc = NOOK_ENOENT;
    assert_int_equal(code(&of_stack), NOOK_ENOENT);
    assert_int_equal(calls, 5);
}

static void P2_sources_need_their_parts(void **state)
{
    nook_local_proxy proxy, none;
    void *object;
    (void)state;
    memset(&none, 0, sizeof none);
    assert_int_equal(nook_local_proxy_of_local(&proxy, local, NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_proxy_of_local(&proxy, NULL, "user", NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_proxy_of_local(NULL, local, "user", NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_proxy_of_stack(&proxy, NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_proxy_of_function(&proxy, NULL, NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_proxy_get(NULL, &object), NOOK_EINVAL);
    assert_int_equal(nook_local_proxy_get(&none, &object), NOOK_EINVAL);
    assert_int_equal(nook_local_proxy_of_stack(&proxy, stack, NULL), 0);
    assert_int_equal(nook_local_proxy_get(&proxy, NULL), NOOK_EINVAL);
}

/* --- unbound -------------------------------------------------------------- */

static void P3_unbound_has_a_message_and_counts_as_false(void **state)
{
    nook_local_proxy_options options = {.name = "current user",
                                        .unbound_message = "nobody is logged in"};
    nook_local_proxy plain, named, of_stack;
    (void)state;
    assert_int_equal(nook_local_proxy_of_local(&plain, local, "user", NULL), 0);
    assert_int_equal(nook_local_proxy_of_local(&named, local, "user", &options), 0);
    assert_int_equal(nook_local_proxy_of_stack(&of_stack, stack, NULL), 0);
    assert_int_equal(nook_local_proxy_bound(&plain), 0);
    assert_string_equal(nook_local_proxy_unbound_message(&plain), "object is not bound");
    assert_string_equal(nook_local_proxy_unbound_message(&named), "nobody is logged in");
    assert_string_equal(nook_local_proxy_unbound_message(NULL), "object is not bound");
    assert_string_equal(nook_local_proxy_name(&plain), "user");
    assert_string_equal(nook_local_proxy_name(&named), "current user");
    assert_string_equal(nook_local_proxy_name(&of_stack), "LocalProxy");
    assert_string_equal(nook_local_proxy_name(NULL), "LocalProxy");
    assert_int_equal(nook_local_set(local, "user", alice), 0);
    assert_int_equal(nook_local_proxy_bound(&plain), 1);
}

static void P4_get_gives_the_very_object_or_touches_nothing(void **state)
{
    nook_local_proxy proxy;
    void *object = &proxy;
    (void)state;
    assert_int_equal(nook_local_proxy_of_local(&proxy, local, "user", NULL), 0);
    assert_int_equal(nook_local_proxy_get(&proxy, &object), NOOK_EUNBOUND);
    assert_ptr_equal(object, &proxy);
    assert_int_equal(nook_local_set(local, "user", alice), 0);
    assert_int_equal(nook_local_proxy_get(&proxy, &object), 0);
    assert_ptr_equal(object, alice);
}

static void P5_errors_of_a_function_pass_unchanged(void **state)
{
    struct source source = {.object = alice, .rc = -12345};
    nook_local_proxy proxy;
    void *object = &proxy;
    (void)state;
    assert_int_equal(nook_local_proxy_of_function(&proxy, look_there, &source, NULL), 0);
    assert_int_equal(nook_local_proxy_get(&proxy, &object), -12345);
    assert_ptr_equal(object, &proxy);
    source.rc = NOOK_ENOENT;
    assert_int_equal(code(&proxy), NOOK_ENOENT);
    assert_int_equal(nook_local_proxy_bound(&proxy), 0);
}

static int failing_init(nook_local *self, void *arg, void *user)
{
    (void)self;
    (void)arg;
    (void)user;
    return NOOK_EAGAIN;
}

static void P5_errors_of_an_initialiser_pass_unchanged(void **state)
{
    nook_local_options options = {.init = failing_init};
    nook_local *sick;
    nook_local_proxy proxy;
    (void)state;
    assert_int_equal(nook_local_new(&sick, &options), 0);
    assert_int_equal(nook_local_proxy_of_local(&proxy, sick, "user", NULL), 0);
    assert_int_equal(code(&proxy), NOOK_EAGAIN);
    nook_local_unref(sick);
}

static void P6_writes_reach_the_object(void **state)
{
    struct frame frame = {alice, 0};
    nook_local_proxy proxy;
    (void)state;
    assert_int_equal(nook_local_proxy_of_stack(&proxy, stack, NULL), 0);
    assert_int_equal(nook_local_stack_push(stack, &frame), 0);
    struct frame *seen = get(&proxy);
    assert_ptr_equal(seen, &frame);
    if (seen != NULL)
        seen->user = bob;
    assert_ptr_equal(frame.user, bob);
}

static void P8_null_is_unbound_on_a_stack_only(void **state)
{
    struct source source = {0};
    nook_local_proxy of_stack, of_local, of_function;
    (void)state;
    assert_int_equal(nook_local_proxy_of_stack(&of_stack, stack, NULL), 0);
    assert_int_equal(nook_local_proxy_of_local(&of_local, local, "user", NULL), 0);
    assert_int_equal(nook_local_proxy_of_function(&of_function, look_there, &source, NULL), 0);
    assert_int_equal(nook_local_stack_push(stack, NULL), 0);
    assert_int_equal(nook_local_set(local, "user", NULL), 0);
    assert_int_equal(code(&of_stack), NOOK_EUNBOUND);
    assert_int_equal(code(&of_local), 0);
    assert_int_equal(code(&of_function), 0);
    assert_int_equal(nook_local_proxy_bound(&of_stack), 0);
    assert_int_equal(nook_local_proxy_bound(&of_local), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        proxy_test(P1_W4_a_local_is_asked_at_every_access),
        proxy_test(P1_W9_a_stack_is_asked_for_its_top),
        proxy_test(P1_a_function_is_called_at_every_access),
        proxy_test(P2_W9_a_part_of_what_any_source_gives),
        proxy_test(P2_sources_need_their_parts),
        proxy_test(P3_unbound_has_a_message_and_counts_as_false),
        proxy_test(P4_get_gives_the_very_object_or_touches_nothing),
        proxy_test(P5_errors_of_a_function_pass_unchanged),
        proxy_test(P5_errors_of_an_initialiser_pass_unchanged),
        proxy_test(P6_writes_reach_the_object),
        proxy_test(P8_null_is_unbound_on_a_stack_only),
    };
    return cmocka_run_group_tests_name("LocalProxy", tests, NULL, NULL);
}
