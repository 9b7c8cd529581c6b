/* SPDX-License-Identifier: MIT */
/* Forks inside runs: children are refused clearly, parents go on. */
#include "support.h"

#include <sys/wait.h>

/* ThreadSanitizer stops watching a child, but only on the fiber that has forked: what
 * comes after the switch back it reports as locked twice. LeakSanitizer finds in a child
 * that ends by itself what the run has left there. */
#if defined(__SANITIZE_ADDRESS__)
#define LEAKS_ARE_FOUND
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER
#elif __has_feature(address_sanitizer)
#define LEAKS_ARE_FOUND
#endif
#endif

static NOOK_VAR_DEFINE(var);

/* --- what a child is told ------------------------------------------------------ */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void call_nothing(void *arg)
{
    (void)arg;
}

/* How many calls did not answer NOOK_EFORKED. `other` has not ended. */
static int calls_that_are_not_refused(nook_task *other)
{
    nook_lock lock = {0};
    nook_event event = {0};
    nook_semaphore semaphore = {0};
    nook_deadline deadline;
    nook_task *task;
    nook_handle *handle;
    int result, wrong = 0;
#define REFUSED(call) wrong += (call) != NOOK_EFORKED
    REFUSED(nook_run(nothing, NULL, NULL, NULL));
    REFUSED(nook_yield());
    REFUSED(nook_sleep(1));
    REFUSED(nook_wait_fd(0, NOOK_READABLE, NULL));
    REFUSED(nook_task_migrate(1));
    REFUSED(nook_task_spawn(&task, nothing, NULL, NULL));
    REFUSED(nook_task_join(other, NULL));
    REFUSED(nook_gather(&other, 1, NULL));
    REFUSED(nook_task_result(other, &result));
    REFUSED(nook_task_cancel(other));
    REFUSED(nook_task_at_end(call_nothing, NULL));
    REFUSED(nook_deadline_enter(&deadline, 1));
    REFUSED(nook_deadline_exit(&deadline));
    REFUSED(nook_call_soon(&handle, call_nothing, NULL, NULL));
    REFUSED(nook_call_later(&handle, 1, call_nothing, NULL, NULL));
    REFUSED(nook_to_thread(nothing, NULL, NULL));
    REFUSED(nook_run_in_executor(nothing, NULL, NULL));
    REFUSED(nook_lock_acquire(&lock));
    REFUSED(nook_event_set(&event));
    REFUSED(nook_event_wait(&event));
    REFUSED(nook_semaphore_acquire(&semaphore));
#undef REFUSED
    wrong += nook_task_current() != NULL;
    wrong += nook_worker_index() != 0;
    wrong += nook_dump(STDERR_FILENO) != 0;
    return wrong;
}

/* Contexts go on in the child. */
static int calls_that_fail(nook_task *other)
{
    int wrong = 0;
    nook_context *context = nook_task_context(other);
    wrong += context == NULL;
    nook_context_unref(context);
    wrong += number_in(&var) != 5;
    wrong += nook_var_set(&var, value_of(6), NULL) != 0;
    wrong += number_in(&var) != 6;
    return wrong;
}

