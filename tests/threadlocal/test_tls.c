/* SPDX-License-Identifier: MIT */
/* Keys: L1-L12 and H18 of docs/semantics-threadlocal.md. */
#include "support.h"

static nook_tls_key key;

static void count_up(void *value, void *user)
{
    (void)user;
    __atomic_add_fetch((int *)value, 1, __ATOMIC_RELAXED);
}

static const nook_tls_options counting = {.destructor = count_up};

static int number(const int *n)
{
    return __atomic_load_n(n, __ATOMIC_RELAXED);
}

/* --- one thread ----------------------------------------------------------- */

static void a_value_is_got_replaced_and_unset(void **state)
{
    int a = 0, b = 0;
    void *value = &state;
    (void)state;
    assert_int_equal(nook_tls_new(&key, &counting), 0);
    assert_int_equal(nook_tls_get(key, &value), NOOK_EUNSET);
    assert_ptr_equal(value, &state);
    assert_int_equal(nook_tls_unset(key), NOOK_EUNSET);
    assert_int_equal(nook_tls_set(key, &a), 0);
    assert_int_equal(nook_tls_set(key, &a), 0);
    assert_int_equal(a, 0);
    assert_int_equal(nook_tls_set(key, &b), 0);
    assert_int_equal(a, 1);
    assert_int_equal(nook_tls_get(key, &value), 0);
    assert_ptr_equal(value, &b);
    assert_int_equal(nook_tls_unset(key), 0);
    assert_int_equal(b, 1);
    assert_int_equal(nook_tls_get(key, &value), NOOK_EUNSET);
    assert_int_equal(nook_tls_delete(key), 0);
    assert_int_equal(a + b, 2);
}

static void null_is_a_value_and_is_not_destroyed(void **state)
{
    void *value = &state;
    (void)state;
    assert_int_equal(nook_tls_new(&key, &counting), 0); /* its destructor would crash */
    assert_int_equal(nook_tls_set(key, NULL), 0);
    assert_int_equal(nook_tls_get(key, &value), 0);
    assert_null(value);
    assert_int_equal(nook_tls_delete(key), 0);
}

static void what_is_no_key_is_refused(void **state)
{
    nook_tls_key none = {0, 0}, far = {4000000, 1};
    void *value;
    (void)state;
    assert_int_equal(nook_tls_new(NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_tls_new(&key, NULL), 0);
    assert_int_equal(nook_tls_get(key, NULL), NOOK_EINVAL);
    assert_int_equal(nook_tls_foreach(key, NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_tls_delete(key), 0);
    nook_tls_key bad[] = {none, far, key};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(nook_tls_get(bad[i], &value), NOOK_EINVAL);
        assert_int_equal(nook_tls_set(bad[i], NULL), NOOK_EINVAL);
        assert_int_equal(nook_tls_unset(bad[i]), NOOK_EINVAL);
        assert_int_equal(nook_tls_delete(bad[i]), NOOK_EINVAL);
    }
}

static void detach_destroys_and_the_thread_goes_on(void **state)
{
    int a = 0, b = 0;
    void *value;
    (void)state;
    assert_int_equal(nook_tls_new(&key, &counting), 0);
    assert_int_equal(nook_tls_set(key, &a), 0);
    nook_tls_detach();
    assert_int_equal(a, 1);
    assert_int_equal(nook_tls_get(key, &value), NOOK_EUNSET);
    assert_int_equal(nook_tls_set(key, &b), 0);
    nook_tls_detach();
    nook_tls_detach();
    assert_int_equal(b, 1);
    assert_int_equal(nook_tls_delete(key), 0);
}

static void H18_more_than_1024_keys(void **state)
{
    enum { KEYS = 5000 };
    static nook_tls_key many[KEYS];
    static int values[KEYS];
    void *value;
    (void)state;
    for (int i = 0; i < KEYS; i++) {
        values[i] = 0;
        assert_int_equal(nook_tls_new(&many[i], &counting), 0);
        assert_int_equal(nook_tls_set(many[i], &values[i]), 0);
    }
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(nook_tls_get(many[i], &value), 0);
        assert_ptr_equal(value, &values[i]);
    }
    for (int i = 0; i < KEYS; i += 2)
        assert_int_equal(nook_tls_delete(many[i]), 0);
    nook_tls_detach();
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(values[i], 1);
    for (int i = 1; i < KEYS; i += 2)
        assert_int_equal(nook_tls_delete(many[i]), 0);
}

