/* SPDX-License-Identifier: MIT */
/* Spawn, join, gather: who starts when, who hears of the end, what remains of a task. */
#include "want.h"

static int give(void *arg)
{
    return (int)(intptr_t)arg;
}

static int nap_and_give(void *arg)
{
    int rc = nook_sleep(MS);
    return rc != 0 ? rc : (int)(intptr_t)arg;
}

static int spawn(nook_task **out, nook_task_fn fn, int number)
{
    return nook_task_spawn(out, fn, value_of(number), NULL);
}

/* --- spawn ---------------------------------------------------------------- */

static int say(void *arg)
{
    note(arg);
    int rc = nook_yield();
    note(arg);
    return rc;
}

static int spawn_three(void *arg)
{
    static char a[] = "a", b[] = "b", c[] = "c";
    char *names[] = {a, b, c};
    nook_task *tasks[3] = {NULL};
    int rc = 0;
    (void)arg;
    for (int i = 0; rc == 0 && i < 3; i++)
        rc = nook_task_spawn(&tasks[i], say, names[i], NULL);
    note("main");
    if (rc == 0)
        rc = nook_gather(tasks, 3, NULL);
    note("end");
    for (int i = 0; i < 3; i++)
        nook_task_unref(tasks[i]);
    return rc;
}

static void a_task_starts_when_its_maker_parks_first_come_first_served(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        if (way == REAL_3)
            continue; /* there, others may start at once */
        trace_clear();
        assert_int_equal(run(way, spawn_three, NULL), 0);
        assert_string_equal(trace, "main a b c a b c end");
    }
}

struct asked {
    nook_task *task, *named;
    uint64_t ids[3];
    char names[2][40];
    int early, wrong[5], before, after, value;
};

static int ask(void *arg)
{
    struct asked *asked = arg;
    char name[] = "worker of the month in November";
    nook_task_options options = {.name = name};
    nook_task_options bad[] = {{.worker = 99}, {.stack_size = 1}, {.start = (nook_start)7}};
    nook_task *none = NULL;
    asked->wrong[0] = nook_task_spawn(&none, NULL, NULL, NULL);
    for (int i = 0; i < 3; i++)
        asked->wrong[i + 1] = nook_task_spawn(&none, give, NULL, &bad[i]);
    asked->wrong[4] = none != NULL;
    int rc = nook_task_spawn(&asked->task, nap_and_give, value_of(9),
                             &(nook_task_options){.worker = 1}); /* not before main parks */
    if (rc == 0)
        rc = nook_task_spawn(&asked->named, give, NULL, &options);
    if (rc != 0)
        return rc;
    memset(name, 'x', sizeof name - 1); /* it was copied */
    asked->ids[0] = nook_task_id(nook_task_current());
    asked->ids[1] = nook_task_id(asked->task);
    asked->ids[2] = nook_task_id(asked->named);
    snprintf(asked->names[0], 40, "%s", nook_task_name(asked->task));
    snprintf(asked->names[1], 40, "%s", nook_task_name(asked->named));
    asked->before = nook_task_done(asked->task);
    asked->early = nook_task_result(asked->task, &asked->value);
    rc = nook_task_join(asked->task, NULL);
    asked->after = nook_task_done(asked->task);
    return rc;
}

/* A named one counts as well: the others are called after their place. */
static int count_names(void *arg)
{
    enum { SPAWNED = 1100 };
    int *wrong = arg;
    for (int i = 2; i <= SPAWNED; i++) {
        char expected[32];
        nook_task_options named = {.name = "ninety-nine"};
        nook_task *task;
        if (nook_task_spawn(&task, give, NULL, i == 99 ? &named : NULL) != 0)
            return -1;
        snprintf(expected, sizeof expected, "task-%d", i);
        *wrong += strcmp(nook_task_name(task), i == 99 ? named.name : expected) != 0;
        nook_task_unref(task);
    }
    return 0;
}

