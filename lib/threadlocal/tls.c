/* SPDX-License-Identifier: MIT */
/*
 * Keys with one value a thread, over a single pthread key.
 *
 * A thread's values stand in its table, one slot a key, each in a counted node
 * that carries its destructor with it. The thread reads its own table without a
 * lock; it alone replaces or grows the array. Whoever changes a slot holds the
 * table's lock, because others look into it: a delete, a visitor. Who needs the
 * keys or the list of tables holds `registry`, and takes a table's lock after it,
 * never before.
 *
 * Invariant: a node in a slot belongs to a live key of the same generation. A
 * delete takes out all nodes and raises the generation under one hold of
 * `registry`, and a first binding looks at the key under another. So a slot that
 * serves a new key is empty in every table.
 *
 * A node that left its slot belongs to who took it out; its destructor runs with
 * the last reference, with no lock held.
 */
#include "base/unwatched.h"
#include "count.h"

#include <nook/local.h>

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#ifndef PTHREAD_DESTRUCTOR_ITERATIONS
#define PTHREAD_DESTRUCTOR_ITERATIONS 4
#endif

struct node {
    atomic_uint refs; /* the slot's, and one a visitor */
    uint32_t generation;
    int set; /* 0 while the initialiser runs */
    void *value;
    void (*destructor)(void *value, void *user);
    void *user;
    struct node *next; /* among those taken out */
};

struct table {
    pthread_mutex_t lock;
    _Atomic(struct node *) *slots;
    uint32_t len;
    unsigned rounds; /* of the thread's exit, before this table was made */
    int closing;     /* a detach is on its way; the owner's */
    int refuse;      /* nothing may be bound any more; the owner's */
    uintptr_t ident; /* pthread_self() */
    struct table *prev, *next;
};

struct key {
    nook_tls_options options;
    uint32_t generation;
    uint32_t next_free; /* slot + 1 */
    int live;
};

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static struct key *keys;
static uint32_t keys_len;
static uint32_t free_key; /* slot + 1; 0: none */
static struct table tables = {.prev = &tables, .next = &tables};
static size_t n_tables;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t pthread_key;
static int pthread_key_error;

/*
 * What stands in the pthread key of an ending thread that has no table any
 * more: the address says how many rounds of destructors have passed. The last
 * one refuses, since nobody would destroy what is bound then.
 */
static char ended[PTHREAD_DESTRUCTOR_ITERATIONS + 1];

static void at_thread_exit(void *what);

static void set_up(void)
{
    pthread_key_error = pthread_key_create(&pthread_key, at_thread_exit);
}

/* --- nodes ---------------------------------------------------------------- */

static struct node *node_new(const struct key *key)
{
    struct node *node = malloc(sizeof *node);
    if (node == NULL)
        return NULL;
    *node = (struct node){.refs = 1,
                          .generation = key->generation,
                          .destructor = key->options.destructor,
                          .user = key->options.user};
    NOOK__LOCAL_COUNT(values, 1);
    return node;
}

static void destroy_value(void (*destructor)(void *value, void *user), void *value, void *user)
{
    if (destructor != NULL && value != NULL)
        destructor(value, user);
}

