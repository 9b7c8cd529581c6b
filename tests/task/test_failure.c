/* SPDX-License-Identifier: MIT */
/*
 * Errors that nobody asks for, and the handler that hears of them [A32, D10].
 */
#include "want.h"

#include <errno.h>
#include <nook/dump.h>

static NOOK_VAR_DEFINE(var);

/* What the handler was told; several workers may tell at once. */
struct heard {
    atomic_int n, result, number, worker;
    atomic_uint_least64_t id;
    char name[32];
    const nook_site *site;
    atomic_int in_a_task, named;
    nook_context *context;
    nook_task *kept;
    int keep;
};

static void hear(const nook_failure *failure, void *user)
{
    struct heard *heard = user;
    if (atomic_fetch_add(&heard->n, 1) == 0) {
        snprintf(heard->name, sizeof heard->name, "%s", failure->name);
        heard->site = failure->site;
        heard->context = nook_context_ref(nook_context_peek());
        if (heard->keep)
            heard->kept = nook_task_ref(failure->task);
    }
    atomic_store(&heard->id, failure->id);
    atomic_store(&heard->result, failure->result);
    atomic_store(&heard->number, number_in(&var));
    atomic_store(&heard->worker, (int)nook_worker_index());
    atomic_fetch_add(&heard->in_a_task, nook_task_current() != NULL);
    atomic_fetch_add(&heard->named, failure->task != NULL &&
                                        nook_task_id(failure->task) == failure->id &&
                                        nook_task_name(failure->task) == failure->name);
    (void)nook_var_set(&var, value_of(-9), NULL); /* stays there */
}

static struct heard *heard_now; /* of the run that goes on */

/* Until so many were heard; by main, before it ends. */
static int wait_heard(int n)
{
    while (atomic_load(&heard_now->n) < n)
        WANT(nook_sleep(MS) == 0);
    return 0;
}

static int run_heard(enum way way, nook_task_fn main, void *arg, struct heard *heard)
{
    nook_watch watch = {.failed = hear, .user = heard};
    nook_run_options options = {.watch = &watch};
    int result = -1;
    heard_now = heard;
    assert_int_equal(run_by(way, main, arg, &options, &result), 0);
    assert_int_equal(atomic_load(&heard->in_a_task), 0);
    assert_int_equal(atomic_load(&heard->named), atomic_load(&heard->n));
    return result;
}

/* Runs main each way, which is to say that many are heard. */
static void every_way_heard(nook_task_fn main, int n)
{
    for (enum way way = 0; way < WAYS; way++) {
        struct heard heard = {0};
        assert_int_equal(run_heard(way, main, NULL, &heard), 0);
        assert_int_equal(atomic_load(&heard.n), n);
        nook_context_unref(heard.context);
    }
}

static int fail_at_once(void *arg)
{
    (void)arg;
    return -EIO;
}

static int fail_late(void *arg)
{
    (void)arg;
    return nook_sleep(MS) != 0 ? -EINTR : -EIO;
}

/* --- the report ----------------------------------------------------------- */

struct failing {
    nook_context *own;
    uint64_t id;
    int worker;
};

static int change_and_fail(void *arg)
{
    struct failing *failing = arg;
    nook_context *other;
    failing->own = nook_task_context(nook_task_current());
    failing->id = nook_task_id(nook_task_current());
    failing->worker = (int)nook_worker_index();
    WANT(nook_var_set(&var, value_of(5), NULL) == 0);
    WANT(nook_context_new(&other) == 0);
    WANT(nook_context_enter(other) == 0);
    nook_context_unref(other);
    WANT(nook_var_set(&var, value_of(6), NULL) == 0);
    return -EIO; /* still inside */
}

static int leave_it_alone(void *arg)
{
    WANT(nook_var_set(&var, value_of(1), NULL) == 0);
    WANT(nook_task_spawn(NULL, change_and_fail, arg, &(nook_task_options){.name = "failing"}) ==
         0);
    WANT(wait_heard(1) == 0);
    WANT(number_in(&var) == 1);
    return 0;
}

static void A32_D10_the_handler_runs_in_the_failed_tasks_context_which_it_has_left(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct heard heard = {0};
        struct failing failing = {0};
        assert_int_equal(run_heard(way, leave_it_alone, &failing, &heard), 0);
        assert_int_equal(atomic_load(&heard.n), 1);
        assert_int_equal(atomic_load(&heard.number), 5);
        assert_int_equal(atomic_load(&heard.result), -EIO);
        assert_int_equal(atomic_load(&heard.id), failing.id);
        assert_int_equal(atomic_load(&heard.worker), failing.worker);
        assert_string_equal(heard.name, "failing");
        assert_string_equal(heard.site->function, "leave_it_alone");
        assert_ptr_equal(heard.context, failing.own);
        nook_context_unref(heard.context);
        nook_context_unref(failing.own);
    }
}

