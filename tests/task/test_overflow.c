/* SPDX-License-Identifier: MIT */
/* Stack overflow by name. Everything that dies does so in a child. */
#include "coroutine.h"

#include "task/overflow.h"

#include <nook/nook.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#define STACK ((size_t)64 * 1024)
#define NAME "task \"render\" spawned at web.c:41"

static const char *describe(void)
{
    return NAME;
}

/* --- how to overflow ------------------------------------------------------ */

__attribute__((noinline)) static int recurse(volatile int depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    return depth < 0 ? 0 : recurse(depth + 1) + frame[0];
}

static void overflow_body(struct coroutine *self)
{
    self->done = recurse(0);
}

/* Only the low end of a frame of 100,000 bytes is touched. */
__attribute__((noinline)) static int step_over(volatile size_t n)
{
    volatile char frame[100000];
    for (volatile size_t i = 0; i < n; i++)
        frame[i] = 'x';
    return frame[n / 2];
}

static void big_frame_body(struct coroutine *self)
{
    self->done = step_over(20000);
}

static int run_on_a_stack(void (*body)(struct coroutine *self))
{
    struct nook__stacks *pool;
    struct nook__stack below;
    struct coroutine c;
    if (nook__stacks_new(&pool, STACK) != 0 || nook__stack_get(pool, &below) != 0 ||
        coroutine_start(&c, pool, body, NULL) != 0)
        return 3;
    coroutine_resume(&c);
    return 0;
}

static int prepare(struct nook__overflow_thread *thread)
{
    return nook__overflow_install(describe) != 0 || nook__overflow_thread_enter(thread) != 0;
}

static int overflow(void)
{
    struct nook__overflow_thread thread;
    return prepare(&thread) ? 2 : run_on_a_stack(overflow_body);
}

static int overflow_with_a_big_frame(void)
{
    struct nook__overflow_thread thread;
    return prepare(&thread) ? 2 : run_on_a_stack(big_frame_body);
}

static void *overflow_on_this_thread(void *arg)
{
    struct nook__overflow_thread thread;
    if (nook__overflow_thread_enter(&thread) == 0)
        run_on_a_stack(overflow_body);
    return arg;
}

static int overflow_on_another_thread(void)
{
    pthread_t other;
    if (nook__overflow_install(describe) != 0 ||
        pthread_create(&other, NULL, overflow_on_this_thread, NULL) != 0)
        return 2;
    pthread_join(other, NULL);
    return 0;
}

/* --- reports -------------------------------------------------------------- */

static char said[8192];

static void dies_and_names_the_task(int (*fn)(void))
{
    int status = in_child(fn, said, sizeof said);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_non_null(strstr(said, "nook: stack overflow in " NAME ": "));
    assert_non_null(strstr(said, " 65536 bytes"));
    assert_non_null(strstr(said, "Raise stack_size"));
}

static void an_overflow_is_reported_by_name(void **state)
{
    (void)state;
    dies_and_names_the_task(overflow);
}

static void a_frame_larger_than_the_stack_is_reported(void **state)
{
    (void)state;
    dies_and_names_the_task(overflow_with_a_big_frame);
}

static void an_overflow_on_another_thread_is_reported(void **state)
{
    (void)state;
    dies_and_names_the_task(overflow_on_another_thread);
}

static const char *describe_nothing(void)
{
    return NULL;
}

static int overflow_without_a_name(void)
{
    struct nook__overflow_thread thread;
    if (nook__overflow_install(describe_nothing) != 0 ||
        nook__overflow_thread_enter(&thread) != 0)
        return 2;
    return run_on_a_stack(overflow_body);
}

static void a_task_without_a_name_is_reported(void **state)
{
    int status = in_child(overflow_without_a_name, said, sizeof said);
    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_non_null(strstr(said, "nook: stack overflow in a task: "));
}

static int go_too_deep(void *arg)
{
    (void)arg;
    return recurse(0);
}

static int wait_for_one(void *arg)
{
    nook_task *task;
    (void)arg;
    int rc = nook_task_spawn(&task, go_too_deep, NULL,
                             &(nook_task_options){.name = "deep", .stack_size = STACK});
    return rc != 0 ? rc : nook_task_join(task, NULL);
}

static int overflow_in_a_run(void)
{
    return nook_run(wait_for_one, NULL, NULL, NULL);
}

