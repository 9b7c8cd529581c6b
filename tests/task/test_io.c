/* SPDX-License-Identifier: MIT */
/*
 * Reading, writing, accepting, connecting: what comes through, what was moved when
 * something ends it in the middle, and what is refused. SIGPIPE has its default action
 * here: raised once, it would end the program.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

/* On main's worker: there they come first to their wait when main sleeps. */
static const nook_task_options on_first = {.worker = 1};

/* --- connections of every kind -------------------------------------------- */

enum kind { PIPE, PAIR, UNIX, TCP, KINDS };

union name {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_un un;
};

static socklen_t name_of(enum kind kind, union name *name)
{
    memset(name, 0, sizeof *name);
    if (kind == TCP) {
        name->in.sin_family = AF_INET;
        name->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof name->in;
    }
    name->un.sun_family = AF_UNIX; /* and no name: the kernel finds a free one */
    return sizeof name->un.sun_family;
}

/* A listener at a free address, and the address. */
static int listen_somewhere(enum kind kind, int backlog, union name *name, socklen_t *length)
{
    int fd = -1;
    *length = name_of(kind, name);
    int rc = nook_listen(&fd, &name->any, *length, backlog);
    *length = sizeof *name;
    if (rc == 0 && getsockname(fd, &name->any, length) != 0)
        rc = -errno;
    return rc == 0 ? fd : rc;
}

static int open_socket(enum kind kind)
{
    return socket(kind == TCP ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* A socket that is connected, though nobody has accepted it yet. For asserts, outside tasks. */
static int connect_outside(enum kind kind, const union name *name, socklen_t length)
{
    int fd = open_socket(kind);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &name->any, length), 0);
    return fd;
}

/* fd[0] reads what is written to fd[1]. */
static void open_pair(enum kind kind, int *fd)
{
    union name name;
    socklen_t length;
    if (kind == PIPE) {
        assert_int_equal(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
    } else if (kind == PAIR) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    } else {
        int listener = listen_somewhere(kind, 1, &name, &length);
        assert_true(listener >= 0);
        fd[1] = connect_outside(kind, &name, length);
        fd[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(fd[0] >= 0);
        close(listener);
    }
}

/* --- what a test records -------------------------------------------------- */

enum { MUCH = 1 << 20 };

struct talk {
    enum kind kind;
    int fd[2];
    union name name;
    socklen_t length;
    int rc[8];
    size_t n[4];
    nook_task *task;
    atomic_int turns;
    unsigned char buffer[MUCH];
};

static unsigned char sent[MUCH];
static struct talk talk;

static void fill_sent(void)
{
    uint32_t random = 1;
    for (size_t i = 0; i < MUCH; i++) {
        random = random * 1664525 + 1013904223;
        sent[i] = (unsigned char)(random >> 24);
    }
}

static struct talk *new_talk(enum kind kind)
{
    memset(&talk, 0, sizeof talk);
    talk.kind = kind;
    talk.fd[0] = talk.fd[1] = -1;
    return &talk;
}

static struct talk *open_talk(enum kind kind)
{
    open_pair(kind, new_talk(kind)->fd);
    return &talk;
}

static void close_talk(const struct talk *t)
{
    for (int i = 0; i < 2; i++)
        if (t->fd[i] >= 0)
            close(t->fd[i]);
}

/* The code of the join, or else what the task returned; and gives the task up. */
static int join_result(nook_task *task)
{
    int result = 0;
    int rc = nook_task_join(task, &result);
    nook_task_unref(task);
    return rc != 0 ? rc : result;
}

/* Cancels it, and waits until it has ended. */
static int stop(nook_task *task)
{
    int rc = nook_task_cancel(task);
    if (rc == 0)
        rc = nook_task_join(task, NULL);
    nook_task_unref(task);
    return rc == NOOK_ECANCELED ? 0 : rc;
}

#define FOR_EACH_WAY for (enum way way = 0; way < WAYS; way++)
#define FOR_EACH_KIND for (enum kind kind = 0; kind < KINDS; kind++)

/* --- all of it comes through ---------------------------------------------- */

/* A slow reader: odd sizes, and a turn for the others in between. */
static int read_slowly(void *arg)
{
    struct talk *t = arg;
    size_t got = 1;
    int rc = 0;
    while (rc == 0 && got != 0 && t->n[0] < MUCH) {
        size_t most = 1 + t->n[0] % 30011;
        rc = nook_read(t->fd[0], t->buffer + t->n[0],
                       most < MUCH - t->n[0] ? most : MUCH - t->n[0], &got);
        t->n[0] += got;
        if (rc == 0)
            rc = nook_yield();
    }
    if (rc == 0)
        rc = nook_read(t->fd[0], t->buffer, 1, &t->n[2]);
    return rc;
}

static int send_much(void *arg)
{
    struct talk *t = arg;
    nook_task *reader;
    t->n[2] = 99;
    int rc = nook_task_spawn(&reader, read_slowly, t, NULL);
    if (rc == 0)
        rc = nook_write_all(t->fd[1], sent, MUCH, &t->n[1]);
    if (rc == 0)
        rc = nook_close(t->fd[1]);
    t->fd[1] = -1;
    t->rc[0] = join_result(reader);
    return rc;
}

static void check_much(enum way way, enum kind kind)
{
    struct talk *t = open_talk(kind);
    int rc = run(way, send_much, t);
    close_talk(t);
    assert_int_equal(rc, 0);
    assert_int_equal(t->rc[0], 0);
    assert_int_equal(t->n[0], MUCH);
    assert_int_equal(t->n[1], MUCH);
    assert_int_equal(t->n[2], 0); /* and then the end */
    assert_memory_equal(t->buffer, sent, MUCH);
}

static void a_megabyte_comes_through_whatever_it_is(void **state)
{
    (void)state;
    FOR_EACH_WAY
    FOR_EACH_KIND
    check_much(way, kind);
}

static atomic_int alarms;

static void count_alarm(int signo)
{
    (void)signo;
    atomic_fetch_add(&alarms, 1);
}

static int send_under_alarms(void *arg)
{
    struct talk *t = arg;
    const struct itimerval storm = {{0, 500}, {0, 500}}, calm = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &storm, NULL);
    int rc = send_much(t);
    while (rc == 0 && atomic_load(&alarms) < 3)
        rc = nook_sleep(MS);
    setitimer(ITIMER_REAL, &calm, NULL);
    return rc;
}

