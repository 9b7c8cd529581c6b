/* SPDX-License-Identifier: MIT */
#ifndef NOOK__VAR_H
#define NOOK__VAR_H

#include "base/alone.h"
#include <nook/context.h>

/* Each bound variable has a number below this; 0 is nobody's. */
#define NOOK__VAR_LIMIT (1u << 20)

/*
 * The variable's number, given at its first set. NOOK_ENOMEM, NOOK_EAGAIN;
 * NOOK_EINVAL where the operations do not fit each other.
 */
int nook__var_number(nook_var *var, uint32_t *index);

/* The variable of a number that a map binds: such a number cannot be reused. */
nook_var *nook__var_at(uint32_t index);

/* Around a fork. */
void nook__vars_lock(void);
void nook__vars_unlock(void);

static inline uint32_t nook__var_index(const nook_var *var)
{
    return __atomic_load_n(&var->nook__index, __ATOMIC_ACQUIRE);
}

/* Some references more, or fewer, of a variable, if it is a created one. */
static inline void nook__var_ref_by(nook_var *var, int n)
{
    if (!var->created)
        return;
    if (NOOK__ALONE)
        var->nook__refs += (uint64_t)n;
    else
        __atomic_add_fetch(&var->nook__refs, (uint64_t)n, __ATOMIC_RELAXED);
}

__attribute__((noinline)) void nook__var_end(nook_var *var);

static inline void nook__var_unref_by(nook_var *var, int n)
{
    if (!var->created)
        return;
    /* Who holds all of them needs no locked instruction: nobody else can count. */
    if (NOOK__ALONE
            ? (var->nook__refs -= (uint64_t)n) == 0
            : __atomic_load_n(&var->nook__refs, __ATOMIC_ACQUIRE) == (uint64_t)n ||
                  __atomic_sub_fetch(&var->nook__refs, (uint64_t)n, __ATOMIC_ACQ_REL) == 0)
        nook__var_end(var);
}

static inline int nook__var_retains(const nook_var *var)
{
    return var->ops != NULL && var->ops->retain != NULL;
}

static inline void nook__value_retain(const nook_var *var, void *value)
{
    if (nook__var_retains(var))
        var->ops->retain(value, var->user);
}

/* What is counted must be let go, and the other way round; a policy needs its function. */
static inline int nook__ops_fit(const nook_value_ops *ops)
{
    return ops == NULL || ((ops->retain != NULL) == (ops->release != NULL) &&
                           (ops->inherit != NOOK_INHERIT_DUPLICATE || ops->duplicate != NULL) &&
                           (unsigned)ops->inherit <= NOOK_INHERIT_DUPLICATE);
}

/* Does a binding of this variable hold anything? */
static inline int nook__var_counted(const nook_var *var)
{
    return var->created || (var->ops != NULL && var->ops->retain != NULL);
}

/* Does inheriting treat it otherwise than copying? */
static inline int nook__var_special(const nook_var *var)
{
    return var->ops != NULL && var->ops->inherit != NOOK_INHERIT_COPY;
}

#endif
