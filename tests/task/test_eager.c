/* SPDX-License-Identifier: MIT */
/*
 * Eager tasks, after CPython 3.12's eager_start [A23, A24]: one runs at once, until its first
 * park or its end, and only then whoever made it goes on.
 */
#include "want.h"

#include <errno.h>
#include <signal.h>

static NOOK_VAR_DEFINE(var);

static const nook_task_options eager = {.eager = 1};

static void set(int number)
{
    (void)nook_var_set(&var, value_of(number), NULL);
}

/* Whether the calling worker's tasks are all that run, so that they may keep a trace. */
static int one_thread(enum way way)
{
    return way != REAL_3;
}

static void trace_every_way(nook_task_fn main, const char *expected)
{
    for (enum way way = 0; way < WAYS; way++) {
        if (!one_thread(way))
            continue;
        trace_clear();
        assert_int_equal(run(way, main, NULL), 0);
        assert_string_equal(trace, expected);
    }
}

/* --- at once -------------------------------------------------------------- */

struct child {
    nook_task *self;
    int found, worker;
    int result;
};

static int look(void *arg)
{
    struct child *child = arg;
    child->self = nook_task_current();
    child->found = number_in(&var);
    child->worker = (int)nook_worker_index();
    set(2);
    return child->result;
}

static int make_one_that_ends(void *arg)
{
    nook_task *task, *self = nook_task_current();
    struct child child = {.result = 9};
    int result = 0;
    (void)arg;
    set(1);
    WANT(nook_task_spawn(&task, look, &child, &eager) == 0);
    WANT(nook_task_done(task));
    WANT(child.self == task && child.found == 1);
    WANT(child.worker == (int)nook_worker_index());
    WANT(nook_task_current() == self && number_in(&var) == 1);
    WANT(nook_task_join(task, &result) == 0 && result == 9);
    nook_task_unref(task);
    WANT(nook_task_spawn(NULL, look, &child, &eager) == 0);
    return 0;
}

static void A23_one_that_does_not_park_has_ended_when_it_is_made(void **state)
{
    (void)state;
    every_way(make_one_that_ends);
}

static int step(void *arg)
{
    char *name = arg;
    note(name);
    int rc = nook_yield();
    note(name);
    return rc;
}

static char a[] = "a", b[] = "b";

static int make_one_that_parks(void *arg)
{
    nook_task *tasks[2];
    (void)arg;
    WANT(nook_task_spawn(&tasks[0], step, a, NULL) == 0);
    note("make");
    WANT(nook_task_spawn(&tasks[1], step, b, &eager) == 0);
    note("made");
    WANT(!nook_task_done(tasks[1]));
    for (int i = 0; i < 2; i++)
        WANT(finish(tasks[i]) == 0);
    return 0;
}

static void A23_the_maker_goes_on_at_its_first_park_before_all_others(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        if (way == VIRTUAL_3 || way == REAL_3)
            continue; /* a is on another worker */
        trace_clear();
        assert_int_equal(run(way, make_one_that_parks, NULL), 0);
        assert_string_equal(trace, "make b made a b a");
    }
}

static int nest(void *arg)
{
    int depth = *(int *)arg, below = depth - 1;
    char word[8];
    snprintf(word, sizeof word, "+%d", depth);
    note(word);
    if (depth > 1)
        WANT(nook_task_spawn(NULL, nest, &below, &eager) == 0);
    word[0] = '-';
    note(word);
    return 0;
}

static int nest_three(void *arg)
{
    int depth = 3;
    (void)arg;
    WANT(nook_task_spawn(NULL, nest, &depth, &eager) == 0);
    note("made");
    return 0;
}

static void one_may_make_another(void **state)
{
    (void)state;
    trace_every_way(nest_three, "+3 +2 +1 -1 -2 -3 made");
}

