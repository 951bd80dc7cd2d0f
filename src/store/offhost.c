/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking: mounts, devices, interfaces, names. What it means is judged elsewhere.
 */
#include "store/offhost.h"

#include "base/path.h"
#include "net/resolve.h"
#include "store/offhost_judge.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define FILE_HEAD "file://"
#define MOUNTS_MAX_BYTES ((size_t)16 << 20)
#define ADDRESSES_MAX 64 /* of one name */

/* What is behind the facts. */
struct look {
    const struct hf_offhost_question *q;
    int64_t until_ms;
    struct hf_offhost_facts facts;
    struct hf_mountinfo mounts;
    struct hf_offhost_disk *disks;
    struct hf_strv paths; /* of the disks */
    char *dir;
};

static void look_end(struct look *l)
{
    hf_mountinfo_free(&l->mounts);
    hf_offhost_peers_free(&l->facts.servers);
    hf_offhost_peers_free(&l->facts.own);
    hf_strv_free(&l->paths);
    free(l->disks);
    free(l->dir);
}
HF_DEFINE_AUTO_VALUE(look, look_end)

/* ---- addresses --------------------------------------------------------------------------- */

static int add_interfaces(struct look *l, struct hf_err *err)
{
    struct ifaddrs *all = NULL;
    int rc = 0;
    if (getifaddrs(&all) < 0)
        return hf_fail_sys(err, errno, "addresses of this host");
    for (struct ifaddrs *a = all; a && rc == 0; a = a->ifa_next)
        if (a->ifa_addr)
            rc = hf_offhost_peers_add(&l->facts.own, "this host", a->ifa_addr, err);
    freeifaddrs(all);
    return rc < 0 ? hf_wrap(err, "addresses of this host") : 0;
}

/* Each address the host has, under the name `as`. */
static int add_name(struct look *l, struct hf_offhost_peers *to, const char *host, const char *as,
                    struct hf_err *err)
{
    struct addrinfo *list = NULL;
    int rc = 0, n = 0;
    if (hf_net_resolve(host, 1, l->q->clock, l->until_ms, &list, err) < 0)
        return -1;
    for (struct addrinfo *a = list; a && rc == 0; a = a->ai_next)
        rc = n++ < ADDRESSES_MAX ? hf_offhost_peers_add(to, as, a->ai_addr, err)
                                 : hf_fail(err, HF_E_CORRUPT, "'%s' has more than %d addresses",
                                           host, ADDRESSES_MAX);
    freeaddrinfo(list);
    return rc;
}

static int look_at_own(struct look *l, struct hf_err *err)
{
    const struct hf_strv none = HF_STRV_INIT;
    const struct hf_strv *guest = l->q->guest ? l->q->guest : &none;
    const struct hf_strv *hypervisor = l->q->hypervisor ? l->q->hypervisor : &none;
    if (add_interfaces(l, err) < 0)
        return -1;
    for (size_t i = 0; i < guest->n; i++)
        if (hf_offhost_peers_add_text(&l->facts.own, "the guest", guest->items[i], err) < 0)
            return hf_wrap(err, "addresses of the guest");
    for (size_t i = 0; i < hypervisor->n; i++)
        if (add_name(l, &l->facts.own, hypervisor->items[i], "the hypervisor", err) < 0)
            return hf_wrap(err, "the hypervisor");
    return 0;
}

/* ---- a directory ------------------------------------------------------------------------- */

/* Opened first: an automounter mounts it then. */
static int look_at_path(struct look *l, const char *dir, struct hf_err *err)
{
    struct stat st;
    HF_AUTOFD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !(l->dir = realpath(dir, NULL)))
        return hf_fail_sys(err, errno, "cannot look at '%s'", dir);
    l->facts.dir = l->dir;
    l->facts.major = major(st.st_dev);
    l->facts.minor = minor(st.st_dev);
    return 0;
}

static int look_at_mounts(struct look *l, struct hf_err *err)
{
    size_t len = 0;
    HF_AUTOFREE char *text = hf_path_read("/proc/self/mountinfo", MOUNTS_MAX_BYTES, &len, err);
    if (!text || hf_mountinfo_parse(text, len, &l->mounts, err) < 0)
        return hf_wrap(err, "mounts of this host");
    l->facts.mounts = &l->mounts;
    return 0;
}

/* One that is not here is a disk of another host. */
static int look_at_disk(struct look *l, const char *path, struct hf_err *err)
{
    struct stat st;
    char *real = *path == '/' ? realpath(path, NULL) : NULL;
    if (!real || stat(real, &st) < 0) {
        free(real);
        return 0;
    }
    if (hf_strv_take(&l->paths, real) < 0)
        return hf_fail_nomem(err);
    l->disks[l->facts.n_disks++] = (struct hf_offhost_disk){.path = l->paths.items[l->paths.n - 1],
                                                            .is_device = S_ISBLK(st.st_mode),
                                                            .major = major(st.st_rdev),
                                                            .minor = minor(st.st_rdev)};
    return 0;
}

static int look_at_disks(struct look *l, struct hf_err *err)
{
    size_t n = l->q->disks ? l->q->disks->n : 0;
    l->disks = calloc(n + 1, sizeof *l->disks);
    if (!l->disks)
        return hf_fail_nomem(err);
    l->facts.disks = l->disks;
    for (size_t i = 0; i < n; i++)
        if (look_at_disk(l, l->q->disks->items[i], err) < 0)
            return -1;
    return 0;
}

static int look_at_dir(struct look *l, const char *dir, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    if (look_at_path(l, dir, err) < 0 || look_at_mounts(l, err) < 0 || look_at_disks(l, err) < 0)
        return -1;
    const struct hf_mountinfo_entry *m = hf_mountinfo_find(&l->mounts, l->dir);
    if (m && hf_offhost_servers(m, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.n; i++)
        if (add_name(l, &l->facts.servers, names.items[i], names.items[i], err) < 0)
            return hf_wrap(err, "the server of '%s'", l->dir);
    return 0;
}

/* ---- a server ---------------------------------------------------------------------------- */

/* By the library that connects to it, so that both understand the same. To be freed; NULL: it has no host. */
static char *host_of(const char *url)
{
    CURLU *u = curl_url();
    char *host = NULL, *copy = NULL;
    if (u && curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        size_t len = strlen(host);
        copy = host[0] == '[' ? strndup(host + 1, len - 2) : strdup(host);
    }
    curl_free(host);
    curl_url_cleanup(u);
    return copy;
}

static int look_at_url(struct look *l, const char *url, struct hf_err *err)
{
    HF_AUTOFREE char *host = host_of(url);
    if (!host || !*host)
        return hf_fail(err, HF_E_CONFIG, "the url has no host");
    return add_name(l, &l->facts.servers, host, host, err);
}

int hf_offhost_check(const struct hf_offhost_question *q, struct hf_offhost_verdict *out,
                     struct hf_err *err)
{
    HF_AUTO(look) struct look l = {.q = q};
    const char *url = q->url;
    size_t head = strlen(FILE_HEAD);
    l.until_ms = hf_clock_mono_ms(q->clock) + q->timeout_ms;
    bool is_dir = strncmp(url, FILE_HEAD, head) == 0;
    if (look_at_own(&l, err) < 0 ||
        (is_dir ? look_at_dir(&l, url + head, err) : look_at_url(&l, url, err)) < 0)
        return hf_wrap(err, "whether %s is off this host", url);
    hf_offhost_judge(&l.facts, out);
    return 0;
}
