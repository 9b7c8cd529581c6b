/* SPDX-License-Identifier: MIT */
/* The victim of cached-address: it is built as its label says, and is right as it stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cached_address.h"
#include "victims.h"

#define DECLARE(name, path) extern const struct victim victim_##name;
LEAK_VICTIMS(DECLARE)
#undef DECLARE
extern const struct victim victim_plain;

static const struct build {
    const char *path; /* NULL: linked in */
    const struct victim *linked;
} builds[] = {
#define BUILDS(name, path) {path, NULL}, {NULL, &victim_##name},
    LEAK_VICTIMS(BUILDS)
#undef BUILDS
        {NULL, NULL}};

static void each_build_is_what_it_is_called(void **state)
{
    size_t n = 0;
    (void)state;
    for (const struct build *build = builds; build->path || build->linked; build++, n++) {
        const struct victim *victim =
            build->path != NULL ? victim_load(build->path) : build->linked;
        assert_non_null(victim);
        assert_true(victim->optimised);
        assert_int_equal(victim->shared, build->path != NULL);
    }
    assert_in_range(n, 2, 4);
}

static void play_plain(enum leak_storage storage)
{
    struct leak_run run;
    assert_false(victim_plain.optimised || victim_plain.shared);
    leak_run_init(&run, storage);
    assert_int_equal(victim_play(&victim_plain, &run), 0);
    assert_int_equal(run.n_counts, 3);
    for (unsigned i = 0; i < run.n_counts; i++) {
        assert_int_equal(run.counts[i].wrong, 0);
        assert_in_range(run.counts[i].of, 1, 3);
    }
    leak_run_free(&run);
}

static void without_optimisation_the_thread_is_read_right(void **state)
{
    (void)state;
    play_plain(LEAK_THREAD);
}

static void without_optimisation_the_context_is_read_right(void **state)
{
    (void)state;
    play_plain(LEAK_CONTEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_build_is_what_it_is_called),
        cmocka_unit_test(without_optimisation_the_thread_is_read_right),
        cmocka_unit_test(without_optimisation_the_context_is_read_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
