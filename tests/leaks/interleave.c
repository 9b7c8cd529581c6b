/* SPDX-License-Identifier: MIT */
/*
 * interleave: n tasks on one worker set, yield and get.
 *
 * Of the (2n)!/2^n orders in which 2n steps can follow one another, only the n!
 * in which no task comes between another's two steps are right with
 * thread-locals. Every order is run.
 */
#include "interleave.h"

static const char *const names[INTERLEAVE_MAX] = {"alice", "bob",   "carol", "dave",
                                                  "erin",  "frank", "grace", "heidi"};

struct play {
    struct leak_run *run;
    struct ambient *user;
    unsigned n;
    unsigned wrong;
};

struct visitor {
    struct play *play;
    const char *name;
};

static int visit(void *arg)
{
    struct visitor *visitor = arg;
    struct play *play = visitor->play;
    int rc = ambient_bind(play->user, (void *)(uintptr_t)visitor->name);
    if (rc != 0)
        return rc;
    leak_does(play->run, "user = %s", visitor->name);
    rc = nook_yield();
    if (leak_sees(play->run, "user", ambient_read(play->user), visitor->name))
        play->wrong++;
    return rc;
}

static int play_main(void *arg)
{
    struct play *play = arg;
    struct visitor visitors[INTERLEAVE_MAX];
    struct leak_actor actors[INTERLEAVE_MAX];
    for (unsigned i = 0; i < play->n; i++) {
        visitors[i] = (struct visitor){play, names[i]};
        actors[i] = (struct leak_actor){names[i], visit, &visitors[i]};
    }
    return leak_together(actors, play->n);
}

int interleave_once(struct leak_run *run, nook_schedule *schedule, struct ambient *user,
                    unsigned n, unsigned *wrong)
{
    struct play play = {run, user, n, 0};
    int result = 0;
    int rc = nook_schedule_run(schedule, play_main, &play, NULL, &result);
    ambient_unbind(user);
    leak_told(run);
    *wrong = play.wrong;
    return rc != 0 ? rc : result;
}

/* For 2 tasks, and so on. ThreadSanitizer takes a minute over the 113,400 schedules of 5. */
#ifdef LEAK_UNDER_TSAN
enum { SIZES = 3 };
#else
enum { SIZES = 4 };
#endif

static int enumerate(struct leak_run *run, struct ambient *user, unsigned n)
{
    nook_schedule *schedule;
    unsigned wrong;
    int rc = nook_schedule_new(&schedule, NULL);
    if (rc != 0)
        return rc;
    while ((rc = interleave_once(run, schedule, user, n, &wrong)) == 0)
        leak_tally(run, wrong != 0, 1);
    nook_schedule_free(schedule);
    return rc == NOOK_EEND ? 0 : rc;
}

static int run_interleave(struct leak_run *run)
{
    static const char *const units[] = {"schedules of 2 tasks", "schedules of 3 tasks",
                                        "schedules of 4 tasks", "schedules of 5 tasks"};
    struct ambient *user;
    int rc = ambient_open(&user, run->storage, "user", NULL);
    if (rc != 0)
        return rc;
    for (unsigned n = 2; n < 2 + SIZES && rc == 0; n++) {
        leak_unit(run, units[n - 2]);
        rc = enumerate(run, user, n);
    }
    ambient_close(user);
    return rc;
}

const struct leak_case leak_interleave = {
    .name = "interleave",
    .title = "Tasks on one worker set the user, yield, and read it: every order.",
    .seen = "Werkzeug's test_basic_local_asyncio",
    .promise =
        {
            [LEAK_THREAD] = {LEAK_EXACT,
                             SIZES,
                             {{4, 6}, {84, 90}, {2496, 2520}, {113280, 113400}}},
            [LEAK_TASK] = {LEAK_EXACT, SIZES, {{0, 6}, {0, 90}, {0, 2520}, {0, 113400}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, SIZES, {{0, 6}, {0, 90}, {0, 2520}, {0, 113400}}},
        },
    .run = run_interleave,
};
