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

__attribute__((visibility("hidden"))) void nook__switch_start(void);

#if defined(__x86_64__)
struct frame {
    uint32_t mxcsr;
    uint16_t x87_control;
    uint16_t pad;
    uint64_t r15, r14, r13, r12, rbx, rbp, rip;
};

static void first_frame(struct frame *frame, uintptr_t entry, uintptr_t on, uintptr_t arg)
{
    frame->mxcsr = 0x1f80;
    frame->x87_control = 0x37f;
    frame->r12 = entry;
    frame->r13 = arg;
    frame->r14 = on;
    frame->rip = (uintptr_t)nook__switch_start;
}
#elif defined(__aarch64__)
struct frame {
    uint64_t x19, x20, x21_to_x28[8], x29, x30;
    uint64_t d8_to_d15[8];
    uint64_t fpcr, pad;
};

static void first_frame(struct frame *frame, uintptr_t entry, uintptr_t on, uintptr_t arg)
{
    frame->x19 = entry;
    frame->x20 = arg;
    frame->x21_to_x28[0] = on;
    frame->x30 = (uintptr_t)nook__switch_start;
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
