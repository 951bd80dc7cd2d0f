/* SPDX-License-Identifier: Apache-2.0 */
#include "point/layout.h"

#include <stdio.h>
#include <string.h>

#define AGE ".age"

static const char *const kinds[HF_POINT_KINDS] = {
    [HF_POINT_IMAGE] = "image",   [HF_POINT_DUMP] = "dump",     [HF_POINT_FILES] = "files",
    [HF_POINT_DEFINITION] = "vm", [HF_POINT_PUSHED] = "pushed",
};

const char *hf_point_kind_name(enum hf_point_kind kind)
{
    return kinds[kind];
}

int hf_point_kind_parse(const char *text, enum hf_point_kind *out)
{
    for (size_t i = 0; i < HF_POINT_KINDS; i++)
        if (strcmp(text, kinds[i]) == 0) {
            *out = (enum hf_point_kind)i;
            return 0;
        }
    return -1;
}

/* ---- labels ----------------------------------------------------------------------------- */

/* Not isalnum: a locale must not decide what lies on a store. */
static bool is_plain(char c, bool is_first)
{
    static const char *const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789_~@+-";
    return c && (strchr(plain, c) || (c == '.' && !is_first));
}

int hf_point_vm_encode(const char *label, char out[HF_POINT_VM_MAX], struct hf_err *err)
{
    size_t n = 0;
    for (const char *p = label; *p; p++) {
        const bool is_as_it_is = is_plain(*p, p == label);
        if (n + (is_as_it_is ? 1 : 3) >= HF_POINT_VM_MAX)
            return hf_fail(err, HF_E_CONFIG, "the name of vm '%.40s…' is too long for a store",
                           label);
        if (is_as_it_is)
            out[n++] = *p;
        else
            n += (size_t)snprintf(out + n, 4, "=%02X", (unsigned char)*p);
    }
    out[n] = '\0';
    return n ? 0 : hf_fail(err, HF_E_CONFIG, "a VM without a name");
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool hf_point_vm_decode(const char *part, char out_label[HF_POINT_VM_MAX])
{
    struct hf_err ignored = HF_ERR_INIT;
    char again[HF_POINT_VM_MAX];
    size_t n = 0;
    if (strlen(part) >= HF_POINT_VM_MAX)
        return false;
    for (const char *p = part; *p; p++) {
        if (*p != '=') {
            out_label[n++] = *p;
            continue;
        }
        int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);
        if (low < 0 || (high | low) == 0)
            return false;
        out_label[n++] = (char)(high << 4 | low);
        p += 2;
    }
    out_label[n] = '\0';
    return hf_point_vm_encode(out_label, again, &ignored) == 0 && strcmp(again, part) == 0;
}

/* ---- points ----------------------------------------------------------------------------- */

int hf_point_name_set(struct hf_point_name *n, const char *vm, const char *id, struct hf_err *err)
{
    char part[HF_POINT_VM_MAX];
    if (hf_point_vm_encode(vm, part, err) < 0)
        return -1;
    if (!hf_id_is_valid(id))
        return hf_fail(err, HF_E_CONFIG, "'%.40s' is no id of a point", id);
    snprintf(n->vm, sizeof n->vm, "%s", vm);
    snprintf(n->id, sizeof n->id, "%s", id);
    return 0;
}

int hf_point_name_compare(const void *a, const void *b)
{
    const struct hf_point_name *x = a, *y = b;
    int by_time = strcmp(y->id, x->id);
    return by_time ? by_time : strcmp(x->vm, y->vm);
}

int hf_point_vm_prefix(const char *vm, char out[HF_POINT_NAME_MAX], struct hf_err *err)
{
    char part[HF_POINT_VM_MAX];
    if (hf_point_vm_encode(vm, part, err) < 0)
        return -1;
    snprintf(out, HF_POINT_NAME_MAX, HF_POINTS_PREFIX "%s/", part);
    return 0;
}

int hf_point_prefix(const struct hf_point_name *n, char out[HF_POINT_NAME_MAX], struct hf_err *err)
{
    char part[HF_POINT_VM_MAX];
    if (hf_point_vm_encode(n->vm, part, err) < 0)
        return -1;
    snprintf(out, HF_POINT_NAME_MAX, HF_POINTS_PREFIX "%s/%s/", part, n->id);
    return 0;
}

