/* SPDX-License-Identifier: MIT */
/*
 * Error codes.
 *
 * Functions that can fail return 0 or one of these. Where an errno value says
 * it, the code is that value negated; nook's own codes lie below -4096, where
 * no kernel puts an errno. nook never reports through errno: errno belongs to
 * the thread, and is one of the exhibits.
 */
#ifndef NOOK_ERROR_H
#define NOOK_ERROR_H

#include <errno.h>
#include <nook/export.h>

NOOK_BEGIN_DECLS

/* X(name, value, sentence): the one table behind the enum, the names and the sentences. */
#define NOOK_ERRORS(X)                                                                \
    X(NOOK_EINVAL, -EINVAL, "an argument has a value that this call does not take")   \
    X(NOOK_ENOMEM, -ENOMEM, "out of memory")                                          \
    X(NOOK_EAGAIN, -EAGAIN, "a resource is used up for now; try again later")         \
    X(NOOK_EBUSY, -EBUSY, "the object is in use")                                     \
    X(NOOK_ECANCELED, -ECANCELED, "the task was cancelled")                           \
    X(NOOK_ETIMEDOUT, -ETIMEDOUT, "the deadline passed")                              \
    X(NOOK_EDEADLK, -EDEADLK, "every task is parked and nothing can wake one")        \
    X(NOOK_EPERM, -EPERM, "not allowed: the lock is not locked")                      \
    X(NOOK_ERANGE, -ERANGE, "more was given back than was taken")                     \
    X(NOOK_ENOENT, -ENOENT, "there is no such entry")                                 \
    X(NOOK_ENOTSUP, -ENOTSUP, "not supported on this system or in this mode")         \
    X(NOOK_EUNSET, -4097, "the variable has no value here and no default")            \
    X(NOOK_ENOTOKEN, -4098, "not a token that came from a set")                       \
    X(NOOK_EUSED, -4099, "the token has already been used once")                      \
    X(NOOK_EWRONGVAR, -4100, "the token was created by a different variable")         \
    X(NOOK_EWRONGCONTEXT, -4101, "the token was created in a different context")      \
    X(NOOK_EENTERED, -4102, "cannot enter the context: it is already entered")        \
    X(NOOK_ENOTENTERED, -4103, "cannot exit the context: it has not been entered")    \
    X(NOOK_ENOTCURRENT, -4104, "cannot exit the context: another context is current") \
    X(NOOK_EUNBOUND, -4105, "object is not bound")                                    \
    X(NOOK_EOUTSIDEAPP, -4106, "Working outside of application context.")             \
    X(NOOK_EOUTSIDEREQUEST, -4107, "Working outside of request context.")             \
    X(NOOK_ENOTPUSHED, -4108, "cannot pop the context: it is not pushed")             \
    X(NOOK_ENOTACTIVE, -4109, "cannot pop the context: another one is active")        \
    X(NOOK_ENOTASK, -4110, "this call is for tasks, and no task is running here")     \
    X(NOOK_ESCHEDULE, -4111, "the schedule string does not fit this program")         \
    X(NOOK_EEND, -4112, "there is no more: the end was reached")                      \
    X(NOOK_ECLOSED, -4113, "the queue, the group or the run is closed")               \
    X(NOOK_EBROKEN, -4114, "the barrier is broken")                                   \
    X(NOOK_ESCOPE, -4115, "a scope was left open")                                    \
    X(NOOK_EFORKED, -4116,                                                            \
      "the process was forked inside a run, which has stayed in the parent")

enum nook_error {
#define NOOK_ERROR_ENUM(name, value, sentence) name = (value),
    NOOK_ERRORS(NOOK_ERROR_ENUM)
#undef NOOK_ERROR_ENUM
};

/*
 * The code's name, such as "NOOK_EUNSET"; "0" for 0; "?" for a number that is
 * no code of nook's. The string is static. Any thread; never parks or fails.
 */
NOOK_API const char *nook_err_name(int code);

/*
 * One sentence for people. For a negative errno outside the table, a sentence
 * that says so. The string is static. Any thread; never parks or fails.
 */
NOOK_API const char *nook_strerror(int code);

NOOK_END_DECLS

#endif
