/* SPDX-License-Identifier: MIT */
/*
 * What the modules of this room share.
 *
 * A run has workers, and everything else that tasks wait for. One lock, the
 * run's, guards all of it but what only a task itself or one worker touches. It is
 * never held over a switch or a callback. A run with one worker has no use for it
 * and does not take it: other threads reach a run through inboxes alone.
 *
 * A worker's queue is its own: tasks that yield to each other there take no lock
 * and read no clock. What another thread has for it comes into its inbox.
 *
 * Nobody resumes a stack that has not been left. A task that any worker may resume
 * parks by leaving its stack first: whoever runs next on that worker, a task or the
 * worker itself, then registers the wait. One that stays registers it before.
 *
 * A run is driven for real (real.c), or by choices (schedule.c). They differ in
 * how they find the next event and what the clock says, and in nothing else.
 */
#ifndef NOOK__RUN_H
#define NOOK__RUN_H

#include <nook/dump.h>
#include <nook/loop.h>
#include <nook/schedule.h>
#include <nook/task.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "annotate.h"
#include "base/alone.h"
#include "base/thread_word.h"
#include "overflow.h"
#include "stack.h"
#include "switch.h"

struct nook__run;
struct nook__worker;
struct nook__room;
struct nook__deadline;

/* --- lists ---------------------------------------------------------------- */

struct nook__link {
    struct nook__link *prev, *next;
};

static inline void nook__list_init(struct nook__link *list)
{
    list->prev = list->next = list;
}

static inline int nook__list_empty(const struct nook__link *list)
{
    return list->next == list;
}

static inline void nook__list_append(struct nook__link *list, struct nook__link *link)
{
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}

/* Leaves the link itself as it is. */
static inline void nook__list_unlink(const struct nook__link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
}

/* Harmless on a link that is in no list but was initialised. */
static inline void nook__list_remove(struct nook__link *link)
{
    nook__list_unlink(link);
    nook__list_init(link);
}

/* The second stands in the list where the first did, if that was in one. */
static inline void nook__list_replace(struct nook__link *old, struct nook__link *link)
{
    if (nook__list_empty(old)) {
        nook__list_init(link);
        return;
    }
    link->next = old->next;
    link->prev = old->prev;
    link->next->prev = link;
    link->prev->next = link;
    nook__list_init(old);
}

/* Takes the first out of a list that is not empty. */
static inline struct nook__link *nook__list_pop(struct nook__link *list)
{
    struct nook__link *link = list->next;
    list->next = link->next;
    link->next->prev = list;
    nook__list_init(link);
    return link;
}

/* What lies on everybody's way, and has few callers. */
#define NOOK__INLINED static inline __attribute__((always_inline))

#define NOOK__CONTAINER(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* --- events: what a worker can do next ------------------------------------ */

enum nook__event_kind { NOOK__TASK, NOOK__CALLBACK, NOOK__MESSAGE, NOOK__FAILURE };

struct nook__event {
    struct nook__switch sw; /* of a task, but here: so who is next but one can be fetched */
    struct nook__link link; /* in a queue while ready */
    atomic_int ready;       /* 0: in no queue; NOOK__URGENT: at the head of its worker's */
    atomic_uint look;       /* why a yield from it or to it is more than a switch: below */
    enum nook__event_kind kind;
    atomic_uint worker; /* whose it is, from 1; 0: any worker's, until one takes it */
    uint64_t order; /* where the tail of its worker's ring was when it came into the queue */
};

/*
 * In `look`, which is all that a yield asks, of who yields and of who is next. With several
 * workers who cancels a task writes there as well as the task's own worker.
 */
enum {
    NOOK__OTHER = 1,      /* no task, or of a run whose tasks go through the worker */
    NOOK__NEW = 2,        /* has not started */
    NOOK__UNUSUAL = 4,    /* it ends, or carries a signal mask */
    NOOK__ROAMED = 8,     /* it could roam when somebody looked last */
    NOOK__TO_CANCEL = 16, /* one of the requests is still to be delivered */
    NOOK__TOLD = 32,      /* one was delivered, and it has not run since */
    NOOK__ANSWERED = 64   /* its wait came to something else than 0, which its park returns */
};

/* Runs before all others, which is for eager tasks and who makes them. */
enum { NOOK__URGENT = 2 };

/* In `worker`: a task that any worker may go on with. Queues alone take it away and add it. */
#define NOOK__ROAMS (1U << 31)

static inline unsigned nook__home(const struct nook__event *event)
{
    return atomic_load_explicit(&event->worker, memory_order_relaxed) & ~NOOK__ROAMS;
}

static inline int nook__stays(const struct nook__event *event)
{
    return (atomic_load_explicit(&event->worker, memory_order_relaxed) & NOOK__ROAMS) == 0;
}

/* One that is in no queue. */
static inline void nook__home_set(struct nook__event *event, unsigned worker)
{
    atomic_store_explicit(&event->worker, worker, memory_order_relaxed);
}

/* What another thread wants done on a worker: deliver runs there, under the run's lock. */
struct nook__message {
    struct nook__event event;
    void (*deliver)(struct nook__run *run, struct nook__message *message);
};

/* --- inboxes ------------------------------------------------------------------- */

/* Where a worker sleeps, and what others have for it. */
enum { NOOK__AWAKE, NOOK__DOZING, NOOK__POLLING, NOOK__CALLED };

