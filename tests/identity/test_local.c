/* SPDX-License-Identifier: MIT */
/*
 * Werkzeug's test_basic_local_asyncio and test_local_stack_asyncio on the three
 * identities: the same program, and three answers [W2, W8].
 */
#include "support.h"

#include <pthread.h>

enum { TASKS = 3 };

static char names[TASKS][8] = {"alice", "bob", "carol"};

struct visit {
    nook_local *local;
    nook_local_stack *stack;
    char *name;
    char *got;
    size_t depth;
    int rc;
};

struct party {
    const nook_backing *backing;
    nook_local *local;
    nook_local_stack *stack;
    struct visit visits[TASKS];
    char *in_main; /* what main binds before, and finds after */
    int rc;
    nook_task_fn visitor;
};

static int spawn_and_wait(struct party *party)
{
    nook_task *tasks[TASKS] = {NULL};
    unsigned n = 0;
    for (; n < TASKS && party->rc == 0; n++) {
        party->visits[n] = (struct visit){party->local, party->stack, names[n], NULL, 0, 0};
        party->rc = nook_task_spawn(&tasks[n], party->visitor, &party->visits[n], NULL);
    }
    int rc = nook_gather(tasks, n, NULL);
    while (n-- > 0)
        nook_task_unref(tasks[n]);
    return party->rc != 0 ? party->rc : rc;
}

static char *find(nook_local *local)
{
    void *value = NULL;
    return nook_local_get(local, "user", &value) == 0 ? value : NULL;
}

/* --- Local -------------------------------------------------------------------- */

static int set_yield_get(void *arg)
{
    struct visit *visit = arg;
    visit->rc = nook_local_set(visit->local, "user", visit->name);
    nook_yield();
    visit->got = find(visit->local);
    return 0;
}

static int only_get(void *arg)
{
    struct visit *visit = arg;
    visit->got = find(visit->local);
    return 0;
}

static int local_main(void *arg)
{
    struct party *party = arg;
    nook_local_options options = {.backing = party->backing};
    party->rc = nook_local_new(&party->local, &options);
    if (party->rc != 0)
        return party->rc;
    party->rc = nook_local_set(party->local, "user", party->in_main);
    int rc = spawn_and_wait(party);
    party->in_main = find(party->local);
    nook_local_unref(party->local);
    return rc;
}

static struct party play(const nook_backing *backing, nook_task_fn main, nook_task_fn visitor)
{
    static char in_main[] = "main";
    struct party party = {.backing = backing, .in_main = in_main, .visitor = visitor};
    int result = -1;
    int rc = nook_run(main, &party, NULL, &result);
    assert_int_equal(rc, 0);
    assert_int_equal(result, 0);
    return party;
}

static void W2_by_thread_everybody_reads_the_last_one(void **state)
{
    struct identities *identities = *state;
    struct party party = play(identities->backing[BY_THREAD], local_main, set_yield_get);
    for (unsigned i = 0; i < TASKS; i++)
        assert_string_equal(party.visits[i].got, "carol");
    assert_string_equal(party.in_main, "carol");
}

static void W2_by_task_each_reads_its_own(void **state)
{
    struct identities *identities = *state;
    struct party party = play(identities->backing[BY_TASK], local_main, set_yield_get);
    for (unsigned i = 0; i < TASKS; i++)
        assert_string_equal(party.visits[i].got, names[i]);
    assert_string_equal(party.in_main, "main");
}

static void W2_by_context_each_reads_its_own(void **state)
{
    struct identities *identities = *state;
    struct party party = play(identities->backing[BY_CONTEXT], local_main, set_yield_get);
    for (unsigned i = 0; i < TASKS; i++)
        assert_string_equal(party.visits[i].got, names[i]);
    assert_string_equal(party.in_main, "main");
}

