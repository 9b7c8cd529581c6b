/* SPDX-License-Identifier: MIT */
/* Switch watchers: C22, H12. */
#include "support.h"

static NOOK_VAR_DEFINE(user);

static char alice[] = "alice";

enum { WATCHERS = 8, LOG = 64 };

/* What a watcher was told, in order. */
struct log {
    nook_context *now[LOG];
    nook_context *current[LOG];
    int n;
};

static void write_down(nook_context *now, void *user_pointer)
{
    struct log *log = user_pointer;
    if (log->n < LOG) {
        log->now[log->n] = now;
        log->current[log->n] = nook_context_peek();
    }
    log->n++;
}

static int watch(void (*fn)(nook_context *, void *), void *user_pointer)
{
    int id = -1;
    assert_int_equal(nook_watcher_add(fn, user_pointer, &id), 0);
    return id;
}

static void unwatch(int id)
{
    assert_int_equal(nook_watcher_remove(id), 0);
}

static nook_context *new_context(void)
{
    nook_context *context = NULL;
    assert_int_equal(nook_context_new(&context), 0);
    return context;
}

static void go_in_and_out(nook_context *context)
{
    assert_int_equal(nook_context_enter(context), 0);
    assert_int_equal(nook_context_exit(context), 0);
}

static void C22_watchers_hear_of_each_switch_with_the_new_context(void **state)
{
    struct log log = {.n = 0};
    nook_context *outer = new_context(), *inner = new_context();
    int id = watch(write_down, &log);
    (void)state;
    assert_int_equal(nook_context_enter(outer), 0);
    assert_int_equal(nook_context_enter(inner), 0);
    assert_int_equal(nook_context_exit(inner), 0);
    assert_int_equal(nook_context_exit(outer), 0);
    unwatch(id);
    assert_int_equal(log.n, 4);
    assert_ptr_equal(log.now[0], outer);
    assert_ptr_equal(log.now[1], inner);
    assert_ptr_equal(log.now[2], outer);
    assert_null(log.now[3]); /* this thread has no base */
    for (int i = 0; i < log.n; i++)
        assert_ptr_equal(log.current[i], log.now[i]); /* after it, not before */
    nook_context_unref(outer);
    nook_context_unref(inner);
}

static void C22_set_and_reset_fire_nothing(void **state)
{
    struct log log = {.n = 0};
    nook_context *copy;
    nook_token token;
    int id = watch(write_down, &log);
    (void)state;
    assert_int_equal(nook_var_set(&user, alice, &token), 0); /* with the base it makes */
    assert_int_equal(nook_var_reset(&user, &token), 0);
    assert_int_equal(nook_context_copy_current(&copy), 0);
    assert_int_equal(nook_context_exit(copy), NOOK_ENOTENTERED);
    nook_context_clear(nook_context_peek());
    unwatch(id);
    assert_int_equal(log.n, 0);
    nook_context_unref(copy);
}

static void H12_a_state_swap_is_a_switch(void **state)
{
    struct log log = {.n = 0};
    nook_context *context = new_context();
    int id = watch(write_down, &log);
    (void)state;
    assert_null(nook_state_swap(nook_context_ref(context)));
    nook_context *back = nook_state_swap(NULL);
    nook_state_drop(back); /* of a chain that is nobody's: no switch */
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    nook_thread_detach();
    unwatch(id);
    assert_int_equal(log.n, 3);
    assert_ptr_equal(log.now[0], context);
    assert_null(log.now[1]);
    assert_null(log.now[2]);
    nook_context_unref(context);
}

static int give_an_error(void *unused)
{
    (void)unused;
    return -1;
}

static void C22_run_fires_on_both_sides_and_a_refused_enter_on_none(void **state)
{
    struct log log = {.n = 0};
    nook_context *context = new_context();
    int id = watch(write_down, &log);
    (void)state;
    assert_int_equal(nook_context_run(context, give_an_error, NULL, NULL), 0);
    assert_int_equal(log.n, 2);
    assert_int_equal(nook_context_enter(context), 0);
    assert_int_equal(nook_context_enter(context), NOOK_EENTERED);
    assert_int_equal(nook_context_exit(context), 0);
    assert_int_equal(nook_context_exit(context), NOOK_ENOTENTERED);
    assert_int_equal(log.n, 4);
    unwatch(id);
    nook_context_unref(context);
}

