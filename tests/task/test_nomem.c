/* SPDX-License-Identifier: MIT */
/* Each program here runs with one more allocation that succeeds each time: starve.h. */
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "../starve.h"

static NOOK_VAR_DEFINE(var);
static enum way way;

/* Runs it; what main says counts where the run had nothing to say. */
static int both(nook_task_fn main, void *arg)
{
    int result = 0;
    int rc = run_by(way, main, arg, NULL, &result);
    return rc != 0 ? rc : result;
}

static void each_way(int (*program)(void))
{
    for (way = 0; way < WAYS; way++)
        starve(ONCE, program);
}

/* --- tasks ---------------------------------------------------------------- */

static int set_and_sleep(void *arg)
{
    int rc = nook_var_set(&var, arg, NULL);
    TRY(nook_yield());
    TRY(nook_sleep(1));
    return rc;
}

static void ended(void *user)
{
    ++*(int *)user;
}

static int with_end(void *arg)
{
    sigset_t winch;
    sigemptyset(&winch);
    sigaddset(&winch, SIGWINCH);
    int rc = nook_task_at_end(ended, arg);
    TRY(nook_task_sigmask(SIG_BLOCK, &winch, NULL));
    TRY(nook_yield());
    return rc;
}

static int gather_all(void *arg)
{
    enum { MANY = 20 }; /* more than gather has room for, and than the first heap */
    nook_task *tasks[MANY] = {NULL};
    int results[MANY] = {0}, ends = 0, rc = 0;
    (void)arg;
    for (int i = 0; i < MANY; i++)
        TRY(nook_task_spawn(&tasks[i], set_and_sleep, value_of(i + 1), NULL));
    TRY(nook_gather(tasks, MANY, results));
    for (int i = 0; i < MANY; i++) {
        TRY(results[i]);
        nook_task_unref(tasks[i]);
    }
    nook_task *task = NULL;
    TRY(nook_task_spawn(&task, with_end, &ends, &(nook_task_options){.stack_size = 65536}));
    TRY(nook_task_join(task, results));
    TRY(results[0]);
    nook_task_unref(task);
    return rc;
}

static int all_tasks(void)
{
    return both(gather_all, NULL);
}

static void tasks_without_memory(void **state)
{
    (void)state;
    each_way(all_tasks);
}

static int leave_tasks(void *arg)
{
    int rc = 0;
    (void)arg;
    for (int i = 0; i < 5; i++)
        TRY(nook_task_spawn(NULL, set_and_sleep, value_of(1),
                            &(nook_task_options){.start = (nook_start)(i % 3)}));
    return rc;
}

static int leaving(void)
{
    return both(leave_tasks, NULL);
}

static void ends_without_memory(void **state)
{
    (void)state;
    each_way(leaving);
}

static void note_call(void *arg)
{
    ++*(int *)arg;
}

/* What a spawn has taken is used, or discarded. */
struct owned {
    atomic_int taken, used, discarded;
};

static int use(void *arg)
{
    atomic_fetch_add(&((struct owned *)arg)->used, 1);
    return 0;
}

static void discard(void *arg)
{
    atomic_fetch_add(&((struct owned *)arg)->discarded, 1);
}

static int give_away(void *arg)
{
    struct owned *owned = arg;
    nook_loop *loop = NULL;
    int rc = 0, virtual = way < REAL;
    if (!virtual)
        TRY(nook_loop_running(&loop));
    for (int i = 0; rc == 0 && i < 4; i++) {
        nook_task_options options = {.discard = discard, .stack_size = (size_t)65536 << i};
        rc = i % 2 == 0 || virtual ? nook_task_spawn(NULL, use, owned, &options)
                                   : nook_loop_spawn(loop, NULL, use, owned, &options);
        owned->taken += rc == 0;
    }
    TRY(nook_yield());
    int report = open("/dev/null", O_WRONLY | O_CLOEXEC);
    TRY(nook_dump(report)); /* of those that have no stack to come, too */
    close(report);
    nook_loop_unref(loop);
    return rc;
}

static int giving_away(void)
{
    struct owned owned = {0};
    int rc = both(give_away, &owned);
    return owned.taken == owned.used + owned.discarded ? rc : -1;
}

static void what_a_task_was_given_is_discarded_without_memory(void **state)
{
    (void)state;
    each_way(giving_away);
}

