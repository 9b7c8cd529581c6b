/* SPDX-License-Identifier: MIT */
#include "current.h"

__attribute__((used)) __thread nook_context *nook__current;

#if !(defined(__x86_64__) && defined(__LP64__)) && !(defined(__aarch64__) && defined(__LP64__))

/* noinline alone is not enough: a compiler may see through it and keep the
 * address. What comes out of an asm, it cannot know. */
static __attribute__((noinline)) nook_context **current_address(void)
{
    nook_context **address = &nook__current;
    __asm__ volatile("" : "+r"(address) : : "memory");
    return address;
}

__attribute__((noinline)) nook_context *nook__current_get(void)
{
    return *current_address();
}

__attribute__((noinline)) void nook__current_set(nook_context *context)
{
    *current_address() = context;
}

#endif
