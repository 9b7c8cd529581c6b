/* SPDX-License-Identifier: MIT */
#include "current.h"

__attribute__((used)) __thread struct nook__mine nook__mine;

#if !(defined(__x86_64__) && defined(__LP64__)) && !(defined(__aarch64__) && defined(__LP64__))

/* noinline alone is not enough: a compiler may see through it and keep the
 * address. What comes out of an asm, it cannot know. Nor may the callers keep it,
 * which no compiler does that cannot see this function. */
__attribute__((noinline)) struct nook__mine *nook__mine_address(void)
{
    struct nook__mine *address = &nook__mine;
    __asm__ volatile("" : "+r"(address) : : "memory");
    return address;
}

#endif