static int overflow_in_a_schedule(void)
{
    nook_schedule *schedule;
    int rc = nook_schedule_new(&schedule, NULL);
    return rc != 0 ? rc : nook_schedule_run(schedule, wait_for_one, NULL, NULL, NULL);
}

static void a_task_of_any_run_is_reported(void **state)
{
    int (*const ways[])(void) = {overflow_in_a_run, overflow_in_a_schedule};
    (void)state;
    for (int i = 0; i < 2; i++) {
        int status = in_child(ways[i], said, sizeof said);
        assert_true(WIFSIGNALED(status));
        assert_non_null(
            strstr(said, "nook: stack overflow in task \"deep\", spawned in wait_for_one ("));
    }
}

/* --- other faults --------------------------------------------------------- */

/* Not NULL: the sanitizers know that one at compile time. */
static int stray_write(void)
{
    struct nook__overflow_thread thread;
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (prepare(&thread) || page == MAP_FAILED)
        return 2;
    *(volatile char *)page = 1;
    return 0;
}

static int sent_signal(void)
{
    struct nook__overflow_thread thread;
    if (prepare(&thread))
        return 2;
    kill(getpid(), SIGSEGV);
    return 0;
}

static int sent_signal_ignored(void)
{
    struct nook__overflow_thread thread;
    signal(SIGSEGV, SIG_IGN);
    if (prepare(&thread))
        return 2;
    kill(getpid(), SIGSEGV);
    return 5;
}

static void dies_without_a_word_of_ours(int (*fn)(void))
{
    int status = in_child(fn, said, sizeof said);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_null(strstr(said, "nook:"));
}

static void a_stray_write_is_not_called_an_overflow(void **state)
{
    (void)state;
    dies_without_a_word_of_ours(stray_write);
}

static void a_sent_signal_does_what_it_did_before(void **state)
{
    (void)state;
    dies_without_a_word_of_ours(sent_signal);
    int status = in_child(sent_signal_ignored, said, sizeof said);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 5);
}

/* --- the previous handler ------------------------------------------------- */

static void leave_42(int number)
{
    (void)number;
    _exit(42);
}

static void leave_43(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    _exit(info->si_addr != NULL ? 43 : 44);
}

static int overflow_over_a_plain_handler(void)
{
    struct sigaction action = {.sa_handler = leave_42};
    sigaction(SIGSEGV, &action, NULL);
    return overflow();
}

