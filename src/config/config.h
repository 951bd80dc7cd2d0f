/* SPDX-License-Identifier: Apache-2.0
 *
 * config/config.h - the configuration file, typed and checked.
 *
 * INI as in my.cnf and systemd: sections [defaults], [hypervisor NAME], [vm NAME], [store NAME], [app NAME], [policy NAME], [notify NAME]. Every key stands
 * once in options.def (name, type, default, range, help); structs, parser, sample file and man page
 * are made from it. Unknown sections and keys, wrong types and values out of range are HF_E_CONFIG
 * with "FILE:LINE: …" and the nearest known name as hint. The file must not be writable by others
 * when run as root. What the apps of a VM name is part of that VM's own keys once the file is read, and an app that is not
 * in the file comes from app-dir (config/apps.h). Secrets are never in this file, only paths of private files.
 */
#ifndef HF_CONFIG_CONFIG_H
#define HF_CONFIG_CONFIG_H

#include "api/holdfast/plugin.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/strv.h"
#include "config/cron.h"
#include "config/policy_values.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hf_catalog_kind { HF_CATALOG_SQLITE };
enum hf_quiesce { HF_QUIESCE_STOP, HF_QUIESCE_LOCK, HF_QUIESCE_LIGHT, HF_QUIESCE_NONE };
enum hf_guest_channel { HF_GUEST_AGENT, HF_GUEST_SSH, HF_GUEST_NONE };
enum hf_freeze { HF_FREEZE_AUTO, HF_FREEZE_YES, HF_FREEZE_NO };
enum hf_rest { HF_REST_RELEASE, HF_REST_FILES };
enum hf_uncovered { HF_UNCOVERED_REFUSE, HF_UNCOVERED_LOWER };
enum hf_unreadable { HF_UNREADABLE_FAIL, HF_UNREADABLE_WARN };
enum hf_repack { HF_REPACK_YES, HF_REPACK_NO };
enum hf_off_host { HF_OFF_HOST_VERIFY, HF_OFF_HOST_ASSUME };
enum hf_compression { HF_COMPRESSION_ZSTD, HF_COMPRESSION_GZIP, HF_COMPRESSION_NONE };
enum hf_grade { HF_GRADE_NONE, HF_GRADE_A, HF_GRADE_B, HF_GRADE_C, HF_GRADE_D, HF_GRADE_E };

/* How the database is reached: tcp://HOST:PORT from this host, [::1] in brackets; ssh and agent through the guest
 * channel, where HOST:PORT (or, ssh only, the path of a socket) are the guest's own. Port 3306 when absent. */
enum hf_db_kind { HF_DB_NONE, HF_DB_TCP, HF_DB_SSH, HF_DB_AGENT };
struct hf_db_address {
    enum hf_db_kind kind;
    char *host;
    char *socket; /* ssh:///PATH; host is NULL then */
    unsigned port;
};
/* out is zero before, and to be cleared in any case. */
int hf_db_address_parse(const char *text, struct hf_db_address *out, struct hf_err *err) HF_CHECKED;
void hf_db_address_clear(struct hf_db_address *db);
HF_DEFINE_AUTO_VALUE(hf_db_address, hf_db_address_clear)

/* [USER@]HOST[:PORT]; user root and port 22 when absent */
struct hf_ssh_address {
    char *user, *host; /* host NULL: not set */
    unsigned port;
};

/* One `probe = KIND WHAT`: how somebody sees whether a VM is well. */
enum hf_probe_kind {
    HF_PROBE_SQL,    /* a query: one row, whose first value is true */
    HF_PROBE_HTTP,   /* a URL: answers with this status, or 2xx */
    HF_PROBE_UNIT,   /* a systemd unit in the guest: active */
    HF_PROBE_GUEST,  /* a program in the guest: ends with status 0 */
    HF_PROBE_COMMAND /* a program on this host: the same */
};
struct hf_vm_probe {
    enum hf_probe_kind kind;
    char *text;          /* as it stands in the file */
    char *what;          /* the query, URL, unit in full; NULL for programs */
    struct hf_strv argv; /* of programs */
    long status;         /* of HTTP; 0: any of 2xx */
};
struct hf_vm_probes {
    struct hf_vm_probe *items;
    size_t n;
};
const char *hf_probe_kind_name(enum hf_probe_kind kind); /* "sql", as in the file */
/* `dump`: what of the database goes with an archive. */
enum hf_dumped_kind { HF_DUMPED_ALL, HF_DUMPED_NONE, HF_DUMPED_SCHEMAS };
struct hf_dumped {
    enum hf_dumped_kind kind;
    struct hf_strv schemas; /* of HF_DUMPED_SCHEMAS; else empty */
};
/* "10%" or "20G": a share of something whose size is not known yet, or bytes. */
struct hf_share {
    bool is_percent;
    uint64_t value;
};
/* `keep`: which points are left. By rule, how many; 0: there is no such rule. */
enum hf_keep_rule {
    HF_KEEP_LAST,
    HF_KEEP_HOURLY,
    HF_KEEP_DAILY,
    HF_KEEP_WEEKLY,
    HF_KEEP_MONTHLY,
    HF_KEEP_YEARLY
};
#define HF_KEEP_RULES 6
struct hf_keep {
    bool is_all; /* every one; then there is no rule */
    uint32_t n[HF_KEEP_RULES];
};
const char *hf_keep_rule_name(enum hf_keep_rule rule); /* "last", "hourly", … */
/* Of `whole`, in bytes. */
uint64_t hf_share_of(const struct hf_share *s, uint64_t whole);

