/* SPDX-License-Identifier: MIT */
/* Other threads: to_thread and run_in_executor, their contexts, their cancellation. */
#include "support.h"

static NOOK_VAR_DEFINE(var);

struct job {
    int in_job, back, result, rc, after;
    unsigned worker;
    int task;
    pthread_t thread;
};

static int look(void *arg)
{
    struct job *job = arg;
    job->in_job = number_in(&var);
    job->worker = nook_worker_index();
    job->task = nook_task_current() != NULL;
    job->thread = pthread_self();
    (void)nook_var_set(&var, value_of(50), NULL);
    return 6;
}

static int to_thread(void *arg)
{
    struct job *job = arg;
    int rc = nook_var_set(&var, value_of(7), NULL);
    if (rc == 0)
        rc = nook_to_thread(look, job, &job->result);
    job->back = number_in(&var);
    return rc;
}

static void A21_to_thread_runs_in_a_copy(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct job job = {.worker = 9, .task = 9};
        assert_int_equal(run(way, to_thread, &job), 0);
        assert_int_equal(job.in_job, 7);
        assert_int_equal(job.back, 7);
        assert_int_equal(job.result, 6);
        assert_int_equal(job.worker, 0);
        assert_false(job.task);
        assert_false(pthread_equal(job.thread, pthread_self()));
    }
}

static int in_executor(void *arg)
{
    struct job *job = arg;
    int rc = nook_var_set(&var, value_of(7), NULL);
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = nook_run_in_executor(look, &job[i], &job[i].result);
    job->back = number_in(&var);
    if (rc == 0)
        rc = nook_to_thread(look, &job[2], NULL); /* and that does not see it */
    return rc;
}

static void A22_R3_run_in_executor_finds_what_the_last_job_left_there(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct job job[3] = {{0}};
        assert_int_equal(run(way, in_executor, job), 0);
        assert_int_equal(job[0].in_job, -1);
        assert_int_equal(job[1].in_job, 50);
        assert_true(pthread_equal(job[0].thread, job[1].thread));
        assert_int_equal(job[0].back, 7);
        assert_int_equal(job[2].in_job, 7);
    }
}

static int wrongly(void *arg)
{
    int *rc = arg;
    rc[0] = nook_to_thread(NULL, NULL, NULL);
    rc[1] = nook_run_in_executor(NULL, NULL, NULL);
    return 0;
}

static void a_job_needs_a_function(void **state)
{
    int rc[2] = {0};
    (void)state;
    assert_int_equal(run(VIRTUAL, wrongly, rc), 0);
    assert_int_equal(rc[0], NOOK_EINVAL);
    assert_int_equal(rc[1], NOOK_EINVAL);
}

/* --- many ----------------------------------------------------------------- */

static int add(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static int add_elsewhere(void *arg)
{
    return nook_to_thread(add, arg, NULL);
}

static int many_jobs(void *arg)
{
    enum { MANY = 200 };
    nook_task *tasks[MANY] = {NULL};
    int rc = 0;
    for (int i = 0; rc == 0 && i < MANY; i++)
        rc = nook_task_spawn(&tasks[i], add_elsewhere, arg, NULL);
    if (rc == 0)
        rc = nook_gather(tasks, MANY, NULL);
    for (int i = 0; i < MANY; i++)
        nook_task_unref(tasks[i]);
    return rc;
}

static void more_jobs_than_threads(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        atomic_int sum = 0;
        assert_int_equal(run(way, many_jobs, &sum), 0);
        assert_int_equal(atomic_load(&sum), 200);
    }
}

/* Two jobs that wait for each other need two threads, also when one is just idle. */
static pthread_barrier_t meeting;

static int meet(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&meeting);
    return 0;
}

static int meet_elsewhere(void *arg)
{
    return nook_to_thread(meet, arg, NULL);
}

static int meet_after_a_first(void *arg)
{
    atomic_int sum = 0;
    nook_task *tasks[2] = {NULL};
    int rc = nook_to_thread(add, &sum, NULL); /* leaves an idle thread behind */
    usleep(2000);
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = nook_task_spawn(&tasks[i], meet_elsewhere, arg, NULL);
    if (rc == 0)
        rc = nook_gather(tasks, 2, NULL);
    nook_task_unref(tasks[0]);
    nook_task_unref(tasks[1]);
    return rc;
}

static void an_idle_thread_serves_one_job(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        pthread_barrier_init(&meeting, NULL, 2);
        assert_int_equal(run(REAL, meet_after_a_first, NULL), 0);
        pthread_barrier_destroy(&meeting);
    }
}

/* --- cancelling ----------------------------------------------------------- */

struct slow {
    atomic_int begun, ended, may_end;
    int rc, after, result;
    nook_task *task;
};

