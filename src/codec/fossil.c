#include "codec/fossil.h"

#include "base/bytes.h"
#include "base/check.h"

enum {
    WINDOW = 8,              /* bytes that must agree before anything is compared */
    PROBES_MAX = 8,          /* places of the source that are tried for one window */
    COPY_MIN = 10,           /* a copy's command may take that many */
};
#define HASH_BASE 0x01000193u /* odd; the window's hash is a polynomial in it, modulo 2^32 */

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

static uint32_t checksum(struct pl_slice s)
{
    uint8_t last[4] = { 0 };
    uint32_t sum = 0;
    size_t i = 0;

    for (; i + 4 <= s.len; i += 4)
        sum += pl_be32(s.p + i);
    if (i < s.len) {
        memcpy(last, s.p + i, s.len - i);
        sum += pl_be32(last);
    }
    return sum;
}

/* ---- encoding ---- */

struct encoding {
    struct pl_slice source, target;
    bool is_text;
    struct pl_buf *out;
    uint32_t *heads, *next;  /* block number + 1 by hash; 0 none */
    uint32_t mask;           /* of the hash */
};

static void put_number(struct pl_buf *b, uint64_t v)
{
    uint8_t text[11];
    size_t at = sizeof text;

    do {
        text[--at] = (uint8_t)digits[v & 63];
        v >>= 6;
    } while (v != 0);
    pl_buf_put(b, text + at, sizeof text - at);
}

static void put_copy(struct encoding *e, size_t from, size_t n)
{
    if (n == 0)
        return;
    put_number(e->out, n);
    pl_buf_byte(e->out, '@');
    put_number(e->out, from);
    pl_buf_byte(e->out, ',');
}

static void put_literal(struct encoding *e, size_t from, size_t to)
{
    if (from == to)
        return;
    put_number(e->out, to - from);
    pl_buf_byte(e->out, ':');
    pl_buf_put(e->out, e->target.p + from, to - from);
}

/* Would a cut before target byte `at` split a character? */
static bool is_inside(const struct encoding *e, size_t at)
{
    return e->is_text && at < e->target.len && (e->target.p[at] & 0xc0) == 0x80;
}

static uint32_t window_hash(const uint8_t *p)
{
    uint32_t h = 0;

    for (size_t i = 0; i < WINDOW; i++)
        h = h * HASH_BASE + p[i];
    return h;
}

static uint32_t slot_of(const struct encoding *e, uint32_t hash)
{
    return (hash ^ hash >> 15) * 0x9e3779b1u >> 7 & e->mask;
}

/* Every whole block of the source by its hash. */
static bool index_source(struct encoding *e, struct pl_scratch *scratch)
{
    uint32_t n = (uint32_t)(e->source.len / WINDOW), n_heads = 16;

    while (n_heads < n)
        n_heads *= 2;
    e->mask = n_heads - 1;
    e->heads = pl_scratch_alloc(scratch, (n_heads + n) * sizeof *e->heads);
    if (e->heads == NULL)
        return false;
    memset(e->heads, 0, n_heads * sizeof *e->heads);
    e->next = e->heads + n_heads;
    for (uint32_t i = n; i-- > 0;) { /* so that the first ones come first */
        uint32_t slot = slot_of(e, window_hash(e->source.p + (size_t)i * WINDOW));

        e->next[i] = e->heads[slot];
        e->heads[slot] = i + 1;
    }
    return true;
}

struct match {
    size_t from, at, n; /* source, target, bytes */
};

/* The longest agreement around target byte `at` among the first few places whose window has that hash; backwards down to `low`. */
static struct match find_match(const struct encoding *e, uint32_t hash, size_t low, size_t at, size_t end)
{
    const uint8_t *src = e->source.p, *tgt = e->target.p;
    struct match best = { 0 };
    int probes = 0;

    for (uint32_t i = e->heads[slot_of(e, hash)]; i != 0 && probes < PROBES_MAX; i = e->next[i - 1], probes++) {
        size_t from = (size_t)(i - 1) * WINDOW, ahead = 0, back = 0;

        while (at + ahead < end && from + ahead < e->source.len && src[from + ahead] == tgt[at + ahead])
            ahead++;
        if (ahead < WINDOW)
            continue;
        while (back < from && at - back > low && src[from - back - 1] == tgt[at - back - 1])
            back++;
        if (ahead + back > best.n)
            best = (struct match){ from - back, at - back, ahead + back };
    }
    while (best.n > 0 && is_inside(e, best.at))
        best.from++, best.at++, best.n--;
    while (best.n > 0 && is_inside(e, best.at + best.n))
        best.n--;
    return best;
}