/* --- L1, L2, L12: threads ------------------------------------------------- */

struct seen {
    int before, after;
    void *value;
    int mine;
};

static void *look_then_set(void *arg)
{
    struct seen *seen = arg;
    seen->before = nook_tls_get(key, &seen->value);
    seen->after = nook_tls_set(key, &seen->mine);
    return NULL;
}

static void L1_value_of_another_thread_is_unset(void **state)
{
    struct seen seen = {0};
    int mine = 0;
    void *value;
    (void)state;
    assert_int_equal(nook_tls_new(&key, NULL), 0);
    assert_int_equal(nook_tls_set(key, &mine), 0);
    in_thread(look_then_set, &seen);
    assert_int_equal(seen.before, NOOK_EUNSET);
    assert_int_equal(seen.after, 0);
    assert_int_equal(nook_tls_get(key, &value), 0);
    assert_ptr_equal(value, &mine);
    assert_int_equal(nook_tls_delete(key), 0);
}

static void L2_value_goes_when_the_thread_ends(void **state)
{
    struct seen seen = {0};
    (void)state;
    assert_int_equal(nook_tls_new(&key, &counting), 0);
    in_thread(look_then_set, &seen);
    assert_int_equal(seen.mine, 1);
    assert_int_equal(nook_tls_delete(key), 0);
    assert_int_equal(seen.mine, 1);
}

static void *two_jobs(void *arg)
{
    struct seen *jobs = arg;
    look_then_set(&jobs[0]);
    look_then_set(&jobs[1]);
    return NULL;
}

static void L12_a_job_finds_what_the_last_job_on_its_thread_left(void **state)
{
    struct seen jobs[2] = {{0}, {0}};
    (void)state;
    assert_int_equal(nook_tls_new(&key, NULL), 0);
    in_thread(two_jobs, jobs);
    assert_int_equal(jobs[0].before, NOOK_EUNSET);
    assert_int_equal(jobs[1].before, 0);
    assert_ptr_equal(jobs[1].value, &jobs[0].mine);
    assert_int_equal(nook_tls_delete(key), 0);
}

/* --- L3, H18: delete ------------------------------------------------------ */

enum { THREADS = 8 };

static pthread_barrier_t barrier;

static void *set_and_wait(void *arg)
{
    (void)nook_tls_set(key, arg);
    pthread_barrier_wait(&barrier); /* all have set */
    pthread_barrier_wait(&barrier); /* main has looked */
    return NULL;
}

static void start(pthread_t *threads, void *(*fn)(void *), int *values)
{
    assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS + 1), 0);
    for (int i = 0; i < THREADS; i++) {
        values[i] = 0;
        assert_int_equal(pthread_create(&threads[i], NULL, fn, &values[i]), 0);
    }
    pthread_barrier_wait(&barrier);
}

static void stop(pthread_t *threads)
{
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&barrier);
}

