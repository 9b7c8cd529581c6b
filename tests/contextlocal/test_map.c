/* SPDX-License-Identifier: MIT */
/*
 * The persistent map against a naive one: M1-M4, M10, M11, M13.
 *
 * usage: test_map [SEED]. The seed of the random runs is printed.
 */
#include "support.h"

#include <contextlocal/context.h>

#include <stdlib.h>
#include <string.h>

/* --- variables --------------------------------------------------------------- */

static const nook_value_ops special_ops = {counted_retain, counted_release, NULL, NULL,
                                           NOOK_INHERIT_DROP};
static const nook_value_ops bare_special_ops = {.inherit = NOOK_INHERIT_DROP};

enum { VALUES = 16 };

static struct counted values[VALUES];

/* Every kind of variable that a map treats in its own way. */
static nook_var *var_of_kind(int kind)
{
    static const nook_value_ops *const ops[] = {NULL, &counted_ops, &special_ops,
                                                &bare_special_ops};
    nook_var_options options = {.ops = ops[kind % 4]};
    nook_var *var = NULL;
    assert_int_equal(nook_var_new(&var, "of a map", &options), 0);
    return var;
}

static uint32_t number_of(nook_var *var)
{
    uint32_t index = 0;
    assert_int_equal(nook__var_number(var, &index), 0);
    return index;
}

/* One variable in `special` tells inheriting to look. */
static nook_var **make_vars(size_t n, size_t special)
{
    nook_var **vars = calloc(n, sizeof(nook_var *));
    assert_non_null(vars);
    for (size_t i = 0; i < n; i++) {
        vars[i] = var_of_kind(i % special == 0 ? 2 + (int)(i % 2) : (int)(i % 2));
        (void)number_of(vars[i]);
    }
    return vars;
}

/* The last first, so that the next ones get the lowest numbers again. */
static void drop_vars(nook_var **vars, size_t n)
{
    for (size_t i = n; i-- > 0;)
        nook_var_unref(vars[i]);
    free(vars);
}

/* --- maps ---------------------------------------------------------------------- */

static struct nook__map with(struct nook__map map, nook_var *var, void *value)
{
    struct nook__map out;
    assert_int_equal(nook__map_with(&map, var, number_of(var), value, &out), 0);
    return out;
}

/* Binds in a map that is thrown away for it. */
static void change(struct nook__map *map, nook_var *var, void *value)
{
    struct nook__map next = with(*map, var, value);
    nook__map_unref(*map);
    *map = next;
}

/* 1 and bound in place, or 0 and nothing changed. */
static int put(struct nook__map *map, nook_var *var, void *value)
{
    uint32_t index = number_of(var);
    void *old = NOOK__UNSET;
    if (value != NOOK__UNSET)
        nook__binding_retain(index, value);
    int done = nook__map_put(map, var, index, value, &old);
    if (done && old != NOOK__UNSET)
        nook__binding_release(index, old);
    if (!done && value != NOOK__UNSET)
        nook__binding_release(index, value);
    return done;
}

/* What a plain set does: the same for variables without operations, also in a patch. */
static int swap(struct nook__map *map, nook_var *var, void *value)
{
    int more;
    if (value != NOOK__UNSET &&
        !nook__maybe_none(nook__map_replace(map, number_of(var), value)))
        return 1;
    void *old = nook__map_swap(map, var->created, number_of(var), value, &more);
    if (more > 0)
        nook__var_ref_by(var, more);
    if (more < 0)
        nook__var_unref_by(var, -more);
    return old != NOOK__NOT_HERE;
}

static void *get(const struct nook__map *map, nook_var *var)
{
    return nook__map_get(map, number_of(var));
}

static long nodes_alive(void)
{
    nook_context_counts counts = {0};
    return nook_context_count(&counts) == 0 ? counts.nodes : -1;
}

/* --- by hand --------------------------------------------------------------------- */

