/* SPDX-License-Identifier: MIT */
/*
 * Tasks: making them, waiting for their end, asking about them.
 *
 * The run and the one who spawned hold a reference each. What outlives the run
 * is the name, the number and the result; everything else ends with the task.
 *
 * Tasks and callbacks that share a context object never run at the same time
 * [D3]: they all belong to one worker, and none of them migrates.
 */
#include "base/probe.h"
#include "room.h"

#include "base/alone.h"
#include "contextlocal/keep.h"
#include <stdlib.h>
#include <string.h>

atomic_long nook__tasks_alive;

/* Of the process, not of a run: runs may go on at the same time, and tasks outlive theirs. */
static _Atomic uint64_t next_id = 1;

nook_context *nook__task_take_context(nook_task *task)
{
    int held = nook__hold(task);
    nook_context *context = task->body->context;
    task->body->context = NULL;
    nook__let_go(task, held);
    return context;
}

static nook_task *task_with(struct nook__run *run, const nook_context *context)
{
    nook_task *found = NULL;
    for (struct nook__link *link = run->tasks.next; link != &run->tasks && found == NULL;
         link = link->next) {
        nook_task *task = NOOK__CONTAINER(link, struct nook__body, all)->task;
        int held = nook__hold(task);
        if (task->body->context == context)
            found = task;
        nook__let_go(task, held);
    }
    return found;
}

/* The worker of who runs in it, to stay there; `wanted` where nobody does. */
static unsigned home_of(struct nook__run *run, const nook_context *context, unsigned wanted)
{
    nook_task *task = nook_task_current();
    if (context == nook__current_get()) { /* the maker is in it: here, and to stay */
        if (task != NULL)
            (void)nook__bind(&task->body->event, wanted);
        return nook__here() != NULL ? nook__here()->index : wanted;
    }
    if ((task = task_with(run, context)) != NULL)
        return nook__bind(&task->body->event, wanted);
    unsigned home = nook__handles_home(run, context);
    return home != 0 ? home : wanted;
}

/* A schedule has one thread. */
static uint32_t number_of(const struct nook__run *run, unsigned worker)
{
    return run->workers[run->schedule != NULL ? 0 : worker - 1].number;
}

/* The worker with that number; 0: none has it. */
static unsigned worker_with(const struct nook__run *run, uint32_t number)
{
    unsigned worker = run->real_workers;
    while (worker > 0 && run->workers[worker - 1].number != number)
        worker--;
    return worker;
}

/* In a schedule all are on one thread, and those who use it already are asked each time. */
int nook__give_context(struct nook__run *run, nook_context *context, unsigned *worker)
{
    uint32_t number = run->schedule == NULL ? nook__context_keeper(context) : 0;
    if (number == 0) {
        *worker = home_of(run, context, *worker);
        number = number_of(run, *worker);
    }
    int rc = nook__context_keep(context, &number);
    if (rc != 0)
        return rc;
    if (number != number_of(run, *worker) && (*worker = worker_with(run, number)) == 0) {
        nook__context_unkeep(context);
        return NOOK_EBUSY;
    }
    return 0;
}

int nook__promise_context(struct nook__run *run, nook_context *context)
{
    uint32_t number = 0;
    int rc = nook__context_keep(context, &number);
    if (rc != 0 || number == 0 || worker_with(run, number) != 0)
        return rc;
    nook__context_unkeep(context);
    return NOOK_EBUSY;
}

nook_context *nook_task_context(nook_task *task)
{
    nook_context *context = NULL;
    if (task == NULL)
        return NULL;
    int held = nook__hold(task);
    if (task->body->context != NULL)
        context = nook_context_ref(task->body->context);
    nook__let_go(task, held);
    return context;
}

/* --- making --------------------------------------------------------------- */

/*
 * What follows is inlined where a task is spawned, twice: once for options that nobody gave,
 * which ask for nothing, and so cost nothing.
 */

