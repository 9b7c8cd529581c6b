/* SPDX-License-Identifier: MIT */
#include "thread.h"
#include "base/unwatched.h"
#include "context.h"
#include "map.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/*
 * A thread's exit. POSIX calls a key's destructor again, for some rounds, where
 * it is set anew: a release, or another key's destructor, may bind a variable
 * after the chain was dropped. The key holds an address in `rounds`, whose
 * offset says how many have passed. From the last but one on no chain is begun
 * any more, since nobody would drop it: the last finds nothing left to do.
 */
static pthread_key_t key;
static char rounds[PTHREAD_DESTRUCTOR_ITERATIONS];
static char *const too_late = &rounds[PTHREAD_DESTRUCTOR_ITERATIONS - 1];

static const struct {
    size_t size;
    uint32_t most; /* of what was freed, a thread keeps so many */
} kinds[NOOK__KINDS] = {
    [NOOK__CONTEXT_BLOCK] = {sizeof(nook_context), 16384}, /* a burst of tasks: 1 MiB */
    [NOOK__NODE_BLOCK] = {sizeof(struct nook__node), 128},
};

NOOK__UNWATCHED static void at_thread_exit(void *round)
{
    int last = round == too_late;
    (void)pthread_setspecific(key, last ? round : (char *)round + 1);
    if (!last)
        nook_thread_detach();
}

int nook__threads_set_up(void)
{
    return pthread_key_create(&key, at_thread_exit) == 0 ? 0 : NOOK_ENOMEM;
}

int nook__thread_watch(void)
{
    const char *round = pthread_getspecific(key);
    if (round != NULL)
        return round == too_late ? NOOK_EBUSY : 0;
    return pthread_setspecific(key, rounds) == 0 ? 0 : NOOK_ENOMEM;
}

void nook__thread_unwatch(void)
{
    if (pthread_getspecific(key) == rounds)
        (void)pthread_setspecific(key, NULL); /* or else an exit has begun, and counts */
}

/* Who comes too late for a number is at home nowhere. */
uint32_t nook__number_new(void)
{
    static _Atomic uint64_t last;
    uint64_t number = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    return number < NOOK__NO_HOME / NOOK__NUMBER_STEP ? (uint32_t)number * NOOK__NUMBER_STEP
                                                      : 0;
}

static struct nook__thread *make_record(void)
{
    struct nook__thread *thread = NULL;
    if (nook__thread_watch() == 0)
        thread = calloc(1, sizeof *thread);
    if (thread == NULL)
        return NULL;
    for (int kind = 0; kind < NOOK__KINDS; kind++) {
        thread->none[kind].room = NOOK__KEEPS_BLOCKS ? kinds[kind].most : 0;
        thread->kept[kind] = &thread->none[kind];
    }
    uint32_t due = nook__number_due();
    nook__thread_set(thread);
    nook__number_set(due != 0 ? due : nook__number_new());
    return thread;
}

struct nook__thread *nook__thread_require(void)
{
    struct nook__thread *thread = nook__thread_get();
    if (thread != NULL || nook__set_up() != 0)
        return thread;
    return make_record();
}

void nook__number_take(uint32_t number)
{
    nook__number_await(number);
    (void)nook__thread_require();
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the thread keeps it until it exits */
}

void nook__thread_forget(void)
{
    struct nook__thread *thread = nook__thread_get();
    if (thread == NULL)
        return;
    nook__thread_set(NULL);
    nook__number_await(nook__number_get());
    for (int kind = 0; kind < NOOK__KINDS; kind++)
        for (struct nook__block *next, *block = thread->kept[kind];
             (next = block->next) != NULL; block = next)
            free(block);
    free(thread);
}

void *nook__block_make(enum nook__block_kind kind)
{
    (void)nook__thread_require();
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the thread keeps it until it exits */
    return malloc(kinds[kind].size);
}
