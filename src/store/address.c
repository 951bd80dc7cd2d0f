/* SPDX-License-Identifier: Apache-2.0 */
#include "store/address.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_BYTES ((size_t)512)
#define USER_MAX ((size_t)64)

bool hf_store_host_is_valid(const char *host)
{
    size_t len = strcspn(host, ":");
    const char *port = host + len;
    if (host[0] == '[') { /* IPv6 */
        len = strspn(host + 1, "0123456789abcdefABCDEF:.") + 1;
        if (host[len] != ']')
            return false;
        port = host + len + 1;
    } else if (len == 0 ||
               strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") !=
                   len) {
        return false;
    }
    size_t digits = *port == ':' ? strspn(port + 1, "0123456789") : 0;
    return !*port || (digits > 0 && digits < 6 && !port[1 + digits]);
}

void hf_store_address_free(struct hf_store_address *a)
{
    free(a->user);
    free(a->host);
    free(a->path);
    *a = (struct hf_store_address){0};
}

/* A leading '-' would be an option to whoever takes it for an argument. */
static bool is_user(const char *user)
{
    size_t len = strlen(user);
    for (const char *p = user; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._-+", *p))
            return false;
    return len > 0 && len <= USER_MAX && user[0] != '-';
}

static bool is_path(const char *path)
{
    for (const char *p = path; *p;) {
        size_t len = strcspn(++p, "/");
        bool is_dots = (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.');
        if (len == 0 || is_dots || (len == 1 && p[0] == '~'))
            return false;
        for (size_t i = 0; i < len; i++)
            if (!isalnum((unsigned char)p[i]) && !strchr("._~@=+-", p[i]))
                return false;
        p += len;
    }
    return strlen(path) <= PATH_MAX_BYTES;
}

static int split_host(const char *text, size_t len, unsigned usual_port,
                      struct hf_store_address *out, struct hf_err *err)
{
    HF_AUTOFREE char *host = strndup(text, len);
    if (!host)
        return hf_fail_nomem(err);
    if (!hf_store_host_is_valid(host))
        return hf_fail(err, HF_E_CONFIG, "this is no HOST[:PORT]");
    char *bracket = strchr(host, ']');
    char *port = strchr(bracket ? bracket : host, ':');
    out->port = port ? (unsigned)strtoul(port + 1, NULL, 10) : usual_port;
    if (out->port == 0 || out->port > 65535)
        return hf_fail(err, HF_E_CONFIG, "%u is no port", out->port);
    if (port)
        *port = '\0';
    out->host = bracket ? strndup(host + 1, (size_t)(bracket - host) - 1) : strdup(host);
    return out->host ? 0 : hf_fail_nomem(err);
}

int hf_store_address_parse(const char *text, unsigned usual_port, struct hf_store_address *out,
                           struct hf_err *err)
{
    size_t len = strcspn(text, "/"), end = strlen(text);
    const char *at = memchr(text, '@', len);
    const char *host = at ? at + 1 : text;
    *out = (struct hf_store_address){0};
    if (text[len] != '/')
        return hf_fail(err, HF_E_CONFIG, "a path is missing behind the host");
    while (end > len && text[end - 1] == '/')
        end--;
    out->user = at ? strndup(text, (size_t)(at - text)) : NULL;
    out->path = strndup(text + len, end - len);
    if ((at && !out->user) || !out->path)
        return hf_fail_nomem(err);
    if (out->user && !is_user(out->user))
        return hf_fail(err, HF_E_CONFIG, "'%.80s' is no name of a user", out->user);
    if (!is_path(out->path))
        return hf_fail(err, HF_E_CONFIG,
                       "'%.100s' is no path here: from the root on, of letters, digits and "
                       "'._~@=+-', without '.', '..' and '~'",
                       out->path);
    return split_host(host, (size_t)(text + len - host), usual_port, out, err);
}
