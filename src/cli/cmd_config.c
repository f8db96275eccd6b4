/* peal check config, peal config doc, peal config default. */
#include <stdio.h>

#include "auth/auth.h"
#include "cli/cmd.h"
#include "cli/flags.h"
#include "config/doc.h"
#include "config/load.h"

int pl_cmd_check_config(int argc, char **argv)
{
    const struct pl_flag_set set = { "peal check config FILE",
        "Reads a configuration file as peal serve would, environment and flags apart, and tells what is wrong: file, line, key, value\n"
        "and bound. Exit code 0: it is right (there may be warnings); 1: it is not; 2: usage.", NULL, 0 };
    struct pl_config_report report = { NULL };
    struct pl_config_input in = { .world = pl_world_linux() };
    struct pl_buf why = pl_buf_init(4096);
    struct pl_config *cfg = NULL;
    enum pl_err err;
    int n;

    switch (pl_flags_parse(&set, argc, argv, &n)) {
    case PL_FLAGS_HELP: return PL_EXIT_OK;
    case PL_FLAGS_BAD: return PL_EXIT_USAGE;
    case PL_FLAGS_OK: break;
    }
    if (n != 1) {
        fprintf(stderr, "peal check config: %s\nusage: %s\n", n == 0 ? "no file given" : "more than one file given", set.usage);
        return PL_EXIT_USAGE;
    }
    in.file = argv[1];
    err = pl_config_load(&in, &cfg, &report);
    for (size_t i = 0; i < report.n; i++)
        printf("%s: %s\n", report.v[i].is_error ? "error" : "warning", report.v[i].text);
    if (err == PL_OK)
        err = pl_auth_check_config(in.world, cfg, &why);
    if (why.len != 0) {
        printf("error: %s: %.*s\n", in.file, PL_FMT(pl_buf_slice(&why)));
        report.n_errors++;
    }
    if (err == PL_OK)
        printf("ok: %s (%zu namespaces, %zu warnings)\n", in.file, cfg->channel.n_namespaces, report.n_warnings);
    else
        printf("refused: %s (%zu errors, %zu warnings)%s\n", in.file, report.n_errors, report.n_warnings,
               err == PL_ENOMEM ? ": out of memory" : "");
    pl_buf_fini(&why);
    pl_config_free(&cfg);
    pl_config_report_fini(&report);
    return err == PL_OK ? PL_EXIT_OK : PL_EXIT_FAILED;
}

/* Prints what `write` makes; takes no arguments but --help. */
static int print_made(int argc, char **argv, const struct pl_flag_set *set, enum pl_err (*write)(struct pl_buf *out))
{
    struct pl_buf out = pl_buf_init(1 << 20);
    enum pl_err err;
    int n;

    switch (pl_flags_parse(set, argc, argv, &n)) {
    case PL_FLAGS_HELP: return PL_EXIT_OK;
    case PL_FLAGS_BAD: return PL_EXIT_USAGE;
    case PL_FLAGS_OK: break;
    }
    if (n != 0) {
        fprintf(stderr, "peal: takes no arguments\nusage: %s\n", set->usage);
        return PL_EXIT_USAGE;
    }
    err = write(&out);
    if (err == PL_OK && (fwrite(out.p, 1, out.len, stdout) != out.len || fflush(stdout) != 0))
        err = PL_EIO;
    pl_buf_fini(&out);
    if (err != PL_OK)
        fprintf(stderr, "peal: %s\n", pl_err_text(err));
    return err == PL_OK ? PL_EXIT_OK : PL_EXIT_FAILED;
}

static enum pl_err write_doc(struct pl_buf *out)
{
    pl_config_doc(out);
    return pl_buf_ok(out) ? PL_OK : PL_ENOMEM;
}

int pl_cmd_config_doc(int argc, char **argv)
{
    const struct pl_flag_set set = { "peal config doc", "Prints the reference of all options as Markdown, made from the same table that reads them.", NULL, 0 };

    return print_made(argc, argv, &set, write_doc);
}

int pl_cmd_config_default(int argc, char **argv)
{
    const struct pl_flag_set set = { "peal config default", "Prints a configuration file that holds every option with its default.", NULL, 0 };

    return print_made(argc, argv, &set, pl_config_defaults);
}
