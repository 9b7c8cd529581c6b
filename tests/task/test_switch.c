/* SPDX-License-Identifier: MIT */
/* The switch: what travels with a stack and what does not. */
#include "coroutine.h"

#include <fenv.h>
#include <pthread.h>
#include <stdio.h>
#include <unwind.h>

/* --- entry ---------------------------------------------------------------- */

struct entered {
    int times;
    uintptr_t frame;
    void *user;
};

static void note_entry(struct coroutine *self)
{
    struct entered *entered = self->user;
    entered->times++;
    entered->frame = (uintptr_t)__builtin_frame_address(0);
}

static void entry_runs_once_on_the_given_stack(void **state)
{
    struct entered entered = {0};
    struct coroutine c;
    assert_int_equal(coroutine_start(&c, *state, note_entry, &entered), 0);
    assert_int_equal(entered.times, 0);
    coroutine_resume(&c);
    assert_int_equal(entered.times, 1);
    assert_true(c.done);
    assert_true(entered.frame > (uintptr_t)c.stack.low);
    assert_true(entered.frame < (uintptr_t)c.stack.low + c.stack.size);
    coroutine_free(&c);
}

static struct nook__switch raw_owner, raw_here;
static struct nook__fiber raw_owner_fiber, raw_fiber;
static uintptr_t raw_frame;
static void *raw_arg;

NOOK__UNINSTRUMENTED static struct nook__exit raw_entry(void *arg)
{
    nook__fiber_arrive(&raw_fiber);
    raw_arg = arg;
    raw_frame = (uintptr_t)__builtin_frame_address(0);
    nook__fiber_leave(&raw_fiber, &raw_owner_fiber, 1);
    return (struct nook__exit){&raw_owner, NULL};
}

NOOK__UNINSTRUMENTED static void raw_run(void)
{
    nook__fiber_thread(&raw_owner_fiber);
    nook__fiber_leave(&raw_owner_fiber, &raw_fiber, 0);
    nook__switch(&raw_owner, &raw_here);
    nook__fiber_arrive(&raw_owner_fiber);
}

/* The saved frame pointer and the return address leave a frame address aligned. */
static void entry_is_aligned_for_any_top(void **state)
{
    struct nook__stack stack;
    assert_int_equal(nook__stack_get(*state, &stack), 0);
    for (size_t odd = 0; odd < 32; odd++) {
        nook__fiber_new(&raw_fiber, stack.low, stack.size);
        assert_int_equal(nook__switch_prepare(&raw_here, stack.low, stack.size - odd, raw_entry,
                                              NULL, &stack),
                         0);
        raw_run();
        assert_ptr_equal(raw_arg, &stack);
        assert_int_equal(raw_frame % 16, 0);
        nook__fiber_free(&raw_fiber);
    }
    nook__stack_put(*state, &stack);
}

static void a_stack_too_small_is_refused(void **state)
{
    char tiny[64];
    struct nook__switch s = {NULL};
    (void)state;
    assert_int_equal(nook__switch_prepare(&s, tiny, sizeof tiny, raw_entry, NULL, NULL),
                     NOOK_ENOMEM);
    nook__switch_discard(&s);
    nook__switch_discard(&s);
}

/* --- registers ------------------------------------------------------------ */

/*
 * switch_with(from, to, in, out) loads every callee-saved register from `in`,
 * switches, and stores what it finds in them to `out`.
 */
