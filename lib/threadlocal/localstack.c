/* SPDX-License-Identifier: MIT */
/*
 * LocalStack: a table whose items have no name.
 *
 * Invariant: no identity has an empty table; its last pop leaves nothing behind.
 */
#include "count.h"
#include "table.h"

#include <stdlib.h>

struct nook_local_stack {
    atomic_uint refs;
    struct nook__cell cell;
    struct nook__kind *kind;
};

static int shares(const nook_backing *backing)
{
    return backing != NULL && (backing->ops->flags & NOOK_BACKING_COPY_ON_WRITE) != 0;
}

int nook_local_stack_new(nook_local_stack **out, const nook_local_stack_options *options)
{
    static const nook_local_stack_options none;
    const nook_local_stack_options *o = options != NULL ? options : &none;
    if (out == NULL || (o->release != NULL && o->retain == NULL && shares(o->backing)))
        return NOOK_EINVAL;
    nook_local_stack *stack = malloc(sizeof *stack);
    if (stack == NULL)
        return NOOK_ENOMEM;
    *stack = (nook_local_stack){.refs = 1};
    stack->kind = nook__kind_new(o->retain, o->release, o->user);
    int rc = NOOK_ENOMEM;
    if (stack->kind != NULL)
        rc = nook__cell_open(&stack->cell, o->backing);
    if (rc < 0) {
        nook__kind_unref(stack->kind);
        free(stack);
        return rc;
    }
    NOOK__LOCAL_COUNT(stacks, 1);
    *out = stack;
    return 0;
}

nook_local_stack *nook_local_stack_ref(nook_local_stack *stack)
{
    if (stack != NULL)
        atomic_fetch_add_explicit(&stack->refs, 1, memory_order_relaxed);
    return stack;
}

void nook_local_stack_unref(nook_local_stack *stack)
{
    if (stack == NULL || atomic_fetch_sub_explicit(&stack->refs, 1, memory_order_acq_rel) != 1)
        return;
    nook__cell_close(&stack->cell);
    nook__kind_unref(stack->kind);
    free(stack);
    NOOK__LOCAL_COUNT(stacks, -1);
}

static int push_item(nook_local_stack *stack, struct nook__item *item)
{
    struct nook__edit edit;
    int rc = nook__edit_begin(&stack->cell, &edit);
    if (rc < 0)
        return rc;
    rc = nook__table_reserve(edit.table);
    if (rc < 0) {
        nook__edit_abandon(&edit);
        return rc;
    }
    (void)nook__table_put(edit.table, NOOK__NOWHERE, nook__item_ref(item));
    return nook__edit_commit(&stack->cell, &edit);
}

int nook_local_stack_push(nook_local_stack *stack, void *value)
{
    if (stack == NULL)
        return NOOK_EINVAL;
    struct nook__item *item = nook__item_new(stack->kind, "", value);
    if (item == NULL)
        return NOOK_ENOMEM;
    int rc = push_item(stack, item);
    if (rc < 0)
        nook__item_discard(item);
    else
        nook__item_unref(item);
    return rc;
}

/* Takes the top off a stack of more than one. */
static int shorten(nook_local_stack *stack)
{
    struct nook__edit edit;
    int rc = nook__edit_begin(&stack->cell, &edit);
    if (rc < 0)
        return rc;
    struct nook__item *item = nook__table_take(edit.table, edit.table->len - 1);
    rc = nook__edit_commit(&stack->cell, &edit);
    nook__item_unref(item);
    return rc;
}

int nook_local_stack_pop(nook_local_stack *stack, void **value)
{
    struct nook__table *table;
    if (value != NULL)
        *value = NULL;
    if (stack == NULL)
        return NOOK_EINVAL;
    int rc = nook__cell_load(&stack->cell, &table);
    if (rc == 0 && table == NULL)
        rc = NOOK_ENOENT;
    if (rc < 0)
        return rc;
    struct nook__item *item = nook__item_ref(table->items[table->len - 1]);
    rc = table->len == 1 ? nook__cell_store(&stack->cell, NULL) : shorten(stack);
    nook__item_give(item, rc == 0 ? value : NULL);
    return rc;
}

int nook_local_stack_top(nook_local_stack *stack, void **value)
{
    struct nook__table *table;
    if (stack == NULL || value == NULL)
        return NOOK_EINVAL;
    *value = NULL;
    int rc = nook__cell_load(&stack->cell, &table);
    if (rc == 0 && table == NULL)
        rc = NOOK_ENOENT;
    if (rc == 0)
        *value = table->items[table->len - 1]->value;
    return rc;
}

size_t nook_local_stack_depth(nook_local_stack *stack)
{
    struct nook__table *table;
    if (stack == NULL || nook__cell_load(&stack->cell, &table) < 0 || table == NULL)
        return 0;
    return table->len;
}

int nook__local_stack_contains(nook_local_stack *stack, const void *value)
{
    struct nook__table *table;
    if (nook__cell_load(&stack->cell, &table) < 0 || table == NULL)
        return 0;
    for (size_t i = 0; i < table->len; i++)
        if (table->items[i]->value == value)
            return 1;
    return 0;
}

int nook_local_stack_release(nook_local_stack *stack)
{
    struct nook__table *table;
    if (stack == NULL)
        return NOOK_EINVAL;
    int rc = nook__cell_load(&stack->cell, &table);
    return rc < 0 || table == NULL ? rc : nook__cell_store(&stack->cell, NULL);
}
