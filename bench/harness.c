/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A batch must be long against the clock, and short against a turn of the host's scheduler. */
#define BATCH_NS 4000000u
/* Caches, branch predictors and the core's clock settle in this time. */
#define WARM_NS 20000000u

/* What is being measured; one a process. */
static struct {
    const struct bench *bench;
    struct sample {
        double figure;
        double beside;
    } * samples;
    size_t wanted;
    size_t taken;
    size_t turns;       /* not 0: only to be run, so often */
    uint64_t uncounted; /* of what is being timed */
} now;

static cpu_set_t given;

uint64_t bench_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Without exit's handlers: who fails may stand on any stack and any thread. */
static _Noreturn void leave(int status)
{
    (void)fflush(NULL);
    _exit(status);
}

void bench_cannot(const char *format, ...)
{
    va_list rest;
    va_start(rest, format);
    (void)vfprintf(stderr, format, rest);
    va_end(rest);
    (void)fputc('\n', stderr);
    leave(BENCH_CANNOT);
}

void bench_failed(const char *what, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    leave(1);
}

unsigned bench_processors(void)
{
    return (unsigned)CPU_COUNT(&given);
}

int bench_pin(unsigned nth)
{
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &given) && nth-- == 0) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            return sched_setaffinity(0, sizeof one, &one);
        }
    }
    return -1;
}

