/* SPDX-License-Identifier: MIT */
/*
 * Entering and leaving, by the thread whose home a context is and by others, and who
 * gives it up meanwhile: C15, C16, D3, H7, H11.
 */
#include "support.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "barrier.h"

static NOOK_VAR_DEFINE(number);

/* Two threads that do something at the same time, over and over. */
struct round {
    pthread_barrier_t both;
    nook_context *context;
    struct counted value;
    int rc, other_rc, other_times;
    int inside, crowded, times;
};

enum { ROUNDS = 400 };

static void meet(struct round *round)
{
    pthread_barrier_wait(&round->both);
}

static void run_rounds(struct round *round, void *(*other)(void *),
                       void (*here)(struct round *))
{
    pthread_t thread;
    assert_int_equal(pthread_barrier_init(&round->both, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, other, round), 0);
    for (int i = 0; i < ROUNDS; i++) {
        if (nook_context_new(&round->context) != 0)
            abort();
        here(round);
    }
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&round->both);
}

/* --- two want in ------------------------------------------------------------ */

static int visit_once(struct round *round)
{
    if (nook_context_enter(round->context) != 0)
        return 0;
    if (__atomic_add_fetch(&round->inside, 1, __ATOMIC_RELAXED) != 1)
        __atomic_add_fetch(&round->crowded, 1, __ATOMIC_RELAXED);
    round->times++; /* whoever is inside writes it */
    (void)nook_var_set(&number, &round->times, NULL);
    __atomic_sub_fetch(&round->inside, 1, __ATOMIC_RELAXED);
    return nook_context_exit(round->context) == 0;
}

static void *visit_too(void *arg)
{
    struct round *round = arg;
    for (int i = 0; i < ROUNDS; i++) {
        meet(round);
        for (int n = i % 7; n > 0; n--)
            sched_yield();
        for (int n = 0; n < 20; n++)
            round->other_times += visit_once(round);
        meet(round);
    }
    return NULL;
}

static void visit_at_home(struct round *round)
{
    int before = round->times - round->other_times, times = 0;
    times += visit_once(round); /* from here on, this is its home */
    meet(round);
    for (int n = 0; n < 200; n++)
        times += visit_once(round);
    meet(round);
    if (round->times - round->other_times - before != times || !visit_once(round))
        round->rc = -1;
    nook_context_unref(round->context);
}

static void C15_D3_home_and_another_take_turns(void **state)
{
    struct round round = {.rc = 0};
    (void)state;
    run_rounds(&round, visit_too, visit_at_home);
    assert_int_equal(round.crowded, 0);
    assert_int_equal(round.rc, 0);
}

/* --- the last reference goes ------------------------------------------------ */

static void *drop_it(void *arg)
{
    struct round *round = arg;
    for (int i = 0; i < ROUNDS; i++) {
        meet(round);
        for (int n = i % 50; n > 0; n--)
            __asm__ volatile("" : : : "memory");
        nook_context_unref(round->context);
        meet(round);
    }
    return NULL;
}

static void leave_meanwhile(struct round *round)
{
    nook_var *var;
    nook_var_options options = {.ops = &counted_ops};
    if (nook_var_new(&var, "value", &options) != 0)
        abort();
    round->rc |= nook_context_enter(round->context);
    round->rc |= nook_var_set(var, &round->value, NULL);
    nook_var_unref(var);
    meet(round);
    round->rc |= nook_context_exit(round->context);
    meet(round);
    if (round->value.held != 0)
        round->crowded++;
}

static void H7_the_last_reference_goes_while_home_leaves(void **state)
{
    struct round round = {.rc = 0};
    (void)state;
    run_rounds(&round, drop_it, leave_meanwhile);
    assert_int_equal(round.rc, 0);
    assert_int_equal(round.crowded, 0); /* values that are still held */
}

static void *unref_in_thread(void *context)
{
    nook_context_unref(context);
    return NULL;
}

