/* SPDX-License-Identifier: MIT */
/*
 * Items, tables, and the cells that tables are kept in.
 *
 * Names are found by a linear walk over hashes: a namespace has few names, and
 * keeps them in the order of their first binding.
 *
 * Invariant: no callback of a user runs under a table's lock. Items are made
 * (which retains) before a table is locked, and dropped after.
 */
#include "table.h"
#include "count.h"

#include <stdlib.h>
#include <string.h>

/* --- kinds and items ------------------------------------------------------ */

struct nook__kind *nook__kind_new(void (*retain)(void *value, void *user),
                                  void (*release)(void *value, void *user), void *user)
{
    struct nook__kind *kind = malloc(sizeof *kind);
    if (kind != NULL)
        *kind =
            (struct nook__kind){.refs = 1, .retain = retain, .release = release, .user = user};
    return kind;
}

void nook__kind_unref(struct nook__kind *kind)
{
    if (kind != NULL && atomic_fetch_sub_explicit(&kind->refs, 1, memory_order_acq_rel) == 1)
        free(kind);
}

/* FNV-1a. */
static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

static void retain(const struct nook__kind *kind, void *value)
{
    if (kind->retain != NULL && value != NULL)
        kind->retain(value, kind->user);
}

struct nook__item *nook__item_new(struct nook__kind *kind, const char *name, void *value)
{
    size_t size = strlen(name) + 1;
    struct nook__item *item = malloc(sizeof *item + size);
    if (item == NULL)
        return NULL;
    atomic_fetch_add_explicit(&kind->refs, 1, memory_order_relaxed);
    *item = (struct nook__item){.refs = 1, .hash = hash_of(name), .value = value, .kind = kind};
    memcpy(item->name, name, size);
    NOOK__LOCAL_COUNT(items, 1);
    retain(kind, value);
    return item;
}

struct nook__item *nook__item_ref(struct nook__item *item)
{
    atomic_fetch_add_explicit(&item->refs, 1, memory_order_relaxed);
    return item;
}

