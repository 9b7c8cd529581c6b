/* SPDX-License-Identifier: MIT */
/*
 * Several real workers: rounds of everything between them, with sums that must
 * come out. Meant for ThreadSanitizer as well.
 */
#include "support.h"
#include "want.h"

#include <signal.h>
#include <sys/socket.h>

static NOOK_VAR_DEFINE(var);

static int with_workers(unsigned workers, int migrate, nook_task_fn main, void *arg)
{
    nook_run_options options = {.workers = workers, .migrate = migrate};
    int result = -1;
    int rc = nook_run(main, arg, &options, &result);
    return rc != 0 ? rc : result;
}

/* --- pinned and migrating ------------------------------------------------- */

static int stays(void *arg)
{
    pthread_t first = pthread_self();
    unsigned worker = nook_worker_index();
    int moved = 0;
    (void)arg;
    for (int i = 0; i < 20; i++) {
        int rc = i % 5 ? nook_yield() : nook_sleep(1000);
        if (rc != 0)
            return rc;
        moved += !pthread_equal(first, pthread_self()) || worker != nook_worker_index();
    }
    return moved + (nook_task_migrate(1) != NOOK_ENOTSUP);
}

static int many_stay(void *arg)
{
    enum { MANY = 30 };
    nook_task *tasks[MANY] = {NULL};
    int results[MANY] = {0}, rc = 0, n = 0, moved = 0;
    (void)arg;
    for (; rc == 0 && n < MANY; n++)
        rc = nook_task_spawn(&tasks[n], stays, NULL, &(nook_task_options){.migrate = -1});
    if (rc == 0)
        rc = nook_gather(tasks, MANY, results);
    for (int i = 0; i < n; i++) {
        moved += results[i];
        nook_task_unref(tasks[i]);
    }
    return rc != 0 ? rc : moved;
}

static void a_started_task_stays_on_its_worker(void **state)
{
    (void)state;
    assert_int_equal(with_workers(3, 0, many_stay, NULL), 0);
    assert_int_equal(with_workers(3, 1, many_stay, NULL), 0);
}

static int goes_round(void *arg)
{
    int wrong = 0;
    (void)nook_var_set(&var, arg, NULL);
    for (unsigned i = 0; i < 12; i++) {
        unsigned to = i % 3 + 1;
        int rc = nook_task_migrate(to);
        if (rc != 0)
            return rc;
        wrong += nook_worker_index() != to || number_in(&var) != (int)(intptr_t)arg;
    }
    wrong += nook_task_migrate(0) != NOOK_EINVAL;
    wrong += nook_task_migrate(4) != NOOK_EINVAL;
    return wrong;
}

static int many_go_round(void *arg)
{
    enum { MANY = 30 };
    nook_task *tasks[MANY] = {NULL};
    int results[MANY] = {0}, rc = 0, n = 0, wrong = 0;
    (void)arg;
    for (; rc == 0 && n < MANY; n++)
        rc = nook_task_spawn(&tasks[n], goes_round, value_of(n),
                             &(nook_task_options){.migrate = 1});
    if (rc == 0)
        rc = nook_gather(tasks, MANY, results);
    for (int i = 0; i < n; i++) {
        wrong += results[i];
        nook_task_unref(tasks[i]);
    }
    return rc != 0 ? rc : wrong;
}

static void a_migrating_task_goes_where_it_says_with_its_context(void **state)
{
    (void)state;
    assert_int_equal(with_workers(3, 0, many_go_round, NULL), 0);
}

/* --- one context, several workers ----------------------------------------- */

struct shared {
    nook_context *context;
    atomic_int inside, overlaps, left, entries, handed;
    nook_handle *handle;
};

/* Nobody else is in the context from here to there. */
static void stay_inside(struct shared *shared)
{
    if (atomic_fetch_add(&shared->inside, 1) != 0)
        atomic_fetch_add(&shared->overlaps, 1);
    for (int i = 0; i < 20; i++)
        (void)nook_var_set(&var, value_of(number_in(&var) + 1), NULL);
    usleep(50);
    atomic_fetch_sub(&shared->inside, 1);
}

