/* SPDX-License-Identifier: MIT */
/*
 * What the system refuses: descriptors, threads, a newer call; and how often it is asked
 * for events, and to set a signal mask. The linker sends those calls through here.
 */
#include "support.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);
int __real_epoll_pwait2(int epoll, struct epoll_event *events, int n,
                        const struct timespec *time, const sigset_t *mask);
int __wrap_epoll_pwait2(int epoll, struct epoll_event *events, int n,
                        const struct timespec *time, const sigset_t *mask);
int __real_epoll_wait(int epoll, struct epoll_event *events, int n, int ms);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int n, int ms);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg);

static int no_epoll;
static atomic_int no_pwait2, threads_left = 1000, polls, newer_polls;
static void (*in_poll)(int at_once);

int __wrap_epoll_create1(int flags)
{
    if (!no_epoll)
        return __real_epoll_create1(flags);
    errno = EMFILE;
    return -1;
}

int __wrap_epoll_pwait2(int epoll, struct epoll_event *events, int n,
                        const struct timespec *time, const sigset_t *mask)
{
    atomic_fetch_add(&polls, 1);
    atomic_fetch_add(&newer_polls, 1);
    if (in_poll != NULL)
        in_poll(time != NULL && time->tv_sec == 0 && time->tv_nsec == 0);
    if (!atomic_load(&no_pwait2))
        return __real_epoll_pwait2(epoll, events, n, time, mask);
    errno = ENOSYS;
    return -1;
}

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int n, int ms)
{
    atomic_fetch_add(&polls, 1);
    if (in_poll != NULL)
        in_poll(ms == 0);
    return __real_epoll_wait(epoll, events, n, ms);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg)
{
    if (atomic_fetch_sub(&threads_left, 1) <= 0)
        return EAGAIN;
    return __real_pthread_create(thread, attr, fn, arg);
}

static int count_runs(void *arg)
{
    ++*(int *)arg;
    return nook_sleep(MS);
}

/* --- descriptors ---------------------------------------------------------- */

static int wait_in_vain(void *arg)
{
    int *rc = arg;
    rc[0] = nook_wait_fd(0, NOOK_READABLE, NULL);
    rc[1] = nook_sleep(MS);
    return 0;
}

static void without_a_poller_a_run_does_not_begin(void **state)
{
    int runs = 0, rc[2] = {0};
    (void)state;
    no_epoll = 1;
    int real = run_by(REAL, count_runs, &runs, NULL, NULL);
    int real_3 = run_by(REAL_3, count_runs, &runs, NULL, NULL);
    int virtual = run_by(VIRTUAL, wait_in_vain, rc, NULL, NULL);
    no_epoll = 0;
    assert_int_equal(real, -EMFILE);
    assert_int_equal(real_3, -EMFILE);
    assert_int_equal(runs, 0);
    /* A schedule opens it for the first who asks. */
    assert_int_equal(virtual, 0);
    assert_int_equal(rc[0], -EMFILE);
    assert_int_equal(rc[1], 0);
}

/* --- threads -------------------------------------------------------------- */

static void without_threads_a_run_does_not_begin(void **state)
{
    nook_run_options options = {.workers = 4};
    (void)state;
    for (int left = 0; left < 3; left++) {
        int runs = 0, result = 5;
        atomic_store(&threads_left, left);
        int rc = nook_run(count_runs, &runs, &options, &result);
        atomic_store(&threads_left, 1000);
        assert_int_equal(rc, NOOK_EAGAIN);
        assert_int_equal(runs, 0);
        assert_int_equal(result, 5);
    }
}

static void nobody_stalls(const nook_stall *stall, void *user)
{
    (void)stall;
    (void)user;
}

static void nor_without_a_watchdog(void **state)
{
    nook_watch watch = {.stall_ns = 1000 * MS, .stalled = nobody_stalls};
    nook_run_options options = {.workers = 4, .watch = &watch};
    (void)state;
    for (int left = 0; left < 5; left++) {
        int runs = 0;
        atomic_store(&threads_left, left);
        int rc = nook_run(count_runs, &runs, &options, NULL);
        atomic_store(&threads_left, 1000);
        assert_int_equal(rc, left < 4 ? NOOK_EAGAIN : 0);
        assert_int_equal(runs, left < 4 ? 0 : 1);
    }
}

static int give_six(void *arg)
{
    (void)arg;
    usleep(1000);
    return 6;
}

static int one_job(void *arg)
{
    int result = 0;
    (void)arg;
    int rc = nook_to_thread(give_six, NULL, &result);
    return rc != 0 ? rc : result;
}

