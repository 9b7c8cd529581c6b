/* SPDX-License-Identifier: MIT */
#include <nook/nook.h>
#include <stdio.h>

static NOOK_VAR_DEFINE(user);

static int page(void *title)
{
    printf("%s for %s\n", (char *)title, (char *)nook_var_get_or(&user, "nobody"));
    return 0;
}

int main(void)
{
    nook_context *request = NULL;
    NOOK_WITH (&user, "alice") {
        page("inbox"); /* prints: inbox for alice */
        if (nook_context_copy_current(&request) != 0)
            return 1;
    }
    page("front page");                                /* front page for nobody */
    nook_context_run(request, page, "settings", NULL); /* settings for alice */
    nook_context_unref(request);
    return 0;
}
