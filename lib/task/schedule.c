/* SPDX-License-Identifier: MIT */
/*
 * The loop that makes choices, on one thread, with virtual workers and a
 * virtual clock.
 *
 * Invariant: `path` holds the choices of the run, each with the number of its
 * alternatives. An enumeration repeats the longest part of the path that still
 * has an alternative after it, takes that, and goes on with zeroes. A run that
 * did not come to its end for want of memory leaves what was laid down before it,
 * and the next one takes its place.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>

struct choice {
    unsigned taken, of;
};

struct nook_schedule {
    nook_choose choose;
    uint64_t random, random_before; /* the run */
    char *replay;
    struct choice *path;
    size_t n, room; /* choices made in this run */
    size_t given;   /* of them, how many were laid down before it */
    int exhausted, mismatch;
    int failed; /* a choice was not recorded or spelt, or the run did not begin */
    char *text;
    size_t text_room;
    uint64_t runs;
    struct nook__sizes *sizes;
};

/* --- choices -------------------------------------------------------------- */

static int record(nook_schedule *schedule, unsigned taken, unsigned of)
{
    if (schedule->n == schedule->room) {
        size_t room = schedule->room == 0 ? 64 : schedule->room * 2;
        struct choice *path = realloc(schedule->path, room * sizeof(*path));
        if (path == NULL)
            return NOOK_ENOMEM;
        schedule->path = path;
        schedule->room = room;
    }
    schedule->path[schedule->n++] = (struct choice){taken, of};
    return 0;
}

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* What was laid down before the run, if it fits; else first-in first-out. */
static unsigned follow(nook_schedule *schedule, unsigned of)
{
    struct choice *choice = &schedule->path[schedule->n];
    if (choice->taken >= of || (choice->of != 0 && choice->of != of)) {
        schedule->mismatch = 1;
        choice->taken = 0;
    }
    choice->of = of;
    schedule->n++;
    return choice->taken;
}

unsigned nook__choose(nook_schedule *schedule, unsigned of)
{
    unsigned taken = 0;
    if (of <= 1)
        return 0;
    if (schedule->failed)
        return 0;
    if (schedule->n < schedule->given)
        return follow(schedule, of);
    if (schedule->choose == NOOK_CHOOSE_REPLAY)
        schedule->mismatch = 1;
    if (schedule->choose == NOOK_CHOOSE_SEED)
        taken = (unsigned)(next_random(&schedule->random) % of);
    if (record(schedule, taken, of) != 0)
        schedule->failed = 1;
    return taken;
}

/* Lays down the next path of an enumeration. 0 when there is none. */
static int advance(nook_schedule *schedule)
{
    size_t n = schedule->n;
    while (n > 0 && schedule->path[n - 1].taken + 1 >= schedule->path[n - 1].of)
        n--;
    if (n == 0)
        return 0;
    schedule->path[n - 1].taken++;
    schedule->given = n;
    return 1;
}

/* --- strings -------------------------------------------------------------- */

/* A choice is a digit of base 36; z means 35 and what the next digit says. */
static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
enum { LAST = 35 };

static int spell(nook_schedule *schedule)
{
    size_t length = 0;
    for (size_t i = 0; i < schedule->n; i++)
        length += schedule->path[i].taken / LAST + 1;
    if (length + 1 > schedule->text_room) {
        char *text = realloc(schedule->text, length + 1);
        if (text == NULL)
            return NOOK_ENOMEM;
        schedule->text = text;
        schedule->text_room = length + 1;
    }
    char *at = schedule->text;
    for (size_t i = 0; i < schedule->n; i++) {
        unsigned taken = schedule->path[i].taken;
        for (; taken >= LAST; taken -= LAST)
            *at++ = digits[LAST];
        *at++ = digits[taken];
    }
    *at = '\0';
    return 0;
}

static int parse(nook_schedule *schedule)
{
    const char *text = schedule->replay;
    unsigned taken = 0;
    schedule->n = 0;
    for (; *text != '\0'; text++) {
        const char *digit = strchr(digits, *text);
        if (digit == NULL || taken > 1000000)
            return NOOK_ESCHEDULE;
        taken += (unsigned)(digit - digits);
        if (digit - digits == LAST)
            continue;
        if (record(schedule, taken, 0) != 0)
            return NOOK_ENOMEM;
        taken = 0;
    }
    schedule->given = schedule->n;
    return taken == 0 ? 0 : NOOK_ESCHEDULE;
}

const char *nook_schedule_string(const nook_schedule *schedule)
{
    return schedule != NULL && schedule->text != NULL ? schedule->text : "";
}

/* --- the loop ------------------------------------------------------------- */

static unsigned count(const struct nook__link *queue)
{
    unsigned n = 0;
    for (const struct nook__link *link = queue->next; link != queue; link = link->next)
        n++;
    return n;
}

/* The worker of a task that may migrate and did not say where to; 0: it stays. */
static unsigned place(struct nook__run *run, struct nook__event *event)
{
    unsigned home = nook__home(event);
    if (!nook__roams(event))
        return home;
    return (home - 1 + nook__choose(run->schedule, run->n_workers)) % run->n_workers + 1;
}

static struct nook__event *choose(struct nook__run *run)
{
    unsigned taken = nook__choose(run->schedule, count(&run->shared.events));
    struct nook__link *link = run->shared.events.next;
    while (taken-- > 0)
        link = link->next;
    struct nook__event *event = NOOK__CONTAINER(link, struct nook__event, link);
    nook__take(event);
    nook__home_set(event, place(run, event) | (event->worker & NOOK__ROAMS));
    return event;
}

