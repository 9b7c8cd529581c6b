/* SPDX-License-Identifier: MIT */
/* The pool of stacks: guards, reuse, colours, exhaustion, counts. */
#include "coroutine.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define KIB 1024UL

static void skip_because(const char *why)
{
    print_message("%s\n", why);
    skip();
}

/* --- sizes and counts ----------------------------------------------------- */

static void default_size_and_count(void **state)
{
    struct nook__stacks *pool = *state;
    struct nook__stack stack;
    assert_int_equal(nook__stacks_size(pool), NOOK__STACK_DEFAULT);
    assert_int_equal(nook__stack_get(pool, &stack), 0);
    assert_int_equal(stack.size, NOOK__STACK_DEFAULT);
    assert_int_equal(nook__stacks_live(), 1);
    nook__stack_put(pool, &stack);
    assert_int_equal(nook__stacks_live(), 0);
    assert_null(stack.low);
}

static void sizes_are_rounded_to_pages(void **state)
{
    struct nook__stacks *pool;
    (void)state;
    assert_int_equal(nook__stacks_new(&pool, 1), 0);
    size_t least = nook__stacks_size(pool);
    nook__stacks_free(pool);
    assert_true(least >= NOOK__STACK_SMALLEST);
    assert_int_equal(nook__stacks_new(&pool, 100 * KIB + 1), 0);
    assert_int_equal(nook__stacks_size(pool) % 4096, 0);
    assert_in_range(nook__stacks_size(pool), 100 * KIB + 1, 164 * KIB);
    nook__stacks_free(pool);
}

static void a_size_beyond_reason_is_refused(void **state)
{
    struct nook__stacks *pool = NULL;
    (void)state;
    assert_int_equal(nook__stacks_new(&pool, SIZE_MAX - 5), NOOK_EINVAL);
    assert_null(pool);
    nook__stacks_free(NULL);
}

static void a_stack_beyond_the_address_space_is_no_memory(void **state)
{
    struct nook__stacks *pool;
    struct nook__stack stack;
    (void)state;
    assert_int_equal(nook__stacks_new(&pool, (size_t)1 << 60), 0);
    assert_int_equal(nook__stack_get(pool, &stack), NOOK_ENOMEM);
    assert_int_equal(nook__stacks_live(), 0);
    nook__stacks_free(pool);
}

#if !defined(NOOK__GUARD_MPROTECT) && !NOOK__ASAN && !NOOK__TSAN
/* --- mappings --------------------------------------------------------------- */

enum { PAGE = 4096 };

/* Large ones that are readable and writable: slabs, if nothing else grew. */
static int large_mappings(void)
{
    char line[512];
    int n = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        char *dash, *mode = line; /* from-to mode ... */
        unsigned long from = strtoul(line, &dash, 16);
        unsigned long to = *dash == '-' ? strtoul(dash + 1, &mode, 16) : 0;
        n += to >= from + KIB * KIB && strncmp(mode, " rw-p", 5) == 0;
    }
    if (maps != NULL)
        fclose(maps);
    return n;
}

/* Where nothing is: a page of another mode, so that slabs do not merge there. */
static int fence(void **fences, char *at)
{
    void *page =
        mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (page == MAP_FAILED)
        return 0;
    if (page != at) { /* an older QEMU takes the address for a wish */
        munmap(page, PAGE);
        return 0;
    }
    *fences = page;
    return 1;
}

/* Some systems map the next slab below the last one, some above. */
static void many_stacks_take_few_mappings(void **state)
{
    enum { MANY = 20000, FEW = 16 };
    struct nook__stacks *pool = *state;
    static struct nook__stack stacks[MANY];
    static void *fences[2 * MANY];
    int before = large_mappings(), got = 0, fenced = 0;
    char *lowest = (char *)UINTPTR_MAX, *highest = NULL;
    if (nook__on_valgrind()) {
        print_message("Valgrind walks the list of all stacks that it knows: too slow\n");
        skip();
    }
    for (int i = 0; i < MANY && nook__stack_get(pool, &stacks[i]) == 0; i++, got++) {
        char *low = stacks[i].low, *top = low + stacks[i].size;
        if (low < lowest)
            fenced +=
                fence(&fences[fenced], low - stacks[i].size - PAGE); /* behind the guard */
        if (top > highest)
            fenced += fence(&fences[fenced], top);
        lowest = low < lowest ? low : lowest;
        highest = top > highest ? top : highest;
    }
    int after = large_mappings();
    for (int i = 0; i < got; i++)
        nook__stack_put(pool, &stacks[i]);
    for (int i = 0; i < fenced; i++)
        munmap(fences[i], PAGE);
    assert_in_range(fenced, 2, FEW);
    assert_int_equal(got, MANY);
    assert_in_range(after - before, 1, FEW);
}
#endif

