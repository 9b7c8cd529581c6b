/* SPDX-License-Identifier: MIT */
/*
 * Signals that tasks wait for; and the signal mask, which is the worker's. SIGUSR1 and
 * SIGUSR2 are blocked from main on, with their default action: one that gets out ends the
 * program.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

static const nook_task_options on_first = {.worker = 1};

struct signals {
    sigset_t set;
    int rc[6], signo[4];
    nook_task *task[2];
    atomic_int n;
};

static sigset_t set_of(int one, int other)
{
    sigset_t set;
    sigemptyset(&set);
    if (one != 0)
        sigaddset(&set, one);
    if (other != 0)
        sigaddset(&set, other);
    return set;
}

/* To the process: a test runs with its signals blocked in every thread. */
static int send_signal(int signo)
{
    return kill(getpid(), signo) == 0 ? 0 : -errno;
}

static int is_pending(int signo)
{
    sigset_t set;
    return sigpending(&set) == 0 && sigismember(&set, signo) == 1;
}

static int join_result(nook_task *task)
{
    int result = 0;
    int rc = nook_task_join(task, &result);
    nook_task_unref(task);
    return rc != 0 ? rc : result;
}

/* --- waiting -------------------------------------------------------------- */

static int wait_twice(void *arg)
{
    struct signals *s = arg;
    for (int i = 0; i < 2; i++)
        s->rc[i] = nook_signal_wait(&s->set, &s->signo[i]);
    s->rc[2] = nook_signal_wait(&s->set, NULL);
    return 0;
}

static int send_three(void *arg)
{
    const int signos[] = {SIGUSR2, SIGUSR1, SIGUSR2};
    struct signals *s = arg;
    int rc = nook_task_spawn(&s->task[0], wait_twice, s, &on_first);
    for (int i = 0; rc == 0 && i < 3; i++) {
        rc = nook_sleep(10 * MS);
        if (rc == 0)
            rc = send_signal(signos[i]);
    }
    return rc != 0 ? rc : join_result(s->task[0]);
}

static void a_signal_wakes_who_waits_for_it(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct signals s = {.set = set_of(SIGUSR1, SIGUSR2)};
        assert_int_equal(run(way, send_three, &s), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(s.rc[i], 0);
        assert_int_equal(s.signo[0], SIGUSR2);
        assert_int_equal(s.signo[1], SIGUSR1);
        assert_false(is_pending(SIGUSR2));
    }
}

/* One that came before anybody waited stays, and comes out at once. */
static int wait_late(void *arg)
{
    struct signals *s = arg;
    int rc = send_signal(SIGUSR1);
    if (rc == 0)
        rc = nook_sleep(MS);
    s->rc[0] = nook_signal_wait(&s->set, &s->signo[0]);
    return rc;
}

static void a_signal_waits_for_who_comes_late(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct signals s = {.set = set_of(SIGUSR1, 0)};
        assert_int_equal(run(way, wait_late, &s), 0);
        assert_int_equal(s.rc[0], 0);
        assert_int_equal(s.signo[0], SIGUSR1);
    }
}

static int wait_in_time(void *arg)
{
    struct signals *s = arg;
    nook_deadline deadline;
    int rc = nook_deadline_enter(&deadline, 5 * MS);
    s->rc[0] = nook_signal_wait(&s->set, &s->signo[0]);
    s->rc[1] = nook_deadline_exit(&deadline);
    if (rc == 0)
        rc = send_signal(SIGUSR1);
    s->rc[2] = is_pending(SIGUSR1); /* the wait that ended took none */
    s->rc[3] = nook_signal_wait(&s->set, &s->signo[1]);
    return rc;
}

static void a_deadline_ends_a_wait_and_takes_no_signal(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct signals s = {.set = set_of(SIGUSR1, 0), .signo = {-1, -1, -1, -1}};
        assert_int_equal(run(way, wait_in_time, &s), 0);
        assert_int_equal(s.rc[0], NOOK_ECANCELED);
        assert_int_equal(s.rc[1], NOOK_ETIMEDOUT);
        assert_int_equal(s.rc[2], 1);
        assert_int_equal(s.rc[3], 0);
        assert_int_equal(s.signo[0], -1);
        assert_int_equal(s.signo[1], SIGUSR1);
    }
}

static int wait_and_count(void *arg)
{
    struct signals *s = arg;
    int rc = nook_signal_wait(&s->set, NULL);
    if (rc == 0)
        atomic_fetch_add(&s->n, 1);
    return rc;
}

static int send_one_to_two(void *arg)
{
    struct signals *s = arg;
    int rc = 0;
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = nook_task_spawn(&s->task[i], wait_and_count, s, NULL);
    if (rc == 0)
        rc = nook_sleep(10 * MS);
    for (int sent = 0; rc == 0 && sent < 2; sent++) {
        rc = send_signal(SIGUSR1);
        while (rc == 0 && atomic_load(&s->n) == sent)
            rc = nook_sleep(MS);
        if (rc == 0)
            rc = nook_sleep(5 * MS);
        s->rc[sent] = atomic_load(&s->n);
    }
    for (int i = 0; i < 2; i++)
        rc = rc != 0 ? rc : join_result(s->task[i]);
    return rc;
}

