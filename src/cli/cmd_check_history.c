/* peal check history FILE... - the verdict over history logs (lib/histcheck.h). Exit 0: no violation; 1: some; 2: usage or
 * unreadable files. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/cmd.h"
#include "cli/flags.h"
#include "lib/histcheck.h"

static void print_json(const struct pl_hist_counts *n)
{
    printf("{\"files\":%" PRIu64 ",\"cut_files\":%" PRIu64 ",\"records\":%" PRIu64 ",\"published\":%" PRIu64 ",\"acked\":%" PRIu64
           ",\"delivered\":%" PRIu64 ",\"subscriptions\":%" PRIu64, n->n_files, n->n_cut_files, n->n_records, n->n_published,
           n->n_acked, n->n_delivered, n->n_subs);
    printf(",\"lost_acked\":%" PRIu64 ",\"duplicated\":%" PRIu64 ",\"reordered\":%" PRIu64 ",\"phantom\":%" PRIu64
           ",\"leaked\":%" PRIu64 ",\"silent_gaps\":%" PRIu64 ",\"misplaced\":%" PRIu64, n->lost_acked, n->duplicated,
           n->reordered, n->phantom, n->leaked, n->silent_gaps, n->misplaced);
    printf(",\"lost_unacked\":%" PRIu64 ",\"told_missing\":%" PRIu64 ",\"missed_away\":%" PRIu64 ",\"notices\":%" PRIu64
           ",\"notice_us_max\":%" PRIu64 ",\"away_us_max\":%" PRIu64 ",\"away_us_sum\":%" PRIu64 ",\"violations\":%" PRIu64 "}\n",
           n->lost_unacked, n->told_missing, n->missed_away, n->n_notices, n->notice_us_max, n->away_us_max, n->away_us_sum,
           pl_hist_violations(n));
}

static void print_text(const struct pl_hist_counts *n)
{
    printf("%" PRIu64 " records in %" PRIu64 " files (%" PRIu64 " cut short): %" PRIu64 " published, %" PRIu64
           " acknowledged, %" PRIu64 " delivered to %" PRIu64 " subscriptions\n", n->n_records, n->n_files, n->n_cut_files,
           n->n_published, n->n_acked, n->n_delivered, n->n_subs);
    printf("violations: %" PRIu64 " lost, %" PRIu64 " duplicated, %" PRIu64 " reordered, %" PRIu64 " phantom, %" PRIu64
           " leaked, %" PRIu64 " silent gaps, %" PRIu64 " misplaced\n", n->lost_acked, n->duplicated, n->reordered, n->phantom,
           n->leaked, n->silent_gaps, n->misplaced);
    printf("besides: %" PRIu64 " without answer and never seen, %" PRIu64 " announced as missing, %" PRIu64
           " under way while away\n", n->lost_unacked, n->told_missing, n->missed_away);
    if (n->n_notices > 0)
        printf("notices: %" PRIu64 ", latest %.1f ms after the publication\n", n->n_notices, (double)n->notice_us_max / 1000);
    printf("longest time without service: %.1f ms\n", (double)n->away_us_max / 1000);
    printf("%s\n", pl_hist_violations(n) == 0 ? "clean" : "VIOLATED");
}

int pl_cmd_check_history(int argc, char **argv)
{
    bool is_json = false;
    const struct pl_flag flags[] = {
        { .name = "--json", .kind = PL_FLAG_BOOL, .at = &is_json, .text = "one JSON object instead of text" },
    };
    const struct pl_flag_set set = { "peal check history [--json] FILE...",
        "Reads the history logs of one run (peal bench --log, peal sub --log) and finds messages that were lost after their\n"
        "acknowledgement, doubled, reordered, never published, delivered to another channel, or silently missing.\n"
        "Exit code 0: none; 1: some, the first ones are described; 2: a file cannot be read.", flags, 1 };
    struct pl_buf stories = pl_buf_init(1 << 16);
    struct pl_hist_counts n;
    enum pl_err err;
    int n_files, code;

    switch (pl_flags_parse(&set, argc, argv, &n_files)) {
    case PL_FLAGS_HELP: return PL_EXIT_OK;
    case PL_FLAGS_BAD: return PL_EXIT_USAGE;
    case PL_FLAGS_OK: break;
    }
    if (n_files == 0) {
        fprintf(stderr, "peal: no file given\nusage: %s\n", set.usage);
        return PL_EXIT_USAGE;
    }
    err = pl_hist_check((const char *const *)argv + 1, (size_t)n_files, &n, &stories);
    fflush(stdout);
    if (stories.len > 0)
        fprintf(stderr, "%s%.*s", err != PL_OK ? "peal: " : "", (int)stories.len, (const char *)stories.p);
    if (err == PL_ENOMEM)
        fprintf(stderr, "peal: out of memory\n");
    if (err != PL_OK) {
        code = PL_EXIT_USAGE;
    } else {
        if (is_json)
            print_json(&n);
        else
            print_text(&n);
        code = pl_hist_violations(&n) == 0 ? PL_EXIT_OK : PL_EXIT_FAILED;
    }
    pl_buf_fini(&stories);
    return code;
}
