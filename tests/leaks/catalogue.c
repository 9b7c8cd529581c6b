/* SPDX-License-Identifier: MIT */
/* The table of cases, and what it means to keep a promise. */
#include "catalogue.h"

#include <string.h>

const struct leak_case *const leak_catalogue[] = {
#define CASE(id) &leak_##id,
    LEAK_CASES(CASE)
#undef CASE
        NULL};

const struct leak_case *leak_find(const char *name)
{
    for (const struct leak_case *const *leak = leak_catalogue; *leak != NULL; leak++)
        if (strcmp((*leak)->name, name) == 0)
            return *leak;
    return NULL;
}

int leak_case_run(const struct leak_case *leak, struct leak_run *run)
{
    if (leak->promise[run->storage].kind == LEAK_NONE)
        return NOOK_EINVAL;
    return leak->run(run);
}

static int clean(const struct leak_run *run)
{
    for (unsigned i = 0; i < run->n_counts; i++)
        if (run->counts[i].wrong != 0 || run->counts[i].of == 0)
            return 0;
    return run->n_counts != 0;
}

static int wrong(const struct leak_run *run)
{
    for (unsigned i = 0; i < run->n_counts; i++)
        if (run->counts[i].wrong != 0)
            return 1;
    return 0;
}

static int counted(const struct leak_run *run)
{
    for (unsigned i = 0; i < run->n_counts; i++)
        if (run->counts[i].of == 0)
            return 0;
    return run->n_counts != 0;
}

static int as_expected(const struct leak_run *run)
{
    for (unsigned i = 0; i < run->n_counts; i++) {
        const struct leak_count *count = &run->counts[i];
        if (count->expects &&
            (count->wrong != count->expected_wrong || count->of != count->expected_of))
            return 0;
    }
    return 1;
}

static int exact(const struct leak_promise *promise, const struct leak_run *run)
{
    if (promise->n != run->n_counts)
        return 0;
    for (unsigned i = 0; i < run->n_counts; i++)
        if (run->counts[i].wrong != promise->exact[i].wrong ||
            run->counts[i].of != promise->exact[i].of)
            return 0;
    return 1;
}

int leak_promise_kept(const struct leak_case *leak, const struct leak_run *run)
{
    const struct leak_promise *promise = &leak->promise[run->storage];
    if (!as_expected(run))
        return 0;
    switch (promise->kind) {
    case LEAK_CLEAN:
        return clean(run);
    case LEAK_WRONG:
        return wrong(run);
    case LEAK_EXACT:
        return exact(promise, run);
    case LEAK_BUILT:
        return counted(run);
    case LEAK_NONE:
        break;
    }
    return 0;
}
