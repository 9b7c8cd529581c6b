/* SPDX-License-Identifier: MIT */
/*
 * Waiting for descriptors, with epoll, level-triggered.
 *
 * Invariant: a descriptor is armed for exactly those directions that have a user
 * and are not mute. A task is one user for one wake; a handle stays until it is
 * cancelled. While a handle's callback is queued or runs, the descriptor would
 * report again and again, and whoever polls would turn round for nothing: the
 * second report makes it mute, and the end of the callback undoes that. When no task is left
 * any report makes it mute: descriptors could keep workers busy, and the run from its end.
 *
 * A worker takes reports without the lock, so one may be heard when the descriptor has
 * been armed for somebody else, or is another file's. Each carries the generation of the
 * arming that it is of, and an old one is dropped: what still holds is reported again.
 */
#include "run.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

atomic_long nook__waits_alive;

/* What a report brings back. */
static uint64_t label(int fd, uint32_t generation)
{
    return (uint64_t)generation << 32 | (uint32_t)fd;
}

static int fd_of(uint64_t label)
{
    return (int)(uint32_t)label;
}

int nook__poller_open(struct nook__poller *poller)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = label(-1, 0)};
    if (poller->epoll >= 0)
        return 0;
    poller->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll < 0)
        return -errno;
    poller->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (poller->wakeup >= 0 &&
        epoll_ctl(poller->epoll, EPOLL_CTL_ADD, poller->wakeup, &event) == 0)
        return 0;
    int rc = -errno;
    nook__poller_close(poller);
    return rc;
}

void nook__poller_close(struct nook__poller *poller)
{
    if (poller->epoll >= 0)
        close(poller->epoll);
    if (poller->wakeup >= 0)
        close(poller->wakeup);
    free(poller->entries);
    *poller = (struct nook__poller){.epoll = -1, .wakeup = -1};
}

void nook__poller_interrupt(struct nook__poller *poller)
{
    uint64_t one = 1;
    if (poller->wakeup >= 0 && write(poller->wakeup, &one, sizeof(one)) < 0)
        return; /* it is full: the poller is about to wake anyway */
}

/* --- who waits for what --------------------------------------------------- */

static int grow(struct nook__poller *poller, int fd)
{
    size_t room = poller->room == 0 ? 64 : poller->room;
    if (fd < 0)
        return -EBADF;
    if ((size_t)fd < poller->room)
        return 0;
    while (room <= (size_t)fd)
        room *= 2;
    struct nook__fd_entry *entries = realloc(poller->entries, room * sizeof(*entries));
    if (entries == NULL)
        return NOOK_ENOMEM;
    memset(entries + poller->room, 0, (room - poller->room) * sizeof(*entries));
    poller->entries = entries;
    poller->room = room;
    return 0;
}

static int used(const struct nook__fd_user *user)
{
    return user->task != NULL || user->handle != NULL;
}

static int arm(struct nook__poller *poller, int fd)
{
    struct nook__fd_entry *entry = &poller->entries[fd];
    unsigned want =
        (used(&entry->reader) ? NOOK_READABLE : 0) | (used(&entry->writer) ? NOOK_WRITABLE : 0);
    want &= ~entry->mute;
    uint32_t generation = entry->generation + 1;
    struct epoll_event event = {.data.u64 = label(fd, generation)};
    int op = want == 0 ? EPOLL_CTL_DEL : entry->armed == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (want == entry->armed)
        return 0;
    event.events = ((want & NOOK_READABLE) != 0 ? EPOLLIN | EPOLLRDHUP : 0) |
                   ((want & NOOK_WRITABLE) != 0 ? EPOLLOUT : 0);
    int rc = epoll_ctl(poller->epoll, op, fd, &event);
    /* A descriptor that was closed meanwhile left the epoll by itself. */
    if (rc != 0 && op == EPOLL_CTL_MOD && errno == ENOENT)
        rc = epoll_ctl(poller->epoll, EPOLL_CTL_ADD, fd, &event);
    if (rc != 0 && op != EPOLL_CTL_DEL)
        return -errno;
    entry->armed = want;
    entry->generation = generation;
    return 0;
}

