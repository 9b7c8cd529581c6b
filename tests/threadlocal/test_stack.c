/* SPDX-License-Identifier: MIT */
/* LocalStack: W6-W8 and H19 of docs/semantics-threadlocal.md. */
#include "support.h"

static nook_local_stack *stack;

static char alice[] = "alice", bob[] = "bob", carol[] = "carol";

static const nook_local_stack_options counting = {.retain = counted_retain,
                                                  .release = counted_release};

static void *top(void)
{
    void *value = NULL;
    return nook_local_stack_top(stack, &value) == 0 ? value : NULL;
}

static void W6_top_and_pop_of_an_empty_stack(void **state)
{
    void *value = &state;
    (void)state;
    assert_int_equal(nook_local_stack_new(&stack, NULL), 0);
    assert_int_equal(nook_local_stack_top(stack, &value), NOOK_ENOENT);
    assert_null(value);
    for (int i = 0; i < 3; i++) {
        value = &state;
        assert_int_equal(nook_local_stack_pop(stack, &value), NOOK_ENOENT);
        assert_null(value);
    }
    assert_int_equal(nook_local_stack_pop(stack, NULL), NOOK_ENOENT);
    assert_int_equal(nook_local_stack_depth(stack), 0);
    nook_local_stack_unref(stack);
}

static void W6_last_in_first_out(void **state)
{
    void *value = NULL;
    (void)state;
    assert_int_equal(nook_local_stack_new(&stack, NULL), 0);
    assert_int_equal(nook_local_stack_push(stack, alice), 0);
    assert_int_equal(nook_local_stack_push(stack, bob), 0);
    assert_ptr_equal(top(), bob);
    assert_int_equal(nook_local_stack_depth(stack), 2);
    assert_int_equal(nook_local_stack_pop(stack, &value), 0);
    assert_ptr_equal(value, bob);
    assert_int_equal(nook_local_stack_push(stack, carol), 0);
    assert_ptr_equal(top(), carol);
    assert_int_equal(nook_local_stack_pop(stack, NULL), 0);
    assert_int_equal(nook_local_stack_pop(stack, &value), 0);
    assert_ptr_equal(value, alice);
    assert_int_equal(nook_local_stack_pop(stack, &value), NOOK_ENOENT);
    nook_local_stack_unref(stack);
}

static void *push_and_look(void *arg)
{
    int *seen = arg;
    seen[0] = (int)nook_local_stack_depth(stack);
    seen[1] = nook_local_stack_push(stack, bob);
    seen[2] = top() == bob;
    return NULL;
}

static void W6_each_thread_has_its_own(void **state)
{
    int seen[3] = {-1, -1, -1};
    (void)state;
    assert_int_equal(nook_local_stack_new(&stack, NULL), 0);
    assert_int_equal(nook_local_stack_push(stack, alice), 0);
    in_thread(push_and_look, seen);
    assert_int_equal(seen[0], 0);
    assert_int_equal(seen[1], 0);
    assert_int_equal(seen[2], 1);
    assert_ptr_equal(top(), alice);
    nook_local_stack_unref(stack);
}

