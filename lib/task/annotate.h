/* SPDX-License-Identifier: MIT */
/*
 * What AddressSanitizer, ThreadSanitizer and Valgrind must be told about
 * stacks and switches. Without a sanitizer every function here is empty;
 * Valgrind's requests are a few instructions that do nothing outside it.
 *
 * Rules for whoever switches:
 *
 *     NOOK__UNINSTRUMENTED static void go(...)
 *     {
 *         nook__fiber_leave(&from->fiber, &to->fiber, dying);
 *         nook__switch(&from->sw, &to->sw);
 *         nook__fiber_arrive(&from->fiber);
 *     }
 *
 * and entry functions call nook__fiber_arrive first of all. Nothing may come
 * between leave and the switch: ThreadSanitizer already books it to the other
 * fiber. The function around them is NOOK__UNINSTRUMENTED for the same reason,
 * so instrumented work belongs in functions that it calls before or after.
 * With flag 0 a switch orders what came before it on this thread before what
 * follows, as a scheduler's queue does.
 *
 * Built with NOOK_TSAN_NO_SYNC (of CMake's NOOK_TSAN_SYNC=OFF) a switch orders
 * nothing, and what tasks of one thread share unasked is a race: a thread-local
 * that leaks is reported. The library is not instrumented then, because its
 * tasks and workers hand over to each other at every switch. What the program
 * may rely on is told to ThreadSanitizer with nook__hand_over before and
 * nook__take_over after, at the same address: a task's end and who joins it, a
 * wake and who wakes, a job and the thread that runs it, the holders of what is
 * counted. The run's lock is seen as well, and orders more than that: races are
 * missed by it, none made up.
 */
#ifndef NOOK__ANNOTATE_H
#define NOOK__ANNOTATE_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NOOK__ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define NOOK__TSAN 1
#endif
#endif
#if !defined(NOOK__ASAN) && defined(__SANITIZE_ADDRESS__)
#define NOOK__ASAN 1
#endif
#if !defined(NOOK__TSAN) && defined(__SANITIZE_THREAD__)
#define NOOK__TSAN 1
#endif
#if !defined(NOOK__TSAN) && defined(NOOK_TSAN_NO_SYNC)
#define NOOK__TSAN 1
#endif
#ifndef NOOK__ASAN
#define NOOK__ASAN 0
#endif
#ifndef NOOK__TSAN
#define NOOK__TSAN 0
#endif

#if NOOK__ASAN
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if NOOK__TSAN
#include <sanitizer/tsan_interface.h>
#ifdef NOOK_TSAN_NO_SYNC
#define NOOK__TSAN_FLAG 1U
#else
#define NOOK__TSAN_FLAG 0U
#endif
#endif

#if !defined(NOOK_NO_VALGRIND) && defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>
#define NOOK__VALGRIND 1
#endif
#endif
#ifndef NOOK__VALGRIND
#define NOOK__VALGRIND 0
#endif

/* clang's no_sanitize still books function entry and exit; the other does not. */
#if NOOK__TSAN && defined(__clang__) && __has_attribute(disable_sanitizer_instrumentation)
#define NOOK__UNINSTRUMENTED \
    __attribute__((no_sanitize("thread"), disable_sanitizer_instrumentation))
#elif NOOK__TSAN
#define NOOK__UNINSTRUMENTED __attribute__((no_sanitize("thread")))
#else
#define NOOK__UNINSTRUMENTED
#endif
/* Inlined always: ThreadSanitizer keeps a call stack per fiber, and a call that
 * starts on one and returns on another would unbalance both. */
#define NOOK__FIBER static inline __attribute__((always_inline)) NOOK__UNINSTRUMENTED

/* tsan is made at the first switch to the fiber: to destroy one that never ran
 * crashes LLVM before 22. */
struct nook__fiber {
    void *tsan;
    const char *name; /* for reports; lives as long as the fiber */
    void *asan_fake;
    const void *stack_bottom;
    size_t stack_size;
};

#if NOOK__ASAN
/* Asked once a thread: for the first thread libc reads /proc/self/maps, which
 * took most of the time where thousands of schedules were run. */
static inline void nook__fiber_thread_bounds(struct nook__fiber *fiber)
{
    static _Thread_local void *low;
    static _Thread_local size_t size;
    pthread_attr_t attr;
    if (low == NULL) {
        if (pthread_getattr_np(pthread_self(), &attr) != 0)
            return;
        if (pthread_attr_getstack(&attr, &low, &size) != 0)
            low = NULL;
        pthread_attr_destroy(&attr);
    }
    fiber->stack_bottom = low;
    fiber->stack_size = low != NULL ? size : 0;
}
#endif

