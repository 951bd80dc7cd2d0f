/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/vmdk.h"

#include "base/buf.h"
#include "base/bytes.h"
#include "base/hex.h"
#include "base/many.h"
#include "image/format.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define SECTOR 512u
#define GRAIN_SECTORS (HF_VMDK_GRAIN / SECTOR)
#define TABLE_GRAINS 512u
#define TABLE_SECTORS (TABLE_GRAINS * 4 / SECTOR)
#define DESCRIPTOR_SECTORS 20u /* as vSphere's own */
#define OVERHEAD_SECTORS 128u  /* where the grains begin */
#define AT_END UINT64_MAX      /* the directory's place: see the footer */
#define BATCH 32u              /* grains that are packed side by side */
#define THREADS_MAX 8
#define MARKER_HEAD 12u

enum marker { MARKER_END, MARKER_TABLE, MARKER_DIRECTORY, MARKER_FOOTER };

struct hf_vmdk {
    int fd;
    uint64_t capacity;        /* sectors */
    uint64_t at;              /* sectors of the file that are written */
    uint64_t next;            /* grain: what was put lies below it */
    unsigned threads;         /* that help */
    uint32_t *directory;      /* of each table its sector; 0: no grain of it is there */
    uint64_t n_tables, table; /* how many; which one is being filled */
    bool has_grains;          /* it has some */
    unsigned char entries[TABLE_GRAINS * 4];
    /* of one batch */
    const unsigned char *data;
    unsigned char *tail; /* the disk's last grain, filled up with zeros */
    size_t slot_bytes;
    unsigned char *slots; /* BATCH of them */
    size_t lens[BATCH];   /* with marker and padding; 0: zeros */
    size_t n, tail_at;    /* grains; which one is the tail (BATCH: none) */
};

static uint64_t sectors_of(uint64_t bytes)
{
    return bytes / SECTOR + (bytes % SECTOR != 0);
}

/* ---- to the file ------------------------------------------------------------------------ */

