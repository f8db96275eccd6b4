#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "lib/histcheck.h"
#include "lib/histlog.h"

/* A script is words, 10 ms apart; one subscription to channel A; id 7:n means publisher 7, n-th message.
 *   s@O subscribed at offset O   n subscribed without position   l lost   . ended   w 10 s pass
 *   pI published to A  PI to B  aI@O acknowledged  dI@O delivered  (AI@O, DI@O in the second epoch)
 *   gF-T told that F..T are missing  (GF-T: and now in the second epoch) */
struct script {
    struct pl_hist_writer w;
    uint32_t chan_a, chan_b, epoch1, epoch2, sub;
    uint64_t t_us;
};

static void put(struct script *s, enum pl_hist_kind kind, uint32_t epoch, uint32_t a, uint64_t b, uint64_t c)
{
    pl_hist_put(&s->w, &(struct pl_hist_record){ .kind = kind, .epoch = epoch, .a = a, .b = b, .c = c, .t_us = s->t_us });
}

static void word(struct script *s, const char *text)
{
    uint64_t x = strtoull(text[1] == '@' ? text + 2 : text + 1, NULL, 10), y = 0, id;
    const char *rest = strpbrk(text, "@-");

    if (rest != NULL)
        y = strtoull(rest + 1, NULL, 10);
    id = (uint64_t)7 << 32 | x;
    s->t_us += 10000;
    switch (text[0]) {
    case 's': put(s, PL_HIST_STATE, s->epoch1, s->sub, PL_HIST_SUBSCRIBED, x); break;
    case 'n': put(s, PL_HIST_STATE, 0, s->sub, PL_HIST_SUBSCRIBED, 0); break;
    case 'l': put(s, PL_HIST_STATE, s->epoch1, s->sub, PL_HIST_LOST, 0); break;
    case '.': put(s, PL_HIST_STATE, 0, s->sub, PL_HIST_ENDED, 0); break;
    case 'w': s->t_us += 10000000; break;
    case 'p': put(s, PL_HIST_PUBLISH, 0, s->chan_a, id, 0); break;
    case 'P': put(s, PL_HIST_PUBLISH, 0, s->chan_b, id, 0); break;
    case 'a': put(s, PL_HIST_ACK, y != 0 ? s->epoch1 : 0, 0, id, y); break;
    case 'A': put(s, PL_HIST_ACK, s->epoch2, 0, id, y); break;
    case 'd': put(s, PL_HIST_DELIVER, y != 0 ? s->epoch1 : 0, s->sub, id, y); break;
    case 'D': put(s, PL_HIST_DELIVER, s->epoch2, s->sub, id, y); break;
    case 'g': put(s, PL_HIST_GAP, s->epoch1, s->sub, x, y); break;
    case 'G': put(s, PL_HIST_GAP, s->epoch2, s->sub, x, y); break;
    default: fail_msg("no such word: %s", text);
    }
}

static void write_log(const char *path, const char *words)
{
    struct script s = { .t_us = 1000000 };
    char copy[512], *at = copy, *one;

    assert_int_equal(pl_hist_create(path, &s.w), PL_OK);
    s.chan_a = pl_hist_name(&s.w, PL_LIT("A"));
    s.chan_b = pl_hist_name(&s.w, PL_LIT("a channel with a name longer than thirty-two bytes"));
    s.epoch1 = pl_hist_name(&s.w, PL_LIT("epoch1"));
    s.epoch2 = pl_hist_name(&s.w, PL_LIT("epoch2"));
    s.sub = pl_hist_sub(&s.w, s.chan_a, 1);
    assert_true(strlen(words) < sizeof copy);
    memcpy(copy, words, strlen(words) + 1);
    while ((one = strsep(&at, " ")) != NULL)
        if (*one != 0)
            word(&s, one);
    assert_int_equal(pl_hist_close(&s.w), PL_OK);
}

static char log_path[] = "/tmp/histcheck-XXXXXX";