static void C22_eight_watchers_and_no_more(void **state)
{
    struct log logs[WATCHERS] = {{.n = 0}};
    int ids[WATCHERS], one_more = -7;
    nook_context *context = new_context();
    (void)state;
    for (int i = 0; i < WATCHERS; i++)
        ids[i] = watch(write_down, &logs[i]);
    assert_int_equal(nook_watcher_add(write_down, NULL, &one_more), NOOK_EAGAIN);
    assert_int_equal(one_more, -7);
    go_in_and_out(context);
    unwatch(ids[3]);
    go_in_and_out(context);
    ids[3] = watch(write_down, &logs[3]); /* its place is free again */
    go_in_and_out(context);
    for (int i = 0; i < WATCHERS; i++) {
        assert_int_equal(logs[i].n, i == 3 ? 4 : 6); /* each with its own pointer */
        unwatch(ids[i]);
    }
    nook_context_unref(context);
}

static void C22_what_is_no_watcher(void **state)
{
    struct log log = {.n = 0};
    int id;
    (void)state;
    assert_int_equal(nook_watcher_add(NULL, &log, &id), NOOK_EINVAL);
    assert_int_equal(nook_watcher_add(write_down, &log, NULL), NOOK_EINVAL);
    assert_int_equal(nook_watcher_remove(-1), NOOK_EINVAL);
    assert_int_equal(nook_watcher_remove(WATCHERS), NOOK_EINVAL);
    id = watch(write_down, &log);
    unwatch(id);
    assert_int_equal(nook_watcher_remove(id), NOOK_EINVAL);
}

static void C22_a_removed_watcher_hears_nothing_more(void **state)
{
    struct log log = {.n = 0};
    nook_context *context = new_context();
    int id = watch(write_down, &log);
    (void)state;
    assert_int_equal(nook_context_enter(context), 0);
    unwatch(id);
    assert_int_equal(nook_context_exit(context), 0);
    assert_int_equal(log.n, 1);
    nook_context_unref(context);
}

/* --- watchers that do something ---------------------------------------------- */

struct active {
    nook_context *context;
    int id, calls, wrong, removed;
};

static void switch_inside(nook_context *now, void *user_pointer)
{
    struct active *active = user_pointer;
    (void)now;
    active->calls++;
    active->wrong += nook_context_enter(active->context) != 0;
    active->wrong += nook_var_set(&user, alice, NULL) != 0;
    active->wrong += nook_context_exit(active->context) != 0;
}

static void C22_a_watcher_that_switches_is_not_told_of_it(void **state)
{
    struct active active = {.context = new_context()};
    struct log log = {.n = 0};
    nook_context *context = new_context();
    int ids[2] = {watch(switch_inside, &active), watch(write_down, &log)};
    (void)state;
    go_in_and_out(context);
    unwatch(ids[0]);
    unwatch(ids[1]);
    assert_int_equal(active.calls, 2);
    assert_int_equal(active.wrong, 0);
    assert_int_equal(log.n, 2); /* nor is anybody else */
    assert_ptr_equal(log.now[0], context);
    nook_context_unref(context);
    nook_context_unref(active.context);
}

static void remove_itself(nook_context *now, void *user_pointer)
{
    struct active *active = user_pointer;
    (void)now;
    active->calls++;
    active->removed = nook_watcher_remove(active->id);
}

static void C22_a_watcher_may_remove_itself_or_another(void **state)
{
    struct active itself = {.removed = -1}, another = {.removed = -1};
    struct log log = {.n = 0};
    nook_context *context = new_context();
    itself.id = watch(remove_itself, &itself);
    int id = watch(remove_itself, &another);
    another.id = watch(write_down, &log); /* comes after both */
    (void)state;
    go_in_and_out(context);
    assert_int_equal(itself.calls, 1);
    assert_int_equal(itself.removed, 0);
    assert_int_equal(another.calls, 2);
    assert_int_equal(another.removed, NOOK_EINVAL); /* the second time */
    assert_int_equal(log.n, 0);
    unwatch(id);
    nook_context_unref(context);
}