/* Whole sectors. */
static int append(struct hf_vmdk *v, const void *data, size_t len, struct hf_err *err)
{
    const char *p = data;
    uint64_t at = v->at * SECTOR;
    v->at += len / SECTOR;
    if (v->at > UINT32_MAX)
        return hf_fail(err, HF_E_UNSUPPORTED,
                       "the VMDK would be larger than 2 TiB, which the format does not have");
    while (len > 0) {
        ssize_t n = pwrite(v->fd, p, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hf_fail_sys(err, errno, "write at %llu", (unsigned long long)at);
        p += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int append_marker(struct hf_vmdk *v, enum marker type, uint64_t sectors, struct hf_err *err)
{
    unsigned char m[SECTOR] = {0};
    hf_put_le64(m, sectors);
    hf_put_le32(m + MARKER_HEAD, type);
    return append(v, m, sizeof m, err);
}

/* ---- header and descriptor -------------------------------------------------------------- */

/* Header, and once more as the footer, with the directory's place. Version 3 is what vSphere calls a compressed one. */
static void make_header(const struct hf_vmdk *v, uint64_t directory_at, unsigned char out[SECTOR])
{
    memset(out, 0, SECTOR);
    memcpy(out, "KDMV", 4);
    hf_put_le32(out + 4, 3);
    hf_put_le32(out + 8, 1 | 1 << 16 | 1 << 17); /* the line ends below, packed grains, markers */
    hf_put_le64(out + 12, v->capacity);
    hf_put_le64(out + 20, GRAIN_SECTORS);
    hf_put_le64(out + 28, 1);
    hf_put_le64(out + 36, DESCRIPTOR_SECTORS);
    hf_put_le32(out + 44, TABLE_GRAINS);
    hf_put_le64(out + 56, directory_at);
    hf_put_le64(out + 64, OVERHEAD_SECTORS);
    memcpy(out + 73, "\n \r\n", 4); /* changed where somebody sends it as text */
    hf_put_le16(out + 77, 1);       /* zlib's deflate */
}

static int write_head(struct hf_vmdk *v, const unsigned char id[HF_VMDK_ID], struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTOFREE unsigned char *head = calloc(OVERHEAD_SECTORS, SECTOR);
    char hex[2 * HF_VMDK_ID + 1];
    uint64_t cylinders = v->capacity / (255 * 63) + 1; /* BIOSes read it; nothing else does */
    if (!head)
        return hf_fail_nomem(err);
    hf_hex(id, HF_VMDK_ID, hex);
    /* The file's name is not part of its content: readers take the extent to be in this file. */
    hf_buf_printf(&text,
                  "# Disk DescriptorFile\nversion=1\nCID=%.8s\nparentCID=ffffffff\n"
                  "createType=\"streamOptimized\"\n\n# Extent description\n"
                  "RDONLY %llu SPARSE \"generated-stream.vmdk\"\n\n# The Disk Data Base\n#DDB\n\n"
                  "ddb.adapterType = \"lsilogic\"\nddb.geometry.cylinders = \"%llu\"\n"
                  "ddb.geometry.heads = \"255\"\nddb.geometry.sectors = \"63\"\n"
                  "ddb.longContentID = \"%s\"\nddb.virtualHWVersion = \"7\"\n"
                  "ddb.toolsVersion = \"2147483647\"\n", /* unmanaged: importers ask for one */
                  hex, (unsigned long long)v->capacity,
                  (unsigned long long)(cylinders < 65535 ? cylinders : 65535), hex);
    if (!hf_buf_ok(&text) || text.len > (size_t)DESCRIPTOR_SECTORS * SECTOR)
        return hf_fail_nomem(err);
    make_header(v, AT_END, head);
    memcpy(head + SECTOR, hf_buf_str(&text), text.len);
    return append(v, head, (size_t)OVERHEAD_SECTORS * SECTOR, err);
}

static size_t slot_bytes(void)
{
    return (size_t)sectors_of(MARKER_HEAD + compressBound(HF_VMDK_GRAIN)) * SECTOR;
}

static unsigned helpers(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN) - 1;
    return n < 0 ? 0 : n < THREADS_MAX ? (unsigned)n : THREADS_MAX;
}

struct hf_vmdk *hf_vmdk_new(int fd, uint64_t disk_bytes, const unsigned char id[HF_VMDK_ID],
                            struct hf_err *err)
{
    HF_AUTO(hf_vmdk) struct hf_vmdk *v = calloc(1, sizeof *v);
    const uint64_t table_sectors = GRAIN_SECTORS * TABLE_GRAINS;
    if (!v) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (disk_bytes == 0) {
        hf_fail(err, HF_E_UNSUPPORTED, "a disk without a byte is no VMDK");
        return NULL;
    }
    v->fd = fd;
    v->capacity = sectors_of(disk_bytes);
    v->n_tables = (v->capacity + table_sectors - 1) / table_sectors;
    v->threads = helpers();
    v->slot_bytes = slot_bytes();
    v->directory = calloc(v->n_tables + 1, sizeof *v->directory);
    v->slots = malloc(BATCH * v->slot_bytes);
    v->tail = malloc(HF_VMDK_GRAIN);
    if (!v->directory || !v->slots || !v->tail) {
        hf_fail_nomem(err);
        return NULL;
    }
    return write_head(v, id, err) < 0 ? NULL : HF_STEAL(v);
}

void hf_vmdk_free(struct hf_vmdk *v)
{
    if (!v)
        return;
    free(v->directory);
    free(v->slots);
    free(v->tail);
    free(v);
}

/* ---- grains ----------------------------------------------------------------------------- */

/* Grain i of the batch, with its marker, into its slot. */
static int pack(void *ctx, size_t i, struct hf_err *err)
{
    struct hf_vmdk *v = ctx;
    const unsigned char *from = i == v->tail_at ? v->tail : v->data + i * HF_VMDK_GRAIN;
    unsigned char *slot = v->slots + i * v->slot_bytes;
    uLongf len = v->slot_bytes - MARKER_HEAD;
    v->lens[i] = 0;
    if (hf_image_is_zero(from, HF_VMDK_GRAIN))
        return 0;
    if (compress2(slot + MARKER_HEAD, &len, from, HF_VMDK_GRAIN, Z_BEST_SPEED) != Z_OK)
        return hf_fail_nomem(err);
    v->lens[i] = (size_t)sectors_of(MARKER_HEAD + len) * SECTOR;
    hf_put_le64(slot, (v->next + i) * GRAIN_SECTORS);
    hf_put_le32(slot + 8, (uint32_t)len);
    memset(slot + MARKER_HEAD + len, 0, v->lens[i] - MARKER_HEAD - len);
    return 0;
}

static int end_table(struct hf_vmdk *v, struct hf_err *err)
{
    if (!v->has_grains)
        return 0;
    if (append_marker(v, MARKER_TABLE, TABLE_SECTORS, err) < 0)
        return -1;
    v->directory[v->table] = (uint32_t)v->at;
    if (append(v, v->entries, sizeof v->entries, err) < 0)
        return -1;
    memset(v->entries, 0, sizeof v->entries);
    v->has_grains = false;
    return 0;
}

static int write_grain(struct hf_vmdk *v, size_t i, struct hf_err *err)
{
    uint64_t grain = v->next + i;
    if (v->lens[i] == 0)
        return 0;
    if (grain / TABLE_GRAINS != v->table && end_table(v, err) < 0)
        return -1;
    v->table = grain / TABLE_GRAINS;
    v->has_grains = true;
    hf_put_le32(v->entries + grain % TABLE_GRAINS * 4, (uint32_t)v->at);
    return append(v, v->slots + i * v->slot_bytes, v->lens[i], err);
}

/* The next grains; the last of them may be short. */
static int put_batch(struct hf_vmdk *v, const unsigned char *data, size_t len, uint64_t *written,
                     struct hf_err *err)
{
    size_t rest = len % HF_VMDK_GRAIN;
    v->data = data;
    v->n = len / HF_VMDK_GRAIN + (rest != 0);
    v->tail_at = rest ? v->n - 1 : BATCH;
    if (rest) {
        memset(v->tail, 0, HF_VMDK_GRAIN);
        memcpy(v->tail, data + len - rest, rest);
    }
    if (hf_many(v->n, v->threads, pack, v, err) < 0)
        return -1;
    for (size_t i = 0; i < v->n; i++) {
        if (write_grain(v, i, err) < 0)
            return -1;
        if (v->lens[i])
            *written += i == v->tail_at ? rest : HF_VMDK_GRAIN;
    }
    v->next += v->n;
    return 0;
}

int hf_vmdk_put(struct hf_vmdk *v, uint64_t at, const void *data, size_t len, uint64_t *out_written,
                struct hf_err *err)
{
    const unsigned char *p = data;
    *out_written = 0;
    if (at % HF_VMDK_GRAIN || at / HF_VMDK_GRAIN < v->next || sectors_of(at + len) > v->capacity ||
        (len % HF_VMDK_GRAIN && sectors_of(at + len) != v->capacity))
        return hf_fail(err, HF_E_INTERNAL, "data for a VMDK out of order");
    v->next = at / HF_VMDK_GRAIN;
    while (len > 0) {
        size_t n = len < BATCH * HF_VMDK_GRAIN ? len : BATCH * HF_VMDK_GRAIN;
        if (put_batch(v, p, n, out_written, err) < 0)
            return -1;
        p += n;
        len -= n;
    }
    return 0;
}

/* ---- the end ---------------------------------------------------------------------------- */

static int write_directory(struct hf_vmdk *v, uint64_t *out_at, struct hf_err *err)
{
    size_t sectors = (size_t)sectors_of(v->n_tables * 4);
    HF_AUTOFREE unsigned char *d = calloc(sectors, SECTOR);
    if (!d)
        return hf_fail_nomem(err);
    for (uint64_t i = 0; i < v->n_tables; i++)
        hf_put_le32(d + 4 * i, v->directory[i]);
    if (append_marker(v, MARKER_DIRECTORY, sectors, err) < 0)
        return -1;
    *out_at = v->at;
    return append(v, d, sectors * SECTOR, err);
}

int hf_vmdk_finish(struct hf_vmdk *v, struct hf_err *err)
{
    unsigned char footer[SECTOR];
    uint64_t directory_at = 0;
    if (end_table(v, err) < 0 || write_directory(v, &directory_at, err) < 0 ||
        append_marker(v, MARKER_FOOTER, 1, err) < 0)
        return -1;
    make_header(v, directory_at, footer);
    return append(v, footer, sizeof footer, err) < 0 ? -1 : append_marker(v, MARKER_END, 0, err);
}
