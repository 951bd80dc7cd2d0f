/* SPDX-License-Identifier: Apache-2.0 */
#include "run/datastores.h"

#include "base/mountinfo.h"
#include "base/path.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MOUNTS_MAX_BYTES (4 << 20)

/* Without it paths keep the hypervisor's names. */
static void read_mounts(struct hf_mountinfo *out)
{
    size_t len = 0;
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTOFREE char *text = hf_path_read("/proc/self/mountinfo", MOUNTS_MAX_BYTES, &len, &ignored);
    if (text && hf_mountinfo_parse(text, len, out, &ignored) < 0)
        hf_mountinfo_free(out);
}

/* The first place of the same filesystem. */
static const char *first_of(const struct hf_mountinfo *l, const struct hf_mountinfo_entry *m)
{
    size_t i = 0;
    while (l->items[i].major != m->major || l->items[i].minor != m->minor)
        i++;
    return l->items[i].mountpoint;
}

/* NULL: it is no file of this host. */
static const char *mounted_at(const struct hf_mountinfo *mounts, const char *path)
{
    struct stat st;
    HF_AUTOFREE char *real = path && *path == '/' ? realpath(path, NULL) : NULL;
    if (!real || stat(real, &st) < 0 || !S_ISREG(st.st_mode))
        return NULL;
    const struct hf_mountinfo_entry *m = hf_mountinfo_find(mounts, real);
    return m ? first_of(mounts, m) : NULL;
}

int hf_datastores_add(struct hf_strv *out, const struct hf_disk_list *disks, struct hf_err *err)
{
    HF_AUTO(hf_mountinfo) struct hf_mountinfo mounts = {0};
    read_mounts(&mounts);
    for (size_t i = 0; i < disks->n; i++) {
        const struct hf_disk_copy *d = &disks->items[i];
        const char *at = d->skipped ? NULL : mounted_at(&mounts, d->source);
        if (!at && !d->skipped)
            at = d->store;
        if (at && !hf_strv_has(out, at) && hf_strv_add(out, at) < 0)
            return hf_fail_nomem(err);
    }
    return 0;
}