static int park_below(void *arg)
{
    int depth = *(int *)arg, below = depth - 1;
    nook_task *task = NULL;
    char word[8];
    if (depth > 1)
        WANT(nook_task_spawn(&task, park_below, &below, &eager) == 0);
    snprintf(word, sizeof word, "+%d", depth);
    note(word);
    WANT(nook_sleep((unsigned)depth * MS) == 0);
    word[0] = '-';
    note(word);
    return task != NULL ? finish(task) : 0;
}

static int park_three(void *arg)
{
    int depth = 3;
    nook_task *task;
    (void)arg;
    WANT(nook_task_spawn(&task, park_below, &depth, &eager) == 0);
    note("made");
    return finish(task);
}

static void each_goes_on_when_the_one_that_it_made_has_parked(void **state)
{
    (void)state;
    trace_every_way(park_three, "+1 +2 +3 made -1 -2 -3");
}

static int return_number(void *arg)
{
    return *(int *)arg;
}

/* More than a worker's budget, and with others ready all the time. */
static int make_many(void *arg)
{
    nook_task *task, *other;
    struct nap nap = {.ms = 1};
    (void)arg;
    WANT(nook_task_spawn(&other, nap_on, &nap, NULL) == 0);
    for (int i = 0; i < 500; i++) {
        WANT(nook_task_spawn(&task, return_number, &i, &eager) == 0);
        WANT(nook_task_done(task) && result_of(task) == i);
        nook_task_unref(task);
    }
    return finish(other);
}

static void many_in_a_row_all_run_at_once(void **state)
{
    (void)state;
    every_way(make_many);
}

static int roam(void *arg)
{
    int depth = *(int *)arg, below = depth - 1;
    nook_task *task = NULL;
    for (int i = 0; i < 20; i++) {
        if (depth > 0)
            WANT(nook_task_spawn(&task, roam, &below, &eager) == 0);
        WANT(nook_yield() == 0);
        WANT(depth == 0 || finish(task) == 0);
    }
    return 0;
}

static int roam_together(void *arg)
{
    nook_task *tasks[3];
    int depth = 2, results[3];
    (void)arg;
    for (int i = 0; i < 3; i++)
        WANT(nook_task_spawn(&tasks[i], roam, &depth, &eager) == 0);
    WANT(nook_gather(tasks, 3, results) == 0);
    for (int i = 0; i < 3; i++) {
        WANT(results[i] == 0);
        nook_task_unref(tasks[i]);
    }
    return 0;
}

static void those_that_migrate_may_make_and_be_made(void **state)
{
    nook_run_options options = {.migrate = 1};
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        int result = -1;
        assert_int_equal(run_by(way, roam_together, NULL, &options, &result), 0);
        assert_int_equal(result, 0);
    }
}

/* --- contexts ------------------------------------------------------------- */

static int set_and_park(void *arg)
{
    int before = number_in(&var);
    set(*(int *)arg);
    WANT(nook_yield() == 0);
    return number_in(&var) == *(int *)arg ? before : -1;
}

static int make_inside(void *arg)
{
    nook_task *task;
    int number = 8;
    (void)arg;
    set(4);
    nook_context *inside = nook_context_peek();
    WANT(nook_task_spawn(&task, set_and_park, &number, &eager) == 0);
    WANT(nook_context_peek() == inside && number_in(&var) == 4);
    return finish(task) == 4 ? 0 : -1;
}

static int make_in_an_entered_context(void *arg)
{
    nook_context *context;
    int result = -1;
    (void)arg;
    set(3);
    WANT(nook_context_new(&context) == 0);
    WANT(nook_context_run(context, make_inside, NULL, &result) == 0);
    nook_context_unref(context);
    WANT(result == 0 && number_in(&var) == 3);
    return 0;
}

static void A23_it_has_a_copy_of_the_context_that_its_maker_has_entered(void **state)
{
    (void)state;
    every_way(make_in_an_entered_context);
}

static int make_in_the_same(void *arg)
{
    nook_task_options same = {.eager = 1, .context = arg};
    nook_task *task;
    int number = 6;
    set(5);
    WANT(nook_task_spawn(&task, set_and_park, &number, &same) == 0);
    WANT(number_in(&var) == 6);
    return finish(task) == 5 ? 0 : -1;
}

