/* SPDX-License-Identifier: Apache-2.0
 *
 * store/offhost_judge.h - the judgement behind store/offhost.h, from facts alone: pure functions.
 *
 * Mounts and what a guest says are foreign text: bounded, nothing of it is followed, printable in the verdict.
 */
#ifndef HF_STORE_OFFHOST_JUDGE_H
#define HF_STORE_OFFHOST_JUDGE_H

#include "base/mountinfo.h"
#include "store/offhost.h"

#include <netinet/in.h>
#include <stdint.h>

#define HF_OFFHOST_SERVERS_MAX 16
#define HF_OFFHOST_PEERS_MAX 4096
#define HF_OFFHOST_NAME_MAX 253 /* of a host */

/* An address and whose it is: the name of a server, or "this host". IPv4 as ::ffff:a.b.c.d. */
struct hf_offhost_peer {
    char name[HF_OFFHOST_NAME_MAX + 1];
    struct in6_addr address;
};
struct hf_offhost_peers {
    struct hf_offhost_peer *items;
    size_t n;
};
void hf_offhost_peers_free(struct hf_offhost_peers *p);
HF_DEFINE_AUTO_VALUE(hf_offhost_peers, hf_offhost_peers_free)

/* A family that is neither IPv4 nor IPv6 is skipped. CORRUPT: more than HF_OFFHOST_PEERS_MAX. */
int hf_offhost_peers_add(struct hf_offhost_peers *p, const char *name, const struct sockaddr *sa,
                         struct hf_err *err) HF_CHECKED;
/* "10.0.0.5", "fe80::1%eth0"; anything else is skipped. */
int hf_offhost_peers_add_text(struct hf_offhost_peers *p, const char *name, const char *text,
                              struct hf_err *err) HF_CHECKED;

struct hf_offhost_disk {
    const char *path; /* absolute, without links */
    bool is_device;
    unsigned major, minor; /* of a device */
};

struct hf_offhost_facts {
    const char *dir;                   /* absolute, without links; NULL: the store is a server */
    const struct hf_mountinfo *mounts; /* of this host, when there is a dir */
    unsigned major, minor;             /* what the dir itself says it lies on */
    struct hf_offhost_peers servers;   /* of the url, or of the dir's mount */
    struct hf_offhost_peers own;       /* "this host", "the guest", "the hypervisor" */
    const struct hf_offhost_disk *disks;
    size_t n_disks;
};

/* The servers behind a mount, names or addresses, added to an empty list: none for a local file system, and where not all
 * can be told. */
int hf_offhost_servers(const struct hf_mountinfo_entry *m, struct hf_strv *out, struct hf_err *err)
    HF_CHECKED;

/* Two mounts of one server, of which one shows what lies in the other. In doubt (no memory) they are. */
bool hf_offhost_shares_export(const struct hf_mountinfo_entry *a,
                              const struct hf_mountinfo_entry *b);

enum hf_offhost_kind {
    HF_OFFHOST_LOCAL,    /* or not known */
    HF_OFFHOST_NETWORK,  /* its servers can be told */
    HF_OFFHOST_SOMEWHERE /* on a network, or of whoever runs this host: nobody can tell from here */
};
enum hf_offhost_kind hf_offhost_kind_of(const char *type);

void hf_offhost_judge(const struct hf_offhost_facts *facts, struct hf_offhost_verdict *out);

#endif