int hf_point_object_at(const struct hf_point_name *n, const char *object,
                       char out[HF_POINT_NAME_MAX], struct hf_err *err)
{
    char prefix[HF_POINT_NAME_MAX];
    if (hf_point_prefix(n, prefix, err) < 0)
        return -1;
    int len = snprintf(out, HF_POINT_NAME_MAX, "%s%s", prefix, object);
    return len < HF_POINT_NAME_MAX && hf_store_name_is_valid(out)
               ? 0
               : hf_fail(err, HF_E_CONFIG, "'%.100s' cannot be an object of a point", object);
}

int hf_point_manifest_name(const struct hf_point_name *n, bool is_encrypted,
                           char out[HF_POINT_NAME_MAX], struct hf_err *err)
{
    return hf_point_object_at(n, is_encrypted ? "manifest.json" AGE : "manifest.json", out, err);
}

/* ---- objects ---------------------------------------------------------------------------- */

bool hf_point_kind_has_objects(enum hf_point_kind kind)
{
    return kind != HF_POINT_IMAGE && kind != HF_POINT_PUSHED;
}

bool hf_point_object_is_valid(enum hf_point_kind kind, const char *object, bool is_encrypted)
{
    const char *folder = kinds[kind];
    size_t head = strlen(folder), len = strlen(object), tail = is_encrypted ? strlen(AGE) : 0;
    /* points/VM/POINT/ before it leaves this much of a name, whatever the VM is called. */
    const size_t max = HF_STORE_NAME_MAX - strlen(HF_POINTS_PREFIX) - HF_POINT_VM_MAX - HF_ID_MAX;
    return hf_point_kind_has_objects(kind) && len <= max && len > head + 1 + tail &&
           strncmp(object, folder, head) == 0 && object[head] == '/' &&
           (!is_encrypted || strcmp(object + len - tail, AGE) == 0) &&
           hf_store_name_is_valid(object) && !strchr(object + head + 1, '/');
}

int hf_point_object_name(enum hf_point_kind kind, const char *name, bool is_encrypted,
                         char out[HF_POINT_NAME_MAX], struct hf_err *err)
{
    int len =
        snprintf(out, HF_POINT_NAME_MAX, "%s/%s%s", kinds[kind], name, is_encrypted ? AGE : "");
    return len < HF_POINT_NAME_MAX && hf_point_object_is_valid(kind, out, is_encrypted)
               ? 0
               : hf_fail(err, HF_E_CONFIG, "'%.100s' cannot be the name of an object", name);
}

/* ---- listings --------------------------------------------------------------------------- */

/* The part before the '/' at the end; false: there is more, or none. */
static bool last_part(const char *text, char *out, size_t size)
{
    size_t len = strcspn(text, "/");
    if (len == 0 || len >= size || strcmp(text + len, "/") != 0)
        return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

bool hf_point_vm_of_group(const char *group, char out_label[HF_POINT_VM_MAX])
{
    char part[HF_POINT_VM_MAX];
    const size_t head = strlen(HF_POINTS_PREFIX);
    return strncmp(group, HF_POINTS_PREFIX, head) == 0 &&
           last_part(group + head, part, sizeof part) && hf_point_vm_decode(part, out_label);
}

bool hf_point_of_group(const char *group, struct hf_point_name *out)
{
    char vm_group[HF_POINT_NAME_MAX];
    const size_t head = strlen(HF_POINTS_PREFIX);
    if (strncmp(group, HF_POINTS_PREFIX, head) != 0)
        return false;
    size_t len = head + strcspn(group + head, "/");
    if (group[len] != '/' || len + 2 > sizeof vm_group)
        return false;
    memcpy(vm_group, group, len + 1);
    vm_group[len + 1] = '\0';
    return hf_point_vm_of_group(vm_group, out->vm) &&
           last_part(group + len + 1, out->id, sizeof out->id) && hf_id_is_valid(out->id);
}
