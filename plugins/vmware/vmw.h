/* SPDX-License-Identifier: Apache-2.0
 *
 * vmw.h - what the files of the vmware plugin share: the instance, calls, properties.
 *
 * Everything here runs in the one thread that calls the instance. A call that changes something is sent once: where its answer
 * was lost, in->is_unclear is set, and the caller looks before it repeats. The session is renewed when the server has lost it.
 */
#ifndef HF_VMWARE_VMW_H
#define HF_VMWARE_VMW_H

#include "api/holdfast/plugin.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/strv.h"
#include "encode.h"
#include "net/http.h"
#include "tree.h"

#define VMW_POLL_MS 250 /* while a database may be held */

/* The managers, as the server calls them; an empty id: it has none. */
struct vmw_content {
    struct vmw_ref root, properties, session, search, view, guest, rights;
    struct vmw_ref guest_files, guest_programs; /* once they were asked for */
    bool is_host;                               /* ESXi itself, no vCenter */
    char name[160];                             /* "VMware vCenter Server 8.0.2 build-22617221" */
};

/* For the files of programs in a guest; path "": there is none. */
struct vmw_folder {
    struct vmw_ref vm;
    char path[512];
    unsigned runs; /* of programs, each with files of its own */
};

struct hf_instance {
    const struct hf_host *host;
    struct hf_http *http;
    char *uri, *user, *password_file, *ca_file, *pin, *thumbprint;
    char *guest_user, *guest_password_file, *tools_quiesce, *chain_max_text;
    char *base; /* https://HOST[:PORT] */
    int chain_max;
    struct hf_secret *password, *guest_password;
    struct hf_secret *cookie; /* of the session, or NULL: there is none */
    char session_key[80];
    char version[16]; /* of the dialect: "8.0.1.0" */
    struct vmw_content content;
    struct vmw_ref vm; /* in->vm_id's, as it was seen last */
    char vm_id[64];
    struct vmw_folder folder;
    struct vmw_lease *lease; /* of the export that is being read, or NULL */
    bool is_unclear;         /* the call that failed last may have had its effect */
    bool was_refused;        /* … surely had none: the server did not know the session any more */
    bool is_in_doubt;        /* a task may still run that nobody knows: the undo looks for longer */
    bool is_held;        /* a database may wait: questions are given up early, and asked again */
    int64_t patience_ms; /* a VM may be off: so long a question waits for a server that is away */
    bool ignores_cancel; /* what gives back is sent whoever is in a hurry */
    char fault[64];      /* type of the fault that failed it, or "" */
    struct hf_strv kept; /* strings of results, until the next call */
};

/* ---- client.c: calls ----------------------------------------------------------------------------------- */

struct vmw_request {
    const char *method;
    const struct vmw_ref *self;
    struct vmw_args *args; /* or NULL */
    bool is_read;          /* asked again after answers that say nothing, and after a new log-in */
    int64_t wait_ms;       /* the server may take so long to answer on purpose; 0: not known */
};

/* *out: the element of the response, whose children are the results; to be freed. Faults become errors (fault.c). */
int vmw_call(struct hf_instance *in, const struct hf_call *call, const struct vmw_request *req,
             struct vmw_tree **out, struct hf_err *err) HF_CHECKED;
/* The element of the response in a tree of vmw_call. */
const struct vmw_node *vmw_response(const struct vmw_tree *t);
/* Of a method that returns a reference (a task, a filter). PLUGIN: it returned none. */
int vmw_call_ref(struct hf_instance *in, const struct hf_call *call, const struct vmw_request *req,
                 struct vmw_ref *out, struct hf_err *err) HF_CHECKED;