static int temp_start(void **state)
{
    int fd = mkstemp(log_path);

    (void)state;
    return fd >= 0 ? close(fd) : -1;
}

static int temp_stop(void **state)
{
    (void)state;
    return unlink(log_path);
}

static struct pl_hist_counts check(const char *words)
{
    struct pl_hist_counts n;
    struct pl_buf stories = pl_buf_init(65536);
    const char *path = log_path;

    write_log(log_path, words);
    assert_int_equal(pl_hist_check(&path, 1, &n, &stories), PL_OK);
    assert_true((pl_hist_violations(&n) != 0) == (stories.len != 0));
    pl_buf_fini(&stories);
    return n;
}

/* What a row expects beyond zeros. */
struct want {
    uint64_t lost_acked, duplicated, reordered, phantom, leaked, silent_gaps, misplaced;
    uint64_t lost_unacked, told_missing, missed_away;
};

static const struct {
    const char *name, *words;
    struct want want;
} rows[] = {
    { "everything in order is clean", "s@0 p1 a1@1 d1@1 p2 d2@2 a2@2 p3 a3@3 d3@3 .", { 0 } },
    { "the start position is respected", "p1 a1@1 s@1 p2 a2@2 d2@2 .", { 0 } },
    { "what is acknowledged after the end is not owed", "s@0 p1 a1@1 d1@1 p2 . a2@2", { 0 } },
    { "recovery after a loss repairs", "s@0 p1 a1@1 d1@1 l p2 a2@2 s@1 d2@2 .", { 0 } },
    { "a retry under the same id is one publication", "s@0 p1 p1 a1@1 a1@1 d1@1 .", { 0 } },
    { "a missing tail is lost", "s@0 p1 a1@1 d1@1 p2 a2@2 .", { .lost_acked = 1 } },
    { "a jump is lost and silent", "s@0 p1 a1@1 d1@1 p2 a2@2 p3 a3@3 d3@3 .", { .lost_acked = 1, .silent_gaps = 1 } },
    { "a notice before the jump excuses it", "s@0 p1 a1@1 d1@1 p2 a2@2 g2-2 p3 a3@3 d3@3 .", { .told_missing = 1 } },
    { "a jump over a foreign publication is silent", "s@0 p1 a1@1 d1@1 p3 a3@3 d3@3 .", { .silent_gaps = 1 } },
    { "twice is a duplicate", "s@0 p1 a1@1 d1@1 d1@1 .", { .duplicated = 1 } },
    { "a late one is reordered and repairs the jump", "s@0 p1 p2 a1@1 a2@2 d2@2 d1@1 .", { .reordered = 1 } },
    { "the middle of a jump may be repaired alone", "s@0 p1 p2 p3 p4 a1@1 a2@2 a3@3 a4@4 d4@4 d2@2 .",
      { .reordered = 1, .silent_gaps = 2, .lost_acked = 2 } },
    { "never published is a phantom", "s@0 d9@1 .", { .phantom = 1 } },
    { "an acknowledgement out of nothing is a phantom", "s@0 a9@1 .", { .phantom = 1 } },
    { "another channel's message is a leak", "s@0 P1 a1 d1@1 .", { .leaked = 1 } },
    { "a new epoch without a word is silent", "s@0 p1 a1@1 d1@1 p2 A2@1 D2@1 .", { .silent_gaps = 1 } },
    { "a new epoch with notice is fine", "s@0 p1 a1@1 d1@1 p2 a2@2 G2-0 p3 A3@1 D3@1 .", { .told_missing = 1 } },
    { "another position than acknowledged is misplaced", "s@0 p1 a1@1 p2 a2@2 d1@1 p3 d2@3 .",
      { .misplaced = 1, .silent_gaps = 1, .lost_unacked = 1 } },
    { "one position for two messages is misplaced", "s@0 p1 a1@1 d1@1 p2 a2@1 .", { .misplaced = 1, .lost_acked = 1 } },
    { "no answer and no delivery is only told", "s@0 p1 .", { .lost_unacked = 1 } },
    { "without positions everything arrives", "n p1 a1 d1 p2 a2 d2 .", { 0 } },
    { "without positions a missing one is lost", "n p1 a1 d1 p2 a2 p3 a3 d3 .", { .lost_acked = 1 } },
    { "without positions order is the publisher's", "n p1 a1 p2 a2 d2 d1 .", { .reordered = 1 } },
    { "without positions nothing is owed while away", "n p1 a1 d1 w l p2 a2 w n p3 a3 d3 .", { .missed_away = 1 } },
    { "without positions coming back makes owed again", "n l w n w p1 a1 w .", { .lost_acked = 1 } },
};