/* The context for a new task, with one reference; *shared: others use it too. */
NOOK__INLINED int pick_context(struct nook__room *room, const nook_task_options *options,
                               nook_context **out, int *shared)
{
    *shared = 1;
    if (options->context != NULL) {
        *out = nook_context_ref(options->context);
        return 0;
    }
    if (options->start == NOOK_START_SHARE && nook__current_get() != NULL) {
        *out = nook_context_ref(nook__current_get());
        return 0;
    }
    *shared = 0;
    *out = &room->context;
    int rc = 0;
    if (options->start == NOOK_START_COPY)
        rc = nook__context_inherit_at(*out);
    else
        nook__context_new_at(*out);
    if (rc == 0)
        atomic_store_explicit(&room->users, 2, memory_order_relaxed);
    return rc;
}

static void keep_name(nook_task *task, const char *name)
{
    strncpy(task->body->name, name, sizeof(task->body->name) - 1);
    task->body->name[sizeof(task->body->name) - 1] = '\0';
}

NOOK__INLINED int make(nook_task **out, struct nook__worker *worker, struct nook__run *run,
                       nook_task_fn fn, void *arg, const nook_task_options *options,
                       const nook_site *site)
{
    nook_task *task = nook__pair_get(worker);
    const struct nook__body *parent = worker != NULL ? nook__current(worker) : NULL;
    nook_context *context;
    int shared;
    if (task == NULL)
        return NOOK_ENOMEM;
    int rc = pick_context(nook__room_of(task->body), options, &context, &shared);
    if (rc != 0) {
        nook__pair_put(task);
        return rc;
    }
    struct nook__body *body = task->body;
    body->context = context;
    body->chain = shared ? nook_context_ref(context) : nook__context_again(context);
    body->shared = shared;
    atomic_store_explicit(&body->event.look, run->direct ? NOOK__NEW : NOOK__NEW | NOOK__OTHER,
                          memory_order_relaxed);
    /* As if it had parked: a cancel on its way in is for its first park. */
    atomic_store_explicit(&body->parks, 1, memory_order_relaxed);
    task->run = body->run = run;
    body->fn = fn;
    body->arg = arg;
    body->discard = options->discard;
    body->site = options->site != NULL ? options->site : site;
    body->parent = parent != NULL ? parent->id : 0;
    body->born = nook__coarse_clock(run);
    if (options->name != NULL)
        keep_name(task, options->name);
    atomic_init(&task->refs, 2);
    nook__count_add(&nook__tasks_alive, 1);
    *out = task;
    return 0;
}

int nook__task_make(nook_task **out, struct nook__run *run, nook_task_fn fn, void *arg,
                    const nook_task_options *options, const nook_site *site)
{
    return make(out, nook__here(), run, fn, arg, options, site);
}

void nook__task_number(nook_task *task)
{
    if (NOOK__ALONE) {
        task->body->id = atomic_load_explicit(&next_id, memory_order_relaxed);
        atomic_store_explicit(&next_id, task->body->id + 1, memory_order_relaxed);
    } else {
        task->body->id = atomic_fetch_add_explicit(&next_id, 1, memory_order_relaxed);
    }
}

nook_task *nook_task_ref(nook_task *task)
{
    if (task != NULL)
        nook__refs_take(&task->refs);
    return task;
}

void nook__task_gone(nook_task *task)
{
    nook__take_over(task);
    if (task->body != NULL && task->body->failed_in != NULL && nook__failure_last(task))
        return;
    nook__pair_put(task);
    nook__count_add(&nook__tasks_alive, -1);
}

/* Gives up n references at once. */
static inline void give_up(nook_task *task, unsigned n)
{
    nook__hand_over(task);
    if (nook__refs_drop(&task->refs, n))
        nook__task_gone(task);
}

void nook_task_unref(nook_task *task)
{
    if (task != NULL)
        nook__task_leave(task);
}

