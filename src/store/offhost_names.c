/* SPDX-License-Identifier: Apache-2.0
 *
 * Which servers a mount comes from: each kind of network file system writes them in its own way.
 */
#include "store/offhost_judge.h"

#include <stdlib.h>
#include <string.h>

static bool is_host(const char *s, size_t len)
{
    static const char *const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789.-_:%";
    return len > 0 && len <= HF_OFFHOST_NAME_MAX && *s != '-' && *s != '%' &&
           strspn(s, allowed) >= len;
}

/* "HOST", "HOST:PORT", "[V6]", "[V6]:PORT", V6 with two colons or more. 1: it is none, or one too many; -1: no memory. */
static int add_host(const char *s, size_t len, struct hf_strv *out)
{
    const char *colon = memchr(s, ':', len);
    const char *close = len > 0 && *s == '[' ? memchr(s, ']', len) : NULL;
    if (close) {
        s++;
        len = (size_t)(close - s);
    } else if (colon && !memchr(colon + 1, ':', len - (size_t)(colon + 1 - s))) {
        len = (size_t)(colon - s);
    }
    if (!is_host(s, len) || out->n == HF_OFFHOST_SERVERS_MAX)
        return 1;
    return hf_strv_take(out, strndup(s, len));
}

static int add_hosts(const char *s, size_t len, char separator, struct hf_strv *out)
{
    for (const char *end = s + len; s < end;) {
        const char *next = memchr(s, separator, (size_t)(end - s));
        size_t n = next ? (size_t)(next - s) : (size_t)(end - s);
        int rc = add_host(s, n, out);
        if (rc != 0)
            return rc;
        s += n + 1;
    }
    return 0;
}

/* "HOSTS:/PATH"; a v6 address stands in brackets. */
static int before_path(const char *source, struct hf_strv *out)
{
    const char *path = strstr(source, ":/");
    return path ? add_hosts(source, (size_t)(path - source), ',', out) : 0;
}

/* "//HOST/SHARE" */
static int unc(const char *source, struct hf_strv *out)
{
    if (strncmp(source, "//", 2) != 0)
        return 0;
    return add_host(source + 2, strcspn(source + 2, "/"), out);
}

/* "[USER@]HOST:PATH", where PATH need not begin with '/'. */
static int ssh(const char *source, struct hf_strv *out)
{
    const char *at = strchr(source, '@'), *close = strchr(source, ']');
    const char *colon = strchr(close ? close : source, ':');
    if (!colon)
        return 0;
    const char *host = at && at < colon ? at + 1 : source;
    return add_host(host, (size_t)(colon - host), out);
}

/* "HOSTS:VOLUME" or "HOSTS:/VOLUME" */
static int gluster(const char *source, struct hf_strv *out)
{
    const char *colon = strrchr(source, ':');
    return colon ? add_hosts(source, (size_t)(colon - source), ',', out) : 0;
}

/* The address in the options is the one in use; the source is what somebody typed. */
static const struct fs {
    const char *type;
    enum hf_offhost_kind kind;
    const char *option; /* with its addresses, or NULL */
    char separator;     /* between several of these */
    int (*source)(const char *source, struct hf_strv *out);
} kinds[] = {
    {"nfs", HF_OFFHOST_NETWORK, "addr", ',', before_path},
    {"nfs4", HF_OFFHOST_NETWORK, "addr", ',', before_path},
    {"cifs", HF_OFFHOST_NETWORK, "addr", ',', unc},
    {"smb3", HF_OFFHOST_NETWORK, "addr", ',', unc},
    {"ceph", HF_OFFHOST_NETWORK, "mon_addr", '/', before_path},
    {"fuse.sshfs", HF_OFFHOST_NETWORK, NULL, 0, ssh},
    {"fuse.glusterfs", HF_OFFHOST_NETWORK, NULL, 0, gluster},
    {"9p", HF_OFFHOST_SOMEWHERE, NULL, 0, NULL},
    {"virtiofs", HF_OFFHOST_SOMEWHERE, NULL, 0, NULL},
    {"afs", HF_OFFHOST_SOMEWHERE, NULL, 0, NULL},
    {"lustre", HF_OFFHOST_SOMEWHERE, NULL, 0, NULL},
    {"beegfs", HF_OFFHOST_SOMEWHERE, NULL, 0, NULL},
    {"fuse.ceph-fuse", HF_OFFHOST_SOMEWHERE, NULL, 0, NULL},
    {"fuse.rclone", HF_OFFHOST_SOMEWHERE, NULL, 0, NULL},
    {"fuse.s3fs", HF_OFFHOST_SOMEWHERE, NULL, 0, NULL},
    {"fuse", HF_OFFHOST_SOMEWHERE, NULL, 0, NULL},
};

static const struct fs *find(const char *type)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(kinds); i++)
        if (strcmp(type, kinds[i].type) == 0)
            return &kinds[i];
    return NULL;
}

enum hf_offhost_kind hf_offhost_kind_of(const char *type)
{
    const struct fs *fs = find(type);
    return fs ? fs->kind : HF_OFFHOST_LOCAL;
}

/* The value of NAME in "rw,NAME=VALUE,…". */
static const char *option(const char *options, const char *name, size_t *len)
{
    size_t n = strlen(name);
    for (const char *p = options; p; p = (p = strchr(p, ',')) ? p + 1 : NULL) {
        if (strncmp(p, name, n) != 0 || p[n] != '=')
            continue;
        *len = strcspn(p + n + 1, ",");
        return p + n + 1;
    }
    return NULL;
}

int hf_offhost_servers(const struct hf_mountinfo_entry *m, struct hf_strv *out, struct hf_err *err)
{
    const struct fs *fs = find(m->type);
    size_t len = 0;
    if (!fs || fs->kind != HF_OFFHOST_NETWORK)
        return 0;
    const char *value = fs->option ? option(m->options, fs->option, &len) : NULL;
    int rc = value ? add_hosts(value, len, fs->separator, out) : fs->source(m->source, out);
    if (rc > 0) /* one that is not understood may be ours */
        hf_strv_free(out);
    return rc < 0 ? hf_fail_nomem(err) : 0;
}

/* ---- the same export --------------------------------------------------------------------- */

static const char *path_of(const char *source)
{
    const char *path =
        strncmp(source, "//", 2) == 0 ? strchr(source + 2, '/') : strstr(source, ":/");
    return !path ? source : *path == ':' ? path + 1 : path;
}

static bool is_within(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    while (len > 0 && dir[len - 1] == '/')
        len--;
    return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static bool have_one_in_common(const struct hf_strv *a, const struct hf_strv *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (hf_strv_has(b, a->items[i]))
            return true;
    return false;
}

bool hf_offhost_shares_export(const struct hf_mountinfo_entry *a,
                              const struct hf_mountinfo_entry *b)
{
    HF_AUTO(hf_strv) struct hf_strv of_a = HF_STRV_INIT, of_b = HF_STRV_INIT;
    struct hf_err ignored = HF_ERR_INIT;
    const char *path_a = path_of(a->source), *path_b = path_of(b->source);
    if (!is_within(path_a, path_b) && !is_within(path_b, path_a))
        return false;
    if (hf_offhost_servers(a, &of_a, &ignored) < 0 || hf_offhost_servers(b, &of_b, &ignored) < 0)
        return true;
    return have_one_in_common(&of_a, &of_b);
}
