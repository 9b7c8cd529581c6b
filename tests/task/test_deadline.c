/* SPDX-License-Identifier: MIT */
/* Deadlines: scopes of time in a task, nested, moved, passed, and left. */
#include "want.h"

struct scope {
    int park, exit, expired, after, cancelling, enter, again;
    uint64_t from, to;
    nook_task *task;
    nook_deadline deadline;
};

static int sleep_within(void *arg)
{
    struct scope *scope = arg;
    scope->from = nook_now();
    scope->enter = nook_deadline_enter(&scope->deadline, scope->again ? 100000 * MS : 5 * MS);
    scope->park = nook_sleep(scope->again ? MS : UINT64_MAX);
    scope->to = nook_now();
    scope->expired = nook_deadline_expired(&scope->deadline);
    scope->exit = nook_deadline_exit(&scope->deadline);
    scope->cancelling = (int)nook_task_cancelling(nook_task_current());
    scope->after = nook_sleep(10 * MS);
    return nook_deadline_exit(&scope->deadline);
}

static void time_that_has_come_ends_the_wait(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct scope scope = {0};
        assert_int_equal(run(way, sleep_within, &scope), NOOK_EINVAL); /* left already */
        assert_int_equal(scope.enter, 0);
        assert_int_equal(scope.park, NOOK_ECANCELED);
        assert_true(scope.to - scope.from >= 5 * MS);
        assert_true(scope.expired);
        assert_int_equal(scope.exit, NOOK_ETIMEDOUT);
        assert_int_equal(scope.cancelling, 0);
        assert_int_equal(scope.after, 0);
        if (way < REAL)
            assert_int_equal(scope.to - scope.from, 5 * MS);
    }
}

static void time_that_does_not_come_is_not_felt(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct scope scope = {.again = 1};
        assert_int_equal(run(way, sleep_within, &scope), NOOK_EINVAL);
        assert_int_equal(scope.park, 0);
        assert_false(scope.expired);
        assert_int_equal(scope.exit, 0);
        assert_int_equal(scope.after, 0);
    }
}

/* --- nested --------------------------------------------------------------- */

struct nested {
    uint64_t outer_ns, inner_ns;
    int park, inner, outer, wrong_order;
};

static int sleep_in_two(void *arg)
{
    struct nested *nested = arg;
    nook_deadline outer, inner;
    int rc = nook_deadline_enter(&outer, nested->outer_ns);
    if (rc == 0)
        rc = nook_deadline_enter(&inner, nested->inner_ns);
    if (rc != 0)
        return rc;
    nested->park = nook_sleep(UINT64_MAX);
    nested->wrong_order = nook_deadline_exit(&outer);
    nested->inner = nook_deadline_exit(&inner);
    nested->outer = nook_deadline_exit(&outer);
    return 0;
}

static void the_scope_whose_time_came_says_so(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct nested inner_first = {.outer_ns = 1000000 * MS, .inner_ns = MS},
                      outer_first = {.outer_ns = MS, .inner_ns = 1000000 * MS};
        assert_int_equal(run(way, sleep_in_two, &inner_first), 0);
        assert_int_equal(inner_first.park, NOOK_ECANCELED);
        assert_int_equal(inner_first.wrong_order, NOOK_EINVAL);
        assert_int_equal(inner_first.inner, NOOK_ETIMEDOUT);
        assert_int_equal(inner_first.outer, 0);
        assert_int_equal(run(way, sleep_in_two, &outer_first), 0);
        assert_int_equal(outer_first.inner, 0);
        assert_int_equal(outer_first.outer, NOOK_ETIMEDOUT);
    }
}

static void both_at_the_same_moment_both_say_so(void **state)
{
    struct nested nested = {.outer_ns = MS, .inner_ns = MS};
    (void)state;
    assert_int_equal(run(VIRTUAL, sleep_in_two, &nested), 0);
    /* The outer one's request is older than the inner's scope knows: one more than at entry. */
    assert_int_equal(nested.inner, NOOK_ECANCELED);
    assert_int_equal(nested.outer, NOOK_ETIMEDOUT);
}

/* --- a cancel besides ----------------------------------------------------- */

static int cancel_it(void *arg)
{
    struct scope *scope = arg;
    (void)nook_sleep(scope->again ? 5 * MS : MS);
    return nook_task_cancel(scope->task);
}

