/* SPDX-License-Identifier: MIT */
/*
 * Thread-local storage in the Flask style: keys with per-thread values, Local,
 * LocalStack, LocalProxy and LocalManager (Werkzeug).
 *
 * A Local is a namespace that looks different to everybody who uses it. Who
 * counts as somebody is decided by its backing: the thread (the default, and
 * Werkzeug's up to 1.0), whatever a function of yours names (ident_func), or
 * the current context (Werkzeug's since 2.0), which a room above this one brings.
 * With threads as identities, green tasks on one thread share the values; that is
 * the leak that this library is about [L12].
 *
 * Nothing here parks or needs a task. Unless a comment says otherwise, a
 * function may be called from any thread, and acts for the calling identity. Two
 * threads must not act for one identity at the same time.
 *
 * Callbacks (destructors, initialisers, retain, release, visitors) run with no
 * lock held, may call every function of this header, and may run on any thread,
 * also on one that is exiting. They must not park, except a proxy's function.
 *
 * Values are borrowed unless a comment says otherwise: what a get returns holds
 * until this identity rebinds, deletes or releases it, or the object goes.
 */
#ifndef NOOK_LOCAL_H
#define NOOK_LOCAL_H

#include <nook/error.h>
#include <nook/export.h>
#include <stddef.h>
#include <stdint.h>

NOOK_BEGIN_DECLS

/* --- keys: one value a thread --------------------------------------------- */

/*
 * A key, like pthread_key_t, but as many as memory holds. A small value, copied
 * freely; a zeroed one is no key. A deleted key is noticed, also when its place
 * serves a new one [L7]. Members are private.
 */
typedef struct nook_tls_key {
    uint32_t nook__slot;
    uint32_t nook__generation;
} nook_tls_key;

/* Every member may be NULL. */
typedef struct nook_tls_options {
    /*
     * Told once for every value that is not NULL, when it goes: replaced, unset,
     * its thread ends, or the key is deleted [L2, L3, H18].
     */
    void (*destructor)(void *value, void *user);
    /*
     * Makes the value of a thread that has none, when that thread first gets it
     * [L5]. It may use the key itself: a get inside finds NOOK_EUNSET. An error
     * is passed on, and the next get tries again.
     */
    int (*init)(void **value, void *arg, void *user);
    void *arg;  /* for init */
    void *user; /* for both */
} nook_tls_options;

/*
 * Makes a key; options may be NULL. An `arg` without an `init` is an error, as
 * arguments without an __init__ are [L6].
 * NOOK_EINVAL: out is NULL, or arg without init. NOOK_ENOMEM. NOOK_EAGAIN: the
 * process has no pthread key left (nook needs one in all).
 */
NOOK_API NOOK_NODISCARD int nook_tls_new(nook_tls_key *out, const nook_tls_options *options);

/*
 * The calling thread's value, which the initialiser makes if there is none.
 * NOOK_EUNSET: there is none and no initialiser; *value is untouched [L1].
 * NOOK_EINVAL: value is NULL, or no such key (any more). NOOK_ENOMEM.
 * NOOK_EBUSY: the thread's values are gone for good, it is ending. Or what the
 * initialiser returned.
 */
NOOK_API NOOK_NODISCARD int nook_tls_get(nook_tls_key key, void **value);

/*
 * Binds the calling thread's value; NULL is a value. The one before goes to the
 * destructor once the new one is in place, unless it is the same pointer.
 * Inside a destructor of an ending thread it works like anywhere else for
 * several rounds, and is refused after them, so that nothing is left [L11].
 * NOOK_EINVAL: no such key. NOOK_ENOMEM. NOOK_EBUSY: the thread is ending.
 */
NOOK_API int nook_tls_set(nook_tls_key key, void *value);

/*
 * The thread has no value afterwards; the destructor is told.
 * NOOK_EUNSET: it had none. NOOK_EINVAL: no such key.
 */
NOOK_API int nook_tls_unset(nook_tls_key key);

/*
 * Deletes the key. Every thread's value goes to the destructor, on the calling
 * thread, before the call returns, except those that an ending thread or a
 * visitor is destroying right now [H18]. Safe while threads end [L9].
 * NOOK_EINVAL: no such key (any more).
 */
NOOK_API int nook_tls_delete(nook_tls_key key);

/*
 * A visitor of values. `ident` names the identity that owns the value. Other
 * than 0 ends the visit, and is what the visit returns.
 */
typedef int (*nook_tls_visit)(uintptr_t ident, void *value, void *arg);

