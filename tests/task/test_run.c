/* SPDX-License-Identifier: MIT */
/* A run: its options, its end, its deadlocks, what it does round every switch. */
#include "support.h"

#include <errno.h>
#include <fenv.h>

/* --- options -------------------------------------------------------------- */

struct who {
    char name[32];
    uint64_t id;
    unsigned worker;
    pthread_t thread;
    int current;
};

static int ask_who(void *arg)
{
    struct who *who = arg;
    nook_task *self = nook_task_current();
    snprintf(who->name, sizeof who->name, "%s", nook_task_name(self));
    who->id = nook_task_id(self);
    who->worker = nook_worker_index();
    who->thread = pthread_self();
    who->current = self != NULL && !nook_task_done(self);
    return 42;
}

static void main_is_the_first_task_on_the_calling_thread(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct who who = {0};
        assert_int_equal(run(way, ask_who, &who), 42);
        assert_string_equal(who.name, "main");
        assert_true(who.id > 0);
        assert_int_equal(who.worker, 1);
        assert_true(pthread_equal(who.thread, pthread_self()));
        assert_true(who.current);
        assert_null(nook_task_current());
        assert_int_equal(nook_worker_index(), 0);
    }
}

static void the_result_may_be_left_out_and_the_name_given(void **state)
{
    struct who who = {0};
    char name[] = "a name that is far too long for a task";
    nook_run_options options = {.name = name};
    (void)state;
    assert_int_equal(nook_run(ask_who, &who, &options, NULL), 0);
    assert_string_equal(who.name, "a name that is far too long for");
}

static void options_out_of_range_are_refused(void **state)
{
    struct who who = {0};
    nook_run_options many = {.workers = 1025}, small = {.stack_size = 16 * 1024 - 1},
                     large = {.stack_size = SIZE_MAX / 2};
    int result = 5;
    (void)state;
    assert_int_equal(nook_run(NULL, NULL, NULL, &result), NOOK_EINVAL);
    assert_int_equal(nook_run(ask_who, &who, &many, &result), NOOK_EINVAL);
    assert_int_equal(nook_run(ask_who, &who, &small, &result), NOOK_EINVAL);
    assert_int_equal(nook_run(ask_who, &who, &large, &result), NOOK_EINVAL);
    assert_int_equal(result, 5);
    assert_int_equal(who.id, 0);
}

/* No address space has room for this stack. */
static void a_main_that_cannot_start_did_not_run(void **state)
{
    nook_run_options options = {.stack_size = SIZE_MAX / 8};
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct who who = {0};
        int result = 5;
        assert_int_equal(run_by(way, ask_who, &who, &options, &result), NOOK_ENOMEM);
        assert_int_equal(result, 5);
        assert_int_equal(who.id, 0);
    }
}

/* --- where there is no task ----------------------------------------------- */

static void callback(void *arg)
{
    (void)arg;
}

static void without_a_task_most_calls_say_so(void **state)
{
    nook_deadline deadline;
    (void)state;
    assert_int_equal(nook_yield(), NOOK_ENOTASK);
    assert_int_equal(nook_sleep(1), NOOK_ENOTASK);
    assert_int_equal(nook_wait_fd(0, NOOK_READABLE, NULL), NOOK_ENOTASK);
    assert_int_equal(nook_task_migrate(1), NOOK_ENOTASK);
    assert_int_equal(nook_task_spawn(NULL, ask_who, NULL, NULL), NOOK_ENOTASK);
    assert_int_equal(nook_gather(NULL, 0, NULL), NOOK_ENOTASK);
    assert_int_equal(nook_task_at_end(callback, NULL), NOOK_ENOTASK);
    assert_int_equal(nook_to_thread(ask_who, NULL, NULL), NOOK_ENOTASK);
    assert_int_equal(nook_run_in_executor(ask_who, NULL, NULL), NOOK_ENOTASK);
    assert_int_equal(nook_call_soon(NULL, callback, NULL, NULL), NOOK_ENOTASK);
    assert_int_equal(nook_deadline_enter(&deadline, 1), NOOK_ENOTASK);
    assert_int_equal(nook_deadline_exit(&deadline), NOOK_EINVAL);
    assert_null(nook_task_name(NULL));
    assert_int_equal(nook_task_id(NULL), 0);
    assert_int_equal(nook_task_done(NULL), 0);
    assert_null(nook_task_context(NULL));
    assert_int_equal(nook_task_count(NULL), NOOK_EINVAL);
    assert_true(nook_now() > 0);
}

/* --- runs in runs --------------------------------------------------------- */

static int record_run(void *arg)
{
    *(int *)arg = nook_run(ask_who, NULL, NULL, NULL);
    return 0;
}

