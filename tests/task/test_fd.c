/* SPDX-License-Identifier: MIT */
/* Descriptors: tasks that wait for them, callbacks for them, and what can be wrong. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

/* On main's worker: there they come first to their wait when main sleeps. */
static const nook_task_options on_first = {.worker = 1};

struct ends {
    int fd[2];
    int rc[6], n;
    unsigned ready[6];
    char got[64];
    nook_task *task;
    nook_handle *handle;
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

static void fill(int fd)
{
    char full[4096] = {0};
    while (write(fd, full, sizeof full) > 0)
        continue;
}

/* The code of the join, or else what the task returned. */
static int join_result(nook_task *task)
{
    int result = 0;
    int rc = nook_task_join(task, &result);
    return rc != 0 ? rc : result;
}

/* --- one waits, another makes it ready ------------------------------------ */

static int read_it(void *arg)
{
    struct ends *ends = arg;
    for (int i = 0; i < 3; i++) {
        ends->rc[i] = nook_wait_fd(ends->fd[0], NOOK_READABLE, &ends->ready[i]);
        if (ends->rc[i] != 0 || read(ends->fd[0], &ends->got[i], 1) != 1)
            return -1;
    }
    return 0;
}

static int write_it(void *arg)
{
    struct ends *ends = arg;
    nook_task *reader;
    int rc = nook_task_spawn(&reader, read_it, ends, &on_first);
    for (int i = 0; rc == 0 && i < 3; i++) {
        rc = nook_yield();
        if (rc == 0 && write(ends->fd[1], &"abc"[i], 1) != 1)
            rc = -1;
    }
    if (rc == 0)
        rc = join_result(reader);
    nook_task_unref(reader);
    return rc;
}

static void a_reader_wakes_for_each_byte(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct ends ends;
        open_ends(&ends);
        assert_int_equal(run(way, write_it, &ends), 0);
        close_ends(&ends);
        assert_string_equal(ends.got, "abc");
        for (int i = 0; i < 3; i++)
            assert_int_equal(ends.ready[i], NOOK_READABLE);
    }
}

static int await_room(void *arg)
{
    struct ends *ends = arg;
    ends->rc[0] = nook_wait_fd(ends->fd[0], NOOK_WRITABLE, &ends->ready[0]);
    return ends->rc[0];
}

static int make_room(void *arg)
{
    struct ends *ends = arg;
    char buffer[4096];
    fill(ends->fd[0]);
    int rc = nook_task_spawn(&ends->task, await_room, ends, &on_first);
    if (rc == 0)
        rc = nook_sleep(MS);
    ends->n = nook_task_done(ends->task);
    while (read(ends->fd[1], buffer, sizeof buffer) > 0)
        continue;
    if (rc == 0)
        rc = join_result(ends->task);
    nook_task_unref(ends->task);
    return rc;
}

static void a_writer_wakes_when_there_is_room(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct ends ends;
        open_ends(&ends);
        assert_int_equal(run(way, make_room, &ends), 0);
        close_ends(&ends);
        assert_int_equal(ends.n, 0);
        assert_int_equal(ends.ready[0], NOOK_WRITABLE);
    }
}

/* --- two directions ------------------------------------------------------- */

static int wait_both(void *arg)
{
    struct ends *ends = arg;
    ends->rc[0] = nook_wait_fd(ends->fd[0], NOOK_READABLE | NOOK_WRITABLE, &ends->ready[0]);
    fill(ends->fd[0]);
    if (write(ends->fd[1], "x", 1) != 1)
        return -1;
    ends->rc[1] = nook_wait_fd(ends->fd[0], NOOK_READABLE | NOOK_WRITABLE, &ends->ready[1]);
    return 0;
}

