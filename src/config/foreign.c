/* config/foreign.c - keys that Centrifugo (PRO included) has and Peal does not, or not yet. Each is ignored with a
 * warning that says what follows; a key that is in neither table is refused. */
#include "config/loader.h"

#include <ctype.h>
#include <stdio.h>

#define TLS(p) p "enabled", p "cert_pem", p "key_pem", p "server_ca_pem", p "client_ca_pem", p "insecure_skip_verify", p "server_name"
#define REDIS "prefix", "address", "connect_timeout", "io_timeout", "db", "user", "password", "client_name", "force_resp2", \
    "cluster_address", "sentinel_address", "sentinel_user", "sentinel_password", "sentinel_master_name", "sentinel_client_name", \
    "replica_client.enabled", TLS("tls."), TLS("sentinel_tls.")
#define POSTGRES "dsn", "pool_size", "num_shards", "cleanup_interval", "idempotent_result_ttl", "binary_data", "stream_retention", \
    "use_notify", "notify_dsn", "table_prefix", "skip_schema_init", "outbox.poll_interval", "outbox.batch_size", \
    "partition_lookahead_days", "partition_retention_days", TLS("tls."), "replica_dsn"
#define NATS(p) p "prefix", p "url", p "dial_timeout", p "write_timeout", p "allow_wildcards", p "raw_mode.enabled", \
    p "raw_mode.prefix", p "raw_mode.channel_replacements.*", TLS(p "tls.")
#define PROXY "endpoint", "timeout", "http_headers", "grpc_metadata", "emulated_headers", "binary_encoding", "include_connection_meta", \
    "http.static_headers.*", "http.status_to_code_transforms.status_code", "http.status_to_code_transforms.to_error.code", \
    "http.status_to_code_transforms.to_error.message", "http.status_to_code_transforms.to_error.temporary", \
    "http.status_to_code_transforms.to_disconnect.code", "http.status_to_code_transforms.to_disconnect.reason", \
    "grpc.credentials_key", "grpc.credentials_value", "grpc.compression", "grpc.static_metadata.*", TLS("http.tls."), TLS("grpc.tls.")
#define SHARDED "sharded_pub_sub_partitions", "subscribe_on_replica", "group_sharded_pub_sub_by_node"

static const char *const redis_keys[] = { REDIS, "history_use_lists", "presence_ttl", "presence_hash_field_ttl", "presence_user_mapping",
    "cleanup_interval", "cleanup_batch_size", "idempotent_result_ttl", "skip_pub_sub", SHARDED, "channel_state.*", NULL };
static const char *const postgres_keys[] = { POSTGRES, "ttl_check_interval", NULL };
static const char *const nats_keys[] = { NATS(""), NULL };
static const char *const controller_keys[] = { "enabled", "type", "postgres.dsn", "postgres.pool_size", "postgres.num_shards",
    "postgres.table_prefix", "postgres.poll_interval", "postgres.use_notify", "postgres.notify_dsn", "postgres.partition_retention_days",
    "postgres.partition_lookahead_days", "postgres.partition_cleanup_interval", "postgres.batch_size", "postgres.skip_schema_init",
    TLS("postgres.tls."), NULL };
static const char *const proxy_keys[] = { PROXY, NULL };
static const char *const event_proxy_keys[] = { "enabled", PROXY, NULL };
static const char *const named_proxy_keys[] = { "name", PROXY, NULL };
static const char *const grpc_api_keys[] = { "enabled", "error_mode", "address", "port", "key", "reflection", "max_receive_message_size",
    TLS("tls."), "jwks.*", NULL };
static const char *const uni_grpc_keys[] = { "enabled", "address", "port", "max_receive_message_size", TLS("tls."), NULL };
static const char *const webtransport_keys[] = { "enabled", "handler_prefix", "message_size_limit", NULL };
static const char *const autocert_keys[] = { "enabled", "host_whitelist", "cache_dir", "email", "server_name", "http", "http_addr", NULL };
static const char *const otel_keys[] = { "enabled", "api", "consuming", "google_cloud_adc_auth", "metrics", "resource_detectors", NULL };
static const char *const graphite_keys[] = { "enabled", "host", "port", "prefix", "interval", "tags", NULL };

#define MODE(x) "publication_data_mode.enabled", "publication_data_mode.channels_" x, "publication_data_mode.idempotency_key_" x, \
    "publication_data_mode.delta_" x, "publication_data_mode.version_" x, "publication_data_mode.version_epoch_" x, \
    "publication_data_mode.tags_" x "_prefix"
static const char *const consumer_keys[] = { "name", "enabled", "type", NULL };
static const char *const consumer_pg_keys[] = { "dsn", "outbox_table_name", "num_partitions", "partition_select_limit",
    "partition_poll_interval", "partition_notification_channel", "partition_notification_dsn", "use_try_lock", TLS("tls."), NULL };
