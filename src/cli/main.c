/* peal - the command line: argument parsing and nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/load.h"
#include "server/server.h"

extern char **environ;

static void print_report(const struct pl_config_report *r)
{
    for (size_t i = 0; i < r->n; i++)
        fprintf(stderr, "peal: %s: %s\n", r->v[i].is_error ? "error" : "warning", r->v[i].text);
}

static int cmd_serve(int argc, char **argv)
{
    struct pl_config_input in = { .world = pl_world_linux(), .env = (const char *const *)environ, .args = (const char *const *)argv,
                                  .n_args = (size_t)argc };
    struct pl_config_report report = { 0 };
    struct pl_buf err_text = pl_buf_init(4096);
    struct pl_log_conf log_conf = { 0 };
    struct pl_server_opts opts;
    struct pl_config *cfg = NULL;
    struct pl_server *server = NULL;
    struct pl_log *log = NULL;
    int status = 1;

    if (pl_config_load(&in, &cfg, &report) != PL_OK) {
        print_report(&report);
        goto out;
    }
    print_report(&report);
    log_conf.level = cfg->log.level == PL_LOG_OPT_NONE ? PL_LOG_NONE : (enum pl_log_level)(cfg->log.level - PL_LOG_OPT_TRACE);
    log_conf.file = cfg->log.file;
    log_conf.format = (int)cfg->log.format;
    log_conf.rate = (unsigned)cfg->log.rate_limit;
    if (pl_log_new(in.world, &log_conf, &log) != PL_OK) {
        fprintf(stderr, "peal: log.file: cannot open %s\n", cfg->log.file);
        goto out;
    }
    opts = (struct pl_server_opts){ .world = in.world, .config = cfg, .log = log, .n_shards = pl_server_n_shards(cfg) };
    if (pl_server_new(&opts, &server, &err_text) != PL_OK) {
        fprintf(stderr, "peal: %.*s\n", PL_FMT(pl_buf_slice(&err_text)));
        goto out;
    }
    status = pl_server_run(server);
out:
    pl_server_free(&server);
    pl_log_free(&log);
    pl_config_free(&cfg);
    pl_config_report_fini(&report);
    pl_buf_fini(&err_text);
    return status;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "serve") == 0)
        return cmd_serve(argc - 2, argv + 2);
    if (argc == 2 && strcmp(argv[1], "version") == 0)
        return puts("peal " PEAL_VERSION) < 0;
    fprintf(stderr, "usage: peal serve [--config FILE] [--key=value ...]\n       peal version\n");
    return 2;
}
