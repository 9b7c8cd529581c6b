/* SPDX-License-Identifier: MIT */
/*
 * Sockets and pipes.
 *
 * Each call is a system call that does not wait, tried until it succeeds, with a park in
 * the poller between two attempts. A park comes before an attempt, never after one: so
 * whatever ends it, no byte is in our hands that the caller does not hear of.
 *
 * Invariant: every system call is in a function of its own that does not park, because
 * errno is a thread-local, and a task may resume on another thread. They leave errno as
 * they found it.
 */
#include "run.h"

#include <fcntl.h>
#include <netdb.h>
#include <nook/io.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* --- system calls: what they return, or a negative errno ------------------ */

#define NOOK__SYSCALL __attribute__((noinline))

static ssize_t outcome(ssize_t n, int before)
{
    int error = errno;
    errno = before;
    return n < 0 ? -error : n;
}

/* 0 where a call on it cannot wait. */
static NOOK__SYSCALL int refuse_blocking(int fd)
{
    int before = errno, flags = (int)outcome(fcntl(fd, F_GETFL), before);
    if (flags < 0)
        return flags;
    return (flags & O_NONBLOCK) != 0 ? 0 : NOOK_EINVAL;
}

static NOOK__SYSCALL int set_nonblocking(int fd)
{
    int before = errno, flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK) == 0)
        flags = fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    return (int)outcome(flags < 0 ? -1 : 0, before);
}

struct transfer {
    int fd;
    void *in;
    const void *out;
    size_t size;
};

static ssize_t receive(const struct transfer *transfer)
{
    return recv(transfer->fd, transfer->in, transfer->size, MSG_DONTWAIT);
}