struct nook__inbox {
    _Atomic(struct nook__link *) events; /* the last one, which leads to those before it */
    atomic_uint state;                   /* a futex */
    _Atomic uint64_t called;             /* when, in its sleep; 0: it was not */
    struct nook__link taken;             /* the worker's: what it has not dealt with yet */
};

/* Something has come: a hint, but for whoever sent it. */
static inline int nook__inbox_news(const struct nook__inbox *inbox)
{
    return atomic_load_explicit(&inbox->events, memory_order_relaxed) != NULL;
}

/* By the worker: there is something to be received, be it new or left. */
static inline int nook__inbox_full(const struct nook__inbox *inbox)
{
    return nook__inbox_news(inbox) || !nook__list_empty(&inbox->taken);
}

void nook__inbox_open(struct nook__inbox *inbox);
/* Any thread, as long as the run cannot end until they return. */
void nook__send(struct nook__worker *to, struct nook__event *event);
void nook__call(struct nook__worker *to);
/* By the worker. Some of what has come goes into its queue, or is delivered. */
void nook__receive(struct nook__worker *worker);
/* The same until nothing is left: for the end, when nobody sends any more. */
void nook__receive_all(struct nook__worker *worker);
/* By the worker: sleeps until something comes, it is called, or that time; UINT64_MAX: never.
 */
void nook__doze(struct nook__worker *worker, uint64_t until);
/* By the worker, before a sleep: waits a little, awake, for what would end it. */
void nook__linger(struct nook__worker *worker, uint64_t until, int polls);
/* By the worker, round a sleep in the poller. 0: something came before, do not sleep. */
int nook__poll_begin(struct nook__worker *worker);
void nook__poll_end(struct nook__worker *worker);

/* --- timers --------------------------------------------------------------------- */

struct nook__timer {
    uint64_t when;
    uint64_t number; /* first come, first fired */
    size_t place;    /* in the heap, from 1; 0: not there */
    void (*fire)(struct nook__run *run, struct nook__timer *timer);
};

struct nook__timers {
    struct nook__timer **heap; /* from 1 */
    _Atomic size_t n;          /* written under the lock */
    size_t room;
    uint64_t number;
};

/* Due `ns` from now, for ever at most. NOOK_ENOMEM. Under the lock. */
int nook__timer_add(struct nook__run *run, struct nook__timer *timer, uint64_t ns);
/* Due at `when` on the run's clock, or at once where that has passed. */
int nook__timer_at(struct nook__run *run, struct nook__timer *timer, uint64_t when);
void nook__timer_remove(struct nook__run *run, struct nook__timer *timer);
/* Fires what is due at `now`. */
void nook__timers_fire(struct nook__run *run, uint64_t now);
/* When the first is due; UINT64_MAX: never. */
uint64_t nook__timers_next(const struct nook__run *run);

/* --- waits ---------------------------------------------------------------- */

/*
 * Why a task is parked. It lives on the task's stack. All members are called by
 * a worker under the run's lock.
 */
struct nook__wait {
    int result;
    /* Its end hands nothing over that could be lost: a cancel that comes between the
     * end and the task's next step still counts for it, as asyncio's do. */
    int empty;
    /* 1: there is nothing to wait for any more, with `result`. Asked before `begin`. NULL:
     * there is. */
    int (*over)(struct nook__wait *wait);
    /* Registers the wait: 1 if it waits now, 0 if it is over, with `result`; it may have
     * queued the task itself. NULL: a yield. */
    int (*begin)(struct nook__wait *wait, nook_task *task);
    /* Takes the registration back. NULL: the wait cannot be interrupted. */
    void (*undo)(struct nook__wait *wait, nook_task *task);
    /* A cancel goes on to who is waited for: the next of them, or NULL; `again`
     * begins with the first. NULL: it ends the wait. */
    nook_task *(*next)(struct nook__wait *wait, int again);
    const char *kind; /* what is waited for, for reports: static; NULL: not said */
    void *caller;     /* whom the public function returns to; NULL: not said */
};

/* In the initialiser of a wait, in the public function itself. */
#define NOOK__CALLER __builtin_extract_return_addr(__builtin_return_address(0))
#define NOOK__WAITS(what) .kind = (what), .caller = NOOK__CALLER

/* By the worker: the new task, which is urgent, runs until it parks, and then the caller goes
 * on. */
void nook__run_at_once(nook_task *task);
/* Parks the calling task. Returns the wait's result. NOOK_ENOTASK. */
int nook__park(struct nook__wait *wait);
/*
 * Parks the calling task, which is `seated` and has registered its wait itself, without a
 * frame: the wait lies in the slot of its life, and is not `empty`. Under the lock, which is
 * given up. `next` is what the other found; NULL: it must be nook__park.
 */
struct nook__body *nook__park_next(struct nook__worker *worker, struct nook__body *task);
int nook__park_off(struct nook__worker *worker, struct nook__body *task,
                   struct nook__body *next, struct nook__wait *wait);
/* Ends the wait of a parked task. Under the lock. */
void nook__wake(nook_task *task, int result);
/* Ends any wait that can be interrupted, without asking what is waited for. */
void nook__interrupt(nook_task *task);
/* A cancel of a task goes on to whom it waits for. */
void nook__pass_on(nook_task *task);
/* 1: a request was still to be delivered to the calling task, and now has been. */
int nook__take_cancel(nook_task *task);
/* 1: it is of another run, and has not ended. Any thread. */
int nook__task_foreign(const nook_task *task);
/* What the calling task may wait for: 0, or why not. */
int nook__tasks_check(nook_task *const *tasks, size_t n);
/* One request more, or less: returns how many remain. Under the lock. */
void nook__cancel(nook_task *task);
unsigned nook__uncancel(nook_task *task);

