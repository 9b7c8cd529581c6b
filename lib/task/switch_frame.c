/* SPDX-License-Identifier: MIT */
/*
 * The first frame of a stack that has not run: the words that nook__switch
 * would have left there, had nook__switch_start called it. The layouts of the
 * two .S files and of this file are one contract.
 */
#include "task/switch.h"
#include <nook/error.h>
#include <stdint.h>
#include <string.h>

/* Room for the frame and for what the entry function pushes first. */
#define SMALLEST 512U

__attribute__((visibility("hidden"))) void nook__switch_begin(void);

#if defined(__x86_64__)
struct frame {
    uint32_t mxcsr;
    uint16_t x87_control;
    uint16_t pad;
    uint64_t r15, r14, r13, r12, rbx, rbp, rip;
};

enum { MXCSR = 0x1f80, MXCSR_FLAGS = 0x3f, X87_CONTROL = 0x37f };

/* To set them costs more than to look, and what has happened is not looked at. */
void nook__switch_renew(void)
{
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    if ((mxcsr & ~(uint32_t)MXCSR_FLAGS) != MXCSR) {
        mxcsr = MXCSR;
        __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    }
    if (x87 != X87_CONTROL) {
        x87 = X87_CONTROL;
        __asm__ volatile("fldcw %0" : : "m"(x87));
    }
}

static void first_frame(struct frame *frame, uintptr_t entry, uintptr_t on, uintptr_t arg)
{
    frame->mxcsr = MXCSR;
    frame->x87_control = X87_CONTROL;
    frame->r12 = entry;
    frame->r13 = arg;
    frame->r14 = on;
    frame->rip = (uintptr_t)nook__switch_begin;
}
#elif defined(__aarch64__)
struct frame {
    uint64_t x19, x20, x21_to_x28[8], x29, x30;
    uint64_t d8_to_d15[8];
    uint64_t fpcr, pad;
};

void nook__switch_renew(void)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(UINT64_C(0)));
}

static void first_frame(struct frame *frame, uintptr_t entry, uintptr_t on, uintptr_t arg)
{
    frame->x19 = entry;
    frame->x20 = arg;
    frame->x21_to_x28[0] = on;
    frame->x30 = (uintptr_t)nook__switch_begin;
}
#else
#error "no assembler switch for this architecture: configure with NOOK_SWITCH=ucontext"
#endif

int nook__switch_prepare(struct nook__switch *to, void *stack_low, size_t stack_size,
                         struct nook__exit (*entry)(void *arg), int (*on)(void *arg), void *arg)
{
    uintptr_t top = ((uintptr_t)stack_low + stack_size) & ~(uintptr_t)15;
    if (stack_size < SMALLEST)
        return NOOK_ENOMEM;
    struct frame *frame = (struct frame *)(top - sizeof *frame);
    memset(frame, 0, sizeof *frame);
    first_frame(frame, (uintptr_t)entry, (uintptr_t)on, (uintptr_t)arg);
    to->sp = frame;
    return 0;
}

void nook__switch_discard(struct nook__switch *s)
{
    s->sp = NULL;
}
