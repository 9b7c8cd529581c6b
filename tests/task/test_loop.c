/* SPDX-License-Identifier: MIT */
/* Other threads give a run work, wait for it, and find it gone. For real only: a schedule
 * takes no orders from threads. */
#include "want.h"

static NOOK_VAR_DEFINE(var);

enum { LONG = 3600 * 1000 };

static void with_workers(nook_task_fn main, void *arg)
{
    for (unsigned workers = 1; workers <= 3; workers += 2) {
        int result = -1;
        nook_run_options options = {.workers = workers};
        assert_int_equal(nook_run(main, arg, &options, &result), 0);
        assert_int_equal(result, 0);
    }
}

/* A thread that runs fn(outside) with a loop; what it returns is checked in the end. */
struct outside {
    int (*fn)(struct outside *outside);
    nook_loop *loop;
    nook_event event;
    nook_task *task;
    atomic_int seen;
    int line;
    pthread_t thread;
};

static void *outside_thread(void *arg)
{
    struct outside *outside = arg;
    outside->line = outside->fn(outside);
    nook_loop_unref(outside->loop);
    outside->loop = NULL;
    nook_thread_detach();
    return NULL;
}

static int begin(struct outside *outside)
{
    WANT(nook_loop_running(&outside->loop) == 0);
    WANT(pthread_create(&outside->thread, NULL, outside_thread, outside) == 0);
    return 0;
}

static int join_thread(void *arg)
{
    struct outside *outside = arg;
    (void)pthread_join(outside->thread, NULL);
    return outside->line;
}

/* Waits for the thread on another, so that the worker is free. */
static int end(struct outside *outside)
{
    int line = -1, rc = nook_to_thread(join_thread, outside, &line);
    return rc != 0 ? rc : line;
}

/* --- tasks ---------------------------------------------------------------------- */

static int read_var(void *arg)
{
    atomic_int *seen = arg;
    int here = nook_task_current() != NULL ? number_in(&var) : -7;
    atomic_store(seen, here);
    int rc = nook_var_set(&var, value_of(99), NULL);
    return rc != 0 ? rc : nook_sleep(1 * MS) + 6;
}

static int spawn_from_thread(struct outside *outside)
{
    nook_task *task;
    int result = -1;
    WANT(nook_var_set(&var, value_of(5), NULL) == 0);
    WANT(nook_loop_spawn(outside->loop, &task, read_var, &outside->seen,
                         &(nook_task_options){.name = "from outside"}) == 0);
    WANT(nook_var_set(&var, value_of(6), NULL) == 0);
    WANT(nook_loop_join(outside->loop, task, NOOK_FOREVER, &result) == 0 && result == 6);
    WANT(atomic_load(&outside->seen) == 5 && number_in(&var) == 6);
    WANT(strcmp(nook_task_name(task), "from outside") == 0);
    WANT(nook_loop_cancel(outside->loop, task) == 0); /* it has ended */
    nook_task_unref(task);
    WANT(nook_loop_spawn(outside->loop, &task, read_var, &outside->seen,
                         &(nook_task_options){.start = NOOK_START_EMPTY}) == 0);
    WANT(nook_loop_join(outside->loop, task, NOOK_FOREVER, NULL) == 0);
    WANT(atomic_load(&outside->seen) == -1);
    WANT(strncmp(nook_task_name(task), "task-", 5) == 0);
    nook_task_unref(task);
    return 0;
}

static int spawning(void *arg)
{
    struct outside outside = {.fn = spawn_from_thread};
    (void)arg;
    WANT(begin(&outside) == 0);
    return end(&outside);
}

static void A2_a_thread_spawns_with_a_copy_of_its_own_context(void **state)
{
    (void)state;
    with_workers(spawning, NULL);
}

static int give_context(struct outside *outside)
{
    nook_context *context;
    nook_task *tasks[2];
    void *value = NULL;
    WANT(nook_context_new(&context) == 0);
    for (int i = 0; i < 2; i++)
        WANT(nook_loop_spawn(outside->loop, &tasks[i], read_var, &outside->seen,
                             &(nook_task_options){.context = context}) == 0);
    for (int i = 0; i < 2; i++) {
        WANT(nook_loop_join(outside->loop, tasks[i], NOOK_FOREVER, NULL) == 0);
        nook_task_unref(tasks[i]);
    }
    WANT(nook_context_find(context, &var, &value) == 0 && value == value_of(99));
    WANT(atomic_load(&outside->seen) == 99);
    nook_context_unref(context);
    return 0;
}

static int giving(void *arg)
{
    struct outside outside = {.fn = give_context};
    (void)arg;
    WANT(begin(&outside) == 0);
    return end(&outside);
}

