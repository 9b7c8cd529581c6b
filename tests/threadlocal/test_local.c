/* SPDX-License-Identifier: MIT */
/* Local and the backings: W1-W5, W11, W12, L1-L7 and H19 of docs/semantics-threadlocal.md. */
#include "support.h"

static nook_local *local;

static char alice[] = "alice", bob[] = "bob", carol[] = "carol";

static const nook_local_options counting = {.retain = counted_retain,
                                            .release = counted_release};

/* What the name is bound to, or what went wrong as a name. */
static const char *look(nook_local *where, const char *name)
{
    void *value = NULL;
    int rc = nook_local_get(where, name, &value);
    return rc == 0 ? value : nook_err_name(rc);
}

static size_t len_of(nook_local *where)
{
    size_t len = 1000;
    return nook_local_len(where, &len) == 0 ? len : 2000;
}

/* How many tables there are, or `otherwise` in a library that does not count. */
static long tables(long otherwise)
{
    nook_local_counts counts;
    return nook_local_count(&counts) == 0 ? counts.tables : otherwise;
}

/* --- names ---------------------------------------------------------------- */

static void W1_missing_names(void **state)
{
    void *value = &state;
    (void)state;
    assert_int_equal(nook_local_new(&local, NULL), 0);
    assert_int_equal(nook_local_get(local, "user", &value), NOOK_ENOENT);
    assert_ptr_equal(value, &state);
    assert_int_equal(nook_local_del(local, "user"), NOOK_ENOENT);
    assert_int_equal(nook_local_contains(local, "user"), 0);
    assert_int_equal(nook_local_set(local, "user", alice), 0);
    assert_int_equal(nook_local_contains(local, "user"), 1);
    assert_string_equal(look(local, "user"), "alice");
    assert_string_equal(look(local, "use"), "NOOK_ENOENT");
    assert_int_equal(nook_local_del(local, "user"), 0);
    assert_int_equal(nook_local_del(local, "user"), NOOK_ENOENT);
    assert_string_equal(look(local, "user"), "NOOK_ENOENT");
    nook_local_unref(local);
}

static void W1_names_are_copied_and_null_is_a_value(void **state)
{
    char name[] = "city";
    void *value = &state;
    (void)state;
    assert_int_equal(nook_local_new(&local, &counting), 0);
    assert_int_equal(nook_local_set(local, name, NULL), 0);
    name[0] = 'X';
    assert_int_equal(nook_local_get(local, "city", &value), 0);
    assert_null(value);
    assert_int_equal(len_of(local), 1);
    nook_local_unref(local);
}

static void W1_many_names(void **state)
{
    char name[16];
    (void)state;
    assert_int_equal(nook_local_new(&local, NULL), 0);
    for (int i = 0; i < 500; i++) {
        (void)snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(nook_local_set(local, name, &alice[i % 5]), 0);
    }
    assert_int_equal(len_of(local), 500);
    for (int i = 0; i < 500; i += 2) {
        (void)snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(nook_local_del(local, name), 0);
    }
    assert_int_equal(len_of(local), 250);
    for (int i = 0; i < 500; i++) {
        void *value = NULL;
        (void)snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(nook_local_get(local, name, &value), i % 2 ? 0 : NOOK_ENOENT);
        assert_ptr_equal(value, i % 2 ? &alice[i % 5] : NULL);
    }
    nook_local_unref(local);
}

