/* SPDX-License-Identifier: MIT */
/*
 * What a worker keeps for its next task: records and stacks.
 *
 * No lock, for a list is its worker's alone: who gives a record up elsewhere gives it to the
 * worker there. Under AddressSanitizer and Memcheck no record is kept, or else they would not
 * see who uses one that is no more.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>

void nook__spares_open(struct nook__spares *spares)
{
    spares->watched = NOOK__ASAN || nook__on_memcheck();
    spares->records_most = spares->watched ? 0 : NOOK__RECORDS_KEPT;
}

void nook__spares_close(struct nook__spares *spares)
{
    while (spares->records != NULL) {
        nook_task *task = spares->records;
        spares->records = task->passed_by;
        free(task);
    }
    while (spares->n_stacks > 0) {
        nook__stacks_kept(-1);
        nook__stack_put(spares->stacks, &spares->stack[--spares->n_stacks]);
    }
}

/* --- records ----------------------------------------------------------------- */

nook_task *nook__record_new(void)
{
    size_t lines = (sizeof(nook_task) + NOOK__LINE - 1) / NOOK__LINE;
    nook_task *task = aligned_alloc(NOOK__LINE, lines * NOOK__LINE);
    if (task == NULL)
        return NULL;
    memset(task, 0, sizeof(*task));
    task->event.kind = NOOK__TASK;
    nook__list_init(&task->event.link);
    nook__list_init(&task->all);
    nook__list_init(&task->joiners);
    nook__list_init(&task->members);
    nook__list_init(&task->in_group);
    nook__list_init(&task->member.link);
    return task;
}

void nook__record_put(nook_task *task)
{
    struct nook__worker *worker = nook__here();
    if (worker == NULL || worker->spares.n_records >= worker->spares.records_most) {
        free(task);
        return;
    }
    task->passed_by = worker->spares.records;
    worker->spares.records = task;
    worker->spares.n_records++;
}

/* --- stacks ------------------------------------------------------------------ */

/* Out of line: its variables would be on the stack of whoever takes what is at hand. */
static __attribute__((noinline)) int get_stack(nook_task *task)
{
    return nook__stack_get(task->stacks, &task->stack);
}

static __attribute__((noinline)) void put_stack(nook_task *task)
{
    nook__stack_put(task->stacks, &task->stack);
}

int nook__spare_stack_get(struct nook__worker *worker, nook_task *task)
{
    struct nook__spares *spares = &worker->spares;
    if (spares->n_stacks == 0 || spares->stacks != task->stacks)
        return get_stack(task);
    task->stack = spares->stack[--spares->n_stacks];
    nook__stacks_kept(-1);
    return 0;
}

void nook__spare_stack_put(struct nook__worker *worker, nook_task *task)
{
    struct nook__spares *spares = &worker->spares;
    if (spares->n_stacks == 0)
        spares->stacks = task->stacks;
    if (spares->n_stacks == NOOK__STACKS_KEPT || spares->stacks != task->stacks) {
        put_stack(task);
        return;
    }
    if (spares->watched)
        nook__stack_fresh(task->stack.low, task->stack.size);
    spares->stack[spares->n_stacks++] = task->stack;
    nook__stacks_kept(1);
}
