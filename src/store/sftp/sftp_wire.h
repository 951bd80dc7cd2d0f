/* SPDX-License-Identifier: Apache-2.0
 *
 * store/sftp/sftp_wire.h - the packets of SFTP version 3, with OpenSSH's extensions: written, and read.
 *
 * What comes in is hostile: each length is held to the packet it stands in. Pure functions; errors: CORRUPT.
 */
#ifndef HF_STORE_SFTP_WIRE_H
#define HF_STORE_SFTP_WIRE_H

#include "base/buf.h"

#include <stdint.h>

#define HF_SFTP_PACKET_MAX ((size_t)(256 << 10) + 1024) /* without its length */
#define HF_SFTP_HANDLE_MAX 256
#define HF_SFTP_NAME_MAX 255 /* of an entry; longer ones are none of ours */

enum hf_sftp_type {
    HF_SFTP_INIT = 1,
    HF_SFTP_VERSION = 2,
    HF_SFTP_OPEN = 3,
    HF_SFTP_CLOSE = 4,
    HF_SFTP_READ = 5,
    HF_SFTP_WRITE = 6,
    HF_SFTP_LSTAT = 7,
    HF_SFTP_FSTAT = 8,
    HF_SFTP_OPENDIR = 11,
    HF_SFTP_READDIR = 12,
    HF_SFTP_REMOVE = 13,
    HF_SFTP_MKDIR = 14,
    HF_SFTP_RMDIR = 15,
    HF_SFTP_STAT = 17,
    HF_SFTP_RENAME = 18,
    HF_SFTP_STATUS = 101,
    HF_SFTP_HANDLE = 102,
    HF_SFTP_DATA = 103,
    HF_SFTP_NAME = 104,
    HF_SFTP_ATTRS = 105,
    HF_SFTP_EXTENDED = 200,
    HF_SFTP_EXTENDED_REPLY = 201,
};

enum hf_sftp_status {
    HF_SFTP_OK = 0,
    HF_SFTP_EOF = 1,
    HF_SFTP_NO_SUCH_FILE = 2,
    HF_SFTP_DENIED = 3,
    HF_SFTP_FAILURE = 4,
    HF_SFTP_BAD_MESSAGE = 5,
    HF_SFTP_NO_CONNECTION = 6,
    HF_SFTP_CONNECTION_LOST = 7,
    HF_SFTP_UNSUPPORTED = 8,
    /* Of later versions, that some servers give all the same. */
    HF_SFTP_EXISTS = 11,
    HF_SFTP_WRITE_PROTECT = 12,
    HF_SFTP_NO_SPACE = 14,
    HF_SFTP_QUOTA = 15,
};

enum hf_sftp_open {
    HF_SFTP_FOR_READ = 1,
    HF_SFTP_FOR_WRITE = 2,
    HF_SFTP_CREATE = 8,
    HF_SFTP_EXCLUSIVE = 32
};

struct hf_sftp_handle {
    char bytes[HF_SFTP_HANDLE_MAX];
    uint32_t len; /* 0: none */
};

struct hf_sftp_attrs {
    uint64_t bytes;
    int64_t changed_s;
    uint32_t mode;
    bool has_bytes, has_mode, has_time;
};

/* ---- written ---------------------------------------------------------------------------- */

/* begin; then the fields; then end, which fills the length in. *at: where it begins in b. */
void hf_sftp_begin(struct hf_buf *b, enum hf_sftp_type type, uint32_t id, size_t *at);
void hf_sftp_end(struct hf_buf *b, size_t at);
void hf_sftp_add_u32(struct hf_buf *b, uint32_t n);
void hf_sftp_add_u64(struct hf_buf *b, uint64_t n);
void hf_sftp_add_string(struct hf_buf *b, const void *data, size_t len);
/* Attributes of something that is made: just its mode. */
void hf_sftp_add_mode(struct hf_buf *b, uint32_t mode);

/* ---- read ------------------------------------------------------------------------------- */

struct hf_sftp_answer {
    enum hf_sftp_type type;
    uint32_t id;
    uint32_t status; /* of STATUS */
    uint32_t n;      /* of NAME: how many */
    const unsigned char
        *data; /* HANDLE, DATA: the string; NAME, EXTENDED_REPLY: what follows; STATUS: the text */
    size_t len;
    struct hf_sftp_attrs attrs; /* of ATTRS */
};

/* A packet without its length. */
int hf_sftp_answer_parse(const unsigned char *packet, size_t len, struct hf_sftp_answer *out,
                         struct hf_err *err) HF_CHECKED;

struct hf_sftp_extensions {
    bool fsync, posix_rename, statvfs, limits;
};
/* UNSUPPORTED: another version than 3. */
int hf_sftp_version_parse(const unsigned char *packet, size_t len, struct hf_sftp_extensions *out,
                          struct hf_err *err) HF_CHECKED;

/* name is NUL-terminated; one with a NUL or '/' in it, or that is too long, is not given. Nonzero ends it, and is returned. */
typedef int (*hf_sftp_emit)(void *ctx, const char *name, const struct hf_sftp_attrs *a,
                            struct hf_err *err);
/* The entries of a NAME. */
int hf_sftp_names_parse(const struct hf_sftp_answer *a, hf_sftp_emit emit, void *ctx,
                        struct hf_err *err) HF_CHECKED;

/* The first n numbers of an EXTENDED_REPLY. */
int hf_sftp_numbers_parse(const struct hf_sftp_answer *a, uint64_t *out, size_t n,
                          struct hf_err *err) HF_CHECKED;

#endif
