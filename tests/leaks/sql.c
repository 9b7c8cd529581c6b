/* SPDX-License-Identifier: MIT */
#include "sql.h"

#include <nook/error.h>
#include <stdarg.h>
#include <stdio.h>

static char *formatted(const char *format, va_list args)
{
    return sqlite3_vmprintf(format, args);
}

int sql(sqlite3 *db, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = formatted(format, args);
    va_end(args);
    int rc = text != NULL ? sqlite3_exec(db, text, NULL, NULL, NULL) : SQLITE_NOMEM;
    sqlite3_free(text);
    return rc == SQLITE_OK ? 0 : rc == SQLITE_NOMEM ? NOOK_ENOMEM : NOOK_EINVAL;
}

int64_t sql_number(sqlite3 *db, const char *format, ...)
{
    sqlite3_stmt *statement = NULL;
    int64_t value = -1;
    va_list args;
    va_start(args, format);
    char *text = formatted(format, args);
    va_end(args);
    if (text != NULL && sqlite3_prepare_v2(db, text, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_free(text);
    return value;
}

const char *sql_text(sqlite3 *db, char *text, size_t size, const char *query)
{
    sqlite3_stmt *statement = NULL;
    const char *found = NULL;
    if (sqlite3_prepare_v2(db, query, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW &&
        sqlite3_column_type(statement, 0) != SQLITE_NULL) {
        snprintf(text, size, "%s", (const char *)sqlite3_column_text(statement, 0));
        found = text;
    }
    sqlite3_finalize(statement);
    return found;
}

int sql_open(sqlite3 **out, const char *schema)
{
    *out = NULL;
    if (sqlite3_open(":memory:", out) != SQLITE_OK)
        return NOOK_ENOMEM;
    return sql(*out, "CREATE TABLE open(name TEXT); %s", schema);
}

int sql_begin(sqlite3 *db, const char *name)
{
    return sql(db, "BEGIN; INSERT INTO open VALUES ('%q')", name);
}

int sql_end(sqlite3 *db, const char *how)
{
    return sql(db, "DELETE FROM open; %s", how);
}