/* More than the first table of those who keep has room for. */
static int share_out(void *arg)
{
    enum { MANY = 10 };
    nook_context *contexts[MANY] = {NULL};
    static int calls; /* a callback may come after this */
    int rc = 0;
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        TRY(nook_context_new(&contexts[i]));
        if (rc == 0)
            TRY(nook_task_spawn(NULL, set_and_sleep, value_of(1),
                                &(nook_task_options){.context = contexts[i]}));
    }
    if (rc == 0)
        TRY(nook_call_soon(NULL, note_call, &calls, contexts[0]));
    TRY(nook_yield());
    for (int i = 0; i < MANY; i++)
        nook_context_unref(contexts[i]);
    return rc;
}

static int sharing_out(void)
{
    return both(share_out, NULL);
}

static void contexts_are_given_without_memory(void **state)
{
    (void)state;
    each_way(sharing_out);
}

/* --- the end of one that has parked ------------------------------------------ */

/* New tasks lie in memory that is mapped, and what they leave is for the next: so there is none
 * left once others have it all. Where a tool looks on, it comes from malloc. */
void *__real_mmap(void *at, size_t size, int access, int flags, int fd, off_t from);
void *__wrap_mmap(void *at, size_t size, int access, int flags, int fd, off_t from);

static atomic_int maps_refused;

void *__wrap_mmap(void *at, size_t size, int access, int flags, int fd, off_t from)
{
    return atomic_load(&maps_refused) ? MAP_FAILED
                                      : __real_mmap(at, size, access, flags, fd, from);
}

static void starve_for_good(int starved)
{
    hunger = FOR_GOOD;
    atomic_store(&maps_refused, starved);
    atomic_store(&countdown, starved ? 0 : -1);
}

struct held {
    int starved; /* 1: its end finds no memory */
    nook_event event;
    nook_task *task;
    int had_ended, fed;
    long live;
};

static long live_stacks(void)
{
    nook_task_counts counts;
    return nook_task_count(&counts) == 0 ? counts.stacks : -1;
}

static int give_seven(void *arg)
{
    struct held *held = arg;
    int rc = nook_event_wait(&held->event);
    return rc == 0 ? 7 : rc;
}

/* The first of them runs when the task that is held has ended. */
static int feed(void *arg)
{
    struct held *held = arg;
    if (held->fed++ == 0) {
        held->had_ended = nook_task_done(held->task);
        starve_for_good(0);
    }
    return 0;
}

static int take_all_memory(struct held *held)
{
    enum { MOST = 12000 };
    int rc = nook_task_spawn(NULL, feed, held, NULL);
    atomic_store(&maps_refused, held->starved);
    for (int i = 0; i < MOST && rc == 0 && held->starved; i++)
        rc = nook_task_spawn(NULL, feed, held, NULL);
    if (held->starved)
        starve_for_good(1);
    return rc == NOOK_ENOMEM ? 0 : rc;
}

static int hold_one(void *arg)
{
    struct held *held = arg;
    int result = -1;
    int rc = nook_task_spawn(&held->task, give_seven, held,
                             &(nook_task_options){.name = "held", .worker = 1});
    TRY(nook_sleep(1)); /* a park, so that this one will not leave what it lay in, either */
    long live = live_stacks();
    nook_event_set(&held->event); /* it comes before those who take the memory */
    TRY(take_all_memory(held));
    TRY(nook_task_join(held->task, &result));
    held->live = live_stacks() - live;
    return rc != 0 ? rc : result;
}

static void hold_through_the_end(struct held *held)
{
    int result = -1, again = -1;
    long before = live_stacks();
    int rc = run_by(way, hold_one, held, NULL, &result);
    long after = live_stacks();
    int known = nook_task_result(held->task, &again);
    int named = strcmp(nook_task_name(held->task), "held");
    nook_task_unref(held->task);
    assert_int_equal(rc, 0);
    assert_int_equal(held->had_ended, 1);
    assert_int_equal(result, 7);
    assert_int_equal(known, 0);
    assert_int_equal(again, 7);
    assert_int_equal(named, 0);
    assert_int_equal(held->live, held->starved ? 0 : -1);
    assert_int_equal(after - before, held->starved);
    assert_int_equal(live_stacks(), before);
}

static void without_memory_at_its_end_a_task_keeps_its_stack_until_it_goes(void **state)
{
    (void)state;
    way = REAL; /* a schedule needs memory for what it chooses */
    hold_through_the_end(&(struct held){.starved = 0});
    hold_through_the_end(&(struct held){.starved = 1});
}

/* --- time, callbacks, descriptors ----------------------------------------- */

static int nap(void *arg)
{
    (void)arg;
    return nook_sleep(1);
}

