/* SPDX-License-Identifier: MIT */
/* A task's body and its own context, and the memory that they are in: see room.c. */
#ifndef NOOK__ROOM_H
#define NOOK__ROOM_H

#include "contextlocal/context.h"
#include "run.h"

struct nook__room {
    struct nook__body body; /* the first member: one is the other */
    nook_context context;
    atomic_uint users; /* the body, or the task that runs on the stack; the context */
    struct nook__stacks *stacks;
    struct nook__stack stack; /* whose end this is; low is NULL: of none */
};

/* For a task that is new. It has one user, the body, which is as new. NULL: no memory. */
struct nook__room *nook__room_new(void);
void nook__room_free(struct nook__room *room);
/* Before there are any, and each time the same. */
void nook__room_watched(int by_a_tool);
/* At the end of a stack, which the room gives up with its last user. */
struct nook__room *nook__room_place(const struct nook__stack *stack);
/* n users less. */
void nook__room_leave(struct nook__room *room, unsigned n);

/* It is needed next: the lines that all tasks have use for. */
static inline void nook__room_expect(const struct nook__room *room)
{
    const char *lines = (const char *)room;
#pragma GCC unroll 8
    for (size_t at = 0; at < offsetof(struct nook__body, members); at += NOOK__LINE)
        __builtin_prefetch(lines + at, 1);
    __builtin_prefetch(lines + offsetof(struct nook__room, context), 1);
    __builtin_prefetch(lines + offsetof(struct nook__room, users), 1);
}

/* The memory of one that was new. */
void nook__room_put(struct nook__room *room);
static inline struct nook__room *nook__room_get(struct nook__worker *worker)
{
    struct nook__room *room =
        worker != NULL ? (struct nook__room *)worker->spares.bodies : NULL;
    if (room == NULL)
        return nook__room_new();
    worker->spares.bodies = room->body.value;
    worker->spares.n_bodies--;
    nook__room_expect((struct nook__room *)worker->spares.bodies);
    nook__body_clear(&room->body);
    atomic_store_explicit(&room->users, 1, memory_order_relaxed);
    return room;
}

static inline struct nook__room *nook__room_of(struct nook__body *body)
{
    return NOOK__CONTAINER(body, struct nook__room, body);
}

/* 1: it lies on the task's stack. */
static inline int nook__settled(struct nook__body *body)
{
    return nook__room_of(body)->stack.low != NULL;
}

/* By the worker: the room at the end of its stack, for a task that has left it; its context
 * moves there, unless somebody knows where that is. Under the lock. */
void nook__room_furnish(struct nook__room *room, struct nook__body *body);
/* The body is in the other room from here on, of a task that does not run. Under the lock. */
void nook__room_move(struct nook__room *from, struct nook__room *to);

/* A task with a room, as new. NULL: no memory. */
nook_task *nook__record_new(struct nook__room *room);
static inline nook_task *nook__record_get(struct nook__worker *worker)
{
    struct nook__room *room = nook__room_get(worker);
    nook_task *task = worker != NULL ? worker->spares.tasks : NULL;
    if (room == NULL || task == NULL)
        return nook__record_new(room);
    worker->spares.tasks = task->spare;
    __builtin_prefetch(task->spare, 1);
    worker->spares.n_tasks--;
    atomic_init(&task->done, 0);
    task->body = &room->body;
    room->body.task = task;
    return task;
}

#endif
