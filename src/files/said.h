/* SPDX-License-Identifier: Apache-2.0
 *
 * files/said.h - what GNU tar (LC_ALL=C, --quoting-style=escape) says on stderr, sorted by what it means for an archive.
 *
 * Input      the guest's: hostile. A line beyond HF_SAID_LINE_MAX is cut; of each kind HF_SAID_KEPT lines are kept, all are
 *            counted. Names have no control characters in them.
 */
#ifndef HF_FILES_SAID_H
#define HF_FILES_SAID_H

#include "base/buf.h"
#include "base/strv.h"

#include <stdint.h>

#define HF_SAID_LINE_MAX ((size_t)8192)
#define HF_SAID_KEPT 100

enum hf_said_kind {
    HF_SAID_UNREADABLE, /* not in the archive, or without its end */
    HF_SAID_VANISHED,   /* was gone when its turn came */
    HF_SAID_CHANGED,    /* was written to while it was read */
    HF_SAID_SKIPPED,    /* sockets, other file systems: never in an archive */
    HF_SAID_OTHER,
    HF_SAID_KINDS
};

struct hf_said {
    struct hf_strv kept[HF_SAID_KINDS];
    uint64_t n[HF_SAID_KINDS];
    struct hf_buf line;
    bool is_nomem;
};
#define HF_SAID_INIT                                                                               \
    {                                                                                              \
        0                                                                                          \
    }

/* "unreadable", "vanished", … */
const char *hf_said_name(enum hf_said_kind kind);
/* Any piece of the stream; len 0: the end. */
void hf_said_add(struct hf_said *s, const char *data, size_t len);
void hf_said_free(struct hf_said *s);
HF_DEFINE_AUTO_VALUE(hf_said, hf_said_free)

#endif