/* --- reuse ---------------------------------------------------------------- */

static void the_last_back_is_the_first_out(void **state)
{
    struct nook__stacks *pool = *state;
    struct nook__stack a, b, c;
    assert_int_equal(nook__stack_get(pool, &a), 0);
    assert_int_equal(nook__stack_get(pool, &b), 0);
    assert_ptr_not_equal(a.low, b.low);
    char *low_a = a.low, *low_b = b.low;
    nook__stack_put(pool, &a);
    nook__stack_put(pool, &b);
    assert_int_equal(nook__stack_get(pool, &c), 0);
    assert_ptr_equal(c.low, low_b);
    assert_int_equal(nook__stack_get(pool, &a), 0);
    assert_ptr_equal(a.low, low_a);
    nook__stack_put(pool, &a);
    nook__stack_put(pool, &c);
}

#define BURST 600

static int is_resident(char *page)
{
    unsigned char there = 0;
    return mincore(page, 4096, &there) == 0 && (there & 1) != 0;
}

static size_t burst(struct nook__stacks *pool, char **lows)
{
    static struct nook__stack stacks[BURST];
    size_t failures = 0;
    for (size_t i = 0; i < BURST; i++) {
        if (nook__stack_get(pool, &stacks[i]) != 0) {
            failures++;
            continue;
        }
        lows[i] = stacks[i].low;
        stacks[i].low[0] = 1;
    }
    for (size_t i = 0; i < BURST; i++)
        if (stacks[i].low != NULL)
            nook__stack_put(pool, &stacks[i]);
    return failures;
}

static size_t resident_of(char **lows)
{
    size_t resident = 0;
    for (size_t i = 0; i < BURST; i++)
        resident += is_resident(lows[i]) ? 1 : 0;
    return resident;
}

static void idle_stacks_give_their_memory_back(void **state)
{
    static char *first[BURST], *again[BURST];
    assert_int_equal(burst(*state, first), 0);
    assert_in_range(resident_of(first), 1, NOOK__STACKS_WARM + 2);
    /* And they are usable as before, with no slab more. */
    assert_int_equal(burst(*state, again), 0);
    assert_in_range(resident_of(again), 1, NOOK__STACKS_WARM + 2);
    for (size_t i = 0; i < BURST; i++) {
        size_t j = 0;
        while (j < BURST && again[j] != first[i])
            j++;
        assert_true(j < BURST);
    }
}

static void stacks_in_use_keep_their_content(void **state)
{
    struct nook__stacks *pool = *state;
    static char *lows[BURST];
    struct nook__stack kept[8];
    for (int i = 0; i < 8; i++) {
        assert_int_equal(nook__stack_get(pool, &kept[i]), 0);
        memset(kept[i].low, i + 1, kept[i].size);
    }
    assert_int_equal(burst(pool, lows), 0);
    for (int i = 0; i < 8; i++) {
        for (size_t at = 0; at < kept[i].size; at += 64)
            assert_int_equal(kept[i].low[at], i + 1);
        nook__stack_put(pool, &kept[i]);
    }
}

/* --- colours -------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return x < y ? -1 : x > y;
}

#define PAINTED 24

static size_t distinct_colours(struct nook__stacks *pool)
{
    struct nook__stack stacks[PAINTED];
    uintptr_t shifts[PAINTED];
    size_t distinct = 1;
    for (size_t i = 0; i < PAINTED; i++) {
        assert_int_equal(nook__stack_get(pool, &stacks[i]), 0);
        uintptr_t end = (uintptr_t)stacks[i].low + stacks[i].size;
        uintptr_t top = (uintptr_t)nook__stack_top(&stacks[i]);
        assert_int_equal(top % 16, 0);
        assert_in_range(top, end - stacks[i].size / 16, end);
        shifts[i] = end - top;
    }
    for (size_t i = 0; i < PAINTED; i++)
        nook__stack_put(pool, &stacks[i]);
    qsort(shifts, PAINTED, sizeof shifts[0], by_value);
    for (size_t i = 1; i < PAINTED; i++)
        distinct += shifts[i] != shifts[i - 1] ? 1 : 0;
    return distinct;
}

static void tops_are_coloured(void **state)
{
    struct nook__stacks *small;
    assert_int_equal(distinct_colours(*state), PAINTED);
    assert_int_equal(nook__stacks_new(&small, 16 * KIB), 0);
    assert_in_range(distinct_colours(small), 8, PAINTED);
    nook__stacks_free(small);
}

/* --- guards --------------------------------------------------------------- */

