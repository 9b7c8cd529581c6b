/* SPDX-License-Identifier: MIT */
/*
 * The end of a run, as asyncio.run has it: everybody else is cancelled once, and is waited
 * for; what they leave behind in turn as well; and a deadlock ends that too.
 */
#include "want.h"

#include <nook/dump.h>

enum { LONG = 100000 };

/* Spawns fn(arg), and ends when that has started. */
struct leaving {
    nook_task_fn fn;
    void *arg;
    nook_task *left;
    atomic_int started;
};

static int wait_for(atomic_int *flag)
{
    while (atomic_load(flag) == 0)
        WANT(nook_sleep(MS) == 0);
    return 0;
}

static int begin(void *arg)
{
    struct leaving *leaving = arg;
    atomic_store(&leaving->started, 1);
    return leaving->fn(leaving->arg);
}

static int leave(void *arg)
{
    struct leaving *leaving = arg;
    WANT(nook_task_spawn(&leaving->left, begin, leaving, NULL) == 0);
    return wait_for(&leaving->started);
}

/* What fn(arg) came to, which main left behind. */
static int left_behind(enum way way, nook_task_fn fn, void *arg)
{
    struct leaving leaving = {.fn = fn, .arg = arg};
    assert_int_equal(run(way, leave, &leaving), 0);
    int result = result_of(leaving.left);
    nook_task_unref(leaving.left);
    return result;
}

static void every_way_left_behind(nook_task_fn fn)
{
    for (enum way way = 0; way < WAYS; way++)
        assert_int_equal(left_behind(way, fn, NULL), 0);
}

/* --- cleaning up ---------------------------------------------------------- */

static int clean_up(void *arg)
{
    nook_lock lock = {0};
    int pipe_ends[2];
    (void)arg;
    WANT(nook_sleep(LONG * MS) == NOOK_ECANCELED);
    WANT(nook_task_cancelling(nook_task_current()) == 1);
    WANT(nook_yield() == 0);
    WANT(nook_sleep(2 * MS) == 0);
    WANT(nook_lock_acquire(&lock) == 0);
    WANT(nook_lock_release(&lock) == 0);
    WANT(pipe(pipe_ends) == 0);
    int rc = nook_wait_fd(pipe_ends[1], NOOK_WRITABLE, NULL);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    WANT(rc == 0);
    return 0;
}

static void who_is_cancelled_by_the_end_cleans_up_as_usual(void **state)
{
    (void)state;
    every_way_left_behind(clean_up);
}

static int clean_up_in_time(void *arg)
{
    nook_deadline deadline;
    (void)arg;
    WANT(nook_sleep(LONG * MS) == NOOK_ECANCELED);
    WANT(nook_deadline_enter(&deadline, 2 * MS) == 0);
    WANT(nook_sleep(LONG * MS) == NOOK_ECANCELED);
    WANT(nook_deadline_exit(&deadline) == NOOK_ETIMEDOUT);
    return 0;
}

static void a_clean_up_may_have_a_timeout(void **state)
{
    (void)state;
    every_way_left_behind(clean_up_in_time);
}

static int hear_nothing(void *arg)
{
    atomic_int *steps = arg;
    for (int i = 0; i < 10; i++) {
        (void)nook_sleep(2 * MS);
        atomic_fetch_add(steps, 1);
    }
    return 3;
}

static void who_refuses_to_end_is_waited_for(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        atomic_int steps = 0;
        assert_int_equal(left_behind(way, hear_nothing, &steps), 3);
        assert_int_equal(atomic_load(&steps), 10);
    }
}

static int run_never(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static int leave_unstarted(void *arg)
{
    struct leaving *leaving = arg;
    nook_task_options here = {.worker = 1};
    return nook_task_spawn(&leaving->left, run_never, leaving->arg, &here);
}

static void who_has_not_started_never_runs(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        atomic_int ran = 0;
        struct leaving leaving = {.arg = &ran};
        assert_int_equal(run(way, leave_unstarted, &leaving), 0);
        assert_int_equal(result_of(leaving.left), NOOK_ECANCELED);
        assert_int_equal(atomic_load(&ran), 0);
        nook_task_unref(leaving.left);
    }
}

/* --- who waits for whom --------------------------------------------------- */

static int use_what_was_lent(void *arg)
{
    int *lent = arg, rc = nook_sleep(LONG * MS);
    WANT(nook_sleep(2 * MS) == 0);
    ++*lent;
    return rc;
}

static int lend(void *arg)
{
    nook_task_options at_once = {.eager = 1};
    nook_task *task;
    int lent = 0, result = 0;
    (void)arg;
    WANT(nook_task_spawn(&task, use_what_was_lent, &lent, &at_once) == 0);
    WANT(nook_task_join(task, &result) == NOOK_ECANCELED);
    nook_task_unref(task);
    WANT(lent == 1);
    return 0;
}

