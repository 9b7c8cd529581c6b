/* SPDX-License-Identifier: MIT */
/*
 * Who finds what in its context: tasks, callbacks and jobs [A1-A34], start modes,
 * and coroutines inside run [G1-G11]. Each runs for real and virtually, with one
 * worker and with three.
 */
#include "want.h"

static NOOK_VAR_DEFINE(var);

static int set(int number)
{
    return nook_var_set(&var, value_of(number), NULL);
}

/* What happened, by place; -1: unset. */
struct seen {
    int at[12];
    nook_context *context, *same[4];
    nook_task *task;
    int rc[6];
};

static const struct seen nothing = {.at = {99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99}};

static int spawn_and_join(nook_task_fn fn, void *arg, const nook_task_options *options)
{
    nook_task *task;
    int result = 0, rc = nook_task_spawn(&task, fn, arg, options);
    if (rc != 0)
        return rc;
    rc = nook_task_join(task, &result);
    nook_task_unref(task);
    return rc != 0 ? rc : result;
}

/* --- what a task starts with ---------------------------------------------- */

static int child_of_two(void *arg)
{
    struct seen *seen = arg;
    seen->at[0] = number_in(&var);
    (void)set(20);
    seen->at[1] = number_in(&var);
    int rc = nook_yield();
    seen->at[2] = number_in(&var);
    return rc;
}

static int parent_of_copy(void *arg)
{
    struct seen *seen = arg;
    nook_task *task;
    (void)set(1);
    int rc = nook_task_spawn(&task, child_of_two, seen, &(nook_task_options){.worker = 1});
    if (rc != 0)
        return rc;
    (void)set(2); /* the copy was taken before */
    rc = nook_task_join(task, NULL);
    seen->at[3] = number_in(&var);
    nook_task_unref(task);
    return rc;
}

static void A2_A29_spawn_copies_at_creation_and_nothing_comes_back(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen = nothing;
        assert_int_equal(run(way, parent_of_copy, &seen), 0);
        assert_int_equal(seen.at[0], 1);
        assert_int_equal(seen.at[1], 20);
        assert_int_equal(seen.at[2], 20);
        assert_int_equal(seen.at[3], 2);
    }
}

static int called(void *arg)
{
    return number_in((nook_var *)arg) + (set(5) == 0 ? 0 : 100);
}

static int call_plainly(void *arg)
{
    struct seen *seen = arg;
    (void)set(4);
    seen->at[0] = called(&var);
    seen->at[1] = number_in(&var);
    return 0;
}

static void A1_a_plain_call_is_in_the_callers_context(void **state)
{
    struct seen seen = nothing;
    (void)state;
    assert_int_equal(run(VIRTUAL, call_plainly, &seen), 0);
    assert_int_equal(seen.at[0], 4);
    assert_int_equal(seen.at[1], 5);
}

static int look_and_set(void *arg)
{
    struct seen *seen = arg;
    seen->at[0] = number_in(&var);
    seen->same[0] = nook_context_peek();
    seen->same[1] = nook_task_context(nook_task_current());
    nook_context_unref(seen->same[1]);
    (void)set(seen->at[0] + 1);
    int rc = nook_yield();
    (void)set(number_in(&var) + 1);
    return rc;
}

static int give_context(void *arg)
{
    struct seen *seen = arg;
    (void)set(7);
    int rc = spawn_and_join(look_and_set, seen, &(nook_task_options){.context = seen->context});
    seen->at[1] = number_in(&var);
    return rc;
}

static void A3_A33_a_given_context_is_used_as_it_is(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen = nothing;
        void *value = NULL;
        assert_int_equal(nook_context_new(&seen.context), 0);
        assert_int_equal(run(way, give_context, &seen), 0);
        assert_int_equal(seen.at[0], -1);
        assert_int_equal(seen.at[1], 7);
        assert_ptr_equal(seen.same[0], seen.context);
        assert_ptr_equal(seen.same[1], seen.context);
        assert_int_equal(nook_context_find(seen.context, &var, &value), 0);
        assert_int_equal((intptr_t)value, 1);
        nook_context_unref(seen.context); /* the last reference: the fixture counts [A34] */
    }
}

/* Two tasks with one context see each other's sets. */
static int step_in_turn(void *arg)
{
    struct seen *seen = arg;
    for (int i = 0; i < 3; i++) {
        int number = number_in(&var);
        (void)set(number < 0 ? 1 : number + 1);
        int rc = nook_yield();
        if (rc != 0)
            return rc;
    }
    seen->rc[0]++; /* one at a time: they share */
    return 0;
}

