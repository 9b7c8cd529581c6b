/* SPDX-License-Identifier: MIT */
/*
 * g: the namespace of an app context.
 *
 * Invariant: the table is touched under the lock alone, and no callback runs
 * there. Items are made before it is taken and dropped after.
 */
#include "app.h"

int nook__g_init(nook_g *g, struct nook__kind *kind)
{
    g->table = nook__table_new(0);
    if (g->table == NULL)
        return NOOK_ENOMEM;
    atomic_fetch_add_explicit(&kind->refs, 1, memory_order_relaxed);
    g->kind = kind;
    pthread_mutex_init(&g->lock, NULL);
    return 0;
}

void nook__g_done(nook_g *g)
{
    nook__table_unref(g->table);
    nook__kind_unref(g->kind);
    pthread_mutex_destroy(&g->lock);
}

/*
 * Puts the item where its name is. 1 where it was put; 0 where it was not: the
 * same value is bound already, or `keep` and any is. *bound gets what is bound.
 */
static int put(nook_g *g, struct nook__item *item, int keep, struct nook__item **old,
               void **bound)
{
    int rc = 1;
    pthread_mutex_lock(&g->lock);
    size_t where = nook__table_find(g->table, item->name);
    if (where == NOOK__NOWHERE) {
        if (nook__table_reserve(g->table) < 0)
            rc = NOOK_ENOMEM;
    } else if (keep || g->table->items[where]->value == item->value) {
        *bound = g->table->items[where]->value;
        rc = 0;
    }
    if (rc > 0) {
        *bound = item->value;
        *old = nook__table_put(g->table, where, nook__item_ref(item));
    }
    pthread_mutex_unlock(&g->lock);
    return rc;
}

static int bind(nook_g *g, const char *name, void *value, int keep, void **bound)
{
    struct nook__item *old = NULL;
    struct nook__item *item = nook__item_new(g->kind, name, value);
    if (item == NULL)
        return NOOK_ENOMEM;
    int rc = put(g, item, keep, &old, bound);
    nook__item_unref(old);
    if (rc <= 0)
        nook__item_discard(item);
    else
        nook__item_unref(item);
    return rc < 0 ? rc : 0;
}

int nook_g_set(nook_g *g, const char *name, void *value)
{
    void *bound;
    if (g == NULL || name == NULL)
        return NOOK_EINVAL;
    return bind(g, name, value, 0, &bound);
}

int nook_g_setdefault(nook_g *g, const char *name, void *value, void **bound)
{
    void *found;
    if (g == NULL || name == NULL)
        return NOOK_EINVAL;
    int rc = nook_g_get(g, name, &found);
    if (rc == NOOK_ENOENT) /* and again under the lock, where somebody may have been faster */
        rc = bind(g, name, value, 1, &found);
    if (rc == 0 && bound != NULL)
        *bound = found;
    return rc;
}

int nook_g_get(nook_g *g, const char *name, void **value)
{
    if (g == NULL || name == NULL || value == NULL)
        return NOOK_EINVAL;
    pthread_mutex_lock(&g->lock);
    size_t where = nook__table_find(g->table, name);
    if (where != NOOK__NOWHERE)
        *value = g->table->items[where]->value;
    pthread_mutex_unlock(&g->lock);
    return where != NOOK__NOWHERE ? 0 : NOOK_ENOENT;
}

int nook_g_pop(nook_g *g, const char *name, void **value)
{
    struct nook__item *item = NULL;
    if (g == NULL || name == NULL)
        return NOOK_EINVAL;
    pthread_mutex_lock(&g->lock);
    size_t where = nook__table_find(g->table, name);
    if (where != NOOK__NOWHERE)
        item = nook__table_take(g->table, where);
    pthread_mutex_unlock(&g->lock);
    if (item == NULL)
        return NOOK_ENOENT;
    nook__item_give(item, value);
    return 0;
}

int nook_g_contains(nook_g *g, const char *name)
{
    void *value;
    return nook_g_get(g, name, &value) == 0;
}

size_t nook_g_len(nook_g *g)
{
    if (g == NULL)
        return 0;
    pthread_mutex_lock(&g->lock);
    size_t len = g->table->len;
    pthread_mutex_unlock(&g->lock);
    return len;
}

int nook_g_iter_open(nook_local_iter *iter, nook_g *g)
{
    if (iter == NULL)
        return NOOK_EINVAL;
    *iter = (nook_local_iter){NULL, 0};
    if (g == NULL)
        return NOOK_EINVAL;
    pthread_mutex_lock(&g->lock);
    int rc = nook__iter_open(iter, g->table);
    pthread_mutex_unlock(&g->lock);
    return rc;
}
