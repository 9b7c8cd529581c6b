/* SPDX-License-Identifier: MIT */
/* App and request contexts: F1-F19 of docs/semantics-threadlocal.md. */
#include "support.h"

/* What a callback has seen, in the order of the calls. */
struct diary {
    char text[256];
    int error;      /* the last one that a callback got */
    int live;       /* callbacks that found their context bound */
    int session_rc; /* what open_session answers */
    int sessions;   /* open ones */
    int closed;     /* requests */
    int released;   /* requests */
    void *request;  /* that current_request gave in a callback */
};

static struct diary diary;
static nook_app *app;
static nook_app *other;
static char hello[] = "GET /hello", bye[] = "GET /bye", session_object[] = "session";
static char value_a[] = "a", value_b[] = "b";

static void note(const char *what)
{
    (void)strncat(diary.text, what, sizeof diary.text - strlen(diary.text) - 1);
    (void)strncat(diary.text, " ", sizeof diary.text - strlen(diary.text) - 1);
}

static int open_session(nook_app *self, void *request, void **session, void *user)
{
    (void)self;
    (void)request;
    (void)user;
    *session = session_object;
    diary.sessions += diary.session_rc >= 0;
    return diary.session_rc;
}

static void close_session(void *session, void *user)
{
    (void)session;
    (void)user;
    diary.sessions--;
}

static void close_request(void *request, void *user)
{
    (void)request;
    (void)user;
    note("close");
    diary.closed++;
}

static void release_request(void *request, void *user)
{
    (void)request;
    (void)user;
    __atomic_add_fetch(&diary.released, 1, __ATOMIC_RELAXED);
}

static nook_app_options options_of(const char *name, const nook_backing *backing)
{
    return (nook_app_options){.name = name,
                              .user = &diary,
                              .backing = backing,
                              .open_session = open_session,
                              .close_session = close_session,
                              .close_request = close_request,
                              .release_request = release_request};
}

static int open_app(void **state)
{
    nook_app_options options = options_of("shop", NULL);
    diary = (struct diary){.session_rc = 0};
    int rc = nothing_alive(state);
    return rc == 0 ? nook_app_new(&app, &options) : rc;
}

static int close_app(void **state)
{
    nook_app_unref(app);
    int rc = nothing_alive(state);
    return rc == 0 && diary.sessions != 0 ? -1 : rc;
}

#define request_test(fn) cmocka_unit_test_setup_teardown(fn, open_app, close_app)

static nook_request_context *new_request(nook_app *of, char *request)
{
    nook_request_context *context = NULL;
    assert_int_equal(nook_request_context_new(of, request, &context), 0);
    return context;
}

static nook_app_context *new_app_context(nook_app *of)
{
    nook_app_context *context = NULL;
    assert_int_equal(nook_app_context_new(of, &context), 0);
    return context;
}

static const char *current_request(void)
{
    void *request = NULL;
    int rc = nook_current_request(NULL, &request);
    return rc == 0 ? request : nook_err_name(rc);
}

static const char *current_app(void)
{
    nook_app *current = NULL;
    int rc = nook_current_app(NULL, &current);
    return rc == 0 ? nook_app_name(current) : nook_err_name(rc);
}

static nook_g *current_g(void)
{
    nook_g *g = NULL;
    return nook_current_g(NULL, &g) == 0 ? g : NULL;
}

static void expect_outside(void)
{
    assert_string_equal(current_request(), "NOOK_EOUTSIDEREQUEST");
    assert_string_equal(current_app(), "NOOK_EOUTSIDEAPP");
}

/* --- F1, F2: outside ------------------------------------------------------ */

static void F1_outside_every_question_has_its_error(void **state)
{
    nook_app *no_app;
    nook_g *no_g;
    nook_app_context *no_app_context;
    nook_request_context *no_context;
    void *nothing = &diary;
    (void)state;
    assert_int_equal(nook_current_app(NULL, &no_app), NOOK_EOUTSIDEAPP);
    assert_int_equal(nook_current_g(NULL, &no_g), NOOK_EOUTSIDEAPP);
    assert_int_equal(nook_current_app_context(NULL, &no_app_context), NOOK_EOUTSIDEAPP);
    assert_int_equal(nook_current_request(NULL, &nothing), NOOK_EOUTSIDEREQUEST);
    assert_int_equal(nook_current_session(NULL, &nothing), NOOK_EOUTSIDEREQUEST);
    assert_int_equal(nook_current_request_context(NULL, &no_context), NOOK_EOUTSIDEREQUEST);
    assert_ptr_equal(nothing, &diary);
    assert_int_equal(nook_current_app(&flow_backing, &no_app), NOOK_EOUTSIDEAPP);
    assert_int_equal(nook_current_request(NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_current_app(NULL, NULL), NOOK_EINVAL);
    assert_string_equal(nook_strerror(NOOK_EOUTSIDEAPP),
                        "Working outside of application context.");
    assert_string_equal(nook_strerror(NOOK_EOUTSIDEREQUEST),
                        "Working outside of request context.");
}

static void F2_asking_whether_there_is_one(void **state)
{
    nook_app_context *app_context = new_app_context(app);
    nook_request_context *context = new_request(app, hello);
    (void)state;
    assert_int_equal(nook_has_app_context(NULL), 0);
    assert_int_equal(nook_has_request_context(NULL), 0);
    assert_int_equal(nook_app_context_push(app_context), 0);
    assert_int_equal(nook_has_app_context(NULL), 1);
    assert_int_equal(nook_has_request_context(NULL), 0);
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_has_request_context(NULL), 1);
    assert_int_equal(nook_has_request_context(&flow_backing), 0);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    assert_int_equal(nook_app_context_pop(app_context, 0, NULL), 0);
    nook_request_context_unref(context);
    nook_app_context_unref(app_context);
}

/* --- F3-F7: push and pop -------------------------------------------------- */

