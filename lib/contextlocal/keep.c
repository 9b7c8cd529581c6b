/* SPDX-License-Identifier: MIT */
/*
 * The keeps of all contexts that are kept stand in one table, for a context has no room for
 * more than a place in it. All of it is under the lock of the rare side.
 */
#include "keep.h"

#include <stdlib.h>

struct keep {
    uint32_t keeper; /* a thread's number; 0: nobody's yet */
    uint32_t users;  /* of a spare one: the next of these */
};
static struct keep *keeps;
static uint32_t room, live, spare;

static int grow(void)
{
    uint32_t more = room != 0 ? 2 * room : 8;
    struct keep *grown = realloc(keeps, more * sizeof *grown);
    if (grown == NULL)
        return NOOK_ENOMEM;
    for (keeps = grown; room < more; room++)
        keeps[room].users = room + 1;
    return 0;
}

/* Only where all are in use there is none to take. */
static int take(uint32_t *index)
{
    if (spare == room && grow() != 0)
        return NOOK_ENOMEM;
    *index = spare;
    spare = keeps[spare].users;
    live++;
    return 0;
}

static void give_back(uint32_t index)
{
    keeps[index].users = spare;
    spare = index;
    if (--live > 0)
        return;
    free(keeps);
    keeps = NULL;
    room = spare = 0;
}

static struct keep *keep_of(uint32_t place)
{
    return &keeps[place / NOOK__NUMBER_STEP];
}

static int begin_to_keep(nook_context *context, uint32_t wanted)
{
    uint32_t index, place = nook__place(context);
    if (take(&index) != 0)
        return NOOK_ENOMEM;
    while (!nook__place_change(
        context, &place, index * NOOK__NUMBER_STEP | NOOK__KEPT | (place & NOOK__ENTERED)))
        continue; /* somebody came in, or left */
    keeps[index].keeper = (place & NOOK__ENTERED) != 0 ? place & NOOK__WHO : wanted;
    keeps[index].users = 0;
    return 0;
}

int nook__context_keep(nook_context *context, uint32_t *keeper)
{
    int rc = 0;
    nook__context_share(context);
    nook__rare_lock();
    if ((nook__place(context) & NOOK__KEPT) == 0)
        rc = begin_to_keep(context, *keeper);
    if (rc == 0) {
        struct keep *keep = keep_of(nook__place(context));
        keep->users++;
        if (keep->keeper == 0)
            keep->keeper = *keeper;
        *keeper = keep->keeper;
    }
    nook__rare_unlock();
    return rc;
}

void nook__context_unkeep(nook_context *context)
{
    nook__rare_lock();
    uint32_t place = nook__place(context);
    struct keep keep = *keep_of(place);
    keep_of(place)->users--;
    if (keep.users == 1) {
        give_back(place / NOOK__NUMBER_STEP);
        while (!nook__place_change(
            context, &place, (place & NOOK__ENTERED) != 0 ? keep.keeper | NOOK__ENTERED : 0))
            continue; /* who was inside has left */
    }
    nook__rare_unlock();
}

uint32_t nook__context_keeper(nook_context *context)
{
    uint32_t keeper = 0;
    if ((nook__place(context) & NOOK__KEPT) == 0)
        return 0;
    nook__rare_lock();
    uint32_t place = nook__place(context);
    if ((place & NOOK__KEPT) != 0)
        keeper = keep_of(place)->keeper;
    nook__rare_unlock();
    return keeper;
}

int nook__keep_enter(nook_context *context, uint32_t number)
{
    nook__rare_lock();
    uint32_t place = nook__place(context);
    int done = (place & NOOK__KEPT) == 0
                   ? place == 0 && nook__place_change(context, &place, number | NOOK__ENTERED)
                   : (place & NOOK__ENTERED) == 0 && keep_of(place)->keeper == number &&
                         nook__place_change(context, &place, place | NOOK__ENTERED);
    nook__rare_unlock();
    return done;
}

int nook__keep_is_inside(nook_context *context, uint32_t number)
{
    nook__rare_lock();
    uint32_t place = nook__place(context);
    uint32_t who = (place & NOOK__KEPT) != 0 ? keep_of(place)->keeper : place & NOOK__WHO;
    nook__rare_unlock();
    return who == number && (place & NOOK__ENTERED) != 0;
}