static int share_context(void *arg)
{
    struct seen *seen = arg;
    nook_task *tasks[4] = {NULL};
    int rc = 0, n = 0;
    for (; rc == 0 && n < 4; n++)
        rc = nook_task_spawn(&tasks[n], step_in_turn, seen,
                             &(nook_task_options){.context = seen->context, .migrate = 1});
    if (rc == 0)
        rc = nook_gather(tasks, 4, NULL);
    while (n-- > 0)
        nook_task_unref(tasks[n]);
    return rc;
}

static void A4_D3_tasks_with_one_context_share_it_and_take_turns(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen = nothing;
        void *value = NULL;
        seen.rc[0] = 0;
        assert_int_equal(nook_context_new(&seen.context), 0);
        assert_int_equal(run(way, share_context, &seen), 0);
        assert_int_equal(seen.rc[0], 4);
        assert_int_equal(nook_context_find(seen.context, &var, &value), 0);
        assert_int_equal((intptr_t)value, 12);
        nook_context_unref(seen.context);
    }
}

static int start_modes(void *arg)
{
    struct seen *seen = arg;
    struct seen inner[3] = {nothing, nothing, nothing};
    int rc = 0;
    for (int mode = NOOK_START_COPY; rc == 0 && mode <= NOOK_START_SHARE; mode++) {
        (void)set(30);
        rc = spawn_and_join(look_and_set, &inner[mode],
                            &(nook_task_options){.start = (nook_start)mode});
        seen->at[mode * 2] = inner[mode].at[0];
        seen->at[mode * 2 + 1] = number_in(&var);
    }
    seen->at[6] = inner[NOOK_START_SHARE].same[0] == nook_context_peek();
    return rc;
}

static void G2_G3_a_task_starts_with_a_copy_or_empty_or_shares(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen = nothing;
        assert_int_equal(run(way, start_modes, &seen), 0);
        assert_int_equal(seen.at[0], 30); /* copy */
        assert_int_equal(seen.at[1], 30);
        assert_int_equal(seen.at[2], -1); /* empty */
        assert_int_equal(seen.at[3], 30);
        assert_int_equal(seen.at[4], 30); /* share */
        assert_int_equal(seen.at[5], 32);
        assert_true(seen.at[6]);
    }
}

static int in_given_copy(void *arg)
{
    return number_in(&var) == 41 && set(0) == 0 ? (int)(intptr_t)arg : -1;
}

/* A copy made and changed by hand before the start. */
static int by_hand(void *arg)
{
    nook_context *context;
    (void)set(40);
    int rc = nook_context_copy_current(&context);
    if (rc != 0)
        return rc;
    rc = nook_context_run(context, called, &var, NULL);
    if (rc == 0)
        rc = nook_context_enter(context);
    if (rc == 0)
        rc = set(41);
    if (rc == 0)
        rc = nook_context_exit(context);
    if (rc == 0)
        rc = spawn_and_join(in_given_copy, value_of(8),
                            &(nook_task_options){.context = context});
    nook_context_unref(context);
    *(int *)arg = number_in(&var);
    return rc;
}

static void G4_a_context_prepared_before_the_start(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        int after = 0;
        assert_int_equal(run(way, by_hand, &after), 8);
        assert_int_equal(after, 40);
    }
}

/* --- gather --------------------------------------------------------------- */

static int gather_three(void *arg)
{
    struct seen *seen = arg;
    struct seen inner[3] = {nothing, nothing, nothing};
    nook_task *tasks[3] = {NULL};
    int rc = 0;
    for (int i = 0; rc == 0 && i < 3; i++) {
        (void)set(i);
        rc = nook_task_spawn(&tasks[i], look_and_set, &inner[i], NULL);
    }
    (void)set(50);
    if (rc == 0)
        rc = nook_gather(tasks, 3, NULL);
    for (int i = 0; i < 3; i++) {
        seen->at[i] = inner[i].at[0];
        nook_task_unref(tasks[i]);
    }
    seen->at[3] = number_in(&var);
    return rc;
}

static void A5_A7_gather_leaves_tasks_their_contexts(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen = nothing;
        assert_int_equal(run(way, gather_three, &seen), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(seen.at[i], i);
        assert_int_equal(seen.at[3], 50);
    }
}

/* --- the run -------------------------------------------------------------- */

static int look_at_the_callers(void *arg)
{
    *(int *)arg = number_in(&var);
    return set(61);
}

static void A13_main_runs_in_a_copy_of_the_callers_context(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        int found = 0;
        assert_int_equal(set(60), 0);
        assert_int_equal(run(way, look_at_the_callers, &found), 0);
        assert_int_equal(found, 60);
        assert_int_equal(number_in(&var), 60);
    }
}

static int of_the_worker(void *arg)
{
    ((int *)arg)[nook_worker_index() - 1] = number_in(&var);
    return set(70);
}