static void names_count_on(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        int wrong = 0;
        assert_int_equal(run(way, count_names, &wrong), 0);
        assert_int_equal(wrong, 0);
    }
}

static int park_twice(void *arg)
{
    (void)arg;
    WANT(nook_sleep(1) == 0);
    return nook_sleep(1);
}

/* Asked before it starts, while it is parked, and when it has ended. */
static int ask_its_name(void *arg)
{
    nook_task *task, *silent;
    int *wrong = arg;
    WANT(nook_task_spawn(&task, park_twice, NULL, NULL) == 0);
    WANT(nook_task_spawn(&silent, park_twice, NULL, NULL) == 0);
    const char *name = nook_task_name(task);
    uint64_t id = nook_task_id(task);
    WANT(nook_yield() == 0);
    *wrong += nook_task_name(task) != name || nook_task_id(task) != id;
    WANT(nook_task_join(task, NULL) == 0 && nook_task_join(silent, NULL) == 0);
    *wrong += nook_task_name(task) != name || strcmp(name, "task-2") != 0;
    *wrong += strcmp(nook_task_name(silent), "task-3") != 0;
    *wrong += nook_task_id(silent) != id + 1;
    nook_task_unref(task);
    nook_task_unref(silent);
    return 0;
}

static void a_name_stays_where_it_is(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        int wrong = 0;
        assert_int_equal(run(way, ask_its_name, &wrong), 0);
        assert_int_equal(wrong, 0);
    }
}

static void names_numbers_and_results_of_tasks(void **state)
{
    uint64_t last = 0;
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct asked asked = {0};
        assert_int_equal(run(way, ask, &asked), 0);
        for (int i = 0; i < 4; i++)
            assert_int_equal(asked.wrong[i], NOOK_EINVAL);
        assert_false(asked.wrong[4]);
        assert_true(asked.ids[0] > last); /* never used before in this process */
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(asked.ids[i], asked.ids[0] + i);
        last = asked.ids[2];
        assert_string_equal(asked.names[0], "task-2");
        assert_string_equal(asked.names[1], "worker of the month in November");
        assert_int_equal(asked.early, NOOK_EAGAIN);
        assert_false(asked.before);
        assert_true(asked.after);
        /* What outlives the run. */
        assert_int_equal(nook_task_result(asked.task, &asked.value), 0);
        assert_int_equal(asked.value, 9);
        assert_int_equal(nook_task_result(asked.task, NULL), NOOK_EINVAL);
        assert_int_equal(nook_task_result(NULL, &asked.value), NOOK_EINVAL);
        assert_string_equal(nook_task_name(asked.task), "task-2");
        assert_null(nook_task_context(asked.task));
        assert_ptr_equal(nook_task_ref(asked.task), asked.task);
        nook_task_unref(asked.task);
        nook_task_unref(asked.task);
        nook_task_unref(asked.named);
        assert_null(nook_task_ref(NULL));
        nook_task_unref(NULL);
    }
}

static int where(void *arg)
{
    (void)arg;
    return (int)nook_worker_index();
}

static int ask_where(void *arg)
{
    int *found = arg, rc = 0;
    for (unsigned i = 1; rc == 0 && i <= 3; i++) {
        nook_task *task;
        rc = nook_task_spawn(&task, where, NULL, &(nook_task_options){.worker = i});
        if (rc != 0)
            break;
        rc = nook_task_join(task, &found[i - 1]);
        nook_task_unref(task);
    }
    return rc;
}

