/* SPDX-License-Identifier: Apache-2.0 */
#include "point/need.h"

#include "base/path.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER "manifests"
#define MAGIC "HFNEED02"

/* In this host's own byte order; behind it the packs, the roots, then the seal. */
struct head {
    char magic[8];
    uint64_t manifest_bytes;
    int64_t manifest_changed_s;
    int64_t taken_us;
    uint64_t objects, bytes, n_packs, n_roots;
    char vm[HF_POINT_VM_MAX];
    char id[HF_ID_MAX];
};

void hf_need_free(struct hf_need *n)
{
    free(n->packs);
    free(n->roots);
    *n = (struct hf_need){0};
}

static size_t file_bytes(uint64_t n_packs, uint64_t n_roots)
{
    return sizeof(struct head) + (size_t)n_packs * HF_IMAGE_PACK_ID +
           (size_t)n_roots * HF_IMAGE_ID + HF_IMAGE_ID;
}

static void seal(const struct hf_site *s, const unsigned char *file, size_t len,
                 unsigned char out[HF_IMAGE_ID])
{
    hf_image_id(s->keys->manifest_mac, file, len - HF_IMAGE_ID, out);
}

static char *path_of(const struct hf_site *s, const char *id)
{
    HF_AUTOFREE char *folder = hf_path_join(s->dir, FOLDER);
    return folder ? hf_path_join(folder, id) : NULL;
}

static bool is_cached(const struct hf_site *s)
{
    return !(s->store->features & HF_STORE_LOCAL);
}

/* ---- read ------------------------------------------------------------------------------- */

static bool is_of(const struct head *h, const struct hf_point_name *name,
                  const struct hf_store_object *now)
{
    return memcmp(h->magic, MAGIC, sizeof h->magic) == 0 && h->n_packs <= HF_MANIFEST_PACKS_MAX &&
           h->n_roots <= HF_MANIFEST_ARTIFACTS_MAX && h->manifest_bytes == now->bytes &&
           h->manifest_changed_s == now->changed_s && strncmp(h->vm, name->vm, sizeof h->vm) == 0 &&
           strncmp(h->id, name->id, sizeof h->id) == 0;
}

static int take_file(const unsigned char *file, const struct head *h,
                     const struct hf_point_name *name, struct hf_need *out)
{
    out->packs = calloc((size_t)h->n_packs + 1, HF_IMAGE_PACK_ID);
    out->roots = calloc((size_t)h->n_roots + 1, HF_IMAGE_ID);
    if (!out->packs || !out->roots)
        return -1;
    out->name = *name;
    out->taken_us = h->taken_us;
    out->objects = h->objects;
    out->bytes = h->bytes;
    out->n_packs = (size_t)h->n_packs;
    out->n_roots = (size_t)h->n_roots;
    file += sizeof *h;
    memcpy(out->packs, file, out->n_packs * HF_IMAGE_PACK_ID);
    memcpy(out->roots, file + out->n_packs * HF_IMAGE_PACK_ID, out->n_roots * HF_IMAGE_ID);
    return 0;
}

/* False: there is none that fits. */
static bool read_cached(const struct hf_site *s, const struct hf_point_name *name,
                        const struct hf_store_object *now, struct hf_need *out)
{
    struct hf_err ignored = HF_ERR_INIT;
    struct head h;
    size_t len = 0;
    unsigned char is[HF_IMAGE_ID];
    HF_AUTOFREE char *path = path_of(s, name->id);
    HF_AUTOFREE char *text =
        path ? hf_path_read(path, file_bytes(HF_MANIFEST_PACKS_MAX, HF_MANIFEST_ARTIFACTS_MAX),
                            &len, &ignored)
             : NULL;
    const unsigned char *file = (const unsigned char *)text;
    if (!file || len < file_bytes(0, 0))
        return false;
    memcpy(&h, file, sizeof h);
    if (!is_of(&h, name, now) || len != file_bytes(h.n_packs, h.n_roots))
        return false;
    seal(s, file, len, is);
    return memcmp(is, file + len - HF_IMAGE_ID, HF_IMAGE_ID) == 0 &&
           take_file(file, &h, name, out) == 0;
}

/* ---- written ---------------------------------------------------------------------------- */

