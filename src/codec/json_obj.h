/* codec/json_obj.h - objects whose zero or empty members are left out (wire-protocol.md 1.4): each member is written with a comma before
 * it, and closing the object turns the first comma into the brace. Statement macros, because names are literals glued at compile time. */
#ifndef PL_CODEC_JSON_OBJ_H
#define PL_CODEC_JSON_OBJ_H

#include "codec/json_write.h"

/* An object under way: where its first member's comma stands. */
struct pl_json_obj {
    size_t at;
};

static inline struct pl_json_obj pl_json_obj_open(struct pl_buf *b)
{
    return (struct pl_json_obj){ b->len };
}

static inline void pl_json_obj_close(struct pl_buf *b, struct pl_json_obj o)
{
    if (!pl_buf_ok(b))
        return;
    if (b->len == o.at) {
        PL_BUF_LIT(b, "{}");
        return;
    }
    b->p[o.at] = '{';
    pl_buf_byte(b, '}');
}

#define PL_JSON_NAME(b, name) PL_BUF_LIT(b, ",\"" name "\":")

#define PL_JSON_STR(b, name, v) \
    do { \
        if ((v).len != 0) { \
            PL_JSON_NAME(b, name); \
            pl_json_put_str(b, v); \
        } \
    } while (0)
#define PL_JSON_RAW(b, name, v) \
    do { \
        if ((v).len != 0) { \
            PL_JSON_NAME(b, name); \
            pl_json_put_raw(b, v); \
        } \
    } while (0)
#define PL_JSON_U64(b, name, v) \
    do { \
        if ((v) != 0) { \
            PL_JSON_NAME(b, name); \
            pl_buf_u64(b, v); \
        } \
    } while (0)
#define PL_JSON_I64(b, name, v) \
    do { \
        if ((v) != 0) { \
            PL_JSON_NAME(b, name); \
            pl_buf_i64(b, v); \
        } \
    } while (0)
#define PL_JSON_FLAG(b, name, v) \
    do { \
        if (v) \
            PL_BUF_LIT(b, ",\"" name "\":true"); \
    } while (0)

#endif
