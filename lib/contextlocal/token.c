/* SPDX-License-Identifier: MIT */
/*
 * Get, set, reset.
 *
 * A live token owns one reference to its variable and, if there was one, to the
 * old value. It remembers its context by a number that is never reused, so it
 * needs no reference to it, and a dead context is simply a wrong one.
 */
#include "base/probe.h"
#include "context.h"
#include "count.h"

#include <string.h>

enum token_state { NO_TOKEN = 0, LIVE = 0x746f6b31, USED = 0x746f6b32 };

int(nook_var_get)(const nook_var *var, void **value)
{
    if (__builtin_expect(var == NULL || value == NULL, 0))
        return NOOK_EINVAL;
    nook_context *context = nook__current_get();
    if (context != NULL) {
        void *found = nook__map_get(&context->map, nook__var_index(var));
        if (found != NOOK__UNSET) {
            *value = found;
            return 0;
        }
    }
    if (!var->has_default)
        return NOOK_EUNSET;
    *value = var->default_value;
    return 0;
}

void *(nook_var_get_or)(const nook_var *var, void *fallback)
{
    nook_context *context = nook__current_get();
    if (context == NULL)
        return fallback;
    void *found = nook__map_get(&context->map, nook__var_index(var));
    return found != NOOK__UNSET ? found : fallback;
}

/* The references of variable and old value, which may be NOOK__UNSET, move in. */
static inline void token_fill(nook_token *token, nook_var *var, uint64_t context, void *old,
                              const char *site)
{
    token->nook__var = var;
    token->nook__old = old;
    token->nook__context = context;
    token->nook__site = site;
    token->nook__state = LIVE;
    NOOK__COUNT(tokens, 1);
}

/* Any variable, anywhere. */
static __attribute__((noinline)) int set_counting(nook_var *var, void *value, nook_token *token,
                                                  const char *site)
{
    nook_context *context;
    uint32_t index;
    void *old;
    if (token != NULL)
        memset(token, 0, sizeof *token);
    if (var == NULL)
        return NOOK_EINVAL;
    int rc = nook__var_number(var, &index);
    if (rc == 0)
        rc = nook__context_require(&context);
    if (rc != 0)
        return rc;
    uint64_t id = token != NULL ? nook__context_id(context) : 0;
    /* A retain callback may switch, even drop, contexts: hold this one. */
    nook_context *held = nook__var_retains(var) ? nook_context_ref(context) : NULL;
    nook__binding_retain(index, value);
    rc = nook__context_exchange(context, var, index, value, &old);
    if (rc < 0)
        nook__binding_release(index, value);
    else if (token != NULL)
        token_fill(token, old != NOOK__UNSET ? var : nook_var_ref(var), id, old, site);
    else if (old != NOOK__UNSET)
        nook__binding_release(index, old);
    nook_context_unref(held);
    if (rc == 0)
        NOOK__PROBE3(var_set, var, var->name, value);
    return rc;
}

/* A variable without operations, where the context alone looks, or beside what it shares. A
 * created one counts its bindings and tokens, all at once. */
static __attribute__((noinline)) int set_anew(nook_var *var, void *value, nook_token *token,
                                              const char *site, nook_context *context)
{
    int more = 0;
    uint32_t index = nook__var_index(var);
    int ready = index != 0 && (token == NULL || context->id != 0);
    void *old = ready ? nook__context_swap(context, var, index, value, &more) : NOOK__NOT_HERE;
    if (__builtin_expect(old == NOOK__NOT_HERE, 0))
        return set_counting(var, value, token, site);
    more += token != NULL;
    if (more != 0)
        nook__var_ref_by(var, more);
    if (token != NULL)
        token_fill(token, var, context->id, old, site);
    NOOK__PROBE3(var_set, var, var->name, value);
    return 0;
}

/*
 * One value in place of another is set in one straight line, where neither needs operations
 * and the context alone looks. Whatever else there may be is left to the functions above, as
 * the last thing, so that the line saves no registers.
 */
int nook_var_set_at(nook_var *var, void *value, nook_token *token, const char *site)
{
    nook_context *context = nook__current_get();
    if (__builtin_expect(var == NULL || context == NULL || var->ops != NULL, 0))
        return set_counting(var, value, token, site);
    if (__builtin_expect(token != NULL, 1) && __builtin_expect(context->id == 0, 0))
        return set_counting(var, value, token, site);
    void *old = nook__context_replace(context, nook__var_index(var), value);
    if (__builtin_expect(nook__maybe_none(old), 0))
        return set_anew(var, value, token, site, context);
    if (__builtin_expect(token != NULL, 1)) {
        nook__var_ref_by(var, 1);
        token_fill(token, var, context->id, old, site);
    }
    NOOK__PROBE3(var_set, var, var->name, value);
    return 0;
}

int(nook_var_set)(nook_var *var, void *value, nook_token *token)
{
    return nook_var_set_at(var, value, token, NULL);
}

