/* codec/json_write.h - JSON written into a pl_buf. Failure is the buffer's business (pl_buf_ok). Pure, any thread. */
#ifndef PL_CODEC_JSON_WRITE_H
#define PL_CODEC_JSON_WRITE_H

#include "base/buf.h"

/* A string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void pl_json_put_str(struct pl_buf *b, struct pl_slice text);
/* Only its inside, to glue pieces together between two quotes. */
void pl_json_put_str_part(struct pl_buf *b, struct pl_slice text);
/* A valid JSON value as it is, without its raw line feeds: they end a message on the wire, and inside a string they
 * cannot stand, so the value keeps its meaning (wire-protocol 1.4). */
void pl_json_put_raw(struct pl_buf *b, struct pl_slice value);

#endif
