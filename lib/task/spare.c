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
    spares->most = spares->watched ? 0 : NOOK__TASKS_KEPT;
}

static void free_bodies(struct nook__body *body)
{
    while (body != NULL) {
        struct nook__body *next = body->value;
        nook__room_free(nook__room_of(body));
        body = next;
    }
}

void nook__spares_close(struct nook__spares *spares)
{
    for (struct nook__body *body = spares->pairs; body != NULL; body = body->value)
        free(body->task);
    free_bodies(spares->pairs);
    free_bodies(spares->bodies);
    while (spares->tasks != NULL) {
        nook_task *task = spares->tasks;
        spares->tasks = task->spare;
        free(task);
    }
    while (spares->n_stacks > 0) {
        struct nook__stack stack = spares->life[--spares->n_stacks]->stack;
        nook__stacks_kept(-1);
        nook__stack_put(spares->stacks, &stack);
    }
}

/* --- records ----------------------------------------------------------------- */

void nook__room_put(struct nook__room *room)
{
    struct nook__worker *worker = nook__here();
    if (worker == NULL || worker->spares.n_bodies >= worker->spares.most) {
        nook__room_free(room);
        return;
    }
    room->body.value = worker->spares.bodies;
    worker->spares.bodies = &room->body;
    worker->spares.n_bodies++;
}

static nook_task *record_get(struct nook__spares *spares)
{
    nook_task *task = spares != NULL ? spares->tasks : NULL;
    if (task == NULL)
        return calloc(1, sizeof(*task));
    spares->tasks = task->spare;
    spares->n_tasks--;
    return task;
}

nook_task *nook__pair_new(struct nook__worker *worker)
{
    struct nook__room *room = nook__room_get(worker);
    nook_task *task = room != NULL ? record_get(worker != NULL ? &worker->spares : NULL) : NULL;
    if (task == NULL) {
        if (room != NULL)
            nook__room_leave(room, 1);
        return NULL;
    }
    atomic_init(&task->done, 0);
    task->body = &room->body;
    room->body.task = task;
    return task;
}

void nook__pair_part(nook_task *task)
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

/* A new one is filled in here, out of line: what it takes is not on everybody's stack. */
static __attribute__((noinline)) int get_stack(struct nook__stacks *stacks,
                                               struct nook__life **out)
{
    struct nook__stack stack;
    int rc = nook__stack_get(stacks, &stack);
    if (rc != 0)
        return rc;
    struct nook__seat *seat = nook__seat_of(&stack);
    nook__life_new(&seat->life, stacks, &stack);
    *out = &seat->life;
    return 0;
}

static __attribute__((noinline)) void put_stack(const struct nook__life *life)
{
    struct nook__stack stack = life->stack;
    nook__stack_put(life->stacks, &stack);
}

int nook__spare_stack_get(struct nook__worker *worker, struct nook__stacks *stacks,
                          struct nook__life **out)
{
    struct nook__spares *spares = &worker->spares;
    if (spares->n_stacks == 0 || spares->stacks != stacks)
        return get_stack(stacks, out);
    *out = spares->life[--spares->n_stacks];
    nook__stacks_kept(-1);
    return 0;
}

void nook__spare_stack_put(struct nook__worker *worker, struct nook__life *life)
{
    struct nook__spares *spares = &worker->spares;
    if (spares->n_stacks == 0)
        spares->stacks = life->stacks;
    if (spares->n_stacks == NOOK__STACKS_KEPT || spares->stacks != life->stacks ||
        spares->watched) {
        put_stack(life);
        return;
    }
    spares->life[spares->n_stacks++] = life;
    nook__stacks_kept(1);
}
