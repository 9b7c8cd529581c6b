/* SPDX-License-Identifier: MIT */
/* Lock, event, condition, semaphore, barrier, queue: order, hand-over, cancellation. */
#include "want.h"

/* `note` and shared numbers without locks: on one thread only. */
static const enum way one_thread[] = {VIRTUAL, VIRTUAL_3, REAL};
enum { ONE_THREAD = 3 };

/* Spawns n tasks that run fn(args + i * size), and yields until all of them wait. */
static int spawn_all(nook_task **tasks, size_t n, nook_task_fn fn, void *args, size_t size)
{
    int rc = 0;
    for (size_t i = 0; i < n; i++)
        tasks[i] = NULL;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = nook_task_spawn(&tasks[i], fn, (char *)args + i * size, NULL);
    for (int i = 0; rc == 0 && i < 3; i++)
        rc = nook_yield();
    return rc;
}

static int join_all(nook_task **tasks, size_t n, int rc)
{
    int joined = rc == 0 ? nook_gather(tasks, n, NULL) : rc;
    for (size_t i = 0; i < n; i++)
        nook_task_unref(tasks[i]);
    return joined;
}

/* --- lock ------------------------------------------------------------------- */

struct bench {
    nook_lock lock;
    nook_event event;
    nook_condition condition;
    nook_semaphore semaphore;
    nook_barrier barrier;
    nook_queue *queue;
    int inside, most_inside, rounds;
    int ready;
};

struct worker {
    struct bench *bench;
    const char *name;
    int rc;
    size_t number;
    void *item;
};

static int hold_and_yield(void *arg)
{
    struct worker *worker = arg;
    struct bench *bench = worker->bench;
    for (int i = 0; i < 50 && worker->rc == 0; i++) {
        worker->rc = nook_lock_acquire(&bench->lock);
        if (worker->rc != 0)
            break;
        if (++bench->inside > bench->most_inside)
            bench->most_inside = bench->inside;
        bench->rounds++;
        worker->rc = nook_yield();
        bench->inside--;
        if (worker->rc == 0)
            worker->rc = nook_lock_release(&bench->lock);
    }
    return worker->rc;
}

static int many_hold(void *arg)
{
    struct bench *bench = arg;
    struct worker workers[5];
    nook_task *tasks[5] = {NULL};
    for (int i = 0; i < 5; i++)
        workers[i] = (struct worker){.bench = bench};
    int rc = join_all(tasks, 5, spawn_all(tasks, 5, hold_and_yield, workers, sizeof *workers));
    for (int i = 0; rc == 0 && i < 5; i++)
        rc = workers[i].rc;
    return rc;
}

static void a_lock_is_held_by_one(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct bench bench = {0};
        assert_int_equal(run(way, many_hold, &bench), 0);
        assert_int_equal(bench.most_inside, 1);
        assert_int_equal(bench.rounds, 250);
        assert_false(nook_lock_locked(&bench.lock));
    }
}

static int acquire_and_note(void *arg)
{
    struct worker *worker = arg;
    worker->rc = nook_lock_acquire(&worker->bench->lock);
    note(worker->rc == 0 ? worker->name : "cancelled");
    if (worker->rc == 0)
        worker->rc = nook_lock_release(&worker->bench->lock);
    return 0;
}

static int cancel_the_second(void *arg)
{
    struct bench *bench = arg;
    struct worker workers[] = {
        {bench, "a", 0, 0, NULL}, {bench, "b", 0, 0, NULL}, {bench, "c", 0, 0, NULL}};
    nook_task *tasks[3] = {NULL};
    int rc = nook_lock_acquire(&bench->lock);
    if (rc == 0)
        rc = spawn_all(tasks, 3, acquire_and_note, workers, sizeof *workers);
    if (rc == 0)
        rc = nook_task_cancel(tasks[1]);
    note("release");
    if (rc == 0)
        rc = nook_lock_release(&bench->lock);
    note(nook_lock_try(&bench->lock) == NOOK_EBUSY ? "handed over" : "overtaken");
    return join_all(tasks, 3, rc);
}