static void wrong_arguments_are_refused(void **state)
{
    nook_local_iter iter;
    const char *name;
    void *value;
    size_t len;
    (void)state;
    assert_int_equal(nook_local_new(NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_new(&local, NULL), 0);
    assert_int_equal(nook_local_set(NULL, "a", NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_set(local, NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_get(NULL, "a", &value), NOOK_EINVAL);
    assert_int_equal(nook_local_get(local, NULL, &value), NOOK_EINVAL);
    assert_int_equal(nook_local_get(local, "a", NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_del(NULL, "a"), NOOK_EINVAL);
    assert_int_equal(nook_local_contains(local, NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_len(local, NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_len(NULL, &len), NOOK_EINVAL);
    assert_int_equal(nook_local_release(NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_foreach(local, NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_iter_open(NULL, local), NOOK_EINVAL);
    assert_int_equal(nook_local_iter_open(&iter, NULL), NOOK_EINVAL);
    assert_int_equal(nook_local_iter_next(&iter, &name, &value), NOOK_EEND);
    nook_local_iter_close(&iter);
    nook_local_iter_close(NULL);
    assert_null(nook_local_ref(NULL));
    nook_local_unref(NULL);
    nook_local_unref(local);
}

/* --- W2: threads ---------------------------------------------------------- */

struct worker {
    pthread_barrier_t *barrier;
    char *name;
    const char *before, *after;
};

static void *set_wait_read(void *arg)
{
    struct worker *worker = arg;
    worker->before = look(local, "user");
    (void)nook_local_set(local, "user", worker->name);
    pthread_barrier_wait(worker->barrier); /* everybody has set */
    worker->after = look(local, "user");
    return NULL;
}

static void W2_L1_each_thread_reads_its_own(void **state)
{
    pthread_barrier_t barrier;
    pthread_t threads[3];
    struct worker workers[3] = {{&barrier, alice, NULL, NULL},
                                {&barrier, bob, NULL, NULL},
                                {&barrier, carol, NULL, NULL}};
    (void)state;
    assert_int_equal(nook_local_new(&local, NULL), 0);
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 3), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, set_wait_read, &workers[i]), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&barrier);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(workers[i].before, "NOOK_ENOENT");
        assert_ptr_equal(workers[i].after, workers[i].name);
    }
    assert_string_equal(look(local, "user"), "NOOK_ENOENT");
    nook_local_unref(local);
}

static void *bind_value(void *arg)
{
    (void)nook_local_set(local, "user", arg);
    return NULL;
}

static void L2_values_go_with_the_thread(void **state)
{
    struct counted value = {0};
    (void)state;
    assert_int_equal(nook_local_new(&local, &counting), 0);
    in_thread(bind_value, &value);
    assert_int_equal(held(&value), 0);
    assert_int_equal(released(&value), 1);
    nook_local_unref(local);
    assert_int_equal(released(&value), 1);
}

static pthread_barrier_t meeting;

static void *bind_and_meet(void *arg)
{
    bind_value(arg);
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&meeting);
    return NULL;
}

static void L3_values_of_all_threads_go_with_the_local(void **state)
{
    pthread_t thread;
    struct counted here = {0}, there = {0};
    (void)state;
    assert_int_equal(nook_local_new(&local, &counting), 0);
    assert_int_equal(pthread_barrier_init(&meeting, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, bind_and_meet, &there), 0);
    bind_value(&here);
    pthread_barrier_wait(&meeting);
    assert_int_equal(held(&here) + held(&there), 2);
    nook_local_unref(local);
    assert_int_equal(held(&here) + held(&there), 0);
    pthread_barrier_wait(&meeting);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_barrier_destroy(&meeting);
    assert_int_equal(released(&there), 1);
}

static void L7_a_new_local_starts_empty(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(nook_local_new(&local, NULL), 0);
        assert_string_equal(look(local, "user"), "NOOK_ENOENT");
        assert_int_equal(nook_local_set(local, "user", alice), 0);
        nook_local_unref(local);
    }
}

/* --- W3, L4: iteration ---------------------------------------------------- */

static void W3_L4_iteration_gives_names_and_values_in_order(void **state)
{
    nook_local_iter iter;
    const char *name;
    void *value;
    (void)state;
    assert_int_equal(nook_local_new(&local, NULL), 0);
    assert_int_equal(nook_local_iter_open(&iter, local), 0);
    assert_int_equal(nook_local_iter_next(&iter, &name, &value), NOOK_EEND);
    nook_local_iter_close(&iter);
    assert_int_equal(nook_local_set(local, "a", alice), 0);
    assert_int_equal(nook_local_set(local, "b", bob), 0);
    assert_int_equal(nook_local_set(local, "a", carol), 0);
    assert_int_equal(nook_local_iter_open(&iter, local), 0);
    assert_int_equal(nook_local_set(local, "c", carol), 0);
    assert_int_equal(nook_local_del(local, "b"), 0);
    assert_int_equal(nook_local_iter_next(&iter, &name, &value), 0);
    assert_string_equal(name, "a");
    assert_ptr_equal(value, carol);
    assert_int_equal(nook_local_iter_next(&iter, &name, &value), 0);
    assert_string_equal(name, "b");
    assert_ptr_equal(value, bob);
    assert_int_equal(nook_local_iter_next(&iter, &name, &value), NOOK_EEND);
    assert_int_equal(nook_local_iter_next(&iter, NULL, &value), NOOK_EINVAL);
    nook_local_iter_close(&iter);
    nook_local_iter_close(&iter);
    nook_local_unref(local);
}

struct found {
    int n;
    int mine;
    int bits; /* of the values */
    int stop;
};

static int visit(uintptr_t ident, const char *name, void *value, void *arg)
{
    struct found *found = arg;
    uintptr_t me = 0;
    found->mine += nook_backing_ident(NULL, &me) == 0 && ident == me;
    found->n += strcmp(name, "user") == 0;
    found->bits |= value == alice ? 1 : value == bob ? 2 : 4;
    return found->stop;
}

static void W3_all_identities_are_visited(void **state)
{
    pthread_t thread;
    struct found found = {0}, stopped = {.stop = 7};
    (void)state;
    assert_int_equal(nook_local_new(&local, NULL), 0);
    assert_int_equal(pthread_barrier_init(&meeting, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, bind_and_meet, bob), 0);
    bind_value(alice);
    pthread_barrier_wait(&meeting);
    int rc = nook_local_foreach(local, visit, &found);
    int stop = nook_local_foreach(local, visit, &stopped);
    pthread_barrier_wait(&meeting);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_barrier_destroy(&meeting);
    assert_int_equal(rc, 0);
    assert_int_equal(stop, 7);
    assert_int_equal(found.n, 2);
    assert_int_equal(found.mine, 1);
    assert_int_equal(found.bits, 3);
    assert_int_equal(stopped.n, 1);
    nook_local_unref(local);
}

static void W3_visiting_needs_a_backing_that_can(void **state)
{
    struct found found = {0};
    nook_local_options options = {.backing = &flow_backing};
    (void)state;
    assert_int_equal(nook_local_new(&local, &options), 0);
    assert_int_equal(nook_local_foreach(local, visit, &found), NOOK_ENOTSUP);
    nook_local_unref(local);
}

static int stop_changing;

/* Changes its own names as fast as it can, until main has seen enough. */
static void *keep_changing(void *arg)
{
    struct counted values[2] = {{0, 0}, {0, 0}};
    int *wrong = arg;
    pthread_barrier_wait(&meeting);
    for (int i = 0; !__atomic_load_n(&stop_changing, __ATOMIC_RELAXED); i++) {
        (void)nook_local_set(local, "user", &values[i & 1]);
        (void)nook_local_set(local, "other", &values[i & 1]);
        if (i % 3 == 0)
            (void)nook_local_del(local, "user");
        if (i % 7 == 0)
            (void)nook_local_release(local);
    }
    (void)nook_local_release(local);
    pthread_barrier_wait(&meeting); /* nobody visits any more: all is let go */
    *wrong = held(&values[0]) + held(&values[1]);
    return NULL;
}

static int look_at_held(uintptr_t ident, const char *name, void *value, void *arg)
{
    (void)ident;
    (void)name;
    *(int *)arg += held(value) < 1;
    return 0;
}

static void visit_while_others_change(const nook_backing *backing)
{
    enum { WORKERS = 3 };
    pthread_t threads[WORKERS];
    int wrong[WORKERS], unheld = 0;
    nook_local_options options = counting;
    options.backing = backing;
    assert_int_equal(nook_local_new(&local, &options), 0);
    __atomic_store_n(&stop_changing, 0, __ATOMIC_RELAXED);
    assert_int_equal(pthread_barrier_init(&meeting, NULL, WORKERS + 1), 0);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_changing, &wrong[i]), 0);
    pthread_barrier_wait(&meeting);
    for (int i = 0; i < 300; i++)
        assert_int_equal(nook_local_foreach(local, look_at_held, &unheld), 0);
    __atomic_store_n(&stop_changing, 1, __ATOMIC_RELAXED);
    pthread_barrier_wait(&meeting);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&meeting);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(wrong[i], 0);
    assert_int_equal(unheld, 0);
    nook_local_unref(local);
}

