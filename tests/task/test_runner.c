/* SPDX-License-Identifier: MIT */
/* Runners; and what a run can be asked for: all tasks, second results, times. */
#include "want.h"

static NOOK_VAR_DEFINE(var);

/* --- runners --------------------------------------------------------------------- */

static int read_and_add(void *arg)
{
    *(int *)arg = number_in(&var);
    return nook_var_set(&var, value_of(number_in(&var) + 1), NULL);
}

static void A14_a_runner_keeps_the_context_that_it_took_first(void **state)
{
    nook_runner *runner;
    int seen = 0, result = -1;
    (void)state;
    assert_int_equal(nook_var_set(&var, value_of(1), NULL), 0);
    assert_int_equal(nook_runner_new(&runner, NULL), 0);
    assert_int_equal(nook_var_set(&var, value_of(10), NULL), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(nook_runner_run(runner, read_and_add, &seen, NULL, &result), 0);
        assert_int_equal(result, 0);
        assert_int_equal(seen, 10 + i); /* from run to run */
        assert_int_equal(nook_var_set(&var, value_of(50), NULL), 0);
    }
    assert_int_equal(number_in(&var), 50); /* and nothing comes out */
    nook_runner_free(runner);
}

static void A3_a_run_may_be_given_a_context(void **state)
{
    nook_context *context;
    nook_runner *runner;
    void *value = NULL;
    int seen = 0, result = -1;
    (void)state;
    assert_int_equal(nook_context_new(&context), 0);
    assert_int_equal(nook_runner_new(&runner, NULL), 0);
    assert_int_equal(nook_runner_run(runner, read_and_add, &seen, context, &result), 0);
    assert_int_equal(seen, -1);
    assert_int_equal(nook_context_find(context, &var, &value), 0);
    assert_ptr_equal(value, value_of(0));
    assert_int_equal(nook_runner_run(runner, read_and_add, &seen, NULL, &result), 0);
    assert_int_equal(seen, -1); /* its own one knows nothing of that */
    nook_runner_free(runner);
    for (enum way way = 0; way < WAYS; way++) {
        nook_run_options options = {.context = context};
        assert_int_equal(run_by(way, read_and_add, &seen, &options, &result), 0);
        assert_int_equal(seen, (int)way);
    }
    assert_int_equal(nook_runner_new(&runner, &(nook_run_options){.context = context}), 0);
    nook_context_unref(context);
    assert_int_equal(nook_runner_run(runner, read_and_add, &seen, NULL, &result), 0);
    assert_int_equal(seen, WAYS);
    nook_runner_free(runner);
}

struct again {
    nook_runner *runner;
    int run, close;
    char name[32];
};

static int run_inside(void *arg)
{
    struct again *again = arg;
    strncpy(again->name, nook_task_name(nook_task_current()), sizeof again->name - 1);
    again->run = nook_runner_run(again->runner, read_and_add, NULL, NULL, NULL);
    again->close = nook_runner_close(again->runner);
    return (int)nook_worker_index();
}

