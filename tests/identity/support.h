/* SPDX-License-Identifier: MIT */
/* Fixture of the identity suites: the three backings, and nothing alive at the end. */
#ifndef TESTS_IDENTITY_SUPPORT_H
#define TESTS_IDENTITY_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <nook/nook.h>

enum { BY_THREAD, BY_TASK, BY_CONTEXT, IDENTITIES };

struct identities {
    nook_backing *by_task;
    const nook_backing *backing[IDENTITIES];
};

static inline int identities_open(void **state)
{
    static struct identities identities;
    nook_tls_detach();
    nook_thread_detach();
    if (nook_backing_task_new(&identities.by_task) != 0)
        return -1;
    identities.backing[BY_THREAD] = nook_backing_thread();
    identities.backing[BY_TASK] = identities.by_task;
    identities.backing[BY_CONTEXT] = nook_backing_context();
    *state = &identities;
    return 0;
}

static inline int identities_close(void **state)
{
    struct identities *identities = *state;
    nook_context_counts contexts = {0};
    nook_local_counts locals = {0};
    nook_task_counts tasks = {0};
    nook_backing_task_free(identities->by_task);
    nook_tls_detach();
    nook_thread_detach();
    (void)nook_task_count(&tasks);
    (void)nook_local_count(&locals);
    (void)nook_context_count(&contexts);
    if (tasks.tasks == 0 && tasks.stacks == 0 && locals.tables == 0 && locals.items == 0 &&
        locals.locals == 0 && locals.stacks == 0 && locals.cells == 0 && locals.backings == 0 &&
        locals.keys == 0 && locals.requests == 0 && contexts.contexts == 0 &&
        contexts.nodes == 0)
        return 0;
    print_error("alive: %ld tasks, %ld tables, %ld locals, %ld cells, %ld keys, %ld requests, "
                "%ld contexts, %ld nodes\n",
                tasks.tasks, locals.tables, locals.locals, locals.cells, locals.keys,
                locals.requests, contexts.contexts, contexts.nodes);
    return -1;
}

#define identity_test(fn) cmocka_unit_test_setup_teardown(fn, identities_open, identities_close)

#endif
