/* SPDX-License-Identifier: MIT */
/*
 * The victim of cached-address, as the case sees it. One source, built several
 * times: by gcc and by clang, for a shared object and for an executable.
 */
#ifndef TESTS_LEAKS_VICTIM_H
#define TESTS_LEAKS_VICTIM_H

#include <pthread.h>

/* A job of the victim: where it goes, and whom it tells what it found there. */
struct victim_job {
    unsigned here, there; /* workers: it starts on the first, and migrates to the second */
    void (*failed)(struct victim_job *job, int error);
    void (*runs_on)(struct victim_job *job, pthread_t self);
    void (*runs_on_worker)(struct victim_job *job, unsigned worker);
    void (*is_named)(struct victim_job *job, const char *name);
    void (*serves)(struct victim_job *job, unsigned *served); /* adds 1 */
    void (*has_served)(struct victim_job *job, unsigned served);
};

/* With what the thread keeps, or with what a task keeps. From a task on `here`. */
struct victim_jobs {
    int (*parse)(struct victim_job *job);     /* failed, twice: a number is too large */
    int (*identify)(struct victim_job *job);  /* runs_on or runs_on_worker, twice */
    int (*introduce)(struct victim_job *job); /* is_named, twice */
    int (*serve)(struct victim_job *job);     /* serves, twice, and then has_served */
};

enum victim_compiler { VICTIM_OTHER, VICTIM_GCC, VICTIM_CLANG };

struct victim {
    /* As the compiler itself says. */
    enum victim_compiler compiler;
    unsigned version; /* major */
    int optimised, shared, x86_64_glibc;

    /* The calling thread's variables: given a name, and nothing served. */
    void (*thread_begin)(const char *name);
    struct victim_jobs thread;
    struct victim_jobs context;
};

#endif
