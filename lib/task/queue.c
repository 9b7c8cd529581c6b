/* SPDX-License-Identifier: MIT */
/*
 * What a worker runs next, and how work comes to those who have none.
 *
 * A worker has a queue, which it alone touches, of what is its own: started tasks that
 * stay, callbacks. What any worker may take, tasks that have not started and tasks that
 * roam, goes into the ring of the worker where it became ready: that one puts in, at the
 * tail; who takes out, it or a thief, moves the head on by compare-and-swap, and has what
 * lay between. From a full ring the older half goes to a list that all share. A queue's
 * event knows where the tail was when it came, so what came first to a worker, into its
 * queue or its ring, is done first there.
 *
 * Nothing is ever taken out of the middle of a ring. Whose an event is, one word says
 * [event.worker], and once: who takes the event writes itself there, who binds it to a
 * worker meanwhile, that worker; the second of them finds the word written. So who
 * takes an event that was bound elsewhere sends it on.
 *
 * Who has nothing searches, first in the shared list, then at every other worker, from a
 * random one on. At most half of those awake search. Invariant: while some event is in a
 * ring or in the list, a worker is awake. And where another one sleeps, one searches, or
 * will look once more:
 *
 *     who puts in:                          who gives up the search:
 *         the tail, or the list's count         one less searches
 *         does anybody search, or sleep?        one more sleeps
 *                                               does anybody search? the tails, the count
 *
 * All of these are sequentially consistent, hence in one order: either who puts in sees that
 * nobody searches and that one sleeps, and wakes it, or who gives up sees what was put in.
 * Fences would do, but ThreadSanitizer does not know them. Who was woken to search
 * counts as searching from then on; the last one to find something looks whether there is
 * more, and wakes the next, for the others relied on it.
 */
#include "contextlocal/context.h"
#include "run.h"

/* --- whose an event is -------------------------------------------------------- */

/* 1: it is this worker's from here on; 0: it was bound to another, and goes there. */
static int claim(struct nook__worker *worker, struct nook__event *event)
{
    /* Relaxed: a decision on one word. What else there is of the event came with the ring. */
    unsigned whose = atomic_load_explicit(&event->worker, memory_order_relaxed);
    while ((whose & ~NOOK__ROAMS) == 0)
        if (atomic_compare_exchange_weak_explicit(&event->worker, &whose, whose | worker->index,
                                                  memory_order_relaxed, memory_order_relaxed))
            return 1;
    if ((whose & ~NOOK__ROAMS) == worker->index)
        return 1;
    nook__lock(worker->run);
    nook__give(&worker->run->workers[(whose & ~NOOK__ROAMS) - 1], event);
    nook__unlock(worker->run);
    return 0;
}

unsigned nook__bind(struct nook__event *event, unsigned fallback)
{
    unsigned whose = atomic_load_explicit(&event->worker, memory_order_relaxed), home;
    do
        home = (whose & ~NOOK__ROAMS) != 0 ? whose & ~NOOK__ROAMS : fallback;
    while (!atomic_compare_exchange_weak_explicit(&event->worker, &whose, home,
                                                  memory_order_relaxed, memory_order_relaxed));
    return home;
}

/* 1: a task that roams is any worker's again; 0: it was bound to where it was. */
static int set_free(struct nook__event *event)
{
    unsigned whose = atomic_load_explicit(&event->worker, memory_order_relaxed);
    return (whose & NOOK__ROAMS) != 0 &&
           atomic_compare_exchange_strong_explicit(&event->worker, &whose, NOOK__ROAMS,
                                                   memory_order_relaxed, memory_order_relaxed);
}

/* --- the ring ----------------------------------------------------------------- */

enum { HALF = NOOK__RING / 2 };

static _Atomic(struct nook__event *) *slot(struct nook__ring *ring, uint64_t at)
{
    return &ring->slots[at % NOOK__RING];
}

static struct nook__event *peek(struct nook__ring *ring, uint64_t at)
{
    return atomic_load_explicit(slot(ring, at), memory_order_relaxed);
}

/*
 * 1: what lies from `head`, `n` long, is the caller's. Release: who puts in loads the head
 * with acquire, so the caller's loads of the slots came before they are used again.
 */
static int advance(struct nook__ring *ring, uint64_t head, uint64_t n)
{
    return atomic_compare_exchange_strong_explicit(&ring->head, &head, head + n,
                                                   memory_order_release, memory_order_relaxed);
}

/* By the ring's worker. What was put in is seen with the tail, which is loaded with acquire. */
static void publish(struct nook__ring *ring, uint64_t tail)
{
    atomic_store_explicit(&ring->tail, tail, memory_order_seq_cst);
}

/* By the ring's worker. NULL: it is empty. */
static struct nook__event *pop(struct nook__ring *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    for (;;) {
        /* Acquire: where it is empty, steal writes into it next. */
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (head == tail)
            return NULL;
        struct nook__event *event = peek(ring, head);
        if (advance(ring, head, 1))
            return event;
    }
}