/* Ends the deadlines that the task has entered since `outer`; NULL: all. 1: there were some. */
int nook__deadlines_left(nook_task *task, const struct nook__deadline *outer);
/* A scope of the task was left open that was entered there. */
void nook__scope_left(const nook_task *task, const char *file, unsigned line);

/* nook_event_set, under the lock. */
void nook__event_set(nook_event *event);

/* --- tasks ---------------------------------------------------------------- */

/* Somebody who hears of the end of a task: once, out of the list, under the lock. */
struct nook__joiner {
    struct nook__link link;
    void (*ended)(struct nook__joiner *joiner, nook_task *task);
    void *owner;
};

struct nook__at_end {
    struct nook__at_end *next;
    void (*fn)(void *user);
    void *user;
};

/* Where a scope was entered, and how many are round it, itself among them. */
struct nook__place {
    const char *file;
    unsigned line, depth;
};

enum { NOOK__LINE = 64, NOOK__SLOT = 128 };

/*
 * What a task has while it has a stack, at whose end this lies. Who has not started or has
 * ended has nook__unborn, where everything is zero, and which nobody may write.
 */
struct nook__life {
    struct nook__wait *wait;
    atomic_uintptr_t stack_low; /* 0: it has none */
    struct nook__at_end *ends;
    struct nook__deadline *deadline; /* the innermost that it has entered */
    struct nook__place scope;        /* its innermost group */
    struct nook__mask *mask;         /* NULL: it never set one */
    nook_task *passed_by;            /* a cancel goes through here, and came from there */
    const nook_site *at;             /* where it says that it parks */
    int saved_errno;
    unsigned turns; /* of I/O, since it parked for that */
    int answer;     /* what its wait came to: see NOOK__ANSWERED */
    unsigned char ending, passing, passed_on;
    unsigned char moved;  /* it said where it resumes */
    unsigned char seated; /* it has been at the end of its stack, whose room is in use */
    /* Up to here it is zero in the beginning. */
    _Alignas(16) struct nook__link members; /* of the groups that it has entered */
    struct nook__stacks *stacks;
    struct nook__stack stack;
    struct nook__fiber fiber;
    /* The wait of one that has no frame for it. */
    _Alignas(NOOK__LINE) char slot[NOOK__SLOT];
};

extern const struct nook__life nook__unborn __attribute__((visibility("hidden")));

/*
 * What a task is to its run and to itself, in three places: where it is made; on its own stack,
 * once it has parked; and beside again when it has ended and somebody still holds it: room.c.
 * Those that are spare keep what the lists are, which is empty.
 *
 * By lines of the caches: many tasks are spawned before the first of them runs, and then it
 * counts how many lines that takes.
 */
struct nook__body {
    /* What a switch needs. */
    struct nook__event event; /* at the beginning, where what is in it is found from either */
    nook_context *chain;      /* while it does not run */
    _Atomic uint64_t parks;   /* twice how many, and 1 where the last was no yield */
    /* What others need of it: who joins it, gives it up. */
    struct nook__run *run;
    nook_task *task; /* whose it is */
    _Atomic(struct nook__life *) life;
    int shared;                /* others may use its context, which its worker keeps */
    unsigned group_depth;      /* of the group that it is in */
    struct nook__link joiners; /* in order: who waits, and who is called */
    struct nook__link all;
    /* From here on it is all zero when it is made. */
    _Alignas(16) int result;
    unsigned requests;        /* of cancellation, not taken back */
    nook_context *failed_in;  /* see failure.c */
    _Atomic uint64_t unheard; /* the run that is to hear of its error; 0: none */
    void *value;              /* the other result */
    char *text;               /* the name as others have it; NULL: nobody asked */
    unsigned char awaited;    /* the run's stage waits for its end */
    /* Up to here. The rest is given when it is made, or enlisted. */
    _Alignas(16) nook_task_fn fn;
    void *arg;
    void (*discard)(void *arg); /* in place of fn, where that never runs; NULL: nothing */
    nook_context *context;      /* held, by who is not the task itself */
    struct nook__stacks *stacks;
    /* Read by reports. */
    uint64_t id, parent; /* the task that spawned it: its number */
    uint64_t born;
    const nook_site *site; /* where it was spawned */
    char name[32];
};

#define NOOK__ZERO_FROM offsetof(struct nook__body, result)
#define NOOK__ZERO_TO offsetof(struct nook__body, fn)

/* What everybody holds of a task: it stays where it is. */
struct nook_task {
    atomic_uint refs;
    atomic_uchar done;
    atomic_uchar held; /* see nook__hold */
    union {
        struct nook__body *body;
        nook_task *spare; /* where it is none: the next of those */
    };
    struct nook__run *run;
};

static inline int nook__is(const struct nook__body *body, unsigned what)
{
    return (atomic_load_explicit(&body->event.look, memory_order_relaxed) & what) != 0;
}

void nook__mark(struct nook__body *body, unsigned what);
void nook__unmark(struct nook__body *body, unsigned what);

