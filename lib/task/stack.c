/* SPDX-License-Identifier: MIT */
/*
 * Invariant: a slot of a slab is in exactly one place: handed out, in the warm
 * list (its pages may be resident), in the cold list (given back to the
 * kernel), or not yet cut (index >= the slab's cut). A slot that was cut has
 * its guard. Only the newest slab has slots that are not cut.
 *
 * The pool's lock guards all of that. It is held for a few instructions, except
 * when a slot is cut (one system call) or a slab is mapped (three). Pages are
 * given back without the lock, by whoever holds the slot at that moment.
 *
 * A slab's address range also stands in a process-wide table, which the
 * overflow handler reads without a lock.
 */
#include "task/stack.h"
#include "base/alone.h"
#include "task/annotate.h"
#include <nook/error.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

#define GUARD_SMALLEST ((size_t)16 * 1024)
#define GUARD_LARGEST ((size_t)64 * 1024)
#define SLOTS_FIRST 16U
/* A million stacks in fewer than 100 mappings, also where neighbours do not merge. */
#define SLOTS_MOST 16384U
#define SLAB_BYTES_MOST ((size_t)2 * 1024 * 1024 * 1024)
/* 24 colours, two cache lines apart, spread the hot top lines over a 48 KiB cache. */
#define COLOURS 24U
#define COLOUR_STEP 128U
/* A stack gives up at most this share of itself to its colour. */
#define COLOUR_SHARE 16U
/* Stacks given back for each one put: two, so that idle ones shrink at all. */
#define COOL_AT_ONCE 2

struct slot {
    struct slot *newer, *older; /* the warm list; the cold list uses older only */
    struct slab *slab;
    char *low;
    unsigned valgrind_id;
    unsigned colour;
};

struct slab {
    struct slab *next;
    char *base;
    size_t bytes;
    int range; /* index in the table of ranges, or -1 */
    unsigned slots;
    unsigned cut;
    struct slot slot[];
};

struct nook__stacks {
    pthread_mutex_t lock;
    size_t size, guard;
    struct slab *slabs;           /* the newest first */
    unsigned slots, cut;          /* of all slabs */
    struct slot *newest, *oldest; /* warm */
    struct slot *cold;
    unsigned warm, out;
};

static atomic_long live;

/* --- ranges: which addresses are guards ----------------------------------- */

/*
 * A range is written while its sequence is odd. Slabs beyond the table fault
 * like the others, only without a name; 4,096 slabs hold millions of stacks.
 */
#define RANGES 4096
struct range {
    atomic_uint sequence;
    atomic_uintptr_t base, end;
    atomic_size_t stride, guard;
};
static struct range ranges[RANGES];
static atomic_int ranges_used; /* those above were never written */
static pthread_mutex_t ranges_lock = PTHREAD_MUTEX_INITIALIZER;

static void range_write(struct range *range, uintptr_t base, uintptr_t end, size_t stride,
                        size_t guard)
{
    atomic_fetch_add(&range->sequence, 1);
    atomic_store(&range->base, base);
    atomic_store(&range->end, end);
    atomic_store(&range->stride, stride);
    atomic_store(&range->guard, guard);
    atomic_fetch_add(&range->sequence, 1);
}

static int range_add(const struct slab *slab, size_t stride, size_t guard)
{
    int i = 0;
    uintptr_t base = (uintptr_t)slab->base;
    pthread_mutex_lock(&ranges_lock);
    while (i < RANGES && atomic_load(&ranges[i].base) != 0)
        i++;
    if (i < RANGES) {
        range_write(&ranges[i], base, base + stride * slab->slots, stride, guard);
        if (atomic_load(&ranges_used) <= i)
            atomic_store(&ranges_used, i + 1);
    }
    pthread_mutex_unlock(&ranges_lock);
    return i < RANGES ? i : -1;
}

static void range_remove(int i)
{
    if (i < 0)
        return;
    pthread_mutex_lock(&ranges_lock);
    range_write(&ranges[i], 0, 0, 0, 0);
    pthread_mutex_unlock(&ranges_lock);
}

