/* SPDX-License-Identifier: MIT */
/* Cancellation: when it arrives, where it goes, how often, and who takes it back. */
#include "support.h"

#include <nook/wait.h>
#include <sys/socket.h>

/* On main's worker: there they come first to their wait when main sleeps. */
static const nook_task_options on_first = {.worker = 1};

/* A task that waits in one way and records what came of it. */
struct victim {
    int (*wait)(struct victim *victim);
    int waiting, rc, after, result, cancelling;
    int fds[2];
    nook_task *task;
};

static int live(void *arg)
{
    struct victim *victim = arg;
    victim->waiting = 1;
    victim->rc = victim->wait(victim);
    victim->cancelling = (int)nook_task_cancelling(nook_task_current());
    victim->after = nook_yield(); /* it was delivered once */
    return 77;
}

static int cancel_it(void *arg)
{
    struct victim *victim = arg;
    int rc = nook_task_spawn(&victim->task, live, victim, &on_first);
    while (rc == 0 && !victim->waiting)
        rc = nook_yield();
    if (rc == 0)
        rc = nook_yield();
    if (rc == 0)
        rc = nook_task_cancel(victim->task);
    if (rc == 0)
        rc = nook_task_join(victim->task, &victim->result);
    nook_task_unref(victim->task);
    return rc;
}

/* Ways that run on one thread: `waiting` is read by another task. */
static const enum way one_thread[] = {VIRTUAL, VIRTUAL_3, REAL};

static void expect_cancelled(int (*wait)(struct victim *victim))
{
    for (size_t i = 0; i < 3; i++) {
        struct victim victim = {.wait = wait, .rc = 1, .after = 1};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, victim.fds), 0);
        assert_int_equal(run(one_thread[i], cancel_it, &victim), 0);
        close(victim.fds[0]);
        close(victim.fds[1]);
        assert_int_equal(victim.rc, NOOK_ECANCELED);
        assert_int_equal(victim.after, 0);
        assert_int_equal(victim.cancelling, 1);
        assert_int_equal(victim.result, 77);
    }
}

static int in_sleep(struct victim *victim)
{
    (void)victim;
    return nook_sleep(UINT64_MAX);
}

static int in_yields(struct victim *victim)
{
    int rc = 0;
    (void)victim;
    while (rc == 0)
        rc = nook_yield();
    return rc;
}

static int in_wait_fd(struct victim *victim)
{
    return nook_wait_fd(victim->fds[0], NOOK_READABLE, NULL);
}

static int in_wait_fd_both(struct victim *victim)
{
    char full[4096] = {0};
    while (send(victim->fds[0], full, sizeof full, MSG_DONTWAIT) > 0)
        continue;
    return nook_wait_fd(victim->fds[0], NOOK_READABLE | NOOK_WRITABLE, NULL);
}

static int itself(struct victim *victim)
{
    int rc = nook_task_cancel(victim->task);
    return rc != 0 ? rc : nook_yield();
}

static void a_sleep_is_cancelled(void **state)
{
    (void)state;
    expect_cancelled(in_sleep);
}

static void a_yield_is_cancelled(void **state)
{
    (void)state;
    expect_cancelled(in_yields);
}

static void a_wait_for_a_descriptor_is_cancelled(void **state)
{
    (void)state;
    expect_cancelled(in_wait_fd);
    expect_cancelled(in_wait_fd_both);
}

static void a_task_may_cancel_itself_and_hears_of_it_at_its_next_park(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct victim victim = {.wait = itself};
        assert_int_equal(run(one_thread[i], cancel_it, &victim), 0);
        assert_int_equal(victim.rc, NOOK_ECANCELED);
        assert_int_equal(victim.result, 77);
    }
}

/* --- woken, and cancelled before it runs ---------------------------------- */

struct woken {
    int (*wait)(struct woken *woken);
    int yields; /* of main, until it cancels */
    uint64_t sleeps;
    int rc, after, result;
    nook_task *inner;
};

