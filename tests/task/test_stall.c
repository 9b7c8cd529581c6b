/* SPDX-License-Identifier: MIT */
/*
 * Who is told of, and when. The linker sends the watchdog's clock and its sleep through
 * here: it looks when a case lets it, and a quarter of the limit has passed then, however
 * busy the machine is. check_dump.sh has the same with the real clock.
 */
#include "want.h"

#include "task/run.h"
#include <errno.h>
#include <time.h>

enum { LIMIT_MS = 100, STEP_MS = 25, LOOKS_TO_THE_LIMIT = 4 };

int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                  const struct timespec *until);

static atomic_int allowed, looked;
static __thread int looking;       /* of the watchdog */
static __thread uint64_t clock_ns; /* 0: not the watchdog */

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    if (clock_ns == 0)
        return __real_clock_gettime(clock, time);
    time->tv_sec = (time_t)(clock_ns / 1000000000);
    time->tv_nsec = (long)(clock_ns % 1000000000);
    return 0;
}

static int sleep_briefly(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    struct timespec until;
    __real_clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return __real_pthread_cond_timedwait(cond, mutex, &until);
}

/* The watchdog sleeps until it may look. Nobody else has a time to wait for here. */
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    (void)until;
    if (clock_ns == 0)
        clock_ns = 1000 * MS;
    atomic_fetch_add(&looked, looking);
    looking = 0;
    while (atomic_load(&allowed) == 0) {
        int rc = sleep_briefly(cond, mutex);
        if (rc != ETIMEDOUT)
            return rc;
    }
    atomic_fetch_sub(&allowed, 1);
    clock_ns += STEP_MS * MS;
    looking = 1;
    return ETIMEDOUT;
}

/* --- cases ---------------------------------------------------------------------- */

struct seen {
    char name[32];
    uint64_t id, ns;
    unsigned worker;
    const nook_site *site;
};

struct stalls {
    struct nook__run *run;
    nook_event over;
    struct seen seen[8];
    atomic_int reports;
    int early, in_time, after; /* how many at each time */
};

static void keep_report(const nook_stall *stall, void *user)
{
    struct stalls *stalls = user;
    struct seen *seen = &stalls->seen[atomic_fetch_add(&stalls->reports, 1) % 8];
    snprintf(seen->name, sizeof seen->name, "%s",
             stall->name != NULL ? stall->name : "callback");
    seen->id = stall->id;
    seen->ns = stall->ns;
    seen->worker = stall->worker;
    seen->site = stall->site;
}

/* The watchdog looks n times, while no other worker is busy. */
static int look(const struct stalls *stalls, int n)
{
    for (unsigned i = 0; i < stalls->run->n_workers; i++)
        while (&stalls->run->workers[i] != nook__here() &&
               atomic_load(&stalls->run->workers[i].busy))
            continue;
    int until = atomic_load(&looked) + n;
    atomic_fetch_add(&allowed, n);
    while (atomic_load(&looked) < until)
        continue;
    return atomic_load(&stalls->reports);
}

static int look_often(void *arg)
{
    return look(arg, 20);
}

static int yield_often(void *arg)
{
    for (int i = 0; i < 20; i++) {
        WANT(look(arg, 1) == 0);
        WANT(nook_yield() == 0);
    }
    return 0;
}

static void keep_the_worker(void *arg)
{
    struct stalls *stalls = arg;
    stalls->early = look(stalls, LOOKS_TO_THE_LIMIT);
    stalls->in_time = look(stalls, 1);
    stalls->after = look(stalls, 20);
    (void)nook_event_set(&stalls->over);
}

static int keeper(void *arg)
{
    keep_the_worker(arg);
    return 0;
}

/* One after the other: a task that parks, one that waits, and one that does neither. */
static int stall_in_a_task(void *arg)
{
    struct stalls *stalls = arg;
    nook_task *task;
    int reports = -1;
    stalls->run = nook__here()->run;
    nook_task_options last = {.name = "keeper", .worker = stalls->run->n_workers};
    WANT(nook_task_spawn(&task, yield_often, stalls, &(nook_task_options){.worker = 1}) == 0);
    WANT(finish(task) == 0);
    WANT(nook_to_thread(look_often, stalls, &reports) == 0 && reports == 0);
    WANT(nook_task_spawn(&task, keeper, stalls, &last) == 0);
    WANT(finish(task) == 0);
    return 0;
}

static int stall_in_a_callback(void *arg)
{
    struct stalls *stalls = arg;
    stalls->run = nook__here()->run;
    WANT(nook_call_soon(NULL, keep_the_worker, stalls, NULL) == 0);
    return nook_event_wait(&stalls->over);
}

static struct seen one_report(nook_task_fn main, unsigned workers)
{
    struct stalls stalls = {0};
    nook_watch watch = {.stall_ns = LIMIT_MS * MS, .stalled = keep_report, .user = &stalls};
    int result = -1;
    assert_int_equal(nook_run(main, &stalls,
                              &(nook_run_options){.workers = workers, .watch = &watch},
                              &result),
                     0);
    assert_int_equal(result, 0);
    assert_int_equal(stalls.early, 0);
    assert_int_equal(stalls.in_time, 1);
    assert_int_equal(stalls.after, 1);
    assert_int_equal(stalls.reports, 1);
    assert_int_equal(stalls.seen[0].ns, LIMIT_MS * MS);
    return stalls.seen[0];
}

static void who_does_not_park_is_reported_once_and_nobody_else(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers += 2) {
        struct seen seen = one_report(stall_in_a_task, workers);
        assert_string_equal(seen.name, "keeper");
        assert_true(seen.id != 0);
        assert_int_equal(seen.worker, workers);
        assert_non_null(seen.site);
        assert_string_equal(seen.site->function, "stall_in_a_task");
    }
}

static void a_callback_that_does_not_return_is_reported_once(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers += 2) {
        struct seen seen = one_report(stall_in_a_callback, workers);
        assert_string_equal(seen.name, "callback");
        assert_int_equal(seen.id, 0);
        assert_int_equal(seen.worker, 1);
        assert_null(seen.site);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(who_does_not_park_is_reported_once_and_nobody_else),
        task_test(a_callback_that_does_not_return_is_reported_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
