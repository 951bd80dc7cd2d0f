/* SPDX-License-Identifier: Apache-2.0 */
#include "net/json.h"

#include "base/clock.h"

#include <limits.h>
#include <string.h>

#define DEPTH_MAX 32

static inline void hf_auto_tokener_(struct json_tokener **tok)
{
    if (*tok)
        json_tokener_free(*tok);
}
#define AUTO_TOKENER __attribute__((cleanup(hf_auto_tokener_)))

/* Feeds the text, and a NUL behind it where the value could go on (a number at the top). */
static struct json_object *feed(struct json_tokener *tok, const char *text, size_t len,
                                size_t *out_end)
{
    struct json_object *doc = json_tokener_parse_ex(tok, text, (int)len);
    *out_end = json_tokener_get_parse_end(tok);
    if (json_tokener_get_error(tok) == json_tokener_continue)
        doc = json_tokener_parse_ex(tok, "", 1);
    return doc;
}

struct json_object *hf_json_parse(const char *text, size_t len, struct hf_err *err)
{
    if (len > INT_MAX || memchr(text, '\0', len)) {
        hf_fail(err, HF_E_CORRUPT, "JSON with a NUL byte, or larger than 2 GiB");
        return NULL;
    }
    AUTO_TOKENER struct json_tokener *tok = json_tokener_new_ex(DEPTH_MAX);
    if (!tok) {
        hf_fail_nomem(err);
        return NULL;
    }
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    size_t end = 0;
    HF_AUTOJSON struct json_object *doc = feed(tok, text, len, &end);
    enum json_tokener_error error = json_tokener_get_error(tok);
    if (error != json_tokener_success) {
        hf_fail(err, HF_E_CORRUPT, "not JSON: %s (byte %zu)", json_tokener_error_desc(error), end);
        return NULL;
    }
    if (!doc) {
        hf_fail(err, HF_E_CORRUPT, "JSON null where a document was expected");
        return NULL;
    }
    return HF_STEAL(doc);
}

static const char *type_name(enum json_type type)
{
    static const char *const names[] = {
        [json_type_null] = "null",         [json_type_boolean] = "a boolean",
        [json_type_double] = "a fraction", [json_type_int] = "an integer",
        [json_type_object] = "an object",  [json_type_array] = "an array",
        [json_type_string] = "a string"};
    return names[type];
}

/* The member, of the type asked for; 0 with *out NULL: absent or null. */
static int find(struct json_object *o, const char *key, enum json_type type,
                struct json_object **out, struct hf_err *err)
{
    enum json_type outer = json_object_get_type(o);
    if (outer != json_type_object)
        return hf_fail(err, HF_E_CORRUPT, "'%s' sought in %s, an object was expected", key,
                       type_name(outer));
    struct json_object *member = NULL;
    json_object_object_get_ex(o, key, &member);
    if (member && !json_object_is_type(member, type))
        return hf_fail(err, HF_E_CORRUPT, "'%s' is %s, %s was expected", key,
                       type_name(json_object_get_type(member)), type_name(type));
    *out = member;
    return 0;
}

static int find_required(struct json_object *o, const char *key, enum json_type type,
                         struct json_object **out, struct hf_err *err)
{
    struct json_object *member = NULL;
    if (find(o, key, type, &member, err) < 0)
        return -1;
    if (!member)
        return hf_fail(err, HF_E_CORRUPT, "'%s' is %s, %s was expected", key,
                       json_object_object_get_ex(o, key, NULL) ? "null" : "missing",
                       type_name(type));
    *out = member;
    return 0;
}

static int string_of(struct json_object *member, const char *key, const char **out,
                     struct hf_err *err)
{
    const char *text = json_object_get_string(member);
    /* To a C string the rest would be invisible, and so would be what it hides. */
    if (strlen(text) != (size_t)json_object_get_string_len(member))
        return hf_fail(err, HF_E_CORRUPT, "'%s' contains a NUL character", key);
    *out = text;
    return 0;
}

static int int_of(struct json_object *member, const char *key, int64_t *out, struct hf_err *err)
{
    /* json-c 0.16 cuts numbers beyond uint64 or int64 to the end of the range without a word, so a
     * value at that end may be any; and get_int64 cuts again what lies above INT64_MAX. */
    int64_t value = json_object_get_int64(member);
    if (value == INT64_MIN || (value == INT64_MAX && json_object_get_uint64(member) > INT64_MAX))
        return hf_fail(err, HF_E_CORRUPT, "'%s' is out of range: %s", key,
                       json_object_get_string(member));
    *out = value;
    return 0;
}

int hf_json_get_string(struct json_object *o, const char *key, const char **out, struct hf_err *err)
{
    struct json_object *member = NULL;
    if (find_required(o, key, json_type_string, &member, err) < 0)
        return -1;
    return string_of(member, key, out, err);
}

