/* SPDX-License-Identifier: MIT */
/* Everything of nook's, for a program that does not want to choose. */
#ifndef NOOK_NOOK_H
#define NOOK_NOOK_H

#include <nook/context.h>
#include <nook/dump.h>
#include <nook/error.h>
#include <nook/export.h>
#include <nook/group.h>
#include <nook/identity.h>
#include <nook/inline.h>
#include <nook/io.h>
#include <nook/local.h>
#include <nook/loop.h>
#include <nook/request.h>
#include <nook/schedule.h>
#include <nook/signal.h>
#include <nook/sync.h>
#include <nook/task.h>
#include <nook/wait.h>

#endif
