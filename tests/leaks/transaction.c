/* SPDX-License-Identifier: MIT */
/*
 * transaction: a bank of three branches, each with a database of its own, and a
 * teller at each. A transfer begins a transaction, debits one account, asks the
 * credit bureau, which parks, credits the other, and commits or rolls back.
 * Through which connection a statement goes, the ambient current transaction
 * says: nobody passes it along.
 *
 * The three transfers are made on as many days as there are orders in which they
 * can take turns. Each row of the ledger names the transfer that wrote it; the
 * database adds the transaction that was open when it was written. In the
 * evening SQL counts the rows in which the two differ, the transfers that did not
 * do what the teller asked for, and the sums of balances that no longer hold:
 * within a branch and in the whole bank, transfers only move money.
 */
#include "leaks.h"
#include "sql.h"

#include <stdio.h>
#include <string.h>

enum { BRANCHES = 3, DAYS = 90, MONEY = 2000 };

enum finding { STATEMENTS, ROWS, TRANSFERS, BRANCH_SUMS, BANK_SUMS, FINDINGS };

struct transaction {
    sqlite3 *db;
    char name[16];
};

struct teller {
    struct bank *bank;
    const char *name;
    int amount;
    const char *end; /* COMMIT or ROLLBACK */
    sqlite3 *db;
    struct transaction transaction;
};

struct bank {
    struct leak_run *run;
    struct ambient *current; /* struct transaction */
    struct teller tellers[BRANCHES];
    uint64_t wrong[FINDINGS], of[FINDINGS];
};

static void find(struct bank *bank, enum finding finding, int64_t wrong, int64_t of)
{
    bank->wrong[finding] += (uint64_t)wrong;
    bank->of[finding] += (uint64_t)of;
}

/* --- what a teller does --------------------------------------------------------- */

/* The transaction in which the teller's next statement will run; NULL: in none. */
static struct transaction *current(struct teller *teller, const char *what)
{
    struct bank *bank = teller->bank;
    struct transaction *transaction = ambient_read(bank->current);
    const char *name = transaction != NULL ? transaction->name : NULL;
    find(bank, STATEMENTS, leak_sees(bank->run, what, name, teller->transaction.name), 1);
    return transaction;
}

/* One side of a transfer. Without a transaction there is no connection to write through. */
static int book(struct teller *teller, int account, int amount)
{
    struct transaction *in = current(teller, amount < 0 ? "debit in" : "credit in");
    if (in == NULL)
        return 0;
    return sql(in->db,
               "UPDATE accounts SET balance = balance + %d WHERE id = %d;"
               "INSERT INTO ledger VALUES ('%q', (SELECT name FROM open), %d, %d)",
               amount, account, teller->transaction.name, account, amount);
}

/* Ends the current transaction, whosever it is. It may have been ended already: that is
 * refused. */
static void finish(struct teller *teller)
{
    struct transaction *in = current(teller, teller->end);
    if (in != NULL)
        (void)sql_end(in->db, teller->end);
}

static int transfer(void *arg)
{
    struct teller *teller = arg;
    struct ambient *ambient = teller->bank->current;
    struct ambient_scope scope;
    int rc = sql_begin(teller->db, teller->transaction.name);
    if (rc == 0)
        rc = ambient_enter(&scope, ambient, &teller->transaction);
    if (rc != 0)
        return rc;
    rc = book(teller, 1, -teller->amount);
    if (rc == 0)
        rc = nook_yield(); /* asks the credit bureau */
    if (rc == 0)
        rc = book(teller, 2, teller->amount);
    finish(teller);
    /* As a pool does with a connection that comes back: what is open is rolled back. */
    if (sqlite3_get_autocommit(teller->db) == 0)
        (void)sql_end(teller->db, "ROLLBACK");
    int left = ambient_leave(&scope);
    return rc != 0 ? rc : left;
}

/* --- a day ------------------------------------------------------------------------ */

static int morning(struct bank *bank)
{
    int rc = 0;
    for (int i = 0; i < BRANCHES && rc == 0; i++)
        rc = sql(bank->tellers[i].db, "DELETE FROM ledger; UPDATE accounts SET balance = %d",
                 MONEY / 2);
    return rc;
}

/* 1 where the ledgers do not say of a transfer what its teller asked for. */
static int undone(struct bank *bank, const struct teller *teller)
{
    int64_t rows = 0;
    for (int i = 0; i < BRANCHES; i++)
        rows +=
            sql_number(bank->tellers[i].db, "SELECT count(*) FROM ledger WHERE transfer = '%q'",
                       teller->transaction.name);
    int64_t here = sql_number(teller->db, "SELECT count(*) FROM ledger WHERE transfer = '%q'",
                              teller->transaction.name);
    int64_t asked = strcmp(teller->end, "COMMIT") == 0 ? 2 : 0;
    return rows != asked || here != asked;
}

