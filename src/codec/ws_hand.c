#include "codec/ws_hand.h"

#include <openssl/evp.h>

#include "base/check.h"

#define WS_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */

#define PROXY_HINT \
    "A proxy between client and server probably removed it: it is a hop-by-hop header, which proxies pass on only when\n" \
    "told to. nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";\n" \
    "Apache: mod_proxy_wstunnel. HAProxy, Caddy, Traefik and Envoy (with upgrade_configs) pass it on.\n"

static const struct pl_ws_refusal_row rows[PL_WS_N_HAND] = {
    [PL_WS_HAND_OK] = { 101, "ok", NULL, "" },
    [PL_WS_HAND_METHOD] = { 405, "method", "Allow: GET\r\n",
        "WebSocket handshake refused: the request method must be GET.\n" },
    [PL_WS_HAND_HTTP10] = { 400, "http10", NULL,
        "WebSocket handshake refused: it needs HTTP/1.1, the request came as HTTP/1.0.\n"
        "A proxy in between probably speaks HTTP/1.0 to us. nginx does by default: proxy_http_version 1.1;\n" },
    [PL_WS_HAND_NO_UPGRADE] = { 400, "no_upgrade", NULL,
        "WebSocket handshake refused: the header \"Upgrade: websocket\" is missing.\n" PROXY_HINT },
    [PL_WS_HAND_BAD_UPGRADE] = { 400, "bad_upgrade", NULL,
        "WebSocket handshake refused: the Upgrade header does not name \"websocket\".\n" },
    [PL_WS_HAND_NO_CONNECTION] = { 400, "no_connection", NULL,
        "WebSocket handshake refused: the header \"Connection: Upgrade\" is missing.\n" PROXY_HINT },
    [PL_WS_HAND_BAD_CONNECTION] = { 400, "bad_connection", NULL,
        "WebSocket handshake refused: the Connection header does not name \"upgrade\".\n"
        "A proxy in between probably replaced it. nginx: proxy_set_header Connection \"upgrade\";\n" },
    [PL_WS_HAND_NO_HEADERS] = { 400, "not_websocket", NULL,
        "This is a WebSocket endpoint, and the request is no WebSocket handshake: the headers \"Upgrade: websocket\" and\n"
        "\"Connection: Upgrade\" are missing. Connect with a WebSocket client (ws:// or wss://).\n" },
    [PL_WS_HAND_NO_KEY] = { 400, "no_key", NULL,
        "WebSocket handshake refused: the header Sec-WebSocket-Key is missing.\n" },
    [PL_WS_HAND_BAD_KEY] = { 400, "bad_key", NULL,
        "WebSocket handshake refused: Sec-WebSocket-Key must be 16 bytes in base64, that is 24 characters.\n" },
    [PL_WS_HAND_TWO_KEYS] = { 400, "two_keys", NULL,
        "WebSocket handshake refused: Sec-WebSocket-Key came more than once.\n" },
    [PL_WS_HAND_NO_VERSION] = { 400, "no_version", "Sec-WebSocket-Version: 13\r\n",
        "WebSocket handshake refused: the header Sec-WebSocket-Version is missing; this server speaks version 13.\n" },
    [PL_WS_HAND_BAD_VERSION] = { 426, "bad_version", "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n",
        "WebSocket handshake refused: this server speaks version 13 only (RFC 6455).\n" },
};

void pl_ws_hand_accept(struct pl_slice key, char out[PL_WS_ACCEPT_LEN + 1])
{
    uint8_t text[PL_WS_KEY_LEN + sizeof WS_GUID - 1], digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    int rc;

    PL_ASSERT(key.len == PL_WS_KEY_LEN);
    memcpy(text, key.p, key.len);
    memcpy(text + key.len, WS_GUID, sizeof WS_GUID - 1);
    rc = EVP_Digest(text, sizeof text, digest, &n, EVP_sha1(), NULL);
    PL_ASSERT(rc == 1 && n == 20);
    rc = EVP_EncodeBlock((uint8_t *)out, digest, 20);
    PL_ASSERT(rc == PL_WS_ACCEPT_LEN);
}

/* Takes the next member off a comma-separated list; false at its end. Space around it is dropped, empty ones are skipped. */
static bool next_member(struct pl_slice *list, struct pl_slice *ret)
{
    size_t n;

    for (;;) {
        while (list->len > 0 && (list->p[0] == ' ' || list->p[0] == '\t' || list->p[0] == ','))
            *list = pl_slice_from(*list, 1);
        if (list->len == 0)
            return false;
        for (n = 0; n < list->len && list->p[n] != ','; n++)
            ;
        *ret = pl_slice(list->p, n);
        *list = pl_slice_from(*list, n);
        while (ret->len > 0 && (ret->p[ret->len - 1] == ' ' || ret->p[ret->len - 1] == '\t'))
            ret->len--;
        if (ret->len > 0)
            return true;
    }
}

static bool list_names(struct pl_slice list, struct pl_slice token)
{
    struct pl_slice member;

    while (next_member(&list, &member)) {
        if (pl_slice_eq_nocase(member, token))
            return true;
    }
    return false;
}