static void a_task_starts_on_the_worker_that_was_asked_for(void **state)
{
    (void)state;
    for (enum way way = VIRTUAL_3; way < WAYS; way++) {
        int found[3] = {0};
        if (way == REAL)
            continue;
        assert_int_equal(run(way, ask_where, found), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(found[i], i + 1);
    }
}

static int spawn_many(void *arg)
{
    int *sum = arg;
    enum { MANY = 500 };
    static nook_task *tasks[MANY];
    static int results[MANY];
    int rc = 0, n = 0;
    for (; rc == 0 && n < MANY; n++)
        rc = spawn(&tasks[n], nap_and_give, n);
    if (rc == 0)
        rc = nook_gather(tasks, MANY, results);
    for (int i = 0; i < n; i++) {
        *sum += results[i];
        nook_task_unref(tasks[i]);
    }
    return rc;
}

static void many_tasks_each_give_their_own(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        int sum = 0;
        assert_int_equal(run(way, spawn_many, &sum), 0);
        assert_int_equal(sum, 500 * 499 / 2);
    }
}

static int dig(const char *low)
{
    volatile char room[1024];
    room[0] = 1;
    room[1023] = 2;
    if ((uintptr_t)room > (uintptr_t)low && dig(low) != 0)
        return 1;
    return room[0] != 1 || room[1023] != 2;
}

/* Uses `size` bytes of the stack. */
static int use_stack(void *arg)
{
    size_t size = (size_t)(uintptr_t)arg;
    return dig((const char *)__builtin_frame_address(0) - size);
}

static int spawn_by_size(void *arg)
{
    size_t sizes[] = {64, 1024, 64}; /* KiB */
    int rc = 0;
    (void)arg;
    for (int i = 0; rc == 0 && i < 3; i++) {
        nook_task *task;
        nook_task_options options = {.stack_size = sizes[i] * 1024 * 4};
        rc = nook_task_spawn(&task, use_stack, (void *)(uintptr_t)(sizes[i] * 1024), &options);
        if (rc == 0)
            rc = nook_task_join(task, NULL);
        nook_task_unref(task);
    }
    return rc;
}

static void stacks_are_as_large_as_asked(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++)
        assert_int_equal(run(way, spawn_by_size, NULL), 0);
}

/* --- join ----------------------------------------------------------------- */

struct joined {
    int rc[6], results[6];
};

static int join_before_and_after(void *arg)
{
    struct joined *joined = arg;
    nook_task *task;
    int rc = spawn(&task, nap_and_give, 5);
    if (rc != 0)
        return rc;
    for (int i = 0; i < 3; i++)
        joined->rc[i] = nook_task_join(task, &joined->results[i]);
    nook_task_unref(task);
    joined->rc[3] = nook_task_join(NULL, NULL);
    return 0;
}

static void join_waits_once_and_answers_again(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct joined joined = {0};
        assert_int_equal(run(way, join_before_and_after, &joined), 0);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(joined.rc[i], 0);
            assert_int_equal(joined.results[i], 5);
        }
        assert_int_equal(joined.rc[3], NOOK_EINVAL);
    }
}

static void note_parked(void *arg)
{
    (void)arg;
    note("parked");
}

static int join_done(void *arg)
{
    nook_task *task;
    (void)arg;
    int rc = spawn(&task, give, 5);
    if (rc == 0)
        rc = nook_sleep(MS);
    if (rc == 0)
        rc = nook_call_soon(NULL, note_parked, NULL, NULL);
    if (rc == 0)
        rc = nook_task_join(task, NULL);
    note("joined");
    nook_task_unref(task);
    return rc;
}

static void join_of_a_task_that_has_ended_does_not_park(void **state)
{
    (void)state;
    trace_clear();
    assert_int_equal(run(VIRTUAL, join_done, NULL), 0);
    assert_string_equal(trace, "joined parked");
}

struct crowd {
    nook_task *last;
    atomic_int heard;
};

static int join_the_last(void *arg)
{
    struct crowd *crowd = arg;
    int result = 0;
    int rc = nook_task_join(crowd->last, &result);
    if (rc == 0 && result == 8)
        atomic_fetch_add(&crowd->heard, 1);
    return rc;
}

