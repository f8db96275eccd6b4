#include "codec/http1_head.h"

#include "base/check.h"

/* What the pass over the field lines found; the framing is decided from it afterwards. */
struct seen {
    unsigned n_host, n_length, n_coding, n_expect;
    struct pl_slice coding, expect, upgrade;
    bool close, keep_alive, connection_upgrade;
};

static const struct pl_slice none = { NULL, 0 };

static enum pl_err refuse(struct pl_http1_refusal *ret, uint16_t status, const char *why, const char *field)
{
    return pl_http1_refuse(ret, PL_EPROTO, status, why, pl_slice_str(field));
}

static enum pl_http_method method_of(struct pl_slice name)
{
    static const struct {
        struct pl_slice name;
        enum pl_http_method method;
    } rows[] = {
        { PL_LIT_INIT("GET"), PL_HTTP_GET },         { PL_LIT_INIT("POST"), PL_HTTP_POST },
        { PL_LIT_INIT("OPTIONS"), PL_HTTP_OPTIONS }, { PL_LIT_INIT("HEAD"), PL_HTTP_HEAD },
        { PL_LIT_INIT("PUT"), PL_HTTP_PUT },         { PL_LIT_INIT("DELETE"), PL_HTTP_DELETE },
        { PL_LIT_INIT("PATCH"), PL_HTTP_PATCH },     { PL_LIT_INIT("TRACE"), PL_HTTP_TRACE },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (pl_slice_eq(name, rows[i].name))
            return rows[i].method;
    return PL_HTTP_OTHER;
}

/* uri-host [":" port] by its characters (RFC 3986 3.2). No userinfo; a comma would be two hosts joined by somebody. */
static bool is_authority(struct pl_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.p[i];

        if (c == '%') {
            if (s.len - i < 3 || pl_http1_hex_digit(s.p[i + 1]) < 0 || pl_http1_hex_digit(s.p[i + 2]) < 0)
                return false;
        } else if (!pl_http1_is_tchar(c) && c != ':' && c != '[' && c != ']' && c != '(' && c != ')' && c != ';' && c != '=') {
            return false;
        } else if (c == '#' || c == '^' || c == '`' || c == '|') {
            return false;
        }
    }
    return true;
}

static enum pl_err path_check(struct pl_slice path, struct pl_http1_refusal *ret_refusal)
{
    for (size_t i = 0; i < path.len; i++) {
        int hi, lo;

        if (path.p[i] == '\\') /* browsers read it as a slash */
            return refuse(ret_refusal, 400, "backslash in the path", NULL);
        if (path.p[i] != '%')
            continue;
        if (path.len - i < 3)
            return refuse(ret_refusal, 400, "bad percent-encoding in the path", NULL);
        hi = pl_http1_hex_digit(path.p[i + 1]);
        lo = pl_http1_hex_digit(path.p[i + 2]);
        if (hi < 0 || lo < 0 || hi + lo == 0) /* %00 ends the name for a C program behind or before us */
            return refuse(ret_refusal, 400, "bad percent-encoding in the path", NULL);
    }
    return PL_OK;
}

static size_t scheme_len(struct pl_slice target)
{
    if (target.len >= 7 && pl_slice_eq_nocase(pl_slice(target.p, 7), PL_LIT("http://")))
        return 7;
    if (target.len >= 8 && pl_slice_eq_nocase(pl_slice(target.p, 8), PL_LIT("https://")))
        return 8;
    return 0;
}

/* The four forms of RFC 9112 3.2; authority-form goes with CONNECT, which we do not offer. */
static enum pl_err target_parse(struct pl_http1_head *h, struct pl_http1_refusal *ret_refusal)
{
    struct pl_slice rest = h->target;
    const uint8_t *mark;
    size_t scheme;

