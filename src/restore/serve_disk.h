/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/serve_disk.h - a disk of a point, opened in the process that serves it (nbdkit): what the plugin is a thin coat of.
 *
 * Opens the configuration, the point (run/point_open.h) and the disk, by names alone: no secret comes by its command line or environment.
 * Errors: theirs; CONFLICT: the point has several disks and none was named. Threads: one opens and closes; the cache is any thread's.
 * A crash leaves nothing.
 *
 * The leash is a socket (SEQPACKET) to who started the process; each message is a JSON object:
 *     {"ready":{"point","vm","disk","store","bytes"}}      {"failed":{"class","message","hint"}}      a line of the log (base/log.h)
 * Its end says that the other one is gone.
 */
#ifndef HF_RESTORE_SERVE_DISK_H
#define HF_RESTORE_SERVE_DISK_H

#include "image/cache.h"
#include "run/point_open.h"

#define HF_SERVE_MESSAGE_MAX 8192

struct hf_serve_disk_wish {
    const char *config;       /* path */
    const char *point;        /* as in run/point_open.h */
    const char *disk, *store; /* or NULL: the only one; any */
    int leash;                /* -1: none, and the log goes to stderr. Borrowed */
    struct hf_cancel
        *cancel; /* borrowed: set, opening and reads that wait for the store end with CANCELLED */
};

struct hf_serve_disk;

struct hf_serve_disk *hf_serve_disk_open(const struct hf_serve_disk_wish *wish, struct hf_err *err)
    HF_CHECKED;
void hf_serve_disk_close(struct hf_serve_disk *d);
HF_DEFINE_AUTO(hf_serve_disk, hf_serve_disk_close)

struct hf_image_cache *hf_serve_disk_cache(struct hf_serve_disk *d);
/* A read that failed, into the log. */
void hf_serve_disk_complain(struct hf_serve_disk *d, const struct hf_err *why);

/* Nothing where there is no leash. */
void hf_serve_say_ready(struct hf_serve_disk *d);
void hf_serve_say_failed(int leash, const struct hf_err *why);

#endif
