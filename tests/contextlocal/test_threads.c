/* SPDX-License-Identifier: MIT */
/* Threads, pools, and what happens when a thread ends: R1-R7, H2, H3, H10, L11. */
#include "support.h"

static NOOK_VAR_DEFINE(user);
static nook_var counted_var = NOOK_VAR_INIT("counted", &counted_ops, 0, NULL);

static char alice[] = "alice", bob[] = "bob", unset[] = "unset";

static void *get(nook_var *var)
{
    return nook_var_get_or(var, unset);
}

/* --- starting ------------------------------------------------------------- */

struct seen {
    nook_context *context;
    nook_context *peeked;
    void *value;
    void *with_default;
    int rc;
};

static void *look(void *arg)
{
    static nook_var with_default = NOOK_VAR_INIT("with default", NULL, 1, bob);
    struct seen *seen = arg;
    seen->value = get(&user);
    seen->rc = nook_var_get(&with_default, &seen->with_default);
    seen->peeked = nook_context_peek();
    return NULL;
}

static void R1_a_new_thread_starts_empty(void **state)
{
    struct seen seen = {.value = NULL};
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    in_thread(look, &seen);
    assert_ptr_equal(seen.value, unset);
    assert_int_equal(seen.rc, 0);
    assert_ptr_equal(seen.with_default, bob);
    assert_null(seen.peeked);
}

enum { THREADS = 10 };

static pthread_barrier_t all_have_set;

struct own {
    int number;
    int wrong;
};

static void *set_and_read(void *arg)
{
    struct own *own = arg;
    for (int i = 0; i < 100; i++) {
        own->wrong += nook_var_set(&user, &own->number, NULL) != 0;
        pthread_barrier_wait(&all_have_set);
        own->wrong += get(&user) != &own->number;
    }
    return NULL;
}

