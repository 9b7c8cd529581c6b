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

struct start {
    ucontext_t context;
    fenv_t environment;
    void (*entry)(void *arg);
    void *arg;
};

/* Room for the start record and for the library's own frames. */
#define SMALLEST (sizeof(struct start) + 2048U)

/* makecontext passes ints: a pointer comes in two halves. */
static void start_here(unsigned high, unsigned low)
{
    struct start *start = (struct start *)(uintptr_t)((uint64_t)high << 32 | low);
    fesetenv(&start->environment);
    start->entry(start->arg);
    __builtin_trap();
}

int nook__switch_prepare(struct nook__switch *to, void *stack_low, size_t stack_size,
                         void (*entry)(void *arg), void *arg)
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
    fegetenv(&start->environment);
    fesetenv(&creator);
    start->entry = entry;
    start->arg = arg;
    if (getcontext(&start->context) != 0)
        return NOOK_ENOMEM;
    start->context.uc_stack.ss_sp = stack_low;
    start->context.uc_stack.ss_size = top - (uintptr_t)stack_low;
    start->context.uc_link = NULL;
    makecontext(&start->context, (void (*)(void))start_here, 2, (unsigned)(halves >> 32),
                (unsigned)halves);
    to->sp = NULL;
    to->extra = &start->context;
    return 0;
}

void nook__switch_discard(struct nook__switch *s)
{
    s->sp = NULL;
    s->extra = NULL;
}

/* Not every swapcontext keeps the floating-point environment. */
NOOK__UNINSTRUMENTED void nook__switch(struct nook__switch *from, struct nook__switch *to)
{
    ucontext_t here;
    fenv_t environment;
    fegetenv(&environment);
    from->extra = &here;
    swapcontext(&here, to->extra);
    fesetenv(&environment);
}