static int live_woken(void *arg)
{
    struct woken *woken = arg;
    woken->rc = woken->wait(woken);
    woken->after = nook_yield();
    return 77;
}

static int end_after_a_yield(void *arg)
{
    (void)arg;
    return nook_yield();
}

static int cancel_the_woken(void *arg)
{
    struct woken *woken = arg;
    nook_task *task = NULL;
    int rc = nook_task_spawn(&woken->inner, end_after_a_yield, NULL, &on_first);
    if (rc == 0)
        rc = nook_task_spawn(&task, live_woken, woken, &on_first);
    for (int i = 0; rc == 0 && i < woken->yields; i++)
        rc = nook_yield();
    if (rc == 0 && woken->sleeps != 0)
        rc = nook_sleep(woken->sleeps);
    if (rc == 0)
        rc = nook_task_cancel(task);
    if (rc == 0)
        rc = nook_task_join(task, &woken->result);
    nook_task_unref(woken->inner);
    nook_task_unref(task);
    return rc;
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return nook_sleep(UINT64_MAX);
}

static int one_yield(struct woken *woken)
{
    (void)woken;
    return nook_yield();
}

static int one_sleep(struct woken *woken)
{
    return nook_sleep(woken->sleeps);
}

static int one_join(struct woken *woken)
{
    return nook_task_join(woken->inner, NULL);
}

static int one_gather(struct woken *woken)
{
    return nook_gather(&woken->inner, 1, NULL);
}

static int one_shield(struct woken *woken)
{
    return nook_shield(woken->inner, NULL);
}

/* For somebody who will not end before. */
static int one_wait_in_time(struct woken *woken)
{
    nook_task *forever;
    int rc = nook_task_spawn(&forever, sleep_for_ever, NULL, NULL);
    if (rc == 0)
        rc = nook_wait(&forever, 1, NOOK_ALL_COMPLETED, woken->sleeps, NULL);
    (void)nook_task_cancel(forever);
    nook_task_unref(forever);
    return rc;
}

static void expect_woken_cancelled(enum way way, struct woken woken)
{
    assert_int_equal(run(way, cancel_the_woken, &woken), 0);
    assert_int_equal(woken.rc, NOOK_ECANCELED);
    assert_int_equal(woken.after, 0);
    assert_int_equal(woken.result, 77);
}

/* As asyncio's task does, which has the request thrown into the await it is in. */
static void a_request_before_the_woken_task_runs_ends_its_wait(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        expect_woken_cancelled(one_thread[i], (struct woken){.wait = one_yield, .yields = 1});
        expect_woken_cancelled(one_thread[i], (struct woken){.wait = one_join, .yields = 2});
        expect_woken_cancelled(one_thread[i], (struct woken){.wait = one_gather, .yields = 2});
        expect_woken_cancelled(one_thread[i], (struct woken){.wait = one_shield, .yields = 2});
    }
    /* Both are due at once, and main is first. */
    expect_woken_cancelled(VIRTUAL, (struct woken){.wait = one_sleep, .sleeps = MS});
    expect_woken_cancelled(VIRTUAL, (struct woken){.wait = one_wait_in_time, .sleeps = MS});
}

/* --- cancelled while it yields --------------------------------------------- */

/* How the one that cancels leaves its worker to the one that yields. */
enum leaving { YIELDS, SLEEPS, JOINS, ENDS };

struct yields {
    enum leaving leaving;
    int asked, rcs[3], after;
    nook_task *task;
};

static int yield_on(void *arg)
{
    struct yields *yields = arg;
    while (!yields->asked)
        (void)nook_yield();
    for (int i = 0; i < 3; i++)
        yields->rcs[i] = nook_yield();
    yields->after = nook_sleep(MS);
    return 0;
}

