/* SPDX-License-Identifier: MIT */
/* Task groups: who is cancelled, who waits, what the exit says. */
#include "want.h"

static NOOK_VAR_DEFINE(var);

enum { LONG = 3600 * 1000, ERRORS = 4 };

/* A group with room for errors. */
/* NOLINTBEGIN(bugprone-macro-parentheses): they are names that are declared here */
#define GROUP(name, room_for)          \
    nook_group_error room_for[ERRORS]; \
    nook_group name = {.errors = room_for, .room = ERRORS}
/* NOLINTEND(bugprone-macro-parentheses) */

static int requests(void)
{
    return (int)nook_task_cancelling(nook_task_current());
}

/* --- without errors ------------------------------------------------------------ */

static int wait_for_all(void *arg)
{
    struct nap naps[3] = {{.ms = 5, .result = 1}, {.ms = 1, .result = 0}, {.ms = 3}};
    nook_group group = {0};
    nook_task *task;
    (void)arg;
    WANT(nook_group_enter(&group) == 0);
    WANT(nook_group_enter(&group) == NOOK_EBUSY);
    WANT(nook_group_spawn(&group, &task, take_nap, &naps[0], NULL) == 0);
    WANT(nook_group_spawn(&group, NULL, take_nap, &naps[1], NULL) == 0);
    WANT(nook_group_spawn(&group, NULL, take_nap, &naps[2], NULL) == 0);
    WANT(nook_group_exit(&group, 0) == 0 && nook_group_errors(&group) == 0);
    for (int i = 0; i < 3; i++)
        WANT(atomic_load(&naps[i].ended) == 1);
    WANT(finish(task) == 1 && requests() == 0);
    WANT(nook_group_enter(&group) == 0 && nook_group_exit(&group, 5) == 0); /* once more */
    return 0;
}

static void the_exit_waits_for_all(void **state)
{
    (void)state;
    every_way(wait_for_all);
}

struct family {
    nook_group *group;
    struct nap *nap;
    int rc;
};

/* During the exit: there is still this task in it. */
static int spawn_late(void *arg)
{
    struct family *family = arg;
    int rc = nook_sleep(5 * MS);
    family->rc = nook_group_spawn(family->group, NULL, take_nap, family->nap, NULL);
    return rc;
}

static int late(void *arg)
{
    struct nap nap = {.ms = 1};
    nook_group group = {0};
    struct family family = {&group, &nap, -1};
    (void)arg;
    WANT(nook_group_enter(&group) == 0);
    WANT(nook_group_spawn(&group, NULL, spawn_late, &family, NULL) == 0);
    WANT(nook_group_exit(&group, 0) == 0);
    WANT(family.rc == 0 && atomic_load(&nap.ended) == 1);
    WANT(nook_group_spawn(&group, NULL, take_nap, &nap, NULL) == NOOK_ECLOSED);
    return 0;
}

static void tasks_may_join_while_one_is_left_and_not_after(void **state)
{
    (void)state;
    every_way(late);
}

/* --- errors ---------------------------------------------------------------------- */

static int first_error(void *arg)
{
    struct nap slow = {.ms = LONG}, bad = {.ms = 2, .result = NOOK_EPERM};
    nook_task *sibling, *failing;
    GROUP(group, errors);
    (void)arg;
    WANT(nook_group_enter(&group) == 0);
    WANT(nook_group_spawn(&group, &sibling, take_nap, &slow, NULL) == 0);
    WANT(nook_group_spawn(&group, &failing, take_nap, &bad,
                          &(nook_task_options){.name = "bad"}) == 0);
    WANT(nook_group_exit(&group, 0) == NOOK_EPERM);
    WANT(nook_group_errors(&group) == 1 && errors[0].error == NOOK_EPERM);
    WANT(strcmp(errors[0].name, "bad") == 0 && errors[0].task == nook_task_id(failing));
    WANT(finish(sibling) == NOOK_ECANCELED && finish(failing) == NOOK_EPERM);
    WANT(requests() == 0 && nook_yield() == 0);
    return 0;
}

static void the_first_error_cancels_the_siblings(void **state)
{
    (void)state;
    every_way(first_error);
}

