/* SPDX-License-Identifier: MIT */
/*
 * Who enters and leaves a context, who keeps it, and who frees it: a model of
 * lib/contextlocal/chain.c and keep.c for Spin, run by tests/model/explore.sh.
 *
 * Shown: one chain at a time is inside, and nobody else runs in it where it is kept; nobody is
 * refused where nobody is inside or on his way, nobody waits for ever, and the context goes
 * once, when nobody holds it, and is not touched afterwards.
 *
 * Home enters and leaves ENTERS times, others as often as there are; each holds a
 * reference and gives it up at the end. With MOVES, somebody else leaves for Home, whose
 * chain has moved to another thread, while Home wants in again. With KEEPS, one more is given
 * the context, and runs in it without entering, and then enters it, too.
 *
 * Home's stores of `turn` are buffered in order and come out when they like, at the
 * latest at a barrier, at Home's next locked instruction or at its next store of `place`.
 * Other stores come out at once. Left out: threads without a number, fences instead of the barrier,
 * the table of the keeps: `place` says itself who keeps it.
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
#ifndef KEEPS
#define KEEPS 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif

/* Of `turn`; that it is Home's number is not shown. */
#define NO_HOME 0
#define OUT 1
#define IN 2
#define TURNING 3
#define GONE 4

/* Of `shared`. */
#define HOMELY 0
#define SHARING 1
#define SHARED 2

/* Of `place`, beside a number. */
#define ENTERED 1
#define KEPT 2
#define NUMBER(n) ((n) << 2)
#define HOME NUMBER(1)
#define KEEPER NUMBER(2)
#define OTHER NUMBER(3) /* they need not be told apart */

byte turn, shared, place, refs;
byte buffer[3], buffered; /* the oldest first */
bit rare_lock, freed, moved;
byte within, over;

#define HOLD assert(!freed)

inline come_out()
{
    d_step {
        if :: buffered -> turn = buffer[buffered - 1]; buffered = 0; HOLD :: else fi
    }
}

/* One at a time, as the buffer likes. */
proctype Buffer()
{
end:
    do
    :: d_step {
        buffered ->
            turn = buffer[0];
            buffer[0] = buffer[1];
            buffer[1] = buffer[2];
            buffered--;
            HOLD
        }
    od
}

/* Only Home has what is in the buffer. */
#define TURN(at_home) (at_home && buffered -> buffer[buffered - 1] : turn)

inline set_turn(at_home, value)
{
    atomic {
        HOLD;
        if
        :: at_home -> buffered < 3 -> buffer[buffered] = value; buffered++
        :: else -> turn = value
        fi
    }
}

inline locked(at_home) { if :: at_home -> come_out() :: else fi }

inline share(at_home)
{
    HOLD;
    if
    :: shared == SHARED
    :: else ->
        atomic { !rare_lock -> rare_lock = 1; locked(at_home) }
        HOLD;
        if
        :: shared == SHARED
        :: else ->
            shared = SHARING;
            atomic {
                HOLD;
                locked(at_home);
                nobodys = turn == NO_HOME;
                if :: nobodys -> turn = GONE :: else fi
            }
            if
            :: nobodys
            :: else ->
                if :: !at_home && BROKEN != 1 -> come_out() /* membarrier */ :: else fi;
                atomic { /* one look, however long it takes until it says something */
                    HOLD;
                    TURN(at_home) != TURNING || BROKEN == 2;
                    if
                    :: TURN(at_home) == IN && BROKEN != 6 -> refs++; place = HOME | ENTERED
                    :: else
                    fi
                }
            fi;
            shared = SHARED
        fi;
        rare_lock = 0
    fi;
    if :: BROKEN != 8 -> set_turn(at_home, GONE) :: else fi
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
    do
    :: atomic { HOLD; counted = shared == SHARED };
        keep_last(at_home);
        if
        :: last ->
            HOLD;
            if
            :: counted || TURN(at_home) == OUT || TURN(at_home) == NO_HOME || BROKEN == 4 ->
                atomic { locked(at_home); HOLD; assert(!within); freed = 1 };
                break
            :: else -> share(at_home)
            fi
        :: else -> break
        fi
    od
}

/* done: 1, inside now. */
inline enter_shared(at_home, me)
{
    share(at_home);
    atomic {
        HOLD;
        locked(at_home);
        done = place == 0;
        kept = (place & KEPT) != 0;
        if :: done -> place = me | ENTERED :: else fi
    }
    if
    :: !done && kept ->
        atomic { !rare_lock -> rare_lock = 1; locked(at_home) }
        atomic {
            HOLD;
            done = place == 0 || place == (me | KEPT) || (BROKEN == 9 && (place & ENTERED) == 0);
            if :: done -> place = place | me | ENTERED :: else fi
        }
        rare_lock = 0
    :: else
    fi;
    if :: done -> HOLD; refs++ :: else fi
}