static int join_by_many(void *arg)
{
    enum { MANY = 20 };
    struct crowd *crowd = arg;
    nook_task *tasks[MANY] = {NULL};
    int rc = spawn(&crowd->last, nap_and_give, 8), n = 0;
    for (; rc == 0 && n < MANY; n++)
        rc = nook_task_spawn(&tasks[n], join_the_last, crowd, NULL);
    if (rc == 0)
        rc = nook_gather(tasks, MANY, NULL);
    while (n-- > 0)
        nook_task_unref(tasks[n]);
    nook_task_unref(crowd->last);
    return rc;
}

static void many_may_wait_for_one(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct crowd crowd = {0};
        assert_int_equal(run(way, join_by_many, &crowd), 0);
        assert_int_equal(atomic_load(&crowd.heard), 20);
    }
}

/* --- gather --------------------------------------------------------------- */

static int gather_of_all_kinds(void *arg)
{
    struct joined *joined = arg;
    nook_task *done, *later, *null = NULL;
    int rc = spawn(&done, give, 1);
    if (rc == 0)
        rc = spawn(&later, nap_and_give, 2);
    if (rc == 0)
        rc = nook_task_join(done, NULL);
    if (rc != 0)
        return rc;
    nook_task *self = nook_task_current(), *tasks[] = {later, done, later, done};
    joined->rc[0] = nook_gather(tasks, 4, joined->results);
    joined->rc[1] = nook_gather(NULL, 0, NULL);
    joined->rc[2] = nook_gather(NULL, 1, NULL);
    joined->rc[3] = nook_gather(&null, 1, NULL);
    joined->rc[4] = nook_gather(&self, 1, NULL);
    nook_task_unref(done);
    nook_task_unref(later);
    return 0;
}

static void gather_takes_done_ones_duplicates_and_none(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct joined joined = {0};
        int results[] = {2, 1, 2, 1};
        assert_int_equal(run(way, gather_of_all_kinds, &joined), 0);
        assert_memory_equal(joined.results, results, sizeof results);
        assert_int_equal(joined.rc[0], 0);
        assert_int_equal(joined.rc[1], 0);
        assert_int_equal(joined.rc[2], NOOK_EINVAL);
        assert_int_equal(joined.rc[3], NOOK_EINVAL);
        assert_int_equal(joined.rc[4], NOOK_EDEADLK);
    }
}

static int fail_with_five(void *arg)
{
    (void)arg;
    return -5;
}

static int gather_with_errors(void *arg)
{
    int *results = arg;
    nook_task *tasks[3] = {NULL};
    int rc = spawn(&tasks[0], nap_and_give, 1);
    if (rc == 0)
        rc = spawn(&tasks[1], fail_with_five, 0);
    if (rc == 0)
        rc = spawn(&tasks[2], nap_and_give, 3);
    if (rc == 0)
        rc = nook_gather(tasks, 3, results);
    for (int i = 0; i < 3; i++)
        nook_task_unref(tasks[i]);
    return rc;
}

static void an_error_of_one_does_not_touch_the_others(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        int results[3] = {0}, wanted[] = {1, -5, 3};
        assert_int_equal(run(way, gather_with_errors, results), 0);
        assert_memory_equal(results, wanted, sizeof wanted);
    }
}

static int resumed_once(void *arg)
{
    int *switches = arg;
    nook_task *tasks[3] = {NULL};
    int rc = 0;
    for (int i = 0; rc == 0 && i < 3; i++)
        rc = nook_task_spawn(&tasks[i], nap_and_give, value_of(i),
                             &(nook_task_options){.name = "other"});
    *switches = 0;
    if (rc == 0)
        rc = nook_gather(tasks, 3, NULL);
    for (int i = 0; i < 3; i++)
        nook_task_unref(tasks[i]);
    return rc;
}

static void count_main(nook_task *task, void *user)
{
    if (strcmp(nook_task_name(task), "main") == 0)
        ++*(int *)user;
}