static uintptr_t ident_by_thread(void *user)
{
    (void)user;
    return (uintptr_t)pthread_self();
}

static void W3_visited_while_the_owners_change(void **state)
{
    nook_backing *keyed;
    (void)state;
    visit_while_others_change(NULL);
    assert_int_equal(nook_backing_keyed_new(&keyed, ident_by_thread, NULL), 0);
    visit_while_others_change(keyed);
    nook_backing_keyed_free(keyed);
}

/* --- W5, W12 -------------------------------------------------------------- */

static void W5_release_local_unbinds_everything(void **state)
{
    struct counted a = {0}, b = {0};
    (void)state;
    assert_int_equal(nook_local_new(&local, &counting), 0);
    assert_int_equal(nook_local_release(local), 0);
    assert_int_equal(nook_local_set(local, "a", &a), 0);
    assert_int_equal(nook_local_set(local, "b", &b), 0);
    assert_int_equal(tables(1), 1);
    assert_int_equal(nook_local_release(local), 0);
    assert_string_equal(look(local, "a"), "NOOK_ENOENT");
    assert_int_equal(len_of(local), 0);
    assert_int_equal(held(&a) + held(&b), 0);
    assert_int_equal(tables(0), 0); /* nothing is left behind */
    nook_local_unref(local);
}

