/* SPDX-License-Identifier: MIT */
/*
 * The least that context variables could be: a flat array of slots behind a thread-local
 * pointer, in a library as nook is one. No snapshots, no tokens, no threads.
 */
#ifndef NOOK_BENCH_FLOOR_LIB_H
#define NOOK_BENCH_FLOOR_LIB_H

#include <stddef.h>

struct floor_context {
    long holders;
    size_t len;
    void *slots[];
};

struct floor_var {
    size_t index;
    void *default_value;
};

struct floor_context *floor_swap(struct floor_context *to);
int floor_get(const struct floor_var *var, void **value);
int floor_set(const struct floor_var *var, void *value);
struct floor_context *floor_copy(void);
void floor_drop(struct floor_context *context);
void floor_nothing(void);

#endif
