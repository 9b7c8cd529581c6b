/* SPDX-License-Identifier: MIT */
/*
 * Plays programs from standard input on nook, under the deterministic scheduler,
 * first-in first-out, and prints what happened; see programs.py for the language.
 * reference.py does the same on Python's asyncio, and says what is compared.
 *
 * The exit status is 1 where a program left something alive.
 */
#include "program.h"

#include <inttypes.h>
#include <nook/schedule.h>
#include <nook/task.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How a body goes on: 0, or what it was left by. */
enum { RETURNED = 1, FAILED = -10000 };

/* Who does what a body says: a task, a callback, a thread. */
struct actor {
    const char *name;
    int first;     /* line of its body */
    int value;     /* that it returned */
    int elsewhere; /* in a thread, where it is always `time` */
    uint64_t time;
};

/* --- names --------------------------------------------------------------------- */

/* What v7, c7, k7, t7, h7 and d7 stand for. Tokens stay where they are. */
static nook_var *vars[NAMES];
static nook_context *contexts[NAMES];
static nook_token tokens[NAMES];
static int token_set[NAMES];
static nook_task *tasks[NAMES];
static nook_handle *handles[NAMES];
static nook_deadline *deadlines[NAMES];
static struct actor task_actors[NAMES], handle_actors[NAMES];
static int n_vars, n_contexts, n_tokens, n_tasks, n_handles, n_deadlines;

#define VAR(name) (vars[slot(name, &n_vars)])
#define CONTEXT(name) (contexts[slot(name, &n_contexts)])
#define TASK(name) (tasks[slot(name, &n_tasks)])
#define HANDLE(name) (handles[slot(name, &n_handles)])

static __attribute__((format(printf, 2, 3))) void say(const struct actor *self,
                                                      const char *format, ...)
{
    char text[256];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    printf("%" PRIu64 " %s%s %s\n", self->elsewhere ? self->time : nook_now(), self->name,
           self->elsewhere ? "-thread" : "", text);
}

static void must(int rc, const char *what)
{
    if (rc == 0)
        return;
    fprintf(stderr, "%s: %s\n", what, nook_err_name(rc));
    exit(3);
}

/* --- how something ended ---------------------------------------------------------- */

struct text {
    char text[24];
};

static struct text how(int result)
{
    struct text t;
    if (result == NOOK_ECANCELED)
        (void)snprintf(t.text, sizeof t.text, "cancelled");
    else if (result == NOOK_ETIMEDOUT)
        (void)snprintf(t.text, sizeof t.text, "timeout");
    else if (result <= FAILED)
        (void)snprintf(t.text, sizeof t.text, "error %d", FAILED - result);
    else
        (void)snprintf(t.text, sizeof t.text, "value %d", result);
    return t;
}

static int result_of(const nook_task *task)
{
    int result = 0;
    must(nook_task_result(task, &result), "result");
    return result;
}

/* --- contexts ----------------------------------------------------------------------- */

static void do_var(struct actor *self, const struct line *l)
{
    struct number *value = l->words > 2 ? number_new(l->word[2]) : NULL;
    nook_var_options options = {
        .ops = &number_ops, .has_default = l->words > 2, .default_value = value};
    (void)self;
    must(nook_var_new(&VAR(l->word[1]), l->word[1], &options), "var");
    number_release(value, NULL);
}

static void do_context(struct actor *self, const struct line *l)
{
    nook_context **context = &CONTEXT(l->word[1]);
    (void)self;
    must(strcmp(l->word[2], "copy") == 0 ? nook_context_copy_current(context)
                                         : nook_context_new(context),
         "context");
}

static void do_set(struct actor *self, const struct line *l)
{
    int token = slot(l->word[3], &n_tokens);
    (void)self;
    if (VAR(l->word[1]) == NULL)
        return;
    struct number *value = number_new(l->word[2]);
    must(nook_var_set(VAR(l->word[1]), value, &tokens[token]), "set");
    token_set[token] = 1;
    number_release(value, NULL);
}

static void do_get(struct actor *self, const struct line *l)
{
    void *value = NULL;
    if (VAR(l->word[1]) == NULL)
        return;
    int rc = nook_var_get(VAR(l->word[1]), &value);
    say(self, "get %s %s", l->word[1], rc == 0 ? number_text(value) : "unset");
}

static void do_reset(struct actor *self, const struct line *l)
{
    int token = slot(l->word[2], &n_tokens);
    if (VAR(l->word[1]) == NULL || !token_set[token])
        return;
    int rc = nook_var_reset(VAR(l->word[1]), &tokens[token]);
    say(self, "reset %s %s %s", l->word[1], l->word[2], reset_text(rc));
}

