/* SPDX-License-Identifier: MIT */
/*
 * foreign-token: two tasks become admin for a while, and leave it to a third, the
 * janitor, to undo that. But a token belongs to the context in which it was made.
 *
 * Context variables refuse: an error code, the token says where it was made, and
 * nothing has changed, so the two stay admin if nobody looks at it. With save and restore by
 * hand on thread-locals or task-locals nothing is refused, and the janitor gets their roles.
 * The cure is to look at the code and hand the token back: in its own context it still works.
 */
#include "leaks.h"

#include <string.h>

enum { VISITORS = 2 };

struct house {
    struct leak_run *run;
    struct ambient *role;
    struct visitor {
        struct house *house;
        const char *name;
        char *role;
        struct ambient_scope scope;
        int handed_back;
    } visitors[VISITORS];
};

static int become_admin(void *arg)
{
    struct visitor *visitor = arg;
    struct house *house = visitor->house;
    int rc = ambient_bind(house->role, visitor->role);
    if (rc == 0)
        rc = ambient_enter(&visitor->scope, house->role, "admin");
    if (rc != 0)
        return rc;
    leak_does(house->run, "role = %s, then admin", visitor->role);
    rc = nook_yield(); /* the janitor's turn */
    if (visitor->handed_back) {
        int left = ambient_leave(&visitor->scope);
        leak_does(house->run, "reset my token: %s", left == 0 ? "done" : nook_err_name(left));
    }
    leak_reads(house->run, "role", ambient_read(house->role), visitor->role);
    return rc;
}

static const char *file_of(const char *site)
{
    const char *slash = site != NULL ? strrchr(site, '/') : NULL;
    return slash != NULL ? slash + 1 : site;
}

/* Both sites: where the token was made, and where it was not taken. */
static void tell_refusal(const struct visitor *visitor, const char *here)
{
    struct leak_run *run = visitor->house->run;
    leak_does(run, "  it was set at %s", file_of(nook_token_site(&visitor->scope.token)));
    leak_does(run, "  and reset at %s%s", file_of(here),
              visitor->handed_back ? "; returned" : "");
}

static int clean(void *arg)
{
    struct house *house = arg;
    int rc = ambient_bind(house->role, "janitor");
    for (int i = 0; i < VISITORS && rc == 0; i++) {
        struct visitor *visitor = &house->visitors[i];
        const char *here;
        int left = (here = NOOK_SITE, ambient_leave(&visitor->scope));
        visitor->handed_back = left == NOOK_EWRONGCONTEXT && house->run->storage == LEAK_CURED;
        leak_does(house->run, "undo %s's: %s", visitor->name,
                  left == 0 ? "done" : nook_err_name(left));
        if (left != 0)
            tell_refusal(visitor, here);
    }
    leak_reads(house->run, "role", ambient_read(house->role), "janitor");
    return rc;
}

static int open_house(void *arg)
{
    struct house *house = arg;
    house->visitors[0] = (struct visitor){.house = house, .name = "alice", .role = "editor"};
    house->visitors[1] = (struct visitor){.house = house, .name = "bob", .role = "reader"};
    struct leak_actor actors[] = {{"alice", become_admin, &house->visitors[0]},
                                  {"bob", become_admin, &house->visitors[1]},
                                  {"janitor", clean, house}};
    int rc = leak_together(actors, 3);
    for (int i = 0; i < VISITORS; i++)
        nook_token_drop(&house->visitors[i].scope.token); /* of nobody's use any more */
    return rc;
}

static int run_foreign_token(struct leak_run *run)
{
    struct house house = {.run = run};
    int rc = ambient_open(&house.role, run->storage, "role", NULL);
    if (rc != 0)
        return rc;
    rc = leak_play(open_house, &house, NULL);
    ambient_close(house.role);
    return rc;
}

const struct leak_case leak_foreign_token = {
    .name = "foreign-token",
    .title = "A token is reset in another task than the one that set: it is refused.",
    .seen = "python/cpython#118944; openai-agents-python#634",
    .cure = "look at the code, and reset the token in its own task: it still works",
    .promise =
        {
            /* The janitor has bob's role, and so has alice. */
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{2, 3}}},
            /* The janitor has bob's role, and both stay admin. */
            [LEAK_TASK] = {LEAK_EXACT, 1, {{3, 3}}},
            /* Both stay admin. */
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{2, 3}}},
            [LEAK_CURED] = {LEAK_EXACT, 1, {{0, 3}}},
        },
    .run = run_foreign_token,
};
