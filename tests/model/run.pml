/* SPDX-License-Identifier: MIT */
/*
 * How the workers of a run find work, sleep, wake each other, and end: a model of
 * lib/task/{run,queue,real,park,inbox,pool,poll}.c for Spin. tests/model/explore.sh runs
 * it: every interleaving of each scenario at the end of this file, and each
 * BROKEN variant in the scenario that must show its fault.
 *
 * Shown, for each scenario: the run ends, in every execution (no process is left
 * waiting, and there is no cycle at all, so no execution goes on for ever); hence
 * no ready event is left, and no wake is lost: what would end a wrong sleep by chance
 * is made by the very task that is slept over. Whoever waits and can be woken is
 * never taken for deadlocked (`verdict`). No task is resumed while it is on its
 * stack, so none runs on two workers, and none before its stack was left, whether it registers
 * its wait before or after. Nothing becomes ready twice. The end is declared only when no task and no job is left.
 *
 * Which part follows which function:
 *   ready, give, rouse, mind_timer, mind_fd               run.c, the same names
 *   settle, cancel_all, break_all                         run.c, nook__ the first, or the same
 *   put, rouse_searcher, search, found, give_up, roaming  queue.c, the same names
 *   send, call, receive, doze                             inbox.c, nook__ the same
 *   poll_fds                                              poll.c nook__poller_wait
 *   Worker: loop, look_round, take, rest, watch           real.c, the same names
 *   Worker: park, commit, finish                          park.c nook__park, commit, finish;
 *   registers_itself                                      of those who have parked before
 *   Pool                                                  pool.c serve, serve_one
 *
 * What is taken apart: the run's lock is held over several steps; what an inbox's list does
 * is one step, as it is one word. That it has news (here `filled`), the rings, who searches,
 * who is idle and `finished` are read without a lock: a step each. A foreign message may be
 * overlooked by rest(), for no lock orders it. The state of an inbox changes in steps of its
 * own, after what was sent; its eventfd is written one step later still. What a thief takes
 * beyond the first is nowhere until it is in the thief's ring.
 *
 * What is wider than the code: a queue or a ring gives any of its events, not the first; a
 * thief takes one or two; any idle worker is roused; a worker looks round and switches
 * directly whenever it likes, not every 61 times; time passes when it likes.
 * A worker that lingers before it sleeps reads hints alone and changes nothing: a sleep that
 * begins late, and whatever may end it comes before or after it has begun here as well.
 * What is left out: weaker memory than these steps [queue.c says what it relies on], how a
 * ring is made [tests/model/steal.pml], and with that the list of what did not fit into one,
 * what a context does [tests/model/reader.pml], callbacks, which are events like tasks,
 * priorities by `order`, eager tasks, runs with one worker's elided lock, several jobs at once
 * in one pool, and what tasks spawn after main has ended.
 */
#ifndef W
#define W 2 /* workers */
#endif
#ifndef BROKEN
#define BROKEN 0
#endif
#ifndef SCENARIO
#define SCENARIO 1
#endif

#define N 4 /* tasks at most */
#define L 6 /* steps of a task at most */
#define LAST (W - 1)
#define NONE 255
#define BIT(t) (1 << (t))

/* What a task does. */
#define END 0
#define YIELD 1  /* nook_yield */
#define WAIT 2   /* nook_event_wait */
#define SET 3    /* nook_event_set */
#define SLEEP 4  /* nook_sleep */
#define JOB 5    /* nook_to_thread */
#define FD 6     /* nook_wait_fd */
#define WRITE 7  /* somebody writes at the other end */
#define SPAWN 8  /* nook_task_spawn */
#define JOIN 9   /* nook_task_join */
#define CANCEL 10 /* nook_task_cancel */
#define LONG 11  /* nook_sleep, so long that its time does not come */
#define MOVE 12  /* nook_task_migrate, to a worker from 0 */
#define SPIN 13  /* keeps its worker busy until an event is set */

