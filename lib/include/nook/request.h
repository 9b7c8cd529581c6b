/* SPDX-License-Identifier: MIT */
/*
 * Application and request contexts in the Flask style, over LocalStacks.
 *
 * A context says "we are handling this request of this app": pushed, it makes
 * nook_current_app, nook_current_request and nook_current_g work for the calling
 * identity; popped, it runs the teardown functions and unbinds. All apps with
 * one backing share two stacks, of app contexts and of request contexts; the
 * nook_current functions are asked for a backing (NULL: the thread's).
 *
 * The rules are Flask's of 3.1 and 3.2 [F1-F16]. Callbacks run with no lock held
 * and may call every function of this header. Nothing parks here, unless a
 * callback does; with threads as identities a task that then resumes on another
 * thread has lost its contexts. A context is one identity's while it is pushed.
 * Unless a comment says otherwise, a function may be called from any thread.
 */
#ifndef NOOK_REQUEST_H
#define NOOK_REQUEST_H

#include <nook/error.h>
#include <nook/export.h>
#include <nook/local.h>
#include <stddef.h>

NOOK_BEGIN_DECLS

/* An app, an app context and a request context: counted, opaque. */
typedef struct nook_app nook_app;
typedef struct nook_app_context nook_app_context;
typedef struct nook_request_context nook_request_context;

/* The namespace of one app context. Lives as long as that. */
typedef struct nook_g nook_g;

/* --- apps ----------------------------------------------------------------- */

/* Sensible zeroes: by thread, nothing to release, no sessions. */
typedef struct nook_app_options {
    const char *name;            /* copied; NULL: "app" */
    void *user;                  /* given to all members below, and by nook_app_user */
    const nook_backing *backing; /* NULL: nook_backing_thread() */
    /*
     * The session of a request, opened at its context's first push. An error
     * makes the push fail, with nothing left bound [F13]. close_session comes with the
     * last holder of the request.
     */
    int (*open_session)(nook_app *app, void *request, void **session, void *user);
    void (*close_session)(void *session, void *user);
    void (*close_request)(void *request, void *user);   /* at the last pop [F8] */
    void (*release_request)(void *request, void *user); /* when its last holder goes */
    void (*retain_g)(void *value, void *user);          /* as a Local's retain and release */
    void (*release_g)(void *value, void *user);
} nook_app_options;

/*
 * Makes an app; *out is one reference. options may be NULL.
 * NOOK_EINVAL: out is NULL. NOOK_ENOMEM, NOOK_EAGAIN, or what the backing's open
 * returned.
 */
NOOK_API NOOK_NODISCARD int nook_app_new(nook_app **out, const nook_app_options *options);

/* One reference more (returns app) or less. Contexts hold their app. NULL is ignored. */
NOOK_API nook_app *nook_app_ref(nook_app *app);
NOOK_API void nook_app_unref(nook_app *app);

/* The name, never NULL; the user pointer. app must not be NULL. */
NOOK_API const char *nook_app_name(const nook_app *app);
NOOK_API void *nook_app_user(const nook_app *app);

/* When a callback runs; in this order at a pop [F8]. */
typedef enum nook_app_event {
    NOOK_APPCONTEXT_PUSHED = 0,   /* an app context was bound */
    NOOK_TEARDOWN_REQUEST,        /* last registered first */
    NOOK_REQUEST_TEARING_DOWN,    /* first registered first */
    NOOK_TEARDOWN_APPCONTEXT,     /* last registered first */
    NOOK_APPCONTEXT_TEARING_DOWN, /* first registered first */
    NOOK_APPCONTEXT_POPPED,       /* the app context is no longer bound */
    NOOK_APP_EVENTS
} nook_app_event;

/*
 * `error` is what was given to the pop: 0 after success or a handled error [F9].
 * The context is still bound in all but NOOK_APPCONTEXT_POPPED [F10]. What it
 * returns is counted by the pop if negative, and stops nothing [F11].
 */
typedef int (*nook_app_fn)(nook_app *app, int error, void *user);

/*
 * Registers a callback for good. Before the app's contexts are in use, or from
 * any thread: a pop goes by what is registered when it comes to the event.
 * NOOK_EINVAL: app or fn is NULL, or no such event. NOOK_ENOMEM.
 */
NOOK_API int nook_app_on(nook_app *app, nook_app_event event, nook_app_fn fn, void *user);

/* --- app contexts --------------------------------------------------------- */

/* A context of the app, not pushed; *out is one reference. NOOK_EINVAL, NOOK_ENOMEM. */
NOOK_API NOOK_NODISCARD int nook_app_context_new(nook_app *app, nook_app_context **out);

/* One reference more (returns context) or less. A pushed context is held. NULL is ignored. */
NOOK_API nook_app_context *nook_app_context_ref(nook_app_context *context);
NOOK_API void nook_app_context_unref(nook_app_context *context);

