// SPDX-License-Identifier: MIT
//
// Photon (PhotonLibOS): green threads on vcpus, each an OS thread. `yield` is its fastest,
// thread_yield_fast, which the library exports and no header declares. `wake-idle` wakes a
// thread of a vcpu that sleeps in its event engine. Stacks come from its pool where they are
// used again, and from its default allocator where tasks are parked: the pool maps each
// stack by itself, which the kernel refuses after some 65,000.
#include "peers.h"

#include <malloc.h>
#include <photon/common/alog.h>
#include <photon/photon.h>
#include <photon/thread/thread-key.h>
#include <photon/thread/thread.h>
#include <thread>

namespace photon
{
void thread_yield_fast();
}

static const long most = 1000;
static photon::thread_key_t keys[most];
static int value;

// Without an event engine of the kernel, where nothing sleeps.
static void start(uint64_t engine = photon::INIT_EVENT_NONE,
                  uint8_t stacks = photon::STACK_ALLOCATOR_POOLED)
{
    photon::PhotonOptions options;
    options.use_pooled_stack_allocator = stacks;
    log_output = log_output_null;
    BENCH_MUST(photon::init(engine, photon::INIT_IO_NONE, options) == 0);
}

static void with_keys(long n)
{
    start();
    for (long i = 0; i < n; i++) {
        BENCH_MUST(photon::thread_key_create(&keys[i], nullptr) == 0);
        BENCH_MUST(photon::thread_setspecific(keys[i], &value) == 0);
    }
    bench_measure();
}

static void get(long n, size_t count)
{
    photon::thread_key_t key = keys[n - 1];
    for (size_t i = 0; i < count; i++) {
        bench_keep(photon::thread_getspecific(key));
    }
}

static void get_each(long n, size_t count)
{
    for (size_t i = 0, at = 0; i < count; i++) {
        bench_keep(photon::thread_getspecific(keys[at]));
        at = at + 1 == (size_t)n ? 0 : at + 1;
    }
}

static void set(long n, size_t count)
{
    photon::thread_key_t key = keys[n - 1];
    for (size_t i = 0; i < count; i++) {
        BENCH_MUST(photon::thread_setspecific(key, &value) == 0);
    }
}

static void *yields(void *)
{
    for (;;) {
        photon::thread_yield_fast();
    }
    return nullptr;
}

static void tasks(long n)
{
    start();
    for (long i = 1; i < n; i++) {
        BENCH_MUST(photon::thread_create(yields, nullptr, PEER_STACK) != nullptr);
    }
    bench_measure();
}

static void yield(long, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        photon::thread_yield_fast();
    }
}

static void *nothing(void *)
{
    return nullptr;
}

static void spawning(long)
{
    tasks(1);
}

static void spawn_join(long n, size_t count)
{
    static photon::join_handle *made[10000];
    for (size_t i = 0; i < count; i++) {
        for (long j = 0; j < n; j++) {
            made[j] = photon::thread_enable_join(
                photon::thread_create(nothing, nullptr, PEER_STACK));
        }
        for (long j = 0; j < n; j++) {
            photon::thread_join(made[j]);
        }
    }
}

static photon::semaphore there, back;

static void *answers(void *)
{
    for (;;) {
        there.wait(1);
        back.signal(1);
    }
    return nullptr;
}

static void ping_pong(long, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        there.signal(1);
        back.wait(1);
    }
}

static void same_vcpu(long)
{
    start();
    BENCH_MUST(photon::thread_create(answers, nullptr, PEER_STACK) != nullptr);
    bench_measure();
}

static void two_vcpus(long)
{
    if (bench_processors() < 2) {
        bench_cannot("needs two processors");
    }
    std::thread([] {
        BENCH_MUST(bench_pin(1) == 0);
        start(photon::INIT_EVENT_EPOLL);
        answers(nullptr);
    }).detach();
    BENCH_MUST(bench_pin(0) == 0);
    start(photon::INIT_EVENT_EPOLL);
    bench_measure();
}

static void *waits(void *)
{
    photon::thread_suspend();
    return nullptr;
}

// The guards use up the mappings that the kernel gives: the sleepers' array must come from
// the heap, or creation fails at some number of tasks or other.
static void park(long n)
{
    BENCH_MUST(mallopt(M_MMAP_THRESHOLD, 32 << 20) == 1);
    start(photon::INIT_EVENT_NONE, photon::STACK_ALLOCATOR_DEFAULT);
    peer_creating();
    for (long i = 0; i < n; i++) {
        BENCH_MUST(photon::thread_create(waits, nullptr, PEER_STACK) != nullptr);
    }
    photon::thread_yield();
    peer_all_parked(n);
}
PEER_PARKED(park)

static const struct bench benches[] = {
    PEER_GET_AND_SET(with_keys),
    PEER_YIELDS(yield, tasks),
    PEER_SPAWN(spawn_join, spawning),
    PEER_PING_PONG("channel", 1, ping_pong, same_vcpu),
    PEER_PING_PONG("wake-idle", 2, ping_pong, two_vcpus),
    PEER_PARKED_AT_EACH,
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "Photon " PEER_VERSION ", " BENCH_COMPILER, benches,
                      BENCH_LEN(benches));
}
