/* codec/cproto_json.h - the JSON form of the client protocol, behind pl_cproto_json; documented in codec/cproto.h. */
#ifndef PL_CODEC_CPROTO_JSON_H
#define PL_CODEC_CPROTO_JSON_H

#include "codec/cproto.h"
#include "codec/json.h"
#include "codec/json_write.h"

/* pl_cproto_ops.split, .command, .connect_request, .walk_subs */
PL_MUST_CHECK enum pl_err pl_cproto_json_split(struct pl_slice *rest, struct pl_slice *ret_one);
PL_MUST_CHECK enum pl_err pl_cproto_json_command(struct pl_slice one, struct pl_scratch *scratch, struct pl_command *ret);
PL_MUST_CHECK enum pl_err pl_cproto_json_connect_request(struct pl_slice text, struct pl_scratch *scratch, struct pl_connect_req *ret);
PL_MUST_CHECK enum pl_err pl_cproto_json_walk_subs(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_channel,
                                                   struct pl_subscribe_req *ret);

/* {"user":..,"client":..,"conn_info":..,"chan_info":..}: the same object in the HTTP API. */
void pl_cproto_json_client_info(struct pl_buf *b, const struct pl_client_info_view *info);
/* {"publications":[..],"epoch":..,"offset":..}: the same object in the HTTP API. */
void pl_cproto_json_history_result(struct pl_buf *b, const struct pl_history_result *r);
/* A JSON string of a binary UUID. */
void pl_cproto_json_uuid(struct pl_buf *b, const uint8_t uuid[16]);

#endif