static int make_in_the_entered_one(void *arg)
{
    nook_task_options share = {.eager = 1, .start = NOOK_START_SHARE};
    nook_context *context;
    nook_task *task;
    int result = -1, number = 7;
    (void)arg;
    WANT(nook_context_new(&context) == 0);
    WANT(nook_context_run(context, make_in_the_same, context, &result) == 0 && result == 0);
    nook_context_unref(context);
    set(1);
    WANT(nook_task_spawn(&task, set_and_park, &number, &share) == 0);
    WANT(number_in(&var) == 7);
    return finish(task) == 1 ? 0 : -1;
}

static void A24_its_makers_own_context_serves_both_in_turn(void **state)
{
    (void)state;
    every_way(make_in_the_entered_one);
}

static int hold_context(void *arg)
{
    return nook_event_wait(arg);
}

static int make_in_anothers(void *arg)
{
    nook_context *context;
    nook_event event = {0};
    nook_task *task, *none = NULL;
    (void)arg;
    WANT(nook_context_new(&context) == 0);
    nook_task_options there = {.context = context, .worker = 2};
    nook_task_options now = {.context = context, .eager = 1};
    WANT(nook_task_spawn(&task, hold_context, &event, &there) == 0);
    WANT(nook_task_spawn(&none, return_number, NULL, &now) == NOOK_EBUSY);
    WANT(none == NULL);
    nook_event_set(&event);
    nook_context_unref(context);
    return finish(task);
}

static void A24_D3_a_context_in_use_on_another_worker_fails_cleanly(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++)
        if (way == VIRTUAL_3 || way == REAL_3)
            assert_int_equal(run(way, make_in_anothers, NULL), 0);
}

/* --- in callbacks --------------------------------------------------------- */

static void make_in_callback(void *arg)
{
    int depth = 2;
    nook_context *mine = nook_context_peek();
    note("callback");
    if (nook_task_spawn(NULL, nest, &depth, &eager) != 0 ||
        nook_task_spawn(NULL, park_below, &depth, &eager) != 0)
        note("failed");
    if (nook_context_peek() != mine || nook_task_current() != NULL)
        note("lost");
    note("over");
    nook_event_set(arg);
}

static int wait_for_callback(void *arg)
{
    nook_event event = {0};
    (void)arg;
    WANT(nook_call_soon(NULL, make_in_callback, &event, NULL) == 0);
    WANT(nook_event_wait(&event) == 0);
    WANT(nook_sleep(10 * MS) == 0);
    return 0;
}

static void a_callback_may_make_one(void **state)
{
    (void)state;
    trace_every_way(wait_for_callback, "callback +2 +1 -1 -2 +1 +2 over -1 -2");
}

/* --- cancellation --------------------------------------------------------- */

static int cancel_maker(void *arg)
{
    return nook_task_cancel(arg);
}

static int be_cancelled(void *arg)
{
    nook_task *task;
    (void)arg;
    WANT(nook_task_spawn(&task, cancel_maker, nook_task_current(), &eager) == 0);
    WANT(nook_task_done(task) && result_of(task) == 0);
    WANT(nook_task_cancelling(nook_task_current()) == 1);
    WANT(nook_sleep(MS) == NOOK_ECANCELED);
    WANT(nook_sleep(MS) == 0);
    nook_task_unref(task);
    return 0;
}

static void who_is_cancelled_by_the_one_it_makes_hears_of_it_at_its_next_park(void **state)
{
    (void)state;
    every_way(be_cancelled);
}

static int make_although_cancelled(void *arg)
{
    nook_task *task;
    int number = 3;
    (void)arg;
    WANT(nook_task_cancel(nook_task_current()) == 0);
    WANT(nook_task_spawn(&task, return_number, &number, &eager) == 0);
    WANT(nook_task_done(task) && result_of(task) == 3);
    nook_task_unref(task);
    WANT(nook_yield() == NOOK_ECANCELED);
    return 0;
}

