/* SPDX-License-Identifier: Apache-2.0
 *
 * A machine made from a point: its disks got their folder's name, it was defined, it may run; or it runs from disks that are served.
 */
#include "base/path.h"
#include "run/effects_intern.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MACHINE_MS (2 * 60 * 1000)
/* A server that died with its owner may make its socket still (restore/serve.h). */
#define SOCKETS_MS 4000
#define SOCKETS_PAUSE_MS 50

static int add_intent(struct hf_journal *j, const char *kind, const struct hf_effect_machine *m,
                      struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    if (!data || hf_json_add_string(data, "hypervisor", m->hypervisor) < 0 ||
        hf_json_add_string(data, "token", m->token) < 0 ||
        hf_json_add_string(data, "part", m->part) < 0 ||
        hf_json_add_string(data, "dir", m->dir) < 0)
        return hf_fail_nomem(err);
    return hf_journal_intent(j, kind, data, NULL, err);
}

int hf_effect_machine(struct hf_journal *j, const struct hf_effect_machine *m, struct hf_err *err)
{
    return add_intent(j, HF_EFFECT_MACHINE, m, err);
}

int hf_effect_machine_decided(struct hf_journal *j, const struct hf_effect_machine *m,
                              struct hf_err *err)
{
    return add_intent(j, HF_EFFECT_MACHINE_DECIDED, m, err);
}

int hf_effect_read_machine(struct json_object *data, struct hf_effect_machine *m,
                           struct hf_err *err)
{
    if (hf_json_get_string(data, "hypervisor", &m->hypervisor, err) < 0 ||
        hf_json_get_string(data, "token", &m->token, err) < 0 ||
        hf_json_get_string(data, "part", &m->part, err) < 0)
        return -1;
    return hf_json_get_string(data, "dir", &m->dir, err);
}

/* false: whether it is there cannot be told, and errno says why. */
static bool look_for(const char *path, bool *is_there)
{
    struct stat st;
    *is_there = lstat(path, &st) == 0;
    return *is_there || errno == ENOENT;
}

static bool rename_to_part(const struct hf_effect_machine *m, bool *has_part)
{
    bool has_dir = false;
    if (!look_for(m->dir, &has_dir) || !look_for(m->part, has_part))
        return false;
    if (!has_dir || *has_part)
        return true;
    *has_part = hf_path_name_folder(m->dir, m->part) == 0;
    return *has_part;
}

/* The next restore of the same point under the same name goes on with them. Renamed already: perhaps by one who died before it was for
 * good. */
static int rename_back(const struct hf_effect_machine *m, struct hf_err *err)
{
    bool has_part = false;
    if (!rename_to_part(m, &has_part))
        hf_fail_sys(err, errno, "rename '%s' back", m->dir);
    else if (!has_part || hf_path_sync_parent(m->part, err) == 0)
        return 0;
    return hf_left(err, "disks in '%s'", m->dir);
}

int hf_effect_undo_machine(struct hf_undo *u, const char *run_id, struct json_object *data,
                           struct hf_err *err)
{
    struct hf_effect_machine m = {0};
    struct hf_hv_call call = hf_env_call(u->env, run_id, MACHINE_MS);
    if (hf_effect_read_machine(data, &m, err) < 0)
        return -1;
    if (hf_undo_need_hv_of(u, m.hypervisor, err) < 0 ||
        hf_hv_machine_destroy(u->hv, &call, m.token, err) < 0)
        return err->left[0] ? -1
                            : hf_left(err, "a machine%s%s", *m.dir ? " with disks in " : "", m.dir);
    if (!*m.dir) /* of a pushed backup: its disks were the hypervisor's, and went with it */
        return hf_undo_say(u, err, "nothing is left of the machine on", m.hypervisor);
    if (rename_back(&m, err) < 0)
        return -1;
    return hf_undo_say(u, err, "nothing is left of the machine; its disks are kept in", m.part);
}

static bool is_record(const char *name)
{
    size_t len = strlen(name), end = strlen(HF_DISK_RECORD);
    return len > end && strcmp(name + len - end, HF_DISK_RECORD) == 0;
}