/* Describes the calling thread's own stack. Never passed to nook__fiber_free. */
NOOK__FIBER void nook__fiber_thread(struct nook__fiber *fiber)
{
    struct nook__fiber empty = {NULL, NULL, NULL, NULL, 0};
    *fiber = empty;
#if NOOK__ASAN
    nook__fiber_thread_bounds(fiber);
#endif
#if NOOK__TSAN
    fiber->tsan = __tsan_get_current_fiber();
#endif
}

/* Describes a new stack: the usable bytes [low, low + size). */
NOOK__FIBER void nook__fiber_new(struct nook__fiber *fiber, const void *low, size_t size)
{
    (void)fiber;
    (void)low;
    (void)size;
#if NOOK__ASAN || NOOK__TSAN
    struct nook__fiber made = {NULL, NULL, NULL, low, size};
    *fiber = made;
#endif
}

/* Before the first switch to it: what reports call it. Not copied. */
NOOK__FIBER void nook__fiber_name(struct nook__fiber *fiber, const char *name)
{
    (void)fiber;
    (void)name;
#if NOOK__TSAN
    fiber->name = name;
#endif
}

/* Any thread, but never on the fiber itself: first switch away for good. */
NOOK__FIBER void nook__fiber_free(struct nook__fiber *fiber)
{
    (void)fiber;
#if NOOK__TSAN
    if (fiber->tsan != NULL)
        __tsan_destroy_fiber(fiber->tsan);
    fiber->tsan = NULL;
#endif
}

/* Just before nook__switch. dying: from never comes back. */
NOOK__FIBER void nook__fiber_leave(struct nook__fiber *from, struct nook__fiber *to, int dying)
{
    (void)from;
    (void)to;
    (void)dying;
#if NOOK__ASAN
    __sanitizer_start_switch_fiber(dying ? NULL : &from->asan_fake, to->stack_bottom,
                                   to->stack_size);
#endif
#if NOOK__TSAN
    if (to->tsan == NULL) {
        to->tsan = __tsan_create_fiber(0);
        if (to->name != NULL)
            __tsan_set_fiber_name(to->tsan, to->name);
    }
    __tsan_switch_to_fiber(to->tsan, NOOK__TSAN_FLAG);
#endif
}

/* Just after arriving on here: after nook__switch, and first in an entry function. */
NOOK__FIBER void nook__fiber_arrive(struct nook__fiber *here)
{
    (void)here;
#if NOOK__ASAN
    __sanitizer_finish_switch_fiber(here->asan_fake, NULL, NULL);
#endif
}

/* What came before the one, on any fiber, came before what follows the other. */
static inline void nook__hand_over(void *at)
{
    (void)at;
#if defined(NOOK_TSAN_NO_SYNC)
    __tsan_release(at);
#endif
}

static inline void nook__take_over(void *at)
{
    (void)at;
#if defined(NOOK_TSAN_NO_SYNC)
    __tsan_acquire(at);
#endif
}

static inline int nook__on_valgrind(void)
{
#if NOOK__VALGRIND
    return RUNNING_ON_VALGRIND != 0;
#else
    return 0;
#endif
}

/* Of Valgrind's tools the one that looks at memory: the others see the program as it is. */
static inline int nook__on_memcheck(void)
{
#if NOOK__VALGRIND
    char byte = 0, bits = 0;
    return VALGRIND_GET_VBITS(&byte, &bits, 1) == 1;
#else
    return 0;
#endif
}

/* A slot becomes a stack; once for all tasks that will use it. Returns an id. */
static inline unsigned nook__stack_register(const char *low, size_t size)
{
    (void)low;
    (void)size;
#if NOOK__VALGRIND
    return VALGRIND_STACK_REGISTER(low, low + size);
#else
    return 0;
#endif
}

static inline void nook__stack_deregister(unsigned id)
{
    (void)id;
#if NOOK__VALGRIND
    VALGRIND_STACK_DEREGISTER(id);
#endif
}

/* All of it is about to be read, whatever it holds. */
/* NOLINTNEXTLINE(readability-non-const-parameter): a sanitizer's build takes it as it is */
static inline void nook__stack_readable(char *low, size_t size)
{
    (void)low;
    (void)size;
#if NOOK__ASAN
    __asan_unpoison_memory_region(low, size);
#endif
#if NOOK__VALGRIND
    (void)VALGRIND_MAKE_MEM_DEFINED(low, size);
#endif
}

/* Frames that were left by a switch and never returned are forgotten. */
/* NOLINTNEXTLINE(readability-non-const-parameter): a sanitizer's build takes it as it is */
static inline void nook__stack_fresh(char *low, size_t size)
{
    (void)low;
    (void)size;
#if NOOK__ASAN
    __asan_unpoison_memory_region(low, size);
#endif
#if NOOK__VALGRIND
    (void)VALGRIND_MAKE_MEM_UNDEFINED(low, size);
#endif
}

#endif
