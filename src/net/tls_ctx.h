/* net/tls_ctx.h - what tls_conn.c needs of a context (net/tls.c). */
#ifndef PL_NET_TLS_CTX_H
#define PL_NET_TLS_CTX_H

#include <openssl/types.h>

#include "net/tls.h"

SSL_CTX *pl_tls_ctx_default(struct pl_tls_ctx *ctx); /* borrowed; any thread */

#endif
