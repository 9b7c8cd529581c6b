/* SPDX-License-Identifier: MIT */
/*
 * Plays programs from standard input on nook, and prints what happened; see programs.py
 * for the language. reference.py does the same on Python's contextvars.
 *
 * The exit status is 1 where a program left something alive.
 */
#include "program.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- names --------------------------------------------------------------------- */

/* What v7, c7 and t7 stand for. Tokens stay where they are. */
static nook_var *vars[NAMES];
static nook_context *contexts[NAMES];
static nook_token tokens[NAMES];
static int n_vars, n_contexts, n_tokens; /* the highest of each */

static nook_var **var_named(const char *name)
{
    return &vars[slot(name, &n_vars)];
}

static nook_context **context_named(const char *name)
{
    return &contexts[slot(name, &n_contexts)];
}

static nook_token *token_named(const char *name)
{
    return &tokens[slot(name, &n_tokens)];
}

static void drop_var(nook_var **var)
{
    nook_var_unref(*var);
    *var = NULL;
}

static void drop_context(nook_context **context)
{
    nook_context_unref(*context);
    *context = NULL;
}

static void drop_token(nook_token *token)
{
    nook_token_drop(token);
    memset(token, 0, sizeof *token);
}

/* --- values ---------------------------------------------------------------------- */

/* Every other variable has no operations: maps bind it in ways of their own. Its values
 * are counted by nobody, and one number is one value. */
static int is_plain(const char *var)
{
    return number_of(var + 1) % 2 != 0;
}

static void *value_new(const char *var, const char *word)
{
    static struct number plain[10];
    if (!is_plain(var) || strcmp(word, "none") == 0)
        return number_new(word);
    struct number *value = &plain[number_of(word) % 10];
    value->n = number_of(word);
    return value;
}

static void value_release(const char *var, void *value)
{
    if (!is_plain(var))
        number_release(value, NULL);
}

/* --- operations ------------------------------------------------------------------ */

static void op_var(const struct line *l)
{
    void *value = l->words > 2 ? value_new(l->word[1], l->word[2]) : NULL;
    nook_var_options options = {.ops = is_plain(l->word[1]) ? NULL : &number_ops,
                                .has_default = l->words > 2,
                                .default_value = value};
    if (nook_var_new(var_named(l->word[1]), l->word[1], &options) != 0)
        die("no variable");
    value_release(l->word[1], value);
}

static void op_set(const struct line *l)
{
    void *value = value_new(l->word[1], l->word[2]);
    if (nook_var_set(*var_named(l->word[1]), value, token_named(l->word[3])) != 0)
        die("not set");
    value_release(l->word[1], value);
}

static void op_get(const struct line *l)
{
    void *value;
    int rc = nook_var_get(*var_named(l->word[1]), &value);
    printf("get %s %s\n", l->word[1], rc == 0 ? number_text(value) : "unset");
}

static void op_get_or(const struct line *l)
{
    struct number *fallback = number_new(l->word[2]);
    struct number *value = nook_var_get_or(*var_named(l->word[1]), fallback);
    printf("get_or %s %s %s\n", l->word[1], l->word[2], number_text(value));
    number_release(fallback, NULL);
}

static void op_reset(const struct line *l)
{
    int rc = nook_var_reset(*var_named(l->word[1]), token_named(l->word[2]));
    printf("reset %s %s %s\n", l->word[1], l->word[2], reset_text(rc));
}

static void op_old(const struct line *l)
{
    void *value;
    int rc = nook_token_old(token_named(l->word[1]), &value);
    const char *text = rc == 0 ? number_text(value) : rc == NOOK_EUSED ? "used" : "unset";
    printf("old %s %s\n", l->word[1], text);
}

static void op_context(const struct line *l)
{
    if (nook_context_new(context_named(l->word[1])) != 0)
        die("no context");
}

static void op_copy(const struct line *l)
{
    if (nook_context_copy(*context_named(l->word[2]), context_named(l->word[1])) != 0)
        die("no copy");
}

static void op_copy_current(const struct line *l)
{
    if (nook_context_copy_current(context_named(l->word[1])) != 0)
        die("no copy");
}

static void op_drop_var(const struct line *l)
{
    drop_var(var_named(l->word[1]));
}

static void op_drop_context(const struct line *l)
{
    drop_context(context_named(l->word[1]));
}

static void op_drop_token(const struct line *l)
{
    drop_token(token_named(l->word[1]));
}

static void op_len(const struct line *l)
{
    printf("len %s %zu\n", l->word[1], nook_context_len(*context_named(l->word[1])));
}

static void op_contains(const struct line *l)
{
    printf("contains %s %s %d\n", l->word[1], l->word[2],
           nook_context_contains(*context_named(l->word[1]), *var_named(l->word[2])));
}

