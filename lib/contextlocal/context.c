/* SPDX-License-Identifier: MIT */
/*
 * Contexts, what they hold, and who may touch it.
 *
 * Who may touch the map. One thread at a time runs in a context and may write
 * its map; get reads it there with plain loads. Any other thread may take a
 * snapshot: a reference to the root, after which the owner sees a shared root
 * and copies instead of writing. The one dangerous moment is an owner that has
 * found the root unshared and is about to write. So the owner raises `writing`
 * around check and write, and steps back if `reading` is up; the reader raises
 * `reading`, has every running thread pass a barrier (membarrier), and waits for
 * `writing` to fall. The barrier replaces the fence between the owner's store to
 * `writing` and its load of `reading`: the frequent side pays nothing, the rare
 * side a system call. Where the kernel has no membarrier, the owner fences.
 * Readers exclude each other by the lock of the rare side; no callback runs inside
 * any of this. Entering and leaving work in the same way: chain.c.
 */
#include "context.h"
#include "base/probe.h"
#include "count.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct nook__counts nook__counts;

_Static_assert(offsetof(nook_context, map) == 0, "inlined code reads the map there");

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int set_up_error;
_Atomic uint32_t nook__attention;
static pthread_mutex_t rare = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t next_id = 1; /* threads take many at a time */

/* 1 where the kernel does it. errno is the caller's. */
static int membarrier(int command)
{
    int saved = errno;
    int done = syscall(SYS_membarrier, command, 0, 0) == 0;
    errno = saved;
    return done;
}

void nook__rare_lock(void)
{
    pthread_mutex_lock(&rare);
}

void nook__rare_unlock(void)
{
    pthread_mutex_unlock(&rare);
}

/*
 * A fork copies locks as they are, but not the threads that would release them:
 * so the one that forks holds them all meanwhile.
 */
static void before_fork(void)
{
    nook__rare_lock();
    nook__vars_lock();
    nook__watchers_lock();
}

static void after_fork(void)
{
    nook__watchers_unlock();
    nook__vars_unlock();
    nook__rare_unlock();
}

static void after_fork_in_child(void)
{
    nook__watchers_forget_others();
    after_fork();
}

static void set_up(void)
{
    (void)pthread_atfork(before_fork, after_fork, after_fork_in_child);
    set_up_error = nook__threads_set_up();
    if (!membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
        atomic_fetch_or(&nook__attention, NOOK__FENCES);
}

int nook__set_up(void)
{
    return pthread_once(&once, set_up) == 0 ? set_up_error : NOOK_ENOMEM;
}

/* --- the protocol --------------------------------------------------------- */

/*
 * A sandbox may forbid the call only after set_up was allowed it. Then owners
 * fence from now on; those that are inside a window without one have their store
 * out, and have seen the mark, long before the pause is over.
 */
static void fence_from_now_on(void)
{
    struct timespec pause = {0, 10000000};
    int saved = errno;
    atomic_fetch_or(&nook__attention, NOOK__FENCES);
    while (nanosleep(&pause, &pause) != 0)
        continue;
    errno = saved;
}

void nook__barrier(void)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (nook__needs_fence())
        return;
    for (int tries = 0; !membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED); tries++) {
        if (tries == 100) { /* until then the kernel may have been short of memory */
            fence_from_now_on();
            return;
        }
        sched_yield();
    }
}

void nook__write_yield(nook_context *context)
{
    atomic_store_explicit(&context->writing, 0, memory_order_release);
    nook__rare_lock(); /* until that reader has its snapshot */
    nook__rare_unlock();
}

static void snapshot_of_foreign(nook_context *context, struct nook__map *out)
{
    nook__rare_lock();
    atomic_store_explicit(&context->reading, 1, memory_order_relaxed);
    nook__barrier();
    while (atomic_load_explicit(&context->writing, memory_order_acquire))
        sched_yield();
    *out = nook__map_copy(&context->map);
    atomic_store_explicit(&context->reading, 0, memory_order_release);
    nook__rare_unlock();
}

/* What the context holds now, which the caller gives back. */
static inline void snapshot(nook_context *context, struct nook__map *out)
{
    if (context == nook__current_get())
        *out = nook__map_share(&context->map);
    else
        snapshot_of_foreign(context, out);
}