static void F3_push_binds_and_pop_unbinds(void **state)
{
    nook_request_context *context = new_request(app, hello);
    nook_local_proxy request, session, app_proxy, g;
    void *object = NULL;
    (void)state;
    assert_int_equal(nook_local_proxy_of_request(&request, NULL), 0);
    assert_int_equal(nook_local_proxy_of_session(&session, NULL), 0);
    assert_int_equal(nook_local_proxy_of_app(&app_proxy, NULL), 0);
    assert_int_equal(nook_local_proxy_of_g(&g, NULL), 0);
    assert_int_equal(nook_local_proxy_get(&request, &object), NOOK_EOUTSIDEREQUEST);
    assert_int_equal(nook_local_proxy_get(&app_proxy, &object), NOOK_EOUTSIDEAPP);
    assert_string_equal(nook_local_proxy_unbound_message(&request),
                        "Working outside of request context.");
    assert_string_equal(nook_local_proxy_name(&app_proxy), "current_app");
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_local_proxy_get(&request, &object), 0);
    assert_ptr_equal(object, hello);
    assert_int_equal(nook_local_proxy_get(&session, &object), 0);
    assert_ptr_equal(object, session_object);
    assert_int_equal(nook_local_proxy_get(&app_proxy, &object), 0);
    assert_ptr_equal(object, app);
    assert_int_equal(nook_local_proxy_get(&g, &object), 0);
    assert_ptr_equal(object, current_g());
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    assert_int_equal(nook_local_proxy_bound(&request), 0);
    assert_int_equal(nook_local_proxy_bound(&g), 0);
    expect_outside();
    nook_request_context_unref(context);
}

static int fail_early(nook_request_context *context, int fail)
{
    NOOK_REQUEST_SCOPE(scope, context);
    if (scope.rc < 0)
        return scope.rc;
    if (fail)
        return scope.error = -1000;
    return strcmp(current_request(), hello) == 0 ? 1 : 0;
}

static int note_error(nook_app *self, int error, void *user)
{
    (void)self;
    (void)user;
    diary.error = error;
    return 0;
}

static int app_in_scope(nook_app_context *context)
{
    NOOK_APP_SCOPE(scope, context);
    return scope.rc == 0 && strcmp(current_app(), "shop") == 0;
}

static void F3_scoped_push_pops_on_every_way_out(void **state)
{
    nook_request_context *context = new_request(app, hello);
    nook_app_context *app_context = new_app_context(app);
    (void)state;
    assert_int_equal(nook_app_on(app, NOOK_TEARDOWN_REQUEST, note_error, NULL), 0);
    diary.error = 1;
    assert_int_equal(fail_early(context, 0), 1);
    expect_outside();
    assert_int_equal(diary.error, 0);
    assert_int_equal(fail_early(context, 1), -1000);
    expect_outside();
    assert_int_equal(diary.error, -1000);
    assert_int_equal(fail_early(NULL, 0), NOOK_EINVAL);
    assert_int_equal(app_in_scope(app_context), 1);
    expect_outside();
    nook_request_context_unref(context);
    nook_app_context_unref(app_context);
}

static void F4_a_request_context_brings_its_app_context(void **state)
{
    nook_request_context *context = new_request(app, hello);
    nook_app_context *outer = new_app_context(app);
    nook_app_context *active = NULL;
    (void)state;
    assert_int_equal(nook_request_context_push(context), 0);
    assert_string_equal(current_app(), "shop");
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    assert_string_equal(current_app(), "NOOK_EOUTSIDEAPP");

    assert_int_equal(nook_app_context_push(outer), 0); /* one of the same app is active: */
    assert_int_equal(nook_request_context_push(context), 0); /* it serves */
    assert_int_equal(nook_current_app_context(NULL, &active), 0);
    assert_ptr_equal(active, outer);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    assert_string_equal(current_app(), "shop"); /* and stays */
    assert_int_equal(nook_app_context_pop(outer, 0, NULL), 0);
    nook_request_context_unref(context);
    nook_app_context_unref(outer);
}

static void F4_another_apps_context_does_not_serve(void **state)
{
    nook_app_options options = options_of("admin", NULL);
    nook_request_context *context = new_request(app, hello);
    (void)state;
    assert_int_equal(nook_app_new(&other, &options), 0);
    nook_app_context *outer = new_app_context(other);
    assert_int_equal(nook_app_context_push(outer), 0);
    assert_int_equal(nook_request_context_push(context), 0);
    assert_string_equal(current_app(), "shop");
    assert_int_equal(nook_app_context_pop(outer, 0, NULL), NOOK_ENOTACTIVE);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    assert_string_equal(current_app(), "admin");
    assert_int_equal(nook_app_context_pop(outer, 0, NULL), 0);
    nook_request_context_unref(context);
    nook_app_context_unref(outer);
    nook_app_unref(other);
}

static void F4_who_pops_the_brought_app_context_can_still_pop_the_request(void **state)
{
    nook_request_context *context = new_request(app, hello);
    nook_app_context *brought = NULL;
    (void)state;
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_current_app_context(NULL, &brought), 0);
    assert_int_equal(nook_app_context_pop(brought, 0, NULL), 0);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    expect_outside();
    nook_request_context_unref(context);
}

static int count_teardown(nook_app *self, int error, void *user)
{
    (void)self;
    (void)error;
    ++*(int *)user;
    return 0;
}