void nook__task_unmake(nook_task *task)
{
    nook_context_unref(task->body->chain);
    nook_context_unref(nook__task_take_context(task));
    give_up(task, atomic_load_explicit(&task->refs, memory_order_relaxed)); /* all */
}

/* The last digit is nine. */
static __attribute__((noinline)) void carry_on(struct nook__run *run)
{
    char *first = run->next_name + sizeof "task-" - 1;
    char *digit = run->next_name + run->name_length - 1;
    while (digit >= first && *digit == '9')
        *digit-- = '0';
    if (digit >= first) {
        ++*digit;
        return;
    }
    run->next_name[run->name_length++] = '0'; /* all were nines; what follows is zero */
    *first = '1';
}

/* Counts on in decimal: to divide for each digit of each task would cost more. */
static inline void count_on(struct nook__run *run)
{
    char *digit = run->next_name + run->name_length - 1;
    if (__builtin_expect(*digit == '9', 0))
        carry_on(run);
    else
        ++*digit;
}

/* A task without a name is called after its place in the run, which a schedule repeats. */
static void give_name(struct nook__run *run, nook_task *task)
{
    memcpy(task->body->name, run->next_name, sizeof task->body->name);
    count_on(run);
}

static __attribute__((noinline)) int place_shared(struct nook__run *run, nook_task *task,
                                                  unsigned wanted, int eager)
{
    unsigned home = wanted;
    int rc = nook__give_context(run, task->body->context, &home);
    nook__home_set(&task->body->event, home);
    if (rc == 0 && eager && home != wanted) {
        nook__context_unkeep(task->body->context);
        rc = NOOK_EBUSY;
    }
    task->body->shared = rc == 0;
    return rc;
}

NOOK__INLINED int find_place(const struct nook__worker *worker, struct nook__run *run,
                             nook_task *task, const nook_task_options *options)
{
    unsigned here = worker != NULL ? worker->index : 1;
    unsigned home = options->eager ? here : options->worker;
    if (task->body->shared)
        return place_shared(run, task, home != 0 ? home : here, options->eager);
    if (options->migrate > 0 || (options->migrate == 0 && run->migrate)) {
        home |= NOOK__ROAMS;
        nook__mark(task->body, NOOK__ROAMED);
    }
    nook__home_set(&task->body->event, home);
    return 0;
}

int nook__task_place(struct nook__run *run, nook_task *task, const nook_task_options *options)
{
    return find_place(nook__here(), run, task, options);
}

NOOK__INLINED void enlist(struct nook__worker *worker, struct nook__run *run, nook_task *task,
                          const nook_task_options *options)
{
    struct nook__body *body = task->body;
    if (options->name == NULL)
        give_name(run, task);
    else
        count_on(run);
    nook__list_append(&run->tasks, &body->all);
    if (nook__late(run)) { /* it was under way, and does not start */
        body->awaited = 1;
        run->awaited++;
        nook__cancel(task);
    }
    NOOK__PROBE4(task_spawn, body->id, &body->name[0], body->fn, body->parent);
    nook__hand_over(task);
    if (options->eager)
        nook__urge(worker, &body->event);
    else
        nook__ready_by(worker, run, &body->event);
}

void nook__task_enlist(struct nook__run *run, nook_task *task, const nook_task_options *options)
{
    enlist(nook__here(), run, task, options);
}

NOOK__INLINED int new_task(struct nook__run *run, nook_task **out, nook_task_fn fn, void *arg,
                           const nook_task_options *options, const nook_site *site)
{
    nook_task *task;
    struct nook__worker *worker = nook__here();
    int rc = make(&task, worker, run, fn, arg, options, site);
    if (rc != 0)
        return rc;
    nook__lock(run);
    rc = nook__stacks_of(run, options->stack_size, &task->body->stacks);
    if (rc == 0)
        rc = find_place(worker, run, task, options);
    if (rc == 0) {
        nook__task_number(task);
        enlist(worker, run, task, options);
    }
    nook__unlock(run);
    if (rc == 0)
        *out = task;
    else
        nook__task_unmake(task);
    return rc;
}

