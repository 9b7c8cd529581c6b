/* SPDX-License-Identifier: MIT */
/*
 * A thread-local word, for green tasks.
 *
 * A task may park on one thread and resume on another between any two calls, and compilers
 * keep the address of a thread-local over calls. So the address is never taken in C: each
 * access is one volatile asm that reads the thread pointer anew. Initial-exec, so that no
 * access calls the dynamic linker; a few bytes, so that dlopen finds room for them.
 *
 * Elsewhere the owner of the word has a function that is not inlined, and whose result comes
 * out of an asm: NOOK__WORD_ADDRESS_OF in it, and NOOK__WORD_ASM is 0.
 */
#ifndef NOOK__THREAD_WORD_H
#define NOOK__THREAD_WORD_H

#if defined(__x86_64__) && defined(__LP64__)

#define NOOK__WORD_ASM 1
/* How far it is from the thread pointer, the same in all threads: so this may be kept. */
#define NOOK__WORD_OFFSET(variable)                                               \
    __extension__({                                                               \
        long offset_of_word;                                                      \
        __asm__("movq " #variable "@gottpoff(%%rip), %0" : "=r"(offset_of_word)); \
        offset_of_word;                                                           \
    })
#define NOOK__WORD_LOAD(variable, offset, out)          \
    __asm__ volatile("movq %%fs:" #offset "(%1), %0"    \
                     : "=r"(out)                        \
                     : "r"(NOOK__WORD_OFFSET(variable)) \
                     : "memory")
#define NOOK__WORD_STORE(variable, offset, value)                   \
    __asm__ volatile("movq %0, %%fs:" #offset "(%1)"                \
                     :                                              \
                     : "r"(value), "r"(NOOK__WORD_OFFSET(variable)) \
                     : "memory")
#define NOOK__WORD_SWAP(variable, offset, value, before)            \
    __asm__ volatile("movq %%fs:" #offset "(%2), %0\n\t"            \
                     "movq %1, %%fs:" #offset "(%2)"                \
                     : "=&r"(before)                                \
                     : "r"(value), "r"(NOOK__WORD_OFFSET(variable)) \
                     : "memory")

#elif defined(__aarch64__) && defined(__LP64__)

#define NOOK__WORD_ASM 1
#define NOOK__WORD_LOAD(variable, offset, out)                             \
    do {                                                                   \
        void *word_at;                                                     \
        __asm__ volatile("mrs %0, tpidr_el0\n\t"                           \
                         "adrp %1, :gottprel:" #variable "\n\t"            \
                         "ldr %1, [%1, #:gottprel_lo12:" #variable "]\n\t" \
                         "add %0, %0, %1\n\t"                              \
                         "ldr %0, [%0, #" #offset "]"                      \
                         : "=&r"(out), "=&r"(word_at)                      \
                         :                                                 \
                         : "memory");                                      \
    } while (0)
#define NOOK__WORD_STORE(variable, offset, value)                          \
    do {                                                                   \
        void *word_at, *word_offset;                                       \
        __asm__ volatile("mrs %0, tpidr_el0\n\t"                           \
                         "adrp %1, :gottprel:" #variable "\n\t"            \
                         "ldr %1, [%1, #:gottprel_lo12:" #variable "]\n\t" \
                         "add %0, %0, %1\n\t"                              \
                         "str %2, [%0, #" #offset "]"                      \
                         : "=&r"(word_at), "=&r"(word_offset)              \
                         : "r"(value)                                      \
                         : "memory");                                      \
    } while (0)

#define NOOK__WORD_SWAP(variable, offset, value, before)                   \
    do {                                                                   \
        void *word_at;                                                     \
        __asm__ volatile("mrs %0, tpidr_el0\n\t"                           \
                         "adrp %1, :gottprel:" #variable "\n\t"            \
                         "ldr %1, [%1, #:gottprel_lo12:" #variable "]\n\t" \
                         "add %0, %0, %1\n\t"                              \
                         "ldr %1, [%0, #" #offset "]\n\t"                  \
                         "str %2, [%0, #" #offset "]"                      \
                         : "=&r"(word_at), "=&r"(before)                   \
                         : "r"(value)                                      \
                         : "memory");                                      \
    } while (0)

#else

#define NOOK__WORD_ASM 0
/* What comes out of an asm, a compiler cannot know: it does not keep that address. */
#define NOOK__WORD_ADDRESS_OF(variable)                    \
    __extension__({                                        \
        __typeof__(&(variable)) address = &(variable);     \
        __asm__ volatile("" : "+r"(address) : : "memory"); \
        address;                                           \
    })

#endif

#endif
