#include "codec/http1_resp.h"

#include <stdio.h>

#include "base/check.h"

static const struct {
    uint16_t status;
    const char *reason;
} reasons[] = {
    { 200, "OK" },                              /* most frequent first */
    { 100, "Continue" },
    { 101, "Switching Protocols" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 204, "No Content" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 304, "Not Modified" },
    { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 411, "Length Required" },
    { 412, "Precondition Failed" },
    { 413, "Request Entity Too Large" },
    { 414, "Request URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 416, "Requested Range Not Satisfiable" },
    { 417, "Expectation Failed" },
    { 421, "Misdirected Request" },
    { 426, "Upgrade Required" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 505, "HTTP Version Not Supported" },
};

const char *pl_http_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

void pl_http1_resp_start(struct pl_buf *out, unsigned status)
{
    const char *reason = pl_http_reason(status);

    PL_ASSERT(status >= 100 && status <= 599);
    PL_BUF_LIT(out, "HTTP/1.1 ");
    pl_buf_u64(out, status);
    pl_buf_byte(out, ' ');
    pl_buf_put(out, reason, strlen(reason));
    PL_BUF_LIT(out, "\r\n");
}

void pl_http1_resp_header(struct pl_buf *out, struct pl_slice name, struct pl_slice value)
{
    uint8_t *at = pl_buf_room(out, name.len + value.len + 4);

    if (at == NULL)
        return;
    memcpy(at, name.p, name.len);
    at += name.len;
    *at++ = ':';
    *at++ = ' ';
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.p[i];

        *at++ = (uint8_t)((c < ' ' && c != '\t') || c == 0x7f ? ' ' : c);
    }
    *at++ = '\r';
    *at = '\n';
    out->len += name.len + value.len + 4;
}

void pl_http1_resp_length(struct pl_buf *out, uint64_t n_body)
{
    PL_BUF_LIT(out, "Content-Length: ");
    pl_buf_u64(out, n_body);
    PL_BUF_LIT(out, "\r\n");
}

/* Days since 1970-01-01 to a calendar date: whole eras of 400 years, the year beginning in March so that the leap day
 * comes last. Of our own because gmtime() belongs to the C library's shared state and strftime() to a locale. */
void pl_http1_resp_date(struct pl_buf *out, int64_t unix_s)
{
    static const char days[] = "ThuFriSatSunMonTueWed", months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
    int64_t day, secs, era, doe, yoe, doy, month, year;

    PL_ASSERT(unix_s >= 0 && unix_s < INT64_C(253402300800)); /* four-digit years */
    day = unix_s / 86400;
    secs = unix_s % 86400;
    era = (day + 719468) / 146097;
    doe = (day + 719468) % 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    month = (5 * doy + 2) / 153;
    year = yoe + era * 400 + (month >= 10);
    pl_buf_printf(out, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n", days + day % 7 * 3,
                  (int)(doy - (153 * month + 2) / 5 + 1), months + month * 3, (int)year, (int)(secs / 3600),
                  (int)(secs / 60 % 60), (int)(secs % 60));
}

void pl_http1_resp_end(struct pl_buf *out)
{
    PL_BUF_LIT(out, "\r\n");
}

void pl_http1_resp_chunk(struct pl_buf *out, struct pl_slice data)
{
    char size[20];
    int n;

    PL_ASSERT(data.len > 0);
    n = snprintf(size, sizeof size, "%zx\r\n", data.len);
    pl_buf_put(out, size, (size_t)n);
    pl_buf_slice_put(out, data);
    PL_BUF_LIT(out, "\r\n");
}

void pl_http1_resp_last_chunk(struct pl_buf *out)
{
    PL_BUF_LIT(out, "0\r\n\r\n");
}