static void M1_changing_a_map_makes_another(void **state)
{
    nook_var *a = var_of_kind(0), *b = var_of_kind(1);
    struct nook__map empty = nook__map_empty();
    (void)state;
    struct nook__map one = with(empty, a, &values[0]);
    struct nook__map two = with(one, b, &values[1]);
    struct nook__map other = with(two, a, &values[2]);
    struct nook__map less = with(two, a, NOOK__UNSET);
    assert_int_equal(empty.len, 0);
    assert_int_equal(one.len, 1);
    assert_int_equal(two.len, 2);
    assert_int_equal(other.len, 2);
    assert_int_equal(less.len, 1);
    assert_ptr_equal(get(&one, b), NOOK__UNSET);
    assert_ptr_equal(get(&two, a), &values[0]);
    assert_ptr_equal(get(&other, a), &values[2]);
    assert_ptr_equal(get(&less, a), NOOK__UNSET);
    assert_ptr_equal(get(&less, b), &values[1]);
    nook__map_unref(one);
    nook__map_unref(two);
    nook__map_unref(other);
    nook__map_unref(less);
    nook_var_unref(b);
    nook_var_unref(a);
}

static void M3_a_map_without_its_last_binding_is_the_empty_one(void **state)
{
    nook_var **vars = make_vars(1100, 7); /* the last is two levels up */
    struct nook__map map = nook__map_empty();
    (void)state;
    change(&map, vars[0], &values[0]);
    change(&map, vars[1099], &values[1]);
    assert_int_equal(nook__map_height(&map), 2);
    change(&map, vars[0], NOOK__UNSET);
    change(&map, vars[1099], NOOK__UNSET);
    assert_int_equal(map.len, 0);
    assert_ptr_equal(map.root, &nook__empty[nook__map_height(&map)]);
    change(&map, vars[500], NOOK__UNSET);
    assert_ptr_equal(map.root, &nook__empty[nook__map_height(&map)]);
    nook__map_unref(map);
    drop_vars(vars, 1100);
}

static void M13_a_few_variables_are_one_flat_node(void **state)
{
    nook_var **vars = make_vars(31, 7);
    struct nook__map map = nook__map_empty();
    long before = nodes_alive();
    (void)state;
    for (int i = 0; i < 31; i++)
        change(&map, vars[i], &values[0]);
    assert_int_equal(nook__map_height(&map), 0);
    assert_int_equal(map.len, 31);
    if (before >= 0)
        assert_int_equal(nodes_alive(), before + 1);
    nook__map_unref(map);
    drop_vars(vars, 31);
}

static void M11_what_is_unshared_is_changed_in_place_and_nothing_else(void **state)
{
    nook_var **vars = make_vars(64, 7);
    struct nook__map map = nook__map_empty(), copy;
    (void)state;
    assert_int_equal(put(&map, vars[0], &values[0]), 0); /* emptiness is everybody's */
    for (int i = 0; i < 64; i++)
        change(&map, vars[i], &values[0]);
    assert_int_equal(put(&map, vars[3], &values[1]), 1);
    copy = nook__map_copy(&map);
    assert_int_equal(put(&map, vars[3], &values[2]), 0);
    change(&map, vars[3], &values[2]); /* its path is its own now, the rest is not */
    assert_int_equal(put(&map, vars[4], &values[3]), 1);
    assert_int_equal(put(&map, vars[40], &values[3]), 0);
    assert_ptr_equal(get(&copy, vars[3]), &values[1]);
    assert_ptr_equal(get(&copy, vars[4]), &values[0]);
    nook__map_unref(copy);
    assert_int_equal(put(&map, vars[40], &values[3]), 1);
    nook__map_unref(map);
    drop_vars(vars, 64);
}

static int replace(struct nook__map *map, nook_var *var, void *value)
{
    void *before = get(map, var);
    void *old = nook__map_replace(map, number_of(var), value);
    int done = !nook__maybe_none(old);
    assert_ptr_equal(get(map, var), done ? value : before);
    return done && old == before;
}

static void M11_a_value_alone_is_replaced_and_nothing_else(void **state)
{
    nook_var *vars[64];
    struct nook__map map = nook__map_empty(), copy;
    void *odd = (void *)(uintptr_t)0xff; /* ends as nothing does */
    (void)state;
    for (int i = 0; i < 64; i++)
        vars[i] = var_of_kind(0);
    assert_int_equal(replace(&map, vars[0], &values[0]), 0);
    for (int i = 0; i < 63; i++)
        change(&map, vars[i], &values[0]);
    assert_int_equal(replace(&map, vars[3], &values[1]), 1);
    assert_int_equal(replace(&map, vars[63], &values[1]), 0);
    copy = nook__map_copy(&map);
    assert_int_equal(replace(&map, vars[3], &values[2]), 0);
    assert_int_equal(swap(&map, vars[3], &values[2]), 1); /* the patch */
    assert_int_equal(replace(&map, vars[3], &values[3]), 1);
    assert_int_equal(replace(&map, vars[4], &values[3]), 0);
    assert_int_equal(map.len, 63);
    assert_ptr_equal(get(&copy, vars[3]), &values[1]);
    nook__map_unref(copy);
    assert_int_equal(replace(&map, vars[4], odd), 1);
    assert_int_equal(replace(&map, vars[4], &values[1]), 0); /* maybe there was nothing */
    nook__map_unref(map);
    for (int i = 64; i-- > 0;)
        nook_var_unref(vars[i]);
}

