/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the mounts of a host, whose servers are then told and judged: each is a name that can be asked for, the verdict is
 * printable, and what has an address of this host is refused.
 */
#include "store/offhost_judge.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct hf_mountinfo *l, const struct hf_mountinfo_entry *m)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv servers = HF_STRV_INIT;
    struct hf_offhost_verdict v;
    struct hf_offhost_disk disk = {.path = l->items[0].mountpoint};
    struct hf_offhost_facts f = {
        .dir = m->mountpoint, .mounts = l, .major = m->major, .minor = m->minor, .disks = &disk};
    assert(hf_offhost_servers(m, &servers, &err) == 0 && servers.n <= HF_OFFHOST_SERVERS_MAX);
    for (size_t i = 0; i < servers.n; i++) {
        const char *s = servers.items[i];
        assert(*s && *s != '-' && strlen(s) <= HF_OFFHOST_NAME_MAX && !strpbrk(s, "/ \n[]@,"));
        assert(hf_offhost_peers_add_text(&f.servers, s, s, &err) == 0);
    }
    hf_offhost_judge(&f, &v);
    for (const char *p = v.why; *p; p++)
        assert(!iscntrl((unsigned char)*p));
    assert(*v.why && (v.is == HF_OFFHOST_NOT || f.servers.n > 0));
    f.own = f.servers;
    f.n_disks = l->n > 1;
    hf_offhost_judge(&f, &v);
    assert(v.is == HF_OFFHOST_NOT);
    assert(hf_offhost_shares_export(m, m) == (servers.n > 0));
    hf_offhost_peers_free(&f.servers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_mountinfo) struct hf_mountinfo l = {0};
    if (hf_mountinfo_parse((const char *)data, size, &l, &err) < 0)
        return 0;
    for (size_t i = 0; i < l.n && i < 16; i++)
        look_at(&l, &l.items[i]);
    return 0;
}
