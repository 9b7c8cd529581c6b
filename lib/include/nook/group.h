/* SPDX-License-Identifier: MIT */
/*
 * Task groups: asyncio.TaskGroup, as a scope in the calling task.
 *
 *     nook_group group = {0};
 *     int rc = nook_group_enter(&group);
 *     if (rc == 0) {
 *         rc = nook_group_spawn(&group, NULL, fetch, &a, NULL);
 *         rc = nook_group_exit(&group, rc);
 *     }
 *
 * No task of a group outlives it: the exit waits for all of them. An error of one
 * (a negative result but NOOK_ECANCELED) cancels the others, and the task that
 * entered, wherever it waits inside; the exit takes that cancel back, and answers
 * with the error.
 */
#ifndef NOOK_GROUP_H
#define NOOK_GROUP_H

#include <nook/error.h>
#include <nook/export.h>
#include <nook/task.h>
#include <stddef.h>
#include <stdint.h>

NOOK_BEGIN_DECLS

/* An error that a group has collected, and whose it was. */
typedef struct nook_group_error {
    int error;
    uint64_t task; /* its number */
    char name[32]; /* and name */
} nook_group_error;

/*
 * `nook_group group = {0};`, or with room for the errors. It lives in the caller's
 * storage, and groups nest. Members that begin with nook__ are private.
 */
typedef struct nook_group {
    nook_group_error *errors; /* the caller's: gets the first `room` errors; NULL: none */
    size_t room;
    size_t nook__errors;
    void *nook__parent;
    void *nook__waiter;
    const char *nook__outer_file;
    unsigned nook__outer_line;
    unsigned nook__depth;
    size_t nook__live;
    int nook__first;
    unsigned nook__state;
} nook_group;

/*
 * Begins the scope, in the calling task. Exit it there, before its storage ends and before
 * the task does: see nook_scopes_left. Does not park. file and line say where, and are not
 * copied; nook_group_enter fills them in. NOOK_EINVAL: NULL. NOOK_EBUSY: it is entered.
 * NOOK_ENOTASK.
 */
#define nook_group_enter(group) nook_group_enter_at((group), __FILE__, __LINE__)
NOOK_API int nook_group_enter_at(nook_group *group, const char *file, unsigned line);

/*
 * create_task: nook_task_spawn, into the group [A6]; with `context`, in that very one
 * [A3]. From any task or callback of the run; also during the exit, while a task of
 * the group is left. Does not park, but for an eager task.
 * NOOK_ECLOSED: the group is finished. NOOK_ECANCELED: it is being cancelled, or the
 * run takes nothing new. NOOK_EINVAL: NULL, not entered, of another run. Errors as
 * nook_task_spawn.
 */
NOOK_API int nook_group_spawn(nook_group *group, nook_task **out, nook_task_fn fn, void *arg,
                              const nook_task_options *options);

/*
 * Waits until all tasks of the group have ended, and ends the scope. `result` is what
 * the block between came to: a negative one cancels the tasks, and is the last of the
 * group's errors unless it is NOOK_ECANCELED. A cancel of the caller meanwhile cancels
 * the tasks, and the wait goes on until they have ended, also where the run ends. Parks.
 * 0: there was no error. The first error, where there were some; a cancel of the caller by
 * others is then delivered at its next park. NOOK_ECANCELED: no error, but the
 * caller was cancelled. NOOK_ESCOPE: a group that was entered later is still
 * entered; its tasks were cancelled. NOOK_EINVAL: NULL, or not entered by
 * this task. NOOK_ENOTASK.
 */
NOOK_API int nook_group_exit(nook_group *group, int result);

/* How many errors it has collected. In the task that entered, or after the exit. */
NOOK_API size_t nook_group_errors(const nook_group *group);

/*
 *     NOOK_IN_GROUP (&group, &rc) { ... }     `async with TaskGroup() as group:`
 *
 * rc gets what the enter returned; the block does not run where that failed. Every way out of
 * it (not longjmp) exits the group with what rc says then, and rc gets what the exit
 * returned.
 */
#define NOOK_IN_GROUP(of, rc) NOOK__IN_GROUP(of, rc, NOOK__GROUP_NAME(__LINE__))
/* NOLINTBEGIN(bugprone-macro-parentheses): scope is a name that is declared here */
#define NOOK__IN_GROUP(of, rc, scope)                                      \
    for (nook_group_scope scope __attribute__((cleanup(nook_group_end))) = \
             nook_group_begin((of), (rc), __FILE__, __LINE__);             \
         scope.nook__group != NULL; nook_group_end(&scope))
/* NOLINTEND(bugprone-macro-parentheses) */
#define NOOK__GROUP_NAME(line) NOOK__GROUP_NAME2(line)
#define NOOK__GROUP_NAME2(line) nook__group_##line

/* What the block calls. */
typedef struct nook_group_scope {
    nook_group *nook__group;
    int *nook__rc;
} nook_group_scope;
NOOK_API nook_group_scope nook_group_begin(nook_group *group, int *rc, const char *file,
                                           unsigned line);
NOOK_API void nook_group_end(nook_group_scope *scope);

/* --- scopes that were left open ----------------------------------------------- */

/* The last of them: where it was entered, and in which task. */
typedef struct nook_scope_left {
    const char *file;
    unsigned line;
    char task[32];
} nook_scope_left;

/*
 * How many groups and deadlines in this process were still entered when their task ended
 * (its result is then NOOK_ESCOPE), or when an outer group or nook_wait_for was left; *last
 * (may be NULL) tells of the last, if there was one. What was in such a group was cancelled,
 * and nobody has waited for it. Any thread. Never parks.
 */
NOOK_API long nook_scopes_left(nook_scope_left *last);

NOOK_END_DECLS

#endif
