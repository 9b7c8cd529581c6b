/* SPDX-License-Identifier: MIT */
/* One case of the catalogue, with each of its storages: the counts are what it promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "leaks.h"
#include <dirent.h>
#include <stdio.h>
#include <string.h>

static int descriptors_before;

static int open_descriptors(void)
{
    int n = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        return 0;
    while (readdir(directory) != NULL)
        n++;
    closedir(directory);
    return n;
}

static int count_descriptors(void **state)
{
    (void)state;
    descriptors_before = open_descriptors();
    return 0;
}

static int nothing_alive(void **state)
{
    nook_context_counts contexts = {0};
    nook_task_counts tasks = {0};
    (void)state;
    nook_thread_detach();
    nook_task_count(&tasks);
    nook_context_count(&contexts);
    if (open_descriptors() != descriptors_before) {
        print_error("descriptors: %d, before %d\n", open_descriptors(), descriptors_before);
        return -1;
    }
    if (tasks.tasks == 0 && tasks.handles == 0 && tasks.stacks == 0 && tasks.timers == 0 &&
        tasks.waits == 0 && contexts.contexts == 0 && contexts.nodes == 0 &&
        contexts.tokens == 0)
        return 0;
    print_error("alive: %ld tasks, %ld handles, %ld stacks, %ld timers, %ld waits; "
                "%ld contexts, %ld nodes, %ld tokens\n",
                tasks.tasks, tasks.handles, tasks.stacks, tasks.timers, tasks.waits,
                contexts.contexts, contexts.nodes, contexts.tokens);
    return -1;
}

static void print_counts(const struct leak_run *run)
{
    for (unsigned i = 0; i < run->n_counts; i++)
        print_message("%s: %ju of %ju %s\n", leak_storage_name(run->storage),
                      (uintmax_t)run->counts[i].wrong, (uintmax_t)run->counts[i].of,
                      run->counts[i].unit);
}

static void counts_are_as_promised(void **state)
{
    const struct leak_case *leak = *state;
    unsigned storages = 0;
    for (enum leak_storage storage = 0; storage < LEAK_STORAGES; storage++) {
        struct leak_run run;
        if (leak->promise[storage].kind == LEAK_NONE)
            continue;
        storages++;
        leak_run_init(&run, storage);
        assert_int_equal(leak_case_run(leak, &run), 0);
        print_counts(&run);
        assert_true(leak_promise_kept(leak, &run));
        leak_run_free(&run);
    }
    assert_true(storages >= 2);
}

static void fits(const char *text, size_t columns)
{
    if (text != NULL)
        assert_in_range(strlen(text), 1, columns);
}

static void texts_fit_80_columns(void **state)
{
    const struct leak_case *leak = *state;
    assert_non_null(leak->title);
    fits(leak->title, 76);
    fits(leak->seen, 66);
    fits(leak->cure, 73);
    for (enum leak_storage storage = 0; storage < LEAK_STORAGES; storage++)
        fits(leak->how[storage], 76);
    assert_true((leak->cure != NULL) == (leak->promise[LEAK_CURED].kind != LEAK_NONE));
}

int main(int argc, char **argv)
{
    const struct leak_case *leak = argc == 2 ? leak_find(argv[1]) : NULL;
    if (leak == NULL) {
        fprintf(stderr, "usage: %s CASE\n", argv[0]);
        return 2;
    }
    const struct CMUnitTest tests[] = {
        {leak->name, counts_are_as_promised, count_descriptors, nothing_alive,
         (void *)(uintptr_t)leak},
        cmocka_unit_test_prestate(texts_fit_80_columns, (void *)(uintptr_t)leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
