/* SPDX-License-Identifier: MIT */
/*
 * nook__switch and nook__switch_on for x86-64, System V calling convention.
 *
 * A parked stack holds, from its sp upwards: mxcsr, x87 control word, r15,
 * r14, r13, r12, rbx, rbp, return address. switch_frame.c builds the same
 * frame by hand for a stack that has not run.
 *
 * The way out is ret where both stacks parked at the same place: then it is
 * predicted, and so are the returns of the callers. A ret to another place never
 * is: there it is a jump, which is mostly predicted, and leaves the processor's
 * stack of return addresses one too deep. Always to jump would cost more than it
 * gains: 17 ns a switch instead of 3 behind two ordinary calls.
 *
 * Both frames have one layout, so the unwinding notes stay true across the
 * change of rsp.
 */

/*
 * Leaves the frame, its place in (rdi), and where it returns to in \site; the control words in
 * eax, r9w. Until the crossing the frame lies below rsp, where no signal handler writes so near.
 * Two registers go in one store: stores to one stack after the other are what yields wait for.
 */
.macro PARK site
        stmxcsr -56(%rsp)
        fnstcw  -52(%rsp)
        leaq    -56(%rsp), %rax
        movq    %rax, (%rdi)
        movq    %rbx, %xmm0
        movq    %rbp, %xmm1
        movq    %r13, %xmm2
        movq    %r12, %xmm3
        movq    %r15, %xmm4
        movq    %r14, %xmm5
        punpcklqdq %xmm1, %xmm0
        punpcklqdq %xmm3, %xmm2
        punpcklqdq %xmm5, %xmm4
        movups  %xmm0, -16(%rsp)
        .cfi_offset %rbp, -16
        .cfi_offset %rbx, -24
        movups  %xmm2, -32(%rsp)
        .cfi_offset %r12, -32
        .cfi_offset %r13, -40
        movups  %xmm4, -48(%rsp)
        .cfi_offset %r14, -48
        .cfi_offset %r15, -56
        movq    (%rsp), \site
        movl    -56(%rsp), %eax
        movzwl  -52(%rsp), %r9d
.endm

/*
 * To the other stack, and its control words: loading one costs more than comparing it. Of
 * mxcsr only what controls counts. The flags of what has happened are the caller's to save;
 * to load them made a switch 30 ns dearer once a task had computed anything inexact.
 * The end of RESUME has the rest.
 */
.macro CROSS
        movq    (%rsi), %rsp
        .cfi_def_cfa_offset 64
        xorl    (%rsp), %eax
        testl   $0xffc0, %eax
        jne     2f
1:      cmpw    %r9w, 4(%rsp)
        jne     3f
4:
.endm

.macro UNPARK
        movq    8(%rsp), %r15
        .cfi_restore %r15
        movq    16(%rsp), %r14
        .cfi_restore %r14
        movq    24(%rsp), %r13
        .cfi_restore %r13
        movq    32(%rsp), %r12
        .cfi_restore %r12
        movq    40(%rsp), %rbx
        .cfi_restore %rbx
        movq    48(%rsp), %rbp
        .cfi_restore %rbp
        addq    $56, %rsp
        .cfi_def_cfa_offset 8
.endm

/* Out of the frame that is there, when the one that was left returns to r8. */
.macro RESUME
        .cfi_remember_state
        UNPARK
        cmpq    %r8, (%rsp)
        jne     5f
        ret
5:      popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rcx
#if defined(__CET__)
        notrack
#endif
        jmp     *%rcx
        .cfi_restore_state
2:      ldmxcsr (%rsp)
        jmp     1b
3:      fldcw   4(%rsp)
        jmp     4b
.endm

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
        PARK    %r8
        CROSS
        xorl    %eax, %eax
        RESUME
        .cfi_endproc
        .size   nook__switch, . - nook__switch

        .globl  nook__switch_on
        .hidden nook__switch_on
        .type   nook__switch_on, @function
        .p2align 4
nook__switch_on:
        .cfi_startproc
#if defined(__CET__)
        endbr64
#endif
        PARK    %rbx
        CROSS
        movq    %rcx, %rdi
        callq   *%rdx
        movq    %rbx, %r8
        RESUME
        .cfi_endproc
        .size   nook__switch_on, . - nook__switch_on

/*
 * Where a new stack starts: r12 is the entry function, r13 its argument, r14 what is
 * called where it goes on, rsp is aligned as before a call, rbp is 0. There is no caller:
 * a debugger that unwinds a task stops here.
 *
 * Where it goes on is a stack that parked, and then it returns there as whoever switched to
 * this stack would; or one that is new as well.
 *
 * Frames return to nook__switch_begin. Who unwinds looks for what holds before that: so it is
 * not the first place of the function.
 */
        .globl  nook__switch_begin
        .hidden nook__switch_begin
        .type   nook__switch_start, @function
        .p2align 4
nook__switch_start:
        .cfi_startproc
        .cfi_undefined %rip
        nop
nook__switch_begin:
#if defined(__CET__)
        endbr64
#endif
1:      movq    %r13, %rdi
        callq   *%r12
        subq    $16, %rsp
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movl    (%rsp), %ecx
        movzwl  4(%rsp), %r9d
        movq    (%rax), %rsp
        .cfi_remember_state
        .cfi_def_cfa_offset 64
        .cfi_offset %rip, -8
        .cfi_offset %rbp, -16
        .cfi_offset %rbx, -24
        .cfi_offset %r12, -32
        .cfi_offset %r13, -40
        .cfi_offset %r14, -48
        .cfi_offset %r15, -56
        xorl    (%rsp), %ecx
        testl   $0xffc0, %ecx
        jne     4f
2:      cmpw    %r9w, 4(%rsp)
        jne     5f
3:      xorl    %eax, %eax
        testq   %rdx, %rdx
        je      6f
        movq    %rdx, %rdi
        callq   *%r14
6:      .cfi_remember_state
        UNPARK
        leaq    nook__switch_begin(%rip), %rcx
        cmpq    %rcx, (%rsp)
        je      7f
        ret
        .cfi_restore_state
4:      ldmxcsr (%rsp)
        jmp     2b
5:      fldcw   4(%rsp)
        jmp     3b
        .cfi_restore_state
7:      addq    $8, %rsp
        jmp     1b
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