static void record_run_of_callback(void *arg)
{
    (void)record_run(arg);
}

static int run_inside(void *arg)
{
    int *rc = arg;
    nook_schedule *schedule;
    (void)record_run(&rc[0]);
    rc[1] = nook_schedule_new(&schedule, NULL);
    if (rc[1] == 0)
        rc[1] = nook_schedule_run(schedule, ask_who, NULL, NULL, NULL);
    nook_schedule_free(schedule);
    (void)nook_call_soon(NULL, record_run_of_callback, &rc[2], NULL);
    return nook_yield();
}

static void a_run_inside_a_task_or_a_callback_is_refused(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        int rc[3] = {0};
        assert_int_equal(run(way, run_inside, rc), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(rc[i], NOOK_EBUSY);
    }
}

static int two_steps(void *arg)
{
    int *steps = arg;
    for (int i = 0; i < 2; i++) {
        ++*steps;
        if (nook_sleep(MS) != 0)
            return -1;
    }
    return 7;
}

static int run_within(void *arg)
{
    int result = 0;
    int rc = nook_run(two_steps, arg, NULL, &result);
    return rc != 0 ? rc : result;
}

static int run_in_a_job(void *arg)
{
    int result = 0;
    int rc = nook_to_thread(run_within, arg, &result);
    return rc != 0 ? rc : result;
}

static void a_job_may_run_tasks_of_its_own(void **state)
{
    int steps = 0;
    (void)state;
    assert_int_equal(run(REAL, run_in_a_job, &steps), 7);
    assert_int_equal(steps, 2);
}

struct alongside {
    pthread_barrier_t *barrier;
    int sum, rc;
};

static int add(void *arg)
{
    struct alongside *alongside = arg;
    for (int i = 0; i < 50; i++) {
        alongside->sum++;
        if (nook_yield() != 0)
            return -1;
    }
    return 0;
}

static int add_by_four(void *arg)
{
    nook_task *tasks[4] = {NULL};
    int rc = 0;
    for (int i = 0; rc == 0 && i < 4; i++)
        rc = nook_task_spawn(&tasks[i], add, arg, NULL);
    if (rc == 0)
        rc = nook_gather(tasks, 4, NULL);
    for (int i = 0; i < 4; i++)
        nook_task_unref(tasks[i]);
    return rc;
}

static void *run_alongside(void *arg)
{
    struct alongside *alongside = arg;
    pthread_barrier_wait(alongside->barrier);
    for (int i = 0; alongside->rc == 0 && i < 10; i++)
        alongside->rc = nook_run(add_by_four, alongside, NULL, NULL);
    return NULL;
}

static void runs_in_several_threads_do_not_know_each_other(void **state)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct alongside alongside[THREADS];
    pthread_barrier_t barrier;
    (void)state;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        alongside[i] = (struct alongside){.barrier = &barrier};
        assert_int_equal(pthread_create(&threads[i], NULL, run_alongside, &alongside[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(alongside[i].rc, 0);
        assert_int_equal(alongside[i].sum, 10 * 4 * 50);
    }
}

/* --- deadlocks ------------------------------------------------------------ */

struct knot {
    nook_task *main, *other;
    int rc[2];
};

static int wait_for_main(void *arg)
{
    struct knot *knot = arg;
    knot->rc[1] = nook_task_join(knot->main, NULL);
    return 0;
}

static int wait_for_each_other(void *arg)
{
    struct knot *knot = arg;
    knot->main = nook_task_current();
    knot->rc[0] = nook_task_spawn(&knot->other, wait_for_main, knot, NULL);
    if (knot->rc[0] == 0)
        knot->rc[0] = nook_task_join(knot->other, NULL);
    nook_task_unref(knot->other);
    return 11;
}

static void two_tasks_that_wait_for_each_other_are_a_deadlock(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct knot knot = {0};
        int result = 0;
        assert_int_equal(run_by(way, wait_for_each_other, &knot, NULL, &result), NOOK_EDEADLK);
        assert_int_equal(result, 11);
        assert_int_equal(knot.rc[0], NOOK_ECANCELED);
        assert_int_equal(knot.rc[1], NOOK_ECANCELED);
    }
}

static int wait_for_itself(void *arg)
{
    nook_task *self = nook_task_current();
    (void)arg;
    return nook_task_join(self, NULL);
}

static void a_task_may_not_wait_for_itself(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++)
        assert_int_equal(run(way, wait_for_itself, NULL), NOOK_EDEADLK);
}

static int take_time(void *arg)
{
    (void)arg;
    usleep(20000);
    return 4;
}

