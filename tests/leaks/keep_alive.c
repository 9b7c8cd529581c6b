/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_keep_alive(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_keep_alive = {
    .name = "keep-alive", .title = "to be written", .run = run_keep_alive};
