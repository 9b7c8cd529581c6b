/* SPDX-License-Identifier: MIT */
/*
 * Variables and their numbers.
 *
 * Invariant: a number belongs to one variable from its first set until nobody
 * holds that variable: its creator, a map, or a token. So a map may name a
 * variable by its number alone, and the table below is read without a lock.
 * Numbers are reused last-in first-out, which keeps them dense.
 */
#include "var.h"
#include "count.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 1024u

union entry {
    _Atomic(nook_var *) var;
    uint32_t next_free; /* while the number is free */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(union entry *) pages[NOOK__VAR_LIMIT / PAGE];
static uint32_t used = 1;  /* numbers below it were given out once */
static uint32_t free_list; /* 0: none */

void nook__vars_lock(void)
{
    pthread_mutex_lock(&lock);
}

void nook__vars_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

static union entry *entry_at(uint32_t index)
{
    return &atomic_load_explicit(&pages[index / PAGE], memory_order_acquire)[index % PAGE];
}

nook_var *nook__var_at(uint32_t index)
{
    return atomic_load_explicit(&entry_at(index)->var, memory_order_relaxed);
}

/* The page of the next fresh number must exist before the number does. */
static int reserve_page(uint32_t index)
{
    _Atomic(union entry *) *page = &pages[index / PAGE];
    if (atomic_load_explicit(page, memory_order_relaxed) != NULL)
        return 0;
    union entry *fresh = calloc(PAGE, sizeof *fresh);
    if (fresh == NULL)
        return NOOK_ENOMEM;
    atomic_store_explicit(page, fresh, memory_order_release);
    return 0;
}

static int take_number(uint32_t *index)
{
    if (free_list != 0) {
        *index = free_list;
        free_list = entry_at(free_list)->next_free;
        return 0;
    }
    if (used == NOOK__VAR_LIMIT)
        return NOOK_EAGAIN;
    int rc = reserve_page(used);
    if (rc == 0)
        *index = used++;
    return rc;
}

int nook__var_number(nook_var *var, uint32_t *index)
{
    *index = nook__var_index(var);
    if (*index != 0)
        return 0;
    if (!nook__ops_fit(var->ops))
        return NOOK_EINVAL;
    int rc = 0;
    pthread_mutex_lock(&lock);
    *index = var->nook__index;
    if (*index == 0 && (rc = take_number(index)) == 0) {
        atomic_store_explicit(&entry_at(*index)->var, var, memory_order_relaxed);
        __atomic_store_n(&var->nook__index, *index, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

static void give_number_back(uint32_t index)
{
    if (index == 0)
        return;
    pthread_mutex_lock(&lock);
    entry_at(index)->next_free = free_list;
    free_list = index;
    pthread_mutex_unlock(&lock);
}

int nook_var_new(nook_var **out, const char *name, const nook_var_options *options)
{
    static const nook_var_options none;
    const nook_var_options *o = options != NULL ? options : &none;
    if (out == NULL || name == NULL || !nook__ops_fit(o->ops))
        return NOOK_EINVAL;
    size_t size = strlen(name) + 1;
    nook_var *var = malloc(sizeof *var + size);
    if (var == NULL)
        return NOOK_ENOMEM;
    *var = (nook_var){.name = memcpy(var + 1, name, size),
                      .ops = o->ops,
                      .user = o->user,
                      .finalise = o->finalise,
                      .has_default = o->has_default != 0,
                      .default_value = o->default_value,
                      .created = 1,
                      .nook__refs = 1};
    if (var->has_default)
        nook__value_retain(var, var->default_value);
    NOOK__COUNT(vars, 1);
    *out = var;
    return 0;
}

nook_var *nook_var_ref(nook_var *var)
{
    if (var != NULL)
        nook__var_ref_by(var, 1);
    return var;
}

void nook__var_end(nook_var *var)
{
    if (var->has_default)
        nook_value_release(var, var->default_value);
    if (var->finalise != NULL)
        var->finalise(var->user);
    give_number_back(var->nook__index);
    free(var);
    NOOK__COUNT(vars, -1);
}

void nook_var_unref(nook_var *var)
{
    if (var != NULL)
        nook__var_unref_by(var, 1);
}

const char *nook_var_name(const nook_var *var)
{
    return var != NULL ? var->name : NULL;
}

void *nook_var_user(const nook_var *var)
{
    return var != NULL ? var->user : NULL;
}

void nook_var_set_user(nook_var *var, void *user)
{
    if (var != NULL)
        var->user = user;
}

void nook_value_release(const nook_var *var, void *value)
{
    if (var->ops != NULL && var->ops->release != NULL)
        var->ops->release(value, var->user);
}
