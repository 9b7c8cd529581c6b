/* SPDX-License-Identifier: MIT */
/*
 * pinned: each request keeps its session, which is large, in a context variable,
 * and sets a timer that will look after something in an hour. The timer captured
 * the request's context: the request is long over, the session stays.
 *
 * Two cures. A timer that needs nothing of the request is given an empty context.
 * One that does is cancelled when it is no longer wanted: that drops what it
 * captured at once, not in an hour.
 */
#include "leaks.h"

enum { REQUESTS = 4 };
#define HOUR (UINT64_C(3600) * 1000 * 1000 * 1000)

struct server {
    struct leak_run *run;
    struct ambient *session;
    struct session {
        int freed;
    } sessions[REQUESTS];
    nook_handle *timers[REQUESTS];
    int next;
};

static void free_session(void *value)
{
    struct session *session = value;
    session->freed = 1;
}

static void refresh(void *arg)
{
    (void)arg;
}

static int timer_in_empty_context(nook_handle **timer)
{
    nook_context *empty;
    int rc = nook_context_new(&empty);
    if (rc != 0)
        return rc;
    rc = nook_call_later(timer, HOUR, refresh, NULL, empty);
    nook_context_unref(empty);
    return rc;
}

static int set_timer(struct server *server, int i)
{
    nook_handle **timer = &server->timers[i];
    if (server->run->storage == LEAK_CURED && i % 2 == 0) {
        leak_does(server->run, "session %d, a timer in an empty context", i + 1);
        return timer_in_empty_context(timer);
    }
    int rc = nook_call_later(timer, HOUR, refresh, NULL, NULL);
    if (rc != 0)
        return rc;
    if (server->run->storage != LEAK_CURED) {
        leak_does(server->run, "session %d, a timer for in an hour", i + 1);
        return 0;
    }
    leak_does(server->run, "session %d, a timer, cancelled when done", i + 1);
    return nook_handle_cancel(*timer);
}

static int handle(void *arg)
{
    struct server *server = arg;
    int i = server->next++;
    int rc = ambient_bind(server->session, &server->sessions[i]);
    return rc != 0 ? rc : set_timer(server, i);
}

static int serve(void *arg)
{
    struct server *server = arg;
    struct leak_actor request[] = {{"request", handle, server}};
    int rc = 0;
    for (int i = 0; i < REQUESTS && rc == 0; i++) {
        rc = leak_together(request, 1);
        leak_reads_as(server->run, "memory", "session",
                      server->sessions[i].freed ? "freed" : "alive", "freed");
    }
    for (int i = 0; i < REQUESTS; i++) {
        if (server->timers[i] != NULL)
            nook_handle_cancel(server->timers[i]);
        nook_handle_unref(server->timers[i]);
    }
    return rc;
}

static int run_pinned(struct leak_run *run)
{
    struct server server = {.run = run};
    int rc = ambient_open(&server.session, run->storage, "session", free_session);
    if (rc != 0)
        return rc;
    leak_unit(run, "sessions");
    rc = leak_play(serve, &server, NULL);
    ambient_close(server.session);
    return rc;
}

const struct leak_case leak_pinned = {
    .name = "pinned",
    .title = "A long timer keeps every value of the context that it captured alive.",
    .seen = "dotnet/corefx#26069; npgsql#6105",
    .cure = "an empty context for the timer, or cancelling it: that drops it at once",
    .promise =
        {
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{REQUESTS, REQUESTS}}},
            [LEAK_CURED] = {LEAK_EXACT, 1, {{0, REQUESTS}}},
        },
    .run = run_pinned,
};