static int range_owner(struct range *range, uintptr_t address, struct nook__stack *owner)
{
    unsigned before = atomic_load(&range->sequence);
    uintptr_t base = atomic_load(&range->base), end = atomic_load(&range->end);
    size_t stride = atomic_load(&range->stride), guard = atomic_load(&range->guard);
    if (before % 2 != 0 || before != atomic_load(&range->sequence))
        return 0; /* Being changed, so not the slab that a fault now happens in. */
    if (address < base || address >= end || (address - base) % stride >= guard)
        return 0;
    if (owner != NULL) {
        memset(owner, 0, sizeof *owner);
        owner->low = (char *)(address - (address - base) % stride + guard);
        owner->size = stride - guard;
    }
    return 1;
}

int nook__stack_owner(const void *address, struct nook__stack *owner)
{
    int used = atomic_load(&ranges_used);
    for (int i = 0; i < used; i++)
        if (range_owner(&ranges[i], (uintptr_t)address, owner))
            return 1;
    return 0;
}

void nook__stack_fork(int before)
{
    if (before)
        pthread_mutex_lock(&ranges_lock);
    else
        pthread_mutex_unlock(&ranges_lock);
}

/* --- slabs ---------------------------------------------------------------- */

static size_t page_size(void)
{
    long size = sysconf(_SC_PAGESIZE);
    return size > 0 ? (size_t)size : 4096;
}

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static size_t stride_of(const struct nook__stacks *pool)
{
    return pool->size + pool->guard;
}

/* As many slots as there are already, within bounds: few slabs, little waste. */
static unsigned slots_wanted(const struct nook__stacks *pool)
{
    size_t most = SLAB_BYTES_MOST / stride_of(pool);
    unsigned slots = pool->slots < SLOTS_FIRST ? SLOTS_FIRST : pool->slots;
    if (slots > SLOTS_MOST)
        slots = SLOTS_MOST;
    if (slots > most)
        slots = most > 0 ? (unsigned)most : 1;
    return slots;
}

static char *map(size_t bytes)
{
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    /* One huge page per stack would commit 2 MiB for a few hundred bytes. */
    (void)madvise(base, bytes, MADV_NOHUGEPAGE);
    return base;
}

/* When the address space is short, a smaller slab may still fit. */
static struct slab *slab_map(const struct nook__stacks *pool, unsigned slots)
{
    size_t stride = stride_of(pool);
    struct slab *slab = malloc(sizeof *slab + slots * sizeof slab->slot[0]);
    if (slab == NULL)
        return NULL;
    for (; slots > 0; slots /= 2) {
        slab->base = map(stride * slots);
        if (slab->base == NULL)
            continue;
        slab->bytes = stride * slots;
        slab->slots = slots;
        slab->cut = 0;
        return slab;
    }
    free(slab);
    return NULL;
}

static struct slab *slab_new(struct nook__stacks *pool)
{
    struct slab *slab = slab_map(pool, slots_wanted(pool));
    if (slab == NULL)
        return NULL;
    slab->range = range_add(slab, stride_of(pool), pool->guard);
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->slots += slab->slots;
    return slab;
}

static void slab_free(struct slab *slab)
{
    for (unsigned i = 0; i < slab->cut; i++)
        nook__stack_deregister(slab->slot[i].valgrind_id);
    range_remove(slab->range);
    munmap(slab->base, slab->bytes);
    free(slab);
}

/* --- slots ---------------------------------------------------------------- */

#ifdef NOOK__GUARD_MPROTECT
static int madvise_is_trusted(void)
{
    return 0;
}
#else
/*
 * Some emulators take any advice and do nothing: one that takes a number which
 * is no advice cannot be believed. Valgrind passes the advice on, but does not
 * understand it, and would read in a guard when it unwinds a stack.
 */