static int cancel_in_a_yield(void *arg)
{
    struct yields *yields = arg;
    yields->asked = 1;
    int rc = nook_yield(); /* now it is in the yield that counts */
    if (rc == 0)
        rc = nook_task_cancel(yields->task);
    if (rc == 0 && yields->leaving == YIELDS)
        rc = nook_yield();
    if (rc == 0 && yields->leaving == SLEEPS)
        rc = nook_sleep(MS);
    if (rc == 0 && yields->leaving == JOINS)
        rc = nook_task_join(yields->task, NULL);
    return rc;
}

static int cancel_who_yields(void *arg)
{
    struct yields *yields = arg;
    nook_task *canceller = NULL;
    int result = 0, rc = nook_task_spawn(&yields->task, yield_on, yields, &on_first);
    if (rc == 0)
        rc = nook_task_spawn(&canceller, cancel_in_a_yield, yields, &on_first);
    if (rc == 0)
        rc = nook_task_join(canceller, &result);
    if (rc == 0)
        rc = nook_task_join(yields->task, NULL);
    nook_task_unref(canceller);
    nook_task_unref(yields->task);
    return rc != 0 ? rc : result;
}

/* Whoever lets it go on: another that yields, or parks, or ends. */
static void a_yield_is_cancelled_whoever_resumes_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (enum leaving leaving = YIELDS; leaving <= ENDS; leaving++) {
            struct yields yields = {.leaving = leaving};
            assert_int_equal(run(one_thread[i], cancel_who_yields, &yields), 0);
            assert_int_equal(yields.rcs[0], NOOK_ECANCELED);
            assert_int_equal(yields.rcs[1], 0);
            assert_int_equal(yields.rcs[2], 0);
            assert_int_equal(yields.after, 0);
        }
    }
}

/* --- a task that waits for a task ----------------------------------------- */

struct pair {
    nook_task *outer, *inner;
    int swallow; /* the inner one goes on */
    int inner_rc, outer_rc, got, result, requests[2];
};

static int inner(void *arg)
{
    struct pair *pair = arg;
    pair->inner_rc = nook_sleep(UINT64_MAX);
    pair->requests[1] = (int)nook_task_cancelling(nook_task_current());
    return pair->swallow ? 5 : pair->inner_rc;
}

static int outer_joins(void *arg)
{
    struct pair *pair = arg;
    pair->outer_rc = nook_task_join(pair->inner, &pair->got);
    pair->requests[0] = (int)nook_task_cancelling(nook_task_current());
    return pair->outer_rc;
}

static int outer_gathers(void *arg)
{
    struct pair *pair = arg;
    nook_task *both[] = {pair->inner, pair->inner};
    int results[2] = {0};
    pair->outer_rc = nook_gather(both, 2, results);
    pair->got = results[0];
    return pair->outer_rc;
}

static int cancel_outer(struct pair *pair, nook_task_fn outer)
{
    int rc = nook_task_spawn(&pair->inner, inner, pair, &on_first);
    if (rc == 0)
        rc = nook_task_spawn(&pair->outer, outer, pair, &on_first);
    if (rc == 0)
        rc = nook_sleep(MS);
    if (rc == 0)
        rc = nook_task_cancel(pair->outer);
    if (rc == 0)
        rc = nook_task_join(pair->outer, &pair->result);
    if (rc == 0)
        rc = nook_task_join(pair->inner, NULL);
    nook_task_unref(pair->outer);
    nook_task_unref(pair->inner);
    return rc;
}

static int cancel_join(void *arg)
{
    return cancel_outer(arg, outer_joins);
}

static int cancel_gather(void *arg)
{
    return cancel_outer(arg, outer_gathers);
}

static void a_cancel_goes_to_the_awaited_task_first(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct pair pair = {0};
        assert_int_equal(run(way, cancel_join, &pair), 0);
        assert_int_equal(pair.inner_rc, NOOK_ECANCELED);
        assert_int_equal(pair.outer_rc, NOOK_ECANCELED);
        assert_int_equal(pair.result, NOOK_ECANCELED);
        assert_int_equal(pair.requests[0], 1);
        assert_int_equal(pair.requests[1], 1);
    }
}

