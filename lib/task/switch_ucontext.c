/* SPDX-License-Identifier: MIT */
/*
 * nook__switch over swapcontext, for other architectures and for comparison:
 * each switch costs two system calls, for the signal mask.
 *
 * Nothing is allocated. A stack that has not run keeps its ucontext_t at its
 * own top; a parked stack keeps it in the frame of the nook__switch that it
 * waits in, which lives exactly as long as it is needed.
 */
#include "task/annotate.h"
#include "task/switch.h"
#include <fenv.h>
#include <nook/error.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

/* What a parked stack keeps, and what is called on it first. */
struct parked {
    ucontext_t context;
    fenv_t environment;
    int (*on)(void *arg);
    void *arg;
};

struct start {
    struct parked parked;
    struct nook__exit (*entry)(void *arg);
    int (*on)(void *arg);
    void *arg;
};

/* Not every swapcontext keeps the floating-point environment. */
static inline __attribute__((always_inline)) NOOK__UNINSTRUMENTED int
arrive(struct parked *here)
{
    fesetenv(&here->environment);
    return here->on != NULL ? here->on(here->arg) : 0;
}

/* Room for the start record and for the library's own frames. */
#define SMALLEST (sizeof(struct start) + 2048U)

/* makecontext passes ints: a pointer comes in two halves. */
NOOK__UNINSTRUMENTED static void start_here(unsigned high, unsigned low)
{
    struct start *start = (struct start *)(uintptr_t)((uint64_t)high << 32 | low);
    (void)arrive(&start->parked);
    struct nook__exit where = start->entry(start->arg);
    struct parked *there = where.to->sp;
    there->on = where.arg != NULL ? start->on : NULL;
    there->arg = where.arg;
    setcontext(&there->context);
    __builtin_trap();
}

int nook__switch_prepare(struct nook__switch *to, void *stack_low, size_t stack_size,
                         struct nook__exit (*entry)(void *arg), int (*on)(void *arg), void *arg)
{
    uintptr_t top = ((uintptr_t)stack_low + stack_size - sizeof(struct start)) & ~(uintptr_t)63;
    struct start *start = (struct start *)top;
    uint64_t halves = (uint64_t)top;
    fenv_t creator;
    if (stack_size < SMALLEST + 64U)
        return NOOK_ENOMEM;
    memset(start, 0, sizeof *start);
    fegetenv(&creator);
    fesetenv(FE_DFL_ENV);
    fegetenv(&start->parked.environment);
    fesetenv(&creator);
    start->entry = entry;
    start->on = on;
    start->arg = arg;
    if (getcontext(&start->parked.context) != 0)
        return NOOK_ENOMEM;
    start->parked.context.uc_stack.ss_sp = stack_low;
    start->parked.context.uc_stack.ss_size = top - (uintptr_t)stack_low;
    start->parked.context.uc_link = NULL;
    makecontext(&start->parked.context, (void (*)(void))start_here, 2, (unsigned)(halves >> 32),
                (unsigned)halves);
    to->sp = &start->parked;
    return 0;
}

void nook__switch_renew(void)
{
    (void)fesetenv(FE_DFL_ENV);
}

void nook__switch_discard(struct nook__switch *s)
{
    s->sp = NULL;
}

NOOK__UNINSTRUMENTED int nook__switch_on(struct nook__switch *from, struct nook__switch *to,
                                         int (*on)(void *arg), void *arg)
{
    struct parked here, *there = to->sp;
    fegetenv(&here.environment);
    from->sp = &here;
    there->on = on;
    there->arg = arg;
    swapcontext(&here.context, &there->context);
    return arrive(&here);
}

NOOK__UNINSTRUMENTED int nook__switch(struct nook__switch *from, struct nook__switch *to)
{
    return nook__switch_on(from, to, NULL, NULL);
}
