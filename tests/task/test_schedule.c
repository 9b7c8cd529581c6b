/* SPDX-License-Identifier: MIT */
/* The deterministic scheduler: enumeration, seeds, replay, strings, virtual workers. */
#include "support.h"

/* --- programs ------------------------------------------------------------- */

/* n tasks, each: a step, a yield, a step. Main waits. */
struct program {
    int n;
    int migrate;
    char order[64]; /* who stepped, in order */
    int length;
};

struct stepper {
    struct program *program;
    char name;
};

static void step(struct stepper *self)
{
    if (self->program->length < 63)
        self->program->order[self->program->length++] = self->name;
}

static int two_steps(void *arg)
{
    struct stepper *self = arg;
    step(self);
    int rc = nook_yield();
    step(self);
    if (self->program->migrate)
        self->program->order[self->program->length++] = (char)('0' + nook_worker_index());
    return rc;
}

static int play(void *arg)
{
    struct program *program = arg;
    struct stepper steppers[8];
    nook_task *tasks[8] = {NULL};
    int rc = 0;
    memset(program->order, 0, sizeof program->order);
    program->length = 0;
    for (int i = 0; rc == 0 && i < program->n; i++) {
        steppers[i] = (struct stepper){program, (char)('a' + i)};
        rc = nook_task_spawn(&tasks[i], two_steps, &steppers[i],
                             &(nook_task_options){.worker = program->migrate ? 1 : 0});
    }
    if (rc == 0)
        rc = nook_gather(tasks, (size_t)program->n, NULL);
    for (int i = 0; i < program->n; i++)
        nook_task_unref(tasks[i]);
    return rc;
}

/* --- enumeration ---------------------------------------------------------- */

static int find_order(char (*orders)[64], int n, const char *order)
{
    for (int i = 0; i < n; i++)
        if (strcmp(orders[i], order) == 0)
            return 1;
    return 0;
}

/* (2n)!/2^n: all orders of n pairs. */
static void all_schedules_are_enumerated_once(void **state)
{
    const int wanted[] = {1, 1, 6, 90, 2520};
    static char orders[2520][64];
    (void)state;
    for (int n = 1; n <= 4; n++) {
        struct program program = {.n = n};
        nook_schedule *schedule;
        int runs = 0, rc;
        assert_int_equal(nook_schedule_new(&schedule, NULL), 0);
        while ((rc = nook_schedule_run(schedule, play, &program, NULL, NULL)) == 0) {
            assert_true(runs < wanted[n]);
            assert_false(find_order(orders, runs, program.order));
            strcpy(orders[runs++], program.order);
        }
        assert_int_equal(rc, NOOK_EEND);
        assert_int_equal(runs, wanted[n]);
        assert_int_equal(nook_schedule_runs(schedule), wanted[n]);
        assert_int_equal(nook_schedule_run(schedule, play, &program, NULL, NULL), NOOK_EEND);
        assert_int_equal(nook_schedule_runs(schedule), wanted[n]);
        nook_schedule_free(schedule);
    }
}

static void an_enumeration_begins_first_in_first_out(void **state)
{
    struct program program = {.n = 3};
    nook_schedule *schedule;
    (void)state;
    assert_int_equal(nook_schedule_new(&schedule, NULL), 0);
    assert_string_equal(nook_schedule_string(schedule), "");
    assert_int_equal(nook_schedule_run(schedule, play, &program, NULL, NULL), 0);
    assert_string_equal(program.order, "abcabc");
    assert_string_equal(nook_schedule_string(schedule), "00000");
    nook_schedule_free(schedule);
}

/* A task that may migrate resumes on any of the virtual workers. */
static void virtual_workers_are_choices_too(void **state)
{
    struct program program = {.n = 1, .migrate = 1};
    nook_run_options options = {.workers = 3, .migrate = 1};
    nook_schedule *schedule;
    int found[4] = {0}, runs = 0;
    (void)state;
    assert_int_equal(nook_schedule_new(&schedule, NULL), 0);
    while (nook_schedule_run(schedule, play, &program, &options, NULL) == 0) {
        assert_int_equal(program.length, 3);
        found[program.order[2] - '0']++;
        runs++;
    }
    /* The task resumes once after its yield, main once after the gather: 3 x 3. */
    assert_int_equal(runs, 9);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(found[i], 3);
    nook_schedule_free(schedule);
}

/* --- seeds ---------------------------------------------------------------- */

