/* SPDX-License-Identifier: MIT */
/*
 * Context-local storage: variables, contexts, tokens (PEP 567).
 *
 * A variable is a name for ambient state. A context maps variables to values.
 * Every thread, and every task, has a current context; get and set work on it.
 * Copying a context costs the same whatever it holds, and the copies diverge
 * from then on.
 *
 * Nothing here parks, and nothing needs a task or a scheduler in the process.
 * Unless a comment says otherwise, a function may be called from any thread.
 *
 * Callbacks (retain, release, equal, duplicate, finalise, watchers) run with no
 * lock held, may call every function of this header, and may run on any thread,
 * also on one that is exiting.
 *
 * Not for signal handlers. After a fork the child goes on with what its one
 * thread had; contexts that other threads were running in are not to be touched
 * there, since they may have been half changed.
 *
 * There is no cycle collector: a value that holds its own context, or a token
 * kept inside the context that it undoes, lives until nook_context_clear or
 * nook_token_drop. A host's collector can find such values: nook_context_visit.
 */
#ifndef NOOK_CONTEXT_H
#define NOOK_CONTEXT_H

#include <nook/error.h>
#include <nook/export.h>
#include <stddef.h>
#include <stdint.h>

NOOK_BEGIN_DECLS

/* A variable. Its identity is its address, never its name. [V3] */
typedef struct nook_var nook_var;

/* A context: counted, opaque. */
typedef struct nook_context nook_context;

/* What nook_context_inherit does with a variable's value. */
typedef enum nook_inherit {
    NOOK_INHERIT_COPY = 0,  /* the new context shares the value, as PEP 567 does */
    NOOK_INHERIT_DROP,      /* the new context starts without it */
    NOOK_INHERIT_DUPLICATE, /* the new context gets what `duplicate` makes of it */
} nook_inherit;

/*
 * What a variable's values need. Members may be NULL, but retain and release go
 * together, since maps share values, and NOOK_INHERIT_DUPLICATE needs
 * `duplicate`. `user` is the variable's user pointer. One table may serve many
 * variables; it must outlive them, and not change once one of them was set.
 */
typedef struct nook_value_ops {
    /* One more holder. The new value is retained before it becomes visible. */
    void (*retain)(void *value, void *user);
    /* One holder less. Called after the replacement is in place. */
    void (*release)(void *value, void *user);
    /* 1 equal, 0 not, negative: an error, which the comparison returns. NULL: identity. */
    int (*equal)(void *a, void *b, void *user);
    /* For NOOK_INHERIT_DUPLICATE: 0 and a value that the new context owns, or an error. */
    int (*duplicate)(void *value, void **copy, void *user);
    nook_inherit inherit;
} nook_value_ops;

/*
 * The layout is public so that variables can be static; read and write it only
 * through the macros and functions below.
 */
struct nook_var {
    const char *name;
    const nook_value_ops *ops;
    void *user;
    void *default_value;
    void (*finalise)(void *user);
    unsigned has_default;
    unsigned created;
    uint32_t nook__index;
    uint64_t nook__refs;
};

/*
 * A static variable, without start-up code:
 *
 *     static NOOK_VAR_DEFINE(current_user);
 *     static nook_var limit = NOOK_VAR_INIT("limit", NULL, 1, default_limit);
 *
 * It lives as long as the program (a plug-in must not be unloaded while a
 * context binds its variables). nook never retains or releases its default.
 */
#define NOOK_VAR_INIT(name, ops, has_default, default_value)               \
    {                                                                      \
        (name), (ops), NULL, (default_value), NULL, (has_default), 0, 0, 0 \
    }
#define NOOK_VAR_DEFINE(id) nook_var id = NOOK_VAR_INIT(#id, NULL, 0, NULL)

typedef struct nook_var_options {
    const nook_value_ops *ops;
    void *user;                   /* given to the ops and to finalise */
    void (*finalise)(void *user); /* once, when nobody holds the variable any more */
    int has_default;              /* NULL is a legal default [V6] */
    void *default_value;          /* retained until the variable goes */
} nook_var_options;