static void L3_H18_delete_destroys_every_threads_value(void **state)
{
    pthread_t threads[THREADS];
    int values[THREADS];
    int destroyed = 0;
    (void)state;
    assert_int_equal(nook_tls_new(&key, &counting), 0);
    start(threads, set_and_wait, values);
    assert_int_equal(nook_tls_delete(key), 0);
    for (int i = 0; i < THREADS; i++)
        destroyed += number(&values[i]);
    stop(threads);
    assert_int_equal(destroyed, THREADS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(values[i], 1);
}

static void L7_recycled_slot_starts_empty(void **state)
{
    pthread_t threads[THREADS];
    int values[THREADS];
    nook_tls_key again;
    struct seen seen = {0};
    void *value;
    (void)state;
    assert_int_equal(nook_tls_new(&key, NULL), 0);
    assert_int_equal(nook_tls_set(key, &seen), 0);
    start(threads, set_and_wait, values);
    assert_int_equal(nook_tls_delete(key), 0);
    assert_int_equal(nook_tls_new(&again, NULL), 0);
    assert_int_equal(again.nook__slot, key.nook__slot); /* or this test shows nothing */
    assert_int_equal(nook_tls_get(again, &value), NOOK_EUNSET);
    assert_int_equal(nook_tls_get(key, &value), NOOK_EINVAL);
    assert_int_equal(nook_tls_set(key, &seen), NOOK_EINVAL);
    assert_int_equal(nook_tls_delete(key), NOOK_EINVAL);
    stop(threads);
    assert_int_equal(nook_tls_delete(again), 0);
}

/* --- L5, L6: initialisers ------------------------------------------------- */

struct maker {
    int made;
    int fail;
    int inside;
    int destroyed;
    int bind_inside;
    int values[4];
};

static int make_value(void **value, void *arg, void *user)
{
    struct maker *maker = user;
    void *unused;
    maker->inside = nook_tls_get(key, &unused);
    if (maker->bind_inside)
        (void)nook_tls_set(key, &maker->values[3]);
    if (maker->fail != 0)
        return maker->fail;
    maker->values[maker->made] = (int)(intptr_t)arg;
    *value = &maker->values[maker->made++];
    return 0;
}

static void unmake_value(void *value, void *user)
{
    (void)value;
    ((struct maker *)user)->destroyed++;
}

static void *get_twice(void *arg)
{
    struct seen *seen = arg;
    seen->before = nook_tls_get(key, &seen->value);
    seen->after = nook_tls_get(key, &seen->value);
    return NULL;
}

static void L5_initialiser_runs_once_a_thread_with_its_argument(void **state)
{
    struct maker maker = {0};
    struct seen here = {0}, there = {0};
    nook_tls_options options = {unmake_value, make_value, (void *)7, &maker};
    (void)state;
    assert_int_equal(nook_tls_new(&key, &options), 0);
    get_twice(&here);
    in_thread(get_twice, &there);
    assert_int_equal(here.before | here.after | there.before | there.after, 0);
    assert_int_equal(maker.made, 2);
    assert_ptr_equal(here.value, &maker.values[0]);
    assert_ptr_equal(there.value, &maker.values[1]);
    assert_int_equal(maker.values[0], 7);
    assert_int_equal(maker.inside, NOOK_EUNSET);
    assert_int_equal(maker.destroyed, 1);
    assert_int_equal(nook_tls_delete(key), 0);
    assert_int_equal(maker.destroyed, 2);
}

static void L5_failed_initialiser_is_tried_again(void **state)
{
    struct maker maker = {.fail = NOOK_EAGAIN, .bind_inside = 1};
    nook_tls_options options = {unmake_value, make_value, NULL, &maker};
    void *value = NULL;
    (void)state;
    assert_int_equal(nook_tls_new(&key, &options), 0);
    assert_int_equal(nook_tls_get(key, &value), NOOK_EAGAIN);
    assert_null(value);
    assert_int_equal(maker.destroyed, 1); /* what it bound before it failed */
    maker.fail = 0;
    assert_int_equal(nook_tls_get(key, &value), 0);
    assert_ptr_equal(value, &maker.values[0]);
    assert_int_equal(maker.destroyed, 2);
    assert_int_equal(nook_tls_unset(key), 0);
    assert_int_equal(nook_tls_get(key, &value), 0);
    assert_int_equal(maker.made, 2);
    assert_int_equal(nook_tls_delete(key), 0);
    assert_int_equal(maker.destroyed, 5);
}

static int delete_the_key(void **value, void *arg, void *user)
{
    (void)arg;
    *value = user;
    return nook_tls_delete(key);
}

static void L5_key_deleted_inside_its_initialiser(void **state)
{
    struct maker maker = {0};
    nook_tls_options options = {unmake_value, delete_the_key, NULL, &maker};
    void *value = NULL;
    (void)state;
    assert_int_equal(nook_tls_new(&key, &options), 0);
    assert_int_equal(nook_tls_get(key, &value), NOOK_EINVAL);
    assert_null(value);
    assert_int_equal(maker.destroyed, 1);
}

static void L6_argument_without_an_initialiser(void **state)
{
    nook_tls_options options = {.arg = state};
    assert_int_equal(nook_tls_new(&key, &options), NOOK_EINVAL);
}

/* --- L9: delete races with thread exit ------------------------------------ */

static void *set_and_exit(void *arg)
{
    pthread_barrier_wait(&barrier);
    (void)nook_tls_set(key, arg); /* refused where the key is gone already */
    return NULL;
}

static int refused_count;

static void *set_and_exit_counting(void *arg)
{
    pthread_barrier_wait(&barrier);
    if (nook_tls_set(key, arg) < 0)
        __atomic_add_fetch(&refused_count, 1, __ATOMIC_RELAXED);
    return NULL;
}

/* Where a thread is dear: ThreadSanitizer sees a race that is not hit, and Valgrind runs
 * one thread at a time. */
static int rounds(int many)
{
    return getenv("NOOK_SLOW") != NULL ? many / 10 : many;
}

static void L9_delete_races_with_thread_exit(void **state)
{
    pthread_t threads[THREADS];
    int values[THREADS];
    (void)state;
    for (int round = 0; round < rounds(200); round++) {
        int destroyed = 0;
        refused_count = 0;
        assert_int_equal(nook_tls_new(&key, &counting), 0);
        start(threads, set_and_exit_counting, values);
        assert_int_equal(nook_tls_delete(key), 0);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        pthread_barrier_destroy(&barrier);
        for (int i = 0; i < THREADS; i++) {
            assert_in_range(values[i], 0, 1);
            destroyed += values[i];
        }
        assert_int_equal(destroyed + refused_count, THREADS);
    }
}

static int add_up(uintptr_t ident, void *value, void *arg)
{
    (void)ident;
    (void)value;
    ++*(int *)arg;
    return 0;
}

static void L9_visits_race_with_thread_exit(void **state)
{
    pthread_t threads[THREADS];
    int values[THREADS];
    (void)state;
    assert_int_equal(nook_tls_new(&key, &counting), 0);
    for (int round = 0; round < rounds(100); round++) {
        int seen = 0;
        start(threads, set_and_exit, values);
        for (int i = 0; i < 5; i++)
            assert_int_equal(nook_tls_foreach(key, add_up, &seen), 0);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        pthread_barrier_destroy(&barrier);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(values[i], 1);
        assert_in_range(seen, 0, 5 * THREADS);
    }
    assert_int_equal(nook_tls_delete(key), 0);
}

static void *make_use_delete(void *arg)
{
    int *errors = arg;
    for (int i = 0; i < 200; i++) {
        nook_tls_key mine;
        int value = 0;
        void *found = NULL;
        int rc = nook_tls_new(&mine, &counting);
        rc |= nook_tls_set(mine, &value);
        rc |= nook_tls_get(mine, &found);
        rc |= nook_tls_delete(mine);
        if (rc != 0 || found != &value || value != 1)
            ++*errors;
    }
    return NULL;
}

static void L9_keys_come_and_go_in_many_threads(void **state)
{
    pthread_t threads[THREADS];
    int errors[THREADS] = {0};
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_use_delete, &errors[i]), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(errors[i], 0);
}

