/* SPDX-License-Identifier: MIT */
/*
 * Several real workers: rounds of everything between them, with sums that must
 * come out. Meant for ThreadSanitizer as well.
 */
#include "support.h"

#include <signal.h>
#include <sys/socket.h>

static NOOK_VAR_DEFINE(var);

static int with_workers(unsigned workers, int migrate, nook_task_fn main, void *arg)
{
    nook_run_options options = {.workers = workers, .migrate = migrate};
    int result = -1;
    int rc = nook_run(main, arg, &options, &result);
    return rc != 0 ? rc : result;
}

/* --- pinned and migrating ------------------------------------------------- */

static int stays(void *arg)
{
    pthread_t first = pthread_self();
    unsigned worker = nook_worker_index();
    int moved = 0;
    (void)arg;
    for (int i = 0; i < 20; i++) {
        int rc = i % 5 ? nook_yield() : nook_sleep(1000);
        if (rc != 0)
            return rc;
        moved += !pthread_equal(first, pthread_self()) || worker != nook_worker_index();
    }
    return moved + (nook_task_migrate(1) != NOOK_ENOTSUP);
}

static int many_stay(void *arg)
{
    enum { MANY = 30 };
    nook_task *tasks[MANY] = {NULL};
    int results[MANY] = {0}, rc = 0, n = 0, moved = 0;
    (void)arg;
    for (; rc == 0 && n < MANY; n++)
        rc = nook_task_spawn(&tasks[n], stays, NULL, &(nook_task_options){.migrate = -1});
    if (rc == 0)
        rc = nook_gather(tasks, MANY, results);
    for (int i = 0; i < n; i++) {
        moved += results[i];
        nook_task_unref(tasks[i]);
    }
    return rc != 0 ? rc : moved;
}

static void a_started_task_stays_on_its_worker(void **state)
{
    (void)state;
    assert_int_equal(with_workers(3, 0, many_stay, NULL), 0);
    assert_int_equal(with_workers(3, 1, many_stay, NULL), 0);
}

static int goes_round(void *arg)
{
    int wrong = 0;
    (void)nook_var_set(&var, arg, NULL);
    for (unsigned i = 0; i < 12; i++) {
        unsigned to = i % 3 + 1;
        int rc = nook_task_migrate(to);
        if (rc != 0)
            return rc;
        wrong += nook_worker_index() != to || number_in(&var) != (int)(intptr_t)arg;
    }
    wrong += nook_task_migrate(0) != NOOK_EINVAL;
    wrong += nook_task_migrate(4) != NOOK_EINVAL;
    return wrong;
}

static int many_go_round(void *arg)
{
    enum { MANY = 30 };
    nook_task *tasks[MANY] = {NULL};
    int results[MANY] = {0}, rc = 0, n = 0, wrong = 0;
    (void)arg;
    for (; rc == 0 && n < MANY; n++)
        rc = nook_task_spawn(&tasks[n], goes_round, value_of(n),
                             &(nook_task_options){.migrate = 1});
    if (rc == 0)
        rc = nook_gather(tasks, MANY, results);
    for (int i = 0; i < n; i++) {
        wrong += results[i];
        nook_task_unref(tasks[i]);
    }
    return rc != 0 ? rc : wrong;
}

static void a_migrating_task_goes_where_it_says_with_its_context(void **state)
{
    (void)state;
    assert_int_equal(with_workers(3, 0, many_go_round, NULL), 0);
}

/* --- one context, several workers ----------------------------------------- */

struct shared {
    nook_context *context;
    atomic_int inside, overlaps, left;
    nook_handle *handle;
};

/* Nobody else is in the context from here to there. */
static void stay_inside(struct shared *shared)
{
    if (atomic_fetch_add(&shared->inside, 1) != 0)
        atomic_fetch_add(&shared->overlaps, 1);
    for (int i = 0; i < 20; i++)
        (void)nook_var_set(&var, value_of(number_in(&var) + 1), NULL);
    usleep(50);
    atomic_fetch_sub(&shared->inside, 1);
}

