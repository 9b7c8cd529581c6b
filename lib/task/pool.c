/* SPDX-License-Identifier: MIT */
/*
 * Jobs on other threads. The pool makes a thread when no idle one is left, up to
 * its limit, and keeps it until the run ends; so a thread's own context lives
 * from job to job [R3].
 *
 * The job lives on the stack of the task that waits for it, which cannot be
 * interrupted meanwhile.
 */
#include "run.h"

#include <stdlib.h>

void nook__pool_open(struct nook__pool *pool, unsigned limit)
{
    *pool = (struct nook__pool){.limit = limit};
    nook__list_init(&pool->jobs);
    pthread_cond_init(&pool->work, NULL);
}

static int call(void *arg)
{
    struct nook__job *job = arg;
    job->result = job->fn(job->arg);
    return 0;
}

static void run_job(struct nook__job *job)
{
    nook__take_over(job);
    if (job->context != NULL)
        (void)nook_context_run(job->context, call, job, NULL);
    else
        (void)call(job);
}

static void *serve(void *arg)
{
    struct nook__run *run = arg;
    struct nook__pool *pool = &run->pool;
    pthread_mutex_lock(&run->lock);
    for (;;) {
        while (nook__list_empty(&pool->jobs) && !pool->closing) {
            pool->idle++;
            pthread_cond_wait(&pool->work, &run->lock);
            pool->idle--;
        }
        if (nook__list_empty(&pool->jobs))
            break;
        struct nook__job *job = NOOK__CONTAINER(pool->jobs.next, struct nook__job, link);
        nook__list_remove(&job->link);
        pool->queued--;
        pthread_mutex_unlock(&run->lock);
        run_job(job);
        pthread_mutex_lock(&run->lock);
        pool->busy--;
        nook__wake(job->task, 0);
        pthread_cond_broadcast(&run->returned);
    }
    pthread_mutex_unlock(&run->lock);
    return NULL;
}

/*
 * Under the lock: a thread more, if one is needed and allowed. 0 if somebody will
 * serve. A thread that was called for an earlier job still counts as idle until it runs.
 */
static int staff(struct nook__run *run)
{
    struct nook__pool *pool = &run->pool;
    if (pool->queued < pool->idle || pool->n == pool->limit)
        return 0;
    pthread_t *threads = realloc(pool->threads, (pool->n + 1) * sizeof(*threads));
    if (threads == NULL)
        return pool->n > 0 ? 0 : NOOK_ENOMEM;
    pool->threads = threads;
    if (pthread_create(&threads[pool->n], NULL, serve, run) != 0)
        return pool->n > 0 ? 0 : NOOK_EAGAIN;
    pool->n++;
    return 0;
}

static int begin_job(struct nook__wait *wait, nook_task *task)
{
    struct nook__job *job = NOOK__CONTAINER(wait, struct nook__job, wait);
    struct nook__run *run = task->run;
    wait->result = run->closing ? NOOK_ECANCELED : staff(run);
    if (wait->result != 0)
        return 0;
    job->task = task;
    nook__list_append(&run->pool.jobs, &job->link);
    run->pool.queued++;
    run->pool.busy++;
    pthread_cond_signal(&run->pool.work);
    return 1;
}

static int cancelled_meanwhile(nook_task *task)
{
    pthread_mutex_lock(&task->run->lock);
    int cancelled = task->must_cancel;
    task->must_cancel = 0;
    pthread_mutex_unlock(&task->run->lock);
    return cancelled;
}

static int run_elsewhere(nook_task_fn fn, void *arg, nook_context *context, int *result)
{
    struct nook__job job = {
        .wait = {.begin = begin_job}, .fn = fn, .arg = arg, .context = context};
    nook__hand_over(&job);
    int rc = nook__park(&job.wait);
    if (rc != 0)
        return rc;
    if (cancelled_meanwhile(nook_task_current()))
        return NOOK_ECANCELED;
    if (result != NULL)
        *result = job.result;
    return 0;
}

int nook_to_thread(nook_task_fn fn, void *arg, int *result)
{
    nook_context *context;
    if (nook_task_current() == NULL)
        return NOOK_ENOTASK;
    if (fn == NULL)
        return NOOK_EINVAL;
    int rc = nook_context_inherit(&context);
    if (rc != 0)
        return rc;
    rc = run_elsewhere(fn, arg, context, result);
    nook_context_unref(context);
    return rc;
}

int nook_run_in_executor(nook_task_fn fn, void *arg, int *result)
{
    if (nook_task_current() == NULL)
        return NOOK_ENOTASK;
    if (fn == NULL)
        return NOOK_EINVAL;
    return run_elsewhere(fn, arg, NULL, result);
}

void nook__pool_close(struct nook__run *run)
{
    struct nook__pool *pool = &run->pool;
    pthread_mutex_lock(&run->lock);
    pool->closing = 1;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&run->lock);
    for (unsigned i = 0; i < pool->n; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->work);
    free(pool->threads);
}