static void jump(struct nook__run *run)
{
    run->now = nook__timers_next(run);
    nook__timers_fire(run, run->now);
}

/* Nothing is ready: lets time pass, or waits for the world outside. */
static void pass_time(struct nook__run *run)
{
    if (nook__settle(run))
        return;
    if (run->timers.n > 0)
        jump(run);
    else
        nook__poller_wait(run, -1);
}

static void wait_for_jobs(struct nook__worker *worker)
{
    while (worker->run->pool.busy > 0) {
        nook__doze(worker, UINT64_MAX);
        nook__receive(worker);
    }
    if (nook__inbox_full(&worker->inbox))
        nook__receive(worker); /* who asks, and changes nothing */
}

/* A descriptor that is always ready would stop the clock: so much takes no time, no more. */
enum { OUTSIDE_MOST = 256 };

static void count_outside(struct nook__run *run, const struct nook__event *event)
{
    int outside = event->kind == NOOK__CALLBACK &&
                  NOOK__CONTAINER(event, const nook_handle, event)->fd >= 0;
    run->outside = outside ? run->outside + 1 : 0;
    if (run->outside < OUTSIDE_MOST || run->timers.n == 0)
        return;
    run->outside = 0;
    jump(run);
}

/* Here nothing but eager tasks, and who makes them, is in a worker's queue: no choice. */
static struct nook__event *urgent(struct nook__worker *worker)
{
    struct nook__event *event = NOOK__CONTAINER(worker->queue.next, struct nook__event, link);
    nook__take(event);
    return event;
}

static void do_next(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    struct nook__event *event = nook__list_empty(&worker->queue) ? choose(run) : urgent(worker);
    count_outside(run, event);
    worker->index = nook__home(event);
    nook__step(worker, event);
}

void nook__schedule_loop(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    while (!run->finished) {
        wait_for_jobs(worker); /* before the next choice, or nobody could repeat it */
        if (run->poller.users > 0 && !nook__list_empty(&run->tasks))
            nook__poller_wait(run, 0);
        nook__timers_fire(run, run->now); /* what was due when it was set */
        if (nook__list_empty(&run->shared.events) && nook__list_empty(&worker->queue))
            pass_time(run);
        else
            do_next(worker);
    }
}

/* --- public --------------------------------------------------------------- */

int nook_schedule_new(nook_schedule **out, const nook_schedule_options *options)
{
    static const nook_schedule_options defaults;
    if (options == NULL)
        options = &defaults;
    if (out == NULL || (unsigned)options->choose > NOOK_CHOOSE_REPLAY ||
        (options->choose == NOOK_CHOOSE_REPLAY && options->replay == NULL))
        return NOOK_EINVAL;
    nook_schedule *schedule = calloc(1, sizeof(*schedule));
    if (schedule == NULL)
        return NOOK_ENOMEM;
    schedule->choose = options->choose;
    schedule->random = options->seed;
    int rc = 0;
    if (options->choose == NOOK_CHOOSE_REPLAY) {
        schedule->replay = strdup(options->replay);
        rc = schedule->replay != NULL ? parse(schedule) : NOOK_ENOMEM;
    }
    if (rc != 0) {
        nook_schedule_free(schedule);
        return rc;
    }
    *out = schedule;
    return 0;
}

void nook_schedule_free(nook_schedule *schedule)
{
    if (schedule == NULL)
        return;
    nook__sizes_free(&schedule->sizes);
    free(schedule->path);
    free(schedule->replay);
    free(schedule->text);
    free(schedule);
}

uint64_t nook_schedule_runs(const nook_schedule *schedule)
{
    return schedule != NULL ? schedule->runs : 0;
}

/* The choices that the next run is to follow. */
static int prepare(nook_schedule *schedule)
{
    int again = schedule->failed;
    if (again)
        schedule->random = schedule->random_before;
    else if (schedule->choose == NOOK_CHOOSE_ENUMERATE && schedule->runs > 0 &&
             !advance(schedule))
        schedule->exhausted = 1;
    if (schedule->exhausted)
        return NOOK_EEND;
    if (schedule->choose == NOOK_CHOOSE_REPLAY && parse(schedule) != 0)
        return NOOK_ENOMEM; /* it was a schedule string before */
    schedule->random_before = schedule->random;
    schedule->n = 0;
    schedule->mismatch = schedule->failed = 0;
    schedule->runs++;
    return 0;
}

/* What the run says of the choices, where nothing else was wrong. */
static int judge(const nook_schedule *schedule)
{
    if (schedule->failed)
        return NOOK_ENOMEM;
    return schedule->mismatch || schedule->n < schedule->given ? NOOK_ESCHEDULE : 0;
}

int nook_schedule_run(nook_schedule *schedule, nook_task_fn main, void *arg,
                      const nook_run_options *options, int *result)
{
    if (schedule == NULL)
        return NOOK_EINVAL;
    int rc = nook__run_check(main, options);
    if (rc == 0)
        rc = prepare(schedule);
    if (rc != 0)
        return rc;
    int began = 0;
    rc = nook__run_with(schedule, &schedule->sizes, main, arg, options, result, &began);
    if (!began) {
        schedule->failed = 1;
        schedule->runs--;
        return rc;
    }
    if (spell(schedule) != 0)
        schedule->failed = 1;
    return rc == 0 ? judge(schedule) : rc;
}