static int parent_in_block(void *arg)
{
    struct nap bad = {.ms = 2, .result = NOOK_EPERM};
    nook_group group = {0};
    (void)arg;
    WANT(nook_group_enter(&group) == 0);
    WANT(nook_group_spawn(&group, NULL, take_nap, &bad, NULL) == 0);
    WANT(nook_sleep(LONG * MS) == NOOK_ECANCELED && requests() == 1);
    WANT(nook_group_spawn(&group, NULL, take_nap, &bad, NULL) == NOOK_ECANCELED);
    WANT(nook_group_exit(&group, NOOK_ECANCELED) == NOOK_EPERM);
    WANT(requests() == 0 && nook_yield() == 0);
    return 0;
}

static void the_parent_is_cancelled_in_its_block_and_uncancelled(void **state)
{
    (void)state;
    every_way(parent_in_block);
}

/* Fails when it is cancelled. */
static int fail_at_cancel(void *arg)
{
    struct nap *nap = arg;
    atomic_fetch_add(&nap->ended, 1);
    return nook_sleep(LONG * MS) == NOOK_ECANCELED ? nap->result : 0;
}

static int several_errors(void *arg)
{
    struct nap bad = {.ms = LONG, .result = NOOK_EPERM};
    struct nap worse[2] = {{.result = NOOK_ERANGE}, {.result = NOOK_ERANGE}};
    nook_group_error errors[2];
    nook_group group = {.errors = errors, .room = 2};
    (void)arg;
    WANT(nook_group_enter(&group) == 0);
    for (int i = 0; i < 2; i++)
        WANT(nook_group_spawn(&group, NULL, fail_at_cancel, &worse[i], NULL) == 0);
    WANT(nook_group_spawn(&group, NULL, take_nap, &bad, NULL) == 0);
    while (atomic_load(&worse[0].ended) + atomic_load(&worse[1].ended) < 2)
        WANT(nook_sleep(1) == 0); /* until they have begun */
    WANT(nook_group_exit(&group, NOOK_ENOENT) != 0);
    WANT(nook_group_errors(&group) == 3); /* bad was cancelled before it could fail */
    WANT(errors[0].error == NOOK_ERANGE && errors[1].error == NOOK_ERANGE);
    return 0;
}

static void errors_are_collected_as_far_as_there_is_room(void **state)
{
    (void)state;
    every_way(several_errors);
}

static int body_error(void *arg)
{
    struct nap slow = {.ms = LONG};
    nook_task *task;
    GROUP(group, errors);
    (void)arg;
    WANT(nook_group_enter(&group) == 0);
    WANT(nook_group_spawn(&group, &task, take_nap, &slow, NULL) == 0);
    WANT(nook_group_exit(&group, NOOK_ENOENT) == NOOK_ENOENT);
    WANT(finish(task) == NOOK_ECANCELED);
    WANT(nook_group_errors(&group) == 1 && errors[0].error == NOOK_ENOENT);
    WANT(errors[0].task == nook_task_id(nook_task_current()) && requests() == 0);
    return 0;
}

static void an_error_of_the_block_cancels_the_tasks(void **state)
{
    (void)state;
    every_way(body_error);
}

static int cancelled_member(void *arg)
{
    struct nap slow = {.ms = LONG}, other = {.ms = 5, .result = 3};
    nook_task *task;
    nook_group group = {0};
    (void)arg;
    WANT(nook_group_enter(&group) == 0);
    WANT(nook_group_spawn(&group, &task, take_nap, &slow, NULL) == 0);
    WANT(nook_group_spawn(&group, NULL, take_nap, &other, NULL) == 0);
    WANT(nook_sleep(1) == 0 && nook_task_cancel(task) == 0);
    WANT(nook_group_exit(&group, 0) == 0 && atomic_load(&other.ended) == 1);
    return finish(task) == NOOK_ECANCELED ? 0 : __LINE__;
}

static void a_cancelled_task_is_no_error_of_the_group(void **state)
{
    (void)state;
    every_way(cancelled_member);
}

/* --- a cancel from outside --------------------------------------------------------- */

struct outer {
    nook_task_fn member;
    struct nap nap;
    int body, exit, next_park, requests, first;
    atomic_int waits;
};

static int group_in_task(void *arg)
{
    struct outer *outer = arg;
    nook_group group = {0};
    WANT(nook_group_enter(&group) == 0);
    WANT(nook_group_spawn(&group, NULL, outer->member, &outer->nap, NULL) == 0);
    if (outer->body)
        outer->first = nook_sleep(LONG * MS);
    outer->exit = nook_group_exit(&group, outer->first);
    outer->requests = requests();
    outer->next_park = nook_yield();
    return outer->exit;
}

