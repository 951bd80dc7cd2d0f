/* SPDX-License-Identifier: Apache-2.0
 *
 * store/dav/dav_xml.h - what a WebDAV server answers to PROPFIND.
 *
 * The text is hostile: no document type, no entities but the five, no network, no file; read response by response, by namespace and never by
 * prefix; texts are bounded. Errors: CORRUPT and retryable, with the first bytes of what is no such answer. What the server has under 404
 * is not there; what it does not describe for another reason (507: there is more; 403) is an error, AUTH or CORRUPT: half a
 * listing is none.
 */
#ifndef HF_STORE_DAV_XML_H
#define HF_STORE_DAV_XML_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_DAV_XML_MAX ((size_t)128 << 20)
#define HF_DAV_TEXT_MAX ((size_t)4096)

struct hf_dav_entry {
    const char *path; /* decoded, from the root on, without '/' at its end; valid during the call */
    bool is_dir, has_bytes;
    uint64_t bytes;
    int64_t changed_s;  /* 0: not said */
    int64_t room_bytes; /* -1: not said */
};

/* Nonzero ends it, and is returned. */
typedef int (*hf_dav_emit)(void *ctx, const struct hf_dav_entry *e, struct hf_err *err);

int hf_dav_multistatus_parse(const char *xml, size_t len, hf_dav_emit emit, void *ctx,
                             struct hf_err *err) HF_CHECKED;

#endif
