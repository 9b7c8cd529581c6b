/* SPDX-License-Identifier: MIT */
/* The storages of the catalogue, as one kind of ambient variable. */
#include "leaks.h"

#include <nook/identity.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[LEAK_STORAGES] = {"thread", "task", "context", "cured"};

const char *leak_storage_name(enum leak_storage storage)
{
    return names[storage];
}

/* Made once and kept: tasks of any case may hold something there. */
static nook_backing *by_task;
static void make_by_task(void)
{
    if (nook_backing_task_new(&by_task) != 0)
        by_task = NULL;
}

const nook_backing *leak_storage_backing(enum leak_storage storage)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    switch (storage) {
    case LEAK_THREAD:
        return nook_backing_thread();
    case LEAK_TASK:
        pthread_once(&once, make_by_task);
        return by_task;
    default:
        return nook_backing_context();
    }
}

struct ambient {
    nook_local *local; /* thread, task */
    nook_var *var;     /* context, cured */
    char *name;
    void (*release)(void *value);
};

/* --- values in context variables ------------------------------------------------ */

/* Contexts share a value; the release is told when the last of them lets go. */
struct box {
    int holders;
    void *value;
    void (*release)(void *value);
};

static void box_retain(void *box, void *user)
{
    (void)user;
    if (box != NULL)
        __atomic_add_fetch(&((struct box *)box)->holders, 1, __ATOMIC_RELAXED);
}

static void box_release(void *value, void *user)
{
    struct box *box = value;
    (void)user;
    if (box == NULL || __atomic_sub_fetch(&box->holders, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    if (box->release != NULL && box->value != NULL)
        box->release(box->value);
    free(box);
}

static const nook_value_ops box_ops = {box_retain, box_release, NULL, NULL, NOOK_INHERIT_COPY};

static int var_bind(struct ambient *ambient, void *value, nook_token *token, const char *site)
{
    struct box *box = malloc(sizeof(*box));
    if (box == NULL)
        return NOOK_ENOMEM;
    *box = (struct box){1, value, ambient->release};
    int rc = nook_var_set_at(ambient->var, box, token, site);
    if (rc != 0)
        box->release = NULL; /* the caller keeps the value */
    box_release(box, NULL);
    return rc;
}

/* --- values in Locals ------------------------------------------------------------ */

static void local_release(void *value, void *user)
{
    const struct ambient *ambient = user;
    if (ambient->release != NULL && value != NULL)
        ambient->release(value);
}

static int open_local(struct ambient *ambient, enum leak_storage storage)
{
    nook_local_options options = {
        .backing = leak_storage_backing(storage), .release = local_release, .user = ambient};
    if (options.backing == NULL)
        return NOOK_ENOMEM;
    return nook_local_new(&ambient->local, &options);
}

/* --- both ---------------------------------------------------------------------------- */

static int open_storage(struct ambient *ambient, enum leak_storage storage, const char *name)
{
    nook_var_options options = {.ops = &box_ops};
    if (storage == LEAK_THREAD || storage == LEAK_TASK)
        return open_local(ambient, storage);
    return nook_var_new(&ambient->var, name, &options);
}

int ambient_open(struct ambient **out, enum leak_storage storage, const char *name,
                 void (*release)(void *value))
{
    struct ambient *ambient = calloc(1, sizeof(*ambient));
    if (ambient == NULL)
        return NOOK_ENOMEM;
    ambient->release = release;
    ambient->name = strdup(name);
    int rc = ambient->name != NULL ? open_storage(ambient, storage, name) : NOOK_ENOMEM;
    if (rc != 0) {
        free(ambient->name);
        free(ambient);
        return rc;
    }
    *out = ambient;
    return 0;
}

void ambient_close(struct ambient *ambient)
{
    if (ambient == NULL)
        return;
    nook_local_unref(ambient->local);
    nook_var_unref(ambient->var);
    free(ambient->name);
    free(ambient);
}

int ambient_bind(struct ambient *ambient, void *value)
{
    return ambient->local != NULL ? nook_local_set(ambient->local, ambient->name, value)
                                  : var_bind(ambient, value, NULL, NULL);
}

void *ambient_read(struct ambient *ambient)
{
    void *value = NULL;
    if (ambient->local != NULL)
        return nook_local_get(ambient->local, ambient->name, &value) == 0 ? value : NULL;
    struct box *box = nook_var_get_or(ambient->var, NULL);
    return box != NULL ? box->value : NULL;
}

void ambient_unbind(struct ambient *ambient)
{
    if (ambient->local != NULL)
        (void)nook_local_release(ambient->local);
    else if (nook_context_peek() != NULL)
        (void)nook_var_set(ambient->var, NULL, NULL);
}

nook_var *ambient_var(struct ambient *ambient)
{
    return ambient->var;
}

/* --- scopes ----------------------------------------------------------------------------- */

/* What Locals can do: remember what was there, and put it back. */
int ambient_enter_at(struct ambient_scope *scope, struct ambient *ambient, void *value,
                     const char *site)
{
    scope->ambient = ambient;
    scope->before = ambient_read(ambient);
    if (ambient->local != NULL)
        return ambient_bind(ambient, value);
    return var_bind(ambient, value, &scope->token, site);
}

int ambient_leave(struct ambient_scope *scope)
{
    struct ambient *ambient = scope->ambient;
    if (ambient->local == NULL)
        return nook_var_reset(ambient->var, &scope->token);
    if (scope->before != NULL)
        return ambient_bind(ambient, scope->before);
    ambient_unbind(ambient);
    return 0;
}
