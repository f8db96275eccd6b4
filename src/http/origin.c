#include "http/origin.h"

#include "base/check.h"
#include "codec/http1_resp.h"

enum { ORIGIN_MAX = 512 }; /* bytes; a longer one is of no browser */

/* scheme "://" host [":" port], lower-case already: RFC 6454 6.2 */
static bool is_tuple_origin(struct pl_slice s)
{
    size_t at = 0, host, colon;

    while (at < s.len && ((s.p[at] >= 'a' && s.p[at] <= 'z') || (at > 0 && (s.p[at] == '+' || s.p[at] == '-' || s.p[at] == '.' ||
                                                                         (s.p[at] >= '0' && s.p[at] <= '9')))))
        at++;
    if (at == 0 || s.len - at < 4 || memcmp(s.p + at, "://", 3) != 0)
        return false;
    host = at += 3;
    if (s.p[at] == '[') {
        const uint8_t *end = memchr(s.p + at, ']', s.len - at);

        if (end == NULL)
            return false;
        for (at++; s.p + at < end; at++)
            if (pl_http1_hex_digit(s.p[at]) < 0 && s.p[at] != ':' && s.p[at] != '.')
                return false;
        at++;
    } else {
        while (at < s.len && s.p[at] != ':') {
            if (s.p[at] <= ' ' || memchr("/@?#\\[]%,", s.p[at], 9) != NULL)
                return false;
            at++;
        }
    }
    if (at == host)
        return false;
    if (at == s.len)
        return true;
    colon = at++;
    if (s.p[colon] != ':' || s.len - at > 5) /* an empty port is a port (RFC 3986 3.2.3) */
        return false;
    for (; at < s.len; at++)
        if (s.p[at] < '0' || s.p[at] > '9')
            return false;
    return true;
}

/* Linear in pattern and text for one star, and never worse than their product: on a mismatch only the last star is
 * given one byte more. */
static bool glob(const char *pattern, struct pl_slice s)
{
    const char *star = NULL;
    size_t at = 0, mark = 0;

    while (at < s.len) {
        if (*pattern == '*') {
            star = pattern++;
            mark = at;
        } else if (*pattern == '?' || (*pattern != 0 && (uint8_t)*pattern == s.p[at])) {
            pattern++;
            at++;
        } else if (star != NULL) {
            pattern = star + 1;
            at = ++mark;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}

bool pl_origin_matches(struct pl_slice origin, const char *const *patterns, size_t n_patterns)
{
    uint8_t lower[ORIGIN_MAX];
    struct pl_slice s;
    bool is_tuple;

    if (n_patterns == 1 && strcmp(patterns[0], "*") == 0)
        return true;
    if (origin.len > sizeof lower)
        return false;
    for (size_t i = 0; i < origin.len; i++)
        lower[i] = (uint8_t)(origin.p[i] >= 'A' && origin.p[i] <= 'Z' ? origin.p[i] | 0x20 : origin.p[i]);
    s = pl_slice(lower, origin.len);
    is_tuple = is_tuple_origin(s);
    for (size_t i = 0; i < n_patterns; i++) {
        if (strcmp(patterns[i], "*") == 0 || pl_slice_eq(s, pl_slice_str(patterns[i])))
            return true;
        if ((is_tuple || PL_SABOTAGE(http_origin_null)) && glob(patterns[i], s))
            return true;
    }
    return false;
}

bool pl_origin_ok(const struct pl_http1_head *head, const char *const *patterns, size_t n_patterns)
{
    struct pl_slice origin = pl_http1_head_get(head, PL_LIT("Origin"));

    if (origin.p == NULL)
        return true;
    if (pl_http1_head_count(head, PL_LIT("Origin")) > 1)
        return false;
    return pl_origin_matches(origin, patterns, n_patterns);
}

void pl_cors_put(struct pl_buf *out, const struct pl_http1_head *head)
{
    struct pl_slice asked = pl_http1_head_get(head, PL_LIT("Access-Control-Request-Headers"));

    pl_http1_resp_header(out, PL_LIT("Access-Control-Allow-Origin"), pl_http1_head_get(head, PL_LIT("Origin")));
    PL_BUF_LIT(out, "Access-Control-Allow-Credentials: true\r\n");
    if (asked.len > 0)
        pl_http1_resp_header(out, PL_LIT("Access-Control-Allow-Headers"), asked);
}

/* An entry may carry a port ("1.2.3.4:5", "[::1]:5") or be quoted; the port is of no interest. */
static enum pl_err forwarded_parse(struct pl_slice s, struct pl_addr *ret)
{
    const uint8_t *end;

    if (s.len >= 2 && s.p[0] == '"' && s.p[s.len - 1] == '"')
        s = pl_slice(s.p + 1, s.len - 2);
    if (s.len > 0 && s.p[0] == '[') {
        end = memchr(s.p, ']', s.len);
        return end != NULL ? pl_ip_parse(pl_slice(s.p + 1, (size_t)(end - s.p) - 1), ret) : PL_EINVAL;
    }
    end = s.len > 0 ? memchr(s.p, ':', s.len) : NULL;
    if (end != NULL && memchr(end + 1, ':', s.len - (size_t)(end - s.p) - 1) == NULL)
        s.len = (size_t)(end - s.p);
    return pl_ip_parse(s, ret);
}

static struct pl_slice trim(struct pl_slice s)
{
    while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = pl_slice_from(s, 1);
    while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Takes the right-most element off a list. */
static struct pl_slice list_last(struct pl_slice *list)
{
    const uint8_t *comma = list->len > 0 ? memrchr(list->p, ',', list->len) : NULL;
    struct pl_slice item;

    if (comma == NULL) {
        item = *list;
        list->len = 0;
    } else {
        item = pl_slice(comma + 1, list->len - (size_t)(comma - list->p) - 1);
        list->len = (size_t)(comma - list->p);
    }
    return trim(item);
}

struct pl_addr pl_client_addr(const struct pl_http1_head *head, const struct pl_addr *peer, const struct pl_cidr_list *trusted)
{
    struct pl_addr who = *peer;

    if (trusted == NULL || (!pl_cidr_match(trusted, &who) && !PL_SABOTAGE(http_forwarded_from_anyone)))
        return who;
    for (size_t i = head->n_fields; i-- > 0;) {
        struct pl_slice list = head->fields[i].value;

        if (!pl_slice_eq_nocase(head->fields[i].name, PL_LIT("X-Forwarded-For")))
            continue;
        while (list.len > 0) {
            struct pl_addr next;

            if (forwarded_parse(list_last(&list), &next) != PL_OK)
                return who;
            who = next;
            if (!pl_cidr_match(trusted, &who))
                return who;
        }
    }
    return who;
}
