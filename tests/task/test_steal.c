/* SPDX-License-Identifier: MIT */
/*
 * Who has nothing to do takes from who has: tasks that have not started, and started ones
 * that roam. A task that is to be taken by another worker is waited for here by one
 * that keeps its own worker meanwhile, so that nobody else could have run it. Meant
 * for ThreadSanitizer as well.
 */
#include "want.h"

static NOOK_VAR_DEFINE(var);

/* Keeps the worker until then. 0: it took too long. */
static int comes(const atomic_int *count, int wanted)
{
    enum { PATIENCE = 200000, STEP = 100 };
    for (int i = 0; i < PATIENCE && atomic_load(count) < wanted; i++)
        usleep(STEP);
    return atomic_load(count) >= wanted;
}

static int by(unsigned workers, nook_task_fn main, void *arg)
{
    int result = -1;
    int rc = nook_run(main, arg, &(nook_run_options){.workers = workers}, &result);
    return rc != 0 ? rc : result;
}

/* --- tasks that have not started ------------------------------------------------ */

static int add_one(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static int keep_the_worker(void *arg)
{
    atomic_int count = 0;
    (void)arg;
    for (int i = 1; i <= 100; i++) {
        WANT(nook_task_spawn(NULL, add_one, &count, NULL) == 0);
        WANT(comes(&count, i));
    }
    return 0;
}

static void a_new_task_is_taken_by_who_has_nothing(void **state)
{
    (void)state;
    assert_int_equal(by(2, keep_the_worker, NULL), 0);
}

enum { WORKERS = 4 };

struct party {
    atomic_int there;
    atomic_uint where; /* a bit for each worker */
};

static int wait_for_all(void *arg)
{
    struct party *party = arg;
    atomic_fetch_or(&party->where, 1U << nook_worker_index());
    atomic_fetch_add(&party->there, 1);
    return comes(&party->there, WORKERS) ? 0 : 1;
}

/* Each guest keeps a worker until all are there: every worker must have come for one. */
static int give_parties(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        struct party party = {0};
        nook_task *guests[WORKERS];
        for (int j = 0; j < WORKERS; j++)
            WANT(nook_task_spawn(&guests[j], wait_for_all, &party, NULL) == 0);
        for (int j = 0; j < WORKERS; j++)
            WANT(finish(guests[j]) == 0);
        WANT(party.where == ((1U << WORKERS) - 1) << 1);
    }
    return 0;
}

static void one_wake_leads_to_the_next_while_there_is_work(void **state)
{
    (void)state;
    assert_int_equal(by(WORKERS, give_parties, NULL), 0);
}

/* --- started tasks ---------------------------------------------------------------- */

struct traveller {
    nook_event event;
    int waits;
    atomic_int steps;
    unsigned before, after;
    int value;
};

static int travel(void *arg)
{
    struct traveller *traveller = arg;
    WANT(nook_var_set(&var, value_of(7), NULL) == 0);
    traveller->before = nook_worker_index();
    atomic_store(&traveller->steps, 1);
    int rc = traveller->waits ? nook_event_wait(&traveller->event) : nook_yield();
    traveller->after = nook_worker_index();
    traveller->value = number_in(&var);
    atomic_store(&traveller->steps, 2);
    return rc;
}

/* It starts here, becomes ready here, and this worker is kept. */
static int see_one_off(struct traveller *traveller, int migrate, int comes_back)
{
    nook_task *task;
    nook_task_options options = {.worker = 1, .migrate = migrate};
    WANT(nook_task_spawn(&task, travel, traveller, &options) == 0);
    while (atomic_load(&traveller->steps) == 0)
        WANT(nook_yield() == 0);
    if (traveller->waits)
        WANT(nook_event_set(&traveller->event) == 0);
    if (comes_back)
        usleep(10000);
    WANT(atomic_load(&traveller->steps) == 1 || !comes_back);
    WANT(comes_back || comes(&traveller->steps, 2));
    WANT(finish(task) == 0);
    WANT(traveller->value == 7 && traveller->before == 1);
    WANT((traveller->after == 1) == comes_back);
    return 0;
}

