/* SPDX-License-Identifier: MIT */
/* How deep the stacks of each spawn site were used. The lock guards the table. */
#include "run.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 256 };

struct entry {
    const nook_site *site;
    char name[32];
    size_t stack_size, deepest;
    uint64_t tasks;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry entries[MOST];
static unsigned used;

void nook__census_fork(int before)
{
    if (before)
        pthread_mutex_lock(&lock);
    else
        pthread_mutex_unlock(&lock);
}

static struct entry *find(const nook_task *task, size_t size)
{
    unsigned i = 0;
    for (; i < used; i++)
        if (entries[i].site == task->body->site && entries[i].stack_size == size &&
            (task->body->site != NULL || strcmp(entries[i].name, task->body->name) == 0))
            return &entries[i];
    if (i == MOST) /* the last is everybody's who came too late */
        return &entries[MOST - 1];
    used++;
    entries[i] = (struct entry){.site = task->body->site, .stack_size = size};
    memcpy(entries[i].name, task->body->name, sizeof entries[i].name);
    if (used == MOST) {
        entries[i].site = NULL;
        snprintf(entries[i].name, sizeof entries[i].name, "others");
    }
    return &entries[i];
}

void nook__census_add(const nook_task *task, size_t depth)
{
    pthread_mutex_lock(&lock);
    struct entry *entry = find(task, nook__stacks_size(task->body->stacks));
    entry->tasks++;
    if (depth > entry->deepest)
        entry->deepest = depth;
    pthread_mutex_unlock(&lock);
}

int nook_stack_census(void (*fn)(const nook_stack_use *use, void *user), void *user)
{
    int there = 1;
    if (fn == NULL)
        return NOOK_EINVAL;
    for (unsigned i = 0; there; i++) {
        struct entry entry = {.tasks = 0};
        pthread_mutex_lock(&lock);
        there = i < used;
        if (there)
            entry = entries[i];
        pthread_mutex_unlock(&lock);
        if (there)
            fn(&(nook_stack_use){entry.site, entry.name, entry.stack_size, entry.deepest,
                                 entry.tasks},
               user);
    }
    return 0;
}

void nook_stack_census_reset(void)
{
    pthread_mutex_lock(&lock);
    used = 0;
    pthread_mutex_unlock(&lock);
}