/* done: 1, kept for the caller; else somebody else is inside, who may stay. */
inline keep(me)
{
    share(0);
    atomic { !rare_lock -> rare_lock = 1 }
    atomic {
        HOLD;
        done = place == 0 || BROKEN == 10;
        if :: done -> place = place | me | KEPT :: else -> place = place | KEPT fi
    }
    rare_lock = 0
}

inline unkeep()
{
    atomic { !rare_lock -> rare_lock = 1 }
    atomic {
        HOLD;
        if :: place & ENTERED -> place = place & ~KEPT :: else -> place = 0 fi
    }
    rare_lock = 0
}

inline come_in() { d_step { assert(!within); within = 1 } }

/* Where the leaver has not left as the home does. */
inline leave_shared(at_home)
{
    HOLD;
    done = shared == SHARED;
    if
    :: done
    :: !done && BROKEN == 5 -> set_turn(at_home, OUT)
    :: !done && BROKEN != 5 ->
        atomic { !rare_lock -> rare_lock = 1; locked(at_home) }
        HOLD;
        done = shared == SHARED;
        if :: !done -> set_turn(at_home, OUT) :: else fi;
        rare_lock = 0
    fi;
    if
    :: done ->
        set_turn(at_home, GONE);
        atomic {
            HOLD;
            locked(at_home);
            if :: place & KEPT -> place = place & ~ENTERED :: else -> place = 0 fi
        }
        unref(at_home)
    :: else
    fi
}

proctype Home()
{
    byte n;
    bit last, done, dropped, counted, in, nobodys, kept;
    do
    :: n < ENTERS ->
        n++;
        done = 0;
        in = 0;
        atomic {
            HOLD;
            if :: TURN(1) == NO_HOME -> locked(1); turn = IN; in = 1 :: else fi
        }
        if
        :: in
        :: !in && TURN(1) == OUT -> set_turn(1, IN); in = 1
        :: else
        fi;
        if
        :: in ->
            HOLD;
            if
            :: shared == HOMELY || BROKEN == 3 -> done = 1
            :: else ->
                share(1);
                if
                :: (place | KEPT) == (HOME | ENTERED | KEPT) || BROKEN == 7 -> done = 1
                :: else -> enter_shared(1, HOME)
                fi
            fi
        :: !in && TURN(1) == IN -> assert(MOVES) /* who is to leave has not done it yet */
        :: else -> enter_shared(1, HOME)
        fi;
        if
        :: !done -> assert(OTHERS + MOVES + KEEPS > 0)
        :: done && MOVES && n == 1 -> come_in(); atomic { come_out(); moved = 1 }
        :: done && !(MOVES && n == 1) ->
            come_in();
            if
            :: n == ENTERS -> unref(1); dropped = 1 /* while it is inside */
            :: true
            fi;
            within = 0;
            if
            :: TURN(1) == IN ->
                set_turn(1, TURNING);
                HOLD;
                if
                :: shared == HOMELY -> set_turn(1, OUT)
                :: else -> set_turn(1, IN); leave_shared(1)
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
    bit last, done, counted, nobodys;
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
    bit last, done, counted, nobodys, kept;
    if :: enter_shared(0, OTHER) :: true fi;
    if
    :: done -> come_in(); within = 0; leave_shared(0)
    :: else
    fi;
    unref(0);
    over++
}

/* What is given it runs in it, on the Keeper's thread, and so does who enters it there. */
proctype Keeper()
{
    bit last, done, counted, nobodys, kept;
    keep(KEEPER);
    if
    :: done ->
        come_in();
        within = 0;
        enter_shared(0, KEEPER);
        assert(done);
        come_in();
        within = 0;
        leave_shared(0)
    :: else
    fi;
    unkeep();
    unref(0);
    over++
}

init
{
    byte i;
    atomic {
        refs = 1 + OTHERS + MOVES + KEEPS;
        run Home();
        run Buffer();
        if :: MOVES -> run Mover() :: else fi;
        if :: KEEPS -> run Keeper() :: else fi;
        for (i : 1 .. OTHERS) { run Other() }
        i = 0
    }
    over == 1 + OTHERS + MOVES + KEEPS;
    assert(freed)
}
