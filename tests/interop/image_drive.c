/* SPDX-License-Identifier: Apache-2.0
 *
 * image_drive: disks to a store and back, for the reader of another make and for measurements.
 *
 *     image_drive init URL KEY [RECIPIENT]                     a new store: KEY (made) gets the metadata identity; prints its id
 *     image_drive write URL KEY ID STATE FILE [RECIPIENT]      prints the root, and a line of figures on stderr
 *     image_drive read URL KEY ID STATE ROOT FILE [IDENTITY]   IDENTITY: file with the key of the data, for an encrypted store
 *     image_drive verify URL KEY ID STATE [IDENTITY]           every pack, its object and its content
 */
#include "base/base64.h"
#include "base/hex.h"
#include "base/path.h"
#include "image/reader.h"
#include "image/verify.h"
#include "image/writer.h"
#include "io/memory.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define PIECE ((size_t)1 << 20)

static int open_store(const char *url, struct hf_store **out, struct hf_err *err)
{
    struct hf_store_opts opts = {.url = url, .clock = hf_clock_system()};
    *out = hf_store_open(&opts, err);
    return *out ? 0 : -1;
}

/* ---- init ------------------------------------------------------------------------------- */

static int seal(const char *recipient, const struct hf_secret *key, struct hf_buf *out,
                struct hf_err *err)
{
    struct hf_age_recipients to = {0};
    HF_AUTO(hf_buf) struct hf_buf file = HF_BUF_INIT;
    if (hf_age_recipients_add(&to, recipient, err) < 0)
        return -1;
    struct hf_io_sink *m = hf_io_memory_new(&file, err);
    HF_AUTO(hf_io_sink) struct hf_io_sink *s = m ? hf_age_sink_new(&to, m, err) : NULL;
    if (!s || hf_io_write(s, hf_secret_reveal(key), hf_secret_len(key), err) < 0 ||
        hf_io_finish(s, err) < 0)
        return -1;
    hf_base64_encode(out, file.data, file.len);
    return 0;
}

static int init(const char *url, const char *key_path, const char *recipient, struct hf_err *err)
{
    unsigned char id[HF_IMAGE_STORE_ID / 2];
    char hex[HF_IMAGE_STORE_ID + 1], own[HF_AGE_TEXT_MAX];
    struct hf_store_receipt receipt;
    HF_AUTO(hf_buf) struct hf_buf doc = HF_BUF_INIT;
    HF_AUTO(hf_buf) struct hf_buf sealed = HF_BUF_INIT;
    HF_AUTO(hf_store) struct hf_store *store = NULL;
    HF_AUTO(hf_age_identities) struct hf_age_identities *ids = hf_age_identities_generate(err);
    HF_AUTO(hf_secret) struct hf_secret *key = ids ? hf_age_identities_text(ids, 0) : NULL;
    if (!key || open_store(url, &store, err) < 0)
        return -1;
    randombytes_buf(id, sizeof id);
    hf_hex(id, sizeof id, hex);
    hf_age_identities_recipient(ids, 0, own);
    if (recipient && seal(recipient, key, &sealed, err) < 0)
        return -1;
    hf_buf_printf(&doc, "{\"format\":1,\"store\":\"%s\",\"chunk_bytes\":%u,\"recipients\":[", hex,
                  HF_IMAGE_CHUNK_BYTES);
    if (recipient)
        hf_buf_printf(&doc, "\"%s\"", recipient);
    hf_buf_printf(&doc, "],\"metadata_recipient\":\"%s\",\"%s\":\"%s\"}\n", own,
                  recipient ? "metadata_identity_age" : "metadata_identity",
                  recipient ? hf_buf_str(&sealed) : hf_secret_reveal(key));
    if (hf_path_write(key_path, hf_secret_reveal(key), hf_secret_len(key), 0600, err) < 0 ||
        hf_store_put_bytes(store, "holdfast.json", doc.data, doc.len, false, &receipt, err) < 0)
        return -1;
    printf("%s\n", hex);
    return 0;
}

