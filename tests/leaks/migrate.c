/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_migrate(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_migrate = {
    .name = "migrate", .title = "to be written", .run = run_migrate};
