/* SPDX-License-Identifier: MIT */
/*
 * transaction: a bank of four branches, each with a database of its own, and a
 * teller at each. A transfer begins a transaction, debits, credits, and commits
 * or rolls back; through which connection a statement goes, the ambient current
 * transaction says.
 *
 * Each row of the ledger names the transfer that wrote it, and the database adds
 * the transaction that it was written in. SQL counts the rows in which the two
 * differ, and the branches whose balances no longer add up.
 */
#include "leaks.h"

#include <sqlite3.h>
#include <stdio.h>

enum { BRANCHES = 4, TRANSFERS = 6, MONEY = 2000 };

struct transaction {
    sqlite3 *db;
    char name[16];
};

struct bank {
    struct leak_run *run;
    struct ambient *current; /* struct transaction */
    struct teller {
        struct bank *bank;
        const char *name;
        sqlite3 *db;
        struct transaction transactions[TRANSFERS];
    } tellers[BRANCHES];
};

/* --- SQL ---------------------------------------------------------------------- */

static int sql(sqlite3 *db, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = sqlite3_vmprintf(format, args);
    va_end(args);
    int rc = text != NULL ? sqlite3_exec(db, text, NULL, NULL, NULL) : SQLITE_NOMEM;
    sqlite3_free(text);
    return rc == SQLITE_OK ? 0 : rc == SQLITE_NOMEM ? NOOK_ENOMEM : NOOK_EINVAL;
}

static int64_t number(sqlite3 *db, const char *query)
{
    sqlite3_stmt *statement = NULL;
    int64_t value = -1;
    if (sqlite3_prepare_v2(db, query, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static int open_branch(struct teller *teller)
{
    if (sqlite3_open(":memory:", &teller->db) != SQLITE_OK)
        return NOOK_ENOMEM;
    return sql(
        teller->db,
        "CREATE TABLE accounts(id INTEGER PRIMARY KEY, balance INTEGER);"
        "CREATE TABLE transactions(id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE TABLE ledger(transfer TEXT, written_in TEXT, account INTEGER, amount INTEGER);"
        "INSERT INTO accounts VALUES (1, %d), (2, %d)",
        MONEY / 2, MONEY / 2);
}

/* --- what a teller does --------------------------------------------------------- */

/* One side of a transfer, in whatever transaction is current. */
static int book(struct bank *bank, const char *transfer, int account, int amount)
{
    struct transaction *current = ambient_read(bank->current);
    leak_sees(bank->run, amount < 0 ? "debit in" : "credit in",
              current != NULL ? current->name : NULL, transfer);
    if (current == NULL)
        return NOOK_EUNSET;
    return sql(current->db,
               "UPDATE accounts SET balance = balance + %d WHERE id = %d;"
               "INSERT INTO ledger VALUES ('%q',"
               " (SELECT name FROM transactions ORDER BY id DESC LIMIT 1), %d, %d)",
               amount, account, transfer, account, amount);
}

/* Ends the current transaction. Somebody else may have ended it already. */
static void finish(struct bank *bank, const char *how)
{
    struct transaction *current = ambient_read(bank->current);
    if (current != NULL)
        (void)sql(current->db, how);
}

static int transfer(struct teller *teller, int i)
{
    struct bank *bank = teller->bank;
    struct transaction *mine = &teller->transactions[i];
    struct ambient_scope scope;
    snprintf(mine->name, sizeof(mine->name), "%s-%d", teller->name, i + 1);
    mine->db = teller->db;
    int rc = sql(mine->db, "BEGIN; INSERT INTO transactions(name) VALUES ('%q')", mine->name);
    if (rc == 0)
        rc = ambient_enter(&scope, bank->current, mine);
    if (rc != 0)
        return rc;
    leak_does(bank->run, "begin %s", mine->name);
    rc = book(bank, mine->name, 1, -30);
    if (rc == 0)
        rc = nook_yield(); /* asks the credit bureau */
    if (rc == 0)
        rc = book(bank, mine->name, 2, +30);
    finish(bank, i % 3 == 2 ? "ROLLBACK" : "COMMIT");
    /* As a pool does with a connection that comes back: what is open is rolled back. */
    if (sqlite3_get_autocommit(mine->db) == 0)
        (void)sql(mine->db, "ROLLBACK");
    int left = ambient_leave(&scope);
    return rc != 0 ? rc : left;
}

static int work(void *arg)
{
    struct teller *teller = arg;
    int rc = 0;
    for (int i = 0; i < TRANSFERS && rc == 0; i++) {
        rc = transfer(teller, i);
        leak_told(teller->bank->run);
    }
    return rc;
}

static int open_bank(void *arg)
{
    struct bank *bank = arg;
    struct leak_actor actors[BRANCHES];
    for (int i = 0; i < BRANCHES; i++)
        actors[i] = (struct leak_actor){bank->tellers[i].name, work, &bank->tellers[i]};
    return leak_together(actors, BRANCHES);
}

/* --- the audit -------------------------------------------------------------------- */

static void audit(struct bank *bank)
{
    leak_unit(bank->run, "rows");
    for (int i = 0; i < BRANCHES; i++) {
        sqlite3 *db = bank->tellers[i].db;
        int64_t strange =
            number(db, "SELECT count(*) FROM ledger WHERE transfer <> written_in");
        int64_t rows = number(db, "SELECT count(*) FROM ledger");
        leak_tally(bank->run, (uint64_t)strange, (uint64_t)rows);
    }
    leak_unit(bank->run, "branch sums");
    for (int i = 0; i < BRANCHES; i++)
        leak_tally(bank->run,
                   number(bank->tellers[i].db, "SELECT sum(balance) FROM accounts") != MONEY,
                   1);
}

static int run_transaction(struct leak_run *run)
{
    static const char *const names[BRANCHES] = {"alice", "bob", "carol", "dave"};
    struct bank bank = {.run = run};
    int rc = ambient_open(&bank.current, run->storage, "transaction", NULL);
    for (int i = 0; i < BRANCHES && rc == 0; i++) {
        bank.tellers[i].bank = &bank;
        bank.tellers[i].name = names[i];
        rc = open_branch(&bank.tellers[i]);
    }
    if (rc == 0)
        rc = leak_play(open_bank, &bank, NULL);
    if (rc == 0)
        audit(&bank);
    for (int i = 0; i < BRANCHES; i++)
        sqlite3_close(bank.tellers[i].db);
    ambient_close(bank.current);
    return rc;
}

const struct leak_case leak_transaction = {
    .name = "transaction",
    .title = "Bank transfers on SQLite: whose transaction does a statement end in?",
    .seen = "Piccolo; encode/databases#230",
    .promise =
        {
            [LEAK_THREAD] = {LEAK_EXACT, 2, {{0, 0}, {0, 0}}},
            [LEAK_TASK] = {LEAK_EXACT, 2, {{0, 32}, {0, BRANCHES}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 2, {{0, 32}, {0, BRANCHES}}},
        },
    .run = run_transaction,
};
