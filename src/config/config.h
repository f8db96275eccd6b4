/* config/config.h - every option of the server, as plain typed fields. Frozen: filled once by pl_config_load()
 * (config/load.h) from the table in config/table.c, then read by any thread without a lock and replaced as a whole.
 *
 * Field names are Centrifugo v6's key names (wire-protocol.md 12.2); cfg->client.channel_limit is client.channel_limit.
 * Units: durations are int64_t milliseconds and end in _ms; what counts bytes is size_t. Strings are NUL-terminated,
 * never NULL, "" when unset. Everything a field points to is owned by the config and lives as long as it.
 * "Peal:" marks keys that Centrifugo does not have. Bounds, defaults and one-line texts: `peal config doc`. */
#ifndef PL_CONFIG_CONFIG_H
#define PL_CONFIG_CONFIG_H

#include "base/secret.h"
#include "base/slice.h"
#include "codec/cidr.h"

struct pl_strlist {
    const char **v;
    size_t n;
};

struct pl_regex; /* config/regex.h; NULL where no pattern is set */

enum pl_log_level_option { PL_LOG_OPT_NONE, PL_LOG_OPT_TRACE, PL_LOG_OPT_DEBUG, PL_LOG_OPT_INFO, PL_LOG_OPT_WARN,
                           PL_LOG_OPT_ERROR, PL_LOG_OPT_FATAL };
enum pl_log_format { PL_LOG_FORMAT_AUTO, PL_LOG_FORMAT_JSON, PL_LOG_FORMAT_HUMAN }; /* auto: human on a terminal */
enum pl_engine_type { PL_ENGINE_MEMORY };
enum pl_recovery_mode { PL_RECOVERY_STREAM, PL_RECOVERY_CACHE };
enum pl_data_format { PL_DATA_DEFAULT, PL_DATA_JSON, PL_DATA_JSON_OBJECT, PL_DATA_BINARY }; /* default: non-empty */
enum pl_sub_type { PL_SUB_STREAM, PL_SUB_MAP, PL_SUB_MAP_CLIENTS, PL_SUB_MAP_USERS, PL_SUB_SHARED_POLL };
enum pl_map_mode { PL_MAP_UNSET, PL_MAP_EPHEMERAL, PL_MAP_RECOVERABLE, PL_MAP_PERSISTENT };
enum pl_map_client_key { PL_MAP_KEY_ANY, PL_MAP_KEY_CLIENT_ID, PL_MAP_KEY_USER_ID };
enum pl_poll_mode { PL_POLL_VERSIONLESS, PL_POLL_VERSIONED };
enum pl_error_mode { PL_ERROR_MODE_BODY, PL_ERROR_MODE_TRANSPORT };

enum { PL_DELTA_FOSSIL = 1 }; /* bits of allowed_delta_types */

/* A TLS block. PEM values are file path, PEM text or base64 of PEM, as written; net/tls resolves them. */
struct pl_cfg_tls {
    bool enabled;
    const char *cert_pem;
    struct pl_secret key_pem;
    const char *server_ca_pem;
    const char *client_ca_pem; /* set: client certificates are required */
    bool insecure_skip_verify;
    const char *server_name;
};

struct pl_cfg_token {
    struct pl_secret hmac_secret_key;
    struct pl_secret hmac_previous_secret_key;
    int64_t hmac_previous_secret_key_valid_until; /* unix seconds, 0: no end */
    const char *rsa_public_key;   /* this and the next two: file path, PEM text or base64 of PEM; auth/keys resolves them */
    const char *ecdsa_public_key;
    const char *eddsa_public_key; /* Peal: */
    const char *jwks_public_endpoint;
    const char *audience;
    const char *audience_regex;
    const char *issuer;
    const char *issuer_regex;
    const char *user_id_claim; /* "": sub */
    bool insecure_skip_jwks_endpoint_safety_check;
};

/* One rule of a connect error's translation: a connect error `code` becomes a disconnect, or an HTTP answer. */
struct pl_cfg_code_to_disconnect {
    int code;
    int to_code;
    const char *to_reason;
};
struct pl_cfg_code_to_http {
    int code;
    int to_status_code;
    const char *to_body;
};