static void an_awaited_task_may_swallow_it(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct pair pair = {.swallow = 1};
        assert_int_equal(run(way, cancel_join, &pair), 0);
        assert_int_equal(pair.outer_rc, 0);
        assert_int_equal(pair.got, 5);
    }
}

static void a_cancelled_gather_cancels_all_and_says_so(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct pair pair = {.swallow = 1};
        assert_int_equal(run(way, cancel_gather, &pair), 0);
        assert_int_equal(pair.inner_rc, NOOK_ECANCELED);
        assert_int_equal(pair.outer_rc, NOOK_ECANCELED);
        assert_int_equal(pair.got, 0);
    }
}

/* --- before the start, after the end -------------------------------------- */

struct edges {
    int ran, result, after, nothing;
};

static int record(void *arg)
{
    ((struct edges *)arg)->ran++;
    return 3;
}

static int cancel_before_start(void *arg)
{
    struct edges *edges = arg;
    nook_task *task;
    int rc = nook_task_spawn(&task, record, edges, &(nook_task_options){.worker = 1});
    if (rc == 0)
        rc = nook_task_cancel(task);
    if (rc == 0)
        rc = nook_task_join(task, &edges->result);
    nook_task_unref(task);
    return rc;
}

static void a_task_that_has_not_started_never_runs(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct edges edges = {0};
        assert_int_equal(run(way, cancel_before_start, &edges), 0);
        assert_int_equal(edges.ran, 0);
        assert_int_equal(edges.result, NOOK_ECANCELED);
    }
}

static int cancel_after_end(void *arg)
{
    struct edges *edges = arg;
    nook_task *task;
    int rc = nook_task_spawn(&task, record, edges, &on_first);
    if (rc == 0)
        rc = nook_task_join(task, NULL);
    if (rc == 0)
        rc = nook_task_cancel(task);
    edges->after = (int)nook_task_cancelling(task);
    edges->nothing = nook_task_cancel(NULL);
    if (rc == 0)
        rc = nook_task_join(task, &edges->result);
    nook_task_unref(task);
    return rc;
}

static void a_task_that_has_ended_is_not_touched(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct edges edges = {0};
        assert_int_equal(run(way, cancel_after_end, &edges), 0);
        assert_int_equal(edges.result, 3);
        assert_int_equal(edges.after, 0);
        assert_int_equal(edges.nothing, NOOK_EINVAL);
    }
    assert_int_equal(nook_task_uncancel(NULL), 0);
    assert_int_equal(nook_task_cancelling(NULL), 0);
}

static int uncancel_before_start(void *arg)
{
    struct edges *edges = arg;
    nook_task *task;
    int rc = nook_task_spawn(&task, record, edges, &(nook_task_options){.worker = 1});
    if (rc == 0)
        rc = nook_task_cancel(task);
    edges->after = (int)nook_task_uncancel(task);
    if (rc == 0)
        rc = nook_task_join(task, &edges->result);
    nook_task_unref(task);
    return rc;
}

static void a_request_taken_back_in_time_was_none(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct edges edges = {0};
        assert_int_equal(run(way, uncancel_before_start, &edges), 0);
        assert_int_equal(edges.ran, 1);
        assert_int_equal(edges.result, 3);
        assert_int_equal(edges.after, 0);
    }
}

/* --- how often ------------------------------------------------------------ */

struct counts {
    nook_task *task;
    int requests[6], parks[6];
};