static int cancel_outer(struct outer *outer, int times)
{
    nook_task *task;
    WANT(nook_task_spawn(&task, group_in_task, outer, NULL) == 0);
    WANT(nook_sleep(5 * MS) == 0);
    for (int i = 0; i < times; i++) {
        WANT(nook_task_cancel(task) == 0);
        WANT(nook_sleep(2 * MS) == 0);
    }
    (void)finish(task);
    return 0;
}

static int outside(void *arg)
{
    struct outer in_exit = {.member = take_nap, .nap = {.ms = LONG}};
    struct outer in_body = {.member = take_nap, .nap = {.ms = LONG}, .body = 1};
    (void)arg;
    WANT(cancel_outer(&in_exit, 1) == 0);
    WANT(in_exit.exit == NOOK_ECANCELED && in_exit.requests == 1 && in_exit.next_park == 0);
    WANT(atomic_load(&in_exit.nap.ended) == 1);
    WANT(cancel_outer(&in_body, 1) == 0);
    WANT(in_body.first == NOOK_ECANCELED && in_body.exit == NOOK_ECANCELED);
    WANT(in_body.requests == 1 && in_body.next_park == 0);
    return 0;
}

static void a_cancel_from_outside_cancels_the_tasks_and_comes_out(void **state)
{
    (void)state;
    every_way(outside);
}

static int outside_again(void *arg)
{
    struct outer outer = {.member = nap_on, .nap = {.ms = 60, .result = 2}};
    (void)arg;
    WANT(cancel_outer(&outer, 3) == 0);
    WANT(outer.exit == NOOK_ECANCELED && atomic_load(&outer.nap.ended) == 1);
    WANT(outer.requests >= 1 && outer.next_park == 0);
    return 0;
}

static void no_further_cancel_ends_the_wait_of_the_exit(void **state)
{
    (void)state;
    every_way(outside_again);
}

static int outside_and_error(void *arg)
{
    struct outer outer = {.member = fail_at_cancel, .nap = {.result = NOOK_EPERM}};
    (void)arg;
    WANT(cancel_outer(&outer, 1) == 0);
    /* The error comes first; the cancel is not lost, but delivered at the next park. */
    WANT(outer.exit == NOOK_EPERM && outer.requests == 1);
    WANT(outer.next_park == NOOK_ECANCELED);
    return 0;
}

static void errors_come_before_a_cancel_which_is_delivered_later(void **state)
{
    (void)state;
    every_way(outside_and_error);
}

/* --- nested --------------------------------------------------------------------------- */

static int nested(void *arg)
{
    struct nap slow = {.ms = LONG}, bad = {.ms = 2, .result = NOOK_EPERM};
    nook_group outer = {0}, inner = {0};
    nook_task *in_outer, *in_inner;
    (void)arg;
    WANT(nook_group_enter(&outer) == 0);
    WANT(nook_group_spawn(&outer, &in_outer, take_nap, &slow, NULL) == 0);
    WANT(nook_group_enter(&inner) == 0);
    WANT(nook_group_spawn(&inner, &in_inner, take_nap, &bad, NULL) == 0);
    WANT(nook_group_exit(&inner, 0) == NOOK_EPERM);
    WANT(!nook_task_done(in_outer) && nook_task_cancelling(in_outer) == 0);
    WANT(nook_group_exit(&outer, NOOK_EPERM) == NOOK_EPERM);
    WANT(finish(in_outer) == NOOK_ECANCELED && finish(in_inner) == NOOK_EPERM);
    WANT(requests() == 0);
    return 0;
}

static void groups_nest(void **state)
{
    (void)state;
    every_way(nested);
}

/* The outer group's task fails while the parent waits in the inner one's exit. */
static int nested_from_outside(void *arg)
{
    struct nap slow = {.ms = LONG}, bad = {.ms = 2, .result = NOOK_EPERM};
    nook_group outer = {0}, inner = {0};
    int rc;
    (void)arg;
    WANT(nook_group_enter(&outer) == 0);
    WANT(nook_group_spawn(&outer, NULL, take_nap, &bad, NULL) == 0);
    WANT(nook_group_enter(&inner) == 0);
    WANT(nook_group_spawn(&inner, NULL, take_nap, &slow, NULL) == 0);
    rc = nook_group_exit(&inner, 0);
    WANT(rc == NOOK_ECANCELED && requests() == 1);
    WANT(nook_group_exit(&outer, rc) == NOOK_EPERM && requests() == 0);
    return nook_yield();
}

