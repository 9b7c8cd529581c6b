/* SPDX-License-Identifier: MIT */
/* The story of one run: who did what in which order, on which worker. */
#include "program.h"

#include <string.h>

enum { ACTORS = 4, TEXT = 44 };

struct cast {
    const char *names[ACTORS];
    unsigned n;
    int crowded; /* more actors than columns: they are named instead */
};

static unsigned place(const struct cast *cast, const char *actor)
{
    unsigned i = 0;
    while (i < cast->n && strcmp(cast->names[i], actor) != 0)
        i++;
    return i;
}

static struct cast cast_of(const struct leak_run *run, unsigned n_steps)
{
    struct cast cast = {.n = 0};
    for (unsigned i = 0; i < n_steps && !cast.crowded; i++) {
        if (place(&cast, run->steps[i].actor) < cast.n)
            continue;
        if (cast.n == ACTORS)
            cast.crowded = 1;
        else
            cast.names[cast.n++] = run->steps[i].actor;
    }
    return cast;
}

static int lane(const struct cast *cast, unsigned i)
{
    int length = (int)strlen(cast->names[i]);
    return (length < 4 ? 4 : length) + 2;
}

static void print_head(const struct cast *cast)
{
    paint(PAINT_FAINT, 14, "  step worker");
    if (cast->crowded)
        paint(PAINT_FAINT, 22, "who");
    for (unsigned i = 0; !cast->crowded && i < cast->n; i++)
        paint(PAINT_HEAD, lane(cast, i), cast->names[i]);
    paint(PAINT_FAINT, 0, "what happened");
    putchar('\n');
}

static const char *mark(enum leak_verdict verdict)
{
    static const char *const marks[] = {"*", "ok", "LEAK", "LOST"};
    return marks[verdict];
}

static enum paint colour(enum leak_verdict verdict)
{
    static const enum paint colours[] = {PAINT_PLAIN, PAINT_RIGHT, PAINT_WRONG, PAINT_LOST};
    return colours[verdict];
}

static void print_lanes(const struct cast *cast, const struct leak_step *step)
{
    unsigned mine = place(cast, step->actor);
    if (cast->crowded) {
        paint(PAINT_PLAIN, 16, step->actor);
        paint(colour(step->verdict), 6, mark(step->verdict));
        return;
    }
    for (unsigned i = 0; i < cast->n; i++)
        paint(i == mine ? colour(step->verdict) : PAINT_FAINT, lane(cast, i),
              i == mine ? mark(step->verdict) : ".");
}

static void print_step(const struct cast *cast, unsigned number, const struct leak_step *step)
{
    char text[sizeof(step->text) + sizeof(step->got) + sizeof(step->want) + 32];
    char worker[12] = "-";
    if (step->worker != 0)
        snprintf(worker, sizeof(worker), "%u", step->worker);
    printf("  %4u %-7s", number, worker);
    print_lanes(cast, step);
    if (step->verdict == LEAK_DID)
        snprintf(text, sizeof(text), "%s", step->text);
    else if (step->verdict == LEAK_RIGHT)
        snprintf(text, sizeof(text), "%s? %s", step->text, step->got);
    else
        snprintf(text, sizeof(text), "%s? %s, should be %s", step->text, step->got, step->want);
    paint(colour(step->verdict), 0, text);
    putchar('\n');
}

void timeline_print(const struct leak_run *run, unsigned limit, void (*pause)(void))
{
    unsigned shown = run->n_steps < limit ? run->n_steps : limit;
    struct cast cast = cast_of(run, shown);
    print_head(&cast);
    for (unsigned i = 0; i < shown; i++) {
        print_step(&cast, i + 1, &run->steps[i]);
        if (pause != NULL)
            pause();
    }
    if (shown < run->n_steps)
        printf("  ... and %u more steps\n", run->n_steps - shown);
}