/* --- the shared list ----------------------------------------------------------- */

/* By the worker, with the slots that it has taken from its ring. */
static void share(struct nook__worker *worker, uint64_t head, unsigned n,
                  struct nook__event *last)
{
    struct nook__shared *shared = &worker->run->shared;
    pthread_mutex_lock(&shared->lock);
    for (unsigned i = 0; i < n; i++)
        nook__list_append(&shared->events, &peek(&worker->ring, head + i)->link);
    nook__list_append(&shared->events, &last->link);
    atomic_fetch_add_explicit(&shared->n, n + 1, memory_order_seq_cst);
    pthread_mutex_unlock(&shared->lock);
}

/* By the worker, which wakes nobody yet. */
static void put(struct nook__worker *worker, struct nook__event *event)
{
    struct nook__ring *ring = &worker->ring;
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    nook__disturb(worker);
    for (;;) {
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (tail - head < NOOK__RING) {
            atomic_store_explicit(slot(ring, tail), event, memory_order_relaxed);
            publish(ring, tail + 1);
            return;
        }
        if (advance(ring, head, HALF)) {
            share(worker, head, HALF, event);
            return;
        }
    }
}

/* The first in the worker's queue from here on, unless it was bound to another one. */
static void keep(struct nook__worker *worker, struct nook__event *event)
{
    if (!claim(worker, event))
        return;
    event->order = 0;
    nook__list_append(worker->at->next, &event->link);
}

/* At most so many. 1: there were some. */
static int take_shared(struct nook__worker *worker, unsigned most)
{
    struct nook__shared *shared = &worker->run->shared;
    struct nook__link some;
    unsigned n = 0;
    if (atomic_load_explicit(&shared->n, memory_order_relaxed) == 0)
        return 0;
    nook__list_init(&some);
    pthread_mutex_lock(&shared->lock);
    for (; n < most && !nook__list_empty(&shared->events); n++)
        nook__list_append(&some, nook__list_pop(&shared->events));
    atomic_fetch_sub_explicit(&shared->n, n, memory_order_relaxed);
    pthread_mutex_unlock(&shared->lock);
    if (n == 0)
        return 0;
    keep(worker, NOOK__CONTAINER(nook__list_pop(&some), struct nook__event, link));
    while (!nook__list_empty(&some))
        put(worker, NOOK__CONTAINER(nook__list_pop(&some), struct nook__event, link));
    return 1;
}

/* A part for each worker, and no more than its ring has room for while others put in. */
static unsigned portion(const struct nook__run *run)
{
    unsigned n = atomic_load_explicit(&run->shared.n, memory_order_relaxed);
    unsigned part = n / run->n_workers + 1;
    return part < HALF ? part : HALF;
}

/* --- what comes next ------------------------------------------------------------ */

static struct nook__event *front(struct nook__worker *worker)
{
    return nook__queue_empty(worker)
               ? NULL
               : NOOK__CONTAINER(worker->at->next, struct nook__event, link);
}

/* What comes first in the ring goes to the front of the queue. */
struct nook__event *nook__queue_refill(struct nook__worker *worker)
{
    struct nook__event *own = front(worker), *event;
    while ((own == NULL ||
            atomic_load_explicit(&worker->ring.head, memory_order_relaxed) < own->order) &&
           (event = pop(&worker->ring)) != NULL) {
        keep(worker, event);
        own = front(worker);
    }
    return own;
}

/* Not before what is urgent, which nothing comes before. */
void nook__queue_look(struct nook__worker *worker)
{
    const struct nook__event *own = front(worker);
    if (own == NULL || own->order != 0)
        (void)take_shared(worker, 1);
}

/* --- searching ------------------------------------------------------------------- */

static unsigned next_random(struct nook__worker *worker)
{
    unsigned x = worker->random != 0 ? worker->random : worker->index;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return worker->random = x;
}

/*
 * Half of what is there, the older half, into the worker's own ring, which is empty; the
 * first of it into its queue. 1: there was something.
 */
static int steal(struct nook__worker *worker, struct nook__ring *from)
{
    struct nook__ring *ring = &worker->ring;
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    for (;;) {
        /* The head first: a tail that is newer makes n too large at worst. */
        uint64_t head = atomic_load_explicit(&from->head, memory_order_acquire);
        uint64_t n = atomic_load_explicit(&from->tail, memory_order_acquire) - head;
        n -= n / 2;
        if (n == 0)
            return 0;
        if (n > HALF)
            continue; /* the head has moved meanwhile */
        for (uint64_t i = 1; i < n; i++)
            atomic_store_explicit(slot(ring, tail + i - 1), peek(from, head + i),
                                  memory_order_relaxed);
        struct nook__event *first = peek(from, head);
        if (!advance(from, head, n))
            continue;
        if (n > 1) {
            nook__disturb(worker);
            publish(ring, tail + n - 1);
        }
        keep(worker, first);
        return 1;
    }
}

