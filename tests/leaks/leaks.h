/* SPDX-License-Identifier: MIT */
/*
 * The leak catalogue: programs that keep ambient state, each written once and
 * run with every storage.
 *
 * A case binds and reads through `struct ambient`, which is a thread-local, a
 * task-local or a context variable. It reports each read with what it should
 * have found. The counts are asserted by the tests, printed by `nook leaks`, and
 * told as a story by `nook demo`: nothing else decides what those say.
 */
#ifndef TESTS_LEAKS_H
#define TESTS_LEAKS_H

#include <nook/context.h>
#include <nook/local.h>
#include <nook/schedule.h>
#include <nook/task.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/* --- storages --------------------------------------------------------------- */

enum leak_storage {
    LEAK_THREAD,  /* a Local whose identity is the thread */
    LEAK_TASK,    /* a Local whose identity is the task */
    LEAK_CONTEXT, /* a context variable */
    LEAK_CURED,   /* a context variable, used as the case's cure says */
    LEAK_STORAGES
};

/* "thread", "task", "context", "cured". */
const char *leak_storage_name(enum leak_storage storage);

/*
 * The backing of Locals and LocalStacks for a storage; LEAK_CONTEXT's keeps them
 * in a context variable. Owned by the process; NULL means nook's default.
 */
const nook_backing *leak_storage_backing(enum leak_storage storage);

/* One ambient variable. `release` (may be NULL) is told when the storage lets a value go. */
struct ambient;
int ambient_open(struct ambient **out, enum leak_storage storage, const char *name,
                 void (*release)(void *value));
void ambient_close(struct ambient *ambient);

/* Binds a value for whoever the storage takes the caller to be. 0 or a code. */
int ambient_bind(struct ambient *ambient, void *value);

/* What is bound for the caller; NULL where nothing is. */
void *ambient_read(struct ambient *ambient);

/* Nothing is bound afterwards, for the caller. */
void ambient_unbind(struct ambient *ambient);

/* The variable behind LEAK_CONTEXT and LEAK_CURED, else NULL. For what only those can do. */
nook_var *ambient_var(struct ambient *ambient);

/* Binds until leave, which restores what was bound for the caller before. */
struct ambient_scope {
    struct ambient *ambient;
    void *before;
    nook_token token;
};
int ambient_enter_at(struct ambient_scope *scope, struct ambient *ambient, void *value,
                     const char *site);
#define ambient_enter(scope, ambient, value) \
    ambient_enter_at((scope), (ambient), (value), NOOK_SITE)
int ambient_leave(struct ambient_scope *scope);

/* --- what a case reports ------------------------------------------------------ */

enum leak_verdict {
    LEAK_DID,    /* a step that is no read */
    LEAK_RIGHT,  /* read what it should have */
    LEAK_LEAKED, /* read what somebody else bound */
    LEAK_LOST    /* no longer found what it had bound or was to inherit */
};

struct leak_step {
    enum leak_verdict verdict;
    unsigned worker; /* 0: on a thread that is no worker */
    char actor[16];
    char text[64];
    char got[24];
    char want[24];
};

/* `wrong` of `of` things, counted in `unit`. */
struct leak_count {
    uint64_t wrong;
    uint64_t of;
    const char *unit;
    int expects; /* 1: the case said what it must end as */
    uint64_t expected_wrong;
    uint64_t expected_of;
};

enum { LEAK_COUNTS = 16, LEAK_STEPS = 96 };

/* One run of one case with one storage. Filled through the functions below. */
struct leak_run {
    enum leak_storage storage;
    struct leak_count counts[LEAK_COUNTS];
    unsigned n_counts;
    struct leak_step steps[LEAK_STEPS]; /* the story; only the first LEAK_STEPS are kept */
    unsigned n_steps;
    void (*on_step)(const struct leak_step *step, void *user); /* as it happens; may be NULL */
    void *user;
    int told;
    pthread_mutex_t lock;
};