/* In the order of the variables' numbers, which is nobody's order of iteration. */
static void do_list(struct actor *self, const struct line *l)
{
    char text[200] = "";
    nook_context *context = CONTEXT(l->word[1]);
    for (int i = 0; context != NULL && i <= n_vars; i++) {
        void *value = NULL;
        if (vars[i] == NULL || nook_context_find(context, vars[i], &value) != 0)
            continue;
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used, " v%d=%s", i, number_text(value));
        nook_value_release(vars[i], value);
    }
    if (context != NULL)
        say(self, "list %s%s", l->word[1], text);
}

/* --- tasks and callbacks ---------------------------------------------------------------- */

static int run_task(void *arg);
static void run_callback(void *arg);

static int line_of(const struct line *l)
{
    return (int)(l - lines);
}

static void do_spawn(struct actor *self, const struct line *l)
{
    int n = slot(l->word[1], &n_tasks);
    const char *context = l->word[2];
    nook_task_options options = {.name = l->word[1]};
    (void)self;
    if (strcmp(context, "empty") == 0)
        options.start = NOOK_START_EMPTY;
    else if (strcmp(context, "share") == 0)
        options.start = NOOK_START_SHARE;
    else if (strcmp(context, "copy") != 0)
        options.context = CONTEXT(context);
    task_actors[n] = (struct actor){.name = l->word[1], .first = line_of(l) + 1};
    must(nook_task_spawn(&tasks[n], run_task, &task_actors[n], &options), "spawn");
}

/* The argument `context`; *mine is to be given back. */
static nook_context *given(const char *name, nook_context **mine)
{
    *mine = NULL;
    if (strcmp(name, "empty") == 0)
        must(nook_context_new(mine), "context");
    else if (strcmp(name, "share") == 0)
        *mine = nook_task_context(nook_task_current());
    else if (strcmp(name, "copy") != 0)
        return CONTEXT(name);
    return *mine;
}

static struct actor *new_handle(const struct line *l, nook_handle ***handle)
{
    int n = slot(l->word[1], &n_handles);
    handle_actors[n] = (struct actor){.name = l->word[1], .first = line_of(l) + 1};
    *handle = &handles[n];
    return &handle_actors[n];
}

static void do_soon(struct actor *self, const struct line *l)
{
    nook_handle **handle;
    nook_context *mine, *context = given(l->word[2], &mine);
    struct actor *actor = new_handle(l, &handle);
    (void)self;
    must(nook_call_soon(handle, run_callback, actor, context), "soon");
    nook_context_unref(mine);
}

static void do_later(struct actor *self, const struct line *l)
{
    nook_handle **handle;
    nook_context *mine, *context = given(l->word[3], &mine);
    struct actor *actor = new_handle(l, &handle);
    uint64_t ns = strtoull(l->word[2], NULL, 10);
    (void)self;
    must(nook_call_later(handle, ns, run_callback, actor, context), "later");
    nook_context_unref(mine);
}

static void do_done(struct actor *self, const struct line *l)
{
    nook_handle **handle;
    nook_task *task = TASK(l->word[2]);
    (void)self;
    if (task == NULL)
        return;
    nook_context *mine, *context = given(l->word[3], &mine);
    struct actor *actor = new_handle(l, &handle);
    must(nook_task_on_done(handle, task, run_callback, actor, context), "done");
    nook_context_unref(mine);
}

static void do_cancel_handle(struct actor *self, const struct line *l)
{
    (void)self;
    if (HANDLE(l->word[1]) != NULL)
        must(nook_handle_cancel(HANDLE(l->word[1])), "cancel_handle");
}

static void do_cancel(struct actor *self, const struct line *l)
{
    (void)self;
    if (TASK(l->word[1]) != NULL)
        must(nook_task_cancel(TASK(l->word[1])), "cancel");
}

static void do_cancelling(struct actor *self, const struct line *l)
{
    if (TASK(l->word[1]) != NULL)
        say(self, "cancelling %s %u", l->word[1], nook_task_cancelling(TASK(l->word[1])));
}

static void do_state(struct actor *self, const struct line *l)
{
    nook_task *task = TASK(l->word[1]);
    if (task != NULL)
        say(self, "state %s %s", l->word[1],
            nook_task_done(task) ? how(result_of(task)).text : "alive");
}

static void do_uncancel(struct actor *self, const struct line *l)
{
    (void)l;
    say(self, "uncancel %u", nook_task_uncancel(nook_task_current()));
}

