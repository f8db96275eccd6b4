#include "codec/http1_chunk.h"

#include "base/check.h"
#include "codec/http1_field.h"

enum chunk_state {
    C_SIZE,         /* hex digits */
    C_EXT,          /* after ';', up to CR */
    C_SIZE_LF,
    C_DATA,
    C_DATA_CR,
    C_DATA_LF,
    C_TRAILER,      /* start of a trailer line, or the last CRLF */
    C_TRAILER_NAME,
    C_TRAILER_VALUE,
    C_TRAILER_LF,
    C_LAST_LF,
    C_DONE,
    C_STATES,
};

enum { SIZE_DIGITS = 16 };

static bool is_text(uint8_t c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static enum pl_err size_byte(struct pl_http1_chunk *c, uint8_t b)
{
    int digit = pl_http1_hex_digit(b);

    if (digit >= 0) {
        if (c->n_digits == SIZE_DIGITS)
            return PL_EPROTO; /* would overflow, or pads to hide its size */
        c->left = c->left << 4 | (unsigned)digit;
        c->n_digits++;
        return PL_OK;
    }
    if (c->n_digits == 0)
        return PL_EPROTO;
    if (b == ';')
        c->state = C_EXT;
    else if (b == '\r')
        c->state = C_SIZE_LF;
    else
        return PL_EPROTO;
    return PL_OK;
}

static enum pl_err size_end(struct pl_http1_chunk *c, uint64_t limit)
{
    c->n_digits = 0;
    if (c->left == 0) {
        c->state = C_TRAILER;
        return PL_OK;
    }
    if (c->left > limit || c->n_body > limit - c->left)
        return PL_ETOOBIG;
    c->n_body += c->left;
    c->state = C_DATA;
    return PL_OK;
}

/* Bytes beside the body: what a peer may spend on extensions and trailers is counted over the whole body. */
static enum pl_err extra_byte(struct pl_http1_chunk *c)
{
    return ++c->n_extra > PL_CHUNK_EXTRA_BYTES ? PL_ETOOBIG : PL_OK;
}

static enum pl_err trailer_byte(struct pl_http1_chunk *c, uint8_t b)
{
    switch ((enum chunk_state)c->state) {
    case C_TRAILER:
        if (b == '\r')
            c->state = C_LAST_LF;
        else if (pl_http1_is_tchar(b))
            c->state = C_TRAILER_NAME;
        else
            return PL_EPROTO;
        return extra_byte(c);
    case C_TRAILER_NAME:
        if (b == ':')
            c->state = C_TRAILER_VALUE;
        else if (!pl_http1_is_tchar(b))
            return PL_EPROTO;
        return extra_byte(c);
    case C_TRAILER_VALUE:
        if (b == '\r')
            c->state = C_TRAILER_LF;
        else if (!is_text(b))
            return PL_EPROTO;
        return extra_byte(c);
    case C_SIZE: case C_EXT: case C_SIZE_LF: case C_DATA: case C_DATA_CR: case C_DATA_LF: case C_TRAILER_LF:
    case C_LAST_LF: case C_DONE: case C_STATES:
        break;
    }
    PL_UNREACHABLE();
}

/* One byte that is not chunk data. */
static enum pl_err chunk_byte(struct pl_http1_chunk *c, uint8_t b, uint64_t limit)
{
    switch ((enum chunk_state)c->state) {
    case C_SIZE:
        return size_byte(c, b);
    case C_EXT:
        if (b == '\r')
            c->state = C_SIZE_LF;
        else if (!is_text(b))
            return PL_EPROTO;
        return extra_byte(c);
    case C_SIZE_LF:
        return b == '\n' ? size_end(c, limit) : PL_EPROTO;
    case C_DATA_CR:
        c->state = C_DATA_LF;
        return b == '\r' ? PL_OK : PL_EPROTO;
    case C_DATA_LF:
        c->state = C_SIZE;
        return b == '\n' ? PL_OK : PL_EPROTO;
    case C_TRAILER: case C_TRAILER_NAME: case C_TRAILER_VALUE:
        return trailer_byte(c, b);
    case C_TRAILER_LF:
        c->state = C_TRAILER;
        return b == '\n' ? PL_OK : PL_EPROTO;
    case C_LAST_LF:
        c->state = C_DONE;
        return b == '\n' ? PL_OK : PL_EPROTO;
    case C_DATA: case C_DONE: case C_STATES:
        break;
    }
    PL_UNREACHABLE();
}

enum pl_err pl_http1_chunk_decode(struct pl_http1_chunk *c, uint8_t *p, size_t len, uint64_t limit, size_t *ret_body,
                                  size_t *ret_used)
{
    size_t at = 0, n_body = 0;

    while (at < len && c->state != C_DONE) {
        if (c->state == C_DATA) {
            size_t n = len - at < c->left ? len - at : (size_t)c->left;

            memmove(p + n_body, p + at, n);
            n_body += n;
            at += n;
            c->left -= n;
            if (c->left == 0)
                c->state = C_DATA_CR;
        } else {
            enum pl_err err = chunk_byte(c, p[at], limit);

            if (err != PL_OK)
                return err;
            at++;
        }
    }
    *ret_body = n_body;
    *ret_used = at;
    return c->state == C_DONE ? PL_OK : PL_MORE;
}

bool pl_http1_chunk_is_sane(const struct pl_http1_chunk *c)
{
    return c->state < C_STATES && c->n_digits <= SIZE_DIGITS && c->n_extra <= PL_CHUNK_EXTRA_BYTES &&
           (c->state != C_DATA || (c->left > 0 && c->left <= c->n_body));
}
