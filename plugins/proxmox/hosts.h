/* SPDX-License-Identifier: Apache-2.0
 *
 * hosts.h - HTTPS to one of several equal servers: which is asked, when another one is, and what may never be sent twice.
 *
 * Hosts     the one that answered last is asked first; when a connection cannot be made (nothing was sent) the next one
 *           is tried, each with its share of the time.
 * Once      a request other than GET is put on the wire once. A connection that sat idle for 4 s is not used again (the
 *           server closes it after 5); one that it closed under our hands is an error: the caller looks before it repeats.
 * Errors    UNREACHABLE (also: not reached in time), TIMEOUT, AUTH (not the server that is trusted), CANCELLED, CORRUPT.
 */
#ifndef HF_PROXMOX_HOSTS_H
#define HF_PROXMOX_HOSTS_H

#include "base/strv.h"
#include "net/http.h"

#define PVE_PORT 8006

struct pve_hosts;

/* hosts: https://HOST[:PORT], a last / may be left out; [V6] in brackets. Of the trust each may be NULL;
 * none: the system's CAs. CONFIG for what cannot be. Nothing is connected. */
struct pve_trust {
    const char *ca_file, *pin, *fingerprint;
};
struct hf_host;
struct pve_hosts *pve_hosts_new(const struct hf_strv *hosts, const struct pve_trust *trust,
                                const struct hf_host *host, int (*is_cancelled)(void *ctx),
                                void *ctx, struct hf_err *err) HF_CHECKED;
void pve_hosts_free(struct pve_hosts *h);
HF_DEFINE_AUTO(pve_hosts, pve_hosts_free)

/* req: without url, timeout and connect_ms, which are set. 0: an answer came, of whatever status. deadline_ms is absolute,
 * HF_NO_DEADLINE: five minutes. answer_ms: a host that says nothing for so long is UNREACHABLE; 0: it has all of the time. */
int pve_hosts_run(struct pve_hosts *h, struct hf_http_request *req, const char *path,
                  int64_t deadline_ms, int64_t answer_ms, struct hf_http_answer *out,
                  struct hf_err *err) HF_CHECKED;
/* The host that is asked next, as configured; and the one after it from now on. */
const char *pve_hosts_name(const struct pve_hosts *h);
void pve_hosts_next(struct pve_hosts *h);

#endif