/* Options of a namespace, or of channels without one (wire-protocol.md 9.4). Flags first, the struct is read often. */
struct pl_channel_options {
    const char *name; /* "" for without_namespace */
    bool presence, join_leave, force_push_join_leave;
    bool force_positioning, allow_positioning, force_recovery, allow_recovery, auto_cache_recover;
    bool delta_publish, allow_tags_filter;
    bool allow_subscribe_for_client, allow_subscribe_for_anonymous;
    bool allow_publish_for_client, allow_publish_for_subscriber, allow_publish_for_anonymous;
    bool allow_presence_for_client, allow_presence_for_subscriber, allow_presence_for_anonymous;
    bool allow_history_for_client, allow_history_for_subscriber, allow_history_for_anonymous;
    bool allow_user_limited_channels;
    bool subscribe_proxy_enabled, publish_proxy_enabled, sub_refresh_proxy_enabled;
    bool subscribe_stream_proxy_enabled, subscribe_stream_proxy_bidirectional;
    enum pl_recovery_mode force_recovery_mode;
    enum pl_data_format publication_data_format; /* own, else channel.publication_data_format: already merged */
    enum pl_sub_type subscription_type;
    unsigned allowed_delta_types; /* bits PL_DELTA_* */
    int history_size;
    int64_t history_ttl_ms;
    int64_t history_meta_ttl_ms; /* own, else channel.history_meta_ttl: already merged */
    const char *channel_regex;
    const struct pl_regex *regex; /* compiled channel_regex; NULL: none. Matching: pl_channel_name_ok() */
    const char *subscribe_proxy_name, *publish_proxy_name, *sub_refresh_proxy_name, *subscribe_stream_proxy_name;
    const char *map_clients_presence_channel_prefix, *map_users_presence_channel_prefix;
    struct {
        enum pl_map_mode mode;
        int64_t key_ttl_ms, stream_ttl_ms, meta_ttl_ms, subscribe_catch_up_timeout_ms;
        int stream_size;
        enum pl_map_client_key client_key;
        bool remove_client_on_unsubscribe;
        bool allow_publish_for_client, allow_publish_for_subscriber, allow_publish_for_anonymous;
        bool allow_remove_for_client, allow_remove_for_subscriber, allow_remove_for_anonymous;
        bool publish_proxy_enabled, remove_proxy_enabled;
        const char *publish_proxy_name, *remove_proxy_name;
        int default_page_size, min_page_size, max_page_size, live_transition_max_publication_limit;
    } map;
    struct {
        const char *proxy_name;
        int64_t refresh_interval_ms, channel_shutdown_delay_ms, track_expired_extra_delay_ms;
        int refresh_batch_size, max_keys_per_connection;
        enum pl_poll_mode mode;
        bool publish_enabled;
    } shared_poll;
};

struct pl_cfg_rpc_namespace {
    const char *name;
    bool proxy_enabled;
    const char *proxy_name;
};

/* Who may reach an endpoint (Peal). Deny wins; an empty allow list allows all. pl_access_ok() in codec/cidr.h. */
struct pl_cfg_endpoint {
    bool enabled;
    const char *handler_prefix; /* starts with '/', no '/' at its end unless it is "/" */
    struct pl_access access;
};

struct pl_cfg_websocket {
    struct pl_cfg_endpoint at; /* at.enabled is !websocket.disabled, or uni_websocket.enabled */
    bool compression;
    size_t compression_min_size; /* 0: compress everything */
    int compression_level;       /* 1..9 */
    int64_t write_timeout_ms;
    size_t message_size_limit;
    size_t decompressed_message_size_limit; /* 0 in the file means 10 x message_size_limit: already resolved */
    bool disable_closing_handshake, disable_disconnect_push, join_push_messages; /* uni_websocket only */
    size_t read_buffer_size, write_buffer_size; /* accepted, without effect: buffers are lent per turn */
    bool use_write_buffer_pool;                 /* likewise */
};

struct pl_cfg_stream {
    struct pl_cfg_endpoint at;
    size_t max_request_body_size;
    bool connect_code_to_http_response_enabled; /* uni_* only, also the next two */
    struct pl_cfg_code_to_http *connect_code_transforms;
    size_t n_connect_code_transforms;
};

struct pl_config {
    const char *pid_file;
    bool enable_unreleased_features; /* accepted, without effect */
    int threads;                     /* Peal: shards; 0: one per core of the affinity mask and cgroup quota */

