/* SPDX-License-Identifier: Apache-2.0
 *
 * net/json.h - json-c with type errors: foreign JSON is read by these, never by blind getters.
 *
 * A missing key or another type is HF_E_CORRUPT naming the key and both types. Strings
 * returned are borrowed from the object. Parsing is bounded in depth (32) and by the given length.
 * What C would silently cut is refused: integers outside (INT64_MIN, INT64_MAX], strings with NUL.
 */
#ifndef HF_NET_JSON_H
#define HF_NET_JSON_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/strv.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline void hf_auto_json_(struct json_object **pp)
{
    int saved = errno;
    json_object_put(*pp);
    errno = saved;
}
#define HF_AUTOJSON __attribute__((cleanup(hf_auto_json_)))

/* A whole document, nothing behind it but white space. To be put. */
struct json_object *hf_json_parse(const char *text, size_t len, struct hf_err *err) HF_CHECKED;

/* Required members. */
int hf_json_get_string(struct json_object *o, const char *key, const char **out, struct hf_err *err)
    HF_CHECKED;
int hf_json_get_int(struct json_object *o, const char *key, int64_t *out, struct hf_err *err)
    HF_CHECKED;
int hf_json_get_bool(struct json_object *o, const char *key, bool *out, struct hf_err *err)
    HF_CHECKED;
int hf_json_get_object(struct json_object *o, const char *key, struct json_object **out,
                       struct hf_err *err) HF_CHECKED;
int hf_json_get_array(struct json_object *o, const char *key, struct json_object **out,
                      struct hf_err *err) HF_CHECKED;

/* An array of strings, added to out; any other member is CORRUPT. */
int hf_json_get_strings(struct json_object *o, const char *key, struct hf_strv *out,
                        struct hf_err *err) HF_CHECKED;

/* Optional: absent or null leaves *out as it was and returns 0; another type is an error. */
int hf_json_opt_string(struct json_object *o, const char *key, const char **out, struct hf_err *err)
    HF_CHECKED;
int hf_json_opt_int(struct json_object *o, const char *key, int64_t *out, struct hf_err *err)
    HF_CHECKED;

/* A member that is a string, or an array; NULL: there is none such. */
const char *hf_json_text(struct json_object *o, const char *key);
struct json_object *hf_json_list(struct json_object *o, const char *key);

/* Building: NULL string becomes null. Each returns -1 when memory ran out. */
int hf_json_add_string(struct json_object *o, const char *key, const char *value) HF_CHECKED;
int hf_json_add_int(struct json_object *o, const char *key, int64_t value) HF_CHECKED;
int hf_json_add_bool(struct json_object *o, const char *key, bool value) HF_CHECKED;
/* RFC 3339; 0: null. */
int hf_json_add_time(struct json_object *o, const char *key, int64_t wall_us) HF_CHECKED;
/* Takes ownership of child (also when it fails). */
int hf_json_add(struct json_object *o, const char *key, struct json_object *child) HF_CHECKED;
/* A new array as the member, which o owns. NULL: no memory. */
struct json_object *hf_json_add_array(struct json_object *o, const char *key);
/* A new object at the end of list, which owns it. NULL: no memory. */
struct json_object *hf_json_append_object(struct json_object *list);
/* NULL: no memory, or v is NULL. */
struct json_object *hf_json_strings(const struct hf_strv *v);

#endif
