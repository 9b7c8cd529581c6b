/* SPDX-License-Identifier: MIT */
/*
 * Switch watchers.
 *
 * A slot is called through a count of those inside it, so that removing can wait
 * until nobody is. `telling` marks a thread that is inside a watcher: what
 * switches there is not told again, and what removes there must not wait.
 */
#include "context.h"

#include <pthread.h>
#include <sched.h>

#define SLOTS 8

struct slot {
    _Atomic(void (*)(nook_context *, void *)) fn;
    void *user;
    _Atomic uint32_t inside;
};

static struct slot slots[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int telling_here;

/* A watcher may not park, so the address holds while it runs; but the caller's
 * compiler must not keep it over a later switch. */
static __attribute__((noinline)) int *telling(void)
{
    int *address = &telling_here;
    __asm__ volatile("" : "+r"(address) : : "memory");
    return address;
}

void nook__watchers_lock(void)
{
    pthread_mutex_lock(&lock);
}

void nook__watchers_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

/* Which ones the forking thread itself is inside is not known: then all counts stay. */
void nook__watchers_forget_others(void)
{
    for (int i = 0; i < SLOTS && !*telling(); i++)
        atomic_store(&slots[i].inside, 0);
}

static void tell(struct slot *slot, nook_context *now)
{
    atomic_fetch_add(&slot->inside, 1);
    void (*fn)(nook_context *, void *) = atomic_load(&slot->fn);
    if (fn != NULL)
        fn(now, slot->user);
    atomic_fetch_sub(&slot->inside, 1);
}

void nook__watchers_tell(nook_context *now)
{
    int *mark = telling();
    if (*mark)
        return;
    *mark = 1;
    nook_context_ref(now); /* a watcher may drop the chain */
    for (int i = 0; i < SLOTS; i++)
        tell(&slots[i], now);
    nook_context_unref(now);
    *mark = 0;
}

int nook_watcher_add(void (*fn)(nook_context *now, void *user), void *user, int *id)
{
    if (fn == NULL || id == NULL)
        return NOOK_EINVAL;
    int rc = NOOK_EAGAIN;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < SLOTS && rc < 0; i++) {
        if (atomic_load(&slots[i].fn) != NULL || atomic_load(&slots[i].inside) != 0)
            continue;
        slots[i].user = user;
        atomic_store(&slots[i].fn, fn);
        atomic_fetch_add(&nook__attention, NOOK__WATCHER);
        *id = i;
        rc = 0;
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

int nook_watcher_remove(int id)
{
    if (id < 0 || id >= SLOTS)
        return NOOK_EINVAL;
    pthread_mutex_lock(&lock);
    int known = atomic_load(&slots[id].fn) != NULL;
    if (known) {
        atomic_store(&slots[id].fn, NULL);
        atomic_fetch_sub(&nook__attention, NOOK__WATCHER);
    }
    pthread_mutex_unlock(&lock);
    while (known && !*telling() && atomic_load(&slots[id].inside) != 0)
        sched_yield();
    return known ? 0 : NOOK_EINVAL;
}