static void an_outer_error_ends_the_inner_group(void **state)
{
    (void)state;
    every_way(nested_from_outside);
}

static int group_and_deadline(void *arg)
{
    struct nap slow = {.ms = LONG};
    nook_deadline deadline;
    nook_group group = {0};
    (void)arg;
    WANT(nook_deadline_enter(&deadline, 5 * MS) == 0);
    WANT(nook_group_enter(&group) == 0);
    WANT(nook_group_spawn(&group, NULL, take_nap, &slow, NULL) == 0);
    WANT(nook_group_exit(&group, 0) == NOOK_ECANCELED);
    WANT(nook_deadline_exit(&deadline) == NOOK_ETIMEDOUT && requests() == 0);
    WANT(atomic_load(&slow.ended) == 1);
    return 0;
}

static void A39_a_timeout_round_a_group(void **state)
{
    (void)state;
    every_way(group_and_deadline);
}

/* --- contexts ------------------------------------------------------------------------- */

static int read_and_set(void *arg)
{
    int *seen = arg;
    *seen = number_in(&var);
    return nook_var_set(&var, value_of(99), NULL);
}

static int contexts_of_tasks(void *arg)
{
    int copied = 0, given = 0;
    nook_context *context;
    void *value = NULL;
    nook_group group = {0};
    (void)arg;
    WANT(nook_context_new(&context) == 0 && nook_var_set(&var, value_of(1), NULL) == 0);
    WANT(nook_group_enter(&group) == 0);
    WANT(nook_group_spawn(&group, NULL, read_and_set, &copied, NULL) == 0);
    WANT(nook_group_spawn(&group, NULL, read_and_set, &given,
                          &(nook_task_options){.context = context}) == 0);
    WANT(nook_var_set(&var, value_of(2), NULL) == 0);
    WANT(nook_group_exit(&group, 0) == 0);
    WANT(copied == 1 && given == -1 && number_in(&var) == 2);
    WANT(nook_context_find(context, &var, &value) == 0 && value == value_of(99));
    nook_context_unref(context);
    return 0;
}

static void A6_A3_A39_a_groups_task_has_a_copy_or_the_given_context(void **state)
{
    (void)state;
    every_way(contexts_of_tasks);
}

/* --- the block -------------------------------------------------------------------------- */

static int leave_early(nook_group *group, struct nap *nap, int *rc)
{
    NOOK_IN_GROUP (group, rc) {
        if (nook_group_spawn(group, NULL, take_nap, nap, NULL) == 0)
            return 7;
    }
    return 0;
}

static int blocks(void *arg)
{
    struct nap nap = {.ms = 2}, bad = {.ms = 1, .result = NOOK_EPERM}, slow = {.ms = LONG};
    nook_group group = {0};
    int rc = -1, inside = 0;
    (void)arg;
    WANT(leave_early(&group, &nap, &rc) == 7 && rc == 0 && atomic_load(&nap.ended) == 1);
    NOOK_IN_GROUP (&group, &rc) {
        inside++;
        rc = nook_group_spawn(&group, NULL, take_nap, &bad, NULL);
    }
    WANT(inside == 1 && rc == NOOK_EPERM);
    NOOK_IN_GROUP (&group, &rc) {
        (void)nook_group_spawn(&group, NULL, take_nap, &slow, NULL);
        rc = NOOK_ENOENT;
        break;
    }
    WANT(rc == NOOK_ENOENT && atomic_load(&slow.ended) <= 1);
    NOOK_IN_GROUP (NULL, &rc)
        inside++;
    WANT(inside == 1 && rc == NOOK_EINVAL);
    return 0;
}

static void every_way_out_of_the_block_exits(void **state)
{
    (void)state;
    every_way(blocks);
}

/* --- misuse ------------------------------------------------------------------------------- */

static int exit_it(void *arg)
{
    return nook_group_exit(arg, 0);
}