static void *only_release(void *arg)
{
    *(int *)arg = nook_local_release(local);
    return NULL;
}

static void W5_release_local_is_for_the_caller_alone(void **state)
{
    int rc = -1;
    (void)state;
    assert_int_equal(nook_local_new(&local, NULL), 0);
    assert_int_equal(nook_local_set(local, "user", alice), 0);
    in_thread(only_release, &rc);
    assert_int_equal(rc, 0);
    assert_string_equal(look(local, "user"), "alice");
    nook_local_unref(local);
}

static void W12_locals_do_not_see_each_other(void **state)
{
    nook_local *other;
    (void)state;
    assert_int_equal(nook_local_new(&local, NULL), 0);
    assert_int_equal(nook_local_new(&other, NULL), 0);
    assert_int_equal(nook_local_set(local, "user", alice), 0);
    assert_string_equal(look(other, "user"), "NOOK_ENOENT");
    assert_int_equal(nook_local_set(other, "user", bob), 0);
    assert_string_equal(look(local, "user"), "alice");
    nook_local_unref(other);
    assert_string_equal(look(local, "user"), "alice");
    nook_local_unref(local);
}

/* --- L5, L6: initialisers ------------------------------------------------- */

struct maker {
    int runs;
    int fail;
    int names_inside;
};

static int make_names(nook_local *self, void *arg, void *user)
{
    struct maker *maker = user;
    __atomic_add_fetch(&maker->runs, 1, __ATOMIC_RELAXED);
    (void)nook_local_set(self, "user", arg);
    maker->names_inside = (int)len_of(self);
    return maker->fail;
}

static void *look_once(void *arg)
{
    *(const char **)arg = look(local, "user");
    return NULL;
}

static void L5_initialiser_runs_once_an_identity(void **state)
{
    struct maker maker = {0};
    const char *there = NULL;
    nook_local_options options = {.init = make_names, .arg = alice, .user = &maker};
    (void)state;
    assert_int_equal(nook_local_new(&local, &options), 0);
    assert_int_equal(maker.runs, 0);
    assert_int_equal(nook_local_contains(local, "other"), 0);
    assert_string_equal(look(local, "user"), "alice");
    assert_int_equal(maker.runs, 1);
    assert_int_equal(maker.names_inside, 1);
    in_thread(look_once, &there);
    assert_string_equal(there, "alice");
    assert_int_equal(maker.runs, 2);
    assert_int_equal(nook_local_del(local, "user"), 0);
    assert_string_equal(look(local, "user"), "NOOK_ENOENT");
    assert_int_equal(maker.runs, 2);
    assert_int_equal(nook_local_release(local), 0);
    assert_int_equal(nook_local_release(local), 0);
    assert_int_equal(maker.runs, 2);
    assert_string_equal(look(local, "user"), "alice");
    assert_int_equal(maker.runs, 3);
    nook_local_unref(local);
}

static void L5_failed_initialiser_leaves_nothing_and_is_tried_again(void **state)
{
    struct maker maker = {.fail = NOOK_EAGAIN};
    struct counted value = {0};
    nook_local_options options = counting;
    void *found;
    size_t len;
    options.init = make_names;
    options.arg = &value;
    options.user = &maker;
    (void)state;
    assert_int_equal(nook_local_new(&local, &options), 0);
    assert_int_equal(nook_local_get(local, "user", &found), NOOK_EAGAIN);
    assert_int_equal(nook_local_set(local, "other", &value), NOOK_EAGAIN);
    assert_int_equal(nook_local_contains(local, "user"), NOOK_EAGAIN);
    assert_int_equal(nook_local_len(local, &len), NOOK_EAGAIN);
    assert_int_equal(maker.runs, 4);
    assert_int_equal(held(&value), 0);
    maker.fail = 0;
    assert_int_equal(nook_local_get(local, "user", &found), 0);
    assert_ptr_equal(found, &value);
    nook_local_unref(local);
    assert_int_equal(held(&value), 0);
}

static void L6_argument_without_an_initialiser(void **state)
{
    nook_local_options options = {.arg = state};
    assert_int_equal(nook_local_new(&local, &options), NOOK_EINVAL);
}

/* --- H19: value operations ------------------------------------------------ */

