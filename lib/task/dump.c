/* SPDX-License-Identifier: MIT */
/* The report of all tasks, as text. Written with no lock held. */
#include "dump.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- text ------------------------------------------------------------------- */

struct out {
    int fd, rc;
    size_t used;
    char bytes[4096];
};

static void flush(struct out *out)
{
    size_t done = 0;
    while (out->rc == 0 && done < out->used) {
        ssize_t n = write(out->fd, out->bytes + done, out->used - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            out->rc = -errno;
    }
    out->used = 0;
}

static void put(struct out *out, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        size_t room = sizeof out->bytes - out->used, n = left < room ? left : room;
        memcpy(out->bytes + out->used, text, n);
        out->used += n;
        text += n;
        left -= n;
        if (out->used == sizeof out->bytes)
            flush(out);
    }
}

static void say(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct out *out, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put(out, text);
}

static void indent(struct out *out, unsigned depth)
{
    enum { DEEPEST = 40 };
    for (unsigned i = 0; i < depth && i < DEEPEST; i++)
        put(out, "  ");
}

/* --- a task ------------------------------------------------------------------- */

/* Inside the call, not behind it: what addr2line is asked for. */
static void say_address(struct out *out, void *address)
{
    Dl_info info;
    uintptr_t at = (uintptr_t)address - 1;
    if (dladdr((void *)at, &info) == 0 || info.dli_fname == NULL) {
        say(out, " at 0x%jx", (uintmax_t)at);
        return;
    }
    if (info.dli_sname != NULL)
        say(out, " in %s", info.dli_sname);
    say(out, " at %s+0x%jx", info.dli_fname, (uintmax_t)(at - (uintptr_t)info.dli_fbase));
}

static void say_site(struct out *out, const char *words, const nook_site *site)
{
    say(out, "%s %s (%s:%d)", words, site->function, site->file, site->line);
}

static void say_place(struct out *out, const struct nook__seen *task)
{
    if (task->at != NULL)
        say_site(out, " in", task->at);
    else if (task->caller != NULL)
        say_address(out, task->caller);
}

static void say_state(struct out *out, const struct nook__seen *task)
{
    static const char *const names[] = {"ready", "running", "parked"};
    put(out, names[task->state]);
    if (task->state != NOOK__PARKED)
        return;
    say(out, ", waits for %s", task->kind != NULL ? task->kind : "something");
    say_place(out, task);
}

static void say_numbers(struct out *out, const struct nook__seen *task, uint64_t now)
{
    uint64_t age = now > task->born ? now - task->born : 0;
    if (task->worker != 0)
        say(out, "worker %u, ", task->worker);
    say(out, "age %ju.%03ju s, parked %ju times, stack %zu of %zu KiB\n",
        (uintmax_t)(age / 1000000000), (uintmax_t)(age / 1000000 % 1000),
        (uintmax_t)task->parks, task->touched / 1024, task->stack_size / 1024);
}

static void say_origin(struct out *out, const struct nook__seen *task, unsigned depth)
{
    if (task->site == NULL && (task->up != 0 || task->parent == 0))
        return;
    indent(out, depth);
    put(out, "  spawned");
    if (task->site != NULL)
        say_site(out, " in", task->site);
    if (task->up == 0 && task->parent != 0)
        say(out, " by task %ju, which has ended", (uintmax_t)task->parent);
    put(out, "\n");
}

static void say_variables(struct out *out, nook_context *context, unsigned depth)
{
    nook_context_iter iter;
    nook_var *var;
    void *value;
    char text[200];
    if (nook_context_iter_open(&iter, context) != 0)
        return;
    while (nook_context_iter_next(&iter, &var, &value) == 0) {
        nook__print_value(text, sizeof text, var, value);
        indent(out, depth);
        say(out, "  %s = %s\n", nook_var_name(var), text);
    }
    nook_context_iter_close(&iter);
}

static void say_task(struct out *out, const struct nook__seen *task, uint64_t now,
                     unsigned depth)
{
    indent(out, depth);
    say(out, "task %ju \"%s\": ", (uintmax_t)task->id, task->name);
    say_state(out, task);
    put(out, "\n");
    indent(out, depth);
    put(out, "  ");
    say_numbers(out, task, now);
    say_origin(out, task, depth);
    say_variables(out, task->context, depth);
}

/* --- the tree ----------------------------------------------------------------- */

/* What a thread has sent has its number before it comes into the list. */
static int by_number(const void *a, const void *b)
{
    const struct nook__seen *first = a, *second = b;
    return (first->id > second->id) - (first->id < second->id);
}

/* The place of a task from 1. They stand in the order of their numbers. */
static size_t place_of(const struct nook__view *view, uint64_t id)
{
    size_t low = 0, high = view->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (view->tasks[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < view->n && view->tasks[low].id == id ? low + 1 : 0;
}

static void hang(struct nook__view *view, size_t place)
{
    struct nook__seen *task = &view->tasks[place - 1];
    task->up = place_of(view, task->parent);
    if (task->up == 0)
        return;
    struct nook__seen *up = &view->tasks[task->up - 1];
    if (up->last != 0)
        view->tasks[up->last - 1].next = place;
    else
        up->child = place;
    up->last = place;
}

/* A task, and who came of it. Trees may be deeper than stacks. */
static void say_tree(struct out *out, const struct nook__view *view, size_t root)
{
    unsigned depth = 1;
    size_t at = root;
    while (at != 0) {
        const struct nook__seen *task = &view->tasks[at - 1];
        say_task(out, task, view->now, depth);
        if (task->child != 0) {
            at = task->child;
            depth++;
            continue;
        }
        while (at != root && view->tasks[at - 1].next == 0) {
            at = view->tasks[at - 1].up;
            depth--;
        }
        at = at == root ? 0 : view->tasks[at - 1].next;
    }
}

static void say_run(struct out *out, struct nook__view *view)
{
    say(out, "nook: run %ju: %u %s, ", (uintmax_t)view->run, view->workers,
        view->workers == 1 ? "worker" : "workers");
    if (!view->all) {
        put(out, "which does not answer: a task has not parked for a second\n");
        return;
    }
    say(out, "%zu %s\n", view->n, view->n == 1 ? "task" : "tasks");
    qsort(view->tasks, view->n, sizeof *view->tasks, by_number);
    for (size_t i = 1; i <= view->n; i++)
        hang(view, i);
    for (size_t i = 1; i <= view->n; i++)
        if (view->tasks[i - 1].up == 0)
            say_tree(out, view, i);
}

int nook_dump(int fd)
{
    struct out out = {.fd = fd};
    struct nook__view view;
    uint64_t after = 0;
    int rc, silent = 0;
    while ((rc = nook__view_next(&view, after)) == 0) {
        after = view.run;
        silent |= !view.all;
        say_run(&out, &view);
        nook__view_drop(&view);
    }
    flush(&out);
    if (rc != NOOK_EEND)
        return rc;
    if (out.rc != 0)
        return out.rc;
    return silent ? NOOK_ETIMEDOUT : 0;
}
