/* SPDX-License-Identifier: MIT */
/*
 * nook__switch for x86-64, System V calling convention.
 *
 * A parked stack holds, from its sp upwards: mxcsr, x87 control word, r15,
 * r14, r13, r12, rbx, rbp, return address. switch_frame.c builds the same
 * frame by hand for a stack that has not run.
 *
 * The way out is ret. A jump through a register predicts this one branch
 * better when tasks park at different places, but leaves the processor's stack
 * of return addresses one too deep, and then every return of the callers is
 * predicted wrong: 17 ns a switch instead of 3 behind two ordinary calls.
 *
 * Both frames have one layout, so the unwinding notes stay true across the
 * change of rsp.
 */
        .text
        .globl  nook__switch
        .hidden nook__switch
        .type   nook__switch, @function
        .p2align 4
nook__switch:
        .cfi_startproc
#if defined(__CET__)
        endbr64
#endif
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movl    (%rsp), %eax
        movzwl  4(%rsp), %edx

        movq    %rsp, (%rdi)
        movq    (%rsi), %rsp

        /* Loading a control word costs more than comparing it. */
        cmpl    %eax, (%rsp)
        jne     2f
1:      cmpw    %dx, 4(%rsp)
        jne     3f
4:      addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        ret

        /* The stack is here as it was at label 1. */
        .cfi_adjust_cfa_offset 56
        .cfi_offset %rbp, -16
        .cfi_offset %rbx, -24
        .cfi_offset %r12, -32
        .cfi_offset %r13, -40
        .cfi_offset %r14, -48
        .cfi_offset %r15, -56
2:      ldmxcsr (%rsp)
        jmp     1b
3:      fldcw   4(%rsp)
        jmp     4b
        .cfi_endproc
        .size   nook__switch, . - nook__switch

/*
 * Where a new stack starts: r12 is the entry function, r13 its argument, rsp
 * is aligned as before a call, rbp is 0. There is no caller: a debugger that
 * unwinds a task stops here.
 */
        .globl  nook__switch_start
        .hidden nook__switch_start
        .type   nook__switch_start, @function
        .p2align 4
nook__switch_start:
        .cfi_startproc
        .cfi_undefined %rip
#if defined(__CET__)
        endbr64
#endif
        movq    %r13, %rdi
        callq   *%r12
        ud2
        .cfi_endproc
        .size   nook__switch_start, . - nook__switch_start

        .section .note.GNU-stack, "", @progbits

#if defined(__CET__) && (__CET__ & 1)
/* Indirect branch tracking: yes. Shadow stacks: no, we never switch one. */
        .section .note.gnu.property, "a", @note
        .p2align 3
        .long   4, 16, 5
        .asciz  "GNU"
        .long   0xc0000002, 4, 1, 0
#endif
