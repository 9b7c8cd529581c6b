/* SPDX-License-Identifier: MIT */
/*
 * Invariant: while our handler is in place, or covered by another that may
 * chain to it, `previous` is what it replaced and chains to. The handler only
 * reads what was written before it was put in place, so it needs no lock.
 *
 * This is the one place in the library that writes to standard error: the
 * program is about to die, and its next word would be "Segmentation fault".
 */
#include "task/overflow.h"
#include "task/stack.h"
#include <nook/error.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A frame of the kernel with AVX-512 alone takes 3.5 KiB; describe and a
 * sanitizer's report need more. */
#define ALTERNATE_SIZE ((size_t)64 * 1024)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned installs;
static int covered; /* at the last uninstall another handler stood over ours */
static struct sigaction previous;
static nook__overflow_describe describe_task;

/* --- the message: no stdio in a signal handler ---------------------------- */

struct text {
    char bytes[512];
    size_t used;
};

static void add(struct text *text, const char *words)
{
    size_t length = strlen(words), room = sizeof text->bytes - text->used;
    if (length > room)
        length = room;
    memcpy(text->bytes + text->used, words, length);
    text->used += length;
}

static void add_number(struct text *text, size_t n)
{
    char digits[24];
    char *at = digits + sizeof digits;
    *--at = '\0';
    do {
        *--at = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    add(text, at);
}

static void say(const struct text *text)
{
    size_t done = 0;
    while (done < text->used) {
        ssize_t n = write(STDERR_FILENO, text->bytes + done, text->used - done);
        if (n <= 0)
            return;
        done += (size_t)n;
    }
}

static void report(const struct nook__stack *stack, const char *address)
{
    struct text text = {.used = 0};
    const char *who = describe_task();
    add(&text, "nook: stack overflow in ");
    add(&text, who != NULL ? who : "a task");
    add(&text, ": its stack has ");
    add_number(&text, stack->size);
    add(&text, " bytes, and it reached ");
    add_number(&text, (size_t)(stack->low - address));
    add(&text, " below. Raise stack_size in the options of the task or of the run.\n");
    say(&text);
}

/* --- the handler ---------------------------------------------------------- */

/*
 * The default action, for this very fault: on return the instruction faults
 * again and the kernel finds no handler. A signal that somebody sent does not
 * come again by itself.
 */
static void fall_back(int number, const siginfo_t *info)
{
    struct sigaction fallback;
    memset(&fallback, 0, sizeof fallback);
    fallback.sa_handler = SIG_DFL;
    sigaction(number, &fallback, NULL);
    if (info->si_code <= 0)
        raise(number);
}

/* A fault that is ignored kills all the same; a sent signal does not. */
static void chain(int number, siginfo_t *info, void *context)
{
    if ((previous.sa_flags & SA_SIGINFO) != 0)
        previous.sa_sigaction(number, info, context);
    else if (previous.sa_handler == SIG_IGN && info->si_code <= 0)
        return;
    else if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN)
        fall_back(number, info);
    else
        previous.sa_handler(number);
}

/* Sent signals (si_code <= 0) carry no address. The code of a fault says
 * nothing here: the two kinds of guard give different ones. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    struct nook__stack stack;
    if (info->si_code > 0 && nook__stack_owner(info->si_addr, &stack))
        report(&stack, info->si_addr);
    chain(number, info, context);
}

static int ours_is_in_place(void)
{
    struct sigaction now;
    return sigaction(SIGSEGV, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
           now.sa_sigaction == on_fault;
}

/* If a handler that chains to us was put over ours, then to install over it
 * would close a circle. We are still reached through it. */
static int put_in_place(void)
{
    struct sigaction ours;
    if (covered || ours_is_in_place()) {
        covered = covered && !ours_is_in_place();
        return 0;
    }
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    if (sigaction(SIGSEGV, NULL, &previous) != 0 || sigaction(SIGSEGV, &ours, NULL) != 0)
        return NOOK_EINVAL;
    return 0;
}

int nook__overflow_install(nook__overflow_describe describe)
{
    int rc = 0;
    if (describe == NULL)
        return NOOK_EINVAL;
    pthread_mutex_lock(&lock);
    if (installs == 0) {
        describe_task = describe;
        rc = put_in_place();
    }
    if (rc == 0)
        installs++;
    pthread_mutex_unlock(&lock);
    return rc;
}

void nook__overflow_uninstall(void)
{
    pthread_mutex_lock(&lock);
    if (installs > 0 && --installs == 0) {
        covered = !ours_is_in_place();
        if (!covered)
            sigaction(SIGSEGV, &previous, NULL);
    }
    pthread_mutex_unlock(&lock);
}

void nook__overflow_fork(int before)
{
    if (before)
        pthread_mutex_lock(&lock);
    else
        pthread_mutex_unlock(&lock);
}

/* --- the alternate stack -------------------------------------------------- */

int nook__overflow_thread_enter(struct nook__overflow_thread *thread)
{
    stack_t stack;
    memset(thread, 0, sizeof *thread);
    if (sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE) == 0)
        return 0;
    void *memory = mmap(NULL, ALTERNATE_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NOOK_ENOMEM;
    memset(&stack, 0, sizeof stack);
    stack.ss_sp = memory;
    stack.ss_size = ALTERNATE_SIZE;
    if (sigaltstack(&stack, NULL) != 0) {
        munmap(memory, ALTERNATE_SIZE);
        return NOOK_ENOMEM;
    }
    thread->memory = memory;
    thread->size = ALTERNATE_SIZE;
    return 0;
}

/* Somebody may have put another alternate stack over ours; that one stays. */
void nook__overflow_thread_leave(struct nook__overflow_thread *thread)
{
    stack_t stack;
    if (thread->memory == NULL)
        return;
    if (sigaltstack(NULL, &stack) == 0 && stack.ss_sp == thread->memory) {
        memset(&stack, 0, sizeof stack);
        stack.ss_flags = SS_DISABLE;
        sigaltstack(&stack, NULL);
    }
    munmap(thread->memory, thread->size);
    memset(thread, 0, sizeof *thread);
}
