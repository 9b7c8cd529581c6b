/* SPDX-License-Identifier: MIT */
/* The parts of the program nook. */
#ifndef NOOK_PROGRAM_H
#define NOOK_PROGRAM_H

#include "leaks.h"
#include <stdio.h>

enum { EXIT_KEPT = 0, EXIT_BROKEN = 1, EXIT_USAGE = 2, COLUMNS = 80 };

/* The commands; each gets the words after its name and returns the exit status. */
int demo_command(int argc, char **argv);
int leaks_command(int argc, char **argv);
int explore_command(int argc, char **argv);

/* One line on stderr that says what was expected. Returns EXIT_USAGE. */
int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* usage_error for a word that is no case: names those that are. */
int unknown_case(const char *word);

/* --- paint.c: colour, only for a terminal that wants it ------------------------ */

enum paint { PAINT_PLAIN, PAINT_WRONG, PAINT_RIGHT, PAINT_LOST, PAINT_HEAD, PAINT_FAINT };

void paint_init(void);

/* Prints text, padded with blanks to `width` columns, in this colour. */
void paint(enum paint paint, int width, const char *text);
int paint_terminal(void);

/* --- results: one case run with each of its storages ---------------------------- */

struct result {
    const struct leak_case *leak;
    int ran[LEAK_STORAGES]; /* 1: the case has this storage, and ran */
    int rc[LEAK_STORAGES];
    struct leak_run run[LEAK_STORAGES];
};

/* Runs one storage of a case, or all that it has. */
void result_init(struct result *result, const struct leak_case *leak);
void result_run(struct result *result, enum leak_storage storage);
void result_run_all(struct result *result);
void result_free(struct result *result);

/* 1 where every count is as promised; else says on stderr which is not. */
int result_kept(const struct result *result);

/* 1 where anything was wrong with this storage. */
int result_wrong(const struct result *result, enum leak_storage storage);

/* How many things the case counted; at least 1. */
unsigned result_rows(const struct result *result);

/* --- table.c, timeline.c --------------------------------------------------------- */

/* The cases in which thread-locals leak, then those in which context variables do. */
void table_print(const struct result *results, size_t n);

/* The counts of one case: a line for each thing counted, a column for each storage. */
void totals_print(const struct result *result);

/*
 * The steps of a run as a table, a column for each actor, at most `limit` of
 * them. `pause` (may be NULL) is called after each line.
 */
void timeline_print(const struct leak_run *run, unsigned limit, void (*pause)(void));

#endif