/* The number in kB after `name` in a file of lines as "Rss:   123 kB"; in bytes. */
static uint64_t bytes_said(const char *path, const char *name)
{
    char line[256];
    uint64_t kb = 0;
    int found = 0;
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        size_t length = strlen(name);
        if (strncmp(line, name, length) == 0) {
            kb = strtoull(line + length, NULL, 10);
            found = 1;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    BENCH_MUST(found);
    return kb * 1024;
}

struct bench_memory bench_memory(void)
{
    return (struct bench_memory){
        .resident = bytes_said("/proc/self/smaps_rollup", "Rss:"),
        .tables = bytes_said("/proc/self/status", "VmPTE:"),
    };
}

int bench_thread(void)
{
    int thread = open("/proc/thread-self/stat", O_RDONLY | O_CLOEXEC);
    BENCH_MUST(thread >= 0);
    return thread;
}

/* The state stands behind the name, which is in brackets and may have some itself. */
static int sleeps(int thread)
{
    char said[256];
    ssize_t length = pread(thread, said, sizeof said - 1, 0);
    BENCH_MUST(length > 0);
    said[length] = '\0';
    const char *name_end = strrchr(said, ')');
    BENCH_MUST(name_end != NULL);
    return strncmp(name_end, ") S", 3) == 0;
}

void bench_await_sleep(int thread)
{
    uint64_t start = bench_now();
    while (!sleeps(thread)) {
    }
    now.uncounted += bench_now() - start;
}

static uint64_t time_of(void (*loop)(long n, size_t count), size_t count)
{
    now.uncounted = 0;
    uint64_t start = bench_now();
    loop(now.bench->n, count);
    return bench_now() - start - now.uncounted;
}

/* A count whose batch takes about BATCH_NS; running it is the warm-up. */
static size_t calibrate(void)
{
    uint64_t begin = bench_now();
    size_t count = 1;
    for (;;) {
        uint64_t took = time_of(now.bench->loop, count);
        if (took >= BATCH_NS / 2) {
            double fit = (double)count * BATCH_NS / (double)took;
            count = fit < 1 ? 1 : (size_t)fit;
            if (bench_now() - begin >= WARM_NS) {
                return count;
            }
        } else {
            count *= 2;
        }
    }
}

/*
 * What as many turns of the base take at least: the least, because a disturbance of the
 * base would make a sample too small, and nobody looks for that.
 */
static double time_of_base(size_t count)
{
    double least = 0;
    for (size_t i = 0; now.bench->base != NULL && i < now.wanted + 2; i++) {
        double took = (double)time_of(now.bench->base, count);
        least = i == 0 || took < least ? took : least;
    }
    return least;
}

void bench_measure(void)
{
    const struct bench *bench = now.bench;
    if (now.turns > 0) {
        bench->loop(bench->n, now.turns);
        return;
    }
    size_t count = calibrate();
    double operations = bench->operations == 0 ? 1 : (double)bench->operations;
    double turns = (double)count * operations, base = time_of_base(count);
    for (; now.taken < now.wanted; now.taken++) {
        /* Who goes first changes: what drifts meanwhile favours neither. */
        int first = now.taken % 2 == 0;
        struct sample *sample = &now.samples[now.taken];
        if (first) {
            sample->figure = ((double)time_of(bench->loop, count) - base) / turns;
        }
        if (bench->beside != NULL) {
            sample->beside = (double)time_of(bench->beside, count) / turns;
        }
        if (!first) {
            sample->figure = ((double)time_of(bench->loop, count) - base) / turns;
        }
    }
}

/* One figure, found by a child that is as fresh as this process. */
static double in_child(const struct bench *bench)
{
    int ends[2];
    double figure = 0;
    int status = 1;
    BENCH_MUST(pipe(ends) == 0);
    pid_t child = fork();
    BENCH_MUST(child >= 0);
    if (child == 0) {
        figure = bench->figure(bench->n);
        leave(write(ends[1], &figure, sizeof figure) == (ssize_t)sizeof figure ? 0 : 1);
    }
    (void)close(ends[1]);
    int read_all = read(ends[0], &figure, sizeof figure) == (ssize_t)sizeof figure;
    (void)close(ends[0]);
    BENCH_MUST(waitpid(child, &status, 0) == child);
    if (!read_all || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        leave(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : 1);
    }
    return figure;
}

static void measure(const struct bench *bench, size_t samples)
{
    now.bench = bench;
    now.wanted = samples;
    now.samples = calloc(samples, sizeof *now.samples);
    BENCH_MUST(now.samples != NULL);
    if (bench->figure != NULL) {
        while (now.taken < now.wanted) {
            now.samples[now.taken++].figure = in_child(bench);
        }
    } else if (bench->around != NULL) {
        bench->around(bench->n);
    } else {
        bench_measure();
    }
    if (now.turns > 0) {
        long operations = bench->operations == 0 ? 1 : bench->operations;
        (void)printf("%zu\n", now.turns * (size_t)operations);
    }
    BENCH_MUST(now.turns > 0 || now.taken == now.wanted);
    for (size_t i = 0; i < now.taken; i++) {
        const struct sample *sample = &now.samples[i];
        if (bench->beside != NULL) {
            (void)printf("%.4f %.4f\n", sample->figure, sample->beside);
        } else {
            (void)printf("%.4f\n", sample->figure);
        }
    }
    free(now.samples);
}

static int list(const char *what, const struct bench *benches, size_t len)
{
    (void)printf("# %s\n", what);
    for (size_t i = 0; i < len; i++) {
        (void)printf("%s\t%ld\n", benches[i].metric, benches[i].n);
    }
    return 0;
}

/* A whole number of at least `least`, or -1. */
static long number(const char *text, long least)
{
    char *end = NULL;
    long value = strtol(text, &end, 10);
    return *text == '\0' || *end != '\0' || value < least ? -1 : value;
}

static const struct bench *find(const char *metric, long n, const struct bench *benches,
                                size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (benches[i].n == n && strcmp(benches[i].metric, metric) == 0) {
            return &benches[i];
        }
    }
    return NULL;
}

int bench_main(int argc, char **argv, const char *what, const struct bench *benches, size_t len)
{
    const char *program = argv[0];
    BENCH_MUST(sched_getaffinity(0, sizeof given, &given) == 0);
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        return list(what, benches, len);
    }
    int only_run = argc == 5 && strcmp(argv[1], "--count") == 0;
    argv += only_run;
    long n = argc - only_run == 4 ? number(argv[2], 0) : -1;
    long often = argc - only_run == 4 ? number(argv[3], 1) : -1;
    if (n < 0 || often < 0) {
        (void)fprintf(stderr, "usage: %s --list | METRIC N SAMPLES | --count METRIC N TURNS\n",
                      program);
        return 2;
    }
    const struct bench *bench = find(argv[1], n, benches, len);
    if (bench == NULL || (only_run && bench->loop == NULL)) {
        (void)fprintf(stderr, "%s: no %s '%s' with n = %ld\n", program,
                      bench == NULL ? "metric" : "loop of", argv[1], n);
        return 2;
    }
    now.turns = only_run ? (size_t)often : 0;
    measure(bench, only_run ? 1 : (size_t)often);
    return 0;
}
