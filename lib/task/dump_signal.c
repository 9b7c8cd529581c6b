/* SPDX-License-Identifier: MIT */
/*
 * A dump on a signal. The handler posts a semaphore, which lives for ever, and a
 * thread does the rest.
 */
#include "dump.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static sem_t wanted;
static int handled, to; /* the signal, 0: none; where the text goes */
static atomic_int stopping;
static pthread_t thread;
static struct sigaction previous;

void nook__dump_signal_fork(int before)
{
    if (before)
        pthread_mutex_lock(&lock);
    else
        pthread_mutex_unlock(&lock);
}

/* The thread has stayed in the parent. */
void nook__dump_signal_child(void)
{
    if (handled != 0)
        sigaction(handled, &previous, NULL);
    handled = 0;
}

static void prepare(void)
{
    sem_init(&wanted, 0, 0);
}

static void on_signal(int number)
{
    int saved = errno;
    (void)number;
    sem_post(&wanted);
    errno = saved;
}

static void *serve(void *arg)
{
    (void)arg;
    for (;;) {
        while (sem_wait(&wanted) != 0)
            continue;
        if (atomic_load(&stopping))
            return NULL;
        (void)nook_dump(to);
    }
}

/* No signal of the program's own is for this thread. */
static int start_thread(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread, NULL, serve, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? 0 : NOOK_EAGAIN;
}

static void stop_thread(void)
{
    atomic_store(&stopping, 1);
    sem_post(&wanted);
    pthread_join(thread, NULL);
    while (sem_trywait(&wanted) == 0) /* came too late for this time */
        continue;
    atomic_store(&stopping, 0);
}

static int begin(int number, int fd)
{
    struct sigaction action;
    if (handled != 0)
        return NOOK_EBUSY;
    to = fd;
    int rc = start_thread();
    if (rc != 0)
        return rc;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, &previous) != 0) {
        stop_thread();
        return NOOK_EINVAL;
    }
    handled = number;
    return 0;
}

static void finish(void)
{
    if (handled == 0)
        return;
    sigaction(handled, &previous, NULL);
    stop_thread();
    handled = 0;
}

int nook_dump_on_signal(int number, int fd)
{
    int rc = 0;
    if (number < 0)
        return NOOK_EINVAL;
    pthread_once(&once, prepare);
    pthread_mutex_lock(&lock);
    if (number == 0)
        finish();
    else
        rc = begin(number, fd);
    pthread_mutex_unlock(&lock);
    return rc;
}