static int madvise_is_trusted(void)
{
    static atomic_int known; /* 0: not asked yet, 1: yes, 2: no */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == 0) {
        void *page = mmap(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        answer = 2;
        if (page != MAP_FAILED) {
            if (!nook__on_valgrind() && madvise(page, 1, 0x7fff) != 0)
                answer = 1;
            munmap(page, 1);
        }
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 1;
}
#endif

/* Kernels before 6.13 refuse the first way, and so does memory that is mlocked. */
static int guard_install(char *at, size_t size)
{
    if (madvise_is_trusted() && madvise(at, size, MADV_GUARD_INSTALL) == 0)
        return 0;
    return mprotect(at, size, PROT_NONE);
}

static struct slot *slot_cut(struct nook__stacks *pool)
{
    struct slab *slab = pool->slabs;
    if (slab == NULL || slab->cut == slab->slots)
        slab = slab_new(pool);
    if (slab == NULL)
        return NULL;
    char *guard = slab->base + stride_of(pool) * slab->cut;
    if (guard_install(guard, pool->guard) != 0)
        return NULL;
    struct slot *slot = &slab->slot[slab->cut];
    memset(slot, 0, sizeof *slot);
    slot->slab = slab;
    slot->low = guard + pool->guard;
    slot->colour = pool->cut++ % COLOURS;
    slot->valgrind_id = nook__stack_register(slot->low, pool->size);
    slab->cut++;
    return slot;
}

static void warm_push(struct nook__stacks *pool, struct slot *slot)
{
    slot->newer = NULL;
    slot->older = pool->newest;
    if (pool->newest != NULL)
        pool->newest->newer = slot;
    else
        pool->oldest = slot;
    pool->newest = slot;
    pool->warm++;
}

static struct slot *warm_remove(struct nook__stacks *pool, struct slot *slot)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): pool->warm counts the list */
    if (slot->newer != NULL)
        slot->newer->older = slot->older;
    else
        pool->newest = slot->older;
    if (slot->older != NULL)
        slot->older->newer = slot->newer;
    else
        pool->oldest = slot->newer;
    pool->warm--;
    return slot;
}

static struct slot *slot_take(struct nook__stacks *pool)
{
    struct slot *slot = pool->cold;
    if (pool->newest != NULL)
        return warm_remove(pool, pool->newest);
    if (slot == NULL)
        return slot_cut(pool);
    pool->cold = slot->older;
    return slot;
}

static struct slot *slot_of(const struct nook__stacks *pool, const struct nook__stack *stack)
{
    struct slab *slab = stack->slab;
    return &slab->slot[(size_t)(stack->low - slab->base) / stride_of(pool)];
}

/* The longest idle stacks, if more are idle than in use and than the floor. */
static struct slot *cool_take(struct nook__stacks *pool)
{
    struct slot *taken = NULL;
    unsigned keep = pool->out > NOOK__STACKS_WARM ? pool->out : NOOK__STACKS_WARM;
    for (int i = 0; i < COOL_AT_ONCE && pool->warm > keep; i++) {
        struct slot *slot = warm_remove(pool, pool->oldest);
        slot->older = taken;
        taken = slot;
    }
    return taken;
}

/* The lock is held at the call and at the return, and not in between. */
static void cool(struct nook__stacks *pool, struct slot *taken)
{
    if (taken == NULL)
        return;
    pthread_mutex_unlock(&pool->lock);
    for (struct slot *slot = taken; slot != NULL; slot = slot->older)
        (void)madvise(slot->low, pool->size, MADV_DONTNEED);
    pthread_mutex_lock(&pool->lock);
    while (taken != NULL) {
        struct slot *slot = taken;
        taken = slot->older;
        slot->older = pool->cold;
        pool->cold = slot;
    }
}

/* --- the pool ------------------------------------------------------------- */

static size_t guard_for(size_t size, size_t page)
{
    size_t guard = size;
    if (guard < GUARD_SMALLEST)
        guard = GUARD_SMALLEST;
    if (guard > GUARD_LARGEST)
        guard = GUARD_LARGEST;
    return round_up(guard, page);
}