static void R2_no_thread_sees_anothers_value(void **state)
{
    pthread_t threads[THREADS];
    struct own own[THREADS];
    (void)state;
    pthread_barrier_init(&all_have_set, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        own[i] = (struct own){i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, set_and_read, &own[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(own[i].wrong, 0);
    }
    pthread_barrier_destroy(&all_have_set);
}

/* --- a pool of one thread --------------------------------------------------- */

typedef void (*job_fn)(struct seen *);

struct job {
    job_fn fn;
    struct seen *seen;
};

struct pool {
    const struct job *jobs;
    int n;
};

static void *work(void *arg)
{
    const struct pool *pool = arg;
    for (int i = 0; i < pool->n; i++)
        pool->jobs[i].fn(pool->jobs[i].seen);
    return NULL;
}

static void job_sets(struct seen *seen)
{
    seen->rc = nook_var_set(&user, bob, NULL);
}

static void job_looks(struct seen *seen)
{
    seen->value = get(&user);
}

static int look_and_set(void *arg)
{
    struct seen *seen = arg;
    job_looks(seen);
    return nook_var_set(&user, bob, NULL);
}

static void job_runs_in_its_context(struct seen *seen)
{
    seen->rc = nook_context_run(seen->context, look_and_set, seen, NULL);
}

static void job_copies_too_late(struct seen *seen)
{
    seen->rc = nook_context_copy_current(&seen->context);
    if (seen->rc == 0)
        job_runs_in_its_context(seen);
}

static void R3_a_bare_set_stays_for_the_next_job(void **state)
{
    struct seen first = {.rc = -1}, second = {.rc = -1}, third = {.rc = -1};
    const struct job jobs[] = {{job_sets, &first}, {job_looks, &second}, {job_looks, &third}};
    struct pool pool = {jobs, 3};
    (void)state;
    in_thread(work, &pool);
    assert_int_equal(first.rc, 0);
    assert_ptr_equal(second.value, bob);
    assert_ptr_equal(third.value, bob);
}

static void R3_R6_a_job_in_its_submitters_copy_leaves_nothing(void **state)
{
    struct seen ran = {.rc = -1}, after = {.rc = -1};
    const struct job jobs[] = {{job_runs_in_its_context, &ran}, {job_looks, &after}};
    struct pool pool = {jobs, 2};
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    assert_int_equal(nook_context_copy_current(&ran.context), 0);
    in_thread(work, &pool);
    assert_int_equal(ran.rc, 0);
    assert_ptr_equal(ran.value, alice);
    assert_ptr_equal(after.value, unset);
    assert_ptr_equal(get(&user), alice); /* and what it set does not come back */
    nook_context_unref(ran.context);
}

static void R6_a_copy_that_the_job_takes_is_the_workers(void **state)
{
    struct seen sets = {.rc = -1}, copies = {.rc = -1};
    const struct job jobs[] = {{job_sets, &sets}, {job_copies_too_late, &copies}};
    struct pool pool = {jobs, 2};
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    in_thread(work, &pool);
    assert_int_equal(copies.rc, 0);
    assert_ptr_equal(copies.value, bob);
    nook_context_unref(copies.context);
}

/* --- a context handed to a thread ------------------------------------------- */

static void *run_in_given(void *arg)
{
    job_runs_in_its_context(arg);
    return NULL;
}

static void R4_a_given_context_is_used_as_it_is(void **state)
{
    struct seen seen = {.rc = -1};
    void *value;
    (void)state;
    assert_int_equal(nook_context_new(&seen.context), 0);
    in_thread(run_in_given, &seen);
    assert_int_equal(seen.rc, 0);
    assert_ptr_equal(seen.value, unset);
    assert_int_equal(nook_context_find(seen.context, &user, &value), 0);
    assert_ptr_equal(value, bob);
    in_thread(run_in_given, &seen); /* the next thread finds it so [C13] */
    assert_ptr_equal(seen.value, bob);
    nook_context_unref(seen.context);
}

static void R4_a_copy_is_taken_when_the_thread_starts(void **state)
{
    struct seen seen = {.rc = -1};
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    assert_int_equal(nook_context_copy_current(&seen.context), 0);
    assert_int_equal(nook_var_set(&user, bob, NULL), 0);
    in_thread(run_in_given, &seen);
    assert_ptr_equal(seen.value, alice);
    nook_context_unref(seen.context);
}

static pthread_barrier_t inside, leave;

static int stay_inside(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&inside);
    pthread_barrier_wait(&leave);
    return 0;
}

static void *run_and_stay(void *arg)
{
    struct seen *seen = arg;
    seen->rc = nook_context_run(seen->context, stay_inside, NULL, NULL);
    return NULL;
}

static void R5_C15_two_live_threads_cannot_be_in_one_context(void **state)
{
    struct seen first = {.rc = -1}, second = {.rc = -1};
    pthread_t thread;
    (void)state;
    pthread_barrier_init(&inside, NULL, 2);
    pthread_barrier_init(&leave, NULL, 2);
    assert_int_equal(nook_context_new(&first.context), 0);
    second.context = first.context;
    assert_int_equal(pthread_create(&thread, NULL, run_and_stay, &first), 0);
    pthread_barrier_wait(&inside);
    in_thread(run_in_given, &second);
    pthread_barrier_wait(&leave);
    pthread_join(thread, NULL);
    assert_int_equal(second.rc, NOOK_EENTERED);
    assert_int_equal(first.rc, 0);
    in_thread(run_in_given, &second);
    assert_int_equal(second.rc, 0);
    nook_context_unref(first.context);
    pthread_barrier_destroy(&inside);
    pthread_barrier_destroy(&leave);
}

/* Each of many threads wants in, over and over: never two are inside. */
struct crowd {
    nook_context *context;
    int inside, crowded, entered;
};

static void *crowd_in(void *arg)
{
    struct crowd *crowd = arg;
    for (int i = 0; i < 3000; i++) {
        if (nook_context_enter(crowd->context) != 0)
            continue;
        if (__atomic_add_fetch(&crowd->inside, 1, __ATOMIC_RELAXED) != 1)
            __atomic_add_fetch(&crowd->crowded, 1, __ATOMIC_RELAXED);
        crowd->entered++;
        (void)nook_var_set(&user, &crowd->entered, NULL);
        __atomic_sub_fetch(&crowd->inside, 1, __ATOMIC_RELAXED);
        (void)nook_context_exit(crowd->context);
    }
    return NULL;
}

static void C15_D3_entering_is_one_threads_at_a_time(void **state)
{
    struct crowd crowd = {.context = NULL};
    pthread_t threads[4];
    (void)state;
    assert_int_equal(nook_context_new(&crowd.context), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_in, &crowd), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.crowded, 0);
    assert_in_range(crowd.entered, 1, 12000);
    nook_context_unref(crowd.context);
}