static void F5_as_many_pops_as_pushes_and_one_teardown(void **state)
{
    nook_request_context *context = new_request(app, hello);
    nook_app_context *app_context = new_app_context(app);
    int requests = 0, apps = 0, pushed = 0;
    (void)state;
    assert_int_equal(nook_app_on(app, NOOK_APPCONTEXT_PUSHED, count_teardown, &pushed), 0);
    assert_int_equal(nook_app_on(app, NOOK_TEARDOWN_REQUEST, count_teardown, &requests), 0);
    assert_int_equal(nook_app_on(app, NOOK_TEARDOWN_APPCONTEXT, count_teardown, &apps), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(diary.sessions, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
        assert_string_equal(current_request(), hello);
        assert_int_equal(requests + apps, 0);
    }
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    assert_int_equal(requests, 1);
    assert_int_equal(apps, 1);
    expect_outside();
    assert_int_equal(pushed, 1);
    assert_int_equal(nook_app_context_push(app_context), 0);
    assert_int_equal(nook_app_context_push(app_context), 0);
    assert_int_equal(pushed, 2);
    assert_int_equal(nook_app_context_pop(app_context, 0, NULL), 0);
    assert_int_equal(apps, 1);
    assert_int_equal(nook_app_context_pop(app_context, 0, NULL), 0);
    assert_int_equal(apps, 2);
    nook_app_context_unref(app_context);
    nook_request_context_unref(context);
}

static void F6_the_inner_context_shadows_the_outer(void **state)
{
    nook_request_context *outer = new_request(app, hello), *inner = new_request(app, bye);
    (void)state;
    assert_int_equal(nook_request_context_push(outer), 0);
    assert_int_equal(nook_request_context_push(inner), 0);
    assert_string_equal(current_request(), bye);
    assert_int_equal(nook_request_context_push(outer), 0); /* the outer one again, on top */
    assert_string_equal(current_request(), hello);
    assert_int_equal(nook_request_context_pop(outer, 0, NULL), 0);
    assert_int_equal(diary.closed, 0);
    assert_string_equal(current_request(), bye);
    assert_int_equal(nook_request_context_pop(inner, 0, NULL), 0);
    assert_string_equal(current_request(), hello);
    assert_int_equal(nook_request_context_pop(outer, 0, NULL), 0);
    expect_outside();
    nook_request_context_unref(outer);
    nook_request_context_unref(inner);
}

struct popping {
    nook_request_context *context;
    int rc;
};

static void *pop_elsewhere(void *arg)
{
    struct popping *popping = arg;
    popping->rc = nook_request_context_pop(popping->context, 0, NULL);
    return NULL;
}

static void F7_only_the_active_context_can_be_popped(void **state)
{
    nook_request_context *outer = new_request(app, hello), *inner = new_request(app, bye);
    struct popping popping = {outer, 0};
    unsigned errors = 9;
    (void)state;
    assert_int_equal(nook_request_context_pop(outer, 0, &errors), NOOK_ENOTPUSHED);
    assert_int_equal(errors, 0);
    assert_int_equal(nook_request_context_push(outer), 0);
    in_thread(pop_elsewhere, &popping);
    assert_int_equal(popping.rc, NOOK_ENOTACTIVE);
    assert_int_equal(nook_request_context_push(inner), 0);
    assert_int_equal(nook_request_context_pop(outer, 0, NULL), NOOK_ENOTACTIVE);
    assert_string_equal(current_request(), bye);
    assert_string_equal(diary.text, "");
    assert_int_equal(nook_request_context_pop(inner, 0, NULL), 0);
    assert_int_equal(nook_request_context_pop(inner, 0, NULL), NOOK_ENOTPUSHED);
    assert_int_equal(nook_request_context_pop(outer, 0, NULL), 0);
    nook_app_context *app_context = new_app_context(app);
    assert_int_equal(nook_app_context_pop(app_context, 0, NULL), NOOK_ENOTPUSHED);
    nook_app_context_unref(app_context);
    nook_request_context_unref(outer);
    nook_request_context_unref(inner);
}

static void F7_an_app_context_above_the_brought_one_is_in_the_way(void **state)
{
    nook_request_context *context = new_request(app, hello);
    nook_app_context *above = new_app_context(app);
    (void)state;
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_app_context_push(above), 0);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), NOOK_ENOTACTIVE);
    assert_string_equal(current_request(), hello);
    assert_int_equal(nook_app_context_pop(above, 0, NULL), 0);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    nook_app_context_unref(above);
    nook_request_context_unref(context);
}

/* --- F8-F11: teardown ----------------------------------------------------- */

static int write_down(nook_app *self, int error, void *user)
{
    (void)self;
    diary.error = error;
    note(user);
    diary.live += nook_has_request_context(NULL) + 10 * nook_has_app_context(NULL);
    return 0;
}

static void on(nook_app_event event, const char *what)
{
    assert_int_equal(nook_app_on(app, event, write_down, (void *)(uintptr_t)what), 0);
}

static void F8_F10_order_of_the_teardown(void **state)
{
    nook_request_context *context = new_request(app, hello);
    (void)state;
    on(NOOK_APPCONTEXT_POPPED, "popped");
    on(NOOK_APPCONTEXT_TEARING_DOWN, "app-signal");
    on(NOOK_TEARDOWN_APPCONTEXT, "app1");
    on(NOOK_TEARDOWN_APPCONTEXT, "app2");
    on(NOOK_REQUEST_TEARING_DOWN, "signal1");
    on(NOOK_REQUEST_TEARING_DOWN, "signal2");
    on(NOOK_TEARDOWN_REQUEST, "request1");
    on(NOOK_TEARDOWN_REQUEST, "request2");
    on(NOOK_APPCONTEXT_PUSHED, "pushed");
    assert_int_equal(nook_request_context_push(context), 0);
    assert_string_equal(diary.text, "pushed ");
    assert_int_equal(diary.live, 10); /* the request comes after its app context */
    diary.live = 0;
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    assert_string_equal(
        diary.text,
        "pushed request2 request1 signal1 signal2 close app2 app1 app-signal popped ");
    assert_int_equal(diary.live, 7 * 11); /* both bound in all seven, neither in popped */
    nook_request_context_unref(context);
    assert_int_equal(diary.released, 1);
}

static void F9_teardown_gets_the_error_of_the_pop(void **state)
{
    nook_request_context *context = new_request(app, hello);
    (void)state;
    on(NOOK_TEARDOWN_APPCONTEXT, "app");
    diary.error = 1;
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    assert_int_equal(diary.error, 0);
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_request_context_pop(context, -777, NULL), 0); /* handled inside */
    assert_int_equal(diary.error, 0);
    assert_int_equal(nook_request_context_pop(context, -888, NULL), 0);
    assert_int_equal(diary.error, -888);
    nook_request_context_unref(context);
}

static int handler(void *arg)
{
    note(current_request());
    return *(int *)arg;
}