typedef program {
    byte op[L];
    byte arg[L];
};
program prog[N];
byte expected; /* the verdict */

/* --- the run: under its lock ----------------------------------------------- */

byte run_lock = NONE;
byte timers, far;   /* sets of tasks, here and below; far: those that sleep so long */
byte armed;         /* tasks that wait for descriptors */
byte jobs, busy;
byte tasks;       /* how many are alive */
byte tasks_alive; /* and which */
byte idle;
bit is_idle[W];
byte searching;
bit is_searching[W];
byte watcher = NONE;
bit blind; /* the watcher sleeps at its inbox, and sees no descriptor */
byte polling;
bit closing, finished, verdict; /* closing: NOOK__BREAKING */
bit set[N];

/* --- tasks ------------------------------------------------------------------- */

byte home[N]; /* its worker, NONE: any worker's */
byte pc[N];
byte waits[N]; /* what it waits for, registered; END: nothing */
bit must_cancel[N], done[N], on_stack[N], is_ready[N], started[N];
bit roams[N];

/* --- each worker's own, and its inbox ------------------------------------------ */

#define AWAKE 0
#define DOZING 1
#define POLLING 2
#define CALLED 3

byte queue[W], ring[W];
byte inbox[W], messages[W];
bit filled[W];
byte state[W];

/* --- the world outside ----------------------------------------------------------- */

bit wakeup;       /* the poller's eventfd */
byte readable;    /* descriptors, a set; d is waited for by task d's FD step's argument */
byte ended;       /* workers whose loop is over */

#define users (armed != 0)
#define fd_of(t) prog[t].arg[pc[t]]
#define reports(t) ((armed & BIT(t)) && (readable & BIT(fd_of(t))))
#define any_report (reports(0) || reports(1) || reports(2) || reports(3))

inline lock() { atomic { run_lock == NONE -> run_lock = me } }
inline unlock() { run_lock = NONE }

/* --- inbox.c ------------------------------------------------------------------------ */

inline call(w)
{
    if
    :: atomic { state[w] != POLLING -> state[w] = CALLED }
    :: atomic { state[w] == POLLING -> state[w] = CALLED }
       wakeup = (BROKEN != 3)
    fi
}

/* What was put there before: calls one that sleeps. */
inline call_asleep(w)
{
    if
    :: state[w] == DOZING || state[w] == POLLING -> call(w)
    :: else
    fi
}

inline send(w, t)
{
    if
    :: BROKEN == 12 -> call_asleep(w)
    :: else
    fi;
    atomic { inbox[w] = inbox[w] | BIT(t); filled[w] = 1 }
    if
    :: BROKEN != 12 -> call_asleep(w)
    :: else
    fi
}

inline send_message(w, t)
{
    atomic { messages[w] = messages[w] | BIT(t); filled[w] = 1 }
    call_asleep(w)
}

/* on: it sleeps now. Two steps: it says so, and looks once more. */
inline fall_asleep(how)
{
    atomic {
        on = 0;
        if
        :: state[me] == AWAKE -> state[me] = how; on = 1
        :: else
        fi
    }
    if
    :: on && BROKEN != 15 -> on = !filled[me]
    :: else
    fi
}

/* until: some time will come. timed says that it has. */
inline doze(until)
{
    timed = 0;
    fall_asleep(DOZING);
    atomic {
        if /* waits here while it is DOZING */
        :: !on || state[me] != DOZING
        :: on && state[me] == DOZING && until -> timed = 1
        fi;
        on = 0
    }
    state[me] = AWAKE
}

/* --- run.c: under the run's lock ------------------------------------------------------ */

inline not_idle(w) { atomic { idle = idle - is_idle[w]; is_idle[w] = 0 } }

inline rouse(w)
{
    not_idle(w);
    call(w)
}

/* Any of them: i. */
inline idle_one()
{
    if
    :: is_idle[0] -> i = 0
    :: is_idle[1] -> i = 1
    :: is_idle[LAST] -> i = LAST
    fi
}