/* --- L11: destructors that touch keys ------------------------------------- */

struct phoenix {
    int lives;     /* how often it binds itself again */
    int destroyed; /* how often its destructor ran */
    int refused;
};

static void rise_again(void *value, void *user)
{
    struct phoenix *phoenix = value;
    (void)user;
    phoenix->destroyed++;
    if (phoenix->lives-- <= 0)
        return;
    if (nook_tls_set(key, phoenix) < 0)
        phoenix->refused++;
}

static void *set_value(void *arg)
{
    (void)nook_tls_set(key, arg);
    return NULL;
}

static void L11_destructor_binds_again(void **state)
{
    nook_tls_options options = {.destructor = rise_again};
    struct phoenix three = {.lives = 3}, endless = {.lives = 1000000};
    (void)state;
    assert_int_equal(nook_tls_new(&key, &options), 0);
    in_thread(set_value, &three);
    assert_int_equal(three.destroyed, 4);
    assert_int_equal(three.refused, 0);
    in_thread(set_value, &endless);
    assert_int_equal(endless.refused, 1);
    assert_in_range(endless.destroyed, 5, 1000);
    endless = (struct phoenix){.lives = 1000000};
    set_value(&endless);
    nook_tls_detach();
    assert_int_equal(endless.refused, 1);
    assert_int_equal(nook_tls_delete(key), 0);
}

