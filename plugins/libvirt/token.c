/* SPDX-License-Identifier: Apache-2.0 */
#include "token.h"

#include "net/json.h"

#include <string.h>

static int add_disk(struct json_object *list, const struct lv_plan_disk *d)
{
    struct json_object *o = hf_json_append_object(list);
    if (!o)
        return -1;
    if (hf_json_add_string(o, "target", d->target) != 0 ||
        hf_json_add_string(o, "base", d->base.path) != 0)
        return -1;
    return hf_json_add_string(o, "overlay", d->overlay);
}

char *lv_token_write(const char *uuid, const char *name, const struct lv_plan_disk *disks, size_t n,
                     struct hf_err *err)
{
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    struct json_object *list = json_object_new_array();
    bool ok = o && list && hf_json_add_int(o, "v", 1) == 0 &&
              hf_json_add_string(o, "vm", uuid) == 0 && hf_json_add_string(o, "name", name) == 0;
    ok = ok && hf_json_add(o, "disks", json_object_get(list)) == 0;
    for (size_t i = 0; ok && i < n; i++)
        ok = add_disk(list, &disks[i]) == 0;
    const char *text = ok ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN) : NULL;
    char *copy = text ? strdup(text) : NULL;
    json_object_put(list);
    if (!copy)
        hf_fail_nomem(err);
    return copy;
}

static int check_belongs(struct json_object *o, const char *uuid, const char *name,
                         struct hf_err *err)
{
    int64_t version;
    const char *vm, *of;
    if (hf_json_get_int(o, "v", &version, err) != 0 || hf_json_get_string(o, "vm", &vm, err) != 0 ||
        hf_json_get_string(o, "name", &of, err) != 0)
        return -1;
    if (version != 1 || strcmp(vm, uuid) != 0 || strcmp(of, name) != 0)
        return hf_fail(err, HF_E_CORRUPT, "the undo token is not of '%s' of this VM", name);
    return 0;
}

int lv_token_read(const char *token, const char *uuid, const char *name,
                  int (*each)(void *ctx, const char *target, const char *base, const char *overlay,
                              struct hf_err *err),
                  void *ctx, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *o = hf_json_parse(token, strlen(token), err);
    struct json_object *list;
    if (!o || check_belongs(o, uuid, name, err) != 0 ||
        hf_json_get_array(o, "disks", &list, err) != 0)
        return hf_wrap(err, "undo token");
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *d = json_object_array_get_idx(list, i);
        const char *target, *base, *overlay;
        if (hf_json_get_string(d, "target", &target, err) != 0 ||
            hf_json_get_string(d, "base", &base, err) != 0 ||
            hf_json_get_string(d, "overlay", &overlay, err) != 0)
            return hf_wrap(err, "undo token");
        if (each(ctx, target, base, overlay, err) != 0)
            return -1;
    }
    return 0;
}