static void node_unref(struct node *node)
{
    if (node == NULL || atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (node->set)
        destroy_value(node->destructor, node->value, node->user);
    free(node);
    NOOK__LOCAL_COUNT(values, -1);
}

static void nodes_unref(struct node *list)
{
    while (list != NULL) {
        struct node *next = list->next;
        node_unref(list);
        list = next;
    }
}

/* --- tables --------------------------------------------------------------- */

static unsigned rounds_of(const void *what)
{
    uintptr_t i = (uintptr_t)what - (uintptr_t)ended;
    return i <= PTHREAD_DESTRUCTOR_ITERATIONS ? (unsigned)i : 0;
}

static int is_table(const void *what)
{
    return what != NULL && rounds_of(what) == 0;
}

/* The calling thread's table, or NULL. */
static struct table *table_here(void)
{
    if (pthread_once(&once, set_up) != 0 || pthread_key_error != 0)
        return NULL;
    void *what = pthread_getspecific(pthread_key);
    return is_table(what) ? what : NULL;
}

static void table_free(struct table *table)
{
    pthread_mutex_destroy(&table->lock);
    free(table->slots);
    free(table);
    NOOK__LOCAL_COUNT(threads, -1);
}

static int table_new(struct table **out, unsigned rounds)
{
    struct table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return NOOK_ENOMEM;
    NOOK__LOCAL_COUNT(threads, 1);
    pthread_mutex_init(&table->lock, NULL);
    table->rounds = rounds;
    table->ident = (uintptr_t)pthread_self();
    if (pthread_setspecific(pthread_key, table) != 0) {
        table_free(table);
        return NOOK_ENOMEM;
    }
    pthread_mutex_lock(&registry);
    table->prev = tables.prev;
    table->next = &tables;
    table->prev->next = table->next->prev = table;
    n_tables++;
    pthread_mutex_unlock(&registry);
    *out = table;
    return 0;
}

/* The calling thread's table, made if need be. */
static int table_require(struct table **out)
{
    void *what = pthread_getspecific(pthread_key);
    unsigned rounds = rounds_of(what);
    if (rounds == PTHREAD_DESTRUCTOR_ITERATIONS)
        return NOOK_EBUSY;
    if (what == NULL || rounds != 0)
        return table_new(out, rounds);
    *out = what;
    return (*out)->refuse ? NOOK_EBUSY : 0;
}

/* Makes room for the slot. Under the table's lock: others read the array. */
static int table_grow(struct table *table, uint32_t slot)
{
    if (slot < table->len)
        return 0;
    uint32_t len = table->len < 8 ? 8 : table->len;
    while (len <= slot)
        len *= 2;
    _Atomic(struct node *) *slots = calloc(len, sizeof *slots);
    if (slots == NULL)
        return NOOK_ENOMEM;
    for (uint32_t i = 0; i < table->len; i++)
        atomic_init(&slots[i], atomic_load_explicit(&table->slots[i], memory_order_relaxed));
    free(table->slots);
    table->slots = slots;
    table->len = len;
    return 0;
}

/* The node of a live key, or NULL. By the owner, or under the table's lock. */
static struct node *table_find(const struct table *table, nook_tls_key key)
{
    if (table == NULL || key.nook__slot >= table->len)
        return NULL;
    struct node *node =
        atomic_load_explicit(&table->slots[key.nook__slot], memory_order_acquire);
    return node != NULL && node->generation == key.nook__generation ? node : NULL;
}

/* Takes the key's node out of its slot. */
static struct node *table_take(struct table *table, nook_tls_key key)
{
    pthread_mutex_lock(&table->lock);
    struct node *node = table_find(table, key);
    if (node != NULL)
        atomic_store_explicit(&table->slots[key.nook__slot], NULL, memory_order_release);
    pthread_mutex_unlock(&table->lock);
    return node;
}

static struct node *table_take_all(struct table *table)
{
    struct node *list = NULL;
    pthread_mutex_lock(&table->lock);
    for (uint32_t i = table->len; i-- > 0;) {
        struct node *node =
            atomic_exchange_explicit(&table->slots[i], NULL, memory_order_acq_rel);
        if (node == NULL)
            continue;
        node->next = list;
        list = node;
    }
    pthread_mutex_unlock(&table->lock);
    return list;
}

/*
 * Destroys all values, and for some rounds those that the destructors bind
 * anew. After that binding is refused, so that the table ends up empty [L11].
 */
static void table_drain(struct table *table)
{
    table->closing = 1;
    for (unsigned round = 1;; round++) {
        table->refuse = round > PTHREAD_DESTRUCTOR_ITERATIONS;
        struct node *list = table_take_all(table);
        if (list == NULL && table->refuse)
            break;
        nodes_unref(list);
    }
    pthread_mutex_lock(&registry);
    table->prev->next = table->next;
    table->next->prev = table->prev;
    n_tables--;
    pthread_mutex_unlock(&registry);
}

static void table_end(struct table *table)
{
    (void)pthread_setspecific(pthread_key, table); /* destructors find it again */
    table_drain(table);
    table_free(table);
}

/* In the last round ThreadSanitizer has forgotten the thread already, hence the attribute. */
NOOK__UNWATCHED static void at_thread_exit(void *what)
{
    uintptr_t rounds = (uintptr_t)what - (uintptr_t)ended;
    if (rounds == PTHREAD_DESTRUCTOR_ITERATIONS)
        return;
    if (rounds > PTHREAD_DESTRUCTOR_ITERATIONS) {
        rounds = ((struct table *)what)->rounds;
        table_end(what);
    }
    (void)pthread_setspecific(pthread_key, &ended[rounds + 1]);
}

void nook_tls_detach(void)
{
    struct table *table = table_here();
    if (table == NULL || table->closing)
        return;
    table_drain(table);
    (void)pthread_setspecific(pthread_key, table->rounds != 0 ? &ended[table->rounds] : NULL);
    table_free(table);
}

/* --- keys ----------------------------------------------------------------- */

/* The live key, or NULL. Under `registry`. */
static struct key *key_find(nook_tls_key key)
{
    if (key.nook__slot >= keys_len)
        return NULL;
    struct key *found = &keys[key.nook__slot];
    return found->live && found->generation == key.nook__generation ? found : NULL;
}

static int key_copy(nook_tls_key key, nook_tls_options *options)
{
    pthread_mutex_lock(&registry);
    const struct key *found = key_find(key);
    if (found != NULL)
        *options = found->options;
    pthread_mutex_unlock(&registry);
    return found != NULL ? 0 : NOOK_EINVAL;
}

static int keys_grow(void)
{
    uint32_t len = keys_len < 16 ? 16 : keys_len * 2;
    struct key *more = len > keys_len ? realloc(keys, len * sizeof *keys) : NULL;
    if (more == NULL)
        return NOOK_ENOMEM;
    keys = more;
    for (uint32_t i = len; i-- > keys_len;) {
        keys[i] = (struct key){.generation = 0, .next_free = free_key};
        free_key = i + 1;
    }
    keys_len = len;
    return 0;
}

int nook_tls_new(nook_tls_key *out, const nook_tls_options *options)
{
    static const nook_tls_options none;
    const nook_tls_options *o = options != NULL ? options : &none;
    if (out == NULL || (o->init == NULL && o->arg != NULL))
        return NOOK_EINVAL;
    if (pthread_once(&once, set_up) != 0 || pthread_key_error != 0)
        return NOOK_EAGAIN;
    pthread_mutex_lock(&registry);
    int rc = free_key != 0 ? 0 : keys_grow();
    if (rc == 0) {
        struct key *key = &keys[free_key - 1];
        *out = (nook_tls_key){free_key - 1, ++key->generation};
        free_key = key->next_free;
        key->options = *o;
        key->live = 1;
        NOOK__LOCAL_COUNT(keys, 1);
    }
    pthread_mutex_unlock(&registry);
    return rc;
}

/* Ends the key and gives every thread's node of it. Under `registry`. */
static struct node *key_end(struct key *found, nook_tls_key key)
{
    struct node *list = NULL;
    for (struct table *table = tables.next; table != &tables; table = table->next) {
        struct node *node = table_take(table, key);
        if (node == NULL)
            continue;
        node->next = list;
        list = node;
    }
    found->live = 0;
    if (found->generation != UINT32_MAX) { /* a slot that used up its numbers is given up */
        found->next_free = free_key;
        free_key = key.nook__slot + 1;
    }
    NOOK__LOCAL_COUNT(keys, -1);
    return list;
}

int nook_tls_delete(nook_tls_key key)
{
    struct node *list = NULL;
    pthread_mutex_lock(&registry);
    struct key *found = key_find(key);
    if (found != NULL)
        list = key_end(found, key);
    pthread_mutex_unlock(&registry);
    nodes_unref(list);
    return found != NULL ? 0 : NOOK_EINVAL;
}

/* --- values --------------------------------------------------------------- */

/*
 * Puts a node of the key into its empty slot; `set` says whether it has its value
 * already. It must be whole before it stands there: from then on a delete may take it.
 */
static int slot_open(struct table *table, nook_tls_key key, void *value, int set)
{
    int rc = NOOK_EINVAL;
    pthread_mutex_lock(&registry); /* the key must not end before the node stands */
    const struct key *found = key_find(key);
    struct node *node = found != NULL ? node_new(found) : NULL;
    if (found != NULL)
        rc = node != NULL ? 0 : NOOK_ENOMEM;
    if (rc == 0) {
        node->value = value;
        node->set = set;
        pthread_mutex_lock(&table->lock);
        rc = table_grow(table, key.nook__slot);
        if (rc == 0)
            atomic_store_explicit(&table->slots[key.nook__slot], node, memory_order_release);
        pthread_mutex_unlock(&table->lock);
    }
    pthread_mutex_unlock(&registry);
    if (rc != 0 && node != NULL) {
        node->set = 0; /* the value is still the caller's */
        node_unref(node);
    }
    return rc;
}

/*
 * Replaces the value in its node. 0 where there is no node, or a visitor holds it and a new
 * one is needed. *old says what to destroy then.
 */
static int replace_in_place(struct table *table, nook_tls_key key, void *value,
                            struct node *old)
{
    int done = 0;
    pthread_mutex_lock(&table->lock);
    struct node *node = table_find(table, key);
    if (node != NULL && node->set && node->value == value) {
        done = 1;
    } else if (node != NULL && atomic_load_explicit(&node->refs, memory_order_acquire) == 1) {
        old->set = node->set;
        old->value = node->value;
        old->destructor = node->destructor;
        old->user = node->user;
        node->value = value;
        node->set = 1;
        done = 1;
    }
    pthread_mutex_unlock(&table->lock);
    return done;
}

/* Puts back a node that was taken out, unless its key has ended meanwhile. */
static void slot_restore(struct table *table, nook_tls_key key, struct node *node)
{
    pthread_mutex_lock(&registry);
    if (key_find(key) != NULL) {
        atomic_store_explicit(&table->slots[key.nook__slot], node, memory_order_release);
        node = NULL;
    }
    pthread_mutex_unlock(&registry);
    node_unref(node);
}

int nook_tls_set(nook_tls_key key, void *value)
{
    struct table *table;
    struct node before = {.set = 0};
    if (pthread_once(&once, set_up) != 0 || pthread_key_error != 0)
        return NOOK_EINVAL;
    int rc = table_require(&table);
    if (rc < 0)
        return rc;
    if (replace_in_place(table, key, value, &before)) {
        if (before.set)
            destroy_value(before.destructor, before.value, before.user);
        return 0;
    }
    struct node *old = table_take(table, key);
    rc = slot_open(table, key, value, 1);
    if (rc < 0 && old != NULL)
        slot_restore(table, key, old);
    else
        node_unref(old);
    return rc;
}

int nook_tls_unset(nook_tls_key key)
{
    nook_tls_options options;
    struct table *table = table_here();
    struct node *node = table != NULL ? table_take(table, key) : NULL;
    if (node == NULL)
        return key_copy(key, &options) < 0 ? NOOK_EINVAL : NOOK_EUNSET;
    int rc = node->set ? 0 : NOOK_EUNSET;
    node_unref(node);
    return rc;
}

/* A node without a value stands in the slot meanwhile, so that a get inside finds none. */
static int initialise(nook_tls_key key, const nook_tls_options *options, void **value)
{
    struct table *table;
    void *made = NULL;
    int rc = table_require(&table);
    if (rc == 0)
        rc = slot_open(table, key, NULL, 0);
    if (rc < 0)
        return rc;
    rc = options->init(&made, options->arg, options->user);
    if (rc < 0) {
        (void)nook_tls_unset(key);
        return rc;
    }
    rc = nook_tls_set(key, made);
    if (rc < 0) /* the key was deleted, or the thread's table given up, inside init */
        destroy_value(options->destructor, made, options->user);
    else
        *value = made;
    return rc;
}

int nook_tls_get(nook_tls_key key, void **value)
{
    nook_tls_options options;
    if (value == NULL)
        return NOOK_EINVAL;
    struct node *node = table_find(table_here(), key);
    if (__builtin_expect(node != NULL && node->set, 1)) {
        *value = node->value;
        return 0;
    }
    int rc = key_copy(key, &options);
    if (rc < 0)
        return rc;
    if (node != NULL || options.init == NULL)
        return NOOK_EUNSET;
    return initialise(key, &options, value);
}

/* --- visiting ------------------------------------------------------------- */

struct visited {
    struct node *node;
    uintptr_t ident;
};

/* Holds the table's node of the key, if it has a value. Under `registry`. */
static int hold(struct table *table, nook_tls_key key, struct visited *out)
{
    pthread_mutex_lock(&table->lock);
    struct node *node = table_find(table, key);
    int found = node != NULL && node->set;
    if (found) {
        atomic_fetch_add_explicit(&node->refs, 1, memory_order_relaxed);
        *out = (struct visited){node, table->ident};
    }
    pthread_mutex_unlock(&table->lock);
    return found;
}

static int hold_all(nook_tls_key key, struct visited **out, size_t *len)
{
    int rc = 0;
    *out = NULL;
    *len = 0;
    pthread_mutex_lock(&registry);
    if (key_find(key) == NULL)
        rc = NOOK_EINVAL;
    else if (n_tables != 0 && (*out = malloc(n_tables * sizeof **out)) == NULL)
        rc = NOOK_ENOMEM;
    for (struct table *t = tables.next; *out != NULL && t != &tables; t = t->next)
        *len += (size_t)hold(t, key, &(*out)[*len]);
    pthread_mutex_unlock(&registry);
    return rc;
}

int nook_tls_foreach(nook_tls_key key, nook_tls_visit visit, void *arg)
{
    struct visited *list;
    size_t len;
    if (visit == NULL)
        return NOOK_EINVAL;
    int rc = hold_all(key, &list, &len);
    for (size_t i = 0; i < len; i++) {
        /* NOLINTBEGIN(clang-analyzer-core.NullDereference,clang-analyzer-core.CallAndMessage):
         * hold has filled all that hold_all counted */
        if (rc == 0)
            rc = visit(list[i].ident, list[i].node->value, arg);
        node_unref(list[i].node);
        /* NOLINTEND(clang-analyzer-core.NullDereference,clang-analyzer-core.CallAndMessage) */
    }
    free(list);
    return rc;
}
