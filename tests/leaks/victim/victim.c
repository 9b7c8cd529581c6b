/* SPDX-License-Identifier: MIT */
/*
 * The victim of cached-address: code as a program might have it, that runs in a
 * task which migrates. No line of it is written to go wrong, and in an
 * executable that is not optimised none does.
 *
 * Each job is there twice: with what libc and the compiler keep for each thread,
 * and with what a task may keep.
 */
#include "victim.h"

#include <errno.h>
#include <limits.h>
#include <nook/nook.h>
#include <stdlib.h>

static const char too_large[] = "99999999999999999999999";

/* --- what the thread keeps --------------------------------------------------- */

static __thread const char *name;
static __thread unsigned served;

/* As strtol's manual says: errno is cleared before, and looked at after. */
static int parse(struct victim_job *job)
{
    errno = 0;
    if (strtol(too_large, NULL, 10) == LONG_MAX)
        job->failed(job, errno);
    int rc = nook_task_migrate(job->there);
    errno = 0;
    if (strtol(too_large, NULL, 10) == LONG_MAX)
        job->failed(job, errno);
    return rc;
}

static int identify(struct victim_job *job)
{
    job->runs_on(job, pthread_self());
    int rc = nook_task_migrate(job->there);
    job->runs_on(job, pthread_self());
    return rc;
}

static int introduce(struct victim_job *job)
{
    job->is_named(job, name);
    int rc = nook_task_migrate(job->there);
    job->is_named(job, name);
    return rc;
}

static __attribute__((noinline)) int serve_on_both(struct victim_job *job)
{
    job->serves(job, &served);
    int rc = nook_task_migrate(job->there);
    job->serves(job, &served);
    return rc;
}

/*
 * For what the two workers have counted in truth: the address comes out of an
 * asm in a function that is not inlined, so no compiler can keep it.
 */
static __attribute__((noinline)) unsigned *served_here(void)
{
    unsigned *address = &served;
    __asm__ volatile("" : "+r"(address) : : "memory");
    return address;
}

static int serve(struct victim_job *job)
{
    int rc = serve_on_both(job);
    job->has_served(job, *served_here());
    if (rc == 0)
        rc = nook_task_migrate(job->here);
    job->has_served(job, *served_here());
    return rc;
}

static void thread_begin(const char *my_name)
{
    name = my_name;
    served = 0;
}

/* --- what a task keeps --------------------------------------------------------- */

static NOOK_VAR_DEFINE(user);
static NOOK_VAR_DEFINE(count);

/*
 * errno, read next to the call, in a function that does not park: what it
 * returns is the task's. nook's own functions return their errors so.
 */
static __attribute__((noinline)) int parse_number(const char *text, long *number)
{
    errno = 0;
    *number = strtol(text, NULL, 10);
    return -errno;
}

static int parse_returned(struct victim_job *job)
{
    long number;
    int error = parse_number(too_large, &number);
    if (error != 0)
        job->failed(job, -error);
    int rc = nook_task_migrate(job->there);
    error = parse_number(too_large, &number);
    if (error != 0)
        job->failed(job, -error);
    return rc;
}

static int identify_worker(struct victim_job *job)
{
    job->runs_on_worker(job, nook_worker_index());
    int rc = nook_task_migrate(job->there);
    job->runs_on_worker(job, nook_worker_index());
    return rc;
}

static int introduce_user(struct victim_job *job)
{
    NOOK_SCOPED_SET(&user, "alice");
    job->is_named(job, nook_var_get_or(&user, NULL));
    int rc = nook_task_migrate(job->there);
    job->is_named(job, nook_var_get_or(&user, NULL));
    return rc;
}

static int serve_counted(struct victim_job *job)
{
    unsigned counted = 0;
    NOOK_SCOPED_SET(&count, &counted);
    job->serves(job, nook_var_get_or(&count, NULL));
    int rc = nook_task_migrate(job->there);
    job->serves(job, nook_var_get_or(&count, NULL));
    job->has_served(job, *(unsigned *)nook_var_get_or(&count, NULL));
    if (rc == 0)
        rc = nook_task_migrate(job->here);
    job->has_served(job, *(unsigned *)nook_var_get_or(&count, NULL));
    return rc;
}

/* --- how it was built ------------------------------------------------------------ */

extern const struct victim VICTIM;
const struct victim VICTIM = {
#if defined(__clang__)
    .compiler = VICTIM_CLANG,
    .version = __clang_major__,
#elif defined(__GNUC__)
    .compiler = VICTIM_GCC,
    .version = __GNUC__,
#endif
#if defined(__OPTIMIZE__)
    .optimised = 1,
#endif
#if defined(__PIC__) && !defined(__PIE__)
    .shared = 1,
#endif
#if defined(__x86_64__) && defined(__GLIBC__)
    .x86_64_glibc = 1,
#endif
    .thread_begin = thread_begin,
    .thread = {parse, identify, introduce, serve},
    .context = {parse_returned, identify_worker, introduce_user, serve_counted},
};
