/* SPDX-License-Identifier: MIT */
/*
 * stale-next: a request binds its user and ends without cleaning up. The next
 * request on that worker is anonymous, and finds the one who was there before.
 *
 * Nobody yields here: a plain thread pool has this leak too.
 */
#include "leaks.h"

enum { PAIRS = 5 };

struct site {
    struct leak_run *run;
    struct ambient *user;
};

static int logged_in(void *arg)
{
    struct site *site = arg;
    int rc = ambient_bind(site->user, "alice");
    leak_does(site->run, "user = alice, serve, end");
    return rc;
}

/* A visitor who has not logged in: nobody should be found. */
static int anonymous(void *arg)
{
    struct site *site = arg;
    leak_reads(site->run, "user", ambient_read(site->user), NULL);
    return 0;
}

static int serve(void *arg)
{
    struct leak_actor requests[] = {{"request-1", logged_in, arg},
                                    {"request-2", anonymous, arg}};
    int rc = 0;
    for (int i = 0; i < PAIRS && rc == 0; i++) {
        rc = leak_together(requests, 2);
        leak_told(((struct site *)arg)->run);
    }
    return rc;
}

static int run_stale_next(struct leak_run *run)
{
    struct site site = {.run = run};
    int rc = ambient_open(&site.user, run->storage, "user", NULL);
    if (rc != 0)
        return rc;
    rc = leak_play(serve, &site, NULL);
    ambient_close(site.user);
    return rc;
}

const struct leak_case leak_stale_next = {
    .name = "stale-next",
    .title = "A request ends without clean-up; the next one there is served as its user.",
    .seen = "celery#1976; OpenAI, March 2023; GitHub, March 2021",
    .promise =
        {
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{PAIRS, PAIRS}}},
            [LEAK_TASK] = {LEAK_EXACT, 1, {{0, PAIRS}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{0, PAIRS}}},
        },
    .run = run_stale_next,
};
