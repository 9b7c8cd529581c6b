/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_mutable_value(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_mutable_value = {
    .name = "mutable-value", .title = "to be written", .run = run_mutable_value};