/*
 * Makes a variable; *out is one reference, given back with nook_var_unref.
 * `name` is copied; `options` may be NULL. Contexts and tokens that hold the
 * variable keep it alive [V14].
 * NOOK_EINVAL: out or name is NULL [V1], or the ops do not fit each other.
 * NOOK_ENOMEM.
 */
NOOK_API NOOK_NODISCARD int nook_var_new(nook_var **out, const char *name,
                                         const nook_var_options *options);

/* One more reference; returns var. NULL and static variables are left as they are. */
NOOK_API nook_var *nook_var_ref(nook_var *var);

/* One reference less; NULL and static variables are left as they are. */
NOOK_API void nook_var_unref(nook_var *var);

/* The name; lives as long as the variable. NULL for NULL. [V2] */
NOOK_API const char *nook_var_name(const nook_var *var);

/* The user pointer. Setting it is for the owner, before others use the variable. */
NOOK_API void *nook_var_user(const nook_var *var);
NOOK_API void nook_var_set_user(nook_var *var, void *user);

/*
 * What one set left behind. It lives in the caller's storage and owns the
 * value from before the set until it is reset or dropped. It may outlive its
 * context, and is tied to that context, not to a thread [T18]. It may lie in the
 * very value that resetting or dropping it releases. Not to be copied while
 * live. Members are private.
 */
typedef struct nook_token {
    nook_var *nook__var;
    void *nook__old;
    uint64_t nook__context;
    const char *nook__site;
    uint32_t nook__state;
} nook_token;

/* Where a line of source stands, as "server.c:42"; what nook_token_site answers. */
#define NOOK_SITE __FILE__ ":" NOOK__TEXT(__LINE__)
#define NOOK__TEXT(x) NOOK__TEXT2(x)
#define NOOK__TEXT2(x) #x

/*
 * The value in the current context, else the variable's default. The value is
 * borrowed: it holds until the variable is set or reset in this context, or the
 * context goes. Stores nothing, and makes no context for a thread that has none
 * [V5, V7, V8].
 * NOOK_EUNSET: neither value nor default; *value is untouched (LookupError).
 * NOOK_EINVAL: var or value is NULL.
 */
NOOK_API NOOK_NODISCARD int nook_var_get(const nook_var *var, void **value);

/*
 * The value in the current context, else `fallback`, which beats the variable's
 * default [V6]. Borrowed as above. var must not be NULL.
 */
NOOK_API void *nook_var_get_or(const nook_var *var, void *fallback);

/*
 * Binds the variable in the current context only [V9]; a thread without one
 * gets its base context. `value` is retained. With a token, the token owns the
 * previous binding; with NULL it is released. On failure nothing has changed,
 * and *token is no token.
 * NOOK_EINVAL: var is NULL, or a static variable's ops do not fit each other.
 * NOOK_ENOMEM. NOOK_EAGAIN: a million variables exist. NOOK_EBUSY: the thread is
 * exiting and has given up its last chain; only in the late rounds of the
 * destructors of pthread keys, and of what they release.
 */
NOOK_API int nook_var_set(nook_var *var, void *value, nook_token *token);

/*
 * The same, and the token remembers `site`, a string that lives as long as it; NULL:
 * nowhere. A plain call of nook_var_set says where it stands.
 */
NOOK_API int nook_var_set_at(nook_var *var, void *value, nook_token *token, const char *site);
#define nook_var_set(var, value, token) nook_var_set_at((var), (value), (token), NOOK_SITE)

/*
 * Restores what the variable was before the set that made the token: the old
 * value, or no value at all [T2]. Tokens may be reset in any order [T8]. A
 * failed reset changes nothing, and the token stays usable [T7]. Checked in
 * this order [T6]:
 * NOOK_EINVAL: var or token is NULL. NOOK_ENOTOKEN: no set made it [T11].
 * NOOK_EUSED: used before [T3]. NOOK_EWRONGVAR: of another variable [T4].
 * NOOK_EWRONGCONTEXT: made in another context object [T5]. NOOK_ENOMEM.
 */
