/* Frames of a stranger into ws_in, as server and as client, with and without deflate. The first byte chooses: bit 0
 * client, bit 1 deflate, bit 2 takeover, bits 3-5 size of the pieces. Beside not crashing: the same bytes in pieces and at
 * once give the same events, and a record taken between two pieces goes on the same. */
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "codec/ws_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 2000, INFLATED_LIMIT = 50000 };

struct run {
    struct pl_ws_in_opts opts;
    struct pl_ws_zip *zip;
    struct pl_ws_in in;
    uint64_t trace; /* of all events */
    bool is_over;
};

static void note(struct run *r, const struct pl_ws_event *ev)
{
    uint64_t parts[3] = { ev->kind, ev->kind == PL_WS_EV_MESSAGE ? ev->opcode : 0,
                          ev->kind == PL_WS_EV_CLOSE || ev->kind == PL_WS_EV_BAD ? ev->code : 0 };
    struct pl_hash_key key = { r->trace, 1 };

    PL_ASSERT(!r->is_over); /* nothing after a close or a failure */
    if (ev->kind == PL_WS_EV_MESSAGE) {
        PL_ASSERT(ev->opcode == PL_WS_TEXT || ev->opcode == PL_WS_BINARY);
        PL_ASSERT(ev->data.len <= (r->opts.has_deflate ? INFLATED_LIMIT : LIMIT));
        PL_ASSERT(ev->opcode != PL_WS_TEXT || pl_utf8_is_valid(ev->data));
    } else {
        PL_ASSERT(ev->data.len <= PL_WS_CONTROL_MAX);
    }
    r->is_over = ev->kind == PL_WS_EV_CLOSE || ev->kind == PL_WS_EV_BAD;
    r->trace = pl_hash(key, pl_slice(parts, sizeof parts));
    key.k0 = r->trace;
    r->trace = pl_hash(key, ev->data);
}

static void feed(struct run *r, const uint8_t *p, size_t n)
{
    uint8_t *copy = malloc(n + 1);
    struct pl_ws_feed f = { copy, n };
    struct pl_ws_event ev;

    PL_ASSERT(copy != NULL);
    if (n > 0)
        memcpy(copy, p, n);
    while (pl_ws_in_next(&r->in, r->zip, &f, &ev) != PL_WS_EV_MORE)
        note(r, &ev);
    PL_ASSERT(f.len == 0 && pl_ws_in_held(&r->in) <= LIMIT + 512);
    free(copy);
}

static void move(struct run *r)
{
    struct pl_buf b = pl_buf_init(200000);
    struct pl_rec_out out = { &b };
    enum pl_err err;

    pl_ws_in_save(&r->in, &out);
    PL_ASSERT(pl_buf_ok(&b));
    pl_ws_in_fini(&r->in);
    err = pl_ws_in_load(&r->in, &r->opts, (struct pl_rec_in){ pl_buf_slice(&b) });
    PL_ASSERT(err == PL_OK);
    pl_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run whole = { 0 }, pieces = { 0 };
    struct pl_ws_zip *zip = NULL;
    size_t step, at, n;

    if (size == 0 || size > 20000 || pl_ws_zip_new(1, &zip) != PL_OK)
        return 0;
    whole.zip = zip;
    whole.opts = (struct pl_ws_in_opts){ .role = (data[0] & 1) != 0 ? PL_WS_CLIENT : PL_WS_SERVER, .limit = LIMIT,
                                         .inflated_limit = INFLATED_LIMIT, .has_deflate = (data[0] & 2) != 0,
                                         .has_takeover = (data[0] & 4) != 0, .window_bits = 12 };
    pieces = whole;
    step = 1 + (size_t)(data[0] >> 3 & 7) * 5;
    data++;
    size--;
    pl_ws_in_init(&whole.in, &whole.opts);
    feed(&whole, data, size);
    pl_ws_in_init(&pieces.in, &pieces.opts);
    for (at = 0; at < size; at += n) {
        n = size - at < step ? size - at : step;
        feed(&pieces, data + at, n);
        if (at % 3 == 0 && at < 200)
            move(&pieces);
    }
    PL_ASSERT(whole.trace == pieces.trace && whole.is_over == pieces.is_over);

    /* The same bytes as a record: refused or loaded, and then usable. */
    pl_ws_in_fini(&pieces.in);
    if (pl_ws_in_load(&pieces.in, &pieces.opts, (struct pl_rec_in){ pl_slice(data, size) }) == PL_OK) {
        pieces.is_over = false;
        feed(&pieces, data, size);
        pl_ws_in_fini(&pieces.in);
    }
    pl_ws_in_fini(&whole.in);
    pl_ws_zip_free(&zip);
    return 0;
}
