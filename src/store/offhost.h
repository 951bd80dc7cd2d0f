/* SPDX-License-Identifier: Apache-2.0
 *
 * store/offhost.h - does a store lie off the host: neither on this machine, nor on the guest, the hypervisor or its datastore?
 *
 * Off the host is what can be shown to be, by the mounts, addresses and names of this moment; what cannot be told is not. A
 * directory: its file system is a network one whose server can be told, and holds none of the VM's disks. A server: its
 * addresses are all somebody else's. Of a cluster those servers are seen that the mount names. Not seen is what lies behind a
 * tunnel, a proxy or a forwarded port, and a name that will mean another machine later: ask again before each run.
 * `off-host = assume` is the caller's business: the verdict is given, and recorded, all the same.
 *
 * Errors: it could not be looked at, which is no verdict: NOT_FOUND the directory, UNREACHABLE and TIMEOUT a name, CONFIG the url.
 * Threads: any. Nothing is written.
 */
#ifndef HF_STORE_OFFHOST_H
#define HF_STORE_OFFHOST_H

#include "base/clock.h"
#include "base/strv.h"

#define HF_OFFHOST_WHY_MAX 512

enum hf_offhost { HF_OFFHOST_NOT, HF_OFFHOST_PROVEN };

struct hf_offhost_verdict {
    enum hf_offhost is;
    char why
        [HF_OFFHOST_WHY_MAX]; /* "nas (10.0.0.9) is an address of the guest": no full stop, printable */
};

/* All borrowed; each list may be NULL. */
struct hf_offhost_question {
    const char *url;             /* of the store */
    const struct hf_strv *guest; /* addresses as the guest tells them: what is none is skipped */
    const struct hf_strv *hypervisor; /* names or addresses of one that is not this host */
    const struct hf_strv
        *disks; /* paths of the VM's disks on this host, devices or files; others are skipped */
    const struct hf_clock *clock;
    int64_t timeout_ms; /* for all names together */
};

int hf_offhost_check(const struct hf_offhost_question *q, struct hf_offhost_verdict *out,
                     struct hf_err *err) HF_CHECKED;

#endif