/*
 * Calls visit for the value that each thread had when the call began, with the
 * thread's pthread_self() as ident. A visited value stays until the visit is over, even if its
 * thread drops it or ends meanwhile; then its destructor runs here.
 * NOOK_EINVAL: visit is NULL, or no such key. NOOK_ENOMEM. Or what visit returned.
 */
NOOK_API int nook_tls_foreach(nook_tls_key key, nook_tls_visit visit, void *arg);

/*
 * Gives up all that the calling thread has in this room now, as its exit would.
 * The thread may go on, from nothing. For main threads, which do not exit, and for hosts.
 */
NOOK_API void nook_tls_detach(void);

/* --- backings: who is somebody -------------------------------------------- */

/*
 * A cell keeps one pointer for each identity. Locals and stacks keep a table
 * there, and these two functions count its holders. retain only counts: a
 * backing may call it with a lock held. release may run callbacks: a backing
 * calls it with no lock held. Both from any thread.
 */
typedef struct nook_cell_ops {
    void (*retain)(void *stored);
    void (*release)(void *stored);
} nook_cell_ops;

/*
 * One identity's stored pointer may become another's too, by inheritance. Tables are then
 * never changed once stored: each change stores a changed copy [W8].
 */
#define NOOK_BACKING_COPY_ON_WRITE 1u

/*
 * What a backing implements. `user` is the backing's. A stored pointer is never NULL;
 * NULL stands for "nothing". All but foreach and ident are required.
 */
typedef struct nook_backing_ops {
    /* Makes a cell in which nobody has anything. `ops` outlives the cell. 0 or an error. */
    int (*open)(void **cell, const nook_cell_ops *ops, void *user);
    /*
     * The calling identity's pointer, borrowed until it stores again, or NULL. 0 or an
     * error.
     */
    int (*load)(void *cell, void **stored, void *user);
    /*
     * Replaces the calling identity's pointer; NULL leaves nothing behind. On success
     * the cell has taken over one reference to `stored`, and has released the one
     * that it had, after the replacement; on an error it has taken nothing.
     */
    int (*store)(void *cell, void *stored, void *user);
    /* Releases what every identity has, and the cell. */
    void (*close)(void *cell, void *user);
    /*
     * Visits what each identity has; the pointer holds during the visit. NULL: not
     * possible. Returns what nook_tls_foreach would.
     */
    int (*foreach)(void *cell, nook_tls_visit visit, void *arg, void *user);
    /*
     * A number for the caller, different for any two that can act at the same time. NULL:
     * it has none.
     */
    uintptr_t (*ident)(void *user);
    unsigned flags; /* NOOK_BACKING_... */
} nook_backing_ops;

/*
 * A backing: static, or made by a constructor. It must outlive all that uses it.
 */
typedef struct nook_backing {
    const nook_backing_ops *ops;
    void *user;
} nook_backing;

/* Identity = thread: Werkzeug up to 1.0. What NULL means wherever a backing is asked for. */
NOOK_API const nook_backing *nook_backing_thread(void);

/*
 * Identity = what ident(user) returns, such as the address of the current task:
 * Werkzeug's ident_func [W11]. ident is called at each access, on the caller. Nothing
 * is inherited: a new identity starts with nothing. The end of an identity must
 * be told with nook_backing_forget, or what it left stays until its cells are closed.
 * *out goes back with nook_backing_keyed_free.
 * NOOK_EINVAL: out or ident is NULL. NOOK_ENOMEM.
 */
NOOK_API NOOK_NODISCARD int nook_backing_keyed_new(nook_backing **out,
                                                   uintptr_t (*ident)(void *user), void *user);

/*
 * Releases what the identity left behind, in every cell of the backing. For the
 * hook at the end of a task, from any thread. What the releases bind anew for
 * it goes as well. An identity that left nothing is no error.
 * NOOK_EINVAL: not a keyed backing. NOOK_EBUSY: the releases bind something anew
 * again and again, and some of it is left.
 */
NOOK_API int nook_backing_forget(const nook_backing *backing, uintptr_t ident);

/* How many pairs of identity and cell hold something; for tests. 0 for other backings. */
NOOK_API size_t nook_backing_keyed_len(const nook_backing *backing);

/* After the last Local, stack and app that uses it is gone. NULL is ignored. */
NOOK_API void nook_backing_keyed_free(nook_backing *backing);

/*
 * The identity that a backing takes the caller to be (get_ident) [W11]. NULL: the thread.
 * NOOK_ENOTSUP: it has no number for it. NOOK_EINVAL: ident is NULL.
 */
