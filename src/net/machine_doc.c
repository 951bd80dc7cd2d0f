/* SPDX-License-Identifier: Apache-2.0 */
#include "net/machine_doc.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1

void hf_machine_doc_free(struct hf_machine_doc *m)
{
    json_object_put(m->doc);
    free(m->disks);
    *m = (struct hf_machine_doc){0};
}

static int odd(struct hf_err *err, const char *what)
{
    return hf_fail(err, HF_E_CORRUPT, "the machine's %s cannot be", what);
}

static int read_text(struct json_object *o, const char *key, size_t max, const char **out,
                     struct hf_err *err)
{
    *out = "";
    if (hf_json_opt_string(o, key, out, err) < 0)
        return -1;
    return strlen(*out) <= max ? 0 : odd(err, key);
}

static int read_number(struct json_object *o, const char *key, int64_t least, int64_t most,
                       int64_t *out, struct hf_err *err)
{
    if (hf_json_get_int(o, key, out, err) < 0)
        return -1;
    return *out >= least && *out <= most ? 0 : odd(err, key);
}

static int read_list(struct json_object *o, const char *key, size_t max, struct json_object **out,
                     struct hf_err *err)
{
    if (hf_json_get_array(o, key, out, err) < 0)
        return -1;
    return json_object_array_length(*out) <= max ? 0 : odd(err, key);
}

/* ---- devices ---------------------------------------------------------------------------- */

static const struct hf_doc_controller *find_controller(const struct hf_machine_doc *m, int64_t key)
{
    for (size_t i = 0; i < m->n_controllers; i++)
        if (m->controllers[i].key == key)
            return &m->controllers[i];
    return NULL;
}

static int read_controllers(struct hf_machine_doc *m, struct hf_err *err)
{
    struct json_object *list;
    if (read_list(m->doc, "controllers", HF_DOC_CONTROLLERS_MAX, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        struct hf_doc_controller *c = &m->controllers[i];
        if (hf_json_get_string(o, "kind", &c->kind, err) < 0 ||
            read_number(o, "key", INT32_MIN, INT32_MAX, &c->key, err) < 0 ||
            read_number(o, "bus", 0, 255, &c->bus, err) < 0)
            return -1;
        if (find_controller(m, c->key))
            return odd(err, "controllers");
        m->n_controllers++;
    }
    return 0;
}

static bool has_disk(const struct hf_machine_doc *m, const char *target)
{
    for (size_t i = 0; i < m->n_disks; i++)
        if (strcmp(m->disks[i].target, target) == 0)
            return true;
    return false;
}

static int read_disks(struct hf_machine_doc *m, struct hf_err *err)
{
    struct json_object *list;
    if (read_list(m->doc, "disks", HF_DOC_DISKS_MAX, &list, err) < 0)
        return -1;
    m->disks = calloc(json_object_array_length(list) + 1, sizeof *m->disks);
    if (!m->disks)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        struct hf_doc_disk *d = &m->disks[i];
        if (hf_json_get_string(o, "target", &d->target, err) < 0 ||
            read_number(o, "controller", INT32_MIN, INT32_MAX, &d->controller, err) < 0 ||
            read_number(o, "unit", 0, 65535, &d->unit, err) < 0 ||
            hf_json_get_bool(o, "captured", &d->is_captured, err) < 0)
            return -1;
        if (strlen(d->target) > HF_DOC_TEXT_MAX || has_disk(m, d->target) ||
            !find_controller(m, d->controller))
            return odd(err, "disks");
        m->n_disks++;
    }
    return 0;
}

/* Whatever else stands there is no address, and goes nowhere. */
static bool is_mac(const char *s)
{
    for (int i = 0; i < 17; i++)
        if (i % 3 == 2 ? s[i] != ':' : !s[i] || !strchr("0123456789abcdefABCDEF", s[i]))
            return false;
    return !s[17];
}

static bool is_uuid(const char *s)
{
    for (int i = 0; i < 36; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23 ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
            return false;
    return !s[36];
}

static int read_nics(struct hf_machine_doc *m, struct hf_err *err)
{
    struct json_object *list;
    if (read_list(m->doc, "nics", HF_DOC_NICS_MAX, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        struct hf_doc_nic *n = &m->nics[i];
        if (hf_json_get_string(o, "kind", &n->kind, err) < 0 ||
            read_text(o, "network", HF_DOC_TEXT_MAX, &n->network, err) < 0 ||
            read_text(o, "mac", HF_DOC_TEXT_MAX, &n->mac, err) < 0 ||
            hf_json_get_bool(o, "connected", &n->is_connected, err) < 0)
            return -1;
        if (!is_mac(n->mac))
            n->mac = NULL;
        m->n_nics++;
    }
    return 0;
}

/* ---- the whole -------------------------------------------------------------------------- */

static bool says_it_is(struct json_object *doc)
{
    const char *format = hf_json_text(doc, "format");
    return format && strcmp(format, HF_MACHINE_DOC) == 0;
}

bool hf_machine_doc_is(const char *text, size_t len)
{
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *doc = hf_json_parse(text, len, &ignored);
    return doc && says_it_is(doc);
}

static int read_head(struct hf_machine_doc *m, struct hf_err *err)
{
    const char *firmware;
    if (read_text(m->doc, "name", HF_DOC_TEXT_MAX, &m->name, err) < 0 ||
        read_text(m->doc, "guest", HF_DOC_TEXT_MAX, &m->guest, err) < 0 ||
        read_text(m->doc, "hardware", HF_DOC_TEXT_MAX, &m->hardware, err) < 0 ||
        read_text(m->doc, "annotation", HF_DOC_ANNOTATION_MAX, &m->annotation, err) < 0 ||
        read_text(m->doc, "bios_uuid", HF_DOC_TEXT_MAX, &m->uuid, err) < 0 ||
        hf_json_get_string(m->doc, "firmware", &firmware, err) < 0 ||
        hf_json_get_bool(m->doc, "secure_boot", &m->is_secure, err) < 0 ||
        read_number(m->doc, "cpus", 1, 4096, &m->cpus, err) < 0 ||
        read_number(m->doc, "cores_per_socket", 1, 4096, &m->cores_per_socket, err) < 0 ||
        read_number(m->doc, "memory_mib", 1, INT64_C(1) << 30, &m->memory_mib, err) < 0)
        return -1;
    if (!is_uuid(m->uuid))
        m->uuid = NULL;
    m->is_uefi = strcmp(firmware, "efi") == 0;
    return m->is_uefi || strcmp(firmware, "bios") == 0 ? 0 : odd(err, "firmware");
}

int hf_machine_doc_parse(const char *text, size_t len, struct hf_machine_doc *out,
                         struct hf_err *err)
{
    int64_t version = 0;
    struct hf_err ignored = HF_ERR_INIT;
    out->doc = hf_json_parse(text, len, &ignored);
    if (!out->doc || !says_it_is(out->doc))
        return hf_fail(err, HF_E_UNSUPPORTED,
                       "the machine's definition is of another kind: no OVF can be made of it");
    if (hf_json_get_int(out->doc, "version", &version, err) < 0)
        return -1;
    if (version != VERSION)
        return hf_fail(err, HF_E_UNSUPPORTED, "a machine's definition of version %lld",
                       (long long)version);
    return read_head(out, err) < 0 || read_controllers(out, err) < 0 || read_disks(out, err) < 0
               ? -1
               : read_nics(out, err);
}
