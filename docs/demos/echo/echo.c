/* SPDX-License-Identifier: MIT */
#include <nook/nook.h>
#include <signal.h>
#include <stdio.h>

static NOOK_VAR_DEFINE(request_id);
static sigset_t stopping;

static void say(const char *what) /* whom it is about, nobody told it */
{
    fprintf(stderr, "request %d: %s\n", (int)(intptr_t)nook_var_get_or(&request_id, 0), what);
}

static int echo(void *connection)
{
    int fd = (int)(intptr_t)connection;
    char buffer[4096];
    say("hello");
    for (size_t n; nook_read(fd, buffer, sizeof buffer, &n) == 0 && n > 0;)
        if (nook_write_all(fd, buffer, n, NULL) != 0)
            break;
    say("goodbye");
    return nook_close(fd);
}

static int stop(void *server)
{
    return nook_signal_wait(&stopping, NULL) == 0 ? nook_task_cancel(server) : 0;
}

static int serve(void *port)
{
    int fd, listener, rc = nook_listen_tcp(&listener, "127.0.0.1", port, SOMAXCONN);
    if (rc == 0)
        rc = nook_task_spawn(NULL, stop, nook_task_current(), NULL);
    for (intptr_t id = 1; rc == 0 && (rc = nook_accept(&fd, listener, NULL, NULL)) == 0; id++)
        NOOK_WITH (&request_id, (void *)id) /* the task starts in a copy of this context */
            rc = nook_task_spawn(NULL, echo, (void *)(intptr_t)fd, NULL);
    return rc;
}

int main(int argc, char **argv)
{
    int result = 0;
    sigemptyset(&stopping);
    sigaddset(&stopping, SIGTERM);
    sigprocmask(SIG_BLOCK, &stopping, NULL); /* until the server waits for it */
    int rc = nook_run(serve, argc > 1 ? argv[1] : "7007", NULL, &result);
    return rc == 0 && result == NOOK_ECANCELED ? 0 : 1;
}