inline rouse_one()
{
    atomic { idle_one(); is_idle[i] = 0; idle-- }
    call(i)
}

inline mind_timer()
{
    if
    :: watcher != NONE -> call(watcher)
    :: watcher == NONE && (users || timers != 0) && idle > 0 -> rouse_one()
    :: else
    fi
}

inline mind_fd()
{
    if
    :: BROKEN == 8 && (watcher == NONE || polling == 0) -> mind_timer()
    :: BROKEN != 8 && (watcher == NONE || blind) -> mind_timer()
    :: else
    fi
}

inline give(w, t)
{
    if
    :: w == me -> queue[w] = queue[w] | BIT(t)
    :: else ->
        if
        :: BROKEN != 2 -> not_idle(w)
        :: else
        fi;
        send(w, t)
    fi
}

/* Somebody sleeps and nobody searches: that one searches from here on. */
inline rouse_searcher()
{
    if
    :: searching == 0 && BROKEN != 6 ->
        if
        :: atomic { idle > 0 -> idle_one(); is_searching[i] = 1; searching++ }
           rouse(i)
        :: idle == 0
        fi
    :: else
    fi
}

inline put(t) { ring[me] = ring[me] | BIT(t) }

inline ready(t)
{
    assert(!is_ready[t]);
    is_ready[t] = 1;
    if
    :: roams[t] && started[t] -> home[t] = NONE
    :: else
    fi;
    if
    :: home[t] == NONE -> put(t); rouse_searcher()
    :: else -> give(home[t], t)
    fi
}

/* The end of a wait: what it had registered is gone. */
inline wake(t)
{
    waits[t] = END;
    timers = timers & ~BIT(t);
    far = far & ~BIT(t);
    armed = armed & ~BIT(t);
    pc[t]++;
    ready(t)
}

/* A wait that can be interrupted ends; else the request stays. */
inline interrupt(t)
{
    if
    :: waits[t] == END || waits[t] == JOB -> must_cancel[t] = 1
    :: else -> wake(t)
    fi
}

inline cancel_all()
{
    k = 0;
    do
    :: k < N && (!done[k] && tasks > 0 && (tasks_alive & BIT(k))) -> interrupt(k); k++
    :: atomic { k < N && !(!done[k] && tasks > 0 && (tasks_alive & BIT(k))) -> k++ }
    :: atomic { k == N -> k = 0; break }
    od
}

inline break_all()
{
    closing = 1;
    cancel_all()
}

/* on: it has something now, or is finished. */
inline settle()
{
    if
    :: tasks == 0 && busy == 0 -> finished = 1; on = 1
    :: else ->
        if
        :: (busy > 0 && BROKEN != 7) || timers != 0 || users -> on = 0
        :: else -> verdict = 1; break_all(); on = 1
        fi
    fi
}

/* --- poll.c ----------------------------------------------------------------------------- */

/* watching: it may sleep, until something comes; else it only looks. */
inline poll_fds(watching, until)
{
    if
    :: BROKEN == 8 || BROKEN == 9 -> polling = 1
    :: else -> polling++
    fi;
    unlock();
    atomic {
        (!watching || wakeup || any_report || until) ->
        came = (reports(0) -> BIT(0) : 0) | (reports(1) -> BIT(1) : 0) |
               (reports(2) -> BIT(2) : 0) | (reports(3) -> BIT(3) : 0);
        /* descriptors are what is reported, not who waited */
        seen = 0;
        k = 0;
        do
        :: k < N -> if :: came & BIT(k) -> seen = seen | BIT(fd_of(k)) :: else fi; k++
        :: else -> break
        od;
        k = 0;
        came = 0;
        interrupted = wakeup;
        timed = watching && !wakeup && seen == 0
    }
    lock();
    if
    :: BROKEN == 8 || BROKEN == 9 -> polling = 0
    :: else -> polling--
    fi;
    if
    :: interrupted && (watching || BROKEN == 9) -> wakeup = 0
    :: else
    fi;
    k = 0;
    do
    :: k < N && ((armed & BIT(k)) && (seen & BIT(fd_of(k)))) -> wake(k); k++
    :: atomic { k < N && !((armed & BIT(k)) && (seen & BIT(fd_of(k)))) -> k++ }
    :: atomic { k == N -> k = 0; break }
    od;
    seen = 0;
    interrupted = 0
}

