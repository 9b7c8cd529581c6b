/* SPDX-License-Identifier: MIT */
/*
 * A worker that has just run out of work looks on for a while before it sleeps. What comes
 * while it looks, while it falls asleep and while it sleeps is not lost; and it does sleep.
 * Two workers, for those alone may linger on a machine with two processors.
 */
#include "support.h"
#include "want.h"

#include <fcntl.h>
#include <sched.h>
#include <time.h>

/* How the workers sleep, which depends on what else is waited for. */
enum other { NOTHING, A_TIMER, A_DESCRIPTOR, OTHERS };

static nook_semaphore there, back;
static int ends[2]; /* of a pipe */
static atomic_int over;

static void forget(void)
{
    there = back = (nook_semaphore){0};
    atomic_store(&over, 0);
}

static int waits_beside(void *arg)
{
    switch (*(enum other *)arg) {
    case A_TIMER:
        return nook_sleep(UINT64_C(3600000) * MS) == NOOK_ECANCELED ? 0 : -1;
    case A_DESCRIPTOR:
        return nook_wait_fd(ends[0], NOOK_READABLE, NULL) == NOOK_ECANCELED ? 0 : -1;
    default:
        return 0;
    }
}

/* Busy for so long. */
static void pass(uint64_t ns)
{
    uint64_t until = nook_now() + ns;
    while (nook_now() < until)
        continue;
}

/* `game` on the first worker and `other` on the second, with somebody beside. */
static int play(enum other *beside, nook_task_fn game, nook_task_fn other)
{
    nook_task *waiter = NULL, *partner = NULL;
    WANT(nook_task_spawn(&waiter, waits_beside, beside, &(nook_task_options){.worker = 2}) ==
         0);
    WANT(nook_task_spawn(&partner, other, NULL, &(nook_task_options){.worker = 2}) == 0);
    int rc = game(NULL), of_waiter = -1, of_partner = -1;
    WANT(nook_task_join(partner, &of_partner) == 0);
    (void)nook_task_cancel(waiter);
    WANT(nook_task_join(waiter, &of_waiter) == 0);
    nook_task_unref(partner);
    nook_task_unref(waiter);
    return rc != 0 ? rc : of_partner != 0 ? of_partner : of_waiter;
}

static void run_each_way(nook_task_fn main)
{
    for (enum other beside = NOTHING; beside < OTHERS; beside++) {
        int result = -1;
        forget();
        assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        assert_int_equal(nook_run(main, &beside, &(nook_run_options){.workers = 2}, &result),
                         0);
        assert_int_equal(result, 0);
        close(ends[0]);
        close(ends[1]);
    }
}

/* --- wakes at all times ----------------------------------------------------------- */

/* From at once until long after the other has fallen asleep. */
enum { STEP = 150, STEPS = 500 };

static int answers_late(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < STEPS; i++) {
        WANT(nook_semaphore_acquire(&there) == 0);
        pass((uint64_t)(STEPS - i) * STEP);
        WANT(nook_semaphore_release(&back) == 0);
    }
    return 0;
}

static int asks_late(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < STEPS; i++) {
        pass((uint64_t)i * STEP);
        WANT(nook_semaphore_release(&there) == 0);
        WANT(nook_semaphore_acquire(&back) == 0);
    }
    return 0;
}

static int wakes_at_all_times(void *beside)
{
    return play(beside, asks_late, answers_late);
}

static void a_wake_is_heard_whenever_it_comes(void **state)
{
    (void)state;
    run_each_way(wakes_at_all_times);
}

/* --- descriptors and timers at all times ------------------------------------------- */

static int reads(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < STEPS; i++) {
        char byte;
        WANT(nook_wait_fd(ends[0], NOOK_READABLE, NULL) == 0);
        WANT(read(ends[0], &byte, 1) == 1);
        WANT(nook_semaphore_release(&back) == 0);
        WANT(nook_sleep((uint64_t)i * STEP) == 0);
        WANT(nook_semaphore_release(&back) == 0);
    }
    return 0;
}

static int writes_late(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < STEPS; i++) {
        pass((uint64_t)i * STEP);
        WANT(write(ends[1], "x", 1) == 1);
        WANT(nook_semaphore_acquire(&back) == 0);
        WANT(nook_semaphore_acquire(&back) == 0);
    }
    return 0;
}

static int reports_at_all_times(void *arg)
{
    enum other beside = *(enum other *)arg == A_TIMER ? A_TIMER : NOTHING;
    return play(&beside, writes_late, reads);
}

static void a_descriptor_and_a_timer_are_heard_whenever_they_come(void **state)
{
    (void)state;
    run_each_way(reports_at_all_times);
}

/* --- it sleeps --------------------------------------------------------------------- */

static atomic_int stat_of_second;

static int answers(void *arg)
{
    int file = open("/proc/thread-self/stat", O_RDONLY | O_CLOEXEC);
    (void)arg;
    atomic_store(&stat_of_second, file);
    while (nook_semaphore_acquire(&there) == 0 && !atomic_load(&over))
        WANT(nook_semaphore_release(&back) == 0);
    return close(file);
}

/* The state stands behind the name, which is in brackets. */
static int sleeps(int file)
{
    char text[256] = {0};
    const char *name_end;
    return pread(file, text, sizeof text - 1, 0) > 0 &&
           (name_end = strrchr(text, ')')) != NULL && strncmp(name_end, ") S", 3) == 0;
}

/* The first worker stays awake, so it is the other one's affair alone. */
static int await_sleep(int file)
{
    uint64_t end = nook_now() + 20000 * MS;
    while (!sleeps(file)) {
        if (nook_now() > end)
            return -1;
        (void)sched_yield();
    }
    return 0;
}

static int asks_a_sleeper(void *arg)
{
    (void)arg;
    while (atomic_load(&stat_of_second) < 0)
        WANT(nook_sleep(MS) == 0);
    for (int i = 0; i < 50; i++) {
        WANT(await_sleep(atomic_load(&stat_of_second)) == 0);
        WANT(nook_semaphore_release(&there) == 0);
        WANT(nook_semaphore_acquire(&back) == 0);
    }
    atomic_store(&over, 1);
    return nook_semaphore_release(&there);
}

static int wakes_a_sleeper(void *beside)
{
    atomic_store(&stat_of_second, -1);
    return play(beside, asks_a_sleeper, answers);
}

static void who_is_not_called_falls_asleep_every_time(void **state)
{
    (void)state;
    run_each_way(wakes_a_sleeper);
}

static uint64_t processor_time(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000 * MS + (uint64_t)time.tv_nsec;
}

/* Two workers that looked on all the time would take twice as long as they sleep. */
static int nobody_works(void *arg)
{
    (void)arg;
    WANT(nook_sleep(MS) == 0);
    uint64_t before = processor_time();
    WANT(nook_sleep(400 * MS) == 0);
    return processor_time() - before < 200 * MS ? 0 : -1;
}

static int does_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int nobody_works_beside(void *beside)
{
    return play(beside, nobody_works, does_nothing);
}

static void an_idle_run_leaves_the_processors_alone(void **state)
{
    (void)state;
    run_each_way(nobody_works_beside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(a_wake_is_heard_whenever_it_comes),
        task_test(a_descriptor_and_a_timer_are_heard_whenever_they_come),
        task_test(who_is_not_called_falls_asleep_every_time),
        task_test(an_idle_run_leaves_the_processors_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