/* What a map gave away comes back to it, or is subtracted: it is alone again. */
static void M11_a_map_gives_and_takes_back_weight(void **state)
{
    nook_var **vars = make_vars(2, 7);
    struct nook__map map = nook__map_empty(), first, second, copies[100];
    (void)state;
    change(&map, vars[0], &values[0]);
    uint32_t whole = map.weight;
    first = nook__map_share(&map);
    assert_int_equal(map.weight + first.weight, whole);
    assert_int_equal(put(&map, vars[0], &values[1]), 0);
    assert_int_equal(put(&first, vars[0], &values[1]), 0);
    nook__map_give_back(first, &map);
    assert_int_equal(map.weight, whole);
    assert_int_equal(put(&map, vars[0], &values[1]), 1);
    first = nook__map_copy(&map); /* has but one, and buys when it is copied */
    assert_int_equal(first.weight, 1);
    for (int i = 0; i < 100; i++)
        copies[i] = nook__map_share(&first);
    assert_true(first.weight > 1);
    second = with(map, vars[1], &values[2]); /* another root, which takes nothing */
    uint32_t seconds = second.weight;
    for (int i = 0; i < 100; i++)
        nook__map_give_back(copies[i], i % 3 == 0 ? &map : i % 3 == 1 ? &second : NULL);
    assert_int_equal(second.weight, seconds);
    assert_int_equal(put(&map, vars[0], &values[3]), 0);
    nook__map_give_back(first, NULL);
    assert_int_equal(put(&map, vars[0], &values[3]), 1);
    nook__map_unref(map);
    assert_ptr_equal(get(&second, vars[0]), &values[1]);
    nook__map_unref(second);
    drop_vars(vars, 2);
}

/* The first binding after a copy stands beside the trie, which stays everybody's. */
static void M11_the_first_binding_after_a_copy_changes_no_node(void **state)
{
    nook_var **vars = make_vars(100, 100); /* of the others, those at odd places count values */
    struct nook__map map = nook__map_empty(), copy;
    (void)state;
    for (int i = 0; i < 100; i++)
        change(&map, vars[i], &values[0]);
    copy = nook__map_share(&map);
    long before = nodes_alive();
    assert_int_equal(swap(&copy, vars[98], &values[1]), 1);
    assert_int_equal(swap(&copy, vars[98], &values[2]), 1);
    assert_ptr_equal(copy.root, map.root);
    assert_int_equal(nodes_alive(), before);
    assert_ptr_equal(get(&copy, vars[98]), &values[2]);
    assert_ptr_equal(get(&map, vars[98]), &values[0]);
    assert_int_equal(swap(&copy, vars[96], &values[3]), 0); /* there is room for one */
    change(&copy, vars[96], &values[3]); /* takes the patch along, to the same leaf */
    assert_int_equal(copy.patch, 0);
    assert_ptr_equal(get(&copy, vars[98]), &values[2]);
    assert_int_equal(swap(&copy, vars[98], &values[4]), 1);
    assert_ptr_equal(get(&map, vars[98]), &values[0]);
    nook__map_unref(copy);
    nook__map_unref(map);
    drop_vars(vars, 100);
}

/* A patch hides what the trie binds, may hide it as unbound, and holds its variable. */
static void M11_a_patch_hides_a_binding(void **state)
{
    nook_var **vars = make_vars(70, 70), *var = vars[66];
    struct nook__map map = nook__map_empty(), copy, other;
    void *value;
    (void)state;
    for (int i = 60; i < 70; i++)
        change(&map, vars[i], &values[0]);
    copy = nook__map_share(&map);
    assert_int_equal(swap(&copy, var, NOOK__UNSET), 1);
    assert_int_equal(copy.len, 9);
    assert_ptr_equal(get(&copy, var), NOOK__UNSET);
    assert_int_equal(nook__map_next(&copy, number_of(var), &value), number_of(vars[67]));
    assert_int_equal(swap(&copy, var, &values[1]), 1);
    assert_int_equal(copy.len, 10);
    assert_int_equal(nook__map_next(&copy, number_of(var), &value), number_of(var));
    assert_ptr_equal(value, &values[1]);
    other = nook__map_share(&copy);
    nook__map_unref(map);
    nook__map_give_back(copy, &other);
    nook__map_unref(other);
    other = nook__map_empty();
    nook_var *gone = var_of_kind(0);
    uint32_t number = number_of(gone);
    assert_int_equal(swap(&other, gone, &values[0]), 1);
    nook_var_unref(gone);
    assert_ptr_equal(nook__var_at(number), gone); /* the patch holds it */
    assert_int_equal(nook__map_next(&other, 1, &value), number);
    nook__map_unref(other);
    drop_vars(vars, 70);
}

