/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_child_writes(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_child_writes = {
    .name = "child-writes", .title = "to be written", .run = run_child_writes};