static void F9_run_passes_a_negative_result_on(void **state)
{
    nook_request_context *context = new_request(app, hello);
    int ok = 200, bad = -500, result = 0;
    (void)state;
    on(NOOK_TEARDOWN_REQUEST, "down");
    assert_int_equal(nook_request_context_run(context, handler, &ok, &result), 0);
    assert_int_equal(result, 200);
    assert_int_equal(diary.error, 0);
    assert_int_equal(nook_request_context_run(context, handler, &bad, &result), 0);
    assert_int_equal(result, -500);
    assert_int_equal(diary.error, -500);
    assert_int_equal(nook_request_context_run(NULL, handler, &ok, &result), NOOK_EINVAL);
    assert_int_equal(nook_request_context_run(context, NULL, &ok, &result), NOOK_EINVAL);
    expect_outside();
    nook_request_context_unref(context);
}

static int fail_teardown(nook_app *self, int error, void *user)
{
    (void)self;
    (void)error;
    note("failed");
    return *(int *)user;
}

static void F11_all_teardowns_run_and_the_context_is_unbound(void **state)
{
    int first = -1001, second = -1002, third = -1003;
    unsigned errors = 0;
    nook_request_context *context = new_request(app, hello);
    (void)state;
    assert_int_equal(nook_app_on(app, NOOK_TEARDOWN_REQUEST, fail_teardown, &second), 0);
    on(NOOK_TEARDOWN_REQUEST, "between");
    assert_int_equal(nook_app_on(app, NOOK_TEARDOWN_REQUEST, fail_teardown, &first), 0);
    assert_int_equal(nook_app_on(app, NOOK_TEARDOWN_APPCONTEXT, fail_teardown, &third), 0);
    on(NOOK_APPCONTEXT_POPPED, "popped");
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_request_context_pop(context, 0, &errors), -1001);
    assert_int_equal(errors, 3);
    assert_string_equal(diary.text, "failed between failed close failed popped ");
    expect_outside();
    nook_app_context *app_context = new_app_context(app);
    assert_int_equal(nook_app_context_push(app_context), 0);
    assert_int_equal(nook_app_context_pop(app_context, 0, &errors), -1003);
    assert_int_equal(errors, 1);
    expect_outside();
    nook_app_context_unref(app_context);
    nook_request_context_unref(context);
}

static nook_request_context *left_behind;

/* A teardown that is careless, and one that is confused. */
static int push_and_forget(nook_app *self, int error, void *user)
{
    (void)self;
    (void)error;
    (void)user;
    return nook_request_context_push(left_behind);
}

static int pop_again(nook_app *self, int error, void *user)
{
    nook_request_context *active = NULL;
    (void)self;
    (void)error;
    int rc = nook_current_request_context(NULL, &active);
    *(int *)user = rc == 0 ? nook_request_context_pop(active, 0, NULL) : rc;
    return 0;
}

static void F11_what_a_teardown_left_pushed_goes_too(void **state)
{
    nook_request_context *context = new_request(app, hello);
    (void)state;
    left_behind = new_request(app, bye);
    assert_int_equal(nook_app_on(app, NOOK_TEARDOWN_REQUEST, push_and_forget, NULL), 0);
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    expect_outside();
    assert_int_equal(nook_request_context_pop(left_behind, 0, NULL), NOOK_ENOTPUSHED);
    nook_request_context_unref(left_behind);
    nook_request_context_unref(context);
}

static int pop_the_app_context(nook_app *self, int error, void *user)
{
    nook_app_context *active = NULL;
    (void)self;
    (void)error;
    int rc = nook_current_app_context(NULL, &active);
    *(int *)user = rc == 0 ? nook_app_context_pop(active, 0, NULL) : rc;
    return 0;
}

static void F11_a_teardown_pops_the_brought_app_context(void **state)
{
    nook_app_options options = options_of("admin", NULL);
    nook_request_context *context = new_request(app, hello);
    int inner = -1;
    (void)state;
    assert_int_equal(nook_app_new(&other, &options), 0);
    nook_app_context *outer = new_app_context(other);
    assert_int_equal(nook_app_on(app, NOOK_TEARDOWN_REQUEST, pop_the_app_context, &inner), 0);
    assert_int_equal(nook_app_context_push(outer), 0);
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    assert_int_equal(inner, 0);
    assert_string_equal(current_app(), "admin"); /* nobody else's went with it */
    assert_int_equal(nook_app_context_pop(outer, 0, NULL), 0);
    nook_app_context_unref(outer);
    nook_request_context_unref(context);
    nook_app_unref(other);
}

static void F11_a_pop_inside_the_teardown_is_refused(void **state)
{
    nook_request_context *context = new_request(app, hello);
    int inner = 0;
    (void)state;
    assert_int_equal(nook_app_on(app, NOOK_TEARDOWN_REQUEST, pop_again, &inner), 0);
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    assert_int_equal(inner, NOOK_EBUSY);
    expect_outside();
    nook_request_context_unref(context);
}

static void F11_a_failed_unbind_is_tried_again_without_teardown(void **state)
{
    nook_app_options options = options_of("flow", &flow_backing);
    int teardowns = 0;
    (void)state;
    assert_int_equal(nook_app_new(&other, &options), 0);
    assert_int_equal(nook_app_on(other, NOOK_TEARDOWN_REQUEST, count_teardown, &teardowns), 0);
    nook_request_context *context = new_request(other, hello);
    assert_int_equal(nook_request_context_push(context), 0);
    flow_fails = 1;
    assert_int_equal(nook_request_context_pop(context, 0, NULL), NOOK_EAGAIN);
    assert_int_equal(nook_has_request_context(&flow_backing), 1);
    assert_int_equal(nook_request_context_push(context), NOOK_EBUSY);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    assert_int_equal(nook_has_request_context(&flow_backing), 0);
    assert_int_equal(nook_has_app_context(&flow_backing), 0);
    assert_int_equal(teardowns, 1);
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    assert_int_equal(teardowns, 2);
    nook_request_context_unref(context);
    nook_app_unref(other);
}

/* --- F12: g --------------------------------------------------------------- */