static void each_planted_fault_is_found_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pl_hist_counts n = check(rows[i].words);
        struct want got = { n.lost_acked, n.duplicated, n.reordered, n.phantom, n.leaked, n.silent_gaps, n.misplaced,
                            n.lost_unacked, n.told_missing, n.missed_away };

        if (memcmp(&got, &rows[i].want, sizeof got) != 0)
            fail_msg("%s: lost %d dup %d order %d phantom %d leak %d gap %d place %d unacked %d told %d away %d", rows[i].name,
                     (int)got.lost_acked, (int)got.duplicated, (int)got.reordered, (int)got.phantom, (int)got.leaked,
                     (int)got.silent_gaps, (int)got.misplaced, (int)got.lost_unacked, (int)got.told_missing,
                     (int)got.missed_away);
    }
}

static void times_of_notice_and_absence_are_measured(void **state)
{
    struct pl_hist_counts n = check("s@0 p1 a1@1 d1@1 p2 a2@2 w g2-2 l w s@2 .");

    (void)state;
    assert_int_equal(n.n_notices, 1);
    assert_int_equal(n.notice_us_max, 10000 + 10000000 + 10000 + 10000);
    assert_int_equal(n.away_us_max, 10000000 + 20000);
}

static void a_file_cut_by_a_crash_is_judged_up_to_its_last_record(void **state)
{
    const char *path = log_path;
    struct pl_hist_counts n;
    struct pl_buf stories = pl_buf_init(65536);
    FILE *f;
    long size;

    (void)state;
    write_log(log_path, "s@0 p1 a1@1 d1@1 .");
    f = fopen(log_path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    size = ftell(f);
    assert_int_equal(fclose(f), 0);
    for (long cut = size - 1; cut >= 0; cut--) {
        enum pl_err err;

        assert_int_equal(truncate(log_path, cut), 0);
        err = pl_hist_check(&path, 1, &n, &stories);
        assert_int_equal(err, cut < PL_HIST_RECORD_BYTES ? PL_EPROTO : PL_OK);
        if (err == PL_OK)
            assert_true(n.n_cut_files == 1 || cut % PL_HIST_RECORD_BYTES == 0);
    }
    pl_buf_fini(&stories);
}

static void what_is_no_log_is_refused_with_its_name(void **state)
{
    const char *paths[2] = { log_path, "/nowhere/at/all" };
    struct pl_hist_counts n;
    struct pl_buf stories = pl_buf_init(65536);

    (void)state;
    write_log(log_path, "s@0 .");
    assert_int_equal(pl_hist_check(paths, 2, &n, &stories), PL_ENOENT);
    pl_buf_byte(&stories, 0);
    assert_non_null(strstr((const char *)stories.p, "/nowhere/at/all"));
    pl_buf_fini(&stories);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_planted_fault_is_found_and_nothing_else),
        cmocka_unit_test(times_of_notice_and_absence_are_measured),
        cmocka_unit_test(a_file_cut_by_a_crash_is_judged_up_to_its_last_record),
        cmocka_unit_test(what_is_no_log_is_refused_with_its_name),
    };

    return cmocka_run_group_tests_name("lib/histcheck", tests, temp_start, temp_stop);
}