static void one_task_may_wait_for_both_directions(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct ends ends;
        open_ends(&ends);
        assert_int_equal(run(way, wait_both, &ends), 0);
        close_ends(&ends);
        assert_int_equal(ends.rc[0], 0);
        assert_int_equal(ends.ready[0], NOOK_WRITABLE);
        assert_int_equal(ends.rc[1], 0);
        assert_int_equal(ends.ready[1], NOOK_READABLE);
    }
}

static int await_byte(void *arg)
{
    struct ends *ends = arg;
    ends->rc[1] = nook_wait_fd(ends->fd[0], NOOK_READABLE, &ends->ready[1]);
    return ends->rc[1];
}

static int one_each(void *arg)
{
    struct ends *ends = arg;
    char buffer[4096];
    nook_task *tasks[2] = {NULL};
    fill(ends->fd[0]);
    int rc = nook_task_spawn(&tasks[0], await_room, ends, &on_first);
    if (rc == 0)
        rc = nook_task_spawn(&tasks[1], await_byte, ends, &on_first);
    if (rc == 0)
        rc = nook_sleep(MS);
    if (rc == 0 && write(ends->fd[1], "x", 1) == 1)
        rc = join_result(tasks[1]);
    ends->n = nook_task_done(tasks[0]); /* the writer still waits */
    while (read(ends->fd[1], buffer, sizeof buffer) > 0)
        continue;
    if (rc == 0)
        rc = join_result(tasks[0]);
    nook_task_unref(tasks[0]);
    nook_task_unref(tasks[1]);
    return rc;
}

static void two_tasks_may_wait_for_a_direction_each(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct ends ends;
        open_ends(&ends);
        assert_int_equal(run(way, one_each, &ends), 0);
        close_ends(&ends);
        assert_int_equal(ends.ready[0], NOOK_WRITABLE);
        assert_int_equal(ends.ready[1], NOOK_READABLE);
        assert_int_equal(ends.n, 0);
    }
}

/* --- what is refused ------------------------------------------------------ */

static void never_called(void *arg)
{
    *(int *)arg += 1;
}

static int wait_twice(void *arg)
{
    struct ends *ends = arg;
    int rc = nook_task_spawn(&ends->task, await_byte, ends, &on_first);
    if (rc == 0)
        rc = nook_sleep(MS);
    ends->rc[2] = nook_wait_fd(ends->fd[0], NOOK_READABLE, NULL);
    ends->rc[3] = nook_wait_fd(ends->fd[0], NOOK_READABLE | NOOK_WRITABLE, NULL);
    ends->rc[4] = nook_on_fd(NULL, ends->fd[0], NOOK_READABLE, never_called, &ends->n, NULL);
    ends->rc[5] = nook_wait_fd(ends->fd[0], NOOK_WRITABLE, NULL); /* the refused ones left it */
    if (rc == 0 && write(ends->fd[1], "x", 1) == 1)
        rc = join_result(ends->task);
    nook_task_unref(ends->task);
    return rc;
}

static void one_waiter_for_each_direction(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct ends ends;
        open_ends(&ends);
        assert_int_equal(run(way, wait_twice, &ends), 0);
        close_ends(&ends);
        assert_int_equal(ends.rc[1], 0);
        for (int i = 2; i < 5; i++)
            assert_int_equal(ends.rc[i], NOOK_EBUSY);
        assert_int_equal(ends.rc[5], 0);
        assert_int_equal(ends.n, 0);
    }
}

static int wait_wrongly(void *arg)
{
    struct ends *ends = arg;
    int closed = fcntl(ends->fd[0], F_DUPFD_CLOEXEC, 300); /* far from the run's own */
    int regular = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    close(closed);
    ends->rc[0] = nook_wait_fd(ends->fd[0], 0, NULL);
    ends->rc[1] = nook_wait_fd(ends->fd[0], 4, NULL);
    ends->rc[2] = nook_wait_fd(-1, NOOK_READABLE, NULL);
    ends->rc[3] = nook_wait_fd(closed, NOOK_READABLE, NULL);
    ends->rc[4] = nook_wait_fd(regular, NOOK_READABLE, NULL);
    ends->rc[5] =
        nook_on_fd(&ends->handle, closed, NOOK_READABLE, never_called, &ends->n, NULL);
    close(regular);
    return 0;
}

