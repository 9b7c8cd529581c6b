/* SPDX-License-Identifier: MIT */
/*
 * Identities for Locals that know tasks and contexts: the other two rungs of the
 * ladder that begins with nook_backing_thread.
 *
 * By thread, tasks on one worker share what they bind. By task, each has its
 * own, and a child finds nothing of its parent's. By context, each has its own,
 * and a child starts with what its parent had.
 */
#ifndef NOOK_IDENTITY_H
#define NOOK_IDENTITY_H

#include <nook/error.h>
#include <nook/export.h>
#include <nook/local.h>

NOOK_BEGIN_DECLS

/*
 * Identity = the calling task; outside a task, the thread. What it left behind is
 * released when the task (or the thread) ends, not when somebody remembers to.
 * *out goes back with nook_backing_task_free, after all that uses it and after
 * every task that used it. Any thread.
 * NOOK_EINVAL: out is NULL. NOOK_ENOMEM. NOOK_EAGAIN: no pthread key left.
 */
NOOK_API NOOK_NODISCARD int nook_backing_task_new(nook_backing **out);
NOOK_API void nook_backing_task_free(nook_backing *backing); /* NULL is ignored */

/*
 * Identity = the current context: Locals and stacks live in a context variable,
 * as Werkzeug's do since 2.0 [W8]. What a release leaves is bound to nothing,
 * not unbound. A context that somebody keeps, keeps its tables, also after the
 * Local is gone. Static; any thread.
 */
NOOK_API const nook_backing *nook_backing_context(void);

NOOK_END_DECLS

#endif