static void a_storm_of_signals_interrupts_nothing(void **state)
{
    struct sigaction action = {.sa_handler = count_alarm, .sa_flags = SA_ONSTACK}, before;
    (void)state;
    sigaction(SIGALRM, &action, &before);
    for (enum way way = REAL; way < WAYS; way++) {
        struct talk *t = open_talk(way == REAL ? TCP : PIPE);
        atomic_store(&alarms, 0);
        int rc = run(way, send_under_alarms, t);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], 0);
        assert_true(atomic_load(&alarms) >= 3);
        assert_memory_equal(t->buffer, sent, MUCH);
    }
    sigaction(SIGALRM, &before, NULL);
}

/* --- some, and exactly ---------------------------------------------------- */

static int read_pieces(void *arg)
{
    struct talk *t = arg;
    if (write(t->fd[1], "abcdef", 6) != 6)
        return -1;
    t->rc[0] = nook_read(t->fd[0], t->buffer, 4, &t->n[0]);
    t->rc[1] = nook_read(t->fd[0], t->buffer + 4, 100, &t->n[1]);
    t->rc[2] = nook_read(t->fd[0], t->buffer, 0, &t->n[2]);
    t->rc[3] = nook_write(t->fd[1], "", 0, &t->n[3]);
    return 0;
}

static void some_bytes_are_as_many_as_there_are(void **state)
{
    (void)state;
    FOR_EACH_WAY
    FOR_EACH_KIND
    {
        struct talk *t = open_talk(kind);
        t->n[2] = t->n[3] = 99;
        int rc = run(way, read_pieces, t);
        close_talk(t);
        assert_int_equal(rc, 0);
        for (int i = 0; i < 4; i++)
            assert_int_equal(t->rc[i], 0);
        assert_int_equal(t->n[0], 4);
        assert_int_equal(t->n[1], 2);
        assert_int_equal(t->n[2], 0);
        assert_int_equal(t->n[3], 0);
        assert_memory_equal(t->buffer, "abcdef", 6);
    }
}

static int write_some(void *arg)
{
    struct talk *t = arg;
    t->rc[0] = nook_write(t->fd[1], sent, MUCH, &t->n[0]);
    while (t->n[1] < t->n[0]) {
        ssize_t n = read(t->fd[0], t->buffer + t->n[1], t->n[0] - t->n[1]);
        if (n <= 0)
            return -1;
        t->n[1] += (size_t)n;
    }
    return 0;
}

static void some_bytes_are_as_many_as_there_is_room_for(void **state)
{
    (void)state;
    FOR_EACH_WAY
    FOR_EACH_KIND
    {
        struct talk *t = open_talk(kind);
        int rc = run(way, write_some, t);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], 0);
        assert_true(t->n[0] > 0);
        if (kind == PIPE) /* which holds 64 KiB */
            assert_true(t->n[0] < MUCH);
        assert_memory_equal(t->buffer, sent, t->n[0]);
    }
}

static int read_ten_twice(void *arg)
{
    struct talk *t = arg;
    t->rc[0] = nook_read_exactly(t->fd[0], t->buffer, 10, &t->n[0]);
    t->rc[1] = nook_read_exactly(t->fd[0], t->buffer + 10, 10, &t->n[1]);
    t->rc[2] = nook_read_exactly(t->fd[0], t->buffer, 10, NULL);
    t->rc[3] = nook_read_exactly(t->fd[0], t->buffer, 0, &t->n[2]);
    return 0;
}

static int send_fourteen(void *arg)
{
    struct talk *t = arg;
    int rc = nook_task_spawn(&t->task, read_ten_twice, t, &on_first);
    for (int i = 0; rc == 0 && i < 7; i++) {
        rc = nook_sleep(MS);
        if (rc == 0)
            rc = nook_write_all(t->fd[1], sent + 2 * i, 2, NULL);
    }
    if (rc == 0)
        rc = nook_close(t->fd[1]);
    t->fd[1] = -1;
    return rc != 0 ? rc : join_result(t->task);
}

