/* SPDX-License-Identifier: MIT */
/* LocalProxy: where to look, not what was found. */
#include <nook/local.h>

enum { PROXY_NONE, PROXY_LOCAL, PROXY_STACK, PROXY_FUNCTION };

static int make(nook_local_proxy *proxy, nook_local_proxy made,
                const nook_local_proxy_options *options)
{
    if (options != NULL)
        made.nook__options = *options;
    *proxy = made;
    return 0;
}

int nook_local_proxy_of_local(nook_local_proxy *proxy, nook_local *local, const char *attribute,
                              const nook_local_proxy_options *options)
{
    if (proxy == NULL || local == NULL || attribute == NULL)
        return NOOK_EINVAL;
    return make(proxy,
                (nook_local_proxy){.nook__kind = PROXY_LOCAL,
                                   .nook__local = local,
                                   .nook__attribute = attribute},
                options);
}

int nook_local_proxy_of_stack(nook_local_proxy *proxy, nook_local_stack *stack,
                              const nook_local_proxy_options *options)
{
    if (proxy == NULL || stack == NULL)
        return NOOK_EINVAL;
    return make(proxy, (nook_local_proxy){.nook__kind = PROXY_STACK, .nook__stack = stack},
                options);
}

int nook_local_proxy_of_function(nook_local_proxy *proxy, nook_local_proxy_fn fn, void *arg,
                                 const nook_local_proxy_options *options)
{
    if (proxy == NULL || fn == NULL)
        return NOOK_EINVAL;
    return make(
        proxy,
        (nook_local_proxy){.nook__kind = PROXY_FUNCTION, .nook__fn = fn, .nook__arg = arg},
        options);
}

/* The source's object, before the part is taken. */
static int look_up(const nook_local_proxy *proxy, void **object)
{
    int rc = NOOK_EINVAL;
    switch (proxy->nook__kind) {
    case PROXY_LOCAL:
        rc = nook_local_get(proxy->nook__local, proxy->nook__attribute, object);
        return rc == NOOK_ENOENT ? NOOK_EUNBOUND : rc;
    case PROXY_STACK:
        rc = nook_local_stack_top(proxy->nook__stack, object);
        return rc == NOOK_ENOENT || (rc == 0 && *object == NULL) ? NOOK_EUNBOUND : rc;
    case PROXY_FUNCTION:
        return proxy->nook__fn(proxy->nook__arg, object);
    default:
        return rc;
    }
}

int nook_local_proxy_get(const nook_local_proxy *proxy, void **object)
{
    void *found = NULL;
    if (proxy == NULL || object == NULL)
        return NOOK_EINVAL;
    int rc = look_up(proxy, &found);
    const nook_local_proxy_options *o = &proxy->nook__options;
    if (rc >= 0 && o->part != NULL)
        rc = o->part(found, &found, o->part_arg);
    if (rc < 0)
        return rc;
    *object = found;
    return 0;
}

int nook_local_proxy_bound(const nook_local_proxy *proxy)
{
    void *object;
    return nook_local_proxy_get(proxy, &object) == 0;
}

const char *nook_local_proxy_name(const nook_local_proxy *proxy)
{
    if (proxy != NULL && proxy->nook__options.name != NULL)
        return proxy->nook__options.name;
    if (proxy != NULL && proxy->nook__attribute != NULL)
        return proxy->nook__attribute;
    return "LocalProxy";
}

const char *nook_local_proxy_unbound_message(const nook_local_proxy *proxy)
{
    if (proxy != NULL && proxy->nook__options.unbound_message != NULL)
        return proxy->nook__options.unbound_message;
    return nook_strerror(NOOK_EUNBOUND);
}
