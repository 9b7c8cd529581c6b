/* SPDX-License-Identifier: MIT */
#ifndef NOOK_BENCH_TLS_LIB_H
#define NOOK_BENCH_TLS_LIB_H

#ifdef TLS_MODEL
#define TLS_NAME(what) TLS_NAME2(TLS_MODEL, what)
#define TLS_NAME2(model, what) TLS_NAME3(model, what)
#define TLS_NAME3(model, what) tls_##model##_##what
/* Not hidden, and not static: the linker must not take a cheaper model. */
extern _Thread_local void *TLS_NAME(value);
#endif

void *tls_initial_exec_get(void);
void tls_initial_exec_set(void *to);
void *tls_global_dynamic_get(void);
void tls_global_dynamic_set(void *to);
void *tls_descriptor_get(void);
void tls_descriptor_set(void *to);

#endif
