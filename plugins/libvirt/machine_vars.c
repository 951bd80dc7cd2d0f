/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/path.h"
#include "base/point.h"
#include "machine.h"

#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

#define VARS_MAX ((size_t)64 << 20)

char *lv_vars_of(xmlNodePtr root)
{
    bool failed = false;
    xmlNodePtr nvram = lv_xml_path(root, "os", "nvram", NULL);
    xmlNodePtr source = lv_xml_child(nvram, "source");
    char *path = source ? lv_xml_attr(source, "file", &failed) : lv_xml_text(nvram, &failed);
    if (path && *path == '/')
        return path;
    free(path);
    return NULL;
}

/* *vars NULL: it has none. */
static int name_both(const struct lv_machine_token *t, char **vars, char **copy, struct hf_err *err)
{
    LV_AUTODOC xmlDocPtr doc = t->former ? lv_xml_parse(t->former, "domain", err) : NULL;
    if (t->former && !doc)
        return -1;
    *vars = doc ? lv_vars_of(xmlDocGetRootElement(doc)) : NULL;
    *copy = *vars ? hf_asprintf("%s.hf-%s", *vars, t->run) : NULL;
    return *vars && !*copy ? hf_fail_nomem(err) : 0;
}

static int sync_folder(const char *path, struct hf_err *err)
{
    HF_AUTOFREE char *folder = strdup(path);
    return folder ? hf_path_sync_dir(dirname(folder), err) : hf_fail_nomem(err);
}

/* 0: a file; 1: there is none yet, libvirt makes it at the first start. */
static int look_at(const char *vars, struct stat *st, struct hf_err *err)
{
    if (lstat(vars, st) != 0)
        return errno == ENOENT ? 1 : hf_fail_sys(err, errno, "UEFI variables '%s'", vars);
    if (!S_ISREG(st->st_mode))
        return hf_fail(err, HF_E_UNSUPPORTED, "the UEFI variables '%s' are no plain file", vars);
    return 0;
}

int lv_vars_check(const char *former, struct hf_err *err)
{
    struct stat st;
    LV_AUTODOC xmlDocPtr doc = lv_xml_parse(former, "domain", err);
    HF_AUTOFREE char *vars = doc ? lv_vars_of(xmlDocGetRootElement(doc)) : NULL;
    HF_AUTOFREE char *folder = vars ? strdup(vars) : NULL;
    if (!doc || (vars && !folder))
        return doc ? hf_fail_nomem(err) : -1;
    int rc = vars ? look_at(vars, &st, err) : 1;
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (access(vars, R_OK) == 0 && access(dirname(folder), W_OK) == 0)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "the UEFI variables '%s' cannot be kept: %s", vars,
            strerror(errno));
    return hf_hint(err, "A copy lies beside them until the machine is restored: that folder has to "
                        "be writable.");
}

int lv_vars_save(const struct lv_machine_token *t, struct hf_err *err)
{
    struct stat st;
    size_t len = 0;
    HF_AUTOFREE char *vars = NULL;
    HF_AUTOFREE char *copy = NULL;
    if (name_both(t, &vars, &copy, err) != 0)
        return -1;
    if (!vars || access(copy, F_OK) == 0)
        return 0;
    int rc = look_at(vars, &st, err);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    HF_AUTOFREE char *bytes = hf_path_read(vars, VARS_MAX, &len, err);
    if (!bytes || HF_POINT_ERR("libvirt.before_machine_vars", err) != 0 ||
        hf_path_write(copy, bytes, len, st.st_mode & 0777, err) != 0)
        return -1;
    return HF_POINT_ERR("libvirt.after_machine_vars", err);
}

/* libvirt gave them to QEMU's user and back: the copy becomes what they are now. */
static int take_over(const char *copy, const char *vars, struct hf_err *err)
{
    struct stat st;
    if (stat(vars, &st) == 0 &&
        (chown(copy, st.st_uid, st.st_gid) != 0 || chmod(copy, st.st_mode & 0777) != 0))
        return hf_fail_sys(err, errno, "owner of '%s'", copy);
    if (rename(copy, vars) != 0)
        return hf_fail_sys(err, errno, "rename '%s' back", copy);
    return sync_folder(vars, err);
}

int lv_vars_put_back(const struct lv_machine_token *t, struct hf_err *err)
{
    HF_AUTOFREE char *vars = NULL;
    HF_AUTOFREE char *copy = NULL;
    if (name_both(t, &vars, &copy, err) != 0)
        return -1;
    if (!vars || access(copy, F_OK) != 0)
        return 0;
    if (HF_POINT_ERR("libvirt.before_machine_vars_back", err) != 0)
        return -1;
    if (take_over(copy, vars, err) != 0)
        return hf_left(err, "the former UEFI variables in '%s'", copy);
    return HF_POINT_ERR("libvirt.after_machine_vars_back", err);
}

int lv_vars_forget(const struct lv_machine_token *t, struct hf_err *err)
{
    HF_AUTOFREE char *vars = NULL;
    HF_AUTOFREE char *copy = NULL;
    if (name_both(t, &vars, &copy, err) != 0)
        return -1;
    if (!vars || unlink(copy) == 0 || errno == ENOENT)
        return 0;
    hf_fail_sys(err, errno, "copy of UEFI variables '%s'", copy);
    return hf_left(err, "file '%s'", copy);
}
