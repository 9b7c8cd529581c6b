/* SPDX-License-Identifier: MIT */
/*
 * Who enters and leaves a context, and who frees it: a model of lib/contextlocal/chain.c
 * for Spin, run by tests/model/explore.sh.
 *
 * Shown: one chain at a time is inside, nobody is refused where nobody is inside or on
 * his way, nobody waits for ever, and the context goes once, when nobody holds it, and is
 * not touched afterwards.
 *
 * Home enters and leaves ENTERS times, others as often as there are; each holds a
 * reference and gives it up at the end. With MOVES, somebody else leaves for Home, whose
 * chain has moved to another thread, while Home wants in again.
 *
 * Home's stores of `inside` are buffered in order and come out when they like, at the
 * latest at a barrier or at Home's next locked instruction. Other stores come out at
 * once. Left out: threads without a number, fences instead of the barrier.
 */
#ifndef OTHERS
#define OTHERS 2
#endif
#ifndef ENTERS
#define ENTERS 2
#endif
#ifndef MOVES
#define MOVES 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif

#define OUT 0
#define TURNING 1
#define IN 2
#define NONE 0
#define HOME 1
#define SHARING 2
#define SHARED 3

byte inside, entered, home, refs;
byte buffer[3], buffered; /* the oldest first */
bit rare_lock, freed, moved;
byte within, over;

#define HOLD assert(!freed)

inline come_out()
{
    d_step {
        if :: buffered -> inside = buffer[buffered - 1]; buffered = 0; HOLD :: else fi
    }
}

/* One at a time, as the buffer likes. */
proctype Buffer()
{
end:
    do
    :: d_step {
        buffered ->
            inside = buffer[0];
            buffer[0] = buffer[1];
            buffer[1] = buffer[2];
            buffered--;
            HOLD
        }
    od
}

/* Only Home has what is in the buffer. */
#define INSIDE(at_home) (at_home && buffered -> buffer[buffered - 1] : inside)

inline set_inside(at_home, value)
{
    atomic {
        HOLD;
        if
        :: at_home -> buffered < 3 -> buffer[buffered] = value; buffered++
        :: else -> inside = value
        fi
    }
}

inline locked(at_home) { if :: at_home -> come_out() :: else fi }

inline share(at_home)
{
    atomic { !rare_lock -> rare_lock = 1; locked(at_home) }
    HOLD;
    if
    :: home == SHARED
    :: else ->
        home = SHARING;
        if :: !at_home && BROKEN != 1 -> come_out() /* membarrier */ :: else fi;
        atomic { /* one look, however long it takes until it says something */
            HOLD;
            INSIDE(at_home) != TURNING || BROKEN == 2;
            if :: INSIDE(at_home) == IN && BROKEN != 6 -> refs++ :: else fi
        }
        home = SHARED
    fi;
    rare_lock = 0
}

/* last: 1, and the reference is kept; else it was given up. */
inline keep_last(at_home)
{
    atomic {
        HOLD;
        if
        :: refs == 1 -> last = 1
        :: else -> assert(refs > 1); locked(at_home); refs--; last = 0
        fi
    }
}

inline unref(at_home)
{
    keep_last(at_home);
    if
    :: last ->
        HOLD;
        if
        :: INSIDE(at_home) != OUT && BROKEN != 4 ->
            if
            :: home != SHARED -> share(at_home); keep_last(at_home)
            :: else
            fi
        :: else
        fi;
        if
        :: last -> atomic { locked(at_home); HOLD; assert(!within); freed = 1 }
        :: else
        fi
    :: else
    fi
}

/* done: 1, inside now. */
inline enter_shared(at_home)
{
    if :: home != SHARED -> share(at_home) :: else fi;
    atomic { HOLD; INSIDE(at_home) != TURNING; done = INSIDE(at_home) != IN }
    atomic { if :: done -> HOLD; locked(at_home); done = !entered; entered = 1 :: else fi }
    if :: done -> HOLD; refs++ :: else fi
}

inline come_in() { d_step { assert(!within); within = 1 } }

inline mark_left(at_home)
{
    if :: INSIDE(at_home) == IN -> set_inside(at_home, OUT) :: else -> HOLD; entered = 0 fi
}

/* Where the leaver has not had a turn of the home's. */
inline leave_shared(at_home)
{
    if
    :: home == SHARED || BROKEN == 5 -> done = home == SHARED; mark_left(at_home)
    :: else ->
        atomic { !rare_lock -> rare_lock = 1; locked(at_home) }
        done = home == SHARED;
        mark_left(at_home);
        rare_lock = 0
    fi;
    if :: done -> unref(at_home) :: else fi
}

proctype Home()
{
    byte n;
    bit last, done, dropped;
    do
    :: n < ENTERS ->
        n++;
        atomic { if :: home == NONE -> locked(1); home = HOME :: else fi }
        done = 0;
        if
        :: home == HOME && INSIDE(1) == OUT ->
            set_inside(1, TURNING);
            if
            :: home == HOME || BROKEN == 3 -> set_inside(1, IN); done = 1
            :: else -> set_inside(1, OUT); enter_shared(1)
            fi
        :: home == HOME && INSIDE(1) == IN /* who is to leave for it has not done it yet */
        :: else -> enter_shared(1)
        fi;
        if
        :: !done -> assert(OTHERS + MOVES > 0)
        :: done && MOVES && n == 1 -> come_in(); atomic { come_out(); moved = 1 }
        :: done && !(MOVES && n == 1) ->
            come_in();
            if
            :: n == ENTERS -> unref(1); dropped = 1 /* while it is inside */
            :: true
            fi;
            within = 0;
            if
            :: home == HOME && INSIDE(1) == IN ->
                set_inside(1, TURNING);
                if
                :: home == HOME -> set_inside(1, OUT)
                :: else -> set_inside(1, IN); leave_shared(1)
                fi
            :: else -> leave_shared(1)
            fi
        fi
    :: else -> break
    od;
    if :: !dropped -> unref(1) :: else fi;
    over++
}

/* Has the chain that Home entered, and a reference. */
proctype Mover()
{
    bit last, done;
    moved || over == OTHERS + 1;
    if
    :: moved -> within = 0; leave_shared(0)
    :: else
    fi;
    unref(0);
    over++
}

proctype Other()
{
    bit last, done;
    if :: enter_shared(0) :: true fi;
    if
    :: done -> come_in(); within = 0; leave_shared(0)
    :: else
    fi;
    unref(0);
    over++
}

init
{
    byte i;
    atomic {
        refs = 1 + OTHERS + MOVES;
        run Home();
        run Buffer();
        if :: MOVES -> run Mover() :: else fi;
        for (i : 1 .. OTHERS) { run Other() }
        i = 0
    }
    over == 1 + OTHERS + MOVES;
    assert(freed)
}
