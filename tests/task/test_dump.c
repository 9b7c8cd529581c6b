/* SPDX-License-Identifier: MIT */
/* The corners of nook_dump; what it writes is read by check_dump.sh. */
#include "support.h"

#include <fcntl.h>
#include <signal.h>

static int into_a_closed_descriptor(void *arg)
{
    (void)arg;
    return nook_dump(-1);
}

static void a_dump_says_that_it_could_not_write(void **state)
{
    (void)state;
    for (enum way way = VIRTUAL; way < WAYS; way++)
        assert_int_equal(run(way, into_a_closed_descriptor, NULL), -EBADF);
}

static void a_dump_of_no_run_is_empty(void **state)
{
    int ends[2];
    char byte;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(nook_dump(ends[1]), 0);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}

/* --- printers ------------------------------------------------------------------- */

static atomic_int printed;

static void count_prints(char *out, size_t room, void *value, void *user)
{
    (void)value;
    atomic_fetch_add((atomic_int *)user, 1);
    memset(out, 'x', room); /* and no end */
}

static int dump_with_a_variable(void *arg)
{
    nook_var *var = arg;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    nook_var_set(var, NULL, NULL);
    int rc = nook_dump(fd);
    close(fd);
    return rc;
}

static void printers_are_asked_and_taken_back(void **state)
{
    nook_var *var;
    (void)state;
    for (enum way way = VIRTUAL; way < WAYS; way++) {
        atomic_store(&printed, 0);
        assert_int_equal(nook_var_new(&var, "counted", NULL), 0);
        assert_int_equal(nook_dump_printer(var, nook_dump_redacted, NULL), 0);
        assert_int_equal(nook_dump_printer(var, count_prints, &printed), 0);
        assert_int_equal(run(way, dump_with_a_variable, var), 0);
        assert_int_equal(atomic_load(&printed), 1);
        assert_int_equal(nook_dump_printer(var, NULL, NULL), 0);
        assert_int_equal(run(way, dump_with_a_variable, var), 0);
        assert_int_equal(atomic_load(&printed), 1);
        nook_var_unref(var);
    }
    assert_int_equal(nook_dump_printer(NULL, count_prints, NULL), NOOK_EINVAL);
}

/* --- signals --------------------------------------------------------------------- */

static void one_signal_at_a_time(void **state)
{
    struct sigaction now;
    (void)state;
    assert_int_equal(nook_dump_on_signal(-1, 1), NOOK_EINVAL);
    assert_int_equal(nook_dump_on_signal(SIGKILL, 1), NOOK_EINVAL);
    assert_int_equal(nook_dump_on_signal(SIGUSR2, 1), 0);
    assert_int_equal(nook_dump_on_signal(SIGUSR1, 1), NOOK_EBUSY);
    assert_int_equal(nook_dump_on_signal(0, 1), 0);
    assert_int_equal(nook_dump_on_signal(0, 1), 0);
    assert_int_equal(sigaction(SIGUSR2, NULL, &now), 0);
    assert_ptr_equal(now.sa_handler, SIG_DFL);
}

/* --- many who ask at once ------------------------------------------------------- */

struct asking {
    pthread_t threads[150];
    atomic_int go, n;
    int fd;
};

enum { ASKING = sizeof(((struct asking *)0)->threads) / sizeof(pthread_t) };

static void *ask(void *arg)
{
    struct asking *asking = arg;
    while (!atomic_load(&asking->go))
        usleep(1000);
    atomic_fetch_add(&asking->n, 1);
    int rc = nook_dump(asking->fd); /* a loaded machine may be busy for a second */
    return rc == 0 || rc == NOOK_ETIMEDOUT ? NULL : arg;
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* More lie in the worker's inbox than it takes at once, when the job comes back behind them. */
static int wait_for_a_job(void *arg)
{
    struct asking *asking = arg;
    int rc = 0, result;
    for (int i = 0; i < ASKING; i++)
        rc |= pthread_create(&asking->threads[i], NULL, ask, asking);
    atomic_store(&asking->go, 1);
    while (atomic_load(&asking->n) < ASKING)
        usleep(1000);
    usleep(20000);
    return rc != 0 ? -rc : nook_to_thread(do_nothing, NULL, &result);
}

static void all_are_answered_however_many_ask(void **state)
{
    (void)state;
    for (enum way way = 0; way < WAYS; way++) {
        struct asking asking = {.fd = open("/dev/null", O_WRONLY | O_CLOEXEC)};
        assert_int_equal(run(way, wait_for_a_job, &asking), 0);
        for (int i = 0; i < ASKING; i++) {
            void *failed;
            assert_int_equal(pthread_join(asking.threads[i], &failed), 0);
            assert_null(failed);
        }
        close(asking.fd);
    }
}

/* --- runs that look at each other -------------------------------------------------- */

static atomic_int busy_parties;

/* Neither stops before both have looked often: a run that has ended is not looked at. */
static int look_at_the_other(void *arg)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC), rc = 0;
    (void)arg;
    for (int i = 0; rc == 0 && (i < 50 || atomic_load(&busy_parties) > 0); i++) {
        rc = nook_dump(fd);
        if (rc == 0)
            rc = nook_yield();
        if (i == 49)
            atomic_fetch_sub(&busy_parties, 1);
    }
    close(fd);
    return rc;
}