static int in_steps(void *arg)
{
    struct shared *shared = arg;
    for (int i = 0; i < 50; i++) {
        stay_inside(shared);
        int rc = nook_yield();
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void in_callback(void *arg)
{
    struct shared *shared = arg;
    stay_inside(shared);
    atomic_fetch_sub(&shared->left, 1);
}

static int call_into(void *arg)
{
    struct shared *shared = arg;
    int rc = 0;
    for (int i = 0; rc == 0 && i < 50; i++) {
        atomic_fetch_add(&shared->left, 1);
        rc = nook_call_soon(NULL, in_callback, shared, shared->context);
        if (rc == 0)
            rc = nook_yield();
    }
    while (rc == 0 && atomic_load(&shared->left) > 0)
        rc = nook_yield();
    return rc;
}

static int tasks_and_callbacks(void *arg)
{
    struct shared *shared = arg;
    nook_task *tasks[6] = {NULL};
    int rc = 0, n = 0;
    for (; rc == 0 && n < 3; n++)
        rc = nook_task_spawn(&tasks[n], in_steps, shared,
                             &(nook_task_options){.context = shared->context,
                                                  .worker = (unsigned)n + 1,
                                                  .migrate = 1});
    for (; rc == 0 && n < 6; n++)
        rc = nook_task_spawn(&tasks[n], call_into, shared,
                             &(nook_task_options){.worker = (unsigned)n - 2});
    if (rc == 0)
        rc = nook_gather(tasks, 6, NULL);
    while (n-- > 0)
        nook_task_unref(tasks[n]);
    return rc;
}

static void D3_tasks_and_callbacks_of_one_context_take_turns(void **state)
{
    struct shared shared = {0};
    (void)state;
    assert_int_equal(nook_context_new(&shared.context), 0);
    assert_int_equal(with_workers(3, 1, tasks_and_callbacks, &shared), 0);
    assert_int_equal(atomic_load(&shared.overlaps), 0);
    nook_context_unref(shared.context);
}

/* Callbacks alone: each worker schedules some. */
static int callbacks_alone(void *arg)
{
    nook_task *tasks[3] = {NULL};
    int rc = 0, n = 0;
    for (; rc == 0 && n < 3; n++)
        rc = nook_task_spawn(&tasks[n], call_into, arg,
                             &(nook_task_options){.worker = (unsigned)n + 1});
    if (rc == 0)
        rc = nook_gather(tasks, 3, NULL);
    while (n-- > 0)
        nook_task_unref(tasks[n]);
    return rc;
}

static void D3_callbacks_of_one_context_take_turns(void **state)
{
    struct shared shared = {0};
    (void)state;
    assert_int_equal(nook_context_new(&shared.context), 0);
    assert_int_equal(with_workers(3, 0, callbacks_alone, &shared), 0);
    assert_int_equal(atomic_load(&shared.overlaps), 0);
    nook_context_unref(shared.context);
}

/* The maker is inside run; its child shares what is current there. */
static int share_what_is_entered(void *arg)
{
    struct shared *shared = arg;
    nook_task *task;
    int rc = nook_task_spawn(
        &task, in_steps, shared,
        &(nook_task_options){.start = NOOK_START_SHARE, .worker = 2, .migrate = 1});
    if (rc == 0)
        rc = in_steps(shared);
    if (rc == 0 && nook_task_migrate(2) != NOOK_ENOTSUP)
        rc = -1;
    if (rc == 0)
        rc = nook_task_join(task, NULL);
    nook_task_unref(task);
    return rc;
}

static int enter_and_share(void *arg)
{
    struct shared *shared = arg;
    int result = -1;
    int rc = nook_context_run(shared->context, share_what_is_entered, shared, &result);
    return rc != 0 ? rc : result;
}

static void D3_a_context_shared_inside_run_stays_on_one_worker(void **state)
{
    struct shared shared = {0};
    (void)state;
    assert_int_equal(nook_context_new(&shared.context), 0);
    assert_int_equal(with_workers(2, 1, enter_and_share, &shared), 0);
    assert_int_equal(atomic_load(&shared.overlaps), 0);
    nook_context_unref(shared.context);
}

/* --- who enters what others were given --------------------------------------- */

static int step_inside(void *arg)
{
    stay_inside(arg);
    return 0;
}

/* Counts the times that it got in. */
static int enter_again_and_again(void *arg)
{
    struct shared *shared = arg;
    for (int i = 0; i < 200; i++) {
        int rc = nook_context_run(shared->context, step_inside, shared, NULL);
        if (rc == 0)
            atomic_fetch_add(&shared->entries, 1);
        else if (rc != NOOK_EENTERED)
            return rc;
        rc = nook_yield();
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Tasks and callbacks of one context on a worker, and on each worker one who enters it. */
static int share_and_enter(void *arg)
{
    nook_task_fn fns[] = {in_steps, call_into, enter_again_and_again, enter_again_and_again,
                          enter_again_and_again};
    unsigned workers[] = {2, 2, 1, 2, 3};
    nook_task *tasks[5] = {NULL};
    struct shared *shared = arg;
    int rc = 0, n = 0;
    for (; rc == 0 && n < 5; n++)
        rc = nook_task_spawn(&tasks[n], fns[n], arg,
                             &(nook_task_options){.context = n == 0 ? shared->context : NULL,
                                                  .worker = workers[n]});
    if (rc == 0)
        rc = nook_gather(tasks, 5, NULL);
    while (n-- > 0)
        nook_task_unref(tasks[n]);
    return rc;
}

static void D3_who_enters_takes_turns_with_tasks_and_callbacks(void **state)
{
    struct shared shared = {0};
    (void)state;
    assert_int_equal(nook_context_new(&shared.context), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(with_workers(3, 0, share_and_enter, &shared), 0);
    assert_int_equal(atomic_load(&shared.overlaps), 0);
    assert_true(atomic_load(&shared.entries) > 0);
    nook_context_unref(shared.context);
}

static int nothing_more(void *arg)
{
    (void)arg;
    return 0;
}

static int enter_it(void *arg)
{
    return nook_context_run(arg, nothing_more, NULL, NULL);
}

static void *enter_on_a_thread(void *arg)
{
    return value_of(enter_it(arg));
}

/* What a task says that enters the context on that worker. */
static int entering_on(unsigned worker, nook_context *context)
{
    nook_task *task;
    int result = -1;
    int rc = nook_task_spawn(&task, enter_it, context, &(nook_task_options){.worker = worker});
    if (rc == 0)
        rc = nook_task_join(task, &result);
    nook_task_unref(task);
    return rc != 0 ? rc : result;
}

static int await_event(void *arg)
{
    return nook_event_wait(arg);
}

static int enter_before_while_and_after(void *arg)
{
    nook_context *context = arg;
    nook_event event = {0};
    nook_task *task;
    pthread_t thread;
    void *on_thread;
    WANT(entering_on(1, context) == 0);
    WANT(entering_on(2, context) == 0);
    WANT(nook_task_spawn(&task, await_event, &event,
                         &(nook_task_options){.context = context, .worker = 2}) == 0);
    WANT(entering_on(1, context) == NOOK_EENTERED);
    WANT(entering_on(2, context) == 0);
    WANT(pthread_create(&thread, NULL, enter_on_a_thread, context) == 0);
    WANT(pthread_join(thread, &on_thread) == 0);
    WANT(on_thread == value_of(NOOK_EENTERED));
    nook_event_set(&event);
    WANT(nook_task_join(task, NULL) == 0);
    WANT(entering_on(1, context) == 0);
    nook_task_unref(task);
    return 0;
}

static void D3_a_tasks_context_is_entered_on_its_worker_alone(void **state)
{
    nook_context *context;
    (void)state;
    assert_int_equal(nook_context_new(&context), 0);
    assert_int_equal(with_workers(2, 0, enter_before_while_and_after, context), 0);
    nook_context_unref(context);
}

/* The thread gives up what nook has for it, but it is the thread that it was. */
static int detach_and_enter_it(void *arg)
{
    nook_thread_detach();
    WANT(enter_it(arg) == 0);
    WANT(nook_sleep(1) == 0); /* with a chain of its own making, and then with none */
    nook_thread_detach();
    WANT(nook_sleep(1) == 0);
    return enter_it(arg);
}

static int detach_where_it_is_kept(void *arg)
{
    static nook_event over; /* it outlives this task where something is wrong */
    for (unsigned worker = 1; worker <= 2; worker++) {
        nook_task *keeper, *task;
        nook_event_clear(&over);
        nook_task_options given = {.context = arg, .worker = worker},
                          there = {.worker = worker};
        WANT(nook_task_spawn(&keeper, await_event, &over, &given) == 0);
        WANT(entering_on(worker, arg) == 0);
        WANT(nook_task_spawn(&task, detach_and_enter_it, arg, &there) == 0);
        WANT(finish(task) == 0);
        WANT(entering_on(worker, arg) == 0);
        WANT(entering_on(3 - worker, arg) == NOOK_EENTERED);
        nook_event_set(&over);
        WANT(finish(keeper) == 0);
    }
    return 0;
}

static void
H10_D3_a_task_that_detaches_is_still_on_the_worker_that_keeps_a_context(void **state)
{
    nook_context *context;
    (void)state;
    assert_int_equal(nook_context_new(&context), 0);
    assert_int_equal(with_workers(2, 0, detach_where_it_is_kept, context), 0);
    nook_context_unref(context);
}

static int enter_what_a_callback_has(void *arg)
{
    struct shared shared = {.context = arg};
    nook_handle *handle;
    WANT(nook_call_later(&handle, 3600000 * MS, in_callback, &shared, shared.context) == 0);
    WANT(entering_on(1, shared.context) == 0);
    WANT(entering_on(2, shared.context) == NOOK_EENTERED);
    WANT(nook_handle_cancel(handle) == 0);
    WANT(entering_on(2, shared.context) == 0);
    nook_handle_unref(handle);
    atomic_store(&shared.left, 1);
    WANT(nook_call_soon(NULL, in_callback, &shared, shared.context) == 0);
    WANT(entering_on(2, shared.context) == NOOK_EENTERED || atomic_load(&shared.left) == 0);
    while (atomic_load(&shared.left) > 0)
        WANT(nook_yield() == 0);
    WANT(entering_on(2, shared.context) == 0);
    return 0;
}

static void D3_a_callbacks_context_is_entered_on_its_worker_alone(void **state)
{
    nook_context *context;
    (void)state;
    assert_int_equal(nook_context_new(&context), 0);
    assert_int_equal(with_workers(2, 0, enter_what_a_callback_has, context), 0);
    nook_context_unref(context);
}

/* Would a callback that cancels itself let others in before it is over? */
static void cancel_and_stay(void *arg)
{
    struct shared *shared = arg;
    while (!atomic_load(&shared->handed)) /* on the other worker it may come first */
        usleep(10);
    (void)nook_handle_cancel(shared->handle);
    stay_inside(shared);
    atomic_store(&shared->left, 0);
}

static int enter_while_one_cancels_itself(void *arg)
{
    struct shared *shared = arg;
    nook_task *task;
    int rc = 0;
    WANT(nook_task_spawn(&task, enter_again_and_again, shared,
                         &(nook_task_options){.worker = 2}) == 0);
    for (int i = 0; rc == 0 && i < 50; i++) {
        atomic_store(&shared->left, 1);
        atomic_store(&shared->handed, 0);
        rc = nook_call_soon(&shared->handle, cancel_and_stay, shared, shared->context);
        atomic_store(&shared->handed, 1);
        while (rc == 0 && atomic_load(&shared->left) > 0)
            rc = nook_yield();
        nook_handle_unref(shared->handle);
    }
    WANT(rc == 0 && nook_task_join(task, NULL) == 0);
    nook_task_unref(task);
    return entering_on(2, shared->context);
}

static void D3_a_callback_that_cancels_itself_is_alone_until_its_end(void **state)
{
    struct shared shared = {0};
    (void)state;
    assert_int_equal(nook_context_new(&shared.context), 0);
    assert_int_equal(with_workers(2, 0, enter_while_one_cancels_itself, &shared), 0);
    assert_int_equal(atomic_load(&shared.overlaps), 0);
    nook_context_unref(shared.context);
}

/* --- who is given what others have entered ----------------------------------- */

struct entered {
    nook_context *context;
    nook_event inside, leave;
};

static int say_and_wait(void *arg)
{
    struct entered *entered = arg;
    nook_event_set(&entered->inside);
    return nook_event_wait(&entered->leave);
}

static int stay_entered(void *arg)
{
    struct entered *entered = arg;
    return nook_context_run(entered->context, say_and_wait, entered, NULL);
}

static int on_which_worker(void *arg)
{
    *(unsigned *)arg = nook_worker_index();
    return 0;
}

static void callback_on_which_worker(void *arg)
{
    *(unsigned *)arg = nook_worker_index();
}

/* One that could migrate is inside, on some worker, and that is where all others go. */
static int give_what_is_entered(void *arg)
{
    struct entered entered = {.context = arg};
    unsigned task_was_on = 0, callback_was_on = 0;
    nook_task *task, *late = NULL;
    WANT(nook_task_spawn(&task, stay_entered, &entered,
                         &(nook_task_options){.worker = 2, .migrate = 1}) == 0);
    WANT(nook_event_wait(&entered.inside) == 0);
    WANT(nook_call_soon(NULL, callback_on_which_worker, &callback_was_on, arg) == 0);
    WANT(nook_task_spawn(&late, on_which_worker, &task_was_on,
                         &(nook_task_options){.context = arg, .worker = 1}) == 0);
    WANT(nook_task_join(late, NULL) == 0);
    WANT(entering_on(1, arg) == NOOK_EENTERED && entering_on(2, arg) == NOOK_EENTERED);
    nook_event_set(&entered.leave);
    WANT(nook_task_join(task, NULL) == 0);
    WANT(task_was_on == 2 && callback_was_on == 2);
    WANT(entering_on(1, arg) == 0 && entering_on(2, arg) == 0);
    nook_task_unref(task);
    nook_task_unref(late);
    return 0;
}

static void D3_what_a_task_has_entered_is_given_on_its_worker(void **state)
{
    nook_context *context;
    (void)state;
    assert_int_equal(nook_context_new(&context), 0);
    assert_int_equal(with_workers(2, 0, give_what_is_entered, context), 0);
    nook_context_unref(context);
}

struct elsewhere {
    nook_context *context;
    nook_loop *loop;
    atomic_int inside, leave, spawned;
};

static int wait_there(void *arg)
{
    struct elsewhere *elsewhere = arg;
    elsewhere->spawned = nook_loop_spawn(elsewhere->loop, NULL, nothing_more, NULL,
                                         &(nook_task_options){.context = elsewhere->context});
    atomic_store(&elsewhere->inside, 1);
    while (!atomic_load(&elsewhere->leave))
        usleep(100);
    return 0;
}

static void *stay_on_a_thread(void *arg)
{
    struct elsewhere *elsewhere = arg;
    int rc = nook_context_run(elsewhere->context, wait_there, elsewhere, NULL);
    nook_thread_detach();
    return value_of(rc);
}

static int give_what_a_thread_is_in(void *arg)
{
    struct elsewhere elsewhere = {.context = arg};
    pthread_t thread;
    void *said;
    nook_task_options given = {.context = arg}, eager = {.context = arg, .eager = 1};
    WANT(nook_loop_running(&elsewhere.loop) == 0);
    WANT(pthread_create(&thread, NULL, stay_on_a_thread, &elsewhere) == 0);
    while (!atomic_load(&elsewhere.inside))
        usleep(100);
    WANT(elsewhere.spawned == NOOK_EBUSY);
    WANT(nook_task_spawn(NULL, nothing_more, NULL, &given) == NOOK_EBUSY);
    WANT(nook_task_spawn(NULL, nothing_more, NULL, &eager) == NOOK_EBUSY);
    WANT(nook_call_soon(NULL, callback_on_which_worker, NULL, arg) == NOOK_EBUSY);
    WANT(nook_loop_call_soon(elsewhere.loop, NULL, callback_on_which_worker, NULL, arg) ==
         NOOK_EBUSY);
    atomic_store(&elsewhere.leave, 1);
    WANT(pthread_join(thread, &said) == 0 && said == value_of(0));
    WANT(nook_task_spawn(NULL, nothing_more, NULL, &given) == 0);
    nook_loop_unref(elsewhere.loop);
    return 0;
}

static void D3_what_a_thread_has_entered_is_given_to_nobody(void **state)
{
    nook_context *context;
    (void)state;
    assert_int_equal(nook_context_new(&context), 0);
    assert_int_equal(with_workers(1, 0, give_what_a_thread_is_in, context), 0);
    assert_int_equal(with_workers(2, 0, give_what_a_thread_is_in, context), 0);
    nook_context_unref(context);
}

/* A thread runs in the context while it runs tasks that are given it: they are on it. */
static int run_inside(void *arg)
{
    unsigned workers[] = {0, 0};
    nook_task *tasks[2];
    for (unsigned i = 0; i < 2; i++)
        WANT(nook_task_spawn(&tasks[i], on_which_worker, &workers[i],
                             &(nook_task_options){.context = arg, .worker = i + 1}) == 0);
    WANT(nook_gather(tasks, 2, NULL) == 0);
    nook_task_unref(tasks[0]);
    nook_task_unref(tasks[1]);
    return workers[0] == 1 && workers[1] == 1 ? 0 : -1;
}

static int run_in_it(void *arg)
{
    return with_workers(2, 0, run_inside, arg);
}

static void D3_what_the_runs_thread_has_entered_is_given_on_it(void **state)
{
    nook_context *context;
    int result = -1;
    (void)state;
    assert_int_equal(nook_context_new(&context), 0);
    assert_int_equal(nook_context_run(context, run_in_it, context, &result), 0);
    assert_int_equal(result, 0);
    nook_context_unref(context);
}

static void *run_on_a_thread(void *arg)
{
    int rc = nook_run(nothing_more, NULL, &(nook_run_options){.context = arg}, NULL);
    nook_thread_detach();
    return value_of(rc);
}

static int run_another(void *arg)
{
    pthread_t thread;
    void *said;
    WANT(pthread_create(&thread, NULL, run_on_a_thread, arg) == 0);
    WANT(pthread_join(thread, &said) == 0);
    return said == value_of(NOOK_EBUSY) ? 0 : -1;
}

static void D3_one_run_at_a_time_is_given_a_context(void **state)
{
    nook_context *context;
    nook_run_options options = {0};
    int result = -1;
    (void)state;
    assert_int_equal(nook_context_new(&context), 0);
    options.context = context;
    assert_int_equal(nook_run(run_another, context, &options, &result), 0);
    assert_int_equal(result, 0);
    assert_int_equal(nook_run(nothing_more, context, &options, NULL), 0);
    nook_context_unref(context);
}

/* On its way to the run, and so on no worker yet. */
static int enter_what_is_on_its_way(void *arg)
{
    nook_loop *loop = ((struct elsewhere *)arg)->loop;
    nook_context *context = ((struct elsewhere *)arg)->context;
    nook_handle *handle;
    WANT(nook_loop_spawn(loop, NULL, nothing_more, NULL,
                         &(nook_task_options){.context = context, .worker = 2}) == 0);
    WANT(enter_it(context) == NOOK_EENTERED);
    WANT(nook_loop_call_soon(loop, &handle, callback_on_which_worker, NULL, context) == 0);
    WANT(nook_handle_cancel(handle) == NOOK_ENOTASK);
    nook_handle_unref(handle);
    return 0;
}

static void *enter_it_from_a_thread(void *arg)
{
    int rc = enter_what_is_on_its_way(arg);
    nook_thread_detach();
    return value_of(rc);
}

/* This worker, who takes what comes, does nothing meanwhile. */
static int be_given_from_a_thread(void *arg)
{
    struct elsewhere elsewhere = {.context = arg};
    pthread_t thread;
    void *said;
    WANT(nook_loop_running(&elsewhere.loop) == 0);
    WANT(pthread_create(&thread, NULL, enter_it_from_a_thread, &elsewhere) == 0);
    WANT(pthread_join(thread, &said) == 0);
    WANT(said == value_of(0));
    nook_loop_unref(elsewhere.loop);
    return 0;
}

static void D3_what_is_on_its_way_to_a_run_is_entered_by_nobody(void **state)
{
    nook_context *context;
    (void)state;
    assert_int_equal(nook_context_new(&context), 0);
    assert_int_equal(with_workers(2, 0, be_given_from_a_thread, context), 0);
    assert_int_equal(enter_it(context), 0);
    nook_context_unref(context);
}

/* --- who has entered one does not migrate -------------------------------------- */

static int try_to_leave(void *arg)
{
    unsigned here = nook_worker_index();
    (void)arg;
    WANT(nook_task_migrate(here % 2 + 1) == NOOK_ENOTSUP);
    for (int i = 0; i < 200; i++) {
        WANT(nook_yield() == 0);
        WANT(nook_worker_index() == here);
        WANT(i % 50 != 0 || nook_sleep(MS / 10) == 0);
        WANT(nook_worker_index() == here);
    }
    return 0;
}

/* In one of its own, and once in what is kept here meanwhile. */
static int enter_and_try(void *arg)
{
    int result = -1;
    nook_context *own;
    WANT(nook_context_new(&own) == 0);
    WANT(nook_context_run(own, try_to_leave, NULL, &result) == 0 && result == 0);
    nook_context_unref(own);
    WANT(nook_task_migrate(2) == 0);
    WANT(nook_task_migrate(1) == 0);
    if (arg == NULL)
        return 0;
    WANT(nook_context_run(arg, try_to_leave, NULL, &result) == 0 && result == 0);
    return nook_task_migrate(2);
}

static int let_some_try(void *arg)
{
    enum { MANY = 8 };
    nook_event event = {0};
    nook_task *keeper, *tasks[MANY];
    int results[MANY];
    WANT(nook_task_spawn(&keeper, await_event, &event,
                         &(nook_task_options){.context = arg, .worker = 1}) == 0);
    for (int i = 0; i < MANY; i++)
        WANT(nook_task_spawn(&tasks[i], enter_and_try, i == 0 ? arg : NULL,
                             &(nook_task_options){.migrate = 1}) == 0);
    WANT(nook_gather(tasks, MANY, results) == 0);
    for (int i = 0; i < MANY; i++) {
        WANT(results[i] == 0);
        nook_task_unref(tasks[i]);
    }
    nook_event_set(&event);
    WANT(nook_task_join(keeper, NULL) == 0);
    nook_task_unref(keeper);
    return 0;
}

static void D3_who_has_entered_a_context_does_not_migrate_until_it_has_left(void **state)
{
    nook_context *context;
    (void)state;
    assert_int_equal(nook_context_new(&context), 0);
    assert_int_equal(with_workers(2, 0, let_some_try, context), 0);
    nook_context_unref(context);
}

/* --- many -------------------------------------------------------------------------- */

enum { MANY_GIVEN = 100 };

static int give_many(void *arg)
{
    nook_context **contexts = arg;
    nook_event event = {0};
    nook_task *tasks[MANY_GIVEN];
    for (int i = 0; i < MANY_GIVEN; i++)
        WANT(nook_task_spawn(&tasks[i], await_event, &event,
                             &(nook_task_options){.context = contexts[i], .worker = 2}) == 0);
    for (int i = 0; i < MANY_GIVEN; i++)
        WANT(enter_it(contexts[i]) == NOOK_EENTERED);
    nook_event_set(&event);
    WANT(nook_gather(tasks, MANY_GIVEN, NULL) == 0);
    for (int i = 0; i < MANY_GIVEN; i++) {
        WANT(enter_it(contexts[i]) == 0);
        nook_task_unref(tasks[i]);
    }
    return 0;
}

static void D3_many_contexts_are_kept_at_once(void **state)
{
    nook_context *contexts[MANY_GIVEN];
    (void)state;
    for (int i = 0; i < MANY_GIVEN; i++)
        assert_int_equal(nook_context_new(&contexts[i]), 0);
    assert_int_equal(with_workers(2, 0, give_many, contexts), 0);
    for (int i = 0; i < MANY_GIVEN; i++)
        nook_context_unref(contexts[i]);
}

/* A task is in its own context once more, which is a chain that leads to itself. */
static int share_once_more(void *arg)
{
    nook_task *task;
    WANT(nook_call_soon(NULL, callback_on_which_worker, arg, nook_context_peek()) == 0);
    WANT(nook_task_spawn(&task, nothing_more, NULL,
                         &(nook_task_options){.start = NOOK_START_SHARE}) == 0);
    WANT(nook_task_join(task, NULL) == 0);
    nook_task_unref(task);
    return 0;
}

static int be_in_it_twice(void *arg)
{
    unsigned worker = 0;
    int result = -1;
    (void)arg;
    WANT(nook_context_run(nook_context_peek(), share_once_more, &worker, &result) == 0);
    WANT(result == 0 && worker == nook_worker_index());
    return nook_task_migrate(worker) == NOOK_ENOTSUP ? 0 : -1;
}

static void D3_A27_who_is_in_its_own_context_twice_may_give_it(void **state)
{
    (void)state;
    assert_int_equal(with_workers(2, 1, be_in_it_twice, NULL), 0);
}

/* The maker has entered it, and another one since. */
static int give_the_outer_one(void *arg)
{
    unsigned worker = 0;
    nook_task *task;
    WANT(nook_task_spawn(&task, on_which_worker, &worker,
                         &(nook_task_options){.context = arg, .worker = 2}) == 0);
    WANT(nook_task_join(task, NULL) == 0);
    nook_task_unref(task);
    return worker == nook_worker_index() ? 0 : -1;
}

static int enter_another_too(void *arg)
{
    nook_context *inner;
    int result = -1;
    WANT(nook_context_new(&inner) == 0);
    WANT(nook_context_enter(inner) == 0);
    result = give_the_outer_one(arg);
    WANT(nook_context_exit(inner) == 0);
    nook_context_unref(inner);
    return result;
}

static int enter_both(void *arg)
{
    int result = -1, rc = nook_context_run(arg, enter_another_too, arg, &result);
    return rc != 0 ? rc : result;
}

static void D3_what_the_maker_has_entered_is_given_on_its_worker(void **state)
{
    nook_context *context;
    (void)state;
    assert_int_equal(nook_context_new(&context), 0);
    assert_int_equal(with_workers(2, 1, enter_both, context), 0);
    nook_context_unref(context);
}

/* --- no deadlock where there is none -------------------------------------- */

/* Two workers hand over to each other; each is idle just when the other calls it. */
static int hand_over(void *arg)
{
    int *rounds = arg;
    unsigned workers = (unsigned)rounds[1];
    for (int i = 0; i < rounds[0]; i++) {
        int rc = nook_task_migrate((unsigned)i % workers + 1);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void a_worker_that_was_called_is_not_idle(void **state)
{
    (void)state;
    for (int workers = 2; workers <= 4; workers++) {
        int rounds[] = {500, workers};
        for (int i = 0; i < 20; i++)
            assert_int_equal(with_workers((unsigned)workers, 1, hand_over, rounds), 0);
    }
}

static int short_life(void *arg)
{
    return (int)(intptr_t)arg;
}

static int spawn_in_turn(void *arg)
{
    int *rounds = arg;
    unsigned workers = (unsigned)rounds[1];
    for (int i = 0; i < rounds[0]; i++) {
        nook_task *task;
        int result = -1;
        int rc = nook_task_spawn(&task, short_life, value_of(i),
                                 &(nook_task_options){.worker = (unsigned)i % workers + 1});
        if (rc == 0)
            rc = nook_task_join(task, &result);
        nook_task_unref(task);
        if (rc != 0 || result != i)
            return rc != 0 ? rc : -1;
    }
    return 0;
}

static void spawning_on_one_worker_after_the_other(void **state)
{
    (void)state;
    for (int workers = 2; workers <= 4; workers++) {
        int rounds[] = {500, workers};
        for (int i = 0; i < 10; i++)
            assert_int_equal(with_workers((unsigned)workers, 0, spawn_in_turn, rounds), 0);
    }
}

/* --- a real deadlock ------------------------------------------------------ */

static int join_next(void *arg)
{
    nook_task **tasks = arg;
    return nook_task_join(tasks[0], NULL);
}

/* A ring over all workers: each waits for the next. */
static int ring(void *arg)
{
    enum { RING = 6 };
    static nook_task *tasks[RING + 1];
    int rc = 0, n = 0;
    (void)arg;
    tasks[RING] = nook_task_current();
    for (n = RING; rc == 0 && n > 0; n--)
        rc = nook_task_spawn(&tasks[n - 1], join_next, &tasks[n],
                             &(nook_task_options){.worker = (unsigned)n % 3 + 1});
    if (rc == 0)
        rc = nook_task_join(tasks[0], NULL);
    for (int i = 0; i < RING; i++)
        nook_task_unref(tasks[i]);
    return rc;
}

static void a_ring_over_several_workers_is_a_deadlock(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        int result = 0;
        assert_int_equal(nook_run(ring, NULL, &(nook_run_options){.workers = 3}, &result),
                         NOOK_EDEADLK);
        assert_int_equal(result, NOOK_ECANCELED);
    }
}

/* --- all at once ---------------------------------------------------------- */

enum { ACTORS = 24, STEPS = 40 };

struct stress {
    atomic_int steps, wrong, callbacks, jobs, cancelled;
    int fds[ACTORS][2];
};

struct actor {
    struct stress *stress;
    int number;
};

static void count_callback(void *arg)
{
    struct actor *actor = arg;
    atomic_fetch_add(&actor->stress->callbacks, 1);
    if (number_in(&var) != actor->number)
        atomic_fetch_add(&actor->stress->wrong, 1);
}

static int count_job(void *arg)
{
    struct actor *actor = arg;
    atomic_fetch_add(&actor->stress->jobs, 1);
    return number_in(&var) == actor->number ? 0 : 1;
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return nook_sleep(UINT64_MAX);
}

static int child(void *arg)
{
    struct actor *actor = arg;
    int rc = nook_yield();
    return rc != 0 ? rc : number_in(&var) - actor->number;
}

static int one_step(struct actor *actor, int i)
{
    nook_task *task = NULL; /* a run that is ending makes none */
    nook_deadline deadline;
    int result = 0, rc = 0;
    switch ((i + actor->number) % 7) {
    case 0:
        return nook_yield();
    case 1:
        return nook_sleep(1000 * (unsigned)(i % 5));
    case 2:
        rc = nook_task_spawn(&task, child, actor, NULL);
        if (rc == 0)
            rc = nook_task_join(task, &result);
        nook_task_unref(task);
        return rc != 0 ? rc : result;
    case 3:
        rc = nook_call_soon(NULL, count_callback, actor, NULL);
        return rc != 0 ? rc : nook_yield();
    case 4:
        rc = nook_task_migrate((unsigned)i % 3 + 1);
        return rc == NOOK_ENOTSUP ? 0 : rc;
    case 5:
        rc = nook_deadline_enter(&deadline, 1000);
        if (rc == 0)
            rc = nook_sleep(UINT64_MAX);
        return nook_deadline_exit(&deadline) == NOOK_ETIMEDOUT ? 0 : rc;
    default:
        rc = nook_task_spawn(&task, sleep_for_ever, NULL, NULL);
        if (rc == 0)
            rc = nook_task_cancel(task);
        if (rc == 0)
            rc = nook_task_join(task, &result);
        nook_task_unref(task);
        if (result == NOOK_ECANCELED)
            atomic_fetch_add(&actor->stress->cancelled, 1);
        return rc;
    }
}

/* Odd ones wait for a byte of their even neighbour now and then. */
static int talk(struct actor *actor)
{
    int *fd = actor->stress->fds[actor->number / 2];
    char byte = 0;
    if (actor->number % 2 == 0)
        return write(fd[0], "x", 1) == 1 ? 0 : -1;
    int rc = nook_wait_fd(fd[1], NOOK_READABLE, NULL);
    return rc != 0 ? rc : read(fd[1], &byte, 1) == 1 ? 0 : -1;
}

static int act(void *arg)
{
    struct actor *actor = arg;
    int rc = nook_var_set(&var, value_of(actor->number), NULL), result = 0;
    for (int i = 0; rc == 0 && i < STEPS; i++) {
        rc = one_step(actor, i);
        if (rc == 0 && i % 4 == 0)
            rc = talk(actor);
        if (rc == 0 && i % 16 == 0)
            rc = nook_to_thread(count_job, actor, &result);
        if (number_in(&var) != actor->number || result != 0)
            atomic_fetch_add(&actor->stress->wrong, 1);
        atomic_fetch_add(&actor->stress->steps, 1);
    }
    if (rc != 0) /* so that the neighbour does not wait for ever */
        shutdown(actor->stress->fds[actor->number / 2][0], SHUT_RDWR);
    return rc;
}

static int all_act(void *arg)
{
    struct actor actors[ACTORS];
    nook_task *tasks[ACTORS] = {NULL};
    int results[ACTORS] = {0}, rc = 0, n = 0;
    for (; rc == 0 && n < ACTORS; n++) {
        actors[n] = (struct actor){arg, n};
        rc = nook_task_spawn(&tasks[n], act, &actors[n], NULL);
    }
    if (rc == 0)
        rc = nook_gather(tasks, ACTORS, results);
    for (int i = 0; i < n; i++) {
        rc = rc != 0 ? rc : results[i];
        nook_task_unref(tasks[i]);
    }
    return rc != 0 ? rc : nook_sleep(MS);
}

/* How many of all steps were of one kind. */
static int steps_of_kind(int kind)
{
    int n = 0;
    for (int actor = 0; actor < ACTORS; actor++)
        for (int i = 0; i < STEPS; i++)
            n += (i + actor) % 7 == kind;
    return n;
}

static void everything_at_once_comes_out_right(void **state)
{
    (void)state;
    for (unsigned workers = 3; workers <= 4; workers++) {
        struct stress stress = {0};
        for (int i = 0; i < ACTORS / 2; i++)
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, stress.fds[i]), 0);
        int rc = with_workers(workers, 1, all_act, &stress);
        for (int i = 0; i < ACTORS / 2; i++) {
            close(stress.fds[i][0]);
            close(stress.fds[i][1]);
        }
        assert_int_equal(rc, 0);
        assert_int_equal(atomic_load(&stress.wrong), 0);
        assert_int_equal(atomic_load(&stress.steps), ACTORS * STEPS);
        assert_int_equal(atomic_load(&stress.callbacks), steps_of_kind(3));
        assert_int_equal(atomic_load(&stress.cancelled), steps_of_kind(6));
        assert_int_equal(atomic_load(&stress.jobs), ACTORS * ((STEPS + 15) / 16));
    }
}

/* --- deadlines that other workers find ------------------------------------ */

static int pass_at_once(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++) {
        nook_deadline deadline;
        int rc = nook_deadline_enter(&deadline, 1);
        for (int spin = 0; rc == 0 && spin < i % 64; spin++)
            rc = nook_deadline_expired(&deadline) < 0;
        if (rc == 0 && nook_sleep(UINT64_MAX) != NOOK_ECANCELED)
            return -1;
        if (nook_deadline_exit(&deadline) != NOOK_ETIMEDOUT)
            return -2;
        if (nook_task_cancelling(nook_task_current()) != 0)
            return -3;
    }
    return 0;
}

static int turn_over(void *arg)
{
    int rc = 0;
    while (rc == 0 && !nook_task_done(*(nook_task **)arg))
        rc = nook_yield();
    return rc;
}

static int pass_beside_others(void *arg)
{
    nook_task *tasks[2] = {NULL};
    int results[2];
    (void)arg;
    int rc = nook_task_spawn(&tasks[0], pass_at_once, NULL, &(nook_task_options){.worker = 1});
    if (rc == 0)
        rc =
            nook_task_spawn(&tasks[1], turn_over, &tasks[0], &(nook_task_options){.worker = 2});
    if (rc == 0)
        rc = nook_gather(tasks, 2, results);
    nook_task_unref(tasks[0]);
    nook_task_unref(tasks[1]);
    return rc != 0 ? rc : results[0] != 0 ? results[0] : results[1];
}

static void a_deadline_may_pass_while_it_is_entered(void **state)
{
    (void)state;
    assert_int_equal(with_workers(2, 0, pass_beside_others, NULL), 0);
}

/* --- a cancel that meets a task just when that starts ----------------------- */

static int cancel_at_the_start(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4000; i++) {
        nook_task *task;
        int result = 0;
        int rc = nook_task_spawn(&task, sleep_for_ever, NULL, NULL);
        for (volatile int spin = 0; spin < i % 64 * 32; spin++)
            continue; /* another worker takes it meanwhile */
        if (rc == 0)
            rc = nook_task_cancel(task);
        if (rc == 0)
            rc = nook_task_join(task, &result);
        nook_task_unref(task);
        if (rc != 0 || result != NOOK_ECANCELED)
            return rc != 0 ? rc : -1;
    }
    return 0;
}

static void a_cancel_reaches_a_task_that_is_about_to_start(void **state)
{
    (void)state;
    for (unsigned workers = 2; workers <= 4; workers++)
        assert_int_equal(with_workers(workers, 0, cancel_at_the_start, NULL), 0);
}

/* --- the end, at any moment ----------------------------------------------- */

static int busy_child(void *arg)
{
    struct actor *actor = arg;
    for (int i = 0;; i++) {
        int rc = one_step(actor, i);
        if (rc != 0)
            return rc;
    }
}

static int leave_early(void *arg)
{
    static struct actor actors[ACTORS]; /* they outlive this task */
    int rc = 0;
    for (int i = 0; rc == 0 && i < ACTORS; i++) {
        actors[i] = (struct actor){arg, i};
        rc = nook_task_spawn(NULL, busy_child, &actors[i], NULL);
    }
    return rc == 0 ? nook_sleep(MS) : rc;
}

static void a_run_may_end_while_all_are_busy(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        static struct stress stress;
        assert_int_equal(with_workers(3, 1, leave_early, &stress), 0);
    }
}

/* --- items between workers ------------------------------------------------------ */

/*
 * Who is woken on a worker that is awake goes on while who wakes it still has the lock: it
 * must have what it waited for by then, and who woke it must have done with it.
 * ThreadSanitizer sees it; others only with luck.
 */
enum { ITEMS = 5000 };

struct between {
    nook_queue *queue;
    atomic_int over;
};

static int keep_awake(void *arg)
{
    struct between *between = arg;
    while (!atomic_load(&between->over))
        WANT(nook_yield() == 0);
    return 0;
}

static int count_items(void *arg)
{
    struct between *between = arg;
    for (int i = 1; i <= ITEMS; i++) {
        void *item = NULL;
        WANT(nook_queue_get(between->queue, &item) == 0);
        WANT(item == value_of(i));
    }
    return 0;
}

static int put_items(void *arg)
{
    struct between *between = arg;
    nook_task *tasks[3];
    int result = -1;
    WANT(nook_task_spawn(&tasks[0], count_items, between, &(nook_task_options){.worker = 2}) ==
         0);
    for (unsigned i = 1; i <= 2; i++)
        WANT(nook_task_spawn(&tasks[i], keep_awake, between,
                             &(nook_task_options){.worker = i}) == 0);
    for (int i = 1; i <= ITEMS; i++)
        WANT(nook_queue_put(between->queue, value_of(i)) == 0);
    WANT(nook_task_join(tasks[0], &result) == 0);
    atomic_store(&between->over, 1);
    WANT(nook_gather(&tasks[1], 2, NULL) == 0);
    for (int i = 0; i < 3; i++)
        nook_task_unref(tasks[i]);
    return result;
}

static void who_waited_for_an_item_has_it_when_it_goes_on(void **state)
{
    struct between between = {0};
    (void)state;
    assert_int_equal(nook_queue_new(&between.queue, 1), 0);
    assert_int_equal(with_workers(2, 0, put_items, &between), 0);
    nook_queue_free(between.queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(a_started_task_stays_on_its_worker),
        task_test(a_migrating_task_goes_where_it_says_with_its_context),
        task_test(D3_tasks_and_callbacks_of_one_context_take_turns),
        task_test(D3_callbacks_of_one_context_take_turns),
        task_test(D3_who_enters_takes_turns_with_tasks_and_callbacks),
        task_test(D3_a_tasks_context_is_entered_on_its_worker_alone),
        task_test(H10_D3_a_task_that_detaches_is_still_on_the_worker_that_keeps_a_context),
        task_test(D3_a_callbacks_context_is_entered_on_its_worker_alone),
        task_test(D3_a_callback_that_cancels_itself_is_alone_until_its_end),
        task_test(D3_what_a_task_has_entered_is_given_on_its_worker),
        task_test(D3_what_a_thread_has_entered_is_given_to_nobody),
        task_test(D3_what_the_runs_thread_has_entered_is_given_on_it),
        task_test(D3_one_run_at_a_time_is_given_a_context),
        task_test(D3_what_is_on_its_way_to_a_run_is_entered_by_nobody),
        task_test(D3_who_has_entered_a_context_does_not_migrate_until_it_has_left),
        task_test(D3_many_contexts_are_kept_at_once),
        task_test(D3_A27_who_is_in_its_own_context_twice_may_give_it),
        task_test(D3_what_the_maker_has_entered_is_given_on_its_worker),
        task_test(D3_a_context_shared_inside_run_stays_on_one_worker),
        task_test(a_worker_that_was_called_is_not_idle),
        task_test(spawning_on_one_worker_after_the_other),
        task_test(a_ring_over_several_workers_is_a_deadlock),
        task_test(everything_at_once_comes_out_right),
        task_test(a_deadline_may_pass_while_it_is_entered),
        task_test(a_cancel_reaches_a_task_that_is_about_to_start),
        task_test(a_run_may_end_while_all_are_busy),
        task_test(who_waited_for_an_item_has_it_when_it_goes_on),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
