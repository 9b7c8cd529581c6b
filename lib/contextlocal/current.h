/* SPDX-License-Identifier: MIT */
/*
 * What the library keeps per thread: the one thread-local of this room, two words.
 * The first is the current context. The second is the thread's record (thread.h),
 * which the paths that make and drop things need, and get does not.
 *
 * A green task may park on one thread and resume on another between any two
 * calls, and compilers keep the address of a thread-local over calls. So the
 * address is never taken in C: each access is one volatile asm that reads the
 * thread pointer anew. Initial-exec, so that no access calls the dynamic linker;
 * sixteen bytes, so that dlopen finds room for it.
 */
#ifndef NOOK__CURRENT_H
#define NOOK__CURRENT_H

#include <nook/context.h>

struct nook__thread;

struct nook__mine {
    nook_context *current;
    struct nook__thread *thread;
};

extern __thread struct nook__mine nook__mine
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

#if defined(__x86_64__) && defined(__LP64__)

#define NOOK__MINE_LOAD(offset, out)                           \
    __asm__ volatile("movq nook__mine@gottpoff(%%rip), %0\n\t" \
                     "movq %%fs:" #offset "(%0), %0"           \
                     : "=r"(out)                               \
                     :                                         \
                     : "memory")
#define NOOK__MINE_STORE(offset, value)                            \
    do {                                                           \
        void *at;                                                  \
        __asm__ volatile("movq nook__mine@gottpoff(%%rip), %0\n\t" \
                         "movq %1, %%fs:" #offset "(%0)"           \
                         : "=&r"(at)                               \
                         : "r"(value)                              \
                         : "memory");                              \
    } while (0)

static inline nook_context *nook__current_get(void)
{
    nook_context *context;
    NOOK__MINE_LOAD(0, context);
    return context;
}

static inline void nook__current_set(nook_context *context)
{
    NOOK__MINE_STORE(0, context);
}

static inline struct nook__thread *nook__thread_get(void)
{
    struct nook__thread *thread;
    NOOK__MINE_LOAD(8, thread);
    return thread;
}

static inline void nook__thread_set(struct nook__thread *thread)
{
    NOOK__MINE_STORE(8, thread);
}

#else

#if defined(__aarch64__) && defined(__LP64__)

static inline struct nook__mine *nook__mine_address(void)
{
    struct nook__mine *address;
    void *offset;
    __asm__ volatile("mrs %0, tpidr_el0\n\t"
                     "adrp %1, :gottprel:nook__mine\n\t"
                     "ldr %1, [%1, #:gottprel_lo12:nook__mine]\n\t"
                     "add %0, %0, %1"
                     : "=&r"(address), "=&r"(offset)
                     :
                     : "memory");
    return address;
}

#else
struct nook__mine *nook__mine_address(void);
#endif

static inline nook_context *nook__current_get(void)
{
    return nook__mine_address()->current;
}

static inline void nook__current_set(nook_context *context)
{
    nook__mine_address()->current = context;
}

static inline struct nook__thread *nook__thread_get(void)
{
    return nook__mine_address()->thread;
}

static inline void nook__thread_set(struct nook__thread *thread)
{
    nook__mine_address()->thread = thread;
}

#endif

#endif
