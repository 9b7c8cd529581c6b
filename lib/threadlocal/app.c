/* SPDX-License-Identifier: MIT */
/*
 * Apps, the stacks that they share, and what app and request contexts have in
 * common.
 *
 * Invariant: pushes is the number of times that a context stands on its owner's
 * stack, plus one while a push or a pop is under way. A context with pushes is one
 * identity's; a second one that tries is refused before anything has changed [F15].
 */
#include "app.h"
#include "count.h"

#include <stdlib.h>
#include <string.h>

/* --- stacks --------------------------------------------------------------- */

/*
 * Every nook_current_... finds its stacks here, so readers share the lock. A listed
 * one has references; the last goes under the write lock, together with the listing.
 */
static pthread_rwlock_t list_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct nook__contexts *list;

static int contexts_new(const nook_backing *backing, struct nook__contexts **out)
{
    nook_local_stack_options options = {
        .backing = backing, .retain = nook__pushable_retain, .release = nook__pushable_release};
    struct nook__contexts *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NOOK_ENOMEM;
    atomic_init(&made->refs, 1);
    made->backing = backing;
    int rc = nook_local_stack_new(&made->apps, &options);
    if (rc == 0)
        rc = nook_local_stack_new(&made->requests, &options);
    if (rc < 0) {
        nook_local_stack_unref(made->apps);
        free(made);
        return rc;
    }
    *out = made;
    return 0;
}

static void contexts_free(struct nook__contexts *contexts)
{
    nook_local_stack_unref(contexts->requests);
    nook_local_stack_unref(contexts->apps);
    free(contexts);
}

/* Under the list's lock, for reading at least. */
static struct nook__contexts *contexts_find(const nook_backing *backing)
{
    struct nook__contexts *contexts = list;
    while (contexts != NULL && contexts->backing != backing)
        contexts = contexts->next;
    if (contexts != NULL)
        atomic_fetch_add_explicit(&contexts->refs, 1, memory_order_relaxed);
    return contexts;
}

int nook__contexts_get(const nook_backing *backing, int make, struct nook__contexts **out)
{
    struct nook__contexts *fresh = NULL;
    if (backing == NULL)
        backing = nook_backing_thread();
    pthread_rwlock_rdlock(&list_lock);
    *out = contexts_find(backing);
    pthread_rwlock_unlock(&list_lock);
    if (*out != NULL || !make)
        return 0;
    int rc = contexts_new(backing, &fresh); /* no lock: a backing's open is a callback */
    if (rc < 0)
        return rc;
    pthread_rwlock_wrlock(&list_lock);
    *out = contexts_find(backing);
    if (*out == NULL) {
        *out = fresh;
        fresh->next = list;
        list = fresh;
        fresh = NULL;
    }
    pthread_rwlock_unlock(&list_lock);
    if (fresh != NULL)
        contexts_free(fresh);
    return 0;
}

void nook__contexts_put(struct nook__contexts *contexts)
{
    unsigned refs = atomic_load_explicit(&contexts->refs, memory_order_relaxed);
    while (refs > 1)
        if (atomic_compare_exchange_weak_explicit(&contexts->refs, &refs, refs - 1,
                                                  memory_order_release, memory_order_relaxed))
            return;
    pthread_rwlock_wrlock(&list_lock);
    int last = atomic_fetch_sub_explicit(&contexts->refs, 1, memory_order_acq_rel) == 1;
    if (last) {
        struct nook__contexts **at = &list;
        while (*at != contexts)
            at = &(*at)->next;
        *at = contexts->next;
    }
    pthread_rwlock_unlock(&list_lock);
    if (last)
        contexts_free(contexts);
}

int nook__active(const nook_backing *backing, int requests, int outside,
                 struct nook__pushable **out)
{
    struct nook__contexts *contexts;
    void *top = NULL;
    (void)nook__contexts_get(backing, 0, &contexts);
    if (contexts == NULL)
        return outside;
    int rc = nook_local_stack_top(requests ? contexts->requests : contexts->apps, &top);
    nook__contexts_put(contexts);
    if (rc == 0)
        *out = top;
    return rc == NOOK_ENOENT ? outside : rc;
}

/* --- apps ----------------------------------------------------------------- */

