/* SPDX-License-Identifier: MIT */
/*
 * The persistent map from variable numbers to values: a trie, 32 ways a level,
 * whose leaves hold the values at their numbers. Numbers are dense, so a lookup
 * is one load a level, and needs no hash and no comparison.
 *
 * Whoever holds all references of a node may change it in place; a node that
 * others hold too never changes. Every present slot of a leaf owns one reference
 * to its variable (if created) and one to its value; every present slot of an inner
 * node owns one to its child. Absent slots point to static emptiness, so that a
 * lookup needs no check on its way.
 *
 * Beside the root a map has room for one binding of its own, the patch, which hides what
 * the trie binds at that number. The first set after a copy goes there and changes no node;
 * a copy takes it along. Only variables without operations are patched: so copying a
 * patch, as copying a root, calls nobody.
 *
 * A map owns not one reference to its root but `weight` of them, a million when the
 * root is made. So a map makes a copy of itself by giving away some, and takes them
 * back when the copy goes: no atomic operation, for only whoever may write a map
 * touches its weight. A map that has one left buys more, with one atomic addition;
 * one that goes where no other map of the same root is at hand subtracts its own. Of the
 * patch's variable, if created, it owns as many as of the root.
 */
#ifndef NOOK__MAP_H
#define NOOK__MAP_H

#include "var.h"

#include <stdatomic.h>

#define NOOK__BITS 5u
#define NOOK__WIDTH (1u << NOOK__BITS)
#define NOOK__HEIGHTS 4u /* 32 to the power of 4 is NOOK__VAR_LIMIT */

struct nook__node {
    void *slot[NOOK__WIDTH + 1]; /* the last: a leaf's own address, else the empty leaf's */
    _Atomic uint64_t refs;
    uint32_t present; /* one bit a slot */
    uint32_t counted; /* present slots whose copy must be counted; inner nodes: all */
    uint32_t special; /* slots that inheriting may not just copy; may say too much */
};

#define NOOK__WEIGHT (1u << 20)       /* what a new root has, and what is bought at a time */
#define NOOK__WEIGHT_LIMIT (1u << 30) /* no map takes back so much that it has more */

/* Its last address stands in slots that bind nothing. It is one of few that end so: inlined
 * code compares one byte, and asks a function where that is the same. */
extern char nook__unset[256];
#define NOOK__UNSET ((void *)&nook__unset[255])

extern char nook__not_here; /* its address answers that a map is shared */
#define NOOK__NOT_HERE ((void *)&nook__not_here)

extern struct nook__node nook__empty[NOOK__HEIGHTS];

/* The shape of a map: where in the root the leaves are, for inlined code (nook/inline.h), its
 * height, 0 where the root is a leaf, and whether a copy took the patch along since it was
 * last set. In one word, since a copy takes all of it. */
#define NOOK__HEIGHT_AT 16
#define NOOK__COPIED (1u << 24)

static inline uint32_t nook__shape(uint32_t height)
{
    static const uint32_t leaves[NOOK__HEIGHTS] = {NOOK__WIDTH, 0, NOOK__WIDTH + 1,
                                                   NOOK__WIDTH + 1};
    return leaves[height] | height << NOOK__HEIGHT_AT;
}

static inline uint32_t nook__map_leaves(const struct nook__map *map)
{
    return map->shape & 0xffff;
}

static inline uint32_t nook__map_height(const struct nook__map *map)
{
    /* A reader may look while the owner marks a copy: the height stays what it is. */
    return __atomic_load_n(&map->shape, __ATOMIC_RELAXED) >> NOOK__HEIGHT_AT & 0xff;
}

static inline void nook__map_mark_copied(struct nook__map *map)
{
    __atomic_store_n(&map->shape, map->shape | NOOK__COPIED, __ATOMIC_RELAXED);
}

static inline int nook__map_copied(const struct nook__map *map)
{
    return (map->shape & NOOK__COPIED) != 0;
}

/* A map without a patch. */
static inline struct nook__map nook__map_of(struct nook__node *root, uint32_t height,
                                            uint32_t weight, uint32_t len)
{
    struct nook__map map = {root, NOOK__UNSET, 0, weight, len, nook__shape(height)};
    return map;
}