static int on_all_workers(void *arg)
{
    int rc = 0;
    (void)set(71);
    for (unsigned i = 1; rc == 0 && i <= 3; i++)
        rc = spawn_and_join(of_the_worker, arg,
                            &(nook_task_options){.worker = i, .start = NOOK_START_EMPTY});
    return rc;
}

static void D1_D5_a_workers_own_context_is_never_seen(void **state)
{
    (void)state;
    for (enum way way = VIRTUAL_3; way < WAYS; way++) {
        int found[3] = {0};
        if (way == REAL)
            continue;
        assert_int_equal(set(72), 0); /* in what is the first worker's own */
        assert_int_equal(run(way, on_all_workers, found), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(found[i], -1);
    }
}

/* --- callbacks ------------------------------------------------------------ */

static void look_once(void *arg)
{
    struct seen *seen = arg;
    seen->at[0] = number_in(&var);
    (void)set(81);
}

static void look_once_more(void *arg)
{
    struct seen *seen = arg;
    seen->at[1] = number_in(&var);
    (void)set(82);
}

static int call_back(void *arg)
{
    struct seen *seen = arg;
    (void)set(80);
    int rc = nook_call_soon(NULL, look_once, seen, NULL);
    if (rc == 0)
        rc = nook_call_later(NULL, 1, look_once_more, seen, NULL);
    (void)set(83);
    if (rc == 0)
        rc = nook_sleep(5 * MS);
    seen->at[2] = number_in(&var);
    return rc;
}

static void A16_a_callback_runs_in_a_copy_taken_when_it_was_scheduled(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen = nothing;
        assert_int_equal(run(way, call_back, &seen), 0);
        assert_int_equal(seen.at[0], 80);
        assert_int_equal(seen.at[1], 80);
        assert_int_equal(seen.at[2], 83);
    }
}

static int call_back_in_given(void *arg)
{
    struct seen *seen = arg;
    (void)set(84);
    int rc = nook_call_soon(NULL, look_once, seen, seen->context);
    if (rc == 0)
        rc = nook_call_later(NULL, 1, look_once_more, seen, seen->context);
    if (rc == 0)
        rc = nook_sleep(5 * MS);
    seen->at[2] = number_in(&var);
    return rc;
}

static void A17_a_callback_with_a_context_runs_in_it(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen = nothing;
        void *value = NULL;
        assert_int_equal(nook_context_new(&seen.context), 0);
        assert_int_equal(run(way, call_back_in_given, &seen), 0);
        assert_int_equal(seen.at[0], -1);
        assert_int_equal(seen.at[1], 81);
        assert_int_equal(seen.at[2], 84);
        assert_int_equal(nook_context_find(seen.context, &var, &value), 0);
        assert_int_equal((intptr_t)value, 82);
        nook_context_unref(seen.context);
    }
}

static int set_and_end(void *arg)
{
    (void)arg;
    (void)set(85);
    return 0;
}

static int watch_end(void *arg)
{
    struct seen *seen = arg;
    nook_task *task;
    (void)set(86);
    int rc = nook_task_spawn(&task, set_and_end, NULL, &(nook_task_options){.worker = 1});
    if (rc == 0)
        rc = nook_task_on_done(NULL, task, look_once, seen, NULL);
    (void)set(87);
    if (rc == 0)
        rc = nook_task_join(task, NULL);
    if (rc == 0)
        rc = nook_yield();
    if (rc == 0) /* it has ended: soon, and a copy taken now */
        rc = nook_task_on_done(NULL, task, look_once_more, seen, NULL);
    (void)set(88);
    if (rc == 0)
        rc = nook_yield();
    seen->at[2] = number_in(&var);
    nook_task_unref(task);
    return rc;
}

static void A18_A19_A31_a_done_callback_runs_where_it_was_registered(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen = nothing;
        assert_int_equal(run(way, watch_end, &seen), 0);
        assert_int_equal(seen.at[0], 86);
        assert_int_equal(seen.at[1], 87);
        assert_int_equal(seen.at[2], 88);
    }
}

static void enter_and_forget(void *arg)
{
    struct seen *seen = arg;
    seen->rc[0] = nook_context_enter(seen->context);
}

static int forget_in_callback(void *arg)
{
    struct seen *seen = arg;
    (void)set(89);
    int rc = nook_call_soon(NULL, enter_and_forget, seen, NULL);
    if (rc == 0)
        rc = nook_call_soon(NULL, look_once, seen, NULL);
    return rc == 0 ? nook_yield() : rc;
}

static void G7_what_a_callback_has_entered_is_left_after_it(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen = nothing;
        assert_int_equal(nook_context_new(&seen.context), 0);
        assert_int_equal(run(way, forget_in_callback, &seen), 0);
        assert_int_equal(seen.rc[0], 0);
        assert_int_equal(seen.at[0], 89);
        assert_int_equal(nook_context_enter(seen.context), 0);
        assert_int_equal(nook_context_exit(seen.context), 0);
        nook_context_unref(seen.context);
    }
}