static int wait_for_all(void *arg)
{
    int *fd = arg, calls = 0, rc = 0, result = 0;
    nook_deadline deadline;
    nook_handle *handle = NULL;
    nook_task *task = NULL;
    TRY(nook_var_set(&var, value_of(1), NULL));
    TRY(nook_task_spawn(&task, nap, NULL, NULL));
    TRY(nook_call_soon(NULL, note_call, &calls, NULL));
    TRY(nook_call_later(&handle, 1, note_call, &calls, NULL));
    TRY(nook_task_on_done(NULL, task, note_call, &calls, NULL));
    TRY(nook_on_fd(NULL, fd[0], NOOK_READABLE, note_call, &calls, NULL));
    TRY(nook_deadline_enter(&deadline, 1000000 * MS));
    if (rc == 0) {
        TRY(nook_wait_fd(fd[1], NOOK_WRITABLE, NULL));
        TRY(nook_sleep(1));
        rc = nook_deadline_exit(&deadline) != 0 ? -1 : rc;
    }
    TRY(nook_task_join(task, &result));
    TRY(result);
    TRY(nook_yield()); /* so that no callback is left which counts here */
    nook_handle_unref(handle);
    nook_task_unref(task);
    return rc;
}

static int waiting(void)
{
    int fd[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) != 0)
        return -1;
    int rc = both(wait_for_all, fd);
    close(fd[0]);
    close(fd[1]);
    return rc;
}

static void waits_and_callbacks_without_memory(void **state)
{
    (void)state;
    for (way = 0; way < REAL_3; way++)
        starve(ONCE, waiting);
}

/* --- jobs ----------------------------------------------------------------- */

static int job(void *arg)
{
    return nook_var_set(&var, arg, NULL);
}

static int use_jobs(void *arg)
{
    int result = 0, rc = nook_var_set(&var, value_of(1), NULL);
    TRY(nook_to_thread(job, arg, &result));
    TRY(result);
    TRY(nook_run_in_executor(job, arg, &result));
    TRY(result);
    return rc;
}

static int jobs(void)
{
    static int value;
    return both(use_jobs, &value);
}

static void jobs_without_memory(void **state)
{
    (void)state;
    each_way(jobs);
}

/* --- schedules ------------------------------------------------------------ */

static int yield_twice(void *arg)
{
    (void)arg;
    int rc = nook_yield();
    TRY(nook_yield());
    return rc;
}

static int three(void *arg)
{
    nook_task *three[3] = {NULL};
    int rc = 0;
    (void)arg;
    for (int i = 0; i < 3; i++)
        TRY(nook_task_spawn(&three[i], yield_twice, NULL, NULL));
    TRY(nook_gather(three, 3, NULL));
    for (int i = 0; i < 3; i++)
        nook_task_unref(three[i]);
    return rc;
}

static nook_choose choose;

/* An enumeration that is refused memory goes on where it was; a replay is the same. */
static int schedules(void)
{
    nook_schedule *schedule;
    nook_schedule_options options = {.choose = choose, .seed = 5, .replay = "0000000000"};
    int rc = nook_schedule_new(&schedule, &options), runs = 0, result = 0;
    if (rc != 0)
        return rc;
    while (runs < 10) {
        int ran = nook_schedule_run(schedule, three, NULL, NULL, &result);
        if (ran == NOOK_EEND)
            break;
        if (ran == NOOK_ESCHEDULE) {
            rc = ran;
            break;
        }
        if (ran == NOOK_ENOMEM || result == NOOK_ENOMEM)
            rc = NOOK_ENOMEM; /* once, and then on */
        runs++;
    }
    nook_schedule_free(schedule);
    return rc;
}

static void seeds_without_memory(void **state)
{
    (void)state;
    choose = NOOK_CHOOSE_SEED;
    starve(ONCE, schedules);
}

static int yield_once(void *arg)
{
    (void)arg;
    return nook_yield();
}

static int two(void *arg)
{
    nook_task *two[2] = {NULL};
    int rc = 0;
    (void)arg;
    for (int i = 0; i < 2; i++)
        TRY(nook_task_spawn(&two[i], yield_once, NULL, NULL));
    TRY(nook_gather(two, 2, NULL));
    nook_task_unref(two[0]);
    nook_task_unref(two[1]);
    return rc;
}

/* Where the program itself had enough, each of the 6 schedules comes to its end once. */
static int complete(void)
{
    nook_schedule *schedule;
    int rc = nook_schedule_new(&schedule, NULL), refused = 0, spoilt = 0, runs = 0;
    if (rc != 0)
        return rc;
    while (rc != NOOK_EEND && runs < 100) {
        int result = 0;
        rc = nook_schedule_run(schedule, two, NULL, NULL, &result);
        spoilt += result == NOOK_ENOMEM;
        refused += rc == NOOK_ENOMEM;
        runs += rc == 0 && result == 0;
    }
    nook_schedule_free(schedule);
    if (!spoilt && runs != 6)
        return -1;
    return refused + spoilt != 0 ? NOOK_ENOMEM : 0;
}

