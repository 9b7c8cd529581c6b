/* SPDX-License-Identifier: MIT */
#include "current.h"

__attribute__((used)) __thread struct nook__mine nook__mine;

#if !NOOK__WORD_ASM
__attribute__((noinline)) struct nook__mine *nook__mine_address(void)
{
    return NOOK__WORD_ADDRESS_OF(nook__mine);
}
#endif