#if defined(__x86_64__)
#define REGISTERS 6
__asm__(".text\n"
        ".type switch_with, @function\n"
        "switch_with:\n"
        "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n"
        "    pushq %r13\n    pushq %r14\n    pushq %r15\n"
        "    pushq %rcx\n"
        "    movq 0(%rdx), %rbx\n    movq 8(%rdx), %rbp\n    movq 16(%rdx), %r12\n"
        "    movq 24(%rdx), %r13\n    movq 32(%rdx), %r14\n    movq 40(%rdx), %r15\n"
        "    callq nook__switch\n"
        "    popq %rcx\n"
        "    movq %rbx, 0(%rcx)\n    movq %rbp, 8(%rcx)\n    movq %r12, 16(%rcx)\n"
        "    movq %r13, 24(%rcx)\n    movq %r14, 32(%rcx)\n    movq %r15, 40(%rcx)\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n"
        "    popq %r12\n    popq %rbx\n    popq %rbp\n"
        "    retq\n"
        ".size switch_with, . - switch_with\n");
#elif defined(__aarch64__)
#define REGISTERS 19
__asm__(".text\n"
        ".type switch_with, %function\n"
        "switch_with:\n"
        "    sub sp, sp, #176\n"
        "    stp x19, x20, [sp]\n        stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n   stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n   stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n     stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n  stp d14, d15, [sp, #144]\n"
        "    str x3, [sp, #160]\n"
        "    ldp x19, x20, [x2]\n        ldp x21, x22, [x2, #16]\n"
        "    ldp x23, x24, [x2, #32]\n   ldp x25, x26, [x2, #48]\n"
        "    ldp x27, x28, [x2, #64]\n   ldr x29, [x2, #80]\n"
        "    ldp d8, d9, [x2, #88]\n     ldp d10, d11, [x2, #104]\n"
        "    ldp d12, d13, [x2, #120]\n  ldp d14, d15, [x2, #136]\n"
        "    bl nook__switch\n"
        "    ldr x3, [sp, #160]\n"
        "    stp x19, x20, [x3]\n        stp x21, x22, [x3, #16]\n"
        "    stp x23, x24, [x3, #32]\n   stp x25, x26, [x3, #48]\n"
        "    stp x27, x28, [x3, #64]\n   str x29, [x3, #80]\n"
        "    stp d8, d9, [x3, #88]\n     stp d10, d11, [x3, #104]\n"
        "    stp d12, d13, [x3, #120]\n  stp d14, d15, [x3, #136]\n"
        "    ldp x19, x20, [sp]\n        ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n   ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n   ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n     ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n  ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #176\n"
        "    ret\n"
        ".size switch_with, . - switch_with\n");
#endif

#ifdef REGISTERS
void switch_with(struct nook__switch *from, struct nook__switch *to, const uint64_t *in,
                 uint64_t *out);

struct registers {
    uint64_t in[REGISTERS], out[REGISTERS];
};

static void registers_fill(struct registers *r, uint64_t seed)
{
    for (unsigned i = 0; i < REGISTERS; i++) {
        r->in[i] = seed * 0x9e3779b97f4a7c15U + i;
        r->out[i] = 0;
    }
}

NOOK__UNINSTRUMENTED static void registers_body(struct coroutine *self)
{
    struct registers *r = self->user;
    nook__fiber_leave(&self->fiber, &self->owner_fiber, 0);
    switch_with(&self->here, &self->owner, r->in, r->out);
    nook__fiber_arrive(&self->fiber);
}

NOOK__UNINSTRUMENTED static void registers_resume(struct coroutine *self, struct registers *r)
{
    nook__fiber_thread(&self->owner_fiber);
    nook__fiber_leave(&self->owner_fiber, &self->fiber, 0);
    switch_with(&self->owner, &self->here, r->in, r->out);
    nook__fiber_arrive(&self->owner_fiber);
}

static void callee_saved_registers_are_kept_on_both_sides(void **state)
{
    struct registers inside, outside;
    struct coroutine c;
    registers_fill(&inside, 3);
    registers_fill(&outside, 7);
    assert_int_equal(coroutine_start(&c, *state, registers_body, &inside), 0);
    registers_resume(&c, &outside);
    assert_memory_equal(outside.in, outside.out, sizeof outside.in);
    registers_fill(&outside, 11);
    registers_resume(&c, &outside);
    assert_memory_equal(outside.in, outside.out, sizeof outside.in);
    assert_memory_equal(inside.in, inside.out, sizeof inside.in);
    assert_true(c.done);
    coroutine_free(&c);
}
#endif

