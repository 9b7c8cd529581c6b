/* SPDX-License-Identifier: MIT */
/*
 * destructor: each request takes a connection out of the pool and keeps it in
 * an ambient variable, whose release gives it back. It should be back when the
 * request has ended, not when somebody happens to overwrite it, or the worker
 * thread ends: or the pool runs dry.
 */
#include "leaks.h"

enum { REQUESTS = 4 };

struct pool {
    struct leak_run *run;
    struct ambient *connection;
    struct connection {
        struct pool *pool;
        int number;
    } connections[REQUESTS];
    int taken, back;
};

static void give_back(void *value)
{
    struct connection *connection = value;
    connection->pool->back++;
}

static int handle(void *arg)
{
    struct pool *pool = arg;
    struct connection *connection = &pool->connections[pool->taken++];
    *connection = (struct connection){pool, pool->taken};
    leak_does(pool->run, "take connection %d, serve, end", connection->number);
    return ambient_bind(pool->connection, connection);
}

static int serve(void *arg)
{
    struct leak_actor request[] = {{"request", handle, arg}};
    struct pool *pool = arg;
    for (int i = 0; i < REQUESTS; i++) {
        int rc = leak_together(request, 1);
        if (rc != 0)
            return rc;
        leak_reads_as(pool->run, "pool", "connection",
                      pool->back == pool->taken ? "back" : "still out", "back");
    }
    return 0;
}

static int run_destructor(struct leak_run *run)
{
    struct pool pool = {.run = run};
    int rc = ambient_open(&pool.connection, run->storage, "connection", give_back);
    if (rc != 0)
        return rc;
    leak_unit(run, "connections");
    rc = leak_play(serve, &pool, NULL);
    ambient_close(pool.connection);
    return rc;
}

const struct leak_case leak_destructor = {
    .name = "destructor",
    .title = "A request's connection goes back when the request ends, or much later.",
    .seen = "connection pools that run dry",
    .promise =
        {
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{REQUESTS, REQUESTS}}},
            [LEAK_TASK] = {LEAK_EXACT, 1, {{0, REQUESTS}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{0, REQUESTS}}},
        },
    .run = run_destructor,
};
