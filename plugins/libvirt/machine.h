/* SPDX-License-Identifier: Apache-2.0
 *
 * machine.h - a machine made from a stored definition: of this host or another, of today or of years ago.
 *
 * The definition is foreign text. So it is not searched for what is dangerous: what is known and harmless stays, everything
 * else is changed, left out, cut off or refused, and each of those is told (machine_edit.c and its neighbours, which change
 * nothing but the XML and know of the host what they ask of `has`).
 *
 *   plan     the adapted XML, and libvirt's own word that it could start it (virConnectDomainXMLToNative, which does nothing)
 *   create   virDomainDefineXML, or virDomainCreateXML of a transient one, paused
 *   settle   the mark in the metadata says so
 *   destroy  UEFI variables, then the process, then the definition; for one that replaced another the process, then the
 *            UEFI variables and the definition of before
 *
 * The mark is an element in <metadata>, <holdfast:machine run= purpose= state='made'>, which holds the undo token: a machine
 * that a dead run left tells by itself how it goes. A define is one file of libvirt's: killed anywhere, there is the machine
 * with its mark, or none. UEFI variables that we named carry the run in their name, so that no other file is ever removed.
 */
#ifndef HF_LIBVIRT_MACHINE_H
#define HF_LIBVIRT_MACHINE_H

#include "lv.h"
#include "xml.h"

#define LV_MARK_URI "urn:holdfast:machine:1"
#define LV_MARK_KEY "holdfast"
#define LV_UUID_MAX 37
#define LV_BOOT_DIR "/var/lib/libvirt/boot"

/* What the adaptation asks of this host. */
enum lv_fact {
    LV_HAS_NETWORK,   /* libvirt's, and it is active */
    LV_HAS_BRIDGE,    /* a bridge of the host */
    LV_HAS_LINK,      /* a network device of the host */
    LV_HAS_FILTER,    /* libvirt's network filter */
    LV_HAS_FILE,      /* a regular file that anybody may read */
    LV_HAS_BOOT_FILE, /* the same, that is a kernel by its place: libvirt gives it to QEMU's user */
    LV_HAS_EMULATOR,  /* libvirt's list has it */
    LV_HAS_CPU_MODE,  /* of a <cpu> */
    LV_HAS_CPU_MODEL,
    LV_HAS_TPM,        /* an emulated one */
    LV_HAS_SCSI_MODEL, /* QEMU has such a controller */
    LV_HAS_SECURE_BOOT /* UEFI with it, of a q35 */
};
typedef bool (*lv_has_fn)(void *ctx, enum lv_fact what, const char *value);

/* One adaptation under way. */
struct lv_making {
    const struct hf_machine_request *req;
    lv_has_fn has;
    void *has_ctx;
    hf_machine_finding_cb say;
    void *say_ctx;
    xmlDocPtr doc;
    xmlNodePtr root, devices;
    const char *former; /* REPLACE: the definition of the machine that is there, or NULL */
    xmlDocPtr former_doc;
    bool is_isolated, is_replacing, keeps_net;

    char uuid[LV_UUID_MAX]; /* that it gets */
    char *nvram;            /* a file that is ours to name and remove, or NULL */
    bool is_uefi;
    uint64_t memory_bytes;

    struct hf_strv paths; /* of the host, that were decided on */
    struct hf_strv kept;  /* what lv_get returned */
    bool is_broken;       /* no memory */
    bool is_stopped;      /* the callback's owner wants no more */
    bool is_refused;
    struct hf_err why; /* the first refusal */
};

/* Parses and adapts req->definition; m has req, has, say and former. The mark is put in by lv_make_mark. CORRUPT: it is no
 * definition; UNSUPPORTED, CONFLICT: a finding of the kind REFUSED said why. */
int lv_make(struct lv_making *m, struct hf_err *err) HF_CHECKED;
/* Sets or replaces the mark; a token NULL: settled. */
int lv_make_mark(xmlDocPtr doc, const struct hf_machine_request *req, const char *token,
                 struct hf_err *err) HF_CHECKED;