/* The slow half of an exchange: a changed copy of the map, then installed. */
static int exchange_copying(nook_context *context, const nook_var *var, uint32_t index,
                            void *value, struct nook__map *base, void **old)
{
    struct nook__map next;
    int rc = nook__map_with(base, var, index, value, &next);
    if (rc < 0)
        return rc;
    *old = nook__map_get(base, index);
    if (*old != NOOK__UNSET)
        nook__binding_retain(index, *old);
    nook__write_begin(context);
    int unchanged = nook__map_same(&context->map, base);
    if (unchanged) {
        base->weight += context->map.weight;
        context->map = next;
    }
    nook__write_end(context);
    if (!unchanged) { /* a callback set something: start again from there */
        if (*old != NOOK__UNSET)
            nook__binding_release(index, *old);
        nook__map_unref(next);
        return NOOK_EAGAIN;
    }
    if (value != NOOK__UNSET)
        nook__binding_release(index, value); /* the map counted its own */
    return 0;
}

/* 1 where the map could be changed in place, else 0 and *base is a copy. */
static int exchange_in_place(nook_context *context, nook_var *var, uint32_t index, void *value,
                             struct nook__map *base, void **old)
{
    nook__write_begin(context);
    int done = nook__map_put(&context->map, var, index, value, old);
    if (!done)
        *base = nook__map_share(&context->map); /* from here on, nobody changes it in place */
    nook__write_end(context);
    return done;
}

/* Callbacks run in a copying exchange, which may switch, even drop, contexts: it holds this
 * one. */
int nook__context_exchange(nook_context *context, nook_var *var, uint32_t index, void *value,
                           void **old)
{
    struct nook__map base;
    int rc = NOOK_EAGAIN;
    if (__builtin_expect(exchange_in_place(context, var, index, value, &base, old), 1))
        return 0;
    nook_context_ref(context);
    do {
        if (nook__map_get(&base, index) == value) {
            *old = value; /* the very references that came in go out again [M2, M3] */
            rc = 0;
        } else {
            rc = exchange_copying(context, var, index, value, &base, old);
        }
        nook__context_give_back(base);
    } while (rc == NOOK_EAGAIN && !exchange_in_place(context, var, index, value, &base, old));
    nook_context_unref(context);
    return rc == NOOK_EAGAIN ? 0 : rc;
}

/* Moves the patch into the trie, on a path that is copied for it, if there is memory. */
static void fold_patch(nook_context *context)
{
    struct nook__map base = nook__map_share(&context->map);
    uint32_t index = base.patch;
    void *value = base.patched, *old;
    if (value != NOOK__UNSET)
        nook__binding_retain(index, value);
    (void)exchange_copying(context, nook__var_at(index), index, value, &base, &old);
    if (value != NOOK__UNSET)
        nook__binding_release(index, value);
    nook__context_give_back(base);
}

/*
 * A copy takes the patch along, and so has no room for its own first set. A context that
 * is copied twice without a set between will be copied more often: its patch goes into
 * the trie.
 */
static void make_room(nook_context *context)
{
    int less = 0;
    nook_var *var = nook__var_at(context->map.patch);
    nook__write_begin(context);
    int settled = nook__map_settle(&context->map, &less);
    nook__write_end(context);
    if (settled)
        nook__var_unref_by(var, less);
    else
        fold_patch(context);
}

/* A snapshot for another context. */
static inline void snapshot_to_set(nook_context *context, struct nook__map *out)
{
    if (context != nook__current_get()) {
        snapshot_of_foreign(context, out);
    } else if (__builtin_expect(nook__map_copied(&context->map), 0)) {
        nook_context_ref(context); /* making room may call back */
        make_room(context);
        snapshot(context, out);
        nook_context_unref(context);
    } else {
        *out = nook__map_share(&context->map);
        if (context->map.patch != 0)
            nook__map_mark_copied(&context->map);
    }
}

