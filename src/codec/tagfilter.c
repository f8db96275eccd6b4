#include "codec/tagfilter.h"

#include "base/check.h"
#include "codec/json.h"
#include "codec/pb.h"

enum { FIELD_OP = 1, FIELD_KEY, FIELD_CMP, FIELD_VAL, FIELD_VALS, FIELD_NODES }; /* of FilterNode */
enum op { OP_LEAF, OP_AND, OP_OR, OP_NOT };
enum cmp { CMP_EQ, CMP_NEQ, CMP_IN, CMP_NIN, CMP_EX, CMP_NEX, CMP_SW, CMP_EW, CMP_CT, CMP_LT, CMP_LTE, CMP_GT, CMP_GTE };

static const char *const op_names[] = { "", "and", "or", "not" };
static const char *const cmp_names[] = { "eq", "neq", "in", "nin", "ex", "nex", "sw", "ew", "ct", "lt", "lte", "gt", "gte" };

static int find_name(const char *const *names, size_t n, struct pl_slice s)
{
    for (size_t i = 0; i < n; i++)
        if (pl_slice_eq(s, pl_slice_str(names[i])))
            return (int)i;
    return -1;
}
#define FIND(names, s) find_name(names, sizeof(names) / sizeof((names)[0]), s)

/* ---- JSON to Protobuf ---- */

struct json_node {
    struct pl_slice op, key, cmp, val, vals, nodes;
};

static const struct pl_json_field json_fields[] = {
    PL_JSON_FIELD(struct json_node, op, PL_J_STR),
    PL_JSON_FIELD(struct json_node, key, PL_J_STR),
    PL_JSON_FIELD(struct json_node, cmp, PL_J_STR),
    PL_JSON_FIELD(struct json_node, val, PL_J_STR),
    PL_JSON_FIELD(struct json_node, vals, PL_J_STRS),
    PL_JSON_FIELD(struct json_node, nodes, PL_J_RAW),
};
static const struct pl_json_shape json_shape = PL_JSON_SHAPE(json_fields);

static enum pl_err put_node(struct pl_slice json, struct pl_scratch *scratch, int depth, unsigned *n_left, struct pl_buf *out)
{
    struct pl_json r = pl_json_init(json, scratch);
    struct json_node node = { 0 };
    struct pl_slice s;
    struct pl_walk w;
    enum pl_err err = PL_OK;
    size_t n = 0;

    if (depth == 0 || *n_left == 0)
        return PL_EINVAL;
    --*n_left;
    if (!pl_json_null(&r)) /* Go reads a null node as an empty one */
        err = pl_json_fill(&r, &json_shape, &node, NULL);
    if (err != PL_OK)
        return err == PL_ETOOBIG ? PL_ENOMEM : PL_EINVAL;
    pl_pb_put_bytes(out, FIELD_OP, node.op);
    pl_pb_put_bytes(out, FIELD_KEY, node.key);
    pl_pb_put_bytes(out, FIELD_CMP, node.cmp);
    pl_pb_put_bytes(out, FIELD_VAL, node.val);
    for (w = pl_walk(node.vals); (err = pl_json_walk_str(&w, scratch, &s)) == PL_OK;)
        pl_pb_put_some(out, FIELD_VALS, s);
    if (err != PL_ENOENT)
        return err == PL_ETOOBIG ? PL_ENOMEM : PL_EINVAL;
    r = pl_json_init(node.nodes, scratch);
    if (node.nodes.len == 0 || pl_json_null(&r) || !pl_json_open(&r, '['))
        return PL_OK;
    while (pl_json_element(&r, &n)) {
        size_t mark = pl_pb_open(out, FIELD_NODES);

        if (!pl_json_raw(&r, &s))
            return PL_EINVAL;
        err = put_node(s, scratch, depth - 1, n_left, out);
        if (err != PL_OK)
            return err;
        pl_pb_close(out, mark);
    }
    return PL_OK;
}

enum pl_err pl_tagfilter_json(struct pl_slice json, struct pl_scratch *scratch, struct pl_buf *out)
{
    unsigned n_left = PL_TAGFILTER_NODES_MAX;
    enum pl_err err;