static void wrong_descriptors_and_events_are_refused(void **state)
{
    const int wanted[] = {NOOK_EINVAL, NOOK_EINVAL, -EBADF, -EBADF, -EPERM, -EBADF};
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct ends ends;
        open_ends(&ends);
        assert_int_equal(run(way, wait_wrongly, &ends), 0);
        close_ends(&ends);
        assert_memory_equal(ends.rc, wanted, sizeof wanted);
        assert_null(ends.handle);
    }
}

/* --- the other side goes, or the descriptor does -------------------------- */

static int hang_up(void *arg)
{
    struct ends *ends = arg;
    int rc = nook_task_spawn(&ends->task, await_byte, ends, &on_first);
    if (rc == 0)
        rc = nook_sleep(MS);
    close(ends->fd[1]);
    if (rc == 0)
        rc = join_result(ends->task);
    nook_task_unref(ends->task);
    return rc;
}

static void a_hang_up_counts_as_ready(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct ends ends;
        open_ends(&ends);
        assert_int_equal(run(way, hang_up, &ends), 0);
        close(ends.fd[0]);
        assert_int_equal(ends.rc[1], 0);
        assert_int_equal(ends.ready[1], NOOK_READABLE);
    }
}

static int broken_pipe(void *arg)
{
    struct ends *ends = arg;
    int rc = nook_task_spawn(&ends->task, await_room, ends, &on_first);
    if (rc == 0)
        rc = nook_sleep(MS);
    close(ends->n); /* the reading end */
    if (rc == 0)
        rc = join_result(ends->task);
    nook_task_unref(ends->task);
    return rc;
}

static void an_error_counts_as_ready_for_what_was_asked(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct ends ends = {.n = 0};
        int ends_of_pipe[2];
        assert_int_equal(pipe2(ends_of_pipe, O_NONBLOCK | O_CLOEXEC), 0);
        ends.fd[0] = ends_of_pipe[1];
        ends.n = ends_of_pipe[0];
        fill(ends.fd[0]);
        assert_int_equal(run(way, broken_pipe, &ends), 0);
        close(ends.fd[0]);
        assert_int_equal(ends.ready[0], NOOK_WRITABLE);
    }
}

static int close_under_the_waiter(void *arg)
{
    struct ends *ends = arg;
    int rc = nook_task_spawn(&ends->task, await_byte, ends, &on_first);
    if (rc == 0)
        rc = nook_sleep(MS);
    int number = ends->fd[0];
    close(ends->fd[0]);
    if (rc == 0)
        rc = nook_task_cancel(ends->task);
    if (rc == 0)
        rc = nook_task_join(ends->task, &ends->rc[2]);
    /* The number comes back for another file: nothing of the old wait is left there. */
    ends->fd[0] = dup(ends->fd[1]);
    ends->n = ends->fd[0] == number;
    ends->rc[3] = nook_wait_fd(ends->fd[0], NOOK_WRITABLE, NULL);
    nook_task_unref(ends->task);
    return rc;
}

static void a_wait_for_a_descriptor_that_was_closed_can_be_cancelled(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct ends ends;
        open_ends(&ends);
        assert_int_equal(run(way, close_under_the_waiter, &ends), 0);
        close_ends(&ends);
        assert_int_equal(ends.rc[1], NOOK_ECANCELED);
        assert_int_equal(ends.rc[2], NOOK_ECANCELED);
        assert_int_equal(ends.rc[3], 0);
    }
}

/* --- together with time --------------------------------------------------- */