static inline int token_check(const nook_var *var, const nook_token *token)
{
    if (var == NULL || token == NULL)
        return NOOK_EINVAL;
    if (token->nook__state == USED)
        return NOOK_EUSED;
    if (token->nook__state != LIVE)
        return NOOK_ENOTOKEN;
    if (token->nook__var != var)
        return NOOK_EWRONGVAR;
    nook_context *context = nook__current_get();
    if (context == NULL || context->id != token->nook__context)
        return NOOK_EWRONGCONTEXT;
    return 0;
}

/* Any variable, anywhere. */
static __attribute__((noinline)) int reset_counting(nook_var *var, nook_token *token)
{
    uint32_t index = nook__var_index(var);
    void *restored = token->nook__old, *replaced;
    /* Used before the map changes: a callback that resets again must fail [T7]. */
    token->nook__state = USED;
    int rc = nook__context_exchange(nook__current_get(), var, index, restored, &replaced);
    if (rc < 0) {
        token->nook__state = LIVE;
        return rc;
    }
    NOOK__COUNT(tokens, -1);
    /* The token may lie in the value that goes now: it is not looked at any more. */
    if (replaced != NOOK__UNSET)
        nook__binding_release(index, replaced);
    if (restored == NOOK__UNSET)
        nook_var_unref(var);
    return 0;
}

/* As in set_anew, the other way round. */
static __attribute__((noinline)) int reset_anew(nook_var *var, nook_token *token)
{
    int rc = token_check(var, token);
    if (__builtin_expect(rc < 0, 0))
        return rc;
    if (__builtin_expect(var->ops != NULL, 0))
        return reset_counting(var, token);
    int more = 0;
    void *replaced = nook__context_swap(nook__current_get(), var, nook__var_index(var),
                                        token->nook__old, &more);
    if (__builtin_expect(replaced == NOOK__NOT_HERE, 0))
        return reset_counting(var, token);
    token->nook__state = USED;
    NOOK__COUNT(tokens, -1);
    more--; /* the token's */
    if (more > 0)
        nook__var_ref_by(var, more);
    if (more < 0)
        nook__var_unref_by(var, -more);
    return 0;
}

/* As in nook_var_set_at, the other way round. */
int nook_var_reset(nook_var *var, nook_token *token)
{
    if (__builtin_expect(token == NULL || token->nook__var != var || token->nook__state != LIVE,
                         0))
        return reset_anew(var, token);
    nook_context *context = nook__current_get();
    if (__builtin_expect(context == NULL || context->id != token->nook__context ||
                             var->ops != NULL || nook__maybe_none(token->nook__old),
                         0))
        return reset_anew(var, token);
    void *replaced = nook__context_replace(context, nook__var_index(var), token->nook__old);
    if (__builtin_expect(nook__maybe_none(replaced), 0))
        return reset_anew(var, token);
    token->nook__state = USED;
    NOOK__COUNT(tokens, -1);
    nook__var_ref_by(var, -1); /* the token's, not the last: the binding's is there */
    return 0;
}

static __attribute__((noinline)) void let_go(nook_var *var, void *old)
{
    if (old != NOOK__UNSET)
        nook_value_release(var, old);
    nook__var_unref_by(var, 1);
}

/* After a release, the token may be gone. */
void nook_token_drop(nook_token *token)
{
    if (token == NULL || token->nook__state != LIVE)
        return;
    nook_var *var = token->nook__var;
    token->nook__state = USED;
    NOOK__COUNT(tokens, -1);
    if (__builtin_expect(var->ops != NULL, 0))
        let_go(var, token->nook__old);
    else
        nook__var_unref_by(var, 1);
}

nook_var *nook_token_var(const nook_token *token)
{
    return token != NULL && token->nook__state == LIVE ? token->nook__var : NULL;
}

int nook_token_old(const nook_token *token, void **value)
{
    if (token == NULL || value == NULL)
        return NOOK_EINVAL;
    if (token->nook__state != LIVE)
        return token->nook__state == USED ? NOOK_EUSED : NOOK_ENOTOKEN;
    if (token->nook__old == NOOK__UNSET)
        return NOOK_EUNSET;
    *value = token->nook__old;
    return 0;
}

int nook_token_used(const nook_token *token)
{
    return token != NULL && token->nook__state == USED;
}

const char *nook_token_site(const nook_token *token)
{
    int made = token != NULL && (token->nook__state == LIVE || token->nook__state == USED);
    return made ? token->nook__site : NULL;
}

nook_token nook_var_scoped(nook_var *var, void *value, const char *site)
{
    nook_token token;
    /* A failed set leaves no token, and leaving no token does nothing. */
    (void)nook_var_set_at(var, value, &token, site);
    return token;
}

void nook_token_leave(nook_token *token)
{
    if (token != NULL && token->nook__state == LIVE &&
        nook_var_reset(token->nook__var, token) < 0)
        nook_token_drop(token);
}