static size_t poke_size;
static long poke_offset;

/* Touches one byte of a fresh stack, counted from low. */
static int poke(void)
{
    struct nook__stacks *pool;
    struct nook__stack lower, upper;
    if (nook__stacks_new(&pool, poke_size) != 0 || nook__stack_get(pool, &lower) != 0 ||
        nook__stack_get(pool, &upper) != 0)
        return 3;
    if (upper.low < lower.low)
        return 4;
    *(volatile char *)(upper.low + poke_offset) = 1;
    nook__stack_put(pool, &upper);
    nook__stack_put(pool, &lower);
    nook__stacks_free(pool);
    return 0;
}

static int faults(size_t size, long offset)
{
    poke_size = size;
    poke_offset = offset;
    int status = status_of(poke);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static int is_fine(size_t size, long offset)
{
    poke_size = size;
    poke_offset = offset;
    int status = status_of(poke);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void the_guard_faults_and_the_stack_does_not(void **state)
{
    (void)state;
    assert_true(faults(64 * KIB, -1));
    assert_true(faults(64 * KIB, -4097));
    assert_true(faults(64 * KIB, -(long)(64 * KIB)));
    assert_true(is_fine(64 * KIB, -(long)(64 * KIB) - 1)); /* the neighbour's last byte */
    assert_true(is_fine(64 * KIB, 0));
    assert_true(is_fine(64 * KIB, (long)(64 * KIB) - 1));
}

static void the_guard_is_16_to_64_KiB(void **state)
{
    (void)state;
    assert_true(faults(4 * KIB, -(long)(16 * KIB)));
    assert_true(is_fine(4 * KIB, -(long)(16 * KIB) - 1));
    assert_true(faults(32 * KIB, -(long)(32 * KIB)));
    assert_true(faults(1024 * KIB, -(long)(64 * KIB)));
    assert_true(is_fine(1024 * KIB, -(long)(64 * KIB) - 1));
}

/* As the kernel sees it, which needs no process for each byte, and no tool looks. */
static int can_be_read(const char *at)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)(uintptr_t)at, 1};
    return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
}

enum { MANY = 300, GUARD = 64 * 1024 }; /* below stacks of the default size, or larger */

/* Takes many stacks: how many of them are not there, or not guarded. */
static unsigned unguarded(struct nook__stacks *pool)
{
    struct nook__stack stacks[MANY] = {{0}};
    unsigned bad = 0;
    for (size_t i = 0; i < MANY; i++)
        bad += nook__stack_get(pool, &stacks[i]) != 0;
    for (size_t i = 0; i < MANY && bad == 0; i++) {
        const char *low = stacks[i].low, *last = low + stacks[i].size - 1;
        bad += can_be_read(low - GUARD) || can_be_read(low - 1) || !can_be_read(low) ||
               !can_be_read(last);
    }
    for (size_t i = 0; i < MANY; i++)
        if (stacks[i].low != NULL)
            nook__stack_put(pool, &stacks[i]);
    return bad;
}

static void every_stack_has_its_guard(void **state)
{
    if (!can_be_read("here"))
        skip_because("an emulator does not read on behalf of others");
    assert_int_equal(unguarded(*state), 0);
}

