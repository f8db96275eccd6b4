#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void pl_check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "peal: %s:%d: check failed: %s\n", file, line, what);
    fflush(stderr);
    abort();
}
