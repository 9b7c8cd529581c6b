/* SPDX-License-Identifier: MIT */
/* Callbacks: soon, later, done, readable; their order, their end, their handles. */
#include "support.h"

#include <sys/socket.h>

static void say(void *arg)
{
    note(arg);
}

/* A word for `say`, which takes a pointer to what is not constant. */
#define WORD(name) ((void *)(uintptr_t)(name))

static long handles_alive(void)
{
    nook_task_counts counts = {0};
    (void)nook_task_count(&counts);
    return counts.handles;
}

/* --- order ---------------------------------------------------------------- */

static int call_in_order(void *arg)
{
    (void)arg;
    int rc = nook_call_later(NULL, 20, say, WORD("twenty"), NULL);
    if (rc == 0)
        rc = nook_call_later(NULL, 10, say, WORD("ten"), NULL);
    if (rc == 0)
        rc = nook_call_soon(NULL, say, WORD("soon"), NULL);
    if (rc == 0)
        rc = nook_call_later(NULL, 10, say, WORD("ten-too"), NULL);
    if (rc == 0)
        rc = nook_call_soon(NULL, say, WORD("soon-too"), NULL);
    note("called");
    return rc == 0 ? nook_sleep(30) : rc;
}

static void callbacks_run_in_order_after_the_caller_parks(void **state)
{
    (void)state;
    for (enum way way = 0; way < REAL; way++) {
        trace_clear();
        assert_int_equal(run(way, call_in_order, NULL), 0);
        assert_string_equal(trace, "called soon soon-too ten ten-too twenty");
    }
}

struct inside {
    nook_task *current;
    unsigned worker;
    int parked, spawned, chained, ran;
    nook_task *task;
};

static int child(void *arg)
{
    ((struct inside *)arg)->ran++;
    return 0;
}

static void chain(void *arg)
{
    ((struct inside *)arg)->ran += 10;
}

static void look(void *arg)
{
    struct inside *inside = arg;
    inside->current = nook_task_current();
    inside->worker = nook_worker_index();
    inside->parked = nook_yield();
    inside->spawned = nook_task_spawn(&inside->task, child, inside, NULL);
    inside->chained = nook_call_soon(NULL, chain, inside, NULL);
}

static int look_soon(void *arg)
{
    int rc = nook_call_soon(NULL, look, arg, NULL);
    if (rc == 0)
        rc = nook_sleep(10 * MS);
    return rc;
}

static void a_callback_runs_outside_any_task(void **state)
{
    (void)state;
    for (enum way way = 0; way < REAL_3; way++) {
        struct inside inside = {.worker = 99};
        assert_int_equal(run(way, look_soon, &inside), 0);
        assert_null(inside.current);
        assert_int_equal(inside.worker, 1);
        assert_int_equal(inside.parked, NOOK_ENOTASK);
        assert_int_equal(inside.spawned, 0);
        assert_int_equal(inside.chained, 0);
        assert_int_equal(inside.ran, 11);
        nook_task_unref(inside.task);
    }
}

/* --- the end of a task ---------------------------------------------------- */

static int end_now(void *arg)
{
    note("end");
    return (int)(intptr_t)arg;
}

static int watch_ends(void *arg)
{
    nook_task *task;
    nook_handle *cancelled;
    int *rc = arg;
    int status = nook_task_spawn(&task, end_now, value_of(3), NULL);
    rc[0] = nook_task_on_done(NULL, task, say, WORD("first"), NULL);
    rc[1] = nook_task_on_done(&cancelled, task, say, WORD("never"), NULL);
    rc[2] = nook_task_on_done(NULL, task, say, WORD("second"), NULL);
    rc[3] = nook_task_on_done(NULL, NULL, say, WORD("never"), NULL);
    rc[4] = nook_handle_cancel(cancelled);
    nook_handle_unref(cancelled);
    if (status == 0)
        status = nook_sleep(1);
    rc[5] = nook_task_on_done(NULL, task, say, WORD("late"), NULL);
    note("registered");
    nook_task_unref(task);
    return status == 0 ? nook_sleep(1) : status;
}

static void done_callbacks_run_in_order_and_soon_if_it_is_done(void **state)
{
    const int wanted[6] = {0, 0, 0, NOOK_EINVAL, 0, 0};
    (void)state;
    for (enum way way = 0; way < REAL; way++) {
        int rc[6] = {0};
        trace_clear();
        assert_int_equal(run(way, watch_ends, rc), 0);
        assert_memory_equal(rc, wanted, sizeof rc);
        assert_string_equal(trace, "end first second registered late");
    }
}

static int join_and_tell(void *task)
{
    int rc = nook_task_join(task, NULL);
    note("joined");
    return rc;
}

