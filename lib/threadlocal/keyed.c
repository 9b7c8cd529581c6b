/* SPDX-License-Identifier: MIT */
/*
 * The backing whose identities are what a function says: Werkzeug's ident_func.
 *
 * A cell is a hash table from identities to stored pointers, cut into stripes
 * so that workers rarely meet at a lock.
 *
 * Invariant: an entry stands in its stripe exactly while its identity has
 * something; who takes it out under the stripe's lock releases it after. The
 * backing's own lock guards its list of cells, and comes before a stripe's.
 */
#include "count.h"

#include <nook/local.h>

#include <pthread.h>
#include <stdlib.h>

enum { STRIPES = 16, FORGET_ROUNDS = 4 };

struct entry {
    uintptr_t ident;
    void *stored;
    const nook_cell_ops *ops;
    struct entry *next;
};

struct stripe {
    pthread_mutex_t lock;
    struct entry **buckets;
    size_t mask; /* buckets - 1 */
    size_t len;
};

struct keyed {
    nook_backing base;
    uintptr_t (*ident)(void *user);
    void *user;
    pthread_mutex_t lock;
    struct cell *cells;
};

struct cell {
    struct keyed *keyed;
    const nook_cell_ops *ops;
    struct cell *next, **at;
    struct stripe stripes[STRIPES];
};

/* --- stripes -------------------------------------------------------------- */

/* Identities are addresses or small numbers: mixed, so that every bit counts. */
static uint64_t mix(uintptr_t ident)
{
    uint64_t hash = (uint64_t)ident * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 32);
}

static struct stripe *stripe_of(struct cell *cell, uintptr_t ident)
{
    return &cell->stripes[(mix(ident) >> 24) % STRIPES];
}

/* Where the identity's entry is linked, or would be. */
static struct entry **place_of(const struct stripe *stripe, uintptr_t ident)
{
    struct entry **place = &stripe->buckets[mix(ident) & stripe->mask];
    while (*place != NULL && (*place)->ident != ident)
        place = &(*place)->next;
    return place;
}

