/* SPDX-License-Identifier: MIT */
/*
 * How the values of variables are printed. A printer is called with no lock held;
 * an entry holds a reference to its variable.
 */
#include "dump.h"

#include <stdio.h>
#include <stdlib.h>

struct printer {
    struct printer *next;
    nook_var *var;
    nook_dump_print print;
    void *user;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct printer *printers;

void nook__printer_fork(int before)
{
    if (before)
        pthread_mutex_lock(&lock);
    else
        pthread_mutex_unlock(&lock);
}

static struct printer **find(const nook_var *var)
{
    struct printer **at = &printers;
    while (*at != NULL && (*at)->var != var)
        at = &(*at)->next;
    return at;
}

static void forget(const nook_var *var)
{
    pthread_mutex_lock(&lock);
    struct printer **at = find(var), *gone = *at;
    if (gone != NULL)
        *at = gone->next;
    pthread_mutex_unlock(&lock);
    if (gone != NULL)
        nook_var_unref(gone->var);
    free(gone);
}

int nook_dump_printer(nook_var *var, nook_dump_print print, void *user)
{
    if (var == NULL)
        return NOOK_EINVAL;
    if (print == NULL) {
        forget(var);
        return 0;
    }
    struct printer *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NOOK_ENOMEM;
    pthread_mutex_lock(&lock);
    struct printer **at = find(var), *used = *at;
    if (used == NULL) {
        *at = used = made;
        used->var = nook_var_ref(var);
        made = NULL;
    }
    used->print = print;
    used->user = user;
    pthread_mutex_unlock(&lock);
    free(made);
    return 0;
}

static void make_printable(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '.';
}

void nook__print_value(char *out, size_t room, const nook_var *var, void *value)
{
    struct printer how = {.print = NULL};
    pthread_mutex_lock(&lock);
    const struct printer *found = *find(var);
    if (found != NULL)
        how = *found;
    pthread_mutex_unlock(&lock);
    out[0] = '\0';
    if (how.print != NULL)
        how.print(out, room, value, how.user);
    else
        snprintf(out, room, "%p", value);
    out[room - 1] = '\0';
    make_printable(out);
}

void nook_dump_string(char *out, size_t room, void *value, void *user)
{
    (void)user;
    if (value == NULL)
        snprintf(out, room, "NULL");
    else
        snprintf(out, room, "\"%s\"", (const char *)value);
}

void nook_dump_number(char *out, size_t room, void *value, void *user)
{
    (void)user;
    snprintf(out, room, "%jd", (intmax_t)(intptr_t)value);
}

void nook_dump_redacted(char *out, size_t room, void *value, void *user)
{
    (void)value;
    (void)user;
    snprintf(out, room, "redacted");
}