static int misuse(void *arg)
{
    struct nap nap = {.ms = 0};
    nook_group group = {0};
    nook_task *task;
    (void)arg;
    WANT(nook_group_enter(NULL) == NOOK_EINVAL && nook_group_exit(NULL, 0) == NOOK_EINVAL);
    WANT(nook_group_exit(&group, 0) == NOOK_EINVAL);
    WANT(nook_group_spawn(&group, NULL, take_nap, &nap, NULL) == NOOK_EINVAL);
    WANT(nook_group_spawn(NULL, NULL, take_nap, &nap, NULL) == NOOK_EINVAL);
    WANT(nook_group_enter(&group) == 0);
    WANT(nook_group_spawn(&group, NULL, NULL, &nap, NULL) == NOOK_EINVAL);
    WANT(nook_task_spawn(&task, exit_it, &group, NULL) == 0);
    WANT(finish(task) == NOOK_EINVAL); /* not who entered it */
    WANT(nook_group_exit(&group, 0) == 0);
    WANT(nook_group_exit(&group, 0) == NOOK_EINVAL);
    return 0;
}

static void groups_check_who_calls(void **state)
{
    nook_group group = {0};
    (void)state;
    every_way(misuse);
    assert_int_equal(nook_group_enter(&group), NOOK_ENOTASK);
    assert_int_equal(nook_group_exit(&group, 0), NOOK_ENOTASK);
    assert_int_equal(nook_group_spawn(&group, NULL, exit_it, NULL, NULL), NOOK_ENOTASK);
    assert_int_equal(nook_group_errors(NULL), 0);
}

static int left_line;

/* The group is somebody else's, so that it can be looked at afterwards. */
static int leave_it_open(void *arg)
{
    struct family *family = arg;
    left_line = __LINE__ + 1;
    int rc = nook_group_enter(family->group);
    if (rc == 0)
        rc = nook_group_spawn(family->group, NULL, fail_at_cancel, family->nap, NULL);
    while (rc == 0 && atomic_load(&family->nap->ended) == 0)
        rc = nook_sleep(1);
    return rc;
}

static int left_open(void *arg)
{
    struct nap bad = {.result = NOOK_EPERM};
    nook_scope_left last = {0};
    nook_group group = {0};
    struct family family = {&group, &bad, 0};
    nook_task *task;
    long before = nook_scopes_left(NULL);
    (void)arg;
    WANT(nook_task_spawn(&task, leave_it_open, &family,
                         &(nook_task_options){.name = "forgetful"}) == 0);
    WANT(finish(task) == NOOK_ESCOPE);
    WANT(nook_scopes_left(&last) == before + 1 && (int)last.line == left_line);
    WANT(strcmp(last.task, "forgetful") == 0 && strstr(last.file, "test_group.c") != NULL);
    WANT(nook_sleep(20 * MS) == 0 && nook_group_errors(&group) == 0); /* nobody was told */
    return 0;
}

static void a_task_that_ends_inside_a_group_is_told_where_it_entered(void **state)
{
    (void)state;
    every_way(left_open);
}

static int enter_and_forget(void *arg)
{
    nook_group inner = {0};
    left_line = __LINE__ + 1;
    int rc = nook_group_enter(&inner);
    return rc != 0 ? rc : nook_group_spawn(&inner, NULL, take_nap, arg, NULL);
}

static int inner_left_open(void *arg)
{
    struct nap slow = {.ms = LONG}, good = {.ms = 1};
    nook_scope_left last = {0};
    nook_group outer = {0};
    long before = nook_scopes_left(NULL);
    (void)arg;
    WANT(nook_group_enter(&outer) == 0);
    WANT(nook_group_spawn(&outer, NULL, take_nap, &good, NULL) == 0);
    WANT(enter_and_forget(&slow) == 0);
    WANT(nook_group_exit(&outer, 0) == NOOK_ESCOPE && atomic_load(&good.ended) == 1);
    WANT(nook_scopes_left(&last) == before + 1 && (int)last.line == left_line);
    WANT(nook_group_enter(&outer) == 0 && nook_group_exit(&outer, 0) == 0);
    WANT(nook_sleep(20 * MS) == 0);
    return 0;
}

static void an_inner_group_left_open_is_closed_by_the_outer(void **state)
{
    (void)state;
    every_way(inner_left_open);
}

/* --- no turn too many ------------------------------------------------------------------------
 */

static int speak(void *word)
{
    note(word);
    return 0;
}

/* Its parent waits at the exit, and is to go on before the task that is made after the cancel.
 */
static int cancel_parent_and_end(void *parent)
{
    WANT(nook_task_cancel(parent) == 0);
    return nook_task_spawn(NULL, speak, (void *)(uintptr_t) "later", NULL);
}