static int fail_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        WANT(nook_task_spawn(NULL, i % 2 == 0 ? fail_at_once : fail_late, NULL, NULL) == 0);
    return wait_heard(100);
}

static void each_is_reported_once(void **state)
{
    (void)state;
    every_way_heard(fail_many, 100);
}

static int roam_and_fail(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++)
        WANT(nook_yield() == 0);
    return -EIO;
}

static int fail_while_roaming(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        WANT(nook_task_spawn(NULL, roam_and_fail, NULL, NULL) == 0);
    return wait_heard(100);
}

static void who_migrates_is_reported_wherever_it_ended(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct heard heard = {0};
        nook_watch watch = {.failed = hear, .user = &heard};
        nook_run_options options = {.watch = &watch, .migrate = 1};
        int result = -1;
        heard_now = &heard;
        assert_int_equal(run_by(way, fail_while_roaming, NULL, &options, &result), 0);
        assert_int_equal(result, 0);
        assert_int_equal(atomic_load(&heard.n), 100);
        nook_context_unref(heard.context);
    }
}

static int share_and_fail(void *arg)
{
    nook_task_options shared = {.start = NOOK_START_SHARE};
    (void)arg;
    WANT(nook_var_set(&var, value_of(3), NULL) == 0);
    WANT(nook_task_spawn(NULL, fail_at_once, NULL, &shared) == 0);
    WANT(wait_heard(1) == 0);
    WANT(number_in(&var) == -9); /* what the handler has set */
    return 0;
}

static void A32_a_shared_context_is_the_very_one(void **state)
{
    (void)state;
    every_way_heard(share_and_fail, 1);
}

/* --- who asks ------------------------------------------------------------- */

static int spawn_two(nook_task **tasks)
{
    for (int i = 0; i < 2; i++)
        WANT(nook_task_spawn(&tasks[i], fail_at_once, NULL, NULL) == 0);
    return 0;
}

static void give_up_two(nook_task **tasks)
{
    for (int i = 0; i < 2; i++)
        nook_task_unref(tasks[i]);
}

static int ask_by_gather(void)
{
    nook_task *tasks[2];
    int result = 0, results[2];
    WANT(spawn_two(tasks) == 0);
    WANT(nook_gather(tasks, 2, results) == 0);
    give_up_two(tasks);
    WANT(spawn_two(tasks) == 0);
    WANT(nook_gather(tasks, 2, NULL) == 0);
    WANT(result_of(tasks[0]) == -EIO);
    WANT(nook_shield(tasks[1], &result) == 0 && result == -EIO);
    give_up_two(tasks);
    return 0;
}

static int ask_in_every_way(void *arg)
{
    nook_task *tasks[2];
    int result = 0;
    (void)arg;
    WANT(nook_task_spawn(&tasks[0], fail_at_once, NULL, NULL) == 0);
    WANT(finish(tasks[0]) == -EIO);
    WANT(ask_by_gather() == 0);
    WANT(spawn_two(tasks) == 0);
    WANT(nook_task_wait_for(tasks[0], NOOK_FOREVER, &result) == 0 && result == -EIO);
    WANT(nook_gather_first_error(tasks, 2, NULL) == -EIO);
    WANT(nook_wait(tasks, 2, NOOK_ALL_COMPLETED, NOOK_FOREVER, NULL) == 0);
    WANT(result_of(tasks[1]) == -EIO);
    give_up_two(tasks);
    return 0;
}

static void whose_error_is_asked_for_is_not_reported(void **state)
{
    (void)state;
    every_way_heard(ask_in_every_way, 0);
}

static int fail_in_a_group(void *arg)
{
    nook_group group = {0};
    (void)arg;
    WANT(nook_group_enter(&group) == 0);
    WANT(nook_group_spawn(&group, NULL, fail_late, NULL, NULL) == 0);
    WANT(nook_group_spawn(&group, NULL, fail_late, NULL, NULL) == 0);
    WANT(nook_group_exit(&group, 0) == -EIO);
    return 0;
}

static void a_group_asks_for_all(void **state)
{
    (void)state;
    every_way_heard(fail_in_a_group, 0);
}

static int only_wait(void *arg)
{
    nook_task *tasks[2];
    (void)arg;
    for (int i = 0; i < 2; i++)
        WANT(nook_task_spawn(&tasks[i], fail_at_once, NULL, NULL) == 0);
    WANT(nook_task_join(tasks[0], NULL) == 0);
    WANT(nook_gather(tasks, 2, NULL) == 0);
    WANT(nook_wait(tasks, 2, NOOK_ALL_COMPLETED, NOOK_FOREVER, NULL) == 0);
    for (int i = 0; i < 2; i++)
        nook_task_unref(tasks[i]);
    return wait_heard(2);
}