static inline int nook__started(const struct nook__body *body)
{
    return !nook__is(body, NOOK__NEW);
}

/* Groups deeper than that were left open: their tasks are cancelled. 1: there were some. Under
 * the lock. */
int nook__groups_left(nook_task *task, unsigned depth);
/* Hands over the task's reference to its context: nobody can ask for it any more. */
nook_context *nook__task_take_context(nook_task *task);

/* --- handles -------------------------------------------------------------- */

struct nook_handle {
    struct nook__event event;
    struct nook__link all;
    struct nook__joiner on_done;
    atomic_uint refs;
    _Atomic(struct nook__run *) run; /* NULL once it is over */
    struct nook__timer timer;
    nook_callback_fn fn;
    void *arg;
    nook_context *context; /* NULL once it is over */
    int fd;                /* -1: none */
    unsigned events;
    int running;
    int kept; /* others may use its context, which its worker keeps */
};

/* As nook__task_make; two references. */
int nook__handle_make(nook_handle **out, struct nook__run *run, nook_callback_fn fn, void *arg,
                      nook_context *context);
void nook__handle_unmake(nook_handle *handle);
/* Under the lock: one that was made elsewhere, its context promised or a copy, is to run. */
void nook__handle_deliver(struct nook__run *run, nook_handle *handle);
/* fn(arg) in the context itself, which is left as it was. In no task; no lock held. */
void nook__call_in(nook_context *context, void (*fn)(void *arg), void *arg);
/* Runs a callback that was ready. Takes over the queue's reference. No lock held. */
void nook__handle_run(nook_handle *handle);
/* Makes it ready, unless it is over. Under the lock. */
void nook__handle_ready(nook_handle *handle);
void nook__handles_drop(struct nook__run *run);
/* Gives up the callbacks that were ready when the run ended. */
void nook__queue_drop(struct nook__worker *worker);

/* --- errors that nobody asks for ------------------------------------------ */

/* By the worker, of a task that ends: 1: it has failed, and keeps its context. */
int nook__failure_keep(nook_task *task, nook_context *context);
/* Its last reference has gone: 1: it is to be reported first; 0: its context has gone, too. */
int nook__failure_last(nook_task *task);
/* Reports it. No lock held. */
void nook__failure_run(nook_task *task);

/* Of a task that has ended: the result, which somebody asks for. */
static inline int nook__result(nook_task *task)
{
    if (task->body->result < 0)
        atomic_store_explicit(&task->body->unheard, 0, memory_order_relaxed);
    return task->body->result;
}

/* --- descriptors ---------------------------------------------------------- */

struct nook__fd_user {
    nook_task *task; /* one of the two */
    nook_handle *handle;
};

struct nook__poller {
    int epoll, wakeup;
    struct nook__fd_entry {
        struct nook__fd_user reader, writer;
        unsigned armed, mute;
        uint32_t generation; /* how often it was armed */
    } * entries;
    size_t room;
    _Atomic size_t users; /* written under the lock */
};

int nook__poller_open(struct nook__poller *poller);
void nook__poller_close(struct nook__poller *poller);
int nook__poller_add(struct nook__run *run, int fd, unsigned events, struct nook__fd_user user);
void nook__poller_remove(struct nook__run *run, int fd, unsigned events);
/* Wakes every task that waits for the descriptor, with -EBADF, and forgets it. NOOK_EBUSY:
 * a handle has it. */
int nook__poller_evict(struct nook__run *run, int fd);
/* The handle's callback is over: its descriptor may report again. */
void nook__poller_unmute(struct nook__run *run, const nook_handle *handle);
/* Waits without the lock, which is held before and after; -1: for ever. Wakes who is ready.
 * The poller is open. */
void nook__poller_wait(struct nook__run *run, int64_t ns);
void nook__poller_interrupt(struct nook__poller *poller);
/* A hint: it has something to report, and still has afterwards. Any worker; no lock. */
int nook__poller_reports(const struct nook__poller *poller);

/* --- jobs on other threads ------------------------------------------------ */

struct nook__job {
    struct nook__wait wait;
    struct nook__link link;
    struct nook__message back;
    nook_task *task;
    unsigned home; /* whose inbox it comes back to */
    nook_task_fn fn;
    void *arg;
    nook_context *context; /* NULL: the thread's own */
    int result;
};

struct nook__pool {
    pthread_mutex_t lock; /* of all but `busy` */
    struct nook__link jobs;
    pthread_cond_t work;
    pthread_t *threads;
    unsigned n, idle, queued, limit;
    int closing;
    unsigned busy; /* jobs queued, running, or not yet delivered; the run's */
};

void nook__pool_open(struct nook__pool *pool, unsigned limit);
void nook__pool_close(struct nook__run *run);

/* --- runs ----------------------------------------------------------------- */

struct nook__sizes {
    struct nook__sizes *next;
    struct nook__stacks *stacks;
    size_t size;
};

/*
 * Looks at the workers' turns. Its lock keeps a task alive that it has found on a
 * worker: who ends one passes through it.
 */
struct nook__watchdog {
    pthread_mutex_t lock;
    pthread_cond_t told_to_stop;
    pthread_t thread;
    int on, stop;
    struct nook__watched {
        uint64_t turn, since;
        int told;
    } * workers;
};

/*
 * What a worker keeps of tasks that have ended, for the next: the last come is the next to go,
 * for it is in the caches. Only the worker touches it.
 */