static int cancelled_within(void *arg)
{
    struct scope *scope = arg;
    nook_task *canceller;
    scope->task = nook_task_current();
    int rc = nook_task_spawn(&canceller, cancel_it, scope, NULL);
    if (rc != 0)
        return rc;
    scope->enter = nook_deadline_enter(&scope->deadline, scope->again ? 5 * MS : 100000 * MS);
    scope->park = nook_sleep(UINT64_MAX);
    if (scope->again)
        (void)nook_sleep(10 * MS); /* the other one comes as well */
    scope->exit = nook_deadline_exit(&scope->deadline);
    scope->cancelling = (int)nook_task_cancelling(nook_task_current());
    nook_task_unref(canceller);
    return 0;
}

static void a_cancel_from_outside_is_no_timeout(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct scope scope = {0};
        assert_int_equal(run(way, cancelled_within, &scope), 0);
        assert_int_equal(scope.park, NOOK_ECANCELED);
        assert_int_equal(scope.exit, 0);
        assert_int_equal(scope.cancelling, 1);
    }
}

static void a_cancel_beside_the_timeout_wins(void **state)
{
    struct scope scope = {.again = 1};
    (void)state;
    assert_int_equal(run(VIRTUAL, cancelled_within, &scope), 0);
    assert_int_equal(scope.park, NOOK_ECANCELED);
    assert_int_equal(scope.exit, NOOK_ECANCELED);
    assert_int_equal(scope.cancelling, 1);
}

/* A scope that begins while a request is outstanding. */
static int time_out_during_clean_up(void *arg)
{
    struct scope *scope = arg;
    nook_task *self = nook_task_current();
    int rc = nook_task_cancel(self);
    if (rc == 0 && nook_yield() != NOOK_ECANCELED)
        return -1;
    scope->enter = nook_deadline_enter(&scope->deadline, MS);
    scope->park = nook_sleep(UINT64_MAX);
    scope->exit = nook_deadline_exit(&scope->deadline);
    scope->cancelling = (int)nook_task_cancelling(self);
    return rc;
}

static void a_request_from_before_the_scope_does_not_count(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct scope scope = {0};
        assert_int_equal(run(way, time_out_during_clean_up, &scope), 0);
        assert_int_equal(scope.park, NOOK_ECANCELED);
        assert_int_equal(scope.exit, NOOK_ETIMEDOUT);
        assert_int_equal(scope.cancelling, 1);
    }
}

/* --- moved ---------------------------------------------------------------- */

struct moved {
    nook_deadline deadline;
    int later, sooner, park, past, exit, unknown;
    uint64_t woken;
};

static int move_it(void *arg)
{
    struct moved *moved = arg;
    nook_deadline never = {0};
    int rc = nook_deadline_enter(&moved->deadline, 5 * MS);
    moved->unknown = nook_deadline_reschedule(&never, MS);
    moved->later = nook_deadline_reschedule(&moved->deadline, 50 * MS);
    if (rc == 0)
        rc = nook_sleep(20 * MS);
    moved->sooner = nook_deadline_reschedule(&moved->deadline, 10 * MS);
    moved->park = nook_sleep(UINT64_MAX);
    moved->woken = nook_now();
    moved->past = nook_deadline_reschedule(&moved->deadline, MS);
    moved->exit = nook_deadline_exit(&moved->deadline);
    return rc;
}

static void a_deadline_moves_until_it_has_passed(void **state)
{
    struct moved moved = {0};
    (void)state;
    assert_int_equal(run(VIRTUAL, move_it, &moved), 0);
    assert_int_equal(moved.unknown, NOOK_EINVAL);
    assert_int_equal(moved.later, 0);
    assert_int_equal(moved.sooner, 0);
    assert_int_equal(moved.park, NOOK_ECANCELED);
    assert_int_equal(moved.woken, 30 * MS);
    assert_int_equal(moved.past, NOOK_EINVAL);
    assert_int_equal(moved.exit, NOOK_ETIMEDOUT);
}

/* --- whose ---------------------------------------------------------------- */

static int leave_a_foreign_one(void *arg)
{
    struct moved *moved = arg;
    moved->later = nook_deadline_reschedule(&moved->deadline, MS);
    moved->exit = nook_deadline_exit(&moved->deadline);
    return 0;
}

static int enter_and_let_another_leave(void *arg)
{
    struct moved *moved = arg;
    nook_task *task;
    int rc = nook_deadline_enter(&moved->deadline, 1000 * MS);
    moved->unknown = nook_deadline_enter(NULL, 1);
    if (rc == 0)
        rc = nook_task_spawn(&task, leave_a_foreign_one, moved, NULL);
    if (rc != 0)
        return rc;
    rc = nook_task_join(task, NULL);
    moved->past = nook_deadline_exit(&moved->deadline);
    nook_task_unref(task);
    return rc;
}