static void R7_a_mutable_value_is_shared_in_spite_of_a_copy(void **state)
{
    int list = 1;
    struct seen seen = {.rc = -1};
    (void)state;
    assert_int_equal(nook_var_set(&user, &list, NULL), 0);
    assert_int_equal(nook_context_copy_current(&seen.context), 0);
    in_thread(run_in_given, &seen);
    assert_ptr_equal(seen.value, &list); /* the thread could write to it */
    nook_context_unref(seen.context);
}

/* --- ending ----------------------------------------------------------------- */

struct ending {
    struct counted value;
    nook_context *entered;
    int rc;
};

static void *bind_and_end(void *arg)
{
    struct ending *ending = arg;
    ending->rc = nook_var_set(&counted_var, &ending->value, NULL);
    return NULL;
}

static void H10_a_threads_base_ends_with_it(void **state)
{
    struct ending ending = {.rc = -1};
    (void)state;
    in_thread(bind_and_end, &ending);
    assert_int_equal(ending.rc, 0);
    assert_int_equal(ending.value.held, 0);
}

static void *enter_and_end(void *arg)
{
    struct ending *ending = arg;
    ending->rc = nook_context_enter(ending->entered);
    return bind_and_end(arg);
}

static void H10_what_a_thread_had_entered_is_left_at_its_end(void **state)
{
    struct ending ending = {.rc = -1};
    (void)state;
    assert_int_equal(nook_context_new(&ending.entered), 0);
    in_thread(enter_and_end, &ending);
    assert_int_equal(ending.rc, 0);
    assert_int_equal(ending.value.held, 1);
    assert_int_equal(nook_context_enter(ending.entered), 0);
    assert_ptr_equal(get(&counted_var), &ending.value);
    assert_int_equal(nook_context_exit(ending.entered), 0);
    nook_context_unref(ending.entered);
    assert_int_equal(ending.value.held, 0);
}

static void *detach_and_end(void *arg)
{
    struct ending *ending = arg;
    bind_and_end(arg);
    nook_thread_detach();
    ending->rc = ending->value.held;
    return NULL;
}

static void H10_a_detach_comes_before_the_end(void **state)
{
    struct ending ending = {.rc = -1};
    (void)state;
    in_thread(detach_and_end, &ending);
    assert_int_equal(ending.rc, 0);
}

/*
 * Keys of two strangers, one made before nook's own and one after: their
 * destructors run before and after nook's, in each round of a thread's exit.
 */
static pthread_key_t earlier, later;

/* More than there are; but in the last one ThreadSanitizer has forgotten the thread. */
#if defined(__SANITIZE_THREAD__)
enum { ROUNDS = 3 };
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
enum { ROUNDS = 3 };
#else
enum { ROUNDS = 8 };
#endif
#else
enum { ROUNDS = 8 };
#endif

struct stranger {
    pthread_key_t key;
    struct counted values[ROUNDS];
    int calls;
    int codes[ROUNDS];
};