NOOK_API int nook_var_reset(nook_var *var, nook_token *token);

/* Gives up an unused token: releases what it holds. Harmless on any other. */
NOOK_API void nook_token_drop(nook_token *token);

/* The variable of a live token [T1]; NULL once it is used or dropped. Borrowed. */
NOOK_API nook_var *nook_token_var(const nook_token *token);

/*
 * The value from before the set, borrowed from the token.
 * NOOK_EUNSET: there was none (Token.MISSING) [T1]. NOOK_EUSED: used or dropped.
 * NOOK_ENOTOKEN, NOOK_EINVAL as above.
 */
NOOK_API NOOK_NODISCARD int nook_token_old(const nook_token *token, void **value);

/* 1 once the token was reset or dropped, else 0. */
NOOK_API int nook_token_used(const nook_token *token);

/*
 * Where the set stands that made the token, as "server.c:42", also when it is used;
 * NULL: no token, or made by a set that did not say. For the message about a reset
 * that was refused: whose token was it?
 */
NOOK_API const char *nook_token_site(const nook_token *token);

/*
 * The scoped form (`with var.set(x):` [T13-T17]):
 *
 *     NOOK_SCOPED_SET(&current_user, alice);     until the end of the block
 *     NOOK_WITH (&current_user, alice) { ... }   for the block that follows
 *
 * Both undo themselves on every way out of the block, return, break and goto
 * among them (not longjmp). If the set fails, nothing is bound and nothing is
 * undone; a program that wants to know calls nook_var_set itself.
 */
#define NOOK_SCOPED_SET(var, value)                          \
    nook_token NOOK__NAME(nook__scope_, __LINE__)            \
        __attribute__((cleanup(nook_token_leave), unused)) = \
            nook_var_scoped((var), (value), NOOK_SITE)
#define NOOK_WITH(var, value) \
    NOOK__WITH(var, value, NOOK__NAME(nook__with_, __LINE__), NOOK__NAME(nook__once_, __LINE__))
/* Named after the line, so that one inside another shadows nothing. */
/* NOLINTBEGIN(bugprone-macro-parentheses): token and once are names that are declared here */
#define NOOK__WITH(var, value, token, once)                                         \
    for (nook_token token __attribute__((cleanup(nook_token_leave), unused)) =      \
             nook_var_scoped((var), (value), NOOK_SITE),                            \
                                                                    *once = &token; \
         once; once = NULL)
/* NOLINTEND(bugprone-macro-parentheses) */
#define NOOK__NAME(a, b) NOOK__NAME2(a, b)
#define NOOK__NAME2(a, b) a##b

/* What the scoped forms call: a token, or no token if the set failed. */
NOOK_API nook_token nook_var_scoped(nook_var *var, void *value, const char *site);

/* Resets if it can, else drops: for cleanup, where an error has no reader. */
NOOK_API void nook_token_leave(nook_token *token);

/*
 * An empty context [C1]; *out is one reference.
 * NOOK_EINVAL: out is NULL. NOOK_ENOMEM.
 */
NOOK_API NOOK_NODISCARD int nook_context_new(nook_context **out);

/*
 * An exact copy, in constant time; the two diverge from here on [C1, C2]. Values
 * are shared, not duplicated [V15]. Any context, entered or not, from any
 * thread [C19].
 * Copying the current context twice without a set between may run retain callbacks: a
 * binding that its own copies would have to step round is moved into the shared part. What
 * that replaces there, and what a copy has that cannot be completed, may be released, and
 * finalised with it.
 * NOOK_EINVAL: an argument is NULL. NOOK_ENOMEM.
 */
NOOK_API NOOK_NODISCARD int nook_context_copy(nook_context *context, nook_context **out);

/*
 * The same for the current context (copy_context), which a thread gets if it had
 * none [V8]. Runs the same callbacks. Also NOOK_EBUSY, as in nook_var_set.
 */
NOOK_API NOOK_NODISCARD int nook_context_copy_current(nook_context **out);

