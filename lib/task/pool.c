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
    pthread_mutex_init(&pool->lock, NULL);
    nook__list_init(&pool->jobs);
    pthread_cond_init(&pool->work, NULL);
}

static int call(void *arg)
{
    struct nook__job *job = arg;
    job->result = job->fn(job->arg);
    return 0;
}

/* Back on the worker of the task that waits. */
static void deliver(struct nook__run *run, struct nook__message *message)
{
    run->pool.busy--;
    nook__wake(NOOK__CONTAINER(message, struct nook__job, back)->task, 0);
}

static void do_job(struct nook__job *job)
{
    nook__take_over(job);
    if (job->context != NULL)
        (void)nook_context_run(job->context, call, job, NULL);
    else
        (void)call(job);
    nook__hand_over(job);
}

/* Once it is sent the job is the task's again, and may be gone. */
static void send_back(struct nook__run *run, struct nook__job *job)
{
    job->back = (struct nook__message){.event.kind = NOOK__MESSAGE, .deliver = deliver};
    nook__send(&run->workers[job->home], &job->back.event);
}

/* Under the pool's lock, which is given up meanwhile. */
static void serve_one(struct nook__run *run)
{
    struct nook__pool *pool = &run->pool;
    struct nook__job *job = NOOK__CONTAINER(pool->jobs.next, struct nook__job, link);
    nook__list_remove(&job->link);
    pool->queued--;
    pool->idle--;
    pthread_mutex_unlock(&pool->lock);
    unsigned forks = nook__forks();
    do_job(job);
    if (forks != nook__forks())
        pthread_exit(NULL); /* in a child there is nobody to come back to */
    pthread_mutex_lock(&pool->lock);
    pool->idle++; /* before anybody hears of it, or the next job gets another thread */
    pthread_mutex_unlock(&pool->lock);
    send_back(run, job);
    pthread_mutex_lock(&pool->lock);
}

static void *serve(void *arg)
{
    struct nook__run *run = arg;
    struct nook__pool *pool = &run->pool;
    pthread_mutex_lock(&pool->lock);
    while (!nook__list_empty(&pool->jobs) || !pool->closing) {
        if (nook__list_empty(&pool->jobs))
            pthread_cond_wait(&pool->work, &pool->lock);
        else
            serve_one(run);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/*
 * Under the pool's lock: a thread more, if one is needed and allowed. 0 if somebody
 * will serve. A thread is idle from its making until it takes a job.
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
    pool->idle++;
    return 0;
}

static int begin_job(struct nook__wait *wait, nook_task *task)
{
    struct nook__job *job = NOOK__CONTAINER(wait, struct nook__job, wait);
    struct nook__run *run = task->run;
    struct nook__pool *pool = &run->pool;
    if (nook__breaking(run)) {
        wait->result = NOOK_ECANCELED;
        return 0;
    }
    job->task = task;
    job->home = run->schedule != NULL ? 0 : nook__home(&task->body->event) - 1;
    pthread_mutex_lock(&pool->lock);
    wait->result = staff(run);
    if (wait->result == 0) {
        run->pool.busy++;
        nook__list_append(&pool->jobs, &job->link);
        pool->queued++;
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return wait->result == 0;
}

static int run_elsewhere(nook_task_fn fn, void *arg, nook_context *context, int *result,
                         void *caller)
{
    struct nook__job job = {
        .wait = {.begin = begin_job, .kind = "a job on another thread", .caller = caller},
        .fn = fn,
        .arg = arg,
        .context = context};
    nook__hand_over(&job);
    int rc = nook__park(&job.wait);
    nook__take_over(&job);
    if (rc != 0)
        return rc;
    if (nook__take_cancel(nook_task_current()))
        return NOOK_ECANCELED;
    if (result != NULL)
        *result = job.result;
    return 0;
}

int nook_to_thread(nook_task_fn fn, void *arg, int *result)
{
    nook_context *context;
    if (nook_task_current() == NULL)
        return nook__no_task();
    if (fn == NULL)
        return NOOK_EINVAL;
    int rc = nook_context_inherit(&context);
    if (rc != 0)
        return rc;
    rc = run_elsewhere(fn, arg, context, result, NOOK__CALLER);
    nook_context_unref(context);
    return rc;
}

int nook_run_in_executor(nook_task_fn fn, void *arg, int *result)
{
    if (nook_task_current() == NULL)
        return nook__no_task();
    if (fn == NULL)
        return NOOK_EINVAL;
    return run_elsewhere(fn, arg, NULL, result, NOOK__CALLER);
}

void nook__pool_close(struct nook__run *run)
{
    struct nook__pool *pool = &run->pool;
    pthread_mutex_lock(&pool->lock);
    pool->closing = 1;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->n; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
}
