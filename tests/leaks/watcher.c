/* SPDX-License-Identifier: MIT */
/*
 * watcher: a server reads notices from a socket. They are nobody's: the reader
 * was set up before anybody logged in. While alice is served the queue fills up,
 * so her task pauses the reader and resumes it, as flow control does. To resume
 * is to register again, and that captures her context: from then on every notice
 * is read in her name.
 *
 * The cure is to capture once, where the server is made, and to pass that
 * context each time.
 */
#include "leaks.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NOTICES = 2 };

struct server {
    struct leak_run *run;
    struct ambient *user;
    int ends[2]; /* the server's, the world's */
    nook_handle *reader;
    nook_context *own; /* cured: the server's context; else NULL */
    unsigned read;
};

struct client {
    struct server *server;
    char *name;
};

static void on_notice(void *arg)
{
    struct server *server = arg;
    char notice;
    if (read(server->ends[0], &notice, 1) != 1)
        return;
    server->read++;
    leak_reads_as(server->run, "reader", "a notice, user", ambient_read(server->user), NULL);
}

static int resume_reading(struct server *server)
{
    return nook_on_fd(&server->reader, server->ends[0], NOOK_READABLE, on_notice, server,
                      server->own);
}

static void pause_reading(struct server *server)
{
    if (server->reader == NULL)
        return;
    nook_handle_cancel(server->reader);
    nook_handle_unref(server->reader);
    server->reader = NULL;
}

static int handle(void *arg)
{
    struct client *client = arg;
    struct server *server = client->server;
    int rc = ambient_bind(server->user, client->name);
    leak_does(server->run, "user = %s, pause and resume the reader", client->name);
    pause_reading(server);
    return rc != 0 ? rc : resume_reading(server);
}

/* The world sends notices, and the server has read them. */
static int notices(struct server *server)
{
    int rc = 0;
    for (unsigned n = 0; n < NOTICES && rc == 0; n++) {
        unsigned before = server->read;
        if (write(server->ends[1], "!", 1) != 1)
            return -EIO;
        while (server->read == before && rc == 0)
            rc = nook_yield();
    }
    return rc;
}

static int serve(void *arg)
{
    struct server *server = arg;
    struct client clients[] = {{server, "alice"}, {server, "bob"}};
    int rc = 0;
    if (server->run->storage == LEAK_CURED)
        rc = nook_context_copy_current(&server->own);
    if (rc == 0)
        rc = resume_reading(server);
    if (rc == 0)
        rc = notices(server);
    for (int i = 0; i < 2 && rc == 0; i++) {
        struct leak_actor request[] = {{clients[i].name, handle, &clients[i]}};
        rc = leak_together(request, 1);
        if (rc == 0)
            rc = notices(server);
    }
    pause_reading(server);
    nook_context_unref(server->own);
    return rc;
}

static int run_watcher(struct leak_run *run)
{
    struct server server = {.run = run};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, server.ends) != 0)
        return -errno;
    int rc = ambient_open(&server.user, run->storage, "user", NULL);
    if (rc == 0)
        rc = leak_play(serve, &server, NULL);
    ambient_close(server.user);
    close(server.ends[0]);
    close(server.ends[1]);
    return rc;
}

const struct leak_case leak_watcher = {
    .name = "watcher",
    .title = "A reader that a task resumes reads on in that task's name.",
    .seen = "python/cpython#140947; uvicorn#2167",
    .cure = "capture once, where the server is made, and pass that context",
    .promise =
        {
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{2 * NOTICES, 3 * NOTICES}}},
            [LEAK_CURED] = {LEAK_EXACT, 1, {{0, 3 * NOTICES}}},
        },
    .run = run_watcher,
};
