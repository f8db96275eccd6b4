#include "codec/override.h"

static const struct pl_json_field bool_fields[] = {
    PL_JSON_FIELD(struct pl_override_bool, value, PL_J_BOOL),
};
static const struct pl_json_shape bool_shape = PL_JSON_SHAPE(bool_fields);

static const struct pl_json_field override_fields[] = {
    PL_JSON_FIELD_OF(struct pl_override, presence, PL_J_OBJ, &bool_shape),
    PL_JSON_FIELD_OF(struct pl_override, join_leave, PL_J_OBJ, &bool_shape),
    PL_JSON_FIELD_OF(struct pl_override, force_push_join_leave, PL_J_OBJ, &bool_shape),
    PL_JSON_FIELD_OF(struct pl_override, force_recovery, PL_J_OBJ, &bool_shape),
    PL_JSON_FIELD_OF(struct pl_override, force_positioning, PL_J_OBJ, &bool_shape),
};
const struct pl_json_shape pl_override_shape = PL_JSON_SHAPE(override_fields);