NOOK_API NOOK_NODISCARD int nook_backing_ident(const nook_backing *backing, uintptr_t *ident);

/* --- Local: a namespace for each identity --------------------------------- */

/* A Local: counted, opaque. */
typedef struct nook_local nook_local;

/* Sensible zeroes: by thread, plain pointers, nothing on first access. */
typedef struct nook_local_options {
    const nook_backing *backing; /* NULL: nook_backing_thread() */
    /*
     * One more holder, one less. A Local holds a bound value once, however many
     * identities inherit the binding. So release alone is a destructor. Neither is
     * called for NULL. With a context backing a value may outlive the Local, in a
     * context that somebody keeps: `user` must last as long.
     */
    void (*retain)(void *value, void *user);
    void (*release)(void *value, void *user);
    /*
     * Runs before an identity's first access, and after a release_local before
     * the next one; sets names on `local` [L5]. If it fails, the access returns its
     * error, what it set is released, and the next access tries again.
     */
    int (*init)(nook_local *local, void *arg, void *user);
    void *arg;  /* for init; an error without one [L6] */
    void *user; /* for all three */
} nook_local_options;

/*
 * Makes a Local; *out is one reference. options may be NULL.
 * NOOK_EINVAL: out is NULL, or arg without init. NOOK_ENOMEM, NOOK_EAGAIN, or
 * what the backing's open returned.
 */
NOOK_API NOOK_NODISCARD int nook_local_new(nook_local **out, const nook_local_options *options);

/* One reference more (returns local) or less. The last one drops every identity's values [L3].
 * NULL is ignored. */
NOOK_API nook_local *nook_local_ref(nook_local *local);
NOOK_API void nook_local_unref(nook_local *local);

/*
 * Binds the name, for the calling identity. The name is copied; the value is
 * retained, and the one before released after it is replaced. Binding the same
 * value again changes nothing. NULL is a value. Other Locals never see it [W12].
 * NOOK_EINVAL: local or name is NULL. NOOK_ENOMEM, what init returned, or what
 * the backing returned: nothing has changed, and the value is still the caller's.
 */
NOOK_API int nook_local_set(nook_local *local, const char *name, void *value);

/*
 * The value bound to the name.
 * NOOK_ENOENT: not bound (AttributeError); *value is untouched [W1]. NOOK_EINVAL: an
 * argument is NULL. Or what init or the backing returned.
 */
NOOK_API NOOK_NODISCARD int nook_local_get(nook_local *local, const char *name, void **value);

/* Unbinds the name. NOOK_ENOENT: not bound [W1]. Other errors as for set. */
NOOK_API int nook_local_del(nook_local *local, const char *name);

/* 1 where the name is bound, 0 where not, or an error as for get. */
NOOK_API int nook_local_contains(nook_local *local, const char *name);

/* The number of names bound. Errors as for get. */
NOOK_API NOOK_NODISCARD int nook_local_len(nook_local *local, size_t *len);

/*
 * release_local: nothing is bound for the calling identity afterwards, and
 * nothing of it is left in the backing [W5]. NOOK_EINVAL: NULL. Or what the
 * backing returned.
 */
NOOK_API int nook_local_release(nook_local *local);

/*
 * Iterates over what was bound when it was opened, in the order of the first
 * binding [W3]. Close it in every case. One thread at a time. Members are private.
 */
typedef struct nook_local_iter {
    void *nook__table;
    size_t nook__next;
} nook_local_iter;

/* For the calling identity. Errors as for get, or NOOK_ENOMEM; the iterator is then empty. */
NOOK_API int nook_local_iter_open(nook_local_iter *iter, nook_local *local);

/*
 * 0 and the next pair, both borrowed until the iterator is closed; NOOK_EEND after
 * the last. NOOK_EINVAL: an argument is NULL.
 */
NOOK_API int nook_local_iter_next(nook_local_iter *iter, const char **name, void **value);
NOOK_API void nook_local_iter_close(nook_local_iter *iter);

/* A visitor of every identity's names; ends the visit with other than 0. */
typedef int (*nook_local_visit)(uintptr_t ident, const char *name, void *value, void *arg);

/*
 * Visits what is bound for every identity: Werkzeug 1's iter(local) [W3]. Name
 * and value hold during the visit. Other identities go on meanwhile.
 * NOOK_ENOTSUP: the backing cannot. NOOK_EINVAL, NOOK_ENOMEM; or what visit returned.
 */
NOOK_API int nook_local_foreach(nook_local *local, nook_local_visit visit, void *arg);

