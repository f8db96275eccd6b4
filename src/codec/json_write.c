#include "codec/json_write.h"

#include "codec/json_scan.h"

static void put_control(struct pl_buf *b, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t esc[6] = { '\\', 'u', '0', '0', (uint8_t)hex[c >> 4], (uint8_t)hex[c & 15] };

    switch (c) {
    case '\n': PL_BUF_LIT(b, "\\n"); return;
    case '\r': PL_BUF_LIT(b, "\\r"); return;
    case '\t': PL_BUF_LIT(b, "\\t"); return;
    case '"': PL_BUF_LIT(b, "\\\""); return;
    case '\\': PL_BUF_LIT(b, "\\\\"); return;
    default: pl_buf_put(b, esc, sizeof esc); return;
    }
}

void pl_json_put_str_part(struct pl_buf *b, struct pl_slice text)
{
    const uint8_t *p = text.p, *from = p, *end;

    if (text.len == 0)
        return;
    end = p + text.len;
    while ((p = pl_json_scan_plain(p, end)) < end) {
        size_t n = *p >= 0x80 ? pl_json_scan_utf8(p, end) : 0;

        if (n != 0) {
            p += n;
            continue;
        }
        pl_buf_put(b, from, (size_t)(p - from));
        if (*p >= 0x80)
            PL_BUF_LIT(b, "\xef\xbf\xbd");
        else
            put_control(b, *p);
        from = ++p;
    }
    pl_buf_put(b, from, (size_t)(end - from));
}

void pl_json_put_str(struct pl_buf *b, struct pl_slice text)
{
    pl_buf_byte(b, '"');
    pl_json_put_str_part(b, text);
    pl_buf_byte(b, '"');
}

void pl_json_put_raw(struct pl_buf *b, struct pl_slice value)
{
    while (value.len > 0) {
        const uint8_t *lf = memchr(value.p, '\n', value.len);
        size_t n = lf != NULL ? (size_t)(lf - value.p) : value.len;

        pl_buf_put(b, value.p, n);
        value = pl_slice_from(value, lf != NULL ? n + 1 : n);
    }
}
