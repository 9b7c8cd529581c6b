/* SPDX-License-Identifier: MIT */
/*
 * What a case reports. Reads may come from many threads at once; the lock makes
 * the counts exact. It is never held while a task parks.
 */
#include "leaks.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void leak_run_init(struct leak_run *run, enum leak_storage storage)
{
    memset(run, 0, sizeof(*run));
    run->storage = storage;
    pthread_mutex_init(&run->lock, NULL);
}

void leak_run_free(struct leak_run *run)
{
    pthread_mutex_destroy(&run->lock);
}

void leak_unit(struct leak_run *run, const char *unit)
{
    pthread_mutex_lock(&run->lock);
    if (run->n_counts < LEAK_COUNTS)
        run->counts[run->n_counts++].unit = unit;
    pthread_mutex_unlock(&run->lock);
}

void leak_tally(struct leak_run *run, uint64_t wrong, uint64_t of)
{
    pthread_mutex_lock(&run->lock);
    if (run->n_counts == 0)
        run->counts[run->n_counts++].unit = "reads";
    run->counts[run->n_counts - 1].wrong += wrong;
    run->counts[run->n_counts - 1].of += of;
    pthread_mutex_unlock(&run->lock);
}

void leak_expect(struct leak_run *run, uint64_t wrong, uint64_t of)
{
    pthread_mutex_lock(&run->lock);
    if (run->n_counts != 0) {
        struct leak_count *count = &run->counts[run->n_counts - 1];
        count->expects = 1;
        count->expected_wrong = wrong;
        count->expected_of = of;
    }
    pthread_mutex_unlock(&run->lock);
}

static int told(struct leak_run *run)
{
    return __atomic_load_n(&run->told, __ATOMIC_RELAXED);
}

static const char *actor_here(void)
{
    nook_task *task = nook_task_current();
    return task != NULL ? nook_task_name(task) : "thread";
}

static void add(struct leak_run *run, struct leak_step *step, const char *actor)
{
    step->worker = nook_worker_index();
    snprintf(step->actor, sizeof(step->actor), "%s", actor);
    if (run->n_steps < LEAK_STEPS)
        run->steps[run->n_steps++] = *step;
}

static void publish(struct leak_run *run, const struct leak_step *step)
{
    if (run->on_step != NULL)
        run->on_step(step, run->user);
}

static void does(struct leak_run *run, const char *actor, const char *format, va_list args)
{
    struct leak_step step = {.verdict = LEAK_DID};
    if (told(run))
        return;
    vsnprintf(step.text, sizeof(step.text), format, args);
    pthread_mutex_lock(&run->lock);
    add(run, &step, actor);
    pthread_mutex_unlock(&run->lock);
    publish(run, &step);
}

void leak_does(struct leak_run *run, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    does(run, actor_here(), format, args);
    va_end(args);
}

void leak_does_as(struct leak_run *run, const char *actor, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    does(run, actor, format, args);
    va_end(args);
}

static enum leak_verdict judge(const char *got, const char *want)
{
    if (got == want || (got != NULL && want != NULL && strcmp(got, want) == 0))
        return LEAK_RIGHT;
    return got == NULL ? LEAK_LOST : LEAK_LEAKED;
}

static int saw(struct leak_run *run, const char *actor, const char *what, const char *got,
               const char *want, int counted)
{
    struct leak_step step = {.verdict = judge(got, want)};
    int wrong = step.verdict != LEAK_RIGHT;
    if (counted)
        leak_tally(run, (uint64_t)wrong, 1);
    if (told(run))
        return wrong;
    snprintf(step.text, sizeof(step.text), "%s", what);
    snprintf(step.got, sizeof(step.got), "%s", got != NULL ? got : "nothing");
    snprintf(step.want, sizeof(step.want), "%s", want != NULL ? want : "nothing");
    pthread_mutex_lock(&run->lock);
    add(run, &step, actor);
    pthread_mutex_unlock(&run->lock);
    publish(run, &step);
    return wrong;
}

int leak_reads(struct leak_run *run, const char *what, const char *got, const char *want)
{
    return saw(run, actor_here(), what, got, want, 1);
}

int leak_reads_as(struct leak_run *run, const char *actor, const char *what, const char *got,
                  const char *want)
{
    return saw(run, actor, what, got, want, 1);
}

int leak_sees(struct leak_run *run, const char *what, const char *got, const char *want)
{
    return saw(run, actor_here(), what, got, want, 0);
}

int leak_sees_as(struct leak_run *run, const char *actor, const char *what, const char *got,
                 const char *want)
{
    return saw(run, actor, what, got, want, 0);
}

void leak_told(struct leak_run *run)
{
    __atomic_store_n(&run->told, 1, __ATOMIC_RELAXED);
}
