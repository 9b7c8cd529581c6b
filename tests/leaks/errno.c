/* SPDX-License-Identifier: MIT */
#include "leaks.h"
static int run_errno(struct leak_run *run)
{
    (void)run;
    return NOOK_ENOTSUP;
}
const struct leak_case leak_errno = {
    .name = "errno", .title = "to be written", .run = run_errno};
