/* SPDX-License-Identifier: MIT */
/*
 * sharing thread|context: alice and bob log in and see a page, on one worker,
 * with a park between. Where the user is kept is the only difference.
 *
 * sharing handover: what tasks may share, because nook hands it over: arguments,
 * results, jobs, callbacks, on one worker and on two.
 *
 * Prints how many went wrong. For ThreadSanitizer to watch: nothing here locks
 * or prints while tasks run, which would order what must not be ordered.
 */
#include <nook/nook.h>
#include <stdio.h>
#include <string.h>

/* --- where the user is kept -------------------------------------------------- */

static __thread const char *user_of_thread;
static NOOK_VAR_DEFINE(user_of_context);

struct visitor {
    const char *name;
    const char *seen;
};

static __attribute__((noinline)) void log_in(const char *name)
{
    user_of_thread = name;
}

static __attribute__((noinline)) const char *page(void)
{
    return user_of_thread;
}

static int visit_by_thread(void *arg)
{
    struct visitor *visitor = arg;
    log_in(visitor->name);
    int rc = nook_yield();
    visitor->seen = page();
    return rc;
}

static int visit_by_context(void *arg)
{
    struct visitor *visitor = arg;
    NOOK_SCOPED_SET(&user_of_context, (void *)(uintptr_t)visitor->name);
    int rc = nook_yield();
    visitor->seen = nook_var_get_or(&user_of_context, NULL);
    return rc;
}

static int spawn(nook_task **out, const char *name, nook_task_fn fn, void *arg)
{
    nook_task_options options = {.name = name};
    return nook_task_spawn(out, fn, arg, &options);
}

/* Returns how many saw somebody else's page, or a code. */
static int both(nook_task_fn visit)
{
    struct visitor visitors[] = {{"alice", NULL}, {"bob", NULL}};
    nook_task *tasks[2] = {NULL, NULL};
    int wrong = 0;
    for (int i = 0; i < 2; i++)
        if (spawn(&tasks[i], visitors[i].name, visit, &visitors[i]) != 0)
            return -1;
    if (nook_gather(tasks, 2, NULL) != 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        nook_task_unref(tasks[i]);
        wrong += strcmp(visitors[i].seen, visitors[i].name) != 0;
    }
    return wrong;
}

static int by_thread(void *arg)
{
    (void)arg;
    return both(visit_by_thread);
}

static int by_context(void *arg)
{
    (void)arg;
    return both(visit_by_context);
}

/* --- what nook hands over ------------------------------------------------------ */

/* Plain memory: only the order that nook gives makes it right to use. */
struct parcel {
    int sent, answered;
    nook_task *other;
};

/* In functions of their own, or clang takes the parcel for nobody else's and does not watch. */
static __attribute__((noinline)) void pack(struct parcel *parcel, int sent)
{
    parcel->sent = sent;
}

static __attribute__((noinline)) int wrong(const struct parcel *parcel)
{
    return parcel->answered != parcel->sent + 1;
}

static int answer(void *arg)
{
    struct parcel *parcel = arg;
    parcel->answered = parcel->sent + 1;
    return 0;
}

static int answer_after_parking(void *arg)
{
    int rc = nook_yield();
    if (rc == 0)
        rc = nook_sleep(1000);
    return rc == 0 ? answer(arg) : rc;
}

static int answer_elsewhere(void *arg)
{
    int rc = nook_task_migrate(2);
    if (rc == 0)
        rc = answer(arg);
    return rc == 0 ? nook_task_migrate(1) : rc;
}

/* The argument goes to the task, what it made of it comes back with its end. */
static int through_task(nook_task_fn fn, int sent)
{
    struct parcel parcel = {0};
    pack(&parcel, sent);
    nook_task *task;
    if (spawn(&task, "answer", fn, &parcel) != 0 || nook_task_join(task, NULL) != 0)
        return 1;
    nook_task_unref(task);
    return wrong(&parcel);
}

/* Not joined: found to be done. */
static int through_done(int sent)
{
    struct parcel parcel = {0};
    pack(&parcel, sent);
    nook_task *task;
    if (spawn(&task, "answer", answer_after_parking, &parcel) != 0)
        return 1;
    while (!nook_task_done(task))
        if (nook_yield() != 0)
            return 1;
    nook_task_unref(task);
    return wrong(&parcel);
}

static int through_job(int sent)
{
    struct parcel parcel = {0};
    pack(&parcel, sent);
    return nook_to_thread(answer, &parcel, NULL) != 0 || wrong(&parcel);
}

static int sleep_long(void *arg)
{
    struct parcel *parcel = arg;
    if (nook_sleep(UINT64_C(3600000000000)) == NOOK_ECANCELED)
        return answer(parcel);
    return 0;
}

static int yield_long(void *arg)
{
    while (nook_yield() == 0)
        continue;
    return answer(arg);
}

/* Whoever is cancelled finds what was written before: at once, or at its next park. */
static int through_cancel(nook_task_fn fn, int sent)
{
    struct parcel parcel = {0};
    nook_task *task;
    if (spawn(&task, "cancelled", fn, &parcel) != 0 || nook_yield() != 0)
        return 1;
    pack(&parcel, sent);
    if (nook_task_cancel(task) != 0 || nook_task_join(task, NULL) != 0)
        return 1;
    nook_task_unref(task);
    return wrong(&parcel);
}

static void answer_and_wake(void *arg)
{
    struct parcel *parcel = arg;
    answer(parcel);
    (void)nook_task_cancel(parcel->other);
}

static int wait_for_callback(void *arg)
{
    struct parcel parcel = {.other = nook_task_current()};
    pack(&parcel, *(int *)arg);
    if (nook_call_soon(NULL, answer_and_wake, &parcel, NULL) != 0)
        return 1;
    return nook_sleep(UINT64_C(3600000000000)) != NOOK_ECANCELED || wrong(&parcel);
}

static int through_callback(int sent)
{
    nook_task *task;
    int result = 1;
    if (spawn(&task, "waiter", wait_for_callback, &sent) != 0 ||
        nook_task_join(task, &result) != 0)
        return 1;
    nook_task_unref(task);
    return result;
}

static int hand_over(void *arg)
{
    int failed = 0;
    (void)arg;
    for (int i = 0; i < 20; i++) {
        failed += through_task(answer, i);
        failed += through_task(answer_after_parking, i);
        failed += through_task(answer_elsewhere, i);
        failed += through_done(i);
        failed += through_job(i);
        failed += through_cancel(sleep_long, i);
        failed += through_cancel(yield_long, i);
        failed += through_callback(i);
    }
    return failed;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        nook_task_fn main;
        nook_run_options options;
    } programs[] = {{"thread", by_thread, {.workers = 1}},
                    {"context", by_context, {.workers = 1}},
                    {"handover", hand_over, {.workers = 2, .migrate = 1}}};
    for (size_t i = 0; argc == 2 && i < sizeof(programs) / sizeof(programs[0]); i++) {
        int failed = -1;
        if (strcmp(argv[1], programs[i].name) != 0)
            continue;
        int rc = nook_run(programs[i].main, NULL, &programs[i].options, &failed);
        if (rc != 0 || failed < 0) {
            fprintf(stderr, "sharing: %s\n", nook_strerror(rc));
            return 1;
        }
        printf("%d wrong\n", failed);
        return 0;
    }
    fprintf(stderr, "usage: sharing thread|context|handover\n");
    return 2;
}
