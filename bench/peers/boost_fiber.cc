// SPDX-License-Identifier: MIT
//
// Boost.Fiber: green threads of one thread, with a run queue (round_robin). Stacks of 16 KiB
// without guards, from its pool. Variables are fiber_specific_ptr, kept in a std::map; to set
// one drops the old value, which is why the values here need no cleaning. `wake-idle` wakes
// a fiber of another thread, whose scheduler sleeps on a condition variable.
#include "peers.h"

#include <boost/fiber/all.hpp>
#include <memory>
#include <thread>
#include <vector>

namespace bf = boost::fibers;

static void keep_value(int *)
{
}

using variable = bf::fiber_specific_ptr<int>;
static std::vector<std::unique_ptr<variable>> variables;
static int values[2];
static bool stop;

static bf::pooled_fixedsize_stack &stacks()
{
    static bf::pooled_fixedsize_stack pool(PEER_STACK);
    return pool;
}

template <typename F> static bf::fiber spawn(F run)
{
    return bf::fiber(bf::launch::post, std::allocator_arg, stacks(), run);
}

static void with_variables(long n)
{
    for (long i = 0; i < n; i++) {
        variables.emplace_back(new variable(keep_value));
        variables[i]->reset(&values[0]);
    }
    bench_measure();
    variables.clear();
}

static void get(long n, size_t count)
{
    variable &var = *variables[n - 1];
    for (size_t i = 0; i < count; i++) {
        bench_keep(var.get());
    }
}

// Two values in turn: the one that is there already is not set again.
static void get_each(long n, size_t count)
{
    for (size_t i = 0, at = 0; i < count; i++) {
        bench_keep(variables[at]->get());
        at = at + 1 == (size_t)n ? 0 : at + 1;
    }
}

static void set(long n, size_t count)
{
    variable &var = *variables[n - 1];
    for (size_t i = 0; i < count; i++) {
        var.reset(&values[i & 1]);
    }
}

static void tasks(long n)
{
    std::vector<bf::fiber> others;
    for (long i = 1; i < n; i++) {
        others.push_back(spawn([] {
            while (!stop) {
                boost::this_fiber::yield();
            }
        }));
    }
    bench_measure();
    stop = true;
    for (bf::fiber &other : others) {
        other.join();
    }
}

static void yield(long, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        boost::this_fiber::yield();
    }
}

static void spawn_join(long n, size_t count)
{
    static std::vector<bf::fiber> made(10000);
    for (size_t i = 0; i < count; i++) {
        for (long j = 0; j < n; j++) {
            made[j] = spawn([] {});
        }
        for (long j = 0; j < n; j++) {
            made[j].join();
        }
    }
}

static bf::unbuffered_channel<int> there, back;

static void answers()
{
    int message = 0;
    while (there.pop(message) == bf::channel_op_status::success) {
        back.push(message);
    }
}

static void ping_pong(long, size_t count)
{
    int message = 0;
    for (size_t i = 0; i < count; i++) {
        there.push(message);
        back.pop(message);
    }
}

static void same_thread(long)
{
    bf::fiber other = spawn(answers);
    bench_measure();
    there.close();
    other.join();
}

static void two_threads(long)
{
    if (bench_processors() < 2) {
        bench_cannot("needs two processors");
    }
    std::thread other([] {
        BENCH_MUST(bench_pin(1) == 0);
        answers();
    });
    BENCH_MUST(bench_pin(0) == 0);
    bench_measure();
    there.close();
    other.join();
}

static void park(long n)
{
    static bf::mutex mutex;
    static bf::condition_variable never;
    peer_creating();
    for (long i = 0; i < n; i++) {
        spawn([] {
            std::unique_lock<bf::mutex> lock(mutex);
            never.wait(lock);
        }).detach();
    }
    boost::this_fiber::yield();
    peer_all_parked(n);
}
PEER_PARKED(park)

static const struct bench benches[] = {
    PEER_GET_AND_SET(with_variables),
    PEER_YIELDS(yield, tasks),
    PEER_SPAWN(spawn_join, NULL),
    PEER_PING_PONG("channel", 1, ping_pong, same_thread),
    PEER_PING_PONG("wake-idle", 2, ping_pong, two_threads),
    PEER_PARKED_AT_EACH,
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "Boost.Fiber " PEER_VERSION ", " BENCH_COMPILER, benches,
                      BENCH_LEN(benches));
}
