/* SPDX-License-Identifier: MIT */
/* App contexts, and what is current by them. */
#include "app.h"

#include <stdlib.h>

/* The base is the first member. */
static nook_app_context *of_base(struct nook__pushable *base)
{
    return (nook_app_context *)(void *)base;
}

static void context_free(struct nook__pushable *base)
{
    nook_app_context *context = of_base(base);
    nook__g_done(&context->g);
    nook__pushable_done(base);
    free(context);
}

int nook_app_context_new(nook_app *app, nook_app_context **out)
{
    if (app == NULL || out == NULL)
        return NOOK_EINVAL;
    nook_app_context *context = calloc(1, sizeof *context);
    if (context == NULL)
        return NOOK_ENOMEM;
    int rc = nook__g_init(&context->g, app->g_kind);
    if (rc < 0) {
        free(context);
        return rc;
    }
    nook__pushable_init(&context->base, app, context_free);
    *out = context;
    return 0;
}

nook_app_context *nook_app_context_ref(nook_app_context *context)
{
    if (context != NULL)
        nook__pushable_retain(&context->base, NULL);
    return context;
}

void nook_app_context_unref(nook_app_context *context)
{
    if (context != NULL)
        nook__pushable_release(&context->base, NULL);
}

int nook_app_context_push(nook_app_context *context)
{
    struct nook__report unread = {0, 0};
    int first;
    if (context == NULL)
        return NOOK_EINVAL;
    nook_local_stack *stack = context->base.app->contexts->apps;
    int rc = nook__claim(&context->base, stack, &first);
    if (rc == 0)
        rc = nook__place(&context->base, stack);
    if (rc == 0 && first)
        nook__app_fire(context->base.app, NOOK_APPCONTEXT_PUSHED, 0, &unread);
    return rc;
}

void nook__app_context_teardown(nook_app_context *context, int error,
                                struct nook__report *report)
{
    if (!nook__teardown_begin(&context->base))
        return;
    nook__app_fire(context->base.app, NOOK_TEARDOWN_APPCONTEXT, error, report);
    nook__app_fire(context->base.app, NOOK_APPCONTEXT_TEARING_DOWN, error, report);
    nook__teardown_end(&context->base);
}

int nook__app_context_unbind(nook_app_context *context, int *last)
{
    *last = nook__is_last(&context->base);
    return nook__unbind(&context->base, context->base.app->contexts->apps);
}

int nook_app_context_pop(nook_app_context *context, int error, unsigned *errors)
{
    struct nook__report report = {0, 0};
    int last;
    if (errors != NULL)
        *errors = 0;
    if (context == NULL)
        return NOOK_EINVAL;
    int rc = nook__may_pop(&context->base, context->base.app->contexts->apps);
    if (rc < 0)
        return rc;
    (void)nook_app_context_ref(context); /* the stack's may be the last one */
    nook__app_context_teardown(context, error, &report);
    rc = nook__app_context_unbind(context, &last);
    if (rc == 0 && last)
        nook__app_fire(context->base.app, NOOK_APPCONTEXT_POPPED, error, &report);
    nook_app_context_unref(context);
    if (errors != NULL)
        *errors = report.errors;
    return rc < 0 ? rc : report.first;
}

nook_app *nook_app_context_app(const nook_app_context *context)
{
    return context->base.app;
}

nook_g *nook_app_context_g(nook_app_context *context)
{
    return &context->g;
}

/* --- what is current ------------------------------------------------------ */

int nook_current_app_context(const nook_backing *backing, nook_app_context **out)
{
    struct nook__pushable *base;
    if (out == NULL)
        return NOOK_EINVAL;
    int rc = nook__active(backing, 0, NOOK_EOUTSIDEAPP, &base);
    if (rc == 0)
        *out = of_base(base);
    return rc;
}

int nook_current_app(const nook_backing *backing, nook_app **out)
{
    nook_app_context *context;
    if (out == NULL)
        return NOOK_EINVAL;
    int rc = nook_current_app_context(backing, &context);
    if (rc == 0)
        *out = context->base.app;
    return rc;
}

int nook_current_g(const nook_backing *backing, nook_g **out)
{
    nook_app_context *context;
    if (out == NULL)
        return NOOK_EINVAL;
    int rc = nook_current_app_context(backing, &context);
    if (rc == 0)
        *out = &context->g;
    return rc;
}

int nook_has_app_context(const nook_backing *backing)
{
    nook_app_context *context;
    return nook_current_app_context(backing, &context) == 0;
}

static int find_app(void *backing, void **object)
{
    nook_app *app;
    int rc = nook_current_app(backing, &app);
    if (rc == 0)
        *object = app;
    return rc;
}

static int find_g(void *backing, void **object)
{
    nook_g *g;
    int rc = nook_current_g(backing, &g);
    if (rc == 0)
        *object = g;
    return rc;
}

static int make_proxy(nook_local_proxy *proxy, nook_local_proxy_fn fn,
                      const nook_backing *backing, const char *name)
{
    nook_local_proxy_options options = {.name = name,
                                        .unbound_message = nook_strerror(NOOK_EOUTSIDEAPP)};
    return nook_local_proxy_of_function(proxy, fn, (void *)(uintptr_t)backing, &options);
}

int nook_local_proxy_of_app(nook_local_proxy *proxy, const nook_backing *backing)
{
    return make_proxy(proxy, find_app, backing, "current_app");
}

int nook_local_proxy_of_g(nook_local_proxy *proxy, const nook_backing *backing)
{
    return make_proxy(proxy, find_g, backing, "g");
}

/* --- scoped push ---------------------------------------------------------- */

nook_app_scope nook_app_scope_enter(nook_app_context *context)
{
    return (nook_app_scope){context, nook_app_context_push(context), 0};
}

void nook_app_scope_leave(nook_app_scope *scope)
{
    if (scope->rc == 0)
        (void)nook_app_context_pop(scope->context, scope->error, NULL);
}