static int in_steps(void *arg)
{
    struct shared *shared = arg;
    for (int i = 0; i < 50; i++) {
        stay_inside(shared);
        int rc = nook_yield();
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void in_callback(void *arg)
{
    struct shared *shared = arg;
    stay_inside(shared);
    atomic_fetch_sub(&shared->left, 1);
}

static int call_into(void *arg)
{
    struct shared *shared = arg;
    int rc = 0;
    for (int i = 0; rc == 0 && i < 50; i++) {
        atomic_fetch_add(&shared->left, 1);
        rc = nook_call_soon(NULL, in_callback, shared, shared->context);
        if (rc == 0)
            rc = nook_yield();
    }
    while (rc == 0 && atomic_load(&shared->left) > 0)
        rc = nook_yield();
    return rc;
}

static int tasks_and_callbacks(void *arg)
{
    struct shared *shared = arg;
    nook_task *tasks[6] = {NULL};
    int rc = 0, n = 0;
    for (; rc == 0 && n < 3; n++)
        rc = nook_task_spawn(&tasks[n], in_steps, shared,
                             &(nook_task_options){.context = shared->context,
                                                  .worker = (unsigned)n + 1,
                                                  .migrate = 1});
    for (; rc == 0 && n < 6; n++)
        rc = nook_task_spawn(&tasks[n], call_into, shared,
                             &(nook_task_options){.worker = (unsigned)n - 2});
    if (rc == 0)
        rc = nook_gather(tasks, 6, NULL);
    while (n-- > 0)
        nook_task_unref(tasks[n]);
    return rc;
}

static void D3_tasks_and_callbacks_of_one_context_take_turns(void **state)
{
    struct shared shared = {0};
    (void)state;
    assert_int_equal(nook_context_new(&shared.context), 0);
    assert_int_equal(with_workers(3, 1, tasks_and_callbacks, &shared), 0);
    assert_int_equal(atomic_load(&shared.overlaps), 0);
    nook_context_unref(shared.context);
}

/* Callbacks alone: each worker schedules some. */
static int callbacks_alone(void *arg)
{
    nook_task *tasks[3] = {NULL};
    int rc = 0, n = 0;
    for (; rc == 0 && n < 3; n++)
        rc = nook_task_spawn(&tasks[n], call_into, arg,
                             &(nook_task_options){.worker = (unsigned)n + 1});
    if (rc == 0)
        rc = nook_gather(tasks, 3, NULL);
    while (n-- > 0)
        nook_task_unref(tasks[n]);
    return rc;
}

static void D3_callbacks_of_one_context_take_turns(void **state)
{
    struct shared shared = {0};
    (void)state;
    assert_int_equal(nook_context_new(&shared.context), 0);
    assert_int_equal(with_workers(3, 0, callbacks_alone, &shared), 0);
    assert_int_equal(atomic_load(&shared.overlaps), 0);
    nook_context_unref(shared.context);
}

/* The maker is inside run; its child shares what is current there. */
static int share_what_is_entered(void *arg)
{
    struct shared *shared = arg;
    nook_task *task;
    int rc = nook_task_spawn(
        &task, in_steps, shared,
        &(nook_task_options){.start = NOOK_START_SHARE, .worker = 2, .migrate = 1});
    if (rc == 0)
        rc = in_steps(shared);
    if (rc == 0 && nook_task_migrate(2) != NOOK_ENOTSUP)
        rc = -1;
    if (rc == 0)
        rc = nook_task_join(task, NULL);
    nook_task_unref(task);
    return rc;
}

static int enter_and_share(void *arg)
{
    struct shared *shared = arg;
    int result = -1;
    int rc = nook_context_run(shared->context, share_what_is_entered, shared, &result);
    return rc != 0 ? rc : result;
}

static void D3_a_context_shared_inside_run_stays_on_one_worker(void **state)
{
    struct shared shared = {0};
    (void)state;
    assert_int_equal(nook_context_new(&shared.context), 0);
    assert_int_equal(with_workers(2, 1, enter_and_share, &shared), 0);
    assert_int_equal(atomic_load(&shared.overlaps), 0);
    nook_context_unref(shared.context);
}

/* --- no deadlock where there is none -------------------------------------- */

/* Two workers hand over to each other; each is idle just when the other calls it. */
static int hand_over(void *arg)
{
    int *rounds = arg;
    unsigned workers = (unsigned)rounds[1];
    for (int i = 0; i < rounds[0]; i++) {
        int rc = nook_task_migrate((unsigned)i % workers + 1);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void a_worker_that_was_called_is_not_idle(void **state)
{
    (void)state;
    for (int workers = 2; workers <= 4; workers++) {
        int rounds[] = {500, workers};
        for (int i = 0; i < 20; i++)
            assert_int_equal(with_workers((unsigned)workers, 1, hand_over, rounds), 0);
    }
}

static int short_life(void *arg)
{
    return (int)(intptr_t)arg;
}

static int spawn_in_turn(void *arg)
{
    int *rounds = arg;
    unsigned workers = (unsigned)rounds[1];
    for (int i = 0; i < rounds[0]; i++) {
        nook_task *task;
        int result = -1;
        int rc = nook_task_spawn(&task, short_life, value_of(i),
                                 &(nook_task_options){.worker = (unsigned)i % workers + 1});
        if (rc == 0)
            rc = nook_task_join(task, &result);
        nook_task_unref(task);
        if (rc != 0 || result != i)
            return rc != 0 ? rc : -1;
    }
    return 0;
}

static void spawning_on_one_worker_after_the_other(void **state)
{
    (void)state;
    for (int workers = 2; workers <= 4; workers++) {
        int rounds[] = {500, workers};
        for (int i = 0; i < 10; i++)
            assert_int_equal(with_workers((unsigned)workers, 0, spawn_in_turn, rounds), 0);
    }
}

/* --- a real deadlock ------------------------------------------------------ */

static int join_next(void *arg)
{
    nook_task **tasks = arg;
    return nook_task_join(tasks[0], NULL);
}

/* A ring over all workers: each waits for the next. */
static int ring(void *arg)
{
    enum { RING = 6 };
    static nook_task *tasks[RING + 1];
    int rc = 0, n = 0;
    (void)arg;
    tasks[RING] = nook_task_current();
    for (n = RING; rc == 0 && n > 0; n--)
        rc = nook_task_spawn(&tasks[n - 1], join_next, &tasks[n],
                             &(nook_task_options){.worker = (unsigned)n % 3 + 1});
    if (rc == 0)
        rc = nook_task_join(tasks[0], NULL);
    for (int i = 0; i < RING; i++)
        nook_task_unref(tasks[i]);
    return rc;
}

static void a_ring_over_several_workers_is_a_deadlock(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        int result = 0;
        assert_int_equal(nook_run(ring, NULL, &(nook_run_options){.workers = 3}, &result),
                         NOOK_EDEADLK);
        assert_int_equal(result, NOOK_ECANCELED);
    }
}

/* --- all at once ---------------------------------------------------------- */

enum { ACTORS = 24, STEPS = 40 };

struct stress {
    atomic_int steps, wrong, callbacks, jobs, cancelled;
    int fds[ACTORS][2];
};

struct actor {
    struct stress *stress;
    int number;
};

static void count_callback(void *arg)
{
    struct actor *actor = arg;
    atomic_fetch_add(&actor->stress->callbacks, 1);
    if (number_in(&var) != actor->number)
        atomic_fetch_add(&actor->stress->wrong, 1);
}

static int count_job(void *arg)
{
    struct actor *actor = arg;
    atomic_fetch_add(&actor->stress->jobs, 1);
    return number_in(&var) == actor->number ? 0 : 1;
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return nook_sleep(UINT64_MAX);
}

static int child(void *arg)
{
    struct actor *actor = arg;
    int rc = nook_yield();
    return rc != 0 ? rc : number_in(&var) - actor->number;
}

static int one_step(struct actor *actor, int i)
{
    nook_task *task = NULL; /* a run that is ending makes none */
    nook_deadline deadline;
    int result = 0, rc = 0;
    switch ((i + actor->number) % 7) {
    case 0:
        return nook_yield();
    case 1:
        return nook_sleep(1000 * (unsigned)(i % 5));
    case 2:
        rc = nook_task_spawn(&task, child, actor, NULL);
        if (rc == 0)
            rc = nook_task_join(task, &result);
        nook_task_unref(task);
        return rc != 0 ? rc : result;
    case 3:
        rc = nook_call_soon(NULL, count_callback, actor, NULL);
        return rc != 0 ? rc : nook_yield();
    case 4:
        rc = nook_task_migrate((unsigned)i % 3 + 1);
        return rc == NOOK_ENOTSUP ? 0 : rc;
    case 5:
        rc = nook_deadline_enter(&deadline, 1000);
        if (rc == 0)
            rc = nook_sleep(UINT64_MAX);
        return nook_deadline_exit(&deadline) == NOOK_ETIMEDOUT ? 0 : rc;
    default:
        rc = nook_task_spawn(&task, sleep_for_ever, NULL, NULL);
        if (rc == 0)
            rc = nook_task_cancel(task);
        if (rc == 0)
            rc = nook_task_join(task, &result);
        nook_task_unref(task);
        if (result == NOOK_ECANCELED)
            atomic_fetch_add(&actor->stress->cancelled, 1);
        return rc;
    }
}

/* Odd ones wait for a byte of their even neighbour now and then. */
static int talk(struct actor *actor)
{
    int *fd = actor->stress->fds[actor->number / 2];
    char byte = 0;
    if (actor->number % 2 == 0)
        return write(fd[0], "x", 1) == 1 ? 0 : -1;
    int rc = nook_wait_fd(fd[1], NOOK_READABLE, NULL);
    return rc != 0 ? rc : read(fd[1], &byte, 1) == 1 ? 0 : -1;
}

static int act(void *arg)
{
    struct actor *actor = arg;
    int rc = nook_var_set(&var, value_of(actor->number), NULL), result = 0;
    for (int i = 0; rc == 0 && i < STEPS; i++) {
        rc = one_step(actor, i);
        if (rc == 0 && i % 4 == 0)
            rc = talk(actor);
        if (rc == 0 && i % 16 == 0)
            rc = nook_to_thread(count_job, actor, &result);
        if (number_in(&var) != actor->number || result != 0)
            atomic_fetch_add(&actor->stress->wrong, 1);
        atomic_fetch_add(&actor->stress->steps, 1);
    }
    if (rc != 0) /* so that the neighbour does not wait for ever */
        shutdown(actor->stress->fds[actor->number / 2][0], SHUT_RDWR);
    return rc;
}

static int all_act(void *arg)
{
    struct actor actors[ACTORS];
    nook_task *tasks[ACTORS] = {NULL};
    int results[ACTORS] = {0}, rc = 0, n = 0;
    for (; rc == 0 && n < ACTORS; n++) {
        actors[n] = (struct actor){arg, n};
        rc = nook_task_spawn(&tasks[n], act, &actors[n], NULL);
    }
    if (rc == 0)
        rc = nook_gather(tasks, ACTORS, results);
    for (int i = 0; i < n; i++) {
        rc = rc != 0 ? rc : results[i];
        nook_task_unref(tasks[i]);
    }
    return rc != 0 ? rc : nook_sleep(MS);
}

/* How many of all steps were of one kind. */
static int steps_of_kind(int kind)
{
    int n = 0;
    for (int actor = 0; actor < ACTORS; actor++)
        for (int i = 0; i < STEPS; i++)
            n += (i + actor) % 7 == kind;
    return n;
}

static void everything_at_once_comes_out_right(void **state)
{
    (void)state;
    for (unsigned workers = 3; workers <= 4; workers++) {
        struct stress stress = {0};
        for (int i = 0; i < ACTORS / 2; i++)
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, stress.fds[i]), 0);
        int rc = with_workers(workers, 1, all_act, &stress);
        for (int i = 0; i < ACTORS / 2; i++) {
            close(stress.fds[i][0]);
            close(stress.fds[i][1]);
        }
        assert_int_equal(rc, 0);
        assert_int_equal(atomic_load(&stress.wrong), 0);
        assert_int_equal(atomic_load(&stress.steps), ACTORS * STEPS);
        assert_int_equal(atomic_load(&stress.callbacks), steps_of_kind(3));
        assert_int_equal(atomic_load(&stress.cancelled), steps_of_kind(6));
        assert_int_equal(atomic_load(&stress.jobs), ACTORS * ((STEPS + 15) / 16));
    }
}

/* --- deadlines that other workers find ------------------------------------ */

static int pass_at_once(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++) {
        nook_deadline deadline;
        int rc = nook_deadline_enter(&deadline, 1);
        for (int spin = 0; rc == 0 && spin < i % 64; spin++)
            rc = nook_deadline_expired(&deadline) < 0;
        if (rc == 0 && nook_sleep(UINT64_MAX) != NOOK_ECANCELED)
            return -1;
        if (nook_deadline_exit(&deadline) != NOOK_ETIMEDOUT)
            return -2;
        if (nook_task_cancelling(nook_task_current()) != 0)
            return -3;
    }
    return 0;
}