static const struct {
    const char *word;
    void (*fn)(struct actor *self, const struct line *l);
} plain_statements[] = {
    {"var", do_var},
    {"context", do_context},
    {"set", do_set},
    {"get", do_get},
    {"reset", do_reset},
    {"list", do_list},
    {"spawn", do_spawn},
    {"soon", do_soon},
    {"later", do_later},
    {"done", do_done},
    {"cancel_handle", do_cancel_handle},
    {"cancel", do_cancel},
    {"cancelling", do_cancelling},
    {"state", do_state},
    {"uncancel", do_uncancel},
};

/* --- what waits, or is left ------------------------------------------------------------ */

static int block(struct actor *self, int at);

static uint64_t time_of(const char *word)
{
    return strtoull(word, NULL, 10);
}

static int does_return(struct actor *self, const struct line *l)
{
    self->value = number_of(l->word[1]);
    return RETURNED;
}

static int does_fail(struct actor *self, const struct line *l)
{
    (void)self;
    return FAILED - number_of(l->word[1]);
}

static int does_yield(struct actor *self, const struct line *l)
{
    int rc = nook_yield();
    (void)l;
    if (rc == 0)
        say(self, "yielded");
    return rc;
}

static int does_sleep(struct actor *self, const struct line *l)
{
    int rc = nook_sleep(time_of(l->word[1]));
    if (rc == 0)
        say(self, "slept");
    return rc;
}

static int does_join(struct actor *self, const struct line *l)
{
    int result;
    if (TASK(l->word[1]) == NULL)
        return 0;
    int rc = nook_task_join(TASK(l->word[1]), &result);
    if (rc == 0)
        say(self, "join %s %s", l->word[1], how(result).text);
    return rc;
}

static int does_await(struct actor *self, const struct line *l)
{
    int result;
    if (TASK(l->word[1]) == NULL)
        return 0;
    int rc = nook_task_join(TASK(l->word[1]), &result);
    if (rc != 0 || result < 0)
        return rc != 0 ? rc : result;
    say(self, "await %s value %d", l->word[1], result);
    return 0;
}

/* After `rc`: a sleep that nobody can shorten. */
static int settle(const char *time, int rc)
{
    while (nook_sleep(time_of(time)) == NOOK_ECANCELED)
        rc = NOOK_ECANCELED;
    return rc;
}

static int does_gather(struct actor *self, const struct line *l)
{
    nook_task *gathered[WORDS];
    int results[WORDS];
    size_t n = 0;
    char text[128] = "";
    for (int i = 2; i < l->words; i++)
        if (TASK(l->word[i]) != NULL)
            gathered[n++] = TASK(l->word[i]);
    int rc = settle(l->word[1], nook_gather(gathered, n, results));
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used, " %s", how(results[i]).text);
    }
    if (rc == 0)
        say(self, "gather%s", text);
    return rc;
}

static int run_thread(void *arg)
{
    struct actor *self = arg;
    return block(self, self->first);
}

static int does_thread(struct actor *self, const struct line *l)
{
    struct actor there = {
        .name = self->name, .first = line_of(l) + 1, .elsewhere = 1, .time = nook_now()};
    int rc = settle(l->word[1], nook_to_thread(run_thread, &there, NULL));
    if (rc == 0)
        say(self, "thread");
    return rc;
}

static int does_timeout(struct actor *self, const struct line *l)
{
    nook_deadline deadline;
    int n = slot(l->word[1], &n_deadlines);
    must(nook_deadline_enter(&deadline, time_of(l->word[2])), "timeout");
    deadlines[n] = &deadline;
    int rc = block(self, line_of(l) + 1);
    int left = nook_deadline_exit(&deadline);
    deadlines[n] = NULL;
    int late = nook_deadline_expired(&deadline);
    say(self, "timeout %s %s", l->word[1], late ? "expired" : "in-time");
    return rc == NOOK_ECANCELED && left == NOOK_ETIMEDOUT ? NOOK_ETIMEDOUT : rc;
}

static int does_reschedule(struct actor *self, const struct line *l)
{
    int n = slot(l->word[1], &n_deadlines);
    if (deadlines[n] == NULL)
        return 0;
    int rc = nook_deadline_reschedule(deadlines[n], time_of(l->word[2]));
    say(self, "reschedule %s %s", l->word[1], rc == 0 ? "ok" : "too-late");
    return 0;
}

static int does_expired(struct actor *self, const struct line *l)
{
    int n = slot(l->word[1], &n_deadlines);
    if (deadlines[n] != NULL)
        say(self, "expired %s %d", l->word[1], nook_deadline_expired(deadlines[n]));
    return 0;
}

static int does_catch(struct actor *self, const struct line *l)
{
    int rc = block(self, line_of(l) + 1);
    if (rc >= 0)
        return rc;
    say(self, "caught %s", how(rc).text);
    return 0;
}

struct inside {
    struct actor *self;
    const struct line *l;
};

