/* SPDX-License-Identifier: MIT */
/* What the shared library shows to the world: NOOK_API, and one thread-local beside it,
 * nook__mine, which what nook/inline.h puts into programs reads. */
#ifndef NOOK_EXPORT_H
#define NOOK_EXPORT_H

#if defined(__GNUC__)
#define NOOK_API __attribute__((visibility("default")))
#define NOOK_NODISCARD __attribute__((warn_unused_result))
#else
#define NOOK_API
#define NOOK_NODISCARD
#endif

#if defined(__cplusplus)
#define NOOK_BEGIN_DECLS extern "C" {
#define NOOK_END_DECLS }
#else
#define NOOK_BEGIN_DECLS
#define NOOK_END_DECLS
#endif

#endif