static void app_free(nook_app *app)
{
    for (int event = 0; event < NOOK_APP_EVENTS; event++) {
        for (struct nook__hook *hook = app->first[event], *next; hook != NULL; hook = next) {
            next = hook->next;
            free(hook);
        }
    }
    if (app->contexts != NULL)
        nook__contexts_put(app->contexts);
    nook__kind_unref(app->g_kind);
    pthread_mutex_destroy(&app->lock);
    free(app);
    NOOK__LOCAL_COUNT(apps, -1);
}

int nook_app_new(nook_app **out, const nook_app_options *options)
{
    static const nook_app_options none;
    const nook_app_options *o = options != NULL ? options : &none;
    const char *name = o->name != NULL ? o->name : "app";
    if (out == NULL)
        return NOOK_EINVAL;
    nook_app *app = calloc(1, sizeof *app + strlen(name) + 1);
    if (app == NULL)
        return NOOK_ENOMEM;
    atomic_init(&app->refs, 1);
    app->options = *o;
    memcpy(app->name, name, strlen(name) + 1);
    pthread_mutex_init(&app->lock, NULL);
    NOOK__LOCAL_COUNT(apps, 1);
    app->g_kind = nook__kind_new(o->retain_g, o->release_g, o->user);
    int rc = NOOK_ENOMEM;
    if (app->g_kind != NULL)
        rc = nook__contexts_get(o->backing, 1, &app->contexts);
    if (rc < 0) {
        app_free(app);
        return rc;
    }
    *out = app;
    return 0;
}

nook_app *nook_app_ref(nook_app *app)
{
    if (app != NULL)
        atomic_fetch_add_explicit(&app->refs, 1, memory_order_relaxed);
    return app;
}

void nook_app_unref(nook_app *app)
{
    if (app != NULL && atomic_fetch_sub_explicit(&app->refs, 1, memory_order_acq_rel) == 1)
        app_free(app);
}

const char *nook_app_name(const nook_app *app)
{
    return app->name;
}

void *nook_app_user(const nook_app *app)
{
    return app->options.user;
}

/* --- callbacks ------------------------------------------------------------ */

int nook_app_on(nook_app *app, nook_app_event event, nook_app_fn fn, void *user)
{
    if (app == NULL || fn == NULL || (int)event < 0 || event >= NOOK_APP_EVENTS)
        return NOOK_EINVAL;
    struct nook__hook *hook = malloc(sizeof *hook);
    if (hook == NULL)
        return NOOK_ENOMEM;
    *hook = (struct nook__hook){.fn = fn, .user = user};
    pthread_mutex_lock(&app->lock);
    hook->prev = app->last[event];
    if (hook->prev != NULL)
        hook->prev->next = hook;
    else
        app->first[event] = hook;
    app->last[event] = hook;
    pthread_mutex_unlock(&app->lock);
    return 0;
}

void nook__report(struct nook__report *report, int rc)
{
    if (rc >= 0)
        return;
    if (report->errors++ == 0)
        report->first = rc;
}

/* Teardown functions undo what came before, signals only tell. */
static int last_first(nook_app_event event)
{
    return event == NOOK_TEARDOWN_REQUEST || event == NOOK_TEARDOWN_APPCONTEXT;
}

static struct nook__hook *step(nook_app *app, nook_app_event event, struct nook__hook *hook)
{
    struct nook__hook *next;
    pthread_mutex_lock(&app->lock);
    if (last_first(event))
        next = hook != NULL ? hook->prev : app->last[event];
    else
        next = hook != NULL ? hook->next : app->first[event];
    pthread_mutex_unlock(&app->lock);
    return next;
}

void nook__app_fire(nook_app *app, nook_app_event event, int error, struct nook__report *report)
{
    struct nook__hook *hook = NULL;
    while ((hook = step(app, event, hook)) != NULL)
        nook__report(report, hook->fn(app, error, hook->user));
}

/* --- pushing and popping -------------------------------------------------- */

enum { TEARDOWN_NONE, TEARDOWN_RUNS, TEARDOWN_DONE };

void nook__pushable_init(struct nook__pushable *self, nook_app *app,
                         void (*free_self)(struct nook__pushable *self))
{
    atomic_init(&self->refs, 1);
    self->free = free_self;
    self->app = nook_app_ref(app);
    pthread_mutex_init(&self->lock, NULL);
    NOOK__LOCAL_COUNT(contexts, 1);
}