static int until_told(void *arg)
{
    struct slow *slow = arg;
    atomic_store(&slow->begun, 1);
    while (!atomic_load(&slow->may_end))
        usleep(1000);
    atomic_store(&slow->ended, 1);
    return 0;
}

static int wait_for_it(void *arg)
{
    struct slow *slow = arg;
    slow->rc = nook_to_thread(until_told, slow, &slow->result);
    int ended = atomic_load(&slow->ended);
    slow->after = nook_yield();
    return ended;
}

static int cancel_the_waiter(void *arg)
{
    struct slow *slow = arg;
    int rc = nook_task_spawn(&slow->task, wait_for_it, slow, NULL), ended = 0;
    while (rc == 0 && !atomic_load(&slow->begun))
        rc = nook_yield();
    if (rc == 0)
        rc = nook_task_cancel(slow->task);
    if (rc == 0)
        rc = nook_sleep(MS);
    if (rc == 0 && nook_task_done(slow->task))
        rc = -1; /* it did not wait */
    atomic_store(&slow->may_end, 1);
    if (rc == 0)
        rc = nook_task_join(slow->task, &ended);
    nook_task_unref(slow->task);
    return rc != 0 ? rc : ended;
}

static void a_cancel_does_not_stop_the_job_and_is_told_after_it(void **state)
{
    (void)state;
    for (enum way way = REAL; way < WAYS; way++) {
        struct slow slow = {.result = 99};
        assert_int_equal(run(way, cancel_the_waiter, &slow), 1);
        assert_int_equal(slow.rc, NOOK_ECANCELED);
        assert_int_equal(slow.result, 99);
        assert_int_equal(slow.after, 0);
    }
}

static int let_go(void *arg)
{
    struct slow *slow = arg;
    while (!atomic_load(&slow->begun))
        usleep(1000);
    usleep(10000);
    atomic_store(&slow->may_end, 1);
    return 0;
}

static void *let_go_from_outside(void *arg)
{
    (void)let_go(arg);
    return NULL;
}

static int leave_it(void *arg)
{
    struct slow *slow = arg;
    int rc = nook_task_spawn(&slow->task, wait_for_it, slow, NULL);
    while (rc == 0 && !atomic_load(&slow->begun))
        rc = nook_yield();
    return rc;
}

static void the_end_of_a_run_waits_for_its_jobs(void **state)
{
    (void)state;
    for (enum way way = REAL; way < WAYS; way++) {
        struct slow slow = {0};
        pthread_t thread;
        int ended = 0;
        assert_int_equal(pthread_create(&thread, NULL, let_go_from_outside, &slow), 0);
        assert_int_equal(run(way, leave_it, &slow), 0);
        pthread_join(thread, NULL);
        assert_int_equal(nook_task_result(slow.task, &ended), 0);
        assert_int_equal(ended, 1);
        assert_int_equal(slow.after, 0);
        nook_task_unref(slow.task);
    }
}

/* The job that is under way tells of the end; cleaning up may take others. */
static int jobs_at_the_end(void *arg)
{
    struct slow *slow = arg;
    atomic_int used = 0;
    slow->rc = nook_to_thread(until_told, slow, NULL);
    slow->after = nook_to_thread(add, &used, NULL);
    slow->result = nook_run_in_executor(add, &used, NULL);
    return atomic_load(&used);
}

static int leave_jobs(void *arg)
{
    struct slow *slow = arg;
    int rc = nook_task_spawn(&slow->task, jobs_at_the_end, slow, NULL);
    while (rc == 0 && !atomic_load(&slow->begun))
        rc = nook_yield();
    return rc;
}

static void jobs_go_on_while_a_run_ends(void **state)
{
    (void)state;
    for (enum way way = REAL; way < WAYS; way++) {
        struct slow slow = {0};
        pthread_t thread;
        int done = -1;
        assert_int_equal(pthread_create(&thread, NULL, let_go_from_outside, &slow), 0);
        assert_int_equal(run(way, leave_jobs, &slow), 0);
        pthread_join(thread, NULL);
        assert_int_equal(slow.rc, NOOK_ECANCELED);
        assert_int_equal(slow.after, 0);
        assert_int_equal(slow.result, 0);
        assert_int_equal(nook_task_result(slow.task, &done), 0);
        assert_int_equal(done, 2);
        nook_task_unref(slow.task);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(A21_to_thread_runs_in_a_copy),
        task_test(A22_R3_run_in_executor_finds_what_the_last_job_left_there),
        task_test(a_job_needs_a_function),
        task_test(more_jobs_than_threads),
        task_test(an_idle_thread_serves_one_job),
        task_test(a_cancel_does_not_stop_the_job_and_is_told_after_it),
        task_test(the_end_of_a_run_waits_for_its_jobs),
        task_test(jobs_go_on_while_a_run_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
