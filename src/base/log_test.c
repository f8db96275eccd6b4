#include "base/log.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

/* A world with a clock of its own and a fixed key; the rest of it is never called. */
static int64_t now_ms;

static int64_t test_wall_ms(struct pl_world *w)
{
    (void)w;
    return now_ms;
}

static void test_entropy(struct pl_world *w, void *p, size_t n)
{
    (void)w;
    memset(p, 7, n);
}

static const struct pl_world_ops ops = { .wall_ms = test_wall_ms, .entropy = test_entropy };
static struct pl_world world = { &ops };

struct seen {
    struct pl_buf text;
    int lines;
};

static void sink(void *arg, struct pl_slice line)
{
    struct seen *s = arg;

    pl_buf_slice_put(&s->text, line);
    s->lines++;
}

static struct pl_log *log_new(struct seen *seen, int format, unsigned rate)
{
    struct pl_log_conf conf = { .level = PL_LOG_INFO, .format = format, .rate = rate, .sink = sink, .sink_arg = seen };
    struct pl_log *log = NULL;

    now_ms = 1795273200123; /* 2026-11-21T15:00:00.123Z */
    *seen = (struct seen){ pl_buf_init(1 << 20), 0 };
    assert_int_equal(pl_log_new(&world, &conf, &log), PL_OK);
    return log;
}

static void wants(struct seen *s, const char *text)
{
    pl_buf_byte(&s->text, 0);
    assert_string_equal((const char *)s->text.p, text);
    pl_buf_clear(&s->text);
    s->lines = 0;
}

static void ends(struct pl_log *log, struct seen *s)
{
    pl_log_free(&log);
    assert_null(log);
    pl_buf_fini(&s->text);
}

static void a_line_is_json_with_typed_fields(void **state)
{
    struct seen s;
    struct pl_log *log = log_new(&s, 1, 0);

    (void)state;
    pl_log(log, PL_LOG_INFO, "node.started");
    wants(&s, "{\"level\":\"info\",\"time\":\"2026-11-21T15:00:00.123Z\",\"ev\":\"node.started\"}\n");
    pl_log(log, PL_LOG_WARN, "session.refused", PL_F_ERR("why", PL_EEXPIRED), PL_F_STR("user", "42"), PL_F_INT("n", -5),
           PL_F_UINT("big", UINT64_MAX), PL_F_BOOL("again", true), PL_F_SLICE("s", PL_LIT("a b")), PL_F_STR("none", NULL));
    wants(&s, "{\"level\":\"warn\",\"time\":\"2026-11-21T15:00:00.123Z\",\"ev\":\"session.refused\",\"why\":\"expired\",\"user\":\"42\",\"n\":-5,"
              "\"big\":18446744073709551615,\"again\":true,\"s\":\"a b\",\"none\":\"\"}\n");
    ends(log, &s);
}

static void readable_lines_quote_only_where_needed(void **state)
{
    struct seen s;
    struct pl_log *log = log_new(&s, 2, 0);

    (void)state;
    pl_log(log, PL_LOG_ERROR, "listen.failed", PL_F_STR("at", "127.0.0.1:8000"), PL_F_STR("why", "in use"), PL_F_INT("n", 3), PL_F_STR("e", ""),
           PL_F_STR("x", "a\nb\x1b[31m"));
    wants(&s, "15:00:00.123 ERROR listen.failed at=127.0.0.1:8000 why=\"in use\" n=3 e=\"\" x=\"a\\x0ab\\x1b[31m\"\n");
    ends(log, &s);
}

