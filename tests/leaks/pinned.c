/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_pinned(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_pinned = {
    .name = "pinned", .title = "to be written", .run = run_pinned};