static int wait_for_a_job(void *arg)
{
    int result = 0;
    (void)arg;
    int rc = nook_to_thread(take_time, NULL, &result);
    return rc != 0 ? rc : result;
}

static void waiting_for_a_job_is_no_deadlock(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++)
        assert_int_equal(run(way, wait_for_a_job, NULL), 4);
}

/* --- round every switch --------------------------------------------------- */

static void hook(const char *what, nook_task *task, void *user)
{
    char word[48];
    snprintf(word, sizeof word, "%s:%s%s", what, nook_task_name(task), (char *)user);
    note(word);
}

static void hook_out(nook_task *task, void *user)
{
    hook("out", task, user);
}

static void hook_in(nook_task *task, void *user)
{
    hook("in", task, user);
}

static void hook_end(nook_task *task, void *user)
{
    hook("end", task, user);
}

static int nap(void *arg)
{
    (void)arg;
    note("nap");
    return nook_sleep(MS);
}

static int nap_by_two(void *arg)
{
    nook_task *task;
    int rc = nook_task_spawn(&task, nap, arg, &(nook_task_options){.name = "a"});
    if (rc != 0)
        return rc;
    rc = nook_task_join(task, NULL);
    nook_task_unref(task);
    return rc;
}

static void hooks_are_called_round_every_switch(void **state)
{
    char user[] = "!";
    nook_task_hooks hooks = {hook_out, hook_in, hook_end, user};
    nook_run_options options = {.hooks = &hooks};
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        if (way == REAL_3 || way == VIRTUAL_3)
            continue; /* the trace is for one thread */
        trace_clear();
        assert_int_equal(run_by(way, nap_by_two, NULL, &options, NULL), 0);
        assert_string_equal(trace, "in:main! out:main! in:a! nap out:a! in:a! out:a! end:a! "
                                   "in:main! out:main! end:main!");
    }
}

static void hooks_may_be_left_out(void **state)
{
    nook_task_hooks hooks = {.in = hook_in, .user = (char[]){""}};
    nook_run_options options = {.hooks = &hooks};
    (void)state;
    trace_clear();
    assert_int_equal(run_by(REAL, nap_by_two, NULL, &options, NULL), 0);
    assert_string_equal(trace, "in:main in:a nap in:a in:main");
}

struct errnos {
    int after, other;
};

static int fail_with_range(void *arg)
{
    struct errnos *errnos = arg;
    errnos->other = errno;
    errno = ERANGE;
    return 0;
}

static int fail_with_domain(void *arg)
{
    struct errnos *errnos = arg;
    nook_task *task;
    int rc = nook_task_spawn(&task, fail_with_range, arg, NULL);
    if (rc != 0)
        return rc;
    errno = EDOM;
    rc = nook_task_join(task, NULL);
    errnos->after = errno;
    nook_task_unref(task);
    return rc;
}

static void D6_errno_is_the_tasks_own_where_the_run_says_so(void **state)
{
    nook_run_options options = {.save_errno = 1};
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct errnos errnos = {0};
        assert_int_equal(run_by(way, fail_with_domain, &errnos, &options, NULL), 0);
        assert_int_equal(errnos.after, EDOM);
        assert_int_equal(errnos.other, 0);
    }
}

static void D6_errno_is_the_workers_where_it_does_not(void **state)
{
    struct errnos errnos = {0};
    (void)state;
    assert_int_equal(run(VIRTUAL, fail_with_domain, &errnos), 0);
    assert_int_equal(errnos.after, ERANGE);
    assert_int_equal(errnos.other, EDOM);
}

struct roundings {
    int other_found, found_again;
};

static int round_down(void *arg)
{
    struct roundings *roundings = arg;
    roundings->other_found = fegetround();
    fesetround(FE_DOWNWARD);
    return nook_yield();
}

static int round_up(void *arg)
{
    struct roundings *roundings = arg;
    nook_task *task;
    fesetround(FE_UPWARD);
    int rc = nook_task_spawn(&task, round_down, arg, NULL);
    if (rc != 0)
        return rc;
    rc = nook_task_join(task, NULL);
    roundings->found_again = fegetround();
    nook_task_unref(task);
    return rc;
}

static void A37_rounding_is_the_tasks_own(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct roundings roundings = {-1, -1};
        assert_int_equal(run(way, round_up, &roundings), 0);
        assert_int_equal(roundings.other_found, FE_TONEAREST);
        assert_int_equal(roundings.found_again, FE_UPWARD);
        assert_int_equal(fegetround(), FE_TONEAREST);
    }
}

/*
 * Tasks that end without a park follow each other on one stack, where nothing is left of who
 * was there: no rounding, no scope, no value, no deadline, no context that was entered.
 */