static void who_waits_for_another_waits_until_that_has_cleaned_up(void **state)
{
    (void)state;
    every_way_left_behind(lend);
}

static int wait_with_a_lock(void *arg)
{
    nook_lock lock = {0};
    nook_condition condition = {.lock = &lock};
    (void)arg;
    WANT(nook_lock_acquire(&lock) == 0);
    WANT(nook_condition_wait(&condition) == NOOK_ECANCELED);
    WANT(nook_lock_locked(&lock));
    WANT(nook_lock_release(&lock) == 0);
    return 0;
}

static void a_condition_has_its_lock_again(void **state)
{
    (void)state;
    every_way_left_behind(wait_with_a_lock);
}

static int job(void *arg)
{
    usleep(5000);
    return *(int *)arg;
}

static int clean_up_by_jobs(void *arg)
{
    int answer = 5, result = 0;
    (void)arg;
    WANT(nook_to_thread(job, &answer, &result) == NOOK_ECANCELED);
    WANT(nook_to_thread(job, &answer, &result) == 0 && result == 5);
    WANT(nook_run_in_executor(job, &answer, &result) == 0 && result == 5);
    return 0;
}

static int leave_a_job(void *arg)
{
    struct leaving *leaving = arg;
    WANT(nook_task_spawn(&leaving->left, clean_up_by_jobs, NULL,
                         &(nook_task_options){.worker = 1}) == 0);
    return nook_yield();
}

static void a_job_is_waited_for_and_a_clean_up_may_have_others(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct leaving leaving = {0};
        assert_int_equal(run(way, leave_a_job, &leaving), 0);
        assert_int_equal(result_of(leaving.left), 0);
        nook_task_unref(leaving.left);
    }
}

/* --- what is made meanwhile ----------------------------------------------- */

static int work(void *arg)
{
    WANT(nook_sleep(2 * MS) == 0);
    return *(int *)arg;
}

static void say(void *arg)
{
    nook_event_set(arg);
}

static int clean_up_together(void *arg)
{
    nook_task *task = NULL;
    nook_group group = {0};
    nook_event event = {0};
    int answer = 7, nothing = 0, result = 0;
    (void)arg;
    WANT(nook_sleep(LONG * MS) == NOOK_ECANCELED);
    WANT(nook_task_spawn(&task, work, &answer, NULL) == 0);
    WANT(nook_task_join(task, &result) == 0 && result == 7);
    nook_task_unref(task);
    WANT(nook_group_enter(&group) == 0);
    WANT(nook_group_spawn(&group, NULL, work, &nothing, NULL) == 0);
    WANT(nook_group_exit(&group, 0) == 0);
    WANT(nook_call_soon(NULL, say, &event, NULL) == 0);
    WANT(nook_event_wait(&event) == 0);
    return 0;
}

static void a_clean_up_may_spawn_and_call(void **state)
{
    (void)state;
    every_way_left_behind(clean_up_together);
}

static int last(void *arg)
{
    atomic_int unused = 0;
    (void)arg;
    WANT(nook_sleep(LONG * MS) == NOOK_ECANCELED);
    WANT(nook_task_spawn(NULL, run_never, &unused, NULL) == NOOK_ECANCELED);
    WANT(nook_call_soon(NULL, say, NULL, NULL) == NOOK_ECANCELED);
    WANT(nook_sleep(2 * MS) == 0);
    return 0;
}

static int leave_one_more(void *arg)
{
    WANT(nook_sleep(LONG * MS) == NOOK_ECANCELED);
    WANT(nook_task_spawn(arg, last, NULL, NULL) == 0);
    WANT(nook_sleep(2 * MS) == 0);
    return 0;
}

static void what_a_clean_up_leaves_is_cancelled_in_turn_and_nothing_comes_after_it(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        nook_task *left = NULL;
        assert_int_equal(left_behind(way, leave_one_more, &left), 0);
        assert_int_equal(result_of(left), 0);
        nook_task_unref(left);
    }
}

struct phoenix {
    atomic_int lives;
    atomic_int rc;
};

static int live(void *arg)
{
    struct phoenix *phoenix = arg;
    atomic_fetch_add(&phoenix->lives, 1);
    return nook_sleep(LONG * MS);
}

static void rise(void *arg)
{
    struct phoenix *phoenix = arg;
    nook_task *task;
    int rc = nook_task_spawn(&task, live, phoenix, NULL);
    atomic_store(&phoenix->rc, rc);
    if (rc != 0)
        return;
    (void)nook_task_on_done(NULL, task, rise, phoenix, NULL);
    nook_task_unref(task);
}