/* --- steps of one task ---------------------------------------------------- */

static int in_many_steps(void *arg)
{
    struct seen *seen = arg;
    nook_context *first = nook_context_peek();
    int same = 0;
    for (int i = 0; i < 10; i++) {
        int rc = i % 2 ? nook_yield() : nook_sleep(1);
        if (rc != 0)
            return rc;
        same += nook_context_peek() == first;
    }
    seen->at[0] = same;
    return 0;
}

static int enter_the_parked_ones(void *arg)
{
    struct seen *seen = arg;
    int rc =
        nook_task_spawn(&seen->task, in_many_steps, seen, &(nook_task_options){.worker = 1});
    for (int i = 0; rc == 0 && i < 3; i++) {
        nook_context *context = nook_task_context(seen->task);
        rc = nook_context_enter(context); /* between its steps it is not entered */
        if (rc == 0)
            rc = nook_context_exit(context);
        nook_context_unref(context);
        if (rc == 0)
            rc = nook_yield();
    }
    if (rc == 0)
        rc = nook_task_join(seen->task, NULL);
    nook_task_unref(seen->task);
    return rc;
}

static void A26_all_steps_run_in_one_context_that_is_not_entered_between_them(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen = nothing;
        assert_int_equal(run(way, enter_the_parked_ones, &seen), 0);
        assert_int_equal(seen.at[0], 10);
    }
}

enum { HUNDRED = 100 };

struct hundred {
    struct one {
        int number, wrong;
    } one[HUNDRED];
    int after;
};

static int keep_own(void *arg)
{
    struct one *one = arg;
    uint32_t random = (uint32_t)one->number * 2654435761U + 1;
    (void)set(one->number);
    for (int i = 0; i < 10; i++) {
        random = random * 1664525U + 1013904223U;
        int rc = nook_sleep((random >> 16) % 100);
        if (rc != 0)
            return rc;
        one->wrong += number_in(&var) != one->number;
    }
    return 0;
}

static int hundred_tasks(void *arg)
{
    struct hundred *hundred = arg;
    nook_task *tasks[HUNDRED] = {NULL};
    int rc = 0;
    (void)set(1000);
    for (int i = 0; rc == 0 && i < HUNDRED; i++) {
        hundred->one[i] = (struct one){i, 0};
        rc = nook_task_spawn(&tasks[i], keep_own, &hundred->one[i], NULL);
    }
    if (rc == 0)
        rc = nook_gather(tasks, HUNDRED, NULL);
    for (int i = 0; i < HUNDRED; i++)
        nook_task_unref(tasks[i]);
    hundred->after = number_in(&var);
    return rc;
}

static void A30_a_hundred_tasks_each_see_their_own(void **state)
{
    static struct hundred hundred;
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        assert_int_equal(run(way, hundred_tasks, &hundred), 0);
        for (int i = 0; i < HUNDRED; i++)
            assert_int_equal(hundred.one[i].wrong, 0);
        assert_int_equal(hundred.after, 1000);
    }
}

/* --- inside run ----------------------------------------------------------- */

/* Parks inside a run of `context`; meanwhile others try. */
struct inside {
    nook_context *context;
    int before, within, resumed, after, others, entered, left;
    nook_task *task;
};

static int within(void *arg)
{
    struct inside *inside = arg;
    inside->within = number_in(&var);
    (void)set(91);
    int rc = nook_sleep(2);
    inside->resumed = number_in(&var);
    return rc;
}

static int run_and_park(void *arg)
{
    struct inside *inside = arg;
    int result = 0;
    (void)set(90);
    int rc = nook_context_run(inside->context, within, inside, &result);
    inside->after = number_in(&var);
    return rc != 0 ? rc : result;
}

static int try_meanwhile(void *arg)
{
    struct inside *inside = arg;
    int rc =
        nook_task_spawn(&inside->task, run_and_park, inside, &(nook_task_options){.worker = 1});
    if (rc == 0)
        rc = nook_sleep(1);
    inside->others = number_in(&var);
    inside->entered = nook_context_enter(inside->context);
    if (rc == 0)
        rc = nook_task_join(inside->task, NULL);
    inside->left = nook_context_enter(inside->context);
    (void)nook_context_exit(inside->context);
    nook_task_unref(inside->task);
    return rc;
}

static void D2_G1_G5_G6_a_run_may_park_inside_and_stays_entered(void **state)
{
    (void)state;
    for (enum way way = 0; way < REAL; way++) {
        struct inside inside = {.others = 99};
        assert_int_equal(nook_context_new(&inside.context), 0);
        assert_int_equal(run(way, try_meanwhile, &inside), 0);
        assert_int_equal(inside.within, -1);
        assert_int_equal(inside.resumed, 91);
        assert_int_equal(inside.after, 90);
        assert_int_equal(inside.others, -1);
        assert_int_equal(inside.entered, NOOK_EENTERED);
        assert_int_equal(inside.left, 0);
        nook_context_unref(inside.context);
    }
}

