/* peal serve - configuration in, server running. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/cmd.h"
#include "cli/flags.h"
#include "config/load.h"
#include "server/server.h"

static const char usage[] =
    "usage: peal serve [--config FILE] [--KEY=VALUE ...]\n\n"
    "Runs the server until SIGTERM or SIGINT. SIGHUP opens the log file anew.\n\n"
    "  -c, --config FILE   configuration file (JSON); without it config.json of the working directory, if there is one\n"
    "  -a ADDRESS          http_server.address: where to listen; 127.0.0.1 when there is no file, else all interfaces\n"
    "  -p PORT             http_server.port (8000)\n"
    "  --KEY=VALUE         any option: --http_server.port=9000, --client.insecure, --log.level=debug\n\n"
    "Variables PEAL_HTTP_SERVER_PORT=9000 set options, too; flags win over them, they win over the file.\n"
    "peal config doc lists all options, peal check config FILE tells whether a file is right.\n";

static void print_errors(const struct pl_config_report *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].is_error)
            fprintf(stderr, "peal: %s\n", r->v[i].text);
    fprintf(stderr, "peal: not started: %zu %s in the configuration\n", r->n_errors, r->n_errors == 1 ? "fault" : "faults");
}

static enum pl_log_level level_of(enum pl_log_level_option o)
{
    switch (o) {
    case PL_LOG_OPT_NONE: return PL_LOG_NONE;
    case PL_LOG_OPT_TRACE: return PL_LOG_TRACE;
    case PL_LOG_OPT_DEBUG: return PL_LOG_DEBUG;
    case PL_LOG_OPT_INFO: return PL_LOG_INFO;
    case PL_LOG_OPT_WARN: return PL_LOG_WARN;
    case PL_LOG_OPT_ERROR: return PL_LOG_ERROR;
    case PL_LOG_OPT_FATAL: return PL_LOG_FATAL;
    }
    return PL_LOG_INFO;
}

/* NULL: told on stderr. */
static struct pl_log *open_log(struct pl_world *world, const struct pl_config *cfg, const struct pl_config_report *report)
{
    struct pl_log_conf conf = { .level = level_of(cfg->log.level), .file = cfg->log.file, .rate = (unsigned)cfg->log.rate_limit };
    struct pl_log *log = NULL;
    enum pl_err err;

    conf.format = cfg->log.format == PL_LOG_FORMAT_JSON ? 1 : cfg->log.format == PL_LOG_FORMAT_HUMAN ? 2 : 0;
    err = pl_log_new(world, &conf, &log);
    if (err != PL_OK) {
        fprintf(stderr, "peal: log.file: %s: %s\n", cfg->log.file, err == PL_EIO ? strerror(errno) : pl_err_text(err));
        return NULL;
    }
    for (size_t i = 0; i < report->n; i++)
        pl_log(log, PL_LOG_WARN, "config.warning", PL_F_STR("text", report->v[i].text));
    pl_log(log, PL_LOG_INFO, "config.loaded", PL_F_STR("file", cfg->file[0] != 0 ? cfg->file : "none"));
    return log;
}

static int run(struct pl_world *world, const struct pl_config *cfg, struct pl_log *log)
{
    struct pl_server_opts opts = { .world = world, .config = cfg, .log = log, .n_shards = pl_server_n_shards(cfg) };
    struct pl_buf why = pl_buf_init(4096);
    struct pl_server *server = NULL;
    int status = PL_EXIT_FAILED;

    pl_world_linux_raise_limits();
    if (pl_server_new(&opts, &server, &why) != PL_OK) {
        pl_log(log, PL_LOG_FATAL, "server.failed", PL_F_SLICE("why", pl_buf_slice(&why)));
        fprintf(stderr, "peal: not started: %.*s\n", PL_FMT(pl_buf_slice(&why)));
    } else {
        char external[PL_ADDR_TEXT], internal[PL_ADDR_TEXT];

        pl_server_address(server, false, external);
        pl_server_address(server, true, internal);
        pl_log(log, PL_LOG_INFO, "server.listening", PL_F_STR("at", external), PL_F_STR("internal", internal));
        status = pl_server_run(server);
        pl_server_free(&server);
    }
    pl_buf_fini(&why);
    return status;
}

int pl_cmd_serve(int argc, char **argv)
{
    struct pl_world *world = pl_world_linux();
    struct pl_config_input in = { .world = world, .env = (const char *const *)environ, .args = (const char *const *)argv + 1,
                                  .n_args = (size_t)(argc - 1) };
    struct pl_config_report report = { NULL };
    struct pl_config *cfg = NULL;
    struct pl_log *log;
    int status = PL_EXIT_USAGE;

    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return PL_EXIT_OK;
        }
    if (access("config.json", F_OK) == 0) /* Centrifugo's default name */
        in.file = "config.json";
    switch (pl_config_load(&in, &cfg, &report)) {
    case PL_OK:
        break;
    case PL_ENOMEM:
        fprintf(stderr, "peal: out of memory\n");
        goto out;
    default:
        print_errors(&report);
        goto out;
    }
    status = PL_EXIT_FAILED;
    log = open_log(world, cfg, &report);
    if (log != NULL)
        status = run(world, cfg, log);
    pl_log_free(&log);
out:
    pl_config_free(&cfg);
    pl_config_report_fini(&report);
    return status;
}
