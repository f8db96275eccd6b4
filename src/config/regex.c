#define PCRE2_CODE_UNIT_WIDTH 8
#include "config/regex.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

struct pl_regex {
    pcre2_code *code; /* owned; read-only after compiling, so any thread may match */
};

enum { MAX_PATTERN = 4096, WORKSPACE = 2048, MATCH_LIMIT = 100000 };

/* What PCRE2 understands and RE2 does not, found before compiling. NULL: nothing. */
static const char *foreign_group(struct pl_slice p, size_t at)
{
    uint8_t c = at < p.len ? p.p[at] : 0;

    if (c == 'P')
        return at + 1 < p.len && p.p[at + 1] == '<' ? NULL : "named back references and calls are not supported";
    if (c == '<')
        return at + 1 < p.len && (p.p[at + 1] == '=' || p.p[at + 1] == '!') ? "look-behind is not supported" : NULL;
    if (c == '=' || c == '!')
        return "look-ahead is not supported";
    for (; at < p.len && p.p[at] != ')' && p.p[at] != ':'; at++)
        if (p.p[at] != 'i' && p.p[at] != 'm' && p.p[at] != 's' && p.p[at] != 'U' && p.p[at] != '-')
            return "this kind of group is not supported";
    return NULL;
}

static const char *foreign_escape(uint8_t c)
{
    if (c >= '1' && c <= '9')
        return "back references are not supported";
    return c != 0 && strchr("gkKGRXCNZehHV", c) != NULL ? "this escape is not supported" : NULL;
}

static const char *foreign_syntax(struct pl_slice p, size_t *ret_at)
{
    bool in_class = false, after_repeat = false;

    for (size_t i = 0; i < p.len; i++) {
        uint8_t c = p.p[i];
        const char *why = NULL;
        bool is_repeat = false;

        *ret_at = i;
        if (c == '\\') {
            uint8_t next = i + 1 < p.len ? p.p[i + 1] : 0;

            why = foreign_escape(next);
            if (next == 'Q') { /* \Q...\E is literal */
                size_t end = i + 2;
                while (end < p.len && !(p.p[end] == '\\' && end + 1 < p.len && p.p[end + 1] == 'E'))
                    end++;
                i = end;
            }
            i++;
        } else if (in_class) {
            in_class = c != ']';
        } else if (c == '[') {
            in_class = true; /* a leading ']' or '^]' is literal */
            if (i + 1 < p.len && p.p[i + 1] == '^')
                i++;
            if (i + 1 < p.len && p.p[i + 1] == ']')
                i++;
        } else if (c == '(' && i + 1 < p.len && p.p[i + 1] == '*') {
            why = "verbs are not supported";
        } else if (c == '(' && i + 1 < p.len && p.p[i + 1] == '?') {
            why = foreign_group(p, i + 2);
            i++;
        } else if (c == '*' || c == '+' || c == '?' || c == '}') {
            if (after_repeat && c != '?' && c != '}')
                why = "a repeat of a repeat";
            is_repeat = true;
        }
        after_repeat = is_repeat;
        if (why != NULL)
            return why;
    }
    return NULL;
}

enum pl_err pl_regex_new(struct pl_slice pattern, char *why_buf, size_t why_cap, struct pl_regex **ret_re)
{
    size_t at = 0;
    int code = 0;
    PCRE2_SIZE where = 0;
    const char *why = pattern.len > MAX_PATTERN ? "longer than 4096 bytes" : foreign_syntax(pattern, &at);
    struct pl_regex *re;

    if (why != NULL) {
        snprintf(why_buf, why_cap, "%s (at byte %zu)", why, at);
        return PL_EINVAL;
    }
    re = calloc(1, sizeof *re);
    if (re == NULL)
        return PL_ENOMEM;
    re->code = pcre2_compile(pattern.p, pattern.len,
                             PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |
                                 PCRE2_NO_AUTO_POSSESS | PCRE2_NO_AUTO_CAPTURE,
                             &code, &where, NULL);
    if (re->code == NULL) {
        char text[120];

        if (pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text) < 0)
            snprintf(text, sizeof text, "cannot be compiled");
        snprintf(why_buf, why_cap, "%s (at byte %zu)", text, (size_t)where);
        free(re);
        return PL_EINVAL;
    }
    *ret_re = re;
    return PL_OK;
}

void pl_regex_free(struct pl_regex **take_re)
{
    if (*take_re != NULL) {
        pcre2_code_free((*take_re)->code);
        free(*take_re);
        *take_re = NULL;
    }
}

bool pl_regex_match(const struct pl_regex *re, struct pl_slice text)
{
    int workspace[WORKSPACE];
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *ctx = pcre2_match_context_create(NULL);
    int n = -1;

    if (data != NULL && ctx != NULL) {
        pcre2_set_match_limit(ctx, MATCH_LIMIT);
        n = pcre2_dfa_match(re->code, text.p != NULL ? text.p : (const uint8_t *)"", text.len, 0, PCRE2_DFA_SHORTEST, data, ctx,
                            workspace, WORKSPACE);
    }
    pcre2_match_context_free(ctx);
    pcre2_match_data_free(data);
    return n >= 0; /* 0: matched, more alternatives than the vector holds */
}