static void a_lock_is_handed_over_in_order_and_not_to_the_cancelled(void **state)
{
    (void)state;
    for (int i = 0; i < ONE_THREAD; i++) {
        struct bench bench = {0};
        trace_clear();
        assert_int_equal(run(one_thread[i], cancel_the_second, &bench), 0);
        assert_string_equal(trace, "release handed over cancelled a c");
        assert_false(nook_lock_locked(&bench.lock));
    }
}

/* Cancelled after it was handed the lock, but before it ran: it has it. */
static int cancel_after_hand_over(void *arg)
{
    struct bench *bench = arg;
    struct worker worker = {bench, "got it", 0, 0, NULL};
    nook_task *task = NULL;
    int rc = nook_lock_acquire(&bench->lock);
    if (rc == 0)
        rc = spawn_all(&task, 1, acquire_and_note, &worker, sizeof worker);
    if (rc == 0)
        rc = nook_lock_release(&bench->lock);
    if (rc == 0)
        rc = nook_task_cancel(task);
    return join_all(&task, 1, rc);
}

static void who_was_served_before_the_cancel_was_served(void **state)
{
    (void)state;
    for (int i = 0; i < ONE_THREAD; i++) {
        struct bench bench = {0};
        trace_clear();
        assert_int_equal(run(one_thread[i], cancel_after_hand_over, &bench), 0);
        assert_string_equal(trace, "got it");
        assert_false(nook_lock_locked(&bench.lock));
    }
}

static int leave_by(nook_lock *lock, int how)
{
    for (int i = 0; i < 2; i++)
        NOOK_LOCKED (lock) {
            if (!nook_lock_locked(lock))
                return -1;
            if (how == 0)
                return 7;
            if (how == 1)
                break;
        }
    return nook_lock_locked(lock) ? -2 : 7;
}

static int locked_blocks(void *arg)
{
    struct bench *bench = arg;
    for (int how = 0; how < 3; how++)
        if (leave_by(&bench->lock, how) != 7 || nook_lock_locked(&bench->lock))
            return how + 1;
    return 0;
}

static void a_locked_block_releases_on_every_way_out(void **state)
{
    struct bench bench = {0};
    (void)state;
    assert_int_equal(run(REAL, locked_blocks, &bench), 0);
}

/* --- event ------------------------------------------------------------------ */

static int wait_and_note(void *arg)
{
    struct worker *worker = arg;
    worker->rc = nook_event_wait(&worker->bench->event);
    note(worker->rc == 0 ? worker->name : "cancelled");
    return 0;
}

static int set_and_clear(void *arg)
{
    struct bench *bench = arg;
    struct worker workers[] = {
        {bench, "a", 0, 0, NULL}, {bench, "b", 0, 0, NULL}, {bench, "c", 0, 0, NULL}};
    nook_task *tasks[3] = {NULL};
    int rc = spawn_all(tasks, 3, wait_and_note, workers, sizeof *workers);
    if (rc == 0)
        rc = nook_task_cancel(tasks[0]);
    if (rc == 0)
        rc = nook_event_set(&bench->event);
    if (rc == 0)
        rc = nook_event_wait(&bench->event); /* does not park */
    note("set");
    if (rc == 0)
        rc = nook_event_clear(&bench->event);
    return join_all(tasks, 3, rc);
}

static void an_event_wakes_all_who_wait_even_if_it_is_cleared_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < ONE_THREAD; i++) {
        struct bench bench = {0};
        trace_clear();
        assert_int_equal(run(one_thread[i], set_and_clear, &bench), 0);
        assert_string_equal(trace, "set cancelled b c");
        assert_false(nook_event_is_set(&bench.event));
    }
}

/* --- condition -------------------------------------------------------------- */

static int is_ready(void *arg)
{
    return ((struct bench *)arg)->ready;
}