void lv_making_drop(struct lv_making *m);
HF_DEFINE_AUTO_VALUE(lv_making, lv_making_drop)

/* machine_edit.c */
void lv_find(struct lv_making *m, enum hf_machine_finding_kind kind, const char *about,
             const char *fmt, ...) HF_PRINTF(4, 5);
/* The same as REFUSED, with the class that the plan fails with. */
void lv_refuse(struct lv_making *m, enum hf_err_class cls, const char *about, const char *fmt, ...)
    HF_PRINTF(4, 5);
/* A path that is there may stay in the definition. */
bool lv_has(struct lv_making *m, enum lv_fact what, const char *value);
void lv_put(struct lv_making *m, xmlNodePtr node, const char *name, const char *value);
void lv_put_number(struct lv_making *m, xmlNodePtr node, const char *name, int64_t value);
xmlNodePtr lv_put_child(struct lv_making *m, xmlNodePtr to, const char *name, const char *text);
/* The text of the one child called `name`, made when it is not there. */
void lv_put_text(struct lv_making *m, xmlNodePtr parent, const char *name, const char *text);
/* Never NULL: "" when absent. Lives as long as m. */
const char *lv_get(struct lv_making *m, xmlNodePtr node, const char *name);
const char *lv_get_text(struct lv_making *m, xmlNodePtr node);
/* Children that are not in the list ("a b c*", * may stand there more than once) go, those of a namespace too, but for the
 * root's (lv_make_arguments). How many elements that were. */
size_t lv_keep_only(xmlNodePtr node, const char *list);
/* Attributes of a namespace: libvirt takes the first of a name, whatever its namespace, and we the one that has none. */
void lv_drop_twofold(xmlNodePtr node);
/* REPLACE: the machine that is there has the very same element at this place. */
bool lv_is_former(const struct lv_making *m, xmlNodePtr node);

/* Each edits its part of m->root. */
void lv_make_identity(struct lv_making *m); /* machine_identity.c */
void lv_make_lifecycle(struct lv_making *m);
void lv_make_memory(struct lv_making *m);
void lv_make_placement(struct lv_making *m);
void lv_make_os(struct lv_making *m); /* machine_os.c */
void lv_make_cpu(struct lv_making *m);
void lv_make_arguments(struct lv_making *m);
void lv_make_disks(struct lv_making *m);                      /* machine_disks.c */
void lv_make_interface(struct lv_making *m, xmlNodePtr node); /* machine_net.c */
void lv_make_devices(struct lv_making *m);                    /* machine_devices.c */
void lv_make_chardev(struct lv_making *m, xmlNodePtr node);   /* machine_chardev.c */
void lv_make_channel(struct lv_making *m, xmlNodePtr node);

/* machine_paths.c: goes last. */
void lv_make_paths(struct lv_making *m);
void lv_allow(struct lv_making *m, const char *path);

/* machine_token.c, of which `former` names the UEFI variables that are kept, too (machine_vars.c):
 * {"v":1,"op":"machine","vm":UUID,"name":N,"run":R,"purpose":P,"transient":B,"nvram":PATH,"former":XML} */
struct lv_machine_token {
    char *uuid, *name, *run, *purpose, *nvram, *former; /* the last two may be NULL */
    bool is_transient;
};
void lv_machine_token_free(struct lv_machine_token *t);
HF_DEFINE_AUTO_VALUE(lv_machine_token, lv_machine_token_free)
char *lv_machine_token_write(const struct lv_machine_token *t, struct hf_err *err) HF_CHECKED;
/* CORRUPT: no token, or one that names a file which we would not have named. */
int lv_machine_token_read(const char *text, struct lv_machine_token *out, struct hf_err *err)
    HF_CHECKED;
/* "DIR/NAME_VARS.hf-RUN.fd"; NULL: no memory. */
char *lv_machine_nvram(const char *dir, const char *name, const char *run);
bool lv_machine_is_word(const char *text, const char *more);

