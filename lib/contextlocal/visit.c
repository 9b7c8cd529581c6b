/* SPDX-License-Identifier: MIT */
/*
 * What goes when a context goes, for a host's cycle collector.
 *
 * A collector takes each reference that it is told of off the count of what it leads to,
 * and frees what comes to nothing. So it must hear of a reference once, and only of
 * those that would be given up with the context: the bindings in nodes that this map
 * alone holds, of a context that the caller alone holds. A patch has no value that
 * somebody counts.
 */
#include "context.h"

struct visitor {
    int (*visit)(nook_var *var, void *value, void *arg);
    void *arg;
};

static int visit_binding(const struct visitor *visitor, uint32_t index, void *value)
{
    nook_var *var = nook__var_at(index);
    return nook__var_retains(var) ? visitor->visit(var, value, visitor->arg) : 0;
}

/* `base` is the number of the node's first slot. */
static int visit_node(const struct visitor *visitor, struct nook__node *node, uint32_t weight,
                      uint32_t height, uint32_t base)
{
    int rc = 0;
    if (!nook__held(node, weight))
        return 0;
    for (uint32_t left = node->counted; left != 0 && rc == 0; left &= left - 1) {
        uint32_t place = (uint32_t)__builtin_ctz(left);
        uint32_t index = base + (place << (NOOK__BITS * height));
        if (height == 0)
            rc = visit_binding(visitor, index, node->slot[place]);
        else
            rc = visit_node(visitor, node->slot[place], 1, height - 1, index);
    }
    return rc;
}

int nook_context_visit(nook_context *context,
                       int (*visit)(nook_var *var, void *value, void *arg), void *arg)
{
    struct visitor visitor = {visit, arg};
    if (context == NULL || visit == NULL)
        return NOOK_EINVAL;
    if (!nook__context_is_callers(context))
        return 0;
    return visit_node(&visitor, context->map.root, context->map.weight,
                      nook__map_height(&context->map), 0);
}
