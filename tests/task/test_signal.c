/* SPDX-License-Identifier: MIT */
/*
 * Signals that tasks wait for; and the signal mask, which is the worker's unless a task has
 * set one of its own. SIGUSR1 and
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

/* swapcontext() saves it, whether one wants to pay for that or not. */
#ifndef SWITCH_SAVES_MASK
#define SWITCH_SAVES_MASK 0
#endif

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
        assert_int_equal(s.rc[2], !SWITCH_SAVES_MASK); /* blocked by another task */
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

/* --- a task's own mask ------------------------------------------------------ */

/* What a task saw of SIGWINCH and SIGCONT after each kind of park, as digits: 1, 2, or 3. */
struct own {
    sigset_t set;
    int seen[8], n;
};

static int blocked_here(void)
{
    sigset_t set;
    if (pthread_sigmask(SIG_BLOCK, NULL, &set) != 0)
        return -1;
    return sigismember(&set, SIGWINCH) + 2 * sigismember(&set, SIGCONT);
}

static void look(struct own *own)
{
    own->seen[own->n++] = blocked_here();
}

static int keep_a_mask(void *arg)
{
    struct own *own = arg;
    int rc = nook_task_sigmask(SIG_BLOCK, &own->set, NULL);
    for (int i = 0; rc == 0 && i < 2; i++) {
        look(own);
        rc = nook_yield();
        look(own);
        if (rc == 0)
            rc = nook_sleep(MS);
        look(own);
    }
    return rc;
}

struct three {
    struct own own[3];
    int rc, after;
};

static int three_masks(void *arg)
{
    struct three *three = arg;
    nook_task *tasks[3];
    int results[3];
    for (int i = 0; i < 3; i++) {
        int rc = nook_task_spawn(&tasks[i], keep_a_mask, &three->own[i], &on_first);
        if (rc != 0)
            return rc;
    }
    three->rc = nook_gather(tasks, 3, results);
    for (int i = 0; i < 3; i++) {
        three->rc = three->rc != 0 ? three->rc : results[i];
        nook_task_unref(tasks[i]);
    }
    three->after = blocked_here();
    return three->rc;
}

static void each_task_keeps_the_mask_that_it_set(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct three three = {.own = {{.set = set_of(SIGWINCH, 0)},
                                      {.set = set_of(0, 0)},
                                      {.set = set_of(SIGCONT, SIGWINCH)}}};
        const int wanted[] = {1, 0, 3};
        assert_int_equal(run(way, three_masks, &three), 0);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(three.own[i].n, 6);
            for (int j = 0; j < three.own[i].n; j++)
                assert_int_equal(three.own[i].seen[j], wanted[i]);
        }
        assert_int_equal(three.after, 0);
        assert_int_equal(blocked_here(), 0);
    }
}

static int take_it_along(void *arg)
{
    struct own *own = arg;
    int rc = nook_task_sigmask(SIG_BLOCK, &own->set, NULL);
    for (unsigned worker = 2; rc == 0 && worker <= 3; worker++) {
        rc = nook_task_migrate(worker);
        own->seen[own->n++] = nook_worker_index() == worker ? blocked_here() : -1;
    }
    return rc;
}

static int look_on_each(void *arg)
{
    nook_task *task;
    const nook_task_options travels = {.worker = 1, .migrate = 1};
    struct own *own = arg;
    int rc = nook_task_spawn(&task, take_it_along, own, &travels);
    rc = rc != 0 ? rc : join_result(task);
    for (unsigned worker = 1; rc == 0 && worker <= 3; worker++) {
        rc = nook_task_migrate(worker); /* to the first, too: it has parked since */
        look(own);
    }
    return rc;
}

static void a_mask_moves_with_its_task(void **state)
{
    (void)state;
    for (enum way way = VIRTUAL_3; way < WAYS; way += REAL_3 - VIRTUAL_3) {
        struct own own = {.set = set_of(SIGWINCH, 0)};
        const nook_run_options options = {.migrate = 1};
        int result = -1;
        assert_int_equal(run_by(way, look_on_each, &own, &options, &result), 0);
        assert_int_equal(result, 0);
        assert_int_equal(own.n, 5);
        for (int i = 0; i < 5; i++)
            assert_int_equal(own.seen[i], i < 2);
    }
}