/* Where the leaf is a map's own again, the patch goes in. */
static void M11_a_patch_settles_where_nobody_shares(void **state)
{
    nook_var **vars = make_vars(40, 40);
    struct nook__map map = nook__map_empty(), copy;
    int less = 0;
    (void)state;
    for (int i = 0; i < 40; i++)
        change(&map, vars[i], &values[0]);
    copy = nook__map_share(&map);
    assert_int_equal(swap(&map, vars[38], NOOK__UNSET), 1);
    assert_int_equal(nook__map_settle(&map, &less), 0);
    nook__map_give_back(copy, &map); /* which has more to hold, and so takes nothing */
    uint32_t weight = map.weight;
    assert_int_equal(nook__map_settle(&map, &less), 1);
    assert_int_equal(less, (int)weight + 1); /* what the patch held, and the binding it hid */
    nook__var_unref_by(vars[38], less);
    assert_int_equal(map.patch, 0);
    assert_int_equal(map.len, 39);
    assert_ptr_equal(get(&map, vars[38]), NOOK__UNSET);
    nook__map_unref(map);
    drop_vars(vars, 40);
}

static void M11_a_change_copies_its_path_alone(void **state)
{
    enum { N = 5000 };
    nook_var **vars = make_vars(N, 7);
    struct nook__map map = nook__map_empty();
    (void)state;
    for (int i = 0; i < N; i++)
        change(&map, vars[i], &values[i % VALUES]);
    assert_int_equal(nook__map_height(&map), 2);
    for (int i = 0; i < N; i += 97) {
        long before = nodes_alive();
        struct nook__map next = with(map, vars[i], &values[(i + 1) % VALUES]);
        uint32_t place = number_of(vars[i]) >> (2 * NOOK__BITS);
        if (before >= 0)
            assert_int_equal(nodes_alive(), before + 3);
        for (uint32_t p = 0; p < NOOK__WIDTH; p++)
            assert_int_equal(next.root->slot[p] == map.root->slot[p], p != place);
        nook__map_unref(next);
    }
    nook__map_unref(map);
    drop_vars(vars, N);
}

/* Thousands set, a snapshot half-way, all unset again in another order. */
static void M11_a_snapshot_half_way_stays_exact(void **state)
{
    enum { N = 7000 };
    nook_var **vars = make_vars(N, 7);
    struct nook__map map = nook__map_empty(), half;
    (void)state;
    for (int i = 0; i < N; i++) {
        change(&map, vars[i], &values[i % VALUES]);
        if (i + 1 == N / 2)
            half = nook__map_copy(&map);
    }
    for (int i = 0; i < N; i++)
        change(&map, vars[(i * 3001) % N], NOOK__UNSET); /* 3001 has no factor of N */
    assert_int_equal(map.len, 0);
    assert_int_equal(half.len, N / 2);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(get(&half, vars[i]),
                         i < N / 2 ? (void *)&values[i % VALUES] : NOOK__UNSET);
    nook__map_unref(map);
    nook__map_unref(half);
    drop_vars(vars, N);
    for (int i = 0; i < VALUES; i++)
        assert_int_equal(values[i].held, 0);
}

/* --- at random --------------------------------------------------------------------- */

enum { MAPS = 6 };

static uint64_t random_state;

static uint32_t random_below(size_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 11) % n);
}

struct model {
    struct nook__map map;
    void **bound; /* NOOK__UNSET, or the value, one a variable */
    size_t len;
};

struct game {
    nook_var **vars; /* in the order of their numbers */
    size_t n;
    struct model maps[MAPS];
};

static int is_special(const nook_var *var)
{
    return var->ops != NULL && var->ops->inherit != NOOK_INHERIT_COPY;
}