static void F12_g_is_a_namespace(void **state)
{
    nook_app_context *context = new_app_context(app);
    void *value = NULL;
    nook_local_iter iter;
    const char *name;
    (void)state;
    assert_int_equal(nook_app_context_push(context), 0);
    nook_g *g = current_g();
    assert_ptr_equal(g, nook_app_context_g(context));
    assert_int_equal(nook_g_get(g, "a", &value), NOOK_ENOENT);
    assert_int_equal(nook_g_contains(g, "a"), 0);
    assert_int_equal(nook_g_set(g, "a", value_a), 0);
    assert_int_equal(nook_g_contains(g, "a"), 1);
    assert_int_equal(nook_g_get(g, "a", &value), 0);
    assert_ptr_equal(value, value_a);
    assert_int_equal(nook_g_setdefault(g, "a", value_b, &value), 0);
    assert_ptr_equal(value, value_a);
    assert_int_equal(nook_g_setdefault(g, "b", value_b, &value), 0);
    assert_ptr_equal(value, value_b);
    assert_int_equal(nook_g_setdefault(g, "c", NULL, NULL), 0);
    assert_int_equal(nook_g_len(g), 3);
    assert_int_equal(nook_g_iter_open(&iter, g), 0);
    assert_int_equal(nook_g_pop(g, "a", &value), 0);
    assert_ptr_equal(value, value_a);
    assert_int_equal(nook_g_pop(g, "a", &value), NOOK_ENOENT);
    assert_int_equal(nook_g_pop(g, "c", NULL), 0);
    assert_int_equal(nook_local_iter_next(&iter, &name, &value), 0);
    assert_string_equal(name, "a");
    assert_int_equal(nook_local_iter_next(&iter, &name, &value), 0);
    assert_string_equal(name, "b");
    assert_int_equal(nook_local_iter_next(&iter, &name, &value), 0);
    assert_string_equal(name, "c");
    assert_null(value);
    assert_int_equal(nook_local_iter_next(&iter, &name, &value), NOOK_EEND);
    nook_local_iter_close(&iter);
    assert_int_equal(nook_g_len(g), 1);
    assert_int_equal(nook_app_context_pop(context, 0, NULL), 0);
    nook_app_context_unref(context);
}

static void F12_g_is_new_for_each_app_context(void **state)
{
    nook_request_context *context = new_request(app, hello);
    nook_app_context *inner = new_app_context(app);
    (void)state;
    assert_int_equal(nook_request_context_push(context), 0);
    nook_g *outer_g = current_g();
    assert_int_equal(nook_g_set(outer_g, "a", value_a), 0);
    assert_int_equal(nook_app_context_push(inner), 0);
    assert_ptr_not_equal(current_g(), outer_g);
    assert_int_equal(nook_g_contains(current_g(), "a"), 0);
    assert_int_equal(nook_app_context_pop(inner, 0, NULL), 0);
    assert_int_equal(nook_g_contains(current_g(), "a"), 1);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_g_contains(current_g(), "a"), 0); /* lost with the pop */
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    nook_app_context_unref(inner);
    nook_request_context_unref(context);
}

static void F12_g_releases_its_values(void **state)
{
    struct counted a = {0}, b = {0}, c = {0};
    void *value = NULL;
    nook_local_iter iter;
    nook_app_options options = {.release_g = counted_release};
    (void)state;
    assert_int_equal(nook_app_new(&other, &options), 0);
    nook_app_context *context = new_app_context(other);
    nook_g *g = nook_app_context_g(context);
    assert_int_equal(nook_g_set(g, "a", &a), 0);
    assert_int_equal(nook_g_set(g, "a", &a), 0);
    assert_int_equal(nook_g_set(g, "b", &b), 0);
    assert_int_equal(nook_g_set(g, "c", &c), 0);
    assert_int_equal(nook_g_setdefault(g, "a", &c, &value), 0);
    assert_int_equal(released(&a) + released(&c), 0);
    assert_int_equal(nook_g_set(g, "a", NULL), 0);
    assert_int_equal(released(&a), 1);
    assert_int_equal(nook_g_iter_open(&iter, g), 0);
    assert_int_equal(nook_g_pop(g, "b", &value), 0);
    nook_local_iter_close(&iter);
    assert_int_equal(released(&b), 0); /* the caller's */
    assert_int_equal(nook_g_pop(g, "c", NULL), 0);
    assert_int_equal(released(&c), 1);
    nook_app_context_unref(context);
    nook_app_unref(other);
    assert_int_equal(released(&b), 0);
    options.retain_g = counted_retain;
    a = b = (struct counted){0, 0};
    assert_int_equal(nook_app_new(&other, &options), 0);
    context = new_app_context(other);
    g = nook_app_context_g(context);
    assert_int_equal(nook_g_set(g, "a", &a), 0);
    assert_int_equal(nook_g_setdefault(g, "b", &b, NULL), 0);
    assert_int_equal(nook_g_pop(g, "b", &value), 0);
    assert_int_equal(held(&b), 1);
    nook_app_context_unref(context);
    assert_int_equal(held(&a), 0);
    nook_app_unref(other);
}

static nook_g *shared_g;

static void *write_to_g(void *arg)
{
    char name[8];
    int *errors = arg;
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof name, "n%d", i % 10);
        void *value = NULL;
        *errors += nook_g_setdefault(shared_g, name, value_a, &value) != 0;
        *errors += value != value_a && value != value_b;
        *errors += nook_g_set(shared_g, name, value_b) != 0;
        int rc = nook_g_pop(shared_g, name, &value);
        *errors += rc != 0 && rc != NOOK_ENOENT;
    }
    return NULL;
}

static void F12_g_may_be_shared_by_threads(void **state)
{
    pthread_t threads[4];
    int errors[4] = {0};
    nook_app_context *context = new_app_context(app);
    (void)state;
    shared_g = nook_app_context_g(context);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_to_g, &errors[i]), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(errors[i], 0);
    assert_int_equal(nook_g_len(shared_g), 0);
    nook_app_context_unref(context);
}

/* --- F13: a session that cannot be opened --------------------------------- */

static void F13_a_failed_session_leaves_nothing_bound(void **state)
{
    nook_request_context *context = new_request(app, hello);
    (void)state;
    on(NOOK_TEARDOWN_REQUEST, "request");
    on(NOOK_TEARDOWN_APPCONTEXT, "app");
    on(NOOK_APPCONTEXT_POPPED, "popped");
    diary.session_rc = -4242;
    assert_int_equal(nook_request_context_push(context), -4242);
    expect_outside();
    assert_string_equal(diary.text, "app popped ");
    assert_int_equal(diary.error, -4242);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), NOOK_ENOTPUSHED);
    diary.session_rc = 0;
    assert_int_equal(nook_request_context_push(context), 0);
    assert_ptr_equal(nook_request_context_session(context), session_object);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    assert_int_equal(diary.sessions, 1);
    nook_request_context_unref(context);
    assert_int_equal(diary.sessions, 0);
}

