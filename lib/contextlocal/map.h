/* SPDX-License-Identifier: MIT */
/*
 * The persistent map from variable numbers to values: a trie, 32 ways a level,
 * whose leaves hold the values at their numbers. Numbers are dense, so a lookup
 * is one load a level, and needs no hash and no comparison.
 *
 * A node with one reference may be changed in place by whoever holds it; a node
 * with more never changes. Every present slot of a leaf owns one reference to
 * its variable (if created) and one to its value; every present slot of an inner
 * node owns one to its child. Absent slots point to static emptiness, so that a
 * lookup needs no check on its way.
 */
#ifndef NOOK__MAP_H
#define NOOK__MAP_H

#include "var.h"

#include <stdatomic.h>

#define NOOK__BITS 5u
#define NOOK__WIDTH (1u << NOOK__BITS)
#define NOOK__HEIGHTS 4u /* 32 to the power of 4 is NOOK__VAR_LIMIT */

struct nook__node {
    _Atomic uint32_t refs;
    uint32_t present; /* one bit a slot */
    uint32_t counted; /* present slots whose copy must be counted; inner nodes: all */
    uint32_t special; /* slots that inheriting may not just copy; may say too much */
    void *slot[NOOK__WIDTH];
};

struct nook__map {
    struct nook__node *root;
    uint32_t height; /* 0: the root is a leaf */
    uint32_t len;
};

extern char nook__unset; /* its address stands in slots that bind nothing */
#define NOOK__UNSET ((void *)&nook__unset)

extern char nook__not_here; /* its address answers that a map is shared */
#define NOOK__NOT_HERE ((void *)&nook__not_here)

extern struct nook__node nook__empty[NOOK__HEIGHTS];

static inline struct nook__map nook__map_empty(void)
{
    struct nook__map map = {&nook__empty[0], 0, 0};
    return map;
}

/* The value bound at the number, or NOOK__UNSET. */
static inline void *nook__map_get(const struct nook__node *node, uint32_t height,
                                  uint32_t index)
{
    if ((index >> (NOOK__BITS * height)) >= NOOK__WIDTH)
        return NOOK__UNSET;
    for (; height != 0; height--)
        node = node->slot[(index >> (NOOK__BITS * height)) % NOOK__WIDTH];
    return node->slot[index % NOOK__WIDTH];
}

static inline int nook__unshared(struct nook__node *node)
{
    return atomic_load_explicit(&node->refs, memory_order_acquire) == 1;
}

/* The leaf of the number, if nobody shares a node on the way, and there is one. */
static inline struct nook__node *nook__map_own_leaf(struct nook__map *map, uint32_t index)
{
    struct nook__node *node = map->root;
    if ((index >> (NOOK__BITS * map->height)) >= NOOK__WIDTH)
        return NULL;
    for (uint32_t h = map->height; h != 0 && nook__unshared(node); h--)
        node = node->slot[(index >> (NOOK__BITS * h)) % NOOK__WIDTH];
    return nook__unshared(node) ? node : NULL;
}

/*
 * Puts the value of a variable without operations in place: what was bound before, or
 * NOOK__NOT_HERE, and nothing has changed. References move as in nook__map_put.
 */
static inline void *nook__map_swap(struct nook__map *map, const nook_var *var, uint32_t index,
                                   void *value)
{
    struct nook__node *leaf = nook__map_own_leaf(map, index);
    if (leaf == NULL)
        return NOOK__NOT_HERE;
    void *old = leaf->slot[index % NOOK__WIDTH];
    leaf->slot[index % NOOK__WIDTH] = value;
    if ((value == NOOK__UNSET) != (old == NOOK__UNSET)) {
        leaf->present ^= 1u << index % NOOK__WIDTH;
        leaf->counted ^= (uint32_t)(var->created != 0) << index % NOOK__WIDTH;
        map->len += value != NOOK__UNSET ? 1u : -1u;
    }
    return old;
}

/* One holder more. No callback runs: what the nodes hold is counted once a node. */
void nook__map_ref(const struct nook__map *map);

/* One holder less. Callbacks may run, with the map gone already. */
void nook__map_unref(struct nook__map map);

/*
 * Puts the value in place, if nobody shares a node on the way and there is one:
 * 1, *old is what was there, and the value's and variable's references have
 * moved in (and the old ones out). Else 0, and nothing has changed. No callback
 * runs. The value may be NOOK__UNSET.
 */
int nook__map_put(struct nook__map *map, const nook_var *var, uint32_t index, void *value,
                  void **old);

/*
 * Makes *out: the map with the value bound, sharing all that it can. It counts
 * its own references; retain callbacks may run. NOOK_ENOMEM.
 */
int nook__map_with(const struct nook__map *map, const nook_var *var, uint32_t index,
                   void *value, struct nook__map *out);

/* The first number at or above `from` that is bound, and its value; 0 if none. */
uint32_t nook__map_next(const struct nook__map *map, uint32_t from, void **value);

/* The first one at or above `from` that inheriting may not just copy; 0 if none. */
uint32_t nook__map_next_special(const struct nook__map *map, uint32_t from);

/* The references of one binding. */
void nook__binding_retain(uint32_t index, void *value);
void nook__binding_release(uint32_t index, void *value);

#endif