/* Whatever the bytes: one line, valid JSON, no control character, nothing that turns a terminal. */
static void hostile_bytes_cannot_leave_their_field(void **state)
{
    static const struct { const char *bytes; const char *want; } rows[] = {
        { "\"}\n{\"level\":\"fatal\"", "\\\"}\\\\x0a{\\\"level\\\":\\\"fatal\\\"" },
        { "\\", "\\\\" },
        { "\\x0a", "\\\\x0a" },
        { "\x01\x1f\x7f\t\r", "\\\\x01\\\\x1f\\\\x7f\\\\x09\\\\x0d" },
        { "\x1b]0;title\x07", "\\\\x1b]0;title\\\\x07" },
        { "gr\xc3\xbc\xc3\x9f dich \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f dich \xf0\x9f\x98\x80" },
        { "\xc3", "\\\\xc3" },
        { "\xc0\xaf\xed\xa0\x80\xf5\x80\x80\x80", "\\\\xc0\\\\xaf\\\\xed\\\\xa0\\\\x80\\\\xf5\\\\x80\\\\x80\\\\x80" },
        { "\xc2\x9b", "\\\\xc2\\\\x9b" },             /* C1: control sequence introducer */
        { "\xe2\x80\xae", "\\\\xe2\\\\x80\\\\xae" }, /* right-to-left override */
        { "\xe2\x80\xa8", "\\\\xe2\\\\x80\\\\xa8" }, /* line separator */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s;
        struct pl_log *log = log_new(&s, 1, 0);
        char want[300];

        pl_log(log, PL_LOG_INFO, "x", PL_F_STR("v", rows[i].bytes));
        snprintf(want, sizeof want, "{\"level\":\"info\",\"time\":\"2026-11-21T15:00:00.123Z\",\"ev\":\"x\",\"v\":\"%s\"}\n", rows[i].want);
        wants(&s, want);
        ends(log, &s);
    }
}

static void every_byte_gives_valid_json_whatever_stands_beside_it(void **state)
{
    struct seen s;
    struct pl_log *log = log_new(&s, 1, 0);

    (void)state;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b += 5) {
            uint8_t bytes[3] = { (uint8_t)a, (uint8_t)b, (uint8_t)(a ^ b) };
            json_t *doc;

            pl_log(log, PL_LOG_INFO, "x", PL_F_SLICE("v", pl_slice(bytes, 3)));
            assert_int_equal(memchr(s.text.p, '\n', s.text.len) == s.text.p + s.text.len - 1, 1);
            doc = json_loadb((const char *)s.text.p, s.text.len - 1, 0, NULL);
            assert_non_null(doc);
            json_decref(doc);
            pl_buf_clear(&s.text);
        }
    ends(log, &s);
}

static void secrets_show_length_and_a_tag_only(void **state)
{
    struct seen s;
    struct pl_log *log = log_new(&s, 1, 0);
    char first[200];

    (void)state;
    pl_log(log, PL_LOG_INFO, "x", PL_F_SECRET("token", PL_LIT("hunter2")));
    pl_buf_byte(&s.text, 0);
    assert_null(strstr((char *)s.text.p, "hunter2"));
    assert_non_null(strstr((char *)s.text.p, "\"token\":\"<7 bytes #"));
    snprintf(first, sizeof first, "%s", (char *)s.text.p);
    pl_buf_clear(&s.text);
    pl_log(log, PL_LOG_INFO, "x", PL_F_SECRET("token", PL_LIT("hunter2")));
    wants(&s, first);
    pl_log(log, PL_LOG_INFO, "x", PL_F_SECRET("token", PL_LIT("hunter3")));
    pl_buf_byte(&s.text, 0);
    assert_string_not_equal((char *)s.text.p, first);
    ends(log, &s);
}

