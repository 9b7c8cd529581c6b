/* SPDX-License-Identifier: MIT */
/* What reports are made of. */
#ifndef NOOK__DUMP_H
#define NOOK__DUMP_H

#include <nook/dump.h>
#include <pthread.h>

#include "run.h"

enum nook__state { NOOK__READY, NOOK__RUNNING, NOOK__PARKED };

/* A task as it was at one moment. It holds a reference to the context. */
struct nook__seen {
    uint64_t id, parent, born, parks;
    char name[32];
    enum nook__state state;
    const char *kind;
    void *caller;
    const nook_site *site, *at;
    unsigned worker;
    size_t stack_size, touched;
    nook_context *context;
    /* The tree, as places in the array from 1; 0: nobody. */
    size_t up, child, last, next;
};

struct nook__view {
    uint64_t run, now;
    unsigned workers;
    int all; /* the tasks are here; else the run did not answer */
    struct nook__seen *tasks;
    size_t n;
};

/* Under the lock of the run: what its tasks are at. NOOK_ENOMEM. */
int nook__view_take(struct nook__view *view, struct nook__run *run);
void nook__view_drop(struct nook__view *view);
/*
 * The next run after `after`, by number, as it is now: NOOK_EEND where there is none.
 * view->all is 0 where it does not answer. Takes and gives up locks.
 */
int nook__view_next(struct nook__view *view, uint64_t after);

/* The value as text, printable, in room > 0 bytes. */
void nook__print_value(char *out, size_t room, const nook_var *var, void *value);

#endif
