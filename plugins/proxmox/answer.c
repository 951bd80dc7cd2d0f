/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "pve.h"

#include <string.h>

enum hf_err_class pve_class_of(const char *text)
{
    static const struct {
        const char *part;
        enum hf_err_class cls;
    } known[] = {
        {"Permission check failed", HF_E_AUTH},
        {"is locked (", HF_E_BUSY},
        {"Configuration file 'nodes/", HF_E_NOT_FOUND},
        {"already used", HF_E_CONFLICT},
        {"already exists", HF_E_CONFLICT},
        {"feature is not available", HF_E_UNSUPPORTED},
        {"if it's a template", HF_E_UNSUPPORTED},
        {"No space left", HF_E_NOSPACE},
        {"No such file or directory", HF_E_NOT_FOUND},
        {"no such task", HF_E_NOT_FOUND},
        {"No QEMU guest agent configured", HF_E_UNREACHABLE},
        {"QEMU guest agent is not running", HF_E_UNREACHABLE},
        {"is not running", HF_E_UNREACHABLE},
        {"has been disabled", HF_E_CONFLICT}, /* while frozen, or by the agent's configuration */
        {"lock file", HF_E_BUSY},
        {"can't acquire lock", HF_E_BUSY},
        {"replication running", HF_E_BUSY},
        {"needed by replication job", HF_E_BUSY}, /* until its next turn */
        {"max backup limit", HF_E_NOSPACE},
        {"number of protected backups", HF_E_NOSPACE},
        {"is not online", HF_E_UNREACHABLE},
        {"got timeout", HF_E_TIMEOUT},
        {"does not exist", HF_E_NOT_FOUND},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(known); i++)
        if (strstr(text, known[i].part))
            return known[i].cls;
    return HF_E_PLUGIN;
}

static enum hf_err_class class_of_status(long status, const char *text)
{
    switch (status) {
    case 401:
    case 403:
        return HF_E_AUTH;
    case 501:
    case 506:
        return HF_E_UNSUPPORTED;
    case 595:
    case 596:
    case 597:
    case 598:
    case 599:
        return HF_E_UNREACHABLE;
    default:
        return pve_class_of(text);
    }
}

/* The parameters that were refused, each with its reason. */
static void add_errors(struct json_object *doc, struct hf_buf *text)
{
    struct json_object *errors = NULL;
    if (!doc || !json_object_object_get_ex(doc, "errors", &errors) ||
        !json_object_is_type(errors, json_type_object))
        return;
    json_object_object_foreach(errors, key, value)
        hf_buf_printf(text, " %.64s: %.200s;", key, value ? json_object_get_string(value) : "");
}

static void strip(char *text, const char *secret)
{
    size_t len = strlen(secret);
    for (char *p = text; len >= 4 && (p = strstr(p, secret));)
        memset(p, '*', len);
    hf_replace_controls(text, ' ');
    for (size_t n = strlen(text); n && strchr(" ;", text[n - 1]); n--)
        text[n - 1] = '\0';
}

static int hint_rights(const struct hf_instance *in, const char *text, struct hf_err *err)
{
    if (strstr(text, "Permission check failed"))
        return hf_hint(
            err,
            "Give that right to the role of the user AND of the token: pveum role modify holdfast "
            "--append 1 --privs RIGHT (docs/plugins/proxmox.md, \"Rights needed\").");
    return hf_hint(err, in->token_file
                            ? "Is the token right, not expired, and known on all nodes (a new one "
                              "takes some seconds)?"
                            : "Are user, realm and password right?");
}

int pve_fail_status(struct hf_instance *in, const struct hf_http_answer *reply, const char *method,
                    const char *path, struct hf_err *err)
{
    struct hf_err ignored = HF_ERR_INIT;
    char reason[512];
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTOJSON struct json_object *doc =
        reply->body.len ? hf_json_parse(hf_buf_str(&reply->body), reply->body.len, &ignored) : NULL;
    const char *message = doc ? pve_text(doc, "message") : NULL;
    hf_http_reason(reply, reason, sizeof reason);
    hf_buf_printf(&text, "%.400s", message ? message : reason);
    add_errors(doc, &text);
    if (!hf_buf_ok(&text) || !text.len)
        return hf_fail(err, class_of_status(reply->status, ""), "%s: status %ld",
                       pve_hosts_name(in->api), reply->status);
    strip(text.data, hf_secret_reveal(in->secret));
    const char *id = strchr(hf_secret_reveal(in->secret), '=');
    if (in->token_file && id)
        strip(text.data, id + 1);
    hf_fail(err, class_of_status(reply->status, text.data), "%s (status %ld of %s %s)", text.data,
            reply->status, method, path);
    if (err->cls == HF_E_AUTH)
        hint_rights(in, text.data, err);
    err->retryable = reply->status == 595 || err->cls == HF_E_BUSY;
    return -1;
}

static struct json_object *member(struct json_object *o, const char *key)
{
    struct json_object *m = NULL;
    if (json_object_is_type(o, json_type_object))
        json_object_object_get_ex(o, key, &m);
    return m;
}

int64_t pve_int(struct json_object *o, const char *key, int64_t fallback)
{
    struct json_object *m = member(o, key);
    if (!m || (!json_object_is_type(m, json_type_int) && !json_object_is_type(m, json_type_string)))
        return fallback;
    if (json_object_is_type(m, json_type_int))
        return json_object_get_int64(m);
    char *end;
    errno = 0;
    const char *text = json_object_get_string(m);
    int64_t value = strtoll(text, &end, 10);
    return *text && !*end && errno == 0 ? value : fallback;
}

bool pve_bool(struct json_object *o, const char *key)
{
    struct json_object *m = member(o, key);
    if (!m)
        return false;
    if (json_object_is_type(m, json_type_string)) {
        const char *text = json_object_get_string(m);
        return *text && strcmp(text, "0") != 0;
    }
    return json_object_get_boolean(m);
}

size_t pve_rows(struct json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

char *pve_token_print(struct json_object *o, struct hf_err *err)
{
    const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
    char *owned = text ? strdup(text) : NULL;
    if (!owned)
        hf_fail_nomem(err);
    return owned;
}

const char *pve_text(struct json_object *o, const char *key)
{
    struct json_object *m = member(o, key);
    if (!m || json_object_is_type(m, json_type_object) || json_object_is_type(m, json_type_array))
        return NULL;
    const char *text = json_object_get_string(m);
    if (json_object_is_type(m, json_type_string) &&
        strlen(text) != (size_t)json_object_get_string_len(m))
        return NULL;
    return text;
}

int pve_narrow(struct json_object *string, struct hf_buf *out, struct hf_err *err)
{
    if (!string)
        return 0;
    if (!json_object_is_type(string, json_type_string))
        return hf_fail(err, HF_E_CORRUPT, "the guest's data are no string");
    const unsigned char *p = (const unsigned char *)json_object_get_string(string);
    size_t len = (size_t)json_object_get_string_len(string);
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = p[i];
        if (byte >= 0x80) { /* U+0080 to U+00FF: two bytes, C2 or C3 first */
            if ((byte != 0xC2 && byte != 0xC3) || i + 1 == len)
                return hf_fail(err, HF_E_CORRUPT,
                               "the guest's data hold a character that is no byte");
            byte = (unsigned char)((byte & 3) << 6 | (p[++i] & 0x3F));
        }
        hf_buf_add(out, &byte, 1);
    }
    return out->failed ? hf_fail_nomem(err) : 0;
}
