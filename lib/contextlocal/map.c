/* SPDX-License-Identifier: MIT */
#include "map.h"
#include "count.h"
#include "thread.h"

#include <stddef.h>
#include <string.h>

typedef struct nook__node node;

_Alignas(256) char nook__unset[256];
char nook__not_here;

_Static_assert(offsetof(struct nook__node, slot) == 0, "inlined code reads slots there");

#define TIMES_8(x) x, x, x, x, x, x, x, x
#define TIMES_32(x) TIMES_8(x), TIMES_8(x), TIMES_8(x), TIMES_8(x)

/* No map has no reference to its root: these are never changed in place, never freed. */
node nook__empty[NOOK__HEIGHTS] = {
    {{TIMES_32(NOOK__UNSET), &nook__empty[0]}, 0, 0, 0, 0},
    {{TIMES_32(&nook__empty[0]), &nook__empty[0]}, 0, 0, 0, 0},
    {{TIMES_32(&nook__empty[1]), &nook__empty[0]}, 0, 0, 0, 0},
    {{TIMES_32(&nook__empty[2]), &nook__empty[0]}, 0, 0, 0, 0},
};

static int is_empty(const node *n)
{
    return n >= nook__empty && n < nook__empty + NOOK__HEIGHTS;
}

static uint32_t place_of(uint32_t index, uint32_t height)
{
    return (index >> (NOOK__BITS * height)) % NOOK__WIDTH;
}

/* --- references ---------------------------------------------------------- */

static void node_ref(node *n)
{
    if (!is_empty(n))
        atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
}

void nook__binding_retain(uint32_t index, void *value)
{
    nook_var *var = nook__var_at(index);
    nook_var_ref(var);
    nook__value_retain(var, value);
}

void nook__binding_release(uint32_t index, void *value)
{
    nook_var *var = nook__var_at(index);
    nook_value_release(var, value);
    nook_var_unref(var);
}

static void node_unref(node *n, uint32_t height, uint32_t base);

/* `base` is the number of the node's first slot. */
static void node_free(node *n, uint32_t height, uint32_t base)
{
    for (uint32_t left = n->counted; left != 0; left &= left - 1) {
        uint32_t place = (uint32_t)__builtin_ctz(left);
        uint32_t index = base + (place << (NOOK__BITS * height));
        if (height == 0)
            nook__binding_release(index, n->slot[place]);
        else
            node_unref(n->slot[place], height - 1, index);
    }
    nook__block_give(NOOK__NODE_BLOCK, n);
    NOOK__COUNT(nodes, -1);
}

static void node_unref_by(node *n, uint32_t height, uint32_t base, uint32_t weight)
{
    if (is_empty(n))
        return;
    /* Who holds all of them needs no locked instruction: nobody else can count. */
    if (nook__held(n, weight) ||
        atomic_fetch_sub_explicit(&n->refs, weight, memory_order_acq_rel) == weight)
        node_free(n, height, base);
}

static void node_unref(node *n, uint32_t height, uint32_t base)
{
    node_unref_by(n, height, base, 1);
}

/* So many references more to the variable of the patch, if it is a created one. */
static void patch_ref(const struct nook__map *map, uint32_t n)
{
    if (map->patch != 0)
        nook__var_ref_by(nook__var_at(map->patch), (int)n);
}

void nook__patch_unref(struct nook__map map)
{
    if (map.patch != 0)
        nook__var_unref_by(nook__var_at(map.patch), (int)map.weight);
}

void nook__map_buy(struct nook__map *map)
{
    if (!is_empty(map->root))
        atomic_fetch_add_explicit(&map->root->refs, NOOK__WEIGHT, memory_order_relaxed);
    patch_ref(map, NOOK__WEIGHT);
    map->weight += NOOK__WEIGHT;
}

struct nook__map nook__map_copy(const struct nook__map *map)
{
    struct nook__map copy = nook__map_of(map->root, nook__map_height(map), 1, map->len);
    copy.patched = map->patched;
    copy.patch = map->patch;
    node_ref(copy.root);
    patch_ref(&copy, 1);
    return copy;
}

/* The references to the root alone. */
static void root_unref(struct nook__map map)
{
    node_unref_by(map.root, nook__map_height(&map), 0, map.weight);
}

void nook__map_unref(struct nook__map map)
{
    root_unref(map);
    nook__patch_unref(map);
}

/* --- changing in place ---------------------------------------------------- */

static void mark(uint32_t *mask, uint32_t place, int on)
{
    *mask = (*mask & ~(1u << place)) | ((uint32_t)(on != 0) << place);
}

static void mark_binding(node *leaf, uint32_t place, const nook_var *var, int present)
{
    mark(&leaf->present, place, present);
    mark(&leaf->counted, place, present && nook__var_counted(var));
    mark(&leaf->special, place, present && nook__var_special(var));
}

