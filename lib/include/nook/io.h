/* SPDX-License-Identifier: MIT */
/*
 * I/O on sockets and pipes, for tasks: each call tries at once, and parks where it
 * would have to wait. docs/io.md says why things are as they are.
 *
 * Descriptors. What nook makes is non-blocking and close-on-exec, and connect makes its
 * socket so. Sockets are read and written without waiting whatever their flags are.
 * Everything else must have O_NONBLOCK; where it has not, the answer is NOOK_EINVAL,
 * because the call could stop a whole worker, and because the flag belongs to everybody
 * who shares the open file: it is not nook's to set. A regular file is always ready for
 * the kernel, and its disk is not: read it in nook_to_thread.
 *
 * Errors are negative codes: nook's own, or the errno of the call, such as -ECONNRESET
 * or -EBADF. errno itself stays as it was. EINTR and EAGAIN never come out, and SIGPIPE
 * is never raised: -EPIPE says it all.
 *
 * Time and cancellation. A deadline scope (nook_deadline_enter) is the timeout of
 * everything in it; no call has one of its own. A call that is cancelled, NOOK_ECANCELED,
 * lost nothing: what was moved by then is counted where the caller asked to be told, and
 * the rest is still in the kernel.
 *
 * Fairness. A task whose calls never have to wait yields now and then before one, so that
 * a quick peer does not keep the worker.
 *
 * One task at a time for each descriptor and direction: another one is told NOOK_EBUSY
 * where it would have to wait. The calls may park, and are for tasks: NOOK_ENOTASK.
 */
#ifndef NOOK_IO_H
#define NOOK_IO_H

#include <nook/error.h>
#include <nook/export.h>
#include <stddef.h>
#include <sys/socket.h>

NOOK_BEGIN_DECLS

/*
 * Some bytes: as many as there are, at most `size`, at least 1; *got says how many. 0
 * bytes: the other side has ended, or `size` is 0. Of a datagram socket, one datagram.
 * On an error *got is 0.
 * NOOK_EINVAL: got is NULL, or the descriptor blocks. NOOK_EBUSY, NOOK_ECANCELED,
 * NOOK_ENOTASK, NOOK_ENOMEM, or a negative errno.
 */
NOOK_API NOOK_NODISCARD int nook_read(int fd, void *buffer, size_t size, size_t *got);

/*
 * Exactly `size` bytes, StreamReader.readexactly. *got (may be NULL) says how many are in
 * the buffer, also on an error: begin the next call behind them.
 * NOOK_EEND: the other side ended before. Else as nook_read.
 */
NOOK_API NOOK_NODISCARD int nook_read_exactly(int fd, void *buffer, size_t size, size_t *got);

/*
 * Some bytes: as many as there is room for, at most `size`, at least 1 unless that is 0;
 * *put says how many. On an error *put is 0. -EPIPE: nobody will read it.
 * Else as nook_read.
 */
NOOK_API NOOK_NODISCARD int nook_write(int fd, const void *buffer, size_t size, size_t *put);

/*
 * All of it. *put (may be NULL) says how many went, also on an error: after a cancel the
 * next call may begin behind them. Errors as nook_write.
 */
NOOK_API NOOK_NODISCARD int nook_write_all(int fd, const void *buffer, size_t size,
                                           size_t *put);

/*
 * A stream socket that listens at an address: socket, SO_REUSEADDR, bind, listen. *out is
 * the caller's to close. Does not park, and is for any thread.
 * NOOK_EINVAL: out or address is NULL, or length is too small. Or a negative errno, such as
 * -EADDRINUSE.
 */
NOOK_API int nook_listen(int *out, const struct sockaddr *address, socklen_t length,
                         int backlog);

/*
 * The same on a TCP port: numbers as text, such as "127.0.0.1" or "::1", and "7007"; port
 * "0" is a free one. host NULL: every address of the machine. No name is looked up.
 * NOOK_EINVAL: out or port is NULL, or the numbers are none. Else as nook_listen.
 */
NOOK_API int nook_listen_tcp(int *out, const char *host, const char *port, int backlog);

/*
 * The next connection; *out is the caller's to close. `peer` and `length` as accept(2) has
 * them; both may be NULL. A connection that was gone before it was taken is passed over.
 * NOOK_EINVAL: out is NULL, or the listener blocks. -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM:
 * nothing is left for another connection; it goes on waiting, and the next call says the
 * same at once: sleep before it. NOOK_EBUSY, NOOK_ECANCELED, NOOK_ENOTASK, or a negative
 * errno.
 */
NOOK_API int nook_accept(int *out, int listener, struct sockaddr *peer, socklen_t *length);

/*
 * Connects a socket, which from now on is non-blocking, and waits until that is done.
 * After an error, NOOK_ECANCELED among them, there is nothing to do with it but to close
 * it. Names are not looked up here: getaddrinfo belongs into nook_to_thread.
 * NOOK_EINVAL: address is NULL. -ECONNREFUSED, -ETIMEDOUT (the kernel's time, not a
 * scope's: that is NOOK_ECANCELED here) and the like; NOOK_EBUSY, NOOK_ECANCELED,
 * NOOK_ENOTASK.
 */
NOOK_API int nook_connect(int fd, const struct sockaddr *address, socklen_t length);

/*
 * Closes a descriptor, and wakes every task of this run that waits for it: their calls
 * answer -EBADF. From a task or a callback; elsewhere it is close(2). Does not park.
 * Who comes to the descriptor later may find another file behind its number, as ever.
 * NOOK_EBUSY: a callback watches it, nothing was closed; cancel that first. Or a negative
 * errno; then it is closed all the same, unless that is -EBADF.
 */
NOOK_API int nook_close(int fd);

NOOK_END_DECLS

#endif