/* ---- an open store ---------------------------------------------------------------------- */

struct place {
    struct hf_store *store;
    struct hf_age_identities *metadata, *identities;
    struct hf_age_recipients to;
    struct hf_image *im;
};

static void close_place(struct place *p)
{
    hf_image_close(p->im);
    hf_age_identities_free(p->identities);
    hf_age_identities_free(p->metadata);
    hf_store_close(p->store);
}

static int open_place(struct place *p, char **argv, struct hf_err *err)
{
    struct hf_image_refreshed seen;
    p->metadata = hf_age_identities_read(argv[3], err);
    if (!p->metadata || open_store(argv[2], &p->store, err) < 0)
        return -1;
    struct hf_image_opts opts = {.store = p->store,
                                 .dir = argv[5],
                                 .store_id = argv[4],
                                 .chunk_bytes = HF_IMAGE_CHUNK_BYTES,
                                 .metadata = p->metadata,
                                 .recipients = &p->to,
                                 .identities = p->identities};
    p->im = hf_image_open(&opts, err);
    if (!p->im || hf_image_refresh(p->im, &seen, err) < 0)
        return -1;
    if (seen.damaged)
        fprintf(stderr, "%u indexes are damaged: %s\n", seen.damaged, seen.first_damage.message);
    return 0;
}

/* The recipient of a key file, so that names and decryption are those of an encrypted store. */
static int take_identity(struct place *p, const char *path, struct hf_err *err)
{
    char own[HF_AGE_TEXT_MAX];
    if (!path)
        return 0;
    p->identities = hf_age_identities_read(path, err);
    if (!p->identities)
        return -1;
    hf_age_identities_recipient(p->identities, 0, own);
    return hf_age_recipients_add(&p->to, own, err);
}

/* ---- write ------------------------------------------------------------------------------ */

/* Only what is data, as the file system says. */
static int write_extents(struct hf_image_writer *w, int fd, off_t size, struct hf_err *err)
{
    HF_AUTOFREE char *buf = malloc(PIECE);
    if (!buf)
        return hf_fail_nomem(err);
    for (off_t at = lseek(fd, 0, SEEK_DATA); at >= 0 && at < size;) {
        off_t end = lseek(fd, at, SEEK_HOLE);
        while (at < end) {
            size_t n = (size_t)(end - at) < PIECE ? (size_t)(end - at) : PIECE;
            if (pread(fd, buf, n, at) != (ssize_t)n)
                return hf_fail_sys(err, errno ? errno : EIO, "cannot read");
            if (hf_image_write(w, (uint64_t)at, buf, n, err) < 0)
                return -1;
            at += (off_t)n;
        }
        at = lseek(fd, at, SEEK_DATA);
    }
    return 0;
}

static int write_disk(struct place *p, const char *path, struct hf_err *err)
{
    struct stat st;
    struct rusage use;
    char hex[HF_IMAGE_ID_HEX];
    HF_AUTO(hf_image_written) struct hf_image_written done = {0};
    HF_AUTOFD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return hf_fail_sys(err, errno, "'%s'", path);
    struct hf_image_writer_opts opts = {.disk_bytes = (uint64_t)st.st_size};
    HF_AUTO(hf_image_writer) struct hf_image_writer *w = hf_image_write_begin(p->im, &opts, err);
    if (!w || write_extents(w, fd, st.st_size, err) < 0 || hf_image_write_finish(w, &done, err) < 0)
        return -1;
    hf_hex(done.root, sizeof done.root, hex);
    printf("%s\n", hex);
    getrusage(RUSAGE_SELF, &use);
    fprintf(stderr,
            "chunks %llu holes %llu known %llu fresh %llu objects %u stored %llu rss %ld KiB\n",
            (unsigned long long)done.chunks, (unsigned long long)done.holes,
            (unsigned long long)done.known, (unsigned long long)done.fresh, done.objects,
            (unsigned long long)done.stored_bytes, use.ru_maxrss);
    return 0;
}

