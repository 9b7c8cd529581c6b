/* SPDX-License-Identifier: MIT */
/*
 * Two workers in the poller at the same time: the one that only looks must neither
 * take the call that is meant for the one that sleeps there, nor pass for it. The
 * linker sends the library's calls of the poller through here, which hold them as long
 * as the case needs. tests/model/run.pml has the same faults as variants 8 and 9.
 */
#include "support.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>

int __real_epoll_pwait2(int epoll, struct epoll_event *events, int n,
                        const struct timespec *time, const sigset_t *mask);
int __wrap_epoll_pwait2(int epoll, struct epoll_event *events, int n,
                        const struct timespec *time, const sigset_t *mask);

/* Where the kernel, or an emulator, has no such call: what the library would do then does
 * not come through here. */
static int wait_for(int epoll, struct epoll_event *events, int n, const struct timespec *time)
{
    int found = __real_epoll_pwait2(epoll, events, n, time, NULL);
    if (found >= 0 || errno != ENOSYS)
        return found;
    return epoll_wait(
        epoll, events, n,
        time == NULL ? -1 : (int)(time->tv_sec * 1000 + (time->tv_nsec + 999999) / 1000000));
}

enum { FREE, HOLD, HELD, SLEEPER_IN, WRITTEN, LOOKED, GO };

static atomic_int stage, lost;
static int (*looks)(int epoll, struct epoll_event *events, int n);

static void pause_for(uint64_t ns)
{
    struct timespec time = {.tv_sec = (time_t)(ns / 1000000000),
                            .tv_nsec = (long)(ns % 1000000000)};
    nanosleep(&time, NULL);
}

/* For some seconds at most: then the case did not come about, and the test says so. */
static int reached(int which)
{
    for (int i = 0; i < 5000; i++) {
        if (atomic_load(&stage) >= which)
            return 1;
        pause_for(MS);
    }
    return 0;
}

/* Comes after the others, and is late: what has been taken meanwhile it does not see. */
static int sleeper(int epoll, struct epoll_event *events, int n, const struct timespec *time)
{
    struct timespec long_enough = {.tv_sec = 2};
    int expected = HELD;
    if (!atomic_compare_exchange_strong(&stage, &expected, SLEEPER_IN))
        return wait_for(epoll, events, n, time);
    (void)reached(GO);
    int found = wait_for(epoll, events, n, &long_enough);
    atomic_store(&lost, found == 0);
    return found;
}

int __wrap_epoll_pwait2(int epoll, struct epoll_event *events, int n,
                        const struct timespec *time, const sigset_t *mask)
{
    int expected = HOLD;
    (void)mask; /* the library gives none */
    if (time == NULL || time->tv_sec != 0 || time->tv_nsec != 0)
        return sleeper(epoll, events, n, time);
    if (atomic_compare_exchange_strong(&stage, &expected, HELD))
        return looks(epoll, events, n);
    return wait_for(epoll, events, n, time);
}

/* Who looks is told when this descriptor is waited for, under the lock that it will take. */
static atomic_int awaited = -1;

int __real_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    int rc = __real_epoll_ctl(epoll, op, fd, event);
    if (op == EPOLL_CTL_ADD && fd == atomic_load(&awaited))
        atomic_store(&stage, GO);
    return rc;
}

/* --- the call is for the sleeper ------------------------------------------------ */

static int looks_until_the_call(int epoll, struct epoll_event *events, int n)
{
    struct timespec second = {.tv_sec = 5};
    (void)reached(SLEEPER_IN);
    int found = wait_for(epoll, events, n, &second);
    atomic_store(&stage, LOOKED);
    return found;
}

static int job(void *arg)
{
    (void)arg;
    return reached(SLEEPER_IN);
}

/* The worker sleeps in the poller when the job comes back to it. */
static int with_a_job(void *arg)
{
    (void)arg;
    int came = -1;
    atomic_store(&stage, HOLD);
    if (!reached(HELD))
        return -1;
    int rc = nook_to_thread(job, NULL, &came);
    return rc == 0 ? came : rc;
}

static int wait_readable(void *arg)
{
    return nook_wait_fd(*(int *)arg, NOOK_READABLE, NULL);
}

static int call_the_sleeper(void *arg)
{
    int *ends = arg, result = -1;
    nook_task *reader, *worker;
    int rc = nook_task_spawn(&reader, wait_readable, ends, &(nook_task_options){.worker = 1});
    if (rc == 0)
        rc = nook_task_spawn(&worker, with_a_job, NULL, &(nook_task_options){.worker = 2});
    if (rc != 0)
        return rc;
    while (atomic_load(&stage) < LOOKED)
        (void)nook_yield();
    atomic_store(&stage, GO);
    (void)nook_task_join(worker, &result);
    if (write(ends[1], "x", 1) != 1)
        result = -1;
    (void)nook_task_join(reader, NULL);
    nook_task_unref(worker);
    nook_task_unref(reader);
    return result;
}

static void a_call_is_not_taken_by_who_only_looks(void **state)
{
    int ends[2], result = -1;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    atomic_store(&stage, FREE);
    atomic_store(&lost, -1);
    looks = looks_until_the_call;
    int rc = nook_run(call_the_sleeper, ends, &(nook_run_options){.workers = 2}, &result);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(rc, 0);
    assert_int_equal(result, 1);
    assert_int_equal(atomic_load(&lost), 0);
}

/* --- a sleeper that sees no descriptor -------------------------------------------- */

/* What it found, it found before the new wait began. */
static int looks_until_told(int epoll, struct epoll_event *events, int n)
{
    struct timespec none = {0};
    int found = wait_for(epoll, events, n, &none);
    (void)reached(GO);
    pause_for(100 * MS); /* until that has begun */
    return found;
}

