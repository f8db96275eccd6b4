#include "lib/procstat.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The kB value after `key` in a "Key:   123 kB" file. */
static bool read_kb(int pid, const char *file, const char *key, uint64_t *ret_bytes)
{
    char path[64], line[256];
    uint64_t kb;
    bool is_found = false;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%d/%s", pid, file); /* fits: two short words and a number */
    f = fopen(path, "r");
    if (f == NULL)
        return false;
    while (!is_found && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), "%" SCNu64, &kb) == 1) {
            *ret_bytes = kb * 1024;
            is_found = true;
        }
    (void)fclose(f); /* only read from */
    return is_found;
}

static bool read_schedstat(int pid, const char *tid, uint64_t *ret_ns)
{
    char path[300];
    bool is_found;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, tid); /* a directory name has at most 255 bytes */
    f = fopen(path, "r");
    if (f == NULL)
        return false;
    is_found = fscanf(f, "%" SCNu64, ret_ns) == 1;
    (void)fclose(f); /* only read from */
    return is_found;
}

/* utime + stime, fields 14 and 15; the name in field 2 may hold anything, so count from its closing parenthesis. */
static bool read_stat(int pid, uint64_t *ret_ns)
{
    char path[64], text[1024];
    uint64_t utime, stime;
    const char *at;
    size_t n;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid); /* fits */
    f = fopen(path, "r");
    if (f == NULL)
        return false;
    n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f); /* only read from */
    text[n] = 0;
    at = strrchr(text, ')');
    if (at == NULL || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &utime, &stime) != 2)
        return false;
    *ret_ns = (utime + stime) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
    return true;
}

enum pl_err pl_procstat_read(int pid, struct pl_procstat *ret)
{
    struct pl_procstat s = { 0 };
    char path[64];
    struct dirent *entry;
    uint64_t ns;
    bool is_known = false;
    DIR *tasks;

    (void)snprintf(path, sizeof path, "/proc/%d/task", pid); /* fits */
    tasks = opendir(path);
    if (tasks == NULL)
        return PL_ENOENT;
    while ((entry = readdir(tasks)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        s.n_threads++;
        if (read_schedstat(pid, entry->d_name, &ns)) {
            s.cpu_ns += ns;
            is_known = true;
        }
    }
    (void)closedir(tasks); /* only read from */
    if (!is_known && !read_stat(pid, &s.cpu_ns))
        return PL_EIO;
    if (!read_kb(pid, "smaps_rollup", "Anonymous:", &s.anon_bytes) && !read_kb(pid, "status", "RssAnon:", &s.anon_bytes))
        return PL_EIO;
    *ret = s;
    return PL_OK;
}