int vmw_enter(struct hf_instance *in, const struct hf_call *call, struct hf_err *err) HF_CHECKED;
int vmw_check_stop(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
    HF_CHECKED;
int64_t vmw_now_ms(struct hf_instance *in);
int64_t vmw_left_ms(struct hf_instance *in, const struct hf_call *call);
void vmw_pause(struct hf_instance *in, const struct hf_call *call, int64_t ms);
const char *vmw_keep(struct hf_instance *in, char *owned);
void vmw_log(struct hf_instance *in, enum hf_log_level level, const char *fmt, ...) HF_PRINTF(3, 4);
/* The server is away or speaks nonsense: may pass. */
bool vmw_is_away(const struct hf_err *err);

/* ---- send.c: one request and its answer ----------------------------------------------------------------- */

/* As it came: 0 with *out, an envelope, of a result or a fault (*out_fault). Nothing is repeated. */
int vmw_send(struct hf_instance *in, const struct hf_call *call, const struct vmw_request *req,
             struct vmw_tree **out, bool *out_fault, struct hf_err *err) HF_CHECKED;
/* A GET of a document of the server. */
int vmw_get_document(struct hf_instance *in, const struct hf_call *call, const char *path,
                     struct hf_http_answer *out, struct hf_err *err) HF_CHECKED;

/* "https://HOST/…", where a '*' stands for the server that was asked. Other hosts are the VM's; the same trust decides. */
char *vmw_transfer_url(const struct hf_instance *in, const char *told, struct hf_err *err);
/* Of an answer that no server of vSphere gives: who may have given it. Returns -1. */
int vmw_hint_other(struct hf_err *err);
/* Of an error of a transfer from there: what it takes to reach it. Returns -1. */
int vmw_hint_host(struct hf_err *err);
/* At the server that was asked: there alone its session may be shown. */
bool vmw_is_own_url(const struct hf_instance *in, const char *url);

/* ---- session.c ------------------------------------------------------------------------------------------- */

/* Keys, version, content, log-in: what open needs. */
int vmw_connect(struct hf_instance *in, struct hf_err *err) HF_CHECKED;
int vmw_log_in(struct hf_instance *in, const struct hf_call *call, struct hf_err *err) HF_CHECKED;
void vmw_log_out(struct hf_instance *in); /* as well as it goes, in a few seconds */

/* ---- fault.c --------------------------------------------------------------------------------------------- */

/* Class and words of a fault: its type, and what the server says about it. node: the element with its members, or NULL. */
int vmw_fail_fault(struct hf_err *err, const char *type, const char *text,
                   const struct vmw_node *node);
/* From an envelope; also sets in->fault. */
int vmw_fail_envelope(struct hf_instance *in, const struct vmw_tree *t, struct hf_err *err);
/* From a LocalizedMethodFault, as a task has it. */
int vmw_fail_localized(struct hf_instance *in, const struct vmw_node *fault, struct hf_err *err);

/* ---- props.c: properties ---------------------------------------------------------------------------------- */

struct vmw_props {
    struct vmw_tree *tree;
    const struct vmw_node *object; /* an ObjectContent */
};
void vmw_props_free(struct vmw_props *p);
HF_DEFINE_AUTO_VALUE(vmw_props, vmw_props_free)

/* Paths, NULL at the end. NOT_FOUND: the object is gone. */
int vmw_props_get(struct hf_instance *in, const struct hf_call *call, const struct vmw_ref *ref,
                  const char *const *paths, struct vmw_props *out, struct hf_err *err) HF_CHECKED;
/* NULL: unset. */
const struct vmw_node *vmw_prop(const struct vmw_node *object, const char *path);

/* Of every VM. Non-zero of the callback ends it with -1. */
typedef int (*vmw_object_cb)(void *ctx, const struct vmw_node *object, struct hf_err *err);
int vmw_props_each_vm(struct hf_instance *in, const struct hf_call *call, const char *const *paths,
                      vmw_object_cb each, void *ctx, struct hf_err *err) HF_CHECKED;
/* Of each object of that type which the property `path` of from refers to; those that went meanwhile are left out. */
int vmw_props_each(struct hf_instance *in, const struct hf_call *call, const struct vmw_ref *from,
                   const char *path, const char *type, const char *const *paths, vmw_object_cb each,
                   void *ctx, struct hf_err *err) HF_CHECKED;
/* A property of the object that was asked for and is hidden is an error; vmw_props_get asks this itself. */
int vmw_check_missing(struct hf_instance *in, const struct vmw_node *object, struct hf_err *err)
    HF_CHECKED;
/* The arguments of RetrievePropertiesEx and CreateFilter: what is wanted of one object. */
void vmw_put_spec(struct vmw_args *a, const char *name, const struct vmw_ref *ref,
                  const char *const *paths);

#endif
