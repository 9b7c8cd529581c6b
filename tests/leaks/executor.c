/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_executor(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_executor = {
    .name = "executor", .title = "to be written", .run = run_executor};
