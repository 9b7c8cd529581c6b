/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_locale(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_locale = {
    .name = "locale", .title = "to be written", .run = run_locale};