/* ---- read ------------------------------------------------------------------------------- */

static int copy_extent(struct hf_io_source *s, int fd, char *buf, uint64_t at, uint64_t len,
                       struct hf_err *err)
{
    while (len > 0) {
        size_t n = len < PIECE ? (size_t)len : PIECE;
        if (hf_io_read_at(s, at, buf, n, err) < 0)
            return -1;
        if (pwrite(fd, buf, n, (off_t)at) != (ssize_t)n)
            return hf_fail_sys(err, errno, "cannot write");
        at += n;
        len -= n;
    }
    return 0;
}

static int read_disk(struct place *p, const char *root_hex, const char *path, struct hf_err *err)
{
    unsigned char root[HF_IMAGE_ID];
    struct hf_image_reader_opts opts = {0};
    if (hf_unhex(root_hex, root, sizeof root) < 0)
        return hf_fail(err, HF_E_CONFIG, "'%s' is no root", root_hex);
    HF_AUTOFREE char *buf = malloc(PIECE);
    HF_AUTO(hf_image_reader)
    struct hf_image_reader *r = hf_image_read_open(p->im, root, &opts, err);
    HF_AUTOFD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (!r || !buf)
        return -1;
    struct hf_io_source *s = hf_image_reader_source(r);
    if (fd < 0 || ftruncate(fd, (off_t)s->size) < 0)
        return hf_fail_sys(err, errno, "'%s'", path);
    for (uint64_t at = 0, len = 0; at < s->size; at += len) {
        bool is_hole = false;
        if (hf_image_reader_extent(r, at, &is_hole, &len, err) < 0 ||
            (!is_hole && copy_extent(s, fd, buf, at, len, err) < 0))
            return -1;
    }
    return 0;
}

static int verify(struct place *p, struct hf_err *err)
{
    struct hf_image_pack pack;
    struct hf_image_chunks *c = hf_image_chunks(p->im);
    for (uint32_t i = 0; i < hf_image_chunks_packs_n(c); i++)
        if (hf_image_chunks_pack(c, i, &pack) && (hf_image_verify_stored(p->im, pack.id, err) < 0 ||
                                                  hf_image_verify_content(p->im, pack.id, err) < 0))
            return -1;
    return 0;
}

/* ---- main ------------------------------------------------------------------------------- */

static int with_place(int argc, char **argv, struct hf_err *err)
{
    __attribute__((cleanup(close_place))) struct place p = {0};
    bool is_write = !strcmp(argv[1], "write");
    int key_at = !strcmp(argv[1], "read") ? 8 : 6;
    if (is_write && argc > 7 && hf_age_recipients_add(&p.to, argv[7], err) < 0)
        return -1;
    if (!is_write && take_identity(&p, argc > key_at ? argv[key_at] : NULL, err) < 0)
        return -1;
    if (open_place(&p, argv, err) < 0)
        return -1;
    if (is_write)
        return write_disk(&p, argv[6], err);
    return key_at == 8 ? read_disk(&p, argv[6], argv[7], err) : verify(&p, err);
}

int main(int argc, char **argv)
{
    struct hf_err err = HF_ERR_INIT;
    const char *verb = argc > 1 ? argv[1] : "";
    int rc = -1;
    if (!strcmp(verb, "init") && argc >= 4)
        rc = init(argv[2], argv[3], argc > 4 ? argv[4] : NULL, &err);
    else if ((!strcmp(verb, "write") && argc >= 7) || (!strcmp(verb, "read") && argc >= 8) ||
             (!strcmp(verb, "verify") && argc >= 6))
        rc = with_place(argc, argv, &err);
    else
        hf_fail(&err, HF_E_CONFIG, "usage: image_drive init|write|read|verify …");
    if (rc < 0)
        fprintf(stderr, "image_drive: %s %s\n", err.message, err.hint);
    return rc < 0 ? 1 : 0;
}
