/* SPDX-License-Identifier: MIT */
/* nook explore: every schedule of the interleave case, or a sample, or one of them. */
#include "interleave.h"
#include "program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ENUMERABLE = 5, SAMPLE = 10000 };

struct quest {
    unsigned tasks;
    enum leak_storage storage;
    nook_schedule_options options;
    int seeded;
};

static int failed(int rc)
{
    fprintf(stderr, "nook: explore: %s\n", nook_strerror(rc));
    return EXIT_BROKEN;
}

static void print_first(const struct quest *quest, const char *first)
{
    printf("first that leaks: %s\n", first);
    printf("replay it with:   nook explore --tasks %u --storage %s --replay %s\n", quest->tasks,
           leak_storage_name(quest->storage), first);
}

/* Runs schedules until there is none left, or the sample is full. */
static int search(const struct quest *quest, struct ambient *user, nook_schedule *schedule)
{
    uint64_t leaking = 0, runs = 0, limit = quest->seeded ? SAMPLE : UINT64_MAX;
    char *first = NULL;
    int rc = 0;
    while (runs < limit) {
        struct leak_run run;
        unsigned wrong;
        leak_run_init(&run, quest->storage);
        leak_told(&run);
        rc = interleave_once(&run, schedule, user, quest->tasks, &wrong);
        leak_run_free(&run);
        if (rc != 0)
            break;
        runs++;
        leaking += wrong != 0;
        if (wrong != 0 && first == NULL &&
            (first = strdup(nook_schedule_string(schedule))) == NULL)
            rc = NOOK_ENOMEM;
    }
    if (rc == 0 || rc == NOOK_EEND) {
        printf("%u tasks, storage %s: %ju of %ju %s schedules leak\n", quest->tasks,
               leak_storage_name(quest->storage), (uintmax_t)leaking, (uintmax_t)runs,
               quest->seeded ? "sampled" : "possible");
        if (first != NULL)
            print_first(quest, first);
    }
    free(first);
    return rc == 0 || rc == NOOK_EEND ? EXIT_KEPT : failed(rc);
}

static int replay(const struct quest *quest, struct ambient *user, nook_schedule *schedule)
{
    struct leak_run run;
    unsigned wrong = 0;
    int rc;
    leak_run_init(&run, quest->storage);
    rc = interleave_once(&run, schedule, user, quest->tasks, &wrong);
    if (rc == 0) {
        timeline_print(&run, LEAK_STEPS, NULL);
        printf("\n%u of %u reads wrong, storage %s, schedule %s\n", wrong, quest->tasks,
               leak_storage_name(quest->storage), nook_schedule_string(schedule));
    }
    leak_run_free(&run);
    if (rc == NOOK_ESCHEDULE)
        return usage_error("--replay %s is no schedule of %u tasks", quest->options.replay,
                           quest->tasks);
    return rc != 0 ? failed(rc) : EXIT_KEPT;
}

static int explore(const struct quest *quest)
{
    nook_schedule *schedule;
    struct ambient *user;
    int status, rc = nook_schedule_new(&schedule, &quest->options);
    if (rc == NOOK_ESCHEDULE)
        return usage_error("--replay takes a schedule as explore prints it, not '%s'",
                           quest->options.replay);
    if (rc != 0)
        return failed(rc);
    rc = ambient_open(&user, quest->storage, "user", NULL);
    if (rc != 0) {
        nook_schedule_free(schedule);
        return failed(rc);
    }
    status = quest->options.choose == NOOK_CHOOSE_REPLAY ? replay(quest, user, schedule)
                                                         : search(quest, user, schedule);
    ambient_close(user);
    nook_schedule_free(schedule);
    return status;
}

/* --- options ------------------------------------------------------------------ */

static int number(const char *text, uint64_t low, uint64_t high, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < low || value > high)
        return -1;
    *out = value;
    return 0;
}

static int storage_option(const char *word, enum leak_storage *storage)
{
    for (*storage = LEAK_THREAD; *storage <= LEAK_CONTEXT; ++*storage)
        if (strcmp(word, leak_storage_name(*storage)) == 0)
            return 0;
    return -1;
}

/* One option and its value; 0, or the exit status. */
static int take(struct quest *quest, const char *option, const char *value)
{
    uint64_t n;
    if (strcmp(option, "--tasks") == 0) {
        if (number(value, INTERLEAVE_MIN, INTERLEAVE_MAX, &n) != 0)
            return usage_error("--tasks takes a number from %d to %d, not '%s'", INTERLEAVE_MIN,
                               INTERLEAVE_MAX, value);
        quest->tasks = (unsigned)n;
    } else if (strcmp(option, "--storage") == 0) {
        if (storage_option(value, &quest->storage) != 0)
            return usage_error("--storage takes thread, task or context, not '%s'", value);
    } else if (strcmp(option, "--seed") == 0) {
        if (number(value, 0, UINT64_MAX, &quest->options.seed) != 0)
            return usage_error("--seed takes a number, not '%s'", value);
        quest->seeded = 1;
    } else {
        quest->options.replay = value;
    }
    return 0;
}

static int known(const char *word)
{
    return strcmp(word, "--tasks") == 0 || strcmp(word, "--storage") == 0 ||
           strcmp(word, "--seed") == 0 || strcmp(word, "--replay") == 0;
}

int explore_command(int argc, char **argv)
{
    struct quest quest = {.tasks = 3, .storage = LEAK_THREAD};
    for (int i = 0; i < argc; i += 2) {
        if (!known(argv[i]))
            return usage_error("explore takes --tasks N, --storage S, --seed K or --replay "
                               "STRING, not '%s'",
                               argv[i]);
        if (i + 1 == argc)
            return usage_error("%s needs a value", argv[i]);
        int status = take(&quest, argv[i], argv[i + 1]);
        if (status != 0)
            return status;
    }
    if (quest.seeded && quest.options.replay != NULL)
        return usage_error("explore takes --seed or --replay, not both");
    if (quest.tasks > ENUMERABLE && quest.options.replay == NULL)
        quest.seeded = 1;
    quest.options.choose = quest.options.replay != NULL ? NOOK_CHOOSE_REPLAY
                           : quest.seeded               ? NOOK_CHOOSE_SEED
                                                        : NOOK_CHOOSE_ENUMERATE;
    return explore(&quest);
}