/* --- floating point ------------------------------------------------------- */

struct rounding {
    int at_start, mine, kept;
    double third;
};

static void round_up(struct coroutine *self)
{
    struct rounding *r = self->user;
    volatile double one = 1, three = 3;
    r->at_start = fegetround();
    fesetround(r->mine);
    coroutine_yield(self);
    r->kept = fegetround();
    r->third = one / three;
}

static double third_here(void)
{
    volatile double one = 1, three = 3;
    return one / three;
}

static void rounding_mode_belongs_to_the_stack(void **state)
{
    struct rounding up = {.mine = FE_UPWARD}, down = {.mine = FE_DOWNWARD};
    struct coroutine a, b;
    double nearest = third_here();
    assert_int_equal(coroutine_start(&a, *state, round_up, &up), 0);
    assert_int_equal(coroutine_start(&b, *state, round_up, &down), 0);
    coroutine_resume(&a);
    int outside_after_a = fegetround();
    coroutine_resume(&b);
    coroutine_resume(&a);
    coroutine_resume(&b);
    assert_int_equal(outside_after_a, FE_TONEAREST);
    assert_int_equal(fegetround(), FE_TONEAREST);
    assert_int_equal(up.kept, FE_UPWARD);
    assert_int_equal(down.kept, FE_DOWNWARD);
    /* Valgrind computes with nearest, whatever the mode. */
    assert_true(up.third > down.third || nook__on_valgrind());
    assert_true(third_here() == nearest);
    coroutine_free(&a);
    coroutine_free(&b);
}

static void a_new_stack_starts_with_the_default_environment(void **state)
{
    struct rounding r = {.mine = FE_TONEAREST};
    struct coroutine c;
    fesetround(FE_DOWNWARD);
    int rc = coroutine_start(&c, *state, round_up, &r);
    coroutine_resume(&c);
    int outside = fegetround();
    coroutine_resume(&c);
    fesetround(FE_TONEAREST);
    assert_int_equal(rc, 0);
    assert_int_equal(r.at_start, FE_TONEAREST);
    assert_int_equal(outside, FE_DOWNWARD);
    coroutine_free(&c);
}

#if defined(__x86_64__)
struct words {
    uint32_t mxcsr;
    uint16_t x87;
};

#define ROUNDING_MXCSR 0x6000U
#define ROUNDING_X87 0x0c00U