enum { NOOK__TASKS_KEPT = 10240, NOOK__STACKS_KEPT = 16 };

struct nook__spares {
    struct nook__body *pairs;  /* each with its record: a list, by `value` */
    struct nook__body *bodies; /* without one: the same */
    nook_task *tasks;          /* records alone: a list, by `spare` */
    unsigned n_bodies;         /* in both lists */
    unsigned n_tasks, most;
    int watched; /* a tool looks at each use of memory, and must be told of a stack's */
    unsigned n_stacks;
    struct nook__stacks *stacks;                /* whose the stacks are */
    struct nook__life *life[NOOK__STACKS_KEPT]; /* at their ends */
};

void nook__spares_open(struct nook__spares *spares);
/* Nobody runs on the worker any more. */
void nook__spares_close(struct nook__spares *spares);
/* By the worker: the end of a stack, of a kept one or of one from nook__stack_get, and back. */
int nook__spare_stack_get(struct nook__worker *worker, struct nook__stacks *stacks,
                          struct nook__life **out);
void nook__spare_stack_put(struct nook__worker *worker, struct nook__life *life);

/*
 * What any worker may take, first come, first out: put in by its worker alone. `head` and
 * `tail` count for ever. Thieves write the one, its worker the other: each has a line.
 */
enum { NOOK__RING = 256 };

struct nook__ring {
    char before[NOOK__LINE];
    _Atomic uint64_t head; /* how many were taken out */
    char between[NOOK__LINE - sizeof(uint64_t)];
    _Atomic uint64_t tail; /* how many were put in */
    char behind[NOOK__LINE - sizeof(uint64_t)];
    _Atomic(struct nook__event *) slots[NOOK__RING];
};

/* What came out of full rings. Its lock is the last one that anybody takes. */
struct nook__shared {
    pthread_mutex_t lock;
    struct nook__link events;
    atomic_uint n;
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): it lies by lines of the caches */
struct nook__worker {
    unsigned index;
    uint32_t number; /* its thread's, by which it keeps contexts: contextlocal/keep.h */
    struct nook__run *run;
    _Atomic(struct nook__body *) current;
    _Atomic uint64_t turns; /* tasks and callbacks that it has turned to */
    struct nook__link *at;  /* whose place in its queue is now: its own, or that of who runs */
    uint64_t due;           /* at that turn it looks round */
    atomic_int busy;        /* with one of them */
    struct nook__wait *parking; /* why the current task leaves */
    struct nook__body *left; /* who left for the one that runs now, and is not dealt with yet */
    nook_context *own;       /* its own chain, while a task runs */
    int ending; /* a task, perhaps on that one's stack: nothing can be run at once meanwhile */
    struct nook__switch sw;
    struct nook__fiber fiber;
    struct nook__link queue; /* its own place in its queue */
    struct nook__spares spares;
    unsigned random;         /* where it begins to search */
    unsigned in_vain;        /* how often in a row it has lingered so, */
    unsigned sleeps_at_once; /* and that many times it does not linger now */
    int64_t wake_ns; /* from a call to the end of its sleep, on average; 0: not known yet */
    struct nook__ring ring;
    /* What others write who have something for it, on a line of its own. */
    _Alignas(NOOK__LINE) struct nook__inbox inbox;
    _Atomic uint64_t straight; /* before that turn tasks yield straight to each other */
    int idle;                  /* it sleeps and was not called; the run's */
    int searching; /* it counts among those who search; the run's while it is idle */
    _Alignas(NOOK__LINE) pthread_t thread;
    struct nook__overflow_thread overflow;
    char described[256]; /* who overflowed */
};

/*
 * How far a run has come. A stage is over when those tasks have ended that it waits for:
 * main; whoever was there when main ended, cancelled once; whoever those have spawned,
 * cancelled once in turn, after which there can be no others.
 */
enum nook__stage {
    NOOK__OPEN,
    NOOK__ENDING,
    NOOK__LATE,    /* nothing new is taken: no task, no callback */
    NOOK__OVER,    /* no task is left */
    NOOK__BREAKING /* nothing could wake anybody: parks answer NOOK_ECANCELED from here on */
};

struct nook__run {
    struct nook__link known; /* in the list of those that reports tell of */
    uint64_t number;
    unsigned char solo;   /* one worker: nobody takes the lock */
    unsigned char direct; /* tasks may switch to each other without the worker */
    unsigned char migrate, save_errno;
    struct nook__worker *only; /* where there is one, and no schedule */
    struct nook__worker *workers;
    unsigned n_workers;
    unsigned real_workers; /* threads; 1 in a schedule */
    nook_task_hooks hooks;
    size_t stack_size;
    struct nook__stacks *stacks; /* of that size, once there are any */
    struct nook__sizes **sizes;
    nook_schedule *schedule;
    atomic_int stage;    /* enum nook__stage; written under the lock */
    atomic_int finished; /* nothing is left */
    /* What every turn reads is before this, what changes all the time behind it. */
    _Alignas(NOOK__LINE) pthread_mutex_t lock;
    struct nook__link tasks, handles;
    struct nook__shared shared;
    struct nook__timers timers;
    struct nook__poller poller;
    struct nook__pool pool;
    char next_name[32]; /* of a task without one: after its place in the run */
    unsigned name_length;
    nook_task *main;
    size_t awaited; /* tasks whose end the stage waits for */
    int deadlocked;
    atomic_uint idle;      /* workers that sleep and were not called; written under the lock */
    atomic_uint searching; /* workers with nothing to do that look for it */
    atomic_int polling;    /* how many workers are in the poller; written under the lock */
    struct nook__worker *watcher; /* who minds the timers and descriptors in its sleep */
    nook_loop *loop;              /* once somebody asked for it */
    int blind;                    /* the watcher sleeps at its inbox: no descriptors */
    unsigned processors;          /* that it may use; 0: workers do not linger */
    uint64_t now;                 /* of a schedule */
    unsigned next_worker;         /* of a schedule: where the next new task goes */
    unsigned outside;             /* of a schedule: descriptors' callbacks in a row */
    nook_watch watch;
    struct nook__watchdog watchdog;
};

