/* SPDX-License-Identifier: MIT */
/* Time: sleeps, the virtual clock, and timers in order. */
#include "support.h"

static void later(void *arg)
{
    note(arg);
}

struct nap {
    char name[8];
    uint64_t ns, woken;
    int rc;
};

static int nap(void *arg)
{
    struct nap *self = arg;
    self->rc = nook_sleep(self->ns);
    self->woken = nook_now();
    note(self->name);
    return self->rc;
}

struct naps {
    struct nap nap[6];
    int n;
    uint64_t began, ended;
};

static int nap_all(void *arg)
{
    struct naps *naps = arg;
    nook_task *tasks[6] = {NULL};
    int rc = 0;
    naps->began = nook_now();
    for (int i = 0; rc == 0 && i < naps->n; i++)
        rc = nook_task_spawn(&tasks[i], nap, &naps->nap[i], NULL);
    if (rc == 0)
        rc = nook_gather(tasks, (size_t)naps->n, NULL);
    for (int i = 0; i < naps->n; i++)
        nook_task_unref(tasks[i]);
    naps->ended = nook_now();
    return rc;
}

static void sleepers_wake_in_order_of_time_and_then_of_coming(void **state)
{
    struct naps naps = {.nap = {{"c", 30, 0, 1},
                                {"a", 10, 0, 1},
                                {"b1", 20, 0, 1},
                                {"b2", 20, 0, 1},
                                {"now", 0, 0, 1},
                                {"d", 3600 * 1000 * MS, 0, 1}},
                        .n = 6};
    (void)state;
    trace_clear();
    assert_int_equal(run(VIRTUAL, nap_all, &naps), 0);
    assert_string_equal(trace, "now a b1 b2 c d");
    assert_int_equal(naps.began, 0);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(naps.nap[i].rc, 0);
        assert_int_equal(naps.nap[i].woken, naps.nap[i].ns);
    }
    assert_int_equal(naps.ended, 3600 * 1000 * MS);
}

static void real_sleepers_sleep_at_least_so_long(void **state)
{
    struct naps naps = {.nap = {{"", 3 * MS, 0, 1}, {"", MS, 0, 1}, {"", 2 * MS, 0, 1}},
                        .n = 3};
    (void)state;
    trace_clear();
    assert_int_equal(run(REAL, nap_all, &naps), 0);
    for (int i = 0; i < 3; i++)
        assert_true(naps.nap[i].woken - naps.began >= naps.nap[i].ns);
}

/* The clock stands while somebody is ready. */
static int busy_beside(void *arg)
{
    uint64_t *seen = arg;
    nook_task *task;
    struct nap other = {.name = "z", .ns = 1};
    int rc = nook_task_spawn(&task, nap, &other, NULL);
    for (int i = 0; rc == 0 && i < 100; i++)
        rc = nook_yield();
    seen[0] = nook_now();
    if (rc == 0)
        rc = nook_task_join(task, NULL);
    seen[1] = nook_now();
    nook_task_unref(task);
    return rc;
}

static void the_virtual_clock_stands_while_somebody_is_ready(void **state)
{
    uint64_t seen[2] = {9, 9};
    (void)state;
    trace_clear();
    assert_int_equal(run(VIRTUAL, busy_beside, seen), 0);
    assert_int_equal(seen[0], 0);
    assert_int_equal(seen[1], 1);
}

static int yields(void *arg)
{
    static char soon[] = "soon";
    (void)arg;
    int rc = nook_call_soon(NULL, later, soon, NULL);
    if (rc == 0)
        rc = nook_sleep(0);
    note("back");
    return rc;
}

static void a_sleep_of_nothing_yields(void **state)
{
    (void)state;
    for (enum way way = 0; way < REAL_3; way++) {
        trace_clear();
        assert_int_equal(run(way, yields, NULL), 0);
        assert_string_equal(trace, "soon back");
    }
}

/* Far more timers than the heap starts with, in a shuffled order, some taken out again. */
enum { TIMERS = 200 };

static int fired[TIMERS], n_fired;

static void fire(void *arg)
{
    fired[n_fired++] = (int)(intptr_t)arg;
}

static int many_timers(void *arg)
{
    nook_handle *handles[TIMERS] = {NULL};
    nook_task_counts counts = {0};
    int rc = 0;
    for (int i = 0; rc == 0 && i < TIMERS; i++) {
        int when = i * 77 % TIMERS; /* 77 and 200 have no common divisor */
        rc = nook_call_later(&handles[when], 10 + (uint64_t)when, fire, value_of(when), NULL);
    }
    for (int when = 0; rc == 0 && when < TIMERS; when += 3)
        rc = nook_handle_cancel(handles[when]);
    if (rc == 0)
        rc = nook_task_count(&counts);
    *(long *)arg = counts.timers;
    if (rc == 0)
        rc = nook_sleep(1000);
    for (int i = 0; i < TIMERS; i++)
        nook_handle_unref(handles[i]);
    return rc;
}

static void timers_fire_in_order_and_cancelled_ones_leave_at_once(void **state)
{
    long left = 0;
    int n = 0;
    (void)state;
    n_fired = 0;
    assert_int_equal(run(VIRTUAL, many_timers, &left), 0);
    assert_int_equal(left, TIMERS - (TIMERS + 2) / 3);
    for (int when = 0; when < TIMERS; when++)
        if (when % 3 != 0)
            assert_int_equal(fired[n++], when);
    assert_int_equal(n_fired, n);
}

static int sleep_for_ever(void *arg)
{
    int *rc = arg;
    nook_deadline deadline;
    rc[0] = nook_sleep(1);
    rc[1] = nook_deadline_enter(&deadline, 10);
    rc[2] = nook_sleep(UINT64_MAX); /* now and this is more than there is */
    rc[3] = nook_deadline_exit(&deadline);
    rc[4] = nook_deadline_enter(&deadline, UINT64_MAX);
    rc[5] = nook_sleep(10);
    rc[6] = nook_deadline_exit(&deadline);
    return 0;
}

static void the_longest_time_does_not_wrap_round(void **state)
{
    int rc[7] = {0}, wanted[7] = {0, 0, NOOK_ECANCELED, NOOK_ETIMEDOUT, 0, 0, 0};
    (void)state;
    assert_int_equal(run(VIRTUAL, sleep_for_ever, rc), 0);
    assert_memory_equal(rc, wanted, sizeof rc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(sleepers_wake_in_order_of_time_and_then_of_coming),
        task_test(real_sleepers_sleep_at_least_so_long),
        task_test(the_virtual_clock_stands_while_somebody_is_ready),
        task_test(a_sleep_of_nothing_yields),
        task_test(timers_fire_in_order_and_cancelled_ones_leave_at_once),
        task_test(the_longest_time_does_not_wrap_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