static void a_cancel_waits_until_it_has_been_made(void **state)
{
    (void)state;
    every_way(make_although_cancelled);
}

static int make_and_cancel(void *arg)
{
    struct nap nap = {.ms = 100000};
    nook_task *task;
    (void)arg;
    WANT(nook_task_spawn(&task, take_nap, &nap, &eager) == 0);
    WANT(nook_task_cancel(task) == 0);
    return finish(task) == NOOK_ECANCELED ? 0 : -1;
}

static void one_that_has_parked_is_cancelled_as_others(void **state)
{
    (void)state;
    every_way(make_and_cancel);
}

static int fail_at_once(void *arg)
{
    (void)arg;
    return -EIO;
}

static int make_in_a_group(void *arg)
{
    nook_group group = {0};
    struct nap nap = {.ms = 100000};
    (void)arg;
    WANT(nook_group_enter(&group) == 0);
    WANT(nook_group_spawn(&group, NULL, take_nap, &nap, &eager) == 0);
    WANT(nook_group_spawn(&group, NULL, fail_at_once, NULL, &eager) == 0);
    WANT(nook_group_spawn(&group, NULL, fail_at_once, NULL, &eager) == NOOK_ECANCELED);
    WANT(nook_group_exit(&group, 0) == -EIO);
    WANT(atomic_load(&nap.ended) == 1);
    return 0;
}

static void a_groups_error_comes_at_once(void **state)
{
    (void)state;
    every_way(make_in_a_group);
}

/* --- what else a task has ------------------------------------------------- */

static int blocked(int signo)
{
    sigset_t mask;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return sigismember(&mask, signo);
}

static int ask_mask(void *arg)
{
    *(int *)arg = blocked(SIGUSR1);
    return 0;
}

static int make_with_a_mask(void *arg)
{
    nook_task *task;
    sigset_t usr1;
    int mask = -1;
    (void)arg;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    WANT(nook_task_sigmask(SIG_BLOCK, &usr1, NULL) == 0);
    WANT(nook_task_spawn(&task, ask_mask, &mask, &eager) == 0);
    WANT(nook_task_done(task) && mask == 0);
    WANT(blocked(SIGUSR1) == 1);
    nook_task_unref(task);
    return 0;
}

static void its_makers_signal_mask_is_not_its_own(void **state)
{
    (void)state;
    every_way(make_with_a_mask);
}

static int ask_name(void *arg)
{
    char *name = arg;
    snprintf(name, 32, "%s", nook_task_name(nook_task_current()));
    return 0;
}

static int make_with_options(void *arg)
{
    char name[32] = "";
    nook_task *task;
    nook_task_options options = {
        .eager = 1, .name = "quick", .stack_size = 128 * 1024, .worker = nook_worker_index()};
    (void)arg;
    WANT(nook_task_spawn(&task, ask_name, name, &options) == 0);
    nook_task_unref(task);
    WANT(strcmp(name, "quick") == 0);
    options.worker = options.worker % 3 + 1;
    WANT(nook_task_spawn(NULL, ask_name, name, &options) == NOOK_EINVAL);
    options.worker = 0;
    options.stack_size = (size_t)1 << 60; /* no address space has room for it */
    WANT(nook_task_spawn(&task, ask_name, name, &options) == 0);
    WANT(nook_task_done(task) && result_of(task) == NOOK_ENOMEM);
    nook_task_unref(task);
    return 0;
}

static void it_has_a_name_and_a_stack_and_no_other_worker(void **state)
{
    (void)state;
    every_way(make_with_options);
}

static void make_at_the_end(void *user)
{
    int *rc = user;
    *rc = nook_task_spawn(NULL, return_number, NULL, &eager);
}

static int end_with_one(void *arg)
{
    return nook_task_at_end(make_at_the_end, arg);
}