static struct words words_now(void)
{
    struct words w = {0, 0};
    __asm__ volatile("stmxcsr %0" : "=m"(w.mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(w.x87));
    w.mxcsr &= ROUNDING_MXCSR;
    w.x87 &= ROUNDING_X87;
    return w;
}

static void words_set(uint32_t mxcsr, uint16_t x87)
{
    uint32_t all_mxcsr = 0x1f80U | mxcsr;
    uint16_t all_x87 = (uint16_t)(0x37fU | x87);
    __asm__ volatile("ldmxcsr %0" : : "m"(all_mxcsr));
    __asm__ volatile("fldcw %0" : : "m"(all_x87));
}

static struct words words_at_start;

static void set_words_and_yield(struct coroutine *self)
{
    struct words *w = self->user;
    words_at_start = words_now();
    words_set(w->mxcsr, w->x87);
    coroutine_yield(self);
    *w = words_now();
    words_set(0, 0);
}

/* fesetround sets both words; each of them must travel by itself. */
static void each_control_word_travels_by_itself(void **state)
{
    static const struct words cases[] = {{0x2000, 0}, {0, 0x0400}, {0x4000, 0x0c00}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct words inside = cases[i];
        struct coroutine c;
        words_set(0x6000, 0x0800);
        int rc = coroutine_start(&c, *state, set_words_and_yield, &inside);
        words_set(0, 0);
        assert_int_equal(rc, 0);
        coroutine_resume(&c);
        assert_int_equal(words_at_start.mxcsr, 0);
        assert_int_equal(words_at_start.x87, 0);
        struct words outside = words_now();
        coroutine_resume(&c);
        assert_int_equal(outside.mxcsr, 0);
        assert_int_equal(outside.x87, 0);
        assert_int_equal(inside.mxcsr, cases[i].mxcsr);
        assert_int_equal(inside.x87, cases[i].x87);
        coroutine_free(&c);
    }
}
#endif

/* --- many switches -------------------------------------------------------- */

struct pingpong {
    long rounds, seen;
};

static void count_rounds(struct coroutine *self)
{
    struct pingpong *p = self->user;
    for (long i = 0; i < p->rounds; i++) {
        p->seen++;
        coroutine_yield(self);
    }
}

static void a_long_ping_pong_counts_every_round(void **state)
{
    struct pingpong p = {.rounds = 20000};
    struct coroutine c;
    assert_int_equal(coroutine_start(&c, *state, count_rounds, &p), 0);
    for (long i = 0; i < p.rounds; i++) {
        coroutine_resume(&c);
        assert_int_equal(p.seen, i + 1);
    }
    assert_false(c.done);
    coroutine_resume(&c);
    assert_true(c.done);
    coroutine_free(&c);
}

struct descent {
    int deepest, on_the_way_up, wrong;
};

static void descend(struct coroutine *self, struct descent *d, int depth)
{
    volatile int mark = depth * 31;
    if (depth == d->deepest)
        return;
    coroutine_yield(self);
    descend(self, d, depth + 1);
    coroutine_yield(self);
    d->on_the_way_up++;
    if (mark != depth * 31)
        d->wrong++;
}

static void descent_body(struct coroutine *self)
{
    descend(self, self->user, 0);
}

static void frames_survive_switches_at_every_depth(void **state)
{
    struct descent d = {.deepest = 50};
    struct coroutine c;
    assert_int_equal(coroutine_start(&c, *state, descent_body, &d), 0);
    for (int i = 0; i < 2 * d.deepest; i++)
        coroutine_resume(&c);
    assert_false(c.done);
    coroutine_resume(&c);
    assert_true(c.done);
    assert_int_equal(d.on_the_way_up, d.deepest);
    assert_int_equal(d.wrong, 0);
    coroutine_free(&c);
}

#define MANY 1000
#define ROUNDS 5

static void accumulate(struct coroutine *self)
{
    size_t *id = self->user;
    size_t sum = 0, mine = *id;
    for (int i = 0; i < ROUNDS; i++) {
        sum += mine;
        coroutine_yield(self);
    }
    *id = sum;
}

static void a_thousand_stacks_take_turns(void **state)
{
    static struct coroutine many[MANY];
    static size_t ids[MANY];
    for (size_t i = 0; i < MANY; i++) {
        ids[i] = i;
        assert_int_equal(coroutine_start(&many[i], *state, accumulate, &ids[i]), 0);
    }
    assert_int_equal(nook__stacks_live(), MANY);
    for (int round = 0; round <= ROUNDS; round++)
        for (size_t i = 0; i < MANY; i++)
            coroutine_resume(&many[i]);
    for (size_t i = 0; i < MANY; i++) {
        assert_true(many[i].done);
        assert_int_equal(ids[i], i * ROUNDS);
        coroutine_free(&many[i]);
    }
}

/* --- between stacks, between threads -------------------------------------- */

struct pair {
    struct coroutine a, b;
    char order[8];
};

NOOK__UNINSTRUMENTED static void hand_over(struct coroutine *from, struct coroutine *to)
{
    nook__fiber_leave(&from->fiber, &to->fiber, 0);
    nook__switch(&from->here, &to->here);
    nook__fiber_arrive(&from->fiber);
}

static void pair_a(struct coroutine *self)
{
    struct pair *pair = self->user;
    strcat(pair->order, "a");
    hand_over(&pair->a, &pair->b);
    strcat(pair->order, "c");
}

static void pair_b(struct coroutine *self)
{
    struct pair *pair = self->user;
    strcat(pair->order, "b");
    hand_over(&pair->b, &pair->a);
    strcat(pair->order, "d");
}

static void two_stacks_switch_to_each_other(void **state)
{
    struct pair pair = {.order = ""};
    assert_int_equal(coroutine_start(&pair.a, *state, pair_a, &pair), 0);
    assert_int_equal(coroutine_start(&pair.b, *state, pair_b, &pair), 0);
    coroutine_resume(&pair.a);
    assert_string_equal(pair.order, "abc");
    assert_true(pair.a.done);
    coroutine_resume(&pair.b);
    assert_string_equal(pair.order, "abcd");
    coroutine_free(&pair.a);
    coroutine_free(&pair.b);
}

static void *resume_elsewhere(void *arg)
{
    coroutine_resume(arg);
    return NULL;
}

static void a_stack_moves_between_threads(void **state)
{
    struct pingpong p = {.rounds = 3};
    struct coroutine c;
    pthread_t thread;
    assert_int_equal(coroutine_start(&c, *state, count_rounds, &p), 0);
    coroutine_resume(&c);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&thread, NULL, resume_elsewhere, &c), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    coroutine_resume(&c);
    assert_true(c.done);
    assert_int_equal(p.seen, 3);
    coroutine_free(&c);
}

