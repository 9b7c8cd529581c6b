/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_rounding(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_rounding = {
    .name = "rounding", .title = "to be written", .run = run_rounding};
