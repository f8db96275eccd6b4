/* metrics/label.h - the values that labels can take. A value's number is PL_MV_<LABEL>_<VALUE>. */
#ifndef PL_METRICS_LABEL_H
#define PL_METRICS_LABEL_H

#define PL_LABEL_NONE(V, L) V(L, ALL, "")

#define PL_LABEL_TRANSPORT(V, L) \
    V(L, WEBSOCKET, "websocket") V(L, SSE, "sse") V(L, HTTP_STREAM, "http_stream") V(L, UNI_WEBSOCKET, "uni_websocket") \
    V(L, UNI_SSE, "uni_sse") V(L, UNI_HTTP_STREAM, "uni_http_stream") V(L, OTHER, "other")

/* Commands of clients, in the order of the protocol (wire-protocol.md 2.1). */
#define PL_LABEL_COMMAND(V, L) \
    V(L, CONNECT, "connect") V(L, SUBSCRIBE, "subscribe") V(L, UNSUBSCRIBE, "unsubscribe") V(L, PUBLISH, "publish") V(L, PRESENCE, "presence") \
    V(L, PRESENCE_STATS, "presence_stats") V(L, HISTORY, "history") V(L, RPC, "rpc") V(L, SEND, "send") V(L, REFRESH, "refresh") \
    V(L, SUB_REFRESH, "sub_refresh") V(L, OTHER, "other")

#define PL_LABEL_API(V, L) \
    V(L, PUBLISH, "publish") V(L, BROADCAST, "broadcast") V(L, SUBSCRIBE, "subscribe") V(L, UNSUBSCRIBE, "unsubscribe") V(L, DISCONNECT, "disconnect") \
    V(L, REFRESH, "refresh") V(L, PRESENCE, "presence") V(L, PRESENCE_STATS, "presence_stats") V(L, HISTORY, "history") \
    V(L, HISTORY_REMOVE, "history_remove") V(L, INFO, "info") V(L, CHANNELS, "channels") V(L, RPC, "rpc") V(L, BATCH, "batch") V(L, OTHER, "other")

/* Error codes in replies. */
#define PL_LABEL_REPLY(V, L) \
    V(L, 100, "100") V(L, 101, "101") V(L, 102, "102") V(L, 103, "103") V(L, 104, "104") V(L, 105, "105") V(L, 106, "106") V(L, 107, "107") \
    V(L, 108, "108") V(L, 109, "109") V(L, 110, "110") V(L, 111, "111") V(L, 112, "112") V(L, 113, "113") V(L, OTHER, "other")

/* Disconnect codes and WebSocket close codes that the server sends. */
#define PL_LABEL_CODE(V, L) \
    V(L, 1000, "1000") V(L, 1001, "1001") V(L, 1002, "1002") V(L, 1003, "1003") V(L, 1006, "1006") V(L, 1007, "1007") V(L, 1008, "1008") \
    V(L, 1009, "1009") V(L, 1010, "1010") V(L, 1011, "1011") V(L, 3000, "3000") V(L, 3001, "3001") V(L, 3004, "3004") V(L, 3005, "3005") \
    V(L, 3006, "3006") V(L, 3008, "3008") V(L, 3009, "3009") V(L, 3010, "3010") V(L, 3011, "3011") V(L, 3012, "3012") V(L, 3013, "3013") \
    V(L, 3014, "3014") V(L, 3500, "3500") V(L, 3501, "3501") V(L, 3502, "3502") V(L, 3503, "3503") V(L, 3504, "3504") V(L, 3505, "3505") \
    V(L, 3506, "3506") V(L, 3507, "3507") V(L, 3508, "3508") V(L, 3509, "3509") V(L, OTHER, "other")

#define PL_LABEL_UNSUBSCRIBE(V, L) V(L, 2000, "2000") V(L, 2500, "2500") V(L, 2501, "2501") V(L, 2502, "2502") V(L, OTHER, "other")

#define PL_LABEL_STATUS(V, L) \
    V(L, 101, "101") V(L, 200, "200") V(L, 204, "204") V(L, 400, "400") V(L, 401, "401") V(L, 403, "403") V(L, 404, "404") V(L, 405, "405") \
    V(L, 408, "408") V(L, 413, "413") V(L, 414, "414") V(L, 417, "417") V(L, 426, "426") V(L, 429, "429") V(L, 431, "431") V(L, 500, "500") \
    V(L, 501, "501") V(L, 503, "503") V(L, 505, "505") V(L, OTHER, "other")

#define PL_LABEL_YES(V, L) V(L, NO, "no") V(L, YES, "yes")

/* Why a new socket was turned away. */
#define PL_LABEL_ACCEPT(V, L) \
    V(L, CONNECTIONS, "max_connections") V(L, ADDRESS, "max_connections_per_address") V(L, RATE, "accept_rate") \
    V(L, MEMORY, "memory")

/* Why a client was turned away before its connect was answered. */
#define PL_LABEL_ADMIT(V, L) \
    V(L, CONNECTION_LIMIT, "connection_limit") V(L, RATE, "connection_rate_limit") V(L, ORIGIN, "origin") \
    V(L, UNAUTHENTICATED, "unauthenticated_limit")

/* Why a token was refused. */
#define PL_LABEL_TOKEN(V, L) V(L, MALFORMED, "malformed") V(L, ALGORITHM, "algorithm") V(L, SIGNATURE, "signature") V(L, CLAIMS, "claims") V(L, EXPIRED, "expired")

#endif