static inline int nook__lingers(const struct nook__run *run)
{
    return run->processors != 0;
}

static inline void nook__lock(struct nook__run *run)
{
    if (!run->solo)
        pthread_mutex_lock(&run->lock);
}

static inline void nook__unlock(struct nook__run *run)
{
    if (!run->solo)
        pthread_mutex_unlock(&run->lock);
}

static inline void nook__body_clear(struct nook__body *body)
{
    memset((char *)body + NOOK__ZERO_FROM, 0, NOOK__ZERO_TO - NOOK__ZERO_FROM);
}

/*
 * While a task is held its body stays where it is: for threads that have no lock of its run.
 * What the one returns goes into the other.
 */
int nook__hold(const nook_task *task);
void nook__let_go(const nook_task *task, int held);

/* 1: nothing new is taken. It may be so a moment later: who takes it asks under the lock. */
static inline int nook__late(const struct nook__run *run)
{
    return atomic_load_explicit(&run->stage, memory_order_relaxed) >= NOOK__LATE;
}

/* 1: every park that can be interrupted answers NOOK_ECANCELED. */
static inline int nook__breaking(const struct nook__run *run)
{
    return atomic_load_explicit(&run->stage, memory_order_relaxed) == NOOK__BREAKING;
}

/* --- signal masks --------------------------------------------------------- */

/* Round a park of a task that carries one: the worker's mask, and then its own again. */
void nook__mask_off(struct nook__mask *mask);
void nook__mask_on(struct nook__mask *mask);
/* The mask that holds on this worker while the calling task is parked. */
void nook__workers_mask(sigset_t *out);

/* --- forks ---------------------------------------------------------------- */

/* Before anything else in a run: a child will find the locks of this room free. */
void nook__fork_prepare(void);
/* How many forks lie between this process and the one that loaded the library. */
unsigned nook__forks(void);
/* In a child, on the only thread, still inside the run that stayed in the parent: its worker.
 */
struct nook__worker *nook__lost(void);
/* In the child: the calling thread is lost from here on, or no longer. */
void nook__lost_set(struct nook__worker *worker);
/* NOOK_EFORKED, or NOOK_ENOTASK. */
static inline int nook__no_task(void)
{
    return nook__lost() != NULL ? NOOK_EFORKED : NOOK_ENOTASK;
}

/* Round a fork: locks, or unlocks, what is global in each module. */
void nook__room_fork(int before);
void nook__view_fork(int before);
void nook__printer_fork(int before);
void nook__dump_signal_fork(int before);
void nook__census_fork(int before);
/* In the child, with the locks held. */
void nook__view_child(void);
void nook__dump_signal_child(void);

/* The worker that runs here; NULL on other threads. Never kept over a switch. Not
 * instrumented: a thread's own, which a fiber's history says nothing of. */
extern __thread struct nook__worker *nook__here_word
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

#if NOOK__WORD_ASM
static inline struct nook__worker *nook__here(void)
{
    struct nook__worker *worker;
    NOOK__WORD_LOAD(nook__here_word, 0, worker);
    return worker;
}

static inline void nook__here_set(struct nook__worker *worker)
{
    NOOK__WORD_STORE(nook__here_word, 0, worker);
}
#else
struct nook__worker **nook__here_address(void);

NOOK__FIBER struct nook__worker *nook__here(void)
{
    return *nook__here_address();
}

NOOK__FIBER void nook__here_set(struct nook__worker *worker)
{
    *nook__here_address() = worker;
}
#endif

/* --- queues ---------------------------------------------------------------- */

/*
 * A worker's queue is a circle, and who runs stands in it: what follows is next, what comes
 * in stands before. So a yield only goes on to the next place, and the task that it leaves
 * stands last.
 */
static inline int nook__queue_empty(const struct nook__worker *worker)
{
    return worker->at->next == worker->at;
}

/* By the worker: at the end of its own queue. */
static inline void nook__enqueue(struct nook__worker *worker, struct nook__event *event)
{
    atomic_store_explicit(&event->ready, 1, memory_order_relaxed);
    event->order = atomic_load_explicit(&worker->ring.tail, memory_order_relaxed);
    nook__list_append(worker->at, &event->link);
}

/* By the worker: goes on to a place in the queue; whose the other was is not in it any more. */
static inline void nook__queue_go(struct nook__worker *worker, struct nook__link *to)
{
    nook__list_unlink(worker->at);
    worker->at = to;
}

/* The same, to one that is not in the queue, and takes the place. */
static inline void nook__queue_hand(struct nook__worker *worker, struct nook__link *to)
{
    nook__list_append(worker->at, to);
    nook__queue_go(worker, to);
}

