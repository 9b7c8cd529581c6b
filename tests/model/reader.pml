/* SPDX-License-Identifier: MIT */
/*
 * A foreign reader takes a snapshot of a context while its owner binds: a model of
 * lib/contextlocal/context.c for Spin, run by tests/model/explore.sh.
 *
 * Shown: what a reader holds does not change under it (both halves of a map are
 * equal, always), nobody waits for ever, every map is given back once.
 *
 * Owner follows nook__context_exchange with write_begin, write_end; Reader follows
 * snapshot_of_foreign, and then looks at what it holds without any lock.
 *
 * The owner's store of `writing` is buffered and comes out when it likes, at the latest at a
 * barrier or at its next store there: that is what the membarrier is for, and the
 * owner's fence where the kernel has none (FENCE). Other stores come out at once. A
 * map is two halves, written in place one after the other where nobody shares it.
 * Left out: a sandbox that forbids the barrier later, callbacks, the tree's nodes.
 */
#ifndef READERS
#define READERS 2
#endif
#ifndef BINDS
#define BINDS 3
#endif
#ifndef FENCE
#define FENCE 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif

#define MAPS 5
byte left[MAPS], right[MAPS], refs[MAPS];
byte root; /* the context's map */
bit writing, buffered, reading, readers_lock;
byte over;

inline come_out() { atomic { if :: buffered -> writing = 1; buffered = 0 :: else fi } }

proctype Owner()
{
    byte n, made;
    do
    :: n < BINDS ->
        n++;
begin:
        buffered = 1;
        if :: FENCE && BROKEN != 4 -> come_out() :: else fi;
        if
        :: reading && BROKEN != 3 ->
            atomic { writing = 0; buffered = 0 }
            atomic { !readers_lock -> readers_lock = 1 }
            readers_lock = 0;
            goto begin
        :: !reading || BROKEN == 3
        fi;
        if
        :: refs[root] == 1 ->
            left[root] = n;
            right[root] = n
        :: else -> /* a changed copy, installed in the same window; the code opens another */
            atomic {
                made = 0;
                do :: refs[made] != 0 -> made++ :: else -> break od;
                refs[made] = 1;
                left[made] = n;
                right[made] = n
            }
            atomic { refs[root]--; root = made; made = 0 }
        fi;
        atomic { writing = 0; buffered = 0 }
    :: else -> break
    od;
    over++
}

/* The buffer, when it likes. */
proctype Buffer()
{
end:
    do
    :: atomic { buffered -> writing = 1; buffered = 0 }
    od
}

proctype Reader()
{
    byte map, seen;
    atomic { !readers_lock -> readers_lock = 1 }
    reading = 1;
    if
    :: !FENCE && BROKEN != 1 -> come_out() /* membarrier */
    :: else
    fi;
    if
    :: BROKEN != 2 -> !writing
    :: else
    fi;
    map = root;
    refs[map]++;
    reading = 0;
    readers_lock = 0;
    /* afterwards, in its own time */
    seen = left[map];
    assert(seen == right[map]);
    assert(seen == left[map]);
    refs[map]--;
    over++
}

init
{
    byte i;
    atomic {
        refs[0] = 1;
        run Owner();
        run Buffer();
        for (i : 1 .. READERS) { run Reader() }
        i = 0
    }
    over == READERS + 1;
    for (i : 0 .. MAPS - 1) { assert(refs[i] == (i == root -> 1 : 0)) }
}