static int see_several_off(void *arg)
{
    const int *how = arg;
    for (int i = 0; i < 10; i++) {
        struct traveller traveller = {.waits = how[0]};
        int rc = see_one_off(&traveller, how[1], how[1] < 0);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void one_that_roams_goes_on_elsewhere_with_its_context(void **state)
{
    (void)state;
    for (int waits = 0; waits < 2; waits++)
        assert_int_equal(by(2, see_several_off, (int[]){waits, 1}), 0);
}

static void one_that_stays_waits_for_its_worker(void **state)
{
    (void)state;
    for (int waits = 0; waits < 2; waits++)
        assert_int_equal(by(2, see_several_off, (int[]){waits, -1}), 0);
}

/* --- all of them, once each --------------------------------------------------------- */

enum { MANY = 3000, YIELDS = 5 };

struct crowd {
    int migrate;
    atomic_int runs[MANY];
    atomic_int moved, lost, at[WORKERS + 1];
};

struct member {
    struct crowd *crowd;
    int number;
};

static int be_one(void *arg)
{
    const struct member *member = arg;
    struct crowd *crowd = member->crowd;
    unsigned worker = nook_worker_index();
    int rc = nook_var_set(&var, value_of(member->number), NULL);
    for (int i = 0; rc == 0 && i < YIELDS; i++) {
        rc = nook_yield();
        if (worker != nook_worker_index())
            atomic_fetch_add(&crowd->moved, 1);
        if (number_in(&var) != member->number)
            atomic_fetch_add(&crowd->lost, 1);
        worker = nook_worker_index();
    }
    atomic_fetch_add(&crowd->at[worker], 1);
    atomic_fetch_add(&crowd->runs[member->number], 1);
    return rc;
}

static int make_them_all(void *arg)
{
    static struct member members[MANY];
    static nook_task *tasks[MANY];
    struct crowd *crowd = arg;
    nook_task_options options = {.migrate = crowd->migrate};
    for (int i = 0; i < MANY; i++) {
        members[i] = (struct member){crowd, i};
        WANT(nook_task_spawn(&tasks[i], be_one, &members[i], &options) == 0);
    }
    int rc = nook_gather(tasks, MANY, NULL);
    for (int i = 0; i < MANY; i++)
        nook_task_unref(tasks[i]);
    return rc;
}

static void each_of_many_runs_once(void **state)
{
    static struct crowd crowd;
    (void)state;
    for (int migrate = -1; migrate <= 1; migrate += 2) {
        memset(&crowd, 0, sizeof crowd);
        crowd.migrate = migrate;
        assert_int_equal(by(WORKERS, make_them_all, &crowd), 0);
        int sum = 0;
        for (unsigned i = 1; i <= WORKERS; i++)
            sum += atomic_load(&crowd.at[i]);
        assert_int_equal(sum, MANY);
        for (int i = 0; i < MANY; i++)
            assert_int_equal(atomic_load(&crowd.runs[i]), 1);
        assert_int_equal(atomic_load(&crowd.lost), 0);
        if (migrate < 0)
            assert_int_equal(atomic_load(&crowd.moved), 0);
    }
}

/* Each makes some more, on every worker, from rings that fill and empty. */
struct tree {
    atomic_int leaves;
};

struct branch {
    struct tree *tree;
    int depth;
};

static int grow(void *arg)
{
    const struct branch *branch = arg;
    struct branch next = {branch->tree, branch->depth - 1};
    nook_task *tasks[4];
    if (branch->depth == 0) {
        atomic_fetch_add(&branch->tree->leaves, 1);
        return 0;
    }
    for (int i = 0; i < 4; i++)
        WANT(nook_task_spawn(&tasks[i], grow, &next, NULL) == 0);
    for (int i = 0; i < 4; i++)
        WANT(finish(tasks[i]) == 0);
    return 0;
}

static void who_was_taken_makes_others(void **state)
{
    enum { DEPTH = 5, LEAVES = 1024 };
    (void)state;
    for (unsigned workers = 2; workers <= WORKERS; workers++) {
        for (int migrate = 0; migrate < 2; migrate++) {
            struct tree tree = {0};
            struct branch root = {&tree, DEPTH};
            nook_run_options options = {.workers = workers, .migrate = migrate};
            int result = -1;
            assert_int_equal(nook_run(grow, &root, &options, &result), 0);
            assert_int_equal(result, 0);
            assert_int_equal(atomic_load(&tree.leaves), LEAVES);
        }
    }
}

/* --- nobody starves --------------------------------------------------------------------- */

struct yielder {
    atomic_int *stop;
    atomic_int turns;
};

static int yield_on(void *arg)
{
    struct yielder *yielder = arg;
    while (!atomic_load(yielder->stop)) {
        WANT(nook_yield() == 0);
        atomic_fetch_add(&yielder->turns, 1);
    }
    return 0;
}

/* More than a ring holds, beside workers that always have something of their own. */
static int come_between(void *arg)
{
    enum { NEW = 1000 };
    atomic_int stop = 0, count = 0;
    struct yielder yielders[2] = {{.stop = &stop}, {.stop = &stop}};
    nook_task *old[2];
    (void)arg;
    for (unsigned i = 0; i < 2; i++) {
        nook_task_options options = {.worker = i + 1, .migrate = -1};
        WANT(nook_task_spawn(&old[i], yield_on, &yielders[i], &options) == 0);
    }
    for (int i = 0; i < NEW; i++)
        WANT(nook_task_spawn(NULL, add_one, &count, NULL) == 0);
    while (atomic_load(&count) < NEW)
        WANT(nook_yield() == 0);
    for (int i = 0; i < 2; i++) /* and the others the reverse */
        while (atomic_load(&yielders[i].turns) == 0)
            WANT(nook_yield() == 0);
    atomic_store(&stop, 1);
    return finish(old[0]) + finish(old[1]);
}

static void old_and_new_do_not_starve_each_other(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(by(2, come_between, NULL), 0);
}

/* --- bound while they are in a ring [D3] ---------------------------------------------------
 */

struct pair {
    atomic_int inside, overlaps, steps;
};

static int go_in(struct pair *pair)
{
    if (atomic_fetch_add(&pair->inside, 1) != 0)
        atomic_fetch_add(&pair->overlaps, 1);
    int rc = nook_var_set(&var, value_of(number_in(&var) + 1), NULL);
    atomic_fetch_sub(&pair->inside, 1);
    atomic_fetch_add(&pair->steps, 1);
    return rc;
}

static int go_in_often(void *arg)
{
    struct pair *pair = arg;
    int rc = 0;
    for (int i = 0; rc == 0 && i < 10; i++) {
        rc = go_in(pair);
        if (rc == 0)
            rc = nook_yield();
    }
    return rc;
}

static void go_in_once(void *arg)
{
    (void)go_in(arg);
}

/* The second comes to share the context of the first, wherever that is by then. */
static int share_it(int migrate, int wait)
{
    struct pair pair = {0};
    nook_task *first, *second;
    nook_task_options options = {.migrate = migrate};
    WANT(nook_task_spawn(&first, go_in_often, &pair, &options) == 0);
    for (int i = 0; i < wait; i++)
        WANT(nook_yield() == 0);
    nook_context *context = nook_task_context(first);
    if (context == NULL)
        return finish(first); /* it had ended */
    options.context = context;
    options.worker = 2;
    WANT(nook_task_spawn(&second, go_in_often, &pair, &options) == 0);
    WANT(nook_call_soon(NULL, go_in_once, &pair, context) == 0);
    WANT(finish(first) == 0 && finish(second) == 0);
    while (atomic_load(&pair.steps) < 21)
        WANT(nook_yield() == 0);
    nook_context_unref(context);
    return atomic_load(&pair.overlaps) == 0 ? 0 : -1;
}

static int share_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 400; i++) {
        int rc = share_it(i % 2 == 0 ? 1 : -1, i / 2 % 8);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void D3_one_that_is_bound_in_a_ring_goes_where_it_belongs(void **state)
{
    (void)state;
    for (unsigned workers = 2; workers <= WORKERS; workers++)
        assert_int_equal(by(workers, share_many, NULL), 0);
}

/* --- from outside --------------------------------------------------------------------------
 */

struct sender {
    nook_loop *loop;
    atomic_int count, rc;
};

enum { LETTERS = 1000 };

static void *send_many(void *arg)
{
    struct sender *sender = arg;
    for (int i = 0; sender->rc == 0 && i < LETTERS; i++)
        sender->rc = nook_loop_spawn(sender->loop, NULL, add_one, &sender->count, NULL);
    return NULL;
}

static int be_sent_many(void *arg)
{
    struct sender *sender = arg;
    pthread_t thread;
    WANT(nook_loop_running(&sender->loop) == 0);
    WANT(pthread_create(&thread, NULL, send_many, sender) == 0);
    while (atomic_load(&sender->count) < LETTERS && sender->rc == 0)
        WANT(nook_sleep(MS / 10) == 0);
    WANT(pthread_join(thread, NULL) == 0);
    nook_loop_unref(sender->loop);
    return sender->rc;
}

static void what_comes_from_outside_runs_once(void **state)
{
    (void)state;
    for (unsigned workers = 2; workers <= WORKERS; workers++) {
        struct sender sender = {0};
        assert_int_equal(by(workers, be_sent_many, &sender), 0);
        assert_int_equal(atomic_load(&sender.count), LETTERS);
    }
}

/* --- the end, and the deadlock
 * ---------------------------------------------------------------- */

static int leave_them(void *arg)
{
    for (int i = 0; i < 1000; i++)
        WANT(nook_task_spawn(NULL, go_in_often, arg, NULL) == 0);
    return 0;
}

static void a_run_may_end_with_full_rings(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct pair pair = {0};
        nook_run_options options = {.workers = WORKERS, .migrate = i % 2};
        assert_int_equal(nook_run(leave_them, &pair, &options, NULL), 0);
    }
}

static int wait_in_vain(void *arg)
{
    return nook_event_wait(arg);
}

static int all_wait_in_vain(void *arg)
{
    nook_event event = {0};
    nook_task *tasks[6];
    (void)arg;
    for (int i = 0; i < 6; i++)
        WANT(nook_task_spawn(&tasks[i], wait_in_vain, &event, NULL) == 0);
    int rc = nook_gather(tasks, 6, NULL);
    for (int i = 0; i < 6; i++)
        (void)finish(tasks[i]);
    return rc;
}

static void a_deadlock_is_found_when_nobody_finds_anything(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        nook_run_options options = {.workers = 2 + (unsigned)i % 3, .migrate = i % 2};
        int result = 0;
        assert_int_equal(nook_run(all_wait_in_vain, NULL, &options, &result), NOOK_EDEADLK);
        assert_int_equal(result, NOOK_ECANCELED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(a_new_task_is_taken_by_who_has_nothing),
        task_test(one_wake_leads_to_the_next_while_there_is_work),
        task_test(one_that_roams_goes_on_elsewhere_with_its_context),
        task_test(one_that_stays_waits_for_its_worker),
        task_test(each_of_many_runs_once),
        task_test(who_was_taken_makes_others),
        task_test(old_and_new_do_not_starve_each_other),
        task_test(D3_one_that_is_bound_in_a_ring_goes_where_it_belongs),
        task_test(what_comes_from_outside_runs_once),
        task_test(a_run_may_end_with_full_rings),
        task_test(a_deadlock_is_found_when_nobody_finds_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