static void an_enumeration_without_memory_goes_on_where_it_was(void **state)
{
    (void)state;
    starve(ONCE, complete);
}

/* --- groups, waits, loops, runners ------------------------------------------ */

static int structure(void *arg)
{
    enum { MANY = 20 };
    nook_completions *completions = NULL;
    nook_task *tasks[MANY] = {NULL}, *next;
    nook_group group = {0};
    int rc = 0, result = 0;
    size_t done;
    (void)arg;
    NOOK_IN_GROUP (&group, &rc)
        for (int i = 0; i < MANY; i++)
            TRY(nook_group_spawn(&group, &tasks[i], nap, NULL, NULL));
    for (int i = 0; i < MANY; i++) {
        nook_task_unref(tasks[i]);
        tasks[i] = NULL;
        TRY(nook_task_spawn(&tasks[i], nap, NULL, NULL));
    }
    TRY(nook_wait(tasks, MANY, NOOK_FIRST_COMPLETED, 1000 * MS, &done));
    TRY(nook_gather_first_error(tasks, MANY, NULL));
    TRY(nook_as_completed(&completions, tasks, MANY, 1000 * MS));
    for (int i = 0; i < MANY; i++)
        TRY(nook_completions_next(completions, &next));
    TRY(nook_wait_for(nap, NULL, 1000 * MS, &result));
    nook_completions_free(completions);
    for (int i = 0; i < MANY; i++)
        nook_task_unref(tasks[i]);
    return rc != 0 ? rc : result;
}

static int structures(void)
{
    return both(structure, NULL);
}

static void groups_and_waits_without_memory(void **state)
{
    (void)state;
    each_way(structures);
}

static int send_letters(void *arg)
{
    nook_event event = {0};
    nook_loop *loop = NULL;
    nook_task *task = NULL;
    int calls = 0, rc = nook_loop_running(&loop), result = 0;
    (void)arg;
    TRY(nook_loop_spawn(loop, &task, nap, NULL, NULL));
    TRY(nook_loop_call_soon(loop, NULL, note_call, &calls, NULL));
    TRY(nook_loop_set_event(loop, &event));
    TRY(nook_event_wait(&event));
    TRY(nook_task_join(task, &result));
    TRY(result);
    TRY(nook_yield());
    nook_task_unref(task);
    nook_loop_unref(loop);
    return rc;
}

static int run_twice(void)
{
    nook_runner *runner = NULL;
    int result = 0, rc = nook_runner_new(&runner, NULL);
    for (int i = 0; i < 2; i++) {
        TRY(nook_runner_run(runner, send_letters, NULL, NULL, &result));
        TRY(result);
    }
    nook_runner_free(runner);
    return rc;
}

static void loops_and_runners_without_memory(void **state)
{
    (void)state;
    starve(ONCE, run_twice);
    starve(FOR_GOOD, run_twice);
}

/* --- reports -------------------------------------------------------------- */

static int dump_all(void *arg)
{
    int fd = *(int *)arg, rc = 0;
    TRY(nook_var_set(&var, arg, NULL));
    TRY(nook_dump_printer(&var, nook_dump_number, NULL));
    TRY(nook_dump(fd));
    (void)nook_dump_printer(&var, NULL, NULL);
    return rc;
}

static void nobody_stalls(const nook_stall *stall, void *user)
{
    (void)stall;
    (void)user;
}

static int watched(void)
{
    nook_watch watch = {
        .stall_ns = 3600 * 1000 * MS, .stalled = nobody_stalls, .measure_stacks = 1};
    nook_run_options options = {.watch = &watch};
    int result = 0, fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int rc = run_by(way, dump_all, &fd, &options, &result);
    close(fd);
    return rc != 0 ? rc : result;
}

static void reports_without_memory(void **state)
{
    (void)state;
    each_way(watched);
    nook_stack_census_reset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(tasks_without_memory),
        task_test(ends_without_memory),
        task_test(what_a_task_was_given_is_discarded_without_memory),
        task_test(contexts_are_given_without_memory),
        task_test(without_memory_at_its_end_a_task_keeps_its_stack_until_it_goes),
        task_test(waits_and_callbacks_without_memory),
        task_test(jobs_without_memory),
        task_test(groups_and_waits_without_memory),
        task_test(loops_and_runners_without_memory),
        task_test(reports_without_memory),
        task_test(seeds_without_memory),
        task_test(an_enumeration_without_memory_goes_on_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
