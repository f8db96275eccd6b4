/* config/doc.h - what `peal config doc` and `peal config default` print, from the table of options. */
#ifndef PL_CONFIG_DOC_H
#define PL_CONFIG_DOC_H

#include "base/buf.h"
#include "base/err.h"

/* The reference as Markdown, about 60 KiB: one table per section, with type, default, bounds and variable of each key. */
void pl_config_doc(struct pl_buf *out);

/* A configuration file that holds every option with its default, as indented JSON. PL_ENOMEM. */
PL_MUST_CHECK enum pl_err pl_config_defaults(struct pl_buf *out);

#endif
