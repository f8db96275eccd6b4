/* base/err.h - what a function that can fail returns. One table (err.def); results go through ret_ arguments. */
#ifndef PL_BASE_ERR_H
#define PL_BASE_ERR_H

enum pl_err {
#define PL_E(name, text) PL_##name,
#include "base/err.def"
#undef PL_E
    PL_ERR_COUNT
};

#define PL_MUST_CHECK __attribute__((warn_unused_result))

/* The table's text, for logs. Static, never NULL; an unknown value gives "unknown". Any thread. */
const char *pl_err_text(enum pl_err err);

#endif