static pthread_key_t foreign;
static nook_tls_key late;

struct afterlife {
    int rounds;
    int bound, refused, other;
    int destroyed;
};

/* ThreadSanitizer takes its leave in the last round: nothing it watches may run in that one. */
#if defined(__SANITIZE_THREAD__)
#define FOREIGN_ROUNDS 2
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FOREIGN_ROUNDS 2
#endif
#endif
#ifndef FOREIGN_ROUNDS
#define FOREIGN_ROUNDS 100
#endif

/* A destructor of somebody else's, in every round that there is. */
static void foreign_destructor(void *arg)
{
    struct afterlife *life = arg;
    int rc = nook_tls_set(late, &life->destroyed);
    life->bound += rc == 0;
    life->refused += rc == NOOK_EBUSY;
    life->other += rc != 0 && rc != NOOK_EBUSY;
    if (++life->rounds < FOREIGN_ROUNDS)
        (void)pthread_setspecific(foreign, life);
}

static void *end_with_a_foreign_destructor(void *arg)
{
    (void)pthread_setspecific(foreign, arg);
    (void)nook_tls_set(key, NULL); /* so that both destructors run from the first round on */
    return NULL;
}

static void L11_what_other_destructors_bind_does_not_leak(void **state)
{
    struct afterlife life = {0};
    (void)state;
    assert_int_equal(nook_tls_new(&key, NULL), 0);
    assert_int_equal(nook_tls_new(&late, &counting), 0);
    assert_int_equal(pthread_key_create(&foreign, foreign_destructor), 0);
    in_thread(end_with_a_foreign_destructor, &life);
    assert_int_equal(pthread_key_delete(foreign), 0);
    assert_int_equal(life.other, 0);
    assert_int_equal(life.destroyed, life.bound);
    assert_in_range(life.bound, 1, 100);
    assert_int_equal(nook_tls_delete(late), 0);
    assert_int_equal(nook_tls_delete(key), 0);
}

static int destructor_errors;

/* Everything that there is, from inside a destructor. */
static void busy_destructor(void *value, void *user)
{
    nook_tls_key mine;
    int seen = 0, counted = 0;
    void *found;
    (void)user;
    int rc = nook_tls_new(&mine, &counting);
    rc |= nook_tls_set(mine, &counted);
    rc |= nook_tls_get(mine, &found);
    rc |= nook_tls_foreach(mine, add_up, &seen);
    rc |= nook_tls_delete(mine);
    nook_tls_detach();
    ++*(int *)value;
    if (rc != 0 || seen != 1 || counted != 1)
        destructor_errors++;
}

static void H18_destructors_run_with_no_lock_held(void **state)
{
    nook_tls_options options = {.destructor = busy_destructor};
    int first = 0, second = 0, third = 0;
    (void)state;
    destructor_errors = 0;
    assert_int_equal(nook_tls_new(&key, &options), 0);
    in_thread(set_value, &first);
    assert_int_equal(nook_tls_set(key, &second), 0);
    assert_int_equal(nook_tls_set(key, &third), 0);
    assert_int_equal(nook_tls_delete(key), 0);
    assert_int_equal(first, 1);
    assert_int_equal(second, 1);
    assert_int_equal(third, 1);
    assert_int_equal(destructor_errors, 0);
}