static void H19_values_are_retained_once_and_released_once(void **state)
{
    struct counted a = {0}, b = {0};
    (void)state;
    assert_int_equal(nook_local_new(&local, &counting), 0);
    assert_int_equal(nook_local_set(local, "x", &a), 0);
    assert_int_equal(nook_local_set(local, "x", &a), 0);
    assert_int_equal(nook_local_set(local, "y", &a), 0);
    assert_int_equal(held(&a), 2);
    assert_int_equal(nook_local_set(local, "x", &b), 0);
    assert_int_equal(held(&a), 1);
    assert_int_equal(nook_local_del(local, "y"), 0);
    assert_int_equal(held(&a), 0);
    assert_int_equal(held(&b), 1);
    nook_local_unref(nook_local_ref(local));
    assert_int_equal(held(&b), 1);
    nook_local_unref(local);
    assert_int_equal(held(&b), 0);
}

static void H19_release_alone_is_a_destructor(void **state)
{
    struct counted a = {0}, b = {0};
    nook_local_options options = {.release = counted_release};
    (void)state;
    assert_int_equal(nook_local_new(&local, &options), 0);
    assert_int_equal(nook_local_set(local, "x", &a), 0);
    assert_int_equal(nook_local_set(local, "x", &a), 0);
    assert_int_equal(released(&a), 0);
    assert_int_equal(nook_local_set(local, "x", &b), 0);
    assert_int_equal(released(&a), 1);
    nook_local_unref(local);
    assert_int_equal(released(&b), 1);
}

static int reentered;

/* Uses the Local whose value goes. */
static void release_reentering(void *value, void *user)
{
    void *found;
    (void)user;
    reentered += nook_local_get(local, "x", &found) == 0 && found != value;
    reentered += nook_local_set(local, "last words", NULL) == 0;
    ((struct counted *)value)->released++;
}

static void H19_release_may_use_the_local(void **state)
{
    struct counted a = {0}, b = {0};
    nook_local_options options = {.release = release_reentering};
    (void)state;
    reentered = 0;
    assert_int_equal(nook_local_new(&local, &options), 0);
    assert_int_equal(nook_local_set(local, "x", &a), 0);
    assert_int_equal(nook_local_set(local, "x", &b), 0);
    assert_int_equal(reentered, 2);
    assert_int_equal(nook_local_del(local, "x"), 0);
    assert_int_equal(reentered, 3);
    assert_int_equal(nook_local_set(local, "x", &a), 0);
    assert_int_equal(nook_local_release(local), 0);
    assert_int_equal(reentered, 4);
    assert_int_equal(nook_local_contains(local, "last words"), 1);
    assert_int_equal(a.released, 2);
    nook_local_unref(local);
}

static void *bind_reentering(void *arg)
{
    (void)nook_local_set(local, "x", arg);
    return NULL;
}

static void L11_a_value_released_at_thread_exit_binds_again(void **state)
{
    struct counted a = {0};
    nook_local_options options = {.release = release_reentering};
    (void)state;
    reentered = 0;
    assert_int_equal(nook_local_new(&local, &options), 0);
    in_thread(bind_reentering, &a);
    assert_int_equal(a.released, 1);
    assert_int_equal(reentered, 1);
    nook_local_unref(local);
}

/* --- H19, W11: keyed identities ------------------------------------------- */

static void W11_H19_identity_is_what_the_function_says(void **state)
{
    nook_backing *keyed;
    uintptr_t ident = 0;
    nook_local_options options = {0};
    (void)state;
    assert_int_equal(nook_backing_keyed_new(&keyed, ident_by_hand, NULL), 0);
    options.backing = keyed;
    assert_int_equal(nook_local_new(&local, &options), 0);
    assert_int_equal(nook_local_set(local, "user", alice), 0);
    ident_now = 2;
    assert_int_equal(nook_backing_ident(keyed, &ident), 0);
    assert_int_equal(ident, 2);
    assert_string_equal(look(local, "user"), "NOOK_ENOENT"); /* nothing is inherited */
    assert_int_equal(nook_local_set(local, "user", bob), 0);
    assert_int_equal(nook_backing_keyed_len(keyed), 2);
    ident_now = 1;
    assert_string_equal(look(local, "user"), "alice");
    assert_int_equal(nook_local_release(local), 0);
    assert_int_equal(nook_backing_keyed_len(keyed), 1);
    ident_now = 2;
    assert_string_equal(look(local, "user"), "bob");
    nook_local_unref(local);
    nook_backing_keyed_free(keyed);
}