/*
 * Makes the context the active one [F3]. It may be active already; as many pops
 * are needed as there were pushes [F5]. Over another context, it shadows that until
 * its pop [F6].
 * NOOK_EBUSY: another identity has pushed it and not popped it yet. NOOK_EINVAL:
 * NULL. NOOK_ENOMEM, or what the backing returned. Nothing has changed then. What
 * the NOOK_APPCONTEXT_PUSHED callbacks return is ignored.
 */
NOOK_API NOOK_NODISCARD int nook_app_context_push(nook_app_context *context);

/*
 * Undoes one push. The last one runs the teardown functions, with `error` (0: all
 * went well), and then unbinds. Returns the first error of a teardown function,
 * after all of them have run [F11]; *errors (may be NULL) gets how many there were.
 * The context is unbound in any case then.
 * Nothing has happened, and *errors is 0, for: NOOK_ENOTPUSHED: it is not pushed.
 * NOOK_ENOTACTIVE: another context is over it [F7], or another identity
 * pushed it. NOOK_EBUSY: its teardown functions run right now. NOOK_EINVAL: NULL.
 * NOOK_ENOMEM, or what the backing returned: it is still bound; a further pop runs no
 * teardown again.
 */
NOOK_API int nook_app_context_pop(nook_app_context *context, int error, unsigned *errors);

/* The context's app, and its g; borrowed from the context, which must not be NULL. */
NOOK_API nook_app *nook_app_context_app(const nook_app_context *context);
NOOK_API nook_g *nook_app_context_g(nook_app_context *context);

/* --- request contexts ----------------------------------------------------- */

/*
 * A context for a request, not pushed; *out is one reference. It owns `request`
 * from here on, which may be NULL. NOOK_EINVAL: app or out is NULL. NOOK_ENOMEM:
 * the request is still the caller's.
 */
NOOK_API NOOK_NODISCARD int nook_request_context_new(nook_app *app, void *request,
                                                     nook_request_context **out);

/* As for app contexts. */
NOOK_API nook_request_context *nook_request_context_ref(nook_request_context *context);
NOOK_API void nook_request_context_unref(nook_request_context *context);

/*
 * As nook_app_context_push. Brings an app context along if none of the same app
 * is active, which its pop takes down again [F4]. The first push opens the session [F13].
 * Also what open_session returned; then nothing is bound, no request teardown has run, and an
 * app context that came along was popped with that error.
 */
NOOK_API NOOK_NODISCARD int nook_request_context_push(nook_request_context *context);

/*
 * As nook_app_context_pop; at the last pop: request teardown, close_request, the
 * teardown of the app context that came along, then both are unbound [F8].
 */
NOOK_API int nook_request_context_pop(nook_request_context *context, int error,
                                      unsigned *errors);

/*
 * push, fn(arg), pop. *result (may be NULL) gets what fn returned; if negative, the
 * teardown functions get it as their error [F9]. Returns what push returned, and then fn
 * was not called and *result is untouched; else what pop returned.
 * NOOK_EINVAL: context or fn is NULL.
 */
NOOK_API int nook_request_context_run(nook_request_context *context, int (*fn)(void *arg),
                                      void *arg, int *result);

/* What the context is about; all borrowed. context must not be NULL. The session is NULL
 * until the first push. */
NOOK_API nook_app *nook_request_context_app(const nook_request_context *context);
NOOK_API void *nook_request_context_request(const nook_request_context *context);
NOOK_API void *nook_request_context_session(const nook_request_context *context);

/*
 * A copy of the active request context, taken now, to be pushed or run by
 * another identity [F14]: request and session are shared with the original and
 * live as long as either; its app context, and so its g, is its own. Teardown runs again for
 * the copy. One copy for each that pushes it: a second one at the same time gets
 * NOOK_EBUSY [F15].
 * NOOK_EOUTSIDEREQUEST. NOOK_EINVAL: out is NULL. NOOK_ENOMEM.
 */
NOOK_API NOOK_NODISCARD int nook_copy_current_request_context(const nook_backing *backing,
                                                              nook_request_context **out);

/* --- what is current ------------------------------------------------------ */

/*
 * What the active contexts of the backing say (NULL: the thread's); borrowed, it
 * holds while that context is held or pushed.
 * NOOK_EOUTSIDEAPP (app, g, app context), NOOK_EOUTSIDEREQUEST (the others): no
 * such context is active [F1]; *out is untouched. NOOK_EINVAL: out is NULL. Or what the
 * backing returned.
 */
NOOK_API NOOK_NODISCARD int nook_current_app(const nook_backing *backing, nook_app **out);
NOOK_API NOOK_NODISCARD int nook_current_g(const nook_backing *backing, nook_g **out);
NOOK_API NOOK_NODISCARD int nook_current_app_context(const nook_backing *backing,
                                                     nook_app_context **out);
