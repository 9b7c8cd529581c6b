/* SPDX-License-Identifier: MIT */
/* The program nook. */
#include "program.h"

#include <stdarg.h>
#include <string.h>

static const char help[] =
    "usage: nook demo [CASE [--step]]\n"
    "       nook leaks [--json] [CASE...]\n"
    "       nook explore [--tasks N] [--storage S] [--seed K | --replay STRING]\n"
    "\n"
    "demo     tells where thread-locals leak between tasks, and context variables\n"
    "         do not; one CASE slowly, with --step at your pace\n"
    "leaks    counts only; exit status 1 when a count is not what it should be\n"
    "explore  runs every schedule of N tasks that set, yield and read (3 if not\n"
    "         said; above 5, or with a seed: 10,000 of them), with storage thread,\n"
    "         task or context, and spells the first that leaks; --replay runs it\n";

int usage_error(const char *format, ...)
{
    va_list args;
    fputs("nook: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs(" (see nook help)\n", stderr);
    return EXIT_USAGE;
}

int unknown_case(const char *word)
{
    fprintf(stderr, "nook: expected a case, not '%s'; cases:", word);
    for (const struct leak_case *const *leak = leak_catalogue; *leak != NULL; leak++)
        fprintf(stderr, " %s", (*leak)->name);
    fputc('\n', stderr);
    return EXIT_USAGE;
}

static int print_help(int argc, char **argv)
{
    (void)argv;
    if (argc != 0)
        return usage_error("help takes no words after it");
    fputs(help, stdout);
    return EXIT_KEPT;
}

static int print_version(int argc, char **argv)
{
    (void)argv;
    if (argc != 0)
        return usage_error("--version takes no words after it");
    puts("nook " NOOK_VERSION);
    return EXIT_KEPT;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"demo", demo_command},       {"leaks", leaks_command}, {"explore", explore_command},
    {"help", print_help},         {"--help", print_help},   {"-h", print_help},
    {"--version", print_version},
};

static int dispatch(int argc, char **argv)
{
    if (argc < 2)
        return usage_error("expected demo, leaks or explore");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    return usage_error("expected demo, leaks or explore, not '%s'", argv[1]);
}

int main(int argc, char **argv)
{
    paint_init();
    int status = dispatch(argc, argv);
    /* A full disk or a closed pipe is no success. */
    if (fflush(stdout) != 0 && status == EXIT_KEPT)
        status = EXIT_BROKEN;
    return status;
}