static void write_cached(const struct hf_site *s, const struct hf_need *n,
                         const struct hf_store_object *was)
{
    struct hf_err ignored = HF_ERR_INIT;
    struct head h = {.manifest_bytes = was->bytes,
                     .manifest_changed_s = was->changed_s,
                     .taken_us = n->taken_us,
                     .objects = n->objects,
                     .bytes = n->bytes,
                     .n_packs = n->n_packs,
                     .n_roots = n->n_roots};
    const size_t len = file_bytes(n->n_packs, n->n_roots);
    HF_AUTOFREE unsigned char *file = malloc(len);
    HF_AUTOFREE char *folder = hf_path_join(s->dir, FOLDER);
    HF_AUTOFREE char *path = path_of(s, n->name.id);
    if (!file || !folder || !path)
        return;
    memcpy(h.magic, MAGIC, sizeof h.magic);
    snprintf(h.vm, sizeof h.vm, "%s", n->name.vm);
    snprintf(h.id, sizeof h.id, "%s", n->name.id);
    memcpy(file, &h, sizeof h);
    memcpy(file + sizeof h, n->packs, n->n_packs * HF_IMAGE_PACK_ID);
    memcpy(file + sizeof h + n->n_packs * HF_IMAGE_PACK_ID, n->roots, n->n_roots * HF_IMAGE_ID);
    seal(s, file, len, file + len - HF_IMAGE_ID);
    if (hf_path_mkdirs(folder, 0700, &ignored) == 0 &&
        hf_path_write(path, file, len, 0600, &ignored) < 0)
        hf_err_clear(&ignored);
}

/* ---- asked ------------------------------------------------------------------------------ */

static int take_roots(const struct hf_manifest *m, struct hf_need *out, struct hf_err *err)
{
    out->roots = calloc(m->n_artifacts + 1, HF_IMAGE_ID);
    if (!out->roots)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < m->n_artifacts; i++)
        if (m->artifacts[i].kind == HF_POINT_IMAGE)
            memcpy(out->roots[out->n_roots++], m->artifacts[i].root, HF_IMAGE_ID);
    return 0;
}

static int read_manifest(struct hf_site *s, const struct hf_point_name *name, struct hf_need *out,
                         struct hf_err *err)
{
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    if (hf_point_read(s, name, &m, err) < 0)
        return -1;
    out->name = m.point;
    out->taken_us = m.taken_us;
    hf_manifest_own(&m, &out->objects, &out->bytes);
    out->n_packs = m.n_packs;
    out->packs = HF_STEAL(m.packs);
    m.n_packs = 0;
    return take_roots(&m, out, err);
}

int hf_need_read(struct hf_site *s, const struct hf_point_name *name, struct hf_need *out,
                 struct hf_err *err)
{
    char manifest[HF_POINT_NAME_MAX];
    struct hf_store_object now = {0};
    if (!is_cached(s))
        return read_manifest(s, name, out, err);
    if (hf_point_manifest_name(name, s->is_encrypted, manifest, err) < 0 ||
        hf_store_head(s->store, manifest, &now, err) < 0)
        return -1;
    if (now.changed_s && read_cached(s, name, &now, out))
        return 0;
    if (read_manifest(s, name, out, err) < 0)
        return -1;
    if (now.changed_s)
        write_cached(s, out, &now);
    return 0;
}

/* ---- forgotten -------------------------------------------------------------------------- */

static int by_id(const void *id, const void *name)
{
    /* newest first, as hf_point_name_compare sorts */
    return strcmp(((const struct hf_point_name *)name)->id, id);
}

static void close_dir(DIR **d)
{
    if (*d)
        closedir(*d);
}

void hf_need_forget(struct hf_site *s, const struct hf_points *there)
{
    HF_AUTOFREE char *folder = hf_path_join(s->dir, FOLDER);
    __attribute__((cleanup(close_dir))) DIR *d = folder ? opendir(folder) : NULL;
    for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        const bool is_there =
            there->n && bsearch(e->d_name, there->items, there->n, sizeof *there->items, by_id);
        HF_AUTOFREE char *path = is_there || e->d_name[0] == '.' ? NULL : path_of(s, e->d_name);
        if (path)
            unlink(path);
    }
}