/* What put does to a patch, which owns references enough whether it binds or not. */
static void put_in_patch(struct nook__map *map, nook_var *var, void *value, void **old)
{
    *old = nook__patch_swap(map, value);
    int more = nook__more_bound(*old, value);
    if (more < 0)
        nook__var_ref_by(var, 1);
    if (more > 0)
        nook__var_unref_by(var, 1); /* not the last: the map's are there */
}

int nook__map_put(struct nook__map *map, nook_var *var, uint32_t index, void *value, void **old)
{
    if (index == map->patch) {
        put_in_patch(map, var, value, old);
        return 1;
    }
    node *leaf = nook__map_own_leaf(map, index);
    if (leaf == NULL)
        return 0;
    uint32_t place = index % NOOK__WIDTH;
    *old = leaf->slot[place];
    leaf->slot[place] = value;
    if ((value == NOOK__UNSET) == (*old == NOOK__UNSET))
        return 1;
    mark_binding(leaf, place, var, value != NOOK__UNSET);
    map->len += value != NOOK__UNSET ? 1u : -1u;
    /* A bit too many above only makes inheriting look; one too few would leak. */
    node *n = map->root;
    for (uint32_t h = nook__map_height(map); leaf->special != 0 && h != 0; h--) {
        n->special |= 1u << place_of(index, h);
        n = n->slot[place_of(index, h)];
    }
    return 1;
}

int nook__map_settle(struct nook__map *map, int *less)
{
    node *leaf = map->patch != 0 ? nook__map_own_leaf(map, map->patch) : NULL;
    if (leaf == NULL)
        return 0;
    void **slot = &leaf->slot[map->patch % NOOK__WIDTH];
    int binds = map->patched != NOOK__UNSET;
    *less = (int)map->weight + (*slot != NOOK__UNSET) - binds;
    *slot = map->patched;
    mark_binding(leaf, map->patch % NOOK__WIDTH, nook__var_at(map->patch), binds);
    map->patch = 0;
    map->patched = NOOK__UNSET;
    map->shape &= ~NOOK__COPIED;
    return 1;
}

/* --- making a changed copy ------------------------------------------------ */

static node *node_alloc(void)
{
    node *n = nook__block_take(NOOK__NODE_BLOCK);
    if (n != NULL)
        NOOK__COUNT(nodes, 1);
    return n;
}

/* Counts what a copy of n holds, but for one place, which gets something else. */
static void hold_others(const node *n, uint32_t height, uint32_t base, uint32_t except)
{
    for (uint32_t left = n->counted & ~(1u << except); left != 0; left &= left - 1) {
        uint32_t place = (uint32_t)__builtin_ctz(left);
        if (height == 0)
            nook__binding_retain(base + place, n->slot[place]);
        else
            node_ref(n->slot[place]);
    }
}

/* A copy of n with `item` at the place, whose reference moves in; NULL: out of memory. */
static node *node_copy(const node *n, uint32_t height, uint32_t base, uint32_t place,
                       void *item)
{
    node *copy = node_alloc();
    if (copy == NULL)
        return NULL;
    atomic_init(&copy->refs, 1);
    copy->present = n->present;
    copy->counted = n->counted;
    copy->special = n->special;
    memcpy(copy->slot, n->slot, sizeof copy->slot);
    copy->slot[place] = item;
    copy->slot[NOOK__WIDTH] = height == 0 ? copy : &nook__empty[0];
    hold_others(n, height, base, place);
    return copy;
}

static node *leaf_with(const node *n, const nook_var *var, uint32_t index, void *value)
{
    uint32_t place = index % NOOK__WIDTH;
    int present = value != NOOK__UNSET;
    if (!present && (n->present & ~(1u << place)) == 0)
        return &nook__empty[0];
    node *copy = node_copy(n, 0, index - place, place, value);
    if (copy == NULL)
        return NULL;
    mark_binding(copy, place, var, present);
    if (present)
        nook__binding_retain(index, value);
    return copy;
}

static node *node_with(const node *n, uint32_t height, const nook_var *var, uint32_t index,
                       void *value)
{
    if (height == 0)
        return leaf_with(n, var, index, value);
    uint32_t place = place_of(index, height);
    uint32_t base = index >> (NOOK__BITS * (height + 1)) << (NOOK__BITS * (height + 1));
    node *child = node_with(n->slot[place], height - 1, var, index, value);
    if (child == NULL)
        return NULL;
    if (is_empty(child) && (n->present & ~(1u << place)) == 0)
        return &nook__empty[height];
    node *copy = node_copy(n, height, base, place, child);
    if (copy == NULL) {
        node_unref(child, height - 1, base + (place << (NOOK__BITS * height)));
        return NULL;
    }
    mark(&copy->present, place, !is_empty(child));
    mark(&copy->counted, place, !is_empty(child));
    mark(&copy->special, place, child->special != 0);
    return copy;
}

