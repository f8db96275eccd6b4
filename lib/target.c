#include "lib/target.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <arpa/inet.h>

static enum pl_err refuse(const char **ret_why, enum pl_err err, const char *why)
{
    *ret_why = why;
    return err;
}

/* host[:port] or [v6]:port, both parts NUL-terminated in place; *ret_port is NULL when absent. */
static bool split_port(char *host, char **ret_host, char **ret_port)
{
    char *colon;

    *ret_port = NULL;
    if (host[0] == '[') {
        char *end = strchr(host, ']');

        if (end == NULL || (end[1] != 0 && end[1] != ':'))
            return false;
        *ret_port = end[1] == ':' ? end + 2 : NULL;
        *end = 0;
        *ret_host = host + 1;
        return true;
    }
    colon = strchr(host, ':');
    if (colon != NULL) {
        *colon = 0;
        *ret_port = colon + 1;
    }
    *ret_host = host;
    return host[0] != 0;
}

static enum pl_err look_up(const char *host, const char *port, char at[PL_TARGET_AT])
{
    struct addrinfo want = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *found;
    char text[INET6_ADDRSTRLEN];

    if (getaddrinfo(host, port, &want, &found) != 0)
        return PL_ENOENT;
    if (getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0) {
        freeaddrinfo(found);
        return PL_ENOENT;
    }
    (void)snprintf(at, PL_TARGET_AT, found->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", text, port); /* fits */
    freeaddrinfo(found);
    return PL_OK;
}

static bool port_is_good(const char *port)
{
    return port[0] != 0 && strlen(port) <= 5 && strspn(port, "0123456789") == strlen(port) && atoi(port) >= 1
           && atoi(port) <= 65535;
}

enum pl_err pl_target_parse(const char *url, const char *scheme, const char *path, struct pl_target *ret,
                            const char **ret_why)
{
    size_t n = strlen(scheme), host_len, path_len;
    char copy[PL_TARGET_HOST], *host, *port;
    const char *rest;

    *ret_why = NULL;
    *ret = (struct pl_target){ 0 };
    if (strncasecmp(url, scheme, n) != 0)
        return refuse(ret_why, PL_EINVAL, "wrong scheme");
    rest = url + n;
    if (*rest == 's' || *rest == 'S') {
        ret->is_tls = true;
        rest++;
    }
    if (strncmp(rest, "://", 3) != 0)
        return refuse(ret_why, PL_EINVAL, "wrong scheme");
    rest += 3;
    host_len = strcspn(rest, "/?#");
    if (host_len == 0 || memchr(rest, '@', host_len) != NULL)
        return refuse(ret_why, PL_EINVAL, "no host, or a user before it");
    if (host_len >= sizeof copy)
        return refuse(ret_why, PL_ETOOBIG, "host name too long");
    memcpy(copy, rest, host_len);
    copy[host_len] = 0;
    memcpy(ret->host, copy, host_len + 1);
    if (strpbrk(copy, " \t\r\n") != NULL || !split_port(copy, &host, &port))
        return refuse(ret_why, PL_EINVAL, "malformed host");
    if (port == NULL)
        port = ret->is_tls ? "443" : "80";
    if (!port_is_good(port))
        return refuse(ret_why, PL_EINVAL, "malformed port");

    rest += host_len;
    path_len = strcspn(rest, "#");
    if (path_len == 0) {
        rest = path;
        path_len = strlen(path);
    }
    if (path_len + 2 > sizeof ret->path)
        return refuse(ret_why, PL_ETOOBIG, "path too long");
    if (strcspn(rest, " \t\r\n") < path_len)
        return refuse(ret_why, PL_EINVAL, "white space in the path");
    (void)snprintf(ret->path, sizeof ret->path, "%s%.*s", *rest == '/' ? "" : "/", (int)path_len, rest); /* fits: checked */
    if (look_up(host, port, ret->at) != PL_OK)
        return refuse(ret_why, PL_ENOENT, "no address for this host");
    return PL_OK;
}
