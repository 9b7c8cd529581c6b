/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_callback(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_callback = {
    .name = "callback", .title = "to be written", .run = run_callback};
