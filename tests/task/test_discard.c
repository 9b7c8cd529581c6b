/* SPDX-License-Identifier: MIT */
/*
 * What is called for a task that never runs, once for each way not to, and never for one
 * that does. asyncio closes a coroutine that was never started.
 */
#include "want.h"

static NOOK_VAR_DEFINE(var);

/* An argument that somebody has to take. */
struct parcel {
    atomic_int ran, discarded;
    int number, in_task;
    unsigned worker;
};

static int run_it(void *arg)
{
    struct parcel *parcel = arg;
    atomic_fetch_add(&parcel->ran, 1);
    return nook_yield();
}

static void discard_it(void *arg)
{
    struct parcel *parcel = arg;
    atomic_fetch_add(&parcel->discarded, 1);
    parcel->number = number_in(&var);
    parcel->in_task = nook_task_current() != NULL;
    parcel->worker = nook_worker_index();
    (void)nook_var_set(&var, value_of(parcel->number + 1), NULL);
}

static const nook_task_options discarding = {.discard = discard_it};

/* Never ran, and was discarded once, outside any task, where the variable was `number`. */
static void was_discarded(const struct parcel *parcel, int number)
{
    assert_int_equal(parcel->ran, 0);
    assert_int_equal(parcel->discarded, 1);
    assert_int_equal(parcel->number, number);
    assert_int_equal(parcel->in_task, 0);
    assert_in_range(parcel->worker, 1, 3);
}

static void was_left_alone(const struct parcel *parcel, int ran)
{
    assert_int_equal(parcel->ran, ran);
    assert_int_equal(parcel->discarded, 0);
}

/* --- cancelled before the start --------------------------------------------- */

static int cancel_before_the_start(void *arg)
{
    struct parcel *parcel = arg;
    nook_task *task;
    nook_task_options here = discarding;
    here.worker = 1;
    WANT(nook_var_set(&var, value_of(5), NULL) == 0);
    WANT(nook_task_spawn(&task, run_it, parcel, &here) == 0);
    WANT(nook_var_set(&var, value_of(7), NULL) == 0);
    WANT(nook_task_cancel(task) == 0);
    WANT(atomic_load(&parcel->discarded) == 0); /* on its worker, in its turn */
    WANT(nook_task_join(task, NULL) == 0);
    WANT(atomic_load(&parcel->discarded) == 1 && number_in(&var) == 7);
    WANT(finish(task) == NOOK_ECANCELED);
    return 0;
}

static void a_task_cancelled_before_its_start_is_discarded_in_its_own_context(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct parcel parcel = {0};
        assert_int_equal(run(way, cancel_before_the_start, &parcel), 0);
        was_discarded(&parcel, 5);
    }
}

static int cancel_with_a_context(void *arg)
{
    nook_context *context;
    nook_task *task;
    void *value = NULL;
    WANT(nook_context_copy_current(&context) == 0);
    nook_task_options given = {.discard = discard_it, .context = context};
    WANT(nook_task_spawn(&task, run_it, arg, &given) == 0);
    WANT(nook_task_cancel(task) == 0 && finish(task) == NOOK_ECANCELED);
    WANT(nook_context_find(context, &var, &value) == 0 && value == value_of(0));
    nook_context_unref(context);
    return 0;
}

static void A3_a_task_is_discarded_in_the_very_context_that_it_was_given(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct parcel parcel = {0};
        assert_int_equal(run(way, cancel_with_a_context, &parcel), 0);
        was_discarded(&parcel, -1);
    }
}

/* --- the run ends ------------------------------------------------------------- */

static int leave_at_once(void *arg)
{
    nook_task_options here = discarding;
    here.worker = 1;
    return nook_task_spawn(NULL, run_it, arg, &here);
}

static void what_has_not_started_when_the_run_ends_is_discarded(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct parcel parcel = {0};
        assert_int_equal(run(way, leave_at_once, &parcel), 0);
        was_discarded(&parcel, -1);
    }
}

struct sent {
    struct parcel parcel[3];
    nook_loop *loop;
    int early, late, hangs;
};

/* On its way still when the last that the run waits for has ended. */
static void send_in_time(void *user)
{
    struct sent *sent = user;
    sent->early = nook_loop_spawn(sent->loop, NULL, run_it, &sent->parcel[0], &discarding);
}

/* When the run takes nothing new. */
static void send_late(void *user)
{
    struct sent *sent = user;
    sent->late = nook_loop_spawn(sent->loop, NULL, run_it, &sent->parcel[1], &discarding);
}

static int hang_on(void *arg)
{
    struct sent *sent = arg;
    int rc = nook_task_at_end(send_late, arg);
    sent->hangs = 1;
    (void)nook_sleep(NOOK_FOREVER);
    return rc;
}

/* What is spawned while the others are cancelled is cancelled after them. */
static int leave_another(void *arg)
{
    struct sent *sent = arg;
    WANT(nook_task_at_end(send_in_time, arg) == 0);
    (void)nook_sleep(NOOK_FOREVER);
    WANT(nook_task_spawn(NULL, hang_on, sent, &(nook_task_options){.worker = 1}) == 0);
    while (!sent->hangs)
        WANT(nook_yield() == 0);
    return 0;
}

static int spawn_and_leave(void *arg)
{
    struct sent *sent = arg;
    WANT(nook_task_spawn(NULL, leave_another, sent, &(nook_task_options){.worker = 1}) == 0);
    WANT(nook_yield() == 0);
    return nook_loop_running(&sent->loop);
}

