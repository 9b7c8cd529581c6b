/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_foreign_token(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_foreign_token = {
    .name = "foreign-token", .title = "to be written", .run = run_foreign_token};
