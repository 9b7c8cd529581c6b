// SPDX-License-Identifier: MIT
//
// Boost.Context: jump_fcontext to the next stack of a ring of n, the assembly below its
// public classes. No scheduler. Stacks come from its own allocator.
#include "peers.h"

#include <boost/context/detail/fcontext.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <vector>

namespace ctx = boost::context;

static std::vector<ctx::detail::fcontext_t> ring;

// Who arrives tells where the one before it stands.
static void arrived(long me, ctx::detail::transfer_t from)
{
    ring[me > 0 ? me - 1 : ring.size() - 1] = from.fctx;
}

static void pass_on(long me)
{
    size_t next = me + 1 < (long)ring.size() ? me + 1 : 0;
    arrived(me, ctx::detail::jump_fcontext(ring[next], (void *)next));
}

static void member(ctx::detail::transfer_t from)
{
    long me = (long)from.data;
    arrived(me, from);
    for (;;) {
        pass_on(me);
    }
}

// The measured program is the first of the ring.
static void make_ring(long n)
{
    ctx::fixedsize_stack stacks(PEER_STACK);
    ring.resize(n);
    for (long i = 1; i < n; i++) {
        ctx::stack_context stack = stacks.allocate();
        ring[i] = ctx::detail::make_fcontext(stack.sp, stack.size, member);
    }
    bench_measure();
}

static void round_trip(long, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pass_on(0);
    }
}

static const struct bench benches[] = {
    PEER("switch", 2, round_trip, 2, make_ring),
    PEER("switch", 1000, round_trip, 1000, make_ring),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "Boost.Context " PEER_VERSION ", " BENCH_COMPILER,
                      benches, BENCH_LEN(benches));
}
