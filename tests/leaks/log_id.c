/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_log_id(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_log_id = {
    .name = "log-id", .title = "to be written", .run = run_log_id};