    if (pl_slice_eq(h->method_name, PL_LIT("CONNECT")))
        return refuse(ret_refusal, 501, "CONNECT is not offered", NULL);
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.p[i] <= ' ' || rest.p[i] >= 0x7f)
            return refuse(ret_refusal, 400, "request target has a byte that must be percent-encoded", NULL);
        if (rest.p[i] == '#')
            return refuse(ret_refusal, 400, "fragment in the request target", NULL);
    }
    if (rest.len == 1 && rest.p[0] == '*') {
        if (h->method != PL_HTTP_OPTIONS)
            return refuse(ret_refusal, 400, "'*' is a target for OPTIONS only", NULL);
        h->path = rest;
        return PL_OK;
    }
    scheme = scheme_len(rest);
    if (scheme > 0) {
        size_t end = scheme;

        while (end < rest.len && rest.p[end] != '/' && rest.p[end] != '?')
            end++;
        h->host = pl_slice(rest.p + scheme, end - scheme);
        if (h->host.len == 0 || !is_authority(h->host))
            return refuse(ret_refusal, 400, "bad authority in the request target", NULL);
        rest = pl_slice_from(rest, end);
    }
    mark = rest.len > 0 ? memchr(rest.p, '?', rest.len) : NULL;
    h->path = mark != NULL ? pl_slice(rest.p, (size_t)(mark - rest.p)) : rest;
    h->query = mark != NULL ? pl_slice_from(rest, h->path.len + 1) : none;
    if (h->path.len == 0 && scheme > 0)
        h->path = PL_LIT("/"); /* RFC 3986 6.2.3: an empty path of an http URI is "/" */
    if (h->path.len == 0 || h->path.p[0] != '/')
        return refuse(ret_refusal, 400, "request target must begin with '/'", NULL);
    return path_check(h->path, ret_refusal);
}

static enum pl_err version_parse(struct pl_slice v, struct pl_http1_head *h, struct pl_http1_refusal *ret_refusal)
{
    if (v.len != 8 || memcmp(v.p, "HTTP/", 5) != 0 || v.p[5] < '0' || v.p[5] > '9' || v.p[6] != '.' || v.p[7] < '0' ||
        v.p[7] > '9')
        return refuse(ret_refusal, 400, "malformed request line", NULL);
    if (v.p[5] != '1' || v.p[7] > '1')
        return refuse(ret_refusal, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here", NULL);
    h->minor = (uint8_t)(v.p[7] - '0');
    return PL_OK;
}

/* method SP target SP version, single spaces (RFC 9112 3). */
static enum pl_err line_parse(struct pl_slice line, struct pl_http1_head *h, struct pl_http1_refusal *ret_refusal)
{
    const uint8_t *sp = memchr(line.p, ' ', line.len);
    struct pl_slice rest;
    enum pl_err err;

