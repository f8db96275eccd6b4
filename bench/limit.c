/* bench/limit.c - the least program that does a pub/sub WebSocket server's system calls on one core.
 *
 * Every figure of Peal is printed as a ratio to this one, measured in the same run. It does a real handshake (SHA-1),
 * level-triggered epoll, one recv per event, one send per client and loop turn; it knows the answers beforehand: the
 * first frame of a client is taken for its connect, the second for its subscribe to the one channel, later ones are
 * dropped. POST anywhere publishes: every subscriber gets the same pre-built push of `size` bytes of data, n times in one
 * send when n publishes came in one recv. So it parses nothing it does not need, checks nothing and forgets nothing.
 *
 *   limit [port [size [channel]]]        port 0 takes a free one; prints "listening PORT" */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FDS = 20000, EVENTS = 512, INPUT = 1 << 16, PUSH = 1 << 16, BURST = 64 };
enum state { S_NEW, S_UPGRADED, S_CONNECTED, S_SUBSCRIBED, S_HTTP };

static unsigned char states[FDS];
static int subs[FDS], sub_at[FDS], n_subs; /* dense array of subscribers, and each one's place in it */
static char *tails[FDS];                   /* of HTTP connections only: a request cut in two */
static size_t tail_len[FDS];
static char in[INPUT + 1], pushes[BURST * PUSH];
static size_t push_len;

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"result\":{}}";
static const char connected[] = "\x81\x4a{\"id\":1,\"connect\":{\"client\":\"7b3d7c1e-93a5-4d2b-8d3e-0123456789ab\",\"x\":0}}";
static const char subscribed[] = "\x81\x17{\"id\":2,\"subscribe\":{}}";

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* One text frame: {"push":{"channel":C,"pub":{"data":{"pad":"xxx"}}}} with `size` bytes of data, repeated BURST times. */
static void build_push(size_t size, const char *channel)
{
    static char json[PUSH];
    size_t head = (size_t)snprintf(json, sizeof json, "{\"push\":{\"channel\":\"%s\",\"pub\":{\"data\":{\"pad\":\"", channel);
    size_t pad = size - strlen("{\"pad\":\"\"}"), len = head + pad + strlen("\"}}}}"), at = 0;
    unsigned char frame[4] = { 0x81, (unsigned char)len };

    memset(json + head, 'x', pad);
    memcpy(json + head + pad, "\"}}}}", 5);
    if (len > 125) {
        frame[1] = 126;
        frame[2] = (unsigned char)(len >> 8);
        frame[3] = (unsigned char)len;
        at = 2;
    }
    push_len = 2 + at + len;
    for (int i = 0; i < BURST; i++) {
        memcpy(pushes + (size_t)i * push_len, frame, 2 + at);
        memcpy(pushes + (size_t)i * push_len + 2 + at, json, len);
    }
}

static void put(int fd, const void *p, size_t n)
{
    if (send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n) /* a slow client is not our subject */
        shutdown(fd, SHUT_RDWR);
}

static void forget(int fd)
{
    if (states[fd] == S_SUBSCRIBED) {
        subs[sub_at[fd]] = subs[--n_subs];
        sub_at[subs[n_subs]] = sub_at[fd];
    }
    free(tails[fd]);
    tails[fd] = NULL;
    tail_len[fd] = 0;
    states[fd] = S_NEW;
    close(fd);
}

static void upgrade(int fd, char *key)
{
    unsigned char sum[20];
    char text[64], out[256];
    int n;

    memcpy(text, key, 24);
    memcpy(text + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    SHA1((unsigned char *)text, 60, sum);
    EVP_EncodeBlock((unsigned char *)text, sum, 20);
    n = snprintf(out, sizeof out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Accept: %s\r\n\r\n", text);
    states[fd] = S_UPGRADED;
    put(fd, out, (size_t)n);
}

/* n publishes: one send to every subscriber, then one with all answers. */
static void deliver(int fd, size_t n)
{
    static char answers[BURST * sizeof answer];

    for (int i = 0; i < n_subs; i++)
        put(subs[i], pushes, n * push_len);
    for (size_t i = 0; i < n; i++)
        memcpy(answers + i * (sizeof answer - 1), answer, sizeof answer - 1);
    put(fd, answers, n * (sizeof answer - 1));
}

/* Counts the whole requests in in[0..n) and keeps the rest. */
static void publish(int fd, size_t n)
{
    size_t at = 0, count = 0;

    for (;;) {
        char *end = memmem(in + at, n - at, "\r\n\r\n", 4), *length;
        size_t next;

        if (end == NULL)
            break;
        *end = 0;
        length = strcasestr(in + at, "content-length:");
        *end = '\r';
        next = (size_t)(end + 4 - in) + (length != NULL ? strtoul(length + 15, NULL, 10) : 0);
        if (next > n)
            break;
        at = next;
        if (++count == BURST) {
            deliver(fd, count);
            count = 0;
        }
    }
    if (count > 0)
        deliver(fd, count);
    tail_len[fd] = n - at;
    if (n > at && tails[fd] == NULL && (tails[fd] = malloc(INPUT)) == NULL)
        die("malloc");
    if (n > at)
        memcpy(tails[fd], in + at, n - at);
}

static void readable(int fd)
{
    size_t had = tail_len[fd];
    ssize_t n;
    char *key;

    if (had > 0)
        memcpy(in, tails[fd], had);
    n = recv(fd, in + had, INPUT - had, 0);
    if (n <= 0) {
        forget(fd);
        return;
    }
    n += (ssize_t)had;
    in[n] = 0;
    if (states[fd] == S_HTTP || (states[fd] == S_NEW && in[0] == 'P')) {
        states[fd] = S_HTTP;
        publish(fd, (size_t)n);
    } else if (states[fd] == S_NEW) {
        key = strcasestr(in, "sec-websocket-key: ");
        if (key == NULL || strlen(key) < 19 + 24)
            forget(fd);
        else
            upgrade(fd, key + 19);
    } else if ((in[0] & 0x0f) == 8) {
        forget(fd);
    } else if (states[fd] == S_UPGRADED) {
        states[fd] = S_CONNECTED;
        put(fd, connected, sizeof connected - 1);
    } else if (states[fd] == S_CONNECTED) {
        states[fd] = S_SUBSCRIBED;
        sub_at[fd] = n_subs;
        subs[n_subs++] = fd;
        put(fd, subscribed, sizeof subscribed - 1);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0)) };
    socklen_t at_len = sizeof at;
    struct epoll_event events[EVENTS], ev = { .events = EPOLLIN };
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), ep = epoll_create1(0);

    build_push(argc > 2 ? strtoul(argv[2], NULL, 10) : 128, argc > 3 ? argv[3] : "bench");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* inherited by what it accepts */
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 4096) != 0)
        die("listen");
    getsockname(listener, (struct sockaddr *)&at, &at_len);
    printf("listening %d\n", ntohs(at.sin_port));
    fflush(stdout);
    ev.data.fd = listener;
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev);
    for (;;) {
        int n = epoll_wait(ep, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (fd != listener) {
                readable(fd);
                continue;
            }
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0 && fd < FDS) {
                ev.data.fd = fd;
                epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
            }
        }
    }
}