static void exactly_waits_for_all_or_says_how_many_there_were(void **state)
{
    (void)state;
    FOR_EACH_WAY
    FOR_EACH_KIND
    {
        struct talk *t = open_talk(kind);
        t->n[2] = 99;
        int rc = run(way, send_fourteen, t);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], 0);
        assert_int_equal(t->n[0], 10);
        assert_int_equal(t->rc[1], NOOK_EEND);
        assert_int_equal(t->n[1], 4);
        assert_int_equal(t->rc[2], NOOK_EEND);
        assert_int_equal(t->rc[3], 0);
        assert_int_equal(t->n[2], 0);
        assert_memory_equal(t->buffer, sent, 14);
    }
}

/* --- ended in the middle -------------------------------------------------- */

static int read_twenty(void *arg)
{
    struct talk *t = arg;
    t->rc[0] = nook_read_exactly(t->fd[0], t->buffer, 20, &t->n[0]);
    return 0;
}

/* The cancel comes when some bytes are in the buffer; then come the others. */
static int cancel_a_read(void *arg)
{
    struct talk *t = arg;
    int rc = nook_task_spawn(&t->task, read_twenty, t, &on_first);
    if (rc == 0)
        rc = nook_write_all(t->fd[1], sent, 7, NULL);
    if (rc == 0)
        rc = nook_sleep(20 * MS);
    if (rc == 0)
        rc = stop(t->task);
    if (rc == 0)
        rc = nook_write_all(t->fd[1], sent + 7, 13, NULL);
    t->rc[1] = nook_read_exactly(t->fd[0], t->buffer + t->n[0], 20 - t->n[0], &t->n[1]);
    return rc;
}

static void a_cancelled_read_loses_nothing(void **state)
{
    (void)state;
    FOR_EACH_WAY
    FOR_EACH_KIND
    {
        struct talk *t = open_talk(kind);
        int rc = run(way, cancel_a_read, t);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], NOOK_ECANCELED);
        assert_int_equal(t->n[0], 7);
        assert_int_equal(t->rc[1], 0);
        assert_memory_equal(t->buffer, sent, 20);
    }
}

/* Nobody reads: the time comes when some bytes are on their way. Then the rest goes. */
static int write_in_time(void *arg)
{
    struct talk *t = arg;
    nook_deadline deadline;
    int rc = nook_deadline_enter(&deadline, 5 * MS);
    t->rc[0] = nook_write_all(t->fd[1], sent, MUCH, &t->n[1]);
    t->rc[1] = nook_deadline_exit(&deadline);
    t->n[3] = t->n[1];
    if (rc == 0)
        rc = nook_task_spawn(&t->task, read_slowly, t, NULL);
    if (rc == 0)
        rc = nook_write_all(t->fd[1], sent + t->n[3], MUCH - t->n[3], &t->n[1]);
    if (rc == 0)
        rc = nook_close(t->fd[1]);
    t->fd[1] = -1;
    return rc != 0 ? rc : join_result(t->task);
}

static void a_write_says_how_far_it_came_in_time(void **state)
{
    const enum kind small[] = {PIPE, PAIR, UNIX}; /* less than a megabyte fits */
    (void)state;
    FOR_EACH_WAY
    for (size_t i = 0; i < 3; i++) {
        struct talk *t = open_talk(small[i]);
        int rc = run(way, write_in_time, t);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], NOOK_ECANCELED);
        assert_int_equal(t->rc[1], NOOK_ETIMEDOUT);
        assert_true(t->n[3] > 0 && t->n[3] < MUCH);
        assert_int_equal(t->n[3] + t->n[1], MUCH);
        assert_memory_equal(t->buffer, sent, MUCH);
    }
}

/* --- the other side goes -------------------------------------------------- */

static int write_to_nobody(void *arg)
{
    struct talk *t = arg;
    t->n[0] = t->n[1] = 99;
    t->rc[0] = nook_write(t->fd[1], "x", 1, &t->n[0]);
    t->rc[1] = nook_write_all(t->fd[1], "x", 1, &t->n[1]);
    return 0;
}

static int sigpipe_is(int (*in)(sigset_t *set))
{
    sigset_t set;
    sigemptyset(&set);
    return in(&set) == 0 && sigismember(&set, SIGPIPE);
}

static int mask_now(sigset_t *set)
{
    return pthread_sigmask(SIG_BLOCK, NULL, set);
}

static void nobody_reads_says_an_error_and_no_signal(void **state)
{
    (void)state;
    FOR_EACH_WAY
    for (enum kind kind = PIPE; kind <= UNIX; kind++) {
        struct talk *t = open_talk(kind);
        close(t->fd[0]);
        t->fd[0] = -1;
        int rc = run(way, write_to_nobody, t);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], -EPIPE);
        assert_int_equal(t->rc[1], -EPIPE);
        assert_int_equal(t->n[0], 0);
        assert_int_equal(t->n[1], 0);
        assert_false(sigpipe_is(mask_now));
        assert_false(sigpipe_is(sigpending));
    }
}