static int consume(void *arg)
{
    struct worker *worker = arg;
    struct bench *bench = worker->bench;
    int rc = nook_lock_acquire(&bench->lock);
    if (rc != 0)
        return rc;
    bench->inside++;
    worker->rc = nook_condition_wait_for(&bench->condition, is_ready, bench);
    worker->number = nook_lock_locked(&bench->lock) != 0;
    if (worker->rc == 0)
        bench->ready--;
    return nook_lock_release(&bench->lock);
}

/* Until n have come in: they wait, for they keep the lock until then. */
static int await_consumers(struct bench *bench, int n)
{
    int rc, here;
    do {
        if ((rc = nook_lock_acquire(&bench->lock)) != 0)
            return rc;
        here = bench->inside;
        if ((rc = nook_lock_release(&bench->lock)) == 0)
            rc = nook_yield();
    } while (rc == 0 && here < n);
    return rc;
}

static int produce(void *arg)
{
    struct bench *bench = arg;
    struct worker workers[4];
    nook_task *tasks[4] = {NULL};
    bench->condition.lock = &bench->lock;
    for (int i = 0; i < 4; i++)
        workers[i] = (struct worker){.bench = bench, .rc = 1};
    int rc = spawn_all(tasks, 4, consume, workers, sizeof *workers);
    if (rc == 0)
        rc = await_consumers(bench, 4);
    if (rc == 0) /* before it waits it could take what is ready */
        rc = nook_task_cancel(tasks[3]);
    for (int i = 0; rc == 0 && i < 3; i++) {
        rc = nook_lock_acquire(&bench->lock);
        bench->ready++;
        if (rc == 0)
            rc = i == 0 ? nook_condition_notify_all(&bench->condition)
                        : nook_condition_notify(&bench->condition, 1);
        if (rc == 0)
            rc = nook_lock_release(&bench->lock);
        if (rc == 0)
            rc = nook_yield();
    }
    rc = join_all(tasks, 4, rc);
    for (int i = 0; rc == 0 && i < 4; i++)
        rc = workers[i].number != 1 || workers[i].rc != (i == 3 ? NOOK_ECANCELED : 0);
    return rc;
}

static void a_condition_wakes_and_holds_the_lock_whatever_it_returns(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct bench bench = {0};
        assert_int_equal(run(way, produce, &bench), 0);
        assert_int_equal(bench.ready, 0);
        assert_false(nook_lock_locked(&bench.lock));
    }
}

/* Cancelled while it waits for the lock again: it gets the lock, and says so after. */
static int cancel_on_the_way_back(void *arg)
{
    struct bench *bench = arg;
    struct worker worker = {.bench = bench, .rc = 1};
    nook_task *task = NULL;
    bench->condition.lock = &bench->lock;
    int rc = spawn_all(&task, 1, consume, &worker, sizeof worker);
    if (rc == 0)
        rc = nook_lock_acquire(&bench->lock);
    bench->ready = 1;
    if (rc == 0)
        rc = nook_condition_notify(&bench->condition, 1);
    if (rc == 0)
        rc = nook_yield(); /* it waits for the lock now */
    if (rc == 0)
        rc = nook_task_cancel(task);
    if (rc == 0)
        rc = nook_yield();
    if (rc == 0 && worker.rc != 1)
        rc = 2; /* it did not wait */
    if (rc == 0)
        rc = nook_lock_release(&bench->lock);
    rc = join_all(&task, 1, rc);
    return rc != 0 ? rc : worker.rc != NOOK_ECANCELED || worker.number != 1;
}

static void a_condition_takes_the_lock_again_before_it_is_cancelled(void **state)
{
    (void)state;
    for (int i = 0; i < ONE_THREAD; i++) {
        struct bench bench = {0};
        assert_int_equal(run(one_thread[i], cancel_on_the_way_back, &bench), 0);
        assert_false(nook_lock_locked(&bench.lock));
    }
}

/* --- semaphore -------------------------------------------------------------- */