static int let_rise(void *arg)
{
    WANT(nook_call_soon(NULL, rise, arg, NULL) == 0);
    return wait_for(&((struct phoenix *)arg)->lives);
}

static void who_is_spawned_again_whenever_it_ends_does_not_keep_the_run(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct phoenix phoenix = {0};
        assert_int_equal(run(way, let_rise, &phoenix), 0);
        assert_true(atomic_load(&phoenix.lives) >= 1);
        assert_true(atomic_load(&phoenix.lives) <= 2);
    }
}

/* --- deadlocks ------------------------------------------------------------ */

struct stuck {
    int rc[3], reports;
    atomic_int started;
};

static int wait_twice(void *arg)
{
    struct stuck *stuck = arg;
    nook_event never = {0};
    atomic_store(&stuck->started, 1);
    for (int i = 0; i < 3; i++)
        stuck->rc[i] = nook_event_wait(&never);
    return 4;
}

static int leave_stuck(void *arg)
{
    WANT(nook_task_spawn(NULL, wait_twice, arg, NULL) == 0);
    WANT(wait_for(&((struct stuck *)arg)->started) == 0);
    return 8;
}

static void count_report(void *user)
{
    ((struct stuck *)user)->reports++;
}

static void who_then_waits_for_nothing_is_a_deadlock(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct stuck stuck = {.rc = {1, 1, 1}};
        nook_watch watch = {.deadlocked = count_report, .user = &stuck};
        nook_run_options options = {.watch = &watch};
        int result = 0;
        assert_int_equal(run_by(way, leave_stuck, &stuck, &options, &result), NOOK_EDEADLK);
        assert_int_equal(result, 8);
        assert_int_equal(stuck.reports, 1);
        for (int i = 0; i < 3; i++)
            assert_int_equal(stuck.rc[i], NOOK_ECANCELED);
    }
}

/* --- from outside --------------------------------------------------------- */

struct helper {
    nook_loop *loop;
    nook_event answered;
    pthread_mutex_t lock;
    pthread_cond_t came;
    int wanted;
    int sent, spawned;
    atomic_int ran;
};

static int run_briefly(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static void *help(void *arg)
{
    struct helper *helper = arg;
    nook_task *task = NULL;
    pthread_mutex_lock(&helper->lock);
    while (!helper->wanted)
        pthread_cond_wait(&helper->came, &helper->lock);
    pthread_mutex_unlock(&helper->lock);
    helper->spawned = nook_loop_spawn(helper->loop, &task, run_briefly, &helper->ran, NULL);
    (void)nook_loop_join(helper->loop, task, NOOK_FOREVER, NULL);
    nook_task_unref(task);
    helper->sent = nook_loop_set_event(helper->loop, &helper->answered);
    nook_loop_unref(helper->loop);
    return NULL;
}

static int be_helped(void *arg)
{
    struct helper *helper = arg;
    WANT(nook_loop_running(&helper->loop) == 0);
    WANT(nook_sleep(LONG * MS) == NOOK_ECANCELED);
    pthread_mutex_lock(&helper->lock);
    helper->wanted = 1;
    pthread_cond_signal(&helper->came);
    pthread_mutex_unlock(&helper->lock);
    WANT(nook_event_wait(&helper->answered) == 0);
    return 0;
}

static void a_clean_up_may_wait_for_another_thread(void **state)
{
    (void)state;
    for (enum way way = REAL; way < WAYS; way++) {
        struct helper helper = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                .came = PTHREAD_COND_INITIALIZER};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, help, &helper), 0);
        assert_int_equal(left_behind(way, be_helped, &helper), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(helper.spawned, 0);
        assert_int_equal(helper.sent, 0);
        assert_int_equal(atomic_load(&helper.ran), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(who_is_cancelled_by_the_end_cleans_up_as_usual),
        task_test(a_clean_up_may_have_a_timeout),
        task_test(who_refuses_to_end_is_waited_for),
        task_test(who_has_not_started_never_runs),
        task_test(who_waits_for_another_waits_until_that_has_cleaned_up),
        task_test(a_condition_has_its_lock_again),
        task_test(a_job_is_waited_for_and_a_clean_up_may_have_others),
        task_test(a_clean_up_may_spawn_and_call),
        task_test(what_a_clean_up_leaves_is_cancelled_in_turn_and_nothing_comes_after_it),
        task_test(who_is_spawned_again_whenever_it_ends_does_not_keep_the_run),
        task_test(who_then_waits_for_nothing_is_a_deadlock),
        task_test(a_clean_up_may_wait_for_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