static void count_users(struct nook__poller *poller, long change)
{
    atomic_store_explicit(&poller->users, (size_t)((long)poller->users + change),
                          memory_order_relaxed);
    atomic_fetch_add_explicit(&nook__waits_alive, change, memory_order_relaxed);
}

int nook__poller_add(struct nook__run *run, int fd, unsigned events, struct nook__fd_user user)
{
    struct nook__poller *poller = &run->poller;
    int rc = nook__poller_open(poller);
    if (rc == 0)
        rc = grow(poller, fd);
    if (rc != 0)
        return rc;
    struct nook__fd_entry *entry = &poller->entries[fd], before = *entry;
    if (((events & NOOK_READABLE) != 0 && used(&entry->reader)) ||
        ((events & NOOK_WRITABLE) != 0 && used(&entry->writer)))
        return NOOK_EBUSY;
    if ((events & NOOK_READABLE) != 0)
        entry->reader = user;
    if ((events & NOOK_WRITABLE) != 0)
        entry->writer = user;
    rc = arm(poller, fd);
    if (rc != 0) {
        *entry = before;
        return rc;
    }
    count_users(poller, 1);
    nook__mind_fd(run);
    return 0;
}

void nook__poller_remove(struct nook__run *run, int fd, unsigned events)
{
    struct nook__fd_entry *entry = &run->poller.entries[fd];
    if ((events & NOOK_READABLE) != 0)
        entry->reader = (struct nook__fd_user){NULL, NULL};
    if ((events & NOOK_WRITABLE) != 0)
        entry->writer = (struct nook__fd_user){NULL, NULL};
    entry->mute &= ~events;
    (void)arm(&run->poller, fd);
    count_users(&run->poller, -1);
}

static void mute(struct nook__run *run, const nook_handle *handle)
{
    run->poller.entries[handle->fd].mute |= handle->events;
    (void)arm(&run->poller, handle->fd);
}

void nook__poller_unmute(struct nook__run *run, const nook_handle *handle)
{
    struct nook__fd_entry *entry = &run->poller.entries[handle->fd];
    if ((entry->mute & handle->events) == 0)
        return;
    entry->mute &= ~handle->events;
    (void)arm(&run->poller, handle->fd);
}

/* --- what has happened ---------------------------------------------------- */

struct fd_wait {
    struct nook__wait wait;
    int fd;
    unsigned events, ready;
};

/* Called already, or never again: a run does not wait for the world once its tasks are gone. */
static int is_deaf(const struct nook__run *run, const nook_handle *handle)
{
    return handle->event.ready || handle->running || nook__list_empty(&run->tasks);
}

static void tell(struct nook__run *run, int fd, struct nook__fd_user user, unsigned ready)
{
    if (user.handle != NULL && is_deaf(run, user.handle)) {
        mute(run, user.handle);
    } else if (user.handle != NULL) {
        nook__handle_ready(user.handle);
    } else if (user.task != NULL) {
        struct fd_wait *wait =
            NOOK__CONTAINER(user.task->body->life->wait, struct fd_wait, wait);
        wait->ready = ready;
        nook__poller_remove(run, fd, wait->events);
        nook__wake(user.task, 0);
    }
}

/* Whoever waits in both directions is in both places. */
static void evict(struct nook__run *run, int fd, nook_task *task)
{
    struct fd_wait *wait = NOOK__CONTAINER(task->body->life->wait, struct fd_wait, wait);
    nook__poller_remove(run, fd, wait->events);
    nook__wake(task, -EBADF);
}

int nook__poller_evict(struct nook__run *run, int fd)
{
    if (fd < 0 || (size_t)fd >= run->poller.room)
        return 0;
    const struct nook__fd_entry *entry = &run->poller.entries[fd];
    if (entry->reader.handle != NULL || entry->writer.handle != NULL)
        return NOOK_EBUSY;
    if (entry->reader.task != NULL)
        evict(run, fd, entry->reader.task);
    if (entry->writer.task != NULL)
        evict(run, fd, entry->writer.task);
    return 0;
}

