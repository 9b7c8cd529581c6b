/* SPDX-License-Identifier: MIT */
/*
 * What nook_var_get and nook_var_get_or look like from inside, so that a compiler can put
 * them where they are called: no call, no lock, four or five loads. None of it is API:
 * programs use nook/context.h, which includes this.
 *
 * The functions of the same names stay, for what is not C: (nook_var_get)(var, &value)
 * calls one. They also do what is rare here: a thread without a context, a variable that
 * is not bound, and more than 1023 variables.
 *
 * A green task may go on in another thread after any call, so the thread-local is read by
 * an asm, which no compiler keeps the address of. ThreadSanitizer would see the reads here
 * but not the library's orders, where the library is built without it: then functions do.
 */
#ifndef NOOK_INLINE_H
#define NOOK_INLINE_H

#include <nook/context.h>

#if defined(__SANITIZE_THREAD__)
#define NOOK__INLINE 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NOOK__INLINE 0
#endif
#endif
#if !defined(NOOK__INLINE) && defined(__GNUC__) && defined(__ELF__) && defined(__LP64__) && \
    (defined(__x86_64__) || defined(__aarch64__))
#define NOOK__INLINE 1
#elif !defined(NOOK__INLINE)
#define NOOK__INLINE 0
#endif

NOOK_BEGIN_DECLS

/* A context begins with its map: lib/contextlocal/map.h. A node begins with its slots. */
struct nook__map {
    struct nook__node *root;
    void *patched;   /* the value at the patch, or NOOK__UNSET */
    uint32_t patch;  /* a number, or 0, which is nobody's */
    uint32_t weight; /* references to the root that are this map's */
    uint32_t len;
    /* The lower half: in the root, the leaf of a number is at number / 32 + so much. */
    uint32_t shape;
};

#if NOOK__INLINE

/* Of the addresses that end so, one stands for "unset": the functions know which. */
#define NOOK__UNSET_END 0xffu

/* The current context's map, or NULL. */
static inline const struct nook__map *nook__map_here(void)
{
    const struct nook__map *map;
#if defined(__x86_64__)
    __asm__ volatile("movq nook__mine@gottpoff(%%rip), %0\n\t"
                     "movq %%fs:(%0), %0"
                     : "=r"(map));
#else
    const void *offset;
    __asm__ volatile("mrs %0, tpidr_el0\n\t"
                     "adrp %1, :gottprel:nook__mine\n\t"
                     "ldr %1, [%1, #:gottprel_lo12:nook__mine]\n\t"
                     "ldr %0, [%0, %1]"
                     : "=&r"(map), "=&r"(offset));
#endif
    return map;
}

/* What the current context binds; something that ends in NOOK__UNSET_END: ask a function. */
static inline void *nook__value_here(const nook_var *var)
{
    const struct nook__map *map = nook__map_here();
    void *const *leaf;
    uint32_t index, place;
    if (__builtin_expect(var == NULL || map == NULL, 0))
        return (void *)(uintptr_t)NOOK__UNSET_END;
    index = __atomic_load_n(&var->nook__index, __ATOMIC_RELAXED);
    if (index == map->patch)
        return map->patched;
    /* A root that is the only leaf has itself in a slot behind its 32; a high one has more
     * leaves than a root knows, and says 33. */
    place = index / 32 + (uint16_t)map->shape;
    if (__builtin_expect(place > 32, 0))
        return (void *)(uintptr_t)NOOK__UNSET_END;
    leaf = ((void *const *const *)(const void *)map->root)[place];
    return leaf[index % 32];
}

static inline int nook__maybe_unset(const void *value)
{
    return __builtin_expect((unsigned char)(uintptr_t)value == NOOK__UNSET_END, 0) != 0;
}

static inline NOOK_NODISCARD int nook__var_get(const nook_var *var, void **value)
{
    void *found = nook__value_here(var);
    if (nook__maybe_unset(found) || value == NULL)
        return nook_var_get(var, value);
    *value = found;
    return 0;
}

static inline void *nook__var_get_or(const nook_var *var, void *fallback)
{
    void *found = nook__value_here(var);
    if (nook__maybe_unset(found))
        return nook_var_get_or(var, fallback);
    return found;
}

#define nook_var_get(var, value) nook__var_get((var), (value))
#define nook_var_get_or(var, fallback) nook__var_get_or((var), (fallback))

#endif

NOOK_END_DECLS

#endif