static void who_only_waits_does_not_ask(void **state)
{
    (void)state;
    every_way_heard(only_wait, 2);
}

static int end_well(void *arg)
{
    (void)arg;
    return 7;
}

static int fail_to_fail(void *arg)
{
    nook_task *task;
    (void)arg;
    WANT(nook_task_spawn(NULL, end_well, NULL, NULL) == 0);
    WANT(nook_task_spawn(&task, fail_late, NULL, NULL) == 0);
    WANT(nook_task_cancel(task) == 0); /* before it starts, or it has started */
    nook_task_unref(task);
    WANT(nook_sleep(5 * MS) == 0);
    return 0;
}

static void success_and_cancellation_are_not_reported(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct heard heard = {0};
        if (way == REAL_3)
            continue; /* there it may have started, and say -EINTR */
        assert_int_equal(run_heard(way, fail_to_fail, NULL, &heard), 0);
        assert_int_equal(atomic_load(&heard.n), 0);
    }
}

static void mains_error_is_its_result_alone(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct heard heard = {0};
        assert_int_equal(run_heard(way, fail_at_once, NULL, &heard), -EIO);
        assert_int_equal(atomic_load(&heard.n), 0);
    }
}

static int leave_group_open(void *arg)
{
    nook_group *group = arg;
    return nook_group_enter(group);
}

static int leave_a_scope(void *arg)
{
    nook_group group = {0};
    (void)arg;
    WANT(nook_task_spawn(NULL, leave_group_open, &group, NULL) == 0);
    return wait_heard(1);
}

static void a_scope_left_open_is_an_error(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct heard heard = {0};
        assert_int_equal(run_heard(way, leave_a_scope, NULL, &heard), 0);
        assert_int_equal(atomic_load(&heard.result), NOOK_ESCOPE);
        nook_context_unref(heard.context);
    }
}

/* --- when ----------------------------------------------------------------- */

struct holding {
    struct heard *heard;
    nook_task *task;
};

static int hold(void *arg)
{
    struct holding *holding = arg;
    WANT(nook_task_spawn(&holding->task, fail_at_once, NULL, NULL) == 0);
    WANT(nook_wait(&holding->task, 1, NOOK_ALL_COMPLETED, NOOK_FOREVER, NULL) == 0);
    WANT(atomic_load(&holding->heard->n) == 0);
    nook_task_unref(holding->task);
    WANT(atomic_load(&holding->heard->n) == 0); /* not in here */
    return wait_heard(1);
}

static void it_is_reported_when_the_last_reference_has_gone(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct heard heard = {0};
        struct holding holding = {&heard, NULL};
        assert_int_equal(run_heard(way, hold, &holding, &heard), 0);
        nook_context_unref(heard.context);
    }
}

static int fail_when_cancelled(void *arg)
{
    (void)arg;
    (void)nook_sleep(100000 * MS);
    (void)nook_sleep(MS);
    return -EIO;
}

static int leave_one(void *arg)
{
    nook_task_options at_once = {.eager = 1};
    (void)arg;
    return nook_task_spawn(NULL, fail_when_cancelled, NULL, &at_once);
}

static void who_fails_at_the_end_is_reported_before_the_run_is_over(void **state)
{
    (void)state;
    every_way_heard(leave_one, 1);
}

static int keep_it(void *arg)
{
    struct holding *holding = arg;
    WANT(nook_task_spawn(&holding->task, fail_at_once, NULL, NULL) == 0);
    return nook_wait(&holding->task, 1, NOOK_ALL_COMPLETED, NOOK_FOREVER, NULL);
}

static void who_is_held_for_longer_than_the_run_can_be_asked_still(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct heard heard = {0};
        struct holding holding = {&heard, NULL};
        assert_int_equal(run_heard(way, keep_it, &holding, &heard), 0);
        assert_int_equal(atomic_load(&heard.n), 0);
        assert_int_equal(result_of(holding.task), -EIO);
        nook_task_unref(holding.task);
        assert_int_equal(run_heard(way, keep_it, &holding, &heard), 0);
        nook_task_unref(holding.task);
        assert_int_equal(atomic_load(&heard.n), 0);
    }
}

static int give_up_another_runs(void *arg)
{
    struct holding *holding = arg;
    nook_task_unref(holding->task);
    return nook_sleep(MS);
}

static void a_later_run_does_not_hear_of_an_earlier_ones(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct heard heard = {0};
        struct holding holding = {&heard, NULL};
        assert_int_equal(run_heard(way, keep_it, &holding, &heard), 0);
        assert_int_equal(run_heard(way, give_up_another_runs, &holding, &heard), 0);
        assert_int_equal(atomic_load(&heard.n), 0);
    }
}

/* --- what the handler may do ---------------------------------------------- */

