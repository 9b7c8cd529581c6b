/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_watcher(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_watcher = {
    .name = "watcher", .title = "to be written", .run = run_watcher};