static const char *const consumer_kafka_keys[] = { "brokers", "topics", "consumer_group", "max_poll_records", "fetch_max_bytes",
    "fetch_max_wait", "fetch_read_uncommitted", "partition_queue_max_size", "dial_timeout", "sasl_mechanism", "sasl_user",
    "sasl_password", "assume_role_arn", "instance_id", "method_header", MODE("header"), TLS("tls."), NULL };
static const char *const consumer_nats_keys[] = { "url", "credentials_file", "username", "password", "token", "stream_name",
    "use_existing_consumer", "subjects", "durable_consumer_name", "deliver_policy", "max_ack_pending", "method_header", MODE("header"),
    TLS("tls."), NULL };
static const char *const consumer_redis_keys[] = { REDIS, "streams", "consumer_group", "visibility_timeout", "num_workers", "payload_value",
    "method_value", MODE("value"), NULL };
static const char *const consumer_google_keys[] = { "project_id", "subscriptions", "max_outstanding_messages", "max_outstanding_bytes",
    "auth_mechanism", "credentials_file", "method_attribute", MODE("attribute"), NULL };
static const char *const consumer_sqs_keys[] = { "queues", "sns_envelope", "region", "max_number_of_messages", "wait_time_time",
    "visibility_timeout", "max_concurrency", "credentials_profile", "assume_role_arn", "localstack_endpoint", "method_attribute",
    MODE("attribute"), NULL };
static const char *const consumer_azure_keys[] = { "connection_string", "use_azure_identity", "fully_qualified_namespace", "tenant_id",
    "client_id", "client_secret", "queues", "use_sessions", "max_concurrent_calls", "max_receive_messages", "method_property",
    MODE("property"), NULL };

/* PRO's options of a namespace. */
static const char *const ns_keys[] = { "batch_max_size", "batch_max_delay", "batch_flush_latest", "allow_channel_compaction",
    "keep_latest_publication", "delta_keep_latest", "client_publish_debounce_interval", "client_publication.*", "subscribe_cel", "publish_cel",
    "history_cel", "presence_cel", "broker_name", "presence_manager_name", "pattern", "shared_position_sync", "server_tags_filter.*",
    "state_proxy_enabled", "state_proxy_name", "state_events", "cache_empty_proxy_enabled", "cache_empty_proxy_name",
    "map.broker_name", "map.full_state_channel_prefix", "map.full_state_tick_interval", "shared_poll.keep_latest_data",
    "shared_poll.backpressure_max_interval", "shared_poll.use_delta", NULL };

#define NO_REDIS "the Redis engine is not built yet; channels stay in the memory of this node"
#define NO_BROKER "other brokers are not built yet; channels stay in the memory of this node"
#define NO_CONNECT_PROXY "proxies are not built yet; connections without a token are refused, or anonymous where that is allowed"
#define NO_PROXY "proxies are not built yet; what they would decide is refused"
#define NO_CONSUMER "consumers are not built yet; nothing is read from this source"
#define PRO "a PRO feature that Peal does not have; the server acts as if it were not set"
#define NO_LIMIT "a PRO feature that Peal does not have; this limit is not enforced"

