/* SPDX-License-Identifier: MIT */
/*
 * Task groups.
 *
 * The tasks of all groups that a task has entered are in one list, which is that
 * task's: so they can be found and let go without a look at a group whose storage
 * may be gone. For the same reason a task knows the place of its innermost group, and
 * each group the place of the one outside it. `live` counts what is in the list, and
 * what is about to be.
 */
#include "room.h"

#include <nook/group.h>
#include <stdio.h>
#include <string.h>

enum state {
    ENTERED = 1,
    EXITING = 2,
    ABORTING = 4,
    PARENT_ASKED = 8, /* the group has asked to cancel the task that entered */
    FINISHED = 16,
};

static int has(const nook_group *group, enum state state)
{
    return (group->nook__state & state) != 0;
}

/* --- what was left open ----------------------------------------------------------- */

static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER;
static nook_scope_left last_left;
static long n_left;

void nook__scope_left(const nook_task *task, const char *file, unsigned line)
{
    pthread_mutex_lock(&left_lock);
    n_left++;
    last_left.file = file;
    last_left.line = line;
    memcpy(last_left.task, task->body->name, sizeof(last_left.task));
    pthread_mutex_unlock(&left_lock);
}

long nook_scopes_left(nook_scope_left *last)
{
    pthread_mutex_lock(&left_lock);
    long n = n_left;
    if (last != NULL && n > 0)
        *last = last_left;
    pthread_mutex_unlock(&left_lock);
    return n;
}

/* Nobody tells the group of this one's end any more. */
static void let_go(nook_task *task)
{
    nook__list_remove(&nook__room_of(task->body)->member.link);
    nook__list_remove(&nook__room_of(task->body)->in_group);
    nook__cancel(task);
}

int nook__groups_left(nook_task *task, unsigned depth)
{
    if (task->body->life->scope.depth <= depth)
        return 0;
    for (struct nook__link *link = task->body->life->members.next, *next;
         link != &task->body->life->members; link = next) {
        nook_task *member = NOOK__CONTAINER(link, struct nook__room, in_group)->body.task;
        next = link->next;
        if (member->body->group_depth > depth)
            let_go(member);
    }
    nook__scope_left(task, task->body->life->scope.file, task->body->life->scope.line);
    task->body->life->scope.depth = depth;
    return 1;
}

/* --- errors ------------------------------------------------------------------------- */

static void add_error(nook_group *group, const nook_task *task, int error)
{
    size_t n = group->nook__errors++;
    if (n == 0)
        group->nook__first = error;
    if (group->errors == NULL || n >= group->room)
        return;
    group->errors[n] = (nook_group_error){.error = error, .task = task->body->id};
    memcpy(group->errors[n].name, task->body->name, sizeof(task->body->name));
}

static void abort_group(nook_group *group)
{
    nook_task *parent = group->nook__parent;
    group->nook__state |= ABORTING;
    for (struct nook__link *link = parent->body->life->members.next;
         link != &parent->body->life->members; link = link->next) {
        nook_task *task = NOOK__CONTAINER(link, struct nook__room, in_group)->body.task;
        if (nook__room_of(task->body)->member.owner == group)
            nook__cancel(task);
    }
}

/* One less; an error, if it is the first, stops all. */
static void account(nook_group *group, nook_task *task)
{
    int result = nook__result(task);
    if (result < 0 && result != NOOK_ECANCELED) {
        add_error(group, task, result);
        if (!has(group, ABORTING)) {
            abort_group(group);
            if (!has(group, EXITING)) {
                group->nook__state |= PARENT_ASKED;
                nook__cancel(group->nook__parent);
            }
        }
    }
    nook__hand_over(group);
    if (--group->nook__live == 0 && group->nook__waiter != NULL) {
        nook_task *waiter = group->nook__waiter;
        group->nook__waiter = NULL;
        nook__wake(waiter, 0);
    }
}

static void member_ended(struct nook__joiner *joiner, nook_task *task)
{
    nook__list_remove(&nook__room_of(task->body)->in_group);
    account(joiner->owner, task);
}

/* --- enter and spawn ---------------------------------------------------------------- */

int nook_group_enter_at(nook_group *group, const char *file, unsigned line)
{
    nook_task *task = nook_task_current();
    if (group == NULL)
        return NOOK_EINVAL;
    if (task == NULL || task->body->life->ending)
        return nook__no_task();
    if (has(group, ENTERED))
        return NOOK_EBUSY;
    nook__lock(task->run);
    *group = (nook_group){.errors = group->errors,
                          .room = group->room,
                          .nook__parent = task,
                          .nook__outer_file = task->body->life->scope.file,
                          .nook__outer_line = task->body->life->scope.line,
                          .nook__depth = task->body->life->scope.depth + 1,
                          .nook__state = ENTERED};
    task->body->life->scope = (struct nook__place){file, line, group->nook__depth};
    nook__unlock(task->run);
    return 0;
}

/* Under the lock: 0 if a task may join, which is then counted. */
static int reserve(nook_group *group, const struct nook__run *run)
{
    if (has(group, FINISHED) || (has(group, EXITING) && group->nook__live == 0))
        return NOOK_ECLOSED;
    if (!has(group, ENTERED) || ((nook_task *)group->nook__parent)->run != run)
        return NOOK_EINVAL;
    if (has(group, ABORTING))
        return NOOK_ECANCELED;
    group->nook__live++;
    return 0;
}