/* Between what both texts begin and end with. */
static void encode_middle(struct encoding *e, size_t at, size_t end)
{
    uint32_t top = 1, hash;
    size_t literal = at;

    for (int i = 1; i < WINDOW; i++)
        top *= HASH_BASE;
    hash = end - at >= WINDOW ? window_hash(e->target.p + at) : 0;
    while (at + WINDOW <= end && pl_buf_ok(e->out)) {
        struct match m = find_match(e, hash, literal, at, end);

        if (m.n < COPY_MIN) {
            if (at + WINDOW < end)
                hash = (hash - e->target.p[at] * top) * HASH_BASE + e->target.p[at + WINDOW];
            at++;
            continue;
        }
        put_literal(e, literal, m.at);
        put_copy(e, m.from, m.n);
        at = literal = m.at + m.n;
        if (at + WINDOW <= end)
            hash = window_hash(e->target.p + at);
    }
    put_literal(e, literal, end);
}

bool pl_fossil_encode(struct pl_slice source, struct pl_slice target, bool is_text, struct pl_scratch *scratch, struct pl_buf *out)
{
    struct pl_buf patch = pl_buf_init(target.len); /* its limit stops what would not pay */
    struct encoding e = { .source = source, .target = target, .is_text = is_text, .out = &patch };
    size_t common = source.len < target.len ? source.len : target.len, head = 0, tail = 0;
    bool is_shorter;

    if (common < COPY_MIN || source.len > PL_FOSSIL_MAX || target.len > PL_FOSSIL_MAX)
        return false;
    while (head < common && source.p[head] == target.p[head])
        head++;
    while (is_inside(&e, head))
        head--;
    if (head < COPY_MIN)
        head = 0;
    while (tail < common - head && source.p[source.len - tail - 1] == target.p[target.len - tail - 1])
        tail++;
    while (tail > 0 && is_inside(&e, target.len - tail))
        tail--;
    if (tail < COPY_MIN)
        tail = 0;
    put_number(&patch, target.len);
    pl_buf_byte(&patch, '\n');
    put_copy(&e, 0, head);
    if (target.len - head - tail < COPY_MIN)
        put_literal(&e, head, target.len - tail);
    else if (index_source(&e, scratch))
        encode_middle(&e, head, target.len - tail);
    else
        patch.failed = true;
    put_copy(&e, source.len - tail, tail);
    put_number(&patch, PL_SABOTAGE(fossil_checksum) ? checksum(source) : checksum(target));
    pl_buf_byte(&patch, ';');
    is_shorter = pl_buf_ok(&patch) && patch.len < target.len;
    if (is_shorter)
        pl_buf_slice_put(out, pl_buf_slice(&patch));
    pl_buf_fini(&patch);
    return is_shorter;
}

/* ---- decoding ---- */

static int digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'Z')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 37;
    return c == '_' ? 36 : c == '~' ? 63 : -1;
}

/* A number of at most 32 bits and the byte behind it. */
static enum pl_err take_number(struct pl_slice *rest, uint64_t *ret, uint8_t *ret_behind)
{
    uint64_t v = 0;

    for (size_t i = 0; i < rest->len; i++) {
        int d = digit_value(rest->p[i]);

        if (d < 0) {
            if (i == 0)
                return PL_EPROTO;
            *ret = v;
            *ret_behind = rest->p[i];
            *rest = pl_slice_from(*rest, i + 1);
            return PL_OK;
        }
        v = v << 6 | (uint64_t)d;
        if (v > UINT32_MAX)
            return PL_EPROTO;
    }
    return PL_EPROTO;
}

enum pl_err pl_fossil_decode(struct pl_slice source, struct pl_slice patch, size_t limit, struct pl_buf *out)
{
    size_t start = out->len;
    uint64_t total, n, from;
    uint8_t behind;

    if (take_number(&patch, &total, &behind) != PL_OK || behind != '\n')
        return PL_EPROTO;
    if (total > limit)
        return PL_ETOOBIG;
    while (take_number(&patch, &n, &behind) == PL_OK) {
        uint64_t made = out->len - start;

        if (behind == ';') {
            if (patch.len != 0 || made != total || n != checksum(pl_slice_from(pl_buf_slice(out), start)))
                return PL_EPROTO;
            return pl_buf_ok(out) ? PL_OK : PL_ENOMEM;
        }
        if (!pl_buf_ok(out))
            return PL_ENOMEM;
        if (n > total - made)
            return PL_EPROTO;
        if (behind == ':') {
            if (n > patch.len)
                return PL_EPROTO;
            pl_buf_put(out, patch.p, (size_t)n);
            patch = pl_slice_from(patch, (size_t)n);
            continue;
        }
        if (behind != '@' || take_number(&patch, &from, &behind) != PL_OK || behind != ',')
            return PL_EPROTO;
        if (from > source.len || n > source.len - from)
            return PL_EPROTO;
        pl_buf_put(out, source.p + from, (size_t)n);
    }
    return PL_EPROTO;
}
