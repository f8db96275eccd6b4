/* codec/tagfilter.h - filters on the tags of publications, as subscribers send them (wire-protocol.md 4.7).
 *
 * One form inside: the Protobuf FilterNode, which is also how a filter is kept, compared and recorded. JSON is put into that form
 * first. A parsed filter is an array of nodes in preorder that borrow the text. Pure functions, any thread. */
#ifndef PL_CODEC_TAGFILTER_H
#define PL_CODEC_TAGFILTER_H

#include "base/buf.h"
#include "base/err.h"
#include "codec/scratch.h"

enum {
    PL_TAGFILTER_NODES_MAX = 64,
    PL_TAGFILTER_DEPTH_MAX = 8,
    PL_TAGFILTER_BYTES_MAX = 8192, /* of the Protobuf text */
};

struct pl_tagfilter_node {
    uint8_t op, cmp;          /* codec/tagfilter.c */
    uint8_t end;              /* index behind this node's subtree */
    struct pl_slice key, val; /* borrowed from the text, as is: */
    struct pl_slice self;     /* the whole node, whose `vals` are walked */
};
_Static_assert(PL_TAGFILTER_NODES_MAX <= UINT8_MAX, "end fits");

/* A JSON FilterNode whose types are checked (pl_subscribe_req.tf), appended to out as Protobuf. PL_EINVAL: too deep, too many nodes, too
 * long. PL_ENOMEM. The rules of a filter are checked by the parser below only. */
enum pl_err pl_tagfilter_json(struct pl_slice json, struct pl_scratch *scratch, struct pl_buf *out) PL_MUST_CHECK;
/* Checks every rule and fills at most PL_TAGFILTER_NODES_MAX nodes. PL_EINVAL: not a filter, or over a bound. */
enum pl_err pl_tagfilter_parse(struct pl_slice text, struct pl_tagfilter_node nodes[PL_TAGFILTER_NODES_MAX], size_t *ret_n) PL_MUST_CHECK;
/* Whether a publication with these tags (JSON object of strings, "" none) passes. Time: tags once, then nodes and their values. */
bool pl_tagfilter_match(const struct pl_tagfilter_node *nodes, size_t n, struct pl_slice tags);

/* Two decimal texts of any length and exponent ("-12.50", "1e3"): PL_OK and *ret < 0, 0, > 0; PL_EINVAL if one is no number. */
enum pl_err pl_decimal_compare(struct pl_slice a, struct pl_slice b, int *ret) PL_MUST_CHECK;

#endif