/* What is due: any of them, at least one where the time has come. */
inline timers_fire(least)
{
    on = least;
    k = 0;
    do
    :: k < N && (timers & ~far & BIT(k)) ->
        if
        :: wake(k); on = 0
        :: !on || ((timers & ~far) >> (k + 1)) != 0 -> skip
        fi;
        k++
    :: k < N && !(timers & ~far & BIT(k)) -> k++
    :: k == N -> break
    od;
    k = 0;
    on = 0
}

/* --- inbox.c, by the worker ---------------------------------------------------------- */

inline receive()
{
    do
    :: atomic {
        inbox[me] != 0 ->
        t = 0;
        do :: !(inbox[me] & BIT(t)) -> t++ :: else -> break od;
        inbox[me] = inbox[me] & ~BIT(t);
        filled[me] = (inbox[me] | messages[me]) != 0;
        queue[me] = queue[me] | BIT(t);
        t = NONE
       }
    :: atomic {
        messages[me] != 0 ->
        t = 0;
        do :: !(messages[me] & BIT(t)) -> t++ :: else -> break od;
        messages[me] = messages[me] & ~BIT(t);
        filled[me] = (inbox[me] | messages[me]) != 0
       }
       lock();
       if :: BROKEN != 10 -> busy-- :: else fi;
       wake(t);
       unlock();
       t = NONE
    :: atomic { inbox[me] == 0 && messages[me] == 0 -> filled[me] = 0; break }
    od
}

/* --- a worker ------------------------------------------------------------------------- */

/* One of a set, which is not empty, into x. */
inline any_of(from, x)
{
    atomic {
        x = 0;
        do
        :: (from & BIT(x)) -> break
        :: x < N - 1 && (from >> (x + 1)) != 0 -> x++
        od
    }
}

#define op_of(t) prog[t].op[pc[t]]
#define arg_of(t) prog[t].arg[pc[t]]

/* Registers the wait of task left. Under the lock. */
inline begin_wait()
{
    on = 0;
    if
    :: op_of(left) == WAIT -> k = arg_of(left); on = !set[k]; k = 0
    :: op_of(left) == JOIN -> k = arg_of(left); on = !done[k]; k = 0
    :: op_of(left) == SLEEP || op_of(left) == LONG ->
        on = 1;
        waits[left] = op_of(left);
        if
        :: op_of(left) == LONG -> far = far | BIT(left)
        :: else
        fi;
        if
        :: timers = timers | BIT(left); mind_timer() /* it is the first */
        :: timers != 0 -> timers = timers | BIT(left)
        fi
    :: op_of(left) == JOB && !closing ->
        on = 1;
        busy++;
        waits[left] = JOB; /* before the pool may be done with it */
        jobs = jobs | BIT(left)
    :: op_of(left) == JOB && closing
    :: op_of(left) == MOVE -> home[left] = arg_of(left)
    :: op_of(left) == FD ->
        on = 1;
        waits[left] = FD;
        armed = armed | BIT(left);
        mind_fd()
    fi;
    if
    :: on -> waits[left] = op_of(left)
    :: else -> pc[left]++; ready(left)
    fi;
    on = 0
}

/* A task yields that any worker may go on with, and not alone: without the lock. */
inline roaming()
{
    atomic {
        pc[left]++;
        assert(!is_ready[left]);
        is_ready[left] = 1;
        home[left] = NONE
    }
    put(left);
    if
    :: searching == 0 ->
        if
        :: idle > 0 -> lock(); rouse_searcher(); unlock()
        :: else
        fi
    :: else
    fi
}

