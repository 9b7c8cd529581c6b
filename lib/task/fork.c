/* SPDX-License-Identifier: MIT */
/*
 * Forks. A child has one thread. Where that was a worker, it is one no longer: the
 * worker here is none, so whatever needs a task refuses as on any other thread, at no
 * price to the parent. It remembers which worker it was, for the way back to nook_run.
 */
#include "run.h"

static atomic_uint forks;
static __thread struct nook__worker *lost __attribute__((tls_model("initial-exec")));

unsigned nook__forks(void)
{
    return atomic_load_explicit(&forks, memory_order_relaxed);
}

/* Not inlined: a task may call it on one thread and then on another. */
__attribute__((noinline)) struct nook__worker *nook__lost(void)
{
    struct nook__worker **address = &lost;
    __asm__ volatile("" : "+r"(address) : : "memory");
    return *address;
}

__attribute__((noinline)) void nook__lost_set(struct nook__worker *worker)
{
    lost = worker;
}

/* In the order in which one may be taken while another is held. */
static void before(void)
{
    nook__dump_signal_fork(1);
    nook__view_fork(1);
    nook__printer_fork(1);
    nook__room_fork(1);
    nook__census_fork(1);
    nook__overflow_fork(1);
    nook__stack_fork(1);
}

static void after(void)
{
    nook__stack_fork(0);
    nook__overflow_fork(0);
    nook__census_fork(0);
    nook__room_fork(0);
    nook__printer_fork(0);
    nook__view_fork(0);
    nook__dump_signal_fork(0);
}

static void in_child(void)
{
    struct nook__worker *worker = nook__here();
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
    nook__view_child();
    nook__dump_signal_child();
    after();
    if (worker == NULL)
        return;
    nook__here_set(NULL);
    nook__lost_set(worker);
    atomic_store(&worker->run->finished, 1); /* its loop ends when the task has */
}

static void handle_forks(void)
{
    (void)pthread_atfork(before, after, in_child);
}

void nook__fork_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, handle_forks);
}