static void *run_party(void *arg)
{
    int *result = arg;
    int rc = nook_run(look_at_the_other, NULL, NULL, result);
    if (rc != 0)
        *result = rc;
    return NULL;
}

static void runs_of_one_worker_dump_each_other(void **state)
{
    int results[2] = {-1, -1};
    pthread_t threads[2];
    (void)state;
    atomic_store(&busy_parties, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_party, &results[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(results[0], 0);
    assert_int_equal(results[1], 0);
}

/* --- the tree ---------------------------------------------------------------------- */

struct tree {
    nook_event grown, over;
};

static int wait_for_the_end(void *arg)
{
    struct tree *tree = arg;
    return nook_event_wait(&tree->over);
}

static int have_a_child(void *arg)
{
    struct tree *tree = arg;
    nook_task_options child = {.name = "child"};
    int rc = nook_task_spawn(NULL, wait_for_the_end, tree, &child);
    nook_event_set(&tree->grown);
    return rc != 0 ? rc : nook_event_wait(&tree->over);
}

/* The task that is sent has its number before the other, and its place behind it. */
static int send_one_spawn_one(void *arg)
{
    nook_task_options sent = {.name = "sent"}, spawned = {.name = "spawned"};
    static struct tree tree;
    nook_loop *loop;
    int *ends = arg, rc = nook_loop_running(&loop);
    if (rc != 0)
        return rc;
    memset(&tree, 0, sizeof tree); /* of the run before */
    rc = nook_loop_spawn(loop, NULL, have_a_child, &tree, &sent);
    if (rc == 0)
        rc = nook_task_spawn(NULL, wait_for_the_end, &tree, &spawned);
    if (rc == 0)
        rc = nook_event_wait(&tree.grown);
    if (rc == 0)
        rc = nook_dump(ends[1]);
    nook_event_set(&tree.over);
    nook_loop_unref(loop);
    return rc;
}

static void a_task_that_was_sent_has_its_children_below_it(void **state)
{
    (void)state;
    for (enum way way = REAL; way < WAYS; way++) {
        char text[8192] = {0};
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        int result = run(way, send_one_spawn_one, ends);
        close(ends[1]);
        ssize_t got = read(ends[0], text, sizeof text - 1);
        close(ends[0]);
        assert_int_equal(result, 0);
        assert_true(got > 0);
        char *sent = strstr(text, " \"sent\": "), *child = strstr(text, " \"child\": "),
             *spawned = strstr(text, " \"spawned\": ");
        assert_true(sent != NULL && sent < child && child < spawned);
        assert_null(strstr(text, "which has ended"));
    }
}

/* --- options ---------------------------------------------------------------------------- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void a_limit_needs_somebody_to_tell(void **state)
{
    nook_watch watch = {.stall_ns = 1};
    nook_run_options options = {.watch = &watch};
    (void)state;
    for (enum way way = VIRTUAL; way < WAYS; way++)
        assert_int_equal(run_by(way, nothing, NULL, &options, NULL), NOOK_EINVAL);
}

static int wait_for_ever(void *arg)
{
    (void)arg;
    nook_event event = {0};
    return nook_event_wait(&event);
}

static void count_deadlocks(void *user)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nook_dump(fd) == 0)
        ++*(int *)user;
    close(fd);
}

static void a_deadlock_is_told_once(void **state)
{
    (void)state;
    for (enum way way = VIRTUAL; way < WAYS; way++) {
        int deadlocks = 0, result = 0;
        nook_watch watch = {.deadlocked = count_deadlocks, .user = &deadlocks};
        nook_run_options options = {.watch = &watch};
        assert_int_equal(run_by(way, wait_for_ever, NULL, &options, &result), NOOK_EDEADLK);
        assert_int_equal(result, NOOK_ECANCELED);
        assert_int_equal(deadlocks, 1);
        assert_int_equal(run_by(way, nothing, NULL, &options, &result), 0);
        assert_int_equal(deadlocks, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(a_dump_says_that_it_could_not_write),
        task_test(a_dump_of_no_run_is_empty),
        task_test(printers_are_asked_and_taken_back),
        task_test(one_signal_at_a_time),
        task_test(all_are_answered_however_many_ask),
        task_test(runs_of_one_worker_dump_each_other),
        task_test(a_task_that_was_sent_has_its_children_below_it),
        task_test(a_limit_needs_somebody_to_tell),
        task_test(a_deadlock_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
