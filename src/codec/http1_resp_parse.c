#include "codec/http1_resp_parse.h"

#include "base/check.h"
#include "codec/http1_resp.h"

static enum pl_err refuse(struct pl_http1_refusal *ret, const char *why)
{
    return pl_http1_refuse(ret, PL_EPROTO, 502, why, (struct pl_slice){ NULL, 0 });
}

/* HTTP-version SP status-code SP [reason] (RFC 9112 4); the space before an absent reason may be missing. */
static enum pl_err line_parse(struct pl_slice line, struct pl_http1_resp *r, struct pl_http1_refusal *ret_refusal)
{
    const uint8_t *p = line.p;

    if (line.len < 12 || memcmp(p, "HTTP/1.", 7) != 0 || (p[7] != '0' && p[7] != '1') || p[8] != ' ' || p[9] < '1' ||
        p[9] > '5' || p[10] < '0' || p[10] > '9' || p[11] < '0' || p[11] > '9' || (line.len > 12 && p[12] != ' '))
        return refuse(ret_refusal, "malformed status line");
    r->minor = (uint8_t)(p[7] - '0');
    r->status = (uint16_t)((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
    r->reason = line.len > 13 ? pl_slice_from(line, 13) : pl_slice(NULL, 0);
    for (size_t i = 0; i < r->reason.len; i++)
        if ((r->reason.p[i] < ' ' && r->reason.p[i] != '\t') || r->reason.p[i] == 0x7f)
            return refuse(ret_refusal, "control character in the status line");
    return PL_OK;
}

static enum pl_err framing_decide(struct pl_http1_resp *r, bool to_head, struct pl_http1_refusal *ret_refusal)
{
    bool close = false, keep_alive = false, has_length = false, has_coding = false;

    for (size_t i = 0; i < r->n_fields; i++) {
        const struct pl_http1_field *f = &r->fields[i];

        if (pl_slice_eq_nocase(f->name, PL_LIT("Connection"))) {
            close |= pl_http1_list_has(f->value, PL_LIT("close"));
            keep_alive |= pl_http1_list_has(f->value, PL_LIT("keep-alive"));
        } else if (pl_slice_eq_nocase(f->name, PL_LIT("Content-Length"))) {
            if (has_length || pl_http1_length_parse(f->value, &r->content_length) != PL_OK)
                return refuse(ret_refusal, "bad Content-Length");
            has_length = true;
        } else if (pl_slice_eq_nocase(f->name, PL_LIT("Transfer-Encoding"))) {
            if (has_coding || r->minor == 0 || !pl_slice_eq_nocase(f->value, PL_LIT("chunked")))
                return refuse(ret_refusal, "bad Transfer-Encoding");
            has_coding = true;
        }
    }
    if (has_length && has_coding)
        return refuse(ret_refusal, "both Content-Length and Transfer-Encoding");
    if (to_head || pl_http_status_has_no_body(r->status))
        r->framing = PL_HTTP1_NO_BODY;
    else if (has_coding)
        r->framing = PL_HTTP1_CHUNKED;
    else if (has_length)
        r->framing = r->content_length > 0 ? PL_HTTP1_LENGTH : PL_HTTP1_NO_BODY;
    else
        r->framing = PL_HTTP1_UNTIL_CLOSE;
    r->keep_alive = !close && (r->minor == 1 || keep_alive) && r->framing != PL_HTTP1_UNTIL_CLOSE;
    return PL_OK;
}

static enum pl_err resp_parse(struct pl_slice in, bool to_head, struct pl_http1_scan *scan, struct pl_http1_resp *ret,
                              struct pl_http1_refusal *ret_refusal)
{
    const uint8_t *lf;
    size_t len, start;
    enum pl_err err;

    if (in.len > 0 && in.p[0] != 'H')
        return refuse(ret_refusal, "not an HTTP response");
    err = pl_http1_scan_head(scan, in, PL_HTTP1_TARGET_BYTES, PL_HTTP1_HEAD_BYTES, &len, ret_refusal);
    if (err != PL_OK)
        return err;
    memset(ret, 0, offsetof(struct pl_http1_resp, fields));
    lf = memchr(in.p, '\n', len);
    PL_ASSERT(lf != NULL);
    start = (size_t)(lf - in.p) + 1;
    err = line_parse(pl_slice(in.p, start - 2), ret, ret_refusal);
    if (err != PL_OK)
        return err;
    err = pl_http1_fields_parse(pl_slice(in.p + start, len - 2 - start), ret->fields, PL_HTTP1_FIELDS_MAX,
                                &ret->n_fields, ret_refusal);
    if (err != PL_OK)
        return err;
    ret->len = len;
    return framing_decide(ret, to_head, ret_refusal);
}

enum pl_err pl_http1_resp_parse(struct pl_slice in, bool to_head, struct pl_http1_scan *scan, struct pl_http1_resp *ret,
                                const char **ret_why)
{
    struct pl_http1_refusal refusal = { 0 };
    enum pl_err err = resp_parse(in, to_head, scan, ret, &refusal);

    if (ret_why != NULL && err != PL_OK && err != PL_MORE)
        *ret_why = refusal.why;
    return err;
}