/* --- what is called on the other stack -------------------------------------- */

struct landing {
    struct coroutine c;
    uintptr_t frame;
    int calls, calls_at_start, returned;
};

static int note_landing(void *arg)
{
    struct landing *landing = arg;
    nook__fiber_arrive(&landing->c.fiber);
    landing->frame = (uintptr_t)__builtin_frame_address(0);
    landing->calls++;
    return 42;
}

NOOK__UNINSTRUMENTED static int leave_for_return(struct coroutine *self)
{
    nook__fiber_leave(&self->fiber, &self->owner_fiber, 0);
    return nook__switch(&self->here, &self->owner);
}

NOOK__UNINSTRUMENTED static struct nook__exit landing_entry(void *arg)
{
    struct landing *landing = arg;
    landing->calls_at_start = landing->calls;
    landing->returned = leave_for_return(&landing->c);
    return coroutine_exit(&landing->c);
}

NOOK__UNINSTRUMENTED static int land_on(struct landing *landing)
{
    struct coroutine *c = &landing->c;
    nook__fiber_thread(&c->owner_fiber);
    nook__fiber_leave(&c->owner_fiber, &c->fiber, 0);
    int rc = nook__switch_on(&c->owner, &c->here, note_landing, landing);
    nook__fiber_arrive(&c->owner_fiber);
    return rc;
}

/* On a new stack before its entry, on a parked one before its switch returns. */
static void what_is_called_comes_first_on_the_other_stack(void **state)
{
    struct landing landing = {.returned = -1};
    struct coroutine *c = &landing.c;
    assert_int_equal(coroutine_start(c, *state, NULL, NULL), 0);
    char *top = nook__stack_top(&c->stack);
    assert_int_equal(nook__switch_prepare(&c->here, c->stack.low, (size_t)(top - c->stack.low),
                                          landing_entry, NULL, &landing),
                     0);
    assert_int_equal(land_on(&landing), 0);
    assert_int_equal(landing.calls_at_start, 1);
    assert_true(landing.frame > (uintptr_t)c->stack.low);
    assert_true(landing.frame < (uintptr_t)c->stack.low + c->stack.size);
    assert_int_equal(landing.frame % 16, 0);
    assert_int_equal(landing.returned, -1);
    assert_int_equal(land_on(&landing), 0);
    assert_int_equal(landing.calls, 2);
    assert_int_equal(landing.returned, 42);
    coroutine_free(c);
}