uint64_t nook__context_number(void)
{
    struct nook__thread *thread = nook__thread_get();
    uint64_t many = thread != NULL ? 1u << 16 : 1;
    uint64_t id = atomic_fetch_add_explicit(&next_id, many, memory_order_relaxed);
    if (thread != NULL) {
        thread->next_id = id + 1;
        thread->end_id = id + many;
    }
    return id;
}

/* --- life ----------------------------------------------------------------- */

/* A new context, but for its map. */
static inline void begin(nook_context *context)
{
    atomic_init(&context->refs, 1);
    atomic_init(&context->turn, NOOK__NO_HOME);
    memset(&context->place, 0, sizeof *context - offsetof(nook_context, place));
    NOOK__COUNT(contexts, 1);
}

static inline void fill(nook_context *context, struct nook__map map)
{
    context->map = map;
    begin(context);
}

void (*_Atomic nook__context_left)(nook_context *context);

static int make(nook_context **out, struct nook__map map)
{
    nook_context *context = nook__block_take(NOOK__CONTEXT_BLOCK);
    if (context == NULL)
        return NOOK_ENOMEM;
    fill(context, map);
    *out = context;
    return 0;
}

/* 1: a copy needs no more than memory. */
static inline int copies_plainly(const nook_context *context)
{
    return nook__map_part(&context->map) != 0 && !nook__map_copied(&context->map);
}

/* Of one that copies plainly. One word after the other: a register is enough for them. */
static inline void copy_plainly(nook_context *from, nook_context *copy)
{
    struct nook__map *map = &from->map;
    uint32_t weight = nook__map_part(map);
    copy->map.root = map->root;
    copy->map.patched = map->patched;
    copy->map.patch = map->patch;
    copy->map.weight = weight;
    copy->map.len = map->len;
    copy->map.shape = map->shape;
    map->weight -= weight;
    if (map->patch != 0)
        nook__map_mark_copied(map);
    begin(copy);
}

/* A copy of the current context, of what is at hand; NULL: something is not. */
static inline nook_context *copy_at_hand(nook_context *current)
{
    struct nook__thread *thread = nook__thread_get();
    if (!copies_plainly(current))
        return NULL;
    nook_context *copy = nook__block_at_hand(thread, NOOK__CONTEXT_BLOCK);
    if (copy != NULL)
        copy_plainly(current, copy);
    return copy;
}

int nook_context_new(nook_context **out)
{
    return out != NULL ? make(out, nook__map_empty()) : NOOK_EINVAL;
}

int nook_context_copy(nook_context *context, nook_context **out)
{
    if (context == NULL || out == NULL)
        return NOOK_EINVAL;
    struct nook__map map;
    snapshot_to_set(context, &map);
    int rc = make(out, map);
    if (rc < 0)
        nook__context_give_back(map);
    else
        NOOK__PROBE2(context_copy, context, *out);
    return rc;
}

int nook__context_require(nook_context **out)
{
    *out = nook__current_get();
    if (__builtin_expect(*out != NULL, 1))
        return 0;
    int rc = make(out, nook__map_empty());
    if (rc < 0)
        return rc;
    rc = nook__thread_watch();
    if (rc < 0) {
        nook_context_unref(*out);
        *out = NULL;
        return rc;
    }
    nook__current_set(*out);
    return 0;
}

static __attribute__((noinline)) int copy_required(nook_context **out)
{
    nook_context *current;
    if (out == NULL)
        return NOOK_EINVAL;
    int rc = nook__context_require(&current);
    return rc < 0 ? rc : nook_context_copy(current, out);
}

int nook_context_copy_current(nook_context **out)
{
    nook_context *current = nook__current_get(), *copy = NULL;
    if (__builtin_expect(out != NULL && current != NULL, 1))
        copy = copy_at_hand(current);
    if (__builtin_expect(copy == NULL, 0))
        return copy_required(out);
    *out = copy;
    NOOK__PROBE2(context_copy, current, copy);
    return 0;
}

nook_context *nook_context_peek(void)
{
    nook_context *current = nook__current_get();
    if (current != NULL && current->lodges != 0)
        current->lodges = NOOK__KNOWN;
    return current;
}

void *nook_context_user(const nook_context *context)
{
    return context != NULL ? context->user : NULL;
}

