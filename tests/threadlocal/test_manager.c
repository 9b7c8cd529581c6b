/* SPDX-License-Identifier: MIT */
/* LocalManager: W10 and W11 of docs/semantics-threadlocal.md. */
#include "support.h"

static nook_local_manager *manager;
static nook_local *one, *two;
static nook_local_stack *stack;
static char alice[] = "alice";

static int open_all(void **state)
{
    int rc = nothing_alive(state);
    if (rc == 0)
        rc = nook_local_manager_new(&manager);
    if (rc == 0)
        rc = nook_local_new(&one, NULL);
    if (rc == 0)
        rc = nook_local_new(&two, NULL);
    return rc == 0 ? nook_local_stack_new(&stack, NULL) : rc;
}

static int close_all(void **state)
{
    nook_local_manager_free(manager);
    nook_local_unref(one);
    nook_local_unref(two);
    nook_local_stack_unref(stack);
    return nothing_alive(state);
}

#define manager_test(fn) cmocka_unit_test_setup_teardown(fn, open_all, close_all)

static void fill(void)
{
    (void)nook_local_set(one, "user", alice);
    (void)nook_local_set(two, "user", alice);
    (void)nook_local_stack_push(stack, alice);
    (void)nook_local_stack_push(stack, alice);
}

/* How many of the three hold something for the caller, a bit each. */
static int filled(void)
{
    return nook_local_contains(one, "user") | nook_local_contains(two, "user") << 1 |
           (nook_local_stack_depth(stack) != 0) << 2;
}

static void add_all(void)
{
    assert_int_equal(nook_local_manager_add(manager, one), 0);
    assert_int_equal(nook_local_manager_add(manager, two), 0);
    assert_int_equal(nook_local_manager_add_stack(manager, stack), 0);
}

static void W10_cleanup_releases_all(void **state)
{
    (void)state;
    assert_int_equal(nook_local_manager_cleanup(manager), 0);
    add_all();
    fill();
    assert_int_equal(filled(), 7);
    assert_int_equal(nook_local_manager_cleanup(manager), 0);
    assert_int_equal(filled(), 0);
    assert_int_equal(nook_local_manager_cleanup(manager), 0);
}

static void W10_the_list_counts_its_members(void **state)
{
    (void)state;
    assert_int_equal(nook_local_manager_len(manager), 0);
    add_all();
    assert_int_equal(nook_local_manager_add(manager, one), 0);
    assert_int_equal(nook_local_manager_add_stack(manager, stack), 0);
    assert_int_equal(nook_local_manager_len(manager), 3);
    assert_int_equal(nook_local_manager_remove(manager, two), 0);
    assert_int_equal(nook_local_manager_remove(manager, two), NOOK_ENOENT);
    assert_int_equal(nook_local_manager_remove_stack(manager, stack), 0);
    assert_int_equal(nook_local_manager_remove_stack(manager, stack), NOOK_ENOENT);
    assert_int_equal(nook_local_manager_len(manager), 1);
    fill();
    assert_int_equal(nook_local_manager_cleanup(manager), 0);
    assert_int_equal(filled(), 6);
}

static void W10_many_members(void **state)
{
    nook_local *many[20];
    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(nook_local_new(&many[i], NULL), 0);
        assert_int_equal(nook_local_set(many[i], "user", alice), 0);
        assert_int_equal(nook_local_manager_add(manager, many[i]), 0);
    }
    assert_int_equal(nook_local_manager_cleanup(manager), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(nook_local_contains(many[i], "user"), 0);
        nook_local_unref(many[i]); /* the manager still holds it */
    }
}

static void *fill_and_clean(void *arg)
{
    int *seen = arg;
    fill();
    seen[0] = filled();
    seen[1] = nook_local_manager_cleanup(manager);
    seen[2] = filled();
    return NULL;
}

static void W10_cleanup_is_for_the_caller_alone(void **state)
{
    int seen[3] = {-1, -1, -1};
    (void)state;
    add_all();
    fill();
    in_thread(fill_and_clean, seen);
    assert_int_equal(seen[0], 7);
    assert_int_equal(seen[1], 0);
    assert_int_equal(seen[2], 0);
    assert_int_equal(filled(), 7);
}

