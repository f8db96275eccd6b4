#include "codec/ws_head.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/utf8.h"

enum { WS0_FIN = 0x80, WS0_RSV1 = 0x40, WS0_RSV23 = 0x30, WS0_OPCODE = 0x0f }; /* bits of byte 0, RFC 6455 5.2 */
enum { WS1_MASK = 0x80, WS1_LEN = 0x7f };                                     /* bits of byte 1 */

/* Centrifugo's words for it; NULL where the opcode is known. */
static const char *const bad_opcodes[16] = {
    [3] = "bad opcode 3",   [4] = "bad opcode 4",   [5] = "bad opcode 5",   [6] = "bad opcode 6",
    [7] = "bad opcode 7",   [11] = "bad opcode 11", [12] = "bad opcode 12", [13] = "bad opcode 13",
    [14] = "bad opcode 14", [15] = "bad opcode 15",
};

/* What is wrong with the first two bytes, NULL if nothing. */
static const char *first_fault(const uint8_t *p, enum pl_ws_role role, bool has_rsv1)
{
    uint8_t opcode = p[0] & WS0_OPCODE;

    if (bad_opcodes[opcode] != NULL)
        return bad_opcodes[opcode];
    if ((p[0] & WS0_RSV23) != 0)
        return "reserved bit set";
    if ((p[0] & WS0_RSV1) != 0) {
        if (!has_rsv1)
            return "reserved bit set, no extension negotiated";
        if (opcode != PL_WS_TEXT && opcode != PL_WS_BINARY) /* RFC 7692 6.1: marks a message, on its first frame */
            return "compression bit on a frame that starts no message";
    }
    if (((p[1] & WS1_MASK) != 0) != (role == PL_WS_SERVER)) /* 5.1: clients always mask, servers never */
        return role == PL_WS_SERVER ? "client frame without mask" : "server frame with mask";
    if (pl_ws_is_control(opcode)) {                         /* 5.5: control frames are whole and short */
        if ((p[0] & WS0_FIN) == 0)
            return "fragmented control frame";
        if ((p[1] & WS1_LEN) > PL_WS_CONTROL_MAX)
            return "control frame over 125 bytes";
    }
    return NULL;
}

enum pl_err pl_ws_head_parse(struct pl_slice in, enum pl_ws_role role, bool has_rsv1, uint64_t limit,
                             struct pl_ws_head *ret)
{
    struct pl_ws_head h = { 0 };
    size_t at = 2;
    uint64_t len;

    if (in.len < 2)
        return PL_MORE;
    h.fault = first_fault(in.p, role, has_rsv1);
    if (h.fault != NULL) {
        *ret = h;
        return PL_EPROTO;
    }
    h.is_fin = (in.p[0] & WS0_FIN) != 0;
    h.has_rsv1 = (in.p[0] & WS0_RSV1) != 0;
    h.opcode = in.p[0] & WS0_OPCODE;
    h.is_masked = (in.p[1] & WS1_MASK) != 0;
    len = in.p[1] & WS1_LEN;

    if (len == 126) {
        if (in.len < 4)
            return PL_MORE;
        len = pl_be16(in.p + 2);
        at = 4;
        if (len < 126)
            h.fault = "length not in its shortest form";
    } else if (len == 127) {
        if (in.len < 10)
            return PL_MORE;
        len = pl_be64(in.p + 2);
        at = 10;
        if (len <= UINT16_MAX)
            h.fault = "length not in its shortest form";
        else if (len >> 63 != 0)
            h.fault = "length over 63 bits";
    }
    if (h.fault != NULL) {
        *ret = h;
        return PL_EPROTO;
    }
    if (!pl_ws_is_control(h.opcode) && len > limit) /* refused before the mask, so before any storage */
        return PL_ETOOBIG;
    if (h.is_masked) {
        if (in.len < at + sizeof h.mask)
            return PL_MORE;
        memcpy(h.mask, in.p + at, sizeof h.mask);
        at += sizeof h.mask;
    }
    h.payload_len = len;
    h.head_len = (uint8_t)at;
    *ret = h;
    return PL_OK;
}

size_t pl_ws_head_encode(uint8_t out[PL_WS_HEAD_MAX], uint8_t opcode, bool is_fin, bool has_rsv1, uint64_t len)
{
    PL_ASSERT(bad_opcodes[opcode & WS0_OPCODE] == NULL && opcode <= WS0_OPCODE);
    PL_ASSERT(!pl_ws_is_control(opcode) || (is_fin && len <= PL_WS_CONTROL_MAX));
    out[0] = (uint8_t)(opcode | (is_fin ? WS0_FIN : 0) | (has_rsv1 ? WS0_RSV1 : 0));
    if (len < 126) {
        out[1] = (uint8_t)len;
        return 2;
    }
    if (len <= UINT16_MAX) {
        out[1] = 126;
        pl_put_be16(out + 2, (uint16_t)len);
        return 4;
    }
    out[1] = 127;
    pl_put_be64(out + 2, len);
    return 10;
}

size_t pl_ws_head_encode_masked(uint8_t out[PL_WS_HEAD_MAX], uint8_t opcode, bool is_fin, bool has_rsv1, uint64_t len,
                                const uint8_t mask[4])
{
    size_t n = pl_ws_head_encode(out, opcode, is_fin, has_rsv1, len);

    out[1] |= WS1_MASK;
    memcpy(out + n, mask, 4);
    return n + 4;
}

bool pl_ws_code_is_sendable(unsigned code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

size_t pl_ws_close_encode(uint8_t out[PL_WS_CONTROL_MAX], unsigned code, struct pl_slice reason)
{
    if (code == PL_WS_C_NONE)
        return 0;
    PL_ASSERT(pl_ws_code_is_sendable(code));
    reason = pl_utf8_cut(reason, PL_WS_CONTROL_MAX - 2);
    pl_put_be16(out, (uint16_t)code);
    if (reason.len != 0)
        memcpy(out + 2, reason.p, reason.len);
    return 2 + reason.len;
}
