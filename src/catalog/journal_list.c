/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"
#include "base/path.h"
#include "catalog/journal.h"
#include "catalog/journal_intern.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_ids(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void dir_close(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

/* Takes the id out of a file name; false: not one of ours. */
static bool id_of(const char *name, char out[HF_ID_MAX])
{
    size_t len = strlen(name), suffix = strlen(HF_JOURNAL_SUFFIX);
    if (len <= suffix || len - suffix >= HF_ID_MAX ||
        strcmp(name + len - suffix, HF_JOURNAL_SUFFIX))
        return false;
    memcpy(out, name, len - suffix);
    out[len - suffix] = '\0';
    return hf_id_is_valid(out);
}

int hf_journal_list(const char *state_dir, struct hf_strv *out, struct hf_err *err)
{
    HF_AUTOFREE char *path = hf_path_join(state_dir, HF_JOURNAL_SUBDIR);
    if (!path)
        return hf_fail_nomem(err);
    __attribute__((cleanup(dir_close))) DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOENT ? 0 : hf_fail_sys(err, errno, "open directory '%s'", path);
    const struct dirent *item;
    while (errno = 0, (item = readdir(dir))) {
        char id[HF_ID_MAX];
        if (id_of(item->d_name, id) && hf_strv_add(out, id))
            return hf_fail_nomem(err);
    }
    if (errno)
        return hf_fail_sys(err, errno, "read directory '%s'", path);
    if (out->n)
        qsort(out->items, out->n, sizeof(*out->items), compare_ids);
    return 0;
}
