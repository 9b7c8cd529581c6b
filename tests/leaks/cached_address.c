/* SPDX-License-Identifier: MIT */
/*
 * cached-address: a task migrates, and goes on to use the address of a
 * thread-local that it took before: not by its own doing, but by the compiler's,
 * for which a function never changes its thread.
 *
 * The victim (victim/victim.c) is ordinary code, built by each compiler for a
 * shared object and for an executable. What it reads is compared with what the
 * thread really holds, which the case learns in ways that no compiler can keep:
 * gettid(), and addresses that come out of an asm.
 *
 * Where a compiler and a machine were measured, the counts are known beforehand
 * and must be these. Others are only counted: a compiler that learns better
 * breaks no promise of ours.
 */
#include "cached_address.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "victims.h"

enum { WORKERS = 2 };

struct visit {
    struct victim_job job;
    struct leak_run *run;
    const struct victim *victim;
    int save_errno;
    struct place {
        pid_t thread;
        pthread_t self;
        char name[12];
    } places[WORKERS];
};

static struct visit *visit_of(struct victim_job *job)
{
    return (struct visit *)(void *)((char *)job - offsetof(struct visit, job));
}

/* --- what is true ------------------------------------------------------------------ */

static __attribute__((noinline)) int *real_errno(void)
{
    int *address = &errno;
    __asm__ volatile("" : "+r"(address) : : "memory");
    return address;
}

/* The number of the worker whose thread runs here, by the kernel's word; 0: none. */
static unsigned whose_thread(const struct visit *visit)
{
    pid_t thread = gettid();
    for (unsigned i = 0; i < WORKERS; i++)
        if (visit->places[i].thread == thread)
            return i + 1;
    return 0;
}

static const char *real_name(const struct visit *visit)
{
    unsigned worker = whose_thread(visit);
    return worker != 0 ? visit->places[worker - 1].name : "another thread";
}

/* What is read before the task moves is told; what is read after it counts. */
static void compare(struct visit *visit, const char *what, const char *got, const char *want)
{
    if (whose_thread(visit) == visit->job.here)
        leak_sees(visit->run, what, got, want);
    else
        leak_reads(visit->run, what, got, want);
}

/* --- what the victim says ------------------------------------------------------------ */

static const char *error_name(int error)
{
    return error != 0 ? strerrorname_np(error) : "0";
}

static void failed(struct victim_job *job, int error)
{
    int real = *real_errno();
    compare(visit_of(job), "strtol: too large; errno", error_name(error), error_name(real));
}

static void runs_on(struct victim_job *job, pthread_t self)
{
    struct visit *visit = visit_of(job);
    const char *got = "no worker";
    for (unsigned i = 0; i < WORKERS; i++)
        if (pthread_equal(self, visit->places[i].self))
            got = visit->places[i].name;
    compare(visit, "pthread_self()", got, real_name(visit));
}

static void runs_on_worker(struct victim_job *job, unsigned worker)
{
    struct visit *visit = visit_of(job);
    char got[24];
    snprintf(got, sizeof(got), "worker %u", worker);
    compare(visit, "nook_worker_index()", got, real_name(visit));
}

static void is_named(struct victim_job *job, const char *name)
{
    struct visit *visit = visit_of(job);
    if (visit->run->storage == LEAK_THREAD)
        compare(visit, "__thread name", name, real_name(visit));
    else
        compare(visit, "user", name, "alice");
}

static void serves(struct victim_job *job, unsigned *served)
{
    ++*served;
    leak_does(visit_of(job)->run, "served++");
}

/* Each worker has served once; by the task's own count, it was served twice. */
static void has_served(struct victim_job *job, unsigned served)
{
    struct visit *visit = visit_of(job);
    int thread = visit->run->storage == LEAK_THREAD;
    char got[24];
    snprintf(got, sizeof(got), "%u", served);
    leak_reads(visit->run, thread ? "__thread served" : "served", got, thread ? "1" : "2");
}

/* --- one build of the victim ------------------------------------------------------------ */

/* On x86-64 with glibc, these versions. */
static int measured(const struct victim *victim)
{
    static const unsigned versions[][3] = {
        [VICTIM_OTHER] = {0}, [VICTIM_GCC] = {11, 12}, [VICTIM_CLANG] = {14, 16, 19}};
    if (!victim->x86_64_glibc || !victim->optimised)
        return 0;
    for (int i = 0; i < 3; i++)
        if (victim->version != 0 && versions[victim->compiler][i] == victim->version)
            return 1;
    return 0;
}

static const char *compiler_name(const struct victim *victim)
{
    static const char *const names[] = {"cc", "gcc", "clang"};
    return names[victim->compiler];
}

static void tell_build(const struct visit *visit)
{
    const struct victim *victim = visit->victim;
    leak_does_as(visit->run, "alice", "built by %s %u%s%s%s", compiler_name(victim),
                 victim->version, victim->optimised ? " -O2" : "",
                 victim->shared ? " -fPIC, shared object" : ", executable",
                 visit->run->storage != LEAK_THREAD || measured(victim) ? ""
                                                                        : " (only counted)");
}

enum subject { ERRNO, SELF, THREAD_VARIABLE, SUBJECTS };

