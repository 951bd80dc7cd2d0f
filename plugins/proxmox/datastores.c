/* SPDX-License-Identifier: Apache-2.0 */
#include "datastores.h"

#include <string.h>

#define ASK_MS 5000

void pve_datastores_free(struct pve_datastores *s)
{
    json_object_put(s->rows);
    *s = (struct pve_datastores){0};
}

void pve_datastores_load(struct hf_instance *in, const struct hf_call *call,
                         struct pve_datastores *out)
{
    struct hf_err why = HF_ERR_INIT;
    struct hf_call brief = *call;
    if (pve_left_ms(in, call) > ASK_MS)
        brief.deadline_ms = pve_now_ms(in) + ASK_MS;
    out->node = in->node;
    if (pve_get(in, &brief, "/cluster/resources?type=storage", &out->rows, &why) != 0)
        pve_log(in, HF_LOG_WARN, "what is free in the storages is not known: %s", why.message);
}

static struct json_object *row_of(const struct pve_datastores *s, const char *id, size_t len)
{
    size_t n = pve_rows(s->rows);
    for (size_t i = 0; i < n; i++) {
        struct json_object *o = json_object_array_get_idx(s->rows, i);
        const char *type = pve_text(o, "type"), *name = pve_text(o, "storage"),
                   *node = pve_text(o, "node");
        if (type && strcmp(type, "storage") == 0 && name && strlen(name) == len &&
            strncmp(name, id, len) == 0 && node && strcmp(node, s->node) == 0)
            return o;
    }
    return NULL;
}

/* A node that is away, or just booted, or a storage that its node could not look at, has none. */
static void fill_room(struct json_object *row, struct hf_disk *disk)
{
    int64_t total = pve_int(row, "maxdisk", 0), used = pve_int(row, "disk", -1);
    const char *status = pve_text(row, "status");
    if (!status || strcmp(status, "available") != 0 || total <= 0 || used < 0)
        return;
    disk->store_total_bytes = (uint64_t)total;
    disk->store_free_bytes = used < total ? (uint64_t)(total - used) : 0;
}

void pve_datastores_fill(const struct pve_datastores *s, struct hf_disk *disk, char *buf,
                         size_t size)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = disk->source ? strspn(disk->source, letters) : 0;
    if (!len || disk->source[len] != ':' || disk->skipped || disk->refused)
        return;
    struct json_object *row = row_of(s, disk->source, len);
    bool is_of_node = row && !pve_bool(row, "shared");
    snprintf(buf, size, "%.*s%s%s", (int)len, disk->source, is_of_node ? " on " : "",
             is_of_node ? s->node : "");
    disk->store = buf;
    if (row)
        fill_room(row, disk);
}