/* A root one level higher, holding the old one at place 0; NULL: out of memory. */
static node *raise_root(node *root, uint32_t height)
{
    if (is_empty(root))
        return &nook__empty[height + 1];
    node *higher = node_copy(&nook__empty[height + 1], height + 1, 0, 0, root);
    if (higher == NULL)
        return NULL;
    node_ref(root);
    higher->present = higher->counted = 1;
    higher->special = root->special != 0;
    return higher;
}

/* Another holder of the same root, or of one high enough for the number. */
static int map_raised(const struct nook__map *map, uint32_t index, struct nook__map *out)
{
    *out = nook__map_of(map->root, nook__map_height(map), 1, map->len);
    node_ref(out->root);
    while ((index >> (NOOK__BITS * nook__map_height(out))) >= NOOK__WIDTH) {
        node *higher = raise_root(out->root, nook__map_height(out));
        root_unref(*out);
        if (higher == NULL)
            return NOOK_ENOMEM;
        *out = nook__map_of(higher, nook__map_height(out) + 1u, 1, map->len);
    }
    return 0;
}

/* Gives the map a root of its own that binds the number, below which it is high enough. */
static int trie_with(struct nook__map *map, const nook_var *var, uint32_t index, void *value)
{
    node *root = node_with(map->root, nook__map_height(map), var, index, value);
    if (root == NULL)
        return NOOK_ENOMEM;
    if (!is_empty(root))
        atomic_store_explicit(&root->refs, NOOK__WEIGHT, memory_order_relaxed);
    map->root = root;
    map->weight = NOOK__WEIGHT;
    return 0;
}

/* Of another number, the patch goes along: into the trie, where the new path leads there. */
static void take_patch_along(struct nook__map *map, const struct nook__map *from,
                             uint32_t index)
{
    int less;
    if (from->patch == 0 || from->patch == index)
        return;
    nook_var *var = nook__var_at(from->patch);
    map->patch = from->patch;
    map->patched = from->patched;
    nook__var_ref_by(var, (int)map->weight);
    if (nook__map_settle(map, &less))
        nook__var_unref_by(var, less);
}

int nook__map_with(const struct nook__map *map, const nook_var *var, uint32_t index,
                   void *value, struct nook__map *out)
{
    int was = nook__map_get(map, index) != NOOK__UNSET;
    int raised = (index >> (NOOK__BITS * nook__map_height(map))) >= NOOK__WIDTH;
    struct nook__map high = *map;
    int rc = raised ? map_raised(map, index, &high) : 0;
    if (rc < 0)
        return rc;
    *out = nook__map_of(high.root, nook__map_height(&high), 0, map->len);
    rc = trie_with(out, var, index, value);
    if (raised)
        root_unref(high);
    if (rc < 0)
        return rc;
    out->len += (uint32_t)((value != NOOK__UNSET) - was);
    take_patch_along(out, map, index);
    return 0;
}

/* --- reading -------------------------------------------------------------- */

static uint32_t trie_next(const struct nook__map *map, uint32_t from, void **value)
{
    uint32_t end = NOOK__WIDTH << (NOOK__BITS * nook__map_height(map));
    while (from < end) {
        const node *n = map->root;
        uint32_t h = nook__map_height(map);
        while (h != 0 && !is_empty(n))
            n = n->slot[place_of(from, h--)];
        /* h is the level of n: below an empty child there is nothing to visit. */
        uint32_t left = is_empty(n) ? 0 : n->present >> (from % NOOK__WIDTH);
        if (left != 0) {
            from += (uint32_t)__builtin_ctz(left);
            *value = n->slot[from % NOOK__WIDTH];
            return from;
        }
        uint32_t span = NOOK__BITS * (h + 1);
        from = ((from >> span) + 1) << span;
    }
    return 0;
}

uint32_t nook__map_next(const struct nook__map *map, uint32_t from, void **value)
{
    uint32_t index = trie_next(map, from, value);
    if (index != 0 && index == map->patch) /* hidden */
        index = trie_next(map, index + 1, value);
    if (map->patched == NOOK__UNSET || map->patch < from || (index != 0 && index < map->patch))
        return index;
    *value = map->patched;
    return map->patch;
}

uint32_t nook__map_next_special(const struct nook__map *map, uint32_t from)
{
    uint32_t end = NOOK__WIDTH << (NOOK__BITS * nook__map_height(map));
    while (from < end) {
        const node *n = map->root;
        uint32_t h = nook__map_height(map);
        while (h != 0 && (n->special >> place_of(from, h) & 1u) != 0)
            n = n->slot[place_of(from, h--)];
        uint32_t left = h == 0 ? n->special >> (from % NOOK__WIDTH) : 0;
        if (left != 0)
            return from + (uint32_t)__builtin_ctz(left);
        /* On to the next leaf, or past the child that holds nothing special. */
        uint32_t span = NOOK__BITS * (h == 0 ? 1 : h);
        from = ((from >> span) + 1) << span;
    }
    return 0;
}
