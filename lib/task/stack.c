/* SPDX-License-Identifier: MIT */
/*
 * Invariant: a slot of a slab is in exactly one place: handed out, in the warm
 * list (its pages may be resident), among the cold (given back to the kernel: a
 * bit of its slab is set), or not yet cut (index >= the slab's cut). A slot that was
 * cut has its guard, and so have some that come next (index < guarded). Only the newest
 * slab has slots that are not cut.
 *
 * Nothing is kept of a slot but that bit, for a million stacks are to take no more than
 * they are. The link of a warm one lies in the stack itself, at its end, which was in
 * use a moment ago.
 *
 * The pool's lock guards all of that. It is held for a few instructions, except
 * when guards are made (one system call; where that is refused, up to three) or a
 * slab is mapped (three). Pages are given back without the lock, by whoever holds
 * the slot at that moment.
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
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef PIDFD_SELF_THREAD
#define PIDFD_SELF_THREAD (-10000) /* Linux 6.14 */
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
#define GUARDS_AT_ONCE 64U
/* Stacks given back for each one put: two, so that idle ones shrink at all. */
#define COOL_AT_ONCE 2

/* Of a stack that is warm: at its end. */
struct warm {
    struct warm *newer, *older;
    struct slab *slab;
};

enum { WORD = 64 };

struct slab {
    struct slab *next;
    char *base;
    size_t bytes;
    int range; /* index in the table of ranges, or -1 */
    unsigned slots;
    unsigned cut, guarded;
    unsigned first;     /* how many slots older slabs have */
    unsigned n_cold;    /* slots whose bit is set, */
    unsigned word;      /* none of them in a word before that one */
    unsigned *valgrind; /* what Valgrind calls the stacks; NULL where it does not run */
    uint64_t cold[];    /* one bit a slot */
};