/* By the worker: at the head. Nothing in its ring comes before that. */
static inline void nook__urge(struct nook__worker *worker, struct nook__event *event)
{
    atomic_store_explicit(&event->ready, NOOK__URGENT, memory_order_relaxed);
    event->order = 0;
    nook__list_append(worker->at->next, &event->link);
}

/* By the worker: a task that roams yields. No lock held; afterwards it may be gone. */
void nook__queue_roaming(struct nook__worker *worker, struct nook__event *event);

/* By the worker: what comes next, which stays there until nook__take. NULL: nothing does, or
 * what is in the ring. */
static inline struct nook__event *nook__queue_first(struct nook__worker *worker)
{
    struct nook__event *first = NOOK__CONTAINER(worker->at->next, struct nook__event, link);
    if (nook__queue_empty(worker) ||
        atomic_load_explicit(&worker->ring.head, memory_order_relaxed) < first->order)
        return NULL;
    return first;
}

/* The same, where what is in the ring comes to the head of the queue first. */
struct nook__event *nook__queue_refill(struct nook__worker *worker);
static inline struct nook__event *nook__queue_next(struct nook__worker *worker)
{
    struct nook__event *first = nook__queue_first(worker);
    return first != NULL ? first : nook__queue_refill(worker);
}

/* 1: nothing is there that the calling worker has put in. */
int nook__ring_empty(const struct nook__ring *ring);

/* It is in a queue no longer, or runs. */
void nook__unready(struct nook__event *event);
/* By the worker: takes it out of its queue, to run it. */
void nook__take(struct nook__event *event);
/* A new one without a worker gets one; whether it roams it keeps. */
static inline void nook__settle_on(struct nook__event *event, unsigned worker)
{
    if (nook__home(event) == 0)
        nook__home_set(event,
                       worker | atomic_load_explicit(&event->worker, memory_order_relaxed));
}

/* Under the lock. The second does the same at once where there is one worker, and this is it.
 */
void nook__ready_anywhere(struct nook__run *run, struct nook__event *event);
NOOK__INLINED void nook__ready_by(struct nook__worker *here, struct nook__run *run,
                                  struct nook__event *event)
{
    if (here == NULL || here != run->only) {
        nook__ready_anywhere(run, event);
        return;
    }
    nook__settle_on(event, 1);
    nook__enqueue(here, event);
}

static inline void nook__ready(struct nook__run *run, struct nook__event *event)
{
    nook__ready_by(nook__here(), run, event);
}

/* The same for a real run of several workers. */
void nook__queue_ready(struct nook__run *run, struct nook__event *event);
/* Under the lock: to its worker, which is this one or another. */
void nook__give(struct nook__worker *worker, struct nook__event *event);
/* Under the lock: it roams no longer. Returns where it stays: `fallback` where it was nobody's.
 */
unsigned nook__bind(struct nook__event *event, unsigned fallback);
/*
 * 1: a task that any worker may go on with, and that did not just say where it goes on.
 * Who has entered a context stays where it did [D3]. Of one that does not run.
 */
int nook__roams(struct nook__event *event);
/* By the worker, now and then: takes one from the list that all share. */
void nook__queue_look(struct nook__worker *worker);

/* By a worker that has nothing: looks for it elsewhere. 1: look again. No lock held. */
int nook__search(struct nook__worker *worker);
/* It has found something, wherever that was. No lock held. */
void nook__found(struct nook__worker *worker);
/* It is about to sleep, and idle from here on. 1: it may. Under the lock. */
int nook__give_up(struct nook__worker *worker);

/* Under the lock. */
void nook__not_idle(struct nook__worker *worker);
/* One that sleeps, and if it can be one that minds nothing. NULL: nobody. */
struct nook__worker *nook__idle_one(struct nook__run *run);
/* There is a new first timer, or a new descriptor: somebody asleep must mind it. */
void nook__mind_timer(struct nook__run *run);
void nook__mind_fd(struct nook__run *run);
/* Takes it out of the idle, and wakes it. */
void nook__rouse(struct nook__worker *worker);
uint64_t nook__clock(const struct nook__run *run);
/* Cheaper, and a few milliseconds behind. */
uint64_t nook__coarse_clock(const struct nook__run *run);

/* --- reports -------------------------------------------------------------- */

/* A task has used so much of its stack. */
void nook__census_add(const nook_task *task, size_t depth);

/* Where the run has a limit. NOOK_ENOMEM, NOOK_EAGAIN. */
int nook__watchdog_start(struct nook__run *run);
void nook__watchdog_stop(struct nook__run *run);

/* By the worker: who runs now, within the same turn. */
static inline void nook__running_set(struct nook__worker *worker, struct nook__body *task)
{
    atomic_store_explicit(&worker->current, task, memory_order_release);
}

/* By the worker. */
static inline uint64_t nook__turns(const struct nook__worker *worker)
{
    return atomic_load_explicit(&worker->turns, memory_order_relaxed);
}

/* By the worker: turns to a task, or to a callback. */
static inline void nook__turn_to(struct nook__worker *worker, struct nook__body *task,
                                 uint64_t turn)
{
    nook__running_set(worker, task);
    atomic_store_explicit(&worker->turns, turn, memory_order_relaxed);
}

static inline void nook__turn(struct nook__worker *worker, struct nook__body *task)
{
    nook__turn_to(worker, task, nook__turns(worker) + 1);
}