/* What the child ended with; -1: not by itself. */
static int status_of(pid_t child)
{
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

static int fork_and_ask(nook_task *other)
{
    pid_t child = fork();
    if (child == 0)
        _exit(calls_that_are_not_refused(other) + calls_that_fail(other));
    return status_of(child);
}

static int wait_for_ever(void *arg)
{
    return nook_event_wait(arg);
}

static int fork_in_main(void *arg)
{
    nook_task *other;
    nook_event event = {0};
    int result = -1;
    (void)arg;
    nook_var_set(&var, value_of(5), NULL);
    if (nook_task_spawn(&other, wait_for_ever, &event, NULL) != 0)
        return -2;
    nook_sleep(1 * MS);
    int wrong = fork_and_ask(other);
    nook_event_set(&event);
    if (nook_task_join(other, &result) != 0 || result != 0 || number_in(&var) != 5)
        wrong = -3;
    nook_task_unref(other);
    return wrong;
}

static void a_child_of_a_task_is_refused(void **state)
{
    (void)state;
    for (enum way way = VIRTUAL; way < WAYS; way++)
        assert_int_equal(run(way, fork_in_main, NULL), 0);
}

static void fork_in_a_callback(void *arg)
{
    nook_task *other = nook_task_current(); /* none, here */
    pid_t child = fork();
    if (child == 0)
        _exit(nook_call_soon(NULL, call_nothing, NULL, NULL) == NOOK_EFORKED && other == NULL
                  ? 0
                  : 1);
    *(int *)arg = status_of(child);
}

static int call_back(void *arg)
{
    nook_call_soon(NULL, fork_in_a_callback, arg, NULL);
    return nook_sleep(1 * MS);
}

static void so_is_a_child_of_a_callback(void **state)
{
    (void)state;
    for (enum way way = VIRTUAL; way < WAYS; way++) {
        int status = -1;
        assert_int_equal(run(way, call_back, &status), 0);
        assert_int_equal(status, 0);
    }
}

/* --- a child that returns ------------------------------------------------------- */

static int in_a_new_run(void *arg)
{
    nook_task *task;
    int result = -1;
    nook_var_set(&var, arg, NULL);
    if (nook_task_spawn(&task, nothing, NULL, NULL) != 0)
        return -1;
    int rc = nook_task_join(task, &result);
    nook_task_unref(task);
    return rc == 0 && result == 0 ? number_in(&var) : -1;
}

static int fork_and_return(void *arg)
{
    pid_t child = fork();
    if (child == 0)
        return 0;
    *(int *)arg = status_of(child);
    return nook_yield();
}

#ifndef THREAD_SANITIZER
static void a_child_that_returns_comes_out_of_the_run(void **state)
{
    pid_t parent = getpid();
    (void)state;
    for (enum way way = VIRTUAL; way < WAYS; way++) {
        int status = -1, result = -1;
        int rc = run_by(way, fork_and_return, &status, NULL, &result);
        if (getpid() != parent) {
            if (rc != NOOK_EFORKED)
                _exit(1);
            rc = nook_run(in_a_new_run, value_of(8), NULL, &result);
            _exit(rc == 0 && result == 8 ? 0 : 2);
        }
        assert_int_equal(rc, 0);
        assert_int_equal(result, 0);
        assert_int_equal(status, 0);
    }
}

#endif

#ifndef LEAKS_ARE_FOUND
static int on_worker_2(void *arg)
{
    nook_task *task;
    nook_task_options options = {.worker = 2};
    int result = -1;
    if (nook_task_spawn(&task, fork_and_return, arg, &options) != 0)
        return -1;
    int rc = nook_task_join(task, &result);
    nook_task_unref(task);
    return rc != 0 ? rc : result;
}

static void or_ends_with_its_thread(void **state)
{
    int status = -1;
    (void)state;
    assert_int_equal(run(REAL_3, on_worker_2, &status), 0);
    assert_int_equal(status, 0);
}

static int job_forks(void *arg)
{
    return fork_and_return(arg) == NOOK_ENOTASK ? 0 : 1;
}

static int on_a_pool_thread(void *arg)
{
    int result = -1;
    int rc = nook_to_thread(job_forks, arg, &result);
    return rc != 0 ? rc : result;
}

static void a_child_of_a_pool_thread_ends_with_it(void **state)
{
    (void)state;
    for (enum way way = VIRTUAL; way < WAYS; way++) {
        int status = -1;
        assert_int_equal(run(way, on_a_pool_thread, &status), 0);
        assert_int_equal(status, 0);
    }
}

#endif

/* --- under load -------------------------------------------------------------------- */

enum { FORKERS = 3, FORKS = 10 };
static atomic_int wrong_children, load_is_over;

static int load(void *arg)
{
    while (!atomic_load(&load_is_over)) {
        nook_task *task;
        nook_var_set(&var, arg, NULL);
        if (nook_task_spawn(&task, in_a_new_run, value_of(9), NULL) != 0)
            return -1;
        nook_task_join(task, NULL);
        nook_task_unref(task);
        nook_to_thread(nothing, NULL, NULL);
        nook_sleep(1000);
    }
    return number_in(&var) == (int)(intptr_t)arg ? 0 : -1;
}

static int fork_often(void *arg)
{
    nook_task *other = arg;
    nook_var_set(&var, value_of(5), NULL);
    for (int i = 0; i < FORKS; i++) {
        if (fork_and_ask(other) != 0)
            atomic_fetch_add(&wrong_children, 1);
        nook_yield();
    }
    return 0;
}

/* A thread that runs no task: its children may begin runs. */
static void *fork_outside(void *arg)
{
    (void)arg;
    for (int i = 0; i < FORKS; i++) {
        int result = -1;
        pid_t child = fork();
        if (child == 0) {
            int rc = nook_run(in_a_new_run, value_of(8), NULL, &result);
            _exit(rc == 0 && result == 8 ? 0 : 1);
        }
        if (status_of(child) != 0)
            atomic_fetch_add(&wrong_children, 1);
    }
    return NULL;
}

static int under_load(void *arg)
{
    nook_task *loads[4], *forkers[FORKERS];
    int results[4], sum = 0;
    (void)arg;
    for (int i = 0; i < 4; i++)
        if (nook_task_spawn(&loads[i], load, value_of(i + 1), NULL) != 0)
            return -1;
    for (int i = 0; i < FORKERS; i++)
        if (nook_task_spawn(&forkers[i], fork_often, loads[0], NULL) != 0)
            return -1;
    int rc = nook_gather(forkers, FORKERS, NULL);
    atomic_store(&load_is_over, 1);
    rc |= nook_gather(loads, 4, results);
    for (int i = 0; i < 4; i++) {
        sum += results[i];
        nook_task_unref(loads[i]);
    }
    for (int i = 0; i < FORKERS; i++)
        nook_task_unref(forkers[i]);
    return rc != 0 ? rc : sum;
}

static void parents_are_undisturbed(void **state)
{
    (void)state;
    for (enum way way = REAL; way < WAYS; way++) {
        pthread_t outside;
        atomic_store(&wrong_children, 0);
        atomic_store(&load_is_over, 0);
        assert_int_equal(pthread_create(&outside, NULL, fork_outside, NULL), 0);
        int result = -1, rc = run_by(way, under_load, NULL, NULL, &result);
        pthread_join(outside, NULL);
        assert_int_equal(rc, 0);
        assert_int_equal(result, 0);
        assert_int_equal(atomic_load(&wrong_children), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(a_child_of_a_task_is_refused),
        task_test(so_is_a_child_of_a_callback),
#ifndef THREAD_SANITIZER
        task_test(a_child_that_returns_comes_out_of_the_run),
#endif
#ifndef LEAKS_ARE_FOUND
        task_test(or_ends_with_its_thread),
        task_test(a_child_of_a_pool_thread_ends_with_it),
#endif
        task_test(parents_are_undisturbed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
