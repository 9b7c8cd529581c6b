/* SPDX-License-Identifier: MIT */
/*
 * The library as a plug-in [H16]: usage: test_dlopen LIBRARY. It is loaded late, into a
 * process that has threads, used from old and new ones, and closed while one that used
 * it still lives.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <nook/context.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static int failed;

static void check(int ok, const char *what)
{
    printf("%s %s\n", ok ? "[       OK ]" : "[  FAILED  ]", what);
    failed |= !ok;
}

static struct {
    int (*set)(nook_var *var, void *value, nook_token *token);
    void *(*get_or)(const nook_var *var, void *fallback);
    int (*reset)(nook_var *var, nook_token *token);
    int (*context_new)(nook_context **out);
    int (*run)(nook_context *context, int (*fn)(void *arg), void *arg, int *result);
    void (*unref)(nook_context *context);
} nook;

static void *symbol(void *library, const char *name)
{
    void *found = dlsym(library, name);
    if (found == NULL)
        check(0, name);
    return found;
}

static int load(void *library)
{
    *(void **)&nook.set = symbol(library, "nook_var_set");
    *(void **)&nook.get_or = symbol(library, "nook_var_get_or");
    *(void **)&nook.reset = symbol(library, "nook_var_reset");
    *(void **)&nook.context_new = symbol(library, "nook_context_new");
    *(void **)&nook.run = symbol(library, "nook_context_run");
    *(void **)&nook.unref = symbol(library, "nook_context_unref");
    return failed ? -1 : 0;
}

/* What a program shows that has another nook inside: the library is not to take it. */
__attribute__((visibility("default"))) __thread void *nook__mine[2];

static NOOK_VAR_DEFINE(user);
static char alice[] = "alice", bob[] = "bob", unset[] = "unset";

static int set_bob(void *ok)
{
    *(int *)ok &= nook.get_or(&user, unset) == unset && nook.set(&user, bob, NULL) == 0 &&
                  nook.get_or(&user, unset) == bob;
    return 0;
}

/* 1 where get, set, reset and run do what they should, from no context at all. */
static int works_here(void)
{
    nook_token token;
    nook_context *context;
    int ok = nook.get_or(&user, unset) == unset;
    ok &= nook.set(&user, alice, NULL) == 0 && nook.set(&user, bob, &token) == 0;
    ok &= nook.get_or(&user, unset) == bob && nook.reset(&user, &token) == 0;
    ok &= nook.context_new(&context) == 0 && nook.run(context, set_bob, &ok, NULL) == 0;
    nook.unref(context);
    return ok && nook.get_or(&user, unset) == alice;
}

static pthread_barrier_t step;

/* Exists before the library does, uses it, and ends after it was closed. */
static void *live_through_it(void *ok)
{
    pthread_barrier_wait(&step); /* loaded */
    *(int *)ok = works_here();
    pthread_barrier_wait(&step); /* used */
    pthread_barrier_wait(&step); /* closed */
    return NULL;
}

static void *begin_late(void *ok)
{
    *(int *)ok = works_here();
    return NULL;
}

/* How much thread-local storage the library wants of the little that is left. */
static int tls_size(struct dl_phdr_info *info, size_t size, void *total)
{
    (void)size;
    if (strstr(info->dlpi_name, "libnook") == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_TLS)
            *(size_t *)total += info->dlpi_phdr[i].p_memsz;
    return 0;
}

static void handlers(void (*out[65])(int))
{
    struct sigaction action;
    for (int s = 1; s < 65; s++)
        out[s] = sigaction(s, NULL, &action) == 0 ? action.sa_handler : NULL;
}

int main(int argc, char **argv)
{
    static void (*before[65])(int), (*after[65])(int);
    pthread_t old_thread, new_thread;
    int old_ok = 0, new_ok = 0;
    size_t tls = 0;
    if (argc != 2)
        return 2;
    handlers(before);
    pthread_barrier_init(&step, NULL, 2);
    if (pthread_create(&old_thread, NULL, live_through_it, &old_ok) != 0)
        return 2;
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL || load(library) != 0) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    handlers(after);
    check(memcmp(before, after, sizeof before) == 0, "H16_loading_takes_no_signal");
    dl_iterate_phdr(tls_size, &tls);
    check(tls > 0 && tls <= 64, "H16_static_thread_local_storage_is_a_few_bytes");
    check(works_here(), "H16_works_on_the_thread_that_loaded_it");
    check(nook__mine[0] == NULL && nook__mine[1] == NULL, "H16_keeps_apart_from_another_nook");
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    check(old_ok, "H16_works_on_a_thread_that_was_there_before");
    if (pthread_create(&new_thread, NULL, begin_late, &new_ok) != 0)
        return 2;
    pthread_join(new_thread, NULL);
    check(new_ok, "H16_works_on_a_thread_that_came_after");
    check(dlclose(library) == 0, "H16_closes");
    pthread_barrier_wait(&step);
    pthread_join(old_thread, NULL); /* whose destructor is still there to be called */
    check(1, "H16_H10_a_thread_ends_after_the_library_was_closed");
    return failed;
}
