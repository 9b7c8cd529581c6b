/* SPDX-License-Identifier: MIT */
/* A program under many schedules: what depends on the order shows in how many it goes wrong. */
#include "play.h"

int leak_play_often(struct leak_run *run, unsigned n, nook_task_fn main, void *arg,
                    const nook_run_options *options)
{
    const nook_schedule_options seeded = {.choose = NOOK_CHOOSE_SEED, .seed = 1};
    nook_schedule *schedule;
    int rc = leak_play(main, arg, options);
    leak_told(run);
    if (rc == 0)
        rc = nook_schedule_new(&schedule, &seeded);
    if (rc != 0)
        return rc;
    for (unsigned i = 1; i < n && rc == 0; i++) {
        int result = 0;
        rc = nook_schedule_run(schedule, main, arg, options, &result);
        if (rc == 0)
            rc = result;
    }
    nook_schedule_free(schedule);
    return rc;
}