static void H7_the_chain_alone_holds_what_home_entered(void **state)
{
    void *value = NULL;
    int one = 1;
    (void)state;
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        nook_context *context;
        assert_int_equal(nook_context_new(&context), 0);
        assert_int_equal(nook_context_enter(context), 0);
        assert_int_equal(nook_var_set(&number, &one, NULL), 0);
        if (elsewhere)
            in_thread(unref_in_thread, context);
        else
            nook_context_unref(context);
        assert_int_equal(nook_var_get(&number, &value), 0);
        assert_ptr_equal(value, &one);
        assert_int_equal(nook_context_exit(nook_context_ref(context)), 0);
        assert_int_equal(nook_context_exit(context), NOOK_ENOTENTERED);
        nook_context_unref(context);
    }
}

/* --- somebody is refused ---------------------------------------------------- */

static void *try_to_enter(void *arg)
{
    struct round *round = arg;
    round->other_rc = nook_context_enter(round->context);
    if (round->other_rc == 0)
        round->other_rc = nook_context_exit(round->context);
    return NULL;
}

static void C15_who_is_refused_changes_nothing(void **state)
{
    struct round round = {.rc = 0};
    (void)state;
    assert_int_equal(nook_context_new(&round.context), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(nook_context_enter(round.context), 0);
        in_thread(try_to_enter, &round);
        assert_int_equal(round.other_rc, NOOK_EENTERED);
        assert_int_equal(nook_context_enter(round.context), NOOK_EENTERED);
        assert_int_equal(nook_context_exit(round.context), 0);
        in_thread(try_to_enter, &round);
        assert_int_equal(round.other_rc, 0);
    }
    nook_context_unref(round.context);
}

static void C15_H10_home_is_a_thread_that_has_ended(void **state)
{
    struct round round = {.rc = 0};
    (void)state;
    assert_int_equal(nook_context_new(&round.context), 0);
    in_thread(try_to_enter, &round);
    assert_int_equal(round.other_rc, 0);
    in_thread(try_to_enter, &round);
    assert_int_equal(round.other_rc, 0);
    assert_int_equal(nook_context_enter(round.context), 0);
    nook_context_unref(round.context);
    assert_int_equal(nook_context_exit(round.context), 0);
}

/* --- a chain moves ---------------------------------------------------------- */

static void *leave_elsewhere(void *arg)
{
    struct round *round = arg;
    for (int i = 0; i < ROUNDS; i++) {
        meet(round);
        nook_context *mine = nook_state_swap(round->context);
        if (i % 2 == 0)
            round->other_rc |= nook_context_exit(round->context);
        nook_state_drop(nook_state_swap(mine));
        meet(round);
    }
    return NULL;
}

/* Its home wants in again, or drops it, while another thread leaves it. */
static void move_chain(struct round *round)
{
    nook_context *own = nook_state_swap(NULL);
    round->rc |= nook_context_enter(round->context);
    nook_context *chain = nook_state_swap(own);
    if (chain != round->context)
        round->rc = -1;
    meet(round);
    if (++round->times % 3 != 0) {
        int rc = nook_context_enter(round->context);
        if (rc == 0)
            rc = nook_context_exit(round->context);
        round->rc |= rc == NOOK_EENTERED ? 0 : rc;
    }
    nook_context_unref(round->context);
    meet(round);
}

static void H11_C16_what_home_entered_is_left_by_another(void **state)
{
    struct round round = {.rc = 0};
    (void)state;
    run_rounds(&round, leave_elsewhere, move_chain);
    assert_int_equal(round.rc, 0);
    assert_int_equal(round.other_rc, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        context_test(C15_D3_home_and_another_take_turns),
        context_test(H7_the_last_reference_goes_while_home_leaves),
        context_test(H7_the_chain_alone_holds_what_home_entered),
        context_test(C15_who_is_refused_changes_nothing),
        context_test(C15_H10_home_is_a_thread_that_has_ended),
        context_test(H11_C16_what_home_entered_is_left_by_another),
    };
    const char *mode = argc > 1 ? argv[1] : "plain";
    int rc = set_up_mode(mode);
    return rc != 0 ? rc : cmocka_run_group_tests_name(mode, tests, NULL, NULL);
}
