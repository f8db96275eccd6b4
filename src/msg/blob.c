#include "msg/blob.h"

#include <stdlib.h>

struct pl_blob *pl_blob_new(struct pl_slice bytes)
{
    struct pl_blob *b;

    if (bytes.len > UINT32_MAX)
        return NULL;
    b = malloc(sizeof *b + bytes.len);
    if (b == NULL)
        return NULL;
    b->refs = 1;
    b->len = (uint32_t)bytes.len;
    if (bytes.len != 0)
        memcpy(b->bytes, bytes.p, bytes.len);
    return b;
}

void pl_blob_unref(struct pl_blob **take_b)
{
    struct pl_blob *b = *take_b;

    *take_b = NULL;
    if (b != NULL && --b->refs == 0)
        free(b);
}
