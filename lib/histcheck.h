/* lib/histcheck.h - judges history logs (lib/histlog.h): what was lost, doubled, reordered or silently missing.
 *
 * Two passes over the files: first every publication and acknowledgement, then every subscription's deliveries in the
 * order of its file. Rules:
 *   lost_acked      acknowledged while the subscription was owed it (after its start, before its end), never delivered,
 *                   and the client was not told. Without positions (offset 0) a message that was under way while the
 *                   subscription was away is not owed: it counts as missed_away.
 *   duplicated      one id twice to one subscription.
 *   reordered       an offset below one already delivered, or without positions one publisher's messages out of order.
 *   phantom         delivered but never published; also an acknowledgement of what was never published.
 *   leaked          delivered to a subscription of another channel.
 *   silent_gaps     an offset jump, or a new epoch, with neither repair nor notice.
 *   misplaced       delivered at another position than acknowledged, or two messages acknowledged at one position.
 * The rest is information: lost_unacked (publications without answer that nobody got), told_missing (covered by a
 * notice), notice latency, time without service. */
#ifndef PL_LIB_HISTCHECK_H
#define PL_LIB_HISTCHECK_H

#include "base/buf.h"

struct pl_hist_counts {
    uint64_t n_files, n_cut_files, n_records;
    uint64_t n_published, n_acked, n_delivered, n_subs;
    uint64_t lost_acked, duplicated, reordered, phantom, leaked, silent_gaps, misplaced; /* violations */
    uint64_t lost_unacked, told_missing, missed_away;                                    /* information */
    uint64_t n_notices, notice_us_max, notice_us_sum;
    uint64_t away_us_max, away_us_sum; /* from LOST to SUBSCRIBED, over all subscriptions */
};

/* Sum of the violations. */
uint64_t pl_hist_violations(const struct pl_hist_counts *c);

enum { PL_HIST_STORIES = 20 };

/* Reads all files. `stories` gets one line about each of the first PL_HIST_STORIES violations, and the reason of an error
 * (file, record). Memory: 52 bytes a publication, one bit per subscription and publication of its channel.
 * Errors: PL_ENOENT, PL_EIO, PL_EPROTO, PL_EUNSUP as pl_hist_open and pl_hist_read; PL_ENOMEM. */
enum pl_err pl_hist_check(const char *const *paths, size_t n_paths, struct pl_hist_counts *ret, struct pl_buf *stories)
    PL_MUST_CHECK;

#endif
