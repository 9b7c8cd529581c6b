/* SPDX-License-Identifier: MIT */
/*
 * What a Local, a stack or a g keeps for one identity: a counted table of
 * counted items. A stack's items have the empty name.
 */
#ifndef NOOK__TABLE_H
#define NOOK__TABLE_H

#include <nook/local.h>

#include <pthread.h>
#include <stdatomic.h>

/* How values are held. Counted, since values may outlive the Local that they came from. */
struct nook__kind {
    atomic_uint refs;
    void (*retain)(void *value, void *user);
    void (*release)(void *value, void *user);
    void *user;
};

/* NULL: no memory. */
struct nook__kind *nook__kind_new(void (*retain)(void *value, void *user),
                                  void (*release)(void *value, void *user), void *user);
void nook__kind_unref(struct nook__kind *kind);

/* One binding; never changes once it stands in a table. */
struct nook__item {
    atomic_uint refs;
    uint32_t hash;
    int moved; /* somebody took the hold on the value over */
    void *value;
    struct nook__kind *kind;
    char name[];
};

/* Retains the value. NULL: no memory. */
struct nook__item *nook__item_new(struct nook__kind *kind, const char *name, void *value);
struct nook__item *nook__item_ref(struct nook__item *item);
void nook__item_unref(struct nook__item *item);

/* Gives up an item that was never bound: the value is the caller's as before. */
void nook__item_discard(struct nook__item *item);

/*
 * Gives up a reference, and the caller of *value one hold on the value; NULL: nobody.
 * Where values cannot be retained the item's own hold moves, so nobody else may own it.
 */
void nook__item_give(struct nook__item *item, void **value);

/*
 * The owner alone changes a table, and reads it without the lock. It changes it
 * under the lock, and others read it under the lock.
 */
struct nook__table {
    atomic_uint refs;
    pthread_mutex_t lock;
    size_t len, size;
    struct nook__item **items;
};

/* With room for `size` items. NULL: no memory. */
struct nook__table *nook__table_new(size_t size);

/* The same items, and room for one more. NULL: no memory. */
struct nook__table *nook__table_copy(struct nook__table *table);
void nook__table_ref(void *stored);
void nook__table_unref(void *stored);

#define NOOK__NOWHERE ((size_t)-1)

/* Where the name is, or NOOK__NOWHERE. NULL is an empty table. */
size_t nook__table_find(const struct nook__table *table, const char *name);

/* Makes room for one more; 0 or NOOK_ENOMEM. */
int nook__table_reserve(struct nook__table *table);

/*
 * Puts the item at `where`, or at the end, for which there must be room. Takes
 * the caller's reference; returns the item from before, or NULL.
 */
struct nook__item *nook__table_put(struct nook__table *table, size_t where,
                                   struct nook__item *item);

/* Takes an item out; those after it move up. */
struct nook__item *nook__table_take(struct nook__table *table, size_t where);

/* A backing's cell for tables. */
struct nook__cell {
    const nook_backing *backing;
    void *cell;
};

int nook__cell_open(struct nook__cell *cell, const nook_backing *backing);
void nook__cell_close(const struct nook__cell *cell);
int nook__cell_load(const struct nook__cell *cell, struct nook__table **table);
int nook__cell_store(const struct nook__cell *cell, struct nook__table *table);

/*
 * An edit of the calling identity's table: the table itself, or a copy where it is
 * shared or there is none. Commit it, or abandon it unchanged.
 */
struct nook__edit {
    struct nook__table *table;
    int fresh;
};
int nook__edit_begin(const struct nook__cell *cell, struct nook__edit *edit);
int nook__edit_commit(const struct nook__cell *cell, struct nook__edit *edit);
void nook__edit_abandon(struct nook__edit *edit);

/* Iterators: over a table of their own, or over nothing. */
int nook__iter_open(nook_local_iter *iter, struct nook__table *table);

/* For request contexts: 1 where the value is on the caller's stack. */
int nook__local_stack_contains(nook_local_stack *stack, const void *value);

#endif