    struct {
        const char *address; /* host, address, "unix:/path", or "": all interfaces (127.0.0.1 when there is no file) */
        int port;            /* 0: the kernel chooses */
        const char *internal_address; /* "" and internal_port 0: no internal listener; may be "unix:/path" */
        int internal_port;
        struct pl_cfg_tls tls, internal_tls;
        bool tls_external;  /* tls on the external listener only */
        bool h2c_external;
        /* Peal from here on */
        struct pl_cidr_list proxy_protocol;  /* peers that must begin with a PROXY header */
        struct pl_cidr_list trusted_proxies; /* peers whose X-Forwarded-For counts */
        size_t max_header_bytes;             /* request line and headers; over: 431 */
        size_t max_body_size;                /* of requests without a limit of their own (API); over: 413 */
        int64_t read_header_timeout_ms;      /* over: 408 */
        int64_t read_timeout_ms;             /* whole request */
        int64_t keepalive_timeout_ms;        /* idle between requests */
        int max_connections;                 /* sockets on client listeners, 0: only the descriptor limit bounds */
        int max_connections_per_address;     /* 0: none */
        int accept_rate;                     /* new connections a second, 0: none */
        int send_buffer;                     /* SO_SNDBUF bytes, 0: the kernel's */
    } http_server;

    struct {
        enum pl_log_level_option level;
        const char *file;
        enum pl_log_format format; /* Peal */
        int rate_limit;            /* Peal: lines a second per event, 0: none */
    } log;

    struct {
        enum pl_engine_type type;
    } engine;

    struct {
        struct pl_strlist allowed_origins;
        struct pl_cfg_token token;
        bool subscription_token_enabled; /* client.subscription_token.enabled */
        struct pl_cfg_token subscription_token;
        bool allow_anonymous_connect_without_token, disallow_anonymous_connection_tokens;
        int64_t ping_interval_ms, pong_timeout_ms; /* negative: off */
        int64_t expired_close_delay_ms, expired_sub_close_delay_ms, stale_close_delay_ms;
        int channel_limit;
        size_t queue_max_size;
        int64_t presence_update_interval_ms;
        int concurrency;
        int64_t channel_position_check_delay_ms, channel_position_max_time_lag_ms;
        int connection_limit, user_connection_limit, connection_rate_limit; /* 0: none */
        int unauthenticated_limit; /* Peal: connections that have not completed connect, 0: none */
        bool connect_include_server_time;
        int history_max_publication_limit, recovery_max_publication_limit;
        bool insecure, insecure_skip_token_signature_verify;
        const char *user_id_http_header;
        struct {
            bool enabled, single_connection;
            const char *personal_channel_namespace;
        } subscribe_to_user_personal_channel;
        bool connect_code_to_unidirectional_disconnect_enabled;
        struct pl_cfg_code_to_disconnect *connect_code_transforms;
        size_t n_connect_code_transforms;
    } client;

    struct {
        struct pl_channel_options without_namespace;
        struct pl_channel_options *namespaces; /* file order; find one: pl_channel_resolve() in config/channel.h */
        size_t n_namespaces;
        int64_t history_meta_ttl_ms;
        enum pl_data_format publication_data_format;
        size_t max_length;
        const char *private_prefix, *namespace_boundary, *user_boundary, *user_separator; /* "": feature off */
    } channel;

    struct {
        struct {
            bool enabled;
            const char *method;
        } ping;
        const char *namespace_boundary;
        struct pl_cfg_rpc_namespace without_namespace;
        struct pl_cfg_rpc_namespace *namespaces;
        size_t n_namespaces;
    } rpc;

    struct {
        struct pl_secret hmac_secret_key, hmac_previous_secret_key;
        int64_t hmac_previous_secret_key_valid_until;
        int concurrency_limit;
    } shared_poll;

    struct {
        struct pl_cfg_endpoint at; /* at.enabled is !http_api.disabled */
        struct pl_secret key;
        enum pl_error_mode error_mode;
        bool external, insecure;
    } http_api;

    struct pl_cfg_websocket websocket, uni_websocket;
    struct pl_cfg_stream sse, http_stream, uni_sse, uni_http_stream;
    struct pl_cfg_stream emulation; /* at.enabled: sse or http_stream is on */

    struct {
        struct pl_cfg_endpoint at;
        struct pl_secret password, secret;
        bool insecure, external;
        const char *web_path, *web_proxy_address;
    } admin;

    struct {
        struct pl_cfg_endpoint at;
        bool instrument_http_handlers, recovered_publications_histogram, native_histograms;
        const char *prefix; /* Peal: of every metric's name, "peal" */
    } prometheus;

    struct pl_cfg_endpoint health, swagger, debug, init;

    struct {
        const char *dir; /* Peal: directory of static files served at "/"; "": none */
    } demo;

    struct {
        bool disabled; /* accepted: nothing is ever sent home */
    } usage_stats;

    struct {
        const char *name; /* "": <hostname>_<port> */
        int64_t info_metrics_aggregate_interval_ms;
    } node;

    struct {
        int64_t timeout_ms;
    } shutdown;

    const char *file;          /* the file that was read, "" when none */
    struct pl_config_own *own; /* arena, namespace index; see load.c */
};

#endif
