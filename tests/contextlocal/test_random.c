/* SPDX-License-Identifier: MIT */
/*
 * A context is read by other threads while its own does at random whatever changes it, or
 * changes how it is kept: C19, D4.
 *
 * After each step the owner's model of it has a sum. What a reader saw must have the sum
 * of some moment between the steps that had been done when it began to read and those that had
 * been begun when it was through. That is compared at the end, by the main thread.
 *
 * usage: test [plain | fence | late] [SEED]. Without a seed one is drawn; what fails prints it.
 */
#include "support.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "barrier.h"

enum {
    DEFINED = 3,
    COUNTED = 6, /* those before that have operations */
    VARS = 80,   /* more than two leaves hold */
    CELLS = 8,
    TOKENS = 6,
    COPIES = 4,
    READERS = 2,
    SIGHTS = 20000, /* of each reader at most */
    LEAST = 500,    /* of each, however busy the machine is */
    STEPS = 300000,
    STEPS_MOST = 1000000, /* where the readers were slow */
};

static uint64_t seed;

/* --- a game: an owner, its context, and who looks on ------------------------------- */

struct moment {
    uint64_t sum;
    size_t len;
};

struct sight {
    struct moment seen;
    uint32_t from, to;
};

struct reader {
    struct game *game;
    struct sight sights[SIGHTS];
    size_t n, torn;
    atomic_size_t looked;
    uint64_t dice;
};

struct taken {
    nook_token token;
    int var; /* -1: there is none */
    void *old;
};

struct game {
    nook_context *context;
    nook_var *vars[VARS];
    struct counted cells[CELLS];
    void *model[VARS]; /* &nobody: unset */
    struct taken tokens[TOKENS];
    nook_context *copies[COPIES];
    struct moment now;
    struct moment moments[STEPS_MOST + 1];
    atomic_uint begun, done;
    atomic_int over;
    struct reader readers[READERS];
    uint64_t dice;
    long wrong;
};

static char nobody;
static nook_var defined[DEFINED] = {
    NOOK_VAR_INIT("static", NULL, 0, NULL),
    NOOK_VAR_INIT("static, too", NULL, 0, NULL),
    NOOK_VAR_INIT("static and counted", &counted_ops, 0, NULL),
};

static uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* One of 0 to n-1. */
static int roll(uint64_t *dice, int n)
{
    *dice += 0x9e3779b97f4a7c15;
    return (int)(mixed(*dice) % (uint64_t)n);
}

/* What a binding adds to the sum. */
static uint64_t weight_of(const nook_var *var, const void *value)
{
    return value == &nobody
               ? 0
               : mixed(mixed((uint64_t)(uintptr_t)var) + (uint64_t)(uintptr_t)value);
}

static int is_counted(int var)
{
    return var >= DEFINED - 1 && var < COUNTED;
}

/* --- the owner -------------------------------------------------------------------- */

static void *some_value(struct game *game, int var)
{
    int number = roll(&game->dice, CELLS);
    if (is_counted(var))
        return &game->cells[number];
    if (number == 0)
        return NULL;
    return (void *)(uintptr_t)(1024 + 255 * number); /* one of them ends as the library's own */
}

static void change(struct game *game, int var, void *value)
{
    void *old = game->model[var];
    game->now.sum += weight_of(game->vars[var], value) - weight_of(game->vars[var], old);
    game->now.len += (size_t)(old == &nobody) - (size_t)(value == &nobody);
    game->model[var] = value;
}

/* From here on the next moment may be seen. */
static void begin(struct game *game)
{
    unsigned next = atomic_load_explicit(&game->begun, memory_order_relaxed) + 1;
    game->moments[next] = game->now;
    atomic_store_explicit(&game->begun, next, memory_order_relaxed);
}

static void set(struct game *game, int var)
{
    void *value = some_value(game, var);
    change(game, var, value);
    begin(game);
    game->wrong += nook_var_set(game->vars[var], value, NULL) != 0;
}

static void set_with_token(struct game *game, int var, struct taken *taken)
{
    void *value = some_value(game, var);
    if (taken->var >= 0)
        nook_token_drop(&taken->token);
    taken->var = var;
    taken->old = game->model[var];
    change(game, var, value);
    begin(game);
    game->wrong += nook_var_set(game->vars[var], value, &taken->token) != 0;
}

