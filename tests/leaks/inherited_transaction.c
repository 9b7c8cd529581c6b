/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_inherited_transaction(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_inherited_transaction = {.name = "inherited-transaction",
                                                     .title = "to be written",
                                                     .run = run_inherited_transaction};
