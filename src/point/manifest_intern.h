/* SPDX-License-Identifier: Apache-2.0
 *
 * point/manifest_intern.h - what stands around the inner object, byte for byte.
 */
#ifndef HF_POINT_MANIFEST_INTERN_H
#define HF_POINT_MANIFEST_INTERN_H

#include "net/json.h"
#include "point/manifest.h"

#define HF_MANIFEST_HEAD "{\"mac\":\""
#define HF_MANIFEST_MIDDLE "\",\"manifest\":"
#define HF_MANIFEST_TAIL "}\n"

/* manifest_pushed.c: what a pushed artifact has beside its name and sizes. add: -1 when memory ran out. */
int hf_manifest_read_pushed(struct json_object *o, struct hf_point_artifact *a, struct hf_err *err);
int hf_manifest_add_pushed(struct json_object *o, const struct hf_point_artifact *a);
/* CORRUPT: more than one, or disks of two kinds, or the format of another manifest. */
int hf_manifest_check_pushed(const struct hf_manifest *m, int64_t format, struct hf_err *err);
void hf_point_pushed_free(struct hf_point_pushed *p);

/* manifest_read.c. Copied; absent or null leaves *out (opt), or is CORRUPT. */
int hf_manifest_copy_opt(struct json_object *o, const char *key, char **out, struct hf_err *err);
int hf_manifest_copy(struct json_object *o, const char *key, char **out, struct hf_err *err);
int hf_manifest_opt_time(struct json_object *o, const char *key, int64_t *out, struct hf_err *err);

#endif