/* Who holds a SIGPIPE back has reasons: it is still there, and one of ours is not. */
static void a_held_back_sigpipe_is_left_alone(void **state)
{
    const struct timespec at_once = {0, 0};
    sigset_t broken;
    (void)state;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken, NULL);
    for (int theirs = 0; theirs < 2; theirs++) {
        struct talk *t = open_talk(PIPE);
        close(t->fd[0]);
        t->fd[0] = -1;
        if (theirs)
            raise(SIGPIPE);
        int rc = run(REAL, write_to_nobody, t);
        int blocked = sigpipe_is(mask_now), left = sigpipe_is(sigpending);
        (void)sigtimedwait(&broken, NULL, &at_once);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], -EPIPE);
        assert_true(blocked);
        assert_int_equal(left, theirs);
    }
    pthread_sigmask(SIG_UNBLOCK, &broken, NULL);
}

static int read_one(void *arg)
{
    struct talk *t = arg;
    t->rc[0] = nook_read(t->fd[0], t->buffer, 1, &t->n[0]);
    return 0;
}

static int reset_it(void *arg)
{
    struct talk *t = arg;
    const struct linger at_once = {1, 0};
    int rc = nook_task_spawn(&t->task, read_one, t, &on_first);
    if (rc == 0)
        rc = nook_sleep(MS);
    setsockopt(t->fd[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    t->rc[1] = nook_close(t->fd[1]);
    t->fd[1] = -1;
    return rc != 0 ? rc : join_result(t->task);
}

static void a_reset_comes_out_as_an_error(void **state)
{
    (void)state;
    FOR_EACH_WAY
    {
        struct talk *t = open_talk(TCP);
        int rc = run(way, reset_it, t);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], -ECONNRESET);
        assert_int_equal(t->rc[1], 0);
    }
}

/* --- closing -------------------------------------------------------------- */

static int read_there(void *arg)
{
    struct talk *t = arg;
    t->rc[0] = nook_read(t->fd[1], t->buffer, 1, &t->n[0]);
    return 0;
}

static int write_there(void *arg)
{
    struct talk *t = arg;
    do
        t->rc[1] = nook_write(t->fd[1], sent, MUCH, &t->n[1]);
    while (t->rc[1] == 0);
    return 0;
}

static int wait_there_for_both(void *arg)
{
    struct talk *t = arg;
    t->rc[0] = t->rc[1] = nook_wait_fd(t->fd[1], NOOK_READABLE | NOOK_WRITABLE, NULL);
    return 0;
}

static int close_under_two(void *arg)
{
    struct talk *t = arg;
    nook_task *writer;
    int number = t->fd[1];
    int rc = nook_task_spawn(&t->task, read_there, t, &on_first);
    if (rc == 0)
        rc = nook_task_spawn(&writer, write_there, t, &on_first);
    if (rc == 0)
        rc = nook_sleep(20 * MS);
    t->rc[2] = nook_close(t->fd[1]);
    t->rc[3] = nook_close(t->fd[1]);
    if (rc == 0)
        rc = join_result(t->task);
    if (rc == 0)
        rc = join_result(writer);
    /* The number comes back for another file: nothing of the old waits is left there. */
    t->fd[1] = dup(t->fd[0]);
    t->rc[4] = t->fd[1] == number;
    t->rc[5] = nook_wait_fd(t->fd[1], NOOK_READABLE, NULL);
    return rc;
}

static int close_under_one(void *arg)
{
    struct talk *t = arg;
    int rc = 0;
    while (rc == 0 && t->rc[6] == 0) { /* until there is no room */
        nook_deadline deadline;
        rc = nook_deadline_enter(&deadline, 5 * MS);
        t->rc[6] = nook_write(t->fd[1], sent, MUCH, &t->n[1]);
        t->rc[7] = nook_deadline_exit(&deadline);
    }
    if (rc == 0)
        rc = nook_task_spawn(&t->task, wait_there_for_both, t, &on_first);
    if (rc == 0)
        rc = nook_sleep(5 * MS);
    t->rc[2] = nook_close(t->fd[1]);
    t->rc[3] = nook_close(t->fd[1]);
    t->rc[4] = 1;
    t->fd[1] = -1;
    return rc != 0 ? rc : join_result(t->task);
}

static void closing_wakes_who_waits(void **state)
{
    const nook_task_fn tests[] = {close_under_two, close_under_one};
    (void)state;
    FOR_EACH_WAY
    for (int i = 0; i < 2; i++) {
        struct talk *t = open_talk(PAIR);
        int rc = run(way, tests[i], t);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], -EBADF);
        assert_int_equal(t->rc[1], -EBADF);
        assert_int_equal(t->rc[2], 0);
        assert_int_equal(t->rc[3], -EBADF);
        assert_int_equal(t->rc[4], 1);
        assert_int_equal(t->rc[5], 0);
    }
}

static void never_called(void *arg)
{
    (void)arg;
}