/* --- H18: visiting -------------------------------------------------------- */

struct visit {
    int n;
    int stop_at;
    int mine; /* values whose ident was the calling thread's */
    int destroyed;
};

static int visit_value(uintptr_t ident, void *value, void *arg)
{
    struct visit *visit = arg;
    visit->mine += ident == (uintptr_t)pthread_self();
    visit->destroyed += number(value);
    return ++visit->n == visit->stop_at ? 42 : 0;
}

static void H18_foreach_visits_every_threads_value(void **state)
{
    pthread_t threads[THREADS];
    int values[THREADS], mine = 0;
    struct visit visit = {0}, some = {.stop_at = 3}, none = {0};
    (void)state;
    assert_int_equal(nook_tls_new(&key, &counting), 0);
    assert_int_equal(nook_tls_foreach(key, visit_value, &none), 0);
    assert_int_equal(none.n, 0);
    assert_int_equal(nook_tls_set(key, &mine), 0);
    start(threads, set_and_wait, values);
    assert_int_equal(nook_tls_foreach(key, visit_value, &visit), 0);
    assert_int_equal(nook_tls_foreach(key, visit_value, &some), 42);
    stop(threads);
    assert_int_equal(visit.n, THREADS + 1);
    assert_int_equal(visit.mine, 1);
    assert_int_equal(some.n, 3);
    assert_int_equal(nook_tls_delete(key), 0);
}

static int drop_while_visited(uintptr_t ident, void *value, void *arg)
{
    struct visit *visit = arg;
    int other = 0;
    (void)ident;
    visit->n += nook_tls_set(key, &other); /* the visited one is replaced */
    visit->n += nook_tls_delete(key);      /* and the key goes */
    visit->destroyed = number(value);
    return other == 1 ? 0 : NOOK_EINVAL;
}

static void H18_visited_value_stays_until_the_visit_is_over(void **state)
{
    struct visit visit = {0};
    int value = 0;
    (void)state;
    assert_int_equal(nook_tls_new(&key, &counting), 0);
    assert_int_equal(nook_tls_set(key, &value), 0);
    assert_int_equal(nook_tls_foreach(key, drop_while_visited, &visit), 0);
    assert_int_equal(visit.n, 0);
    assert_int_equal(visit.destroyed, 0);
    assert_int_equal(value, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        local_test(a_value_is_got_replaced_and_unset),
        local_test(null_is_a_value_and_is_not_destroyed),
        local_test(what_is_no_key_is_refused),
        local_test(detach_destroys_and_the_thread_goes_on),
        local_test(H18_more_than_1024_keys),
        local_test(L1_value_of_another_thread_is_unset),
        local_test(L2_value_goes_when_the_thread_ends),
        local_test(L12_a_job_finds_what_the_last_job_on_its_thread_left),
        local_test(L3_H18_delete_destroys_every_threads_value),
        local_test(L7_recycled_slot_starts_empty),
        local_test(L5_initialiser_runs_once_a_thread_with_its_argument),
        local_test(L5_failed_initialiser_is_tried_again),
        local_test(L5_key_deleted_inside_its_initialiser),
        local_test(L6_argument_without_an_initialiser),
        local_test(L9_delete_races_with_thread_exit),
        local_test(L9_visits_race_with_thread_exit),
        local_test(L9_keys_come_and_go_in_many_threads),
        local_test(L11_destructor_binds_again),
        local_test(L11_what_other_destructors_bind_does_not_leak),
        local_test(H18_destructors_run_with_no_lock_held),
        local_test(H18_foreach_visits_every_threads_value),
        local_test(H18_visited_value_stays_until_the_visit_is_over),
    };
    return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