static void reset(struct game *game, struct taken *taken)
{
    if (taken->var < 0)
        return;
    nook_var *var = game->vars[taken->var];
    change(game, taken->var, taken->old);
    taken->var = -1;
    begin(game);
    game->wrong += nook_var_reset(var, &taken->token) != 0;
}

static void clear(struct game *game)
{
    for (int var = 0; var < VARS; var++)
        change(game, var, &nobody);
    begin(game);
    nook_context_clear(game->context);
}

/* What the copy shares is not changed in place any more; and the copy is, once it is alone. */
static void take_copy(struct game *game, nook_context **copy)
{
    nook_context_unref(*copy);
    game->wrong += (roll(&game->dice, 2) == 0 ? nook_context_copy_current(copy)
                                              : nook_context_inherit(copy)) != 0;
}

static void drop(nook_context **copy)
{
    nook_context_unref(*copy);
    *copy = NULL;
}

static void change_copy(struct game *game, nook_context *copy)
{
    int var = roll(&game->dice, VARS);
    if (copy == NULL)
        return;
    game->wrong += nook_context_enter(copy) != 0;
    game->wrong += nook_var_set(game->vars[var], some_value(game, var), NULL) != 0;
    game->wrong += nook_context_exit(copy) != 0;
}

static void look_oneself(struct game *game)
{
    for (int var = 0; var < VARS; var++)
        game->wrong += nook_var_get_or(game->vars[var], &nobody) != game->model[var];
}

static void step(struct game *game)
{
    int what = roll(&game->dice, 1000), var = roll(&game->dice, VARS);
    struct taken *taken = &game->tokens[roll(&game->dice, TOKENS)];
    nook_context **one = &game->copies[roll(&game->dice, COPIES)];
    if (roll(&game->dice, 2) == 0)
        var %= 8; /* some are liked best, so that a patch is set again */
    if (what < 350)
        set(game, var);
    else if (what < 550)
        set_with_token(game, var, taken);
    else if (what < 700)
        reset(game, taken);
    else if (what < 850)
        take_copy(game, one);
    else if (what < 940)
        drop(one);
    else if (what < 990)
        change_copy(game, *one);
    else if (what < 998)
        look_oneself(game);
    else
        clear(game);
    atomic_store_explicit(&game->done, atomic_load_explicit(&game->begun, memory_order_relaxed),
                          memory_order_release);
}

/* Of what is dear where every step is. */
static unsigned fewer(unsigned many)
{
    return getenv("NOOK_SLOW") != NULL ? many / 10 : many;
}

static int all_have_looked(struct game *game)
{
    unsigned least = fewer(LEAST);
    for (int i = 0; i < READERS; i++)
        if (atomic_load_explicit(&game->readers[i].looked, memory_order_relaxed) < least)
            return 0;
    return 1;
}

static int own(void *arg)
{
    struct game *game = arg;
    unsigned steps = fewer(STEPS);
    for (unsigned n = 0; n < steps || !all_have_looked(game); n++) {
        if (atomic_load_explicit(&game->begun, memory_order_relaxed) < STEPS_MOST)
            step(game);
        else
            sched_yield();
    }
    return 0;
}

/* --- the readers ------------------------------------------------------------------ */

static struct moment by_iterating(nook_context *context)
{
    struct moment seen = {0, 0};
    nook_context_iter iter;
    nook_var *var;
    void *value;
    if (nook_context_iter_open(&iter, context) != 0)
        return seen;
    for (; nook_context_iter_next(&iter, &var, &value) == 0; seen.len++)
        seen.sum += weight_of(var, value);
    nook_context_iter_close(&iter);
    return seen;
}

static struct moment by_finding(const struct game *game, nook_context *copy)
{
    struct moment seen = {0, 0};
    for (int i = 0; i < VARS; i++) {
        void *value;
        if (nook_context_find(copy, game->vars[i], &value) != 0)
            continue;
        seen.sum += weight_of(game->vars[i], value);
        seen.len++;
        nook_value_release(game->vars[i], value);
    }
    return seen;
}