static const struct {
    const char *key;        /* alone, or the section that `below` is in; "x.*": anything below x */
    const char *const *below;
    const char *why;
} rows[] = {
    { "engine.redis", redis_keys, NO_REDIS },
    { "broker.enabled", NULL, NO_BROKER },
    { "broker.type", NULL, NO_BROKER },
    { "broker.redis", redis_keys, NO_REDIS },
    { "broker.nats", nats_keys, NO_BROKER },
    { "broker.postgres", postgres_keys, NO_BROKER },
    { "broker.redisnats.redis", redis_keys, NO_BROKER },
    { "broker.redisnats.nats", nats_keys, NO_BROKER },
    { "presence_manager.enabled", NULL, "presence stays in the memory of this node" },
    { "presence_manager.type", NULL, "presence stays in the memory of this node" },
    { "presence_manager.redis", redis_keys, "presence stays in the memory of this node" },
    { "map_broker.type", NULL, NO_BROKER },
    { "map_broker.redis", redis_keys, NO_REDIS },
    { "map_broker.postgres", postgres_keys, NO_BROKER },
    { "controller", controller_keys, "nodes do not talk to each other yet; this one stands alone" },
    { "client.proxy.connect", event_proxy_keys, NO_CONNECT_PROXY },
    { "client.proxy.refresh", event_proxy_keys, "proxies are not built yet; clients refresh by token" },
    { "rpc.proxy", proxy_keys, "proxies are not built yet; RPC calls get error 108 (not available)" },
    { "channel.proxy.subscribe", proxy_keys, NO_PROXY },
    { "channel.proxy.publish", proxy_keys, NO_PROXY },
    { "channel.proxy.sub_refresh", proxy_keys, NO_PROXY },
    { "channel.proxy.subscribe_stream", proxy_keys, NO_PROXY },
    { "channel.proxy.map_publish", proxy_keys, NO_PROXY },
    { "channel.proxy.map_remove", proxy_keys, NO_PROXY },
    { "channel.proxy.shared_poll_refresh", proxy_keys, NO_PROXY },
    { "channel.proxy.cache_empty", proxy_keys, PRO },
    { "channel.proxy.state", proxy_keys, PRO },
    { "proxies", named_proxy_keys, NO_PROXY },
    { "consumers", consumer_keys, NO_CONSUMER },
    { "consumers.postgresql", consumer_pg_keys, NO_CONSUMER },
    { "consumers.kafka", consumer_kafka_keys, NO_CONSUMER },
    { "consumers.nats_jetstream", consumer_nats_keys, NO_CONSUMER },
    { "consumers.redis_stream", consumer_redis_keys, NO_CONSUMER },
    { "consumers.google_pub_sub", consumer_google_keys, NO_CONSUMER },
    { "consumers.aws_sqs", consumer_sqs_keys, NO_CONSUMER },
    { "consumers.azure_service_bus", consumer_azure_keys, NO_CONSUMER },
    { "grpc_api", grpc_api_keys, "there is no gRPC API; use the HTTP API" },
    { "uni_grpc", uni_grpc_keys, "there is no gRPC transport; nothing listens on this port" },
    { "webtransport", webtransport_keys, "there is no WebTransport; clients fall back to WebSocket" },
    { "http_server.http3.enabled", NULL, "there is no HTTP/3; clients use HTTP/1.1" },
    { "http_server.tls_autocert", autocert_keys, "certificates are not fetched; set http_server.tls.cert_pem and key_pem" },
    { "opentelemetry", otel_keys, "no traces are exported; metrics are at prometheus.handler_prefix" },
    { "graphite", graphite_keys, "metrics are not sent to Graphite; they are at prometheus.handler_prefix" },

    { "channel.without_namespace", ns_keys, PRO },
    { "channel.namespaces", ns_keys, PRO },
    { "channel.patterns", NULL, PRO },
    { "channel.state_events", NULL, PRO },
    { "client.rate_limit.*", NULL, NO_LIMIT },
    { "client.batch_periodic_events", NULL, PRO },
    { "client.max_messages_in_frame", NULL, PRO },
    { "client.queue_shrink_delay", NULL, PRO },
    { "client.queue_initial_cap", NULL, PRO },
    { "client.write_delay", NULL, PRO },
    { "client.write_with_timer", NULL, PRO },
    { "client.reply_without_queue", NULL, PRO },
    { "client.token.labels_from_claim.*", NULL, PRO },
    { "client.token.meta_from_claim.*", NULL, PRO },
    { "client.token.jwks.*", NULL, "a PRO feature that Peal does not have; tokens of these issuers are refused" },
    { "client.subscription_token.labels_from_claim.*", NULL, PRO },
    { "client.subscription_token.meta_from_claim.*", NULL, PRO },
    { "client.subscription_token.jwks.*", NULL, "a PRO feature that Peal does not have; tokens of these issuers are refused" },
    { "client.connect_cel", NULL, PRO },
    { "websocket.compression_prepared_message_cache_size", NULL, "not needed: a publication is compressed once for all" },
    { "websocket.process_commands_off_read_loop", NULL, "not needed: there is no loop per connection" },
    { "uni_websocket.compression_prepared_message_cache_size", NULL, "not needed: a publication is compressed once for all" },
    { "http_api.jwks.*", NULL, "a PRO feature that Peal does not have; callers of the API need http_api.key" },
    { "admin.api_key", NULL, PRO },
    { "admin.oidc.*", NULL, "a PRO feature that Peal does not have; the pages need admin.password" },
    { "prometheus.additional_client_names", NULL, PRO },
    { "prometheus.channel_namespace_resolution", NULL, PRO },
    { "prometheus.client_labels", NULL, PRO },
    { "prometheus.expose_transport_accept_protocol", NULL, PRO },
    { "brokers.*", NULL, PRO },
    { "presence_managers.*", NULL, PRO },
    { "map_brokers.*", NULL, PRO },
    { "distributed_rate_limit.*", NULL, NO_LIMIT },
    { "push_notifications.*", NULL, "a PRO feature that Peal does not have; no push notification is sent" },
    { "user_status.*", NULL, PRO },
    { "user_block.*", NULL, "a PRO feature that Peal does not have; nobody is blocked" },
    { "token_revoke.*", NULL, "a PRO feature that Peal does not have; tokens count until they expire" },
    { "user_tokens_invalidate.*", NULL, "a PRO feature that Peal does not have; tokens count until they expire" },
    { "clickhouse_analytics.*", NULL, "a PRO feature that Peal does not have; nothing is exported" },
    { "database.*", NULL, PRO },
    { "process_stats.*", NULL, PRO },
    { "sentry.*", NULL, PRO },
    { "singleflight.*", NULL, PRO },
    { "shared_poll_relay.*", NULL, PRO },
    { "shared_poll.notification.*", NULL, PRO },
    { "client_publication.*", NULL, PRO },
    { "schemas.*", NULL, PRO },
    { "license", NULL, "no licence is needed" },
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

/* How path relates to one key ("a.b", or "a.*"). */
static enum pl_foreign compare(const char *path, const char *key)
{
    size_t n = strlen(path), m = strlen(key);

    if (m > 2 && strcmp(key + m - 2, ".*") == 0) {
        m -= 2;
        if (n >= m && strncmp(path, key, m) == 0 && (path[m] == 0 || path[m] == '.'))
            return PL_FOREIGN_KEY;
    }
    if (n == m && strncmp(path, key, m) == 0)
        return PL_FOREIGN_KEY;
    return m > n && strncmp(path, key, n) == 0 && key[n] == '.' ? PL_FOREIGN_SECTION : PL_FOREIGN_NO;
}

enum pl_foreign pl_foreign_find(const char *path, const char **ret_why)
{
    enum pl_foreign best = PL_FOREIGN_NO;

    *ret_why = "";
    for (size_t i = 0; i < N_ROWS; i++) {
        char key[PL_PATH_MAX];
        size_t j = 0, n = strcspn(path, ".");

        if (strncmp(path, rows[i].key, n) != 0 || (rows[i].key[n] != 0 && rows[i].key[n] != '.'))
            continue; /* not even in the same section */

        do {
            enum pl_foreign is;

            if (rows[i].below != NULL)
                snprintf(key, sizeof key, "%s.%s", rows[i].key, rows[i].below[j]);
            is = compare(path, rows[i].below != NULL ? key : rows[i].key);
            if (is > best) {
                best = is;
                *ret_why = rows[i].why;
            }
        } while (best != PL_FOREIGN_KEY && rows[i].below != NULL && rows[i].below[++j] != NULL);
        if (best == PL_FOREIGN_KEY)
            break;
    }
    return best;
}

static bool spelled(const char *name, const char *key, bool whole)
{
    for (; *key != 0; name++, key++)
        if (*name != (isalnum((unsigned char)*key) ? toupper((unsigned char)*key) : '_'))
            return false;
    return *name == 0 || (!whole && *name == '_');
}

bool pl_foreign_env(const char *name, const char **ret_why)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        size_t n = strlen(rows[i].key);
        char key[PL_PATH_MAX];
        /* Elements of these lists are named in the variable: CENTRIFUGO_PROXIES_<NAME>_ENDPOINT. */
        bool is_list = rows[i].below == named_proxy_keys || rows[i].below == consumer_keys;

        *ret_why = rows[i].why;
        if (n > 2 && rows[i].key[n - 1] == '*') {
            snprintf(key, sizeof key, "%.*s", (int)(n - 2), rows[i].key);
            if (spelled(name, key, false))
                return true;
        } else if (is_list || rows[i].below == NULL) {
            if (spelled(name, rows[i].key, !is_list))
                return true;
        }
        for (size_t j = 0; rows[i].below != NULL && rows[i].below[j] != NULL; j++) {
            size_t m = (size_t)snprintf(key, sizeof key, "%s.%s", rows[i].key, rows[i].below[j]);
            bool is_open = key[m - 1] == '*';

            if (is_open)
                key[m - 2] = 0;
            if (spelled(name, key, !is_open))
                return true;
        }
    }
    return false;
}

static void give(void (*fn)(void *arg, const char *key), void *arg, const char *key)
{
    char plain[PL_PATH_MAX];
    size_t n = (size_t)snprintf(plain, sizeof plain, "%s", key);

    if (n > 2 && plain[n - 1] == '*')
        plain[n - 2] = 0;
    fn(arg, plain);
}

void pl_foreign_each(void (*fn)(void *arg, const char *key), void *arg)
{
    char key[PL_PATH_MAX];

    for (size_t i = 0; i < N_ROWS; i++) {
        if (rows[i].below == NULL)
            give(fn, arg, rows[i].key);
        for (size_t j = 0; rows[i].below != NULL && rows[i].below[j] != NULL; j++) {
            snprintf(key, sizeof key, "%s.%s", rows[i].key, rows[i].below[j]);
            give(fn, arg, key);
        }
    }
}