void nook__pushable_done(struct nook__pushable *self)
{
    pthread_mutex_destroy(&self->lock);
    NOOK__LOCAL_COUNT(contexts, -1);
    nook_app_unref(self->app);
}

void nook__pushable_retain(void *what, void *user)
{
    struct nook__pushable *self = what;
    (void)user;
    atomic_fetch_add_explicit(&self->refs, 1, memory_order_relaxed);
}

void nook__pushable_release(void *what, void *user)
{
    struct nook__pushable *self = what;
    (void)user;
    if (atomic_fetch_sub_explicit(&self->refs, 1, memory_order_acq_rel) == 1)
        self->free(self);
}

/* Who calls: 1 and its number, or 0 where the backing has no numbers. */
static int caller(const struct nook__pushable *self, uintptr_t *ident)
{
    *ident = 0;
    return nook_backing_ident(self->app->contexts->backing, ident) == 0;
}

/* 1 where the caller has pushed it. Without numbers, who finds it on its stack has. */
static int is_callers(struct nook__pushable *self, nook_local_stack *stack)
{
    uintptr_t ident;
    int numbered = caller(self, &ident);
    int found = nook__local_stack_contains(stack, self);
    pthread_mutex_lock(&self->lock);
    int yes = found && (!numbered || (self->owned && self->owner == ident));
    pthread_mutex_unlock(&self->lock);
    return yes;
}

void nook__give_back(struct nook__pushable *self)
{
    pthread_mutex_lock(&self->lock);
    if (--self->pushes == 0) {
        self->owned = 0;
        self->teardown = TEARDOWN_NONE;
    }
    pthread_mutex_unlock(&self->lock);
}

int nook__claim(struct nook__pushable *self, nook_local_stack *stack, int *first)
{
    int mine = is_callers(self, stack);
    pthread_mutex_lock(&self->lock);
    int busy = self->teardown != TEARDOWN_NONE || (self->pushes != 0 && !mine);
    if (!busy)
        *first = self->pushes++ == 0;
    pthread_mutex_unlock(&self->lock);
    return busy ? NOOK_EBUSY : 0;
}

int nook__place(struct nook__pushable *self, nook_local_stack *stack)
{
    uintptr_t ident;
    int rc = nook_local_stack_push(stack, self);
    if (rc < 0) {
        nook__give_back(self);
        return rc;
    }
    int numbered = caller(self, &ident); /* after the push, which may make an identity */
    pthread_mutex_lock(&self->lock);
    self->owned = numbered;
    self->owner = ident;
    pthread_mutex_unlock(&self->lock);
    return 0;
}

int nook__may_pop(struct nook__pushable *self, nook_local_stack *stack)
{
    void *top;
    pthread_mutex_lock(&self->lock);
    unsigned pushes = self->pushes;
    int busy = self->teardown == TEARDOWN_RUNS;
    pthread_mutex_unlock(&self->lock);
    if (pushes == 0)
        return NOOK_ENOTPUSHED;
    int rc = nook_local_stack_top(stack, &top);
    if (rc == NOOK_ENOENT || (rc == 0 && top != self) || !is_callers(self, stack))
        return NOOK_ENOTACTIVE;
    return busy ? NOOK_EBUSY : rc;
}

int nook__teardown_begin(struct nook__pushable *self)
{
    pthread_mutex_lock(&self->lock);
    int yes = self->pushes == 1 && self->teardown == TEARDOWN_NONE;
    if (yes)
        self->teardown = TEARDOWN_RUNS;
    pthread_mutex_unlock(&self->lock);
    return yes;
}

void nook__teardown_end(struct nook__pushable *self)
{
    pthread_mutex_lock(&self->lock);
    self->teardown = TEARDOWN_DONE;
    pthread_mutex_unlock(&self->lock);
}

int nook__is_last(struct nook__pushable *self)
{
    pthread_mutex_lock(&self->lock);
    int yes = self->pushes == 1;
    pthread_mutex_unlock(&self->lock);
    return yes;
}

int nook__unbind(struct nook__pushable *self, nook_local_stack *stack)
{
    void *popped;
    if (!nook__local_stack_contains(stack, self)) /* a teardown function has popped it */
        return 0;
    do {
        int rc = nook_local_stack_pop(stack, &popped);
        if (rc < 0)
            return rc;
        nook__give_back(popped);
        nook__pushable_release(popped, NULL);
    } while (popped != self);
    return 0;
}