static ssize_t send_quietly(const struct transfer *transfer)
{
    return send(transfer->fd, transfer->out, transfer->size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t read_other(const struct transfer *transfer)
{
    return read(transfer->fd, transfer->in, transfer->size);
}

/* 1: one was pending already, and is somebody else's. */
static int pending(int signo, const sigset_t *blocked)
{
    sigset_t set;
    return sigismember(blocked, signo) == 1 && sigpending(&set) == 0 &&
           sigismember(&set, signo) == 1;
}

/* No flag keeps a pipe from raising SIGPIPE. It is the thread's own: held back, taken out. */
static ssize_t write_other(const struct transfer *transfer)
{
    const struct timespec at_once = {0, 0};
    sigset_t broken, blocked;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken, &blocked);
    int theirs = pending(SIGPIPE, &blocked);
    ssize_t n = write(transfer->fd, transfer->out, transfer->size);
    int error = errno;
    if (n < 0 && error == EPIPE && !theirs)
        (void)sigtimedwait(&broken, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    errno = error;
    return n;
}

typedef ssize_t transfer_fn(const struct transfer *transfer);

static NOOK__SYSCALL ssize_t call(transfer_fn *fn, const struct transfer *transfer)
{
    int before = errno;
    return outcome(fn(transfer), before);
}

struct address {
    struct sockaddr *peer;
    const struct sockaddr *to;
    socklen_t *room;
    socklen_t length;
};

static NOOK__SYSCALL int take_connection(int listener, const struct address *address)
{
    int before = errno;
    int rc = refuse_blocking(listener);
    if (rc != 0)
        return rc;
    return (int)outcome(
        accept4(listener, address->peer, address->room, SOCK_NONBLOCK | SOCK_CLOEXEC), before);
}

static NOOK__SYSCALL int begin_connection(int fd, const struct address *address)
{
    int before = errno;
    return (int)outcome(connect(fd, address->to, address->length), before);
}

/* 0: connected. -EINPROGRESS: not yet, the wake was for nothing. -ENOTCONN: it came to
 * nothing, and somebody else has taken the reason. */
static NOOK__SYSCALL int connection_state(int fd)
{
    struct pollfd now = {.fd = fd, .events = POLLOUT};
    struct sockaddr_storage peer;
    socklen_t size = sizeof(int), room = sizeof(peer);
    int before = errno, error = 0;
    if (poll(&now, 1, 0) == 0)
        return -EINPROGRESS;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return (int)outcome(-1, before);
    if (error != 0)
        return -error;
    return (int)outcome(getpeername(fd, (struct sockaddr *)&peer, &room), before);
}

static NOOK__SYSCALL int close_it(int fd)
{
    int before = errno;
    int rc = (int)outcome(close(fd), before);
    return rc == -EINTR ? 0 : rc; /* it is closed: to try again would hit another file */
}

/* --- waiting -------------------------------------------------------------- */

enum { TURNS = 16 };

/* Before an attempt. Who never has to wait lets others run, and hears of a cancel. */
static int take_turn(nook_task *task)
{
    if (task == NULL)
        return nook__no_task();
    if (task->body->life->turns++ < TURNS)
        return 0;
    task->body->life->turns = 0;
    return nook_yield();
}

static int wait_until(nook_task *task, int fd, unsigned event)
{
    task->body->life->turns = 0;
    return nook_wait_fd(fd, event, NULL);
}

/* --- reading and writing -------------------------------------------------- */

struct way {
    transfer_fn *socket, *other;
    unsigned event;
};

static const struct way reading = {receive, read_other, NOOK_READABLE};
static const struct way writing = {send_quietly, write_other, NOOK_WRITABLE};

static ssize_t attempt(const struct way *way, const struct transfer *transfer)
{
    ssize_t n = call(way->socket, transfer);
    if (n != -ENOTSOCK)
        return n;
    int rc = refuse_blocking(transfer->fd);
    return rc != 0 ? rc : call(way->other, transfer);
}

/* Some bytes. */
static int move(const struct way *way, const struct transfer *transfer, size_t *moved)
{
    nook_task *task = nook_task_current();
    int rc;
    *moved = 0;
    while ((rc = take_turn(task)) == 0) {
        ssize_t n = transfer->size == 0 ? 0 : attempt(way, transfer);
        if (n >= 0) {
            *moved = (size_t)n;
            return 0;
        }
        if (n == -EAGAIN)
            rc = wait_until(task, transfer->fd, way->event);
        else if (n != -EINTR)
            rc = (int)n;
        if (rc != 0)
            break;
    }
    return rc;
}

/* All of it, or until the other side ends: then it moves nothing. */
static int move_all(const struct way *way, struct transfer transfer, size_t *moved)
{
    size_t done = 0, some = 1;
    int rc = 0;
    while (rc == 0 && some != 0 && transfer.size > 0) {
        rc = move(way, &transfer, &some);
        done += some;
        transfer.size -= some;
        if (transfer.in != NULL)
            transfer.in = (char *)transfer.in + some;
        else
            transfer.out = (const char *)transfer.out + some;
    }
    if (moved != NULL)
        *moved = done;
    return rc == 0 && transfer.size > 0 ? NOOK_EEND : rc;
}

int nook_read(int fd, void *buffer, size_t size, size_t *got)
{
    struct transfer transfer = {.fd = fd, .in = buffer, .size = size};
    return got != NULL ? move(&reading, &transfer, got) : NOOK_EINVAL;
}

int nook_read_exactly(int fd, void *buffer, size_t size, size_t *got)
{
    return move_all(&reading, (struct transfer){.fd = fd, .in = buffer, .size = size}, got);
}

int nook_write(int fd, const void *buffer, size_t size, size_t *put)
{
    struct transfer transfer = {.fd = fd, .out = buffer, .size = size};
    return put != NULL ? move(&writing, &transfer, put) : NOOK_EINVAL;
}

int nook_write_all(int fd, const void *buffer, size_t size, size_t *put)
{
    return move_all(&writing, (struct transfer){.fd = fd, .out = buffer, .size = size}, put);
}

/* --- connections ---------------------------------------------------------- */

static NOOK__SYSCALL int open_listener(const struct sockaddr *address, socklen_t length,
                                       int backlog)
{
    int before = errno, yes = 1;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
        bind(fd, address, length) == 0 && listen(fd, backlog) == 0)
        return fd;
    int rc = (int)outcome(-1, before);
    if (fd >= 0)
        (void)close_it(fd);
    return rc;
}

int nook_listen(int *out, const struct sockaddr *address, socklen_t length, int backlog)
{
    if (out == NULL || address == NULL || length < sizeof(address->sa_family))
        return NOOK_EINVAL;
    int fd = open_listener(address, length, backlog);
    if (fd < 0)
        return fd;
    *out = fd;
    return 0;
}

static NOOK__SYSCALL int find_address(const char *host, const char *port,
                                      struct addrinfo **found)
{
    const struct addrinfo wanted = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
                                    .ai_socktype = SOCK_STREAM};
    int before = errno;
    int rc = getaddrinfo(host, port, &wanted, found);
    int error = rc == EAI_SYSTEM ? (int)outcome(-1, before) : NOOK_EINVAL;
    errno = before;
    return rc == 0 ? 0 : rc == EAI_MEMORY ? NOOK_ENOMEM : error;
}