/* --- what a stack that ends goes on with ------------------------------------- */

#define CHAIN 3

static struct {
    struct coroutine c[CHAIN];
    int entered, calls;
    int calls_at[CHAIN]; /* when each was entered */
    int rounding[CHAIN];
} chain;

static int note_arrival(void *arg)
{
    struct coroutine *c = arg;
    nook__fiber_arrive(&c->fiber);
    chain.calls++;
    return 0;
}

static void note_chained(void)
{
    chain.calls_at[chain.entered] = chain.calls;
    chain.rounding[chain.entered] = fegetround();
    fesetround(FE_UPWARD);
    chain.entered++;
}

NOOK__UNINSTRUMENTED static struct nook__exit chained_entry(void *arg)
{
    struct coroutine *c = arg;
    note_chained();
    if (c == &chain.c[CHAIN - 1]) {
        nook__fiber_leave(&c->fiber, &chain.c[0].owner_fiber, 1);
        return (struct nook__exit){&chain.c[0].owner, NULL};
    }
    nook__fiber_leave(&c->fiber, &c[1].fiber, 1);
    return (struct nook__exit){&c[1].here, &c[1]};
}

NOOK__UNINSTRUMENTED static int chain_start(struct coroutine *first)
{
    nook__fiber_thread(&first->owner_fiber);
    nook__fiber_leave(&first->owner_fiber, &first->fiber, 0);
    int rc = nook__switch_on(&first->owner, &first->here, note_arrival, first);
    nook__fiber_arrive(&first->owner_fiber);
    return rc;
}

/* New stacks, one after the other, and then one that parked. */
static void a_stack_that_ends_goes_on_with_another(void **state)
{
    memset(&chain, 0, sizeof chain);
    for (int i = 0; i < CHAIN; i++) {
        struct coroutine *c = &chain.c[i];
        assert_int_equal(coroutine_start(c, *state, NULL, NULL), 0);
        char *top = nook__stack_top(&c->stack);
        assert_int_equal(nook__switch_prepare(&c->here, c->stack.low,
                                              (size_t)(top - c->stack.low), chained_entry,
                                              note_arrival, c),
                         0);
    }
    int rc = chain_start(&chain.c[0]);
    int outside = fegetround();
    fesetround(FE_TONEAREST);
    assert_int_equal(rc, 0);
    assert_int_equal(chain.entered, CHAIN);
    assert_int_equal(chain.calls, CHAIN);
    assert_int_equal(outside, FE_TONEAREST);
    for (int i = 0; i < CHAIN; i++) {
        assert_int_equal(chain.calls_at[i], i + 1);
        assert_int_equal(chain.rounding[i], FE_TONEAREST);
        coroutine_free(&chain.c[i]);
    }
}

/* --- debuggers ------------------------------------------------------------ */

struct unwound {
    int frames;
    _Unwind_Reason_Code end;
    uintptr_t last; /* where the last frame goes on */
};

