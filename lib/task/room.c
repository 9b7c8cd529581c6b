/* SPDX-License-Identifier: MIT */
/*
 * Where a task's body lies, its own context, and what it has while it has a stack.
 *
 * They are made beside, for a task that has not started has no stack. When it parks for the
 * first time both move to the end of its own stack; the context only where nobody has asked for
 * its address, or else it stays for good. So one that is parked takes no memory
 * but the page that it is on, and the few words that others hold of it; and one that never
 * parks moves nothing. While the body moves nobody runs on the task's stack, and only the
 * worker and who has the run's lock know the body; what points to it, the lists that it is in,
 * is set right. Everybody else goes through the task, and holds it, which keeps the body in its
 * place.
 *
 * When it ends, and somebody still holds it who may ask for its result, the body moves from
 * the stack again before it is said to have ended. Where there is no memory for that, it keeps
 * its stack until it goes; and so does a context that outlives its task.
 *
 * What only a task with a stack has lies at the end of that from its start on: its life. So a
 * batch of new tasks is as few lines of the caches as it can be, and lives, one after the other
 * at the same place, are in the nearest.
 */
#include "room.h"

#include "base/alone.h"
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

/* --- memory -------------------------------------------------------------------- */

/*
 * Slabs, which the kernel gets back as soon as nothing is in them: a burst of new tasks that
 * have all started leaves nothing behind. Those with room left are in the list. The first is a
 * small one, for most programs have few tasks that are new at a time; the others are huge pages
 * where there are any, for who goes through many tasks then misses no translation of addresses.
 */
#define SLAB ((size_t)2 * 1024 * 1024)
#define SLAB_FIRST ((size_t)128 * 1024)

struct slab {
    struct nook__link link;
    size_t used, cut, most;
    struct piece *free;
};

struct piece {
    struct piece *next;
};

enum { LINE = 64, FIRST = LINE };
#define PIECE ((sizeof(struct nook__room) + LINE - 1) / LINE * LINE)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct nook__link slabs = {&slabs, &slabs};
static size_t n_slabs;

void nook__room_fork(int before)
{
    if (before)
        pthread_mutex_lock(&lock);
    else
        pthread_mutex_unlock(&lock);
}

/* Twice as much holds one that is aligned; the rest goes back. */
static char *map_aligned(void)
{
    char *base =
        mmap(NULL, 2 * SLAB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)base % SLAB;
    char *slab = base + before;
    if (before > 0)
        munmap(base, before);
    munmap(slab + SLAB, SLAB - before);
    return slab;
}