static int pass_through(void *arg)
{
    struct worker *worker = arg;
    struct bench *bench = worker->bench;
    for (int i = 0; i < 20 && worker->rc == 0; i++) {
        worker->rc = nook_semaphore_acquire(&bench->semaphore);
        if (worker->rc != 0)
            break;
        int inside = __atomic_add_fetch(&bench->inside, 1, __ATOMIC_RELAXED);
        if (inside > 3)
            worker->rc = 1;
        if (inside == 3)
            __atomic_store_n(&bench->most_inside, 3, __ATOMIC_RELAXED);
        if (nook_yield() != 0)
            worker->rc = 2;
        __atomic_sub_fetch(&bench->inside, 1, __ATOMIC_RELAXED);
        if (nook_semaphore_release(&bench->semaphore) != 0)
            worker->rc = 3;
    }
    return worker->rc;
}

static int many_pass(void *arg)
{
    struct bench *bench = arg;
    struct worker workers[7];
    nook_task *tasks[7] = {NULL};
    for (int i = 0; i < 7; i++)
        workers[i] = (struct worker){.bench = bench};
    int rc = join_all(tasks, 7, spawn_all(tasks, 7, pass_through, workers, sizeof *workers));
    for (int i = 0; rc == 0 && i < 7; i++)
        rc = workers[i].rc;
    if (rc == 0 && nook_semaphore_release(&bench->semaphore) != NOOK_ERANGE)
        rc = 4;
    return rc;
}

static void a_semaphore_lets_so_many_in_and_knows_its_bound(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct bench bench = {.semaphore = {.value = 3, .bound = 3}};
        assert_int_equal(run(way, many_pass, &bench), 0);
        if (way != REAL_3) /* where the machine says whether three ever meet */
            assert_int_equal(bench.most_inside, 3);
        assert_int_equal(bench.semaphore.value, 3);
    }
}

/* --- barrier ---------------------------------------------------------------- */

static int meet(void *arg)
{
    struct worker *worker = arg;
    worker->rc = nook_barrier_wait(&worker->bench->barrier, &worker->number);
    return 0;
}

static int meet_twice(void *arg)
{
    struct bench *bench = arg;
    for (int round = 0; round < 2; round++) {
        struct worker workers[3];
        nook_task *tasks[3] = {NULL};
        unsigned numbers = 0;
        for (int i = 0; i < 3; i++)
            workers[i] = (struct worker){.bench = bench, .rc = 1};
        int rc = join_all(tasks, 3, spawn_all(tasks, 3, meet, workers, sizeof *workers));
        for (int i = 0; i < 3 && rc == 0; i++) {
            rc = workers[i].rc;
            numbers |= 1U << workers[i].number;
        }
        if (rc != 0 || numbers != 7)
            return 1;
    }
    return 0;
}

static void a_barrier_opens_for_all_and_numbers_them(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct bench bench = {.barrier = {.parties = 3}};
        assert_int_equal(run(way, meet_twice, &bench), 0);
        assert_int_equal(nook_barrier_waiting(&bench.barrier), 0);
    }
}

static int break_it(void *arg)
{
    struct bench *bench = arg;
    struct worker workers[2] = {{.bench = bench, .rc = 1}, {.bench = bench, .rc = 1}};
    nook_task *tasks[2] = {NULL};
    int rc = spawn_all(tasks, 2, meet, workers, sizeof *workers);
    if (rc == 0)
        rc = nook_task_cancel(tasks[0]);
    if (rc == 0)
        rc = nook_yield();
    if (rc == 0 && nook_barrier_waiting(&bench->barrier) != 1)
        rc = 1;
    if (rc == 0)
        rc = nook_barrier_abort(&bench->barrier);
    rc = join_all(tasks, 2, rc);
    if (rc != 0 || workers[0].rc != NOOK_ECANCELED || workers[1].rc != NOOK_EBROKEN)
        return 2;
    if (nook_barrier_wait(&bench->barrier, NULL) != NOOK_EBROKEN ||
        !nook_barrier_broken(&bench->barrier) || nook_barrier_reset(&bench->barrier) != 0)
        return 3;
    return meet_twice(bench);
}