static void A3_D3_a_thread_gives_a_context_which_is_used_as_it_is(void **state)
{
    (void)state;
    with_workers(giving, NULL);
}

static int cancel_from_thread(struct outside *outside)
{
    struct nap slow = {.ms = LONG};
    nook_task *task;
    int result = -1;
    WANT(nook_loop_spawn(outside->loop, &task, take_nap, &slow, NULL) == 0);
    WANT(nook_loop_join(outside->loop, task, 2 * MS, &result) == NOOK_ETIMEDOUT);
    WANT(nook_loop_join(outside->loop, task, 0, &result) == NOOK_ETIMEDOUT && result == -1);
    WANT(!nook_task_done(task) && nook_loop_cancel(outside->loop, task) == 0);
    WANT(nook_loop_join(outside->loop, task, 10000 * MS, &result) == 0);
    WANT(result == NOOK_ECANCELED);
    nook_task_unref(task);
    return 0;
}

static int cancelling(void *arg)
{
    struct outside outside = {.fn = cancel_from_thread};
    (void)arg;
    WANT(begin(&outside) == 0);
    return end(&outside);
}

static void a_thread_waits_for_a_task_for_a_time_and_cancels_it(void **state)
{
    (void)state;
    with_workers(cancelling, NULL);
}

/* --- callbacks ------------------------------------------------------------------- */

static void see_var(void *arg)
{
    struct outside *outside = arg;
    int number = number_in(&var);
    (void)nook_var_set(&var, value_of(number + 1), NULL);
    atomic_store(&outside->seen, nook_task_current() == NULL ? number : -7);
    (void)nook_event_set(&outside->event);
}

static int call_from_thread(struct outside *outside)
{
    nook_context *context;
    nook_handle *handle;
    void *value = NULL;
    WANT(nook_var_set(&var, value_of(5), NULL) == 0);
    if (outside->line == 1) {
        WANT(nook_loop_call_soon(outside->loop, NULL, see_var, outside, NULL) == 0);
        return 0;
    }
    WANT(nook_context_copy_current(&context) == 0);
    WANT(nook_loop_call_soon(outside->loop, &handle, see_var, outside, context) == 0);
    while (atomic_load(&outside->seen) == 0)
        usleep(100);
    WANT(nook_context_find(context, &var, &value) == 0 && value == value_of(6));
    WANT(number_in(&var) == 5);
    nook_handle_unref(handle);
    nook_context_unref(context);
    return 0;
}

static int calling(void *arg)
{
    struct outside outside = {.fn = call_from_thread, .line = *(int *)arg};
    WANT(begin(&outside) == 0);
    WANT(nook_event_wait(&outside.event) == 0);
    WANT(atomic_load(&outside.seen) == 5);
    return end(&outside);
}

static void A16_A17_a_thread_calls_soon_in_a_copy_or_in_the_given_context(void **state)
{
    (void)state;
    for (int copy = 0; copy < 2; copy++)
        with_workers(calling, &copy);
}

static void count(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static int cancel_callback(void *arg)
{
    nook_handle *handle;
    nook_loop *loop;
    atomic_int called = 0;
    (void)arg;
    WANT(nook_loop_running(&loop) == 0);
    /* Its letter is still in the inbox. */
    WANT(nook_loop_call_soon(loop, &handle, count, &called, NULL) == 0);
    WANT(nook_handle_cancel(handle) == 0);
    nook_handle_unref(handle);
    WANT(nook_loop_call_soon(loop, NULL, count, &called, NULL) == 0);
    while (atomic_load(&called) == 0)
        WANT(nook_yield() == 0);
    WANT(nook_sleep(1 * MS) == 0 && atomic_load(&called) == 1);
    nook_loop_unref(loop);
    return 0;
}

static void D7_a_callback_may_be_cancelled_before_it_is_delivered(void **state)
{
    (void)state;
    with_workers(cancel_callback, NULL);
}

static int set_from_thread(struct outside *outside)
{
    usleep(2000);
    return nook_loop_set_event(outside->loop, &outside->event);
}

static int setting(void *arg)
{
    struct outside outside = {.fn = set_from_thread};
    (void)arg;
    WANT(begin(&outside) == 0);
    WANT(nook_event_wait(&outside.event) == 0); /* all wait: no deadlock, there is a thread */
    return end(&outside);
}

static void a_thread_sets_an_event(void **state)
{
    (void)state;
    with_workers(setting, NULL);
}

/* --- deadlocks --------------------------------------------------------------------- */

static int only_give_back(struct outside *outside)
{
    (void)outside;
    usleep(5000);
    return 0;
}

static int wait_for_nobody(void *arg)
{
    struct outside *outside = arg;
    WANT(begin(outside) == 0);
    return nook_event_wait(&outside->event);
}

static void with_the_last_loop_goes_the_hope_and_a_deadlock_is_found(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers += 2) {
        struct outside outside = {.fn = only_give_back};
        int result = 0;
        assert_int_equal(nook_run(wait_for_nobody, &outside,
                                  &(nook_run_options){.workers = workers}, &result),
                         NOOK_EDEADLK);
        assert_int_equal(result, NOOK_ECANCELED);
        assert_int_equal(pthread_join(outside.thread, NULL), 0);
        assert_int_equal(outside.line, 0);
    }
}