/* --- F14, F15: copies ----------------------------------------------------- */

struct background {
    nook_request_context *copy;
    int rc, result;
    int inherited_g;
    void *request, *session;
};

static int work(void *arg)
{
    struct background *background = arg;
    int rc = nook_current_request(NULL, &background->request);
    if (rc == 0)
        rc = nook_current_session(NULL, &background->session);
    background->inherited_g = nook_g_contains(current_g(), "a");
    return rc == 0 ? 5 : rc;
}

static void *run_copy(void *arg)
{
    struct background *background = arg;
    background->rc = nook_request_context_run(background->copy, work, arg, &background->result);
    return NULL;
}

static void F14_a_copy_runs_elsewhere_with_the_request_and_a_new_g(void **state)
{
    nook_request_context *context = new_request(app, hello);
    struct background background = {.inherited_g = -1};
    int teardowns = 0;
    (void)state;
    assert_int_equal(nook_copy_current_request_context(NULL, &background.copy),
                     NOOK_EOUTSIDEREQUEST);
    assert_int_equal(nook_copy_current_request_context(NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_app_on(app, NOOK_TEARDOWN_REQUEST, count_teardown, &teardowns), 0);
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_g_set(current_g(), "a", value_a), 0);
    assert_int_equal(nook_copy_current_request_context(NULL, &background.copy), 0);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    nook_request_context_unref(context);
    assert_int_equal(diary.released, 0); /* the copy lives on it */
    assert_int_equal(diary.sessions, 1);
    in_thread(run_copy, &background);
    assert_int_equal(background.rc, 0);
    assert_int_equal(background.result, 5);
    assert_ptr_equal(background.request, hello);
    assert_ptr_equal(background.session, session_object);
    assert_int_equal(background.inherited_g, 0);
    assert_int_equal(teardowns, 2);
    assert_int_equal(diary.closed, 1);
    nook_request_context_unref(background.copy);
    assert_int_equal(diary.released, 1);
    assert_int_equal(diary.sessions, 0);
}

static void F14_a_copy_has_its_own_g_even_inside_the_original(void **state)
{
    nook_request_context *context = new_request(app, hello), *copy = NULL;
    (void)state;
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_g_set(current_g(), "a", value_a), 0);
    assert_int_equal(nook_copy_current_request_context(NULL, &copy), 0);
    assert_int_equal(nook_request_context_push(copy), 0);
    assert_int_equal(nook_g_contains(current_g(), "a"), 0);
    assert_int_equal(nook_request_context_pop(copy, 0, NULL), 0);
    assert_int_equal(nook_g_contains(current_g(), "a"), 1);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    nook_request_context_unref(copy);
    nook_request_context_unref(context);
}

static void F15_a_copy_is_one_identitys_at_a_time(void **state)
{
    nook_request_context *context = new_request(app, hello);
    struct background background = {0};
    (void)state;
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_copy_current_request_context(NULL, &background.copy), 0);
    assert_int_equal(nook_request_context_push(background.copy), 0);
    in_thread(run_copy, &background);
    assert_int_equal(background.rc, NOOK_EBUSY);
    assert_null(background.request);
    assert_int_equal(nook_request_context_pop(background.copy, 0, NULL), 0);
    in_thread(run_copy, &background);
    assert_int_equal(background.rc, 0);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    nook_request_context_unref(background.copy);
    nook_request_context_unref(context);
}

struct contender {
    nook_request_context *copy;
    pthread_barrier_t *barrier;
    int won, busy, other;
    int *inside; /* how many are inside at once */
};

static int alone_inside(void *arg)
{
    int *inside = arg;
    int others = __atomic_fetch_add(inside, 1, __ATOMIC_ACQ_REL);
    __atomic_fetch_sub(inside, 1, __ATOMIC_ACQ_REL);
    return others;
}

static void *contend(void *arg)
{
    struct contender *c = arg;
    pthread_barrier_wait(c->barrier);
    for (int i = 0; i < 300; i++) {
        int others = 1;
        int rc = nook_request_context_run(c->copy, alone_inside, c->inside, &others);
        c->won += rc == 0 && others == 0;
        c->busy += rc == NOOK_EBUSY;
        c->other += rc != NOOK_EBUSY && (rc != 0 || others != 0);
    }
    return NULL;
}

static void F15_many_threads_push_one_copy(void **state)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct contender c[THREADS];
    pthread_barrier_t barrier;
    nook_request_context *context = new_request(app, hello), *copy = NULL;
    int inside = 0;
    (void)state;
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_copy_current_request_context(NULL, &copy), 0);
    assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++) {
        c[i] = (struct contender){.copy = copy, .barrier = &barrier, .inside = &inside};
        assert_int_equal(pthread_create(&threads[i], NULL, contend, &c[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&barrier);
    int won = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(c[i].other, 0);
        assert_int_equal(c[i].won + c[i].busy, 300);
        won += c[i].won;
    }
    assert_in_range(won, 1, THREADS * 300);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    nook_request_context_unref(copy);
    nook_request_context_unref(context);
}

/* What a child inherited is its parent's: with numbers, and without. */
static void inherited_context(const nook_backing *backing, int push_rc, int pop_rc)
{
    nook_app_options options = options_of("flow", backing);
    void *request = NULL;
    assert_int_equal(nook_app_new(&other, &options), 0);
    nook_request_context *context = new_request(other, hello), *copy = NULL;
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_copy_current_request_context(backing, &copy), 0);
    assert_int_equal(nook_request_context_push(copy), 0);
    flow_now = 2; /* has inherited nothing */
    assert_int_equal(nook_request_context_push(copy), NOOK_EBUSY);
    flow_now = 0;
    assert_int_equal(nook_request_context_pop(copy, 0, NULL), 0);
    flow_fork(1);
    flow_now = 1;
    assert_int_equal(nook_current_request(backing, &request), 0);
    assert_ptr_equal(request, hello);
    assert_int_equal(nook_request_context_push(context), push_rc);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), pop_rc);
    assert_int_equal(nook_request_context_push(copy), 0);
    assert_int_equal(nook_request_context_pop(copy, 0, NULL), 0);
    flow_now = 0;
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    assert_int_equal(nook_has_request_context(backing), 0);
    nook_request_context_unref(copy);
    nook_request_context_unref(context);
    flow_now = 1; /* the parent's pop is not the child's */
    assert_int_equal(nook_current_request(backing, &request), 0);
    assert_int_equal(diary.released, 0);
    flow_now = 3;
    flow_fork(1); /* the child ends */
    assert_int_equal(diary.released, 1);
    nook_app_unref(other);
}

