/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_stale_next(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_stale_next = {
    .name = "stale-next", .title = "to be written", .run = run_stale_next};
