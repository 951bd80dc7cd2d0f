/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "point/manifest_intern.h"

#include <stdlib.h>
#include <string.h>

static const char *const off_hosts[HF_POINT_OFF_HOST_KINDS] = {
    [HF_POINT_NOT_OFF_HOST] = "no",
    [HF_POINT_OFF_HOST_ASSUMED] = "assumed",
    [HF_POINT_OFF_HOST_PROVEN] = "proven",
};

const char *hf_point_off_host_name(enum hf_point_off_host o)
{
    return off_hosts[o];
}

void hf_point_pushed_free(struct hf_point_pushed *p)
{
    char *owned[] = {p->ref, p->form, p->place, p->off_host_why};
    for (size_t i = 0; i < HF_ARRAY_SIZE(owned); i++)
        free(owned[i]);
    hf_strv_free(&p->disks);
    *p = (struct hf_point_pushed){0};
}

/* ---- read ------------------------------------------------------------------------------- */

/* It is handed to a hypervisor, and printed. */
static int check_word(const char *text, const char *key, struct hf_err *err)
{
    size_t len = strlen(text);
    for (const char *p = text; *p; p++)
        if (hf_is_control(*p))
            return hf_fail(err, HF_E_CORRUPT, "'%s' has a control character", key);
    return len && len <= HF_MANIFEST_REF_MAX
               ? 0
               : hf_fail(err, HF_E_CORRUPT, "'%s' has %zu bytes", key, len);
}

static int read_word(struct json_object *o, const char *key, char **out, struct hf_err *err)
{
    return hf_manifest_copy(o, key, out, err) < 0 ? -1 : check_word(*out, key, err);
}

static int read_disks(struct json_object *o, struct hf_point_pushed *p, struct hf_err *err)
{
    if (hf_json_get_strings(o, "disks", &p->disks, err) < 0)
        return -1;
    if (p->disks.n == 0 || p->disks.n > HF_MANIFEST_ARTIFACTS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "it has %zu disks", p->disks.n);
    for (size_t i = 0; i < p->disks.n; i++) {
        const char *name = p->disks.items[i];
        if (check_word(name, "disks", err) < 0)
            return -1;
        for (size_t j = 0; j < i; j++)
            if (strcmp(p->disks.items[j], name) == 0)
                return hf_fail(err, HF_E_CORRUPT, "disk '%.40s' stands twice", name);
    }
    return 0;
}

static int read_off_host(struct json_object *o, struct hf_point_pushed *p, struct hf_err *err)
{
    const char *text = NULL;
    if (hf_json_get_string(o, "off_host", &text, err) < 0)
        return -1;
    for (int i = 0; i < HF_POINT_OFF_HOST_KINDS; i++)
        if (strcmp(text, off_hosts[i]) == 0) {
            p->off_host = (enum hf_point_off_host)i;
            return hf_manifest_copy_opt(o, "off_host_why", &p->off_host_why, err);
        }
    return hf_fail(err, HF_E_CORRUPT, "'off_host' is '%.40s'", text);
}

int hf_manifest_read_pushed(struct json_object *o, struct hf_point_artifact *a, struct hf_err *err)
{
    struct hf_point_pushed *p = &a->pushed;
    if (read_word(o, "ref", &p->ref, err) < 0 || read_word(o, "form", &p->form, err) < 0 ||
        read_word(o, "place", &p->place, err) < 0 || read_disks(o, p, err) < 0 ||
        read_off_host(o, p, err) < 0)
        return -1;
    return hf_manifest_opt_time(o, "taken_at", &p->taken_us, err);
}

/* Disks lie in one place. Who knows format 1 alone would show a point without any. */
int hf_manifest_check_pushed(const struct hf_manifest *m, int64_t format, struct hf_err *err)
{
    size_t n = 0, images = 0;
    for (size_t i = 0; i < m->n_artifacts; i++) {
        n += m->artifacts[i].kind == HF_POINT_PUSHED;
        images += m->artifacts[i].kind == HF_POINT_IMAGE;
    }
    if ((n > 0) != (format == HF_MANIFEST_FORMAT_PUSHED))
        return hf_fail(err, HF_E_CORRUPT, "format %lld has %zu backups of the hypervisor",
                       (long long)format, n);
    return n > 1 || (n && images)
               ? hf_fail(err, HF_E_CORRUPT, "%zu backups of the hypervisor and %zu images", n,
                         images)
               : 0;
}

/* ---- written ---------------------------------------------------------------------------- */

int hf_manifest_add_pushed(struct json_object *o, const struct hf_point_artifact *a)
{
    const struct hf_point_pushed *p = &a->pushed;
    return hf_json_add_string(o, "ref", p->ref) < 0 || hf_json_add_string(o, "form", p->form) < 0 ||
                   hf_json_add_string(o, "place", p->place) < 0 ||
                   hf_json_add(o, "disks", hf_json_strings(&p->disks)) < 0 ||
                   hf_json_add_string(o, "off_host", off_hosts[p->off_host]) < 0 ||
                   hf_json_add_string(o, "off_host_why", p->off_host_why) < 0 ||
                   hf_json_add_time(o, "taken_at", p->taken_us) < 0
               ? -1
               : 0;
}
