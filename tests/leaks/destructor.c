/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_destructor(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_destructor = {
    .name = "destructor", .title = "to be written", .run = run_destructor};