static void who_is_ending_makes_none(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        int rc = 0;
        assert_int_equal(run(way, end_with_one, &rc), 0);
        assert_int_equal(rc, NOOK_ENOTASK);
    }
}

static int make_from_outside(void *arg)
{
    nook_loop *loop;
    (void)arg;
    WANT(nook_loop_running(&loop) == 0);
    WANT(nook_loop_spawn(loop, NULL, return_number, NULL, &eager) == NOOK_EINVAL);
    nook_loop_unref(loop);
    return 0;
}

static void another_thread_makes_none(void **state)
{
    (void)state;
    for (enum way way = REAL; way < WAYS; way++)
        assert_int_equal(run(way, make_from_outside, NULL), 0);
}

static int step_with_errno(void *arg)
{
    (void)arg;
    errno = ERANGE;
    return 0;
}

static int make_with_errno(void *arg)
{
    (void)arg;
    errno = EDOM;
    WANT(nook_task_spawn(NULL, step_with_errno, NULL, &eager) == 0);
    return errno == EDOM ? 0 : __LINE__;
}

static void D6_errno_is_the_makers_own_where_the_run_says_so(void **state)
{
    nook_run_options options = {.save_errno = 1};
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        int result = -1;
        assert_int_equal(run_by(way, make_with_errno, NULL, &options, &result), 0);
        assert_int_equal(result, 0);
    }
}

/* --- by who is in no task ------------------------------------------------- */

static atomic_int released, stepped;
static int release_said;

static int step_and_yield(void *arg)
{
    (void)arg;
    atomic_fetch_add(&stepped, 1);
    int rc = nook_yield();
    atomic_fetch_add(&stepped, 1);
    return rc;
}

/* As the task ends that bound it, perhaps on that one's stack. */
static void release_by_spawning(void *value, void *user)
{
    (void)value;
    (void)user;
    if (nook_task_current() != NULL) /* the set itself, which had it in hand */
        return;
    release_said = nook_task_spawn(NULL, step_and_yield, NULL, &eager);
    atomic_fetch_add(&released, 1);
}

static void retain_nothing(void *value, void *user)
{
    (void)value;
    (void)user;
}

static const nook_value_ops spawning = {.retain = retain_nothing,
                                        .release = release_by_spawning};
static nook_var spawns = NOOK_VAR_INIT("spawns", &spawning, 0, NULL);

static int bind_and_end(void *arg)
{
    (void)arg;
    return nook_var_set(&spawns, value_of(1), NULL);
}

static int end_some_that_release(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        nook_task *task;
        WANT(nook_task_spawn(&task, bind_and_end, NULL, NULL) == 0);
        WANT(nook_yield() == 0);
        WANT(finish(task) == 0);
    }
    return 0;
}

static void what_a_task_releases_as_it_ends_makes_none(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        released = stepped = 0;
        assert_int_equal(run(way, end_some_that_release, NULL), 0);
        assert_int_equal(released, 3);
        assert_int_equal(release_said, NOOK_ENOTASK);
        assert_int_equal(stepped, 0);
    }
}

static int said_by_discard, discarded_all;

static void discard_by_spawning(void *arg)
{
    int number = 0;
    (void)arg;
    said_by_discard = nook_task_spawn(NULL, return_number, &number, &eager);
    discarded_all = 1;
}

static int make_one_that_is_discarded(void *arg)
{
    nook_task_options huge = {
        .discard = discard_by_spawning, .stack_size = SIZE_MAX / 8, .eager = 1};
    (void)arg;
    discarded_all = 0;
    WANT(nook_task_spawn(NULL, return_number, NULL, &huge) == 0);
    WANT(discarded_all == 1);
    return said_by_discard;
}

static void a_discard_may_make_one_before_its_maker_goes_on(void **state)
{
    (void)state;
    every_way(make_one_that_is_discarded);
}

/* --- the run's side ------------------------------------------------------- */

static void hook_out(nook_task *task, void *user)
{
    char word[40];
    (void)user;
    snprintf(word, sizeof word, "<%s", nook_task_name(task));
    note(word);
}