inline commit()
{
    if
    :: op_of(left) == YIELD && roams[left] && !must_cancel[left] && !closing &&
       (t != NONE || queue[me] != 0 || ring[me] != 0) -> roaming()
    :: op_of(left) == YIELD && !must_cancel[left] && !closing &&
       !(roams[left] && (t != NONE || queue[me] != 0 || ring[me] != 0)) ->
        atomic {
            pc[left]++;
            assert(!is_ready[left]);
            is_ready[left] = 1;
            queue[me] = queue[me] | BIT(left)
        }
    :: else ->
        lock();
        if
        :: op_of(left) != JOB && (must_cancel[left] || closing) ->
            must_cancel[left] = 0;
            pc[left]++;
            ready(left)
        :: op_of(left) == YIELD && !(must_cancel[left] || closing) -> pc[left]++; ready(left)
        :: else -> begin_wait()
        fi;
        unlock()
    fi;
    left = NONE
}

inline finish()
{
    lock();
    done[t] = 1;
    tasks--;
    tasks_alive = tasks_alive & ~BIT(t);
    k = 0;
    do
    :: k < N && (waits[k] == JOIN && arg_of(k) == t) -> wake(k); k++
    :: atomic { k < N && !(waits[k] == JOIN && arg_of(k) == t) -> k++ }
    :: atomic { k == N -> k = 0; break }
    od;
    if
    :: t == 0 -> cancel_all()
    :: else
    fi;
    unlock();
    t = NONE
}

/* It runs here from now on. */
inline arrive()
{
    assert(!on_stack[t]);
    on_stack[t] = 1;
    started[t] = 1
}

inline set_event()
{
    lock();
    set[arg_of(t)] = 1;
    k = 0;
    do
    :: k < N && (waits[k] == WAIT && arg_of(k) == arg_of(t)) -> wake(k); k++
    :: atomic { k < N && !(waits[k] == WAIT && arg_of(k) == arg_of(t)) -> k++ }
    :: atomic { k == N -> k = 0; break }
    od;
    unlock()
}

inline spawn()
{
    lock();
    k = arg_of(t);
    if
    :: !closing ->
        tasks++;
        tasks_alive = tasks_alive | BIT(k);
        ready(k)
    :: else -> done[k] = 1
    fi;
    k = 0;
    unlock()
}

inline cancel()
{
    lock();
    k = arg_of(t);
    if
    :: !done[k] -> interrupt(k)
    :: else
    fi;
    k = 0;
    unlock()
}

/* One, which is this worker's from here on, if there is one left. */
inline pop(w)
{
    atomic {
        if
        :: ring[w] != 0 ->
            any_of(ring[w], t);
            ring[w] = ring[w] & ~BIT(t);
            home[t] = me
        :: else
        fi
    }
}

inline search()
{
    atomic {
        on = is_searching[me];
        if
        :: !on && 2 * searching < W - idle -> is_searching[me] = 1; searching++; on = 1
        :: else
        fi
    }
    do
    :: atomic { k < W && t == NONE && on ->
           if
           :: k != me ->
               pop(k);
               if
               :: t != NONE && ring[k] != 0 ->
                   any_of(ring[k], held);
                   ring[k] = ring[k] & ~BIT(held)
               :: true
               fi
           :: else
           fi;
           k++
       }
    :: atomic { k == W || t != NONE || !on -> k = 0; on = 0; break }
    od;
    if
    :: held != NONE -> put(held); held = NONE
    :: else
    fi
}

/* on: there is something in a ring. A step for each. */
inline work_left()
{
    atomic { on = ring[0] != 0; k = 1 }
    do
    :: atomic { k < W && !on -> on = ring[k] != 0; k++ }
    :: atomic { k == W || on -> k = 0; break }
    od
}

inline found()
{
    if
    :: atomic { is_searching[me] -> is_searching[me] = 0; searching--; on = searching == 0 }
        if
        :: on && idle > 0 && BROKEN != 13 ->
            work_left();
            if
            :: on -> on = 0; lock(); rouse_searcher(); unlock()
            :: else
            fi
        :: else -> on = 0
        fi
    :: !is_searching[me]
    fi
}