static void W11_idents_of_the_backings(void **state)
{
    uintptr_t ident = 0;
    (void)state;
    assert_int_equal(nook_backing_ident(NULL, &ident), 0);
    assert_int_equal(ident, (uintptr_t)pthread_self());
    assert_int_equal(nook_backing_ident(nook_backing_thread(), NULL), NOOK_EINVAL);
    assert_int_equal(nook_backing_ident(&flow_backing, &ident), NOOK_ENOTSUP);
    assert_int_equal(nook_backing_forget(nook_backing_thread(), 1), NOOK_EINVAL);
    assert_int_equal(nook_backing_forget(NULL, 1), NOOK_EINVAL);
    assert_int_equal(nook_backing_keyed_len(nook_backing_thread()), 0);
    assert_int_equal(nook_backing_keyed_new(NULL, ident_by_hand, NULL), NOOK_EINVAL);
    nook_backing_keyed_free(NULL);
}

static void H19_forget_releases_what_an_identity_left(void **state)
{
    enum { IDENTS = 1000 };
    static struct counted values[IDENTS];
    nook_backing *keyed;
    nook_local *other;
    nook_local_options options = counting;
    (void)state;
    assert_int_equal(nook_backing_keyed_new(&keyed, ident_by_hand, NULL), 0);
    options.backing = keyed;
    assert_int_equal(nook_local_new(&local, &options), 0);
    assert_int_equal(nook_local_new(&other, &options), 0);
    for (ident_now = 0; ident_now < IDENTS; ident_now++) {
        values[ident_now] = (struct counted){0, 0};
        assert_int_equal(nook_local_set(local, "user", &values[ident_now]), 0);
        assert_int_equal(nook_local_set(other, "user", &values[ident_now]), 0);
    }
    assert_int_equal(nook_backing_keyed_len(keyed), 2 * IDENTS);
    for (uintptr_t i = 0; i < IDENTS; i += 2)
        assert_int_equal(nook_backing_forget(keyed, i), 0);
    assert_int_equal(nook_backing_forget(keyed, 0), 0);
    assert_int_equal(nook_backing_keyed_len(keyed), IDENTS);
    for (ident_now = 0; ident_now < IDENTS; ident_now++) {
        assert_int_equal(held(&values[ident_now]), ident_now % 2 ? 2 : 0);
        assert_int_equal(nook_local_contains(local, "user"), ident_now % 2 ? 1 : 0);
    }
    nook_local_unref(local);
    nook_local_unref(other);
    for (uintptr_t i = 0; i < IDENTS; i++)
        assert_int_equal(released(&values[i]), 2);
    nook_backing_keyed_free(keyed);
}

/* Binds itself again, as often as it has lives. */
static void release_rising(void *value, void *user)
{
    struct counted *counted = value;
    (void)user;
    counted->released++;
    if (counted->held-- > 0)
        (void)nook_local_set(local, "user", value);
}

static void H19_forget_goes_on_while_releases_bind(void **state)
{
    struct counted twice = {.held = 2}, endless = {.held = 1000};
    nook_backing *keyed;
    nook_local_options options = {.release = release_rising};
    (void)state;
    assert_int_equal(nook_backing_keyed_new(&keyed, ident_by_hand, NULL), 0);
    options.backing = keyed;
    assert_int_equal(nook_local_new(&local, &options), 0);
    assert_int_equal(nook_local_set(local, "user", &twice), 0);
    assert_int_equal(nook_backing_forget(keyed, 1), 0);
    assert_int_equal(twice.released, 3);
    assert_int_equal(nook_backing_keyed_len(keyed), 0);
    assert_int_equal(nook_local_set(local, "user", &endless), 0);
    assert_int_equal(nook_backing_forget(keyed, 1), NOOK_EBUSY);
    endless.held = 0;
    assert_int_equal(nook_backing_forget(keyed, 1), 0);
    assert_int_equal(nook_backing_keyed_len(keyed), 0);
    nook_local_unref(local);
    nook_backing_keyed_free(keyed);
}

static int visit_keyed(uintptr_t ident, const char *name, void *value, void *arg)
{
    int *seen = arg;
    (void)name;
    seen[ident] += value == alice;
    return 0;
}