static void hook_in(nook_task *task, void *user)
{
    char word[40];
    (void)user;
    snprintf(word, sizeof word, ">%s", nook_task_name(task));
    note(word);
}

static int make_under_hooks(void *arg)
{
    nook_task_options quick = {.eager = 1, .name = "quick"};
    int number = 0;
    (void)arg;
    note("make");
    WANT(nook_task_spawn(NULL, return_number, &number, &quick) == 0);
    note("made");
    return 0;
}

static void hooks_are_called_round_it(void **state)
{
    nook_task_hooks hooks = {.out = hook_out, .in = hook_in};
    nook_run_options options = {.hooks = &hooks};
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        if (!one_thread(way))
            continue;
        trace_clear();
        assert_int_equal(run_by(way, make_under_hooks, NULL, &options, NULL), 0);
        assert_string_equal(trace, ">main make <main >quick <quick >main made <main");
    }
}

static int make_among_others(void *arg)
{
    nook_task *task;
    int number = 0;
    (void)arg;
    WANT(nook_task_spawn(&task, return_number, &number, NULL) == 0);
    WANT(nook_task_spawn(NULL, set_and_park, &number, &eager) == 0);
    WANT(nook_task_spawn(NULL, return_number, &number, &eager) == 0);
    return finish(task);
}

static uint64_t runs_of(nook_task_fn main)
{
    nook_schedule *schedule;
    nook_schedule_options options = {.choose = NOOK_CHOOSE_ENUMERATE};
    int result = -1, rc;
    assert_int_equal(nook_schedule_new(&schedule, &options), 0);
    while ((rc = nook_schedule_run(schedule, main, NULL, NULL, &result)) == 0)
        assert_int_equal(result, 0);
    assert_int_equal(rc, NOOK_EEND);
    uint64_t runs = nook_schedule_runs(schedule);
    nook_schedule_free(schedule);
    return runs;
}

static int make_alone(void *arg)
{
    int number = 0, depth = 2;
    (void)arg;
    WANT(nook_task_spawn(NULL, nest, &depth, &eager) == 0);
    return nook_task_spawn(NULL, return_number, &number, &eager);
}

/* While one runs for the first time, nobody else could. */
static void a_schedule_has_no_choice_in_it(void **state)
{
    (void)state;
    trace_clear();
    assert_int_equal(runs_of(make_alone), 1);
    assert_true(runs_of(make_among_others) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(A23_one_that_does_not_park_has_ended_when_it_is_made),
        task_test(A23_the_maker_goes_on_at_its_first_park_before_all_others),
        task_test(one_may_make_another),
        task_test(each_goes_on_when_the_one_that_it_made_has_parked),
        task_test(many_in_a_row_all_run_at_once),
        task_test(those_that_migrate_may_make_and_be_made),
        task_test(A23_it_has_a_copy_of_the_context_that_its_maker_has_entered),
        task_test(A24_its_makers_own_context_serves_both_in_turn),
        task_test(A24_D3_a_context_in_use_on_another_worker_fails_cleanly),
        task_test(a_callback_may_make_one),
        task_test(who_is_cancelled_by_the_one_it_makes_hears_of_it_at_its_next_park),
        task_test(a_cancel_waits_until_it_has_been_made),
        task_test(one_that_has_parked_is_cancelled_as_others),
        task_test(a_groups_error_comes_at_once),
        task_test(its_makers_signal_mask_is_not_its_own),
        task_test(it_has_a_name_and_a_stack_and_no_other_worker),
        task_test(who_is_ending_makes_none),
        task_test(another_thread_makes_none),
        task_test(D6_errno_is_the_makers_own_where_the_run_says_so),
        task_test(what_a_task_releases_as_it_ends_makes_none),
        task_test(a_discard_may_make_one_before_its_maker_goes_on),
        task_test(hooks_are_called_round_it),
        task_test(a_schedule_has_no_choice_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