/*
 * What a new task is given: a copy of the current context in which every
 * variable followed its inherit policy. Costs what a copy costs, plus the
 * variables whose policy is not NOOK_INHERIT_COPY. Makes no base context. Runs the
 * callbacks of a copy; also retain and release, of what a policy leaves out or replaces.
 * NOOK_EINVAL, NOOK_ENOMEM; or what a `duplicate` returned: nothing is made then.
 */
NOOK_API NOOK_NODISCARD int nook_context_inherit(nook_context **out);

/* One reference more (returns context) or less. NULL is ignored. */
NOOK_API nook_context *nook_context_ref(nook_context *context);
NOOK_API void nook_context_unref(nook_context *context);

/*
 * Makes the context current until the matching exit. The thread's chain holds a
 * reference meanwhile. What a task enters stays entered while the task is
 * parked [G6]. A thread's base context and a task's own context never count as
 * entered [C17].
 * NOOK_EENTERED: entered already, here or elsewhere [C15]; or tasks or callbacks of another
 * worker were given it, and have not ended [D3]. NOOK_EINVAL: NULL.
 * NOOK_ENOMEM, and NOOK_EBUSY as in nook_var_set: on a thread without a chain.
 *
 * Only one thread at a time may run in a context, and for a context that is
 * entered, or was given, this call sees to it. For one that is current without being entered,
 * a base, a task's own copy or a state that was swapped in, the caller does.
 */
NOOK_API NOOK_NODISCARD int nook_context_enter(nook_context *context);

/*
 * Leaves a context; the one from before is current again [C16].
 * NOOK_ENOTENTERED: it is not entered. NOOK_ENOTCURRENT: another one is current
 * here. NOOK_EINVAL: NULL. A context that several chains share is left by the
 * one that entered it: an exit cannot tell them apart.
 */
NOOK_API int nook_context_exit(nook_context *context);

/*
 * enter, fn(arg), exit. *result (may be NULL) gets what fn returned; what fn set
 * stays in the context [C11-C13]. fn may park.
 * NOOK_EINVAL (also for a NULL fn), or an error of enter: fn was not called.
 * NOOK_ENOTCURRENT, NOOK_ENOTENTERED: fn left with another context current;
 * *result is untouched.
 */
NOOK_API int nook_context_run(nook_context *context, int (*fn)(void *arg), void *arg,
                              int *result);

/*
 * The current context, borrowed, or NULL where the thread has none yet. Creates
 * nothing. For hosts; programs copy instead [C3].
 */
NOOK_API nook_context *nook_context_peek(void);

/* A pointer for the context's wrapper. The caller orders its own reads and writes. */
NOOK_API void *nook_context_user(const nook_context *context);
NOOK_API void nook_context_set_user(nook_context *context, void *user);

/* The number of variables bound; defaults do not count [C4, C5]. 0 for NULL. Any context. */
NOOK_API size_t nook_context_len(nook_context *context);

/* 1 where the variable is bound in the context, else 0. Any context. */
NOOK_API int nook_context_contains(nook_context *context, const nook_var *var);

/*
 * The value bound in any context, retained for the caller, who gives it back
 * with nook_value_release. Defaults are not consulted [C5].
 * NOOK_EUNSET: not bound (KeyError). NOOK_EINVAL: an argument is NULL [C6].
 */
NOOK_API NOOK_NODISCARD int nook_context_find(nook_context *context, const nook_var *var,
                                              void **value);

/* Calls the variable's release, if it has one. */
NOOK_API void nook_value_release(const nook_var *var, void *value);

/*
 * 1 where both bind the same variables to equal values (the same pointer, or
 * `equal` says so), 0 where not, or the negative number that an `equal`
 * returned [C9]. Both may change meanwhile: what is compared is what they held
 * at the call [C10]. NOOK_EINVAL: an argument is NULL.
 */
NOOK_API int nook_context_equal(nook_context *a, nook_context *b);

/*
 * Drops every binding (contexts have no cycle collector). From the thread where
 * the context is current, or, by one thread at a time, while it is current
 * nowhere. NULL is ignored.
 */
NOOK_API void nook_context_clear(nook_context *context);

