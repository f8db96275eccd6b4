#include "tests/sim/watcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void watcher_frame(struct pl_buf *out, struct pl_slice text)
{
    pl_buf_byte(out, 0x81);
    if (text.len < 126) {
        pl_buf_byte(out, (uint8_t)(0x80 | text.len));
    } else {
        pl_buf_byte(out, 0x80 | 126);
        pl_buf_byte(out, (uint8_t)(text.len >> 8));
        pl_buf_byte(out, (uint8_t)text.len);
    }
    pl_buf_put(out, "\0\0\0\0", 4);
    pl_buf_slice_put(out, text);
}

static void send_all(struct watcher *w, struct pl_slice bytes)
{
    while (bytes.len != 0) {
        bytes = pl_slice_from(bytes, sim_send(w->sim, w->sock, bytes.p, bytes.len));
        if (bytes.len != 0)
            sim_run(w->sim);
    }
}

static void say(struct watcher *w, struct pl_slice text)
{
    struct pl_buf frame = pl_buf_init(4096);

    watcher_frame(&frame, text);
    send_all(w, pl_buf_slice(&frame));
    pl_buf_fini(&frame);
}

void watcher_open(struct watcher *w, struct sim *sim, const char *channel)
{
    char text[256];

    memset(w, 0, sizeof *w);
    w->sim = sim;
    w->in = pl_buf_init(64 << 20);
    w->sock = sim_connect(sim, "127.0.0.1:8000", NULL);
    send_all(w, PL_LIT("GET /connection/websocket HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"));
    while (!w->is_upgraded && w->wrong == NULL) {
        sim_run(sim);
        (void)watcher_pump(w);
    }
    (void)snprintf(text, sizeof text, "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"%s\",\"join_leave\":true}}", channel);
    say(w, pl_slice_str(text));
    sim_run(sim);
    (void)watcher_pump(w);
}

static void book(struct watcher *w, const char *client, bool has_come)
{
    unsigned i = 0;

    while (i < w->n && strncmp(w->there[i], client, 36) != 0)
        i++;
    if (has_come && i < w->n) {
        w->wrong = "somebody came twice";
    } else if (has_come && w->n == WATCHER_MAX) {
        w->wrong = "more came than there can be";
    } else if (has_come) {
        memcpy(w->there[w->n++], client, 36);
    } else if (i == w->n) {
        w->wrong = "somebody left who was not there";
    } else {
        memmove(w->there[i], w->there[--w->n], sizeof w->there[i]);
    }
}

static void read_line(struct watcher *w, const char *line)
{
    const char *come = strstr(line, "\"join\":{"), *gone = strstr(line, "\"leave\":{");
    const char *client = come != NULL || gone != NULL ? strstr(line, "\"client\":\"") : NULL;

    if (strcmp(line, "{}") == 0)
        say(w, PL_LIT("{}")); /* a ping */
    else if (client != NULL)
        book(w, client + 10, come != NULL);
    else if (strstr(line, "\"error\"") != NULL || strstr(line, "\"unsubscribe\"") != NULL)
        w->wrong = "the watcher was refused or put out";
}

/* One whole frame, or the answer to the upgrade. */
static bool take(struct watcher *w)
{
    size_t head = 2, len;
    char *text, *rest, *line;

    if (!w->is_upgraded) {
        for (len = 3; len < w->in.len && memcmp(w->in.p + len - 3, "\r\n\r\n", 4) != 0; len++)
            ;
        if (len >= w->in.len)
            return false;
        pl_buf_consume(&w->in, len + 1);
        w->is_upgraded = true;
        return true;
    }
    if (w->in.len < 4)
        return false;
    len = w->in.p[1];
    if (len == 126) {
        len = (size_t)w->in.p[2] << 8 | w->in.p[3];
        head = 4;
    }
    if (w->in.len < head + len)
        return false;
    if (w->in.p[0] != 0x81) {
        fprintf(stderr, "%02x %.*s\n", w->in.p[0], (int)len, (const char *)w->in.p + head);
        w->wrong = "the watcher was disconnected";
        return false;
    }
    text = strndup((const char *)w->in.p + head, len);
    pl_buf_consume(&w->in, head + len);
    for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        read_line(w, line);
    free(text);
    return true;
}

bool watcher_pump(struct watcher *w)
{
    bool any = false;

    if (!sim_recv(w->sim, w->sock, &w->in) && w->in.len == 0)
        w->wrong = "the watcher's connection has ended";
    while (w->wrong == NULL && take(w))
        any = true;
    return any;
}

void watcher_close(struct watcher *w)
{
    sim_close(w->sim, w->sock);
    pl_buf_fini(&w->in);
}
