/* SPDX-License-Identifier: MIT */
/*
 * Who does not park. A thread looks at the workers' turns a few times within the
 * limit; the workers count them, and read no clock.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LOOKS = 4 }; /* within the limit */

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

struct report {
    nook_stall stall;
    char name[32];
};

/* Under the lock, which keeps the task. 0: it went on meanwhile. */
static int describe(struct nook__worker *worker, uint64_t turn, struct report *report)
{
    struct nook__body *task = atomic_load_explicit(&worker->current, memory_order_acquire);
    if (task != NULL) {
        memcpy(report->name, task->name, sizeof report->name);
        report->stall.name = report->name;
        report->stall.id = task->id;
        report->stall.site = task->site;
    }
    report->stall.worker = worker->index;
    return atomic_load_explicit(&worker->turns, memory_order_acquire) == turn;
}

/* Under the lock. 1: there is something to report. */
static int look(struct nook__run *run, unsigned i, struct report *report)
{
    struct nook__worker *worker = &run->workers[i];
    struct nook__watched *watched = &run->watchdog.workers[i];
    uint64_t turn = atomic_load_explicit(&worker->turns, memory_order_acquire), time = now();
    if (turn != watched->turn || !atomic_load_explicit(&worker->busy, memory_order_relaxed)) {
        *watched = (struct nook__watched){.turn = turn, .since = time};
        return 0;
    }
    report->stall.ns = time - watched->since;
    if (watched->told || report->stall.ns < run->watch.stall_ns)
        return 0;
    watched->told = describe(worker, turn, report);
    return watched->told;
}

static void wait_a_little(struct nook__watchdog *dog, uint64_t limit)
{
    struct timespec until;
    uint64_t time = now(), step = limit / LOOKS > 0 ? limit / LOOKS : 1;
    time = step < UINT64_MAX - time ? time + step : UINT64_MAX;
    until.tv_sec = (time_t)(time / 1000000000);
    until.tv_nsec = (long)(time % 1000000000);
    if (!dog->stop)
        pthread_cond_timedwait(&dog->told_to_stop, &dog->lock, &until);
}

static void *watch(void *arg)
{
    struct nook__run *run = arg;
    struct nook__watchdog *dog = &run->watchdog;
    pthread_mutex_lock(&dog->lock);
    while (!dog->stop) {
        wait_a_little(dog, run->watch.stall_ns);
        for (unsigned i = 0; !dog->stop && i < run->real_workers; i++) {
            struct report report = {.stall = {.name = NULL}};
            if (!look(run, i, &report))
                continue;
            pthread_mutex_unlock(&dog->lock);
            run->watch.stalled(&report.stall, run->watch.user);
            pthread_mutex_lock(&dog->lock);
        }
    }
    pthread_mutex_unlock(&dog->lock);
    return NULL;
}

static void open_dog(struct nook__watchdog *dog)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&dog->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&dog->told_to_stop, &attr);
    pthread_condattr_destroy(&attr);
}

static void close_dog(struct nook__watchdog *dog)
{
    pthread_cond_destroy(&dog->told_to_stop);
    pthread_mutex_destroy(&dog->lock);
    free(dog->workers);
    dog->on = 0;
}

int nook__watchdog_start(struct nook__run *run)
{
    struct nook__watchdog *dog = &run->watchdog;
    if (run->watch.stall_ns == 0 || run->schedule != NULL)
        return 0;
    dog->workers = calloc(run->real_workers, sizeof *dog->workers);
    if (dog->workers == NULL)
        return NOOK_ENOMEM;
    open_dog(dog);
    dog->on = 1;
    if (pthread_create(&dog->thread, NULL, watch, run) != 0) {
        close_dog(dog);
        return NOOK_EAGAIN;
    }
    return 0;
}

void nook__watchdog_stop(struct nook__run *run)
{
    struct nook__watchdog *dog = &run->watchdog;
    if (!dog->on)
        return;
    pthread_mutex_lock(&dog->lock);
    dog->stop = 1;
    pthread_cond_signal(&dog->told_to_stop);
    pthread_mutex_unlock(&dog->lock);
    pthread_join(dog->thread, NULL);
    close_dog(dog);
}