static int seen_by_request;

static int request(void *arg)
{
    seen_by_request = filled(); /* what the request before has left */
    fill();
    return *(int *)arg;
}

static void W10_middleware_cleans_after_every_request(void **state)
{
    int answer = 200, result = 0;
    (void)state;
    add_all();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(nook_local_manager_run(manager, request, &answer, &result), 0);
        assert_int_equal(seen_by_request, 0);
        assert_int_equal(result, 200);
        assert_int_equal(filled(), 0);
    }
    request(&answer); /* without it, the next one finds everything */
    request(&answer);
    assert_int_equal(seen_by_request, 7);
    assert_int_equal(nook_local_manager_run(manager, NULL, NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_manager_run(NULL, request, &answer, NULL), NOOK_EINVAL);
}

static int leave_early(int early)
{
    NOOK_LOCAL_CLEANUP(manager);
    fill();
    if (early)
        return filled();
    (void)nook_local_release(one);
    return filled();
}

static void W10_scope_cleans_on_every_way_out(void **state)
{
    (void)state;
    add_all();
    assert_int_equal(leave_early(1), 7);
    assert_int_equal(filled(), 0);
    assert_int_equal(leave_early(0), 6);
    assert_int_equal(filled(), 0);
}

static void release_that_removes(void *value, void *user)
{
    (void)user;
    ((struct counted *)value)->released++;
    (void)nook_local_manager_remove(manager, one);
    (void)nook_local_manager_remove(manager, two);
}

static void W10_members_may_go_during_the_cleanup(void **state)
{
    struct counted value = {0};
    nook_local *last;
    nook_local_options options = {.release = release_that_removes};
    (void)state;
    add_all();
    fill();
    assert_int_equal(nook_local_new(&last, &options), 0);
    assert_int_equal(nook_local_manager_add(manager, last), 0);
    assert_int_equal(nook_local_set(last, "user", &value), 0);
    assert_int_equal(nook_local_manager_cleanup(manager), 0);
    assert_int_equal(value.released, 1);
    assert_int_equal(filled(), 3); /* the two that were removed first; the stack is clean */
    assert_int_equal(nook_local_manager_len(manager), 2);
    nook_local_unref(last);
}

static void W10_cleanup_goes_on_after_an_error(void **state)
{
    nook_local *sick;
    nook_local_options options = {.backing = &flow_backing};
    (void)state;
    assert_int_equal(nook_local_new(&sick, &options), 0);
    assert_int_equal(nook_local_set(sick, "user", alice), 0);
    assert_int_equal(nook_local_manager_add(manager, one), 0);
    assert_int_equal(nook_local_manager_add(manager, sick), 0);
    assert_int_equal(nook_local_manager_add(manager, two), 0);
    fill();
    flow_fails = 1;
    assert_int_equal(nook_local_manager_cleanup(manager), NOOK_EAGAIN);
    assert_int_equal(filled(), 4);
    assert_int_equal(nook_local_contains(sick, "user"), 1);
    assert_int_equal(nook_local_manager_remove(manager, sick), 0);
    nook_local_unref(sick);
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    assert_int_equal(nook_local_manager_new(NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_manager_add(NULL, one), NOOK_EINVAL);
    assert_int_equal(nook_local_manager_add(manager, NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_manager_add_stack(manager, NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_manager_remove(manager, NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_manager_remove_stack(NULL, stack), NOOK_EINVAL);
    assert_int_equal(nook_local_manager_cleanup(NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_manager_len(NULL), 0);
    nook_local_manager_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        manager_test(W10_cleanup_releases_all),
        manager_test(W10_the_list_counts_its_members),
        manager_test(W10_many_members),
        manager_test(W10_cleanup_is_for_the_caller_alone),
        manager_test(W10_middleware_cleans_after_every_request),
        manager_test(W10_scope_cleans_on_every_way_out),
        manager_test(W10_members_may_go_during_the_cleanup),
        manager_test(W10_cleanup_goes_on_after_an_error),
        manager_test(wrong_arguments_are_refused),
    };
    return cmocka_run_group_tests_name("LocalManager", tests, NULL, NULL);
}
