/* SPDX-License-Identifier: MIT */
/*
 * A switch of stacks and no more: the registers that a call keeps go onto the stack, the
 * other stack's come back, and a jump (a return would be predicted wrongly). Neither the
 * floating-point environment nor a context is switched.
 */
#ifndef NOOK_BENCH_FLOOR_SWITCH_H
#define NOOK_BENCH_FLOOR_SWITCH_H

#include <stdint.h>

#if defined(__x86_64__)
#define FLOOR_SWITCH 1
__asm__(".text\n"
        ".p2align 4\n"
        ".type floor_switch, @function\n"
        "floor_switch:\n"
        "    push %rbp\n"
        "    push %rbx\n"
        "    push %r12\n"
        "    push %r13\n"
        "    push %r14\n"
        "    push %r15\n"
        "    mov %rsp, (%rdi)\n"
        "    mov %rsi, %rsp\n"
        "    pop %r15\n"
        "    pop %r14\n"
        "    pop %r13\n"
        "    pop %r12\n"
        "    pop %rbx\n"
        "    pop %rbp\n"
        "    pop %rcx\n"
        "    jmp *%rcx\n"
        ".size floor_switch, . - floor_switch\n");
/* Registers, the address to go to, and what looks like a return address above it. */
#define FLOOR_FRAME 8
#define FLOOR_ENTRY 6
#elif defined(__aarch64__)
#define FLOOR_SWITCH 1
__asm__(".text\n"
        ".p2align 4\n"
        ".type floor_switch, %function\n"
        "floor_switch:\n"
        "    stp x29, x30, [sp, -160]!\n"
        "    stp x19, x20, [sp, 16]\n"
        "    stp x21, x22, [sp, 32]\n"
        "    stp x23, x24, [sp, 48]\n"
        "    stp x25, x26, [sp, 64]\n"
        "    stp x27, x28, [sp, 80]\n"
        "    stp d8, d9, [sp, 96]\n"
        "    stp d10, d11, [sp, 112]\n"
        "    stp d12, d13, [sp, 128]\n"
        "    stp d14, d15, [sp, 144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, 16]\n"
        "    ldp x21, x22, [sp, 32]\n"
        "    ldp x23, x24, [sp, 48]\n"
        "    ldp x25, x26, [sp, 64]\n"
        "    ldp x27, x28, [sp, 80]\n"
        "    ldp d8, d9, [sp, 96]\n"
        "    ldp d10, d11, [sp, 112]\n"
        "    ldp d12, d13, [sp, 128]\n"
        "    ldp d14, d15, [sp, 144]\n"
        "    ldp x29, x17, [sp], 160\n"
        "    br x17\n"
        ".size floor_switch, . - floor_switch\n");
#define FLOOR_FRAME 20
#define FLOOR_ENTRY 1
#endif

#ifdef FLOOR_SWITCH
/* Leaves the calling stack, and says in *from where to come back to. */
extern void floor_switch(void **from, void *to);

/* What to switch to, so that entry() begins on the stack that ends at `top`, 16-aligned. */
static inline void *floor_begin(char *top, void (*entry)(void))
{
    void **frame = (void **)(void *)top - FLOOR_FRAME;
    for (int i = 0; i < FLOOR_FRAME; i++) {
        frame[i] = NULL;
    }
    frame[FLOOR_ENTRY] = (void *)(uintptr_t)entry;
    return frame;
}
#endif

#endif