static int some_jobs(void *arg)
{
    nook_task *tasks[4] = {NULL};
    int results[4] = {0}, rc = 0;
    for (int i = 0; rc == 0 && i < 4; i++)
        rc = nook_task_spawn(&tasks[i], one_job, arg, NULL);
    if (rc == 0)
        rc = nook_gather(tasks, 4, results);
    for (int i = 0; i < 4; i++)
        nook_task_unref(tasks[i]);
    return rc != 0 ? rc : results[0] + results[1] + results[2] + results[3];
}

static void jobs_need_one_thread_at_least(void **state)
{
    (void)state;
    for (enum way way = 0; way < REAL_3; way++) {
        int without = 0, with_one = 0;
        atomic_store(&threads_left, 0);
        int rc = run_by(way, one_job, NULL, NULL, &without);
        atomic_store(&threads_left, 1);
        rc |= run_by(way, some_jobs, NULL, NULL, &with_one);
        atomic_store(&threads_left, 1000);
        assert_int_equal(rc, 0);
        assert_int_equal(without, NOOK_EAGAIN);
        assert_int_equal(with_one, 24); /* one after the other */
    }
}

/* --- who watches ---------------------------------------------------------- */

struct ends {
    int fd[2];
    int calls;
    uint64_t late;
    atomic_int stage;
};

static void open_ends(struct ends *ends)
{
    memset(ends, 0, sizeof *ends);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends->fd), 0);
}

static void close_ends(const struct ends *ends)
{
    close(ends->fd[0]);
    close(ends->fd[1]);
}

/* Takes its time, and takes nothing from the descriptor. */
static void dawdle(void *arg)
{
    struct ends *ends = arg;
    ends->calls++;
    usleep(30000);
}

static int call_dawdler(void *arg)
{
    struct ends *ends = arg;
    nook_handle *handle;
    if (write(ends->fd[1], "x", 1) != 1)
        return -1;
    int rc = nook_on_fd(&handle, ends->fd[0], NOOK_READABLE, dawdle, ends, NULL);
    if (rc != 0)
        return rc;
    rc = nook_sleep(100 * MS);
    nook_handle_unref(handle);
    return rc;
}

static void nobody_turns_round_while_a_callback_is_busy(void **state)
{
    struct ends ends;
    (void)state;
    open_ends(&ends);
    atomic_store(&polls, 0);
    int rc = run_by(REAL_3, call_dawdler, &ends, NULL, NULL);
    close_ends(&ends);
    assert_int_equal(rc, 0);
    assert_in_range(ends.calls, 1, 20); /* it is called again and again */
    /* Who turned round would ask tens of thousands of times, on the busiest machine. */
    assert_in_range(atomic_load(&polls), 1, 200 * (unsigned)ends.calls);
}

/*
 * Worker 1 looks at the descriptors between two steps; while it does so, worker 2
 * goes to sleep, with a timer set. Then worker 1 computes for long. Somebody
 * must watch the timer.
 */
static struct ends *watched;

static void hold_between_steps(int at_once)
{
    if (!at_once || atomic_load(&watched->stage) != 1)
        return;
    atomic_store(&watched->stage, 2);
    usleep(30000); /* time for worker 2 to go to sleep */
    atomic_store(&watched->stage, 3);
}

static int doze(void *arg)
{
    struct ends *ends = arg;
    atomic_store(&ends->stage, 1);
    while (atomic_load(&ends->stage) == 1)
        usleep(100);
    uint64_t from = nook_now();
    int rc = nook_sleep(40 * MS);
    ends->late = nook_now() - from;
    return rc;
}

static void never_called(void *arg)
{
    (void)arg;
}

static int compute_beside(void *arg)
{
    struct ends *ends = arg;
    nook_handle *handle = NULL;
    nook_task *task = NULL;
    int rc = nook_on_fd(&handle, ends->fd[0], NOOK_READABLE, never_called, NULL, NULL);
    if (rc == 0)
        rc = nook_task_spawn(&task, doze, ends, &(nook_task_options){.worker = 2});
    while (rc == 0 && atomic_load(&ends->stage) != 3)
        rc = nook_yield();
    sleep(1);
    if (rc == 0)
        rc = nook_task_join(task, NULL);
    nook_task_unref(task);
    nook_handle_unref(handle);
    return rc;
}

static void a_sleeper_takes_over_the_watch(void **state)
{
    struct ends ends;
    (void)state;
    open_ends(&ends);
    watched = &ends;
    in_poll = hold_between_steps;
    int rc = nook_run(compute_beside, &ends, &(nook_run_options){.workers = 2}, NULL);
    in_poll = NULL;
    close_ends(&ends);
    assert_int_equal(rc, 0);
    assert_in_range(ends.late, 40 * MS, 700 * MS);
}

/* --- an older kernel ------------------------------------------------------ */

