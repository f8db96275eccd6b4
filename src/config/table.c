/* config/table.c - the table of options itself: one row a key, in the order of the reference page. */
#include "config/option.h"

#include <limits.h>
#include <stddef.h>

#define SEC 1000LL
#define MIN_ (60 * SEC)
#define HOUR (60 * MIN_)
#define YEAR (365 * 24 * HOUR)
#define MIB (1LL << 20)
#define GIB (1LL << 30)

/* The key is the field's path, so each name stands once; T is the struct around it, set per table. Durations live in
 * a field with _ms behind the key. AT_ forms are for the rows whose field is named otherwise. */
#define AT(path) offsetof(struct T, path)
#define ROW(k, ...) { .key = (k), __VA_ARGS__ }
#define STR(path, d, f, t) ROW(#path, .kind = PL_OPT_STRING, .flags = (f), .offset = AT(path), .def = (d), .max = 4096, .text = (t))
#define STR_MAX(path, d, m, f, t) ROW(#path, .kind = PL_OPT_STRING, .flags = (f), .offset = AT(path), .def = (d), .max = (m), .text = (t))
#define PEM(path, t) ROW(#path, .kind = PL_OPT_STRING, .offset = AT(path), .max = MIB, .text = (t))
#define SECRET(path, f, t) ROW(#path, .kind = PL_OPT_SECRET, .flags = (f), .offset = AT(path), .max = MIB, .text = (t))
#define BOOL(path, f, t) ROW(#path, .kind = PL_OPT_BOOL, .flags = (f), .offset = AT(path), .text = (t))
#define BOOL_UNBUILT(path, f, t, u) ROW(#path, .kind = PL_OPT_BOOL, .flags = (f), .offset = AT(path), .text = (t), .unbuilt = (u))
#define INT(path, d, lo, hi, f, t) \
    ROW(#path, .kind = PL_OPT_INT, .flags = (f), .offset = AT(path), .def = (d), .min = (lo), .max = (hi), .text = (t))
#define INT64(path, lo, hi, f, t) \
    ROW(#path, .kind = PL_OPT_INT64, .flags = (f), .offset = AT(path), .min = (lo), .max = (hi), .text = (t))
#define DUR(path, d, lo, hi, f, t) \
    ROW(#path, .kind = PL_OPT_DURATION, .flags = (f), .offset = AT(path##_ms), .def = (d), .min = (lo), .max = (hi), .text = (t))
#define SIZE(path, d, lo, hi, f, t) \
    ROW(#path, .kind = PL_OPT_SIZE, .flags = (f), .offset = AT(path), .def = (d), .min = (lo), .max = (hi), .text = (t))
#define ENUM(path, d, w, f, t) \
    ROW(#path, .kind = PL_OPT_ENUM, .flags = (f), .offset = AT(path), .def = (d), .words = (w), .text = (t))
#define STRINGS(path, f, t) ROW(#path, .kind = PL_OPT_STRINGS, .flags = (f), .offset = AT(path), .max = 4096, .text = (t))
#define CIDRS(k, path, t) ROW(k, .kind = PL_OPT_CIDRS, .flags = PL_OPT_PEAL, .offset = AT(path), .max = 4096, .text = (t))
#define BLOCK(k, path, tab) ROW(k, .kind = PL_OPT_BLOCK, .offset = AT(path), .table = (tab))
#define LIST(k, path, count, tab, hi, f, t) \
    ROW(k, .kind = PL_OPT_LIST, .flags = (f), .offset = AT(path), .count_offset = AT(count), .table = (tab), \
        .elem_size = sizeof(*((struct T *)0)->path), .max = (hi), .text = (t))
/* The same rows for what can be set and is not built: setting them warns. */
#define INT_UNBUILT(path, d, lo, hi, f, t, u) \
    ROW(#path, .kind = PL_OPT_INT, .flags = (f), .offset = AT(path), .def = (d), .min = (lo), .max = (hi), .text = (t), .unbuilt = (u))
#define DUR_UNBUILT(path, d, lo, hi, f, t, u) \
    ROW(#path, .kind = PL_OPT_DURATION, .flags = (f), .offset = AT(path##_ms), .def = (d), .min = (lo), .max = (hi), .text = (t), .unbuilt = (u))
#define END { .key = NULL }

static const char *const log_levels[] = { "none", "trace", "debug", "info", "warn", "error", "fatal", NULL };
static const char *const log_formats[] = { "auto", "json", "human", NULL };
static const char *const engine_types[] = { "memory", NULL };
static const char *const recovery_modes[] = { "stream", "cache", NULL };
static const char *const data_formats[] = { "", "json", "json_object", "binary", NULL };
static const char *const sub_types[] = { "stream", "map", "map_clients", "map_users", "shared_poll", NULL };
static const char *const map_modes[] = { "", "ephemeral", "recoverable", "persistent", NULL };
static const char *const map_keys[] = { "", "client_id", "user_id", NULL };
static const char *const poll_modes[] = { "versionless", "versioned", NULL };
static const char *const error_modes[] = { "", "transport", NULL };
static const char *const delta_types[] = { "fossil", NULL };

#define T pl_cfg_tls
static const struct pl_opt tls_table[] = {
    BOOL(enabled, 0, "serve TLS"),
    PEM(cert_pem, "certificate chain: file path, PEM text or base64 of PEM"),
    SECRET(key_pem, 0, "private key: file path, PEM text or base64 of PEM"),
    PEM(server_ca_pem, "authorities that sign the peer's server certificate (outgoing connections)"),
    PEM(client_ca_pem, "authorities that sign client certificates; set: a client certificate is required"),
    BOOL(insecure_skip_verify, 0, "outgoing connections: do not verify the peer's certificate"),
    STR_MAX(server_name, NULL, 255, 0, "outgoing connections: name to verify and to send as SNI"),
    END
};
#undef T

#define T pl_cfg_token
static const struct pl_opt token_table[] = {
    SECRET(hmac_secret_key, PL_OPT_LIVE, "key of HS256, HS384 and HS512 tokens; unset: such tokens are refused"),
    SECRET(hmac_previous_secret_key, PL_OPT_LIVE, "key that still verifies tokens while keys are rotated"),
    INT64(hmac_previous_secret_key_valid_until, 0, INT64_MAX, PL_OPT_LIVE, "unix time until which the previous key counts; 0: no end"),
    ROW("rsa_public_key", .kind = PL_OPT_STRING, .flags = PL_OPT_LIVE, .offset = AT(rsa_public_key), .max = MIB,
        .text = "RSA public key or certificate (PEM, its file or base64) for RS256 to RS512 and PS256 to PS512; 2048 to 8192 bits"),
    ROW("ecdsa_public_key", .kind = PL_OPT_STRING, .flags = PL_OPT_LIVE, .offset = AT(ecdsa_public_key), .max = MIB,
        .text = "EC public key or certificate (PEM, its file or base64): P-256 for ES256, P-384 for ES384, P-521 for ES512"),
    ROW("eddsa_public_key", .kind = PL_OPT_STRING, .flags = PL_OPT_LIVE | PL_OPT_PEAL, .offset = AT(eddsa_public_key), .max = MIB,
        .text = "Ed25519 public key or certificate (PEM, its file or base64) for EdDSA"),
    ROW("jwks_public_endpoint", .kind = PL_OPT_STRING, .flags = PL_OPT_LIVE, .offset = AT(jwks_public_endpoint), .max = 4096,
        .text = "URL of a JSON Web Key Set; set: only its keys count",
        .unbuilt = "not built yet: tokens of its keys are refused"),
    STR(audience, NULL, PL_OPT_LIVE, "required aud claim"),
    STR(audience_regex, NULL, PL_OPT_LIVE, "pattern that an aud claim must match; excludes audience"),
    STR(issuer, NULL, PL_OPT_LIVE, "required iss claim"),
    STR(issuer_regex, NULL, PL_OPT_LIVE, "pattern that the iss claim must match; excludes issuer"),
    STR_MAX(user_id_claim, NULL, 255, PL_OPT_LIVE, "claim that holds the user ID, when not sub; letters and _"),
    BOOL(insecure_skip_jwks_endpoint_safety_check, PL_OPT_LIVE, "allow open-ended patterns in a JWKS URL with placeholders"),
    END
};
#undef T

#define T pl_cfg_code_to_disconnect
static const struct pl_opt to_disconnect_table[] = {
    INT(code, NULL, 0, 65535, 0, "error code of the failed connect"),
    ROW("to.code", .kind = PL_OPT_INT, .offset = AT(to_code), .max = 65535, .text = "disconnect code to send instead"),
    ROW("to.reason", .kind = PL_OPT_STRING, .offset = AT(to_reason), .max = 123, .text = "its reason, ASCII"),
    END
};
#undef T
#define T pl_cfg_code_to_http
static const struct pl_opt to_http_table[] = {
    INT(code, NULL, 0, 65535, 0, "error or disconnect code of the failed connect"),
    ROW("to.status_code", .kind = PL_OPT_INT, .offset = AT(to_status_code), .max = 599, .text = "HTTP status to answer instead"),
    ROW("to.body", .kind = PL_OPT_STRING, .offset = AT(to_body), .max = 65536, .text = "response body; empty: the message"),
    END
};
#undef T

#define T pl_channel_options
#define NS_BOOL(path, t) BOOL(path, PL_OPT_LIVE, t)
#define NS_PROXY(path, t) BOOL_UNBUILT(path, PL_OPT_LIVE, t, "proxies are not built yet")
#define NS_NAME(path, t) STR_MAX(path, "default", 255, PL_OPT_LIVE, t)
static const struct pl_opt channel_table[] = {
    STR_MAX(name, NULL, 255, PL_OPT_LIVE, "the namespace: what stands before the boundary in a channel's name"),
    NS_BOOL(presence, "keep who is subscribed"),
    NS_BOOL(join_leave, "produce join and leave messages"),
    NS_BOOL(force_push_join_leave, "deliver join and leave to every subscriber, not only to those that ask"),
    INT(history_size, NULL, 0, 100000000, PL_OPT_LIVE, "publications kept per channel; with history_ttl, or neither"),
    DUR(history_ttl, NULL, 0, 100 * YEAR, PL_OPT_LIVE | PL_OPT_SECONDS, "history is dropped this long after the last publication"),
    DUR(history_meta_ttl, NULL, 0, 100 * YEAR, PL_OPT_LIVE | PL_OPT_SECONDS,
        "offset and epoch are forgotten this long after the last use; 0: channel.history_meta_ttl"),
    NS_BOOL(force_positioning, "watch the position of every subscriber"),
    NS_BOOL(allow_positioning, "watch the position of subscribers that ask"),
    NS_BOOL(force_recovery, "let every subscriber recover missed publications; needs history"),
    NS_BOOL(allow_recovery, "let subscribers that ask recover"),
    ENUM(force_recovery_mode, NULL, recovery_modes, PL_OPT_LIVE, "stream: all missed publications; cache: the newest one"),
    NS_BOOL(auto_cache_recover, "cache mode: every subscribe gets the newest publication; needs force_recovery"),
    ROW("allowed_delta_types", .kind = PL_OPT_FLAGS, .flags = PL_OPT_LIVE, .offset = AT(allowed_delta_types), .words = delta_types,
        .text = "delta formats that subscribers may ask for"),
    NS_BOOL(delta_publish, "make a delta for every publication without being asked by the publisher"),
    NS_BOOL(allow_tags_filter, "subscribers may give a filter on tags"),
    NS_BOOL(allow_subscribe_for_client, "users may subscribe without a token"),
    NS_BOOL(allow_subscribe_for_anonymous, "extends allow_subscribe_for_client to anonymous users"),
    NS_BOOL(allow_publish_for_client, "users may publish"),
    NS_BOOL(allow_publish_for_subscriber, "subscribers may publish"),
    NS_BOOL(allow_publish_for_anonymous, "extends the two above to anonymous users"),
    NS_BOOL(allow_presence_for_client, "users may ask for presence"),
    NS_BOOL(allow_presence_for_subscriber, "subscribers may ask for presence"),
    NS_BOOL(allow_presence_for_anonymous, "extends the two above to anonymous users"),
    NS_BOOL(allow_history_for_client, "users may ask for history"),
    NS_BOOL(allow_history_for_subscriber, "subscribers may ask for history"),
    NS_BOOL(allow_history_for_anonymous, "extends the two above to anonymous users"),
    NS_BOOL(allow_user_limited_channels, "room#1,2 may be subscribed by users 1 and 2"),
    STR(channel_regex, NULL, PL_OPT_LIVE, "pattern (RE2 syntax) that the name behind the boundary must match; unset: ASCII names"),
    ENUM(publication_data_format, NULL, data_formats, PL_OPT_LIVE, "what publications must be; unset: not empty"),
    NS_PROXY(subscribe_proxy_enabled, "ask the backend about each subscribe"),
    NS_NAME(subscribe_proxy_name, "which proxy"),
    NS_PROXY(publish_proxy_enabled, "ask the backend about each client publish"),
    NS_NAME(publish_proxy_name, "which proxy"),
    NS_PROXY(sub_refresh_proxy_enabled, "ask the backend when a subscription expires"),
    NS_NAME(sub_refresh_proxy_name, "which proxy"),
    NS_PROXY(subscribe_stream_proxy_enabled, "a stream from the backend per subscription"),
    NS_NAME(subscribe_stream_proxy_name, "which proxy"),
    NS_BOOL(subscribe_stream_proxy_bidirectional, "the stream also carries publications to the backend"),
    ENUM(subscription_type, NULL, sub_types, PL_OPT_LIVE, "kind of subscription the namespace serves"),
    STR_MAX(map_clients_presence_channel_prefix, NULL, 255, PL_OPT_LIVE, "presence also as a map channel, key: client; leads to a map_clients namespace"),
    STR_MAX(map_users_presence_channel_prefix, NULL, 255, PL_OPT_LIVE, "presence also as a map channel, key: user; leads to a map_users namespace"),
    ENUM(map.mode, NULL, map_modes, PL_OPT_LIVE, "how the state of a map channel is kept"),
    DUR(map.key_ttl, NULL, 0, 100 * YEAR, PL_OPT_LIVE, "keys expire this long after their last change"),
    INT(map.stream_size, NULL, 0, 100000000, PL_OPT_LIVE, "changes kept for recovery"),
    DUR(map.stream_ttl, NULL, 0, 100 * YEAR, PL_OPT_LIVE, "how long they are kept; 0: 1m"),
    DUR(map.meta_ttl, NULL, 0, 100 * YEAR, PL_OPT_LIVE, "offset and epoch are forgotten after this"),
    ENUM(map.client_key, NULL, map_keys, PL_OPT_LIVE, "key that clients write to; unset: any"),
    NS_BOOL(map.remove_client_on_unsubscribe, "remove the client's key when it unsubscribes"),
    NS_BOOL(map.allow_publish_for_client, "users may set keys"),
    NS_BOOL(map.allow_publish_for_subscriber, "subscribers may set keys"),
    NS_BOOL(map.allow_publish_for_anonymous, "extends the two above to anonymous users"),
    NS_BOOL(map.allow_remove_for_client, "users may remove keys"),
    NS_BOOL(map.allow_remove_for_subscriber, "subscribers may remove keys"),
    NS_BOOL(map.allow_remove_for_anonymous, "extends the two above to anonymous users"),
    NS_PROXY(map.publish_proxy_enabled, "ask the backend before a key is set"),
    NS_NAME(map.publish_proxy_name, "which proxy"),
    NS_PROXY(map.remove_proxy_enabled, "ask the backend before a key is removed"),
    NS_NAME(map.remove_proxy_name, "which proxy"),
    INT(map.default_page_size, NULL, 0, 1000000, PL_OPT_LIVE, "entries in a page; 0: 100"),
    INT(map.min_page_size, NULL, 0, 1000000, PL_OPT_LIVE, "lowest page size; 0: 100"),
    INT(map.max_page_size, NULL, 0, 1000000, PL_OPT_LIVE, "highest page size; 0: 1000"),
    INT(map.live_transition_max_publication_limit, NULL, 0, 1000000, PL_OPT_LIVE, "longest catch-up before going live; 0: the highest page size"),
    DUR(map.subscribe_catch_up_timeout, NULL, -YEAR, YEAR, PL_OPT_LIVE, "longest time for it; 0: 5s, negative: no limit"),
    STR_MAX(shared_poll.proxy_name, NULL, 255, PL_OPT_LIVE, "proxy that is polled"),
    DUR(shared_poll.refresh_interval, NULL, 0, YEAR, PL_OPT_LIVE, "time between polls"),
    INT(shared_poll.refresh_batch_size, NULL, 0, 1000000, PL_OPT_LIVE, "keys in one poll"),
    INT(shared_poll.max_keys_per_connection, NULL, 0, 1000000, PL_OPT_LIVE, "keys a connection may track; 0: no limit"),
    ENUM(shared_poll.mode, NULL, poll_modes, PL_OPT_LIVE, "do items carry versions"),
    DUR(shared_poll.channel_shutdown_delay, NULL, 0, YEAR, PL_OPT_LIVE, "polling goes on this long without subscribers"),
    DUR(shared_poll.track_expired_extra_delay, NULL, 0, YEAR, PL_OPT_LIVE, "grace after a track signature expires; 0: 25s"),
    NS_BOOL(shared_poll.publish_enabled, "accept shared_poll_publish; needs mode versioned"),
    END
};
#undef T

#define T pl_cfg_rpc_namespace
static const struct pl_opt rpc_table[] = {
    STR_MAX(name, NULL, 255, 0, "what stands before the boundary in the method's name"),
    BOOL_UNBUILT(proxy_enabled, 0, "send calls to the backend", "proxies are not built yet: such calls get error 108 (not available)"),
    STR_MAX(proxy_name, "default", 255, 0, "which proxy"),
    END
};
#undef T

#define ACCESS(k, path) \
    CIDRS(k ".allow", path.access.allow, "addresses (or \"unix\") that may use this endpoint; empty: all"), \
    CIDRS(k ".deny", path.access.deny, "addresses that may not; wins over allow")
#define PATH(k, path, d) ROW(k ".handler_prefix", .kind = PL_OPT_STRING, .flags = PL_OPT_PREFIX, .offset = AT(path.handler_prefix), \
                             .def = (d), .max = 1024, .text = "path of the endpoint")
#define ON(k, path, t, u) ROW(k ".enabled", .kind = PL_OPT_BOOL, .offset = AT(path.enabled), .text = (t), .unbuilt = (u))
#define OFF(k, path, t) ROW(k ".disabled", .kind = PL_OPT_BOOL, .flags = PL_OPT_INVERT, .offset = AT(path.enabled), .text = (t))
#define ENDPOINT(k, path, d, t, u) ON(k, path, t, u), PATH(k, path, d), ACCESS(k, path)
#define NOT_YET "not built yet: the endpoint answers 404"

#define WEBSOCKET(s) \
    BOOL(s.compression, 0, "permessage-deflate where the client offers it"), \
    SIZE(s.compression_min_size, NULL, 0, GIB, 0, "messages up to this many bytes go uncompressed; 0: compress all"), \
    INT(s.compression_level, "1", 1, 9, 0, "1: fastest, 9: smallest"), \
    SIZE(s.read_buffer_size, NULL, 0, GIB, PL_OPT_NO_EFFECT, "no effect: buffers are lent to a connection only while it is read"), \
    BOOL(s.use_write_buffer_pool, PL_OPT_NO_EFFECT, "no effect: there are no write buffers to pool"), \
    SIZE(s.write_buffer_size, NULL, 0, GIB, PL_OPT_NO_EFFECT, "no effect: what the socket takes is never buffered"), \
    DUR_UNBUILT(s.write_timeout, "1s", 1, HOUR, 0, "a socket that takes nothing for this long is closed", "not built yet: a client that takes nothing is closed when its queue is full or its pong is due"), \
    SIZE(s.message_size_limit, "65536", 1, GIB, 0, "longest message from a client, bytes; longer: close 1009"), \
    SIZE(s.decompressed_message_size_limit, NULL, 0, GIB, 0, "the same after inflating; 0: ten times message_size_limit")

#define BODY_LIMIT(s) SIZE(s.max_request_body_size, "65536", 1, GIB, 0, "longest request body, bytes; longer: 413")

#define UNI_STREAM(k, s, d) \
    ENDPOINT(k, s.at, d, "unidirectional: the server speaks, the client listens", NULL), BODY_LIMIT(s), \
    ROW(k ".connect_code_to_http_response.enabled", .kind = PL_OPT_BOOL, .offset = AT(s.connect_code_to_http_response_enabled), \
        .text = "answer a failed connect by an HTTP status"), \
    LIST(k ".connect_code_to_http_response.transforms", s.connect_code_transforms, s.n_connect_code_transforms, to_http_table, 1000, 0, \
         "which code becomes which status")

#define T pl_config
const struct pl_opt pl_options[] = {
    STR(pid_file, NULL, 0, "file to write the process ID to"),
    BOOL(enable_unreleased_features, PL_OPT_NO_EFFECT, "no effect: nothing here is hidden"),
    INT(threads, NULL, 0, 256, PL_OPT_PEAL, "event loops; 0: one per core this process may use"),

    STR(http_server.address, NULL, 0, "address to listen on, or unix:/path; empty: all interfaces (127.0.0.1 without a configuration file)"),
    INT(http_server.port, "8000", 0, 65535, PL_OPT_TEXT_INT, "port; 0: the kernel chooses"),
    STR(http_server.internal_address, NULL, 0, "a second listener for API, admin, metrics and health: address or unix:/path"),
    INT(http_server.internal_port, NULL, 0, 65535, PL_OPT_TEXT_INT, "its port; 0: none, everything on one port"),
    BLOCK("http_server.tls", http_server.tls, tls_table),
    BOOL(http_server.tls_external, 0, "TLS on the client listener only"),
    BLOCK("http_server.internal_tls", http_server.internal_tls, tls_table),
    BOOL_UNBUILT(http_server.h2c_external, 0, "HTTP/2 without TLS on the client listener; needs internal_port",
                 "HTTP/2 is not built yet: clients get HTTP/1.1"),
    CIDRS("http_server.proxy_protocol", http_server.proxy_protocol, "peers that must begin with a PROXY protocol header (v1 or v2)"),
    CIDRS("http_server.trusted_proxies", http_server.trusted_proxies, "peers whose X-Forwarded-For is believed"),
    SIZE(http_server.max_header_bytes, "16384", 1024, MIB, PL_OPT_PEAL, "request line and headers together; more: 431"),
    SIZE(http_server.max_body_size, "33554432", 1024, 4 * GIB, PL_OPT_PEAL, "longest API request body, bytes; longer: 413"),
    DUR(http_server.read_header_timeout, "10s", 1, HOUR, PL_OPT_PEAL, "longest time to send the head of a request; more: 408"),
    DUR(http_server.read_timeout, "30s", 1, HOUR, PL_OPT_PEAL, "longest time to send a whole request"),
    DUR(http_server.keepalive_timeout, "75s", 1, 24 * HOUR, PL_OPT_PEAL, "an idle connection between requests is closed after this"),
    INT(http_server.max_connections, NULL, 0, INT_MAX, PL_OPT_PEAL, "open connections on the client listener; 0: as the descriptor limit allows"),
    INT(http_server.max_connections_per_address, NULL, 0, INT_MAX, PL_OPT_PEAL, "the same of one address (IPv6: of its /64); 0: no limit"),
    INT(http_server.accept_rate, NULL, 0, INT_MAX, PL_OPT_PEAL, "new connections a second on the client listener; 0: no limit"),
    INT(http_server.send_buffer, NULL, 0, INT_MAX, PL_OPT_PEAL, "kernel send buffer per connection, bytes; 0: the kernel decides"),

    ENUM(log.level, "info", log_levels, PL_OPT_LIVE, "the least important lines that are written"),
    STR(log.file, NULL, 0, "file to append to; empty: standard error"),
    ENUM(log.format, NULL, log_formats, PL_OPT_PEAL, "auto: readable on a terminal, JSON lines elsewhere"),
    INT(log.rate_limit, "100", 0, 1000000, PL_OPT_PEAL, "lines a second of one event, the rest is counted; 0: no limit"),

    ENUM(engine.type, NULL, engine_types, 0, "where channels live; redis, nats and disk are not built yet"),

    STRINGS(client.allowed_origins, PL_OPT_LIVE, "origins (globs) from which browsers may connect; empty: no browser"),
    BLOCK("client.token", client.token, token_table),
    ROW("client.subscription_token.enabled", .kind = PL_OPT_BOOL, .flags = PL_OPT_LIVE, .offset = AT(client.subscription_token_enabled),
        .text = "subscription tokens have keys of their own"),
    BLOCK("client.subscription_token", client.subscription_token, token_table),
    BOOL(client.allow_anonymous_connect_without_token, 0, "connections without a token are anonymous instead of refused"),
    BOOL(client.disallow_anonymous_connection_tokens, 0, "refuse tokens without a user"),
    DUR(client.ping_interval, "25s", -YEAR, YEAR, 0, "time between pings to a client; must exceed pong_timeout; negative: off"),
    DUR(client.pong_timeout, "8s", -YEAR, YEAR, 0, "longest time for the answer, then close 3012; negative: off"),
    DUR(client.expired_close_delay, "25s", 0, YEAR, 0, "grace for refreshing an expired connection"),
    DUR(client.expired_sub_close_delay, "25s", 0, YEAR, 0, "grace for refreshing an expired subscription"),
    DUR(client.stale_close_delay, "10s", 0, YEAR, 0, "longest time from accept to a completed connect"),
    INT(client.channel_limit, "128", 0, 1000000, 0, "subscriptions of one connection"),
    SIZE(client.queue_max_size, "1048576", 1024, GIB, 0, "output waiting for one client, bytes; more: close 3008"),
    DUR(client.presence_update_interval, "27s", SEC, YEAR, 0, "how often presence is refreshed and subscriptions are checked"),
    INT_UNBUILT(client.concurrency, NULL, 0, 1024, 0, "commands of one connection that may run at once; 0 or 1: strictly in order", "not built yet: commands of a connection run strictly in order"),
    DUR_UNBUILT(client.channel_position_check_delay, "40s", 0, YEAR, 0, "a position is checked when this long without publications", "not needed while channels live in this process: positions cannot be lost"),
    DUR_UNBUILT(client.channel_position_max_time_lag, NULL, 0, YEAR, 0, "publications later than this end the subscription; 0: off", "not built yet: late publications are delivered"),
    INT(client.connection_limit, NULL, 0, INT_MAX, 0, "connected clients on this node; 0: no limit"),
    INT(client.user_connection_limit, NULL, 0, INT_MAX, 0, "connected clients of one user on this node; 0: no limit"),
    INT(client.unauthenticated_limit, NULL, 0, INT_MAX, PL_OPT_PEAL, "connections that have not completed connect; over it new ones get 503; 0: no limit"),
    INT(client.connection_rate_limit, NULL, 0, INT_MAX, 0, "burst of new connections, one more each second; 0: no limit"),
    BOOL(client.connect_include_server_time, 0, "tell the time in the answer to connect"),
    INT(client.history_max_publication_limit, "300", 0, 1000000, 0, "most publications a client gets from one history call"),
    INT(client.recovery_max_publication_limit, "300", 0, 1000000, 0, "most publications that are recovered; more: not recovered"),
    BOOL(client.insecure_skip_token_signature_verify, PL_OPT_LIVE, "believe every token. For tests only"),
    STR_MAX(client.user_id_http_header, NULL, 255, 0, "request header, set by a trusted proxy, that names the user"),
    BOOL(client.insecure, 0, "no authentication, everything allowed. For tests only"),
    BOOL(client.subscribe_to_user_personal_channel.enabled, 0, "each user is subscribed to a channel of its own"),
    STR_MAX(client.subscribe_to_user_personal_channel.personal_channel_namespace, NULL, 255, 0, "namespace of that channel"),
    BOOL_UNBUILT(client.subscribe_to_user_personal_channel.single_connection, 0, "a newer connection of the user ends older ones; needs presence there", "not built yet: older connections of the user stay"),
    ROW("client.connect_code_to_unidirectional_disconnect.enabled", .kind = PL_OPT_BOOL,
        .offset = AT(client.connect_code_to_unidirectional_disconnect_enabled), .text = "translate connect errors of unidirectional clients"),
    LIST("client.connect_code_to_unidirectional_disconnect.transforms", client.connect_code_transforms, client.n_connect_code_transforms,
         to_disconnect_table, 1000, 0, "which error becomes which disconnect"),

    BLOCK("channel.without_namespace", channel.without_namespace, channel_table + 1), /* all but the name */
    LIST("channel.namespaces", channel.namespaces, channel.n_namespaces, channel_table, 10000, PL_OPT_LIVE, "namespaces and their options"),
    DUR(channel.history_meta_ttl, "720h", SEC, 100 * YEAR, PL_OPT_LIVE | PL_OPT_SECONDS, "offset and epoch are forgotten this long after the last use"),
    ENUM(channel.publication_data_format, NULL, data_formats, PL_OPT_LIVE, "for namespaces that say nothing"),
    SIZE(channel.max_length, "255", 1, 65535, 0, "longest channel name, bytes"),
    STR_MAX(channel.private_prefix, "$", 16, 0, "channels that begin so need a subscription token; empty: none"),
    STR_MAX(channel.namespace_boundary, ":", 16, 0, "ends the namespace in a channel's name; empty: no namespaces"),
    STR_MAX(channel.user_boundary, "#", 16, 0, "begins the list of users; empty: none"),
    STR_MAX(channel.user_separator, ",", 16, 0, "between the users of that list; empty: one user"),

    BLOCK("rpc.without_namespace", rpc.without_namespace, rpc_table + 1),
    LIST("rpc.namespaces", rpc.namespaces, rpc.n_namespaces, rpc_table, 10000, 0, "namespaces of methods"),
    BOOL(rpc.ping.enabled, 0, "answer one method without a backend"),
    STR_MAX(rpc.ping.method, "ping", 255, 0, "its name"),
    STR_MAX(rpc.namespace_boundary, ":", 16, 0, "ends the namespace in a method's name"),

    SECRET(shared_poll.hmac_secret_key, 0, "key of track signatures"),
    SECRET(shared_poll.hmac_previous_secret_key, 0, "key that still verifies them while keys are rotated"),
    INT64(shared_poll.hmac_previous_secret_key_valid_until, 0, INT64_MAX, 0, "unix time until which the previous key counts; 0: no end"),
    INT(shared_poll.concurrency_limit, NULL, 0, 1000000, 0, "polls at once; 0: no limit"),

    OFF("http_api", http_api.at, "no HTTP API"),
    PATH("http_api", http_api.at, "/api"),
    ACCESS("http_api", http_api.at),
    SECRET(http_api.key, 0, "key that callers give; unset: every call gets 401, unless insecure"),
    ENUM(http_api.error_mode, NULL, error_modes, 0, "transport: failures as HTTP statuses"),
    BOOL(http_api.external, 0, "serve the API on the client listener although there is an internal one"),
    BOOL(http_api.insecure, 0, "no key needed. Only where nobody else can reach it"),

    OFF("websocket", websocket.at, "no WebSocket endpoint"),
    PATH("websocket", websocket.at, "/connection/websocket"),
    ACCESS("websocket", websocket.at),
    WEBSOCKET(websocket),
    ENDPOINT("sse", sse.at, "/connection/sse", "clients over Server-Sent Events", NULL),
    BODY_LIMIT(sse),
    ENDPOINT("http_stream", http_stream.at, "/connection/http_stream", "clients over a streamed response", NULL),
    BODY_LIMIT(http_stream),
    ENDPOINT("uni_websocket", uni_websocket.at, "/connection/uni_websocket", "unidirectional: the server speaks, the client listens", NULL),
    WEBSOCKET(uni_websocket),
    BOOL(uni_websocket.disable_closing_handshake, 0, "close without waiting for the client's close frame"),
    BOOL(uni_websocket.disable_disconnect_push, 0, "no disconnect message before the close frame"),
    BOOL(uni_websocket.join_push_messages, 0, "several messages in one frame, one a line"),
    UNI_STREAM("uni_sse", uni_sse, "/connection/uni_sse"),
    UNI_STREAM("uni_http_stream", uni_http_stream, "/connection/uni_http_stream"),
    PATH("emulation", emulation.at, "/emulation"),
    ACCESS("emulation", emulation.at),
    BODY_LIMIT(emulation),

    ENDPOINT("admin", admin.at, "/", "administration pages", "not built yet: the pages answer 404"),
    SECRET(admin.password, 0, "password of the pages"),
    SECRET(admin.secret, 0, "key that signs their sessions"),
    BOOL(admin.insecure, 0, "no password. Only where nobody else can reach it"),
    BOOL(admin.external, 0, "serve the pages on the client listener although there is an internal one"),
    STR(admin.web_path, NULL, 0, "directory of other pages to serve"),
    STR(admin.web_proxy_address, NULL, 0, "development server to pass the pages to"),

    ENDPOINT("prometheus", prometheus.at, "/metrics", "metrics in Prometheus text format", NULL),
    BOOL_UNBUILT(prometheus.instrument_http_handlers, 0, "count requests per path, method and status", "not built yet: requests are counted per status only"),
    BOOL(prometheus.recovered_publications_histogram, 0, "how many publications recoveries bring"),
    BOOL(prometheus.native_histograms, PL_OPT_NO_EFFECT, "no effect: histograms have fixed buckets"),
    STR_MAX(prometheus.prefix, "peal", 64, PL_OPT_PEAL, "first part of every metric's name"),
    ENDPOINT("health", health, "/health", "answers {} while this node can serve", NULL),
    ENDPOINT("swagger", swagger, "/swagger", "pages that describe the API", NOT_YET),
    ENDPOINT("debug", debug, "/debug/pprof", "profiling pages of Go", "has no meaning here: the endpoint answers 404"),
    ENDPOINT("init", init, "/connection/init", "answers {}; for warming up connections", NULL),
    STR(demo.dir, NULL, PL_OPT_PEAL, "directory of static files to serve at /"),

    BOOL(usage_stats.disabled, PL_OPT_NO_EFFECT, "no effect: nothing is ever sent home"),
    STR_MAX(node.name, NULL, 255, 0, "this node's name; empty: host name, _ and port"),
    DUR_UNBUILT(node.info_metrics_aggregate_interval, "60s", SEC, YEAR, 0, "period of the metrics in the API's info", "not built yet: info carries no metrics"),
    DUR(shutdown.timeout, "30s", 1, HOUR, 0, "longest graceful stop"),
    END
};