static void long_fields_and_long_lines_are_cut_and_stay_valid(void **state)
{
    struct seen s;
    struct pl_log *log = log_new(&s, 1, 0);
    static char big[20000];
    json_t *doc;

    (void)state;
    memset(big, 'a', sizeof big - 1);
    pl_log(log, PL_LOG_INFO, "x", PL_F_STR("v", big));
    doc = json_loadb((const char *)s.text.p, s.text.len - 1, 0, NULL);
    assert_non_null(doc);
    assert_int_equal(strlen(json_string_value(json_object_get(doc, "v"))), 1024 + strlen("...(18975 bytes more)"));
    json_decref(doc);
    pl_buf_clear(&s.text);

    for (size_t len = 900; len <= 1100; len++) { /* the line's end falls on every place of a field */
        big[len] = 0;
        memset(big, '\x01', len / 3); /* four times as long when escaped */
        pl_log(log, PL_LOG_INFO, "x", PL_F_STR("a", big), PL_F_INT("n", 123456), PL_F_STR("b", big), PL_F_STR("c", big), PL_F_STR("d", big));
        assert_true(s.text.len <= PL_LOG_LINE_MAX);
        doc = json_loadb((const char *)s.text.p, s.text.len - 1, 0, NULL);
        assert_non_null(doc);
        assert_true(json_is_true(json_object_get(doc, "cut")));
        assert_int_equal(json_integer_value(json_object_get(doc, "n")), 123456);
        json_decref(doc);
        pl_buf_clear(&s.text);
        big[len] = 'a';
        memset(big, 'a', len / 3);
    }
    ends(log, &s);
}

static void lines_below_the_level_are_not_written(void **state)
{
    struct seen s;
    struct pl_log *log = log_new(&s, 1, 0);

    (void)state;
    pl_log(log, PL_LOG_DEBUG, "x");
    assert_int_equal(s.lines, 0);
    assert_false(pl_log_on(log, PL_LOG_DEBUG));
    assert_true(pl_log_on(log, PL_LOG_FATAL));
    pl_log_set_level(log, PL_LOG_TRACE);
    pl_log(log, PL_LOG_DEBUG, "x");
    assert_int_equal(s.lines, 1);
    pl_log_set_level(log, PL_LOG_NONE);
    pl_log(log, PL_LOG_FATAL, "x");
    assert_int_equal(s.lines, 1);
    pl_log((struct pl_log *)NULL, PL_LOG_FATAL, "x"); /* a node without a log */
    ends(log, &s);
}

static void a_burst_is_limited_per_event_and_its_rest_is_counted(void **state)
{
    struct seen s;
    struct pl_log *log = log_new(&s, 1, 10);

    (void)state;
    for (int i = 0; i < 1000; i++)
        pl_log(log, PL_LOG_INFO, "storm", PL_F_INT("i", i));
    assert_int_equal(s.lines, 10);
    pl_log(log, PL_LOG_INFO, "other");
    assert_int_equal(s.lines, 11);
    assert_int_equal(pl_log_dropped(log), 990);
    pl_log_tick(log); /* the same second: not yet */
    assert_int_equal(s.lines, 11);
    pl_buf_clear(&s.text);
    now_ms += 1000;
    pl_log_tick(log);
    wants(&s, "{\"level\":\"warn\",\"time\":\"2026-11-21T15:00:01.123Z\",\"ev\":\"log.limited\",\"of\":\"storm\",\"lines\":990}\n");
    for (int i = 0; i < 11; i++)
        pl_log(log, PL_LOG_INFO, "storm");
    pl_buf_clear(&s.text);
    now_ms += 1000;
    pl_log(log, PL_LOG_INFO, "storm"); /* the next line of the event tells, too */
    wants(&s, "{\"level\":\"warn\",\"time\":\"2026-11-21T15:00:02.123Z\",\"ev\":\"log.limited\",\"of\":\"storm\",\"lines\":1}\n"
              "{\"level\":\"info\",\"time\":\"2026-11-21T15:00:02.123Z\",\"ev\":\"storm\"}\n");
    ends(log, &s);
}