int hf_effect_remove_records(const char *dir, struct hf_err *err)
{
    int rc = 0;
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT ? 0 : hf_fail_sys(err, errno, "folder '%s'", dir);
    for (struct dirent *e = readdir(d); rc == 0 && e; e = readdir(d))
        if (is_record(e->d_name) && unlinkat(dirfd(d), e->d_name, 0) != 0 && errno != ENOENT)
            rc = hf_fail_sys(err, errno, "'%s' in '%s'", e->d_name, dir);
    closedir(d);
    return rc;
}

int hf_effect_finish_machine(struct hf_undo *u, const char *run_id, struct json_object *data,
                             struct hf_err *err)
{
    struct hf_effect_machine m = {0};
    struct hf_hv_call call = hf_env_call(u->env, run_id, MACHINE_MS);
    if (hf_effect_read_machine(data, &m, err) < 0 || hf_undo_need_hv_of(u, m.hypervisor, err) < 0 ||
        hf_hv_machine_settle(u->hv, &call, m.token, err) < 0 ||
        hf_effect_remove_records(m.dir, err) < 0)
        return -1;
    return hf_undo_say(u, err,
                       *m.dir ? "the machine is restored, with its disks in"
                              : "the machine is restored on",
                       *m.dir ? m.dir : m.hypervisor);
}

/* ---- one that runs from disks that are served ------------------------------------------- */

int hf_effect_machine_served(struct hf_journal *j, const char *hypervisor, const char *name,
                             const char *token, const char *dir, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    if (!data || hf_json_add_string(data, "hypervisor", hypervisor) < 0 ||
        hf_json_add_string(data, "name", name) < 0 ||
        hf_json_add_string(data, "token", token) < 0 || hf_json_add_string(data, "dir", dir) < 0)
        return hf_fail_nomem(err);
    return hf_journal_intent(j, HF_EFFECT_MACHINE_SERVED, data, NULL, err);
}

/* Or the empty file by which one was being claimed (restore/serve_socket.c). */
static bool is_socket(int dir, const char *name)
{
    const char *suffix = strrchr(name, '.');
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    return S_ISSOCK(st.st_mode) ||
           (S_ISREG(st.st_mode) && st.st_size == 0 && suffix && strcmp(suffix, ".lock") == 0);
}

/* Sockets and nothing else. false: errno says why not. */
static bool remove_sockets(const char *path)
{
    DIR *d = opendir(path);
    if (!d)
        return errno == ENOENT;
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        if (is_socket(dirfd(d), e->d_name))
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    return rmdir(path) == 0 || errno == ENOENT;
}

static int remove_folder(const struct hf_clock *clock, const char *path, struct hf_err *err)
{
    int64_t until = hf_clock_mono_ms(clock) + SOCKETS_MS;
    while (!remove_sockets(path)) {
        if (errno != ENOTEMPTY || hf_clock_is_past(clock, until)) {
            hf_fail_sys(err, errno, "remove '%s'", path);
            return hf_left(err, "the folder '%s'", path);
        }
        hf_clock_sleep_ms(clock, SOCKETS_PAUSE_MS);
    }
    return 0;
}

int hf_effect_undo_served(struct hf_undo *u, const char *run_id, struct json_object *data,
                          struct hf_err *err)
{
    const char *hypervisor = NULL, *name = NULL, *token = NULL, *dir = NULL;
    struct hf_hv_call call = hf_env_call(u->env, run_id, MACHINE_MS);
    if (hf_json_get_string(data, "hypervisor", &hypervisor, err) < 0 ||
        hf_json_get_string(data, "name", &name, err) < 0 ||
        hf_json_get_string(data, "token", &token, err) < 0 ||
        hf_json_get_string(data, "dir", &dir, err) < 0)
        return -1;
    if (hf_undo_need_hv_of(u, hypervisor, err) < 0 ||
        hf_hv_machine_destroy(u->hv, &call, token, err) < 0)
        return err->left[0] ? -1 : hf_left(err, "machine %s on %s", name, hypervisor);
    if (remove_folder(u->env->clock, dir, err) < 0)
        return -1;
    hf_way_sweep(u->env, run_id);
    return hf_undo_say(u, err, "nothing is left of machine", name);
}
