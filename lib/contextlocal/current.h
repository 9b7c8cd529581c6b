/* SPDX-License-Identifier: MIT */
/*
 * The current context of the calling thread: the one thread-local of this room.
 *
 * A green task may park on one thread and resume on another between any two
 * calls, and compilers keep the address of a thread-local over calls. So the
 * address is never taken in C: each access is one volatile asm that reads the
 * thread pointer anew. Initial-exec, so that no access calls the dynamic linker;
 * eight bytes, so that dlopen finds room for it.
 */
#ifndef NOOK__CURRENT_H
#define NOOK__CURRENT_H

#include <nook/context.h>

extern __thread nook_context *nook__current
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

#if defined(__x86_64__) && defined(__LP64__)

static inline nook_context *nook__current_get(void)
{
    nook_context *context;
    __asm__ volatile("movq nook__current@gottpoff(%%rip), %0\n\t"
                     "movq %%fs:(%0), %0"
                     : "=r"(context)
                     :
                     : "memory");
    return context;
}

static inline void nook__current_set(nook_context *context)
{
    void *offset;
    __asm__ volatile("movq nook__current@gottpoff(%%rip), %0\n\t"
                     "movq %1, %%fs:(%0)"
                     : "=&r"(offset)
                     : "r"(context)
                     : "memory");
}

#elif defined(__aarch64__) && defined(__LP64__)

static inline nook_context **nook__current_address(void)
{
    nook_context **address;
    void *offset;
    __asm__ volatile("mrs %0, tpidr_el0\n\t"
                     "adrp %1, :gottprel:nook__current\n\t"
                     "ldr %1, [%1, #:gottprel_lo12:nook__current]\n\t"
                     "add %0, %0, %1"
                     : "=&r"(address), "=&r"(offset)
                     :
                     : "memory");
    return address;
}

static inline nook_context *nook__current_get(void)
{
    return *nook__current_address();
}

static inline void nook__current_set(nook_context *context)
{
    *nook__current_address() = context;
}

#else

nook_context *nook__current_get(void);
void nook__current_set(nook_context *context);

#endif

#endif
