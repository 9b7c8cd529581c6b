/* SPDX-License-Identifier: MIT */
/*
 * locale: a shop prints its prices for customers of two countries.
 *
 * uselocale() chooses a locale for the thread. With tasks, one task chooses how
 * another's numbers are written. The cure for what libc keeps for each thread is
 * to keep it in a context variable, and to install it when the task comes.
 */
#include "leaks.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAK_LSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(LEAK_LSAN)
#include <sanitizer/lsan_interface.h>
#define LIBC_KEEPS(statement) \
    do {                      \
        __lsan_disable();     \
        statement;            \
        __lsan_enable();      \
    } while (0)
#else
#define LIBC_KEEPS(statement) statement
#endif

enum { CUSTOMERS = 3, ORDERS = 90 };

struct shop {
    struct leak_run *run;
    struct ambient *locale; /* context: the task's */
    locale_t comma, point;
};

struct customer {
    struct shop *shop;
    const char *name, *price; /* as it should be written */
    locale_t locale;
};

/* Where the case reaches its storage: the thread's locale, or the context's as well. */
static int choose_locale(struct shop *shop, locale_t locale)
{
    uselocale(locale);
    return shop->locale != NULL ? ambient_bind(shop->locale, locale) : 0;
}

/* A switch hook: installs the locale of the task that comes. */
static void come(nook_task *task, void *user)
{
    struct shop *shop = user;
    locale_t locale = ambient_read(shop->locale);
    (void)task;
    uselocale(locale != NULL ? locale : LC_GLOBAL_LOCALE);
}

static int serve(void *arg)
{
    struct customer *customer = arg;
    struct shop *shop = customer->shop;
    char price[24];
    int rc = choose_locale(shop, customer->locale);
    leak_does(shop->run, "uselocale(%s)",
              customer->locale == shop->comma ? "decimal comma" : "decimal point");
    if (rc == 0)
        rc = nook_yield(); /* asks the database for the price */
    snprintf(price, sizeof(price), "%.2f", 1234.5);
    leak_reads(shop->run, "price", price, customer->price);
    return rc;
}

static int play_main(void *arg)
{
    struct shop *shop = arg;
    struct customer customers[CUSTOMERS] = {{shop, "anna", "1234,50", shop->comma},
                                            {shop, "bob", "1234.50", shop->point},
                                            {shop, "carla", "1234,50", shop->comma}};
    struct leak_actor actors[CUSTOMERS];
    for (unsigned i = 0; i < CUSTOMERS; i++)
        actors[i] = (struct leak_actor){customers[i].name, serve, &customers[i]};
    return leak_together(actors, CUSTOMERS);
}

/* newlocale() with a locale from a directory of ours. glibc keeps what it made of
 * LOCPATH for good, which is no leak of this program. */
static locale_t load(const char *directory, const char *name)
{
    const char *path = getenv("LOCPATH");
    char *before = path != NULL ? strdup(path) : NULL;
    setenv("LOCPATH", directory, 1);
    locale_t locale;
    LIBC_KEEPS(locale = newlocale(LC_NUMERIC_MASK, name, (locale_t)0));
    if (before != NULL)
        setenv("LOCPATH", before, 1);
    else
        unsetenv("LOCPATH");
    free(before);
    return locale;
}

static int open_shop(struct shop *shop)
{
    shop->comma = load(LEAK_LOCALES, "comma");
    shop->point = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (shop->comma == (locale_t)0 || shop->point == (locale_t)0)
        return NOOK_ENOTSUP;
    return shop->run->storage == LEAK_THREAD
               ? 0
               : ambient_open(&shop->locale, shop->run->storage, "locale", NULL);
}

static void close_shop(struct shop *shop)
{
    ambient_close(shop->locale);
    if (shop->comma != (locale_t)0)
        freelocale(shop->comma);
    if (shop->point != (locale_t)0)
        freelocale(shop->point);
}

static int run_locale(struct leak_run *run)
{
    struct shop shop = {.run = run};
    nook_task_hooks hooks = {.in = come, .user = &shop};
    nook_run_options options = {.hooks = &hooks};
    locale_t before = uselocale((locale_t)0);
    int rc = open_shop(&shop);
    if (rc == 0)
        rc = leak_play_every(run, play_main, &shop, shop.locale != NULL ? &options : NULL);
    uselocale(before);
    close_shop(&shop);
    return rc;
}

const struct leak_case leak_locale = {
    .name = "locale",
    .title = "uselocale() in one task chooses how another task's numbers are written.",
    .seen = NULL,
    .how = {[LEAK_THREAD] = "with the thread's locale, as libc keeps it",
            [LEAK_CONTEXT] = "with the locale in a context variable, installed at each switch"},
    .promise =
        {
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{88, CUSTOMERS *ORDERS}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{0, CUSTOMERS *ORDERS}}},
        },
    .run = run_locale,
};