static int count_parks(void *arg)
{
    struct counts *counts = arg;
    nook_task *self = nook_task_current();
    counts->parks[0] = nook_sleep(UINT64_MAX);
    counts->requests[0] = (int)nook_task_cancelling(self);
    counts->parks[1] = nook_yield();
    counts->requests[1] = (int)nook_task_uncancel(self);
    counts->requests[2] = (int)nook_task_uncancel(self);
    counts->requests[3] = (int)nook_task_uncancel(self);
    counts->parks[2] = nook_sleep(UINT64_MAX);
    counts->requests[4] = (int)nook_task_cancelling(self);
    counts->parks[3] = nook_yield();
    return 0;
}

static int cancel_twice_then_once(void *arg)
{
    struct counts *counts = arg;
    int rc = nook_task_spawn(&counts->task, count_parks, counts, &on_first);
    if (rc == 0)
        rc = nook_sleep(MS);
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = nook_task_cancel(counts->task);
    if (rc == 0)
        rc = nook_sleep(MS);
    if (rc == 0)
        rc = nook_task_cancel(counts->task);
    if (rc == 0)
        rc = nook_task_join(counts->task, NULL);
    nook_task_unref(counts->task);
    return rc;
}

/* Requests that come before the task runs again are one delivery; all are counted. */
static void requests_are_counted_and_delivered_once(void **state)
{
    (void)state;
    for (enum way way = 0; way < REAL_3; way++) {
        struct counts counts = {0};
        assert_int_equal(run(way, cancel_twice_then_once, &counts), 0);
        assert_int_equal(counts.parks[0], NOOK_ECANCELED);
        assert_int_equal(counts.requests[0], 2);
        assert_int_equal(counts.parks[1], 0);
        assert_int_equal(counts.requests[1], 1);
        assert_int_equal(counts.requests[2], 0);
        assert_int_equal(counts.requests[3], 0);
        assert_int_equal(counts.parks[2], NOOK_ECANCELED);
        assert_int_equal(counts.requests[4], 1);
        assert_int_equal(counts.parks[3], 0);
    }
}

/* --- pending when the wait begins ----------------------------------------- */

static int join_with_a_request(void *arg)
{
    struct pair *pair = arg;
    int rc = nook_task_spawn(&pair->inner, inner, pair, &on_first);
    if (rc == 0)
        rc = nook_sleep(MS);
    if (rc == 0)
        rc = nook_task_cancel(nook_task_current());
    pair->outer_rc = nook_task_join(pair->inner, &pair->got);
    pair->requests[0] = (int)nook_task_cancelling(nook_task_current());
    pair->result = nook_yield();
    nook_task_unref(pair->inner);
    return rc;
}

static void a_pending_request_goes_to_the_awaited_task_too(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct pair pair = {.swallow = 1};
        assert_int_equal(run(way, join_with_a_request, &pair), 0);
        assert_int_equal(pair.inner_rc, NOOK_ECANCELED);
        assert_int_equal(pair.requests[1], 1);
        assert_int_equal(pair.outer_rc, 0);
        assert_int_equal(pair.got, 5);
        assert_int_equal(pair.requests[0], 1);
        assert_int_equal(pair.result, 0);
    }
}

/* --- circles, diamonds, and long chains ----------------------------------- */

struct circle {
    nook_task *task[2];
    int rc[2], result[2];
};

static int join_the_other(void *arg)
{
    struct circle *circle = arg;
    int me = nook_task_current() == circle->task[1];
    circle->rc[me] = nook_task_join(circle->task[!me], NULL);
    return circle->rc[me];
}

static int cancel_a_circle(void *arg)
{
    struct circle *circle = arg;
    int rc = 0;
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = nook_task_spawn(&circle->task[i], join_the_other, circle,
                             &(nook_task_options){.worker = 1});
    if (rc == 0)
        rc = nook_sleep(MS);
    if (rc == 0)
        rc = nook_task_cancel(circle->task[0]);
    if (rc == 0)
        rc = nook_gather(circle->task, 2, circle->result);
    nook_task_unref(circle->task[0]);
    nook_task_unref(circle->task[1]);
    return rc;
}

