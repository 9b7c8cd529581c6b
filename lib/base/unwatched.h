/* SPDX-License-Identifier: MIT */
/*
 * For what a dying thread runs last: ThreadSanitizer has forgotten the thread by
 * then, so such a function must not report to it.
 */
#ifndef NOOK__UNWATCHED_H
#define NOOK__UNWATCHED_H

#if defined(__clang__) && __has_attribute(disable_sanitizer_instrumentation)
#define NOOK__UNWATCHED __attribute__((disable_sanitizer_instrumentation))
#elif defined(__GNUC__)
#define NOOK__UNWATCHED __attribute__((no_sanitize_thread))
#else
#define NOOK__UNWATCHED
#endif

#endif
