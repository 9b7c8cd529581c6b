/* SPDX-License-Identifier: MIT */
/* wait, as_completed, shield, wait_for, gather with the first error. */
#include "want.h"

static NOOK_VAR_DEFINE(var);

enum { LONG = 3600 * 1000 }; /* nobody waits for that */

/* --- wait ------------------------------------------------------------------- */

static int wait_first_completed(void *arg)
{
    struct nap slow = {.ms = LONG}, quick = {.ms = 1, .result = 7};
    nook_task *tasks[2];
    size_t done;
    (void)arg;
    WANT(nook_task_spawn(&tasks[0], take_nap, &slow, NULL) == 0);
    WANT(nook_task_spawn(&tasks[1], take_nap, &quick, NULL) == 0);
    WANT(nook_wait(tasks, 2, NOOK_FIRST_COMPLETED, NOOK_FOREVER, &done) == 0);
    WANT(done == 1 && !nook_task_done(tasks[0]) && result_of(tasks[1]) == 7);
    /* One has ended: there is nothing to wait for. */
    WANT(nook_wait(tasks, 2, NOOK_FIRST_COMPLETED, NOOK_FOREVER, &done) == 0 && done == 1);
    WANT(nook_task_cancel(tasks[0]) == 0);
    WANT(nook_wait(tasks, 2, NOOK_ALL_COMPLETED, NOOK_FOREVER, &done) == 0 && done == 2);
    WANT(finish(tasks[0]) == NOOK_ECANCELED && finish(tasks[1]) == 7);
    return 0;
}

static void wait_returns_with_the_first(void **state)
{
    (void)state;
    every_way(wait_first_completed);
}

static int wait_first_error(void *arg)
{
    struct nap good = {.ms = 1}, cancelled = {.ms = 2, .result = NOOK_ECANCELED};
    struct nap bad = {.ms = 10, .result = NOOK_EPERM}, slow = {.ms = LONG};
    struct nap *naps[] = {&good, &cancelled, &bad, &slow};
    nook_task *tasks[4];
    size_t done;
    (void)arg;
    for (int i = 0; i < 4; i++)
        WANT(nook_task_spawn(&tasks[i], take_nap, naps[i], NULL) == 0);
    WANT(nook_wait(tasks, 4, NOOK_FIRST_ERROR, NOOK_FOREVER, &done) == 0 && done == 3);
    WANT(result_of(tasks[2]) == NOOK_EPERM && !nook_task_done(tasks[3]));
    WANT(nook_wait(tasks, 2, NOOK_FIRST_ERROR, NOOK_FOREVER, &done) == 0 && done == 2);
    WANT(nook_task_cancel(tasks[3]) == 0);
    for (int i = 0; i < 4; i++)
        (void)finish(tasks[i]);
    return 0;
}

static void wait_returns_with_the_first_error_and_a_cancel_is_none(void **state)
{
    (void)state;
    every_way(wait_first_error);
}

static int wait_with_timeout(void *arg)
{
    struct nap quick = {.ms = 1}, slow = {.ms = LONG};
    nook_task *tasks[3];
    size_t done = 9;
    (void)arg;
    WANT(nook_task_spawn(&tasks[0], take_nap, &quick, NULL) == 0);
    WANT(nook_task_spawn(&tasks[1], take_nap, &slow, NULL) == 0);
    tasks[2] = tasks[0]; /* twice */
    WANT(nook_wait(tasks, 3, NOOK_ALL_COMPLETED, 100 * MS, &done) == NOOK_ETIMEDOUT);
    WANT(done == 2 && nook_task_cancelling(tasks[1]) == 0 && !nook_task_done(tasks[1]));
    WANT(nook_wait(&tasks[1], 1, NOOK_ALL_COMPLETED, 0, &done) == NOOK_ETIMEDOUT && done == 0);
    WANT(nook_task_cancel(tasks[1]) == 0);
    WANT(finish(tasks[0]) == 0 && finish(tasks[1]) == NOOK_ECANCELED);
    return 0;
}

static void a_wait_whose_time_has_come_cancels_nobody(void **state)
{
    (void)state;
    every_way(wait_with_timeout);
}

static int wait_for_two(void *arg)
{
    size_t done;
    return nook_wait(arg, 2, NOOK_ALL_COMPLETED, NOOK_FOREVER, &done);
}