static void W2_a_child_inherits_by_context_and_not_by_task(void **state)
{
    struct identities *identities = *state;
    struct party by_task = play(identities->backing[BY_TASK], local_main, only_get);
    struct party by_context = play(identities->backing[BY_CONTEXT], local_main, only_get);
    for (unsigned i = 0; i < TASKS; i++) {
        assert_null(by_task.visits[i].got);
        assert_string_equal(by_context.visits[i].got, "main");
    }
}

/* --- what the end of a task releases ---------------------------------------------- */

static int released;

static void count_release(void *value, void *user)
{
    (void)value;
    (void)user;
    __atomic_add_fetch(&released, 1, __ATOMIC_RELAXED);
}

struct ended {
    const nook_backing *backing;
    int after_join;
};

static int bind_and_end(void *arg)
{
    return nook_local_set(arg, "connection", names[0]);
}

static int end_main(void *arg)
{
    struct ended *ended = arg;
    nook_local_options options = {.backing = ended->backing, .release = count_release};
    nook_local *local;
    nook_task *task = NULL;
    int rc = nook_local_new(&local, &options);
    if (rc != 0)
        return rc;
    rc = nook_task_spawn(&task, bind_and_end, local, NULL);
    if (rc == 0)
        rc = nook_task_join(task, NULL);
    ended->after_join = released;
    nook_task_unref(task);
    nook_local_unref(local);
    return rc;
}

static int released_at_the_end(const nook_backing *backing)
{
    struct ended ended = {backing, -1};
    int result = -1;
    released = 0;
    assert_int_equal(nook_run(end_main, &ended, NULL, &result), 0);
    assert_int_equal(result, 0);
    nook_tls_detach();
    assert_int_equal(released, 1);
    return ended.after_join;
}

static void H18_the_end_of_a_task_releases_by_task_and_by_context(void **state)
{
    struct identities *identities = *state;
    assert_int_equal(released_at_the_end(identities->backing[BY_THREAD]), 0);
    assert_int_equal(released_at_the_end(identities->backing[BY_TASK]), 1);
    assert_int_equal(released_at_the_end(identities->backing[BY_CONTEXT]), 1);
}

static void *bind_on_thread(void *local)
{
    (void)nook_local_set(local, "connection", names[0]);
    return NULL;
}