    h->method_name = pl_slice(line.p, sp != NULL ? (size_t)(sp - line.p) : 0);
    if (!pl_http1_is_token(h->method_name))
        return refuse(ret_refusal, 400, "malformed request line", NULL);
    h->method = method_of(h->method_name);
    rest = pl_slice_from(line, h->method_name.len + 1);
    sp = rest.len > 0 ? memchr(rest.p, ' ', rest.len) : NULL;
    if (sp == NULL || sp == rest.p)
        return refuse(ret_refusal, 400, "malformed request line", NULL);
    h->target = pl_slice(rest.p, (size_t)(sp - rest.p));
    err = version_parse(pl_slice_from(rest, h->target.len + 1), h, ret_refusal);
    return err != PL_OK ? err : target_parse(h, ret_refusal);
}

static void connection_note(struct pl_slice list, struct seen *seen)
{
    struct pl_slice item;

    while (pl_http1_list_next(&list, &item)) {
        if (pl_slice_eq_nocase(item, PL_LIT("close")))
            seen->close = true;
        else if (pl_slice_eq_nocase(item, PL_LIT("keep-alive")))
            seen->keep_alive = true;
        else if (pl_slice_eq_nocase(item, PL_LIT("upgrade")))
            seen->connection_upgrade = true;
    }
}

static enum pl_err host_note(struct pl_http1_head *h, struct seen *seen, const struct pl_http1_field *f,
                             struct pl_http1_refusal *ret_refusal)
{
    if (seen->n_host++ > 0)
        return refuse(ret_refusal, 400, "more than one Host", "Host");
    if (!is_authority(f->value))
        return refuse(ret_refusal, 400, "malformed Host", "Host");
    if (h->host.len == 0)
        h->host = f->value;
    else if (!pl_slice_eq_nocase(h->host, f->value)) /* who routes by which one would be anybody's guess */
        return refuse(ret_refusal, 400, "Host differs from the request target", "Host");
    return PL_OK;
}

static enum pl_err length_note(struct pl_http1_head *h, struct seen *seen, const struct pl_http1_field *f,
                               struct pl_http1_refusal *ret_refusal)
{
    if (seen->n_length++ > 0 && !PL_SABOTAGE(http1_two_lengths))
        return refuse(ret_refusal, 400, "more than one Content-Length", "Content-Length");
    if (pl_http1_length_parse(f->value, &h->content_length) != PL_OK)
        return refuse(ret_refusal, 400, "malformed Content-Length", "Content-Length");
    h->has_length = true;
    return PL_OK;
}

/* The fields that decide framing and connection; told apart by length first, so most cost one comparison. */
static enum pl_err field_note(struct pl_http1_head *h, struct seen *seen, const struct pl_http1_field *f,
                              struct pl_http1_refusal *ret_refusal)
{
    switch (f->name.len) {
    case 4:
        if (pl_slice_eq_nocase(f->name, PL_LIT("Host")))
            return host_note(h, seen, f, ret_refusal);
        break;
    case 6:
        if (pl_slice_eq_nocase(f->name, PL_LIT("Expect"))) {
            seen->n_expect++;
            seen->expect = f->value;
        }
        break;
    case 7:
        if (pl_slice_eq_nocase(f->name, PL_LIT("Upgrade")) && seen->upgrade.len == 0)
            seen->upgrade = f->value;
        break;
    case 10:
        if (pl_slice_eq_nocase(f->name, PL_LIT("Connection")))
            connection_note(f->value, seen);
        break;
    case 14:
        if (pl_slice_eq_nocase(f->name, PL_LIT("Content-Length")))
            return length_note(h, seen, f, ret_refusal);
        break;
    case 17:
        if (pl_slice_eq_nocase(f->name, PL_LIT("Transfer-Encoding"))) {
            seen->n_coding++;
            seen->coding = f->value;
        }
        break;
    }
    return PL_OK;
}

/* RFC 9112 6.1 and 6.3. Where the length cannot be known for certain: 400; a coding we could know but don't: 501. */
static enum pl_err coding_decide(struct pl_http1_head *h, const struct seen *seen, struct pl_http1_refusal *ret_refusal)
{
    struct pl_slice list = seen->coding, item, last = none;
    size_t n_chunked = 0;

    if (seen->n_coding == 0)
        return PL_OK;
    if (seen->n_coding > 1)
        return refuse(ret_refusal, 400, "more than one Transfer-Encoding", "Transfer-Encoding");
    if (seen->n_length > 0 && !PL_SABOTAGE(http1_length_and_coding))
        return refuse(ret_refusal, 400, "both Content-Length and Transfer-Encoding", "Transfer-Encoding");
    if (h->minor == 0)
        return refuse(ret_refusal, 400, "Transfer-Encoding in HTTP/1.0", "Transfer-Encoding");
    if (pl_slice_eq_nocase(seen->coding, PL_LIT("chunked"))) {
        h->is_chunked = true;
        h->has_length = false;
        return PL_OK;
    }
    while (pl_http1_list_next(&list, &item)) {
        if (!pl_http1_is_token(item))
            return refuse(ret_refusal, 400, "malformed Transfer-Encoding", "Transfer-Encoding");
        n_chunked += pl_slice_eq_nocase(item, PL_LIT("chunked"));
        last = item;
    }
    if (n_chunked == 1 && pl_slice_eq_nocase(last, PL_LIT("chunked")) && last.len != seen->coding.len &&
        seen->coding.p[0] != ',' && seen->coding.p[seen->coding.len - 1] != ',')
        return refuse(ret_refusal, 501, "only the transfer coding 'chunked' is known", "Transfer-Encoding");
    return refuse(ret_refusal, 400, "the last transfer coding must be one 'chunked'", "Transfer-Encoding");
}

static enum pl_err framing_decide(struct pl_http1_head *h, const struct seen *seen, struct pl_http1_refusal *ret_refusal)
{
    enum pl_err err = coding_decide(h, seen, ret_refusal);