struct nook__stacks {
    pthread_mutex_t lock;
    size_t size, guard;
    struct slab *slabs; /* the newest first */
    unsigned slots;     /* of all slabs */
    struct warm *newest, *oldest;
    unsigned cold, warm, out;
    int closed;     /* it goes with the last stack that comes back */
    int one_by_one; /* the kernel does not make many guards in one call */
    /* Those that are being made; not on the stack of who asks, mostly a task that parks, and
     * would keep what they take of its next page. */
    struct iovec guards[GUARDS_AT_ONCE];
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
static int slab_map(struct slab *slab, size_t stride, unsigned slots)
{
    for (; slots > 0; slots /= 2) {
        slab->base = map(stride * slots);
        if (slab->base == NULL)
            continue;
        slab->bytes = stride * slots;
        slab->slots = slots;
        return 1;
    }
    return 0;
}

static struct slab *slab_make(const struct nook__stacks *pool, unsigned slots)
{
    struct slab *slab =
        calloc(1, sizeof *slab + (slots + WORD - 1) / WORD * sizeof slab->cold[0]);
    if (slab == NULL)
        return NULL;
    /* It takes a stack that it was not told of for an end of another one. */
    int watched = nook__on_valgrind();
    if (watched)
        slab->valgrind = calloc(slots, sizeof slab->valgrind[0]);
    if (watched == (slab->valgrind != NULL) && slab_map(slab, stride_of(pool), slots))
        return slab;
    free(slab->valgrind);
    free(slab);
    return NULL;
}

static struct slab *slab_new(struct nook__stacks *pool)
{
    struct slab *slab = slab_make(pool, slots_wanted(pool));
    if (slab == NULL)
        return NULL;
    slab->range = range_add(slab, stride_of(pool), pool->guard);
    slab->first = pool->slots;
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->slots += slab->slots;
    return slab;
}

static void slab_free(struct slab *slab)
{
    for (unsigned i = 0; slab->valgrind != NULL && i < slab->cut; i++)
        nook__stack_deregister(slab->valgrind[i]);
    range_remove(slab->range);
    munmap(slab->base, slab->bytes);
    free(slab->valgrind);
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

static char *low_of(const struct nook__stacks *pool, const struct slab *slab, unsigned slot)
{
    return slab->base + stride_of(pool) * slot + pool->guard;
}

static unsigned slot_of(const struct nook__stacks *pool, const struct slab *slab,
                        const char *low)
{
    return (unsigned)((size_t)(low - slab->base) / stride_of(pool));
}

/* How many of so many it made. A third of what a guard takes is the call. */
static unsigned install_many(struct nook__stacks *pool, const struct slab *slab, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        pool->guards[i] =
            (struct iovec){low_of(pool, slab, slab->guarded + i) - pool->guard, pool->guard};
    long done = syscall(SYS_process_madvise, PIDFD_SELF_THREAD, pool->guards, (size_t)n,
                        MADV_GUARD_INSTALL, 0U);
    return done > 0 ? (unsigned)((size_t)done / pool->guard) : 0;
}

/* For the next slot, and for as many more as there are already, within bounds. */
static int add_guards(struct nook__stacks *pool, struct slab *slab)
{
    unsigned n = slab->slots - slab->guarded;
    if (n > slab->guarded)
        n = slab->guarded;
    if (n > GUARDS_AT_ONCE)
        n = GUARDS_AT_ONCE;
    if (n > 1 && !pool->one_by_one && madvise_is_trusted()) {
        unsigned done = install_many(pool, slab, n);
        slab->guarded += done;
        if (done > 0)
            return 0;
        pool->one_by_one = 1;
    }
    if (guard_install(low_of(pool, slab, slab->guarded) - pool->guard, pool->guard) != 0)
        return -1;
    slab->guarded++;
    return 0;
}

static char *slot_cut(struct nook__stacks *pool, struct slab **out)
{
    struct slab *slab = pool->slabs;
    if (slab == NULL || slab->cut == slab->slots)
        slab = slab_new(pool);
    if (slab == NULL)
        return NULL;
    if (slab->cut == slab->guarded && add_guards(pool, slab) != 0)
        return NULL;
    char *low = low_of(pool, slab, slab->cut);
    if (slab->valgrind != NULL)
        slab->valgrind[slab->cut] = nook__stack_register(low, pool->size);
    slab->cut++;
    *out = slab;
    return low;
}

/* --- warm ones --------------------------------------------------------------- */

static struct warm *warm_of(const struct nook__stacks *pool, char *low)
{
    return (struct warm *)(void *)(low + pool->size - sizeof(struct warm));
}

static void warm_push(struct nook__stacks *pool, struct slab *slab, char *low)
{
    struct warm *warm = warm_of(pool, low);
    *warm = (struct warm){.older = pool->newest, .slab = slab};
    if (pool->newest != NULL)
        pool->newest->newer = warm;
    else
        pool->oldest = warm;
    pool->newest = warm;
    pool->warm++;
}

static char *warm_remove(struct nook__stacks *pool, struct warm *warm, struct slab **slab)
{
    if (warm->newer != NULL)
        warm->newer->older = warm->older;
    else
        pool->newest = warm->older;
    if (warm->older != NULL)
        warm->older->newer = warm->newer;
    else
        pool->oldest = warm->newer;
    pool->warm--;
    *slab = warm->slab;
    return (char *)(warm + 1) - pool->size;
}

/* --- cold ones --------------------------------------------------------------- */

static void cold_push(struct nook__stacks *pool, struct slab *slab, const char *low)
{
    unsigned slot = slot_of(pool, slab, low), word = slot / WORD;
    slab->cold[word] |= UINT64_C(1) << slot % WORD;
    if (slab->n_cold == 0 || word < slab->word)
        slab->word = word;
    slab->n_cold++;
    pool->cold++;
}

/* There is one. */
static char *cold_take(struct nook__stacks *pool, struct slab **out)
{
    struct slab *slab = pool->slabs;
    while (slab->n_cold == 0)
        slab = slab->next;
    while (slab->cold[slab->word] == 0)
        slab->word++;
    unsigned bit = (unsigned)__builtin_ctzll(slab->cold[slab->word]);
    slab->cold[slab->word] &= slab->cold[slab->word] - 1;
    slab->n_cold--;
    pool->cold--;
    *out = slab;
    return low_of(pool, slab, slab->word * WORD + bit);
}

static char *slot_take(struct nook__stacks *pool, struct slab **slab)
{
    if (pool->newest != NULL)
        return warm_remove(pool, pool->newest, slab);
    return pool->cold > 0 ? cold_take(pool, slab) : slot_cut(pool, slab);
}

/*
 * The longest idle stacks, if more are idle than in use and than the floor, give their
 * pages back. The lock is held at the call and at the return, and not in between.
 */
static void cool(struct nook__stacks *pool)
{
    char *low[COOL_AT_ONCE];
    struct slab *slab[COOL_AT_ONCE];
    int n = 0;
    unsigned keep = pool->out > NOOK__STACKS_WARM ? pool->out : NOOK__STACKS_WARM;
    for (; n < COOL_AT_ONCE && pool->warm > keep; n++)
        low[n] = warm_remove(pool, pool->oldest, &slab[n]);
    if (n == 0)
        return;
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < n; i++)
        (void)madvise(low[i], pool->size, MADV_DONTNEED);
    pthread_mutex_lock(&pool->lock);
    for (int i = 0; i < n; i++)
        cold_push(pool, slab[i], low[i]);
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

static void free_pool(struct nook__stacks *pool)
{
    while (pool->slabs != NULL) {
        struct slab *slab = pool->slabs;
        pool->slabs = slab->next;
        slab_free(slab);
    }
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void nook__stacks_free(struct nook__stacks *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    int last = pool->out == 0;
    pool->closed = 1;
    pthread_mutex_unlock(&pool->lock);
    if (last)
        free_pool(pool);
}

size_t nook__stacks_size(const struct nook__stacks *pool)
{
    return pool->size;
}

int nook__stack_get(struct nook__stacks *pool, struct nook__stack *out)
{
    pthread_mutex_lock(&pool->lock);
    struct slab *slab;
    char *low = slot_take(pool, &slab);
    if (low != NULL)
        pool->out++;
    pthread_mutex_unlock(&pool->lock);
    if (low == NULL)
        return NOOK_ENOMEM;
    *out = (struct nook__stack){.low = low,
                                .size = pool->size,
                                .slab = slab,
                                .colour = (slab->first + slot_of(pool, slab, low)) % COLOURS};
    nook__count_add(&live, 1);
    return 0;
}

void nook__stack_put(struct nook__stacks *pool, struct nook__stack *stack)
{
    nook__stack_fresh(stack->low, stack->size);
    pthread_mutex_lock(&pool->lock);
    pool->out--;
    warm_push(pool, stack->slab, stack->low);
    cool(pool);
    int last = pool->closed && pool->out == 0;
    pthread_mutex_unlock(&pool->lock);
    if (last)
        free_pool(pool);
    memset(stack, 0, sizeof *stack);
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

size_t nook__stack_depth(const struct nook__stack *stack, const char *top)
{
    char *at = lowest_resident(stack->low, stack->low + stack->size);
    nook__stack_readable(at, (size_t)(stack->low + stack->size - at));
    while (at < top && *at == 0)
        at++;
    return at < top ? (size_t)(top - at) : 0;
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
