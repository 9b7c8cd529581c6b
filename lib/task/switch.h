/* SPDX-License-Identifier: MIT */
/*
 * The switch: one thread, several stacks, one of them running.
 *
 * What travels with a stack is what the calling convention makes a callee
 * keep: the callee-saved registers, and the control words of floating point
 * (mxcsr and the x87 control word; fpcr on AArch64). So fesetround() in one
 * task does not change the arithmetic of the next. A new stack starts with the
 * default floating-point environment (round to nearest, every exception
 * masked), whatever its creator had set.
 *
 * What does not travel: thread-local storage, errno, the signal mask (except
 * in the ucontext build, where swapcontext carries it), what floating point has
 * raised (the flags in mxcsr or fpsr, the x87 status word), and every address of a thread-local
 * that the compiler keeps in a register. Whoever switches must, afterwards, use only what came
 * through the stack.
 */
#ifndef NOOK__SWITCH_H
#define NOOK__SWITCH_H

#include <stddef.h>

struct nook__switch {
    void *sp; /* where the stack was left; in the ucontext build, what it keeps there */
};

/* Where a stack that nobody needs any more goes on: `on` of nook__switch_prepare is called
 * there first with that argument, unless it is NULL. */
struct nook__exit {
    struct nook__switch *to;
    void *arg;
};

/*
 * Makes *to start entry(arg) on the stack [stack_low, stack_low + stack_size)
 * at the first switch to it; the top is rounded down to 16 bytes. entry
 * returns where to go on, for good: so the calls and returns of a stack that
 * has run through are in step for the processor, which predicts the returns of
 * whoever comes next. Writes only near the top of the stack, and allocates
 * nothing. NOOK_ENOMEM: the stack cannot hold a first frame.
 */
int nook__switch_prepare(struct nook__switch *to, void *stack_low, size_t stack_size,
                         struct nook__exit (*entry)(void *arg), int (*on)(void *arg),
                         void *arg);

/* From here on the caller's stack has the floating-point environment of a new one. */
void nook__switch_renew(void);

/* Forgets a stack that will not be switched to again. Safe on {NULL} and twice. */
void nook__switch_discard(struct nook__switch *s);

/*
 * Saves here into *from and continues *to. Returns when somebody switches
 * back to *from, perhaps on another thread. *from may start as {NULL}:
 * a thread's own stack needs no preparation. from and to may not be the same.
 *
 * nook__switch_on calls on(arg) first of all on the stack of *to, which may
 * not switch. What that returns, the nook__switch returns that *to had parked
 * in; 0 where nothing was called.
 */
int nook__switch(struct nook__switch *from, struct nook__switch *to)
    __attribute__((visibility("hidden")));
int nook__switch_on(struct nook__switch *from, struct nook__switch *to, int (*on)(void *arg),
                    void *arg) __attribute__((visibility("hidden")));

#endif
