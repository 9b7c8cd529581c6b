/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_cached_address(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_cached_address = {
    .name = "cached-address", .title = "to be written", .run = run_cached_address};