static int cancel_a_wait(void *arg)
{
    struct nap slow[2] = {{.ms = LONG}, {.ms = LONG}};
    nook_task *tasks[2], *waiter;
    (void)arg;
    for (int i = 0; i < 2; i++)
        WANT(nook_task_spawn(&tasks[i], take_nap, &slow[i], NULL) == 0);
    WANT(nook_task_spawn(&waiter, wait_for_two, tasks, NULL) == 0);
    WANT(nook_sleep(2 * MS) == 0);
    WANT(nook_task_cancel(waiter) == 0 && finish(waiter) == NOOK_ECANCELED);
    for (int i = 0; i < 2; i++) {
        WANT(!nook_task_done(tasks[i]) && nook_task_cancelling(tasks[i]) == 0);
        WANT(nook_task_cancel(tasks[i]) == 0 && finish(tasks[i]) == NOOK_ECANCELED);
    }
    return 0;
}

static void a_cancel_of_a_wait_touches_nobody_else(void **state)
{
    (void)state;
    every_way(cancel_a_wait);
}

static int wait_for_many(void *arg)
{
    enum { MANY = 40 };
    struct nap naps[MANY];
    nook_task *tasks[MANY];
    size_t done;
    (void)arg;
    for (unsigned i = 0; i < MANY; i++) {
        naps[i] = (struct nap){.ms = i % 7, .result = (int)i};
        WANT(nook_task_spawn(&tasks[i], take_nap, &naps[i], NULL) == 0);
    }
    WANT(nook_wait(tasks, MANY, NOOK_FIRST_COMPLETED, NOOK_FOREVER, &done) == 0 && done > 0);
    WANT(nook_wait(tasks, MANY, NOOK_FIRST_ERROR, NOOK_FOREVER, &done) == 0 && done == MANY);
    for (int i = 0; i < MANY; i++)
        WANT(finish(tasks[i]) == i);
    return 0;
}

static void wait_takes_many(void **state)
{
    (void)state;
    every_way(wait_for_many);
}

static int refuse_waits(void *arg)
{
    nook_task *self = nook_task_current(), *none = NULL;
    struct nap nap = {.ms = 0};
    nook_task *task;
    size_t done = 77;
    (void)arg;
    WANT(nook_task_spawn(&task, take_nap, &nap, NULL) == 0);
    WANT(nook_wait(&task, 0, NOOK_ALL_COMPLETED, 0, &done) == NOOK_EINVAL);
    WANT(nook_wait(&task, 1, (nook_wait_until)3, 0, &done) == NOOK_EINVAL);
    WANT(nook_wait(NULL, 1, NOOK_ALL_COMPLETED, 0, &done) == NOOK_EINVAL);
    WANT(nook_wait(&none, 1, NOOK_ALL_COMPLETED, 0, &done) == NOOK_EINVAL);
    WANT(nook_wait(&self, 1, NOOK_ALL_COMPLETED, 0, &done) == NOOK_EDEADLK && done == 77);
    WANT(nook_shield(NULL, NULL) == NOOK_EINVAL && nook_shield(self, NULL) == NOOK_EDEADLK);
    WANT(nook_gather_first_error(&none, 1, NULL) == NOOK_EINVAL);
    WANT(nook_gather_first_error(NULL, 0, NULL) == 0);
    WANT(nook_wait_for(NULL, NULL, 1, NULL) == NOOK_EINVAL);
    WANT(nook_task_wait_for(NULL, 1, NULL) == NOOK_EINVAL);
    WANT(nook_task_wait_for(self, 1, NULL) == NOOK_EDEADLK);
    return finish(task);
}

static void waits_check_their_arguments(void **state)
{
    nook_completions *completions;
    nook_task *task = NULL;
    (void)state;
    every_way(refuse_waits);
    assert_int_equal(nook_wait(&task, 1, NOOK_ALL_COMPLETED, 0, NULL), NOOK_ENOTASK);
    assert_int_equal(nook_shield(task, NULL), NOOK_ENOTASK);
    assert_int_equal(nook_wait_for(take_nap, NULL, 1, NULL), NOOK_ENOTASK);
    assert_int_equal(nook_task_wait_for(task, 1, NULL), NOOK_ENOTASK);
    assert_int_equal(nook_gather_first_error(&task, 1, NULL), NOOK_ENOTASK);
    assert_int_equal(nook_as_completed(&completions, &task, 1, 1), NOOK_ENOTASK);
    assert_int_equal(nook_as_completed(NULL, &task, 1, 1), NOOK_EINVAL);
    assert_int_equal(nook_completions_next(NULL, &task), NOOK_EINVAL);
    nook_completions_free(NULL);
}

/* --- gather with the first error ------------------------------------------------ */