static int turn_over(void *arg)
{
    int rc = 0;
    while (rc == 0 && !nook_task_done(*(nook_task **)arg))
        rc = nook_yield();
    return rc;
}

static int pass_beside_others(void *arg)
{
    nook_task *tasks[2] = {NULL};
    int results[2];
    (void)arg;
    int rc = nook_task_spawn(&tasks[0], pass_at_once, NULL, &(nook_task_options){.worker = 1});
    if (rc == 0)
        rc =
            nook_task_spawn(&tasks[1], turn_over, &tasks[0], &(nook_task_options){.worker = 2});
    if (rc == 0)
        rc = nook_gather(tasks, 2, results);
    nook_task_unref(tasks[0]);
    nook_task_unref(tasks[1]);
    return rc != 0 ? rc : results[0] != 0 ? results[0] : results[1];
}

static void a_deadline_may_pass_while_it_is_entered(void **state)
{
    (void)state;
    assert_int_equal(with_workers(2, 0, pass_beside_others, NULL), 0);
}

/* --- a cancel that meets a task just when that starts ----------------------- */

static int cancel_at_the_start(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4000; i++) {
        nook_task *task;
        int result = 0;
        int rc = nook_task_spawn(&task, sleep_for_ever, NULL, NULL);
        for (volatile int spin = 0; spin < i % 64 * 32; spin++)
            continue; /* another worker takes it meanwhile */
        if (rc == 0)
            rc = nook_task_cancel(task);
        if (rc == 0)
            rc = nook_task_join(task, &result);
        nook_task_unref(task);
        if (rc != 0 || result != NOOK_ECANCELED)
            return rc != 0 ? rc : -1;
    }
    return 0;
}

