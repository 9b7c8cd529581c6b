/* SPDX-License-Identifier: MIT */
/*
 * log-id: every log line carries the id of the request that it belongs to, which
 * nobody passes along: the logger finds it. Each request writes lines while
 * others run.
 */
#include "leaks.h"

#include <stdio.h>
#include <string.h>

enum { REQUESTS = 8, LINES = 5, SCHEDULES = 100 };

struct site {
    struct leak_run *run;
    struct ambient *request_id;
    unsigned next;
};

/* The logger knows what to say; who says it, it looks up. */
static void log_line(struct site *site, const char *text, const char *should)
{
    char line[64], wanted[64];
    const char *id = ambient_read(site->request_id);
    snprintf(line, sizeof(line), "[%s] %s", id != NULL ? id : "-", text);
    snprintf(wanted, sizeof(wanted), "[%s] %s", should, text);
    leak_reads(site->run, "log", line, wanted);
}

static int handle(void *arg)
{
    static char ids[REQUESTS][8];
    struct site *site = arg;
    char *id = ids[site->next++ % REQUESTS];
    snprintf(id, sizeof(ids[0]), "r%u", (site->next - 1) % REQUESTS + 1);
    int rc = ambient_bind(site->request_id, id);
    for (int line = 1; line <= LINES && rc == 0; line++) {
        char text[16];
        snprintf(text, sizeof(text), "step %d", line);
        log_line(site, text, id);
        rc = nook_yield();
    }
    return rc;
}

static int serve(void *arg)
{
    struct leak_actor requests[REQUESTS];
    for (int i = 0; i < REQUESTS; i++)
        requests[i] = (struct leak_actor){NULL, handle, arg};
    return leak_together(requests, REQUESTS);
}

static int run_log_id(struct leak_run *run)
{
    nook_schedule_options options = {.choose = NOOK_CHOOSE_SEED, .seed = 1};
    struct site site = {.run = run};
    nook_schedule *schedule;
    int result = 0, rc = nook_schedule_new(&schedule, &options);
    if (rc != 0)
        return rc;
    rc = ambient_open(&site.request_id, run->storage, "request id", NULL);
    if (rc != 0) {
        nook_schedule_free(schedule);
        return rc;
    }
    leak_unit(run, "lines");
    for (int i = 0; i < SCHEDULES && rc == 0; i++) {
        rc = nook_schedule_run(schedule, serve, &site, NULL, &result);
        rc = rc != 0 ? rc : result;
        leak_told(run);
    }
    ambient_close(site.request_id);
    nook_schedule_free(schedule);
    return rc;
}

const struct leak_case leak_log_id = {
    .name = "log-id",
    .title = "Log lines carry an ambient request id; requests take turns.",
    .seen = "mapped diagnostic contexts",
    .promise =
        {
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{2503, REQUESTS *LINES *SCHEDULES}}},
            [LEAK_TASK] = {LEAK_EXACT, 1, {{0, REQUESTS *LINES *SCHEDULES}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{0, REQUESTS *LINES *SCHEDULES}}},
        },
    .run = run_log_id,
};