static int gather_with_error(void *arg)
{
    struct nap bad = {.ms = 2, .result = NOOK_EPERM}, other = {.ms = 100, .result = 5};
    nook_task *tasks[2];
    int results[2] = {-9, -9};
    (void)arg;
    WANT(nook_task_spawn(&tasks[0], take_nap, &other, NULL) == 0);
    WANT(nook_task_spawn(&tasks[1], take_nap, &bad, NULL) == 0);
    WANT(nook_gather_first_error(tasks, 2, results) == NOOK_EPERM && results[0] == -9);
    WANT(nook_task_cancelling(tasks[0]) == 0);
    WANT(finish(tasks[0]) == 5 && finish(tasks[1]) == NOOK_EPERM);
    return 0;
}

static void A5_gather_returns_the_first_error_and_the_others_go_on(void **state)
{
    (void)state;
    every_way(gather_with_error);
}

static int gather_well(void *arg)
{
    struct nap naps[3] = {{.ms = 3, .result = 1}, {.ms = 1, .result = 2}, {.result = 3}};
    nook_task *tasks[4];
    int results[4] = {0};
    (void)arg;
    for (int i = 0; i < 3; i++)
        WANT(nook_task_spawn(&tasks[i], take_nap, &naps[i], NULL) == 0);
    tasks[3] = tasks[0]; /* duplicates share one */
    WANT(nook_gather_first_error(tasks, 4, results) == 0);
    WANT(results[0] == 1 && results[1] == 2 && results[2] == 3 && results[3] == 1);
    for (int i = 0; i < 3; i++)
        WANT(finish(tasks[i]) == i + 1);
    return 0;
}

static void gather_gives_the_results_where_none_fails(void **state)
{
    (void)state;
    every_way(gather_well);
}

static int gather_two(void *arg)
{
    return nook_gather_first_error(arg, 2, NULL);
}

static int cancel_a_gather(void *arg)
{
    struct nap slow[2] = {{.ms = LONG}, {.ms = LONG}};
    nook_task *tasks[2], *waiter;
    (void)arg;
    for (int i = 0; i < 2; i++)
        WANT(nook_task_spawn(&tasks[i], take_nap, &slow[i], NULL) == 0);
    WANT(nook_task_spawn(&waiter, gather_two, tasks, NULL) == 0);
    WANT(nook_sleep(2 * MS) == 0);
    WANT(nook_task_cancel(waiter) == 0 && finish(waiter) == NOOK_ECANCELED);
    for (int i = 0; i < 2; i++)
        WANT(finish(tasks[i]) == NOOK_ECANCELED);
    return 0;
}

static void a_cancel_of_a_gather_cancels_all(void **state)
{
    (void)state;
    every_way(cancel_a_gather);
}

/* --- shield ------------------------------------------------------------------------ */

static int shield_it(void *arg)
{
    int result = 0, rc = nook_shield(arg, &result);
    return rc != 0 ? rc : result;
}

static int shield_program(void *arg)
{
    struct nap nap = {.ms = 100, .result = 8};
    nook_task *inner, *outer;
    (void)arg;
    WANT(nook_task_spawn(&inner, take_nap, &nap, NULL) == 0);
    WANT(nook_task_spawn(&outer, shield_it, inner, NULL) == 0);
    WANT(nook_sleep(2 * MS) == 0);
    WANT(nook_task_cancel(outer) == 0 && finish(outer) == NOOK_ECANCELED);
    WANT(!nook_task_done(inner) && nook_task_cancelling(inner) == 0);
    WANT(shield_it(inner) == 8 && shield_it(inner) == 8);
    return finish(inner) == 8 ? 0 : __LINE__;
}

static void a_cancel_does_not_go_through_a_shield(void **state)
{
    (void)state;
    every_way(shield_program);
}

static int read_var(void *arg)
{
    int *seen = arg;
    seen[0] = number_in(&var);
    seen[1] = nook_var_set(&var, value_of(99), NULL);
    return 0;
}

static int shield_context(void *arg)
{
    int seen[2] = {0};
    nook_task *inner;
    (void)arg;
    WANT(nook_var_set(&var, value_of(1), NULL) == 0);
    WANT(nook_task_spawn(&inner, read_var, seen, NULL) == 0);
    WANT(nook_var_set(&var, value_of(2), NULL) == 0);
    WANT(nook_shield(inner, NULL) == 0);
    nook_task_unref(inner);
    WANT(seen[0] == 1 && seen[1] == 0 && number_in(&var) == 2);
    return 0;
}

static void A11_what_is_shielded_has_a_copy_from_its_creation(void **state)
{
    (void)state;
    every_way(shield_context);
}

