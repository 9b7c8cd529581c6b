/* SPDX-License-Identifier: MIT */
/* nook demo: the story of each case, then the table of all. */
#include "program.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SCREEN = 40 };

static void rule(const char *name)
{
    char line[COLUMNS + 1];
    memset(line, '-', COLUMNS);
    line[COLUMNS] = '\0';
    memcpy(line + 3, name, strlen(name));
    line[2] = ' ';
    line[3 + strlen(name)] = ' ';
    printf("\n");
    paint(PAINT_HEAD, 0, line);
    printf("\n");
}

/* The marks of a timeline, where one is met for the first time. */
static void print_legend(void)
{
    static const struct {
        enum paint paint;
        const char *mark, *meaning;
    } legend[] = {{PAINT_PLAIN, "*", " does something   "},
                  {PAINT_RIGHT, "ok", " finds what it should   "},
                  {PAINT_WRONG, "LEAK", " something else   "},
                  {PAINT_LOST, "LOST", " nothing\n"}};
    for (size_t i = 0; i < sizeof(legend) / sizeof(legend[0]); i++) {
        paint(legend[i].paint, 0, legend[i].mark);
        fputs(legend[i].meaning, stdout);
    }
    puts("user? bob: a task looks for its user and finds bob   worker -: a pool's thread");
}

static void print_heading(const struct leak_case *leak, enum leak_storage storage)
{
    static const char *const headings[LEAK_STORAGES] = {
        "with thread-locals", "with task-locals", "with context variables", "cured: "};
    const char *how = leak->how[storage];
    printf("\n");
    paint(PAINT_HEAD, 0, how != NULL ? how : headings[storage]);
    if (how == NULL && storage == LEAK_CURED)
        paint(PAINT_HEAD, 0, leak->cure);
    printf("\n");
}

static void tell(const struct result *result, enum leak_storage storage, unsigned limit,
                 void (*pause)(void))
{
    if (!result->ran[storage])
        return;
    print_heading(result->leak, storage);
    if (result->rc[storage] != 0)
        printf("  did not run: %s\n", nook_strerror(result->rc[storage]));
    else
        timeline_print(&result->run[storage], limit, pause);
}

/* The first storage of the case with which something is wrong. */
static enum leak_storage culprit(const struct result *result)
{
    enum leak_storage storage = LEAK_THREAD;
    if (result->leak->cure != NULL)
        return LEAK_CONTEXT;
    while (storage < LEAK_CONTEXT && !result_wrong(result, storage))
        storage++;
    return storage < LEAK_CONTEXT ? storage : LEAK_THREAD;
}

static void tell_case(const struct result *result, unsigned limit, void (*pause)(void))
{
    const struct leak_case *leak = result->leak;
    rule(leak->name);
    printf("%s\n", leak->title);
    if (leak->seen != NULL)
        printf("Seen in: %s\n", leak->seen);
    tell(result, culprit(result), limit, pause);
    tell(result, leak->cure != NULL ? LEAK_CURED : LEAK_CONTEXT, limit, pause);
    printf("\n");
    totals_print(result);
}

/* How many steps of each story leave a case on one screen, with its head and its totals. */
static unsigned brief(const struct result *result)
{
    unsigned taken = 4 + 2 * 4 + 2 + result_rows(result);
    return taken + 2 < SCREEN ? (SCREEN - taken) / 2 : 1;
}

/* --- pace ------------------------------------------------------------------- */

static void wait_a_moment(void)
{
    struct timespec moment = {.tv_nsec = 350L * 1000 * 1000};
    fflush(stdout);
    nanosleep(&moment, NULL);
}

static void wait_for_enter(void)
{
    int c;
    fflush(stdout);
    do
        c = getchar();
    while (c != '\n' && c != EOF);
}

static int demo_one(const struct leak_case *leak, int step)
{
    struct result result;
    int kept;
    result_init(&result, leak);
    result_run_all(&result);
    print_legend();
    tell_case(&result, LEAK_STEPS,
              step               ? wait_for_enter
              : paint_terminal() ? wait_a_moment
                                 : NULL);
    kept = result_kept(&result);
    result_free(&result);
    return kept ? EXIT_KEPT : EXIT_BROKEN;
}

static int demo_all(void)
{
    size_t n = 0;
    int kept = 1;
    while (leak_catalogue[n] != NULL)
        n++;
    struct result *results = calloc(n + 1, sizeof(*results));
    if (results == NULL) {
        fprintf(stderr, "nook: out of memory\n");
        return EXIT_BROKEN;
    }
    print_legend();
    for (size_t i = 0; i < n; i++) {
        result_init(&results[i], leak_catalogue[i]);
        result_run_all(&results[i]);
        tell_case(&results[i], brief(&results[i]), NULL);
        fflush(stdout);
        kept &= result_kept(&results[i]);
    }
    rule("all cases");
    table_print(results, n);
    printf("\nnook demo CASE tells one of them slowly; --step waits for Enter at each step.\n");
    for (size_t i = 0; i < n; i++)
        result_free(&results[i]);
    free(results);
    return kept ? EXIT_KEPT : EXIT_BROKEN;
}

int demo_command(int argc, char **argv)
{
    const struct leak_case *leak = NULL;
    int step = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--step") == 0)
            step = 1;
        else if (leak != NULL)
            return usage_error("demo takes one case, not also '%s'", argv[i]);
        else if ((leak = leak_find(argv[i])) == NULL)
            return unknown_case(argv[i]);
    }
    if (step && leak == NULL)
        return usage_error("--step needs a case: nook demo CASE --step");
    return leak != NULL ? demo_one(leak, step) : demo_all();
}
