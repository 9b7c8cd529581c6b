/* SPDX-License-Identifier: MIT */
/*
 * A context is read by other threads while its own changes it in place: C19, C20, D4, H8.
 */
#include "support.h"

#include <errno.h>
#include <stdlib.h>

#include "barrier.h"

/* --- values that tell when they were freed ---------------------------------- */

struct cell {
    int held;
    uint64_t number, check;
};

static const uint64_t alive_mark = 0x6e6f6f6b6e6f6f6b;
static int broken; /* values seen after they were gone, by whoever */

static struct cell *cell_new(uint64_t number)
{
    struct cell *cell = malloc(sizeof *cell);
    if (cell != NULL)
        *cell = (struct cell){1, number, number ^ alive_mark};
    return cell;
}

static void cell_retain(void *value, void *user)
{
    (void)user;
    __atomic_add_fetch(&((struct cell *)value)->held, 1, __ATOMIC_RELAXED);
}

static void cell_release(void *value, void *user)
{
    struct cell *cell = value;
    (void)user;
    if (__atomic_sub_fetch(&cell->held, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    cell->check = 0;
    free(cell);
}

static uint64_t cell_number(const struct cell *cell)
{
    if ((cell->number ^ alive_mark) != cell->check)
        __atomic_store_n(&broken, 1, __ATOMIC_RELAXED);
    return cell->number;
}

static int cell_equal(void *a, void *b, void *user)
{
    (void)user;
    return cell_number(a) == cell_number(b);
}

static const nook_value_ops cell_ops = {cell_retain, cell_release, cell_equal, NULL,
                                        NOOK_INHERIT_COPY};

static nook_var first = NOOK_VAR_INIT("first", &cell_ops, 0, NULL);
static nook_var second = NOOK_VAR_INIT("second", &cell_ops, 0, NULL);
static nook_var sometimes = NOOK_VAR_INIT("sometimes", &cell_ops, 0, NULL);

/* --- an owner and its readers ----------------------------------------------- */

enum { ROUNDS = 20000, READERS = 2, READS = 50 };

struct scene {
    nook_context *context;
    int over, wrong, reads;
};

static int set_number(nook_var *var, uint64_t number, nook_token *token)
{
    struct cell *cell = cell_new(number);
    if (cell == NULL)
        return NOOK_ENOMEM;
    int rc = nook_var_set(var, cell, token);
    cell_release(cell, NULL);
    return rc;
}

/* first is set before second: no snapshot may show it behind, or more than one ahead. */
static int one_round(uint64_t number)
{
    nook_token token;
    int wrong = set_number(&first, number, NULL) != 0;
    wrong += set_number(&second, number, NULL) != 0;
    wrong += set_number(&sometimes, number, &token) != 0;
    wrong += nook_var_reset(&sometimes, &token) != 0;
    return wrong;
}

/* Goes on until the readers have had their share of a busy machine. */
static int own(void *arg)
{
    struct scene *scene = arg;
    int wrong = 0;
    for (uint64_t number = 2;
         number < ROUNDS || __atomic_load_n(&scene->reads, __ATOMIC_RELAXED) < READS; number++)
        wrong += one_round(number);
    return wrong;
}

static uint64_t number_in(nook_context *context, nook_var *var, int *wrong)
{
    void *value;
    if (nook_context_find(context, var, &value) != 0) {
        ++*wrong;
        return 0;
    }
    uint64_t number = cell_number(value);
    nook_value_release(var, value);
    return number;
}

static int snapshot_is_consistent(nook_context *context)
{
    nook_context *copy, *same;
    int wrong = 0;
    if (nook_context_copy(context, &copy) != 0)
        return 0;
    uint64_t a = number_in(copy, &first, &wrong), b = number_in(copy, &second, &wrong);
    wrong += a < b || a > b + 1;
    wrong += nook_context_len(copy) != 2u + (unsigned)nook_context_contains(copy, &sometimes);
    wrong += nook_context_copy(copy, &same) != 0 || nook_context_equal(copy, same) != 1;
    nook_context_unref(same);
    nook_context_unref(copy);
    return wrong == 0;
}

static int iteration_is_consistent(nook_context *context)
{
    nook_context_iter iter;
    nook_var *var;
    void *value;
    uint64_t a = 0, b = 0;
    int n = 0;
    if (nook_context_iter_open(&iter, context) != 0)
        return 0;
    for (; nook_context_iter_next(&iter, &var, &value) == 0; n++) {
        uint64_t number = cell_number(value);
        a = var == &first ? number : a;
        b = var == &second ? number : b;
    }
    nook_context_iter_close(&iter);
    return (n == 2 || n == 3) && a >= b && a <= b + 1;
}

static int direct_reads_are_sane(nook_context *context)
{
    int wrong = 0;
    size_t len = nook_context_len(context);
    uint64_t b = number_in(context, &second, &wrong), a = number_in(context, &first, &wrong);
    int equal = nook_context_equal(context, context);
    return wrong == 0 && (len == 2 || len == 3) && a >= b && (equal == 0 || equal == 1);
}

static void *read_foreign(void *arg)
{
    struct scene *scene = arg;
    while (!__atomic_load_n(&scene->over, __ATOMIC_ACQUIRE)) {
        int wrong = !snapshot_is_consistent(scene->context) +
                    !iteration_is_consistent(scene->context) +
                    !direct_reads_are_sane(scene->context);
        __atomic_add_fetch(&scene->wrong, wrong, __ATOMIC_RELAXED);
        __atomic_add_fetch(&scene->reads, 1, __ATOMIC_RELAXED);
    }
    nook_context_unref(scene->context);
    return NULL;
}

/* Starts the readers, each with a reference of its own. */
static void start_readers(struct scene *scene, pthread_t *readers)
{
    for (int i = 0; i < READERS; i++) {
        (void)nook_context_ref(scene->context);
        assert_int_equal(pthread_create(&readers[i], NULL, read_foreign, scene), 0);
    }
}

static void stop_readers(struct scene *scene, const pthread_t *readers)
{
    __atomic_store_n(&scene->over, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
}

static int begin(void *unused)
{
    (void)unused;
    return one_round(1);
}

static void prepare(struct scene *scene)
{
    int wrong = -1;
    *scene = (struct scene){.context = NULL};
    broken = 0;
    assert_int_equal(nook_context_new(&scene->context), 0);
    assert_int_equal(nook_context_run(scene->context, begin, NULL, &wrong), 0);
    assert_int_equal(wrong, 0);
}

static void C19_D4_others_read_what_its_owner_sets_in_place(void **state)
{
    struct scene scene;
    pthread_t readers[READERS];
    int wrong = -1;
    (void)state;
    prepare(&scene);
    start_readers(&scene, readers);
    assert_int_equal(nook_context_run(scene.context, own, &scene, &wrong), 0);
    stop_readers(&scene, readers);
    assert_int_equal(wrong, 0);
    assert_int_equal(scene.wrong, 0);
    assert_int_equal(broken, 0);
    assert_true(scene.reads >= READS);
    nook_context_unref(scene.context);
}

/* The owner is now this thread, now that one; the readers notice nothing. */
struct relay {
    struct scene *scene;
    pthread_mutex_t baton;
    uint64_t number;
    int wrong;
};

static int relay_step(void *arg)
{
    struct relay *relay = arg;
    relay->wrong += one_round(++relay->number);
    return 0;
}

static void *relay_run(void *arg)
{
    struct relay *relay = arg;
    for (int i = 0; i < ROUNDS / 8; i++) {
        pthread_mutex_lock(&relay->baton);
        if (nook_context_run(relay->scene->context, relay_step, relay, NULL) != 0)
            relay->wrong++;
        pthread_mutex_unlock(&relay->baton);
    }
    return NULL;
}

static void C19_C13_others_read_while_the_context_changes_hands(void **state)
{
    struct scene scene;
    struct relay relay = {.scene = &scene, .number = 1};
    pthread_t readers[READERS], owners[2];
    (void)state;
    prepare(&scene);
    pthread_mutex_init(&relay.baton, NULL);
    start_readers(&scene, readers);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&owners[i], NULL, relay_run, &relay), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(owners[i], NULL);
    stop_readers(&scene, readers);
    assert_int_equal(relay.wrong, 0);
    assert_int_equal(scene.wrong, 0);
    assert_int_equal(broken, 0);
    pthread_mutex_destroy(&relay.baton);
    nook_context_unref(scene.context);
}

/* A base, which its thread changes and gives up while the readers still look. */
static void C19_H10_a_base_is_read_beyond_the_end_of_its_thread(void **state)
{
    struct scene scene = {.context = NULL};
    pthread_t readers[READERS];
    (void)state;
    broken = 0;
    assert_int_equal(one_round(1), 0);
    scene.context = nook_context_peek();
    start_readers(&scene, readers);
    for (uint64_t number = 2; number < ROUNDS / 4; number++)
        scene.wrong += one_round(number);
    nook_thread_detach(); /* from here on they hold it alone */
    for (int i = 0; i < 100; i++)
        sched_yield();
    stop_readers(&scene, readers);
    assert_int_equal(scene.wrong, 0);
    assert_int_equal(broken, 0);
}

/* clear is a write as well. */
static void *look_at_cleared(void *arg)
{
    struct scene *scene = arg;
    while (!__atomic_load_n(&scene->over, __ATOMIC_ACQUIRE)) {
        nook_context_iter iter;
        nook_var *var;
        void *value;
        int n = 0;
        (void)nook_context_iter_open(&iter, scene->context);
        for (; nook_context_iter_next(&iter, &var, &value) == 0; n++)
            (void)cell_number(value);
        nook_context_iter_close(&iter);
        if (n > 2)
            __atomic_add_fetch(&scene->wrong, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void C19_others_read_while_the_owner_clears(void **state)
{
    struct scene scene = {.context = NULL};
    pthread_t reader;
    (void)state;
    broken = 0;
    assert_int_equal(set_number(&first, 1, NULL), 0);
    scene.context = nook_context_peek();
    assert_int_equal(pthread_create(&reader, NULL, look_at_cleared, &scene), 0);
    int wrong = 0;
    for (uint64_t number = 2; number < ROUNDS / 4; number++) {
        wrong += set_number(&first, number, NULL) + set_number(&second, number, NULL);
        nook_context_clear(scene.context);
    }
    __atomic_store_n(&scene.over, 1, __ATOMIC_RELEASE);
    pthread_join(reader, NULL);
    assert_int_equal(wrong, 0);
    assert_int_equal(scene.wrong, 0);
    assert_int_equal(broken, 0);
}

/* Each thread has its iterator over one snapshot; it holds when the context is gone. */
static void *iterate_alone(void *arg)
{
    struct scene *scene = arg;
    for (int i = 0; i < 500; i++)
        if (!iteration_is_consistent(scene->context))
            __atomic_add_fetch(&scene->wrong, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void C20_each_thread_has_its_own_iterator(void **state)
{
    struct scene scene;
    pthread_t threads[4];
    (void)state;
    prepare(&scene);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, iterate_alone, &scene), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(scene.wrong, 0);
    assert_int_equal(broken, 0);
    nook_context_unref(scene.context);
}

static void H15_reading_leaves_errno_alone(void **state)
{
    struct scene scene;
    (void)state;
    prepare(&scene);
    errno = EDOM;
    size_t len = nook_context_len(scene.context);
    int found = errno;
    assert_int_equal(len, 2);
    assert_int_equal(found, EDOM);
    nook_context_unref(scene.context);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        context_test(H15_reading_leaves_errno_alone),
        context_test(C19_D4_others_read_what_its_owner_sets_in_place),
        context_test(C19_C13_others_read_while_the_context_changes_hands),
        context_test(C19_H10_a_base_is_read_beyond_the_end_of_its_thread),
        context_test(C19_others_read_while_the_owner_clears),
        context_test(C20_each_thread_has_its_own_iterator),
    };
    const char *mode = argc > 1 ? argv[1] : "plain";
    int rc = set_up_mode(mode);
    if (rc != 0)
        return rc;
    return cmocka_run_group_tests_name(mode, tests, NULL, NULL);
}