static void W6_a_deep_stack(void **state)
{
    static int values[1000];
    void *value;
    (void)state;
    assert_int_equal(nook_local_stack_new(&stack, NULL), 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(nook_local_stack_push(stack, &values[i]), 0);
    for (int i = 1000; i-- > 0;) {
        assert_int_equal(nook_local_stack_pop(stack, &value), 0);
        assert_ptr_equal(value, &values[i]);
    }
    nook_local_stack_unref(stack);
}

static void W7_the_last_pop_leaves_nothing_behind(void **state)
{
    nook_backing *keyed;
    nook_local_stack_options options = {0};
    (void)state;
    assert_int_equal(nook_backing_keyed_new(&keyed, ident_by_hand, NULL), 0);
    options.backing = keyed;
    assert_int_equal(nook_local_stack_new(&stack, &options), 0);
    assert_int_equal(nook_local_stack_push(stack, alice), 0);
    assert_int_equal(nook_local_stack_push(stack, bob), 0);
    assert_int_equal(nook_backing_keyed_len(keyed), 1);
    assert_int_equal(nook_local_stack_pop(stack, NULL), 0);
    assert_int_equal(nook_backing_keyed_len(keyed), 1);
    assert_int_equal(nook_local_stack_pop(stack, NULL), 0);
    assert_int_equal(nook_backing_keyed_len(keyed), 0);
    assert_int_equal(nook_local_stack_push(stack, alice), 0);
    assert_int_equal(nook_local_stack_release(stack), 0);
    assert_int_equal(nook_backing_keyed_len(keyed), 0);
    nook_local_stack_unref(stack);
    nook_backing_keyed_free(keyed);
}

static void W8_a_childs_push_is_invisible_to_parent_and_siblings(void **state)
{
    struct counted a = {0}, b = {0}, c = {0};
    nook_local_stack_options options = counting;
    options.backing = &flow_backing;
    (void)state;
    assert_int_equal(nook_local_stack_new(&stack, &options), 0);
    assert_int_equal(nook_local_stack_push(stack, &a), 0);
    flow_fork(1);
    flow_fork(2);
    flow_now = 1;
    assert_ptr_equal(top(), &a);
    assert_int_equal(nook_local_stack_push(stack, &b), 0);
    flow_now = 2;
    assert_ptr_equal(top(), &a);
    assert_int_equal(nook_local_stack_push(stack, &c), 0);
    flow_now = 0;
    assert_ptr_equal(top(), &a);
    assert_int_equal(nook_local_stack_depth(stack), 1);
    assert_int_equal(nook_local_stack_pop(stack, NULL), 0);
    assert_int_equal(flow_residue(0), 0);
    assert_int_equal(held(&a), 1);
    flow_now = 1;
    assert_int_equal(nook_local_stack_depth(stack), 2);
    assert_ptr_equal(top(), &b);
    assert_int_equal(nook_local_stack_release(stack), 0);
    assert_int_equal(held(&b), 0);
    flow_now = 2;
    assert_int_equal(nook_local_stack_pop(stack, NULL), 0);
    assert_int_equal(held(&c), 0);
    assert_ptr_equal(top(), &a);
    nook_local_stack_unref(stack);
    assert_int_equal(held(&a), 0);
}

static void W8_a_pop_hands_over_what_others_still_have(void **state)
{
    struct counted a = {0};
    void *value = NULL;
    nook_local_stack_options options = counting;
    options.backing = &flow_backing;
    (void)state;
    assert_int_equal(nook_local_stack_new(&stack, &options), 0);
    assert_int_equal(nook_local_stack_push(stack, &a), 0);
    flow_fork(1);
    assert_int_equal(nook_local_stack_pop(stack, &value), 0);
    assert_int_equal(held(&a), 2); /* the child's stack, and the caller */
    counted_release(value, NULL);
    flow_now = 1;
    assert_ptr_equal(top(), &a);
    nook_local_stack_unref(stack);
    assert_int_equal(held(&a), 0);
    options.retain = NULL;
    assert_int_equal(nook_local_stack_new(&stack, &options), NOOK_EINVAL);
}

static void H19_a_pop_gives_the_caller_one_hold(void **state)
{
    struct counted a = {0}, b = {0};
    void *value = NULL;
    (void)state;
    assert_int_equal(nook_local_stack_new(&stack, &counting), 0);
    assert_int_equal(nook_local_stack_push(stack, &a), 0);
    assert_int_equal(nook_local_stack_push(stack, &b), 0);
    assert_int_equal(nook_local_stack_push(stack, &b), 0);
    assert_int_equal(held(&b), 2);
    assert_int_equal(nook_local_stack_pop(stack, NULL), 0);
    assert_int_equal(held(&b), 1);
    assert_int_equal(nook_local_stack_pop(stack, &value), 0);
    assert_int_equal(held(&b), 1);
    counted_release(value, NULL);
    assert_int_equal(nook_local_stack_release(stack), 0);
    assert_int_equal(held(&a), 0);
    nook_local_stack_unref(nook_local_stack_ref(stack));
    nook_local_stack_unref(stack);
}

static void H19_release_alone_is_a_destructor(void **state)
{
    struct counted a = {0}, b = {0};
    void *value = NULL;
    nook_local_stack_options options = {.release = counted_release};
    (void)state;
    assert_int_equal(nook_local_stack_new(&stack, &options), 0);
    assert_int_equal(nook_local_stack_push(stack, &a), 0);
    assert_int_equal(nook_local_stack_push(stack, &b), 0);
    assert_int_equal(nook_local_stack_pop(stack, &value), 0);
    assert_ptr_equal(value, &b);
    assert_int_equal(released(&b), 0); /* the caller's now */
    assert_int_equal(nook_local_stack_pop(stack, NULL), 0);
    assert_int_equal(released(&a), 1);
    nook_local_stack_unref(stack);
}

static void *push_value(void *arg)
{
    (void)nook_local_stack_push(stack, arg);
    return NULL;
}

static void L2_the_stack_goes_with_the_thread(void **state)
{
    struct counted a = {0};
    (void)state;
    assert_int_equal(nook_local_stack_new(&stack, &counting), 0);
    in_thread(push_value, &a);
    assert_int_equal(released(&a), 1);
    nook_local_stack_unref(stack);
}

static void H19_a_store_that_fails_changes_nothing(void **state)
{
    struct counted a = {0}, b = {0};
    void *value = &a;
    nook_local_stack_options options = counting;
    options.backing = &flow_backing;
    (void)state;
    assert_int_equal(nook_local_stack_new(&stack, &options), 0);
    flow_fails = 1;
    assert_int_equal(nook_local_stack_push(stack, &a), NOOK_EAGAIN);
    assert_int_equal(held(&a), 0);
    assert_int_equal(nook_local_stack_push(stack, &a), 0);
    assert_int_equal(nook_local_stack_push(stack, &b), 0);
    flow_fails = 1;
    assert_int_equal(nook_local_stack_pop(stack, &value), NOOK_EAGAIN);
    assert_null(value);
    assert_int_equal(nook_local_stack_pop(stack, NULL), 0);
    flow_fails = 1;
    assert_int_equal(nook_local_stack_pop(stack, NULL), NOOK_EAGAIN);
    assert_ptr_equal(top(), &a);
    assert_int_equal(held(&a), 1);
    nook_local_stack_unref(stack);
    assert_int_equal(held(&a), 0);
}

static void wrong_arguments_are_refused(void **state)
{
    void *value = &state;
    (void)state;
    assert_int_equal(nook_local_stack_new(NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_stack_push(NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_stack_pop(NULL, &value), NOOK_EINVAL);
    assert_null(value);
    assert_int_equal(nook_local_stack_top(NULL, &value), NOOK_EINVAL);
    assert_int_equal(nook_local_stack_release(NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_stack_depth(NULL), 0);
    assert_null(nook_local_stack_ref(NULL));
    nook_local_stack_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        local_test(W6_top_and_pop_of_an_empty_stack),
        local_test(W6_last_in_first_out),
        local_test(W6_each_thread_has_its_own),
        local_test(W6_a_deep_stack),
        local_test(W7_the_last_pop_leaves_nothing_behind),
        local_test(W8_a_childs_push_is_invisible_to_parent_and_siblings),
        local_test(W8_a_pop_hands_over_what_others_still_have),
        local_test(H19_a_pop_gives_the_caller_one_hold),
        local_test(H19_release_alone_is_a_destructor),
        local_test(L2_the_stack_goes_with_the_thread),
        local_test(H19_a_store_that_fails_changes_nothing),
        local_test(wrong_arguments_are_refused),
    };
    return cmocka_run_group_tests_name("LocalStack", tests, NULL, NULL);
}