/* --- wait_for ----------------------------------------------------------------------- */

static int set_in_place(void *arg)
{
    nook_task **seen = arg;
    *seen = nook_task_current();
    int rc = nook_var_set(&var, value_of(number_in(&var) + 1), NULL);
    return rc != 0 ? rc : 40 + number_in(&var);
}

static int own_context(void *arg)
{
    nook_task *seen = NULL;
    int result = 0;
    (void)arg;
    WANT(nook_var_set(&var, value_of(1), NULL) == 0);
    WANT(nook_wait_for(set_in_place, &seen, 1000 * MS, &result) == 0 && result == 42);
    WANT(seen == nook_task_current() && number_in(&var) == 2);
    WANT(nook_wait_for(set_in_place, &seen, NOOK_FOREVER, &result) == 0 && result == 43);
    WANT(number_in(&var) == 3);
    seen = NULL;
    WANT(nook_wait_for(set_in_place, &seen, 0, &result) == NOOK_ETIMEDOUT && result == 43);
    WANT(seen == NULL && number_in(&var) == 3);
    return 0;
}

static void A8_A9_D9_wait_for_calls_in_the_callers_task_and_context(void **state)
{
    (void)state;
    every_way(own_context);
}

static int time_out(void *arg)
{
    struct nap slow = {.ms = LONG}, deaf = {.ms = 20, .result = 6};
    int result = -1;
    (void)arg;
    WANT(nook_wait_for(take_nap, &slow, 5 * MS, &result) == NOOK_ETIMEDOUT && result == -1);
    WANT(nook_task_cancelling(nook_task_current()) == 0);
    WANT(nook_wait_for(nap_on, &deaf, 5 * MS, &result) == 0 && result == 6);
    WANT(nook_task_cancelling(nook_task_current()) == 0 && nook_yield() == 0);
    return 0;
}

static void A8_D9_wait_for_times_out_where_the_function_gives_in(void **state)
{
    (void)state;
    every_way(time_out);
}

static int wait_for_long(void *arg)
{
    int result = 0;
    return nook_wait_for(take_nap, arg, 1000 * 1000 * MS, &result);
}

static int cancel_wait_for(void *arg)
{
    struct nap slow = {.ms = LONG};
    nook_task *task;
    (void)arg;
    WANT(nook_task_spawn(&task, wait_for_long, &slow, NULL) == 0);
    WANT(nook_sleep(2 * MS) == 0 && nook_task_cancel(task) == 0);
    WANT(finish(task) == NOOK_ECANCELED && atomic_load(&slow.ended) == 1);
    return 0;
}

static void a_cancel_of_wait_for_is_no_timeout(void **state)
{
    (void)state;
    every_way(cancel_wait_for);
}

static int wait_for_tasks(void *arg)
{
    struct nap slow = {.ms = LONG}, quick = {.ms = 1, .result = 4};
    struct nap deaf = {.ms = 20, .result = 6}, never = {.ms = 1};
    nook_task *task;
    int result = -1;
    (void)arg;
    WANT(nook_task_spawn(&task, take_nap, &slow, NULL) == 0);
    WANT(nook_task_wait_for(task, 5 * MS, &result) == NOOK_ETIMEDOUT && result == -1);
    WANT(nook_task_done(task) && finish(task) == NOOK_ECANCELED);
    WANT(nook_task_cancelling(nook_task_current()) == 0);
    WANT(nook_task_spawn(&task, take_nap, &quick, NULL) == 0);
    WANT(nook_task_wait_for(task, 1000 * MS, &result) == 0 && result == 4);
    WANT(nook_task_wait_for(task, 0, &result) == 0 && result == 4 && finish(task) == 4);
    WANT(nook_task_spawn(&task, nap_on, &deaf, NULL) == 0);
    WANT(nook_task_wait_for(task, 5 * MS, &result) == 0 && result == 6 && finish(task) == 6);
    WANT(nook_task_spawn(&task, take_nap, &never, &(nook_task_options){.worker = 1}) == 0);
    WANT(nook_task_wait_for(task, 0, &result) == NOOK_ETIMEDOUT);
    return finish(task) == NOOK_ECANCELED ? 0 : __LINE__;
}

static void A8_D9_wait_for_a_task_cancels_it_and_waits_for_its_end(void **state)
{
    (void)state;
    every_way(wait_for_tasks);
}

/* --- as they come -------------------------------------------------------------------- */