static void a_handler_may_keep_the_task(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct heard heard = {.keep = 1};
        assert_int_equal(run_heard(way, leave_one, NULL, &heard), 0);
        assert_int_equal(result_of(heard.kept), -EIO);
        nook_task_unref(heard.kept);
        nook_context_unref(heard.context);
    }
}

static int count_one(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, number_in(&var));
    return 0;
}

static void spawn_another(const nook_failure *failure, void *user)
{
    (void)failure;
    (void)nook_task_spawn(NULL, count_one, user, NULL);
}

static int fail_with_seven(void *arg)
{
    (void)arg;
    WANT(nook_var_set(&var, value_of(7), NULL) == 0);
    return -EIO;
}

/* It fails before main ends; what comes of it runs then, too. */
static int leave_seven(void *arg)
{
    nook_task_options at_once = {.eager = 1};
    WANT(nook_task_spawn(NULL, fail_with_seven, NULL, &at_once) == 0);
    while (atomic_load((atomic_int *)arg) == 0)
        WANT(nook_sleep(MS) == 0);
    return 0;
}

static void a_handler_may_spawn_and_the_task_inherits_the_failed_ones_context(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        atomic_int sum = 0;
        nook_watch watch = {.failed = spawn_another, .user = &sum};
        nook_run_options options = {.watch = &watch};
        int result = -1;
        assert_int_equal(run_by(way, leave_seven, &sum, &options, &result), 0);
        assert_int_equal(result, 0);
        assert_int_equal(atomic_load(&sum), 7);
    }
}

static void park_it(const nook_failure *failure, void *user)
{
    (void)failure;
    atomic_store((atomic_int *)user, nook_sleep(MS));
}

static void a_handler_cannot_park(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        atomic_int rc = 0;
        nook_watch watch = {.failed = park_it, .user = &rc};
        nook_run_options options = {.watch = &watch};
        assert_int_equal(run_by(way, leave_seven, &rc, &options, NULL), 0);
        assert_int_equal(atomic_load(&rc), NOOK_ENOTASK);
    }
}

/* --- other threads -------------------------------------------------------- */

struct outside {
    nook_loop *loop;
    pthread_t thread;
    int ask, result, rc;
};

static void *spawn_from_outside(void *arg)
{
    struct outside *outside = arg;
    nook_task *task = NULL;
    outside->rc = nook_loop_spawn(outside->loop, &task, fail_at_once, NULL, NULL);
    if (outside->rc == 0)
        outside->rc = nook_loop_join(outside->loop, task, NOOK_FOREVER,
                                     outside->ask ? &outside->result : NULL);
    nook_task_unref(task);
    (void)nook_loop_spawn(outside->loop, NULL, fail_at_once, NULL, NULL);
    nook_loop_unref(outside->loop);
    return NULL;
}

static int let_spawn(void *arg)
{
    struct outside *outside = arg;
    WANT(nook_loop_running(&outside->loop) == 0);
    WANT(pthread_create(&outside->thread, NULL, spawn_from_outside, outside) == 0);
    return wait_heard(1);
}

static void a_thread_may_ask_and_what_nobody_holds_is_reported(void **state)
{
    (void)state;
    for (enum way way = REAL; way < WAYS; way++) {
        struct heard heard = {0};
        struct outside outside = {.ask = 1};
        assert_int_equal(run_heard(way, let_spawn, &outside, &heard), 0);
        assert_int_equal(pthread_join(outside.thread, NULL), 0);
        assert_int_equal(outside.rc, 0);
        assert_int_equal(outside.result, -EIO);
        assert_int_equal(atomic_load(&heard.n), 1); /* the second */
        nook_context_unref(heard.context);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(A32_D10_the_handler_runs_in_the_failed_tasks_context_which_it_has_left),
        task_test(each_is_reported_once),
        task_test(who_migrates_is_reported_wherever_it_ended),
        task_test(A32_a_shared_context_is_the_very_one),
        task_test(whose_error_is_asked_for_is_not_reported),
        task_test(a_group_asks_for_all),
        task_test(who_only_waits_does_not_ask),
        task_test(success_and_cancellation_are_not_reported),
        task_test(mains_error_is_its_result_alone),
        task_test(a_scope_left_open_is_an_error),
        task_test(it_is_reported_when_the_last_reference_has_gone),
        task_test(who_fails_at_the_end_is_reported_before_the_run_is_over),
        task_test(who_is_held_for_longer_than_the_run_can_be_asked_still),
        task_test(a_later_run_does_not_hear_of_an_earlier_ones),
        task_test(a_handler_may_keep_the_task),
        task_test(a_handler_may_spawn_and_the_task_inherits_the_failed_ones_context),
        task_test(a_handler_cannot_park),
        task_test(a_thread_may_ask_and_what_nobody_holds_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
