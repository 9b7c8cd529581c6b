/* SPDX-License-Identifier: MIT */
/*
 * nook__switch and nook__switch_on for AArch64, AAPCS64.
 *
 * A parked stack holds, from its sp upwards: x19-x30, d8-d15, fpcr, a pad.
 * switch_frame.c builds the same frame by hand for a stack that has not run.
 * Both frames have one layout, so the unwinding notes stay true across the
 * change of sp. x18 belongs to the platform, and stays with the thread.
 */

.macro PARK
        sub     sp, sp, #176
        .cfi_adjust_cfa_offset 176
        stp     x19, x20, [sp, #0]
        .cfi_rel_offset x19, 0
        .cfi_rel_offset x20, 8
        stp     x21, x22, [sp, #16]
        .cfi_rel_offset x21, 16
        .cfi_rel_offset x22, 24
        stp     x23, x24, [sp, #32]
        .cfi_rel_offset x23, 32
        .cfi_rel_offset x24, 40
        stp     x25, x26, [sp, #48]
        .cfi_rel_offset x25, 48
        .cfi_rel_offset x26, 56
        stp     x27, x28, [sp, #64]
        .cfi_rel_offset x27, 64
        .cfi_rel_offset x28, 72
        stp     x29, x30, [sp, #80]
        .cfi_rel_offset x29, 80
        .cfi_rel_offset x30, 88
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        mrs     x9, fpcr
        str     x9, [sp, #160]
.endm

.macro CROSS
        mov     x10, sp
        str     x10, [x0]
        ldr     x10, [x1]
        mov     sp, x10

        /* Writing fpcr drains the pipeline: only if it differs. */
        ldr     x10, [sp, #160]
        cmp     x9, x10
        b.eq    1f
        msr     fpcr, x10
1:
.endm

.macro RESUME
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        ldp     x19, x20, [sp, #0]
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        add     sp, sp, #176
        .cfi_adjust_cfa_offset -176
        .cfi_restore x19
        .cfi_restore x20
        .cfi_restore x21
        .cfi_restore x22
        .cfi_restore x23
        .cfi_restore x24
        .cfi_restore x25
        .cfi_restore x26
        .cfi_restore x27
        .cfi_restore x28
        .cfi_restore x29
        .cfi_restore x30
.endm


        .text
        .globl  nook__switch
        .hidden nook__switch
        .type   nook__switch, %function
        .p2align 4
nook__switch:
        .cfi_startproc
        hint    #34                     /* bti c */
        PARK
        CROSS
        mov     w0, #0
        RESUME
        ret
        .cfi_endproc
        .size   nook__switch, . - nook__switch

        .globl  nook__switch_on
        .hidden nook__switch_on
        .type   nook__switch_on, %function
        .p2align 4
nook__switch_on:
        .cfi_startproc
        hint    #34                     /* bti c */
        PARK
        CROSS
        mov     x0, x3
        blr     x2
        RESUME
        ret
        .cfi_endproc
        .size   nook__switch_on, . - nook__switch_on

/*
 * Where a new stack starts: x19 is the entry function, x20 its argument, x21 what is called
 * where it goes on, x29 is 0. There is no caller: a debugger that unwinds a task stops here.
 *
 * Where it goes on is a stack that parked, and then it returns there as whoever switched to
 * this stack would; or one that is new as well.
 *
 * Frames return to nook__switch_begin. Who unwinds looks for what holds before that: so it is
 * not the first place of the function.
 */
        .globl  nook__switch_begin
        .hidden nook__switch_begin
        .type   nook__switch_start, %function
        .p2align 4
nook__switch_start:
        .cfi_startproc
        .cfi_undefined x30
        nop
nook__switch_begin:
        hint    #34                     /* bti c */
2:      mov     x0, x20
        blr     x19
        mov     x2, x21
        mov     x3, x1
        mrs     x9, fpcr
        ldr     x10, [x0]
        mov     sp, x10
        .cfi_remember_state
        .cfi_def_cfa_offset 176
        .cfi_offset x19, -176
        .cfi_offset x20, -168
        .cfi_offset x21, -160
        .cfi_offset x22, -152
        .cfi_offset x23, -144
        .cfi_offset x24, -136
        .cfi_offset x25, -128
        .cfi_offset x26, -120
        .cfi_offset x27, -112
        .cfi_offset x28, -104
        .cfi_offset x29, -96
        .cfi_offset x30, -88
        ldr     x10, [sp, #160]
        cmp     x9, x10
        b.eq    3f
        msr     fpcr, x10
3:      mov     x0, #0
        cbz     x3, 4f
        mov     x0, x3
        blr     x2
4:      RESUME
        adr     x9, nook__switch_begin
        cmp     x30, x9
        b.eq    5f
        ret
        .cfi_restore_state
5:      b       2b
        .cfi_endproc
        .size   nook__switch_start, . - nook__switch_start

        .section .note.GNU-stack, "", %progbits

#if defined(__ARM_FEATURE_BTI_DEFAULT)
        .section .note.gnu.property, "a", %note
        .p2align 3
        .word   4, 16, 5
        .asciz  "GNU"
        .word   0xc0000000, 4, 1, 0
#endif
