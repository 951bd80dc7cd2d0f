/* SPDX-License-Identifier: Apache-2.0
 *
 * pve.h - what the files of the proxmox plugin share: the instance, requests, the VM's place, tasks.
 *
 * Everything here runs in the one thread that calls the instance; the API is polled. What was decided where an
 * answer is unclear (a lost connection, 596, most 500s): in->is_unclear is set and the caller looks before it repeats.
 */
#ifndef HF_PROXMOX_PVE_H
#define HF_PROXMOX_PVE_H

#include "api/holdfast/plugin.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/strv.h"
#include "hosts.h"
#include "net/json.h"
#include "net/urlcode.h"

#define PVE_NODE_MAX 64
#define PVE_ID_MAX 16
#define PVE_POLL_MS 250 /* while a database may be held */
#define PVE_BODY_MAX ((size_t)8 << 20)

struct hf_instance {
    const struct hf_host *host;
    struct pve_hosts *api;
    char *uri, *token_id, *token_file, *user, *password_file, *ca_file, *pin, *fingerprint;
    char *backup_storage, *fleecing_storage; /* of vzdump, or NULL */
    struct hf_secret *secret;                /* USER@REALM!ID=UUID, or the password */
    struct hf_secret *ticket, *csrf;         /* of a log-in by password */
    int64_t ticket_until_ms;                 /* renewed from then on */
    int major, minor;                        /* of Proxmox VE, once asked */
    size_t body_max;                         /* that this version takes */
    bool was_admitted;                       /* the token was good once */
    bool was_refused;    /* a first 403 was waited for; or nothing is to be waited for any more */
    bool ignores_cancel; /* a thaw is finished whoever is in a hurry */
    char vm_id[PVE_ID_MAX], node[PVE_NODE_MAX]; /* where a VM was seen last */
    char own_restore[256];        /* UPID of the restore that this instance began last, or "" */
    char taken_vm_id[PVE_ID_MAX]; /* a number that was to be a new VM's, and is another's */
    bool is_unclear;              /* the request that failed last may have had its effect */
    struct hf_strv kept;          /* strings of results, until the next call */
};

/* ---- client.c ------------------------------------------------------------------------------------ */

struct pve_req {
    const char *method, *path;   /* below /api2/json, percent-encoded */
    const struct hf_buf *params; /* by pve_param, or NULL */
    size_t max_body;             /* 0: PVE_BODY_MAX */
    /* After so long without an answer it is asked again, of the next host: a second time changes nothing. 0: 40 s of a GET (but
     * for one with a max_body, which may be long), and all of the time of what changes something. */
    int64_t answer_ms;
};

void pve_param(struct hf_buf *params, const char *key, const char *value);
/* *out: what stands in "data" (NULL when null), to be put. GETs are repeated after answers that say nothing. */
int pve_request(struct hf_instance *in, const struct hf_call *call, const struct pve_req *req,
                struct json_object **out, struct hf_err *err) HF_CHECKED;
int pve_get(struct hf_instance *in, const struct hf_call *call, const char *path,
            struct json_object **out, struct hf_err *err) HF_CHECKED;
/* Shape of the keys, log-in, version: what open and probe need. */
int pve_connect(struct hf_instance *in, struct hf_err *err) HF_CHECKED;
int pve_version(struct hf_instance *in, const struct hf_call *call, char text[64],
                struct hf_err *err) HF_CHECKED;

bool pve_is_before(const struct hf_instance *in, int major, int minor);

/* Before a hold: a ticket that would be renewed soon is renewed now, and a first 403 is not waited for any more. */
int pve_freshen(struct hf_instance *in, const struct hf_call *call, struct hf_err *err) HF_CHECKED;

