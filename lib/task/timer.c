/* SPDX-License-Identifier: MIT */
/*
 * Timers: a binary heap in which each timer knows its place, so that a cancelled
 * one leaves at once and pins nothing.
 *
 * Invariant: heap[i]->place == i, and no timer is due before its parent.
 */
#include "run.h"

#include <stdlib.h>

atomic_long nook__timers_alive;

static int before(const struct nook__timer *a, const struct nook__timer *b)
{
    return a->when != b->when ? a->when < b->when : a->number < b->number;
}

/* Under the lock. */
static size_t count(const struct nook__timers *timers)
{
    return atomic_load_explicit(&timers->n, memory_order_relaxed);
}

static void put(struct nook__timers *timers, size_t place, struct nook__timer *timer)
{
    timers->heap[place] = timer;
    timer->place = place;
}

static void sift_up(struct nook__timers *timers, size_t place, struct nook__timer *timer)
{
    for (; place > 1 && before(timer, timers->heap[place / 2]); place /= 2)
        put(timers, place, timers->heap[place / 2]);
    put(timers, place, timer);
}

static void sift_down(struct nook__timers *timers, size_t place, struct nook__timer *timer)
{
    for (size_t child; (child = place * 2) <= count(timers); place = child) {
        if (child < count(timers) && before(timers->heap[child + 1], timers->heap[child]))
            child++;
        if (!before(timers->heap[child], timer))
            break;
        put(timers, place, timers->heap[child]);
    }
    put(timers, place, timer);
}

static int grow(struct nook__timers *timers)
{
    size_t room = timers->room == 0 ? 16 : timers->room * 2;
    struct nook__timer **heap =
        realloc(timers->heap, (room + 1) * sizeof(struct nook__timer *));
    if (heap == NULL)
        return NOOK_ENOMEM;
    timers->heap = heap;
    timers->room = room;
    return 0;
}

static int add(struct nook__run *run, struct nook__timer *timer, uint64_t when, int due)
{
    struct nook__timers *timers = &run->timers;
    size_t n = count(timers);
    if (n == timers->room && grow(timers) != 0)
        return NOOK_ENOMEM;
    timer->when = when < UINT64_MAX - 1 ? when : UINT64_MAX - 1;
    timer->number = timers->number++;
    atomic_store_explicit(&timers->n, n + 1, memory_order_relaxed);
    sift_up(timers, n + 1, timer);
    if (timer->place == 1)
        nook__mind_timer(run);
    if (due && nook__here() != NULL)
        nook__due_now(nook__here());
    atomic_fetch_add_explicit(&nook__timers_alive, 1, memory_order_relaxed);
    return 0;
}

int nook__timer_add(struct nook__run *run, struct nook__timer *timer, uint64_t ns)
{
    uint64_t now = nook__clock(run);
    return add(run, timer, ns < UINT64_MAX - now ? now + ns : UINT64_MAX, ns == 0);
}

int nook__timer_at(struct nook__run *run, struct nook__timer *timer, uint64_t when)
{
    return add(run, timer, when, when <= nook__clock(run));
}

void nook__timer_remove(struct nook__run *run, struct nook__timer *timer)
{
    struct nook__timers *timers = &run->timers;
    size_t place = timer->place;
    if (place == 0)
        return;
    timer->place = 0;
    size_t n = count(timers);
    struct nook__timer *last = timers->heap[n];
    atomic_store_explicit(&timers->n, n - 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&nook__timers_alive, 1, memory_order_relaxed);
    if (last == timer)
        return;
    if (place > 1 && before(last, timers->heap[place / 2]))
        sift_up(timers, place, last);
    else
        sift_down(timers, place, last);
}

void nook__timers_fire(struct nook__run *run, uint64_t now)
{
    struct nook__timers *timers = &run->timers;
    while (count(timers) > 0 && timers->heap[1]->when <= now) {
        struct nook__timer *timer = timers->heap[1];
        nook__timer_remove(run, timer);
        timer->fire(run, timer);
    }
}

uint64_t nook__timers_next(const struct nook__run *run)
{
    return count(&run->timers) > 0 ? run->timers.heap[1]->when : UINT64_MAX;
}
