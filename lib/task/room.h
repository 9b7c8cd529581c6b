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
    int seat;          /* it is one's */
    /* So far what all tasks use. */
    struct nook__joiner member; /* of the group that it is in, */
    struct nook__link in_group; /* in the list of who entered that */
};

/* The end of a stack. */
struct nook__seat {
    struct nook__life life;
    struct nook__room room;
};

/* For a task that is new. It has one user, the body, which is as new. NULL: no memory. */
struct nook__room *nook__room_new(void);
void nook__room_free(struct nook__room *room);
/* Before there are any, and each time the same. */
void nook__room_watched(int by_a_tool);
/* At the end of a stack, which its room gives up with its last user. */
struct nook__seat *nook__seat_of(const struct nook__stack *stack);
/* On a stack that comes from its pool; and whenever a task comes to it. */
void nook__life_new(struct nook__life *life, struct nook__stacks *stacks,
                    const struct nook__stack *stack);
static inline void nook__life_begin(struct nook__life *life)
{
    memset(life, 0, offsetof(struct nook__life, members));
    atomic_store_explicit(&life->stack_low, (uintptr_t)life->stack.low, memory_order_relaxed);
}

/* n users less. */
void nook__room_leave(struct nook__room *room, unsigned n);

/* It is needed next: the lines that all tasks have use for. */
static inline void nook__room_expect(const struct nook__room *room)
{
    const char *lines = (const char *)room;
#pragma GCC unroll 8
    for (size_t at = 0; at < offsetof(struct nook__room, member); at += NOOK__LINE)
        __builtin_prefetch(lines + at, 1);
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
    return nook__room_of(body)->seat;
}

/* The stack is about to go. */
static inline void nook__life_over(struct nook__body *body)
{
    atomic_store_explicit(&body->life, (struct nook__life *)(uintptr_t)&nook__unborn,
                          memory_order_relaxed);
}

static inline int nook__has_life(const struct nook__body *body)
{
    return body->life != &nook__unborn;
}

/* By the worker: the room at the end of its stack, for a task that has left it; its context
 * moves there, unless somebody knows where that is. Under the lock. */
void nook__room_furnish(struct nook__room *room, struct nook__body *body);
/* The body is in the other room from here on, of a task that does not run. Under the lock. */
void nook__room_move(struct nook__room *from, struct nook__room *to);

/* A record with a room, as new. NULL: no memory. */
nook_task *nook__pair_new(struct nook__worker *worker);
static inline nook_task *nook__pair_get(struct nook__worker *worker)
{
    struct nook__body *body = worker != NULL ? worker->spares.pairs : NULL;
    if (body == NULL)
        return nook__pair_new(worker);
    nook_task *task = body->task;
    worker->spares.pairs = body->value;
    worker->spares.n_bodies--;
    nook__room_expect((struct nook__room *)worker->spares.pairs);
    nook__body_clear(body);
    atomic_init(&task->done, 0);
    return task;
}

/* Nobody knows it any more. The second where the two do not stay together. */
void nook__pair_part(nook_task *task);
static inline void nook__pair_put(nook_task *task)
{
    struct nook__worker *worker = nook__here();
    struct nook__body *body = task->body;
    if (worker == NULL || body == NULL || worker->spares.n_bodies >= worker->spares.most ||
        body->text != NULL || nook__settled(body) ||
        atomic_load_explicit(&nook__room_of(body)->users, memory_order_acquire) != 1) {
        nook__pair_part(task);
        return;
    }
    body->value = worker->spares.pairs;
    worker->spares.pairs = body;
    worker->spares.n_bodies++;
}

#endif