NOOK_API NOOK_NODISCARD int nook_current_request(const nook_backing *backing, void **out);
NOOK_API NOOK_NODISCARD int nook_current_session(const nook_backing *backing, void **out);
NOOK_API NOOK_NODISCARD int nook_current_request_context(const nook_backing *backing,
                                                         nook_request_context **out);

/* 1 where such a context is active, else 0 [F2]. */
NOOK_API int nook_has_app_context(const nook_backing *backing);
NOOK_API int nook_has_request_context(const nook_backing *backing);

/*
 * Proxies for the current request, session, app and g: as nook_current_..., at
 * every access, with its codes. NOOK_EINVAL: proxy is NULL.
 */
NOOK_API int nook_local_proxy_of_request(nook_local_proxy *proxy, const nook_backing *backing);
NOOK_API int nook_local_proxy_of_session(nook_local_proxy *proxy, const nook_backing *backing);
NOOK_API int nook_local_proxy_of_app(nook_local_proxy *proxy, const nook_backing *backing);
NOOK_API int nook_local_proxy_of_g(nook_local_proxy *proxy, const nook_backing *backing);

/* --- after this request --------------------------------------------------- */

/* May replace *response. A negative number stops the processing, which returns it. */
typedef int (*nook_after_fn)(void **response, void *user);

/*
 * Registers fn for the active request, to run once, in
 * nook_process_response [F16]. A request that is popped without it drops fn unrun.
 * NOOK_EOUTSIDEREQUEST. NOOK_EINVAL: fn is NULL. NOOK_ENOMEM.
 */
NOOK_API int nook_after_this_request(const nook_backing *backing, nook_after_fn fn, void *user);

/*
 * Runs what was registered for the active request, first registered first, also
 * what is registered meanwhile, and forgets it.
 * NOOK_EOUTSIDEREQUEST. NOOK_EINVAL: response is NULL. Or what a function returned;
 * those after it are forgotten too.
 */
NOOK_API int nook_process_response(const nook_backing *backing, void **response);

/* --- g -------------------------------------------------------------------- */

/*
 * A namespace that is new with each app context and gone with it [F12]. All who inherit a
 * context share its g; the names are safe then, the values are the caller's care: what get
 * returns holds until somebody rebinds the name. Names are copied; NULL is a value.
 * NOOK_EINVAL: an argument is NULL. NOOK_ENOENT: not bound (AttributeError, KeyError).
 * NOOK_ENOMEM: nothing has changed.
 */
NOOK_API int nook_g_set(nook_g *g, const char *name, void *value);
NOOK_API NOOK_NODISCARD int nook_g_get(nook_g *g, const char *name, void **value);

/* Unbinds. The caller gets the value and one hold on it; with NULL it is released. */
NOOK_API int nook_g_pop(nook_g *g, const char *name, void **value);

/* Binds `value` unless the name is bound; *bound (may be NULL) gets what it is bound to. */
NOOK_API int nook_g_setdefault(nook_g *g, const char *name, void *value, void **bound);

/* 1 or 0; 0 for NULL. How many names are bound; 0 for NULL. */
NOOK_API int nook_g_contains(nook_g *g, const char *name);
NOOK_API size_t nook_g_len(nook_g *g);

/* As nook_local_iter_open; goes on with nook_local_iter_next and _close. */
NOOK_API int nook_g_iter_open(nook_local_iter *iter, nook_g *g);

/* --- scoped push ------------------------------------------------------------ */

/*
 *     NOOK_REQUEST_SCOPE(scope, context);     pushed until the end of the block
 *     if (scope.rc < 0)                       not pushed
 *         return scope.rc;
 *     scope.error = handle(...);              what the teardown functions get
 *
 * Pops on every way out of the block (not longjmp). What the pop returns has no reader.
 */
typedef struct nook_request_scope {
    nook_request_context *context;
    int rc;
    int error;
} nook_request_scope;

typedef struct nook_app_scope {
    nook_app_context *context;
    int rc;
    int error;
} nook_app_scope;

#define NOOK_REQUEST_SCOPE(name, context)                                                \
    nook_request_scope name __attribute__((cleanup(nook_request_scope_leave), unused)) = \
        nook_request_scope_enter(context)
#define NOOK_APP_SCOPE(name, context)                                            \
    nook_app_scope name __attribute__((cleanup(nook_app_scope_leave), unused)) = \
        nook_app_scope_enter(context)

/* What the scoped forms call. */
NOOK_API nook_request_scope nook_request_scope_enter(nook_request_context *context);
NOOK_API void nook_request_scope_leave(nook_request_scope *scope);
NOOK_API nook_app_scope nook_app_scope_enter(nook_app_context *context);
NOOK_API void nook_app_scope_leave(nook_app_scope *scope);

NOOK_END_DECLS

#endif