static int end_after_a_sleep(void *arg)
{
    int rc = nook_sleep(1);
    (void)end_now(arg);
    return rc;
}

static int watch_and_wait(void *arg)
{
    nook_task *task = NULL, *waiter = NULL;
    (void)arg;
    int rc = nook_task_spawn(&task, end_after_a_sleep, NULL, NULL);
    if (rc == 0)
        rc = nook_task_on_done(NULL, task, say, WORD("first"), NULL);
    if (rc == 0)
        rc = nook_task_spawn(&waiter, join_and_tell, task, NULL);
    if (rc == 0)
        rc = nook_yield();
    if (rc == 0)
        rc = nook_task_on_done(NULL, task, say, WORD("last"), NULL);
    if (rc == 0)
        rc = nook_task_join(waiter, NULL);
    nook_task_unref(task);
    nook_task_unref(waiter);
    return rc;
}

/* An await is a done callback too. */
static void who_waits_and_who_is_called_take_turns_in_order(void **state)
{
    (void)state;
    for (enum way way = 0; way <= REAL; way++) {
        trace_clear();
        assert_int_equal(run(way, watch_and_wait, NULL), 0);
        assert_string_equal(trace, "end first joined last");
    }
}

/* --- cancelling ----------------------------------------------------------- */

struct cancelled {
    nook_handle *handle;
    int rc[4], ran;
    long alive;
};

static void cancel_itself(void *arg)
{
    struct cancelled *cancelled = arg;
    cancelled->ran++;
    cancelled->rc[cancelled->ran] = nook_handle_cancel(cancelled->handle);
}

static int cancel_all_ways(void *arg)
{
    struct cancelled *cancelled = arg;
    nook_handle *soon = NULL, *later = NULL;
    int rc = nook_call_soon(&soon, say, WORD("never"), NULL);
    if (rc == 0)
        rc = nook_call_later(&later, 5, say, WORD("never"), NULL);
    if (rc == 0)
        rc = nook_call_soon(&cancelled->handle, cancel_itself, cancelled, NULL);
    if (rc != 0)
        return rc;
    cancelled->rc[0] = nook_handle_cancel(soon) | nook_handle_cancel(later);
    cancelled->rc[0] |= nook_handle_cancel(soon); /* which finds nothing to do */
    nook_handle_unref(soon);
    nook_handle_unref(later);
    cancelled->alive = handles_alive();
    rc = nook_sleep(10);
    cancelled->rc[2] = nook_handle_cancel(cancelled->handle); /* it has run */
    cancelled->rc[3] = nook_handle_cancel(NULL);
    return rc;
}

static void a_cancelled_callback_does_not_run(void **state)
{
    (void)state;
    for (enum way way = 0; way < REAL; way++) {
        struct cancelled cancelled = {.rc = {1, 1, 1, 1}};
        trace_clear();
        assert_int_equal(run(way, cancel_all_ways, &cancelled), 0);
        assert_string_equal(trace, "");
        assert_int_equal(cancelled.ran, 1);
        assert_int_equal(cancelled.rc[0], 0);
        assert_int_equal(cancelled.rc[1], 0);
        assert_int_equal(cancelled.rc[2], 0);
        assert_int_equal(cancelled.rc[3], NOOK_EINVAL);
        assert_int_equal(cancelled.alive, 1);
        /* The handle outlives its run, and is harmless. */
        assert_int_equal(handles_alive(), 1);
        assert_int_equal(nook_handle_cancel(cancelled.handle), 0);
        nook_handle_unref(cancelled.handle);
        nook_handle_unref(NULL);
    }
}

static NOOK_VAR_DEFINE(plain);
static int held;

static void retain(void *value, void *user)
{
    (void)value;
    (void)user;
    held++;
}

static void release(void *value, void *user)
{
    (void)value;
    (void)user;
    held--;
}

static const nook_value_ops ops = {.retain = retain, .release = release};
static nook_var counted = NOOK_VAR_INIT("counted", &ops, 0, NULL);

static int pin_by_timer(void *arg)
{
    int *seen = arg;
    nook_handle *handle;
    nook_token token;
    int rc = nook_var_set(&counted, value_of(1), &token);
    if (rc == 0)
        rc = nook_call_later(&handle, 3600 * 1000 * MS, say, WORD("never"), NULL);
    if (rc == 0)
        rc = nook_var_reset(&counted, &token);
    if (rc != 0)
        return rc;
    seen[0] = held;
    rc = nook_handle_cancel(handle);
    seen[1] = held;
    nook_handle_unref(handle);
    return rc;
}

static void A35_D7_a_cancelled_timer_drops_its_context_at_once(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        int seen[2] = {-1, -1};
        held = 0;
        assert_int_equal(run(way, pin_by_timer, seen), 0);
        assert_int_equal(seen[0], 1);
        assert_int_equal(seen[1], 0);
    }
}