/* on: it may sleep. Under the lock. */
inline give_up()
{
    if
    :: atomic { is_searching[me] -> is_searching[me] = 0; searching-- }
    :: !is_searching[me]
    fi;
    atomic { is_idle[me] = 1; idle++ }
    if
    :: searching != 0 || BROKEN == 14 -> on = 1
    :: else -> work_left(); on = !on
    fi
}

#define parks(t) \
    (op_of(t) == YIELD || op_of(t) == WAIT || op_of(t) == SLEEP || op_of(t) == JOB || \
     op_of(t) == FD || op_of(t) == JOIN || op_of(t) == LONG || op_of(t) == MOVE)

/* Nobody but this worker resumes it, unless it says so. */
#define registers_itself(t) (!roams[t] && op_of(t) != MOVE)

proctype Worker(byte me)
{
    byte t = NONE, left = NONE, held = NONE, i, k, seen, came;
    bit on, timed, interrupted, until;

loop:
    if
    :: finished -> goto over
    :: else
    fi;

    /* look_round */
    if
    :: filled[me] -> receive()
    :: !filled[me] || queue[me] != 0
    fi;
    if
    :: (users || timers != 0) ->
        lock();
        timers_fire(0);
        if
        :: users && polling == 0 -> poll_fds(0, 0)
        :: else
        fi;
        unlock()
    :: true
    fi;

    /* take */
    if
    :: queue[me] != 0 -> any_of(queue[me], t); queue[me] = queue[me] & ~BIT(t)
    :: ring[me] != 0 ->
        pop(me);
        if
        :: t == NONE -> goto loop
        :: else
        fi
    :: queue[me] == 0 && ring[me] == 0 ->
        search();
        if
        :: t == NONE -> goto rest
        :: else
        fi
    fi;
    found();
    is_ready[t] = 0;

resume:
    atomic { arrive() }
    if
    :: left != NONE -> commit() /* who parked for it is registered by it */
    :: else
    fi;
    do
    :: op_of(t) == SET -> set_event(); pc[t]++
    :: op_of(t) == WRITE -> atomic { readable = readable | BIT(arg_of(t)); pc[t]++ }
    :: op_of(t) == SPAWN -> spawn(); pc[t]++
    :: op_of(t) == CANCEL -> cancel(); pc[t]++
    :: op_of(t) == WAIT && set[arg_of(t)] -> pc[t]++ /* it need not park */
    :: op_of(t) == SPIN && (set[arg_of(t)] || closing) -> pc[t]++
    :: parks(t) -> break
    :: op_of(t) == END ->
        on_stack[t] = 0;
        finish();
        goto loop
    od;

    /* park */
    left = t;
    t = NONE;
    if
    :: queue[me] != 0 && !filled[me] ->
        any_of(queue[me], t);
        queue[me] = queue[me] & ~BIT(t);
        is_ready[t] = 0
    :: ring[me] != 0 && !filled[me] ->
        pop(me);
        if
        :: t != NONE -> is_ready[t] = 0
        :: else
        fi
    :: true
    fi;
    if
    :: t != NONE && (registers_itself(left) || BROKEN == 5) ->
        came = left;
        commit();
        on_stack[came] = 0; /* the switch */
        came = 0;
        goto resume
    :: t != NONE -> on_stack[left] = 0; goto resume
    :: t == NONE -> on_stack[left] = 0; commit(); goto loop
    fi;

rest:
    lock();
    give_up();
    if
    :: on && inbox[me] != 0 && BROKEN != 1 -> on = 0
    :: on && inbox[me] == 0 && messages[me] != 0 -> on = 0
    :: !on || inbox[me] == 0 || BROKEN == 1
    fi;
    if
    :: !on -> not_idle(me); unlock(); goto loop
    :: else
    fi;
    on = 0;
    if
    :: idle >= W ->
        not_idle(me);
        settle();
        if
        :: atomic { !on -> is_idle[me] = 1; idle++ }
        :: else
        fi
    :: else
    fi;
    if
    :: !on ->
        until = (timers & ~far) != 0;
        if
        :: watcher == NONE && (users || timers != 0) ->
            watcher = me;
            timed = 0;
            if
            :: !users ->
                blind = 1;
                unlock();
                doze(until);
                lock()
            :: else ->
                fall_asleep(POLLING);
                if
                :: !on -> state[me] = AWAKE
                :: else
                fi;
                if
                :: on ->
                    poll_fds(1, until);
                    state[me] = AWAKE
                :: else
                fi
            fi;
            watcher = NONE;
            blind = 0;
            timers_fire(timed && (timers & ~far) != 0)
        :: else ->
            unlock();
            doze(0);
            lock()
        fi;
        not_idle(me);
        timed = 0;
        until = 0;
        if
        :: watcher == NONE && BROKEN != 4 -> mind_timer()
        :: else
        fi
    :: else
    fi;
    on = 0;
    if
    :: finished && BROKEN != 11 ->
        k = 0;
        do :: k < W -> rouse(k); k++ :: else -> break od;
        k = 0
    :: else
    fi;
    unlock();
    goto loop;

over:
    ended++
}