/* Where the kernel has the workers' masks, they may differ. */
static int pass_through(void *arg)
{
    const sigset_t cont = set_of(SIGCONT, 0);
    struct own *own = arg;
    int rc = nook_task_migrate(2);
    pthread_sigmask(SIG_BLOCK, &cont, NULL);
    if (rc == 0)
        rc = nook_task_migrate(1);
    rc = rc != 0 ? rc : look_on_each(own);
    if (rc == 0)
        rc = nook_task_migrate(2);
    pthread_sigmask(SIG_UNBLOCK, &cont, NULL);
    return rc;
}

static void a_mask_leaves_each_workers_as_it_was(void **state)
{
    struct own own = {.set = set_of(SIGWINCH, 0)};
    const nook_run_options options = {.migrate = 1};
    const int wanted[] = {1, 1, 0, 2, 0};
    int result = -1;
    (void)state;
    assert_int_equal(run_by(REAL_3, pass_through, &own, &options, &result), 0);
    assert_int_equal(result, 0);
    assert_int_equal(own.n, 5);
    for (int i = 0; i < 5 && !SWITCH_SAVES_MASK; i++)
        assert_int_equal(own.seen[i], wanted[i]);
}

/* A library that sets the mask in a task that carries one sets the task's. */
static int change_it_behind(void *arg)
{
    struct own *own = arg;
    const sigset_t other = set_of(SIGCONT, 0);
    sigset_t old = {{0}};
    int rc = nook_task_sigmask(SIG_BLOCK, &own->set, NULL);
    pthread_sigmask(SIG_BLOCK, &other, NULL);
    if (rc == 0)
        rc = nook_yield();
    look(own);
    if (rc == 0)
        rc = nook_task_sigmask(SIG_SETMASK, &other, &old);
    own->seen[own->n++] = sigismember(&old, SIGWINCH) + 2 * sigismember(&old, SIGCONT);
    if (rc == 0)
        rc = nook_yield();
    look(own);
    if (rc == 0)
        rc = nook_task_sigmask(SIG_UNBLOCK, &other, NULL);
    look(own);
    return rc;
}

static int join_one(void *arg)
{
    nook_task *task;
    struct own *own = arg;
    int rc = nook_task_spawn(&task, change_it_behind, own, &on_first);
    if (rc == 0)
        rc = nook_yield();
    look(own);
    return rc != 0 ? rc : join_result(task);
}

static void what_changes_behind_it_is_the_tasks_too(void **state)
{
    (void)state;
    struct own own = {.set = set_of(SIGWINCH, 0)};
    assert_int_equal(run(VIRTUAL, join_one, &own), 0);
    const int wanted[] = {0, 3, 3, 2, 0};
    assert_int_equal(own.n, 5);
    for (int i = 0; i < own.n; i++)
        assert_int_equal(own.seen[i], wanted[i]);
}

/* --- what it holds back ------------------------------------------------------- */

static volatile sig_atomic_t winches;

static void count_winch(int signo)
{
    (void)signo;
    winches++;
}

static int raise_blocked(void *arg)
{
    struct signals *s = arg;
    const sigset_t set = set_of(SIGWINCH, 0);
    int rc = nook_task_sigmask(SIG_BLOCK, &set, NULL);
    if (rc == 0)
        rc = raise(SIGWINCH);
    s->rc[0] = winches;
    if (rc == 0)
        rc = nook_yield();
    s->rc[1] = winches;
    return rc;
}