static void stranger_ends(void *what)
{
    struct stranger *stranger = what;
    int call = stranger->calls++;
    stranger->codes[call] = nook_var_set(&counted_var, &stranger->values[call], NULL);
    if (stranger->calls < ROUNDS)
        (void)pthread_setspecific(stranger->key, stranger);
}

static void *end_among_strangers(void *what)
{
    struct stranger *strangers = what;
    (void)pthread_setspecific(strangers[0].key, &strangers[0]);
    (void)pthread_setspecific(strangers[1].key, &strangers[1]);
    (void)nook_var_set(&user, alice, NULL);
    return NULL;
}

static void H2_L11_destructors_of_strangers_bind_again(void **state)
{
    struct stranger strangers[2] = {{.key = earlier}, {.key = later}};
    (void)state;
    in_thread(end_among_strangers, strangers);
    for (int s = 0; s < 2; s++) {
        int calls = strangers[s].calls;
        assert_in_range(calls, 2, ROUNDS);
        assert_int_equal(strangers[s].codes[0], 0);
        if (s == 1 || ROUNDS > 3) /* the earlier one comes first in the third round */
            assert_int_equal(strangers[s].codes[calls - 1], NOOK_EBUSY);
        for (int i = 0; i < calls; i++)
            assert_int_equal(strangers[s].values[i].held, 0);
    }
}

/* A value whose release binds it again, for as long as it is let. */
static int bindings, last_code;

static void bind_again(void *value, void *unused)
{
    static nook_var *const var = &counted_var;
    (void)unused;
    if (__atomic_sub_fetch(&((struct counted *)value)->held, 1, __ATOMIC_RELAXED) != 0)
        return;
    bindings++;
    last_code = nook_var_set(var, value, NULL);
    if (last_code == 0) /* by a variable that lets go for good, and by this one */
        last_code = nook_var_set(&user, value, NULL);
}

static const nook_value_ops stubborn_ops = {counted_retain, bind_again, NULL, NULL,
                                            NOOK_INHERIT_COPY};
static nook_var stubborn = NOOK_VAR_INIT("stubborn", &stubborn_ops, 0, NULL);

static void bind_stubbornly(void *value, void *unused)
{
    (void)unused;
    if (__atomic_sub_fetch(&((struct counted *)value)->held, 1, __ATOMIC_RELAXED) != 0)
        return;
    bindings++;
    last_code = nook_var_set(&stubborn, value, NULL);
}

static void *bind_stubborn(void *value)
{
    (void)nook_var_set(&stubborn, value, NULL);
    return NULL;
}

static void H2_L11_a_value_that_binds_itself_again_is_gone_at_last(void **state)
{
    static const nook_value_ops ops = {counted_retain, bind_stubbornly, NULL, NULL,
                                       NOOK_INHERIT_COPY};
    struct counted value = {0};
    (void)state;
    bindings = 0;
    stubborn.ops = &ops;
    in_thread(bind_stubborn, &value);
    assert_int_equal(last_code, NOOK_EBUSY);
    assert_in_range(bindings, 2, ROUNDS);
    assert_int_equal(value.held, 0);
}

static void H2_a_value_let_go_at_the_end_binds_another_variable(void **state)
{
    struct counted value = {0};
    (void)state;
    bindings = 0;
    stubborn.ops = &stubborn_ops;
    in_thread(bind_stubborn, &value);
    assert_int_equal(bindings, 1);
    assert_int_equal(last_code, 0);
    assert_int_equal(value.held, 0);
}

/* --- the last holder is a thread that ends ---------------------------------- */

struct last {
    nook_var *var;
    int finalised_by_the_thread;
    pthread_t thread;
    nook_token token;
};

static void note_finaliser(void *user_pointer)
{
    struct last *last = user_pointer;
    last->finalised_by_the_thread = pthread_equal(pthread_self(), last->thread) != 0;
}