static void string_of_seed(uint64_t seed, char *string, char *order)
{
    struct program program = {.n = 5};
    nook_schedule *schedule;
    nook_schedule_options options = {.choose = NOOK_CHOOSE_SEED, .seed = seed};
    assert_int_equal(nook_schedule_new(&schedule, &options), 0);
    assert_int_equal(nook_schedule_run(schedule, play, &program, NULL, NULL), 0);
    snprintf(string, 64, "%s", nook_schedule_string(schedule));
    snprintf(order, 64, "%s", program.order);
    nook_schedule_free(schedule);
}

static void the_same_seed_gives_the_same_string(void **state)
{
    char strings[2][64], orders[2][64];
    int different = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        string_of_seed(seed, strings[0], orders[0]);
        string_of_seed(seed, strings[1], orders[1]);
        assert_string_equal(strings[0], strings[1]);
        assert_string_equal(orders[0], orders[1]);
        string_of_seed(seed + 1, strings[1], orders[1]);
        different += strcmp(orders[0], orders[1]) != 0;
    }
    assert_in_range(different, 45, 50);
}

static void one_seed_gives_run_after_run_another_schedule(void **state)
{
    struct program program = {.n = 3};
    nook_schedule *schedule;
    nook_schedule_options options = {.choose = NOOK_CHOOSE_SEED, .seed = 7};
    static char orders[90][64];
    int n = 0;
    (void)state;
    assert_int_equal(nook_schedule_new(&schedule, &options), 0);
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(nook_schedule_run(schedule, play, &program, NULL, NULL), 0);
        if (!find_order(orders, n, program.order)) {
            assert_true(n < 90);
            strcpy(orders[n++], program.order);
        }
    }
    assert_int_equal(n, 90); /* all there are */
    assert_int_equal(nook_schedule_runs(schedule), 2000);
    nook_schedule_free(schedule);
}

/* --- replay --------------------------------------------------------------- */

/* A program of every kind of event; its trace is all that happened. */
static void say(void *arg)
{
    note(arg);
}

#define WORD(name) ((void *)(uintptr_t)(name))

static int busy(void *arg)
{
    char word[32];
    for (unsigned i = 0; i < 4; i++) {
        snprintf(word, sizeof word, "%s%u@%ju/%u", (char *)arg, i, (uintmax_t)nook_now(),
                 nook_worker_index());
        note(word);
        int rc = i % 2 ? nook_sleep(i) : nook_yield();
        if (rc != 0)
            note("cancelled");
    }
    return 0;
}

static int all_kinds(void *arg)
{
    nook_task *tasks[3] = {NULL};
    (void)arg;
    int rc = nook_task_spawn(&tasks[0], busy, WORD("a"), NULL);
    if (rc == 0)
        rc = nook_task_spawn(&tasks[1], busy, WORD("b"), NULL);
    if (rc == 0)
        rc = nook_task_spawn(&tasks[2], busy, WORD("c"), NULL);
    if (rc == 0)
        rc = nook_call_later(NULL, 2, say, WORD("later"), NULL);
    if (rc == 0)
        rc = nook_call_soon(NULL, say, WORD("soon"), NULL);
    if (rc == 0)
        rc = nook_task_on_done(NULL, tasks[1], say, WORD("done"), NULL);
    if (rc == 0)
        rc = nook_sleep(1);
    if (rc == 0)
        rc = nook_task_cancel(tasks[0]);
    if (rc == 0)
        rc = nook_gather(tasks, 3, NULL);
    for (int i = 0; i < 3; i++)
        nook_task_unref(tasks[i]);
    return rc;
}

static void a_replay_gives_the_same_events_a_thousand_times(void **state)
{
    nook_run_options options = {.workers = 3, .migrate = 1};
    char first[sizeof trace];
    nook_schedule *schedule;
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        nook_schedule_options by_seed = {.choose = NOOK_CHOOSE_SEED, .seed = seed};
        trace_clear();
        assert_int_equal(nook_schedule_new(&schedule, &by_seed), 0);
        assert_int_equal(nook_schedule_run(schedule, all_kinds, NULL, &options, NULL), 0);
        char *string = strdup(nook_schedule_string(schedule));
        nook_schedule_free(schedule);
        memcpy(first, trace, sizeof first);
        assert_true(strlen(first) > 100);
        nook_schedule_options by_string = {.choose = NOOK_CHOOSE_REPLAY, .replay = string};
        assert_int_equal(nook_schedule_new(&schedule, &by_string), 0);
        for (int i = 0; i < 100; i++) {
            trace_clear();
            assert_int_equal(nook_schedule_run(schedule, all_kinds, NULL, &options, NULL), 0);
            assert_string_equal(trace, first);
            assert_string_equal(nook_schedule_string(schedule), string);
        }
        nook_schedule_free(schedule);
        free(string);
    }
}