static void a_deadline_is_its_tasks_own(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct moved moved = {0};
        assert_int_equal(run(way, enter_and_let_another_leave, &moved), 0);
        assert_int_equal(moved.unknown, NOOK_EINVAL);
        assert_int_equal(moved.later, NOOK_EINVAL);
        assert_int_equal(moved.exit, NOOK_EINVAL);
        assert_int_equal(moved.past, 0);
    }
}

/* --- time that has come already, and scopes entered twice ----------------- */

static void soon(void *arg)
{
    note(arg);
}

static int yield_within_nothing(void *arg)
{
    int *rc = arg;
    nook_deadline deadline;
    rc[0] = nook_deadline_enter(&deadline, 0);
    for (int i = 0; rc[1] == 0 && i < 3; i++)
        rc[1] = nook_yield();
    rc[2] = nook_deadline_exit(&deadline);
    rc[3] = nook_call_later(NULL, 0, soon, (void *)(uintptr_t) "later", NULL);
    rc[4] = nook_yield();
    rc[5] = nook_yield();
    note("end");
    return 0;
}

static void no_time_at_all_ends_the_next_park(void **state)
{
    const int wanted[] = {0, NOOK_ECANCELED, NOOK_ETIMEDOUT, 0, 0, 0};
    (void)state;
    for (enum way way = 0; way < REAL_3; way++) {
        int rc[6] = {0};
        trace_clear();
        assert_int_equal(run(way, yield_within_nothing, rc), 0);
        assert_memory_equal(rc, wanted, sizeof rc);
        assert_string_equal(trace, "later end");
    }
}

static int enter_twice(void *arg)
{
    int *rc = arg;
    nook_deadline outer, inner;
    rc[0] = nook_deadline_enter(&outer, 1000 * MS);
    rc[1] = nook_deadline_enter(&inner, 1000 * MS);
    rc[2] = nook_deadline_enter(&outer, 1);
    rc[3] = nook_deadline_enter(&inner, 1);
    rc[4] = nook_deadline_exit(&inner);
    rc[5] = nook_deadline_exit(&outer);
    return 0;
}

static void a_scope_is_entered_once(void **state)
{
    const int wanted[] = {0, 0, NOOK_EBUSY, NOOK_EBUSY, 0, 0};
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        int rc[6] = {0};
        assert_int_equal(run(way, enter_twice, rc), 0);
        assert_memory_equal(rc, wanted, sizeof rc);
    }
}

static int deadline_without_time(void *arg)
{
    uint64_t *when = arg;
    nook_deadline deadline;
    int rc = nook_deadline_enter(&deadline, NOOK_FOREVER);
    when[0] = nook_deadline_when(&deadline);
    nook_task_counts counts = {0};
    (void)nook_task_count(&counts);
    when[1] = (uint64_t)counts.timers;
    when[2] = nook_now();
    rc = rc != 0 ? rc : nook_deadline_reschedule(&deadline, 5 * MS);
    when[3] = nook_deadline_when(&deadline);
    rc = rc != 0 ? rc : nook_deadline_reschedule(&deadline, NOOK_FOREVER);
    rc = rc != 0 ? rc : nook_sleep(20 * MS);
    when[4] = nook_deadline_when(&deadline);
    rc = rc != 0 ? rc : nook_deadline_exit(&deadline);
    when[5] = nook_deadline_when(&deadline);
    return rc;
}

static void a_deadline_tells_when_and_may_be_never(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        uint64_t when[6] = {0};
        assert_int_equal(run(way, deadline_without_time, when), 0);
        assert_true(when[0] == NOOK_FOREVER);
        assert_int_equal(when[1], 0);
        assert_true(when[3] >= when[2] + 5 * MS && when[3] < when[2] + 5000 * MS);
        assert_true(when[4] == NOOK_FOREVER && when[5] == NOOK_FOREVER);
    }
    assert_true(nook_deadline_when(NULL) == NOOK_FOREVER);
}

/* --- left open -------------------------------------------------------------- */

static int left_line;

/* Both in storage that is gone before the task ends: a caller's frame, and freed memory. */
static __attribute__((noinline)) int forget_two(uint64_t ns)
{
    nook_deadline deadline, *freed = malloc(sizeof *freed);
    WANT(freed != NULL && nook_deadline_enter(freed, ns) == 0);
    left_line = __LINE__ + 1;
    WANT(nook_deadline_enter(&deadline, ns) == 0);
    free(freed);
    return 0;
}

