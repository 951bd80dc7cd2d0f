/* SPDX-License-Identifier: Apache-2.0
 *
 * run/point_doc.h - points as JSON: what the catalog keeps of them, and what their manifests say.
 *
 * Times are RFC 3339 UTC, what is unknown is null.
 */
#ifndef HF_RUN_POINT_DOC_H
#define HF_RUN_POINT_DOC_H

#include "catalog/catalog.h"
#include "net/json.h"
#include "point/manifest.h"

/* "artifacts": a {"kind","name","bytes","stored_bytes","incremental","incremental_why","digest"} for each, of an image "read_bytes" too. */
int hf_point_doc_artifacts(struct json_object *doc, const struct hf_manifest *m, struct hf_err *err)
    HF_CHECKED;

/* At the end of list: {"point","vm","taken_at","grade","stall_ms","bytes","protected","copies","last_drill"}. bytes: of all artifacts, null where
 * only the manifest could tell. */
int hf_point_doc_row(struct json_object *list, struct hf_catalog *c,
                     const struct hf_catalog_point *p, struct hf_err *err) HF_CHECKED;

/* "copies" as the catalog has them, and "protected": one of them is. Each is {"store","store_id","objects","bytes","protected",
 * "off_host","verified_at","damaged"}; off_host, "proven" or "assumed", is as the backup judged it (null: not known). A copy that
 * is damaged protects nothing. */
int hf_point_doc_copies(struct json_object *doc, struct hf_catalog *c, const char *point_id,
                        struct hf_err *err) HF_CHECKED;

/* "drills", newest first, at most HF_POINT_DRILLS: {"run","point","store","at","passed","recovery_ms"|null,"duration_ms",
 * "why"|null} each. */
#define HF_POINT_DRILLS 20
int hf_point_doc_drills(struct json_object *doc, struct hf_catalog *c, const char *point_id,
                        struct hf_err *err) HF_CHECKED;
/* "last_drill": the same of the newest, of a point or of a VM (the other one is NULL); null: there was none. */
int hf_point_doc_last_drill(struct json_object *doc, struct hf_catalog *c, const char *point_id,
                            const char *vm, struct hf_err *err) HF_CHECKED;

/* The manifest with the words of a backup's report. To be put. */
struct json_object *hf_point_doc_manifest(const struct hf_manifest *m, struct hf_err *err)
    HF_CHECKED;

#endif
