#include "config/channel.h"

#include "base/check.h"
#include "config/loader.h"

/* memmem that takes empty needles as "not there". */
static const uint8_t *find(struct pl_slice s, const char *needle)
{
    size_t n = strlen(needle);

    return n == 0 || s.len < n ? NULL : memmem(s.p, s.len, needle, n);
}

static uint32_t namespace_index(const struct pl_config *cfg, struct pl_slice name)
{
    const struct pl_config_own *own = cfg->own;
    uint32_t at = (uint32_t)pl_hash(own->ns_key, name) & own->ns_mask;

    for (; own->ns_slots[at] != 0; at = (at + 1) & own->ns_mask)
        if (pl_slice_eq(name, pl_slice_str(cfg->channel.namespaces[own->ns_slots[at] - 1].name)))
            return own->ns_slots[at];
    return 0;
}

enum pl_err pl_channel_resolve(const struct pl_config *cfg, struct pl_slice channel, struct pl_channel_ref *ret)
{
    struct pl_channel_ref ref = { &cfg->channel.without_namespace, 0, channel, false, false };
    struct pl_slice prefix = pl_slice_str(cfg->channel.private_prefix), name = channel;
    const uint8_t *boundary;

    if (prefix.len != 0 && pl_slice_starts(channel, prefix)) {
        ref.is_private = true;
        name = pl_slice_from(channel, prefix.len);
    }
    boundary = find(name, cfg->channel.namespace_boundary);
    if (boundary != NULL) {
        struct pl_slice ns = pl_slice(name.p, (size_t)(boundary - name.p));

        if (ns.len != 0) { /* ":x" belongs to no namespace, as without the boundary */
            ref.rest = pl_slice_from(name, ns.len + strlen(cfg->channel.namespace_boundary));
            ref.ns = namespace_index(cfg, ns);
            if (ref.ns == 0)
                return PL_ENOENT;
            ref.opts = &cfg->channel.namespaces[ref.ns - 1];
        }
    }
    ref.is_user_limited = ref.opts->allow_user_limited_channels && find(channel, cfg->channel.user_boundary) != NULL;
    *ret = ref;
    return PL_OK;
}

bool pl_channel_name_ok(const struct pl_channel_ref *ref, struct pl_slice channel)
{
    if (ref->opts->regex != NULL)
        return pl_regex_match(ref->opts->regex, ref->rest);
    for (size_t i = 0; i < channel.len; i++)
        if (channel.p[i] >= 0x80)
            return false;
    return true;
}

bool pl_channel_user_ok(const struct pl_config *cfg, struct pl_slice channel, struct pl_slice user)
{
    const char *boundary = cfg->channel.user_boundary, *separator = cfg->channel.user_separator;
    struct pl_slice list = channel;
    const uint8_t *at;
    bool has_list = false;

    while ((at = find(list, boundary)) != NULL) { /* the last one counts */
        list = pl_slice_from(list, (size_t)(at - list.p) + strlen(boundary));
        has_list = true;
    }
    if (!has_list)
        return true;
    while ((at = find(list, separator)) != NULL) {
        if (pl_slice_eq(pl_slice(list.p, (size_t)(at - list.p)), user))
            return true;
        list = pl_slice_from(list, (size_t)(at - list.p) + strlen(separator));
    }
    if (PL_SABOTAGE(user_list_prefix))
        return pl_slice_starts(list, user); /* planted */
    return pl_slice_eq(list, user);
}

enum pl_err pl_channel_personal(const struct pl_config *cfg, struct pl_slice user, uint8_t *out, size_t cap, size_t *ret_len)
{
    const char *ns = cfg->client.subscribe_to_user_personal_channel.personal_channel_namespace;
    struct pl_slice parts[] = { pl_slice_str(ns), pl_slice_str(ns[0] != 0 ? cfg->channel.namespace_boundary : ""),
                                pl_slice_str(cfg->channel.user_boundary), user };
    size_t len = 0;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].len > cap - len)
            return PL_ETOOBIG;
        if (parts[i].len != 0)
            memcpy(out + len, parts[i].p, parts[i].len);
        len += parts[i].len;
    }
    *ret_len = len;
    return PL_OK;
}