void nook_context_set_user(nook_context *context, void *user)
{
    if (context != NULL)
        context->user = user;
}

void nook_context_clear(nook_context *context)
{
    if (context == NULL)
        return;
    nook__write_begin(context);
    struct nook__map old = context->map;
    context->map = nook__map_empty();
    nook__write_end(context);
    nook__context_give_back(old);
}

/* --- inheriting ----------------------------------------------------------- */

/* Takes the binding out of a map that nobody else sees, or replaces it. */
static int rebind(struct nook__map *map, const nook_var *var, uint32_t index, void *value)
{
    struct nook__map next;
    int rc = nook__map_with(map, var, index, value, &next);
    if (rc < 0)
        return rc;
    nook__map_unref(*map);
    *map = next;
    return 0;
}

/* What the child gets in place of `value`: its own copy, or nothing. */
static int inherit_one(struct nook__map *map, uint32_t index, void *value)
{
    void *copy = NULL;
    nook_var *var = nook__var_at(index);
    if (var->ops->inherit == NOOK_INHERIT_DROP)
        return rebind(map, var, index, NOOK__UNSET);
    int rc = var->ops->duplicate(value, &copy, var->user);
    if (rc < 0)
        return rc;
    rc = rebind(map, var, index, copy);
    nook_value_release(var, copy); /* the map counted its own */
    return rc;
}

/* Applies the policies to `map`, going by the bindings of the parent's. */
static int inherit_all(const struct nook__map *parent, struct nook__map *map)
{
    uint32_t index = 0;
    int rc = 0;
    while (rc == 0 && (index = nook__map_next_special(parent, index + 1)) != 0)
        rc = inherit_one(map, index, nook__map_get(parent, index));
    return rc;
}

static int inherit_specially(struct nook__map *map)
{
    struct nook__map parent = nook__map_copy(map);
    int rc = inherit_all(&parent, map);
    nook__map_unref(parent);
    return rc;
}

/* What is inherited from a context; on an error nothing. */
static int inherit_map(nook_context *from, struct nook__map *map)
{
    snapshot_to_set(from, map);
    int rc = map->root->special != 0 ? inherit_specially(map) : 0;
    if (rc < 0)
        nook__context_give_back(*map);
    return rc;
}

static __attribute__((noinline)) int inherit(nook_context **out)
{
    if (out == NULL)
        return NOOK_EINVAL;
    nook_context *current = nook__current_get();
    if (current == NULL)
        return nook_context_new(out);
    struct nook__map map;
    int rc = inherit_map(current, &map);
    if (rc < 0)
        return rc;
    rc = make(out, map);
    if (rc < 0)
        nook__context_give_back(map);
    else
        NOOK__PROBE2(context_copy, current, *out);
    return rc;
}

static __attribute__((noinline)) int inherit_at(nook_context *at)
{
    nook_context *current = nook__current_get();
    struct nook__map map = nook__map_empty();
    int rc = current != NULL ? inherit_map(current, &map) : 0;
    if (rc < 0)
        return rc;
    fill(at, map);
    at->lodges = NOOK__LODGES;
    if (current != NULL)
        NOOK__PROBE2(context_copy, current, at);
    return 0;
}

int nook__context_inherit_at(nook_context *at)
{
    nook_context *current = nook__current_get();
    if (__builtin_expect(
            current == NULL || current->map.root->special != 0 || !copies_plainly(current), 0))
        return inherit_at(at);
    copy_plainly(current, at);
    at->lodges = NOOK__LODGES;
    NOOK__PROBE2(context_copy, current, at);
    return 0;
}

void nook__context_new_at(nook_context *at)
{
    fill(at, nook__map_empty());
    at->lodges = NOOK__LODGES;
}

int nook_context_inherit(nook_context **out)
{
    nook_context *current = nook__current_get(), *copy = NULL;
    if (__builtin_expect(out != NULL && current != NULL && current->map.root->special == 0, 1))
        copy = copy_at_hand(current);
    if (__builtin_expect(copy == NULL, 0))
        return inherit(out);
    *out = copy;
    NOOK__PROBE2(context_copy, current, copy);
    return 0;
}

/* --- reading -------------------------------------------------------------- */

