/* SPDX-License-Identifier: Apache-2.0
 *
 * files/entry.h - one line of an archive's listing: a JSON object.
 *
 *     {"name": "var/www/a", "type": "file", "size": 3, "mode": "0644", "uid": 0, "gid": 0, "mtime": "1700000000.000000000",
 *      "at": 1024, "sha256": "…"}
 *
 * type      file, hardlink, symlink, dir, fifo, char, block
 * link      of a hardlink or symlink: where it leads. A hardlink has no content of its own.
 * at        where it begins in the tar; archives of before do not tell.
 * name, link that are no UTF-8 are name_hex and link_hex: their bytes in hexadecimal.
 *
 * Input     a listing may have been tampered with: lines, names and numbers are bounded, anything odd is CORRUPT.
 */
#ifndef HF_FILES_ENTRY_H
#define HF_FILES_ENTRY_H

#include "base/buf.h"
#include "io/sha256.h"

#include <stdint.h>

#define HF_ENTRY_NAME_MAX 4095
#define HF_ENTRY_LINE_MAX ((size_t)64 << 10)
#define HF_ENTRY_SIZE_MAX ((uint64_t)1 << 50)
#define HF_ENTRY_AT_MAX ((uint64_t)1 << 60)

enum hf_entry_type {
    HF_ENTRY_FILE,
    HF_ENTRY_HARDLINK,
    HF_ENTRY_SYMLINK,
    HF_ENTRY_DIR,
    HF_ENTRY_FIFO,
    HF_ENTRY_CHAR,
    HF_ENTRY_BLOCK,
    HF_ENTRY_TYPES
};

struct hf_entry {
    char *name, *link; /* owned; link NULL: none */
    enum hf_entry_type type;
    uint64_t size, uid, gid, at;
    unsigned mode; /* permission bits */
    int64_t mtime_s;
    long mtime_ns;
    char sha256[HF_SHA256_HEX]; /* "": no content */
    bool has_at;
};

const char *hf_entry_type_name(enum hf_entry_type type);
/* With the newline. */
int hf_entry_print(const struct hf_entry *e, struct hf_buf *out, struct hf_err *err) HF_CHECKED;
/* out is empty before. line: without the newline. */
int hf_entry_parse(const char *line, size_t len, struct hf_entry *out, struct hf_err *err)
    HF_CHECKED;
/* Relative, no empty, "." (but alone) or ".." part, not too long: a name that stays where it is unpacked. */
bool hf_entry_name_is_safe(const char *name);
/* Does a link NAME -> LINK lead out of the directory that NAME is relative to? */
bool hf_entry_link_leaves(const char *name, const char *link);
void hf_entry_free(struct hf_entry *e);
HF_DEFINE_AUTO_VALUE(hf_entry, hf_entry_free)

#endif
