/* SPDX-License-Identifier: MIT */
/* A child of a process whose other threads were inside nook when it forked [H15, H16]. */
#include "support.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static NOOK_VAR_DEFINE(user);

static char alice[] = "alice", bob[] = "bob", unset[] = "unset";

enum { FORKS = 150 };

static int over;
static nook_context *foreign;

static int go_on(void)
{
    return !__atomic_load_n(&over, __ATOMIC_ACQUIRE);
}

static void *read_on(void *unused)
{
    (void)unused;
    while (go_on())
        (void)nook_context_len(foreign);
    return NULL;
}

static void *make_variables(void *unused)
{
    static nook_var *vars[64];
    (void)unused;
    while (go_on()) {
        for (int i = 0; i < 64; i++)
            if (nook_var_new(&vars[i], "short-lived", NULL) == 0)
                (void)nook_var_set(vars[i], bob, NULL);
        nook_context_clear(nook_context_peek());
        for (int i = 0; i < 64; i++)
            nook_var_unref(vars[i]);
    }
    return NULL;
}

static void look(nook_context *now, void *count)
{
    (void)now;
    __atomic_add_fetch((int *)count, 1, __ATOMIC_RELAXED);
}

static int watched;

static void *watch(void *unused)
{
    nook_context *mine;
    int id;
    (void)unused;
    if (nook_context_new(&mine) != 0)
        return NULL;
    while (go_on()) {
        if (nook_watcher_add(look, &watched, &id) != 0)
            continue;
        if (nook_context_enter(mine) == 0)
            (void)nook_context_exit(mine);
        (void)nook_watcher_remove(id);
    }
    nook_context_unref(mine);
    return NULL;
}

/* The number of the first thing that went wrong. */
static int child(void)
{
    nook_context *copy;
    nook_var *var;
    int id, before = watched;
    if (nook_var_get_or(&user, unset) != alice)
        return 1;
    if (nook_var_set(&user, bob, NULL) != 0 || nook_var_get_or(&user, unset) != bob)
        return 2;
    if (nook_var_new(&var, "the child's", NULL) != 0 || nook_var_set(var, bob, NULL) != 0)
        return 3;
    if (nook_context_copy(foreign, &copy) != 0 || nook_context_len(copy) != 1)
        return 4;
    if (nook_watcher_add(look, &watched, &id) != 0)
        return 5;
    if (nook_context_enter(copy) != 0 || nook_context_exit(copy) != 0 || watched == before)
        return 6;
    return nook_watcher_remove(id) == 0 ? 0 : 7;
}

static int fork_once(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20); /* one that waits for a lost lock */
        _exit(child());
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void H15_H16_a_forked_child_goes_on(void **state)
{
    void *(*const busy[])(void *) = {read_on, make_variables, watch};
    pthread_t threads[3];
    int wrong = 0;
    (void)state;
    over = 0;
    assert_int_equal(nook_var_set(&user, alice, NULL), 0);
    assert_int_equal(nook_context_copy_current(&foreign), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, busy[i], NULL), 0);
    for (int i = 0; i < FORKS && wrong == 0; i++)
        wrong = fork_once();
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(wrong, 0);
    nook_context_unref(foreign);
}

int main(void)
{
    const struct CMUnitTest tests[] = {context_test(H15_H16_a_forked_child_goes_on)};
    return cmocka_run_group_tests_name("contextlocal.fork", tests, NULL, NULL);
}