/* What iteration says is next, against what the model says. */
static void check_iteration(const struct game *game, const struct model *m)
{
    void *value;
    uint32_t at = 0, special_at = 0;
    for (size_t i = 0; i < game->n; i++) {
        if (m->bound[i] == NOOK__UNSET)
            continue;
        uint32_t index = game->vars[i]->nook__index;
        at = nook__map_next(&m->map, at + 1, &value);
        assert_int_equal(at, index);
        assert_ptr_equal(value, m->bound[i]);
        if (!is_special(game->vars[i]))
            continue;
        special_at = nook__map_next_special(&m->map, special_at + 1);
        assert_int_equal(special_at, index);
    }
    assert_int_equal(nook__map_next(&m->map, at + 1, &value), 0);
    assert_int_equal(nook__map_next_special(&m->map, special_at + 1), 0);
}

static void check_model(const struct game *game, const struct model *m)
{
    assert_int_equal(m->map.len, m->len);
    for (size_t i = 0; i < game->n; i++)
        if (get(&m->map, game->vars[i]) != m->bound[i])
            assert_ptr_equal(get(&m->map, game->vars[i]), m->bound[i]);
    check_iteration(game, m);
}

static void note(struct model *m, size_t i, void *value)
{
    m->len += (size_t)(value != NOOK__UNSET) - (size_t)(m->bound[i] != NOOK__UNSET);
    m->bound[i] = value;
}

static void assign(const struct game *game, struct model *to, struct model *from)
{
    if (to == from)
        return;
    struct nook__map copy =
        random_below(2) == 0 ? nook__map_copy(&from->map) : nook__map_share(&from->map);
    nook__map_give_back(to->map, random_below(2) == 0 ? &from->map : NULL);
    to->map = copy;
    to->len = from->len;
    memcpy(to->bound, from->bound, game->n * sizeof *to->bound);
}

/* Few variables most of the time, so that bindings are met again; any now and then. */
static size_t some_var(const struct game *game)
{
    size_t few = game->n < 40 ? game->n : 40;
    uint32_t where = random_below(4);
    if (where == 0)
        return random_below(game->n);
    return where == 1 ? game->n - 1 - random_below(few) : random_below(few);
}

/* The model that was changed. */
static struct model *play_once(struct game *game)
{
    struct model *m = &game->maps[random_below(MAPS)];
    size_t i = some_var(game);
    void *value = random_below(3) == 0 ? NOOK__UNSET : &values[random_below(VALUES)];
    switch (random_below(8)) {
    case 0: { /* a copy */
        struct model *to = &game->maps[random_below(MAPS)];
        assign(game, to, m);
        return to;
    }
    case 2: { /* what a second copy does */
        int less;
        nook_var *var = nook__var_at(m->map.patch);
        if (nook__map_settle(&m->map, &less))
            nook__var_unref_by(var, less);
        return m;
    }
    case 1: { /* a changed copy beside the old one */
        struct model *to = &game->maps[random_below(MAPS)];
        struct nook__map next = with(m->map, game->vars[i], value);
        assign(game, to, m);
        nook__map_unref(to->map);
        to->map = next;
        note(to, i, value);
        return to;
    }
    default: /* what a set does */
        if (game->vars[i]->ops == NULL && swap(&m->map, game->vars[i], value)) {
            note(m, i, value);
            return m;
        }
        if (!put(&m->map, game->vars[i], value))
            change(&m->map, game->vars[i], value);
        note(m, i, value);
        return m;
    }
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = (*(nook_var *const *)a)->nook__index, y = (*(nook_var *const *)b)->nook__index;
    return (x > y) - (x < y);
}

static void open_game(struct game *game, size_t n, size_t special)
{
    game->n = n;
    game->vars = make_vars(n, special);
    qsort(game->vars, n, sizeof(nook_var *), by_number);
    for (int m = 0; m < MAPS; m++) {
        game->maps[m] = (struct model){nook__map_empty(), calloc(n, sizeof(void *)), 0};
        assert_non_null(game->maps[m].bound);
        for (size_t i = 0; i < n; i++)
            game->maps[m].bound[i] = NOOK__UNSET;
    }
}

static void close_game(struct game *game)
{
    for (int m = 0; m < MAPS; m++) {
        check_model(game, &game->maps[m]);
        nook__map_unref(game->maps[m].map);
        free(game->maps[m].bound);
    }
    drop_vars(game->vars, game->n);
    for (int i = 0; i < VALUES; i++)
        assert_int_equal(values[i].held, 0);
}