static __attribute__((noinline)) int use_the_stack(void)
{
    volatile char frame[2048];
    for (size_t i = 0; i < sizeof frame; i++)
        frame[i] = (char)0xa5;
    return frame[7] == (char)0xa5 ? 0 : __LINE__;
}

/* They end while the task is in them, with it, or would after it. */
static int forgetful(void *arg)
{
    uint64_t ms = *(uint64_t *)arg;
    WANT(forget_two(ms * MS) == 0);
    WANT(use_the_stack() == 0);
    if (ms == 1)
        WANT(nook_sleep(5 * MS) == NOOK_ECANCELED);
    else
        (void)nook_yield();
    return use_the_stack();
}

static int let_some_forget(void *arg)
{
    static const nook_task_options named = {.name = "forgetful"};
    uint64_t ms[] = {1, 3, 3600 * 1000};
    nook_scope_left last = {0};
    nook_task_counts counts;
    (void)arg;
    for (int i = 0; i < 3; i++) {
        nook_task *task;
        long before = nook_scopes_left(NULL);
        WANT(nook_task_spawn(&task, forgetful, &ms[i], &named) == 0);
        WANT(nook_task_join(task, NULL) == 0);
        WANT(nook_task_count(&counts) == 0 && counts.timers == 0);
        WANT(finish(task) == NOOK_ESCOPE);
        WANT(nook_scopes_left(&last) == before + 2);
        WANT(strcmp(last.task, "forgetful") == 0);
        WANT(strstr(last.file, "test_deadline.c") != NULL && (int)last.line < left_line);
        WANT(nook_sleep(5 * MS) == 0); /* nothing comes to its time any more */
    }
    return 0;
}

static void a_deadline_left_open_ends_with_its_task(void **state)
{
    (void)state;
    every_way(let_some_forget);
}

static int forget_in_the_end(void *arg)
{
    (void)arg;
    return forget_two(3600 * 1000 * MS);
}

static void main_may_leave_one_open_and_hears_of_it(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++)
        assert_int_equal(run(way, forget_in_the_end, NULL), NOOK_ESCOPE);
}

static int forget_within(void *arg)
{
    return forget_two(*(uint64_t *)arg);
}

static int wait_for_the_forgetful(void *arg)
{
    uint64_t ns = 5 * MS;
    int result = -1;
    long before = nook_scopes_left(NULL);
    (void)arg;
    WANT(nook_wait_for(forget_within, &ns, 1000 * MS, &result) == NOOK_ESCOPE);
    WANT(result == -1 && nook_scopes_left(NULL) == before + 2);
    WANT(nook_sleep(20 * MS) == 0); /* neither theirs nor that of wait_for */
    return 0;
}

static void a_wait_for_ends_the_deadlines_that_its_function_left(void **state)
{
    (void)state;
    every_way(wait_for_the_forgetful);
}

/* What a frame holds before anybody writes to it. */
static int ask_about_rubbish(void *arg)
{
    nook_deadline rubbish;
    (void)arg;
    memset(&rubbish, 0xa5, sizeof rubbish);
    WANT(nook_deadline_exit(&rubbish) == NOOK_EINVAL);
    WANT(nook_deadline_reschedule(&rubbish, 1) == NOOK_EINVAL);
    WANT(nook_deadline_when(&rubbish) == NOOK_FOREVER);
    WANT(nook_deadline_enter(&rubbish, 1000 * MS) == 0 && !nook_deadline_expired(&rubbish));
    WANT(nook_deadline_exit(&rubbish) == 0 && !nook_deadline_expired(&rubbish));
    return 0;
}

static void a_deadline_that_is_not_entered_is_not_looked_at(void **state)
{
    (void)state;
    every_way(ask_about_rubbish);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(time_that_has_come_ends_the_wait),
        task_test(time_that_does_not_come_is_not_felt),
        task_test(the_scope_whose_time_came_says_so),
        task_test(both_at_the_same_moment_both_say_so),
        task_test(a_cancel_from_outside_is_no_timeout),
        task_test(a_cancel_beside_the_timeout_wins),
        task_test(a_request_from_before_the_scope_does_not_count),
        task_test(a_deadline_moves_until_it_has_passed),
        task_test(a_deadline_is_its_tasks_own),
        task_test(no_time_at_all_ends_the_next_park),
        task_test(a_scope_is_entered_once),
        task_test(a_deadline_tells_when_and_may_be_never),
        task_test(a_deadline_left_open_ends_with_its_task),
        task_test(main_may_leave_one_open_and_hears_of_it),
        task_test(a_wait_for_ends_the_deadlines_that_its_function_left),
        task_test(a_deadline_that_is_not_entered_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
