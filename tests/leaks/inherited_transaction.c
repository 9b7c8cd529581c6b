/* SPDX-License-Identifier: MIT */
/*
 * inherited-transaction: a request works in a transaction, and starts a task
 * that will note the visit when it has time. The task inherits the current
 * transaction, outlives it, and writes through a connection that the pool has
 * long since given to the next request. What that one rolls back, takes the note
 * with it.
 *
 * The cure is the variable's inherit policy: a new task starts without the
 * transaction, and begins one of its own.
 */
#include "leaks.h"
#include "sql.h"

#include <stdio.h>

enum { REQUESTS = 6, TOLD = 3, NAME = 24 };

struct visit {
    struct shop *shop;
    char name[NAME];
    nook_task *task;
    int delays; /* how often the task parks before it writes */
};

struct shop {
    struct leak_run *run;
    nook_var *current; /* the sqlite3 of the current transaction */
    sqlite3 *db;       /* the pool: one connection */
    int taken;
    int next; /* request */
    struct visit visits[REQUESTS];
};

/* --- the pool --------------------------------------------------------------------- */

static int begin(struct shop *shop, const char *name)
{
    while (shop->taken) {
        int rc = nook_yield();
        if (rc != 0)
            return rc;
    }
    shop->taken = 1;
    return sql_begin(shop->db, name);
}

static int end(struct shop *shop, const char *how)
{
    shop->taken = 0;
    return sql_end(shop->db, how);
}

/* --- the visit that is noted later ---------------------------------------------------- */

static int write_note(struct visit *visit, sqlite3 *db)
{
    char in[NAME];
    leak_sees(visit->shop->run, "write in",
              sql_text(db, in, sizeof(in), "SELECT name FROM open"), visit->name);
    return sql(db, "INSERT INTO visits VALUES ('%q', (SELECT name FROM open))", visit->name);
}

static int note(void *arg)
{
    struct visit *visit = arg;
    struct shop *shop = visit->shop;
    int rc = 0;
    for (int i = 0; i < visit->delays && rc == 0; i++)
        rc = nook_yield(); /* looks up where the visitor comes from */
    if (rc != 0)
        return rc;
    sqlite3 *inherited = nook_var_get_or(shop->current, NULL);
    if (inherited != NULL)
        return write_note(visit, inherited);
    rc = begin(shop, visit->name);
    if (rc == 0)
        rc = write_note(visit, shop->db);
    return rc != 0 ? rc : end(shop, "COMMIT");
}

/* --- the request -------------------------------------------------------------------------- */

static int pay(struct shop *shop, struct visit *visit, const char *how)
{
    nook_token token;
    int rc = nook_var_set(shop->current, shop->db, &token);
    if (rc != 0)
        return rc;
    rc = leak_spawn(&visit->task, visit->name, note, visit);
    if (rc == 0)
        rc = nook_yield(); /* asks the bank */
    int reset = nook_var_reset(shop->current, &token);
    int ended = end(shop, how);
    leak_does(shop->run, "%s", how);
    return rc != 0 ? rc : reset != 0 ? reset : ended;
}

static int handle(void *arg)
{
    struct shop *shop = arg;
    int i = shop->next++;
    struct visit *visit = &shop->visits[i];
    char name[NAME];
    snprintf(name, sizeof(name), "request-%d", i + 1);
    snprintf(visit->name, sizeof(visit->name), "visit-%d", i + 1);
    visit->shop = shop;
    visit->delays = i % 3 == 1 ? 2 : 3;
    int rc = begin(shop, name);
    leak_does(shop->run, "BEGIN %s, start %s", name, visit->name);
    return rc != 0 ? rc : pay(shop, visit, i % 2 == 0 ? "COMMIT" : "ROLLBACK");
}

static int serve(void *arg)
{
    struct shop *shop = arg;
    struct leak_actor request[] = {{"shop", handle, shop}};
    int rc = 0;
    for (int i = 0; i < REQUESTS && rc == 0; i++) {
        if (i == TOLD)
            leak_told(shop->run);
        rc = leak_together(request, 1);
    }
    for (int i = 0; i < REQUESTS; i++) {
        int result = 0;
        if (shop->visits[i].task != NULL)
            nook_task_join(shop->visits[i].task, &result);
        nook_task_unref(shop->visits[i].task);
        rc = rc != 0 ? rc : result;
    }
    return rc;
}

/* --- what the database says ------------------------------------------------------------------
 */

/* Wrong are the rows not written in a transaction of the visit's own, and the visits without a
 * row. */
static void audit(struct shop *shop)
{
    int64_t rows = sql_number(shop->db, "SELECT count(*) FROM visits");
    int64_t own = sql_number(shop->db, "SELECT count(*) FROM visits WHERE name = written_in");
    leak_unit(shop->run, "rows");
    leak_tally(shop->run, (uint64_t)(rows - own), (uint64_t)rows);
    leak_unit(shop->run, "visits");
    leak_tally(shop->run, (uint64_t)(REQUESTS - rows), REQUESTS);
}

static int run_inherited_transaction(struct leak_run *run)
{
    static const nook_value_ops copy = {.inherit = NOOK_INHERIT_COPY};
    static const nook_value_ops drop = {.inherit = NOOK_INHERIT_DROP};
    nook_var_options options = {.ops = run->storage == LEAK_CURED ? &drop : &copy};
    struct shop shop = {.run = run};
    int rc = sql_open(&shop.db, "CREATE TABLE visits(name TEXT, written_in TEXT)");
    if (rc == 0)
        rc = nook_var_new(&shop.current, "transaction", &options);
    if (rc == 0)
        rc = leak_play(serve, &shop, NULL);
    if (rc == 0)
        audit(&shop);
    nook_var_unref(shop.current);
    sqlite3_close(shop.db);
    return rc;
}

const struct leak_case leak_inherited_transaction = {
    .name = "inherited-transaction",
    .title = "A child inherits a transaction, outlives it, and writes into the next one.",
    .seen = "encode/databases#230, #456; gino#313; Piccolo",
    .cure = "the variable's inherit policy: a new task starts without it",
    .promise =
        {
            /* Visits 1 and 3 go down with requests 2 and 4; no row is where it should be. */
            [LEAK_CONTEXT] = {LEAK_EXACT, 2, {{4, 4}, {2, REQUESTS}}},
            [LEAK_CURED] = {LEAK_EXACT, 2, {{0, REQUESTS}, {0, REQUESTS}}},
        },
    .run = run_inherited_transaction,
};