static struct slab *slab_new(void)
{
    char *base = map_aligned();
    if (base == NULL)
        return NULL;
    (void)madvise(base, SLAB, n_slabs == 0 ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
    struct slab *slab = (struct slab *)(void *)base; /* the rest is zero */
    slab->most = ((n_slabs == 0 ? SLAB_FIRST : SLAB) - FIRST) / PIECE;
    nook__list_append(&slabs, &slab->link);
    n_slabs++;
    return slab;
}

static void *piece_take(struct slab *slab)
{
    struct piece *piece = slab->free;
    if (piece != NULL)
        slab->free = piece->next;
    else
        piece = (struct piece *)(void *)((char *)slab + FIRST + PIECE * slab->cut++);
    if (++slab->used == slab->most)
        nook__list_remove(&slab->link);
    return piece;
}

static void *memory_get(void)
{
    pthread_mutex_lock(&lock);
    struct slab *slab =
        nook__list_empty(&slabs) ? slab_new() : NOOK__CONTAINER(slabs.next, struct slab, link);
    void *memory = slab != NULL ? piece_take(slab) : NULL;
    pthread_mutex_unlock(&lock);
    return memory;
}

/* The one that is left in the list stays, for the next. */
static int is_superfluous(const struct slab *slab)
{
    return slab->used == 0 && (slabs.next != &slab->link || slabs.prev != &slab->link);
}

static void memory_put(void *memory)
{
    struct slab *slab = (struct slab *)((uintptr_t)memory & ~(uintptr_t)(SLAB - 1));
    struct piece *piece = memory;
    pthread_mutex_lock(&lock);
    if (slab->used-- == slab->most)
        nook__list_append(slabs.next, &slab->link);
    piece->next = slab->free;
    slab->free = piece;
    int superfluous = is_superfluous(slab);
    if (superfluous) {
        nook__list_remove(&slab->link);
        n_slabs--;
    }
    pthread_mutex_unlock(&lock);
    if (superfluous)
        munmap(slab, SLAB);
}

/* --- rooms that are beside ------------------------------------------------------- */

/* A tool looks at each use of memory: then malloc's is what it understands. */
static atomic_int watched;

void nook__room_watched(int by_a_tool)
{
    atomic_store_explicit(&watched, by_a_tool, memory_order_relaxed);
}

static int is_watched(void)
{
    return atomic_load_explicit(&watched, memory_order_relaxed);
}

struct nook__room *nook__room_new(void)
{
    struct nook__room *room = is_watched() ? malloc(sizeof *room) : memory_get();
    if (room == NULL)
        return NULL;
    memset(room, 0, sizeof *room);
    room->body.event.kind = NOOK__TASK;
    nook__list_init(&room->body.event.link);
    nook__list_init(&room->body.all);
    nook__list_init(&room->body.joiners);
    nook__life_over(&room->body);
    nook__list_init(&room->in_group);
    nook__list_init(&room->member.link);
    atomic_init(&room->users, 1);
    return room;
}

void nook__room_free(struct nook__room *room)
{
    if (is_watched())
        free(room);
    else
        memory_put(room);
}

/* --- users ----------------------------------------------------------------------- */

static void give_stack_back(struct nook__room *room)
{
    struct nook__worker *worker = nook__here();
    struct nook__life *life = &NOOK__CONTAINER(room, struct nook__seat, room)->life;
    struct nook__stack stack = life->stack;
    if (worker != NULL)
        nook__spare_stack_put(worker, life);
    else
        nook__stack_put(life->stacks, &stack);
}

void nook__room_leave(struct nook__room *room, unsigned n)
{
    if (!nook__refs_drop(&room->users, n))
        return;
    if (room->seat)
        give_stack_back(room);
    else
        nook__room_put(room);
}

void nook__room_context_left(nook_context *context)
{
    nook__room_leave(NOOK__CONTAINER(context, struct nook__room, context), 1);
}

/* --- holding ------------------------------------------------------------------- */

/* By whom in this process: what another thread held when the process forked nobody holds. */
static unsigned char holders_mark(void)
{
    return (unsigned char)(1 + nook__forks() % UCHAR_MAX);
}

int nook__hold(const nook_task *task)
{
    atomic_uchar *held = (atomic_uchar *)(uintptr_t)&task->held;
    if (NOOK__ALONE)
        return 0;
    unsigned char mark = holders_mark();
    for (;;) {
        unsigned char seen = atomic_load_explicit(held, memory_order_relaxed);
        if (seen != mark && atomic_compare_exchange_weak_explicit(
                                held, &seen, mark, memory_order_acquire, memory_order_relaxed))
            return 1;
        if (seen == mark)
            sched_yield();
    }
}

void nook__let_go(const nook_task *task, int held)
{
    if (held)
        atomic_store_explicit((atomic_uchar *)(uintptr_t)&task->held, 0, memory_order_release);
}

/* --- moving -------------------------------------------------------------------- */

/* In small pieces, which are stores: the whole is a call. */
static void copy_body(struct nook__body *to, const struct nook__body *from)
{
    enum { PART = 16 };
#pragma GCC unroll 32
    for (size_t at = 0; at < sizeof *to; at += PART)
        memcpy((char *)to + at, (const char *)from + at, PART);
}

_Static_assert(sizeof(struct nook__body) % 16 == 0, "copied in parts");

/* 1: it stands in the queue of the worker here, since it ran last. */
static int in_its_place(const struct nook__body *body)
{
    return nook__here()->at == &body->event.link;
}

static void move_links(struct nook__room *from, struct nook__room *to)
{
    struct nook__body *body = &from->body;
    if (body->event.ready || in_its_place(body))
        nook__list_replace(&body->event.link, &to->body.event.link);
    else
        nook__list_init(&to->body.event.link); /* whoever took it out may have left it as is */
    if (in_its_place(body))
        nook__here()->at = &to->body.event.link;
    nook__list_replace(&body->all, &to->body.all);
    nook__list_replace(&body->joiners, &to->body.joiners);
    to->member = from->member;
    nook__list_replace(&from->member.link, &to->member.link);
    nook__list_replace(&from->in_group, &to->in_group);
}

/* Its own, which only it and its chain know. Nobody else counts the users then. */
static void move_context(struct nook__room *to, struct nook__body *body)
{
    enum { OWN_REFS = 2 };
    struct nook__room *from = nook__room_of(body);
    int held = nook__hold(body->task);
    if (body->context == &from->context && body->chain == body->context &&
        nook__context_move(&from->context, &to->context, OWN_REFS)) {
        body->context = body->chain = &to->context;
        atomic_store_explicit(&from->users, 1, memory_order_relaxed);
        atomic_store_explicit(&to->users, 2, memory_order_relaxed);
    }
    nook__let_go(body->task, held);
}

void nook__room_furnish(struct nook__room *room, struct nook__body *body)
{
    room->seat = 1;
    atomic_store_explicit(&room->users, 1, memory_order_relaxed);
    NOOK__CONTAINER(room, struct nook__seat, room)->life.seated = 1;
    move_context(room, body);
}

void nook__room_move(struct nook__room *from, struct nook__room *to)
{
    nook_task *task = from->body.task;
    int held = nook__hold(task);
    copy_body(&to->body, &from->body);
    move_links(from, to);
    /* As a spare one's. */
    atomic_store_explicit(&from->body.event.ready, 0, memory_order_relaxed);
    from->body.text = NULL;
    nook__life_over(&from->body);
    task->body = &to->body;
    nook__let_go(task, held);
}

/* --- seats ----------------------------------------------------------------------- */

const struct nook__life nook__unborn = {
    .members = {(struct nook__link *)(uintptr_t)&nook__unborn.members,
                (struct nook__link *)(uintptr_t)&nook__unborn.members}};

struct nook__seat *nook__seat_of(const struct nook__stack *stack)
{
    uintptr_t top = (uintptr_t)nook__stack_top(stack);
    return (struct nook__seat *)((top - sizeof(struct nook__seat)) & ~(uintptr_t)(LINE - 1));
}

void nook__life_new(struct nook__life *life, struct nook__stacks *stacks,
                    const struct nook__stack *stack)
{
    nook__list_init(&life->members);
    life->stacks = stacks;
    life->stack = *stack;
}