static int close_under_a_callback(void *arg)
{
    struct talk *t = arg;
    nook_handle *handle;
    int rc = nook_on_fd(&handle, t->fd[0], NOOK_READABLE, never_called, NULL, NULL);
    t->rc[0] = nook_close(t->fd[0]);
    if (rc == 0)
        rc = nook_handle_cancel(handle);
    t->rc[1] = nook_close(t->fd[0]);
    t->fd[0] = -1;
    nook_handle_unref(handle);
    return rc;
}

static void a_descriptor_with_a_callback_stays_open(void **state)
{
    (void)state;
    FOR_EACH_WAY
    {
        struct talk *t = open_talk(PIPE);
        int rc = run(way, close_under_a_callback, t);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], NOOK_EBUSY);
        assert_int_equal(t->rc[1], 0);
    }
}

/* --- what is refused ------------------------------------------------------ */

static int ask_wrongly(void *arg)
{
    struct talk *t = arg;
    union name name;
    int fd, regular = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int blocking = open_socket(TCP);
    socklen_t length = name_of(TCP, &name);
    int bound = bind(blocking, &name.any, length) == 0 && listen(blocking, 1) == 0;
    t->rc[0] = nook_read(t->fd[0], t->buffer, 1, &t->n[0]);
    t->rc[1] = nook_write(t->fd[1], "x", 1, &t->n[1]);
    t->rc[2] = nook_read(regular, t->buffer, 1, &t->n[2]);
    t->rc[3] = nook_accept(&fd, blocking, NULL, NULL);
    t->rc[4] = nook_read(-1, t->buffer, 1, &t->n[3]);
    t->rc[5] = nook_read(t->fd[0], t->buffer, 1, NULL);
    t->rc[6] = nook_connect(blocking, NULL, 0);
    t->rc[7] = nook_accept(NULL, blocking, NULL, NULL);
    close(regular);
    close(blocking);
    return bound ? 0 : -1;
}

static void what_could_stop_a_worker_is_refused(void **state)
{
    const int wanted[] = {NOOK_EINVAL, NOOK_EINVAL, NOOK_EINVAL, NOOK_EINVAL,
                          -EBADF,      NOOK_EINVAL, NOOK_EINVAL, NOOK_EINVAL};
    (void)state;
    FOR_EACH_WAY
    {
        struct talk *t = new_talk(PIPE);
        assert_int_equal(pipe2(t->fd, O_CLOEXEC), 0);
        int rc = run(way, ask_wrongly, t);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_memory_equal(t->rc, wanted, sizeof wanted);
    }
}

static void outside_a_task_there_is_no_waiting(void **state)
{
    struct talk *t = open_talk(PAIR);
    int fd;
    (void)state;
    t->length = name_of(UNIX, &t->name);
    assert_int_equal(nook_read(t->fd[0], t->buffer, 1, &t->n[0]), NOOK_ENOTASK);
    assert_int_equal(nook_read_exactly(t->fd[0], t->buffer, 1, NULL), NOOK_ENOTASK);
    assert_int_equal(nook_write(t->fd[1], "x", 1, &t->n[0]), NOOK_ENOTASK);
    assert_int_equal(nook_write_all(t->fd[1], "x", 1, NULL), NOOK_ENOTASK);
    assert_int_equal(nook_accept(&fd, t->fd[0], NULL, NULL), NOOK_ENOTASK);
    assert_int_equal(nook_connect(t->fd[0], &t->name.any, t->length), NOOK_ENOTASK);
    assert_int_equal(nook_close(t->fd[0]), 0);
    assert_int_equal(nook_close(t->fd[0]), -EBADF);
    assert_int_equal(nook_listen(NULL, &t->name.any, t->length, 1), NOOK_EINVAL);
    assert_int_equal(nook_listen(&fd, NULL, t->length, 1), NOOK_EINVAL);
    assert_int_equal(nook_listen(&fd, &t->name.any, 1, 1), NOOK_EINVAL);
    t->fd[0] = -1;
    close_talk(t);
}

static int read_beside_another(void *arg)
{
    struct talk *t = arg;
    int rc = nook_task_spawn(&t->task, read_one, t, &on_first);
    if (rc == 0)
        rc = nook_sleep(MS);
    t->rc[1] = nook_read(t->fd[0], t->buffer, 1, &t->n[1]);
    if (rc == 0)
        rc = nook_write_all(t->fd[1], "x", 1, NULL);
    return rc != 0 ? rc : join_result(t->task);
}

static void one_task_for_each_direction(void **state)
{
    (void)state;
    FOR_EACH_WAY
    {
        struct talk *t = open_talk(PAIR);
        int rc = run(way, read_beside_another, t);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], 0);
        assert_int_equal(t->rc[1], NOOK_EBUSY);
    }
}

