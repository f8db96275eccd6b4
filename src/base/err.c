#include "base/err.h"

static const char *const err_texts[] = {
#define PL_E(name, text) [PL_##name] = (text),
#include "base/err.def"
#undef PL_E
};

const char *pl_err_text(enum pl_err err)
{
    return (unsigned)err < PL_ERR_COUNT ? err_texts[err] : "unknown";
}
