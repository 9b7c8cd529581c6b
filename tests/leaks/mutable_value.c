/* SPDX-License-Identifier: MIT */
/*
 * mutable-value: a shop binds an empty cart, and each customer puts something
 * into "the" cart. A copied context copies the binding, not what it points to:
 * they all fill one cart.
 *
 * The cure is the variable's inherit policy: a new task gets a duplicate. Of six
 * steps, a customer finds the cart alone only when its two are the first two.
 */
#include "leaks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CUSTOMERS = 3, ORDERS = 90 };

struct cart {
    int holders;
    char items[20];
};

struct shop {
    struct leak_run *run;
    nook_var *cart;
};

struct customer {
    struct shop *shop;
    const char *item;
};

static void retain(void *value, void *user)
{
    struct cart *cart = value;
    (void)user;
    cart->holders++;
}

static void release(void *value, void *user)
{
    struct cart *cart = value;
    (void)user;
    if (--cart->holders == 0)
        free(cart);
}

static int duplicate(void *value, void **copy, void *user)
{
    struct cart *cart = malloc(sizeof(*cart));
    (void)user;
    if (cart == NULL)
        return NOOK_ENOMEM;
    *cart = *(struct cart *)value;
    cart->holders = 1;
    *copy = cart;
    return 0;
}

static int buy(void *arg)
{
    struct customer *customer = arg;
    struct shop *shop = customer->shop;
    struct cart *cart = nook_var_get_or(shop->cart, NULL);
    if (cart == NULL)
        return NOOK_EUNSET;
    size_t full = strlen(cart->items);
    snprintf(cart->items + full, sizeof(cart->items) - full, "%s%s", full != 0 ? "+" : "",
             customer->item);
    leak_does(shop->run, "put %s into the cart", customer->item);
    int rc = nook_yield();
    leak_reads(shop->run, "cart", cart->items, customer->item);
    return rc;
}

static int serve(void *arg)
{
    struct shop *shop = arg;
    struct customer anna = {shop, "tea"}, bob = {shop, "ham"}, carla = {shop, "jam"};
    struct leak_actor customers[CUSTOMERS] = {
        {"anna", buy, &anna}, {"bob", buy, &bob}, {"carla", buy, &carla}};
    struct cart *cart = calloc(1, sizeof(*cart));
    if (cart == NULL)
        return NOOK_ENOMEM;
    cart->holders = 1;
    int rc = nook_var_set(shop->cart, cart, NULL);
    release(cart, NULL);
    return rc != 0 ? rc : leak_together(customers, CUSTOMERS);
}

static int run_mutable_value(struct leak_run *run)
{
    static const nook_value_ops shared = {retain, release, NULL, NULL, NOOK_INHERIT_COPY};
    static const nook_value_ops own = {retain, release, NULL, duplicate,
                                       NOOK_INHERIT_DUPLICATE};
    nook_var_options options = {.ops = run->storage == LEAK_CURED ? &own : &shared};
    struct shop shop = {.run = run};
    int rc = nook_var_new(&shop.cart, "cart", &options);
    if (rc != 0)
        return rc;
    rc = leak_play_every(run, serve, &shop, NULL);
    nook_var_unref(shop.cart);
    return rc;
}

const struct leak_case leak_mutable_value = {
    .name = "mutable-value",
    .title = "A copied context shares what its values point to: all fill one cart.",
    .seen = "CPython's decimal: python/cpython#141148",
    .cure = "the variable's inherit hook gives each new task a duplicate",
    .promise =
        {
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{252, CUSTOMERS *ORDERS}}},
            [LEAK_CURED] = {LEAK_EXACT, 1, {{0, CUSTOMERS *ORDERS}}},
        },
    .run = run_mutable_value,
};
