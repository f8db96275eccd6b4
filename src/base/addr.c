/* base/addr.c - address text, both ways. Numeric only: name look-ups block. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/world.h"

static enum pl_err port_parse(const char *p, uint16_t *ret)
{
    unsigned v = 0;
    size_t n = 0;

    for (; p[n] >= '0' && p[n] <= '9' && n < 6; n++)
        v = v * 10 + (unsigned)(p[n] - '0');
    if (n == 0 || p[n] != '\0' || v > UINT16_MAX)
        return PL_EINVAL;
    *ret = (uint16_t)v;
    return PL_OK;
}

enum pl_err pl_addr_parse(const char *at, struct pl_addr *ret, const char **ret_path)
{
    struct pl_addr a = { 0 };
    char host[48];
    const char *colon;
    size_t n;

    if (strncmp(at, "unix:", 5) == 0) {
        if (at[5] == '\0')
            return PL_EINVAL;
        a.family = 1;
        *ret = a;
        *ret_path = at + 5;
        return PL_OK;
    }
    colon = strrchr(at, ':');
    if (colon == NULL || port_parse(colon + 1, &a.port) != PL_OK)
        return PL_EINVAL;
    n = (size_t)(colon - at);
    if (n >= sizeof host)
        return PL_EINVAL;
    memcpy(host, at, n);
    host[n] = '\0';

    if (n == 0 || strcmp(host, "*") == 0) {
        a.family = 6;
    } else if (host[0] == '[') {
        if (n < 3 || host[n - 1] != ']')
            return PL_EINVAL;
        host[n - 1] = '\0';
        if (inet_pton(AF_INET6, host + 1, a.ip) != 1)
            return PL_EINVAL;
        a.family = 6;
    } else {
        if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, a.ip) != 1)
            return PL_EINVAL;
        a.family = 4;
    }
    *ret = a;
    return PL_OK;
}

void pl_addr_text(const struct pl_addr *a, bool with_port, char out[PL_ADDR_TEXT])
{
    char ip[INET6_ADDRSTRLEN] = "";

    switch (a->family) {
    case 4:
        (void)inet_ntop(AF_INET, a->ip, ip, sizeof ip); /* cannot fail: the family is known and the room suffices */
        snprintf(out, PL_ADDR_TEXT, with_port ? "%s:%u" : "%s", ip, (unsigned)a->port);
        return;
    case 6:
        (void)inet_ntop(AF_INET6, a->ip, ip, sizeof ip);
        snprintf(out, PL_ADDR_TEXT, with_port ? "[%s]:%u" : "%s", ip, (unsigned)a->port);
        return;
    case 1:
        snprintf(out, PL_ADDR_TEXT, "unix");
        return;
    }
    snprintf(out, PL_ADDR_TEXT, "none");
}