static void F14_F15_what_a_child_inherited_is_its_parents(void **state)
{
    (void)state;
    inherited_context(&numbered_backing, NOOK_EBUSY, NOOK_ENOTACTIVE);
}

static void F14_F15_without_numbers_a_child_passes_for_its_parent(void **state)
{
    (void)state;
    inherited_context(&flow_backing, 0, 0);
}

/* --- F16: after this request ---------------------------------------------- */

static int add_header(void **response, void *user)
{
    note(user);
    *response = user;
    return 0;
}

static int register_one_more(void **response, void *user)
{
    (void)response;
    note("more");
    return nook_after_this_request(NULL, add_header, user);
}

static int fail_after(void **response, void *user)
{
    (void)response;
    (void)user;
    return -99;
}

static void F16_after_this_request_runs_once(void **state)
{
    nook_request_context *context = new_request(app, hello);
    void *response = hello;
    (void)state;
    assert_int_equal(nook_after_this_request(NULL, add_header, value_a), NOOK_EOUTSIDEREQUEST);
    assert_int_equal(nook_process_response(NULL, &response), NOOK_EOUTSIDEREQUEST);
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_after_this_request(NULL, NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_process_response(NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_after_this_request(NULL, add_header, value_a), 0);
    assert_int_equal(nook_after_this_request(NULL, register_one_more, value_b), 0);
    assert_int_equal(nook_process_response(NULL, &response), 0);
    assert_string_equal(diary.text, "a more b ");
    assert_ptr_equal(response, value_b);
    assert_int_equal(nook_process_response(NULL, &response), 0);
    assert_string_equal(diary.text, "a more b ");
    assert_int_equal(nook_after_this_request(NULL, fail_after, NULL), 0);
    assert_int_equal(nook_after_this_request(NULL, add_header, value_a), 0);
    assert_int_equal(nook_process_response(NULL, &response), -99);
    assert_int_equal(nook_process_response(NULL, &response), 0);
    assert_int_equal(nook_after_this_request(NULL, add_header, value_a), 0);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0); /* dropped unrun */
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_process_response(NULL, &response), 0);
    assert_string_equal(diary.text, "a more b close ");
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    nook_request_context_unref(context);
}

/* --- F17-F19 -------------------------------------------------------------- */

/* A response that is produced in pieces, after the handler has returned. */
static void F17_a_copy_keeps_the_request_for_a_streamed_response(void **state)
{
    nook_request_context *context = new_request(app, hello), *stream = NULL;
    struct background piece = {0};
    (void)state;
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_copy_current_request_context(NULL, &stream), 0);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    nook_request_context_unref(context);
    for (int i = 0; i < 3; i++) {
        piece.request = NULL;
        assert_int_equal(nook_request_context_run(stream, work, &piece, NULL), 0);
        assert_ptr_equal(piece.request, hello);
        expect_outside();
    }
    assert_int_equal(diary.released, 0);
    nook_request_context_unref(stream);
    assert_int_equal(diary.released, 1);
}

/* A test client's "with" block: a second push keeps it until the block's end. */
static void F18_one_more_push_preserves_the_context(void **state)
{
    nook_request_context *context = new_request(app, hello);
    int ok = 200, teardowns = 0;
    (void)state;
    assert_int_equal(nook_app_on(app, NOOK_TEARDOWN_REQUEST, count_teardown, &teardowns), 0);
    assert_int_equal(nook_request_context_push(context), 0);
    assert_int_equal(nook_request_context_run(context, handler, &ok, NULL), 0);
    assert_int_equal(teardowns, 0);
    assert_string_equal(current_request(), hello);
    assert_int_equal(nook_request_context_pop(context, 0, NULL), 0);
    assert_int_equal(teardowns, 1);
    nook_request_context_unref(context);
}

static void *look_for_app(void *arg)
{
    *(int *)arg = nook_has_app_context(NULL);
    return NULL;
}

static void F19_an_app_context_pushed_here_is_not_there(void **state)
{
    nook_app_context *context = new_app_context(app);
    int there = -1;
    (void)state;
    assert_int_equal(nook_app_context_push(context), 0);
    in_thread(look_for_app, &there);
    assert_int_equal(there, 0);
    assert_int_equal(nook_has_app_context(NULL), 1);
    assert_int_equal(nook_app_context_pop(context, 0, NULL), 0);
    nook_app_context_unref(context);
}

/* --- the rest ------------------------------------------------------------- */

static void *push_and_die(void *arg)
{
    struct popping *dying = arg;
    dying->rc = nook_request_context_push(dying->context);
    return NULL;
}

static void a_thread_that_ends_without_a_pop_leaves_nothing(void **state)
{
    struct popping dying = {new_request(app, hello), -1};
    (void)state;
    in_thread(push_and_die, &dying);
    assert_int_equal(dying.rc, 0);
    nook_request_context_unref(dying.context);
    assert_int_equal(diary.released, 1);
    expect_outside();
}

static void *ask_and_serve(void *arg)
{
    int *errors = arg;
    for (int i = 0; i < 100; i++) {
        nook_app *mine = NULL;
        nook_request_context *context = NULL;
        void *request = NULL;
        *errors += nook_current_request(NULL, &request) != NOOK_EOUTSIDEREQUEST;
        *errors += nook_app_new(&mine, NULL) != 0;
        *errors += nook_request_context_new(mine, hello, &context) != 0;
        *errors += nook_request_context_push(context) != 0;
        *errors += nook_current_request(NULL, &request) != 0 || request != hello;
        *errors += nook_request_context_pop(context, 0, NULL) != 0;
        nook_request_context_unref(context);
        nook_app_unref(mine);
    }
    return NULL;
}