int nook__task_new(struct nook__run *run, nook_task **out, nook_task_fn fn, void *arg,
                   const nook_task_options *options, const nook_site *site)
{
    return new_task(run, out, fn, arg, options, site);
}

NOOK__INLINED int check(struct nook__worker *worker, nook_task_fn fn,
                        const nook_task_options *options)
{
    const struct nook__body *task = nook__current(worker);
    if (fn == NULL || options->worker > worker->run->n_workers ||
        (unsigned)options->start > NOOK_START_SHARE)
        return NOOK_EINVAL;
    if (options->eager && options->worker != 0 && options->worker != worker->index)
        return NOOK_EINVAL;
    if (options->eager && (worker->ending || (task != NULL && task->life->ending)))
        return nook__no_task();
    return nook__stack_check(options->stack_size);
}

NOOK__INLINED int spawn(const nook_site *site, nook_task **out, nook_task_fn fn, void *arg,
                        const nook_task_options *options)
{
    struct nook__worker *worker = nook__here();
    nook_task *task;
    if (worker == NULL)
        return nook__no_task();
    int rc = check(worker, fn, options);
    if (rc == 0)
        rc = nook__late(worker->run) ? NOOK_ECANCELED
                                     : new_task(worker->run, &task, fn, arg, options, site);
    if (rc != 0)
        return rc;
    if (options->eager)
        nook__run_at_once(task);
    if (out != NULL)
        *out = task;
    else
        nook_task_unref(task);
    return 0;
}

static __attribute__((noinline)) int spawn_as(const nook_site *site, nook_task **out,
                                              nook_task_fn fn, void *arg,
                                              const nook_task_options *options)
{
    return spawn(site, out, fn, arg, options);
}

int nook_task_spawn_at(const nook_site *site, nook_task **out, nook_task_fn fn, void *arg,
                       const nook_task_options *options)
{
    static const nook_task_options defaults;
    return options == NULL ? spawn(site, out, fn, arg, &defaults)
                           : spawn_as(site, out, fn, arg, options);
}

int(nook_task_spawn)(nook_task **out, nook_task_fn fn, void *arg,
                     const nook_task_options *options)
{
    return nook_task_spawn_at(NULL, out, fn, arg, options);
}

/* --- asking --------------------------------------------------------------- */

int nook_task_done(const nook_task *task)
{
    if (task == NULL || !atomic_load_explicit(&task->done, memory_order_acquire))
        return 0;
    nook__take_over((void *)(uintptr_t)task);
    return 1;
}

int nook_task_result(const nook_task *task, int *result)
{
    if (task == NULL || result == NULL)
        return NOOK_EINVAL;
    if (!nook_task_done(task))
        return nook__lost() != NULL ? NOOK_EFORKED : NOOK_EAGAIN;
    *result = nook__result((nook_task *)(uintptr_t)task);
    return 0;
}

int nook_task_set_value(void *value)
{
    nook_task *task = nook_task_current();
    if (task == NULL)
        return nook__no_task();
    task->body->value = value;
    return 0;
}

int nook_task_value(const nook_task *task, void **value)
{
    if (task == NULL || value == NULL)
        return NOOK_EINVAL;
    if (!nook_task_done(task))
        return NOOK_EAGAIN;
    *value = task->body->value;
    return 0;
}

int nook_all_tasks(nook_task **tasks, size_t room, size_t *n)
{
    struct nook__worker *worker = nook__here();
    if (n == NULL || (tasks == NULL && room != 0))
        return NOOK_EINVAL;
    if (worker == NULL)
        return nook__no_task();
    struct nook__run *run = worker->run;
    *n = 0;
    nook__lock(run);
    for (struct nook__link *link = run->tasks.next; link != &run->tasks; link = link->next) {
        if (*n < room)
            tasks[*n] = nook_task_ref(NOOK__CONTAINER(link, struct nook__body, all)->task);
        ++*n;
    }
    nook__unlock(run);
    return 0;
}