/* `metrics-listen`: a numeric address of this host; host NULL: not set. */
struct hf_listen {
    char *host;
    unsigned port;
};
/* "localhost", 127.0.0.0/8, ::1. */
bool hf_host_is_loopback(const char *host);
/* The same of the host in SCHEME://HOST[:PORT][/…]; an IPv6 address stands in brackets there. */
bool hf_url_is_loopback(const char *url);

/* Which keys a section has is said by options.def; struct hf_config_defaults, hf_config_hypervisor,
 * hf_config_vm and so on are made from it. */
struct hf_config;

#include "config/config_types.h"

/* CONFIG: no such file (hint names --config, HOLDFAST_CONFIG and `holdfast sample-config`). */
struct hf_config *hf_config_load(const char *path, struct hf_err *err) HF_CHECKED;
struct hf_config *hf_config_parse(const char *text, size_t len, const char *name,
                                  struct hf_err *err) HF_CHECKED; /* tests, fuzzing */
void hf_config_free(struct hf_config *c);
HF_DEFINE_AUTO(hf_config, hf_config_free)

const struct hf_config_defaults *hf_config_get_defaults(const struct hf_config *c);
/* By section name; CONFIG: no such section, the hint names the nearest or all. */
const struct hf_config_vm *hf_config_find_vm(const struct hf_config *c, const char *name,
                                             struct hf_err *err) HF_CHECKED;
const struct hf_config_hypervisor *hf_config_find_hypervisor(const struct hf_config *c,
                                                             const char *name, struct hf_err *err)
    HF_CHECKED;
const struct hf_config_app *hf_config_find_app(const struct hf_config *c, const char *name,
                                               struct hf_err *err) HF_CHECKED;
const struct hf_config_store *hf_config_find_store(const struct hf_config *c, const char *name,
                                                   struct hf_err *err) HF_CHECKED;
size_t hf_config_store_count(const struct hf_config *c);
const struct hf_config_store *hf_config_store_at(const struct hf_config *c, size_t i);
size_t hf_config_vm_count(const struct hf_config *c);
const struct hf_config_vm *hf_config_vm_at(const struct hf_config *c, size_t i);
size_t hf_config_hypervisor_count(const struct hf_config *c);
const struct hf_config_hypervisor *hf_config_hypervisor_at(const struct hf_config *c, size_t i);
size_t hf_config_policy_count(const struct hf_config *c);
const struct hf_config_policy *hf_config_policy_at(const struct hf_config *c, size_t i);
/* By name; CONFIG: no such section. */
const struct hf_config_policy *hf_config_find_policy(const struct hf_config *c, const char *name,
                                                     struct hf_err *err);
size_t hf_config_notify_count(const struct hf_config *c);
const struct hf_config_notify *hf_config_notify_at(const struct hf_config *c, size_t i);
/* That of the VM: in a checked configuration there is one. */
const struct hf_config_hypervisor *hf_config_hypervisor_of(const struct hf_config *c,
                                                           const struct hf_config_vm *vm);

const char *hf_quiesce_name(enum hf_quiesce q);
/* What this way to rest can prove at the best, and so the required grade unless `require` says another. */
enum hf_grade hf_quiesce_grade(enum hf_quiesce q, enum hf_freeze freeze);
const char *hf_grade_name(enum hf_grade g); /* "A".."E", NULL for NONE */
/* A is better than E; NONE is no requirement and is met by all. */
bool hf_grade_meets(enum hf_grade have, enum hf_grade required);

#endif
