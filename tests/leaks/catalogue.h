/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LEAKS_CATALOGUE_H
#define TESTS_LEAKS_CATALOGUE_H

#include "leaks.h"

/* X(id): the cases in the catalogue's order; `leak_<id>` is defined in <id>.c. */
#define LEAK_CASES(X)        \
    X(interleave)            \
    X(stale_next)            \
    X(child)                 \
    X(child_writes)          \
    X(migrate)               \
    X(cached_address)        \
    X(errno)                 \
    X(stack_order)           \
    X(callback)              \
    X(executor)              \
    X(transaction)           \
    X(destructor)            \
    X(log_id)                \
    X(locale)                \
    X(rounding)              \
    X(mutable_value)         \
    X(inherited_transaction) \
    X(watcher)               \
    X(pinned)                \
    X(foreign_token)         \
    X(bare_executor)         \
    X(keep_alive)

#define LEAK_DECLARE(id) extern const struct leak_case leak_##id;
LEAK_CASES(LEAK_DECLARE)
#undef LEAK_DECLARE

#endif
