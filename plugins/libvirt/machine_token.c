/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "machine.h"
#include "net/json.h"

#include <string.h>

void lv_machine_token_free(struct lv_machine_token *t)
{
    free(t->uuid);
    free(t->name);
    free(t->run);
    free(t->purpose);
    free(t->nvram);
    free(t->former);
    *t = (struct lv_machine_token){0};
}

char *lv_machine_nvram(const char *dir, const char *name, const char *run)
{
    return hf_asprintf("%s/%s_VARS.hf-%s.fd", dir, name, run);
}

bool lv_machine_is_word(const char *text, const char *more)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t len = text ? strnlen(text, 65) : 0;
    if (!len || len > 64 || *text == '.' || *text == '-')
        return false;
    for (const char *p = text; *p; p++)
        if (!strchr(letters, *p) && !strchr(more, *p))
            return false;
    return true;
}

char *lv_machine_token_write(const struct lv_machine_token *t, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    int bad =
        !o || (hf_json_add_int(o, "v", 1) | hf_json_add_string(o, "op", "machine") |
               hf_json_add_string(o, "vm", t->uuid) | hf_json_add_string(o, "name", t->name) |
               hf_json_add_string(o, "run", t->run) | hf_json_add_string(o, "purpose", t->purpose) |
               hf_json_add_bool(o, "transient", t->is_transient));
    if (!bad && t->nvram)
        bad = hf_json_add_string(o, "nvram", t->nvram);
    if (!bad && t->former)
        bad = hf_json_add_string(o, "former", t->former);
    const char *text = bad ? NULL
                           : json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
                                                                   JSON_C_TO_STRING_NOSLASHESCAPE);
    char *copy = text ? strdup(text) : NULL;
    if (!copy)
        hf_fail_nomem(err);
    return copy;
}

static char *copy_of(const char *text, bool *failed)
{
    char *copy = text ? strdup(text) : NULL;
    *failed |= text && !copy;
    return copy;
}

/* Only a file that is named by this machine and run is ever removed. */
static int check_nvram(const struct lv_machine_token *t, struct hf_err *err)
{
    const char *slash = t->nvram ? strrchr(t->nvram, '/') : NULL;
    HF_AUTOFREE char *ours = lv_machine_nvram("", t->name, t->run);
    if (!ours)
        return hf_fail_nomem(err);
    if (!t->nvram || (*t->nvram == '/' && slash && strcmp(slash, ours) == 0))
        return 0;
    return hf_fail(err, HF_E_CORRUPT, "'%s' is no file of this machine", t->nvram);
}

static int read_token(struct json_object *o, struct lv_machine_token *out, struct hf_err *err)
{
    int64_t version;
    bool failed = false;
    const char *op, *uuid, *name, *run, *purpose, *nvram = NULL, *former = NULL;
    if (hf_json_get_int(o, "v", &version, err) != 0 || hf_json_get_string(o, "op", &op, err) != 0 ||
        hf_json_get_string(o, "vm", &uuid, err) != 0 ||
        hf_json_get_string(o, "name", &name, err) != 0 ||
        hf_json_get_string(o, "run", &run, err) != 0 ||
        hf_json_get_string(o, "purpose", &purpose, err) != 0 ||
        hf_json_get_bool(o, "transient", &out->is_transient, err) != 0 ||
        hf_json_opt_string(o, "nvram", &nvram, err) != 0 ||
        hf_json_opt_string(o, "former", &former, err) != 0)
        return -1;
    if (version != 1 || strcmp(op, "machine") != 0 || !lv_machine_is_word(name, "._+-") ||
        !lv_machine_is_word(run, "._-"))
        return hf_fail(err, HF_E_CORRUPT, "it is not of a machine");
    out->uuid = copy_of(uuid, &failed);
    out->name = copy_of(name, &failed);
    out->run = copy_of(run, &failed);
    out->purpose = copy_of(purpose, &failed);
    out->nvram = copy_of(nvram, &failed);
    out->former = copy_of(former, &failed);
    return failed ? hf_fail_nomem(err) : check_nvram(out, err);
}

int lv_machine_token_read(const char *text, struct lv_machine_token *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *o = hf_json_parse(text, strlen(text), err);
    return o && read_token(o, out, err) == 0 ? 0 : hf_wrap(err, "undo token");
}
