/* SPDX-License-Identifier: MIT */
/*
 * What the players of random programs share: a program's lines, and values that are
 * counted. A program comes from standard input, one statement a line, and ends where
 * the next line "program N" does. A block ends with "end", and so does the program.
 */
#ifndef NOOK_TESTS_ORACLE_PROGRAM_H
#define NOOK_TESTS_ORACLE_PROGRAM_H

#include <nook/context.h>

enum { WORDS = 8, NAMES = 2048 };

/* A line, cut into words. */
struct line {
    char text[96];
    const char *word[WORDS];
    int words;
};

/* The program that is being played. */
extern struct line lines[];
extern int n_lines;

/* Exits with 2: the program is none. */
_Noreturn void die(const char *why);

/* Reads programs, and has each played after its heading was printed. 0: all were clean. */
int play_all(int (*play)(void));

/* 1: the line begins with this word. */
int is(int at, const char *word);

/* The line after the block that begins with line `at`; is_block tells which words open one. */
int end_of(int at, int (*is_block)(int at));

/* 7 for "7". */
int number_of(const char *word);

/* The number of a name: 7 for "v7". *highest is kept. */
int slot(const char *name, int *highest);

/* Every set makes another object: equality is for `equal` to find out. NULL is none. */
struct number {
    int held;
    int n;
};

extern const nook_value_ops number_ops;
extern long numbers_alive;

/* One hold is the caller's. */
struct number *number_new(const char *word);
void number_release(void *value, void *user);
const char *number_text(const struct number *number);

/* What a reset ended with, as it is logged. */
const char *reset_text(int rc);

/* 1 where no context, node, variable, token or value is alive; else says which are. */
int leaves_nothing(void);

#endif