const char *nook_task_name(const nook_task *task)
{
    if (task == NULL)
        return NULL;
    int held = nook__hold(task);
    struct nook__body *body = task->body;
    int over = nook_task_done(task); /* then it stays where it is */
    if (body->text == NULL && !over)
        body->text = strdup(body->name);
    const char *text = body->text != NULL || !over ? body->text : body->name;
    nook__let_go(task, held);
    return text != NULL ? text : "";
}

uint64_t nook_task_id(const nook_task *task)
{
    if (task == NULL)
        return 0;
    int held = nook__hold(task);
    uint64_t id = task->body->id;
    nook__let_go(task, held);
    return id;
}

const nook_site *nook_task_site(const nook_task *task)
{
    if (task == NULL)
        return NULL;
    int held = nook__hold(task);
    const nook_site *site = task->body->site;
    nook__let_go(task, held);
    return site;
}

void nook_task_at(const nook_site *site)
{
    nook_task *task = nook_task_current();
    if (task != NULL)
        task->body->life->at = site;
}

int nook_task_at_end(void (*fn)(void *user), void *user)
{
    nook_task *task = nook_task_current();
    if (task == NULL)
        return nook__no_task();
    if (fn == NULL)
        return NOOK_EINVAL;
    struct nook__at_end *end = malloc(sizeof(*end));
    if (end == NULL)
        return NOOK_ENOMEM;
    *end = (struct nook__at_end){task->body->life->ends, fn, user};
    task->body->life->ends = end;
    return 0;
}

int nook_task_count(nook_task_counts *counts)
{
    if (counts == NULL)
        return NOOK_EINVAL;
    counts->tasks = atomic_load(&nook__tasks_alive);
    counts->handles = atomic_load(&nook__handles_alive);
    counts->stacks = nook__stacks_live();
    counts->timers = atomic_load(&nook__timers_alive);
    counts->waits = atomic_load(&nook__waits_alive);
    return 0;
}

/* --- waiting for the end -------------------------------------------------- */

/*
 * Of one task or several. It stands in one of them, and goes on to the next that has not ended
 * when that one does: it is over when all have, whatever their order.
 */
struct gathering {
    struct nook__wait wait;
    struct nook__joiner joiner;
    nook_task *self;
    nook_task *const *tasks;
    size_t n, at; /* those before have ended */
    size_t asked; /* of them, how many a cancel has gone on to */
    int forwarded;
};

/* Under the lock. 0: all have ended. */
static inline int wait_for_next(struct gathering *gathering)
{
    while (gathering->at < gathering->n && nook_task_done(gathering->tasks[gathering->at]))
        gathering->at++;
    if (gathering->at == gathering->n)
        return 0;
    nook__list_append(&gathering->tasks[gathering->at]->body->joiners, &gathering->joiner.link);
    return 1;
}

static void one_ended(struct nook__joiner *joiner, nook_task *task)
{
    struct gathering *gathering = NOOK__CONTAINER(joiner, struct gathering, joiner);
    (void)task;
    gathering->at++;
    if (!wait_for_next(gathering))
        nook__wake(gathering->self, 0);
}

static int begin_join(struct nook__wait *wait, nook_task *task)
{
    struct gathering *gathering = NOOK__CONTAINER(wait, struct gathering, wait);
    gathering->self = task;
    if (nook_task_done(gathering->tasks[0]))
        return 0;
    nook__list_append(&gathering->tasks[0]->body->joiners, &gathering->joiner.link);
    return 1;
}

