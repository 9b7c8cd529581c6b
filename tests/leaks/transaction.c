/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_transaction(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_transaction = {
    .name = "transaction", .title = "to be written", .run = run_transaction};
