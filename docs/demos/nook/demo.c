/* SPDX-License-Identifier: MIT */
/* nook demo: the story of each case, then the table of all. */
#include "program.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BRIEF = 12 };

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

static const char *heading(const struct leak_case *leak, enum leak_storage storage)
{
    static const char *const headings[LEAK_STORAGES] = {
        "with thread-locals", "with task-locals", "with context variables", "with the cure"};
    if (storage == LEAK_CURED)
        return leak->cure;
    return headings[storage];
}

static void print_totals(const struct result *result, enum leak_storage storage)
{
    const struct leak_run *run = &result->run[storage];
    char text[96];
    if (!result->ran[storage])
        return;
    if (result->rc[storage] != 0) {
        printf("  %-8s did not run: %s\n", leak_storage_name(storage),
               nook_strerror(result->rc[storage]));
        return;
    }
    for (unsigned i = 0; i < run->n_counts; i++) {
        printf("  %-8s ", i == 0 ? leak_storage_name(storage) : "");
        snprintf(text, sizeof(text), "%ju of %ju %s wrong", (uintmax_t)run->counts[i].wrong,
                 (uintmax_t)run->counts[i].of, run->counts[i].unit);
        paint(run->counts[i].wrong != 0 ? PAINT_WRONG : PAINT_RIGHT, 0, text);
        printf("\n");
    }
}

static void tell(const struct result *result, enum leak_storage storage, unsigned limit,
                 void (*pause)(void))
{
    if (!result->ran[storage] || result->rc[storage] != 0)
        return;
    printf("\n");
    paint(PAINT_HEAD, 0, heading(result->leak, storage));
    printf("\n");
    timeline_print(&result->run[storage], limit, pause);
}

static void tell_case(const struct result *result, unsigned limit, void (*pause)(void))
{
    const struct leak_case *leak = result->leak;
    int cured = leak->cure != NULL;
    rule(leak->name);
    printf("%s\n", leak->title);
    if (leak->seen != NULL)
        printf("Seen in: %s\n", leak->seen);
    tell(result, cured ? LEAK_CONTEXT : LEAK_THREAD, limit, pause);
    tell(result, cured ? LEAK_CURED : LEAK_CONTEXT, limit, pause);
    printf("\n");
    for (enum leak_storage storage = 0; storage < LEAK_STORAGES; storage++)
        print_totals(result, storage);
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
    for (size_t i = 0; i < n; i++) {
        result_init(&results[i], leak_catalogue[i]);
        result_run_all(&results[i]);
        tell_case(&results[i], BRIEF, NULL);
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