static int keep_errno(void *arg)
{
    struct talk *t = arg;
    size_t n;
    errno = 77;
    t->rc[0] = nook_read(-1, t->buffer, 1, &n) == -EBADF && errno == 77;
    t->rc[1] = nook_write(t->fd[1], "x", 1, &n) == 0 && errno == 77;
    t->rc[2] = nook_read(t->fd[0], t->buffer, 1, &n) == 0 && errno == 77;
    nook_deadline deadline;
    int rc = nook_deadline_enter(&deadline, MS);
    t->rc[3] = nook_read(t->fd[0], t->buffer, 1, &n) == NOOK_ECANCELED && errno == 77;
    t->rc[4] = nook_deadline_exit(&deadline) == NOOK_ETIMEDOUT && errno == 77;
    t->rc[5] = nook_close(-1) == -EBADF && errno == 77;
    return rc;
}

static void errno_stays_as_it_was(void **state)
{
    const nook_run_options options = {.save_errno = 1}; /* others on the worker may set it */
    (void)state;
    FOR_EACH_WAY
    FOR_EACH_KIND
    {
        struct talk *t = open_talk(kind);
        int result = -1;
        assert_int_equal(run_by(way, keep_errno, t, &options, &result), 0);
        close_talk(t);
        assert_int_equal(result, 0);
        for (int i = 0; i < 6; i++)
            assert_int_equal(t->rc[i], 1);
    }
}

/* --- fairness ------------------------------------------------------------- */

static int read_for_ever(void *arg)
{
    struct talk *t = arg;
    while (t->rc[0] == 0)
        t->rc[0] = nook_read(t->fd[0], t->buffer, 1, &t->n[0]);
    return 0;
}

static int take_turns(void *arg)
{
    struct talk *t = arg;
    int rc = nook_task_spawn(&t->task, read_for_ever, t, &on_first);
    for (int i = 0; rc == 0 && i < 100; i++)
        rc = nook_yield();
    return rc != 0 ? rc : stop(t->task);
}

/* /dev/zero never makes anybody wait. */
static void who_never_has_to_wait_lets_others_run(void **state)
{
    (void)state;
    FOR_EACH_WAY
    {
        struct talk *t = new_talk(PIPE);
        t->fd[0] = open("/dev/zero", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        int rc = run(way, take_turns, t);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], NOOK_ECANCELED);
    }
}

/* --- connections ---------------------------------------------------------- */

static int call_and_greet(void *arg)
{
    struct talk *t = arg;
    t->fd[1] = open_socket(t->kind);
    t->rc[0] = nook_connect(t->fd[1], &t->name.any, t->length);
    return t->rc[0] != 0 ? 0 : nook_write_all(t->fd[1], "hello", 5, NULL);
}

static int welcome(void *arg)
{
    struct talk *t = arg;
    union name peer = {.any = {0}};
    socklen_t length = sizeof peer;
    int fd = -1, listener = listen_somewhere(t->kind, 5, &t->name, &t->length);
    if (listener < 0)
        return listener;
    int rc = nook_task_spawn(&t->task, call_and_greet, t, NULL);
    if (rc == 0)
        rc = nook_accept(&fd, listener, &peer.any, &length);
    t->fd[0] = fd;
    t->rc[1] = peer.any.sa_family == t->name.any.sa_family;
    t->rc[2] = (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC;
    if (rc == 0)
        rc = nook_read_exactly(fd, t->buffer, 5, NULL);
    close(listener);
    return rc != 0 ? rc : join_result(t->task);
}

static void who_connects_is_accepted(void **state)
{
    (void)state;
    FOR_EACH_WAY
    for (enum kind kind = UNIX; kind <= TCP; kind++) {
        struct talk *t = new_talk(kind);
        int rc = run(way, welcome, t);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], 0);
        assert_int_equal(t->rc[1], 1);
        assert_int_equal(t->rc[2], 1);
        assert_memory_equal(t->buffer, "hello", 5);
    }
}

static void ports_are_numbers(void **state)
{
    const char *const wrong[][2] = {
        {"127.0.0.1", NULL}, {"localhost", "0"}, {"127.0.0.1", "http"}};
    union name name;
    socklen_t length = sizeof name;
    int fd = -1, taken = -1;
    char port[8];
    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(nook_listen_tcp(&fd, wrong[i][0], wrong[i][1], 1), NOOK_EINVAL);
    assert_int_equal(nook_listen_tcp(NULL, "127.0.0.1", "0", 1), NOOK_EINVAL);
    assert_int_equal(fd, -1);
    assert_int_equal(nook_listen_tcp(&fd, "127.0.0.1", "0", 1), 0);
    assert_int_equal(getsockname(fd, &name.any, &length), 0);
    assert_int_equal(name.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    snprintf(port, sizeof port, "%d", ntohs(name.in.sin_port));
    assert_int_equal(nook_listen_tcp(&taken, "127.0.0.1", port, 1), -EADDRINUSE);
    close(connect_outside(TCP, &name, length));
    assert_int_equal(taken, -1);
    close(fd);
    assert_int_equal(nook_listen_tcp(&fd, NULL, "0", 1), 0);
    close(fd);
}

static int call_nobody(void *arg)
{
    struct talk *t = arg;
    close(listen_somewhere(t->kind, 1, &t->name, &t->length));
    return call_and_greet(t);
}

static void nobody_listens(void **state)
{
    (void)state;
    FOR_EACH_WAY
    for (enum kind kind = UNIX; kind <= TCP; kind++) {
        struct talk *t = new_talk(kind);
        int rc = run(way, call_nobody, t);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], -ECONNREFUSED);
    }
}