void leak_run_init(struct leak_run *run, enum leak_storage storage);
void leak_run_free(struct leak_run *run);

/* From here on, what is counted is counted in this unit (a literal), as a count of its own. */
void leak_unit(struct leak_run *run, const char *unit);

/*
 * The current count must end as these, or the promise is broken, whatever its
 * kind. For what depends on how the program was built, and is known beforehand.
 */
void leak_expect(struct leak_run *run, uint64_t wrong, uint64_t of);

/* Adds to the current count, without a step. */
void leak_tally(struct leak_run *run, uint64_t wrong, uint64_t of);

/*
 * A step of the calling task, or of `actor` where the step is not a task's. Any
 * thread. `leak_reads` counts one read as well, and returns 1 where it was
 * wrong: `got` is not `want` (compared as strings; NULL is "nothing").
 */
void leak_does(struct leak_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void leak_does_as(struct leak_run *run, const char *actor, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int leak_reads(struct leak_run *run, const char *what, const char *got, const char *want);
int leak_reads_as(struct leak_run *run, const char *actor, const char *what, const char *got,
                  const char *want);

/* The same, as steps that are not counted (the case counts something else). */
int leak_sees(struct leak_run *run, const char *what, const char *got, const char *want);
int leak_sees_as(struct leak_run *run, const char *actor, const char *what, const char *got,
                 const char *want);

/* The story is told: later steps are counted as before, but not kept. For cases that run many
 * times. */
void leak_told(struct leak_run *run);

/* --- cases -------------------------------------------------------------------- */

enum leak_kind {
    LEAK_NONE,  /* the case does not exist with this storage */
    LEAK_CLEAN, /* every count is 0 of at least 1 */
    LEAK_WRONG, /* something is wrong, how much depends on the machine */
    LEAK_EXACT, /* these very counts, in this order */
    LEAK_BUILT  /* what leak_expect said; other counts are of at least 1, and may be anything */
};

struct leak_promise {
    enum leak_kind kind;
    unsigned n;
    struct {
        uint64_t wrong, of;
    } exact[LEAK_COUNTS];
};

struct leak_case {
    const char *name;
    const char *title; /* what happens, at most 76 columns */
    const char *seen;  /* where it bit people; at most 66 columns; NULL: not known */
    const char *cure;  /* what helps where context variables leak; 73 columns; else NULL */
    /* What a storage stands for in this case, at most 76 columns; NULL: for itself. */
    const char *how[LEAK_STORAGES];
    struct leak_promise promise[LEAK_STORAGES];
    int (*run)(struct leak_run *run); /* 0, or the code that kept it from running */
};

/* All of them, in the catalogue's order; ends with NULL. */
extern const struct leak_case *const leak_catalogue[];
const struct leak_case *leak_find(const char *name);

/* Runs a case with a storage. The storage must be one that the case has. */
int leak_case_run(const struct leak_case *leak, struct leak_run *run);

/* 1 where the counts are what the case promises for this storage. */
int leak_promise_kept(const struct leak_case *leak, const struct leak_run *run);

/* --- running one --------------------------------------------------------------- */

/*
 * Runs main(arg) as the first task under the deterministic scheduler, first-in
 * first-out, with virtual workers. main's non-zero result is an error.
 */
int leak_play(nook_task_fn main, void *arg, const nook_run_options *options);

/* The same, and then again under every other schedule. The story is the first one's. */
int leak_play_every(struct leak_run *run, nook_task_fn main, void *arg,
                    const nook_run_options *options);

/* nook_task_spawn with a name, which is the story's actor. */
int leak_spawn(nook_task **out, const char *name, nook_task_fn fn, void *arg);

/* From a task: spawns all of them in this order, and waits. The first error, of any. */
struct leak_actor {
    const char *name;
    nook_task_fn fn;
    void *arg;
};
int leak_together(const struct leak_actor *actors, size_t n);

#endif