static int overflow_over_an_informed_handler(void)
{
    struct sigaction action = {.sa_sigaction = leave_43, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    return overflow();
}

static int overflow_after_uninstall(void)
{
    struct nook__overflow_thread thread;
    struct sigaction action = {.sa_handler = leave_42, .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    if (prepare(&thread))
        return 2;
    nook__overflow_uninstall();
    return run_on_a_stack(overflow_body);
}

static void the_previous_handler_runs_after_the_report(void **state)
{
    (void)state;
    int status = in_child(overflow_over_a_plain_handler, said, sizeof said);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    assert_non_null(strstr(said, NAME));
    status = in_child(overflow_over_an_informed_handler, said, sizeof said);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 43);
    assert_non_null(strstr(said, NAME));
}

static void after_uninstall_the_previous_handler_is_alone(void **state)
{
    (void)state;
    int status = in_child(overflow_after_uninstall, said, sizeof said);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    assert_null(strstr(said, "nook:"));
}

static struct sigaction covered_action;

static void cover(int number, siginfo_t *info, void *context)
{
    covered_action.sa_sigaction(number, info, context);
}

/* Somebody covers our handler and chains to it; we go and come back. */
static int overflow_after_being_covered(void)
{
    struct nook__overflow_thread thread;
    struct sigaction plain = {.sa_handler = leave_42};
    struct sigaction action = {.sa_sigaction = cover, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &plain, NULL);
    if (prepare(&thread))
        return 2;
    sigaction(SIGSEGV, &action, &covered_action);
    nook__overflow_uninstall();
    if (nook__overflow_install(describe) != 0)
        return 2;
    return run_on_a_stack(overflow_body);
}

static void a_handler_over_ours_does_not_close_a_circle(void **state)
{
    (void)state;
    int status = in_child(overflow_after_being_covered, said, sizeof said);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    char *report = strstr(said, "nook: stack overflow");
    assert_non_null(report);
    assert_null(strstr(report + 1, "nook: stack overflow"));
}

/* --- install and uninstall ------------------------------------------------ */

static void (*handler_now(void))(int, siginfo_t *, void *)
{
    struct sigaction now;
    sigaction(SIGSEGV, NULL, &now);
    return now.sa_sigaction;
}

static void installs_are_counted(void **state)
{
    void (*before)(int, siginfo_t *, void *) = handler_now();
    (void)state;
    assert_int_equal(nook__overflow_install(NULL), NOOK_EINVAL);
    assert_int_equal(nook__overflow_install(describe), 0);
    void (*ours)(int, siginfo_t *, void *) = handler_now();
    assert_true(ours != before);
    assert_int_equal(nook__overflow_install(describe), 0);
    nook__overflow_uninstall();
    assert_true(handler_now() == ours);
    nook__overflow_uninstall();
    assert_true(handler_now() == before);
    nook__overflow_uninstall();
    assert_true(handler_now() == before);
}

static int count_handlers(void)
{
    struct sigaction mine = {.sa_handler = leave_42};
    sigaction(SIGSEGV, &mine, NULL);
    for (int i = 0; i < 3; i++) {
        if (nook__overflow_install(describe) != 0)
            return 1;
        nook__overflow_uninstall();
    }
    struct sigaction now;
    sigaction(SIGSEGV, NULL, &now);
    return now.sa_handler == leave_42 ? 0 : 1;
}

static void the_users_handler_comes_back(void **state)
{
    int status = status_of(count_handlers);
    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

struct alternate {
    int rc, enabled, kept, disabled;
};

static void *alternate_alone(void *arg)
{
    struct alternate *a = arg;
    struct nook__overflow_thread thread;
    stack_t off = {.ss_flags = SS_DISABLE}, now;
    sigaltstack(&off, &now); /* AddressSanitizer gives every thread one */
    stack_t given = now;
    a->rc = nook__overflow_thread_enter(&thread);
    sigaltstack(NULL, &now);
    a->enabled = (now.ss_flags & SS_DISABLE) == 0 && now.ss_sp == thread.memory;
    nook__overflow_thread_leave(&thread);
    nook__overflow_thread_leave(&thread);
    sigaltstack(NULL, &now);
    a->disabled = (now.ss_flags & SS_DISABLE) != 0;
    if ((given.ss_flags & SS_DISABLE) == 0)
        sigaltstack(&given, NULL);
    return NULL;
}

static void *alternate_present(void *arg)
{
    struct alternate *a = arg;
    struct nook__overflow_thread thread;
    stack_t given, now, mine = {.ss_size = (size_t)64 * 1024};
    mine.ss_sp = malloc(mine.ss_size);
    sigaltstack(&mine, &given);
    a->rc = nook__overflow_thread_enter(&thread);
    sigaltstack(NULL, &now);
    a->kept = now.ss_sp == mine.ss_sp && thread.memory == NULL;
    nook__overflow_thread_leave(&thread);
    sigaltstack(NULL, &now);
    a->enabled = (now.ss_flags & SS_DISABLE) == 0;
    sigaltstack(&given, NULL);
    free(mine.ss_sp);
    return NULL;
}

static void run_thread(void *(*fn)(void *), struct alternate *a)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fn, a), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(a->rc, 0);
}

static void a_thread_gets_an_alternate_stack_and_loses_it(void **state)
{
    struct alternate a = {0};
    (void)state;
    run_thread(alternate_alone, &a);
    assert_true(a.enabled);
    assert_true(a.disabled);
}

static void a_thread_keeps_its_own_alternate_stack(void **state)
{
    struct alternate a = {0};
    (void)state;
    run_thread(alternate_present, &a);
    assert_true(a.kept);
    assert_true(a.enabled);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pool_setup, pool_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_overflow_is_reported_by_name),
        TEST(a_frame_larger_than_the_stack_is_reported),
        TEST(an_overflow_on_another_thread_is_reported),
        TEST(a_task_without_a_name_is_reported),
        TEST(a_task_of_any_run_is_reported),
        TEST(a_stray_write_is_not_called_an_overflow),
        TEST(a_sent_signal_does_what_it_did_before),
        TEST(the_previous_handler_runs_after_the_report),
        TEST(after_uninstall_the_previous_handler_is_alone),
        TEST(a_handler_over_ours_does_not_close_a_circle),
        TEST(installs_are_counted),
        TEST(the_users_handler_comes_back),
        TEST(a_thread_gets_an_alternate_stack_and_loses_it),
        TEST(a_thread_keeps_its_own_alternate_stack),
    };
    return cmocka_run_group_tests_name("task.overflow", tests, NULL, NULL);
}