/* --- pool.c ---------------------------------------------------------------------------- */

proctype Pool()
{
    byte t;
    do
    :: atomic {
        jobs != 0 ->
        t = 0;
        do :: !(jobs & BIT(t)) -> t++ :: else -> break od;
        jobs = jobs & ~BIT(t)
       }
       if :: BROKEN == 10 -> busy-- :: else fi;
       send_message(home[t], t);
       t = 0
    :: jobs == 0 && ended == W -> break
    od
}

/* --- scenarios -------------------------------------------------------------------------- */

#define DO(t, n, what, which) prog[t].op[n] = what; prog[t].arg[n] = which

init
{
    byte i;
    atomic {
        for (i : 0 .. N - 1) { home[i] = NONE }
        home[0] = 0;
#if SCENARIO == 1
        /* Two that ping and pong by events, each on its worker, and one moves: a wake in
         * flight. */
        home[1] = LAST;
        DO(0, 0, SPAWN, 1); DO(0, 1, WAIT, 1); DO(0, 2, SET, 2); DO(0, 3, JOIN, 1);
        DO(1, 0, SET, 1); DO(1, 1, WAIT, 2); DO(1, 2, MOVE, 0);
#elif SCENARIO == 2
        /* Two for whoever is free, and a job. */
        DO(0, 0, SPAWN, 1); DO(0, 1, SPAWN, 2); DO(0, 2, JOIN, 1); DO(0, 3, JOIN, 2);
        DO(1, 0, JOB, 0); DO(1, 1, SET, 1);
        DO(2, 0, WAIT, 1);
#elif SCENARIO == 3
        /* Sleepers and a job: the watch goes from one to the other. */
        home[1] = LAST;
        DO(0, 0, SPAWN, 1); DO(0, 1, SLEEP, 0); DO(0, 2, SET, 1); DO(0, 3, JOIN, 1);
        DO(1, 0, SLEEP, 0); DO(1, 1, WAIT, 1); DO(1, 2, JOB, 0); DO(1, 3, SLEEP, 0);
#elif SCENARIO == 4
        /* A descriptor that only the task makes readable whom the watcher must be told of. */
        home[1] = LAST;
        DO(0, 0, SPAWN, 1); DO(0, 1, SPAWN, 2); DO(0, 2, YIELD, 0); DO(0, 3, SET, 1);
        DO(0, 4, JOIN, 2);
        DO(1, 0, WAIT, 1); DO(1, 1, WRITE, 0);
        home[2] = 0;
        DO(2, 0, FD, 0);
#elif SCENARIO == 5
        /* Nobody will ever set 3: a deadlock, and it must be said. */
        expected = 1;
        home[1] = LAST;
        DO(0, 0, SPAWN, 1); DO(0, 1, SPAWN, 2); DO(0, 2, JOIN, 1);
        DO(1, 0, WAIT, 3); DO(1, 1, YIELD, 0);
        DO(2, 0, JOB, 0); DO(2, 1, SET, 1);
#elif SCENARIO == 6
        /* Main ends first: everybody is asked to stop, also who is at a job. */
        home[1] = LAST;
        DO(0, 0, SPAWN, 1); DO(0, 1, SPAWN, 2); DO(0, 2, YIELD, 0);
        DO(1, 0, WAIT, 3); DO(1, 1, SLEEP, 0);
        DO(2, 0, JOB, 0);
#elif SCENARIO == 7
        /* One descriptor's wait is cancelled and another's begins, while somebody looks
         * and another sleeps for a timer that is far. With three workers. */
        home[1] = 1;
        home[2] = LAST;
        home[3] = 0;
        DO(0, 0, SPAWN, 1); DO(0, 1, SPAWN, 3); DO(0, 2, JOIN, 1); DO(0, 3, CANCEL, 3);
        DO(0, 4, JOIN, 3);
        DO(1, 0, SPAWN, 2); DO(1, 1, FD, 0); DO(1, 2, FD, 1);
        DO(2, 0, WRITE, 1); DO(2, 1, CANCEL, 1);
        DO(3, 0, LONG, 0);
#elif SCENARIO == 8
        /* A worker is busy until another's timer has come: it must not keep the watch. */
        home[1] = LAST;
        DO(0, 0, SPAWN, 1); DO(0, 1, SLEEP, 0); DO(0, 2, SPIN, 1); DO(0, 3, JOIN, 1);
        DO(1, 0, SLEEP, 0); DO(1, 1, SET, 1);
#elif SCENARIO == 9
        /* A worker is busy until the task has run that it put where any may take it. */
        DO(0, 0, SPAWN, 1); DO(0, 1, SPIN, 1); DO(0, 2, JOIN, 1);
        DO(1, 0, SET, 1);
#elif SCENARIO == 10
        /* One that roams yields, and its worker is busy until it has gone on. */
        roams[1] = 1;
        DO(0, 0, SPAWN, 1); DO(0, 1, WAIT, 1); DO(0, 2, SPIN, 2); DO(0, 3, JOIN, 1);
        DO(1, 0, SET, 1); DO(1, 1, YIELD, 0); DO(1, 2, SET, 2);
#elif SCENARIO == 11
        /* Two for whoever is free, and who takes the first is busy until the second has run.
         * With three workers. */
        DO(0, 0, SPAWN, 1); DO(0, 1, SPAWN, 2); DO(0, 2, SPIN, 2); DO(0, 3, JOIN, 1);
        DO(0, 4, JOIN, 2);
        DO(1, 0, SPIN, 2);
        DO(2, 0, SET, 2);
#elif SCENARIO == 12
        /* Two that roam, wait and are woken, and one that stays. */
        roams[1] = 1;
        roams[2] = 1;
        DO(0, 0, SPAWN, 1); DO(0, 1, SPAWN, 2); DO(0, 2, JOIN, 1); DO(0, 3, JOIN, 2);
        DO(1, 0, WAIT, 1); DO(1, 1, YIELD, 0);
        DO(2, 0, YIELD, 0); DO(2, 1, SET, 1);
#endif
        tasks = 1;
        tasks_alive = 1;
        is_ready[0] = 1;
        inbox[0] = 1;
        filled[0] = 1;
        state[0] = CALLED;
        for (i : 0 .. W - 1) { run Worker(i) }
        run Pool();
        i = 0
    }
    ended == W;
    assert(finished && tasks == 0 && busy == 0 && jobs == 0);
    for (i : 0 .. W - 1) { assert(queue[i] == 0 && ring[i] == 0) }
    assert(verdict == expected)
}