/* --- LocalStack ----------------------------------------------------------- */

/* A LocalStack: counted, opaque. */
typedef struct nook_local_stack nook_local_stack;

/* Members as in nook_local_options. */
typedef struct nook_local_stack_options {
    const nook_backing *backing;
    void (*retain)(void *value, void *user);
    void (*release)(void *value, void *user);
    void *user;
} nook_local_stack_options;

/*
 * Makes a stack; *out is one reference. options may be NULL.
 * NOOK_EINVAL: out is NULL; or a release without a retain on a backing with
 * NOOK_BACKING_COPY_ON_WRITE, where a pop cannot hand over what others inherited.
 * NOOK_ENOMEM, NOOK_EAGAIN, or what the backing's open returned.
 */
NOOK_API NOOK_NODISCARD int nook_local_stack_new(nook_local_stack **out,
                                                 const nook_local_stack_options *options);

/* As for Locals. */
NOOK_API nook_local_stack *nook_local_stack_ref(nook_local_stack *stack);
NOOK_API void nook_local_stack_unref(nook_local_stack *stack);

/*
 * Puts a value on the caller's stack, retained [W6]. Invisible to others, children
 * that inherited the stack among them [W8]. NOOK_EINVAL: NULL. NOOK_ENOMEM, or what
 * the backing returned: nothing has changed, and the value is still the caller's.
 */
NOOK_API int nook_local_stack_push(nook_local_stack *stack, void *value);

/*
 * Takes the top off. With `value`, the caller gets it and one hold on it; with
 * NULL it is released. Popping the last leaves nothing in the backing [W7].
 * NOOK_ENOENT: the stack is empty, and *value is NULL; again and again [W6].
 * NOOK_EINVAL: stack is NULL. NOOK_ENOMEM, or what the backing returned: nothing has
 * changed.
 */
NOOK_API int nook_local_stack_pop(nook_local_stack *stack, void **value);

/* The top, borrowed. NOOK_ENOENT: empty, and *value is NULL [W6]. NOOK_EINVAL. */
NOOK_API NOOK_NODISCARD int nook_local_stack_top(nook_local_stack *stack, void **value);

/* How many values are on the caller's stack. 0 for NULL. */
NOOK_API size_t nook_local_stack_depth(nook_local_stack *stack);

/* Releases the caller's whole stack. NOOK_EINVAL: NULL. Or what the backing returned. */
NOOK_API int nook_local_stack_release(nook_local_stack *stack);

/* --- LocalProxy ----------------------------------------------------------- */

/* A proxy's function: 0 and the object, or an error, which the access returns unchanged [P5].
 */
typedef int (*nook_local_proxy_fn)(void *arg, void **object);

/* What to take of the object found, such as a member of it [W9]: 0, or an error as above. */
typedef int (*nook_local_proxy_part)(void *object, void **part, void *arg);

/* Every member may be NULL; strings must outlive the proxy. */
typedef struct nook_local_proxy_options {
    const char *name;            /* for people; NULL: the Local's name, or "LocalProxy" */
    const char *unbound_message; /* NULL: "object is not bound" [P3] */
    nook_local_proxy_part part;
    void *part_arg;
} nook_local_proxy_options;

/*
 * Stands for an object that is looked up at every access, not when the proxy is
 * made [P1]. Lives in the caller's storage, owns nothing, may be copied; its source
 * must outlive it. Members are private.
 */
typedef struct nook_local_proxy {
    unsigned nook__kind;
    nook_local *nook__local;
    nook_local_stack *nook__stack;
    nook_local_proxy_fn nook__fn;
    void *nook__arg;
    const char *nook__attribute;
    nook_local_proxy_options nook__options;
} nook_local_proxy;

/*
 * Proxies for a Local's name [W4], a stack's top [W9], and whatever a function
 * finds [P2]. `attribute` must outlive the proxy. options may be NULL.
 * NOOK_EINVAL: one of the others is NULL [P2].
 */
NOOK_API int nook_local_proxy_of_local(nook_local_proxy *proxy, nook_local *local,
                                       const char *attribute,
                                       const nook_local_proxy_options *options);
NOOK_API int nook_local_proxy_of_stack(nook_local_proxy *proxy, nook_local_stack *stack,
                                       const nook_local_proxy_options *options);
NOOK_API int nook_local_proxy_of_function(nook_local_proxy *proxy, nook_local_proxy_fn fn,
                                          void *arg, const nook_local_proxy_options *options);

