/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES = 4096 };

struct line lines[LINES];
int n_lines;

void die(const char *why)
{
    fprintf(stderr, "%s\n", why);
    exit(2);
}

/* --- lines ------------------------------------------------------------------------ */

static void add_line(const char *text)
{
    if (n_lines == LINES)
        die("a program is too long");
    struct line *l = &lines[n_lines++];
    (void)snprintf(l->text, sizeof l->text, "%s", text);
    l->words = 0;
    char *rest = l->text;
    for (char *word; (word = strtok_r(rest, " \n", &rest)) != NULL;)
        if (l->words < WORDS)
            l->word[l->words++] = word;
}

static int play_one(int (*play)(void))
{
    if (n_lines == 0)
        return 1;
    add_line("end");
    int clean = play();
    n_lines = 0;
    (void)fflush(stdout);
    return clean;
}

int play_all(int (*play)(void))
{
    char text[96];
    int clean = 1;
    while (fgets(text, sizeof text, stdin) != NULL) {
        if (strncmp(text, "program ", 8) != 0) {
            add_line(text);
            continue;
        }
        clean &= play_one(play);
        fputs(text, stdout);
    }
    clean &= play_one(play);
    return clean ? 0 : 1;
}

int is(int at, const char *word)
{
    return strcmp(lines[at].word[0], word) == 0;
}

int end_of(int at, int (*is_block)(int at))
{
    int depth = 0;
    do {
        depth += is_block(at) ? 1 : -is(at, "end");
        at++;
    } while (depth != 0);
    return at;
}

int number_of(const char *word)
{
    return (int)strtol(word, NULL, 10);
}

int slot(const char *name, int *highest)
{
    int n = number_of(name + 1);
    if (n < 0 || n >= NAMES)
        die("too many names");
    if (n > *highest)
        *highest = n;
    return n;
}

/* --- values ------------------------------------------------------------------------ */

long numbers_alive;

static void number_retain(void *value, void *user)
{
    (void)user;
    if (value != NULL)
        ((struct number *)value)->held++;
}

void number_release(void *value, void *user)
{
    struct number *number = value;
    (void)user;
    if (number == NULL || --number->held != 0)
        return;
    free(number);
    numbers_alive--;
}

static int number_equal(void *a, void *b, void *user)
{
    const struct number *x = a, *y = b;
    (void)user;
    return x != NULL && y != NULL && x->n == y->n;
}

const nook_value_ops number_ops = {number_retain, number_release, number_equal, NULL,
                                   NOOK_INHERIT_COPY};

struct number *number_new(const char *word)
{
    if (strcmp(word, "none") == 0)
        return NULL;
    struct number *number = malloc(sizeof *number);
    if (number == NULL)
        die("out of memory");
    *number = (struct number){1, number_of(word)};
    numbers_alive++;
    return number;
}

const char *number_text(const struct number *number)
{
    static char text[16];
    if (number == NULL)
        return "none";
    (void)snprintf(text, sizeof text, "%d", number->n);
    return text;
}

const char *reset_text(int rc)
{
    switch (rc) {
    case 0:
        return "ok";
    case NOOK_EUSED:
        return "used";
    case NOOK_EWRONGVAR:
        return "wrong-variable";
    case NOOK_EWRONGCONTEXT:
        return "wrong-context";
    default:
        return nook_err_name(rc);
    }
}

int leaves_nothing(void)
{
    nook_context_counts c = {0, 0, 0, 0};
    nook_thread_detach();
    (void)nook_context_count(&c); /* zeroes where the library does not count */
    if ((c.contexts | c.nodes | c.vars | c.tokens | numbers_alive) == 0)
        return 1;
    fprintf(stderr, "alive: %ld contexts, %ld nodes, %ld variables, %ld tokens, %ld values\n",
            c.contexts, c.nodes, c.vars, c.tokens, numbers_alive);
    return 0;
}