/* Under the lock. It may have ended meanwhile, and so may the group's good fortune. */
static void join_group(nook_group *group, nook_task *task)
{
    nook_task *parent = group->nook__parent;
    if (nook_task_done(task)) {
        account(group, task);
        return;
    }
    task->body->group_depth = group->nook__depth;
    nook__room_of(task->body)->member =
        (struct nook__joiner){.ended = member_ended, .owner = group};
    nook__list_append(&task->body->joiners, &nook__room_of(task->body)->member.link);
    nook__list_append(&parent->body->life->members, &nook__room_of(task->body)->in_group);
    if (has(group, ABORTING))
        nook__cancel(task);
}

/* Under the lock: what was reserved is not needed. */
static void give_up(nook_group *group)
{
    nook_task *waiter = group->nook__waiter;
    if (--group->nook__live > 0 || waiter == NULL)
        return;
    group->nook__waiter = NULL;
    nook__wake(waiter, 0);
}

int nook_group_spawn(nook_group *group, nook_task **out, nook_task_fn fn, void *arg,
                     const nook_task_options *options)
{
    struct nook__worker *worker = nook__here();
    nook_task *task;
    if (group == NULL)
        return NOOK_EINVAL;
    if (worker == NULL)
        return nook__no_task();
    struct nook__run *run = worker->run;
    nook__lock(run);
    int rc = reserve(group, run);
    nook__unlock(run);
    if (rc != 0)
        return rc;
    rc = nook_task_spawn(&task, fn, arg, options);
    nook__lock(run);
    if (rc == 0)
        join_group(group, task);
    else
        give_up(group);
    nook__unlock(run);
    if (rc != 0)
        return rc;
    if (out != NULL)
        *out = task;
    else
        nook_task_unref(task);
    return 0;
}

/* --- exit ------------------------------------------------------------------------------ */

struct exit_wait {
    struct nook__wait wait;
    nook_group *group;
};

static int begin_exit(struct nook__wait *wait, nook_task *task)
{
    nook_group *group = NOOK__CONTAINER(wait, struct exit_wait, wait)->group;
    if (group->nook__live == 0)
        return 0;
    group->nook__waiter = task;
    return 1;
}

static void undo_exit(struct nook__wait *wait, nook_task *task)
{
    (void)task;
    NOOK__CONTAINER(wait, struct exit_wait, wait)->group->nook__waiter = NULL;
}

/* Waits for all. 1: a cancel came, the first; none after it can end the wait. */
static int wait_for_all(nook_group *group)
{
    struct exit_wait wait = {{.begin = begin_exit,
                              .undo = undo_exit,
                              .empty = 1,
                              NOOK__WAITS("the tasks of a group")},
                             group};
    nook_task *task = group->nook__parent;
    int cancelled = 0;
    nook__lock(task->run);
    int left = group->nook__live > 0;
    nook__unlock(task->run);
    if (!left || nook__park(&wait.wait) != NOOK_ECANCELED)
        return 0;
    nook__lock(task->run);
    if (!has(group, ABORTING)) {
        cancelled = 1;
        abort_group(group);
    }
    left = group->nook__live > 0;
    nook__unlock(task->run);
    wait.wait = (struct nook__wait){.begin = begin_exit};
    if (left) /* a wait that is over would cost a turn */
        (void)nook__park(&wait.wait);
    nook__lock(task->run);
    nook__unmark(task->body, NOOK__TO_CANCEL);
    nook__unlock(task->run);
    return cancelled;
}

/* Under the lock: what the scope came to. `cancelled`: the caller was, in the block or here. */
static int outcome(nook_group *group, int result, int cancelled)
{
    nook_task *task = group->nook__parent;
    if (has(group, PARENT_ASKED) && nook__uncancel(task) == 0)
        cancelled = 0;
    if (cancelled && group->nook__errors == 0)
        return NOOK_ECANCELED;
    if (result < 0 && result != NOOK_ECANCELED)
        add_error(group, task, result);
    if (group->nook__errors > 0 && task->body->requests > 0)
        nook__mark(
            task->body,
            NOOK__TO_CANCEL); /* whoever else has asked is not forgotten over the errors */
    return group->nook__errors > 0 ? group->nook__first : 0;
}

static int may_exit(const nook_group *group, const nook_task *task)
{
    return has(group, ENTERED) && !has(group, EXITING) && group->nook__parent == task &&
           group->nook__depth <= task->body->life->scope.depth;
}

int nook_group_exit(nook_group *group, int result)
{
    nook_task *task = nook_task_current();
    if (group == NULL)
        return NOOK_EINVAL;
    if (task == NULL || task->body->life->ending)
        return nook__no_task();
    if (!may_exit(group, task))
        return NOOK_EINVAL;
    nook__lock(task->run);
    int left = nook__groups_left(task, group->nook__depth);
    group->nook__state |= EXITING;
    if (result < 0 && !has(group, ABORTING))
        abort_group(group);
    nook__unlock(task->run);
    int cancelled = wait_for_all(group) || result == NOOK_ECANCELED;
    nook__take_over(group);
    nook__lock(task->run);
    int rc = outcome(group, result, cancelled);
    group->nook__state = FINISHED;
    task->body->life->scope = (struct nook__place){
        group->nook__outer_file, group->nook__outer_line, group->nook__depth - 1};
    nook__unlock(task->run);
    return left ? NOOK_ESCOPE : rc;
}

size_t nook_group_errors(const nook_group *group)
{
    return group != NULL ? group->nook__errors : 0;
}

/* --- the block --------------------------------------------------------------------------- */

nook_group_scope nook_group_begin(nook_group *group, int *rc, const char *file, unsigned line)
{
    *rc = nook_group_enter_at(group, file, line);
    return (nook_group_scope){*rc == 0 ? group : NULL, rc};
}

void nook_group_end(nook_group_scope *scope)
{
    if (scope->nook__group != NULL)
        *scope->nook__rc = nook_group_exit(scope->nook__group, *scope->nook__rc);
    scope->nook__group = NULL;
}