static int begin_search(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    unsigned searching = atomic_load_explicit(&run->searching, memory_order_relaxed);
    unsigned awake = run->n_workers - atomic_load_explicit(&run->idle, memory_order_relaxed);
    if (worker->searching)
        return 1;
    if (2 * searching >= awake)
        return 0;
    worker->searching = 1;
    atomic_fetch_add_explicit(&run->searching, 1, memory_order_seq_cst);
    return 1;
}

int nook__search(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    if (run->solo || !begin_search(worker))
        return 0;
    if (take_shared(worker, portion(run)))
        return 1;
    unsigned first = next_random(worker) % run->n_workers;
    for (unsigned i = 0; i < run->n_workers; i++) {
        struct nook__worker *victim = &run->workers[(first + i) % run->n_workers];
        if (victim != worker && steal(worker, &victim->ring))
            return 1;
    }
    return 0;
}

static int work_left(struct nook__run *run)
{
    if (atomic_load_explicit(&run->shared.n, memory_order_seq_cst) != 0)
        return 1;
    for (unsigned i = 0; i < run->n_workers; i++) {
        struct nook__ring *ring = &run->workers[i].ring;
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_seq_cst);
        if (atomic_load_explicit(&ring->tail, memory_order_seq_cst) != head)
            return 1;
    }
    return 0;
}

/* 1: somebody sleeps and nobody searches. */
static int wants_searcher(const struct nook__run *run)
{
    return atomic_load_explicit(&run->searching, memory_order_seq_cst) == 0 &&
           atomic_load_explicit(&run->idle, memory_order_seq_cst) != 0;
}

/* Under the lock. */
static void rouse_searcher(struct nook__run *run)
{
    struct nook__worker *worker = wants_searcher(run) ? nook__idle_one(run) : NULL;
    if (worker == NULL)
        return;
    worker->searching = 1;
    atomic_fetch_add_explicit(&run->searching, 1, memory_order_seq_cst);
    nook__rouse(worker);
}

static void call_searcher(struct nook__run *run)
{
    nook__lock(run);
    rouse_searcher(run);
    nook__unlock(run);
}

/* 1: it was the last one. */
static int leave_search(struct nook__worker *worker)
{
    int searching = worker->searching;
    worker->searching = 0;
    return searching &&
           atomic_fetch_sub_explicit(&worker->run->searching, 1, memory_order_seq_cst) == 1;
}

void nook__found(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    if (leave_search(worker) && wants_searcher(run) && work_left(run))
        call_searcher(run);
}

int nook__give_up(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    (void)leave_search(worker);
    worker->idle = 1;
    atomic_fetch_add_explicit(&run->idle, 1, memory_order_seq_cst);
    return atomic_load_explicit(&run->searching, memory_order_seq_cst) != 0 || !work_left(run);
}

/* --- what has become ready --------------------------------------------------------- */

/* 1: it has entered a context. One that has ended has no chain. */
static int is_inside(const struct nook__body *task)
{
    return task->chain != NULL && nook__context_is_entered(task->chain);
}

int nook__roams(struct nook__event *event)
{
    if (nook__stays(event))
        return 0;
    struct nook__body *task = NOOK__CONTAINER(event, struct nook__body, event);
    if (!task->life->moved)
        return nook__started(task) && !is_inside(task);
    task->life->moved = 0; /* where it said */
    return 0;
}

void nook__queue_ready(struct nook__run *run, struct nook__event *event)
{
    struct nook__worker *here = nook__here();
    unsigned home = nook__home(event);
    if (home != 0 && nook__roams(event) && set_free(event))
        home = 0;
    if (home != 0) {
        nook__give(&run->workers[home - 1], event);
        return;
    }
    put(here, event);
    rouse_searcher(run);
}

int nook__ring_empty(const struct nook__ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_relaxed) ==
           atomic_load_explicit(&ring->tail, memory_order_relaxed);
}

/* Nobody else would be there to run meanwhile. */
static int is_alone(struct nook__worker *worker)
{
    return nook__current(worker) == NULL && nook__queue_empty(worker) &&
           nook__ring_empty(&worker->ring);
}

void nook__queue_roaming(struct nook__worker *worker, struct nook__event *event)
{
    struct nook__run *run = worker->run;
    if (run->solo || is_alone(worker) || !nook__roams(event) || !set_free(event)) {
        nook__enqueue(worker, event);
        return;
    }
    atomic_store_explicit(&event->ready, 1, memory_order_relaxed);
    put(worker, event); /* from here on it may run elsewhere, and end */
    if (wants_searcher(run))
        call_searcher(run);
}
