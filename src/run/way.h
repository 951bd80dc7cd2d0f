/* SPDX-License-Identifier: Apache-2.0
 *
 * run/way.h - the ways into one VM's guest and to its database, opened as its section of the configuration says.
 *
 * The guest's agent gets a hypervisor connection of its own (hv): it must get through while the one that captures is
 * stuck. A database behind the guest channel is reached through a tunnel, whose unix socket lies in the state directory.
 * What was not asked for, or what the section does not have, stays NULL. Closing ends the tunnel and with it every session
 * that goes through it: close those first.
 */
#ifndef HF_RUN_WAY_H
#define HF_RUN_WAY_H

#include "guest/guest.h"
#include "guest/ssh.h"
#include "guest/tunnel.h"
#include "run/env.h"

struct hf_way {
    const struct hf_config_vm *vm;
    struct hf_hv *hv;         /* for the guest agent */
    struct hf_guest *guest;   /* NULL: guest = none, or not opened */
    struct hf_hv *tunnel_hv;  /* for a tunnel through the agent */
    struct hf_tunnel *tunnel; /* NULL: the database is reached directly, or not at all */
    char *socket;             /* where it listens */
};

enum {
    HF_WAY_GUEST = 1, /* the channel of `guest` */
    HF_WAY_AGENT = 2, /* hv alone, for freeze and thaw */
    HF_WAY_DB = 4,    /* the tunnel, where `db` needs one */
};

/* Opens what is not open yet. vm_id as the hypervisor's; run_id names what is left in the guest, and the socket. On
 * failure what was opened stays open. */
int hf_way_open(struct hf_way *way, const struct hf_env *env, const struct hf_config_vm *vm,
                const char *vm_id, const char *run_id, int what, struct hf_err *err) HF_CHECKED;
void hf_way_close(struct hf_way *way);
HF_DEFINE_AUTO_VALUE(hf_way, hf_way_close)

/* The tunnel alone, so that the next hf_way_open makes a new one. */
void hf_way_close_db(struct hf_way *way);

/* Sockets of the tunnels of a run that died; those of this process stay. */
void hf_way_sweep(const struct hf_env *env, const char *run_id);

/* What this VM's holds need to be taken and undone: HF_WAY_*. */
int hf_way_needed(const struct hf_config_vm *vm);
/* Is the hypervisor's agent used for this VM's freeze? */
bool hf_way_freezes(const struct hf_config_vm *vm);
/* UNSUPPORTED: it is to be, and no VM of this hypervisor can be frozen. */
int hf_way_check_freeze(const struct hf_hv *hv, const struct hf_config_vm *vm,
                        struct hf_err *err) HF_CHECKED;

/* The ssh login of its section; borrows from it. Only where it has one. */
struct hf_ssh_target hf_way_ssh_target(const struct hf_config_vm *vm);
/* Where the database is reached; borrows from way and its vm. Only with HF_WAY_DB open. */
struct hf_db_target hf_way_db_target(const struct hf_way *way);

#endif