enum { CROWD = 3 };

/* The listener's queue is full: nothing comes of the connect until somebody accepts. */
static int call_in_a_crowd(void *arg)
{
    struct talk *t = arg;
    nook_deadline deadline;
    int rc = nook_deadline_enter(&deadline, 50 * MS);
    int greeted = call_and_greet(t);
    t->rc[1] = nook_deadline_exit(&deadline);
    return rc != 0 ? rc : greeted;
}

static void a_deadline_ends_a_connect(void **state)
{
    (void)state;
    FOR_EACH_WAY
    for (enum kind kind = UNIX; kind <= TCP; kind++) {
        struct talk *t = new_talk(kind);
        int crowd[CROWD], listener = listen_somewhere(kind, 0, &t->name, &t->length);
        for (int i = 0; i < CROWD; i++) {
            crowd[i] = socket(t->name.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
            (void)connect(crowd[i], &t->name.any, t->length);
        }
        int rc = run(way, call_in_a_crowd, t);
        for (int i = 0; i < CROWD; i++)
            close(crowd[i]);
        close(listener);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], NOOK_ECANCELED);
        assert_int_equal(t->rc[1], NOOK_ETIMEDOUT);
    }
}

static int call_when_there_is_room(void *arg)
{
    struct talk *t = arg;
    int fd[2] = {-1, -1}, listener = listen_somewhere(UNIX, 0, &t->name, &t->length);
    int first = open_socket(UNIX);
    int rc = nook_connect(first, &t->name.any, t->length);
    if (rc == 0)
        rc = nook_task_spawn(&t->task, call_and_greet, t, &on_first);
    if (rc == 0)
        rc = nook_sleep(10 * MS);
    t->rc[1] = nook_task_done(t->task);
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = nook_accept(&fd[i], listener, NULL, NULL);
    if (rc == 0)
        rc = join_result(t->task);
    close(fd[0]);
    close(fd[1]);
    close(first);
    close(listener);
    return rc;
}

static void a_full_unix_listener_is_waited_for(void **state)
{
    (void)state;
    FOR_EACH_WAY
    {
        struct talk *t = new_talk(UNIX);
        int rc = run(way, call_when_there_is_room, t);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], 0);
        assert_int_equal(t->rc[1], 0);
    }
}

static int accept_one(void *arg)
{
    struct talk *t = arg;
    t->rc[0] = nook_accept(&t->fd[0], t->fd[1], NULL, NULL);
    return 0;
}

static int stop_accepting(void *arg)
{
    struct talk *t = arg;
    int rc = nook_task_spawn(&t->task, accept_one, t, &on_first);
    if (rc == 0)
        rc = nook_sleep(MS);
    if (rc == 0 && t->rc[1] == 1) { /* the listener goes */
        rc = nook_close(t->fd[1]);
        t->fd[1] = -1;
        return rc != 0 ? rc : join_result(t->task);
    }
    return rc != 0 ? rc : stop(t->task);
}

static void an_accept_ends_by_a_cancel_or_a_close(void **state)
{
    (void)state;
    FOR_EACH_WAY
    for (int closed = 0; closed < 2; closed++) {
        struct talk *t = new_talk(TCP);
        t->rc[1] = closed;
        t->fd[1] = listen_somewhere(TCP, 5, &t->name, &t->length);
        int rc = run(way, stop_accepting, t);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], closed ? -EBADF : NOOK_ECANCELED);
    }
}

/* No descriptor is left; the connection waits until there is one. */
static int accept_without_room(void *arg)
{
    struct talk *t = arg;
    struct rlimit before, none;
    int next = dup(t->fd[1]);
    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = (rlim_t)next;
    setrlimit(RLIMIT_NOFILE, &none);
    t->rc[0] = nook_accept(&t->fd[0], t->fd[1], NULL, NULL);
    t->rc[1] = nook_accept(&t->fd[0], t->fd[1], NULL, NULL);
    setrlimit(RLIMIT_NOFILE, &before);
    t->rc[2] = nook_accept(&t->fd[0], t->fd[1], NULL, NULL);
    return 0;
}

static void without_descriptors_a_connection_waits(void **state)
{
    (void)state;
    FOR_EACH_WAY
    {
        struct talk *t = new_talk(TCP);
        t->fd[1] = listen_somewhere(TCP, 5, &t->name, &t->length);
        int client = connect_outside(TCP, &t->name, t->length);
        int rc = run(way, accept_without_room, t);
        close(client);
        close_talk(t);
        assert_int_equal(rc, 0);
        assert_int_equal(t->rc[0], -EMFILE);
        assert_int_equal(t->rc[1], -EMFILE);
        assert_int_equal(t->rc[2], 0);
    }
}

/* --- many ----------------------------------------------------------------- */

enum { CLIENTS = 60, LENGTH = 9000 };

