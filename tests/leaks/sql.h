/* SPDX-License-Identifier: MIT */
/* SQLite, for the cases that keep books. */
#ifndef TESTS_LEAKS_SQL_H
#define TESTS_LEAKS_SQL_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

/* Runs statements, with sqlite3_mprintf's formats. 0, NOOK_ENOMEM, or NOOK_EINVAL: refused. */
int sql(sqlite3 *db, const char *format, ...);

/* The number that a query answers; -1 where it answers none. */
int64_t sql_number(sqlite3 *db, const char *format, ...);

/* The text that a query answers, cut to size; returns `text`, or NULL where it answers none. */
const char *sql_text(sqlite3 *db, char *text, size_t size, const char *query);

/*
 * A database in memory that knows which transaction is open in it: begin notes
 * its name in the table `open`, end (COMMIT or ROLLBACK) takes it out again.
 * `schema` makes the other tables.
 */
int sql_open(sqlite3 **out, const char *schema);
int sql_begin(sqlite3 *db, const char *name);
int sql_end(sqlite3 *db, const char *how);

#endif