/* A copy stays as it is, and says of itself what is in it. */
static struct moment by_copying(struct reader *reader)
{
    struct game *game = reader->game;
    nook_context *copy = NULL;
    if (nook_context_copy(game->context, &copy) != 0)
        return (struct moment){0, 0};
    struct moment first = by_finding(game, copy);
    if (roll(&reader->dice, 4) == 0)
        sched_yield();
    struct moment again = by_iterating(copy);
    reader->torn += first.sum != again.sum || first.len != again.len ||
                    nook_context_len(copy) != first.len || nook_context_equal(copy, copy) != 1;
    nook_context_unref(copy);
    return first;
}

static void *look_on(void *arg)
{
    struct reader *reader = arg;
    struct game *game = reader->game;
    while (!atomic_load_explicit(&game->over, memory_order_relaxed)) {
        struct sight sight = {.from = atomic_load_explicit(&game->done, memory_order_acquire)};
        sight.seen =
            roll(&reader->dice, 2) == 0 ? by_iterating(game->context) : by_copying(reader);
        sight.to = atomic_load_explicit(&game->begun, memory_order_relaxed);
        if (reader->n < SIGHTS)
            reader->sights[reader->n++] = sight;
        atomic_fetch_add_explicit(&reader->looked, 1, memory_order_relaxed);
    }
    return NULL;
}

/* --- the game ---------------------------------------------------------------------- */

static int holds(const struct game *game, const struct sight *sight)
{
    for (uint32_t at = sight->from; at <= sight->to; at++)
        if (game->moments[at].sum == sight->seen.sum &&
            game->moments[at].len == sight->seen.len)
            return 1;
    return 0;
}

static long count_untrue(const struct game *game, const struct reader *reader)
{
    long untrue = 0;
    for (size_t i = 0; i < reader->n; i++)
        untrue += !holds(game, &reader->sights[i]);
    return untrue;
}

static struct game *set_up_game(void)
{
    struct game *game = calloc(1, sizeof *game);
    nook_var_options options = {.ops = &counted_ops};
    assert_non_null(game);
    for (int i = 0; i < VARS; i++) {
        game->vars[i] = i < DEFINED ? &defined[i] : NULL;
        if (i >= DEFINED)
            assert_int_equal(
                nook_var_new(&game->vars[i], "created", i < COUNTED ? &options : NULL), 0);
        game->model[i] = &nobody;
    }
    for (int i = 0; i < TOKENS; i++)
        game->tokens[i].var = -1;
    game->dice = seed;
    assert_int_equal(nook_context_new(&game->context), 0);
    return game;
}

static void tear_down_game(struct game *game)
{
    for (int i = 0; i < TOKENS; i++)
        if (game->tokens[i].var >= 0)
            nook_token_drop(&game->tokens[i].token);
    for (int i = 0; i < COPIES; i++)
        nook_context_unref(game->copies[i]);
    nook_context_unref(game->context);
    for (int i = DEFINED; i < VARS; i++)
        nook_var_unref(game->vars[i]);
}

static void play(struct game *game)
{
    pthread_t threads[READERS];
    for (int i = 0; i < READERS; i++) {
        game->readers[i].game = game;
        game->readers[i].dice = seed + (uint64_t)i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, look_on, &game->readers[i]), 0);
    }
    assert_int_equal(nook_context_run(game->context, own, game, NULL), 0);
    atomic_store(&game->over, 1);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
}

static void C19_D4_others_see_what_was_at_some_moment(void **state)
{
    long untrue = 0, torn = 0, held = 0;
    (void)state;
    struct game *game = set_up_game();
    play(game);
    for (int i = 0; i < READERS; i++) {
        untrue += count_untrue(game, &game->readers[i]);
        torn += (long)game->readers[i].torn;
    }
    long wrong = game->wrong;
    tear_down_game(game);
    for (int i = 0; i < CELLS; i++)
        held += game->cells[i].held;
    free(game);
    if (wrong != 0 || untrue != 0 || torn != 0 || held != 0)
        print_error("seed %llu: %ld steps were wrong, %ld sights untrue, %ld copies torn, %ld "
                    "values are still held\n",
                    (unsigned long long)seed, wrong, untrue, torn, held);
    assert_true(wrong == 0 && untrue == 0 && torn == 0 && held == 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        context_test(C19_D4_others_see_what_was_at_some_moment),
    };
    const char *mode = argc > 1 ? argv[1] : "plain";
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time.tv_nsec;
    int rc = set_up_mode(mode);
    return rc != 0 ? rc : cmocka_run_group_tests_name(mode, tests, NULL, NULL);
}
