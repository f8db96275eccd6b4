/* codec/override.h - per-subscription options that a token, the API or a proxy sets over the namespace's (wire-protocol.md 8.2). */
#ifndef PL_CODEC_OVERRIDE_H
#define PL_CODEC_OVERRIDE_H

#include "codec/json.h"

struct pl_override_bool {
    bool is_set;
    bool value;
};

struct pl_override {
    bool is_set;
    struct pl_override_bool presence, join_leave, force_push_join_leave, force_recovery, force_positioning;
};

/* {"presence":{"value":true},...} for PL_J_OBJ fields of this type. */
extern const struct pl_json_shape pl_override_shape;

#endif