static void a_barrier_is_broken_by_abort_and_mended_by_reset(void **state)
{
    (void)state;
    for (int i = 0; i < ONE_THREAD; i++) {
        struct bench bench = {.barrier = {.parties = 3}};
        assert_int_equal(run(one_thread[i], break_it, &bench), 0);
    }
}

/* --- queue ------------------------------------------------------------------ */

enum { ITEMS = 300 };

static int put_many(void *arg)
{
    struct worker *worker = arg;
    for (int i = 1; i <= ITEMS && worker->rc == 0; i++)
        worker->rc = nook_queue_put(worker->bench->queue, value_of(i));
    return worker->rc;
}

static int get_many(void *arg)
{
    struct worker *worker = arg;
    void *item = NULL;
    while ((worker->rc = nook_queue_get(worker->bench->queue, &item)) == 0) {
        worker->number += (size_t)(intptr_t)item;
        if ((worker->rc = nook_queue_task_done(worker->bench->queue)) != 0)
            break;
    }
    return 0;
}

static int pass_items(void *arg)
{
    struct bench *bench = arg;
    struct worker putters[2], getters[3];
    nook_task *put[2] = {NULL}, *get[3] = {NULL};
    size_t sum = 0;
    for (int i = 0; i < 3; i++)
        getters[i] = (struct worker){.bench = bench};
    for (int i = 0; i < 2; i++)
        putters[i] = (struct worker){.bench = bench};
    int rc = spawn_all(get, 3, get_many, getters, sizeof *getters);
    if (rc == 0)
        rc = join_all(put, 2, spawn_all(put, 2, put_many, putters, sizeof *putters));
    if (rc == 0)
        rc = nook_queue_join(bench->queue);
    if (rc == 0)
        rc = nook_queue_close(bench->queue);
    rc = join_all(get, 3, rc);
    for (int i = 0; i < 3 && rc == 0; i++) {
        rc = getters[i].rc == NOOK_ECLOSED ? 0 : 1;
        sum += getters[i].number;
    }
    return rc != 0 ? rc : sum != ITEMS * (ITEMS + 1);
}

static void a_queue_loses_and_doubles_nothing(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++)
        for (size_t capacity = 0; capacity < 8; capacity += 1 + 2 * capacity) {
            struct bench bench = {0};
            assert_int_equal(nook_queue_new(&bench.queue, capacity), 0);
            assert_int_equal(run(way, pass_items, &bench), 0);
            nook_queue_free(bench.queue);
        }
}

static int put_one(void *arg)
{
    struct worker *worker = arg;
    worker->rc = nook_queue_put(worker->bench->queue, worker->item);
    return 0;
}

/* The queue is full, and three wait to put; the second is cancelled. */
static int putters_in_order(void *arg)
{
    struct bench *bench = arg;
    struct worker workers[3];
    nook_task *tasks[3] = {NULL};
    void *item = NULL;
    for (int i = 0; i < 3; i++)
        workers[i] = (struct worker){.bench = bench, .rc = 1, .item = value_of(i + 2)};
    int rc = nook_queue_put(bench->queue, value_of(1));
    if (rc == 0)
        rc = spawn_all(tasks, 3, put_one, workers, sizeof *workers);
    if (rc == 0)
        rc = nook_task_cancel(tasks[1]);
    for (int want = 1; rc == 0 && want <= 4; want += want == 2 ? 2 : 1) {
        rc = nook_queue_get(bench->queue, &item);
        if (rc == 0 && item != value_of(want))
            rc = 10 + want;
        if (rc == 0)
            rc = nook_yield();
    }
    rc = join_all(tasks, 3, rc);
    if (rc == 0 &&
        (workers[0].rc != 0 || workers[1].rc != NOOK_ECANCELED || workers[2].rc != 0))
        rc = 1;
    return rc != 0 ? rc : nook_queue_try_get(bench->queue, &item) != NOOK_EAGAIN;
}

static void putters_are_served_in_order(void **state)
{
    (void)state;
    for (int i = 0; i < ONE_THREAD; i++) {
        struct bench bench = {0};
        assert_int_equal(nook_queue_new(&bench.queue, 1), 0);
        assert_int_equal(run(one_thread[i], putters_in_order, &bench), 0);
        nook_queue_free(bench.queue);
    }
}

