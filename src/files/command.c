/* SPDX-License-Identifier: Apache-2.0 */
#include "files/command.h"

#include "base/buf.h"
#include "files/entry.h"

#include <string.h>

/* Records of 64 KiB are what a pipe holds. ACLs are tar's own, not seen as xattrs a second time. */
static const char *const fixed[] = {"env",
                                    "LC_ALL=C",
                                    "tar",
                                    "--create",
                                    "--file=-",
                                    "--format=posix",
                                    "--blocking-factor=128",
                                    "--directory=/",
                                    "--numeric-owner",
                                    "--acls",
                                    "--selinux",
                                    "--xattrs",
                                    "--xattrs-include=user.*",
                                    "--xattrs-include=trusted.*",
                                    "--xattrs-include=security.*",
                                    "--sparse",
                                    "--one-file-system",
                                    "--quoting-style=escape",
                                    "--no-wildcards-match-slash"};

/* "cache/" as "cache": tar compares names without the slash. */
static int add_exclude(struct hf_strv *out, const char *pattern, bool is_path)
{
    size_t len = strlen(pattern);
    while (len > 1 && pattern[len - 1] == '/')
        len--;
    while (is_path && len > 0 && *pattern == '/')
        pattern++, len--;
    return len ? hf_strv_take(out, hf_asprintf("--exclude=%.*s", (int)len, pattern)) : 0;
}

static int add_excludes(const struct hf_strv *excludes, struct hf_strv *out)
{
    for (int is_path = 0; is_path < 2; is_path++) {
        if (hf_strv_add(out, is_path ? "--anchored" : "--no-anchored") < 0)
            return -1;
        for (size_t i = 0; i < excludes->n; i++)
            if ((excludes->items[i][0] == '/') == is_path &&
                add_exclude(out, excludes->items[i], is_path) < 0)
                return -1;
    }
    return 0;
}

static int add_path(const char *path, struct hf_strv *out, struct hf_err *err)
{
    while (*path == '/')
        path++;
    HF_AUTOFREE char *name = strdup(*path ? path : ".");
    for (size_t len = name ? strlen(name) : 0; len > 1 && name[len - 1] == '/'; len--)
        name[len - 1] = '\0';
    if (!name)
        return hf_fail_nomem(err);
    if (!hf_entry_name_is_safe(name))
        return hf_fail(err, HF_E_CONFIG, "files: '/%s' is no plain path", path);
    return hf_strv_add(out, name) < 0 ? hf_fail_nomem(err) : 0;
}

int hf_files_command(const struct hf_strv *paths, const struct hf_strv *excludes,
                     struct hf_strv *out, struct hf_err *err)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(fixed); i++)
        if (hf_strv_add(out, fixed[i]) < 0)
            return hf_fail_nomem(err);
    if (add_excludes(excludes, out) < 0 || hf_strv_add(out, "--") < 0)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < paths->n; i++)
        if (add_path(paths->items[i], out, err) < 0)
            return -1;
    return 0;
}