struct blind {
    int quiet[2], ready[2];
    nook_task *reader;
    uint64_t took;
};

static int keep_busy(void *arg)
{
    (void)arg;
    return reached(LOOKED);
}

static int cancel_and_begin(void *arg)
{
    struct blind *blind = arg;
    if (!reached(HELD) || nook_task_cancel(blind->reader) != 0)
        return -1;
    atomic_store(&stage, LOOKED);
    pause_for(100 * MS); /* until the third worker watches the timer, and that alone */
    uint64_t start = nook_now();
    atomic_store(&stage, GO);
    int rc = nook_wait_fd(blind->ready[0], NOOK_READABLE, NULL);
    blind->took = nook_now() - start;
    return rc;
}

static int sleep_long(void *arg)
{
    (void)arg;
    return nook_sleep(3000 * MS);
}

static int tell_the_blind(void *arg)
{
    struct blind *blind = arg;
    nook_task *tasks[4] = {NULL};
    int result = -1;
    nook_task_options first = {.worker = 1}, second = {.worker = 2}, third = {.worker = 3};
    int rc = nook_task_spawn(&tasks[0], wait_readable, &blind->quiet[0], &first);
    blind->reader = tasks[0];
    rc |= nook_task_spawn(&tasks[1], sleep_long, NULL, &first);
    rc |= nook_task_spawn(&tasks[2], keep_busy, NULL, &third);
    for (int i = 0; i < 3; i++)
        (void)nook_yield();
    atomic_store(&stage, HOLD);
    rc |= nook_task_spawn(&tasks[3], cancel_and_begin, blind, &second);
    while (rc == 0 && atomic_load(&stage) < GO)
        (void)nook_yield();
    if (rc == 0)
        (void)nook_task_join(tasks[3], &result);
    for (int i = 0; i < 4; i++)
        nook_task_unref(tasks[i]);
    return result;
}

static void a_sleeper_at_its_inbox_hears_of_a_descriptor(void **state)
{
    struct blind blind = {.took = UINT64_MAX};
    int result = -1;
    (void)state;
    assert_int_equal(pipe(blind.quiet), 0);
    assert_int_equal(pipe(blind.ready), 0);
    assert_int_equal(write(blind.ready[1], "x", 1), 1);
    atomic_store(&stage, FREE);
    looks = looks_until_told;
    int rc = nook_run(tell_the_blind, &blind, &(nook_run_options){.workers = 3}, &result);
    for (int i = 0; i < 2; i++) {
        close(blind.quiet[i]);
        close(blind.ready[i]);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(result, 0);
    assert_in_range(blind.took, 0, 1500 * MS);
}

/* --- a report that comes late ------------------------------------------------------- */

struct reused {
    int old[2], quiet[2];
    nook_task *reader;
    int wait, exit;
};

static atomic_int found_late;

static int looks_and_comes_late(int epoll, struct epoll_event *events, int n)
{
    struct timespec none = {0};
    (void)reached(WRITTEN);
    int found = wait_for(epoll, events, n, &none);
    atomic_store(&found_late, found);
    atomic_store(&stage, LOOKED);
    (void)reached(GO);
    return found;
}

/* The report is of the old file; the number is another's by the time that it is heard.
   Who looks is held before there is anything to see: nobody else takes the report. */
static int reuse_the_number(void *arg)
{
    struct reused *reused = arg;
    nook_deadline deadline;
    int fd = reused->old[0];
    atomic_store(&stage, HOLD);
    if (!reached(HELD) || write(reused->old[1], "x", 1) != 1)
        return -1;
    atomic_store(&stage, WRITTEN);
    if (!reached(LOOKED) || nook_task_cancel(reused->reader) != 0 || nook_close(fd) != 0 ||
        dup2(reused->quiet[0], fd) != fd)
        return -1;
    atomic_store(&awaited, fd);
    int rc = nook_deadline_enter(&deadline, 100 * MS);
    reused->wait = nook_wait_fd(fd, NOOK_READABLE, NULL);
    reused->exit = nook_deadline_exit(&deadline);
    return rc;
}

static int look_meanwhile(void *arg)
{
    struct reused *reused = arg;
    nook_task_options second = {.worker = 2};
    nook_task *task = NULL;
    int result = -1;
    int rc = nook_task_spawn(&reused->reader, wait_readable, &reused->old[0], &second);
    if (rc == 0)
        rc = nook_task_spawn(&task, reuse_the_number, reused, &second);
    while (rc == 0 && !nook_task_done(task))
        rc = nook_yield();
    if (rc == 0)
        rc = nook_task_join(task, &result);
    nook_task_unref(reused->reader);
    nook_task_unref(task);
    return rc != 0 ? rc : result;
}

static void a_report_is_not_for_who_waits_for_another_file_by_now(void **state)
{
    struct reused reused = {.wait = 1};
    int result = -1;
    (void)state;
    assert_int_equal(pipe(reused.old), 0);
    assert_int_equal(pipe(reused.quiet), 0);
    atomic_store(&stage, FREE);
    atomic_store(&found_late, 0);
    looks = looks_and_comes_late;
    int rc = nook_run(look_meanwhile, &reused, &(nook_run_options){.workers = 2}, &result);
    atomic_store(&awaited, -1);
    for (int i = 0; i < 2; i++) {
        close(reused.old[i]);
        close(reused.quiet[i]);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(result, 0);
    assert_int_equal(atomic_load(&found_late), 1);
    assert_int_equal(reused.wait, NOOK_ECANCELED);
    assert_int_equal(reused.exit, NOOK_ETIMEDOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(a_call_is_not_taken_by_who_only_looks),
        task_test(a_sleeper_at_its_inbox_hears_of_a_descriptor),
        task_test(a_report_is_not_for_who_waits_for_another_file_by_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