/* A count of this build; its unit is kept for good. */
static void open_count(struct visit *visit, enum subject subject)
{
    static const struct {
        uint64_t wrong, of;
    } known[2][SUBJECTS] = {{{2, 2}, {1, 1}, {2, 3}}, {{2, 2}, {1, 1}, {3, 3}}};
    static const char *const units[2][3][SUBJECTS] = {
#define UNITS(build) {"errno, " build, "thread id, " build, "__thread, " build}
        {UNITS("cc exe"), UNITS("gcc exe"), UNITS("clang exe")},
        {UNITS("cc .so"), UNITS("gcc .so"), UNITS("clang .so")},
#undef UNITS
    };
    const struct victim *victim = visit->victim;
    leak_unit(visit->run, units[victim->shared][victim->compiler][subject]);
    if (visit->run->storage == LEAK_THREAD && measured(victim))
        leak_expect(visit->run, known[victim->shared][subject].wrong,
                    known[victim->shared][subject].of);
}

/* The victim's jobs. Its first one again, where errno is saved with the task. */
static int alice(void *arg)
{
    struct visit *visit = arg;
    const struct victim_jobs *jobs =
        visit->run->storage == LEAK_THREAD ? &visit->victim->thread : &visit->victim->context;
    int rc;
    if (!visit->save_errno) {
        tell_build(visit);
        open_count(visit, ERRNO);
        return jobs->parse(&visit->job);
    }
    leak_does(visit->run, "again, with save_errno");
    if ((rc = jobs->parse(&visit->job)) != 0)
        return rc;
    open_count(visit, SELF);
    if ((rc = nook_task_migrate(visit->job.here)) == 0)
        rc = jobs->identify(&visit->job);
    open_count(visit, THREAD_VARIABLE);
    if (rc == 0 && (rc = nook_task_migrate(visit->job.here)) == 0)
        rc = jobs->introduce(&visit->job);
    if (rc == 0 && (rc = nook_task_migrate(visit->job.here)) == 0)
        rc = jobs->serve(&visit->job);
    return rc;
}

/* --- the run ---------------------------------------------------------------------------- */

struct settler {
    struct visit *visit;
    unsigned worker;
};

/* Learns who the worker is, and gives its thread a name. */
static int settle(void *arg)
{
    struct settler *settler = arg;
    struct place *place = &settler->visit->places[settler->worker - 1];
    place->thread = gettid();
    place->self = pthread_self();
    snprintf(place->name, sizeof(place->name), "worker %u", settler->worker);
    settler->visit->victim->thread_begin(place->name);
    return 0;
}

static int send_to(unsigned worker, const char *name, int migrate, nook_task_fn fn, void *arg)
{
    nook_task_options options = {.name = name, .worker = worker, .migrate = migrate};
    nook_task *task;
    int result = 0, rc = nook_task_spawn(&task, fn, arg, &options);
    if (rc != 0)
        return rc;
    rc = nook_task_join(task, &result);
    nook_task_unref(task);
    return rc != 0 ? rc : result;
}

static int visit_main(void *arg)
{
    struct visit *visit = arg;
    int rc = 0;
    for (unsigned worker = 1; worker <= WORKERS && rc == 0; worker++) {
        struct settler settler = {visit, worker};
        rc = send_to(worker, "settler", -1, settle, &settler);
    }
    return rc != 0 ? rc : send_to(visit->job.here, "alice", 1, alice, visit);
}

int victim_play(const struct victim *victim, struct leak_run *run)
{
    struct visit visit = {.job = {.here = 1,
                                  .there = 2,
                                  .failed = failed,
                                  .runs_on = runs_on,
                                  .runs_on_worker = runs_on_worker,
                                  .is_named = is_named,
                                  .serves = serves,
                                  .has_served = has_served},
                          .run = run,
                          .victim = victim};
    int rc = 0;
    for (visit.save_errno = 0; visit.save_errno <= 1 && rc == 0; visit.save_errno++) {
        nook_run_options options = {
            .workers = WORKERS, .migrate = 1, .save_errno = visit.save_errno};
        int result = 0;
        rc = nook_run(visit_main, &visit, &options, &result);
        if (rc == 0)
            rc = result;
    }
    return rc;
}

/* It has variables and thread-locals: it stays. */
const struct victim *victim_load(const char *path)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (object == NULL)
        return NULL;
    const struct victim *victim = dlsym(object, "victim");
    dlclose(object);
    return victim;
}

#define DECLARE(name, path) extern const struct victim victim_##name;
LEAK_VICTIMS(DECLARE)
#undef DECLARE

static int play(const struct victim *victim, struct leak_run *run)
{
    return victim != NULL ? victim_play(victim, run) : NOOK_ENOTSUP;
}

static int run_cached_address(struct leak_run *run)
{
    int rc = NOOK_ENOTSUP; /* no compiler was there to build one */
#define PLAY_OBJECT(name, path)        \
    rc = play(victim_load(path), run); \
    if (rc != 0)                       \
        return rc;
#define PLAY_LINKED(name, path)     \
    rc = play(&victim_##name, run); \
    if (rc != 0)                    \
        return rc;
    LEAK_VICTIMS(PLAY_OBJECT)
    LEAK_VICTIMS(PLAY_LINKED)
#undef PLAY_OBJECT
#undef PLAY_LINKED
    return rc;
}

const struct leak_case leak_cached_address = {
    .name = "cached-address",
    .title = "A task migrates; compiled code goes on with the old thread's errno and more.",
    .seen = "ClickHouse#102460 (corrupted data), llvm#98479, GCC PR 26461",
    .promise = {[LEAK_THREAD] = {.kind = LEAK_BUILT}, [LEAK_CONTEXT] = {.kind = LEAK_CLEAN}},
    .run = run_cached_address,
};