/* The first of the client's that we speak (names are case-sensitive, 4.2.2 no. 5.5). */
static struct pl_slice choose_protocol(const struct pl_ws_hand_opts *opts, struct pl_slice offered)
{
    struct pl_slice member;

    while (next_member(&offered, &member)) {
        for (size_t i = 0; i < opts->n_protocols; i++) {
            if (pl_slice_eq(member, opts->protocols[i]))
                return opts->protocols[i];
        }
    }
    return pl_slice(NULL, 0);
}

void pl_ws_hand_init(struct pl_ws_hand *h, const struct pl_ws_hand_opts *opts)
{
    *h = (struct pl_ws_hand){ .opts = opts };
}

void pl_ws_hand_header(struct pl_ws_hand *h, struct pl_slice name, struct pl_slice value)
{
    if (pl_slice_eq_nocase(name, PL_LIT("Upgrade"))) {
        h->has_upgrade = true;
        h->is_upgrade_ok |= list_names(value, PL_LIT("websocket"));
        return;
    }
    if (pl_slice_eq_nocase(name, PL_LIT("Connection"))) {
        h->has_connection = true;
        h->is_connection_ok |= list_names(value, PL_LIT("upgrade"));
        return;
    }
    if (name.len < 14 || !pl_slice_eq_nocase(pl_slice(name.p, 14), PL_LIT("Sec-WebSocket-")))
        return;
    h->has_websocket_headers = true;
    name = pl_slice_from(name, 14);
    if (pl_slice_eq_nocase(name, PL_LIT("Key"))) {
        h->key = value;
        if (h->n_keys < 2)
            h->n_keys++;
    } else if (pl_slice_eq_nocase(name, PL_LIT("Version"))) {
        if (value.p == NULL)
            value = PL_LIT(""); /* empty is not absent */
        h->version = h->version.p == NULL ? value : PL_LIT("twice");
    } else if (pl_slice_eq_nocase(name, PL_LIT("Protocol"))) {
        if (h->protocol.len == 0)
            h->protocol = choose_protocol(h->opts, value);
    } else if (pl_slice_eq_nocase(name, PL_LIT("Extensions"))) {
        if (!h->deflate.is_on)
            pl_ws_ext_choose(value, h->opts->deflate, &h->deflate);
    }
}

/* 16 bytes in base64: 22 characters of the alphabet and two signs of filling. */
static bool is_key(struct pl_slice key)
{
    if (key.len != PL_WS_KEY_LEN || key.p[22] != '=' || key.p[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++) {
        uint8_t c = key.p[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/'))
            return false;
    }
    return true;
}

enum pl_ws_refusal pl_ws_hand_check(const struct pl_ws_hand *h, bool is_get, bool is_http11_or_later)
{
    if (!is_get)
        return PL_WS_HAND_METHOD;
    if (!h->has_upgrade && !h->is_connection_ok && !h->has_websocket_headers)
        return PL_WS_HAND_NO_HEADERS;
    if (!is_http11_or_later)
        return PL_WS_HAND_HTTP10;
    if (!h->has_upgrade)
        return PL_WS_HAND_NO_UPGRADE;
    if (!h->is_upgrade_ok)
        return PL_WS_HAND_BAD_UPGRADE;
    if (!h->has_connection)
        return PL_WS_HAND_NO_CONNECTION;
    if (!h->is_connection_ok)
        return PL_WS_HAND_BAD_CONNECTION;
    if (h->version.p == NULL)
        return PL_WS_HAND_NO_VERSION;
    if (!pl_slice_eq(h->version, PL_LIT("13")))
        return PL_WS_HAND_BAD_VERSION;
    if (h->n_keys == 0)
        return PL_WS_HAND_NO_KEY;
    if (h->n_keys > 1)
        return PL_WS_HAND_TWO_KEYS;
    if (!is_key(h->key))
        return PL_WS_HAND_BAD_KEY;
    return PL_WS_HAND_OK;
}

const struct pl_ws_refusal_row *pl_ws_refusal_row(enum pl_ws_refusal r)
{
    PL_ASSERT(r >= PL_WS_HAND_OK && r < PL_WS_N_HAND);
    return &rows[r];
}

void pl_ws_hand_answer(const struct pl_ws_hand *h, struct pl_slice extra, struct pl_buf *out)
{
    char accept[PL_WS_ACCEPT_LEN + 1], extensions[PL_WS_EXT_MAX];

    pl_ws_hand_accept(h->key, accept);
    PL_BUF_LIT(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Accept: ");
    pl_buf_put(out, accept, PL_WS_ACCEPT_LEN);
    if (h->protocol.len > 0) {
        PL_BUF_LIT(out, "\r\nSec-WebSocket-Protocol: ");
        pl_buf_slice_put(out, h->protocol);
    }
    if (h->deflate.is_on) {
        PL_BUF_LIT(out, "\r\nSec-WebSocket-Extensions: ");
        pl_buf_put(out, extensions, pl_ws_ext_answer(&h->deflate, extensions));
    }
    PL_BUF_LIT(out, "\r\n");
    pl_buf_slice_put(out, extra);
    PL_BUF_LIT(out, "\r\n");
}
