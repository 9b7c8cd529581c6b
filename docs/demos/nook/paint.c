/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int coloured;

int paint_terminal(void)
{
    return isatty(STDOUT_FILENO);
}

void paint_init(void)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    coloured = paint_terminal() && (no_color == NULL || *no_color == '\0') && term != NULL &&
               strcmp(term, "dumb") != 0;
}

void paint(enum paint paint, int width, const char *text)
{
    static const char *const codes[] = {"",           "\033[1;31m", "\033[32m",
                                        "\033[1;33m", "\033[1m",    "\033[2m"};
    int pad = width - (int)strlen(text);
    if (coloured && paint != PAINT_PLAIN)
        printf("%s%s\033[0m", codes[paint], text);
    else
        fputs(text, stdout);
    if (pad > 0)
        printf("%*s", pad, "");
}