static void a_cancel_reaches_a_task_that_is_about_to_start(void **state)
{
    (void)state;
    for (unsigned workers = 2; workers <= 4; workers++)
        assert_int_equal(with_workers(workers, 0, cancel_at_the_start, NULL), 0);
}

/* --- the end, at any moment ----------------------------------------------- */

static int busy_child(void *arg)
{
    struct actor *actor = arg;
    for (int i = 0;; i++) {
        int rc = one_step(actor, i);
        if (rc != 0)
            return rc;
    }
}

static int leave_early(void *arg)
{
    static struct actor actors[ACTORS]; /* they outlive this task */
    int rc = 0;
    for (int i = 0; rc == 0 && i < ACTORS; i++) {
        actors[i] = (struct actor){arg, i};
        rc = nook_task_spawn(NULL, busy_child, &actors[i], NULL);
    }
    return rc == 0 ? nook_sleep(MS) : rc;
}

static void a_run_may_end_while_all_are_busy(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        static struct stress stress;
        assert_int_equal(with_workers(3, 1, leave_early, &stress), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(a_started_task_stays_on_its_worker),
        task_test(a_migrating_task_goes_where_it_says_with_its_context),
        task_test(D3_tasks_and_callbacks_of_one_context_take_turns),
        task_test(D3_callbacks_of_one_context_take_turns),
        task_test(D3_a_context_shared_inside_run_stays_on_one_worker),
        task_test(a_worker_that_was_called_is_not_idle),
        task_test(spawning_on_one_worker_after_the_other),
        task_test(a_ring_over_several_workers_is_a_deadlock),
        task_test(everything_at_once_comes_out_right),
        task_test(a_deadline_may_pass_while_it_is_entered),
        task_test(a_cancel_reaches_a_task_that_is_about_to_start),
        task_test(a_run_may_end_while_all_are_busy),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
