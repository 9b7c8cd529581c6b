/* SPDX-License-Identifier: MIT */
/*
 * Static probes, for tracers: docs/probes.md. One that nobody watches is a nop. Its
 * arguments are taken from where they lie, also out of memory, and by the tracer: so they
 * name members and locals, and compute nothing.
 *
 * Without <sys/sdt.h>, or with NOOK_PROBES=off, they are nothing at all.
 */
#ifndef NOOK__PROBE_H
#define NOOK__PROBE_H

#if NOOK_PROBES
#include <sys/sdt.h>
#ifdef __clang__ /* asked where the macros are used, of what they do inside */
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif
#define NOOK__PROBE1(name, a) DTRACE_PROBE1(nook, name, a)
#define NOOK__PROBE2(name, a, b) DTRACE_PROBE2(nook, name, a, b)
#define NOOK__PROBE3(name, a, b, c) DTRACE_PROBE3(nook, name, a, b, c)
#define NOOK__PROBE4(name, a, b, c, d) DTRACE_PROBE4(nook, name, a, b, c, d)
#else
#define NOOK__PROBE1(name, a) ((void)0)
#define NOOK__PROBE2(name, a, b) ((void)0)
#define NOOK__PROBE3(name, a, b, c) ((void)0)
#define NOOK__PROBE4(name, a, b, c, d) ((void)0)
#endif

#endif
