/* SPDX-License-Identifier: MIT */
/*
 * A million tasks, parked at the same time, each on a guarded stack: what they take of
 * memory and of mappings. How long they took to make is said, and not judged.
 */
#include "support.h"

#include <time.h>

enum { MILLION = 1000000, MAPPINGS_MOST = 100 };
/* A page of the stack is what none can do without; the record and the context are beside it. */
#define BYTES_MOST 4800L

static long resident_bytes(void)
{
    long total = 0, pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    /* NOLINTNEXTLINE(cert-err34-c): what the kernel writes there is a number */
    if (statm == NULL || fscanf(statm, "%ld %ld", &total, &pages) != 2)
        pages = -1;
    if (statm != NULL)
        fclose(statm);
    return pages * sysconf(_SC_PAGESIZE);
}

static long mappings(void)
{
    long n = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    for (int c; maps != NULL && (c = fgetc(maps)) != EOF;)
        n += c == '\n';
    if (maps != NULL)
        fclose(maps);
    return n;
}

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

struct crowd {
    nook_event go;
    long parked, ended;
    long bytes, unstarted_bytes, mappings;
    double spawned, started, over;
};

static int wait_to_go(void *arg)
{
    struct crowd *crowd = arg;
    crowd->parked++;
    int rc = nook_event_wait(&crowd->go);
    crowd->ended++;
    return rc;
}

static int gather_a_million(void *arg)
{
    struct crowd *crowd = arg;
    int rc = 0;
    long before = resident_bytes(), mapped = mappings();
    double start = seconds();
    for (long i = 0; rc == 0 && i < MILLION; i++)
        rc = nook_task_spawn(NULL, wait_to_go, crowd, NULL);
    crowd->spawned = seconds() - start;
    crowd->unstarted_bytes = resident_bytes() - before;
    while (rc == 0 && crowd->parked < MILLION)
        rc = nook_yield();
    crowd->started = seconds() - start;
    crowd->bytes = resident_bytes() - before;
    crowd->mappings = mappings() - mapped;
    if (rc == 0)
        rc = nook_event_set(&crowd->go);
    while (rc == 0 && crowd->ended < MILLION)
        rc = nook_yield();
    crowd->over = seconds() - start;
    return rc;
}

static void a_million_parked_tasks_fit(void **state)
{
    struct crowd crowd = {.parked = 0};
    (void)state;
    assert_int_equal(run(REAL, gather_a_million, &crowd), 0);
    print_message("a million tasks: %.2f s until spawned, %.2f s until parked, %.2f s until "
                  "ended; %ld bytes each, %ld before they start; %ld mappings\n",
                  crowd.spawned, crowd.started, crowd.over, crowd.bytes / MILLION,
                  crowd.unstarted_bytes / MILLION, crowd.mappings);
    assert_int_equal(crowd.parked, MILLION);
    assert_int_equal(crowd.ended, MILLION);
    assert_in_range(crowd.bytes / MILLION, 4096, BYTES_MOST);
    assert_in_range(crowd.mappings, 1, MAPPINGS_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        task_test(a_million_parked_tasks_fit),
    };
    return cmocka_run_group_tests_name("task.million", tests, NULL, NULL);
}