static void drop_the_chain(nook_context *now, void *user_pointer)
{
    struct active *active = user_pointer;
    active->calls++;
    nook_thread_detach();
    active->wrong += now != NULL && nook_context_len(now) != 0; /* it is still there */
}

static void C22_a_watcher_may_give_up_the_chain(void **state)
{
    struct active active = {.calls = 0};
    nook_context *context = new_context();
    int id = watch(drop_the_chain, &active);
    (void)state;
    assert_int_equal(nook_context_enter(context), 0);
    assert_null(nook_context_peek());
    nook_context_unref(context);
    unwatch(id);
    assert_int_equal(active.calls, 1);
    assert_int_equal(active.wrong, 0);
}

/* --- removing while others run it ----------------------------------------------- */

struct slow {
    pthread_barrier_t inside;
    int over, left;
    nook_context *context;
};

static void take_its_time(nook_context *now, void *user_pointer)
{
    struct slow *slow = user_pointer;
    if (now == NULL)
        return;
    pthread_barrier_wait(&slow->inside);
    for (int i = 0; i < 2000; i++)
        sched_yield();
    __atomic_store_n(&slow->left, 1, __ATOMIC_RELAXED);
}

static void *enter_slowly(void *arg)
{
    struct slow *slow = arg;
    if (nook_context_enter(slow->context) == 0)
        (void)nook_context_exit(slow->context);
    return NULL;
}

static void C22_remove_waits_for_those_inside(void **state)
{
    struct slow slow = {.context = new_context()};
    pthread_t thread;
    (void)state;
    pthread_barrier_init(&slow.inside, NULL, 2);
    int id = watch(take_its_time, &slow);
    assert_int_equal(pthread_create(&thread, NULL, enter_slowly, &slow), 0);
    pthread_barrier_wait(&slow.inside);
    unwatch(id);
    assert_int_equal(__atomic_load_n(&slow.left, __ATOMIC_RELAXED), 1);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&slow.inside);
    nook_context_unref(slow.context);
}

/* Its user pointer is gone when remove returns: nobody may touch it from then on. */
struct mark {
    int alive;
};

static int touched_dead, over;

static void touch(nook_context *now, void *user_pointer)
{
    (void)now;
    if (__atomic_load_n(&((struct mark *)user_pointer)->alive, __ATOMIC_RELAXED) != 1)
        __atomic_store_n(&touched_dead, 1, __ATOMIC_RELAXED);
}

static void *switch_on(void *unused)
{
    nook_context *context;
    (void)unused;
    if (nook_context_new(&context) != 0)
        return NULL;
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED))
        if (nook_context_enter(context) == 0)
            (void)nook_context_exit(context);
    nook_context_unref(context);
    return NULL;
}

static void C22_watchers_come_and_go_while_others_switch(void **state)
{
    pthread_t threads[2];
    (void)state;
    over = touched_dead = 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, switch_on, NULL), 0);
    for (int i = 0; i < 1000; i++) {
        struct mark mark = {1};
        int id = watch(touch, &mark);
        if (i % 16 == 0)
            sched_yield();
        unwatch(id);
        __atomic_store_n(&mark.alive, 0, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&over, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(touched_dead, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        context_test(C22_watchers_hear_of_each_switch_with_the_new_context),
        context_test(C22_set_and_reset_fire_nothing),
        context_test(H12_a_state_swap_is_a_switch),
        context_test(C22_run_fires_on_both_sides_and_a_refused_enter_on_none),
        context_test(C22_eight_watchers_and_no_more),
        context_test(C22_what_is_no_watcher),
        context_test(C22_a_removed_watcher_hears_nothing_more),
        context_test(C22_a_watcher_that_switches_is_not_told_of_it),
        context_test(C22_a_watcher_may_remove_itself_or_another),
        context_test(C22_a_watcher_may_give_up_the_chain),
        context_test(C22_remove_waits_for_those_inside),
        context_test(C22_watchers_come_and_go_while_others_switch),
    };
    return cmocka_run_group_tests_name("contextlocal.watcher", tests, NULL, NULL);
}