size_t nook_context_len(nook_context *context)
{
    if (context == NULL)
        return 0;
    struct nook__map map;
    snapshot(context, &map);
    nook__context_give_back(map);
    return map.len;
}

int nook_context_find(nook_context *context, const nook_var *var, void **value)
{
    if (context == NULL || var == NULL || value == NULL)
        return NOOK_EINVAL;
    struct nook__map map;
    snapshot(context, &map);
    void *found = nook__map_get(&map, nook__var_index(var));
    if (found != NOOK__UNSET) {
        nook__value_retain(var, found);
        *value = found;
    }
    nook__context_give_back(map);
    return found != NOOK__UNSET ? 0 : NOOK_EUNSET;
}

int nook_context_contains(nook_context *context, const nook_var *var)
{
    if (context == NULL || var == NULL)
        return 0;
    struct nook__map map;
    snapshot(context, &map);
    void *found = nook__map_get(&map, nook__var_index(var));
    nook__context_give_back(map);
    return found != NOOK__UNSET;
}

static int values_equal(const nook_var *var, void *a, void *b)
{
    if (a == b)
        return 1;
    if (b == NOOK__UNSET || var->ops == NULL || var->ops->equal == NULL)
        return 0;
    return var->ops->equal(a, b, var->user);
}

static int maps_equal(const struct nook__map *a, const struct nook__map *b)
{
    void *value;
    uint32_t index = 0;
    if (nook__map_same(a, b))
        return 1;
    if (a->len != b->len)
        return 0;
    while ((index = nook__map_next(a, index + 1, &value)) != 0) {
        void *other = nook__map_get(b, index);
        int equal = values_equal(nook__var_at(index), value, other);
        if (equal <= 0)
            return equal;
    }
    return 1;
}

int nook_context_equal(nook_context *a, nook_context *b)
{
    struct nook__map map_a, map_b;
    if (a == NULL || b == NULL)
        return NOOK_EINVAL;
    snapshot(a, &map_a);
    snapshot(b, &map_b);
    int equal = maps_equal(&map_a, &map_b);
    nook__context_give_back(map_a);
    nook__context_give_back(map_b);
    return equal;
}

int nook_context_iter_open(nook_context_iter *iter, nook_context *context)
{
    struct nook__map map = nook__map_empty();
    if (iter == NULL)
        return NOOK_EINVAL;
    if (context != NULL)
        snapshot(context, &map);
    *iter = (nook_context_iter){
        map.root, map.patched, map.patch, map.weight, nook__map_height(&map), 1};
    return context != NULL ? 0 : NOOK_EINVAL;
}

static struct nook__map map_of(const nook_context_iter *iter)
{
    if (iter->nook__root == NULL)
        return nook__map_empty();
    struct nook__map map =
        nook__map_of(iter->nook__root, iter->nook__height, iter->nook__weight, 0);
    map.patched = iter->nook__patched;
    map.patch = iter->nook__patch;
    return map;
}

int nook_context_iter_next(nook_context_iter *iter, nook_var **var, void **value)
{
    if (iter == NULL || var == NULL || value == NULL)
        return NOOK_EINVAL;
    struct nook__map map = map_of(iter);
    uint32_t index = nook__map_next(&map, iter->nook__next, value);
    if (index == 0)
        return NOOK_EEND;
    *var = nook__var_at(index);
    iter->nook__next = index + 1;
    return 0;
}

void nook_context_iter_close(nook_context_iter *iter)
{
    if (iter == NULL || iter->nook__root == NULL)
        return;
    struct nook__map map = map_of(iter);
    *iter = (nook_context_iter){.nook__root = NULL};
    nook__context_give_back(map);
}

int nook_context_count(nook_context_counts *counts)
{
    if (counts == NULL)
        return NOOK_EINVAL;
#if NOOK_CHECKS
    counts->contexts = atomic_load(&nook__counts.contexts);
    counts->nodes = atomic_load(&nook__counts.nodes);
    counts->vars = atomic_load(&nook__counts.vars);
    counts->tokens = atomic_load(&nook__counts.tokens);
    return 0;
#else
    return NOOK_ENOTSUP;
#endif
}