static int cancel_in_a_job(void *arg)
{
    return nook_handle_cancel(*(nook_handle **)arg);
}

static int cancel_from_a_thread(void *arg)
{
    nook_handle *handle;
    int *rc = arg;
    int status = nook_call_later(&handle, 1000 * MS, say, WORD("never"), NULL);
    if (status == 0)
        status = nook_to_thread(cancel_in_a_job, &handle, &rc[0]);
    rc[1] = nook_handle_cancel(handle);
    if (status == 0)
        status = nook_to_thread(cancel_in_a_job, &handle, &rc[2]);
    nook_handle_unref(handle);
    return status;
}

static void a_handle_is_cancelled_from_its_run(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        int rc[3] = {1, 1, 1};
        assert_int_equal(run(way, cancel_from_a_thread, rc), 0);
        assert_int_equal(rc[0], NOOK_ENOTASK);
        assert_int_equal(rc[1], 0);
        assert_int_equal(rc[2], 0); /* it is over: harmless anywhere */
    }
}

/* --- what is left at the end ---------------------------------------------- */

static int leave_some(void *arg)
{
    struct cancelled *cancelled = arg;
    int rc = nook_var_set(&counted, value_of(1), NULL);
    if (rc == 0)
        rc = nook_call_later(&cancelled->handle, 1000 * MS, say, WORD("never"), NULL);
    if (rc == 0)
        rc = nook_call_soon(NULL, say, WORD("soon"), NULL);
    return rc;
}

static void at_the_end_of_a_run_the_ready_ones_run_and_the_others_go(void **state)
{
    (void)state;
    for (enum way way = 0; way < REAL_3; way++) {
        struct cancelled cancelled = {0};
        held = 0;
        trace_clear();
        assert_int_equal(run(way, leave_some, &cancelled), 0);
        assert_string_equal(trace, "soon");
        assert_int_equal(held, 0); /* the handle holds no context any more */
        nook_handle_unref(cancelled.handle);
    }
}

static int call_wrongly(void *arg)
{
    int *rc = arg;
    rc[0] = nook_call_soon(NULL, NULL, NULL, NULL);
    rc[1] = nook_call_later(NULL, 1, NULL, NULL, NULL);
    rc[2] = nook_on_fd(NULL, 0, 0, say, NULL, NULL);
    rc[3] = nook_on_fd(NULL, 0, 8, say, NULL, NULL);
    return 0;
}

static void wrong_arguments_are_refused(void **state)
{
    int rc[4] = {0};
    (void)state;
    assert_int_equal(run(VIRTUAL, call_wrongly, rc), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(rc[i], NOOK_EINVAL);
}

/* --- descriptors ---------------------------------------------------------- */

struct readable {
    int fd[2], calls, stop, seen[4], found[1];
    char got[8];
    nook_handle *handle;
};

static void take_byte(void *arg)
{
    struct readable *readable = arg;
    int number = number_in(&plain);
    if (read(readable->fd[0], &readable->got[readable->calls], 1) != 1)
        return;
    readable->seen[readable->calls++] = number;
    (void)nook_var_set(&plain, value_of(number + 1), NULL);
    if (readable->calls == readable->stop)
        (void)nook_handle_cancel(readable->handle);
}

static int feed(void *arg)
{
    struct readable *readable = arg;
    int rc = nook_var_set(&plain, value_of(5), NULL);
    if (rc == 0)
        rc = nook_on_fd(&readable->handle, readable->fd[0], NOOK_READABLE, take_byte, readable,
                        NULL);
    if (rc == 0)
        rc = nook_var_set(&plain, value_of(100), NULL);
    for (int i = 0; rc == 0 && i < 4; i++) {
        if (write(readable->fd[1], &"wxyz"[i], 1) != 1)
            return -1;
        rc = nook_sleep(MS);
    }
    readable->found[0] = number_in(&plain);
    nook_handle_unref(readable->handle);
    return rc;
}

static void A20_a_reader_keeps_one_context_for_all_its_events(void **state)
{
    (void)state;
    for (enum way way = 0; way < REAL_3; way++) {
        struct readable readable = {.stop = 3};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, readable.fd), 0);
        if (way < REAL)
            readable.stop = 4; /* a virtual sleep may end before the poller is asked */
        assert_int_equal(run(way, feed, &readable), 0);
        close(readable.fd[0]);
        close(readable.fd[1]);
        assert_int_equal(readable.calls, readable.stop);
        for (int i = 0; i < readable.calls; i++) {
            assert_int_equal(readable.seen[i], 5 + i);
            assert_int_equal(readable.got[i], "wxyz"[i]);
        }
        assert_int_equal(readable.found[0], 100);
    }
}