/*
 * For a host's cycle collector (tp_traverse): calls visit for each binding whose value would be
 * released with the caller's reference to the context. That is none while somebody else
 * holds the context, or is in it, none that another context shares, and none of a
 * variable without `release`. The
 * collector breaks a cycle with nook_context_clear (tp_clear).
 * `visit` returns 0 to go on; anything else ends the visit and is returned. It changes
 * neither contexts nor what they hold, and does not park. Variable and value are borrowed.
 * Whoever may clear the context may visit it. NOOK_EINVAL: context or visit is NULL.
 */
NOOK_API int nook_context_visit(nook_context *context,
                                int (*visit)(nook_var *var, void *value, void *arg), void *arg);

/*
 * Iterates over what the context held when the iterator was opened [C8], each
 * binding once, in no promised order [M10]. Close it in every case. One thread
 * at a time uses an iterator [C20]. Members are private.
 */
typedef struct nook_context_iter {
    void *nook__root;
    void *nook__patched;
    uint32_t nook__patch;
    uint32_t nook__weight;
    uint32_t nook__height;
    uint32_t nook__next;
} nook_context_iter;

/* NOOK_EINVAL: an argument is NULL (the iterator is then empty). Any context. */
NOOK_API int nook_context_iter_open(nook_context_iter *iter, nook_context *context);

/* 0 and the next pair, both borrowed until the iterator is closed; NOOK_EEND after the last. */
NOOK_API int nook_context_iter_next(nook_context_iter *iter, nook_var **var, void **value);
NOOK_API void nook_context_iter_close(nook_context_iter *iter);

/*
 * The state of a coroutine: the chain of contexts from the current one down to
 * the base. Swap hands over the calling thread's whole chain and installs
 * another; ownership moves both ways, NULL means "none yet", and nothing is
 * checked [H11]. One call per switch makes any coroutine library carry contexts.
 * A thread that exits drops the chain that it has then, whoever made it.
 */
NOOK_API nook_context *nook_state_swap(nook_context *state);

/*
 * Leaves what the chain has entered, gives up its base. For a coroutine that ends
 * or dies. Where the base is shared, and entered by another chain, leave what
 * is above it and give the base up with nook_context_unref.
 */
NOOK_API void nook_state_drop(nook_context *state);

/*
 * Gives up the calling thread's chain now, as its exit would. The thread may go
 * on using contexts afterwards, from an empty one [H10]. A plug-in with nook
 * inside detaches each of its threads before it is unloaded.
 */
NOOK_API void nook_thread_detach(void);

/*
 * Watches switches: fn(now, user) runs after each enter, each exit and each
 * state swap on the thread that switched, with the new current context (NULL:
 * none). set and reset fire nothing. A watcher that switches contexts itself
 * does not fire watchers again [C22, H12]; it must not park. At most 8.
 * NOOK_EINVAL: fn or id is NULL. NOOK_EAGAIN: 8 are registered.
 */
NOOK_API NOOK_NODISCARD int nook_watcher_add(void (*fn)(nook_context *now, void *user),
                                             void *user, int *id);

/*
 * When it returns, no other thread runs the watcher any more. It waits for that,
 * so hold no lock meanwhile that the watcher takes: an interpreter's, say. From
 * inside a watcher, which may remove itself or others, it does not wait: what it
 * removed may still run to its end, here and elsewhere.
 * NOOK_EINVAL: no such watcher.
 */
NOOK_API int nook_watcher_remove(int id);

/* Live objects of this room. */
typedef struct nook_context_counts {
    long contexts; /* base contexts among them */
    long nodes;    /* parts of maps */
    long vars;     /* created ones */
    long tokens;   /* made by a set, neither reset nor dropped */
} nook_context_counts;

/*
 * For tests: NOOK_ENOTSUP unless the library was built with NOOK_CHECKS.
 * NOOK_EINVAL: NULL.
 */
NOOK_API int nook_context_count(nook_context_counts *counts);

NOOK_END_DECLS

#include <nook/inline.h> /* the frequent ones of these, to be put where they are called */

#endif
