/* SPDX-License-Identifier: Apache-2.0
 *
 * unit/run/world.h - hypervisor and database as functions that do as told and write down what they
 * were asked; journal, catalog, VM lock and configuration are the real ones, in the case's
 * directory.
 *
 * world.trace: "kill RUN", "set NAME=OLD/NEW", "discard VM NAME TOKEN", "delete VM NAME", "back VM TOKEN",
 * "settle VM TOKEN KEEP", one per line.
 */
#ifndef HF_TEST_RUN_WORLD_H
#define HF_TEST_RUN_WORLD_H

#include "base/buf.h"
#include "catalog/catalog.h"
#include "catalog/vmlock.h"
#include "db/lock.h"
#include "harness/hf_test.h"
#include "run/effects.h"
#include "run/recover.h"

#include <stdio.h>
#include <string.h>

#define RUN "20261123T030000Z-7f3a9c21"
#define KEY "lab.vm-7"

static struct {
    char trace[1024];
    enum hf_err_class db_open_fails, kill_fails, restore_fails, discard_fails, delete_fails,
        hv_open_fails, rollback_fails;
    const char *discard_left;
    unsigned kill_lost; /* so many kills find their session lost */
    bool is_stuck, stays_stuck;
    enum hf_vm_state vm_state;
    enum hf_err_class exec_fails; /* in the guest */
    unsigned db_opens, hv_opens, db_port;
    struct hf_config *config;
    struct hf_env env;
} world;

/* Opaque to the engines. */
static char a_database, a_hypervisor;

__attribute__((format(printf, 1, 2))) static inline void trace(const char *fmt, ...)
{
    size_t used = strlen(world.trace);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(world.trace + used, sizeof world.trace - used, fmt, ap);
    va_end(ap);
}

struct hf_db_conn *__wrap_hf_db_open(const struct hf_db_target *t, struct hf_err *err);
struct hf_db_conn *__wrap_hf_db_open(const struct hf_db_target *t, struct hf_err *err)
{
    world.db_opens++;
    world.db_port = t->port;
    if (!world.db_open_fails)
        return (struct hf_db_conn *)(void *)&a_database;
    hf_fail(err, world.db_open_fails, "the database does not answer");
    return NULL;
}

void __wrap_hf_db_close(struct hf_db_conn *c);
void __wrap_hf_db_close(struct hf_db_conn *c)
{
    (void)c;
}

int __wrap_hf_db_lock_kill(struct hf_db_conn *conn, const char *run_id, struct hf_err *err);
int __wrap_hf_db_lock_kill(struct hf_db_conn *conn, const char *run_id, struct hf_err *err)
{
    (void)conn;
    trace("kill %s\n", run_id);
    if (world.kill_lost && world.kill_lost--)
        return hf_fail(err, HF_E_UNREACHABLE, "the session is gone");
    return world.kill_fails ? hf_fail(err, world.kill_fails, "kill failed") : 0;
}

int __wrap_hf_db_variable_restore(struct hf_db_conn *conn, const char *name, const char *old_value,
                                  const char *new_value, struct hf_err *err);
int __wrap_hf_db_variable_restore(struct hf_db_conn *conn, const char *name, const char *old_value,
                                  const char *new_value, struct hf_err *err)
{
    (void)conn;
    trace("set %s=%s/%s\n", name, old_value, new_value);
    return world.restore_fails ? hf_fail(err, world.restore_fails, "restore failed") : 0;
}

struct hf_hv *__wrap_hf_hv_open(const struct hf_hv_opts *opts, struct hf_err *err);
struct hf_hv *__wrap_hf_hv_open(const struct hf_hv_opts *opts, struct hf_err *err)
{
    (void)opts;
    world.hv_opens++;
    if (!world.hv_open_fails)
        return (struct hf_hv *)(void *)&a_hypervisor;
    hf_fail(err, world.hv_open_fails, "the hypervisor does not answer");
    return NULL;
}

void __wrap_hf_hv_close(struct hf_hv *hv);
void __wrap_hf_hv_close(struct hf_hv *hv)
{
    (void)hv;
}

bool __wrap_hf_hv_is_stuck(struct hf_hv *hv);
bool __wrap_hf_hv_is_stuck(struct hf_hv *hv)
{
    (void)hv;
    return world.is_stuck;
}

int __wrap_hf_hv_wait_home(struct hf_hv *hv, int64_t deadline_ms, struct hf_err *late,
                           struct hf_err *err);
int __wrap_hf_hv_wait_home(struct hf_hv *hv, int64_t deadline_ms, struct hf_err *late,
                           struct hf_err *err)
{
    (void)hv, (void)deadline_ms, (void)late;
    trace("wait\n");
    if (world.stays_stuck)
        return hf_fail(err, HF_E_TIMEOUT, "the call is still away");
    world.is_stuck = false;
    return 0;
}

int __wrap_hf_hv_guest_exec(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                            const char *const *argv, const void *input, size_t input_len,
                            struct hf_hv_exec_result *out, struct hf_err *err);
int __wrap_hf_hv_guest_exec(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                            const char *const *argv, const void *input, size_t input_len,
                            struct hf_hv_exec_result *out, struct hf_err *err)
{
    (void)hv, (void)call, (void)vm_id, (void)argv, (void)input, (void)input_len, (void)out;
    return world.exec_fails ? hf_fail(err, world.exec_fails, "the agent does not answer") : 0;
}

int __wrap_hf_hv_vm_find(struct hf_hv *hv, const struct hf_hv_call *call, const char *what,
                         struct hf_vm_copy *out, struct hf_err *err);