static int close_it(void *arg)
{
    struct bench *bench = arg;
    struct worker putter = {.bench = bench, .rc = 1, .item = value_of(2)};
    nook_task *task = NULL;
    void *item = NULL;
    int rc = nook_queue_put(bench->queue, value_of(1));
    if (rc == 0 && nook_queue_try_put(bench->queue, NULL) != NOOK_EAGAIN)
        rc = 1;
    if (rc == 0)
        rc = spawn_all(&task, 1, put_one, &putter, sizeof putter);
    if (rc == 0)
        rc = nook_queue_close(bench->queue);
    rc = join_all(&task, 1, rc);
    if (rc != 0 || putter.rc != NOOK_ECLOSED)
        return 2;
    if (nook_queue_put(bench->queue, NULL) != NOOK_ECLOSED)
        return 3;
    if (nook_queue_len(bench->queue) != 1 || nook_queue_get(bench->queue, &item) != 0 ||
        item != value_of(1))
        return 4;
    return nook_queue_get(bench->queue, &item) == NOOK_ECLOSED ? 0 : 5;
}

static void a_closed_queue_gives_what_it_has_and_takes_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < ONE_THREAD; i++) {
        struct bench bench = {0};
        assert_int_equal(nook_queue_new(&bench.queue, 1), 0);
        assert_int_equal(run(one_thread[i], close_it, &bench), 0);
        nook_queue_free(bench.queue);
    }
}

/* --- again and again --------------------------------------------------------- */

/*
 * Rounds in which one task waits, from its second wait on without a frame, and another one ends
 * that in one of several ways: more rounds than a worker makes without looking round.
 */
enum { AGAIN = 200 };
enum end { SERVED, CANCELED, SERVED_AND_CANCELED, CANCELED_IN_A_YIELD, BROKEN, ENDS };

struct again {
    nook_queue *queue;
    nook_lock lock;
    nook_barrier barrier;
    nook_task *task;
    atomic_int at; /* the round in which the task waits, or is about to */
    int many;      /* workers */
};

static int cancel_comes(void)
{
    int rc;
    while ((rc = nook_yield()) == 0)
        continue;
    return rc == NOOK_ECANCELED && nook_task_uncancel(nook_task_current()) == 0;
}

static int wait_again_and_again(void *arg)
{
    struct again *again = arg;
    for (int i = 1; i <= AGAIN; i++) {
        enum end end = (enum end)(i % ENDS);
        void *item = NULL;
        size_t index;
        atomic_store(&again->at, i);
        if (end == BROKEN) {
            WANT(nook_barrier_wait(&again->barrier, &index) == NOOK_EBROKEN);
        } else if (end == CANCELED_IN_A_YIELD) {
            WANT(cancel_comes());
        } else if (end == CANCELED) {
            WANT(nook_lock_acquire(&again->lock) == NOOK_ECANCELED);
            WANT(nook_task_uncancel(nook_task_current()) == 0);
        } else {
            int rc = nook_queue_get(again->queue, &item);
            int early = again->many && end == SERVED_AND_CANCELED && rc == NOOK_ECANCELED;
            if (early) { /* both came from another worker before it waited: nothing is lost */
                WANT(nook_task_uncancel(nook_task_current()) == 0);
                rc = nook_queue_get(again->queue, &item);
            }
            WANT(rc == 0 && item == value_of(i));
            WANT(early || end == SERVED || cancel_comes());
        }
    }
    WANT(nook_queue_get(again->queue, &(void *){NULL}) == NOOK_ECLOSED);
    return 0;
}

static int end_it(struct again *again, int round)
{
    enum end end = (enum end)(round % ENDS);
    if (end == BROKEN) {
        while (nook_barrier_waiting(&again->barrier) == 0)
            WANT(nook_yield() == 0);
        WANT(nook_barrier_reset(&again->barrier) == 0);
    }
    if (end == SERVED || end == SERVED_AND_CANCELED)
        WANT(nook_queue_put(again->queue, value_of(round)) == 0);
    if (end != BROKEN && end != SERVED)
        WANT(nook_task_cancel(again->task) == 0);
    return 0;
}