static void op_find(const struct line *l)
{
    void *value;
    nook_var *var = *var_named(l->word[2]);
    int rc = nook_context_find(*context_named(l->word[1]), var, &value);
    printf("find %s %s %s\n", l->word[1], l->word[2], rc == 0 ? number_text(value) : "unset");
    if (rc == 0)
        nook_value_release(var, value);
}

static void op_equal(const struct line *l)
{
    printf("equal %s %s %d\n", l->word[1], l->word[2],
           nook_context_equal(*context_named(l->word[1]), *context_named(l->word[2])));
}

/* In the order of the variables' names, which is nobody's order of iteration. */
static void op_list(const struct line *l)
{
    static char pairs[NAMES][32];
    nook_context_iter iter;
    nook_var *var;
    void *value;
    memset(pairs, 0, sizeof pairs);
    if (nook_context_iter_open(&iter, *context_named(l->word[1])) != 0)
        die("no iterator");
    while (nook_context_iter_next(&iter, &var, &value) == 0)
        (void)snprintf(pairs[number_of(nook_var_name(var) + 1)], sizeof *pairs, " %.10s=%s",
                       nook_var_name(var), number_text(value));
    nook_context_iter_close(&iter);
    printf("list %s", l->word[1]);
    int none = 1;
    for (int i = 0; i < NAMES; i++) {
        fputs(pairs[i], stdout);
        none &= pairs[i][0] == '\0';
    }
    puts(none ? " " : "");
}

static const struct {
    const char *word;
    void (*fn)(const struct line *);
} operations[] = {
    {"var", op_var},
    {"set", op_set},
    {"get", op_get},
    {"get_or", op_get_or},
    {"reset", op_reset},
    {"old", op_old},
    {"context", op_context},
    {"copy", op_copy},
    {"copy_current", op_copy_current},
    {"drop_var", op_drop_var},
    {"drop_context", op_drop_context},
    {"drop_token", op_drop_token},
    {"len", op_len},
    {"contains", op_contains},
    {"find", op_find},
    {"equal", op_equal},
    {"list", op_list},
};

static void simple(const struct line *l)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (strcmp(l->word[0], operations[i].word) == 0) {
            operations[i].fn(l);
            return;
        }
    die(l->word[0]);
}

/* --- blocks ------------------------------------------------------------------------ */

static int is_block(int at)
{
    return is(at, "enter") || is(at, "run") || is(at, "thread");
}

static int step(int *at);

/* Plays up to the block's end; -1 where it failed. */
static int block(int at)
{
    int rc = 0;
    while (rc == 0 && !is(at, "end"))
        rc = step(&at);
    return rc;
}

static int run_block(void *at)
{
    printf("enter %s ok\n", lines[*(int *)at - 1].word[1]);
    return block(*(int *)at);
}

/* By the call that takes a function, or by its two halves. */
static int in_context(nook_context *context, int first, int by_run, int *result)
{
    if (by_run)
        return nook_context_run(context, run_block, &first, result);
    int rc = nook_context_enter(context);
    if (rc != 0)
        return rc;
    nook_context_ref(context); /* the block may drop it */
    *result = run_block(&first);
    rc = nook_context_exit(context);
    nook_context_unref(context);
    return rc;
}

static void enter(int at)
{
    const char *name = lines[at].word[1];
    int result = 0;
    int rc = in_context(*context_named(name), at + 1, is(at, "run"), &result);
    if (rc == NOOK_EENTERED)
        printf("enter %s entered\n", name);
    else
        printf("left %s%s\n", name, rc != 0 ? nook_err_name(rc) : result != 0 ? " failed" : "");
}

static void *run_thread(void *at)
{
    printf("joined%s\n", block(*(int *)at) != 0 ? " failed" : "");
    return NULL;
}

static void in_thread(int first)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_thread, &first) != 0)
        die("no thread");
    pthread_join(thread, NULL);
}

static int step(int *at)
{
    if (is(*at, "fail"))
        return -1;
    if (is(*at, "enter") || is(*at, "run")) {
        enter(*at);
        *at = end_of(*at, is_block);
    } else if (is(*at, "thread")) {
        in_thread(*at + 1);
        *at = end_of(*at, is_block);
    } else {
        simple(&lines[(*at)++]);
    }
    return 0;
}

/* --- programs ------------------------------------------------------------------------ */

static int play(void)
{
    (void)block(0);
    for (int i = 0; i <= n_tokens; i++)
        drop_token(&tokens[i]);
    for (int i = 0; i <= n_contexts; i++)
        drop_context(&contexts[i]);
    for (int i = 0; i <= n_vars; i++)
        drop_var(&vars[i]);
    return leaves_nothing();
}

int main(void)
{
    return play_all(play);
}