static int run_inside(void *arg)
{
    struct inside *inside = arg;
    say(inside->self, "run %s ok", inside->l->word[1]);
    return block(inside->self, line_of(inside->l) + 1);
}

static int does_run(struct actor *self, const struct line *l)
{
    struct inside inside = {self, l};
    nook_context *context = CONTEXT(l->word[1]);
    if (context == NULL)
        return 0;
    int rc = nook_context_run(context, run_inside, &inside, NULL);
    if (rc == NOOK_EENTERED)
        say(self, "run %s entered", l->word[1]);
    else
        must(rc, "run");
    return 0;
}

static const struct {
    const char *word;
    int (*fn)(struct actor *self, const struct line *l);
} statements[] = {
    {"return", does_return},   {"fail", does_fail},
    {"yield", does_yield},     {"sleep", does_sleep},
    {"join", does_join},       {"await", does_await},
    {"gather", does_gather},   {"thread", does_thread},
    {"timeout", does_timeout}, {"reschedule", does_reschedule},
    {"expired", does_expired}, {"catch", does_catch},
    {"run", does_run},
};

/* --- bodies ---------------------------------------------------------------------------- */

static int is_block(int at)
{
    static const char *const words[] = {"run",  "spawn",  "soon",    "later",
                                        "done", "thread", "timeout", "catch"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is(at, words[i]))
            return 1;
    return 0;
}

static int step(struct actor *self, int at)
{
    for (size_t i = 0; i < sizeof plain_statements / sizeof *plain_statements; i++)
        if (is(at, plain_statements[i].word)) {
            plain_statements[i].fn(self, &lines[at]);
            return 0;
        }
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (is(at, statements[i].word))
            return statements[i].fn(self, &lines[at]);
    die(lines[at].word[0]);
}

static int block(struct actor *self, int at)
{
    int rc = 0;
    for (; rc == 0 && !is(at, "end"); at = end_of(at, is_block))
        rc = step(self, at);
    return rc;
}

static int run_task(void *arg)
{
    struct actor *self = arg;
    say(self, "begins");
    int rc = block(self, self->first);
    say(self, "ends");
    return rc == RETURNED ? self->value : rc;
}

static void run_callback(void *arg)
{
    struct actor *self = arg;
    say(self, "begins");
    (void)block(self, self->first);
}

/* --- programs ------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    return strcmp(nook_task_name(*(nook_task *const *)a),
                  nook_task_name(*(nook_task *const *)b));
}

static int run_program(void *arg)
{
    static nook_task *sorted[NAMES];
    int n = 0;
    (void)arg;
    task_actors[0] = (struct actor){.name = "t0"};
    must(nook_task_spawn(&tasks[0], run_task, &task_actors[0],
                         &(nook_task_options){.name = "t0", .start = NOOK_START_EMPTY}),
         "spawn");
    (void)nook_sleep(UINT64_C(1000000000000000000));
    for (int i = 0; i <= n_tasks; i++)
        if (tasks[i] != NULL)
            sorted[n++] = tasks[i];
    qsort(sorted, (size_t)n, sizeof(nook_task *), by_name);
    for (int i = 0; i < n; i++)
        printf("%s %s\n", nook_task_name(sorted[i]),
               nook_task_done(sorted[i]) ? how(result_of(sorted[i])).text : "for-ever");
    return 0;
}

static void forget(void)
{
    for (int i = 0; i < NAMES; i++) {
        nook_task_unref(tasks[i]);
        nook_handle_unref(handles[i]);
        nook_token_drop(&tokens[i]);
        nook_context_unref(contexts[i]);
        nook_var_unref(vars[i]);
    }
    memset(tasks, 0, sizeof tasks);
    memset(handles, 0, sizeof handles);
    memset(tokens, 0, sizeof tokens);
    memset(token_set, 0, sizeof token_set);
    memset(contexts, 0, sizeof contexts);
    memset(vars, 0, sizeof vars);
}

static int no_task_left(void)
{
    nook_task_counts c = {0, 0, 0, 0, 0};
    (void)nook_task_count(&c);
    if ((c.tasks | c.handles | c.stacks | c.timers | c.waits) == 0)
        return 1;
    fprintf(stderr, "alive: %ld tasks, %ld handles, %ld stacks, %ld timers, %ld waits\n",
            c.tasks, c.handles, c.stacks, c.timers, c.waits);
    return 0;
}

static int play(void)
{
    nook_schedule *schedule;
    must(nook_schedule_new(&schedule, NULL), "schedule");
    must(nook_schedule_run(schedule, run_program, NULL, NULL, NULL), "run");
    nook_schedule_free(schedule);
    forget();
    int clean = leaves_nothing();
    return no_task_left() && clean;
}

int main(void)
{
    return play_all(play);
}
