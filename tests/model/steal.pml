/* SPDX-License-Identifier: MIT */
/*
 * The rings of a run's workers, the list that all share, and whose an event is: a model
 * of lib/task/queue.c for Spin. tests/model/explore.sh runs it, and each BROKEN variant.
 *
 * One worker makes events, the others have none of their own; each takes from its ring, the
 * list, its inbox or another's ring, in any order. Meanwhile somebody binds one of the events.
 *
 * Shown: every event is run, by one worker, once; nothing stays behind; there is no cycle,
 * so who tries again does so because somebody else got on; and who bound an event was told
 * where it runs.
 *
 * Which part follows which function: put, share, pop, take_shared, steal, claim, bind:
 * queue.c, the same names (bind: nook__bind). Every load and store of a head, a tail, a slot
 * and an event's worker is a step; a lock's section is one.
 * What is left out: weaker memory than these steps, which the comments in queue.c argue
 * about and ThreadSanitizer watches; counters that wrap, for those of 64 bits do not; who
 * sleeps, and who wakes whom [tests/model/run.pml].
 */
#ifndef R
#define R 2 /* slots of a ring */
#endif
#ifndef W
#define W 2 /* workers */
#endif
#ifndef E
#define E 4 /* events */
#endif
#ifndef BROKEN
#define BROKEN 0
#endif

#define HALF (R / 2)
#define ANY 255
#define NONE 255
#define BIT(e) (1 << (e))
#define AT(w, n) slot[(w) * R + (n) % R]
#define BOUND (E / 2) /* the event that somebody binds */

byte head[W], tail[W];
byte slot[W * R];
byte shared; /* sets of events, here and below */
byte inbox[W];
byte word[E]; /* whose it is */
bit ran[E];
byte by[E];
byte count;
byte told = NONE;

/* 1: what lies from h, n long, is the caller's. */
inline advance(w, h, n, won)
{
    atomic {
        if
        :: head[w] == h || BROKEN == 2 -> head[w] = h + n; won = 1
        :: else -> won = 0
        fi
    }
}

inline put(e)
{
    do
    :: h = head[me];
        if
        :: tail[me] - h < R ->
            if
            :: BROKEN == 4 -> tail[me]++; AT(me, tail[me] - 1) = e
            :: else -> AT(me, tail[me]) = e; tail[me]++
            fi;
            break
        :: else ->
            advance(me, h, HALF, won);
            if
            :: won ->
                atomic { /* share */
                    k = 0;
                    do
                    :: k < HALF -> shared = shared | BIT(AT(me, h + k)); k++
                    :: else -> break
                    od;
                    shared = shared | BIT(e);
                    k = 0
                }
                break
            :: else
            fi
        fi
    od;
    h = 0;
    won = 0
}

/* Into x; NONE: it is empty. */
inline pop()
{
    do
    :: h = head[me];
        if
        :: h == tail[me] -> break
        :: else
        fi;
        x = AT(me, h);
        advance(me, h, 1, won);
        if
        :: won -> break
        :: else -> x = NONE
        fi
    od;
    h = 0;
    won = 0
}

inline any_of(from, e)
{
    e = 0;
    do
    :: (from & BIT(e)) -> break
    :: (from >> (e + 1)) != 0 -> e++
    od
}

/* One or two: the second goes into the ring. */
inline take_shared()
{
    atomic {
        if
        :: shared != 0 ->
            any_of(shared, x);
            shared = shared & ~BIT(x);
            if
            :: shared != 0 -> any_of(shared, y); shared = shared & ~BIT(y)
            :: true
            fi
        :: else
        fi
    }
    if
    :: y != NONE -> put(y); y = NONE
    :: else
    fi
}

/* The first into x, the others into the ring, which is empty. */
inline steal(v)
{
    do
    :: h = head[v];
        n = tail[v] - h;
        n = n - n / 2;
        if
        :: n == 0 -> break
        :: n > HALF -> skip
        :: n > 0 && n <= HALF ->
            if
            :: BROKEN == 1 -> advance(v, h, n, won)
            :: else
            fi;
            x = AT(v, h);
            k = 1;
            do
            :: k < n -> AT(me, tail[me] + k - 1) = AT(v, h + k); k++
            :: else -> break
            od;
            k = 0;
            if
            :: BROKEN != 1 -> advance(v, h, n, won)
            :: else
            fi;
            if
            :: won ->
                tail[me] = tail[me] + n - 1;
                break
            :: else -> x = NONE
            fi
        fi
    od;
    h = 0;
    n = 0;
    won = 0
}

/* x is run here, or goes where it was bound to. */
inline claim()
{
    if
    :: word[x] == ANY ->
        if
        :: BROKEN == 3 -> word[x] = me
        :: else ->
            atomic {
                if
                :: word[x] == ANY -> word[x] = me
                :: else
                fi
            }
        fi
    :: else
    fi;
    if
    :: word[x] == me -> run_it()
    :: else -> atomic { inbox[word[x]] = inbox[word[x]] | BIT(x); x = NONE }
    fi
}

inline run_it()
{
    atomic {
        assert(!ran[x]);
        ran[x] = 1;
        by[x] = me;
        count++;
        x = NONE
    }
}

#define is_empty(w) (head[w] == tail[w])

proctype Worker(byte me)
{
    byte made, h, n, k, x = NONE, y = NONE;
    bit won;
    do
    :: me == 0 && made < E -> put(made); made++
    :: inbox[me] != 0 ->
        atomic { any_of(inbox[me], x); inbox[me] = inbox[me] & ~BIT(x) }
        claim()
    :: !is_empty(me) ->
        pop();
        if
        :: x != NONE -> claim()
        :: else
        fi
    :: is_empty(me) && shared != 0 ->
        take_shared();
        if
        :: x != NONE -> claim()
        :: else
        fi
    :: is_empty(me) && !is_empty((me + 1) % W) ->
        steal((me + 1) % W);
        if
        :: x != NONE -> claim()
        :: else
        fi
    :: W > 2 && is_empty(me) && !is_empty((me + 2) % W) ->
        steal((me + 2) % W);
        if
        :: x != NONE -> claim()
        :: else
        fi
    :: count == E -> break
    od
}

/* To the last worker, unless it was another's. */
proctype Binder()
{
    byte whose;
    do
    :: whose = word[BOUND];
        atomic {
            if
            :: word[BOUND] == whose ->
                word[BOUND] = (whose == ANY -> W - 1 : whose);
                told = word[BOUND];
                break
            :: else
            fi
        }
    od
}

init
{
    byte i;
    atomic {
        for (i : 0 .. E - 1) { word[i] = ANY }
        for (i : 0 .. W - 1) { run Worker(i) }
        run Binder();
        i = 0
    }
    _nr_pr == 1;
    for (i : 0 .. W - 1) { assert(is_empty(i) && inbox[i] == 0) }
    for (i : 0 .. E - 1) { assert(ran[i]) }
    assert(shared == 0);
    assert(told == by[BOUND])
}