static void dispatch(struct nook__run *run, uint64_t reported, uint32_t events)
{
    int fd = fd_of(reported);
    struct nook__fd_entry *entry = &run->poller.entries[fd];
    unsigned ready = 0;
    if (reported != label(fd, entry->generation))
        return;
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0)
        ready |= NOOK_READABLE;
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
        ready |= NOOK_WRITABLE;
    struct nook__fd_user reader = entry->reader, writer = entry->writer;
    if (used(&reader) && reader.task == writer.task && reader.handle == writer.handle) {
        if (ready != 0)
            tell(run, fd, reader, ready);
        return;
    }
    if ((ready & NOOK_READABLE) != 0 && used(&reader))
        tell(run, fd, reader, NOOK_READABLE);
    if ((ready & NOOK_WRITABLE) != 0 && used(&writer))
        tell(run, fd, writer, NOOK_WRITABLE);
}

/* Kernels before 5.11, some sandboxes and some emulators: whole milliseconds, rounded up. */
static int wait_coarsely(const struct nook__poller *poller, struct epoll_event *events, int n,
                         int64_t ns)
{
    int64_t ms = ns < 0 ? -1 : ns / 1000000 + (ns % 1000000 != 0);
    return epoll_wait(poller->epoll, events, n, ms > INT_MAX ? INT_MAX : (int)ms);
}

static int wait_for(const struct nook__poller *poller, struct epoll_event *events, int n,
                    int64_t ns)
{
    static atomic_int refused;
    struct timespec time = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    if (atomic_load_explicit(&refused, memory_order_relaxed))
        return wait_coarsely(poller, events, n, ns);
    int found = epoll_pwait2(poller->epoll, events, n, ns < 0 ? NULL : &time, NULL);
    if (found >= 0 || (errno != ENOSYS && errno != EPERM))
        return found;
    atomic_store_explicit(&refused, 1, memory_order_relaxed);
    return wait_coarsely(poller, events, n, ns);
}

int nook__poller_reports(const struct nook__poller *poller)
{
    struct epoll_event event;
    return epoll_wait(poller->epoll, &event, 1, 0) != 0;
}

static void count_polling(struct nook__run *run, int change)
{
    atomic_store_explicit(&run->polling, run->polling + change, memory_order_relaxed);
}

/*
 * A worker may look while the watcher sleeps here. The call is for the watcher: who
 * else took it would leave that one asleep.
 */
void nook__poller_wait(struct nook__run *run, int64_t ns)
{
    struct epoll_event events[64];
    uint64_t count;
    count_polling(run, 1);
    nook__unlock(run);
    int n = wait_for(&run->poller, events, 64, ns);
    nook__lock(run);
    count_polling(run, -1);
    for (int i = 0; i < n; i++) {
        if (fd_of(events[i].data.u64) >= 0)
            dispatch(run, events[i].data.u64, events[i].events);
        else if (run->watcher == nook__here() &&
                 read(run->poller.wakeup, &count, sizeof(count)) < 0)
            continue; /* it was not written to: nothing to clear */
    }
}

static int begin_fd(struct nook__wait *wait, nook_task *task)
{
    struct fd_wait *fd = NOOK__CONTAINER(wait, struct fd_wait, wait);
    struct nook__fd_user user = {task, NULL};
    wait->result = nook__poller_add(task->run, fd->fd, fd->events, user);
    return wait->result == 0;
}

static void undo_fd(struct nook__wait *wait, nook_task *task)
{
    struct fd_wait *fd = NOOK__CONTAINER(wait, struct fd_wait, wait);
    nook__poller_remove(task->run, fd->fd, fd->events);
}

int nook_wait_fd(int fd, unsigned events, unsigned *ready)
{
    struct fd_wait wait = {
        .wait = {.begin = begin_fd, .undo = undo_fd, NOOK__WAITS("a descriptor")},
        .fd = fd,
        .events = events};
    if (events == 0 || (events & ~(NOOK_READABLE | NOOK_WRITABLE)) != 0)
        return NOOK_EINVAL;
    int rc = nook__park(&wait.wait);
    if (rc == 0 && ready != NULL)
        *ready = wait.ready;
    return rc;
}