static void count_call(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

struct both {
    int fd[2];
    atomic_int calls[2];
};

static int read_and_write(void *arg)
{
    struct both *both = arg;
    nook_handle *reader = NULL, *writer = NULL;
    int rc = nook_on_fd(&reader, both->fd[0], NOOK_READABLE, count_call, &both->calls[0], NULL);
    if (rc == 0)
        rc = nook_on_fd(&writer, both->fd[0], NOOK_WRITABLE, count_call, &both->calls[1], NULL);
    while (rc == 0 && atomic_load(&both->calls[1]) < 3)
        rc = nook_yield();
    rc = rc == 0 ? nook_handle_cancel(writer) : rc;
    int calls = atomic_load(&both->calls[0]);
    if (write(both->fd[1], "x", 1) != 1)
        return -1;
    while (rc == 0 && atomic_load(&both->calls[0]) < 2)
        rc = nook_yield();
    nook_handle_unref(reader);
    nook_handle_unref(writer);
    return rc == 0 ? calls : rc;
}

static void a_reader_and_a_writer_may_share_a_descriptor(void **state)
{
    (void)state;
    for (enum way way = REAL; way < WAYS; way++) {
        struct both both = {0};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, both.fd), 0);
        assert_int_equal(run(way, read_and_write, &both), 0);
        close(both.fd[0]);
        close(both.fd[1]);
        assert_true(atomic_load(&both.calls[0]) >= 2);
    }
}

/* --- a descriptor that is always ready ------------------------------------ */

static void again(void *arg)
{
    ++*(int *)arg;
}

static int beside_one_that_is_always_ready(void *arg)
{
    struct readable *readable = arg;
    int rc = nook_on_fd(&readable->handle, readable->fd[0], NOOK_WRITABLE, again,
                        &readable->calls, NULL);
    for (int i = 0; rc == 0 && i < 3; i++)
        rc = nook_sleep(MS);
    nook_handle_unref(readable->handle);
    return rc;
}

static void one_that_is_always_ready_stops_neither_time_nor_the_end(void **state)
{
    (void)state;
    for (enum way way = 0; way < REAL_3; way++) {
        struct readable readable = {0};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, readable.fd), 0);
        assert_int_equal(run(way, beside_one_that_is_always_ready, &readable), 0);
        close(readable.fd[0]);
        close(readable.fd[1]);
        assert_true(readable.calls > 3);
    }
}

/* While one of them runs the other is reported, so that some worker is always busy. */
struct busy {
    nook_handle *handle[2];
    int fd[2];
    atomic_int ending, late;
};

static void dawdle(void *arg)
{
    struct busy *busy = arg;
    usleep(2000);
    if (!atomic_load(&busy->ending) || atomic_fetch_add(&busy->late, 1) < 100)
        return;
    for (int i = 0; i < 2; i++) /* a run that goes on is told from one that hangs */
        (void)nook_handle_cancel(busy->handle[i]);
}

static int leave_busy_ones(void *arg)
{
    struct busy *busy = arg;
    int rc = 0;
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = nook_on_fd(&busy->handle[i], busy->fd[i], NOOK_WRITABLE, dawdle, busy, NULL);
    if (rc == 0)
        rc = nook_sleep(5 * MS);
    atomic_store(&busy->ending, 1);
    return rc;
}

static void nor_do_two_that_keep_a_worker_busy(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct busy busy = {0};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, busy.fd), 0);
        assert_int_equal(run(way, leave_busy_ones, &busy), 0);
        for (int i = 0; i < 2; i++) {
            nook_handle_unref(busy.handle[i]);
            close(busy.fd[i]);
        }
        /* Each may be running, and one of them waits for its turn. */
        assert_in_range(atomic_load(&busy.late), 0, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(callbacks_run_in_order_after_the_caller_parks),
        task_test(a_callback_runs_outside_any_task),
        task_test(done_callbacks_run_in_order_and_soon_if_it_is_done),
        task_test(who_waits_and_who_is_called_take_turns_in_order),
        task_test(a_cancelled_callback_does_not_run),
        task_test(A35_D7_a_cancelled_timer_drops_its_context_at_once),
        task_test(a_handle_is_cancelled_from_its_run),
        task_test(at_the_end_of_a_run_the_ready_ones_run_and_the_others_go),
        task_test(wrong_arguments_are_refused),
        task_test(A20_a_reader_keeps_one_context_for_all_its_events),
        task_test(one_that_is_always_ready_stops_neither_time_nor_the_end),
        task_test(nor_do_two_that_keep_a_worker_busy),
        task_test(a_reader_and_a_writer_may_share_a_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