int hf_json_get_int(struct json_object *o, const char *key, int64_t *out, struct hf_err *err)
{
    struct json_object *member = NULL;
    if (find_required(o, key, json_type_int, &member, err) < 0)
        return -1;
    return int_of(member, key, out, err);
}

int hf_json_get_bool(struct json_object *o, const char *key, bool *out, struct hf_err *err)
{
    struct json_object *member = NULL;
    if (find_required(o, key, json_type_boolean, &member, err) < 0)
        return -1;
    *out = json_object_get_boolean(member);
    return 0;
}

int hf_json_get_object(struct json_object *o, const char *key, struct json_object **out,
                       struct hf_err *err)
{
    return find_required(o, key, json_type_object, out, err);
}

int hf_json_get_array(struct json_object *o, const char *key, struct json_object **out,
                      struct hf_err *err)
{
    return find_required(o, key, json_type_array, out, err);
}

int hf_json_opt_string(struct json_object *o, const char *key, const char **out, struct hf_err *err)
{
    struct json_object *member = NULL;
    if (find(o, key, json_type_string, &member, err) < 0)
        return -1;
    return member ? string_of(member, key, out, err) : 0;
}

const char *hf_json_text(struct json_object *o, const char *key)
{
    struct hf_err none = HF_ERR_INIT;
    const char *text = NULL;
    return hf_json_opt_string(o, key, &text, &none) == 0 ? text : NULL;
}

struct json_object *hf_json_list(struct json_object *o, const char *key)
{
    struct hf_err none = HF_ERR_INIT;
    struct json_object *list = NULL;
    return hf_json_get_array(o, key, &list, &none) == 0 ? list : NULL;
}

int hf_json_opt_int(struct json_object *o, const char *key, int64_t *out, struct hf_err *err)
{
    struct json_object *member = NULL;
    if (find(o, key, json_type_int, &member, err) < 0)
        return -1;
    return member ? int_of(member, key, out, err) : 0;
}

int hf_json_add(struct json_object *o, const char *key, struct json_object *child)
{
    if (json_object_object_add(o, key, child) == 0)
        return 0;
    json_object_put(child);
    return -1;
}

int hf_json_add_string(struct json_object *o, const char *key, const char *value)
{
    if (!value)
        return hf_json_add(o, key, NULL);
    struct json_object *text = json_object_new_string(value);
    return text ? hf_json_add(o, key, text) : -1;
}

int hf_json_add_int(struct json_object *o, const char *key, int64_t value)
{
    struct json_object *number = json_object_new_int64(value);
    return number ? hf_json_add(o, key, number) : -1;
}

int hf_json_add_bool(struct json_object *o, const char *key, bool value)
{
    struct json_object *flag = json_object_new_boolean(value);
    return flag ? hf_json_add(o, key, flag) : -1;
}

int hf_json_add_time(struct json_object *o, const char *key, int64_t wall_us)
{
    char at[HF_TIME_MAX];
    hf_time_rfc3339(wall_us, at);
    return hf_json_add_string(o, key, wall_us ? at : NULL);
}

struct json_object *hf_json_add_array(struct json_object *o, const char *key)
{
    struct json_object *list = json_object_new_array();
    return hf_json_add(o, key, list) == 0 ? list : NULL;
}

struct json_object *hf_json_append_object(struct json_object *list)
{
    struct json_object *o = json_object_new_object();
    if (o && json_object_array_add(list, o) == 0)
        return o;
    json_object_put(o);
    return NULL;
}

struct json_object *hf_json_strings(const struct hf_strv *v)
{
    HF_AUTOJSON struct json_object *list = v ? json_object_new_array() : NULL;
    for (size_t i = 0; list && i < v->n; i++) {
        struct json_object *s = json_object_new_string(v->items[i]);
        if (!s || json_object_array_add(list, s) < 0) {
            json_object_put(s);
            return NULL;
        }
    }
    return HF_STEAL(list);
}

int hf_json_get_strings(struct json_object *o, const char *key, struct hf_strv *out,
                        struct hf_err *err)
{
    struct json_object *list = NULL;
    if (hf_json_get_array(o, key, &list, err) != 0)
        return -1;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *s = json_object_array_get_idx(list, i);
        if (!json_object_is_type(s, json_type_string))
            return hf_fail(err, HF_E_CORRUPT, "'%s' holds something else than texts", key);
        const char *text = json_object_get_string(s);
        if (strlen(text) != (size_t)json_object_get_string_len(s))
            return hf_fail(err, HF_E_CORRUPT, "'%s' holds a text with a NUL", key);
        if (hf_strv_add(out, text) < 0)
            return hf_fail_nomem(err);
    }
    return 0;
}