static void W3_H19_keyed_identities_are_visited(void **state)
{
    nook_backing *keyed;
    nook_local_options options = {0};
    int seen[50] = {0};
    (void)state;
    assert_int_equal(nook_backing_keyed_new(&keyed, ident_by_hand, NULL), 0);
    options.backing = keyed;
    assert_int_equal(nook_local_new(&local, &options), 0);
    for (ident_now = 0; ident_now < 50; ident_now++)
        assert_int_equal(nook_local_set(local, "user", alice), 0);
    assert_int_equal(nook_local_foreach(local, visit_keyed, seen), 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(seen[i], 1);
    nook_local_unref(local);
    nook_backing_keyed_free(keyed);
}

static nook_backing *shared_keyed;

/* Many identities, one after the other, on each of several threads. */
static __thread uintptr_t my_ident;

static uintptr_t ident_of_mine(void *user)
{
    (void)user;
    return my_ident;
}

struct lives {
    uintptr_t first_ident;
    int errors;
};

static void *live_and_be_forgotten(void *arg)
{
    struct lives *lives = arg;
    struct counted values[64];
    memset(values, 0, sizeof values);
    for (int i = 0; i < 64; i++) {
        void *found = NULL;
        my_ident = lives->first_ident + (uintptr_t)i;
        int rc = nook_local_set(local, "user", &values[i]);
        rc |= nook_local_get(local, "user", &found);
        if (i > 0)
            rc |= nook_backing_forget(shared_keyed, my_ident - 1);
        lives->errors += rc != 0 || found != &values[i];
    }
    lives->errors += nook_backing_forget(shared_keyed, my_ident) != 0;
    for (int i = 0; i < 64; i++)
        lives->errors += held(&values[i]) != 0;
    return NULL;
}

static void H19_identities_come_and_go_in_many_threads(void **state)
{
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    struct lives lives[THREADS];
    nook_local_options options = counting;
    (void)state;
    assert_int_equal(nook_backing_keyed_new(&shared_keyed, ident_of_mine, NULL), 0);
    options.backing = shared_keyed;
    assert_int_equal(nook_local_new(&local, &options), 0);
    for (int i = 0; i < THREADS; i++) {
        lives[i] = (struct lives){(uintptr_t)i * 1000, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, live_and_be_forgotten, &lives[i]),
                         0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(lives[i].errors, 0);
    assert_int_equal(nook_backing_keyed_len(shared_keyed), 0);
    nook_local_unref(local);
    nook_backing_keyed_free(shared_keyed);
}

/* What a backing promises to whoever keeps something in its cells. */
static void count_hold(void *stored)
{
    counted_retain(stored, NULL);
}

static void count_drop(void *stored)
{
    counted_release(stored, NULL);
}

static int visit_stored(uintptr_t ident, void *stored, void *arg)
{
    (void)ident;
    *(int *)arg += held(stored) > 0;
    return 0;
}

static void keeps_its_contract(const nook_backing *backing)
{
    static const nook_cell_ops ops = {count_hold, count_drop};
    struct counted a = {.held = 1}, b = {.held = 2}; /* what the test hands over */
    void *cell = NULL, *stored = &a;
    int visited = 0;
    assert_int_equal(backing->ops->open(&cell, &ops, backing->user), 0);
    assert_int_equal(backing->ops->load(cell, &stored, backing->user), 0);
    assert_null(stored);
    assert_int_equal(backing->ops->store(cell, NULL, backing->user), 0);
    assert_int_equal(backing->ops->store(cell, &a, backing->user), 0);
    assert_int_equal(backing->ops->load(cell, &stored, backing->user), 0);
    assert_ptr_equal(stored, &a);
    assert_int_equal(backing->ops->store(cell, &b, backing->user), 0);
    assert_int_equal(held(&a), 0);
    assert_int_equal(backing->ops->store(cell, &b, backing->user), 0); /* the second hold */
    assert_int_equal(held(&b), 1);
    if (backing->ops->foreach != NULL) {
        assert_int_equal(backing->ops->foreach(cell, visit_stored, &visited, backing->user), 0);
        assert_int_equal(visited, 1);
    }
    assert_int_equal(held(&b), 1);
    counted_retain(&a, NULL);
    assert_int_equal(backing->ops->store(cell, &a, backing->user), 0);
    assert_int_equal(backing->ops->store(cell, NULL, backing->user), 0);
    assert_int_equal(held(&a) + held(&b), 0);
    counted_retain(&a, NULL);
    assert_int_equal(backing->ops->store(cell, &a, backing->user), 0);
    backing->ops->close(cell, backing->user);
    assert_int_equal(held(&a), 0);
}

static void H19_backings_keep_their_contract(void **state)
{
    nook_backing *keyed;
    (void)state;
    keeps_its_contract(nook_backing_thread());
    keeps_its_contract(&flow_backing);
    assert_int_equal(nook_backing_keyed_new(&keyed, ident_by_hand, NULL), 0);
    keeps_its_contract(keyed);
    nook_backing_keyed_free(keyed);
}

/* --- W2, W5 with inheritance ---------------------------------------------- */

static void H19_inherited_names_diverge(void **state)
{
    struct counted a = {0}, b = {0};
    nook_local_options options = counting;
    void *found;
    options.backing = &flow_backing;
    (void)state;
    assert_int_equal(nook_local_new(&local, &options), 0);
    assert_int_equal(nook_local_set(local, "user", &a), 0);
    flow_fork(1);
    flow_now = 1;
    assert_int_equal(nook_local_get(local, "user", &found), 0);
    assert_ptr_equal(found, &a);
    assert_int_equal(nook_local_set(local, "user", &b), 0);
    assert_int_equal(nook_local_set(local, "child", &b), 0);
    flow_now = 0;
    assert_int_equal(nook_local_get(local, "user", &found), 0);
    assert_ptr_equal(found, &a);
    assert_int_equal(nook_local_contains(local, "child"), 0);
    assert_int_equal(nook_local_del(local, "user"), 0);
    assert_int_equal(held(&a), 0);
    flow_now = 1;
    assert_int_equal(len_of(local), 2);
    assert_int_equal(held(&b), 2);
    nook_local_unref(local);
    assert_int_equal(held(&b), 0);
}

static void W5_release_in_a_child_leaves_the_parents_names(void **state)
{
    struct counted a = {0};
    nook_local_options options = {.backing = &flow_backing, .release = counted_release};
    (void)state;
    assert_int_equal(nook_local_new(&local, &options), 0);
    assert_int_equal(nook_local_set(local, "user", &a), 0);
    flow_fork(1);
    flow_now = 1;
    assert_int_equal(nook_local_set(local, "user", &a), 0); /* already: it stays one hold */
    assert_int_equal(nook_local_set(local, "more", NULL), 0);
    assert_int_equal(nook_local_release(local), 0);
    assert_int_equal(len_of(local), 0);
    assert_int_equal(flow_residue(1), 0);
    assert_int_equal(released(&a), 0);
    flow_now = 0;
    assert_int_equal(nook_local_contains(local, "user"), 1);
    nook_local_unref(local);
    assert_int_equal(released(&a), 1);
}

static void H19_a_store_that_fails_changes_nothing(void **state)
{
    struct counted a = {0}, b = {0};
    nook_local_options options = {.backing = &flow_backing, .release = counted_release};
    (void)state;
    assert_int_equal(nook_local_new(&local, &options), 0);
    flow_fails = 1;
    assert_int_equal(nook_local_set(local, "user", &a), NOOK_EAGAIN);
    assert_int_equal(nook_local_set(local, "user", &a), 0);
    flow_fails = 1;
    assert_int_equal(nook_local_set(local, "user", &b), NOOK_EAGAIN);
    flow_fails = 1;
    assert_int_equal(nook_local_del(local, "user"), NOOK_EAGAIN);
    flow_fails = 1;
    assert_int_equal(nook_local_release(local), NOOK_EAGAIN);
    assert_int_equal(len_of(local), 1);
    assert_int_equal(released(&a) + released(&b), 0);
    nook_local_unref(local);
    assert_int_equal(released(&a), 1);
    assert_int_equal(released(&b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        local_test(W1_missing_names),
        local_test(W1_names_are_copied_and_null_is_a_value),
        local_test(W1_many_names),
        local_test(wrong_arguments_are_refused),
        local_test(W2_L1_each_thread_reads_its_own),
        local_test(L2_values_go_with_the_thread),
        local_test(L3_values_of_all_threads_go_with_the_local),
        local_test(L7_a_new_local_starts_empty),
        local_test(W3_L4_iteration_gives_names_and_values_in_order),
        local_test(W3_all_identities_are_visited),
        local_test(W3_visiting_needs_a_backing_that_can),
        local_test(W3_visited_while_the_owners_change),
        local_test(W5_release_local_unbinds_everything),
        local_test(W5_release_local_is_for_the_caller_alone),
        local_test(W12_locals_do_not_see_each_other),
        local_test(L5_initialiser_runs_once_an_identity),
        local_test(L5_failed_initialiser_leaves_nothing_and_is_tried_again),
        local_test(L6_argument_without_an_initialiser),
        local_test(H19_values_are_retained_once_and_released_once),
        local_test(H19_release_alone_is_a_destructor),
        local_test(H19_release_may_use_the_local),
        local_test(L11_a_value_released_at_thread_exit_binds_again),
        local_test(W11_H19_identity_is_what_the_function_says),
        local_test(W11_idents_of_the_backings),
        local_test(H19_forget_releases_what_an_identity_left),
        local_test(H19_forget_goes_on_while_releases_bind),
        local_test(W3_H19_keyed_identities_are_visited),
        local_test(H19_identities_come_and_go_in_many_threads),
        local_test(H19_backings_keep_their_contract),
        local_test(H19_inherited_names_diverge),
        local_test(W5_release_in_a_child_leaves_the_parents_names),
        local_test(H19_a_store_that_fails_changes_nothing),
    };
    return cmocka_run_group_tests_name("Local", tests, NULL, NULL);
}