    if (json.len > 8 * PL_TAGFILTER_BYTES_MAX) /* each byte escaped, and names: longer has no place in the text */
        return PL_EINVAL;
    err = put_node(json, scratch, PL_TAGFILTER_DEPTH_MAX, &n_left, out);
    if (err == PL_OK && !pl_buf_ok(out))
        return PL_ENOMEM;
    return err;
}

/* ---- parsing ---- */

struct parsing {
    struct pl_tagfilter_node *nodes;
    size_t n;
};

struct fields {
    struct pl_slice op, cmp;
    size_t n_vals, n_nodes;
};

static enum pl_err read_fields(struct pl_tagfilter_node *node, struct fields *ret)
{
    struct pl_slice rest = node->self, ignored;
    struct pl_pb_field f;
    enum pl_err err;

    while ((err = pl_pb_next(&rest, &f)) == PL_OK) {
        switch (f.number) {
        case FIELD_OP:    err = pl_pb_str(&f, &ret->op); break;
        case FIELD_KEY:   err = pl_pb_str(&f, &node->key); break;
        case FIELD_CMP:   err = pl_pb_str(&f, &ret->cmp); break;
        case FIELD_VAL:   err = pl_pb_str(&f, &node->val); break;
        case FIELD_VALS:  err = pl_pb_str(&f, &ignored); ret->n_vals++; break;
        case FIELD_NODES: err = f.type == PL_PB_LEN ? PL_OK : PL_EPROTO; ret->n_nodes++; break;
        default:          break;
        }
        if (err != PL_OK)
            return PL_EINVAL;
    }
    return err == PL_ENOENT ? PL_OK : PL_EINVAL;
}

static enum pl_err check_leaf(struct pl_tagfilter_node *node, const struct fields *f)
{
    int cmp = FIND(cmp_names, f->cmp);
    bool ok = false;

    if (cmp < 0 || node->key.len == 0)
        return PL_EINVAL;
    node->cmp = (uint8_t)cmp;
    switch ((enum cmp)cmp) {
    case CMP_IN:
    case CMP_NIN: ok = f->n_vals != 0 && node->val.len == 0; break;
    case CMP_EX:
    case CMP_NEX: ok = f->n_vals == 0 && node->val.len == 0; break;
    case CMP_EQ:
    case CMP_NEQ:
    case CMP_SW:
    case CMP_EW:
    case CMP_CT:
    case CMP_LT:
    case CMP_LTE:
    case CMP_GT:
    case CMP_GTE: ok = f->n_vals == 0 && node->val.len != 0; break;
    }
    return ok ? PL_OK : PL_EINVAL;
}

static enum pl_err parse_node(struct parsing *p, struct pl_slice text, int depth)
{
    struct pl_tagfilter_node *node;
    struct fields f = { 0 };
    struct pl_pb_field field;
    struct pl_slice rest = text;
    enum pl_err err;
    int op;

    if (depth == 0 || p->n == PL_TAGFILTER_NODES_MAX)
        return PL_EINVAL;
    node = &p->nodes[p->n++];
    *node = (struct pl_tagfilter_node){ .self = text };
    err = read_fields(node, &f);
    op = FIND(op_names, f.op);
    if (err != PL_OK || op < 0)
        return PL_EINVAL;
    node->op = (uint8_t)op;
    if (op == OP_LEAF)
        err = check_leaf(node, &f);
    else if (f.n_nodes == 0 || (op == OP_NOT && f.n_nodes != 1))
        err = PL_EINVAL;
    while (err == PL_OK && op != OP_LEAF && pl_pb_next(&rest, &field) == PL_OK)
        if (field.number == FIELD_NODES)
            err = parse_node(p, field.bytes, depth - 1);
    node->end = (uint8_t)p->n;
    return err;
}

enum pl_err pl_tagfilter_parse(struct pl_slice text, struct pl_tagfilter_node nodes[PL_TAGFILTER_NODES_MAX], size_t *ret_n)
{
    struct parsing p = { .nodes = nodes };

