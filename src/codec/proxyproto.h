/* codec/proxyproto.h - PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt), receiver side. Pure; any
 * thread. Called only on connections from listed proxies, which always send a header first. */
#ifndef PL_CODEC_PROXYPROTO_H
#define PL_CODEC_PROXYPROTO_H

#include "codec/cidr.h"

enum {
    PL_PROXY_V1_MAX = 107,  /* bytes of a version 1 line with its CRLF */
    PL_PROXY_V2_MAX = 4096, /* we accept no larger version 2 header; senders with TLS certificates stay below */
};

struct pl_proxy_head {
    struct pl_addr src, dst; /* family 0: not told (LOCAL, UNKNOWN, unix); use the connection's own addresses */
    size_t len;              /* bytes of the header, consumed */
};

/* Parse the header at the start of `in` (borrowed).
 * PL_MORE: nothing consumed. PL_EPROTO: neither version, or malformed (also a wrong CRC32c); found at the first byte that
 * shows it. PL_ETOOBIG: version 2 header longer than PL_PROXY_V2_MAX. */
enum pl_err pl_proxyproto_parse(struct pl_slice in, struct pl_proxy_head *ret) PL_MUST_CHECK;

#endif
