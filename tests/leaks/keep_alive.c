/* SPDX-License-Identifier: MIT */
/*
 * keep-alive: one connection carries the requests of many visitors, as one from
 * a reverse proxy does. The task that serves the connection handles them one
 * after another in its one context: whom a request logs in, the next one is.
 *
 * The cure is to handle each request in a fresh copy of the connection's context.
 * The judge is the client, by the answers that it gets through the socket.
 */
#include "leaks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUESTS = 4, LINE = 16 };

struct site {
    struct leak_run *run;
    struct ambient *user;
    int ends[2]; /* the server's, the client's */
};

struct exchange {
    struct site *site;
    char request[LINE];
};

/* --- lines through a socket ---------------------------------------------------------- */

static int send_line(int fd, const char *text)
{
    return dprintf(fd, "%s\n", text) == (int)strlen(text) + 1 ? 0 : -EIO;
}

/* Without its end. NOOK_EEND: the other side has closed. */
static int receive_line(int fd, char *line)
{
    for (size_t n = 0; n < LINE; n++) {
        int rc = nook_wait_fd(fd, NOOK_READABLE, NULL);
        if (rc != 0)
            return rc;
        if (read(fd, &line[n], 1) != 1)
            return NOOK_EEND;
        if (line[n] == '\n') {
            line[n] = '\0';
            return 0;
        }
    }
    return NOOK_EINVAL;
}

/* --- the server ------------------------------------------------------------------------ */

static char *account(const char *name)
{
    static char *const accounts[] = {"alice", "bob"};
    for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++)
        if (strcmp(accounts[i], name) == 0)
            return accounts[i];
    return NULL;
}

/* "login NAME" or "page": either is answered with the name of whom the page is for. */
static int handle(void *arg)
{
    struct exchange *exchange = arg;
    struct site *site = exchange->site;
    int rc = 0;
    if (strncmp(exchange->request, "login ", 6) == 0) {
        rc = ambient_bind(site->user, account(exchange->request + 6));
        leak_does(site->run, "user = %s", exchange->request + 6);
    }
    const char *user = ambient_read(site->user);
    return rc != 0 ? rc : send_line(site->ends[0], user != NULL ? user : "nobody");
}

static int handle_in_copy(struct exchange *exchange)
{
    nook_context *copy;
    int result = 0, rc = nook_context_copy_current(&copy);
    if (rc != 0)
        return rc;
    rc = nook_context_run(copy, handle, exchange, &result);
    nook_context_unref(copy);
    return rc != 0 ? rc : result;
}

static int serve_connection(void *arg)
{
    struct exchange exchange = {.site = arg};
    int cured = exchange.site->run->storage == LEAK_CURED;
    int rc;
    while ((rc = receive_line(exchange.site->ends[0], exchange.request)) == 0) {
        rc = cured ? handle_in_copy(&exchange) : handle(&exchange);
        if (rc != 0)
            return rc;
    }
    return rc == NOOK_EEND ? 0 : rc;
}

/* --- the client --------------------------------------------------------------------------- */

static int visit(void *arg)
{
    static const struct {
        const char *request, *expects;
    } requests[REQUESTS] = {
        {"login alice", "alice"}, {"page", "nobody"}, {"login bob", "bob"}, {"page", "nobody"}};
    struct site *site = arg;
    char answer[LINE];
    int rc = 0;
    for (int i = 0; i < REQUESTS && rc == 0; i++) {
        leak_does(site->run, "send: %s", requests[i].request);
        rc = send_line(site->ends[1], requests[i].request);
        if (rc == 0)
            rc = receive_line(site->ends[1], answer);
        if (rc == 0)
            leak_reads(site->run, "page for", answer, requests[i].expects);
    }
    shutdown(site->ends[1], SHUT_WR);
    return rc;
}

static int open_site(void *arg)
{
    struct leak_actor actors[] = {{"client", visit, arg}, {"server", serve_connection, arg}};
    return leak_together(actors, 2);
}

static int run_keep_alive(struct leak_run *run)
{
    struct site site = {.run = run};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, site.ends) != 0)
        return -errno;
    int rc = ambient_open(&site.user, run->storage, "user", NULL);
    leak_unit(run, "answers");
    if (rc == 0)
        rc = leak_play(open_site, &site, NULL);
    ambient_close(site.user);
    close(site.ends[0]);
    close(site.ends[1]);
    return rc;
}

const struct leak_case leak_keep_alive = {
    .name = "keep-alive",
    .title = "The next request on a connection is served as the one before it.",
    .seen = "dotnet/aspnetcore#13991",
    .cure = "each request runs in a fresh copy of the connection's context",
    .promise =
        {
            /* Both visitors who did not log in get the page of the one before. */
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{2, REQUESTS}}},
            [LEAK_TASK] = {LEAK_EXACT, 1, {{2, REQUESTS}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{2, REQUESTS}}},
            [LEAK_CURED] = {LEAK_EXACT, 1, {{0, REQUESTS}}},
        },
    .run = run_keep_alive,
};