static void a_cancel_breaks_a_circle(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct circle circle = {0};
        int result = -1;
        assert_int_equal(run_by(way, cancel_a_circle, &circle, NULL, &result), 0);
        assert_int_equal(result, 0);
        assert_int_equal(circle.result[0], NOOK_ECANCELED);
        assert_int_equal(circle.result[1], NOOK_ECANCELED);
    }
}

struct diamond {
    nook_task *bottom, *side[2], *top;
    int parks[2], requests;
};

static int at_the_bottom(void *arg)
{
    struct diamond *diamond = arg;
    diamond->parks[0] = nook_sleep(UINT64_MAX);
    diamond->requests = (int)nook_task_cancelling(nook_task_current());
    diamond->parks[1] = nook_sleep(MS);
    return 0;
}

static int on_a_side(void *arg)
{
    return nook_task_join(((struct diamond *)arg)->bottom, NULL);
}

static int at_the_top(void *arg)
{
    return nook_gather(((struct diamond *)arg)->side, 2, NULL);
}

static int cancel_the_top(void *arg)
{
    struct diamond *diamond = arg;
    int rc = nook_task_spawn(&diamond->bottom, at_the_bottom, diamond, &on_first);
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = nook_task_spawn(&diamond->side[i], on_a_side, diamond, &on_first);
    if (rc == 0)
        rc = nook_task_spawn(&diamond->top, at_the_top, diamond, &on_first);
    if (rc == 0)
        rc = nook_sleep(MS);
    if (rc == 0)
        rc = nook_task_cancel(diamond->top);
    if (rc == 0)
        rc = nook_task_join(diamond->top, NULL);
    nook_task_unref(diamond->bottom);
    nook_task_unref(diamond->side[0]);
    nook_task_unref(diamond->side[1]);
    nook_task_unref(diamond->top);
    return rc;
}

static void what_is_reached_twice_is_interrupted_once(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct diamond diamond = {0};
        assert_int_equal(run(way, cancel_the_top, &diamond), 0);
        assert_int_equal(diamond.parks[0], NOOK_ECANCELED);
        assert_int_equal(diamond.requests, 2);
        assert_int_equal(diamond.parks[1], 0);
    }
}

enum { CHAIN = 3000 };

static nook_task *chain[CHAIN + 1];

static int join_the_next(void *arg)
{
    nook_task **next = arg;
    return *next != NULL ? nook_task_join(*next, NULL) : nook_sleep(UINT64_MAX);
}

static int cancel_a_chain(void *arg)
{
    int rc = 0, result = 0, n = 0;
    (void)arg;
    for (n = CHAIN - 1; rc == 0 && n >= 0; n--)
        rc = nook_task_spawn(&chain[n], join_the_next, &chain[n + 1], &on_first);
    if (rc == 0)
        rc = nook_sleep(MS);
    if (rc == 0)
        rc = nook_task_cancel(chain[0]);
    if (rc == 0)
        rc = nook_task_join(chain[0], &result);
    for (int i = 0; i < CHAIN; i++)
        nook_task_unref(chain[i]);
    return rc != 0 ? rc : result;
}

static void a_long_chain_is_cancelled_from_end_to_end(void **state)
{
    (void)state;
    assert_int_equal(run(VIRTUAL, cancel_a_chain, NULL), NOOK_ECANCELED);
    assert_int_equal(run(REAL, cancel_a_chain, NULL), NOOK_ECANCELED);
}

/* --- tasks of another run ------------------------------------------------- */

struct foreign {
    atomic_int stage;
    nook_task *task;
    int rc[5];
};

static int be_there(void *arg)
{
    struct foreign *foreign = arg;
    foreign->task = nook_task_current();
    atomic_store(&foreign->stage, 1);
    while (atomic_load(&foreign->stage) == 1)
        if (nook_sleep(MS) != 0)
            return -1;
    return 0;
}