int pve_enter(struct hf_instance *in, const struct hf_call *call, struct hf_err *err) HF_CHECKED;
int pve_check_stop(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
    HF_CHECKED;
int64_t pve_now_ms(struct hf_instance *in);
int64_t pve_left_ms(struct hf_instance *in, const struct hf_call *call);
/* Sleeps, no longer than to the deadline. */
void pve_pause(struct hf_instance *in, const struct hf_call *call, int64_t ms);
const char *pve_keep(struct hf_instance *in, char *owned);
void pve_log(struct hf_instance *in, enum hf_log_level level, const char *fmt, ...) HF_PRINTF(3, 4);

/* ---- answer.c: what answers mean ----------------------------------------------------------------- */

/* The class that a text of the server or of a task belongs to. */
enum hf_err_class pve_class_of(const char *text);
/* Fills err from an answer that is not 200. */
int pve_fail_status(struct hf_instance *in, const struct hf_http_answer *reply, const char *method,
                    const char *path, struct hf_err *err);

/* Perl decides the types of JSON values: numbers come as strings, booleans as 0, 1, "", null. */
int64_t pve_int(struct json_object *o, const char *key, int64_t fallback);
bool pve_bool(struct json_object *o, const char *key);
/* How many there are in a list; 0 of what is none. */
size_t pve_rows(struct json_object *list);
/* NULL: absent, null, no text or number, or it holds a NUL. Borrowed from o. */
const char *pve_text(struct json_object *o, const char *key);
/* An undo token: the object as text, to be freed; NULL: no memory. */
char *pve_token_print(struct json_object *o, struct hf_err *err) HF_CHECKED;
/* The bytes behind a string whose every byte became a code point (section 8 of the reference): appended. */
int pve_narrow(struct json_object *string, struct hf_buf *out, struct hf_err *err) HF_CHECKED;

/* ---- place.c: where a VM is ------------------------------------------------------------------------ */

/* What may stand in a path as a node's name. */
bool pve_is_node(const char *name);
/* Resolves and sets in->vm_id and in->node. NOT_FOUND; UNSUPPORTED: a container. */
int pve_locate(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
               struct hf_err *err) HF_CHECKED;
/* A request below /nodes/NODE/qemu/VMID, found again once when it has moved. */
int pve_vm_request(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                   const char *below, const struct pve_req *req, struct json_object **out,
                   struct hf_err *err) HF_CHECKED;
int pve_vm_get(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
               const char *below, struct json_object **out, struct hf_err *err) HF_CHECKED;

/* ---- task.c ---------------------------------------------------------------------------------------- */

struct pve_task {
    char upid[256];
    int64_t start_s; /* by the node's clock */
    bool is_stopped;
    bool was_away;                 /* nobody answered when it was looked at last, in time */
    bool was_looked_for;           /* its name was lost: it is the one by its type, VM and time */
    char exit[HF_ERR_MESSAGE_MAX]; /* "OK", "WARNINGS: n", or what went wrong */
};

/* From the answer to a POST. PLUGIN: no UPID. */
int pve_task_take(struct json_object *data, struct pve_task *out, struct hf_err *err) HF_CHECKED;
int pve_task_look(struct hf_instance *in, const struct hf_call *call, struct pve_task *t,
                  struct hf_err *err) HF_CHECKED;
/* Of a look that failed: it says nothing of the task, and the next one may. */
bool pve_is_away(const struct hf_err *err);
bool pve_task_is_good(const struct pve_task *t);
/* Until it has stopped; an API that is away is waited for. `poll_max_ms` between two looks. A task that ended badly is
 * an error of the class of its text. */
int pve_task_wait(struct hf_instance *in, const struct hf_call *call, struct pve_task *t,
                  int64_t poll_max_ms, struct hf_err *err) HF_CHECKED;
#define PVE_TASK_ENDED "the task ended with: " /* then its exit status: such an error */
int pve_task_verdict(const struct pve_task *t, struct hf_err *err) HF_CHECKED;
/* Every line of the log from *at on; *at is advanced, but not over a last line that may be half. */
int pve_task_log(struct hf_instance *in, const struct hf_call *call, const struct pve_task *t,
                 int64_t *at, hf_text_cb line, void *ctx, struct hf_err *err) HF_CHECKED;
int pve_task_log_all(struct hf_instance *in, const struct hf_call *call, const struct pve_task *t,
                     hf_text_cb line, void *ctx, struct hf_err *err) HF_CHECKED;
#define PVE_TASK_RUNNING 1u
#define PVE_TASK_OURS 2u  /* begun by our token or user */
#define PVE_TASK_WORKS 4u /* no console that somebody has open: that is a task, too */
/* The newest visible task of this type on the VM ("" in upid: none). type NULL: any. after: not it, and none that is older;
 * or NULL. */
int pve_task_newest(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    const char *type, unsigned flags, const struct pve_task *after,
                    struct pve_task *out, struct hf_err *err) HF_CHECKED;

/* On that node; vm_id NULL: of all VMs, and those of several at once. */
int pve_task_newest_on(struct hf_instance *in, const struct hf_call *call, const char *node,
                       const char *vm_id, const char *type, unsigned flags,
                       const struct pve_task *after, struct pve_task *out, struct hf_err *err)
    HF_CHECKED;
/* Asks it to end; returns when it has, or 5 s later. Of vzdump only: a snapshot task may leave the VM paused. */
int pve_task_stop(struct hf_instance *in, const struct hf_call *call, const struct pve_task *t,
                  struct hf_err *err) HF_CHECKED;

/* ---- work.c: what the server does in a task ---------------------------------------------------------- */

/* `before` is the newest task of ours of this type: where the answer is lost, ours is another, is looked for, and nothing is
 * asked for twice. Failed with in->is_unclear: it may have begun all the same. */
int pve_task_begin(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                   const char *below, const struct pve_req *req, const char *type,
                   const struct pve_task *before, struct pve_task *out, struct hf_err *err)
    HF_CHECKED;
/* The same of a path below /api2/json, for a task on in->node. */
int pve_task_begin_at(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                      const struct pve_req *req, const char *type, const struct pve_task *before,
                      struct pve_task *out, struct hf_err *err) HF_CHECKED;
/* Begun, and waited for until it ended well. */
int pve_work(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
             const char *below, const struct pve_req *req, const char *type, struct hf_err *err)
    HF_CHECKED;

#endif