static void a_runner_runs_once_at_a_time_and_not_after_its_close(void **state)
{
    struct again again = {NULL, 0, 0, ""};
    char name[] = "first";
    int result = -1;
    (void)state;
    assert_int_equal(nook_runner_new(NULL, NULL), NOOK_EINVAL);
    assert_int_equal(
        nook_runner_new(&again.runner, &(nook_run_options){.name = name, .workers = 2}), 0);
    name[0] = 'w'; /* it was copied */
    assert_int_equal(nook_runner_run(again.runner, NULL, NULL, NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_runner_run(NULL, run_inside, NULL, NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_runner_run(again.runner, run_inside, &again, NULL, &result), 0);
    assert_int_equal(result, 1);
    assert_string_equal(again.name, "first");
    assert_int_equal(again.run, NOOK_EBUSY);
    assert_int_equal(again.close, NOOK_EBUSY);
    assert_int_equal(nook_runner_close(again.runner), 0);
    assert_int_equal(nook_runner_close(again.runner), 0);
    assert_int_equal(nook_runner_run(again.runner, run_inside, &again, NULL, NULL),
                     NOOK_ECLOSED);
    assert_int_equal(nook_runner_close(NULL), NOOK_EINVAL);
    nook_runner_free(again.runner);
    nook_runner_free(NULL);
}

/* --- second results ---------------------------------------------------------------- */

static int give_value(void *arg)
{
    int rc = nook_task_set_value(NULL);
    if (rc == 0)
        rc = nook_task_set_value(arg);
    return rc != 0 ? rc : nook_yield();
}

static int values(void *arg)
{
    struct nap nap = {.ms = 1};
    nook_task *task, *none;
    void *value = &nap;
    (void)arg;
    WANT(nook_task_spawn(&task, give_value, &nap, NULL) == 0);
    WANT(nook_task_spawn(&none, take_nap, &nap, NULL) == 0);
    WANT(nook_task_value(none, NULL) == NOOK_EINVAL);
    WANT(nook_task_value(nook_task_current(), &value) == NOOK_EAGAIN);
    WANT(nook_task_join(task, NULL) == 0 && nook_task_join(none, NULL) == 0);
    WANT(nook_task_value(none, &value) == 0 && value == NULL);
    WANT(nook_task_value(task, &value) == 0 && value == &nap);
    nook_task_unref(task);
    nook_task_unref(none);
    return 0;
}

static void a_task_leaves_a_pointer_behind(void **state)
{
    void *value;
    (void)state;
    every_way(values);
    assert_int_equal(nook_task_set_value(NULL), NOOK_ENOTASK);
    assert_int_equal(nook_task_value(NULL, &value), NOOK_EINVAL);
}

/* --- all tasks ----------------------------------------------------------------------- */

static int list_all(void *arg)
{
    struct nap naps[3] = {{.ms = 1000000}, {.ms = 1000000}, {.ms = 0}};
    nook_task *tasks[3], *all[4] = {NULL};
    size_t n = 0;
    (void)arg;
    for (int i = 0; i < 3; i++)
        WANT(nook_task_spawn(&tasks[i], take_nap, &naps[i], NULL) == 0);
    WANT(nook_task_join(tasks[2], NULL) == 0);
    WANT(nook_all_tasks(NULL, 0, &n) == 0 && n == 3);
    WANT(nook_all_tasks(all, 1, &n) == 0 && n == 3);
    WANT(all[0] == nook_task_current() && all[1] == NULL);
    nook_task_unref(all[0]);
    WANT(nook_all_tasks(all, 4, &n) == 0 && n == 3 && all[3] == NULL);
    WANT(all[0] == nook_task_current() && all[1] == tasks[0] && all[2] == tasks[1]);
    for (int i = 0; i < 3; i++)
        nook_task_unref(tasks[i]);
    for (int i = 1; i < 3; i++)
        WANT(nook_task_cancel(all[i]) == 0 && finish(all[i]) == NOOK_ECANCELED);
    nook_task_unref(all[0]);
    WANT(nook_all_tasks(NULL, 0, &n) == 0 && n == 1);
    WANT(nook_all_tasks(NULL, 1, &n) == NOOK_EINVAL && nook_all_tasks(all, 4, NULL) < 0);
    return 0;
}

static void all_tasks_are_those_that_have_not_ended(void **state)
{
    size_t n;
    (void)state;
    every_way(list_all);
    assert_int_equal(nook_all_tasks(NULL, 0, &n), NOOK_ENOTASK);
}

/* --- times ----------------------------------------------------------------------------- */

static void note_it(void *arg)
{
    note(arg);
}

static void read_var(void *arg)
{
    *(int *)arg = number_in(&var);
}

static int at_times(void *arg)
{
    static char a[] = "a", b[] = "b", c[] = "c", d[] = "d", e[] = "e";
    uint64_t now = nook_now();
    nook_handle *handle;
    int copied = 0, given = 0;
    nook_context *context;
    (void)arg;
    WANT(nook_context_new(&context) == 0 && nook_var_set(&var, value_of(1), NULL) == 0);
    WANT(nook_call_at(NULL, now + 20 * MS, note_it, d, NULL) == 0);
    WANT(nook_call_at(NULL, now + 10 * MS, note_it, b, NULL) == 0);
    WANT(nook_call_at(NULL, now + 10 * MS, note_it, c, NULL) == 0); /* first come */
    WANT(nook_call_at(NULL, 0, note_it, a, NULL) == 0);             /* has passed */
    WANT(nook_call_at(&handle, now + 1 * MS, note_it, e, NULL) == 0);
    WANT(nook_call_at(NULL, now + 5 * MS, read_var, &copied, NULL) == 0);
    WANT(nook_call_at(NULL, now + 5 * MS, read_var, &given, context) == 0);
    WANT(nook_call_at(NULL, 0, NULL, NULL, NULL) == NOOK_EINVAL);
    WANT(nook_var_set(&var, value_of(2), NULL) == 0 && nook_handle_cancel(handle) == 0);
    nook_handle_unref(handle);
    nook_context_unref(context);
    WANT(nook_sleep(40 * MS) == 0 && copied == 1 && given == -1);
    return 0;
}

static void A16_A17_call_at_calls_when_the_clock_has_come_there(void **state)
{
    static const enum way ways[] = {VIRTUAL, REAL}; /* on one thread, for the notes */
    (void)state;
    for (int i = 0; i < 2; i++) {
        trace_clear();
        assert_int_equal(run(ways[i], at_times, NULL), 0);
        assert_string_equal(trace, "a b c d");
    }
    assert_int_equal(nook_call_at(NULL, 0, note_it, NULL, NULL), NOOK_ENOTASK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(A14_a_runner_keeps_the_context_that_it_took_first),
        task_test(A3_a_run_may_be_given_a_context),
        task_test(a_runner_runs_once_at_a_time_and_not_after_its_close),
        task_test(a_task_leaves_a_pointer_behind),
        task_test(all_tasks_are_those_that_have_not_ended),
        task_test(A16_A17_call_at_calls_when_the_clock_has_come_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