static _Unwind_Reason_Code count_frame(struct _Unwind_Context *context, void *arg)
{
    struct unwound *unwound = arg;
    uintptr_t at = (uintptr_t)_Unwind_GetIP(context);
    if (at != 0) /* behind the outermost one */
        unwound->last = at;
    return ++unwound->frames < 100 ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

static void unwind_body(struct coroutine *self)
{
    struct unwound *unwound = self->user;
    unwound->end = _Unwind_Backtrace(count_frame, unwound);
}

/* What lies above the top looks like return addresses, and must not be believed. */
static void a_backtrace_ends_at_the_entry(void **state)
{
    struct unwound unwound = {0};
    struct nook__stack uncoloured;
    struct coroutine c;
    assert_int_equal(nook__stack_get(*state, &uncoloured), 0);
    assert_int_equal(coroutine_start(&c, *state, unwind_body, &unwound), 0);
    uintptr_t *above = nook__stack_top(&c.stack);
    uintptr_t *end = (uintptr_t *)(void *)(c.stack.low + c.stack.size);
    assert_true(above < end);
    while (above < end)
        *above++ = (uintptr_t)unwind_body + 1;
    coroutine_resume(&c);
    assert_int_equal(unwound.end, _URC_END_OF_STACK);
    assert_in_range(unwound.frames, 2, 8);
    coroutine_free(&c);
    nook__stack_put(*state, &uncoloured);
}

NOOK__UNINSTRUMENTED static int unwind_before_the_entry(void *arg)
{
    struct unwound *unwound = arg;
    nook__fiber_arrive(&raw_fiber);
    unwound->end = _Unwind_Backtrace(count_frame, unwound);
    return 0;
}

NOOK__UNINSTRUMENTED static struct nook__exit leave_again(void *arg)
{
    (void)arg;
    nook__fiber_leave(&raw_fiber, &raw_owner_fiber, 1);
    return (struct nook__exit){&raw_owner, NULL};
}

NOOK__UNINSTRUMENTED static void raw_run_on(int (*on)(void *arg), void *arg)
{
    nook__fiber_thread(&raw_owner_fiber);
    nook__fiber_leave(&raw_owner_fiber, &raw_fiber, 0);
    nook__switch_on(&raw_owner, &raw_here, on, arg);
    nook__fiber_arrive(&raw_owner_fiber);
}

/* Who unwinds looks for the function before the place that is returned to. */
static void and_so_does_one_from_before_the_entry(void **state)
{
    struct unwound unwound = {0};
    struct nook__stack stack;
    assert_int_equal(nook__stack_get(*state, &stack), 0);
    nook__fiber_new(&raw_fiber, stack.low, stack.size);
    assert_int_equal(nook__switch_prepare(&raw_here, stack.low, stack.size, leave_again,
                                          unwind_before_the_entry, NULL),
                     0);
    raw_run_on(unwind_before_the_entry, &unwound);
    assert_int_equal(unwound.end, _URC_END_OF_STACK);
    assert_in_range(unwound.frames, 2, 8);
#ifndef SWITCH_IS_UCONTEXT /* where the C library has the first frame */
    assert_non_null(_Unwind_FindEnclosingFunction((void *)unwound.last));
#endif
    nook__fiber_free(&raw_fiber);
    nook__stack_put(*state, &stack);
}

/* An assembler file without its note would make every stack executable. */
static void no_stack_is_executable(void **state)
{
    char line[512], rights[8] = "";
    FILE *maps = fopen("/proc/self/maps", "r");
    (void)state;
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps) != NULL)
        if (strstr(line, "[stack]") != NULL)
            sscanf(line, "%*s %7s", rights);
    fclose(maps);
    assert_string_equal(rights, "rw-p");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pool_setup, pool_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entry_runs_once_on_the_given_stack),
        TEST(entry_is_aligned_for_any_top),
        TEST(a_stack_too_small_is_refused),
#ifdef REGISTERS
        TEST(callee_saved_registers_are_kept_on_both_sides),
#endif
        TEST(rounding_mode_belongs_to_the_stack),
        TEST(a_new_stack_starts_with_the_default_environment),
#if defined(__x86_64__)
        TEST(each_control_word_travels_by_itself),
#endif
        TEST(a_long_ping_pong_counts_every_round),
        TEST(frames_survive_switches_at_every_depth),
        TEST(a_thousand_stacks_take_turns),
        TEST(two_stacks_switch_to_each_other),
        TEST(a_stack_moves_between_threads),
        TEST(what_is_called_comes_first_on_the_other_stack),
        TEST(a_stack_that_ends_goes_on_with_another),
        TEST(a_backtrace_ends_at_the_entry),
        TEST(and_so_does_one_from_before_the_entry),
        TEST(no_stack_is_executable),
    };
    return cmocka_run_group_tests_name("task.switch", tests, NULL, NULL);
}
