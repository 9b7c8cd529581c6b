/* SPDX-License-Identifier: MIT */
/*
 * Request contexts, and what is current by them.
 *
 * Invariant: a context has one `brought` for each time that it stands on the
 * stack, the newest first, which says whether that push brought an app context
 * along. They are the owner's.
 */
#include "app.h"
#include "count.h"

#include <stdlib.h>

/* The request and its session, which a context's copies share. */
struct shared {
    atomic_uint refs;
    void *request, *session;
    int opened, closed; /* by the original context alone */
};

struct brought {
    nook_app_context *app; /* NULL: one was active already */
    int popped;            /* for good: the event is due */
    struct brought *next;
};

struct after {
    nook_after_fn fn;
    void *user;
    struct after *next;
};

struct nook_request_context {
    struct nook__pushable base;
    struct shared *shared;
    int is_copy;
    struct brought *brought;
    struct after *first, **last; /* under the base's lock */
};

static nook_request_context *of_base(struct nook__pushable *base)
{
    return (nook_request_context *)(void *)base;
}

/* --- life ----------------------------------------------------------------- */

static void shared_unref(struct shared *shared, const nook_app_options *o)
{
    if (atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (shared->opened && o->close_session != NULL)
        o->close_session(shared->session, o->user);
    if (o->release_request != NULL && shared->request != NULL)
        o->release_request(shared->request, o->user);
    free(shared);
    NOOK__LOCAL_COUNT(requests, -1);
}

static void drop_afters(nook_request_context *context)
{
    pthread_mutex_lock(&context->base.lock);
    struct after *list = context->first;
    context->first = NULL;
    context->last = &context->first;
    pthread_mutex_unlock(&context->base.lock);
    while (list != NULL) {
        struct after *next = list->next;
        free(list);
        list = next;
    }
}

static void brought_free(struct brought *brought)
{
    nook_app_context_unref(brought->app);
    free(brought);
}

static void context_free(struct nook__pushable *base)
{
    nook_request_context *context = of_base(base);
    drop_afters(context);
    while (context->brought != NULL) { /* its identity went away without a pop */
        struct brought *brought = context->brought;
        context->brought = brought->next;
        brought_free(brought);
    }
    shared_unref(context->shared, &base->app->options);
    nook__pushable_done(base);
    free(context);
}

/* Takes over one reference to `shared`, on success. */
static int context_new(nook_app *app, struct shared *shared, nook_request_context **out)
{
    nook_request_context *context = calloc(1, sizeof *context);
    if (context == NULL)
        return NOOK_ENOMEM;
    nook__pushable_init(&context->base, app, context_free);
    context->shared = shared;
    context->last = &context->first;
    *out = context;
    return 0;
}

int nook_request_context_new(nook_app *app, void *request, nook_request_context **out)
{
    if (app == NULL || out == NULL)
        return NOOK_EINVAL;
    struct shared *shared = malloc(sizeof *shared);
    if (shared == NULL)
        return NOOK_ENOMEM;
    *shared = (struct shared){.refs = 1, .request = request};
    int rc = context_new(app, shared, out);
    if (rc < 0)
        free(shared);
    else
        NOOK__LOCAL_COUNT(requests, 1);
    return rc;
}

nook_request_context *nook_request_context_ref(nook_request_context *context)
{
    if (context != NULL)
        nook__pushable_retain(&context->base, NULL);
    return context;
}

void nook_request_context_unref(nook_request_context *context)
{
    if (context != NULL)
        nook__pushable_release(&context->base, NULL);
}

nook_app *nook_request_context_app(const nook_request_context *context)
{
    return context->base.app;
}

void *nook_request_context_request(const nook_request_context *context)
{
    return context->shared->request;
}

void *nook_request_context_session(const nook_request_context *context)
{
    return context->shared->session;
}

int nook_copy_current_request_context(const nook_backing *backing, nook_request_context **out)
{
    nook_request_context *active;
    if (out == NULL)
        return NOOK_EINVAL;
    int rc = nook_current_request_context(backing, &active);
    if (rc != 0)
        return rc;
    rc = context_new(active->base.app, active->shared, out);
    if (rc < 0)
        return rc;
    atomic_fetch_add_explicit(&active->shared->refs, 1, memory_order_relaxed);
    (*out)->is_copy = 1;
    return 0;
}

/* --- push ----------------------------------------------------------------- */

static int needs_app(const nook_request_context *context, int first)
{
    struct nook__pushable *active;
    const nook_app *app = context->base.app;
    if (context->is_copy && first) /* or else the copy would share a g that it inherited */
        return 1;
    int rc = nook__active(app->contexts->backing, 0, NOOK_EOUTSIDEAPP, &active);
    if (rc == NOOK_EOUTSIDEAPP)
        return 1;
    return rc < 0 ? rc : active->app != app;
}

static int bring_app(nook_request_context *context, int first, struct brought *brought)
{
    int rc = needs_app(context, first);
    if (rc <= 0)
        return rc;
    rc = nook_app_context_new(context->base.app, &brought->app);
    if (rc < 0)
        return rc;
    rc = nook_app_context_push(brought->app);
    if (rc < 0)
        nook_app_context_unref(brought->app);
    return rc;
}

/* A push that failed: what it brought along goes again. */
static void send_back(struct brought *brought, int error)
{
    if (brought->app != NULL)
        (void)nook_app_context_pop(brought->app, error, NULL);
    brought_free(brought);
}

static int open_session(nook_request_context *context)
{
    struct shared *shared = context->shared;
    const nook_app_options *o = &context->base.app->options;
    if (context->is_copy || shared->opened || o->open_session == NULL)
        return 0;
    int rc = o->open_session(context->base.app, shared->request, &shared->session, o->user);
    shared->opened = rc >= 0;
    return rc < 0 ? rc : 0;
}

/* After the claim: puts the context on the stack, or gives it back. */
static int place(nook_request_context *context, int first, struct brought *brought)
{
    int rc = bring_app(context, first, brought);
    if (rc < 0) {
        nook__give_back(&context->base);
        free(brought);
        return rc;
    }
    rc = nook__place(&context->base, context->base.app->contexts->requests);
    if (rc < 0) {
        send_back(brought, rc);
        return rc;
    }
    brought->next = context->brought;
    context->brought = brought;
    return 0;
}

int nook_request_context_push(nook_request_context *context)
{
    int first;
    if (context == NULL)
        return NOOK_EINVAL;
    nook_local_stack *stack = context->base.app->contexts->requests;
    struct brought *brought = calloc(1, sizeof *brought);
    if (brought == NULL)
        return NOOK_ENOMEM;
    int rc = nook__claim(&context->base, stack, &first);
    if (rc < 0) {
        free(brought);
        return rc;
    }
    rc = place(context, first, brought);
    if (rc == 0 && (rc = open_session(context)) < 0) {
        context->brought = brought->next;
        (void)nook__unbind(&context->base, stack);
        send_back(brought, rc);
    }
    return rc;
}

/* --- pop ------------------------------------------------------------------ */

static void teardown(nook_request_context *context, int error, struct nook__report *report)
{
    nook_app *app = context->base.app;
    struct shared *shared = context->shared;
    if (!nook__teardown_begin(&context->base))
        return;
    nook__app_fire(app, NOOK_TEARDOWN_REQUEST, error, report);
    nook__app_fire(app, NOOK_REQUEST_TEARING_DOWN, error, report);
    if (!context->is_copy && !shared->closed && app->options.close_request != NULL) {
        shared->closed = 1;
        app->options.close_request(shared->request, app->options.user);
    }
    drop_afters(context);
    nook__teardown_end(&context->base);
}

/* The app context that came with the newest push, unless somebody has popped it already. */
static int brought_app(nook_request_context *context, nook_app_context **app)
{
    *app = context->brought->app;
    if (*app == NULL)
        return 0;
    int rc = nook__may_pop(&(*app)->base, context->base.app->contexts->apps);
    if (rc != NOOK_ENOTPUSHED)
        return rc;
    *app = NULL;
    return 0;
}

/*
 * Where an unbind fails, a further pop finds done what was done. Once the context is off
 * its stack it may be another identity's, and nothing of it is touched.
 */
static int unbind(nook_request_context *context, nook_app_context *app, struct brought *brought)
{
    int rc = app != NULL ? nook__app_context_unbind(app, &brought->popped) : 0;
    if (rc < 0)
        return rc;
    context->brought = brought->next;
    rc = nook__unbind(&context->base, context->base.app->contexts->requests);
    if (rc < 0)
        context->brought = brought;
    return rc;
}

static int pop(nook_request_context *context, nook_app_context *app, int error,
               struct nook__report *report)
{
    struct brought *brought = context->brought;
    teardown(context, error, report);
    if (app != NULL)
        nook__app_context_teardown(app, error, report);
    int rc = unbind(context, app, brought);
    if (rc < 0)
        return rc;
    if (brought->popped)
        nook__app_fire(context->base.app, NOOK_APPCONTEXT_POPPED, error, report);
    brought_free(brought);
    return 0;
}

int nook_request_context_pop(nook_request_context *context, int error, unsigned *errors)
{
    struct nook__report report = {0, 0};
    nook_app_context *app = NULL;
    if (errors != NULL)
        *errors = 0;
    if (context == NULL)
        return NOOK_EINVAL;
    int rc = nook__may_pop(&context->base, context->base.app->contexts->requests);
    if (rc == 0)
        rc = brought_app(context, &app);
    if (rc < 0)
        return rc;
    (void)nook_request_context_ref(context); /* the stack's may be the last one */
    rc = pop(context, app, error, &report);
    nook_request_context_unref(context);
    if (errors != NULL)
        *errors = report.errors;
    return rc < 0 ? rc : report.first;
}

int nook_request_context_run(nook_request_context *context, int (*fn)(void *arg), void *arg,
                             int *result)
{
    if (context == NULL || fn == NULL)
        return NOOK_EINVAL;
    int rc = nook_request_context_push(context);
    if (rc < 0)
        return rc;
    int value = fn(arg);
    if (result != NULL)
        *result = value;
    return nook_request_context_pop(context, value < 0 ? value : 0, NULL);
}

/* --- what is current ------------------------------------------------------ */

int nook_current_request_context(const nook_backing *backing, nook_request_context **out)
{
    struct nook__pushable *base;
    if (out == NULL)
        return NOOK_EINVAL;
    int rc = nook__active(backing, 1, NOOK_EOUTSIDEREQUEST, &base);
    if (rc == 0)
        *out = of_base(base);
    return rc;
}

int nook_current_request(const nook_backing *backing, void **out)
{
    nook_request_context *context;
    if (out == NULL)
        return NOOK_EINVAL;
    int rc = nook_current_request_context(backing, &context);
    if (rc == 0)
        *out = context->shared->request;
    return rc;
}

int nook_current_session(const nook_backing *backing, void **out)
{
    nook_request_context *context;
    if (out == NULL)
        return NOOK_EINVAL;
    int rc = nook_current_request_context(backing, &context);
    if (rc == 0)
        *out = context->shared->session;
    return rc;
}

int nook_has_request_context(const nook_backing *backing)
{
    nook_request_context *context;
    return nook_current_request_context(backing, &context) == 0;
}

static int find_request(void *backing, void **object)
{
    return nook_current_request(backing, object);
}

static int find_session(void *backing, void **object)
{
    return nook_current_session(backing, object);
}

static int make_proxy(nook_local_proxy *proxy, nook_local_proxy_fn fn,
                      const nook_backing *backing, const char *name)
{
    nook_local_proxy_options options = {.name = name,
                                        .unbound_message = nook_strerror(NOOK_EOUTSIDEREQUEST)};
    return nook_local_proxy_of_function(proxy, fn, (void *)(uintptr_t)backing, &options);
}

int nook_local_proxy_of_request(nook_local_proxy *proxy, const nook_backing *backing)
{
    return make_proxy(proxy, find_request, backing, "request");
}

int nook_local_proxy_of_session(nook_local_proxy *proxy, const nook_backing *backing)
{
    return make_proxy(proxy, find_session, backing, "session");
}

/* --- after this request --------------------------------------------------- */

int nook_after_this_request(const nook_backing *backing, nook_after_fn fn, void *user)
{
    nook_request_context *context;
    if (fn == NULL)
        return NOOK_EINVAL;
    int rc = nook_current_request_context(backing, &context);
    if (rc != 0)
        return rc;
    struct after *after = malloc(sizeof *after);
    if (after == NULL)
        return NOOK_ENOMEM;
    *after = (struct after){fn, user, NULL};
    pthread_mutex_lock(&context->base.lock);
    *context->last = after;
    context->last = &after->next;
    pthread_mutex_unlock(&context->base.lock);
    return 0;
}

static struct after *take_after(nook_request_context *context)
{
    pthread_mutex_lock(&context->base.lock);
    struct after *after = context->first;
    if (after != NULL) {
        context->first = after->next;
        if (context->first == NULL)
            context->last = &context->first;
    }
    pthread_mutex_unlock(&context->base.lock);
    return after;
}

int nook_process_response(const nook_backing *backing, void **response)
{
    nook_request_context *context;
    struct after *after;
    if (response == NULL)
        return NOOK_EINVAL;
    int rc = nook_current_request_context(backing, &context);
    if (rc != 0)
        return rc;
    (void)nook_request_context_ref(context); /* a function might pop it */
    while (rc >= 0 && (after = take_after(context)) != NULL) {
        rc = after->fn(response, after->user);
        free(after);
    }
    if (rc < 0)
        drop_afters(context);
    nook_request_context_unref(context);
    return rc < 0 ? rc : 0;
}

/* --- scoped push ---------------------------------------------------------- */

nook_request_scope nook_request_scope_enter(nook_request_context *context)
{
    return (nook_request_scope){context, nook_request_context_push(context), 0};
}

void nook_request_scope_leave(nook_request_scope *scope)
{
    if (scope->rc == 0)
        (void)nook_request_context_pop(scope->context, scope->error, NULL);
}
