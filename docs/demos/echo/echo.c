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

static int serve(void *listener)
{
    int fd, at = *(int *)listener, rc = 0;
    for (intptr_t id = 1; rc == 0 && (rc = nook_accept(&fd, at, NULL, NULL)) == 0; id++)
        NOOK_WITH (&request_id, (void *)id) /* the task starts in a copy of this context */
            rc = nook_task_spawn(NULL, echo, (void *)(intptr_t)fd, NULL);
    return rc;
}

static int until_stopped(void *listener)
{
    int rc = nook_task_spawn(NULL, serve, listener, NULL);
    return rc == 0 ? nook_signal_wait(&stopping, NULL) : rc;
}

int main(int argc, char **argv)
{
    int listener, result = 1;
    sigemptyset(&stopping);
    sigaddset(&stopping, SIGTERM);
    sigprocmask(SIG_BLOCK, &stopping, NULL); /* until somebody waits for it */
    if (nook_listen_tcp(&listener, "127.0.0.1", argc > 1 ? argv[1] : "7007", SOMAXCONN) == 0)
        nook_run(until_stopped, &listener, NULL, &result);
    return result == 0 ? 0 : 1;
}