/* Two tasks enter in one order and leave in the same: no stack over all tasks. */
static int enter_and_leave_later(void *arg)
{
    struct inside *inside = arg;
    inside->entered = nook_context_enter(inside->context);
    (void)set(92);
    int rc = nook_sleep((uint64_t)inside->before);
    inside->after = number_in(&var);
    inside->left = nook_context_exit(inside->context);
    return rc;
}

static int cross(void *arg)
{
    struct inside *two = arg;
    nook_task *tasks[2] = {NULL};
    int rc = 0;
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = nook_task_spawn(&tasks[i], enter_and_leave_later, &two[i], NULL);
    if (rc == 0)
        rc = nook_gather(tasks, 2, NULL);
    nook_task_unref(tasks[0]);
    nook_task_unref(tasks[1]);
    return rc;
}

static void G5_exits_of_different_tasks_come_in_any_order(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct inside two[2] = {{.before = 1}, {.before = 2}};
        assert_int_equal(nook_context_new(&two[0].context), 0);
        assert_int_equal(nook_context_new(&two[1].context), 0);
        assert_int_equal(run(way, cross, two), 0);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(two[i].entered, 0);
            assert_int_equal(two[i].after, 92);
            assert_int_equal(two[i].left, 0);
            nook_context_unref(two[i].context);
        }
    }
}

static int cancel_within(void *arg)
{
    struct inside *inside = arg;
    inside->before = 1;
    int rc =
        nook_task_spawn(&inside->task, run_and_park, inside, &(nook_task_options){.worker = 1});
    if (rc == 0)
        rc = nook_yield();
    if (rc == 0)
        rc = nook_task_cancel(inside->task);
    if (rc == 0)
        rc = nook_task_join(inside->task, &inside->others);
    inside->entered = nook_context_enter(inside->context);
    (void)nook_context_exit(inside->context);
    nook_task_unref(inside->task);
    return rc;
}

static void G7_a_task_cancelled_inside_run_leaves_it(void **state)
{
    (void)state;
    for (enum way way = 0; way < REAL; way++) {
        struct inside inside = {0};
        assert_int_equal(nook_context_new(&inside.context), 0);
        assert_int_equal(run(way, cancel_within, &inside), 0);
        assert_int_equal(inside.others, NOOK_ECANCELED);
        assert_int_equal(inside.entered, 0);
        nook_context_unref(inside.context);
    }
}

static int end_within(void *arg)
{
    struct inside *inside = arg;
    inside->entered = nook_context_enter(inside->context);
    return set(93);
}

static int end_within_and_look(void *arg)
{
    struct inside *inside = arg;
    int rc = spawn_and_join(end_within, inside, NULL);
    inside->left = nook_context_enter(inside->context);
    if (inside->left == 0)
        (void)nook_context_exit(inside->context);
    return rc;
}

static void G7_a_task_that_ends_inside_a_context_leaves_it(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct inside inside = {0};
        assert_int_equal(nook_context_new(&inside.context), 0);
        assert_int_equal(run(way, end_within_and_look, &inside), 0);
        assert_int_equal(inside.entered, 0);
        assert_int_equal(inside.left, 0);
        nook_context_unref(inside.context);
    }
}

static int again_in_its_own(void *arg)
{
    struct seen *seen = arg;
    seen->at[0] = number_in(&var);
    (void)set(99);
    return nook_yield();
}

static int enter_its_own(void *arg)
{
    struct seen *seen = arg;
    nook_context *own = nook_task_context(nook_task_current());
    (void)set(98);
    int rc = nook_context_run(own, again_in_its_own, seen, NULL);
    seen->at[1] = number_in(&var);
    seen->at[2] = nook_context_peek() == own;
    nook_context_unref(own);
    return rc;
}

/* Unlike asyncio's: between and during its steps a task's own context is not entered. */
static void A27_a_task_may_run_something_in_its_own_context(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen = nothing;
        assert_int_equal(run(way, enter_its_own, &seen), 0);
        assert_int_equal(seen.at[0], 98);
        assert_int_equal(seen.at[1], 99);
        assert_true(seen.at[2]);
    }
}

static int set_round_a_deadline(void *arg)
{
    struct seen *seen = arg;
    nook_context *own = nook_context_peek();
    nook_deadline deadline;
    (void)set(1);
    int rc = nook_deadline_enter(&deadline, 1);
    (void)set(number_in(&var) + 1);
    if (rc == 0 && nook_sleep(UINT64_MAX) == NOOK_ECANCELED)
        (void)set(number_in(&var) + 1);
    rc = nook_deadline_exit(&deadline);
    seen->at[0] = number_in(&var);
    seen->at[1] = nook_context_peek() == own;
    return rc;
}