static void *hold_to_the_end(void *arg)
{
    struct last *last = arg;
    last->thread = pthread_self();
    (void)nook_var_set(last->var, alice, NULL);
    nook_var_unref(last->var);
    return NULL;
}

static void H2_H3_a_variable_is_finalised_by_the_thread_that_held_it_last(void **state)
{
    struct last last = {.var = NULL};
    nook_var_options options = {.user = &last, .finalise = note_finaliser};
    (void)state;
    assert_int_equal(nook_var_new(&last.var, "last", &options), 0);
    in_thread(hold_to_the_end, &last);
    assert_int_equal(last.finalised_by_the_thread, 1);
}

static void *set_with_token(void *arg)
{
    struct last *last = arg;
    (void)nook_var_set(last->var, alice, NULL);
    (void)nook_var_set(last->var, bob, &last->token);
    return NULL;
}

static void H5_T10_a_token_outlives_its_thread(void **state)
{
    struct last last = {.var = &user};
    void *old = NULL;
    (void)state;
    in_thread(set_with_token, &last);
    assert_int_equal(nook_token_old(&last.token, &old), 0);
    assert_ptr_equal(old, alice);
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    assert_int_equal(nook_var_reset(&user, &last.token), NOOK_EWRONGCONTEXT);
    nook_token_drop(&last.token);
}

/* Variables are made, bound, copied and dropped by many threads at once. */
static void *come_and_go(void *arg)
{
    int *wrong = arg;
    for (int i = 0; i < 200; i++) {
        nook_var *vars[8];
        for (int v = 0; v < 8; v++) {
            int rc = nook_var_new(&vars[v], "short-lived", NULL);
            *wrong += rc != 0 || nook_var_set(vars[v], &vars[v], NULL) != 0;
        }
        for (int v = 0; v < 8; v++) {
            *wrong += get(vars[v]) != &vars[v];
            nook_var_unref(vars[v]);
        }
        nook_context_clear(nook_context_peek());
    }
    return NULL;
}

static void H3_variables_come_and_go_in_many_threads(void **state)
{
    pthread_t threads[4];
    int wrong[4] = {0};
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &wrong[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(wrong[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        context_test(R1_a_new_thread_starts_empty),
        context_test(R2_no_thread_sees_anothers_value),
        context_test(R3_a_bare_set_stays_for_the_next_job),
        context_test(R3_R6_a_job_in_its_submitters_copy_leaves_nothing),
        context_test(R6_a_copy_that_the_job_takes_is_the_workers),
        context_test(R4_a_given_context_is_used_as_it_is),
        context_test(R4_a_copy_is_taken_when_the_thread_starts),
        context_test(R5_C15_two_live_threads_cannot_be_in_one_context),
        context_test(C15_D3_entering_is_one_threads_at_a_time),
        context_test(R7_a_mutable_value_is_shared_in_spite_of_a_copy),
        context_test(H10_a_threads_base_ends_with_it),
        context_test(H10_what_a_thread_had_entered_is_left_at_its_end),
        context_test(H10_a_detach_comes_before_the_end),
        context_test(H2_L11_destructors_of_strangers_bind_again),
        context_test(H2_L11_a_value_that_binds_itself_again_is_gone_at_last),
        context_test(H2_a_value_let_go_at_the_end_binds_another_variable),
        context_test(H2_H3_a_variable_is_finalised_by_the_thread_that_held_it_last),
        context_test(H5_T10_a_token_outlives_its_thread),
        context_test(H3_variables_come_and_go_in_many_threads),
    };
    nook_context *first;
    if (pthread_key_create(&earlier, stranger_ends) != 0 || nook_context_new(&first) != 0 ||
        pthread_key_create(&later, stranger_ends) != 0)
        return 1;
    nook_context_unref(first);
    return cmocka_run_group_tests_name("contextlocal.threads", tests, NULL, NULL);
}
