/* SPDX-License-Identifier: MIT */
/*
 * log-id: every log line carries the id of the request that it belongs to, which
 * nobody passes along: the logger finds it. Requests write their lines
 * in turns, in every order in which that can happen.
 */
#include "leaks.h"

#include <stdio.h>

enum { REQUESTS = 3, LINES = 3, ORDERS = 1680 };

struct site {
    struct leak_run *run;
    struct ambient *request_id;
};

struct request {
    struct site *site;
    char *id;
};

/* The logger knows what to say; who says it, it looks up. */
static void log_line(struct site *site, const char *text, const char *should)
{
    char line[24], wanted[24];
    const char *id = ambient_read(site->request_id);
    snprintf(line, sizeof(line), "[%s] %s", id != NULL ? id : "-", text);
    snprintf(wanted, sizeof(wanted), "[%s] %s", should, text);
    leak_reads(site->run, "log", line, wanted);
}

static int handle(void *arg)
{
    static const char *const steps[LINES] = {"begin", "query", "answer"};
    struct request *request = arg;
    struct site *site = request->site;
    int rc = ambient_bind(site->request_id, request->id);
    for (int line = 0; line < LINES && rc == 0; line++) {
        log_line(site, steps[line], request->id);
        if (line + 1 < LINES)
            rc = nook_yield();
    }
    return rc;
}

static int serve(void *arg)
{
    static char *const ids[REQUESTS] = {"r1", "r2", "r3"};
    struct request requests[REQUESTS];
    struct leak_actor actors[REQUESTS];
    for (int i = 0; i < REQUESTS; i++) {
        requests[i] = (struct request){arg, ids[i]};
        actors[i] = (struct leak_actor){ids[i], handle, &requests[i]};
    }
    return leak_together(actors, REQUESTS);
}

static int run_log_id(struct leak_run *run)
{
    struct site site = {.run = run};
    int rc = ambient_open(&site.request_id, run->storage, "request id", NULL);
    if (rc != 0)
        return rc;
    leak_unit(run, "lines");
    rc = leak_play_every(run, serve, &site, NULL);
    ambient_close(site.request_id);
    return rc;
}

const struct leak_case leak_log_id = {
    .name = "log-id",
    .title = "Log lines carry an ambient request id; requests take turns.",
    .seen = "mapped diagnostic contexts",
    .promise =
        {
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{5400, REQUESTS *LINES *ORDERS}}},
            [LEAK_TASK] = {LEAK_EXACT, 1, {{0, REQUESTS *LINES *ORDERS}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{0, REQUESTS *LINES *ORDERS}}},
        },
    .run = run_log_id,
};