void nook__item_unref(struct nook__item *item)
{
    if (item == NULL || atomic_fetch_sub_explicit(&item->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct nook__kind *kind = item->kind;
    if (kind->release != NULL && item->value != NULL && !item->moved)
        kind->release(item->value, kind->user);
    nook__kind_unref(kind);
    free(item);
    NOOK__LOCAL_COUNT(items, -1);
}

void nook__item_discard(struct nook__item *item)
{
    if (item->kind->retain == NULL)
        item->moved = 1;
    nook__item_unref(item);
}

void nook__item_give(struct nook__item *item, void **value)
{
    if (value != NULL) {
        if (item->kind->retain != NULL)
            retain(item->kind, item->value);
        else
            item->moved = 1;
        *value = item->value;
    }
    nook__item_unref(item);
}

/* --- tables --------------------------------------------------------------- */

struct nook__table *nook__table_new(size_t size)
{
    struct nook__table *table = malloc(sizeof *table);
    if (table == NULL)
        return NULL;
    *table = (struct nook__table){.refs = 1, .size = size};
    table->items = size != 0 ? malloc(size * sizeof(struct nook__item *)) : NULL;
    if (size != 0 && table->items == NULL) {
        free(table);
        return NULL;
    }
    pthread_mutex_init(&table->lock, NULL);
    NOOK__LOCAL_COUNT(tables, 1);
    return table;
}

struct nook__table *nook__table_copy(struct nook__table *table)
{
    pthread_mutex_lock(&table->lock);
    struct nook__table *copy = nook__table_new(table->len + 1);
    if (copy != NULL) {
        for (size_t i = 0; i < table->len; i++)
            copy->items[i] = nook__item_ref(table->items[i]);
        copy->len = table->len;
    }
    pthread_mutex_unlock(&table->lock);
    return copy;
}

void nook__table_ref(void *stored)
{
    struct nook__table *table = stored;
    if (table != NULL)
        atomic_fetch_add_explicit(&table->refs, 1, memory_order_relaxed);
}

void nook__table_unref(void *stored)
{
    struct nook__table *table = stored;
    if (table == NULL || atomic_fetch_sub_explicit(&table->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = table->len; i-- > 0;)
        nook__item_unref(table->items[i]);
    pthread_mutex_destroy(&table->lock);
    free(table->items);
    free(table);
    NOOK__LOCAL_COUNT(tables, -1);
}

size_t nook__table_find(const struct nook__table *table, const char *name)
{
    uint32_t hash = hash_of(name);
    for (size_t i = 0; table != NULL && i < table->len; i++)
        if (table->items[i]->hash == hash && strcmp(table->items[i]->name, name) == 0)
            return i;
    return NOOK__NOWHERE;
}

int nook__table_reserve(struct nook__table *table)
{
    int rc = 0;
    if (table->len < table->size)
        return 0;
    size_t size = table->size < 4 ? 4 : table->size * 2;
    pthread_mutex_lock(&table->lock);
    struct nook__item **items = realloc(table->items, size * sizeof(struct nook__item *));
    if (items != NULL) {
        table->items = items;
        table->size = size;
    } else {
        rc = NOOK_ENOMEM;
    }
    pthread_mutex_unlock(&table->lock);
    return rc;
}

struct nook__item *nook__table_put(struct nook__table *table, size_t where,
                                   struct nook__item *item)
{
    struct nook__item *old = NULL;
    pthread_mutex_lock(&table->lock);
    if (where == NOOK__NOWHERE) {
        table->items[table->len++] = item;
    } else {
        old = table->items[where];
        table->items[where] = item;
    }
    pthread_mutex_unlock(&table->lock);
    return old;
}

struct nook__item *nook__table_take(struct nook__table *table, size_t where)
{
    pthread_mutex_lock(&table->lock);
    struct nook__item *item = table->items[where];
    table->len--;
    memmove(&table->items[where], &table->items[where + 1],
            (table->len - where) * sizeof(struct nook__item *));
    pthread_mutex_unlock(&table->lock);
    return item;
}

/* --- cells ---------------------------------------------------------------- */

static const nook_cell_ops table_ops = {nook__table_ref, nook__table_unref};

int nook__cell_open(struct nook__cell *cell, const nook_backing *backing)
{
    cell->backing = backing != NULL ? backing : nook_backing_thread();
    return cell->backing->ops->open(&cell->cell, &table_ops, cell->backing->user);
}

void nook__cell_close(const struct nook__cell *cell)
{
    cell->backing->ops->close(cell->cell, cell->backing->user);
}

int nook__cell_load(const struct nook__cell *cell, struct nook__table **table)
{
    void *stored = NULL;
    int rc = cell->backing->ops->load(cell->cell, &stored, cell->backing->user);
    *table = rc < 0 ? NULL : stored;
    return rc < 0 ? rc : 0;
}

int nook__cell_store(const struct nook__cell *cell, struct nook__table *table)
{
    int rc = cell->backing->ops->store(cell->cell, table, cell->backing->user);
    return rc < 0 ? rc : 0;
}

int nook__edit_begin(const struct nook__cell *cell, struct nook__edit *edit)
{
    struct nook__table *table;
    int rc = nook__cell_load(cell, &table);
    if (rc < 0)
        return rc;
    edit->fresh =
        table == NULL || (cell->backing->ops->flags & NOOK_BACKING_COPY_ON_WRITE) != 0;
    if (!edit->fresh)
        edit->table = table;
    else
        edit->table = table != NULL ? nook__table_copy(table) : nook__table_new(4);
    return edit->table != NULL ? 0 : NOOK_ENOMEM;
}

int nook__edit_commit(const struct nook__cell *cell, struct nook__edit *edit)
{
    int rc = edit->fresh ? nook__cell_store(cell, edit->table) : 0;
    if (rc < 0)
        nook__table_unref(edit->table);
    return rc;
}

void nook__edit_abandon(struct nook__edit *edit)
{
    if (edit->fresh)
        nook__table_unref(edit->table);
}

/* --- iterators ------------------------------------------------------------ */

int nook__iter_open(nook_local_iter *iter, struct nook__table *table)
{
    *iter = (nook_local_iter){NULL, 0};
    if (table == NULL)
        return 0;
    iter->nook__table = nook__table_copy(table);
    return iter->nook__table != NULL ? 0 : NOOK_ENOMEM;
}

int nook_local_iter_next(nook_local_iter *iter, const char **name, void **value)
{
    if (iter == NULL || name == NULL || value == NULL)
        return NOOK_EINVAL;
    struct nook__table *table = iter->nook__table;
    if (table == NULL || iter->nook__next >= table->len)
        return NOOK_EEND;
    struct nook__item *item = table->items[iter->nook__next++];
    *name = item->name;
    *value = item->value;
    return 0;
}

void nook_local_iter_close(nook_local_iter *iter)
{
    if (iter == NULL)
        return;
    struct nook__table *table = iter->nook__table;
    *iter = (nook_local_iter){NULL, 0};
    nook__table_unref(table);
}