static int read_in_time(void *arg)
{
    struct ends *ends = arg;
    nook_deadline deadline;
    int rc = nook_deadline_enter(&deadline, MS);
    ends->rc[0] = nook_wait_fd(ends->fd[0], NOOK_READABLE, NULL);
    ends->rc[1] = nook_deadline_exit(&deadline);
    return rc;
}

static void a_deadline_ends_a_wait_for_a_descriptor(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct ends ends;
        open_ends(&ends);
        assert_int_equal(run(way, read_in_time, &ends), 0);
        close_ends(&ends);
        assert_int_equal(ends.rc[0], NOOK_ECANCELED);
        assert_int_equal(ends.rc[1], NOOK_ETIMEDOUT);
    }
}

/* A descriptor is seen although somebody is always ready. */
static int poll_between(void *arg)
{
    struct ends *ends = arg;
    int rc = nook_task_spawn(&ends->task, await_byte, ends, &on_first);
    if (rc == 0)
        rc = nook_yield();
    if (rc == 0 && write(ends->fd[1], "x", 1) != 1)
        rc = -1;
    while (rc == 0 && !nook_task_done(ends->task) && ends->n++ < 100000)
        rc = nook_yield();
    nook_task_unref(ends->task);
    return rc;
}

static void descriptors_are_seen_although_tasks_are_ready(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct ends ends;
        open_ends(&ends);
        assert_int_equal(run(way, poll_between, &ends), 0);
        close_ends(&ends);
        assert_true(ends.n < 100000);
        assert_int_equal(ends.rc[1], 0);
    }
}

/* --- many ----------------------------------------------------------------- */

enum { PAIRS = 100 }; /* more than one answer of the poller holds */

struct pairs {
    struct ends pair[PAIRS];
    atomic_int woken;
};

static int await_own(void *arg)
{
    return nook_wait_fd(((struct ends *)arg)->fd[0], NOOK_READABLE, NULL);
}

static int write_to_all(void *arg)
{
    struct pairs *pairs = arg;
    nook_task *tasks[PAIRS] = {NULL};
    int results[PAIRS], rc = 0;
    for (int i = 0; rc == 0 && i < PAIRS; i++)
        rc = nook_task_spawn(&tasks[i], await_own, &pairs->pair[i], NULL);
    if (rc == 0)
        rc = nook_sleep(MS);
    for (int i = 0; rc == 0 && i < PAIRS; i++)
        if (write(pairs->pair[i].fd[1], "x", 1) != 1)
            rc = -1;
    if (rc == 0)
        rc = nook_gather(tasks, PAIRS, results);
    for (int i = 0; i < PAIRS; i++) {
        if (rc == 0 && results[i] == 0)
            atomic_fetch_add(&pairs->woken, 1);
        nook_task_unref(tasks[i]);
    }
    return rc;
}

static void many_descriptors_at_once(void **state)
{
    static struct pairs pairs;
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        atomic_store(&pairs.woken, 0);
        for (int i = 0; i < PAIRS; i++)
            open_ends(&pairs.pair[i]);
        assert_int_equal(run(way, write_to_all, &pairs), 0);
        for (int i = 0; i < PAIRS; i++)
            close_ends(&pairs.pair[i]);
        assert_int_equal(atomic_load(&pairs.woken), PAIRS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(a_reader_wakes_for_each_byte),
        task_test(a_writer_wakes_when_there_is_room),
        task_test(one_task_may_wait_for_both_directions),
        task_test(two_tasks_may_wait_for_a_direction_each),
        task_test(one_waiter_for_each_direction),
        task_test(wrong_descriptors_and_events_are_refused),
        task_test(a_hang_up_counts_as_ready),
        task_test(an_error_counts_as_ready_for_what_was_asked),
        task_test(a_wait_for_a_descriptor_that_was_closed_can_be_cancelled),
        task_test(a_deadline_ends_a_wait_for_a_descriptor),
        task_test(descriptors_are_seen_although_tasks_are_ready),
        task_test(many_descriptors_at_once),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