static void *run_be_there(void *arg)
{
    (void)nook_run(be_there, arg, NULL, NULL);
    return NULL;
}

static void never(void *arg)
{
    (void)arg;
}

static int reach_over(void *arg)
{
    struct foreign *foreign = arg;
    while (atomic_load(&foreign->stage) == 0)
        usleep(1000);
    foreign->rc[0] = nook_task_cancel(foreign->task);
    foreign->rc[1] = nook_task_join(foreign->task, NULL);
    foreign->rc[2] = nook_gather(&foreign->task, 1, NULL);
    foreign->rc[3] = nook_task_on_done(NULL, foreign->task, never, NULL, NULL);
    foreign->rc[4] = (int)nook_task_uncancel(foreign->task);
    atomic_store(&foreign->stage, 2);
    return 0;
}

static void a_task_of_another_run_is_refused(void **state)
{
    struct foreign foreign = {.rc = {1, 1, 1, 1, 1}};
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, run_be_there, &foreign), 0);
    assert_int_equal(run(REAL, reach_over, &foreign), 0);
    pthread_join(thread, NULL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(foreign.rc[i], NOOK_EINVAL);
    assert_int_equal(foreign.rc[4], 0);
}

/* --- where it is felt ----------------------------------------------------- */

static NOOK_VAR_DEFINE(var);

struct cleaned {
    nook_task *task;
    int in_finally, of_canceller;
};

static int clean_up(void *arg)
{
    struct cleaned *cleaned = arg;
    (void)nook_var_set(&var, value_of(2), NULL);
    if (nook_sleep(UINT64_MAX) == NOOK_ECANCELED)
        cleaned->in_finally = number_in(&var);
    return 0;
}

static int cancel_from_elsewhere(void *arg)
{
    struct cleaned *cleaned = arg;
    int rc = nook_task_spawn(&cleaned->task, clean_up, cleaned, &on_first);
    if (rc == 0)
        rc = nook_sleep(MS);
    if (rc == 0)
        rc = nook_var_set(&var, value_of(9), NULL);
    if (rc == 0)
        rc = nook_task_cancel(cleaned->task);
    if (rc == 0)
        rc = nook_task_join(cleaned->task, NULL);
    cleaned->of_canceller = number_in(&var);
    nook_task_unref(cleaned->task);
    return rc;
}

static void A28_clean_up_runs_in_the_tasks_own_context(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct cleaned cleaned = {0};
        assert_int_equal(run(way, cancel_from_elsewhere, &cleaned), 0);
        assert_int_equal(cleaned.in_finally, 2);
        assert_int_equal(cleaned.of_canceller, 9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(a_sleep_is_cancelled),
        task_test(a_yield_is_cancelled),
        task_test(a_wait_for_a_descriptor_is_cancelled),
        task_test(a_task_may_cancel_itself_and_hears_of_it_at_its_next_park),
        task_test(a_request_before_the_woken_task_runs_ends_its_wait),
        task_test(a_yield_is_cancelled_whoever_resumes_it),
        task_test(a_cancel_goes_to_the_awaited_task_first),
        task_test(an_awaited_task_may_swallow_it),
        task_test(a_cancelled_gather_cancels_all_and_says_so),
        task_test(a_task_that_has_not_started_never_runs),
        task_test(a_task_that_has_ended_is_not_touched),
        task_test(a_request_taken_back_in_time_was_none),
        task_test(requests_are_counted_and_delivered_once),
        task_test(a_pending_request_goes_to_the_awaited_task_too),
        task_test(a_cancel_breaks_a_circle),
        task_test(what_is_reached_twice_is_interrupted_once),
        task_test(a_long_chain_is_cancelled_from_end_to_end),
        task_test(a_task_of_another_run_is_refused),
        task_test(A28_clean_up_runs_in_the_tasks_own_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
