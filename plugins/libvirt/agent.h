/* SPDX-License-Identifier: Apache-2.0
 *
 * agent.h - the QEMU guest agent, through libvirt. Its answers come from the guest: hostile input.
 *
 * Every slot below takes a running VM whose agent is connected. Errors they share:
 *   UNREACHABLE  no agent, or it does not answer      CORRUPT      an answer that makes no sense
 *   BUSY         somebody else has the channel        CONFLICT     the guest is frozen: only thaw works
 *   UNSUPPORTED  the agent's configuration forbids the command, or it is too old
 *   TIMEOUT      the deadline passed. It never means that nothing happened.
 *
 * Time. libvirt's timeouts are whole seconds, so that a slot may come home a second after its
 * deadline; and an agent that has not answered before is first asked for a sign of life by libvirt
 * itself, which takes 5 s whatever the deadline (the host stops waiting by itself).
 *
 * Other clients of the same agent. libvirt lets one command at a time onto the channel and begins
 * with guest-sync, so that the answer to a command that somebody gave up is not taken for ours. A
 * command that libvirt could not send because of others is tried again until the deadline. What
 * cannot be told: whether the agent lies; whether a file handle or pid, which are plain numbers of
 * the agent, is still ours when the agent was restarted in between and has given the same number to
 * another client's request.
 */
#ifndef HF_LIBVIRT_AGENT_H
#define HF_LIBVIRT_AGENT_H

#include "base/buf.h"
#include "lv.h"
#include "net/json.h"

/* ---- slots ------------------------------------------------------------------------------ */

int libvirt_guest_ping(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       struct hf_err *err);

/* Input of at most 1 MiB. Meant for short output: libvirt takes in an answer ever more slowly the
 * longer it is (a megabyte takes seconds, 5 MB minutes) and hands on none of more than 4 MiB. An
 * agent that was restarted meanwhile: an error at once, with `left`. */
int libvirt_guest_exec(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       const struct hf_guest_exec *req, struct hf_guest_exec_result *out,
                       struct hf_err *err);

/* At most max_bytes, to the end of the file; more is cut off without a word, and files without end
 * (/dev/zero) with it. The agent opens without blocking: a FIFO or device that has nothing to tell
 * now ends the reading with success and what was read so far. A FIFO is read safely only when its
 * writer has closed it: the agent throws away what it had read in a chunk when it then finds the
 * FIFO empty but open. */
int libvirt_guest_file_read(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *path, uint64_t max_bytes, hf_data_cb emit, void *ctx,
                            struct hf_err *err);

/* Makes or overwrites the file; not in one step: after a failure it may hold a part (`left`).
 * Owner root. A new file gets mode 0666, whatever the agent's umask (seen with qemu-ga 7.2): anybody
 * in the guest may read and change it. One that exists keeps its mode; so for anything private, or
 * that root will run, make it before with guest_exec (install -m 600 /dev/null PATH). 0: handed to
 * the guest's kernel, not yet on its disk. */
int libvirt_guest_file_write(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                             const char *path, const void *data, size_t len, struct hf_err *err);

/* All file systems of the guest that can be frozen; *out_frozen of them, never 0. Frozen already,
 * by whomever: BUSY, and nothing was changed. Any other failure, a timeout included, is followed by
 * a thaw within the same deadline (the freeze itself gets two thirds of the time); `left` says when
 * that did not succeed either. Dies the caller, the guest stays frozen: it needs a dead-man.
 *
 * Sent as a plain agent command: libvirt's own virDomainFSFreeze keeps no state either (9.0) and
 * adds nothing, but waits without limit. */
int libvirt_guest_freeze(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         uint32_t *out_frozen, struct hf_err *err);

/* Always sent, whatever the agent believes, and again until the agent says "thawed" or the deadline
 * has passed; at least once. Thawed already, or a VM that does not run: success. Also makes an agent
 * work again whose file systems were thawed behind its back (fsfreeze -u): it refuses everything
 * else until then. */
int libvirt_guest_thaw(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       struct hf_err *err);

/* What the agent believes: a fsfreeze by others in the guest does not show. Never UNKNOWN. */
int libvirt_guest_freeze_state(struct hf_instance *in, const struct hf_call *call,
                               const char *vm_id, enum hf_freeze_state *out, struct hf_err *err);

/* Every mount the agent's namespace has, once per disk it lies on; target NULL: on none of this
 * VM's disks (NFS, tmpfs, a loop or passed-through device). A mount that another one hides is left
 * out.
 *
 * guest-get-fsinfo alone lists file systems on block devices only, so an NFS mount below / would
 * look as if it lay on the disk of /. That is why the guest's /proc/self/mountinfo is read, too.
 * Where the agent may not read files or the guest has no such file, the list is what fsinfo tells,
 * `device` is the bare name (vdb), and a warning is logged: then a path belongs to a listed mount
 * only if something else proves it (stat -f, findmnt -T in the guest). Of btrfs over several
 * devices the agent knows the first only. */
int libvirt_guest_mounts(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         hf_mount_cb emit, void *ctx, struct hf_err *err);

/* ---- what the slots share ------------------------------------------------------------------ */

/* A guest to talk to. The call is a copy: steps with a deadline of their own change it. */
struct lv_agent {
    struct hf_instance *in;
    struct hf_call call;
    virDomainPtr dom;
};

static inline void lv_auto_agent_(struct lv_agent *a)
{
    lv_auto_domain_(&a->dom);
}
#define LV_AUTOAGENT __attribute__((cleanup(lv_auto_agent_)))

int lv_agent_enter(struct lv_agent *a, struct hf_instance *in, const struct hf_call *call,
                   const char *vm_id, struct hf_err *err) HF_CHECKED;

/* One command with its arguments (taken over; NULL: none). *out is what stands in "return", to be
 * put. */
int lv_agent_call(const struct lv_agent *a, const char *command, struct json_object *args,
                  struct json_object **out, struct hf_err *err) HF_CHECKED;
/* The same with one argument that is a number. */
int lv_agent_call_int(const struct lv_agent *a, const char *command, const char *key, int64_t value,
                      struct json_object **out, struct hf_err *err) HF_CHECKED;

/* agent_file.c: as the slot, into a buffer. More than max: CORRUPT. */
int lv_agent_read(const struct lv_agent *a, const char *path, size_t max, struct hf_buf *out,
                  struct hf_err *err) HF_CHECKED;

#endif