static inline struct nook__map nook__map_empty(void)
{
    return nook__map_of(&nook__empty[0], 0, NOOK__WEIGHT, 0);
}

/* What the trie binds at the number, or NOOK__UNSET. */
static inline void *nook__trie_get(const struct nook__map *map, uint32_t index)
{
    const struct nook__node *node = map->root;
    if ((index >> (NOOK__BITS * nook__map_height(map))) >= NOOK__WIDTH)
        return NOOK__UNSET;
    for (uint32_t h = nook__map_height(map); h != 0; h--)
        node = node->slot[(index >> (NOOK__BITS * h)) % NOOK__WIDTH];
    return node->slot[index % NOOK__WIDTH];
}

/* The value bound at the number, or NOOK__UNSET. */
static inline void *nook__map_get(const struct nook__map *map, uint32_t index)
{
    return index == map->patch ? map->patched : nook__trie_get(map, index);
}

/* 1 where both are one state of one map. */
static inline int nook__map_same(const struct nook__map *a, const struct nook__map *b)
{
    return a->root == b->root && a->patch == b->patch && a->patched == b->patched;
}

static inline int nook__held(struct nook__node *node, uint32_t weight)
{
    return atomic_load_explicit(&node->refs, memory_order_acquire) == weight;
}

/* The leaf of the number, if nobody shares a node on the way, and there is one. */
static inline struct nook__node *nook__map_own_leaf(struct nook__map *map, uint32_t index)
{
    struct nook__node *node = map->root;
    uint32_t weight = map->weight;
    if ((index >> (NOOK__BITS * nook__map_height(map))) >= NOOK__WIDTH)
        return NULL;
    for (uint32_t h = nook__map_height(map); h != 0; h--) {
        if (!nook__held(node, weight)) /* asked once: the others may let go meanwhile */
            return NULL;
        node = node->slot[(index >> (NOOK__BITS * h)) % NOOK__WIDTH];
        weight = 1;
    }
    return nook__held(node, weight) ? node : NULL;
}

/* The same without a loop, where the root knows its leaves. */
static inline struct nook__node *nook__map_own_near_leaf(struct nook__map *map, uint32_t index)
{
    struct nook__node *root = map->root, *leaf;
    uint32_t place = index / NOOK__WIDTH + nook__map_leaves(map);
    if (__builtin_expect(place > NOOK__WIDTH, 0))
        return nook__map_own_leaf(map, index);
    if (!nook__held(root, map->weight))
        return NULL;
    leaf = root->slot[place];
    return leaf == root || nook__held(leaf, 1) ? leaf : NULL;
}

/* How many bindings more there are: 1, 0 or -1. */
static inline int nook__more_bound(const void *old, const void *value)
{
    return (old == NOOK__UNSET) - (value == NOOK__UNSET);
}

static inline void *nook__patch_put(struct nook__map *map, void *value)
{
    void *old = map->patched;
    map->patched = value;
    map->shape &= ~NOOK__COPIED;
    return old;
}

static inline void *nook__patch_swap(struct nook__map *map, void *value)
{
    void *old = nook__patch_put(map, value);
    map->len += (uint32_t)nook__more_bound(old, value);
    return old;
}

static inline void *nook__leaf_swap(struct nook__map *map, struct nook__node *leaf,
                                    uint32_t place, void *value, uint32_t created, int *more)
{
    void *old = leaf->slot[place];
    leaf->slot[place] = value;
    *more = nook__more_bound(old, value);
    if (*more != 0) {
        leaf->present ^= 1u << place;
        if (created)
            leaf->counted ^= 1u << place;
        map->len += (uint32_t)*more;
    }
    return old;
}

/* What hides the trie's binding from now on, if there is room: what is hidden. */
static inline void *nook__patch_start(struct nook__map *map, uint32_t index, void *value,
                                      int *more)
{
    if (map->patch != 0)
        return NOOK__NOT_HERE;
    void *old = nook__trie_get(map, index);
    if (old == value)
        return old; /* the map stays shared [M2, M3] */
    map->patch = index;
    map->patched = old;
    *more = (int)map->weight;
    return nook__patch_swap(map, value);
}

/*
 * Puts the value of a variable without operations where nobody shares it: what was bound
 * before, or NOOK__NOT_HERE, and nothing has changed. So many more references to the
 * variable, if it is created, are the map's now: the caller counts them.
 */
