/* SPDX-License-Identifier: MIT */
/*
 * A run: its workers, its queues, its end.
 *
 * When main has ended, every other task is cancelled once, and the run waits for them:
 * they clean up, and may park and spawn for that. When they have ended, those that they
 * spawned and left are cancelled in the same way, and nothing new is taken any more: so a
 * run ends whose tasks end when they are asked to. It is over when no task and no job is
 * left.
 *
 * Where every task waits and nothing can wake one, be it before or after main has ended,
 * that is the deadlock: everybody is interrupted, whomever they wait for, and from then on
 * parks answer NOOK_ECANCELED at once. No task can be left parked for ever.
 */
#include "run.h"
#include "contextlocal/context.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WORKERS_MOST = 1024, STACK_LEAST = 16 * 1024, POOL_MOST = 32 };
#define STACK_MOST (SIZE_MAX / 4)

/* --- queues --------------------------------------------------------------- */

void nook__not_idle(struct nook__worker *worker)
{
    if (!worker->idle)
        return;
    worker->idle = 0;
    atomic_fetch_sub_explicit(&worker->run->idle, 1, memory_order_relaxed);
}

void nook__rouse(struct nook__worker *worker)
{
    nook__not_idle(worker);
    nook__call(worker);
}

struct nook__worker *nook__idle_one(struct nook__run *run)
{
    struct nook__worker *found = NULL;
    for (unsigned i = 0; run->idle > 0 && i < run->n_workers; i++) {
        struct nook__worker *worker = &run->workers[i];
        if (worker->idle)
            found = worker;
        if (found != NULL && found != run->watcher)
            return found;
    }
    return found;
}

void nook__mind_timer(struct nook__run *run)
{
    struct nook__worker *worker;
    if (run->watcher != NULL)
        nook__call(run->watcher);
    else if ((run->poller.users > 0 || run->timers.n > 0) &&
             (worker = nook__idle_one(run)) != NULL)
        nook__rouse(worker);
}

void nook__mind_fd(struct nook__run *run)
{
    if (run->watcher == NULL || run->blind)
        nook__mind_timer(run);
}

void nook__unready(struct nook__event *event)
{
    /* From here on another worker may queue it again. */
    atomic_store_explicit(&event->ready, 0, memory_order_release);
    if ((atomic_load_explicit(&event->look, memory_order_relaxed) & NOOK__TOLD) != 0)
        nook__unmark(NOOK__CONTAINER(event, struct nook__body, event), NOOK__TOLD);
}

void nook__take(struct nook__event *event)
{
    nook__list_remove(&event->link);
    nook__unready(event);
}

void nook__give(struct nook__worker *worker, struct nook__event *event)
{
    if (worker == nook__here()) {
        nook__enqueue(worker, event);
        return;
    }
    nook__not_idle(worker);
    nook__send(worker, event);
}

void nook__ready_anywhere(struct nook__run *run, struct nook__event *event)
{
    /* Relaxed: a plain store. Who reads `ready` on another thread learns no more than that. */
    atomic_store_explicit(&event->ready, 1, memory_order_relaxed);
    if (run->schedule != NULL) {
        if (nook__home(event) == 0)
            nook__settle_on(event, run->next_worker++ % run->n_workers + 1);
        nook__list_append(&run->shared.events, &event->link);
    } else if (run->solo) {
        nook__settle_on(event, 1);
        nook__give(&run->workers[0], event);
    } else {
        nook__queue_ready(run, event);
    }
}

/* Alone it has no need of a locked instruction. */
void nook__mark(struct nook__body *body, unsigned what)
{
    atomic_uint *look = &body->event.look;
    if (body->run->solo)
        atomic_store_explicit(look, atomic_load_explicit(look, memory_order_relaxed) | what,
                              memory_order_relaxed);
    else
        atomic_fetch_or_explicit(look, what, memory_order_relaxed);
}

void nook__unmark(struct nook__body *body, unsigned what)
{
    atomic_uint *look = &body->event.look;
    if (body->run->solo)
        atomic_store_explicit(look, atomic_load_explicit(look, memory_order_relaxed) & ~what,
                              memory_order_relaxed);
    else
        atomic_fetch_and_explicit(look, ~what, memory_order_relaxed);
}

/* --- time ----------------------------------------------------------------- */