/* A reader that stops reading costs lines, never time. */
static void a_full_pipe_drops_lines_and_says_so_later(void **state)
{
    char path[] = "/tmp/peal-log-XXXXXX", fifo[64], *text;
    struct pl_log_conf conf = { .level = PL_LOG_INFO, .format = 1 };
    struct pl_log *log = NULL;
    uint64_t dropped;
    size_t got = 0;
    ssize_t n;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(path));
    snprintf(fifo, sizeof fifo, "%s/log", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    fd = open(fifo, O_RDONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    conf.file = fifo;
    assert_int_equal(pl_log_new(&world, &conf, &log), PL_OK);
    for (int i = 0; i < 2000; i++)
        pl_log(log, PL_LOG_INFO, "flood", PL_F_STR("text", "0123456789012345678901234567890123456789"));
    dropped = pl_log_dropped(log);
    assert_true(dropped > 0 && dropped < 2000);
    text = calloc(1, 1 << 20);
    assert_non_null(text);
    while ((n = read(fd, text + got, (1 << 20) - got - 1)) > 0)
        got += (size_t)n;
    pl_log(log, PL_LOG_INFO, "after");
    n = read(fd, text + got, (1 << 20) - got - 1);
    assert_true(n > 0);
    assert_non_null(strstr(text, "\"ev\":\"log.dropped\",\"lines\":"));
    assert_non_null(strstr(text, "\"ev\":\"after\""));
    assert_int_equal(pl_log_dropped(log), dropped);
    pl_log_free(&log);
    close(fd);
    free(text);
    unlink(fifo);
    rmdir(path);
}

static void a_file_is_appended_to_and_opened_anew(void **state)
{
    char path[] = "/tmp/peal-log-XXXXXX", file[64], old[64], text[500] = "";
    struct pl_log_conf conf = { .level = PL_LOG_INFO, .format = 2, .file = file };
    struct pl_log *log = NULL;
    FILE *f;

    (void)state;
    now_ms = 1795273200123;
    assert_non_null(mkdtemp(path));
    snprintf(file, sizeof file, "%s/log", path);
    snprintf(old, sizeof old, "%s/old", path);
    assert_int_equal(pl_log_new(&world, &conf, &log), PL_OK);
    pl_log(log, PL_LOG_INFO, "one");
    assert_int_equal(rename(file, old), 0);
    pl_log(log, PL_LOG_INFO, "two");
    assert_int_equal(pl_log_reopen(log), PL_OK);
    pl_log(log, PL_LOG_INFO, "three");
    pl_log_free(&log);
    f = fopen(old, "r");
    assert_true(fread(text, 1, sizeof text - 1, f) > 0);
    fclose(f);
    assert_string_equal(text, "15:00:00.123 INFO  one\n15:00:00.123 INFO  two\n");
    unlink(old);
    unlink(file);
    rmdir(path);
    assert_int_equal(pl_log_new(&world, &conf, &log), PL_EIO);
    assert_int_equal(errno, ENOENT);
}

static void *writer(void *arg)
{
    for (int i = 0; i < 500; i++)
        pl_log((struct pl_log *)arg, PL_LOG_INFO, "thread", PL_F_INT("i", i), PL_F_STR("pad", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state)
{
    struct seen s;
    struct pl_log *log = log_new(&s, 1, 0);
    pthread_t t[4];
    char *save = NULL;
    int n = 0;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, writer, log), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    pl_buf_byte(&s.text, 0);
    for (char *line = strtok_r((char *)s.text.p, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save), n++) {
        json_t *doc = json_loads(line, 0, NULL);

        assert_non_null(doc);
        json_decref(doc);
    }
    assert_int_equal(n, 2000);
    ends(log, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_json_with_typed_fields),
        cmocka_unit_test(readable_lines_quote_only_where_needed),
        cmocka_unit_test(hostile_bytes_cannot_leave_their_field),
        cmocka_unit_test(every_byte_gives_valid_json_whatever_stands_beside_it),
        cmocka_unit_test(secrets_show_length_and_a_tag_only),
        cmocka_unit_test(long_fields_and_long_lines_are_cut_and_stay_valid),
        cmocka_unit_test(lines_below_the_level_are_not_written),
        cmocka_unit_test(a_burst_is_limited_per_event_and_its_rest_is_counted),
        cmocka_unit_test(a_full_pipe_drops_lines_and_says_so_later),
        cmocka_unit_test(a_file_is_appended_to_and_opened_anew),
        cmocka_unit_test(lines_of_several_threads_do_not_mix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
