/* SPDX-License-Identifier: MIT */
/* LocalManager: a list of what a request may leave something in. */
#include "count.h"

#include <nook/local.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One of the two is set. */
struct managed {
    nook_local *local;
    nook_local_stack *stack;
};

struct nook_local_manager {
    pthread_mutex_t lock;
    size_t len, size;
    struct managed *list; /* holds a reference each */
};

static void managed_ref(struct managed one)
{
    (void)nook_local_ref(one.local);
    (void)nook_local_stack_ref(one.stack);
}

static void managed_unref(struct managed one)
{
    nook_local_unref(one.local);
    nook_local_stack_unref(one.stack);
}

int nook_local_manager_new(nook_local_manager **out)
{
    if (out == NULL)
        return NOOK_EINVAL;
    nook_local_manager *manager = calloc(1, sizeof *manager);
    if (manager == NULL)
        return NOOK_ENOMEM;
    pthread_mutex_init(&manager->lock, NULL);
    NOOK__LOCAL_COUNT(managers, 1);
    *out = manager;
    return 0;
}

void nook_local_manager_free(nook_local_manager *manager)
{
    if (manager == NULL)
        return;
    for (size_t i = 0; i < manager->len; i++)
        managed_unref(manager->list[i]);
    pthread_mutex_destroy(&manager->lock);
    free(manager->list);
    free(manager);
    NOOK__LOCAL_COUNT(managers, -1);
}

/* Where it is, or the length. Under the lock, as the next. */
static size_t find(const nook_local_manager *manager, struct managed one)
{
    size_t i = 0;
    while (i < manager->len &&
           (manager->list[i].local != one.local || manager->list[i].stack != one.stack))
        i++;
    return i;
}

static int append(nook_local_manager *manager, struct managed one)
{
    if (manager->len == manager->size) {
        size_t size = manager->size == 0 ? 4 : manager->size * 2;
        struct managed *list = realloc(manager->list, size * sizeof *list);
        if (list == NULL)
            return NOOK_ENOMEM;
        manager->list = list;
        manager->size = size;
    }
    managed_ref(one);
    manager->list[manager->len++] = one;
    return 0;
}

static int add(nook_local_manager *manager, struct managed one)
{
    int rc = 0;
    pthread_mutex_lock(&manager->lock);
    if (find(manager, one) == manager->len)
        rc = append(manager, one);
    pthread_mutex_unlock(&manager->lock);
    return rc;
}

static int take_out(nook_local_manager *manager, struct managed one)
{
    pthread_mutex_lock(&manager->lock);
    size_t where = find(manager, one);
    int found = where < manager->len;
    if (found) {
        manager->len--;
        memmove(&manager->list[where], &manager->list[where + 1],
                (manager->len - where) * sizeof *manager->list);
    }
    pthread_mutex_unlock(&manager->lock);
    if (!found)
        return NOOK_ENOENT;
    managed_unref(one);
    return 0;
}

int nook_local_manager_add(nook_local_manager *manager, nook_local *local)
{
    if (manager == NULL || local == NULL)
        return NOOK_EINVAL;
    return add(manager, (struct managed){.local = local});
}

int nook_local_manager_add_stack(nook_local_manager *manager, nook_local_stack *stack)
{
    if (manager == NULL || stack == NULL)
        return NOOK_EINVAL;
    return add(manager, (struct managed){.stack = stack});
}

int nook_local_manager_remove(nook_local_manager *manager, nook_local *local)
{
    if (manager == NULL || local == NULL)
        return NOOK_EINVAL;
    return take_out(manager, (struct managed){.local = local});
}

int nook_local_manager_remove_stack(nook_local_manager *manager, nook_local_stack *stack)
{
    if (manager == NULL || stack == NULL)
        return NOOK_EINVAL;
    return take_out(manager, (struct managed){.stack = stack});
}

size_t nook_local_manager_len(nook_local_manager *manager)
{
    if (manager == NULL)
        return 0;
    pthread_mutex_lock(&manager->lock);
    size_t len = manager->len;
    pthread_mutex_unlock(&manager->lock);
    return len;
}

/*
 * The one before `where`, held; 0 after the first. No lock is kept, since releases run
 * callbacks; going backwards, a removal meanwhile makes nothing be skipped.
 */
static int previous(nook_local_manager *manager, size_t *where, struct managed *one)
{
    pthread_mutex_lock(&manager->lock);
    if (*where > manager->len)
        *where = manager->len;
    int found = *where != 0;
    if (found) {
        *one = manager->list[--*where];
        managed_ref(*one);
    }
    pthread_mutex_unlock(&manager->lock);
    return found;
}

int nook_local_manager_cleanup(nook_local_manager *manager)
{
    struct managed one;
    size_t where = SIZE_MAX;
    int first = 0;
    if (manager == NULL)
        return NOOK_EINVAL;
    while (previous(manager, &where, &one)) {
        int rc = one.local != NULL ? nook_local_release(one.local)
                                   : nook_local_stack_release(one.stack);
        if (first == 0)
            first = rc;
        managed_unref(one);
    }
    return first;
}

int nook_local_manager_run(nook_local_manager *manager, int (*fn)(void *arg), void *arg,
                           int *result)
{
    if (manager == NULL || fn == NULL)
        return NOOK_EINVAL;
    int value = fn(arg);
    if (result != NULL)
        *result = value;
    return nook_local_manager_cleanup(manager);
}

void nook_local_manager_leave(nook_local_manager **manager)
{
    (void)nook_local_manager_cleanup(*manager);
}
