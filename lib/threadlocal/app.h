/* SPDX-License-Identifier: MIT */
/* Apps and contexts, as app.c, appcontext.c, requestcontext.c and g.c share them. */
#ifndef NOOK__APP_H
#define NOOK__APP_H

#include "table.h"

#include <nook/request.h>

/* The two stacks of a backing. Counted; found through a list. */
struct nook__contexts {
    atomic_uint refs;
    const nook_backing *backing;
    nook_local_stack *apps, *requests; /* of struct nook__pushable */
    struct nook__contexts *next;
};

/* One reference to the backing's stacks, made if need be, or NULL where `make` is 0. */
int nook__contexts_get(const nook_backing *backing, int make, struct nook__contexts **out);
void nook__contexts_put(struct nook__contexts *contexts);

struct nook__hook {
    nook_app_fn fn;
    void *user;
    struct nook__hook *next, *prev;
};

struct nook_app {
    atomic_uint refs;
    nook_app_options options;
    struct nook__contexts *contexts;
    struct nook__kind *g_kind;
    pthread_mutex_t lock; /* of the hooks; none is ever taken off */
    struct nook__hook *first[NOOK_APP_EVENTS], *last[NOOK_APP_EVENTS];
    char name[];
};

/* What the teardown functions said. */
struct nook__report {
    int first;
    unsigned errors;
};

void nook__report(struct nook__report *report, int rc);

/* Calls the event's hooks, in its order. */
void nook__app_fire(nook_app *app, nook_app_event event, int error,
                    struct nook__report *report);

/*
 * What both kinds of context begin with, and what stands on the stacks: who has
 * pushed the context, and how often.
 */
struct nook__pushable {
    atomic_uint refs;
    void (*free)(struct nook__pushable *self);
    nook_app *app;
    pthread_mutex_t lock; /* of the members below */
    unsigned pushes;
    int owned;       /* the owner's number is known */
    int teardown;    /* of the last pop: not begun, runs, done */
    uintptr_t owner; /* the identity that pushed it */
};

void nook__pushable_init(struct nook__pushable *self, nook_app *app,
                         void (*free_self)(struct nook__pushable *self));
void nook__pushable_done(struct nook__pushable *self);
void nook__pushable_retain(void *what, void *user);
void nook__pushable_release(void *what, void *user);

/*
 * A push in two halves. claim makes the context the caller's; *first says whether
 * it was nobody's before. NOOK_EBUSY: another identity has it, or its teardown is
 * on its way. place puts it on the stack, or gives it back.
 */
int nook__claim(struct nook__pushable *self, nook_local_stack *stack, int *first);
int nook__place(struct nook__pushable *self, nook_local_stack *stack);
void nook__give_back(struct nook__pushable *self);

/* 0 where the caller may pop it now, else NOOK_ENOTPUSHED, NOOK_ENOTACTIVE, NOOK_EBUSY. */
int nook__may_pop(struct nook__pushable *self, nook_local_stack *stack);

/*
 * begin says 1, once, where this pop is the last: the caller runs the teardown, and
 * ends it. A pop that then fails for want of memory is tried again without it.
 */
int nook__teardown_begin(struct nook__pushable *self);
void nook__teardown_end(struct nook__pushable *self);
int nook__is_last(struct nook__pushable *self);

/* Takes it off the stack, and whatever a teardown function left above it. */
int nook__unbind(struct nook__pushable *self, nook_local_stack *stack);

/* The top of the backing's stack, borrowed; `outside` where there is none. */
int nook__active(const nook_backing *backing, int requests, int outside,
                 struct nook__pushable **out);

struct nook_g {
    pthread_mutex_t lock; /* excludes all who share the context */
    struct nook__table *table;
    struct nook__kind *kind;
};

int nook__g_init(nook_g *g, struct nook__kind *kind);
void nook__g_done(nook_g *g);

struct nook_app_context {
    struct nook__pushable base;
    nook_g g;
};

/*
 * An app context's pop in halves; after them, where *last is 1, comes the event
 * NOOK_APPCONTEXT_POPPED. The context must be held.
 */
void nook__app_context_teardown(nook_app_context *context, int error,
                                struct nook__report *report);
int nook__app_context_unbind(nook_app_context *context, int *last);

#endif
