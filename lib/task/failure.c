/* SPDX-License-Identifier: MIT */
/*
 * Errors that nobody has asked for.
 *
 * A task that ends with one keeps its context, in `failed_in`, until its last reference
 * goes. Where nobody has asked by then, the record goes into a queue once more, as an event
 * of its own kind, and the worker calls the run's handler in that context, which the task has
 * left [A32, D10]. So a report needs no memory, and a reference may be given up anywhere.
 */
#include "run.h"

int nook__failure_keep(nook_task *task, nook_context *context)
{
    struct nook__run *run = task->run;
    if (task->body->result >= 0 || task->body->result == NOOK_ECANCELED || task == run->main)
        return 0;
    task->body->failed_in = context;
    atomic_store_explicit(&task->body->unheard, run->number, memory_order_relaxed);
    return 1;
}

/* The lock may be held, so it goes to the worker that runs here first. */
int nook__failure_last(nook_task *task)
{
    struct nook__worker *worker = nook__here();
    uint64_t number = atomic_load_explicit(&task->body->unheard, memory_order_relaxed);
    if (number == 0 || worker == NULL || worker->run->number != number ||
        worker->run->finished) {
        nook_context_unref(task->body->failed_in);
        return 0;
    }
    atomic_store_explicit(&task->refs, 1, memory_order_relaxed);
    task->body->event.kind = NOOK__FAILURE;
    nook__mark(task->body, NOOK__OTHER);
    if (worker->run->schedule != NULL)
        nook__ready(worker->run, &task->body->event);
    else
        nook__enqueue(worker, &task->body->event);
    return 1;
}

static void tell(void *arg)
{
    nook_task *task = arg;
    const nook_watch *watch = &nook__here()->run->watch;
    nook_failure failure = {.task = task,
                            .name = task->body->name,
                            .id = task->body->id,
                            .site = task->body->site,
                            .result = task->body->result};
    watch->failed(&failure, watch->user);
}

void nook__failure_run(nook_task *task)
{
    struct nook__worker *worker = nook__here();
    if (nook__stays(&task->body->event) && nook__home(&task->body->event) != worker->index) {
        /* who shares its context is there [D3] */
        nook__lock(worker->run);
        nook__ready(worker->run, &task->body->event);
        nook__unlock(worker->run);
        return;
    }
    task->body->event.kind = NOOK__TASK;
    atomic_store_explicit(&task->body->unheard, 0, memory_order_relaxed);
    nook__call_in(task->body->failed_in, tell, task);
    if (nook__lost() == NULL)
        nook_task_unref(task);
}
