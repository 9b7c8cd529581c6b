/* SPDX-License-Identifier: MIT */
/*
 * One Flask-style program on the three identities: requests served by tasks on
 * one worker, each with a request context of its own [F1-F14].
 */
#include "support.h"

#include <stdio.h>

enum { REQUESTS = 2 };

struct server {
    const nook_backing *backing;
    nook_app *app;
    nook_request_context *copy;
    int torn_down;
    int rc;
};

struct request {
    struct server *server;
    char path[16];
    char *seen;     /* the current request's path, after a yield */
    char *in_g;     /* what g had bound, after a yield */
    char *in_child; /* what a child task finds */
    int before;     /* nook_current_request before the push */
    int child;      /* and in a child task */
    int popped;     /* what the pop returned */
    int after;      /* nook_current_request after the pop */
};

static char *current_path(const nook_backing *backing, int *rc)
{
    void *request = NULL;
    *rc = nook_current_request(backing, &request);
    return *rc == 0 ? ((struct request *)request)->path : NULL;
}

static int child(void *arg)
{
    struct request *request = arg;
    request->in_child = current_path(request->server->backing, &request->child);
    return 0;
}

static void handle(struct request *request)
{
    const nook_backing *backing = request->server->backing;
    nook_task *task = NULL;
    nook_g *g = NULL;
    void *value = NULL;
    int rc;
    if (nook_current_g(backing, &g) == 0)
        (void)nook_g_set(g, "path", request->path);
    nook_yield();
    request->seen = current_path(backing, &rc);
    if (nook_current_g(backing, &g) == 0 && nook_g_get(g, "path", &value) == 0)
        request->in_g = value;
    if (nook_task_spawn(&task, child, request, NULL) == 0)
        (void)nook_task_join(task, NULL);
    nook_task_unref(task);
}

static int serve(void *arg)
{
    struct request *request = arg;
    nook_request_context *context;
    (void)current_path(request->server->backing, &request->before);
    int rc = nook_request_context_new(request->server->app, request, &context);
    if (rc != 0)
        return rc;
    rc = nook_request_context_push(context);
    if (rc == 0) {
        handle(request);
        request->popped = nook_request_context_pop(context, 0, NULL);
        (void)current_path(request->server->backing, &request->after);
    }
    /* Popped out of order it stays: put it right, or it would outlive the test. */
    while (nook_request_context_pop(context, 0, NULL) == NOOK_ENOTACTIVE)
        nook_yield();
    nook_request_context_unref(context);
    return rc;
}

static int count_teardown(nook_app *app, int error, void *user)
{
    (void)app;
    (void)error;
    ((struct server *)user)->torn_down++;
    return 0;
}

static int serve_all(void *arg)
{
    struct request *requests = arg;
    struct server *server = requests[0].server;
    nook_app_options options = {.backing = server->backing};
    nook_task *tasks[REQUESTS];
    unsigned n = 0;
    int rc = nook_app_new(&server->app, &options);
    if (rc != 0)
        return rc;
    rc = nook_app_on(server->app, NOOK_TEARDOWN_REQUEST, count_teardown, server);
    for (; n < REQUESTS && rc == 0; n++)
        rc = nook_task_spawn(&tasks[n], serve, &requests[n], NULL);
    int joined = nook_gather(tasks, n, NULL);
    while (n-- > 0)
        nook_task_unref(tasks[n]);
    nook_app_unref(server->app);
    return rc != 0 ? rc : joined;
}

static void run_server(const nook_backing *backing, struct server *server,
                       struct request requests[REQUESTS])
{
    int result = -1;
    memset(server, 0, sizeof(*server));
    memset(requests, 0, REQUESTS * sizeof(requests[0]));
    server->backing = backing;
    for (unsigned i = 0; i < REQUESTS; i++) {
        requests[i].server = server;
        snprintf(requests[i].path, sizeof(requests[i].path), "%s", i == 0 ? "/alice" : "/bob");
    }
    assert_int_equal(nook_run(serve_all, requests, NULL, &result), 0);
    assert_int_equal(result, 0);
    assert_int_equal(server->torn_down, REQUESTS);
}

static void F3_F7_by_thread_a_request_sees_anothers(void **state)
{
    struct identities *identities = *state;
    struct request requests[REQUESTS];
    struct server server;
    run_server(identities->backing[BY_THREAD], &server, requests);
    assert_int_equal(requests[0].before, NOOK_EOUTSIDEREQUEST);
    assert_int_equal(requests[1].before, 0);
    assert_string_equal(requests[0].seen, "/bob");
    assert_string_equal(requests[0].in_g, "/bob");
    /* "Popped wrong request context" */
    assert_int_equal(requests[0].popped, NOOK_ENOTACTIVE);
}

static void assert_isolated(const struct request requests[REQUESTS])
{
    for (unsigned i = 0; i < REQUESTS; i++) {
        assert_int_equal(requests[i].before, NOOK_EOUTSIDEREQUEST);
        assert_string_equal(requests[i].seen, requests[i].path);
        assert_string_equal(requests[i].in_g, requests[i].path);
        assert_int_equal(requests[i].popped, 0);
        assert_int_equal(requests[i].after, NOOK_EOUTSIDEREQUEST);
    }
}

