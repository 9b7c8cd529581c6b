/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_stack_order(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_stack_order = {
    .name = "stack-order", .title = "to be written", .run = run_stack_order};