struct crowd {
    union name name;
    socklen_t length;
    int listener;
    atomic_int echoed, reset, wrong, served;
};

static int echo(void *arg)
{
    int fd = (int)(intptr_t)arg, rc = 0;
    char buffer[2000];
    size_t n = 1;
    while (rc == 0 && n > 0) {
        rc = nook_read(fd, buffer, sizeof buffer, &n);
        if (rc == 0)
            rc = nook_write_all(fd, buffer, n, NULL);
    }
    return nook_close(fd);
}

static int accept_all(void *arg)
{
    struct crowd *crowd = arg;
    int fd, rc;
    while ((rc = nook_accept(&fd, crowd->listener, NULL, NULL)) == 0) {
        rc = nook_task_spawn(NULL, echo, value_of(fd), NULL);
        if (rc != 0)
            break;
        atomic_fetch_add(&crowd->served, 1);
    }
    return rc;
}

struct client {
    struct crowd *crowd;
    int number;
    unsigned char got[LENGTH];
};

/* Every fourth one goes in the middle, without a goodbye. */
static int converse(struct client *client, int fd)
{
    const unsigned char *words = sent + client->number * 1000;
    const struct linger at_once = {1, 0};
    int rc = nook_write_all(fd, words, LENGTH, NULL);
    if (rc == 0 && client->number % 4 == 3) {
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        atomic_fetch_add(&client->crowd->reset, 1);
        return 0;
    }
    if (rc == 0)
        rc = nook_read_exactly(fd, client->got, LENGTH, NULL);
    if (rc == 0)
        atomic_fetch_add(memcmp(client->got, words, LENGTH) == 0 ? &client->crowd->echoed
                                                                 : &client->crowd->wrong,
                         1);
    return rc;
}

static int visit(void *arg)
{
    struct client *client = arg;
    int fd = open_socket(TCP);
    int rc = nook_connect(fd, &client->crowd->name.any, client->crowd->length);
    if (rc == 0)
        rc = converse(client, fd);
    (void)nook_close(fd);
    return rc;
}

static int receive_crowd(void *arg)
{
    static struct client clients[CLIENTS];
    struct crowd *crowd = arg;
    nook_task *server, *tasks[CLIENTS];
    int results[CLIENTS] = {0};
    crowd->listener = listen_somewhere(TCP, CLIENTS, &crowd->name, &crowd->length);
    int rc = nook_task_spawn(&server, accept_all, crowd, NULL);
    for (int i = 0; rc == 0 && i < CLIENTS; i++) {
        clients[i].crowd = crowd;
        clients[i].number = i;
        rc = nook_task_spawn(&tasks[i], visit, &clients[i], NULL);
    }
    if (rc != 0)
        return rc;
    rc = nook_gather(tasks, CLIENTS, results);
    for (int i = 0; i < CLIENTS; i++) {
        rc = rc != 0 ? rc : results[i];
        nook_task_unref(tasks[i]);
    }
    while (rc == 0 && atomic_load(&crowd->served) < CLIENTS)
        rc = nook_sleep(MS);
    (void)nook_close(crowd->listener);
    return rc != 0 ? rc : join_result(server);
}

static void many_connections_and_some_that_break_off(void **state)
{
    (void)state;
    FOR_EACH_WAY
    {
        struct crowd crowd = {.listener = -1};
        assert_int_equal(run(way, receive_crowd, &crowd), -EBADF); /* how the server ended */
        assert_int_equal(atomic_load(&crowd.echoed), CLIENTS * 3 / 4);
        assert_int_equal(atomic_load(&crowd.reset), CLIENTS / 4);
        assert_int_equal(atomic_load(&crowd.wrong), 0);
        assert_int_equal(atomic_load(&crowd.served), CLIENTS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(a_megabyte_comes_through_whatever_it_is),
        task_test(a_storm_of_signals_interrupts_nothing),
        task_test(some_bytes_are_as_many_as_there_are),
        task_test(some_bytes_are_as_many_as_there_is_room_for),
        task_test(exactly_waits_for_all_or_says_how_many_there_were),
        task_test(a_cancelled_read_loses_nothing),
        task_test(a_write_says_how_far_it_came_in_time),
        task_test(nobody_reads_says_an_error_and_no_signal),
        task_test(a_held_back_sigpipe_is_left_alone),
        task_test(a_reset_comes_out_as_an_error),
        task_test(closing_wakes_who_waits),
        task_test(a_descriptor_with_a_callback_stays_open),
        task_test(what_could_stop_a_worker_is_refused),
        task_test(outside_a_task_there_is_no_waiting),
        task_test(one_task_for_each_direction),
        task_test(errno_stays_as_it_was),
        task_test(who_never_has_to_wait_lets_others_run),
        task_test(who_connects_is_accepted),
        task_test(ports_are_numbers),
        task_test(nobody_listens),
        task_test(a_deadline_ends_a_connect),
        task_test(a_full_unix_listener_is_waited_for),
        task_test(an_accept_ends_by_a_cancel_or_a_close),
        task_test(without_descriptors_a_connection_waits),
        task_test(many_connections_and_some_that_break_off),
    };
    fill_sent();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