int nook_listen_tcp(int *out, const char *host, const char *port, int backlog)
{
    struct addrinfo *found;
    if (out == NULL || port == NULL)
        return NOOK_EINVAL;
    int rc = find_address(host, port, &found);
    if (rc != 0)
        return rc;
    rc = nook_listen(out, found->ai_addr, found->ai_addrlen, backlog);
    freeaddrinfo(found);
    return rc;
}

/* accept(2) hands over the errors of a connection that broke before it was taken. */
static int passed_over(int rc)
{
    static const int errors[] = {EINTR,     ECONNABORTED, EPROTO,       ENETDOWN,   ENOPROTOOPT,
                                 EHOSTDOWN, ENONET,       EHOSTUNREACH, ENETUNREACH};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (rc == -errors[i])
            return 1;
    return 0;
}

int nook_accept(int *out, int listener, struct sockaddr *peer, socklen_t *length)
{
    nook_task *task = nook_task_current();
    struct address address = {.peer = peer};
    if (out == NULL)
        return NOOK_EINVAL;
    address.room = length;
    int rc = take_turn(task);
    while (rc == 0) {
        int fd = take_connection(listener, &address);
        if (fd >= 0) {
            *out = fd;
            return 0;
        }
        if (fd == -EAGAIN)
            rc = wait_until(task, listener, NOOK_READABLE);
        else
            rc = passed_over(fd) ? take_turn(task) : fd;
    }
    return rc;
}

/* Nobody says when a full queue of a Unix socket has room again. */
static int begin_unhurried(int fd, const struct address *address)
{
    int rc;
    uint64_t pause = 1000000;
    while ((rc = begin_connection(fd, address)) == -EAGAIN &&
           address->to->sa_family == AF_UNIX) {
        rc = nook_sleep(pause);
        if (rc != 0)
            return rc;
        pause = pause < 64000000 ? pause * 2 : pause;
    }
    return rc;
}

int nook_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    nook_task *task = nook_task_current();
    struct address to = {.to = address, .length = length};
    if (address == NULL || length < sizeof(address->sa_family))
        return NOOK_EINVAL;
    int rc = take_turn(task);
    if (rc == 0)
        rc = set_nonblocking(fd);
    if (rc == 0)
        rc = begin_unhurried(fd, &to);
    if (rc == -EINTR) /* it goes on all the same */
        rc = -EINPROGRESS;
    while (rc == -EINPROGRESS) {
        rc = wait_until(task, fd, NOOK_WRITABLE);
        if (rc == 0)
            rc = connection_state(fd);
    }
    return rc;
}

/* The lock is held over the close, so that nobody comes to wait in between. */
NOOK__SYSCALL int nook_close(int fd)
{
    struct nook__worker *worker = nook__here();
    int before = errno;
    if (worker == NULL)
        return close_it(fd);
    nook__lock(worker->run);
    int rc = nook__poller_evict(worker->run, fd);
    if (rc == 0)
        rc = close_it(fd);
    nook__unlock(worker->run);
    errno = before;
    return rc;
}