enum { FOLLOWERS = 5 };

struct follower {
    nook_context *other;
    nook_deadline deadline;
    int rounding, entered, scopes, value;
};

static int follow(void *arg)
{
    struct follower *me = arg;
    me->rounding = fegetround();
    me->entered = nook_context_peek() == me->other;
    me->scopes = nook_deadline_exit(&me->deadline) != NOOK_EINVAL;
    fesetround(FE_DOWNWARD);
    nook_task_at(NOOK_HERE);
    int rc = nook_task_set_value(me);
    if (rc == 0)
        rc = nook_deadline_enter(&me->deadline, NOOK_FOREVER);
    return rc == 0 ? nook_context_enter(me->other) : rc;
}

static int spawn_followers(void *arg)
{
    struct follower *followers = arg;
    nook_task *tasks[FOLLOWERS];
    nook_context *other;
    void *value;
    int rc = nook_context_new(&other);
    for (int i = 0; rc == 0 && i < FOLLOWERS; i++) {
        followers[i].other = other;
        rc = nook_task_spawn(&tasks[i], follow, &followers[i], NULL);
    }
    if (rc != 0)
        return rc;
    rc = nook_gather(tasks, FOLLOWERS, NULL);
    for (int i = 0; i < FOLLOWERS; i++) {
        followers[i].value = nook_task_value(tasks[i], &value) == 0 && value == &followers[i];
        nook_task_unref(tasks[i]);
    }
    nook_context_unref(other);
    return rc;
}

static void who_follows_on_a_stack_finds_nothing_there(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct follower followers[FOLLOWERS];
        memset(followers, 0, sizeof followers);
        assert_int_equal(run(way, spawn_followers, followers), 0);
        for (int i = 0; i < FOLLOWERS; i++) {
            assert_int_equal(followers[i].rounding, FE_TONEAREST);
            assert_int_equal(followers[i].entered, 0);
            assert_int_equal(followers[i].scopes, 0);
            assert_int_equal(followers[i].value, 1);
        }
        assert_int_equal(fegetround(), FE_TONEAREST);
    }
}

struct travels {
    int rounding[3], other;
};

static int ask_rounding(void *arg)
{
    ((struct travels *)arg)->other = fegetround();
    return 0;
}

static int round_and_travel(void *arg)
{
    struct travels *travels = arg;
    nook_task *task;
    int rc = fesetround(FE_TOWARDZERO);
    for (unsigned worker = 3; rc == 0 && worker > 0; worker--) {
        rc = nook_task_migrate(worker);
        travels->rounding[worker - 1] = nook_worker_index() == worker ? fegetround() : -1;
    }
    if (rc == 0) /* where it has been, nothing of it is left */
        rc = nook_task_spawn(&task, ask_rounding, travels, &(nook_task_options){.worker = 2});
    if (rc == 0) {
        rc = nook_task_join(task, NULL);
        nook_task_unref(task);
    }
    return rc;
}

static void rounding_moves_with_its_task(void **state)
{
    const nook_run_options options = {.migrate = 1};
    (void)state;
    for (enum way way = VIRTUAL_3; way < WAYS; way += REAL_3 - VIRTUAL_3) {
        struct travels travels = {{-1, -1, -1}, -1};
        int result = -1;
        assert_int_equal(run_by(way, round_and_travel, &travels, &options, &result), 0);
        assert_int_equal(result, 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(travels.rounding[i], FE_TOWARDZERO);
        assert_int_equal(travels.other, FE_TONEAREST);
        assert_int_equal(fegetround(), FE_TONEAREST);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(main_is_the_first_task_on_the_calling_thread),
        task_test(the_result_may_be_left_out_and_the_name_given),
        task_test(options_out_of_range_are_refused),
        task_test(a_main_that_cannot_start_did_not_run),
        task_test(without_a_task_most_calls_say_so),
        task_test(a_run_inside_a_task_or_a_callback_is_refused),
        task_test(a_job_may_run_tasks_of_its_own),
        task_test(runs_in_several_threads_do_not_know_each_other),
        task_test(two_tasks_that_wait_for_each_other_are_a_deadlock),
        task_test(a_task_may_not_wait_for_itself),
        task_test(waiting_for_a_job_is_no_deadlock),
        task_test(hooks_are_called_round_every_switch),
        task_test(hooks_may_be_left_out),
        task_test(D6_errno_is_the_tasks_own_where_the_run_says_so),
        task_test(D6_errno_is_the_workers_where_it_does_not),
        task_test(A37_rounding_is_the_tasks_own),
        task_test(who_follows_on_a_stack_finds_nothing_there),
        task_test(rounding_moves_with_its_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