static void one_signal_wakes_one_of_two(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct signals s = {.set = set_of(SIGUSR1, 0)};
        assert_int_equal(run(way, send_one_to_two, &s), 0);
        assert_int_equal(s.rc[0], 1);
        assert_int_equal(s.rc[1], 2);
    }
}

/* --- what is refused ------------------------------------------------------ */

static int wait_wrongly(void *arg)
{
    struct signals *s = arg;
    const sigset_t none = set_of(0, 0), free = set_of(SIGUSR1, SIGHUP),
                   never = set_of(SIGKILL, 0);
    struct rlimit before, no_room = {.rlim_cur = 3};
    s->rc[0] = nook_signal_wait(NULL, NULL);
    s->rc[1] = nook_signal_wait(&none, NULL);
    s->rc[2] = nook_signal_wait(&free, NULL);
    s->rc[3] = nook_signal_wait(&never, NULL);
    getrlimit(RLIMIT_NOFILE, &before);
    no_room.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_NOFILE, &no_room);
    s->rc[4] = nook_signal_wait(&s->set, NULL);
    setrlimit(RLIMIT_NOFILE, &before);
    return 0;
}

static void what_would_never_come_is_refused(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct signals s = {.set = set_of(SIGUSR1, 0)};
        assert_int_equal(run(way, wait_wrongly, &s), 0);
        for (int i = 0; i < 4; i++)
            assert_int_equal(s.rc[i], NOOK_EINVAL);
        assert_int_equal(s.rc[4], -EMFILE);
        assert_int_equal(nook_signal_wait(&s.set, NULL), NOOK_ENOTASK);
    }
}

/* --- the mask is the worker's --------------------------------------------- */

static int winch_blocked(void)
{
    sigset_t set;
    return pthread_sigmask(SIG_BLOCK, NULL, &set) == 0 && sigismember(&set, SIGWINCH) == 1;
}

static int block_winch(void *arg)
{
    struct signals *s = arg;
    sigset_t set = set_of(SIGWINCH, 0);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int rc = nook_yield();
    s->rc[0] = winch_blocked();
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return rc;
}

static int look_meanwhile(void *arg)
{
    struct signals *s = arg;
    nook_task *tasks[1];
    int rc = nook_task_spawn(&tasks[0], block_winch, s, &on_first);
    s->rc[1] = winch_blocked();
    if (rc == 0)
        rc = nook_yield();
    s->rc[2] = winch_blocked();
    return rc != 0 ? rc : join_result(tasks[0]);
}

static void a_mask_is_seen_by_the_other_tasks_of_the_worker(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct signals s = {.n = 0};
        assert_int_equal(run(way, look_meanwhile, &s), 0);
        assert_int_equal(s.rc[0], 1);
        assert_int_equal(s.rc[1], 0);
        assert_int_equal(s.rc[2], 1); /* blocked by another task */
    }
}

/* What a program does that wants a mask for each task: two system calls a switch. */
struct masks {
    nook_task *task[4];
    sigset_t mask[4];
    sigset_t workers;
    int n;
};

static int place_of(struct masks *masks, nook_task *task)
{
    for (int i = 0; i < masks->n; i++)
        if (masks->task[i] == task)
            return i;
    masks->task[masks->n] = task;
    masks->mask[masks->n] = masks->workers;
    return masks->n++;
}

static void put_mask_in(nook_task *task, void *user)
{
    struct masks *masks = user;
    pthread_sigmask(SIG_SETMASK, &masks->mask[place_of(masks, task)], &masks->workers);
}

static void take_mask_out(nook_task *task, void *user)
{
    struct masks *masks = user;
    pthread_sigmask(SIG_SETMASK, &masks->workers, &masks->mask[place_of(masks, task)]);
}

static void hooks_give_each_task_a_mask(void **state)
{
    (void)state;
    for (enum way way = VIRTUAL; way <= REAL; way += REAL - VIRTUAL) {
        struct signals s = {.n = 0};
        struct masks masks = {.n = 0};
        nook_task_hooks hooks = {.in = put_mask_in, .out = take_mask_out, .user = &masks};
        nook_run_options options = {.hooks = &hooks};
        int result = -1;
        pthread_sigmask(SIG_BLOCK, NULL, &masks.workers);
        assert_int_equal(run_by(way, look_meanwhile, &s, &options, &result), 0);
        assert_int_equal(result, 0);
        assert_int_equal(s.rc[0], 1);
        assert_int_equal(s.rc[1], 0);
        assert_int_equal(s.rc[2], 0); /* what another task blocked is its own */
        assert_false(winch_blocked());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(a_signal_wakes_who_waits_for_it),
        task_test(a_signal_waits_for_who_comes_late),
        task_test(a_deadline_ends_a_wait_and_takes_no_signal),
        task_test(one_signal_wakes_one_of_two),
        task_test(what_would_never_come_is_refused),
        task_test(a_mask_is_seen_by_the_other_tasks_of_the_worker),
        task_test(hooks_give_each_task_a_mask),
    };
    const sigset_t ours = set_of(SIGUSR1, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &ours, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