/* --- the end of the run -------------------------------------------------------------- */

struct flood {
    nook_loop *loop;
    pthread_t thread;
    atomic_int *ran;
    long spawned, ended, refused, sets;
    nook_event event;
    int other;
};

static int one_more(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return nook_yield();
}

static void *pour(void *arg)
{
    struct flood *flood = arg;
    int rc, result;
    do {
        nook_task *task = NULL;
        rc = nook_loop_spawn(flood->loop, &task, one_more, flood->ran, NULL);
        if (rc == 0) {
            flood->spawned++;
            flood->ended += nook_loop_join(flood->loop, task, NOOK_FOREVER, &result) == 0;
            nook_task_unref(task);
            (void)nook_loop_call_soon(flood->loop, NULL, count, flood->ran, NULL);
        }
    } while (rc == 0);
    flood->refused = rc;
    do {
        rc = nook_loop_set_event(flood->loop, &flood->event);
        flood->sets += rc == 0;
    } while (rc == 0 || rc == NOOK_ECANCELED);
    flood->other = rc;
    nook_loop_unref(flood->loop);
    nook_thread_detach();
    return NULL;
}

enum { FLOODS = 3 };

static int be_flooded(void *arg)
{
    struct flood *floods = arg;
    for (int i = 0; i < FLOODS; i++) {
        WANT(nook_loop_running(&floods[i].loop) == 0);
        WANT(pthread_create(&floods[i].thread, NULL, pour, &floods[i]) == 0);
    }
    while (atomic_load(floods[0].ran) < 50)
        WANT(nook_yield() == 0);
    return 0;
}

static void what_was_sent_ends_and_a_run_that_is_gone_says_so(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        atomic_int ran = 0;
        struct flood floods[FLOODS] = {{.ran = &ran}, {.ran = &ran}, {.ran = &ran}};
        int result = -1;
        nook_run_options options = {.workers = round % 2 == 0 ? 1 : 3};
        assert_int_equal(nook_run(be_flooded, floods, &options, &result), 0);
        assert_int_equal(result, 0);
        for (int i = 0; i < FLOODS; i++) {
            assert_int_equal(pthread_join(floods[i].thread, NULL), 0);
            assert_true(floods[i].refused == NOOK_ECANCELED ||
                        floods[i].refused == NOOK_ECLOSED);
            assert_int_equal(floods[i].other, NOOK_ECLOSED);
            assert_int_equal(floods[i].spawned, floods[i].ended);
            assert_int_equal(nook_event_is_set(&floods[i].event), floods[i].sets > 0);
        }
    }
}

static int send_without_end(struct outside *outside)
{
    int rc;
    do {
        rc = nook_loop_set_event(outside->loop, &outside->event);
    } while (rc == 0);
    return rc;
}

static int work_meanwhile(void *arg)
{
    WANT(begin(arg) == 0);
    for (int i = 0; i < 500; i++)
        WANT(nook_yield() == 0);
    return 0;
}

static void who_sends_without_end_does_not_keep_the_tasks_from_running(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers += 2) {
        struct outside outside = {.fn = send_without_end};
        int result = -1;
        nook_run_options options = {.workers = workers};
        assert_int_equal(nook_run(work_meanwhile, &outside, &options, &result), 0);
        assert_int_equal(result, 0);
        assert_int_equal(pthread_join(outside.thread, NULL), 0);
        assert_true(outside.line == NOOK_ECANCELED || outside.line == NOOK_ECLOSED);
    }
}

struct kept {
    nook_loop *loop;
    nook_task *done, *spawned;
    nook_handle *handle;
    nook_event event;
    atomic_int called;
};

static int return_at_once(void *arg)
{
    (void)arg;
    return 3;
}

/* What is sent last finds the run ending: it is delivered, and does not run. */
static int keep(void *arg)
{
    struct kept *kept = arg;
    WANT(nook_loop_running(&kept->loop) == 0);
    WANT(nook_task_spawn(&kept->done, return_at_once, NULL, NULL) == 0);
    WANT(nook_task_join(kept->done, NULL) == 0);
    WANT(nook_loop_spawn(kept->loop, &kept->spawned, one_more, &kept->called,
                         &(nook_task_options){.worker = 1}) == 0);
    WANT(nook_loop_call_soon(kept->loop, &kept->handle, count, &kept->called, NULL) == 0);
    return 0;
}