static int exit_cancelled(void *arg)
{
    nook_group group = {0};
    (void)arg;
    WANT(nook_group_enter(&group) == 0);
    WANT(nook_group_spawn(&group, NULL, cancel_parent_and_end, nook_task_current(), NULL) == 0);
    int rc = nook_group_exit(&group, 0);
    note("left");
    return rc;
}

static int leave_a_group(void *arg)
{
    int result = 0;
    nook_task *task;
    (void)arg;
    WANT(nook_task_spawn(&task, exit_cancelled, NULL, NULL) == 0);
    WANT(nook_task_join(task, &result) == 0);
    nook_task_unref(task);
    return result;
}

static void a_cancelled_exit_whose_tasks_have_ended_goes_on_in_its_turn(void **state)
{
    (void)state;
    trace_clear();
    assert_int_equal(run(VIRTUAL, leave_a_group, NULL), NOOK_ECANCELED);
    assert_string_equal(trace, "left later");
}

static int fail_after_a_sleep(void *arg)
{
    (void)arg;
    (void)nook_sleep(MS);
    return -EIO;
}

static int sleep_and_speak(void *word)
{
    int rc = nook_sleep(LONG);
    note(word);
    return rc;
}

static int join_and_speak(void *task)
{
    int rc = nook_task_join(task, NULL);
    note("joined");
    return rc;
}

static int fail_among_siblings(void *arg)
{
    nook_group group = {0};
    nook_task *failing;
    (void)arg;
    WANT(nook_group_enter(&group) == 0);
    WANT(nook_group_spawn(&group, &failing, fail_after_a_sleep, NULL, NULL) == 0);
    WANT(nook_group_spawn(&group, NULL, sleep_and_speak, (void *)(uintptr_t) "sibling", NULL) ==
         0);
    WANT(nook_task_spawn(NULL, join_and_speak, failing, NULL) == 0);
    int rc = nook_group_exit(&group, 0);
    note("left");
    WANT(nook_yield() == 0);
    nook_task_unref(failing);
    return rc;
}

/* As in asyncio, where the group's callback runs when all of them have been called. */
static void who_waits_for_the_failing_comes_before_whom_its_group_cancels(void **state)
{
    (void)state;
    trace_clear();
    assert_int_equal(run(VIRTUAL, fail_among_siblings, NULL), -EIO);
    assert_string_equal(trace, "joined sibling left");
}

/* --- the end of the run ----------------------------------------------------------------------
 */

static int hold_group(void *arg)
{
    struct outer *outer = arg;
    outer->exit = group_in_task(outer);
    return 0;
}

static int leave_group_behind(void *arg)
{
    WANT(nook_task_spawn(NULL, hold_group, arg, NULL) == 0);
    return nook_sleep(5 * MS);
}

static void a_group_waits_for_its_tasks_also_when_the_run_ends(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct outer outer = {.member = take_nap, .nap = {.ms = LONG}};
        assert_int_equal(run(way, leave_group_behind, &outer), 0);
        assert_int_equal(atomic_load(&outer.nap.ended), 1);
        assert_int_equal(outer.exit, NOOK_ECANCELED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(the_exit_waits_for_all),
        task_test(tasks_may_join_while_one_is_left_and_not_after),
        task_test(the_first_error_cancels_the_siblings),
        task_test(the_parent_is_cancelled_in_its_block_and_uncancelled),
        task_test(errors_are_collected_as_far_as_there_is_room),
        task_test(an_error_of_the_block_cancels_the_tasks),
        task_test(a_cancelled_task_is_no_error_of_the_group),
        task_test(a_cancel_from_outside_cancels_the_tasks_and_comes_out),
        task_test(no_further_cancel_ends_the_wait_of_the_exit),
        task_test(errors_come_before_a_cancel_which_is_delivered_later),
        task_test(groups_nest),
        task_test(an_outer_error_ends_the_inner_group),
        task_test(A39_a_timeout_round_a_group),
        task_test(A6_A3_A39_a_groups_task_has_a_copy_or_the_given_context),
        task_test(every_way_out_of_the_block_exits),
        task_test(groups_check_who_calls),
        task_test(a_task_that_ends_inside_a_group_is_told_where_it_entered),
        task_test(an_inner_group_left_open_is_closed_by_the_outer),
        task_test(a_cancelled_exit_whose_tasks_have_ended_goes_on_in_its_turn),
        task_test(who_waits_for_the_failing_comes_before_whom_its_group_cancels),
        task_test(a_group_waits_for_its_tasks_also_when_the_run_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
