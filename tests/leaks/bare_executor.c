/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_bare_executor(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_bare_executor = {
    .name = "bare-executor", .title = "to be written", .run = run_bare_executor};
