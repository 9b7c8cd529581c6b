/* SPDX-License-Identifier: MIT */
/* Two tasks and two queues with room for one: a message there, a message back. */
#include "pair.h"

static nook_queue *there;
static nook_queue *back;

static void pair_begin(void)
{
    BENCH_MUST(nook_queue_new(&there, 1) == 0);
    BENCH_MUST(nook_queue_new(&back, 1) == 0);
}

static int pong(void *arg)
{
    void *message = NULL;
    (void)arg;
    while (nook_queue_get(there, &message) == 0) {
        MUST_BE_0(nook_queue_put(back, message));
    }
    return 0;
}

static void ping(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        void *message = NULL;
        MUST_BE_0(nook_queue_put(there, &there));
        MUST_BE_0(nook_queue_get(back, &message));
        bench_keep(message);
    }
}

static void pair_end(void)
{
    BENCH_MUST(nook_queue_close(there) == 0);
}

static void on_workers(long n)
{
    pair_run((unsigned)n);
    nook_queue_free(there);
    nook_queue_free(back);
}

static const struct bench benches[] = {
    {.metric = "channel", .n = 1, .loop = ping, .operations = 2, .around = on_workers},
    {.metric = "channel", .n = 2, .loop = ping, .operations = 2, .around = on_workers},
};

OWN_MAIN(benches)