static void gather_wakes_its_caller_once(void **state)
{
    int switches = 0;
    nook_task_hooks hooks = {.in = count_main, .user = &switches};
    (void)state;
    assert_int_equal(
        run_by(VIRTUAL, resumed_once, &switches, &(nook_run_options){.hooks = &hooks}, NULL),
        0);
    assert_int_equal(switches, 1);
}

/* --- at the end ----------------------------------------------------------- */

static NOOK_VAR_DEFINE(var);
static int in_context[3], parked_at_end, last_result;

static void end_first(void *user)
{
    (void)user;
    note("first");
    in_context[0] = number_in(&var);
    parked_at_end = nook_yield();
}

static void end_nested(void *user)
{
    note(user);
}

static void end_last(void *user)
{
    static char nested[] = "nested";
    (void)user;
    note("last");
    (void)nook_task_at_end(end_nested, nested);
}

static void soon_done(void *arg)
{
    (void)arg;
    note("done");
}

static int with_ends(void *arg)
{
    (void)arg;
    int rc = nook_var_set(&var, value_of(6), NULL);
    if (rc == 0)
        rc = nook_task_at_end(end_first, NULL);
    if (rc == 0)
        rc = nook_task_at_end(end_last, NULL);
    return rc;
}

static int join_with_ends(void *arg)
{
    nook_task *task;
    int *rcs = arg;
    rcs[0] = nook_task_at_end(NULL, NULL);
    int rc = nook_task_spawn(&task, with_ends, NULL, NULL);
    if (rc == 0)
        rc = nook_task_on_done(NULL, task, soon_done, NULL, NULL);
    if (rc == 0)
        rc = nook_task_join(task, &last_result);
    note("joined");
    nook_task_unref(task);
    return rc == 0 ? nook_yield() : rc;
}

static void ends_run_last_registered_first_before_anybody_hears(void **state)
{
    (void)state;
    for (enum way way = 0; way < REAL_3; way++) {
        int rcs[1] = {0};
        trace_clear();
        assert_int_equal(run(way, join_with_ends, rcs), 0);
        assert_string_equal(trace, "last nested first done joined");
        assert_int_equal(in_context[0], 6);
        assert_int_equal(parked_at_end, NOOK_ENOTASK);
        assert_int_equal(last_result, 0);
        assert_int_equal(rcs[0], NOOK_EINVAL);
    }
}

static nook_context *entered;

static void end_outside(void *user)
{
    *(int *)user = number_in(&var);
}

static int end_inside(void *arg)
{
    (void)nook_var_set(&var, value_of(1), NULL);
    int rc = nook_task_at_end(end_outside, arg);
    if (rc == 0)
        rc = nook_context_enter(entered);
    (void)nook_var_set(&var, value_of(2), NULL);
    return rc;
}

static void ends_run_in_the_tasks_own_context(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        int found = 0;
        assert_int_equal(nook_context_new(&entered), 0);
        assert_int_equal(run(way, end_inside, &found), 0);
        assert_int_equal(found, 1);
        nook_context_unref(entered);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(a_task_starts_when_its_maker_parks_first_come_first_served),
        task_test(names_numbers_and_results_of_tasks),
        task_test(names_count_on),
        task_test(a_name_stays_where_it_is),
        task_test(a_task_starts_on_the_worker_that_was_asked_for),
        task_test(many_tasks_each_give_their_own),
        task_test(stacks_are_as_large_as_asked),
        task_test(join_waits_once_and_answers_again),
        task_test(join_of_a_task_that_has_ended_does_not_park),
        task_test(many_may_wait_for_one),
        task_test(gather_takes_done_ones_duplicates_and_none),
        task_test(an_error_of_one_does_not_touch_the_others),
        task_test(gather_wakes_its_caller_once),
        task_test(ends_run_in_the_tasks_own_context),
        task_test(ends_run_last_registered_first_before_anybody_hears),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