/*
 * Any thread: tasks on that worker yield through nook__park from here on, which looks at what
 * has changed, until the worker has looked round. Release: who sets `straight` anew, with an
 * exchange that acquires, sees the change where it overwrites this.
 */
static inline void nook__disturb(struct nook__worker *worker)
{
    atomic_store_explicit(&worker->straight, 0, memory_order_release);
}

/* By the worker: it looks round before the next task runs. */
static inline void nook__due_now(struct nook__worker *worker)
{
    worker->due = 0;
    nook__disturb(worker);
}

/* By the worker. */
static inline struct nook__body *nook__current(const struct nook__worker *worker)
{
    return atomic_load_explicit(&worker->current, memory_order_relaxed);
}

/* From here on the watchdog does not look at the task, which is nobody's current one. */
static inline void nook__watchdog_pass(struct nook__run *run)
{
    if (!run->watchdog.on)
        return;
    pthread_mutex_lock(&run->watchdog.lock);
    pthread_mutex_unlock(&run->watchdog.lock);
}

/* From here on nook_dump finds the run; until it is forgotten, which the first worker does. */
void nook__run_known(struct nook__run *run);
void nook__run_forget(struct nook__run *run);
extern struct nook__link nook__runs; /* those that are known */

/* Runs one event on this worker. No lock held. */
void nook__step(struct nook__worker *worker, struct nook__event *event);
/* Under the lock: what a run with nothing ready must do. 1: it has something now, or is
 * finished. */
int nook__settle(struct nook__run *run);

/* --- the run as others have it: loop.c. Under the run's lock. */
/* 1: nobody can send anything any more; 0: something is still on its way. */
int nook__loop_close(struct nook__run *run);
/* 1: somebody outside may still wake a task. */
int nook__loop_held(struct nook__run *run);
/* A task has ended: threads may wait for that. */
void nook__loop_task_ended(struct nook__run *run);

/* What a run says of its arguments before it does anything. */
int nook__run_check(nook_task_fn main, const nook_run_options *options);
/* *began: main has been on its stack. */
int nook__run_with(nook_schedule *schedule, struct nook__sizes **sizes, nook_task_fn main,
                   void *arg, const nook_run_options *options, int *result, int *began);
/* 0: a task may ask for a stack of that size; else NOOK_EINVAL. */
int nook__stack_check(size_t size);
/* Under the lock, 0: the run's own size. NOOK_ENOMEM. */
int nook__stacks_find(struct nook__run *run, size_t size, struct nook__stacks **out);
static inline int nook__stacks_of(struct nook__run *run, size_t size, struct nook__stacks **out)
{
    *out = run->stacks;
    return size == 0 && *out != NULL ? 0 : nook__stacks_find(run, size, out);
}
void nook__sizes_free(struct nook__sizes **sizes);
/* nook_run, with stacks that may be kept for the next one. */
int nook__run_real(struct nook__sizes **sizes, nook_task_fn main, void *arg,
                   const nook_run_options *options, int *result);
/* For any run, from any thread: a task that no run knows yet, and how it goes away again. */
int nook__task_make(nook_task **out, struct nook__run *run, nook_task_fn fn, void *arg,
                    const nook_task_options *options, const nook_site *site);
void nook__task_unmake(nook_task *task);
/* Nobody holds it any more. */
void nook__task_gone(nook_task *task);
/* One reference less. */
static inline void nook__task_leave(nook_task *task)
{
    nook__hand_over(task);
    if (nook__refs_drop(&task->refs, 1))
        nook__task_gone(task);
}
/* Gives it the next number, once nothing can go wrong any more. */
void nook__task_number(nook_task *task);
/* Under the lock: finds its worker. NOOK_EBUSY, NOOK_ENOMEM, as nook__give_context. */
int nook__task_place(struct nook__run *run, nook_task *task, const nook_task_options *options);
/* Under the lock: makes one that has a place one of the run's, and ready. */
void nook__task_enlist(struct nook__run *run, nook_task *task,
                       const nook_task_options *options);
int nook__task_new(struct nook__run *run, nook_task **out, nook_task_fn fn, void *arg,
                   const nook_task_options *options, const nook_site *site);

/*
 * Under the lock: one more runs in this context object without entering it [D3]. In: the
 * worker that is wanted for it. Out: the one where it must be, because who has the context or
 * is inside is there, and stays. That one keeps the context until nook__context_unkeep.
 * NOOK_EBUSY: it is kept, or entered, elsewhere than in the run. NOOK_ENOMEM.
 */
int nook__give_context(struct nook__run *run, nook_context *context, unsigned *worker);
/* Any thread, while the run cannot end: the same for one that is on its way to the run. */
int nook__promise_context(struct nook__run *run, nook_context *context);
unsigned nook__handles_home(const struct nook__run *run, const nook_context *context);

/* The last of those has ended that the stage waits for. Under the lock. */
void nook__run_next_stage(struct nook__run *run);

/* The two loops. */
void nook__real_loop(struct nook__worker *worker);
void nook__schedule_loop(struct nook__worker *worker);
unsigned nook__choose(nook_schedule *schedule, unsigned of);

/* Who has the memory that contexts lodge in: for contextlocal's hook. */
void nook__room_context_left(nook_context *context);

extern atomic_long nook__tasks_alive, nook__handles_alive, nook__timers_alive,
    nook__waits_alive;

#endif