    if (text.len > PL_TAGFILTER_BYTES_MAX || parse_node(&p, text, PL_TAGFILTER_DEPTH_MAX) != PL_OK)
        return PL_EINVAL;
    *ret_n = p.n;
    return PL_OK;
}

/* ---- matching ---- */

struct matching {
    const struct pl_tagfilter_node *nodes;
    struct pl_slice values[PL_TAGFILTER_NODES_MAX]; /* of each leaf's tag */
    uint64_t has;                                   /* bit per leaf: the tag is there */
};
_Static_assert(PL_TAGFILTER_NODES_MAX <= 64, "a bit per node");

static bool is_listed(const struct pl_tagfilter_node *node, struct pl_slice value)
{
    struct pl_slice rest = node->self;
    struct pl_pb_field f;

    while (pl_pb_next(&rest, &f) == PL_OK)
        if (f.number == FIELD_VALS && pl_slice_eq(f.bytes, value))
            return true;
    return false;
}

static bool number_fits(enum cmp cmp, struct pl_slice value, struct pl_slice limit)
{
    int order;

    if (pl_decimal_compare(value, limit, &order) != PL_OK)
        return false;
    return cmp == CMP_LT ? order < 0 : cmp == CMP_LTE ? order <= 0 : cmp == CMP_GT ? order > 0 : order >= 0;
}

static bool match_leaf(const struct matching *m, size_t i)
{
    const struct pl_tagfilter_node *node = &m->nodes[i];
    struct pl_slice v = m->values[i], want = node->val;
    bool has = (m->has >> i & 1) != 0;

    switch ((enum cmp)node->cmp) {
    case CMP_EQ:  return has && pl_slice_eq(v, want);
    case CMP_NEQ: return PL_SABOTAGE(tagfilter_missing_is_equal) ? has && !pl_slice_eq(v, want) : !has || !pl_slice_eq(v, want);
    case CMP_IN:  return is_listed(node, v); /* a missing tag counts as the empty string here */
    case CMP_NIN: return !is_listed(node, v);
    case CMP_EX:  return has;
    case CMP_NEX: return !has;
    case CMP_SW:  return has && pl_slice_starts(v, want);
    case CMP_EW:  return has && v.len >= want.len && pl_slice_eq(pl_slice_from(v, v.len - want.len), want);
    case CMP_CT:  return has && want.len <= v.len && memmem(v.p, v.len, want.p, want.len) != NULL;
    case CMP_LT:
    case CMP_LTE:
    case CMP_GT:
    case CMP_GTE: return has && number_fits((enum cmp)node->cmp, v, want);
    }
    PL_UNREACHABLE();
}

static bool match_node(const struct matching *m, size_t i)
{
    const struct pl_tagfilter_node *node = &m->nodes[i];

    switch ((enum op)node->op) {
    case OP_LEAF: return match_leaf(m, i);
    case OP_NOT:  return !match_node(m, i + 1);
    case OP_AND:
        for (size_t c = i + 1; c < node->end; c = m->nodes[c].end)
            if (!match_node(m, c))
                return false;
        return true;
    case OP_OR:
        for (size_t c = i + 1; c < node->end; c = m->nodes[c].end)
            if (match_node(m, c))
                return true;
        return false;
    }
    PL_UNREACHABLE();
}

bool pl_tagfilter_match(const struct pl_tagfilter_node *nodes, size_t n, struct pl_slice tags)
{
    struct pl_scratch scratch = pl_scratch_init(tags.len + 1);
    struct matching m = { .nodes = nodes };
    struct pl_walk w = pl_walk(tags);
    struct pl_slice name, value;
    bool is_match;

    while (tags.len != 0 && pl_json_walk_pair(&w, &scratch, &name, &value) == PL_OK) {
        for (size_t i = 0; i < n; i++) {
            if (nodes[i].op != OP_LEAF || !pl_slice_eq(nodes[i].key, name))
                continue;
            m.values[i] = value; /* of equal names the last wins */
            m.has |= (uint64_t)1 << i;
        }
    }
    is_match = match_node(&m, 0);
    pl_scratch_fini(&scratch);
    return is_match;
}
