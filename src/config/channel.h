/* config/channel.h - what a channel's name means: namespace, private prefix, list of users, validity
 * (wire-protocol.md 9.1-9.3). Called once per subscribe, publish and API call: no allocation, one hash lookup. */
#ifndef PL_CONFIG_CHANNEL_H
#define PL_CONFIG_CHANNEL_H

#include "base/err.h"
#include "codec/glob.h" /* channel patterns */
#include "config/config.h"

struct pl_channel_ref {
    const struct pl_channel_options *opts; /* borrowed from cfg */
    uint32_t ns;                           /* 0: without_namespace, else 1 + index into cfg->channel.namespaces */
    struct pl_slice rest;                  /* borrowed from the name: behind the boundary, or all of it */
    bool is_private;                       /* begins with channel.private_prefix: clients need a subscription token */
    bool is_user_limited;                  /* the namespace allows it and the name has a user boundary */
};

/* PL_ENOENT: the namespace is unknown (error 102); *ret is untouched. */
PL_MUST_CHECK enum pl_err pl_channel_resolve(const struct pl_config *cfg, struct pl_slice channel, struct pl_channel_ref *ret);

/* May clients use this name: channel_regex where set, else ASCII only (else error 107). Length is the caller's check. */
bool pl_channel_name_ok(const struct pl_channel_ref *ref, struct pl_slice channel);

/* Is `user` in the list behind the last user boundary. True for a channel that has none. */
bool pl_channel_user_ok(const struct pl_config *cfg, struct pl_slice channel, struct pl_slice user);

/* The user's personal channel, "#42" or "ns:#42", into out[cap]; PL_ETOOBIG when it does not fit. */
PL_MUST_CHECK enum pl_err pl_channel_personal(const struct pl_config *cfg, struct pl_slice user, uint8_t *out, size_t cap,
                                              size_t *ret_len);

#endif
