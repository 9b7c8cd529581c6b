/* SPDX-License-Identifier: MIT */
/* Results, and the table of all of them. */
#include "program.h"

#include <string.h>

/* --- results ---------------------------------------------------------------- */

void result_init(struct result *result, const struct leak_case *leak)
{
    memset(result, 0, sizeof(*result));
    result->leak = leak;
}

void result_run(struct result *result, enum leak_storage storage)
{
    if (result->leak->promise[storage].kind == LEAK_NONE || result->ran[storage])
        return;
    leak_run_init(&result->run[storage], storage);
    result->rc[storage] = leak_case_run(result->leak, &result->run[storage]);
    result->ran[storage] = 1;
}

void result_run_all(struct result *result)
{
    for (enum leak_storage storage = 0; storage < LEAK_STORAGES; storage++)
        result_run(result, storage);
}

void result_free(struct result *result)
{
    for (enum leak_storage storage = 0; storage < LEAK_STORAGES; storage++)
        if (result->ran[storage])
            leak_run_free(&result->run[storage]);
}

int result_kept(const struct result *result)
{
    int kept = 1;
    for (enum leak_storage storage = 0; storage < LEAK_STORAGES; storage++) {
        if (!result->ran[storage])
            continue;
        if (result->rc[storage] != 0) {
            fprintf(stderr, "nook: %s, %s: did not run: %s\n", result->leak->name,
                    leak_storage_name(storage), nook_strerror(result->rc[storage]));
            kept = 0;
        } else if (!leak_promise_kept(result->leak, &result->run[storage])) {
            fprintf(stderr, "nook: %s, %s: the counts are not what the catalogue promises\n",
                    result->leak->name, leak_storage_name(storage));
            kept = 0;
        }
    }
    return kept;
}

int result_wrong(const struct result *result, enum leak_storage storage)
{
    const struct leak_run *run = &result->run[storage];
    for (unsigned i = 0; i < run->n_counts; i++)
        if (run->counts[i].wrong != 0)
            return 1;
    return 0;
}

unsigned result_rows(const struct result *result)
{
    unsigned n = 1;
    for (enum leak_storage storage = 0; storage < LEAK_STORAGES; storage++)
        if (result->run[storage].n_counts > n)
            n = result->run[storage].n_counts;
    return n;
}

/* --- the table ---------------------------------------------------------------- */

struct columns {
    int name;
    int cell[LEAK_STORAGES];
    int unit;
};

static const char *const heads[LEAK_STORAGES] = {"thread", "task", "context", "cured"};

static void cell_text(char *text, size_t size, const struct result *result,
                      enum leak_storage storage, unsigned row)
{
    const struct leak_run *run = &result->run[storage];
    if (!result->ran[storage] || (result->rc[storage] == 0 && row >= run->n_counts))
        snprintf(text, size, "-");
    else if (result->rc[storage] != 0)
        snprintf(text, size, "failed");
    else
        snprintf(text, size, "%ju of %ju", (uintmax_t)run->counts[row].wrong,
                 (uintmax_t)run->counts[row].of);
}

static const char *unit(const struct result *result, unsigned row)
{
    for (enum leak_storage storage = 0; storage < LEAK_STORAGES; storage++)
        if (row < result->run[storage].n_counts)
            return result->run[storage].counts[row].unit;
    return "-";
}

static void widen(int *width, const char *text)
{
    if ((int)strlen(text) > *width)
        *width = (int)strlen(text);
}

static struct columns measure(const struct result *results, size_t n, int cures)
{
    struct columns columns = {.name = 4};
    char text[64];
    for (enum leak_storage storage = 0; storage < LEAK_STORAGES; storage++)
        columns.cell[storage] = (int)strlen(heads[storage]);
    for (size_t i = 0; i < n; i++) {
        if ((results[i].leak->cure != NULL) != cures)
            continue;
        widen(&columns.name, results[i].leak->name);
        for (unsigned row = 0; row < result_rows(&results[i]); row++)
            for (enum leak_storage storage = 0; storage < LEAK_STORAGES; storage++) {
                cell_text(text, sizeof(text), &results[i], storage, row);
                widen(&columns.cell[storage], text);
            }
    }
    if (!cures)
        columns.cell[LEAK_CURED] = 0;
    return columns;
}

static enum paint shade(const struct result *result, enum leak_storage storage, unsigned row)
{
    const struct leak_run *run = &result->run[storage];
    if (!result->ran[storage] || row >= run->n_counts)
        return PAINT_FAINT;
    return run->counts[row].wrong != 0 || result->rc[storage] != 0 ? PAINT_WRONG : PAINT_RIGHT;
}

static void print_row(const struct columns *columns, const char *name,
                      const struct result *result, unsigned row)
{
    char text[64];
    paint(PAINT_PLAIN, columns->name + 2, row == 0 ? name : "");
    for (enum leak_storage storage = 0; storage < LEAK_STORAGES; storage++) {
        if (columns->cell[storage] == 0)
            continue;
        cell_text(text, sizeof(text), result, storage, row);
        paint(shade(result, storage, row), columns->cell[storage] + 2, text);
    }
    printf("%s\n", unit(result, row));
}

static void print_heads(const struct columns *columns, const char *first)
{
    paint(PAINT_HEAD, columns->name + 2, first);
    for (enum leak_storage storage = 0; storage < LEAK_STORAGES; storage++)
        if (columns->cell[storage] != 0)
            paint(PAINT_HEAD, columns->cell[storage] + 2, heads[storage]);
    printf("wrong of all\n");
}

static void print_part(const char *title, const struct result *results, size_t n, int cures)
{
    struct columns columns = measure(results, n, cures);
    paint(PAINT_HEAD, 0, title);
    printf("\n");
    print_heads(&columns, "case");
    for (size_t i = 0; i < n; i++)
        for (unsigned row = 0; row < result_rows(&results[i]); row++)
            if ((results[i].leak->cure != NULL) == cures)
                print_row(&columns, results[i].leak->name, &results[i], row);
}

void totals_print(const struct result *result)
{
    struct columns columns = measure(result, 1, result->leak->cure != NULL);
    columns.name = 0; /* an indent is left of it */
    print_heads(&columns, "");
    for (unsigned row = 0; row < result_rows(result); row++)
        print_row(&columns, "", result, row);
}

static size_t with_cure(const struct result *results, size_t n)
{
    size_t cures = 0;
    for (size_t i = 0; i < n; i++)
        cures += results[i].leak->cure != NULL;
    return cures;
}

void table_print(const struct result *results, size_t n)
{
    size_t cures = with_cure(results, n);
    if (cures < n)
        print_part("Where thread-locals leak", results, n, 0);
    if (cures > 0 && cures < n)
        printf("\n");
    if (cures > 0)
        print_part("Where context variables leak too, and what cures it", results, n, 1);
}