static int wait_and_end(void *arg)
{
    struct again *again = arg;
    int result = -1;
    WANT(nook_lock_acquire(&again->lock) == 0);
    WANT(nook_task_spawn(&again->task, wait_again_and_again, again, NULL) == 0);
    for (int i = 1; i <= AGAIN; i++) {
        while (atomic_load(&again->at) != i && !nook_task_done(again->task))
            WANT(nook_yield() == 0);
        int rc = end_it(again, i);
        if (rc != 0)
            return rc;
    }
    WANT(nook_queue_close(again->queue) == 0);
    WANT(nook_task_join(again->task, &result) == 0);
    nook_task_unref(again->task);
    return result;
}

static void what_ended_a_wait_is_its_answer_each_time(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct again again = {.barrier = {.parties = 2}, .many = way == REAL_3};
        assert_int_equal(nook_queue_new(&again.queue, 1), 0);
        assert_int_equal(run(way, wait_and_end, &again), 0);
        nook_queue_free(again.queue);
    }
}

/* --- wrong use ---------------------------------------------------------------- */

static int misuse(void *arg)
{
    struct bench *bench = arg;
    nook_condition no_lock = {0}, condition = {.lock = &bench->lock};
    nook_barrier nobody = {0};
    return nook_lock_release(&bench->lock) != NOOK_EPERM ||
           nook_condition_wait(&condition) != NOOK_EPERM ||
           nook_condition_notify(&condition, 1) != NOOK_EPERM ||
           nook_condition_wait(&no_lock) != NOOK_EINVAL ||
           nook_barrier_wait(&nobody, NULL) != NOOK_EINVAL ||
           nook_queue_task_done(bench->queue) != NOOK_ERANGE ||
           nook_lock_acquire(NULL) != NOOK_EINVAL || nook_event_wait(NULL) != NOOK_EINVAL ||
           nook_semaphore_acquire(NULL) != NOOK_EINVAL ||
           nook_queue_put(NULL, NULL) != NOOK_EINVAL;
}

static void wrong_use_is_answered(void **state)
{
    struct bench bench = {0};
    (void)state;
    assert_int_equal(nook_queue_new(NULL, 0), NOOK_EINVAL);
    assert_int_equal(nook_queue_new(&bench.queue, 0), 0);
    assert_int_equal(run(REAL, misuse, &bench), 0);
    assert_int_equal(nook_lock_acquire(&bench.lock), NOOK_ENOTASK);
    assert_int_equal(nook_lock_try(&bench.lock), NOOK_ENOTASK);
    assert_int_equal(nook_event_set(&bench.event), NOOK_ENOTASK);
    assert_int_equal(nook_queue_close(bench.queue), NOOK_ENOTASK);
    nook_queue_free(bench.queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(a_lock_is_held_by_one),
        task_test(a_lock_is_handed_over_in_order_and_not_to_the_cancelled),
        task_test(who_was_served_before_the_cancel_was_served),
        task_test(a_locked_block_releases_on_every_way_out),
        task_test(an_event_wakes_all_who_wait_even_if_it_is_cleared_at_once),
        task_test(a_condition_wakes_and_holds_the_lock_whatever_it_returns),
        task_test(a_condition_takes_the_lock_again_before_it_is_cancelled),
        task_test(a_semaphore_lets_so_many_in_and_knows_its_bound),
        task_test(a_barrier_opens_for_all_and_numbers_them),
        task_test(a_barrier_is_broken_by_abort_and_mended_by_reset),
        task_test(a_queue_loses_and_doubles_nothing),
        task_test(putters_are_served_in_order),
        task_test(a_closed_queue_gives_what_it_has_and_takes_nothing),
        task_test(what_ended_a_wait_is_its_answer_each_time),
        task_test(wrong_use_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
