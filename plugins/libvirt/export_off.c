/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/path.h"
#include "base/point.h"
#include "base/proc.h"
#include "export.h"
#include "net/json.h"
#include "vm.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define START_MS 10000
#define END_MS 5000
#define CMDLINE_MAX ((size_t)64 << 10)

char *lv_export_off_socket(const struct lv_export *e, const char *target)
{
    return hf_asprintf("%s/%s.nbd", e->dir, target);
}

/* force-share: without it the lock of ours would keep the VM from starting. */
static char *image_of(const struct lv_export_disk *d)
{
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    HF_AUTOJSON struct json_object *file = json_object_new_object();
    const char *driver = strcmp(d->layer.type, "block") == 0 ? "host_device" : "file";
    if (!o || !file || hf_json_add_string(o, "driver", d->layer.format) != 0 ||
        hf_json_add_bool(o, "force-share", true) != 0 ||
        hf_json_add_string(file, "driver", driver) != 0 ||
        hf_json_add_string(file, "filename", d->layer.path) != 0 ||
        hf_json_add(o, "file", HF_STEAL(file)) != 0)
        return NULL;
    return hf_asprintf("json:%s", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
}

static int start_one(struct hf_instance *in, const struct hf_call *call, const struct lv_export *e,
                     const struct lv_export_disk *d, struct hf_err *err)
{
    HF_AUTOFREE char *socket = lv_export_off_socket(e, d->target);
    HF_AUTOFREE char *option = socket ? hf_asprintf("--socket=%s", socket) : NULL;
    HF_AUTOFREE char *image = image_of(d);
    int64_t left = lv_left_ms(in, call);
    if (!option || !image)
        return hf_fail_nomem(err);
    const char *const argv[] = {"qemu-nbd",      "--read-only",
                                "--persistent",  "--shared=8",
                                "--fork",        option,
                                "--export-name", d->target,
                                image,           d->is_incremental ? "--bitmap" : NULL,
                                e->parent,       NULL};
    struct hf_proc_request req = {.argv = argv, .timeout_ms = left < START_MS ? left : START_MS};
    HF_AUTO(hf_proc_result) struct hf_proc_result res = {0};
    if (hf_proc_check(&req, &res, err) != 0)
        return hf_wrap(err, "disk %s", d->target);
    return 0;
}

int lv_export_off_begin(struct hf_instance *in, const struct hf_call *call, struct lv_export *e,
                        struct hf_err *err)
{
    for (size_t i = 0; i < e->n; i++)
        if (stat(e->disks[i].layer.path, &e->disks[i].before) != 0)
            return hf_fail_sys(err, errno, "disk %s", e->disks[i].target);
    for (size_t i = 0; i < e->n; i++) {
        if (start_one(in, call, e, &e->disks[i], err) != 0 ||
            HF_POINT_ERR("libvirt.after_qemu_nbd", err) != 0)
            return -1;
    }
    return lv_export_off_check(e, err);
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* The time of change moves with libvirt's first touch (it gives the file to QEMU's user), before the guest's. */
static bool is_untouched(const struct lv_export_disk *d)
{
    struct stat now;
    return stat(d->layer.path, &now) == 0 && now.st_ino == d->before.st_ino &&
           now.st_size == d->before.st_size && is_same_time(now.st_mtim, d->before.st_mtim) &&
           is_same_time(now.st_ctim, d->before.st_ctim);
}

int lv_export_off_check(struct lv_export *e, struct hf_err *err)
{
    const char *trouble;
    if (lv_vm_state(e->dom, &trouble) != HF_VM_OFF)
        return hf_fail(err, HF_E_CONFLICT, "the VM was started while its disks were read");
    for (size_t i = 0; i < e->n; i++)
        if (!is_untouched(&e->disks[i]))
            return hf_fail(err, HF_E_CONFLICT, "'%s' was changed while it was read",
                           e->disks[i].layer.path);
    return 0;
}

/* By its own command line: a number kept in a file could belong to somebody else by now. */
static bool is_ours(pid_t pid, const char *dir)
{
    char path[64];
    size_t len = 0;
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTOFREE char *wanted = hf_asprintf("--socket=%s/", dir);
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    HF_AUTOFREE char *line = hf_path_read(path, CMDLINE_MAX, &len, &ignored);
    if (!wanted || !line || !strstr(line, "qemu-nbd"))
        return false;
    for (const char *arg = line; arg < line + len; arg += strlen(arg) + 1)
        if (strncmp(arg, wanted, strlen(wanted)) == 0)
            return true;
    return false;
}

/* Sends the signal to all of them; how many there were. */
static size_t signal_all(const char *dir, int number)
{
    size_t n = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *one; proc && (one = readdir(proc));) {
        pid_t pid = isdigit((unsigned char)*one->d_name) ? (pid_t)strtol(one->d_name, NULL, 10) : 0;
        if (pid <= 0 || !is_ours(pid, dir))
            continue;
        n++;
        kill(pid, number);
    }
    if (proc)
        closedir(proc);
    return n;
}

int lv_export_off_end(const char *dir, struct hf_err *err)
{
    if (HF_POINT_ERR("libvirt.before_qemu_nbd_end", err) != 0)
        return -1;
    for (int waited = 0; waited < END_MS; waited += LV_POLL_MS) {
        if (signal_all(dir, waited < END_MS / 2 ? SIGTERM : SIGKILL) == 0)
            return 0;
        usleep(LV_POLL_MS * 1000);
    }
    hf_fail(err, HF_E_TIMEOUT, "a qemu-nbd that reads the disks does not end");
    return hf_left(err, "qemu-nbd with its socket in '%s'", dir);
}
