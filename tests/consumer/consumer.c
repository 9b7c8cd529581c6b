/* SPDX-License-Identifier: MIT */
/* A stranger's program, in the part of C that C++ shares. */
#include <nook/nook.h>

#include <stdio.h>

static char alice[] = "alice";

int main(void)
{
    nook_var *user = NULL;
    void *value = NULL;
    if (nook_var_new(&user, "user", NULL) != 0 || nook_var_set(user, alice, NULL) != 0)
        return 1;
    if (nook_var_get(user, &value) != 0 || value != alice)
        return 1;
    printf("%s is %s\n", nook_var_name(user), (const char *)value);
    nook_var_unref(user);
    nook_thread_detach();
    return 0;
}
