/* lib/procstat.h - what another process has used, from /proc. Blocking file reads; any thread. */
#ifndef PL_LIB_PROCSTAT_H
#define PL_LIB_PROCSTAT_H

#include <stdint.h>

#include "base/err.h"

struct pl_procstat {
    uint64_t cpu_ns;     /* on a CPU, all living threads: task/<tid>/schedstat, else utime + stime of stat (10 ms steps) */
    uint64_t anon_bytes; /* anonymous memory in RAM: smaps_rollup, else RssAnon of status */
    uint32_t n_threads;
};

/* PL_ENOENT: no such process. PL_EIO: /proc does not tell. */
enum pl_err pl_procstat_read(int pid, struct pl_procstat *ret) PL_MUST_CHECK;

#endif