static int read_one(void *arg)
{
    struct ends *ends = arg;
    return nook_wait_fd(ends->fd[0], NOOK_READABLE, NULL);
}

static int read_and_sleep(void *arg)
{
    struct ends *ends = arg;
    nook_task *task;
    int rc = nook_task_spawn(&task, read_one, ends, NULL), result = -1;
    uint64_t from = nook_now();
    if (rc == 0)
        rc = nook_sleep(2 * MS + 1);
    ends->late = nook_now() - from;
    if (write(ends->fd[1], "x", 1) != 1)
        rc = -1;
    if (rc == 0)
        rc = nook_task_join(task, &result);
    nook_task_unref(task);
    return rc != 0 ? rc : result;
}

/* Last of all: that it is missing is found out once. */
static void a_kernel_without_epoll_pwait2_will_do(void **state)
{
    (void)state;
    atomic_store(&no_pwait2, 1);
    atomic_store(&newer_polls, 0);
    for (enum way way = 0; way < WAYS; way++) {
        struct ends ends;
        open_ends(&ends);
        int result = -1, rc = run_by(way, read_and_sleep, &ends, NULL, &result);
        close_ends(&ends);
        assert_int_equal(rc, 0);
        assert_int_equal(result, 0);
        assert_true(ends.late >= 2 * MS + 1);
    }
    assert_in_range(atomic_load(&newer_polls), 0, 4); /* one a thread at most */
}

/* --- connections ---------------------------------------------------------- */

struct calls {
    int listener, fd, rc[3];
};

/* No descriptor is left; the connection waits until there is one. */
static int accept_without_room(void *arg)
{
    struct calls *calls = arg;
    struct rlimit before, none;
    int next = dup(calls->listener);
    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = (rlim_t)next;
    setrlimit(RLIMIT_NOFILE, &none);
    calls->rc[0] = nook_accept(&calls->fd, calls->listener, NULL, NULL);
    calls->rc[1] = nook_accept(&calls->fd, calls->listener, NULL, NULL);
    setrlimit(RLIMIT_NOFILE, &before);
    calls->rc[2] = nook_accept(&calls->fd, calls->listener, NULL, NULL);
    return 0;
}

static void without_descriptors_a_connection_waits(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct calls calls = {.listener = -1, .fd = -1};
        struct sockaddr_in name;
        socklen_t size = sizeof name;
        assert_int_equal(nook_listen_tcp(&calls.listener, "127.0.0.1", "0", 5), 0);
        assert_int_equal(getsockname(calls.listener, (struct sockaddr *)&name, &size), 0);
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&name, size), 0);
        int rc = run(way, accept_without_room, &calls);
        close(client);
        close(calls.fd);
        close(calls.listener);
        assert_int_equal(rc, 0);
        assert_int_equal(calls.rc[0], -EMFILE);
        assert_int_equal(calls.rc[1], -EMFILE);
        assert_int_equal(calls.rc[2], 0);
    }
}

/* --- the price of a mask ---------------------------------------------------- */

int __real_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);

static int masks_set;

int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    masks_set++;
    return __real_pthread_sigmask(how, set, old);
}

static int count_masks(int *price)
{
    int before = masks_set;
    int rc = nook_yield();
    if (rc == 0)
        rc = nook_sleep(1);
    *price = masks_set - before;
    return rc;
}

static int park_with_and_without(void *arg)
{
    int *prices = arg;
    sigset_t winch;
    sigemptyset(&winch);
    sigaddset(&winch, SIGWINCH);
    int rc = count_masks(&prices[0]);
    if (rc == 0)
        rc = nook_task_sigmask(SIG_BLOCK, &winch, NULL);
    if (rc == 0)
        rc = count_masks(&prices[1]);
    if (rc == 0)
        rc = nook_task_sigmask(SIG_UNBLOCK, &winch, NULL);
    return rc != 0 ? rc : count_masks(&prices[2]);
}

static void only_a_task_with_a_mask_pays_for_it(void **state)
{
    int prices[3] = {-1, -1, -1};
    (void)state;
    assert_int_equal(run(VIRTUAL, park_with_and_without, prices), 0);
    assert_int_equal(prices[0], 0);
    assert_int_equal(prices[1], 4); /* two parks */
    assert_int_equal(prices[2], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(without_a_poller_a_run_does_not_begin),
        task_test(without_threads_a_run_does_not_begin),
        task_test(nor_without_a_watchdog),
        task_test(jobs_need_one_thread_at_least),
        task_test(nobody_turns_round_while_a_callback_is_busy),
        task_test(a_sleeper_takes_over_the_watch),
        task_test(a_kernel_without_epoll_pwait2_will_do),
        task_test(without_descriptors_a_connection_waits),
        task_test(only_a_task_with_a_mask_pays_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
