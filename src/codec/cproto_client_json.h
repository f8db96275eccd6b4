/* codec/cproto_client_json.h - the reading half behind pl_cproto_client_json; documented in codec/cproto_client.h. */
#ifndef PL_CODEC_CPROTO_CLIENT_JSON_H
#define PL_CODEC_CPROTO_CLIENT_JSON_H

#include "codec/cproto_client.h"
#include "codec/json.h"

PL_MUST_CHECK enum pl_err pl_cproto_client_json_reply(struct pl_slice one, bool is_uni, struct pl_scratch *scratch, struct pl_reply *ret);
PL_MUST_CHECK enum pl_err pl_cproto_client_json_walk_pubs(struct pl_walk *w, struct pl_scratch *scratch, struct pl_reply_pub *ret);
PL_MUST_CHECK enum pl_err pl_cproto_client_json_walk_clients(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_client,
                                                             struct pl_reply_info *ret);
PL_MUST_CHECK enum pl_err pl_cproto_client_json_walk_subs(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_channel,
                                                          struct pl_reply_subscribe *ret);

#endif