static void evening(struct bank *bank)
{
    char holds[24], held[24];
    int64_t sum = 0;
    for (int i = 0; i < BRANCHES; i++) {
        struct teller *teller = &bank->tellers[i];
        int64_t branch = sql_number(teller->db, "SELECT sum(balance) FROM accounts");
        find(bank, ROWS,
             sql_number(teller->db,
                        "SELECT count(*) FROM ledger WHERE transfer IS NOT written_in"),
             sql_number(teller->db, "SELECT count(*) FROM ledger"));
        find(bank, TRANSFERS, undone(bank, teller), 1);
        find(bank, BRANCH_SUMS, branch != MONEY, 1);
        sum += branch;
    }
    find(bank, BANK_SUMS, sum != BRANCHES * MONEY, 1);
    snprintf(holds, sizeof(holds), "%jd", (intmax_t)sum);
    snprintf(held, sizeof(held), "%d", BRANCHES * MONEY);
    leak_sees_as(bank->run, "audit", "the bank holds", holds, held);
}

static int day(void *arg)
{
    struct bank *bank = arg;
    struct leak_actor actors[BRANCHES];
    int rc = morning(bank);
    if (rc != 0)
        return rc;
    for (int i = 0; i < BRANCHES; i++)
        actors[i] = (struct leak_actor){bank->tellers[i].name, transfer, &bank->tellers[i]};
    rc = leak_together(actors, BRANCHES);
    ambient_unbind(bank->current); /* a new day, a new thread */
    if (rc == 0)
        evening(bank);
    return rc;
}

/* --- all of it --------------------------------------------------------------------- */

static int open_branch(struct bank *bank, struct teller *teller, int i)
{
    static const struct {
        const char *name;
        int amount;
        const char *end;
    } tellers[BRANCHES] = {
        {"alice", 10, "COMMIT"}, {"bob", 20, "ROLLBACK"}, {"carol", 40, "COMMIT"}};
    teller->bank = bank;
    teller->name = tellers[i].name;
    teller->amount = tellers[i].amount;
    teller->end = tellers[i].end;
    snprintf(teller->transaction.name, sizeof(teller->transaction.name), "%s's", teller->name);
    int rc = sql_open(
        &teller->db,
        "CREATE TABLE accounts(id INTEGER PRIMARY KEY, balance INTEGER);"
        "INSERT INTO accounts VALUES (1, 0), (2, 0);"
        "CREATE TABLE ledger(transfer TEXT, written_in TEXT, account INTEGER, amount INTEGER)");
    teller->transaction.db = teller->db;
    return rc;
}

static void report(struct bank *bank)
{
    static const char *const units[FINDINGS] = {"statements", "rows", "transfers",
                                                "branch sums", "bank sums"};
    for (enum finding finding = 0; finding < FINDINGS; finding++) {
        leak_unit(bank->run, units[finding]);
        leak_tally(bank->run, bank->wrong[finding], bank->of[finding]);
    }
}

static int run_transaction(struct leak_run *run)
{
    struct bank bank = {.run = run};
    int rc = ambient_open(&bank.current, run->storage, "transaction", NULL);
    for (int i = 0; i < BRANCHES && rc == 0; i++)
        rc = open_branch(&bank, &bank.tellers[i], i);
    if (rc == 0)
        rc = leak_play_every(run, day, &bank, NULL);
    if (rc == 0)
        report(&bank);
    for (int i = 0; i < BRANCHES; i++)
        sqlite3_close(bank.tellers[i].db);
    ambient_close(bank.current);
    return rc;
}

/* Three statements a transfer, two rows for alice's and for carol's, on all days. */
enum { SAID = 3 * BRANCHES * DAYS, WRITTEN = 4 * DAYS, BRANCH_DAYS = BRANCHES * DAYS };

const struct leak_case leak_transaction = {
    .name = "transaction",
    .title = "Bank transfers on SQLite: whose transaction does a statement end in?",
    .seen = "Piccolo; encode/databases#230",
    .promise =
        {
            [LEAK_THREAD] =
                {LEAK_EXACT,
                 FINDINGS,
                 {{276, SAID}, {66, 290}, {116, BRANCH_DAYS}, {66, BRANCH_DAYS}, {46, DAYS}}},
            [LEAK_TASK] =
                {LEAK_EXACT,
                 FINDINGS,
                 {{0, SAID}, {0, WRITTEN}, {0, BRANCH_DAYS}, {0, BRANCH_DAYS}, {0, DAYS}}},
            [LEAK_CONTEXT] =
                {LEAK_EXACT,
                 FINDINGS,
                 {{0, SAID}, {0, WRITTEN}, {0, BRANCH_DAYS}, {0, BRANCH_DAYS}, {0, DAYS}}},
        },
    .run = run_transaction,
};
