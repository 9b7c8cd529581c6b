/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_child(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_child = {
    .name = "child", .title = "to be written", .run = run_child};
