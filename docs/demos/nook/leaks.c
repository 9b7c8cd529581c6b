/* SPDX-License-Identifier: MIT */
/* nook leaks: the counts, and whether they are what the catalogue promises. */
#include "program.h"

#include <stdlib.h>
#include <string.h>

static void print_json(const struct result *results, size_t n)
{
    const char *separator = "\n";
    printf("[");
    for (size_t i = 0; i < n; i++)
        for (enum leak_storage storage = 0; storage < LEAK_STORAGES; storage++)
            for (unsigned row = 0; row < results[i].run[storage].n_counts; row++) {
                const struct leak_count *count = &results[i].run[storage].counts[row];
                printf("%s  {\"case\": \"%s\", \"storage\": \"%s\", \"wrong\": %ju, "
                       "\"of\": %ju, \"unit\": \"%s\"}",
                       separator, results[i].leak->name, leak_storage_name(storage),
                       (uintmax_t)count->wrong, (uintmax_t)count->of, count->unit);
                separator = ",\n";
            }
    printf("\n]\n");
}

static int run_cases(const struct leak_case **cases, size_t n, int json)
{
    struct result *results = calloc(n + 1, sizeof(*results));
    int kept = 1;
    if (results == NULL) {
        fprintf(stderr, "nook: out of memory\n");
        return EXIT_BROKEN;
    }
    for (size_t i = 0; i < n; i++) {
        result_init(&results[i], cases[i]);
        result_run_all(&results[i]);
        kept &= result_kept(&results[i]);
    }
    if (json)
        print_json(results, n);
    else
        table_print(results, n);
    for (size_t i = 0; i < n; i++)
        result_free(&results[i]);
    free(results);
    return kept ? EXIT_KEPT : EXIT_BROKEN;
}

int leaks_command(int argc, char **argv)
{
    const struct leak_case **cases =
        calloc((size_t)argc + 64, sizeof(const struct leak_case *));
    size_t n = 0;
    int json = 0, status;
    if (cases == NULL)
        return EXIT_BROKEN;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = 1;
        } else if ((cases[n] = leak_find(argv[i])) != NULL) {
            n++;
        } else {
            free(cases);
            return unknown_case(argv[i]);
        }
    }
    if (n == 0)
        while (leak_catalogue[n] != NULL) {
            cases[n] = leak_catalogue[n];
            n++;
        }
    status = run_cases(cases, n, json);
    free(cases);
    return status;
}
