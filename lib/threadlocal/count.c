/* SPDX-License-Identifier: MIT */
#include "count.h"

#include <nook/local.h>

struct nook__local_counts nook__local_counts;

int nook_local_count(nook_local_counts *counts)
{
    if (counts == NULL)
        return NOOK_EINVAL;
#if defined(NOOK_CHECKS) && NOOK_CHECKS
    counts->keys = atomic_load(&nook__local_counts.keys);
    counts->threads = atomic_load(&nook__local_counts.threads);
    counts->values = atomic_load(&nook__local_counts.values);
    counts->backings = atomic_load(&nook__local_counts.backings);
    counts->cells = atomic_load(&nook__local_counts.cells);
    counts->locals = atomic_load(&nook__local_counts.locals);
    counts->stacks = atomic_load(&nook__local_counts.stacks);
    counts->tables = atomic_load(&nook__local_counts.tables);
    counts->items = atomic_load(&nook__local_counts.items);
    counts->managers = atomic_load(&nook__local_counts.managers);
    counts->apps = atomic_load(&nook__local_counts.apps);
    counts->contexts = atomic_load(&nook__local_counts.contexts);
    counts->requests = atomic_load(&nook__local_counts.requests);
    return 0;
#else
    return NOOK_ENOTSUP;
#endif
}
