/* SPDX-License-Identifier: Apache-2.0 */
#include "store/offhost_judge.h"

#include "base/utf8.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define GROWTH 16

/* ---- addresses --------------------------------------------------------------------------- */

void hf_offhost_peers_free(struct hf_offhost_peers *p)
{
    free(p->items);
    *p = (struct hf_offhost_peers){0};
}

static int add(struct hf_offhost_peers *p, const char *name, const struct in6_addr *address,
               struct hf_err *err)
{
    if (p->n == HF_OFFHOST_PEERS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "more than %d addresses", HF_OFFHOST_PEERS_MAX);
    if (p->n % GROWTH == 0) {
        struct hf_offhost_peer *more = reallocarray(p->items, p->n + GROWTH, sizeof *p->items);
        if (!more)
            return hf_fail_nomem(err);
        p->items = more;
    }
    struct hf_offhost_peer *peer = &p->items[p->n++];
    snprintf(peer->name, sizeof peer->name, "%s", name);
    peer->address = *address;
    return 0;
}

static struct in6_addr mapped(const void *v4)
{
    struct in6_addr a = {{{[10] = 0xff, [11] = 0xff}}};
    memcpy(&a.s6_addr[12], v4, 4);
    return a;
}

int hf_offhost_peers_add(struct hf_offhost_peers *p, const char *name, const struct sockaddr *sa,
                         struct hf_err *err)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (sa->sa_family == AF_INET6) {
        memcpy(&in6, sa, sizeof in6);
        return add(p, name, &in6.sin6_addr, err);
    }
    if (sa->sa_family != AF_INET)
        return 0;
    memcpy(&in, sa, sizeof in);
    struct in6_addr a = mapped(&in.sin_addr);
    return add(p, name, &a, err);
}

int hf_offhost_peers_add_text(struct hf_offhost_peers *p, const char *name, const char *text,
                              struct hf_err *err)
{
    char bare[INET6_ADDRSTRLEN] = "";
    size_t len = strcspn(text, "%");
    struct in_addr v4;
    struct in6_addr a;
    if (len >= sizeof bare)
        return 0;
    memcpy(bare, text, len);
    if (inet_pton(AF_INET, bare, &v4) == 1)
        a = mapped(&v4);
    else if (inet_pton(AF_INET6, bare, &a) != 1)
        return 0;
    return add(p, name, &a, err);
}

/* Nobody's but our own, whatever the interfaces say: a connection to 0.0.0.0 or :: ends here, too. */
static bool is_loopback(const struct in6_addr *a)
{
    static const unsigned char v4_any[4] = {0};
    if (!IN6_IS_ADDR_V4MAPPED(a))
        return IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_UNSPECIFIED(a);
    return a->s6_addr[12] == 127 || memcmp(&a->s6_addr[12], v4_any, 4) == 0;
}

static void write_address(const struct in6_addr *a, char out[INET6_ADDRSTRLEN])
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(a);
    inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? (const void *)&a->s6_addr[12] : a, out,
              INET6_ADDRSTRLEN);
}

/* ---- verdicts ---------------------------------------------------------------------------- */

static void say(struct hf_offhost_verdict *out, enum hf_offhost is, const char *fmt, ...)
    HF_PRINTF(3, 4);
static void say(struct hf_offhost_verdict *out, enum hf_offhost is, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(out->why, sizeof out->why, fmt, ap);
    va_end(ap);
    out->is = is;
    hf_replace_controls(out->why, '?');
}

/* "nas (10.0.0.9)", or the address alone when that is its name. */
static void write_peer(const struct hf_offhost_peer *p, char *out, size_t size)
{
    char address[INET6_ADDRSTRLEN];
    write_address(&p->address, address);
    if (strcmp(p->name, address) == 0)
        snprintf(out, size, "%s", address);
    else
        snprintf(out, size, "%s (%s)", p->name, address);
}