/*
 * The object that the proxy stands for now (_get_current_object) [P4]. A NULL on a
 * stack counts as unbound; a NULL bound in a Local or given by a function is an
 * object [P8]. May park if the function does.
 * NOOK_EUNBOUND: the name is not bound, or the stack is empty [P3]; *object is
 * untouched. NOOK_EINVAL: an argument is NULL, or no proxy. Or what the
 * function, the part or the backing returned.
 */
NOOK_API NOOK_NODISCARD int nook_local_proxy_get(const nook_local_proxy *proxy, void **object);

/* bool(proxy): 1 where a get would find an object, else 0, also on errors [P3]. */
NOOK_API int nook_local_proxy_bound(const nook_local_proxy *proxy);

/* For messages: the name, and what to say where it is unbound. Never NULL. */
NOOK_API const char *nook_local_proxy_name(const nook_local_proxy *proxy);
NOOK_API const char *nook_local_proxy_unbound_message(const nook_local_proxy *proxy);

/* --- LocalManager --------------------------------------------------------- */

/* Releases what a request left behind, in all the Locals and stacks that it knows. */
typedef struct nook_local_manager nook_local_manager;

/* Makes one; goes back with free. NOOK_EINVAL: out is NULL. NOOK_ENOMEM. */
NOOK_API NOOK_NODISCARD int nook_local_manager_new(nook_local_manager **out);

/* Releases nobody's values. NULL is ignored. */
NOOK_API void nook_local_manager_free(nook_local_manager *manager);

/*
 * Adds a Local or a stack, held until it is removed or the manager goes; adding
 * it again changes nothing. NOOK_EINVAL: an argument is NULL. NOOK_ENOMEM.
 */
NOOK_API int nook_local_manager_add(nook_local_manager *manager, nook_local *local);
NOOK_API int nook_local_manager_add_stack(nook_local_manager *manager, nook_local_stack *stack);

/* Forgets it. NOOK_ENOENT: not there. NOOK_EINVAL: an argument is NULL. */
NOOK_API int nook_local_manager_remove(nook_local_manager *manager, nook_local *local);
NOOK_API int nook_local_manager_remove_stack(nook_local_manager *manager,
                                             nook_local_stack *stack);

/* How many it knows. 0 for NULL. */
NOOK_API size_t nook_local_manager_len(nook_local_manager *manager);

/*
 * Releases all of them for the calling identity [W10]. Goes on after an error, and returns
 * the first. NOOK_EINVAL: NULL.
 */
NOOK_API int nook_local_manager_cleanup(nook_local_manager *manager);

/*
 * The middleware: fn(arg), then the clean-up. Put it round the whole life of a
 * response, its close as well, not only round the function that makes it [W10].
 * *result (may be NULL) gets what fn returned; the call returns what clean-up does.
 * NOOK_EINVAL: manager or fn is NULL, and fn was not called.
 */
NOOK_API int nook_local_manager_run(nook_local_manager *manager, int (*fn)(void *arg),
                                    void *arg, int *result);

/*
 * The scoped form: cleans up at the end of the block, on every way out of it
 * (not longjmp).
 *
 *     NOOK_LOCAL_CLEANUP(manager);
 */
#define NOOK_LOCAL_CLEANUP(manager)                                \
    nook_local_manager *NOOK__LOCAL_NAME(nook__cleanup_, __LINE__) \
        __attribute__((cleanup(nook_local_manager_leave), unused)) = (manager)
#define NOOK__LOCAL_NAME(a, b) NOOK__LOCAL_NAME2(a, b)
#define NOOK__LOCAL_NAME2(a, b) a##b

/* What the scoped form calls. */
NOOK_API void nook_local_manager_leave(nook_local_manager **manager);

/* --- counts --------------------------------------------------------------- */

/* Live objects of this room. */
typedef struct nook_local_counts {
    long keys;     /* of nook_tls */
    long threads;  /* threads that have storage here */
    long values;   /* of keys */
    long backings; /* keyed ones */
    long cells;    /* of the two backings above */
    long locals;
    long stacks;
    long tables; /* what Locals, stacks and g keep for one identity */
    long items;  /* in those */
    long managers;
    long apps;     /* of <nook/request.h> */
    long contexts; /* app and request contexts */
    long requests;
} nook_local_counts;

/*
 * For tests: NOOK_ENOTSUP unless the library was built with NOOK_CHECKS.
 * NOOK_EINVAL: NULL.
 */
NOOK_API int nook_local_count(nook_local_counts *counts);

NOOK_END_DECLS

#endif
