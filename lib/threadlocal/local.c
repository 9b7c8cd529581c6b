/* SPDX-License-Identifier: MIT */
/*
 * Local: names for each identity.
 *
 * Invariant: between the load of the identity's table and the commit of a
 * change to it no callback of a user runs, so that the table is still the
 * identity's. What a change replaced is dropped after the commit.
 */
#include "count.h"
#include "table.h"

#include <stdlib.h>

struct nook_local {
    atomic_uint refs;
    struct nook__cell cell;
    struct nook__kind *kind;
    int (*init)(nook_local *local, void *arg, void *user);
    void *arg;
};

int nook_local_new(nook_local **out, const nook_local_options *options)
{
    static const nook_local_options none;
    const nook_local_options *o = options != NULL ? options : &none;
    if (out == NULL || (o->init == NULL && o->arg != NULL))
        return NOOK_EINVAL;
    nook_local *local = malloc(sizeof *local);
    if (local == NULL)
        return NOOK_ENOMEM;
    *local = (nook_local){.refs = 1, .init = o->init, .arg = o->arg};
    local->kind = nook__kind_new(o->retain, o->release, o->user);
    int rc = NOOK_ENOMEM;
    if (local->kind != NULL)
        rc = nook__cell_open(&local->cell, o->backing);
    if (rc < 0) {
        nook__kind_unref(local->kind);
        free(local);
        return rc;
    }
    NOOK__LOCAL_COUNT(locals, 1);
    *out = local;
    return 0;
}

nook_local *nook_local_ref(nook_local *local)
{
    if (local != NULL)
        atomic_fetch_add_explicit(&local->refs, 1, memory_order_relaxed);
    return local;
}

void nook_local_unref(nook_local *local)
{
    if (local == NULL || atomic_fetch_sub_explicit(&local->refs, 1, memory_order_acq_rel) != 1)
        return;
    nook__cell_close(&local->cell);
    nook__kind_unref(local->kind);
    free(local);
    NOOK__LOCAL_COUNT(locals, -1);
}

/* An empty table stands already while init runs, so that init runs once. */
static int initialise(nook_local *local)
{
    struct nook__table *table = nook__table_new(4);
    if (table == NULL)
        return NOOK_ENOMEM;
    int rc = nook__cell_store(&local->cell, table);
    if (rc < 0) {
        nook__table_unref(table);
        return rc;
    }
    rc = local->init(local, local->arg, local->kind->user);
    if (rc < 0)
        (void)nook__cell_store(&local->cell, NULL);
    return rc < 0 ? rc : 0;
}

/* The calling identity's table; NULL where nothing is bound. */
static int load(nook_local *local, struct nook__table **table)
{
    int rc = nook__cell_load(&local->cell, table);
    if (rc < 0 || *table != NULL || local->init == NULL)
        return rc;
    rc = initialise(local);
    return rc < 0 ? rc : nook__cell_load(&local->cell, table);
}

/* 1 where the item was bound, 0 where the same value was already; or an error. */
static int bind(nook_local *local, struct nook__item *item, struct nook__item **old)
{
    struct nook__table *table;
    struct nook__edit edit;
    int rc = load(local, &table);
    if (rc < 0)
        return rc;
    size_t where = nook__table_find(table, item->name);
    if (where != NOOK__NOWHERE && table->items[where]->value == item->value)
        return 0;
    rc = nook__edit_begin(&local->cell, &edit);
    if (rc < 0)
        return rc;
    rc = where == NOOK__NOWHERE ? nook__table_reserve(edit.table) : 0;
    if (rc < 0) {
        nook__edit_abandon(&edit);
        return rc;
    }
    *old = nook__table_put(edit.table, where, nook__item_ref(item));
    rc = nook__edit_commit(&local->cell, &edit);
    return rc < 0 ? rc : 1;
}

