/* SPDX-License-Identifier: MIT */
#include <nook/nook.h>
#include <pthread.h>
#include <stdio.h>

static nook_local *request;

static void *serve(void *name)
{
    void *user = "nobody";
    nook_local_set(request, "user", name);
    if (nook_local_get(request, "user", &user) == 0)
        printf("this thread serves %s\n", (char *)user); /* its own, whatever others bind */
    nook_local_release(request); /* or the next request on this thread finds it */
    return NULL;
}

int main(void)
{
    pthread_t thread;
    if (nook_local_new(&request, NULL) != 0)
        return 1;
    if (pthread_create(&thread, NULL, serve, "bob") == 0)
        pthread_join(thread, NULL);
    serve("alice");
    nook_local_unref(request);
    return 0;
}