static void H18_by_task_the_end_of_a_thread_releases(void **state)
{
    struct identities *identities = *state;
    nook_local_options options = {.backing = identities->by_task, .release = count_release};
    nook_local *local;
    pthread_t thread;
    released = 0;
    assert_int_equal(nook_local_new(&local, &options), 0);
    assert_int_equal(pthread_create(&thread, NULL, bind_on_thread, local), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(released, 1);
    nook_local_unref(local);
}

/* --- two runs at once -------------------------------------------------------- */

enum { RUNS = 2 };

struct meeting {
    nook_local *local;
    pthread_barrier_t bound;
};

struct guest {
    struct meeting *meeting;
    char *name;
    char *got;
    uint64_t id;
    int rc;
};

static int bind_meet_get(void *arg)
{
    struct guest *guest = arg;
    guest->id = nook_task_id(nook_task_current());
    guest->rc = nook_local_set(guest->meeting->local, "user", guest->name);
    pthread_barrier_wait(&guest->meeting->bound);
    guest->got = find(guest->meeting->local);
    pthread_barrier_wait(&guest->meeting->bound);
    return 0;
}

static void *run_alone(void *arg)
{
    struct guest *guest = arg;
    int rc = nook_run(bind_meet_get, guest, NULL, NULL);
    if (guest->rc == 0)
        guest->rc = rc;
    return NULL;
}

/* The main tasks of two runs are two identities. */
static void W2_by_task_runs_at_the_same_time_are_apart(void **state)
{
    struct identities *identities = *state;
    nook_local_options options = {.backing = identities->by_task};
    struct meeting meeting;
    struct guest guests[RUNS];
    pthread_t threads[RUNS];
    assert_int_equal(nook_local_new(&meeting.local, &options), 0);
    assert_int_equal(pthread_barrier_init(&meeting.bound, NULL, RUNS), 0);
    for (unsigned i = 0; i < RUNS; i++) {
        guests[i] = (struct guest){.meeting = &meeting, .name = names[i]};
        assert_int_equal(pthread_create(&threads[i], NULL, run_alone, &guests[i]), 0);
    }
    for (unsigned i = 0; i < RUNS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (unsigned i = 0; i < RUNS; i++) {
        assert_int_equal(guests[i].rc, 0);
        assert_non_null(guests[i].got);
        assert_string_equal(guests[i].got, names[i]);
    }
    assert_true(guests[0].id != guests[1].id);
    pthread_barrier_destroy(&meeting.bound);
    nook_local_unref(meeting.local);
}

/* --- LocalStack ---------------------------------------------------------------------- */

static int push_yield_top(void *arg)
{
    struct visit *visit = arg;
    void *top = NULL;
    visit->depth = nook_local_stack_depth(visit->stack);
    visit->rc = nook_local_stack_push(visit->stack, visit->name);
    nook_yield();
    if (nook_local_stack_top(visit->stack, &top) == 0)
        visit->got = top;
    return 0;
}

static int stack_main(void *arg)
{
    struct party *party = arg;
    nook_local_stack_options options = {.backing = party->backing};
    void *top = NULL;
    party->rc = nook_local_stack_new(&party->stack, &options);
    if (party->rc != 0)
        return party->rc;
    party->rc = nook_local_stack_push(party->stack, party->in_main);
    int rc = spawn_and_wait(party);
    party->in_main = nook_local_stack_top(party->stack, &top) == 0 ? top : NULL;
    (void)nook_local_stack_release(party->stack);
    nook_local_stack_unref(party->stack);
    return rc;
}

static void W8_by_thread_a_push_is_everybodys(void **state)
{
    struct identities *identities = *state;
    struct party party = play(identities->backing[BY_THREAD], stack_main, push_yield_top);
    assert_string_equal(party.in_main, "carol");
    for (unsigned i = 0; i < TASKS; i++) {
        assert_int_equal(party.visits[i].depth, i + 1);
        assert_string_equal(party.visits[i].got, "carol");
    }
}

static void W8_by_task_a_child_begins_with_an_empty_stack(void **state)
{
    struct identities *identities = *state;
    struct party party = play(identities->backing[BY_TASK], stack_main, push_yield_top);
    assert_string_equal(party.in_main, "main");
    for (unsigned i = 0; i < TASKS; i++) {
        assert_int_equal(party.visits[i].depth, 0);
        assert_string_equal(party.visits[i].got, names[i]);
    }
}

static void W8_by_context_a_childs_push_is_its_own(void **state)
{
    struct identities *identities = *state;
    struct party party = play(identities->backing[BY_CONTEXT], stack_main, push_yield_top);
    assert_string_equal(party.in_main, "main");
    for (unsigned i = 0; i < TASKS; i++) {
        assert_int_equal(party.visits[i].depth, 1);
        assert_string_equal(party.visits[i].got, names[i]);
    }
}

/* --- bad input ------------------------------------------------------------------------- */

static void task_backing_needs_a_place(void **state)
{
    (void)state;
    assert_int_equal(nook_backing_task_new(NULL), NOOK_EINVAL);
    nook_backing_task_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        identity_test(W2_by_thread_everybody_reads_the_last_one),
        identity_test(W2_by_task_each_reads_its_own),
        identity_test(W2_by_context_each_reads_its_own),
        identity_test(W2_a_child_inherits_by_context_and_not_by_task),
        identity_test(H18_the_end_of_a_task_releases_by_task_and_by_context),
        identity_test(H18_by_task_the_end_of_a_thread_releases),
        identity_test(W2_by_task_runs_at_the_same_time_are_apart),
        identity_test(W8_by_thread_a_push_is_everybodys),
        identity_test(W8_by_task_a_child_begins_with_an_empty_stack),
        identity_test(W8_by_context_a_childs_push_is_its_own),
        identity_test(task_backing_needs_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
