/* SPDX-License-Identifier: MIT */
/* A thread-local of a library, read and written by a call: built once for each TLS model. */
#include "tls_lib.h"

_Thread_local void *TLS_NAME(value);

void *TLS_NAME(get)(void)
{
    return TLS_NAME(value);
}

void TLS_NAME(set)(void *to)
{
    TLS_NAME(value) = to;
}