int nook_local_set(nook_local *local, const char *name, void *value)
{
    if (local == NULL || name == NULL)
        return NOOK_EINVAL;
    struct nook__item *old = NULL;
    struct nook__item *item = nook__item_new(local->kind, name, value);
    if (item == NULL)
        return NOOK_ENOMEM;
    int rc = bind(local, item, &old);
    nook__item_unref(old);
    if (rc <= 0)
        nook__item_discard(item);
    else
        nook__item_unref(item);
    return rc < 0 ? rc : 0;
}

/* The item that the name is bound to, or an error. */
static int find(nook_local *local, const char *name, const struct nook__item **item)
{
    struct nook__table *table;
    if (local == NULL || name == NULL)
        return NOOK_EINVAL;
    int rc = load(local, &table);
    if (rc < 0)
        return rc;
    size_t where = nook__table_find(table, name);
    if (where == NOOK__NOWHERE)
        return NOOK_ENOENT;
    *item = table->items[where];
    return 0;
}

int nook_local_get(nook_local *local, const char *name, void **value)
{
    const struct nook__item *item;
    if (value == NULL)
        return NOOK_EINVAL;
    int rc = find(local, name, &item);
    if (rc == 0)
        *value = item->value;
    return rc;
}

int nook_local_contains(nook_local *local, const char *name)
{
    const struct nook__item *item;
    int rc = find(local, name, &item);
    if (rc == NOOK_ENOENT)
        return 0;
    return rc < 0 ? rc : 1;
}

int nook_local_del(nook_local *local, const char *name)
{
    const struct nook__item *found;
    struct nook__edit edit;
    int rc = find(local, name, &found);
    if (rc == 0)
        rc = nook__edit_begin(&local->cell, &edit);
    if (rc < 0)
        return rc;
    struct nook__item *item = nook__table_take(edit.table, nook__table_find(edit.table, name));
    rc = nook__edit_commit(&local->cell, &edit);
    nook__item_unref(item);
    return rc;
}

int nook_local_len(nook_local *local, size_t *len)
{
    struct nook__table *table;
    if (local == NULL || len == NULL)
        return NOOK_EINVAL;
    int rc = load(local, &table);
    if (rc == 0)
        *len = table != NULL ? table->len : 0;
    return rc;
}

int nook_local_release(nook_local *local)
{
    struct nook__table *table;
    if (local == NULL)
        return NOOK_EINVAL;
    int rc = nook__cell_load(&local->cell, &table);
    return rc < 0 || table == NULL ? rc : nook__cell_store(&local->cell, NULL);
}

int nook_local_iter_open(nook_local_iter *iter, nook_local *local)
{
    struct nook__table *table;
    if (iter == NULL)
        return NOOK_EINVAL;
    *iter = (nook_local_iter){NULL, 0};
    if (local == NULL)
        return NOOK_EINVAL;
    int rc = load(local, &table);
    return rc < 0 ? rc : nook__iter_open(iter, table);
}

/* --- all identities ------------------------------------------------------- */

struct visiting {
    nook_local_visit visit;
    void *arg;
};

/* The owner may change its table meanwhile: what is visited is a copy. */
static int visit_table(uintptr_t ident, void *stored, void *arg)
{
    const struct visiting *v = arg;
    nook_local_iter iter;
    const char *name;
    void *value;
    int rc = nook__iter_open(&iter, stored);
    while (rc == 0 && nook_local_iter_next(&iter, &name, &value) == 0)
        rc = v->visit(ident, name, value, v->arg);
    nook_local_iter_close(&iter);
    return rc;
}

int nook_local_foreach(nook_local *local, nook_local_visit visit, void *arg)
{
    struct visiting visiting = {visit, arg};
    if (local == NULL || visit == NULL)
        return NOOK_EINVAL;
    const nook_backing *backing = local->cell.backing;
    if (backing->ops->foreach == NULL)
        return NOOK_ENOTSUP;
    return backing->ops->foreach(local->cell.cell, visit_table, &visiting, backing->user);
}