/* Every schedule of an enumeration can be replayed from its string. */
static void every_enumerated_string_replays(void **state)
{
    struct program program = {.n = 3}, again = {.n = 3};
    nook_schedule *all, *one;
    (void)state;
    assert_int_equal(nook_schedule_new(&all, NULL), 0);
    while (nook_schedule_run(all, play, &program, NULL, NULL) == 0) {
        nook_schedule_options by_string = {.choose = NOOK_CHOOSE_REPLAY,
                                           .replay = nook_schedule_string(all)};
        assert_int_equal(nook_schedule_new(&one, &by_string), 0);
        assert_int_equal(nook_schedule_run(one, play, &again, NULL, NULL), 0);
        assert_string_equal(again.order, program.order);
        nook_schedule_free(one);
    }
    nook_schedule_free(all);
}

/* --- wrong strings -------------------------------------------------------- */

static int run_string(const char *string, struct program *program)
{
    nook_schedule *schedule;
    nook_schedule_options options = {.choose = NOOK_CHOOSE_REPLAY, .replay = string};
    int rc = nook_schedule_new(&schedule, &options);
    if (rc != 0)
        return rc;
    rc = nook_schedule_run(schedule, play, program, NULL, NULL);
    nook_schedule_free(schedule);
    return rc;
}

static void a_string_that_does_not_fit_is_told(void **state)
{
    struct program program = {.n = 3};
    (void)state;
    assert_int_equal(run_string("00000", &program), 0);
    assert_string_equal(program.order, "abcabc");
    assert_int_equal(run_string("20000", &program), 0);
    assert_string_equal(program.order, "cabcab");
    /* Too short: the rest first-in first-out. */
    assert_int_equal(run_string("20", &program), NOOK_ESCHEDULE);
    assert_string_equal(program.order, "cabcab");
    assert_int_equal(run_string("", &program), NOOK_ESCHEDULE);
    assert_string_equal(program.order, "abcabc");
    /* Too long. */
    assert_int_equal(run_string("000000", &program), NOOK_ESCHEDULE);
    /* A choice that there is not. */
    assert_int_equal(run_string("00009", &program), NOOK_ESCHEDULE);
    assert_int_equal(program.length, 6);
}