static void A10_A39_a_deadline_is_in_the_callers_own_context(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen = nothing;
        assert_int_equal(run(way, set_round_a_deadline, &seen), NOOK_ETIMEDOUT);
        assert_int_equal(seen.at[0], 3);
        assert_true(seen.at[1]);
    }
}

/* --- asking from outside -------------------------------------------------- */

static int read_of_each(void *arg)
{
    struct seen *seen = arg;
    nook_task *task;
    void *value = NULL;
    (void)set(94);
    int rc = nook_task_spawn(&task, in_many_steps, seen, &(nook_task_options){.worker = 1});
    if (rc != 0)
        return rc;
    nook_context *unstarted = nook_task_context(task), *parked;
    seen->at[1] = nook_context_find(unstarted, &var, &value) == 0 ? (int)(intptr_t)value : -1;
    rc = nook_yield();
    parked = nook_task_context(task);
    seen->at[2] = parked == unstarted;
    nook_context_unref(parked);
    if (rc == 0)
        rc = nook_task_join(task, NULL);
    seen->at[3] = nook_task_context(task) == NULL;
    nook_context_unref(unstarted);
    nook_task_unref(task);
    return rc;
}

static void G8_a_tasks_context_can_be_read_until_it_ends(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen = nothing;
        assert_int_equal(run(way, read_of_each, &seen), 0);
        assert_int_equal(seen.at[1], 94);
        assert_true(seen.at[2]);
        assert_true(seen.at[3]);
    }
}

static nook_token parents_token;

static int reset_in_child(void *arg)
{
    (void)arg;
    return nook_var_reset(&var, &parents_token);
}

static int reset_elsewhere(void *arg)
{
    int *rc = arg;
    (void)nook_var_set(&var, value_of(95), &parents_token);
    rc[0] = spawn_and_join(reset_in_child, NULL, NULL);
    rc[1] = nook_yield();
    rc[2] = nook_var_reset(&var, &parents_token); /* it was not used up */
    return 0;
}

static void T5_G10_a_token_is_reset_where_it_was_made(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        int rc[3] = {1, 1, 1};
        assert_int_equal(run(way, reset_elsewhere, rc), 0);
        assert_int_equal(rc[0], NOOK_EWRONGCONTEXT);
        assert_int_equal(rc[1], 0);
        assert_int_equal(rc[2], 0);
    }
}

static int detach_and_go_on(void *arg)
{
    struct seen *seen = arg;
    (void)set(96);
    nook_thread_detach();
    seen->at[0] = number_in(&var);
    (void)set(97);
    int rc = nook_yield();
    seen->at[1] = number_in(&var);
    return rc;
}

static int detach_in_child(void *arg)
{
    struct seen *seen = arg;
    (void)set(98);
    int rc = spawn_and_join(detach_and_go_on, seen, NULL);
    seen->at[2] = number_in(&var);
    return rc;
}

/* The rest is the fixture's: nothing is alive when the task is dead. */
static void G9_G11_a_task_may_give_up_its_chain_and_get_another(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen = nothing;
        assert_int_equal(run(way, detach_in_child, &seen), 0);
        assert_int_equal(seen.at[0], -1);
        assert_int_equal(seen.at[1], 97);
        assert_int_equal(seen.at[2], 98);
    }
}

/*
 * With no chain at all: it parks and wakes so, its children find nothing, and what is left of
 * its own context goes when it ends.
 */
static void note_at_end(void *user)
{
    struct seen *seen = user;
    seen->at[4] = number_in(&var);
}

static int look_around(void *arg)
{
    struct seen *seen = arg;
    seen->at[2] = number_in(&var);
    return nook_yield();
}

static int detach_and_set_nothing(void *arg)
{
    struct seen *seen = arg;
    nook_context *own = nook_task_context(nook_task_current());
    int rc = set(99);
    WANT(nook_task_at_end(note_at_end, seen) == 0);
    nook_thread_detach();
    WANT(nook_yield() == 0);
    seen->at[0] = number_in(&var);
    WANT(nook_sleep(1) == 0);
    seen->at[1] = number_in(&var);
    seen->same[0] = nook_context_peek();
    WANT(spawn_and_join(look_around, seen, &(nook_task_options){.start = NOOK_START_SHARE}) ==
         0);
    void *value;
    seen->at[3] = nook_context_find(own, &var, &value) == 0 ? (int)(intptr_t)value : -1;
    nook_context_unref(own);
    return rc;
}