static void a_loop_outlives_its_run_and_says_that_it_is_closed(void **state)
{
    struct kept kept = {0};
    int result = 0;
    (void)state;
    assert_int_equal(nook_run(keep, &kept, NULL, &result), 0);
    assert_int_equal(result, 0);
    assert_int_equal(nook_loop_join(kept.loop, kept.done, NOOK_FOREVER, &result), 0);
    assert_int_equal(result, 3);
    assert_int_equal(nook_loop_join(kept.loop, kept.spawned, NOOK_FOREVER, &result), 0);
    assert_int_equal(result, NOOK_ECANCELED);
    assert_int_equal(atomic_load(&kept.called), 0);
    assert_int_equal(nook_loop_spawn(kept.loop, NULL, return_at_once, NULL, NULL),
                     NOOK_ECLOSED);
    assert_int_equal(nook_loop_call_soon(kept.loop, NULL, count, NULL, NULL), NOOK_ECLOSED);
    assert_int_equal(nook_loop_set_event(kept.loop, &kept.event), NOOK_ECLOSED);
    assert_int_equal(nook_loop_cancel(kept.loop, kept.done), 0);
    assert_int_equal(nook_handle_cancel(kept.handle), 0);
    nook_handle_unref(kept.handle);
    nook_task_unref(kept.done);
    nook_task_unref(kept.spawned);
    nook_loop_unref(kept.loop);
}

/* --- misuse -------------------------------------------------------------------------- */

static int misuse(void *arg)
{
    nook_task *self = nook_task_current();
    nook_loop *loop;
    (void)arg;
    WANT(nook_loop_running(NULL) == NOOK_EINVAL && nook_loop_running(&loop) == 0);
    WANT(nook_loop_ref(loop) == loop);
    nook_loop_unref(loop);
    WANT(nook_loop_spawn(NULL, NULL, return_at_once, NULL, NULL) == NOOK_EINVAL);
    WANT(nook_loop_spawn(loop, NULL, NULL, NULL, NULL) == NOOK_EINVAL);
    WANT(nook_loop_spawn(loop, NULL, return_at_once, NULL,
                         &(nook_task_options){.start = NOOK_START_SHARE}) == NOOK_EINVAL);
    WANT(nook_loop_spawn(loop, NULL, return_at_once, NULL, &(nook_task_options){.worker = 9}) ==
         NOOK_EINVAL);
    WANT(nook_loop_call_soon(loop, NULL, NULL, NULL, NULL) == NOOK_EINVAL);
    WANT(nook_loop_set_event(loop, NULL) == NOOK_EINVAL);
    WANT(nook_loop_cancel(loop, NULL) == NOOK_EINVAL);
    WANT(nook_loop_join(loop, self, 0, NULL) == NOOK_EBUSY);
    WANT(nook_loop_join(loop, NULL, 0, NULL) == NOOK_EINVAL);
    nook_task *task = NULL;
    WANT(nook_loop_spawn(loop, &task, return_at_once, NULL,
                         &(nook_task_options){.stack_size = 1}) == NOOK_EINVAL);
    WANT(nook_loop_spawn(loop, &task, return_at_once, NULL,
                         &(nook_task_options){.stack_size = SIZE_MAX}) == NOOK_EINVAL);
    WANT(task == NULL);
    nook_loop_unref(loop);
    return 0;
}

static int in_schedule(void *arg)
{
    nook_loop *loop;
    (void)arg;
    return nook_loop_running(&loop);
}

static void loops_check_their_arguments(void **state)
{
    nook_loop *loop;
    (void)state;
    with_workers(misuse, NULL);
    assert_int_equal(nook_loop_running(&loop), NOOK_ENOTASK);
    assert_int_equal(run(VIRTUAL, in_schedule, NULL), NOOK_ENOTSUP);
    assert_null(nook_loop_ref(NULL));
    nook_loop_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(A2_a_thread_spawns_with_a_copy_of_its_own_context),
        task_test(A3_D3_a_thread_gives_a_context_which_is_used_as_it_is),
        task_test(a_thread_waits_for_a_task_for_a_time_and_cancels_it),
        task_test(A16_A17_a_thread_calls_soon_in_a_copy_or_in_the_given_context),
        task_test(D7_a_callback_may_be_cancelled_before_it_is_delivered),
        task_test(a_thread_sets_an_event),
        task_test(with_the_last_loop_goes_the_hope_and_a_deadlock_is_found),
        task_test(what_was_sent_ends_and_a_run_that_is_gone_says_so),
        task_test(who_sends_without_end_does_not_keep_the_tasks_from_running),
        task_test(a_loop_outlives_its_run_and_says_that_it_is_closed),
        task_test(loops_check_their_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