static void what_is_no_string_is_refused(void **state)
{
    struct program program = {.n = 3};
    nook_schedule *schedule = NULL;
    nook_schedule_options missing = {.choose = NOOK_CHOOSE_REPLAY},
                          unknown = {.choose = (nook_choose)3};
    (void)state;
    assert_int_equal(run_string("00 00", &program), NOOK_ESCHEDULE);
    assert_int_equal(run_string("0A", &program), NOOK_ESCHEDULE);
    assert_int_equal(run_string("-1", &program), NOOK_ESCHEDULE);
    assert_int_equal(run_string("0z", &program), NOOK_ESCHEDULE); /* z wants another digit */
    assert_int_equal(program.length, 0);
    assert_int_equal(nook_schedule_new(NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_schedule_new(&schedule, &missing), NOOK_EINVAL);
    assert_int_equal(nook_schedule_new(&schedule, &unknown), NOOK_EINVAL);
    assert_null(schedule);
    assert_int_equal(nook_schedule_run(NULL, play, NULL, NULL, NULL), NOOK_EINVAL);
    assert_string_equal(nook_schedule_string(NULL), "");
    assert_int_equal(nook_schedule_runs(NULL), 0);
    nook_schedule_free(NULL);
}

/* A replay judges by its string each time, not by what the last run made of it. */
static void a_string_that_does_not_fit_is_told_each_time(void **state)
{
    struct program program = {.n = 3};
    nook_schedule *schedule;
    const char *strings[] = {"09000", "2", "000000"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        nook_schedule_options options = {.choose = NOOK_CHOOSE_REPLAY, .replay = strings[i]};
        assert_int_equal(nook_schedule_new(&schedule, &options), 0);
        for (int j = 0; j < 3; j++)
            assert_int_equal(nook_schedule_run(schedule, play, &program, NULL, NULL),
                             NOOK_ESCHEDULE);
        nook_schedule_free(schedule);
    }
}

/* --- runs that do not begin ----------------------------------------------- */

static void a_call_with_wrong_options_is_no_run(void **state)
{
    struct program program = {.n = 2};
    nook_run_options wrong = {.workers = 2000}, no_stack = {.stack_size = SIZE_MAX / 8};
    nook_schedule *schedule;
    int runs = 0;
    (void)state;
    assert_int_equal(nook_schedule_new(&schedule, NULL), 0);
    for (; runs < 6; runs++) {
        assert_int_equal(nook_schedule_run(schedule, play, &program, &wrong, NULL),
                         NOOK_EINVAL);
        assert_int_equal(nook_schedule_run(schedule, NULL, NULL, NULL, NULL), NOOK_EINVAL);
        assert_int_equal(nook_schedule_run(schedule, play, &program, &no_stack, NULL),
                         NOOK_ENOMEM);
        assert_int_equal(nook_schedule_runs(schedule), runs);
        assert_int_equal(nook_schedule_run(schedule, play, &program, NULL, NULL), 0);
    }
    assert_int_equal(nook_schedule_run(schedule, play, &program, NULL, NULL), NOOK_EEND);
    nook_schedule_free(schedule);
}

/* --- programs that are not the same each time ----------------------------- */

static int less_each_time(void *arg)
{
    struct program *program = arg;
    program->n = program->n == 3 ? 1 : 3;
    return play(program);
}

static void an_enumeration_tells_when_the_program_is_another(void **state)
{
    struct program program = {.n = 0};
    nook_schedule *schedule;
    (void)state;
    assert_int_equal(nook_schedule_new(&schedule, NULL), 0);
    assert_int_equal(nook_schedule_run(schedule, less_each_time, &program, NULL, NULL), 0);
    assert_int_equal(nook_schedule_run(schedule, less_each_time, &program, NULL, NULL),
                     NOOK_ESCHEDULE);
    nook_schedule_free(schedule);
}

/* --- many alternatives: a digit is not enough ----------------------------- */

enum { CROWD = 80 };

static int who[CROWD], n_who;

static int come(void *arg)
{
    who[n_who++] = (int)(intptr_t)arg;
    return 0;
}

static int crowd(void *arg)
{
    nook_task *tasks[CROWD] = {NULL};
    int rc = 0;
    (void)arg;
    n_who = 0;
    for (int i = 0; rc == 0 && i < CROWD; i++)
        rc = nook_task_spawn(&tasks[i], come, value_of(i), NULL);
    if (rc == 0)
        rc = nook_gather(tasks, CROWD, NULL);
    for (int i = 0; i < CROWD; i++)
        nook_task_unref(tasks[i]);
    return rc;
}

static void strings_say_more_than_35_alternatives(void **state)
{
    nook_schedule *schedule;
    nook_schedule_options by_seed = {.choose = NOOK_CHOOSE_SEED, .seed = 3};
    int first[CROWD];
    (void)state;
    assert_int_equal(nook_schedule_new(&schedule, &by_seed), 0);
    assert_int_equal(nook_schedule_run(schedule, crowd, NULL, NULL, NULL), 0);
    memcpy(first, who, sizeof first);
    char *string = strdup(nook_schedule_string(schedule));
    nook_schedule_free(schedule);
    assert_non_null(string);
    assert_non_null(strchr(string, 'z'));
    nook_schedule_options by_string = {.choose = NOOK_CHOOSE_REPLAY, .replay = string};
    assert_int_equal(nook_schedule_new(&schedule, &by_string), 0);
    assert_int_equal(nook_schedule_run(schedule, crowd, NULL, NULL, NULL), 0);
    assert_memory_equal(first, who, sizeof first);
    nook_schedule_free(schedule);
    free(string);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(all_schedules_are_enumerated_once),
        task_test(an_enumeration_begins_first_in_first_out),
        task_test(virtual_workers_are_choices_too),
        task_test(the_same_seed_gives_the_same_string),
        task_test(one_seed_gives_run_after_run_another_schedule),
        task_test(a_replay_gives_the_same_events_a_thousand_times),
        task_test(every_enumerated_string_replays),
        task_test(a_string_that_does_not_fit_is_told),
        task_test(what_is_no_string_is_refused),
        task_test(a_string_that_does_not_fit_is_told_each_time),
        task_test(a_call_with_wrong_options_is_no_run),
        task_test(an_enumeration_tells_when_the_program_is_another),
        task_test(strings_say_more_than_35_alternatives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