/* true: refused, and why. */
static bool refuse_server(const struct hf_offhost_facts *f, const struct hf_offhost_peer *server,
                          struct hf_offhost_verdict *out)
{
    char text[HF_OFFHOST_NAME_MAX + INET6_ADDRSTRLEN + 4];
    write_peer(server, text, sizeof text);
    if (is_loopback(&server->address)) {
        say(out, HF_OFFHOST_NOT, "%s is this host itself", text);
        return true;
    }
    for (size_t i = 0; i < f->own.n; i++) {
        if (!IN6_ARE_ADDR_EQUAL(&server->address, &f->own.items[i].address))
            continue;
        say(out, HF_OFFHOST_NOT, "%s is an address of %s", text, f->own.items[i].name);
        return true;
    }
    return false;
}

static void judge_servers(const struct hf_offhost_facts *f, struct hf_offhost_verdict *out)
{
    char text[HF_OFFHOST_NAME_MAX + INET6_ADDRSTRLEN + 4];
    if (f->servers.n == 0) {
        say(out, HF_OFFHOST_NOT, "nobody can tell which server it lies on");
        return;
    }
    for (size_t i = 0; i < f->servers.n; i++)
        if (refuse_server(f, &f->servers.items[i], out))
            return;
    write_peer(&f->servers.items[0], text, sizeof text);
    say(out, HF_OFFHOST_PROVEN, "it lies on %s: neither this host nor the guest nor the hypervisor",
        text);
}

/* ---- directories ------------------------------------------------------------------------- */

/* The same file system, also when it is mounted twice, or one mount shows a folder of what the other one shows. */
static bool is_same(const struct hf_mountinfo_entry *a, const struct hf_mountinfo_entry *b)
{
    return (a->major == b->major && a->minor == b->minor) || hf_offhost_shares_export(a, b);
}

static bool refuse_disk(const struct hf_offhost_facts *f, const struct hf_mountinfo_entry *m,
                        const struct hf_offhost_disk *d, struct hf_offhost_verdict *out)
{
    if (d->is_device) {
        if (d->major != m->major || d->minor != m->minor)
            return false;
        say(out, HF_OFFHOST_NOT, "%.200s lies on %.200s, a disk of the VM", f->dir, d->path);
        return true;
    }
    const struct hf_mountinfo_entry *other = hf_mountinfo_find(f->mounts, d->path);
    if (!other || !is_same(m, other))
        return false;
    say(out, HF_OFFHOST_NOT, "%.200s lies on the datastore of %.200s, a disk of the VM", f->dir,
        d->path);
    return true;
}

static void judge_dir(const struct hf_offhost_facts *f, struct hf_offhost_verdict *out)
{
    const struct hf_mountinfo_entry *m = hf_mountinfo_find(f->mounts, f->dir);
    if (!m) {
        say(out, HF_OFFHOST_NOT, "nobody can tell which file system %.200s lies on", f->dir);
        return;
    }
    for (size_t i = 0; i < f->n_disks; i++)
        if (refuse_disk(f, m, &f->disks[i], out))
            return;
    enum hf_offhost_kind kind = hf_offhost_kind_of(m->type);
    if (kind == HF_OFFHOST_LOCAL)
        say(out, HF_OFFHOST_NOT, "%.200s lies on a file system of this host: %.32s on %.200s",
            f->dir, m->type, m->source);
    else if (kind == HF_OFFHOST_SOMEWHERE)
        say(out, HF_OFFHOST_NOT, "%.200s lies on %.32s: nobody can tell which server is behind it",
            f->dir, m->type);
    else if (m->major != f->major || m->minor != f->minor)
        say(out, HF_OFFHOST_NOT, "%.200s does not lie on %.200s, as the mounts say", f->dir,
            m->source);
    else
        judge_servers(f, out);
}

void hf_offhost_judge(const struct hf_offhost_facts *facts, struct hf_offhost_verdict *out)
{
    if (facts->dir)
        judge_dir(facts, out);
    else
        judge_servers(facts, out);
}