/* From here on the kernel refuses, as one that is older does. */
static int refuse_guards_at_once(void)
{
    struct sock_filter lines[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_madvise, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof lines / sizeof lines[0], lines};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static int guards_one_by_one(void)
{
    struct nook__stacks *pool;
    if (!can_be_read("here") || refuse_guards_at_once() != 0)
        return 77;
    if (nook__stacks_new(&pool, 0) != 0)
        return 2;
    unsigned bad = unguarded(pool);
    nook__stacks_free(pool);
    return bad == 0 && nook__stacks_live() == 0 ? 0 : 1;
}

static void and_where_the_kernel_makes_one_at_a_time(void **state)
{
    int status = status_of(guards_one_by_one);
    (void)state;
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip_because("no system call can be refused here");
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* A sanitizer uses more of it by itself. */
#if !NOOK__ASAN && !NOOK__TSAN
struct taken {
    struct nook__stacks *pool;
    struct nook__stack stacks[MANY];
    unsigned n, most;
};

static void take_many(struct coroutine *self)
{
    struct taken *taken = self->user;
    while (taken->n < taken->most &&
           nook__stack_get(taken->pool, &taken->stacks[taken->n]) == 0)
        taken->n++;
}

/* Of a new stack, on which somebody takes that many of others. */
static size_t depth_of_taking(unsigned n)
{
    static struct taken taken;
    struct nook__stacks *pool;
    struct coroutine c;
    taken.most = n;
    assert_int_equal(nook__stacks_new(&pool, 0), 0);
    assert_int_equal(nook__stacks_new(&taken.pool, 0), 0);
    assert_int_equal(coroutine_start(&c, pool, take_many, &taken), 0);
    coroutine_resume(&c);
    assert_int_equal(taken.n, n);
    size_t depth = nook__stack_depth(&c.stack, nook__stack_top(&c.stack));
    while (taken.n > 0)
        nook__stack_put(taken.pool, &taken.stacks[--taken.n]);
    coroutine_free(&c);
    nook__stacks_free(taken.pool);
    nook__stacks_free(pool);
    return depth;
}

/* A task that parks may start the next one, and then keeps what that took of its stack. */
static void to_take_a_stack_needs_little_of_another(void **state)
{
    (void)state;
    (void)depth_of_taking(MANY); /* what it calls is bound from here on */
    size_t none = depth_of_taking(0);
    assert_in_range(depth_of_taking(MANY), none, none + KIB);
}
#endif

static int poke_reused(void)
{
    struct nook__stacks *pool;
    struct nook__stack stacks[300];
    if (nook__stacks_new(&pool, 64 * KIB) != 0)
        return 3;
    for (size_t i = 0; i < 300; i++)
        if (nook__stack_get(pool, &stacks[i]) != 0)
            return 3;
    char *low = stacks[0].low;
    for (size_t i = 0; i < 300; i++) /* the first back are given back to the kernel */
        nook__stack_put(pool, &stacks[i]);
    *(volatile char *)(low) = 1;
    *(volatile char *)(low - 1) = 1;
    return 0;
}

static void the_guard_survives_giving_memory_back(void **state)
{
    int status = status_of(poke_reused);
    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void owner_knows_guards_and_nothing_else(void **state)
{
    struct nook__stacks *pool = *state;
    struct nook__stack stack, owner;
    int local = 0;
    assert_int_equal(nook__stack_get(pool, &stack), 0);
    assert_int_equal(nook__stack_owner(stack.low - 1, &owner), 1);
    assert_ptr_equal(owner.low, stack.low);
    assert_int_equal(owner.size, stack.size);
    assert_int_equal(nook__stack_owner(stack.low - 16 * KIB, NULL), 1);
    assert_int_equal(nook__stack_owner(stack.low, NULL), 0);
    assert_int_equal(nook__stack_owner(stack.low + stack.size - 1, NULL), 0);
    assert_int_equal(nook__stack_owner(&local, NULL), 0);
    assert_int_equal(nook__stack_owner(NULL, NULL), 0);
    nook__stack_put(pool, &stack);
}

static void owner_forgets_a_freed_pool(void **state)
{
    struct nook__stacks *pool;
    struct nook__stack stack;
    (void)state;
    assert_int_equal(nook__stacks_new(&pool, 0), 0);
    assert_int_equal(nook__stack_get(pool, &stack), 0);
    char *guard = stack.low - 1;
    assert_int_equal(nook__stack_owner(guard, NULL), 1);
    nook__stack_put(pool, &stack);
    nook__stacks_free(pool);
    assert_int_equal(nook__stack_owner(guard, NULL), 0);
}

/* --- threads -------------------------------------------------------------- */

#define THREADS 4
#define TURNS 2000

struct user {
    struct nook__stacks *pool;
    char mark;
    int failures, clashes;
};

/* Three stacks at a time; a stack that two threads hold loses one's mark. */
static void *use_stacks(void *arg)
{
    struct user *user = arg;
    for (int i = 0; i < TURNS; i++) {
        struct nook__stack held[3];
        int n = 0;
        while (n < 3 && nook__stack_get(user->pool, &held[n]) == 0)
            held[n++].low[0] = user->mark;
        user->failures += 3 - n;
        while (n-- > 0) {
            if (held[n].low[0] != user->mark)
                user->clashes++;
            nook__stack_put(user->pool, &held[n]);
        }
    }
    return NULL;
}

static void threads_share_a_pool(void **state)
{
    struct user users[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        users[i] = (struct user){.pool = *state, .mark = (char)(i + 1)};
        assert_int_equal(pthread_create(&threads[i], NULL, use_stacks, &users[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(users[i].failures, 0);
        assert_int_equal(users[i].clashes, 0);
    }
}

/* --- exhaustion ----------------------------------------------------------- */

/* The sanitizers need mappings and address space of their own. */
#if !NOOK__ASAN && !NOOK__TSAN
#define HOARD 60000

/* Takes stacks until there are no more, gives all back, and asks once more. */
static int hoard(void)
{
    static struct nook__stack stacks[HOARD];
    struct nook__stacks *pool;
    int n = 0, rc = nook__stacks_new(&pool, 64 * KIB);
    while (rc == 0 && n < HOARD)
        if ((rc = nook__stack_get(pool, &stacks[n])) == 0)
            n++;
    if (rc == 0)
        return 77; /* this system has room for all */
    if (rc != NOOK_ENOMEM || n == 0 || nook__stacks_live() != n)
        return 1;
    while (n > 0)
        nook__stack_put(pool, &stacks[--n]);
    if (nook__stack_get(pool, &stacks[0]) != 0)
        return 2;
    nook__stack_put(pool, &stacks[0]);
    nook__stacks_free(pool);
    return nook__stacks_live() == 0 ? 0 : 3;
}

static int hoard_in_a_small_address_space(void)
{
    struct rlimit limit = {512 * KIB * KIB, 512 * KIB * KIB};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 4;
    return hoard();
}

static void no_address_space_is_no_memory(void **state)
{
    (void)state;
    if (nook__on_valgrind())
        skip_because("Valgrind walks the list of all stacks that it knows: too slow");
    int status = status_of(hoard_in_a_small_address_space);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Where guards need mprotect, the kernel's count of mappings ends it; where
 * they do not, 60,000 stacks fit. */
static void no_more_mappings_is_no_memory(void **state)
{
    (void)state;
    if (nook__on_valgrind())
        skip_because("Valgrind walks the list of all stacks that it knows: too slow");
    int status = status_of(hoard);
    assert_true(WIFEXITED(status));
#ifdef NOOK__GUARD_MPROTECT
    if (WEXITSTATUS(status) == 77)
        skip_because("vm.max_map_count was raised: there is room for all stacks");
    assert_int_equal(WEXITSTATUS(status), 0);
#else
    assert_true(WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 0);
#endif
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, pool_setup, pool_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(default_size_and_count),
        TEST(sizes_are_rounded_to_pages),
        TEST(a_size_beyond_reason_is_refused),
        TEST(a_stack_beyond_the_address_space_is_no_memory),
#if !defined(NOOK__GUARD_MPROTECT) && !NOOK__ASAN && !NOOK__TSAN
        TEST(many_stacks_take_few_mappings),
#endif
        TEST(the_last_back_is_the_first_out),
        TEST(idle_stacks_give_their_memory_back),
        TEST(stacks_in_use_keep_their_content),
        TEST(tops_are_coloured),
        TEST(the_guard_faults_and_the_stack_does_not),
        TEST(the_guard_is_16_to_64_KiB),
        TEST(every_stack_has_its_guard),
        TEST(and_where_the_kernel_makes_one_at_a_time),
#if !NOOK__ASAN && !NOOK__TSAN
        TEST(to_take_a_stack_needs_little_of_another),
#endif
        TEST(the_guard_survives_giving_memory_back),
        TEST(owner_knows_guards_and_nothing_else),
        TEST(owner_forgets_a_freed_pool),
        TEST(threads_share_a_pool),
#if !NOOK__ASAN && !NOOK__TSAN
        TEST(no_address_space_is_no_memory),
        TEST(no_more_mappings_is_no_memory),
#endif
    };
    return cmocka_run_group_tests_name("task.stack", tests, NULL, NULL);
}
