/* SPDX-License-Identifier: MIT */
/*
 * What a worker keeps for its next task: records, rooms and stacks.
 *
 * No lock, for a list is its worker's alone: who gives one up elsewhere gives it to the worker
 * there. Under AddressSanitizer and Memcheck no record and no room is kept, or else they would
 * not see who uses one that is no more.
 */
#include "room.h"

#include <stdlib.h>

void nook__spares_open(struct nook__spares *spares)
{
    spares->watched = NOOK__ASAN || nook__on_memcheck();
    nook__room_watched(spares->watched);
    spares->most = spares->watched ? 0 : NOOK__RECORDS_KEPT;
}

void nook__spares_close(struct nook__spares *spares)
{
    while (spares->tasks != NULL) {
        nook_task *task = spares->tasks;
        spares->tasks = task->spare;
        free(task);
    }
    while (spares->bodies != NULL) {
        struct nook__body *body = spares->bodies;
        spares->bodies = body->value;
        nook__room_free(nook__room_of(body));
    }
    while (spares->n_stacks > 0) {
        nook__stacks_kept(-1);
        nook__stack_put(spares->stacks, &spares->stack[--spares->n_stacks]);
    }
}

/* --- records ----------------------------------------------------------------- */

void nook__room_put(struct nook__room *room)
{
    struct nook__worker *worker = nook__here();
    if (worker == NULL || worker->spares.n_bodies >= NOOK__ROOMS_KEPT ||
        worker->spares.watched) {
        nook__room_free(room);
        return;
    }
    room->body.value = worker->spares.bodies;
    worker->spares.bodies = &room->body;
    worker->spares.n_bodies++;
}

nook_task *nook__record_new(struct nook__room *room)
{
    nook_task *task = room != NULL ? calloc(1, sizeof(*task)) : NULL;
    if (task == NULL) {
        if (room != NULL)
            nook__room_leave(room, 1);
        return NULL;
    }
    task->body = &room->body;
    room->body.task = task;
    return task;
}

void nook__record_put(nook_task *task)
{
    struct nook__worker *worker = nook__here();
    if (task->body != NULL) {
        free(task->body->text);
        nook__room_leave(nook__room_of(task->body), 1);
    }
    if (worker == NULL || worker->spares.n_tasks >= worker->spares.most) {
        free(task);
        return;
    }
    task->spare = worker->spares.tasks;
    worker->spares.tasks = task;
    worker->spares.n_tasks++;
}

/* --- stacks ------------------------------------------------------------------ */

/* Out of line: its variables would be on the stack of whoever takes what is at hand. */
static __attribute__((noinline)) int get_stack(struct nook__stacks *stacks,
                                               struct nook__stack *out)
{
    return nook__stack_get(stacks, out);
}

static __attribute__((noinline)) void put_stack(struct nook__stacks *stacks,
                                                struct nook__stack *stack)
{
    nook__stack_put(stacks, stack);
}

int nook__spare_stack_get(struct nook__worker *worker, struct nook__stacks *stacks,
                          struct nook__stack *out)
{
    struct nook__spares *spares = &worker->spares;
    if (spares->n_stacks == 0 || spares->stacks != stacks)
        return get_stack(stacks, out);
    *out = spares->stack[--spares->n_stacks];
    nook__stacks_kept(-1);
    return 0;
}

void nook__spare_stack_put(struct nook__worker *worker, struct nook__stacks *stacks,
                           struct nook__stack *stack)
{
    struct nook__spares *spares = &worker->spares;
    if (spares->n_stacks == 0)
        spares->stacks = stacks;
    if (spares->n_stacks == NOOK__STACKS_KEPT || spares->stacks != stacks) {
        put_stack(stacks, stack);
        return;
    }
    if (spares->watched)
        nook__stack_fresh(stack->low, stack->size);
    spares->stack[spares->n_stacks++] = *stack;
    nook__stacks_kept(1);
}