static void what_it_blocks_comes_once_it_has_parked(void **state)
{
    struct sigaction action = {.sa_handler = count_winch, .sa_flags = SA_ONSTACK}, before;
    (void)state;
    sigaction(SIGWINCH, &action, &before);
    for (enum way way = 0; way < WAYS; way++) {
        struct signals s = {.rc = {-1, -1}};
        winches = 0;
        assert_int_equal(run(way, raise_blocked, &s), 0);
        assert_int_equal(s.rc[0], 0);
        assert_int_equal(s.rc[1], 1);
        assert_int_equal(winches, 1);
    }
    sigaction(SIGWINCH, &before, NULL);
}

static void look_at_end(void *user)
{
    look(user);
}

static void look_in_callback(void *arg)
{
    struct signals *s = arg;
    s->rc[4] = nook_task_sigmask(SIG_BLOCK, &s->set, NULL);
}

static int ask_wrongly(void *arg)
{
    struct signals *s = arg;
    const sigset_t winch = set_of(SIGWINCH, 0);
    sigset_t old = {{0}};
    int rc = 0;
    s->rc[0] = nook_task_sigmask(99, &winch, NULL);
    s->rc[1] = nook_task_sigmask(99, NULL, NULL);
    s->rc[2] = blocked_here();
    if (rc == 0)
        rc = nook_task_sigmask(SIG_BLOCK, &winch, NULL);
    if (rc == 0)
        rc = nook_task_sigmask(SIG_BLOCK, NULL, &old);
    s->signo[0] = sigismember(&old, SIGWINCH);
    nook_deadline deadline;
    if (rc == 0)
        rc = nook_deadline_enter(&deadline, 100 * MS);
    if (rc == 0) {
        s->rc[3] = nook_signal_wait(&winch, NULL); /* parked, it would not be blocked */
        rc = nook_deadline_exit(&deadline);
    }
    s->signo[1] = blocked_here();
    if (rc == 0)
        rc = nook_call_soon(NULL, look_in_callback, s, NULL);
    if (rc == 0)
        rc = nook_yield();
    return rc;
}

static void a_mask_is_refused_where_it_cannot_be(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct signals s = {.rc = {9, 9, 9, 9, 9}};
        assert_int_equal(run(way, ask_wrongly, &s), 0);
        assert_int_equal(s.rc[0], NOOK_EINVAL);
        assert_int_equal(s.rc[1], 0);
        assert_int_equal(s.rc[2], 0);
        assert_int_equal(s.rc[3], NOOK_EINVAL);
        assert_int_equal(s.rc[4], NOOK_ENOTASK);
        assert_int_equal(s.signo[0], 1);
        assert_int_equal(s.signo[1], 1);
        assert_int_equal(nook_task_sigmask(SIG_BLOCK, &s.set, NULL), NOOK_ENOTASK);
        assert_int_equal(nook_task_sigmask(SIG_BLOCK, NULL, NULL), NOOK_ENOTASK);
    }
}

/* Its own mask holds in what was registered after it, the worker's in what came before. */
static int end_with_a_mask(void *arg)
{
    struct own *own = arg;
    int rc = nook_task_at_end(look_at_end, own);
    if (rc == 0)
        rc = nook_task_sigmask(SIG_BLOCK, &own->set, NULL);
    if (rc == 0)
        rc = nook_task_at_end(look_at_end, own);
    return rc;
}

static void the_workers_mask_is_back_at_the_end(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct own own = {.set = set_of(SIGWINCH, 0)};
        assert_int_equal(run(way, end_with_a_mask, &own), 0);
        assert_int_equal(own.n, 2);
        assert_int_equal(own.seen[0], 1);
        assert_int_equal(own.seen[1], 0);
        assert_int_equal(blocked_here(), 0);
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
        task_test(each_task_keeps_the_mask_that_it_set),
        task_test(a_mask_moves_with_its_task),
        task_test(a_mask_leaves_each_workers_as_it_was),
        task_test(what_changes_behind_it_is_the_tasks_too),
        task_test(what_it_blocks_comes_once_it_has_parked),
        task_test(a_mask_is_refused_where_it_cannot_be),
        task_test(the_workers_mask_is_back_at_the_end),
    };
    const sigset_t ours = set_of(SIGUSR1, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &ours, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