static uint64_t monotonic(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t nook__clock(const struct nook__run *run)
{
    return run->schedule != NULL ? run->now : monotonic();
}

uint64_t nook__coarse_clock(const struct nook__run *run)
{
    struct timespec time;
    if (run->schedule != NULL)
        return run->now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t nook_now(void)
{
    struct nook__worker *worker = nook__here();
    return worker != NULL ? nook__clock(worker->run) : monotonic();
}

/* --- the end -------------------------------------------------------------- */

/* Once each, and through to whom they wait for, as anybody's cancel. */
static void cancel_all(struct nook__run *run)
{
    for (struct nook__link *link = run->tasks.next; link != &run->tasks; link = link->next) {
        nook_task *task = NOOK__CONTAINER(link, struct nook__body, all)->task;
        task->body->awaited = 1;
        run->awaited++;
        nook__cancel(task);
    }
}

void nook__run_next_stage(struct nook__run *run)
{
    while (run->awaited == 0 && run->stage < NOOK__OVER) {
        run->stage++;
        cancel_all(run);
    }
}

/* Whoever waits for another would wait on, so it is not asked whom. */
static void break_all(struct nook__run *run)
{
    run->stage = NOOK__BREAKING;
    for (struct nook__link *link = run->tasks.next, *next; link != &run->tasks; link = next) {
        nook_task *task = NOOK__CONTAINER(link, struct nook__body, all)->task;
        next = link->next;
        if (task->body->life->wait == NULL || task->body->life->wait->undo == NULL)
            nook__mark(task->body, NOOK__TO_CANCEL);
        nook__interrupt(task);
    }
}

/* Under the lock, given up meanwhile: every other worker sleeps. */
static void report_deadlock(struct nook__run *run)
{
    run->deadlocked = 1;
    if (run->watch.deadlocked == NULL)
        return;
    nook__unlock(run);
    run->watch.deadlocked(run->watch.user);
    nook__lock(run);
}

int nook__settle(struct nook__run *run)
{
    if (nook__list_empty(&run->tasks) && run->pool.busy == 0) {
        if (!nook__loop_close(run))
            return 0;
        run->finished = 1;
        return 1;
    }
    if (run->pool.busy > 0 || run->timers.n > 0 || run->poller.users > 0 ||
        nook__loop_held(run))
        return 0;
    if (!run->deadlocked)
        report_deadlock(run);
    break_all(run);
    return 1;
}

/* --- stacks --------------------------------------------------------------- */

int nook__stack_check(size_t size)
{
    return size != 0 && (size < STACK_LEAST || size > STACK_MOST) ? NOOK_EINVAL : 0;
}

static int new_size(struct nook__run *run, size_t size, struct nook__sizes **out)
{
    struct nook__sizes *sizes = calloc(1, sizeof(*sizes));
    if (sizes == NULL)
        return NOOK_ENOMEM;
    int rc = nook__stacks_new(&sizes->stacks, size);
    if (rc != 0) {
        free(sizes);
        return rc;
    }
    sizes->size = size;
    sizes->next = *run->sizes;
    *run->sizes = *out = sizes;
    return 0;
}

int nook__stacks_find(struct nook__run *run, size_t size, struct nook__stacks **out)
{
    int usual = size == 0;
    if (usual)
        size = run->stack_size;
    struct nook__sizes *sizes = *run->sizes;
    while (sizes != NULL && sizes->size != size)
        sizes = sizes->next;
    int rc = sizes != NULL ? 0 : new_size(run, size, &sizes);
    if (rc != 0)
        return rc;
    if (usual)
        run->stacks = sizes->stacks;
    *out = sizes->stacks;
    return 0;
}

void nook__sizes_free(struct nook__sizes **sizes)
{
    while (*sizes != NULL) {
        struct nook__sizes *next = (*sizes)->next;
        nook__stacks_free((*sizes)->stacks);
        free(*sizes);
        *sizes = next;
    }
}

/* --- workers -------------------------------------------------------------- */

/* In a signal handler: no snprintf. Cuts what is too long. */
static void add(char *text, size_t room, const char *words)
{
    size_t used = strlen(text);
    while (*words != '\0' && used + 1 < room)
        text[used++] = *words++;
    text[used] = '\0';
}

static void add_line(char *text, size_t room, int line)
{
    char digits[12] = {0};
    size_t at = sizeof digits - 1;
    for (; line > 0; line /= 10)
        digits[--at] = (char)('0' + line % 10);
    add(text, room, digits + at);
}

static const char *describe(void)
{
    nook_task *task = nook_task_current();
    if (task == NULL)
        return NULL;
    char *text = nook__here()->described;
    size_t room = sizeof nook__here()->described;
    text[0] = '\0';
    add(text, room, "task \"");
    add(text, room, task->body->name);
    add(text, room, "\"");
    if (task->body->site != NULL) {
        add(text, room, ", spawned in ");
        add(text, room, task->body->site->function);
        add(text, room, " (");
        add(text, room, task->body->site->file);
        add(text, room, ":");
        add_line(text, room, task->body->site->line);
        add(text, room, ")");
    }
    return text;
}

static void work(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    nook__fiber_thread(&worker->fiber);
    nook__here_set(worker);
    if (run->schedule != NULL)
        nook__schedule_loop(worker);
    else
        nook__real_loop(worker);
    nook__here_set(NULL);
    if (nook__current_get() != NULL) /* a task may have detached the thread */
        (void)nook__thread_watch();
}

static void *worker_thread(void *arg)
{
    struct nook__worker *worker = arg;
    (void)nook__overflow_thread_enter(&worker->overflow);
    nook__number_take(worker->number);
    work(worker);
    nook__overflow_thread_leave(&worker->overflow);
    return NULL;
}

static void stop_threads(struct nook__run *run, unsigned started)
{
    nook__lock(run);
    run->finished = 1;
    for (unsigned i = 0; i < run->real_workers; i++)
        nook__rouse(&run->workers[i]);
    nook__unlock(run);
    for (unsigned i = 1; i < started; i++)
        pthread_join(run->workers[i].thread, NULL);
}

static int start_threads(struct nook__run *run)
{
    for (unsigned i = 1; i < run->real_workers; i++) {
        struct nook__worker *worker = &run->workers[i];
        if (pthread_create(&worker->thread, NULL, worker_thread, worker) != 0) {
            stop_threads(run, i);
            return NOOK_EAGAIN;
        }
    }
    return 0;
}

/* --- a run ---------------------------------------------------------------- */

/* It is held for some instructions: who finds it taken does best to look again before it
 * sleeps. */
static void open_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
#ifdef PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
    (void)pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ADAPTIVE_NP);
#endif
    pthread_mutex_init(lock, &kind);
    pthread_mutexattr_destroy(&kind);
}