static int as_they_come(void *arg)
{
    struct nap naps[4] = {{30, 0, 0}, {10, 1, 0}, {50, 2, 0}, {0, NOOK_EPERM, 0}};
    static const int order[4] = {NOOK_EPERM, 1, 0, 2};
    nook_completions *completions;
    nook_task *tasks[4], *task;
    (void)arg;
    for (int i = 0; i < 4; i++)
        WANT(nook_task_spawn(&tasks[i], take_nap, &naps[i], NULL) == 0);
    WANT(nook_task_join(tasks[3], NULL) == 0); /* it has ended already */
    WANT(nook_as_completed(&completions, tasks, 4, NOOK_FOREVER) == 0);
    for (int i = 0; i < 4; i++)
        WANT(nook_completions_next(completions, &task) == 0 && result_of(task) == order[i]);
    WANT(nook_completions_next(completions, &task) == NOOK_EEND && task == NULL);
    nook_completions_free(completions);
    for (int i = 0; i < 4; i++)
        nook_task_unref(tasks[i]);
    return 0;
}

static void A12_tasks_come_as_they_complete(void **state)
{
    (void)state;
    every_way(as_they_come);
}

static int as_they_time_out(void *arg)
{
    struct nap quick = {.ms = 1, .result = 3}, slow = {.ms = LONG};
    nook_completions *completions;
    nook_task *tasks[2], *task;
    (void)arg;
    WANT(nook_task_spawn(&tasks[0], take_nap, &slow, NULL) == 0);
    WANT(nook_task_spawn(&tasks[1], take_nap, &quick, NULL) == 0);
    WANT(nook_as_completed(&completions, tasks, 2, 100 * MS) == 0);
    nook_task_unref(tasks[1]); /* it is kept there */
    WANT(nook_completions_next(completions, &task) == 0 && result_of(task) == 3);
    WANT(nook_completions_next(completions, &task) == NOOK_ETIMEDOUT);
    WANT(nook_completions_next(completions, &task) == NOOK_ETIMEDOUT);
    nook_completions_free(completions);
    WANT(nook_task_cancelling(tasks[0]) == 0 && nook_task_cancel(tasks[0]) == 0);
    return finish(tasks[0]) == NOOK_ECANCELED ? 0 : __LINE__;
}

static void as_completed_has_one_time_for_all(void **state)
{
    (void)state;
    every_way(as_they_time_out);
}

static int next_of(void *arg)
{
    nook_task *task;
    return nook_completions_next(arg, &task);
}

static int cancel_a_next(void *arg)
{
    struct nap slow = {.ms = LONG};
    nook_completions *completions;
    nook_task *task, *first;
    (void)arg;
    WANT(nook_task_spawn(&task, take_nap, &slow, NULL) == 0);
    WANT(nook_as_completed(&completions, &task, 1, NOOK_FOREVER) == 0);
    WANT(nook_task_spawn(&first, next_of, completions, NULL) == 0);
    WANT(nook_sleep(2 * MS) == 0 && next_of(completions) == NOOK_EBUSY);
    WANT(nook_task_cancel(first) == 0 && finish(first) == NOOK_ECANCELED);
    WANT(nook_task_cancel(task) == 0 && next_of(completions) == 0);
    nook_completions_free(completions);
    return finish(task) == NOOK_ECANCELED ? 0 : __LINE__;
}

static void one_task_waits_for_the_next_and_may_be_cancelled(void **state)
{
    (void)state;
    every_way(cancel_a_next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(wait_returns_with_the_first),
        task_test(wait_returns_with_the_first_error_and_a_cancel_is_none),
        task_test(a_wait_whose_time_has_come_cancels_nobody),
        task_test(a_cancel_of_a_wait_touches_nobody_else),
        task_test(wait_takes_many),
        task_test(waits_check_their_arguments),
        task_test(A5_gather_returns_the_first_error_and_the_others_go_on),
        task_test(gather_gives_the_results_where_none_fails),
        task_test(a_cancel_of_a_gather_cancels_all),
        task_test(a_cancel_does_not_go_through_a_shield),
        task_test(A11_what_is_shielded_has_a_copy_from_its_creation),
        task_test(A8_A9_D9_wait_for_calls_in_the_callers_task_and_context),
        task_test(A8_D9_wait_for_times_out_where_the_function_gives_in),
        task_test(a_cancel_of_wait_for_is_no_timeout),
        task_test(A8_D9_wait_for_a_task_cancels_it_and_waits_for_its_end),
        task_test(A12_tasks_come_as_they_complete),
        task_test(as_completed_has_one_time_for_all),
        task_test(one_task_waits_for_the_next_and_may_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
