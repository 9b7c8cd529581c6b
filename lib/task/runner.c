/* SPDX-License-Identifier: MIT */
/*
 * A runner: what one run leaves to the next, which is a context and stacks.
 *
 * `busy` is taken by whoever runs or closes; what it guards needs no other lock.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>

struct nook_runner {
    nook_run_options options;
    nook_task_hooks hooks;
    char name[32];
    nook_context *context; /* NULL before the first run */
    struct nook__sizes *sizes;
    atomic_int busy;
    int closed;
};

int nook_runner_new(nook_runner **out, const nook_run_options *options)
{
    if (out == NULL)
        return NOOK_EINVAL;
    nook_runner *runner = calloc(1, sizeof(*runner));
    if (runner == NULL)
        return NOOK_ENOMEM;
    if (options != NULL)
        runner->options = *options;
    if (runner->options.hooks != NULL) {
        runner->hooks = *runner->options.hooks;
        runner->options.hooks = &runner->hooks;
    }
    if (runner->options.name != NULL) {
        strncpy(runner->name, runner->options.name, sizeof(runner->name) - 1);
        runner->options.name = runner->name;
    }
    if (runner->options.context != NULL)
        runner->context = nook_context_ref(runner->options.context);
    *out = runner;
    return 0;
}

static int take(nook_runner *runner)
{
    int free_to_take = 0;
    return atomic_compare_exchange_strong(&runner->busy, &free_to_take, 1) ? 0 : NOOK_EBUSY;
}

static void put_back(nook_runner *runner)
{
    atomic_store(&runner->busy, 0);
}

/* In the runner's context, or in that one. The runner is taken. */
static int run_in(nook_runner *runner, nook_task_fn main, void *arg, nook_context *context,
                  int *result)
{
    nook_run_options options = runner->options;
    int rc = runner->closed ? NOOK_ECLOSED : nook__run_check(main, &options);
    if (rc == 0 && context == NULL && runner->context == NULL)
        rc = nook_context_inherit(&runner->context);
    if (rc != 0)
        return rc;
    options.context = context != NULL ? context : runner->context;
    return nook__run_real(&runner->sizes, main, arg, &options, result);
}

int nook_runner_run(nook_runner *runner, nook_task_fn main, void *arg, nook_context *context,
                    int *result)
{
    if (runner == NULL)
        return NOOK_EINVAL;
    int rc = take(runner);
    if (rc != 0)
        return rc;
    rc = run_in(runner, main, arg, context, result);
    put_back(runner);
    return rc;
}

int nook_runner_close(nook_runner *runner)
{
    if (runner == NULL)
        return NOOK_EINVAL;
    int rc = take(runner);
    if (rc != 0)
        return rc;
    nook_context *context = runner->context;
    runner->context = NULL;
    runner->closed = 1;
    nook__sizes_free(&runner->sizes);
    nook_context_unref(context);
    put_back(runner);
    return 0;
}

void nook_runner_free(nook_runner *runner)
{
    if (runner == NULL)
        return;
    (void)nook_runner_close(runner);
    free(runner);
}