static void what_a_thread_has_sent_is_discarded_where_the_run_ends_first(void **state)
{
    (void)state;
    for (enum way way = REAL; way < WAYS; way++) {
        struct sent sent = {0};
        assert_int_equal(run(way, spawn_and_leave, &sent), 0);
        assert_int_equal(sent.early, 0);
        was_discarded(&sent.parcel[0], -1);
        assert_int_equal(sent.late, NOOK_ECANCELED); /* refused: still the sender's */
        was_left_alone(&sent.parcel[1], 0);
        assert_int_equal(nook_loop_spawn(sent.loop, NULL, run_it, &sent.parcel[2], &discarding),
                         NOOK_ECLOSED);
        was_left_alone(&sent.parcel[2], 0);
        nook_loop_unref(sent.loop);
    }
}

/* --- no stack ------------------------------------------------------------------ */

/* No address space has room for it. */
static int spawn_without_room(void *arg)
{
    nook_task *task;
    nook_task_options huge = {.discard = discard_it, .stack_size = SIZE_MAX / 8};
    WANT(nook_task_spawn(&task, run_it, arg, &huge) == 0);
    WANT(finish(task) == NOOK_ENOMEM);
    return 0;
}

/* It is known to have failed when the spawn returns. */
static int begin_without_room(void *arg)
{
    struct parcel *parcel = arg;
    nook_task *task;
    nook_task_options huge = {.discard = discard_it, .stack_size = SIZE_MAX / 8, .eager = 1};
    WANT(nook_task_spawn(&task, run_it, parcel, &huge) == 0);
    WANT(nook_task_done(task) && atomic_load(&parcel->discarded) == 1);
    WANT(finish(task) == NOOK_ENOMEM);
    return 0;
}

static void a_task_without_a_stack_is_discarded(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct parcel parcel = {0};
        assert_int_equal(run(way, spawn_without_room, &parcel), 0);
        was_discarded(&parcel, -1);
        struct parcel eager = {0};
        assert_int_equal(run(way, begin_without_room, &eager), 0);
        was_discarded(&eager, -1);
    }
}

/* --- in a group ---------------------------------------------------------------- */

static int fail_beside_it(void *arg)
{
    nook_task_options here = discarding;
    nook_group group = {0};
    here.worker = 1;
    WANT(nook_group_enter(&group) == 0);
    WANT(nook_group_spawn(&group, NULL, run_it, arg, &here) == 0);
    WANT(nook_group_exit(&group, -5) == -5);
    return 0;
}

static void a_group_that_fails_first_discards(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct parcel parcel = {0};
        assert_int_equal(run(way, fail_beside_it, &parcel), 0);
        was_discarded(&parcel, -1);
    }
}

/* --- who is not discarded ------------------------------------------------------- */

static int cancel_after_the_start(void *arg)
{
    nook_task *task;
    struct parcel *parcel = arg;
    WANT(nook_task_spawn(&task, run_it, parcel, &discarding) == 0);
    while (atomic_load(&parcel->ran) == 0)
        WANT(nook_yield() == 0);
    WANT(nook_task_cancel(task) == 0);
    (void)finish(task);
    return 0;
}

static void a_task_that_has_started_is_not_discarded(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct parcel parcel = {0};
        assert_int_equal(run(way, cancel_after_the_start, &parcel), 0);
        was_left_alone(&parcel, 1);
    }
}

static int spawn_in_vain(void *arg)
{
    nook_task_options wrong = {.discard = discard_it, .worker = 99};
    WANT(nook_task_spawn(NULL, run_it, arg, &wrong) == NOOK_EINVAL);
    return 0;
}

static void a_spawn_that_fails_leaves_the_argument_to_the_caller(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct parcel parcel = {0};
        assert_int_equal(run(way, spawn_in_vain, &parcel), 0);
        was_left_alone(&parcel, 0);
    }
}

/* --- a discard that leaves things as it should not -------------------------------- */

static void enter_and_park(void *arg)
{
    int *rc = arg;
    nook_context *context;
    rc[0] = nook_context_new(&context);
    rc[1] = nook_context_enter(context);
    rc[2] = nook_yield();
    nook_context_unref(context);
}

static int discard_badly(void *arg)
{
    nook_task *task;
    nook_task_options bad = {.discard = enter_and_park, .worker = 1};
    WANT(nook_task_spawn(&task, run_it, arg, &bad) == 0);
    WANT(nook_task_cancel(task) == 0 && finish(task) == NOOK_ECANCELED);
    return 0;
}

static void a_discard_may_not_park_and_what_it_entered_is_left(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        int rc[3] = {-1, -1, -1};
        assert_int_equal(run(way, discard_badly, rc), 0);
        assert_int_equal(rc[0], 0);
        assert_int_equal(rc[1], 0);
        assert_int_equal(rc[2], NOOK_ENOTASK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(a_task_cancelled_before_its_start_is_discarded_in_its_own_context),
        task_test(A3_a_task_is_discarded_in_the_very_context_that_it_was_given),
        task_test(what_has_not_started_when_the_run_ends_is_discarded),
        task_test(what_a_thread_has_sent_is_discarded_where_the_run_ends_first),
        task_test(a_task_without_a_stack_is_discarded),
        task_test(a_group_that_fails_first_discards),
        task_test(a_task_that_has_started_is_not_discarded),
        task_test(a_spawn_that_fails_leaves_the_argument_to_the_caller),
        task_test(a_discard_may_not_park_and_what_it_entered_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