/* The same, where nobody knows where its context is, that lies with it. */
static int detach_unknown(void *arg)
{
    struct seen *seen = arg;
    (void)set(99);
    nook_thread_detach();
    WANT(nook_sleep(1) == 0);
    seen->at[5] = number_in(&var);
    return nook_yield();
}

static int detach_without_a_set(void *arg)
{
    WANT(set(94) == 0);
    WANT(spawn_and_join(detach_and_set_nothing, arg, NULL) == 0);
    WANT(spawn_and_join(detach_unknown, arg, NULL) == 0);
    return number_in(&var);
}

static void G9_G11_a_task_parks_without_a_chain(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen = nothing;
        assert_int_equal(run(way, detach_without_a_set, &seen), 94);
        assert_int_equal(seen.at[0], -1);
        assert_int_equal(seen.at[1], -1);
        assert_null(seen.same[0]);
        assert_int_equal(seen.at[2], -1);
        assert_int_equal(seen.at[3], 99); /* the task's context is what it was */
        assert_int_equal(seen.at[4], -1);
        assert_int_equal(seen.at[5], -1);
    }
}

/* Another one of the worker is inside a context meanwhile, and comes back to it. */
struct beside {
    nook_context *context;
    nook_event over;
};

static int stay_until_over(void *arg)
{
    WANT(set(93) == 0);
    WANT(nook_event_wait(arg) == 0);
    WANT(number_in(&var) == 93);
    return set(92);
}

static int stay_inside(void *arg)
{
    struct beside *beside = arg;
    int result = -1;
    WANT(nook_context_run(beside->context, stay_until_over, &beside->over, &result) == 0);
    WANT(number_in(&var) == 91);
    return result;
}

static int detach_beside(void *arg)
{
    struct beside *beside = arg;
    nook_task_options here = {.worker = 1};
    nook_task *task;
    WANT(set(91) == 0);
    WANT(nook_task_spawn(&task, stay_inside, beside, &here) == 0);
    WANT(nook_sleep(1) == 0);
    WANT(nook_context_enter(beside->context) == NOOK_EENTERED);
    nook_thread_detach();
    WANT(nook_sleep(1) == 0);
    nook_event_set(&beside->over);
    WANT(finish(task) == 0);
    WANT(nook_context_enter(beside->context) == 0);
    WANT(number_in(&var) == 92);
    return nook_context_exit(beside->context);
}

static void H10_who_detaches_detaches_nobody_else(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct beside beside = {.context = NULL};
        assert_int_equal(nook_context_new(&beside.context), 0);
        assert_int_equal(run(way, detach_beside, &beside), 0);
        nook_context_unref(beside.context);
    }
}

/* --- policies ------------------------------------------------------------- */

static int refuse;

static int duplicate(void *value, void **copy, void *user)
{
    (void)user;
    *copy = (char *)value + 1;
    return refuse ? NOOK_EUNBOUND : 0;
}

static const nook_value_ops duplicated_ops = {.duplicate = duplicate,
                                              .inherit = NOOK_INHERIT_DUPLICATE};
static const nook_value_ops dropped_ops = {.inherit = NOOK_INHERIT_DROP};
static nook_var duplicated = NOOK_VAR_INIT("duplicated", &duplicated_ops, 0, NULL);
static nook_var dropped = NOOK_VAR_INIT("dropped", &dropped_ops, 0, NULL);

static int look_at_policies(void *arg)
{
    struct seen *seen = arg;
    seen->at[0] = number_in(&duplicated);
    seen->at[1] = number_in(&dropped);
    return 0;
}

static void soon(void *arg)
{
    (void)arg;
}

static int with_policies(void *arg)
{
    struct seen *seen = arg;
    nook_handle *handle = NULL;
    (void)nook_var_set(&duplicated, value_of(100), NULL);
    (void)nook_var_set(&dropped, value_of(100), NULL);
    int rc = spawn_and_join(look_at_policies, seen, NULL);
    if (rc == 0)
        rc = nook_to_thread(look_at_policies, seen + 1, NULL);
    refuse = 1; /* then nothing starts, and nothing is left */
    seen->rc[0] = nook_task_spawn(&seen->task, look_at_policies, seen, NULL);
    seen->rc[1] = nook_call_soon(&handle, soon, NULL, NULL);
    seen->rc[2] = nook_to_thread(look_at_policies, seen, NULL);
    seen->rc[3] = handle != NULL || seen->task != NULL;
    refuse = 0;
    return rc;
}

static void A2_A21_policies_are_applied_by_spawn_and_by_jobs(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen[2] = {nothing, nothing};
        assert_int_equal(run(way, with_policies, seen), 0);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(seen[i].at[0], 101);
            assert_int_equal(seen[i].at[1], -1);
        }
        for (int i = 0; i < 3; i++)
            assert_int_equal(seen[0].rc[i], NOOK_EUNBOUND);
        assert_false(seen[0].rc[3]);
    }
}