static void the_one_ended(struct nook__joiner *joiner, nook_task *task)
{
    (void)task;
    nook__wake(NOOK__CONTAINER(joiner, struct gathering, joiner)->self, 0);
}

static int begin_gather(struct nook__wait *wait, nook_task *task)
{
    struct gathering *gathering = NOOK__CONTAINER(wait, struct gathering, wait);
    gathering->self = task;
    return wait_for_next(gathering);
}

static void undo_gather(struct nook__wait *wait, nook_task *task)
{
    (void)task;
    nook__list_remove(&NOOK__CONTAINER(wait, struct gathering, wait)->joiner.link);
}

static nook_task *next_gather(struct nook__wait *wait, int again)
{
    struct gathering *gathering = NOOK__CONTAINER(wait, struct gathering, wait);
    if (again) {
        gathering->forwarded = 1;
        gathering->asked = gathering->at;
        return NULL;
    }
    while (gathering->asked < gathering->n) {
        nook_task *task = gathering->tasks[gathering->asked++];
        if (!nook_task_done(task))
            return task;
    }
    return NULL;
}

int nook__tasks_check(nook_task *const *tasks, size_t n)
{
    nook_task *self = nook_task_current();
    if (self == NULL)
        return nook__no_task();
    if (tasks == NULL && n != 0)
        return NOOK_EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (tasks[i] == NULL || nook__task_foreign(tasks[i]))
            return NOOK_EINVAL;
        if (tasks[i] == self)
            return NOOK_EDEADLK;
    }
    return 0;
}

static int all_done(nook_task *const *tasks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!nook_task_done(tasks[i]))
            return 0;
    return 1;
}

/* What they hand over was taken; NOOK_ECANCELED where nobody was to be waited for any longer.
 */
NOOK__INLINED int await(nook_task *const *tasks, size_t n, const char *kind, void *caller,
                        int *forwarded)
{
    struct gathering gathering = {.wait = {.begin = n == 1 ? begin_join : begin_gather,
                                           .undo = undo_gather,
                                           .next = next_gather,
                                           .empty = 1,
                                           .kind = kind,
                                           .caller = caller},
                                  .joiner = {.ended = n == 1 ? the_one_ended : one_ended},
                                  .tasks = tasks,
                                  .n = n};
    int rc = nook__park(&gathering.wait);
    for (size_t i = 0; rc == 0 && i < n; i++)
        nook__take_over(tasks[i]);
    *forwarded = gathering.forwarded;
    return rc;
}

/* As asyncio's await: cancelled itself only if the inner one gave in. */
int nook_task_join(nook_task *task, int *result)
{
    const struct nook__worker *worker = nook__here();
    const struct nook__body *self = worker != NULL ? nook__current(worker) : NULL;
    int forwarded = 0, rc = 0;
    if (self == NULL)
        return nook__no_task();
    if (task == NULL)
        return NOOK_EINVAL;
    if (!nook_task_done(task)) {
        if (task->run != worker->run)
            return NOOK_EINVAL;
        if (task == self->task)
            return NOOK_EDEADLK;
        rc = await(&task, 1, "the end of a task", NOOK__CALLER, &forwarded);
    }
    if (rc == 0 && forwarded && task->body->result == NOOK_ECANCELED)
        return NOOK_ECANCELED;
    if (rc == 0 && result != NULL)
        *result = nook__result(task);
    return rc;
}

int nook_gather(nook_task *const *tasks, size_t n, int *results)
{
    int forwarded = 0;
    int rc = nook__tasks_check(tasks, n);
    if (rc != 0)
        return rc;
    if (!all_done(tasks, n))
        rc = await(tasks, n, "the end of tasks", NOOK__CALLER, &forwarded);
    if (rc == 0 && forwarded)
        rc = NOOK_ECANCELED;
    for (size_t i = 0; rc == 0 && results != NULL && i < n; i++)
        results[i] = nook__result(tasks[i]);
    return rc;
}