int nook__stacks_new(struct nook__stacks **out, size_t stack_size)
{
    size_t page = page_size();
    struct nook__stacks *pool;
    if (stack_size == 0)
        stack_size = NOOK__STACK_DEFAULT;
    if (stack_size < NOOK__STACK_SMALLEST)
        stack_size = NOOK__STACK_SMALLEST;
    if (stack_size > SIZE_MAX / 4)
        return NOOK_EINVAL;
    pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NOOK_ENOMEM;
    pool->size = round_up(stack_size, page);
    pool->guard = guard_for(pool->size, page);
    if (pthread_mutex_init(&pool->lock, NULL) != 0) {
        free(pool);
        return NOOK_ENOMEM;
    }
    *out = pool;
    return 0;
}

void nook__stacks_free(struct nook__stacks *pool)
{
    if (pool == NULL)
        return;
    while (pool->slabs != NULL) {
        struct slab *slab = pool->slabs;
        pool->slabs = slab->next;
        slab_free(slab);
    }
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

size_t nook__stacks_size(const struct nook__stacks *pool)
{
    return pool->size;
}

int nook__stack_get(struct nook__stacks *pool, struct nook__stack *out)
{
    pthread_mutex_lock(&pool->lock);
    struct slot *slot = slot_take(pool);
    if (slot != NULL)
        pool->out++;
    pthread_mutex_unlock(&pool->lock);
    if (slot == NULL)
        return NOOK_ENOMEM;
    out->low = slot->low;
    out->size = pool->size;
    out->slab = slot->slab;
    out->valgrind_id = slot->valgrind_id;
    out->colour = slot->colour;
    nook__count_add(&live, 1);
    return 0;
}

void nook__stack_put(struct nook__stacks *pool, struct nook__stack *stack)
{
    struct slot *slot = slot_of(pool, stack);
    nook__stack_fresh(stack->low, stack->size);
    memset(stack, 0, sizeof *stack);
    pthread_mutex_lock(&pool->lock);
    pool->out--;
    warm_push(pool, slot);
    cool(pool, cool_take(pool));
    pthread_mutex_unlock(&pool->lock);
    nook__count_add(&live, -1);
}

void nook__stack_clear(const struct nook__stack *stack)
{
    (void)madvise(stack->low, stack->size, MADV_DONTNEED);
}

/* The lowest page that is in memory; `high`: none. */
static char *lowest_resident(char *low, char *high)
{
    enum { AT_ONCE = 64 };
    unsigned char resident[AT_ONCE];
    size_t page = page_size();
    for (; low < high; low += AT_ONCE * page) {
        size_t n = (size_t)(high - low) / page;
        n = n < AT_ONCE ? n : AT_ONCE;
        if (mincore(low, n * page, resident) != 0)
            return high;
        for (size_t i = 0; i < n; i++)
            if (resident[i] & 1)
                return low + i * page;
    }
    return high;
}

size_t nook__stack_touched(char *low, size_t size)
{
    return (size_t)(low + size - lowest_resident(low, low + size));
}

size_t nook__stack_depth(const struct nook__stack *stack)
{
    const char *top = nook__stack_top(stack);
    char *at = lowest_resident(stack->low, stack->low + stack->size);
    nook__stack_readable(at, (size_t)(stack->low + stack->size - at));
    while (at < top && *at == 0)
        at++;
    return (size_t)(top - at);
}

void nook__stacks_kept(long more)
{
    nook__count_add(&live, -more);
}

long nook__stacks_live(void)
{
    return atomic_load_explicit(&live, memory_order_relaxed);
}

void *nook__stack_top(const struct nook__stack *stack)
{
    size_t shift = (size_t)stack->colour * COLOUR_STEP;
    size_t most = stack->size / COLOUR_SHARE;
    if (shift > most)
        shift %= most;
    return stack->low + ((stack->size - shift) & ~(size_t)15);
}