    if (err != PL_OK)
        return err;
    if (seen->n_host == 0 && h->minor == 1)
        return refuse(ret_refusal, 400, "Host is missing", "Host"); /* RFC 9112 3.2 */
    h->keep_alive = !seen->close && (h->minor == 1 || seen->keep_alive);
    if (h->minor == 1 && seen->connection_upgrade)
        h->upgrade = seen->upgrade;
    if (seen->n_expect > 0 && h->minor == 1) { /* RFC 9110 10.1.1: ignored in 1.0 */
        if (seen->n_expect > 1 || !pl_slice_eq_nocase(seen->expect, PL_LIT("100-continue")))
            return refuse(ret_refusal, 417, "only the expectation '100-continue' is known", "Expect");
        h->expects_continue = h->is_chunked || (h->has_length && h->content_length > 0);
    }
    return PL_OK;
}

static enum pl_err fields_judge(struct pl_http1_head *h, struct pl_http1_refusal *ret_refusal)
{
    struct seen seen = { 0 };

    for (size_t i = 0; i < h->n_fields; i++) {
        enum pl_err err = field_note(h, &seen, &h->fields[i], ret_refusal);

        if (err != PL_OK)
            return err;
    }
    return framing_decide(h, &seen, ret_refusal);
}

enum pl_err pl_http1_head_parse(struct pl_slice in, const struct pl_http1_limits *limits, struct pl_http1_scan *scan,
                                struct pl_http1_head *ret, struct pl_http1_refusal *ret_refusal)
{
    uint32_t head_limit = limits != NULL && limits->head_bytes > 0 ? limits->head_bytes : PL_HTTP1_HEAD_BYTES;
    uint32_t target_limit = limits != NULL && limits->target_bytes > 0 ? limits->target_bytes : PL_HTTP1_TARGET_BYTES;
    enum { LINE_EXTRA = 40 }; /* method, version and spaces beside the target */
    size_t len, start, line_len;
    const uint8_t *lf;
    enum pl_err err;

    if (in.len == 0)
        return PL_MORE;
    if (in.p[0] == 0x16) /* a TLS record: say so, instead of waiting for the head's deadline */
        return refuse(ret_refusal, 400, "this port speaks plain HTTP, not TLS", NULL);
    if (in.p[0] == '\r' ? in.len > 1 && in.p[1] != '\n' : !pl_http1_is_tchar(in.p[0]))
        return refuse(ret_refusal, 400, "malformed request line", NULL);
    err = pl_http1_scan_head(scan, in, (size_t)target_limit + LINE_EXTRA, head_limit, &len, ret_refusal);
    if (err != PL_OK)
        return err;

    memset(ret, 0, offsetof(struct pl_http1_head, fields));
    start = in.p[0] == '\r' ? 2 : 0;
    lf = memchr(in.p + start, '\n', len - start);
    PL_ASSERT(lf != NULL);
    line_len = (size_t)(lf - in.p) - start;
    err = line_parse(pl_slice(in.p + start, line_len - 1), ret, ret_refusal);
    if (err != PL_OK)
        return err;
    if (ret->target.len > target_limit)
        return pl_http1_refuse(ret_refusal, PL_ETOOBIG, 414, "request target too long", none);
    start += line_len + 1;
    err = pl_http1_fields_parse(pl_slice(in.p + start, len - 2 - start), ret->fields, PL_HTTP1_FIELDS_MAX,
                                &ret->n_fields, ret_refusal);
    if (err != PL_OK)
        return err;
    ret->len = len;
    return fields_judge(ret, ret_refusal);
}

struct pl_slice pl_http1_head_get(const struct pl_http1_head *h, struct pl_slice name)
{
    const struct pl_http1_field *f = pl_http1_field_find(h->fields, h->n_fields, name);

    return f != NULL ? f->value : none;
}

size_t pl_http1_head_count(const struct pl_http1_head *h, struct pl_slice name)
{
    size_t n = 0;

    for (size_t i = 0; i < h->n_fields; i++)
        n += pl_slice_eq_nocase(h->fields[i].name, name);
    return n;
}