/* The stacks of a backing come with its first app and go with its last. */
static void apps_come_and_go_in_many_threads(void **state)
{
    pthread_t threads[4];
    int errors[4] = {0};
    (void)state;
    nook_app_unref(app);
    app = NULL;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_and_serve, &errors[i]), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(errors[i], 0);
}

static void backings_have_stacks_of_their_own(void **state)
{
    nook_app_options options = options_of("flow", &flow_backing);
    nook_app *found = NULL;
    (void)state;
    assert_int_equal(nook_app_new(&other, &options), 0);
    nook_app_context *here = new_app_context(app), *there = new_app_context(other);
    assert_int_equal(nook_app_context_push(here), 0);
    assert_int_equal(nook_app_context_push(there), 0);
    assert_int_equal(nook_current_app(NULL, &found), 0);
    assert_ptr_equal(found, app);
    assert_int_equal(nook_current_app(&flow_backing, &found), 0);
    assert_ptr_equal(found, other);
    assert_int_equal(nook_app_context_pop(here, 0, NULL), 0);
    assert_int_equal(nook_app_context_pop(there, 0, NULL), 0);
    nook_app_context_unref(here);
    nook_app_context_unref(there);
    nook_app_unref(other);
}

static void wrong_arguments_are_refused(void **state)
{
    nook_app_context *app_context = NULL;
    nook_request_context *context = NULL;
    nook_local_iter iter;
    void *value;
    (void)state;
    assert_int_equal(nook_app_new(NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_app_on(NULL, NOOK_TEARDOWN_REQUEST, write_down, NULL), NOOK_EINVAL);
    assert_int_equal(nook_app_on(app, NOOK_TEARDOWN_REQUEST, NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_app_on(app, NOOK_APP_EVENTS, write_down, NULL), NOOK_EINVAL);
    assert_int_equal(nook_app_context_new(NULL, &app_context), NOOK_EINVAL);
    assert_int_equal(nook_app_context_push(NULL), NOOK_EINVAL);
    assert_int_equal(nook_app_context_pop(NULL, 0, NULL), NOOK_EINVAL);
    assert_int_equal(nook_request_context_new(NULL, NULL, &context), NOOK_EINVAL);
    assert_int_equal(nook_request_context_push(NULL), NOOK_EINVAL);
    assert_int_equal(nook_request_context_pop(NULL, 0, NULL), NOOK_EINVAL);
    assert_int_equal(nook_g_set(NULL, "a", NULL), NOOK_EINVAL);
    assert_int_equal(nook_g_get(NULL, "a", &value), NOOK_EINVAL);
    assert_int_equal(nook_g_pop(NULL, "a", &value), NOOK_EINVAL);
    assert_int_equal(nook_g_setdefault(NULL, "a", NULL, NULL), NOOK_EINVAL);
    assert_int_equal(nook_g_contains(NULL, "a"), 0);
    assert_int_equal(nook_g_len(NULL), 0);
    assert_int_equal(nook_g_iter_open(&iter, NULL), NOOK_EINVAL);
    nook_local_iter_close(&iter);
    assert_int_equal(nook_local_proxy_of_request(NULL, NULL), NOOK_EINVAL);
    assert_ptr_equal(nook_app_user(app), &diary);
    assert_null(nook_app_ref(NULL));
    nook_app_unref(NULL);
    nook_app_context_unref(NULL);
    nook_request_context_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        request_test(F1_outside_every_question_has_its_error),
        request_test(F2_asking_whether_there_is_one),
        request_test(F3_push_binds_and_pop_unbinds),
        request_test(F3_scoped_push_pops_on_every_way_out),
        request_test(F4_a_request_context_brings_its_app_context),
        request_test(F4_another_apps_context_does_not_serve),
        request_test(F4_who_pops_the_brought_app_context_can_still_pop_the_request),
        request_test(F5_as_many_pops_as_pushes_and_one_teardown),
        request_test(F6_the_inner_context_shadows_the_outer),
        request_test(F7_only_the_active_context_can_be_popped),
        request_test(F7_an_app_context_above_the_brought_one_is_in_the_way),
        request_test(F8_F10_order_of_the_teardown),
        request_test(F9_teardown_gets_the_error_of_the_pop),
        request_test(F9_run_passes_a_negative_result_on),
        request_test(F11_all_teardowns_run_and_the_context_is_unbound),
        request_test(F11_what_a_teardown_left_pushed_goes_too),
        request_test(F11_a_teardown_pops_the_brought_app_context),
        request_test(F11_a_pop_inside_the_teardown_is_refused),
        request_test(F11_a_failed_unbind_is_tried_again_without_teardown),
        request_test(F12_g_is_a_namespace),
        request_test(F12_g_is_new_for_each_app_context),
        request_test(F12_g_releases_its_values),
        request_test(F12_g_may_be_shared_by_threads),
        request_test(F13_a_failed_session_leaves_nothing_bound),
        request_test(F14_a_copy_runs_elsewhere_with_the_request_and_a_new_g),
        request_test(F14_a_copy_has_its_own_g_even_inside_the_original),
        request_test(F15_a_copy_is_one_identitys_at_a_time),
        request_test(F15_many_threads_push_one_copy),
        request_test(F14_F15_what_a_child_inherited_is_its_parents),
        request_test(F14_F15_without_numbers_a_child_passes_for_its_parent),
        request_test(F16_after_this_request_runs_once),
        request_test(F17_a_copy_keeps_the_request_for_a_streamed_response),
        request_test(F18_one_more_push_preserves_the_context),
        request_test(F19_an_app_context_pushed_here_is_not_there),
        request_test(a_thread_that_ends_without_a_pop_leaves_nothing),
        request_test(apps_come_and_go_in_many_threads),
        request_test(backings_have_stacks_of_their_own),
        request_test(wrong_arguments_are_refused),
    };
    return cmocka_run_group_tests_name("contexts", tests, NULL, NULL);
}