int __wrap_hf_hv_vm_find(struct hf_hv *hv, const struct hf_hv_call *call, const char *what,
                         struct hf_vm_copy *out, struct hf_err *err)
{
    (void)hv, (void)call, (void)what, (void)err;
    *out = (struct hf_vm_copy){.state = world.vm_state};
    return 0;
}

int __wrap_hf_hv_capture_discard(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                                 const char *name, const char *undo_token, struct hf_err *err);
int __wrap_hf_hv_capture_discard(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                                 const char *name, const char *undo_token, struct hf_err *err)
{
    (void)hv, (void)call;
    trace("discard %s %s %s\n", vm_id, name, undo_token ? undo_token : "-");
    if (!world.discard_fails)
        return 0;
    hf_fail(err, world.discard_fails, "discard failed");
    return world.discard_left ? hf_left(err, "%s", world.discard_left) : -1;
}

int __wrap_hf_hv_snapshot_delete(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                                 const char *name, struct hf_err *err);
int __wrap_hf_hv_snapshot_delete(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                                 const char *name, struct hf_err *err)
{
    (void)hv, (void)call;
    trace("delete %s %s\n", vm_id, name);
    return world.delete_fails ? hf_fail(err, world.delete_fails, "delete failed") : 0;
}

int __wrap_hf_hv_rollback_undo(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                               const char *undo_token, struct hf_err *err);
int __wrap_hf_hv_rollback_undo(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                               const char *undo_token, struct hf_err *err)
{
    (void)hv, (void)call;
    trace("back %s %s\n", vm_id, undo_token);
    return world.rollback_fails ? hf_fail(err, world.rollback_fails, "undo failed") : 0;
}

int __wrap_hf_hv_rollback_settle(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                                 const char *undo_token, bool keep, struct hf_strv *kept,
                                 struct hf_err *err);
int __wrap_hf_hv_rollback_settle(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                                 const char *undo_token, bool keep, struct hf_strv *kept,
                                 struct hf_err *err)
{
    (void)hv, (void)call;
    trace("settle %s %s %d\n", vm_id, undo_token, keep);
    if (world.rollback_fails)
        return hf_fail(err, world.rollback_fails, "settle failed");
    return keep && hf_strv_add(kept, "/d/a.hf-1") != 0 ? hf_fail_nomem(err) : 0;
}

/* ---- the case's own state --------------------------------------------------------------- */

static inline void read_config_with(void **state, const char *vm, const char *more)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *text = hf_asprintf("[defaults]\nstate = %s\n[hypervisor lab]\nplugin = dir\n"
                                         "[vm %s]\nhypervisor = lab\ndb = tcp://127.0.0.1:1\n%s",
                                         hf_test_path(state, "state"), vm, more);
    hf_config_free(world.config);
    world.config = hf_config_parse(text, strlen(text), "test.conf", &err);
    assert_hf_got(world.config, &err);
    world.env.config = world.config;
}

static inline void read_config(void **state, const char *vm)
{
    read_config_with(state, vm, "");
}

/* An empty state directory and one VM, db, known to the hypervisor as vm-7. */
static inline void fresh(void **state)
{
    hf_config_free(world.config);
    memset(&world, 0, sizeof world);
    world.env =
        (struct hf_env){.log = hf_test_log(state, NULL), .clock = &hf_test_clock(state)->clock};
    read_config(state, "db");
}

static inline const struct hf_config_vm *the_vm(void)
{
    return hf_config_vm_at(world.config, 0);
}

static inline struct hf_journal *new_journal(const char *run_id, const char *verb, const char *key)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    assert_int_equal(hf_json_add_string(data, "verb", verb) | hf_json_add_string(data, "vm", "db") |
                         hf_json_add_string(data, "hypervisor", "lab") |
                         hf_json_add_string(data, "vm_id", "vm-7") |
                         hf_json_add_string(data, "lock_key", key),
                     0);
    struct hf_journal *j =
        hf_journal_create(hf_env_state(&world.env), run_id, data, world.env.clock, &err);
    assert_hf_got(j, &err);
    return j;
}

static inline void add_lock(struct hf_journal *j, int64_t dead_at_us)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_effect_db_lock(j, dead_at_us, NULL, &err), &err);
}

static inline void add_variable(struct hf_journal *j)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_effect_db_variable(j, "innodb_flush_log_at_trx_commit", "0", "1", NULL, &err),
                 &err);
}

static inline void add_snapshot(struct hf_journal *j, const char *name)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_effect_snapshot(j, "vm-7", name, "token", &err), &err);
}

static inline void add_export(struct hf_journal *j, const char *name)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_effect_export(j, "vm-7", name, "token", &err), &err);
}

static inline void add_deletion(struct hf_journal *j, const char *name)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_effect_snapshot_delete(j, "vm-7", name, &err), &err);
}

static inline void add_rollback(struct hf_journal *j, bool is_decided, const char *younger)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv gone = HF_STRV_INIT;
    assert_int_equal(hf_strv_add(&gone, younger), 0);
    assert_hf_ok(hf_effect_rollback(j, "vm-7", "hf-1", "token", &err), &err);
    if (is_decided)
        assert_hf_ok(hf_effect_rollback_decided(j, "vm-7", "hf-1", "token", true, &gone, &err),
                     &err);
}

static inline bool has_journal(const char *run_id)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv ids = HF_STRV_INIT;
    assert_hf_ok(hf_journal_list(hf_env_state(&world.env), &ids, &err), &err);
    return hf_strv_has(&ids, run_id);
}

#endif