/* Compares what changed each time, and all of them from time to time. */
static void play(size_t n, size_t special, int steps, int all_every)
{
    struct game game;
    open_game(&game, n, special);
    for (int step = 1; step <= steps; step++) {
        const struct model *changed = play_once(&game);
        if (n < 2000)
            check_model(&game, changed);
        for (int m = 0; step % all_every == 0 && m < MAPS; m++)
            check_model(&game, &game.maps[m]);
    }
    close_game(&game);
}

static void M1_M4_random_maps_of_height_0(void **state)
{
    (void)state;
    play(5, 2, 3000, 1);
    play(31, 7, 3000, 1);
}

static void M1_M4_random_maps_of_height_1(void **state)
{
    (void)state;
    play(33, 2, 3000, 2);
    play(900, 50, 3000, 50);
}

static void M1_M4_random_maps_of_height_2(void **state)
{
    (void)state;
    play(1030, 300, 2000, 50);
    play(5000, 1000, 4000, 500);
}

static void M1_M4_random_maps_of_height_3(void **state)
{
    (void)state;
    play(33000, 5000, 4000, 2000);
}

/* --- what surrounds maps --------------------------------------------------- */

/* While somebody reads it elsewhere, its owner leaves it alone. */
static void what_is_being_read_is_not_replaced(void **state)
{
    char old[] = "old", new[] = "new";
    nook_var *var = var_of_kind(0);
    nook_context context = {.map = nook__map_empty()};
    (void)state;
    change(&context.map, var, old);
    atomic_store(&context.reading, 1);
    assert_ptr_equal(nook__context_replace(&context, number_of(var), new), NOOK__UNSET);
    assert_ptr_equal(get(&context.map, var), old);
    atomic_store(&context.reading, 0);
    assert_ptr_equal(nook__context_replace(&context, number_of(var), new), old);
    assert_ptr_equal(get(&context.map, var), new);
    nook__map_unref(context.map);
    nook_var_unref(var);
}

static size_t free_what_is_at_hand(struct nook__thread *thread)
{
    size_t n = 0;
    for (void *block; (block = nook__block_at_hand(thread, NOOK__CONTEXT_BLOCK)) != NULL; n++)
        free(block);
    return n;
}

static void a_thread_keeps_so_many_blocks_and_no_more(void **state)
{
    enum { MANY = 20000, MOST = 16384 };
    size_t kept = 0;
    nook_context *context;
    (void)state;
    assert_int_equal(nook_context_new(&context), 0); /* then it has a record */
    nook_context_unref(context);
    struct nook__thread *thread = nook__thread_get();
    (void)free_what_is_at_hand(thread);
    for (size_t i = 0; i < MANY; i++) {
        void *block = malloc(sizeof(nook_context));
        assert_non_null(block);
        if (nook__block_keep(NOOK__CONTEXT_BLOCK, block))
            kept++;
        else
            free(block);
    }
    assert_int_equal(kept, NOOK__KEEPS_BLOCKS ? MOST : 0);
    assert_int_equal(free_what_is_at_hand(thread), kept);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        context_test(M1_changing_a_map_makes_another),
        context_test(M3_a_map_without_its_last_binding_is_the_empty_one),
        context_test(M13_a_few_variables_are_one_flat_node),
        context_test(M11_what_is_unshared_is_changed_in_place_and_nothing_else),
        context_test(M11_a_value_alone_is_replaced_and_nothing_else),
        context_test(M11_a_map_gives_and_takes_back_weight),
        context_test(M11_the_first_binding_after_a_copy_changes_no_node),
        context_test(M11_a_patch_hides_a_binding),
        context_test(M11_a_patch_settles_where_nobody_shares),
        context_test(M11_a_change_copies_its_path_alone),
        context_test(M11_a_snapshot_half_way_stays_exact),
        context_test(what_is_being_read_is_not_replaced),
        context_test(a_thread_keeps_so_many_blocks_and_no_more),
        context_test(M1_M4_random_maps_of_height_0),
        context_test(M1_M4_random_maps_of_height_1),
        context_test(M1_M4_random_maps_of_height_2),
        context_test(M1_M4_random_maps_of_height_3),
    };
    random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : 20200222;
    random_state += random_state == 0; /* xorshift never leaves 0 */
    print_message("seed %llu\n", (unsigned long long)random_state);
    return cmocka_run_group_tests_name("contextlocal.map", tests, NULL, NULL);
}