static void F3_by_task_each_sees_its_own_and_a_child_none(void **state)
{
    struct identities *identities = *state;
    struct request requests[REQUESTS];
    struct server server;
    run_server(identities->backing[BY_TASK], &server, requests);
    assert_isolated(requests);
    for (unsigned i = 0; i < REQUESTS; i++)
        assert_int_equal(requests[i].child, NOOK_EOUTSIDEREQUEST);
}

static void F3_by_context_each_sees_its_own_and_so_does_a_child(void **state)
{
    struct identities *identities = *state;
    struct request requests[REQUESTS];
    struct server server;
    run_server(identities->backing[BY_CONTEXT], &server, requests);
    assert_isolated(requests);
    for (unsigned i = 0; i < REQUESTS; i++)
        assert_string_equal(requests[i].in_child, requests[i].path);
}

/* --- F14: copy_current_request_context into a task ---------------------------------- */

static int look(void *arg)
{
    struct request *request = arg;
    request->in_child = current_path(request->server->backing, &request->child);
    return 0;
}

static int run_copy(void *arg)
{
    struct request *request = arg;
    return nook_request_context_run(request->server->copy, look, request, NULL);
}

static int copy_main(void *arg)
{
    struct request *request = arg;
    struct server *server = request->server;
    nook_app_options options = {.backing = server->backing};
    nook_task_options bare = {.start = NOOK_START_EMPTY};
    nook_request_context *context = NULL;
    nook_task *task = NULL;
    int result = -1, rc = nook_app_new(&server->app, &options);
    if (rc == 0)
        rc = nook_request_context_new(server->app, request, &context);
    if (rc == 0)
        rc = nook_request_context_push(context);
    if (rc == 0)
        rc = nook_copy_current_request_context(server->backing, &server->copy);
    if (rc == 0)
        rc = nook_request_context_pop(context, 0, NULL);
    if (rc == 0)
        rc = nook_task_spawn(&task, run_copy, request, &bare);
    if (rc == 0)
        rc = nook_task_join(task, &result);
    nook_task_unref(task);
    nook_request_context_unref(server->copy);
    nook_request_context_unref(context);
    nook_app_unref(server->app);
    return rc != 0 ? rc : result;
}

static void F14_a_copy_works_in_a_task_on_every_identity(void **state)
{
    struct identities *identities = *state;
    for (unsigned i = 0; i < IDENTITIES; i++) {
        struct server server = {.backing = identities->backing[i]};
        struct request request = {.server = &server, .path = "/copied"};
        int result = -1;
        assert_int_equal(nook_run(copy_main, &request, NULL, &result), 0);
        assert_int_equal(result, 0);
        assert_int_equal(request.child, 0);
        assert_string_equal(request.in_child, "/copied");
    }
}

/* --- F7, F15: what a child inherited is its parent's ----------------------------------- */

struct inherited {
    nook_request_context *context;
    int push, pop;
};

static int push_and_pop_the_parents(void *arg)
{
    struct inherited *inherited = arg;
    inherited->push = nook_request_context_push(inherited->context);
    inherited->pop = nook_request_context_pop(inherited->context, 0, NULL);
    return 0;
}

static int inherited_main(void *arg)
{
    struct inherited *inherited = arg;
    nook_app_options options = {.backing = nook_backing_context()};
    nook_app *app = NULL;
    nook_task *task = NULL;
    int rc = nook_app_new(&app, &options);
    if (rc == 0)
        rc = nook_request_context_new(app, inherited, &inherited->context);
    if (rc == 0)
        rc = nook_request_context_push(inherited->context);
    if (rc == 0)
        rc = nook_task_spawn(&task, push_and_pop_the_parents, inherited, NULL);
    if (rc == 0)
        rc = nook_task_join(task, NULL);
    if (rc == 0)
        rc = nook_request_context_pop(inherited->context, 0, NULL);
    nook_task_unref(task);
    nook_request_context_unref(inherited->context);
    nook_app_unref(app);
    return rc;
}

static void F7_F15_by_context_a_child_cannot_pop_its_parents(void **state)
{
    struct inherited inherited = {NULL, 0, 0};
    int result = -1;
    (void)state;
    assert_int_equal(nook_run(inherited_main, &inherited, NULL, &result), 0);
    assert_int_equal(result, 0);
    assert_int_equal(inherited.push, NOOK_EBUSY);
    assert_int_equal(inherited.pop, NOOK_ENOTACTIVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        identity_test(F3_F7_by_thread_a_request_sees_anothers),
        identity_test(F3_by_task_each_sees_its_own_and_a_child_none),
        identity_test(F3_by_context_each_sees_its_own_and_so_does_a_child),
        identity_test(F14_a_copy_works_in_a_task_on_every_identity),
        identity_test(F7_F15_by_context_a_child_cannot_pop_its_parents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