static inline void *nook__map_swap(struct nook__map *map, uint32_t created, uint32_t index,
                                   void *value, int *more)
{
    *more = 0;
    if (index == map->patch)
        return nook__patch_swap(map, value);
    struct nook__node *leaf = nook__map_own_near_leaf(map, index);
    if (leaf != NULL)
        return nook__leaf_swap(map, leaf, index % NOOK__WIDTH, value, created, more);
    return nook__patch_start(map, index, value, more);
}

/* NOOK__UNSET, or one of the few that end in the same byte. */
static inline int nook__maybe_none(const void *value)
{
    return (unsigned char)(uintptr_t)value == sizeof nook__unset - 1;
}

/*
 * Replaces what the number is bound to, in one straight line: what that was. Or what is
 * maybe none, and nothing has changed: nothing is bound perhaps, or others share the place.
 */
static inline void *nook__map_replace(struct nook__map *map, uint32_t index, void *value)
{
    if (__builtin_expect(index == map->patch, 0))
        return nook__maybe_none(map->patched) ? NOOK__UNSET : nook__patch_put(map, value);
    struct nook__node *root = map->root, *leaf;
    uint32_t place = index / NOOK__WIDTH + nook__map_leaves(map);
    if (__builtin_expect(place > NOOK__WIDTH, 0))
        return NOOK__UNSET;
    leaf = root->slot[place];
    if (__builtin_expect(!nook__held(root, map->weight), 0))
        return NOOK__UNSET;
    if (__builtin_expect(leaf != map->root && !nook__held(leaf, 1), 0))
        return NOOK__UNSET;
    void *old = leaf->slot[index % NOOK__WIDTH];
    if (__builtin_expect(!nook__maybe_none(old), 1))
        leaf->slot[index % NOOK__WIDTH] = value;
    return old;
}

/* More references for a map that has one left. */
void nook__map_buy(struct nook__map *map);

/* What a map gives away of what it owns; 0: it has too little. */
static inline uint32_t nook__map_part(const struct nook__map *map)
{
    return map->weight / 64;
}

/* A copy, for whoever may write the map. No callback runs. */
static inline struct nook__map nook__map_share(struct nook__map *map)
{
    if (__builtin_expect(nook__map_part(map) == 0, 0))
        nook__map_buy(map);
    struct nook__map copy = *map;
    copy.weight = nook__map_part(map);
    copy.shape &= ~NOOK__COPIED;
    map->weight -= copy.weight;
    return copy;
}

/* A copy, for others, who see to it that the map does not change meanwhile. */
struct nook__map nook__map_copy(const struct nook__map *map);

/* One holder less. Callbacks may run, with the map gone already. */
void nook__map_unref(struct nook__map map);

/* The part of it that is the patch's. */
void nook__patch_unref(struct nook__map map);

/* May a map take back the references of another, and no more is to do? */
static inline int nook__map_takes_back(const struct nook__map *to, const struct nook__map *map)
{
    return to->root == map->root && to->patch == map->patch &&
           to->weight + map->weight <= NOOK__WEIGHT_LIMIT;
}

/* The same, where the caller may write another map (or NULL), maybe of the same root. */
static inline void nook__map_give_back(struct nook__map map, struct nook__map *to)
{
    if (to == NULL || to->root != map.root || to->weight + map.weight > NOOK__WEIGHT_LIMIT ||
        (to->patch != 0 && to->patch != map.patch)) {
        nook__map_unref(map);
        return;
    }
    to->weight += map.weight;
    if (to->patch != map.patch)
        nook__patch_unref(map);
}

/*
 * Moves the patch into the trie, if nobody shares a node on the way and there is one: 1,
 * and the caller drops *less references to the variable of the patch, if it is created.
 */
int nook__map_settle(struct nook__map *map, int *less);

/*
 * Puts the value in place, if that is the patch or a leaf that nobody shares: 1, *old is what
 * was there, and the value's and variable's references have moved in (and the old ones
 * out). Else 0, and nothing has changed. No callback runs. The value may be NOOK__UNSET.
 */
int nook__map_put(struct nook__map *map, nook_var *var, uint32_t index, void *value,
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