/* Doubles the buckets when they are full. Without memory, chains grow longer instead. */
static int stripe_grow(struct stripe *stripe)
{
    size_t size = stripe->buckets == NULL ? 4 : (stripe->mask + 1) * 2;
    if (stripe->buckets != NULL && stripe->len <= stripe->mask)
        return 0;
    struct entry **buckets = calloc(size, sizeof(struct entry *));
    if (buckets == NULL)
        return stripe->buckets != NULL ? 0 : NOOK_ENOMEM;
    for (size_t i = 0; stripe->buckets != NULL && i <= stripe->mask; i++) {
        for (struct entry *entry = stripe->buckets[i], *next; entry != NULL; entry = next) {
            struct entry **bucket = &buckets[mix(entry->ident) & (size - 1)];
            next = entry->next;
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    free(stripe->buckets);
    stripe->buckets = buckets;
    stripe->mask = size - 1;
    return 0;
}

/* Takes the identity's entry out of the stripe. Under its lock. */
static struct entry *stripe_take(struct stripe *stripe, uintptr_t ident)
{
    if (stripe->buckets == NULL)
        return NULL;
    struct entry **place = place_of(stripe, ident);
    struct entry *entry = *place;
    if (entry == NULL)
        return NULL;
    *place = entry->next;
    entry->next = NULL;
    stripe->len--;
    return entry;
}

static struct entry *cell_take(struct cell *cell, uintptr_t ident)
{
    struct stripe *stripe = stripe_of(cell, ident);
    pthread_mutex_lock(&stripe->lock);
    struct entry *entry = stripe_take(stripe, ident);
    pthread_mutex_unlock(&stripe->lock);
    return entry;
}

static void drop_entries(struct entry *list)
{
    while (list != NULL) {
        struct entry *next = list->next;
        list->ops->release(list->stored);
        free(list);
        list = next;
    }
}

/* --- the backing's functions ---------------------------------------------- */

static int keyed_open(void **out, const nook_cell_ops *ops, void *user)
{
    struct keyed *keyed = user;
    struct cell *cell = calloc(1, sizeof *cell);
    if (cell == NULL)
        return NOOK_ENOMEM;
    cell->keyed = keyed;
    cell->ops = ops;
    for (int i = 0; i < STRIPES; i++)
        pthread_mutex_init(&cell->stripes[i].lock, NULL);
    pthread_mutex_lock(&keyed->lock);
    cell->next = keyed->cells;
    cell->at = &keyed->cells;
    if (cell->next != NULL)
        cell->next->at = &cell->next;
    keyed->cells = cell;
    pthread_mutex_unlock(&keyed->lock);
    NOOK__LOCAL_COUNT(cells, 1);
    *out = cell;
    return 0;
}

static int keyed_load(void *what, void **stored, void *user)
{
    struct cell *cell = what;
    struct keyed *keyed = user;
    uintptr_t ident = keyed->ident(keyed->user);
    struct stripe *stripe = stripe_of(cell, ident);
    pthread_mutex_lock(&stripe->lock);
    const struct entry *entry = stripe->buckets != NULL ? *place_of(stripe, ident) : NULL;
    *stored = entry != NULL ? entry->stored : NULL;
    pthread_mutex_unlock(&stripe->lock);
    return 0;
}

/* Binds under the stripe's lock; *stored becomes what was there before. */
static int stripe_bind(struct stripe *stripe, uintptr_t ident, void **stored,
                       const nook_cell_ops *ops)
{
    int rc = stripe_grow(stripe);
    if (rc < 0)
        return rc;
    struct entry **place = place_of(stripe, ident);
    if (*place != NULL) {
        void *before = (*place)->stored;
        (*place)->stored = *stored;
        *stored = before;
        return 0;
    }
    struct entry *entry = malloc(sizeof *entry);
    if (entry == NULL)
        return NOOK_ENOMEM;
    *entry = (struct entry){.ident = ident, .stored = *stored, .ops = ops};
    *place = entry;
    stripe->len++;
    *stored = NULL;
    return 0;
}

static int keyed_store(void *what, void *stored, void *user)
{
    struct cell *cell = what;
    struct keyed *keyed = user;
    uintptr_t ident = keyed->ident(keyed->user);
    if (stored == NULL) {
        drop_entries(cell_take(cell, ident));
        return 0;
    }
    struct stripe *stripe = stripe_of(cell, ident);
    pthread_mutex_lock(&stripe->lock);
    int rc = stripe_bind(stripe, ident, &stored, cell->ops);
    pthread_mutex_unlock(&stripe->lock);
    if (rc == 0 && stored != NULL)
        cell->ops->release(stored);
    return rc;
}

/* Takes everything out of a stripe. */
static struct entry *stripe_empty(struct stripe *stripe)
{
    struct entry *list = NULL;
    pthread_mutex_lock(&stripe->lock);
    for (size_t i = 0; stripe->buckets != NULL && i <= stripe->mask; i++) {
        for (struct entry *entry = stripe->buckets[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            entry->next = list;
            list = entry;
        }
    }
    free(stripe->buckets);
    stripe->buckets = NULL;
    stripe->mask = stripe->len = 0;
    pthread_mutex_unlock(&stripe->lock);
    return list;
}

static void keyed_close(void *what, void *user)
{
    struct cell *cell = what;
    struct keyed *keyed = user;
    pthread_mutex_lock(&keyed->lock);
    *cell->at = cell->next;
    if (cell->next != NULL)
        cell->next->at = cell->at;
    pthread_mutex_unlock(&keyed->lock);
    for (int i = 0; i < STRIPES; i++) {
        drop_entries(stripe_empty(&cell->stripes[i]));
        pthread_mutex_destroy(&cell->stripes[i].lock);
    }
    free(cell);
    NOOK__LOCAL_COUNT(cells, -1);
}

/* Copies the stripe's entries, each with a reference of its own. */
static int stripe_hold(struct stripe *stripe, struct entry **list)
{
    int rc = 0;
    pthread_mutex_lock(&stripe->lock);
    for (size_t i = 0; rc == 0 && stripe->buckets != NULL && i <= stripe->mask; i++) {
        for (struct entry *entry = stripe->buckets[i]; entry != NULL; entry = entry->next) {
            struct entry *copy = malloc(sizeof *copy);
            if (copy == NULL) {
                rc = NOOK_ENOMEM;
                break;
            }
            *copy = *entry;
            copy->ops->retain(copy->stored);
            copy->next = *list;
            *list = copy;
        }
    }
    pthread_mutex_unlock(&stripe->lock);
    return rc;
}

static int keyed_foreach(void *what, nook_tls_visit visit, void *arg, void *user)
{
    struct cell *cell = what;
    struct entry *list = NULL;
    int rc = 0;
    (void)user;
    for (int i = 0; rc == 0 && i < STRIPES; i++)
        rc = stripe_hold(&cell->stripes[i], &list);
    for (struct entry *entry = list; rc == 0 && entry != NULL; entry = entry->next)
        rc = visit(entry->ident, entry->stored, arg);
    drop_entries(list);
    return rc;
}

static uintptr_t keyed_ident(void *user)
{
    struct keyed *keyed = user;
    return keyed->ident(keyed->user);
}

static const nook_backing_ops keyed_ops = {
    keyed_open, keyed_load, keyed_store, keyed_close, keyed_foreach, keyed_ident, 0,
};

/* --- what is public ------------------------------------------------------- */

int nook_backing_keyed_new(nook_backing **out, uintptr_t (*ident)(void *user), void *user)
{
    if (out == NULL || ident == NULL)
        return NOOK_EINVAL;
    struct keyed *keyed = calloc(1, sizeof *keyed);
    if (keyed == NULL)
        return NOOK_ENOMEM;
    keyed->base = (nook_backing){&keyed_ops, keyed};
    keyed->ident = ident;
    keyed->user = user;
    pthread_mutex_init(&keyed->lock, NULL);
    NOOK__LOCAL_COUNT(backings, 1);
    *out = &keyed->base;
    return 0;
}

static struct keyed *keyed_of(const nook_backing *backing)
{
    return backing != NULL && backing->ops == &keyed_ops ? backing->user : NULL;
}

/* Takes what the identity has out of all cells. */
static struct entry *take_everywhere(struct keyed *keyed, uintptr_t ident)
{
    struct entry *list = NULL;
    pthread_mutex_lock(&keyed->lock);
    for (struct cell *cell = keyed->cells; cell != NULL; cell = cell->next) {
        struct entry *entry = cell_take(cell, ident);
        if (entry == NULL)
            continue;
        entry->next = list;
        list = entry;
    }
    pthread_mutex_unlock(&keyed->lock);
    return list;
}

int nook_backing_forget(const nook_backing *backing, uintptr_t ident)
{
    struct keyed *keyed = keyed_of(backing);
    if (keyed == NULL)
        return NOOK_EINVAL;
    for (int round = 0; round < FORGET_ROUNDS; round++) {
        struct entry *list = take_everywhere(keyed, ident);
        if (list == NULL)
            return 0;
        drop_entries(list);
    }
    return NOOK_EBUSY;
}

size_t nook_backing_keyed_len(const nook_backing *backing)
{
    struct keyed *keyed = keyed_of(backing);
    size_t len = 0;
    if (keyed == NULL)
        return 0;
    pthread_mutex_lock(&keyed->lock);
    for (struct cell *cell = keyed->cells; cell != NULL; cell = cell->next) {
        for (int i = 0; i < STRIPES; i++) {
            pthread_mutex_lock(&cell->stripes[i].lock);
            len += cell->stripes[i].len;
            pthread_mutex_unlock(&cell->stripes[i].lock);
        }
    }
    pthread_mutex_unlock(&keyed->lock);
    return len;
}

void nook_backing_keyed_free(nook_backing *backing)
{
    struct keyed *keyed = keyed_of(backing);
    if (keyed == NULL)
        return;
    pthread_mutex_destroy(&keyed->lock);
    free(keyed);
    NOOK__LOCAL_COUNT(backings, -1);
}