/* The first worker is the calling thread; the others are known before they begin. */
static void number_workers(struct nook__run *run)
{
    (void)nook__thread_require();
    run->workers[0].number = nook__number_get();
    for (unsigned i = 1; i < run->real_workers; i++)
        run->workers[i].number = nook__number_new();
}

/* Alone nobody would answer soon, and Valgrind lets one thread run at a time. */
static unsigned processors_for(const struct nook__run *run)
{
    cpu_set_t given;
    if (run->solo || nook__on_valgrind() || sched_getaffinity(0, sizeof given, &given) != 0)
        return 0;
    unsigned n = (unsigned)CPU_COUNT(&given);
    return n >= run->n_workers ? n : 0;
}

static int open_run(struct nook__run *run, const nook_run_options *options)
{
    run->n_workers = options->workers != 0 ? options->workers : 1;
    run->real_workers = run->schedule != NULL ? 1 : run->n_workers;
    size_t size = run->real_workers * sizeof(*run->workers);
    run->workers = aligned_alloc(NOOK__LINE, size);
    if (run->workers == NULL)
        return NOOK_ENOMEM;
    memset(run->workers, 0, size);
    run->solo = run->real_workers == 1;
    run->processors = processors_for(run);
    run->only = run->solo && run->schedule == NULL ? run->workers : NULL;
    run->direct = run->schedule == NULL && options->hooks == NULL && !options->save_errno &&
                  (options->watch == NULL || !options->watch->measure_stacks);
    run->migrate = options->migrate != 0;
    run->save_errno = options->save_errno != 0;
    run->stack_size = options->stack_size;
    if (options->hooks != NULL)
        run->hooks = *options->hooks;
    if (options->watch != NULL)
        run->watch = *options->watch;
    memcpy(run->next_name, "task-1", sizeof "task-1");
    run->name_length = sizeof "task-1" - 1;
    open_lock(&run->lock);
    nook__list_init(&run->tasks);
    nook__list_init(&run->handles);
    nook__list_init(&run->shared.events);
    pthread_mutex_init(&run->shared.lock, NULL);
    run->poller = (struct nook__poller){.epoll = -1, .wakeup = -1};
    nook__pool_open(&run->pool, run->schedule != NULL ? 1 : POOL_MOST);
    number_workers(run);
    for (unsigned i = 0; i < run->real_workers; i++) {
        run->workers[i].index = i + 1;
        run->workers[i].run = run;
        nook__list_init(&run->workers[i].queue);
        run->workers[i].at = &run->workers[i].queue;
        nook__inbox_open(&run->workers[i].inbox);
        nook__spares_open(&run->workers[i].spares);
    }
    return 0;
}

static void close_run(struct nook__run *run)
{
    nook_loop *loop = run->loop;
    nook__here_set(&run->workers[0]); /* what the handles hold may use the room */
    nook__handles_drop(run);
    for (unsigned i = 0; i < run->real_workers; i++)
        nook__queue_drop(&run->workers[i]);
    nook__here_set(NULL);
    nook__pool_close(run);
    nook__poller_close(&run->poller);
    nook_loop_unref(loop);
    free(run->timers.heap);
    for (unsigned i = 0; i < run->real_workers; i++)
        nook__spares_close(&run->workers[i].spares);
    pthread_mutex_destroy(&run->shared.lock);
    pthread_mutex_destroy(&run->lock);
    free(run->workers);
}