/* machine_mark.c: what a machine's metadata says of us. */
enum lv_mark { LV_NO_MARK, LV_OTHER_RUN, LV_MADE, LV_SETTLED };
/* Where: VIR_DOMAIN_AFFECT_CONFIG, or _LIVE of one that runs. *out NULL: there is none. What cannot be read is an error. */
int lv_mark_read(virDomainPtr dom, unsigned where, xmlDocPtr *out, struct hf_err *err) HF_CHECKED;
int lv_mark_judge(virDomainPtr dom, unsigned where, const char *run, enum lv_mark *out,
                  struct hf_err *err) HF_CHECKED;

/* machine_vars.c: UEFI variables of the machine whose place another takes. That one's boot writes them, so a copy lies beside,
 * FILE.hf-RUN, from the first start until the machine has settled or is taken back. The token tells both, by the former
 * definition and the run; one without variables in a file has nothing to do here. */
/* NULL: it has none, or not in a file. Of a definition's root; to be freed. */
char *lv_vars_of(xmlNodePtr root);
/* UNSUPPORTED: no copy could be made, said before anything is. */
int lv_vars_check(const char *former, struct hf_err *err) HF_CHECKED;
/* Once: what a later start would copy is not the former machine's any more. */
int lv_vars_save(const struct lv_machine_token *t, struct hf_err *err) HF_CHECKED;
int lv_vars_put_back(const struct lv_machine_token *t, struct hf_err *err) HF_CHECKED;
int lv_vars_forget(const struct lv_machine_token *t, struct hf_err *err) HF_CHECKED;

/* machine_plan.c: nothing hangs on the disks that it has: CONFLICT. */
int lv_machine_check_alone(virDomainPtr dom, const char *name, struct hf_err *err) HF_CHECKED;

/* machine_sockets.c: NBD sockets of the definition that nobody but us can connect to get the user as whom libvirt runs its
 * machines. Others stay as they are; all do where libvirt tells of no user, or we are not root. CORRUPT: it is no socket. */
int lv_machine_give_sockets(struct hf_instance *in, const char *definition, struct hf_err *err)
    HF_CHECKED;

/* machine_here.c: the answers of a real host. */
struct lv_here {
    struct hf_instance *in;
    const char *dir;    /* of the request; NULL: none */
    char *capabilities; /* virConnectGetCapabilities */
    const char *type;   /* of an x86_64 machine that libvirt runs best; NULL: it runs none */
    char *origin;       /* the definition that this UUID has here; NULL: none */
    char *
        domain; /* virConnectGetDomainCapabilities of this type and machine; NULL: the driver has none */
};
void lv_here_free(struct lv_here *h);
HF_DEFINE_AUTO_VALUE(lv_here, lv_here_free)
/* What there is to know without a definition. */
int lv_here_open(struct hf_instance *in, const char *dir, struct lv_here *out, struct hf_err *err)
    HF_CHECKED;
/* Of this request's. UNSUPPORTED: this host has no such machine. */
int lv_here_ask(struct lv_here *h, const struct hf_machine_request *req, struct hf_err *err)
    HF_CHECKED;
bool lv_here_has(void *ctx, enum lv_fact what, const char *value);

int libvirt_machine_plan(struct hf_instance *in, const struct hf_call *call,
                         const struct hf_machine_request *req, hf_machine_finding_cb emit,
                         void *ctx, struct hf_machine_plan *out, struct hf_err *err);
int libvirt_machine_create(struct hf_instance *in, const struct hf_call *call,
                           const char *definition, const char *undo_token, struct hf_err *err);
int libvirt_machine_start(struct hf_instance *in, const struct hf_call *call,
                          const char *undo_token, struct hf_err *err);
int libvirt_machine_settle(struct hf_instance *in, const struct hf_call *call,
                           const char *undo_token, struct hf_err *err);
int libvirt_machine_destroy(struct hf_instance *in, const struct hf_call *call,
                            const char *undo_token, struct hf_err *err);
int libvirt_machine_list(struct hf_instance *in, const struct hf_call *call, hf_machine_cb emit,
                         void *ctx, struct hf_err *err);

#endif
