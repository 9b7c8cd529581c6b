/* SPDX-License-Identifier: MIT */
#include "floor_lib.h"

#include <stdlib.h>
#include <string.h>

static _Thread_local struct floor_context *current __attribute__((tls_model("initial-exec")));

struct floor_context *floor_swap(struct floor_context *to)
{
    struct floor_context *from = current;
    current = to;
    return from;
}

/* Checked: the context may be shorter, and the slot empty. */
int floor_get(const struct floor_var *var, void **value)
{
    struct floor_context *context = current;
    if (var->index < context->len && context->slots[var->index] != NULL) {
        *value = context->slots[var->index];
        return 0;
    }
    *value = var->default_value;
    return *value == NULL ? -1 : 0;
}

static int unshare(void)
{
    size_t size = sizeof *current + current->len * sizeof *current->slots;
    struct floor_context *own = malloc(size);
    if (own == NULL) {
        return -1;
    }
    memcpy(own, current, size);
    own->holders = 1;
    floor_drop(current);
    current = own;
    return 0;
}

int floor_set(const struct floor_var *var, void *value)
{
    if (current->holders > 1 && unshare() != 0) {
        return -1;
    }
    current->slots[var->index] = value;
    return 0;
}

struct floor_context *floor_copy(void)
{
    current->holders++;
    return current;
}

void floor_drop(struct floor_context *context)
{
    if (--context->holders == 0) {
        free(context);
    }
}

void floor_nothing(void)
{
}