static int start_main(struct nook__run *run, nook_task_fn main, void *arg,
                      const nook_run_options *options)
{
    nook_task_options task = {.name = options->name != NULL ? options->name : "main",
                              .context = options->context,
                              .worker = 1};
    int rc = nook__task_new(run, &run->main, main, arg, &task, NULL);
    if (rc == 0)
        run->awaited = (size_t)(run->main->body->awaited = 1);
    return rc;
}

/* What came of main. Where no stack was left for it, it did not run. */
static int outcome(const struct nook__run *run, int *result)
{
    if (!nook__started(run->main->body))
        return run->main->body->result;
    if (result != NULL)
        *result = run->main->body->result;
    return run->deadlocked ? NOOK_EDEADLK : 0;
}

static int drive(struct nook__run *run, nook_task_fn main, void *arg,
                 const nook_run_options *options, int *result)
{
    int rc = start_main(run, main, arg, options);
    if (rc != 0)
        return rc;
    rc = nook__watchdog_start(run);
    if (rc == 0)
        rc = start_threads(run);
    if (rc != 0) { /* main will not start; this worker is the only one left */
        run->stage = NOOK__BREAKING;
        run->finished = 0;
        run->n_workers = 1;
        run->idle = run->searching = 0;
    }
    work(&run->workers[0]);
    if (nook__lost() != NULL) /* nobody else is there, and locks may be held for ever */
        return NOOK_EFORKED;
    if (rc == 0) {
        stop_threads(run, run->real_workers);
        rc = outcome(run, result);
    }
    nook__watchdog_stop(run);
    return rc;
}

int nook__run_check(nook_task_fn main, const nook_run_options *options)
{
    if (main == NULL)
        return NOOK_EINVAL;
    if (nook__lost() != NULL)
        return NOOK_EFORKED;
    if (options != NULL &&
        (options->workers > WORKERS_MOST || nook__stack_check(options->stack_size) != 0))
        return NOOK_EINVAL;
    if (options != NULL && options->watch != NULL && options->watch->stall_ns != 0 &&
        options->watch->stalled == NULL)
        return NOOK_EINVAL;
    return nook__here() != NULL ? NOOK_EBUSY : 0;
}

static int run_reported(nook_schedule *schedule, struct nook__sizes **sizes, nook_task_fn main,
                        void *arg, const nook_run_options *options, int *result, int *began)
{
    static const nook_run_options defaults;
    struct nook__run run = {.schedule = schedule, .sizes = sizes};
    if (options == NULL)
        options = &defaults;
    int rc = open_run(&run, options);
    if (rc != 0)
        return rc;
    nook__fork_prepare();
    atomic_store_explicit(&nook__context_left, nook__room_context_left, memory_order_relaxed);
    nook__run_known(&run);
    if (schedule == NULL) /* now, so that nobody has to do without it later */
        rc = nook__poller_open(&run.poller);
    if (rc == 0)
        rc = drive(&run, main, arg, options, result);
    if (rc == NOOK_EFORKED) {
        nook__lost_set(NULL);
        *began = 1;
        return rc;
    }
    nook__run_forget(&run);
    *began = run.main != NULL && nook__started(run.main->body);
    nook_task_unref(run.main);
    close_run(&run);
    return rc;
}

int nook__run_with(nook_schedule *schedule, struct nook__sizes **sizes, nook_task_fn main,
                   void *arg, const nook_run_options *options, int *result, int *began)
{
    struct nook__overflow_thread overflow = {NULL, 0};
    int installed = nook__overflow_install(describe) == 0;
    if (installed)
        (void)nook__overflow_thread_enter(&overflow);
    int rc = run_reported(schedule, sizes, main, arg, options, result, began);
    if (installed) {
        nook__overflow_thread_leave(&overflow);
        nook__overflow_uninstall();
    }
    return rc;
}

int nook__run_real(struct nook__sizes **sizes, nook_task_fn main, void *arg,
                   const nook_run_options *options, int *result)
{
    int began, rc = nook__run_check(main, options);
    return rc != 0 ? rc : nook__run_with(NULL, sizes, main, arg, options, result, &began);
}

int nook_run(nook_task_fn main, void *arg, const nook_run_options *options, int *result)
{
    struct nook__sizes *sizes = NULL;
    int rc = nook__run_real(&sizes, main, arg, options, result);
    if (rc != NOOK_EFORKED) /* another worker may have been at them */
        nook__sizes_free(&sizes);
    return rc;
}