/* --- where a task's own context lies ------------------------------------------ */

struct own {
    int early; /* its address is asked for before the first park */
    nook_context *same[2], *context;
};

static int hold_own(void *arg)
{
    struct own *own = arg;
    WANT(set(7) == 0);
    if (own->early)
        own->same[0] = nook_context_peek();
    WANT(nook_sleep(1) == 0);
    own->same[1] = nook_context_peek();
    own->context = nook_context_ref(nook_context_peek());
    return nook_sleep(1);
}

static int hold_childs(void *arg)
{
    return spawn_and_join(hold_own, arg, NULL);
}

/* It lies on the task's stack, which it keeps; or beside, where it did not move there, because
 * somebody knew its address. */
static void a_context_outlives_its_task_and_its_run(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * WAYS; i++) {
        struct own own = {.early = i % 2};
        nook_task_counts counts;
        void *value = NULL;
        assert_int_equal(run((enum way)(i / 2), hold_childs, &own), 0);
        assert_ptr_equal(own.same[1], own.context);
        if (own.early)
            assert_ptr_equal(own.same[0], own.context);
        assert_int_equal(nook_context_find(own.context, &var, &value), 0);
        assert_ptr_equal(value, value_of(7));
        assert_int_equal(nook_task_count(&counts), 0);
        assert_int_equal(counts.stacks, !own.early);
        nook_context_unref(own.context);
        assert_int_equal(nook_task_count(&counts), 0);
        assert_int_equal(counts.stacks, 0);
    }
}

static int look_at_own(void *arg)
{
    struct seen *seen = arg;
    seen->same[1] = nook_context_peek();
    return nook_sleep(1);
}

static int ask_before_the_start(void *arg)
{
    struct seen *seen = arg;
    WANT(nook_task_spawn(&seen->task, look_at_own, arg, NULL) == 0);
    seen->context = nook_task_context(seen->task);
    WANT(nook_task_join(seen->task, NULL) == 0);
    nook_task_unref(seen->task);
    return 0;
}

/* Who asks early keeps it from moving; and it keeps no stack. */
static void A33_a_context_that_is_known_before_the_start_is_the_very_one(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct seen seen = nothing;
        nook_task_counts counts;
        if (way == REAL_3) /* there it may have started by then */
            continue;
        assert_int_equal(run(way, ask_before_the_start, &seen), 0);
        assert_ptr_equal(seen.context, seen.same[1]);
        assert_int_equal(nook_task_count(&counts), 0);
        assert_int_equal(counts.stacks, 0);
        nook_context_unref(seen.context);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(A1_a_plain_call_is_in_the_callers_context),
        task_test(A2_A29_spawn_copies_at_creation_and_nothing_comes_back),
        task_test(A3_A33_a_given_context_is_used_as_it_is),
        task_test(A4_D3_tasks_with_one_context_share_it_and_take_turns),
        task_test(G2_G3_a_task_starts_with_a_copy_or_empty_or_shares),
        task_test(G4_a_context_prepared_before_the_start),
        task_test(A5_A7_gather_leaves_tasks_their_contexts),
        task_test(A13_main_runs_in_a_copy_of_the_callers_context),
        task_test(D1_D5_a_workers_own_context_is_never_seen),
        task_test(A16_a_callback_runs_in_a_copy_taken_when_it_was_scheduled),
        task_test(A17_a_callback_with_a_context_runs_in_it),
        task_test(A18_A19_A31_a_done_callback_runs_where_it_was_registered),
        task_test(G7_what_a_callback_has_entered_is_left_after_it),
        task_test(A26_all_steps_run_in_one_context_that_is_not_entered_between_them),
        task_test(A30_a_hundred_tasks_each_see_their_own),
        task_test(D2_G1_G5_G6_a_run_may_park_inside_and_stays_entered),
        task_test(G5_exits_of_different_tasks_come_in_any_order),
        task_test(G7_a_task_cancelled_inside_run_leaves_it),
        task_test(G7_a_task_that_ends_inside_a_context_leaves_it),
        task_test(A27_a_task_may_run_something_in_its_own_context),
        task_test(A10_A39_a_deadline_is_in_the_callers_own_context),
        task_test(G8_a_tasks_context_can_be_read_until_it_ends),
        task_test(T5_G10_a_token_is_reset_where_it_was_made),
        task_test(G9_G11_a_task_may_give_up_its_chain_and_get_another),
        task_test(G9_G11_a_task_parks_without_a_chain),
        task_test(H10_who_detaches_detaches_nobody_else),
        task_test(A2_A21_policies_are_applied_by_spawn_and_by_jobs),
        task_test(a_context_outlives_its_task_and_its_run),
        task_test(A33_a_context_that_is_known_before_the_start_is_the_very_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
