/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk.h"

#include "base/bytes.h"
#include "vmdk_tables.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define SECTOR VMW_SECTOR
#define GRAIN_MAX_SECTORS 2048u /* 1 MiB; vSphere and qemu write 128 */
#define HEAD_MAX_SECTORS (UINT64_C(1) << 20)
#define CAPACITY_MAX_SECTORS (UINT64_C(1) << 38) /* 128 TiB; vSphere ends at 62 */
#define TABLE_MAX_ENTRIES 512u
#define BATCH_BYTES                                                                                \
    ((size_t)GRAIN_MAX_SECTORS * SECTOR) /* each extent that is told costs two changes of threads */

enum flag { HAS_COMPRESSED_GRAINS = 1 << 16, HAS_MARKERS = 1 << 17 };
enum marker { MARKER_END, MARKER_TABLE, MARKER_DIRECTORY, MARKER_FOOTER, MARKER_UNKNOWN };

/* What the next bytes are. */
enum state {
    IN_HEADER,
    IN_HEAD,
    IN_MARKER,
    IN_GRAIN,
    IN_TABLE,
    IN_DIRECTORY,
    IN_FOOTER,
    AT_END,
    BROKEN
};

struct vmw_vmdk {
    hf_extent_cb emit;
    void *ctx;
    enum state state;
    uint64_t seen, item_at;       /* bytes that came; of these, in front of the marker that comes */
    unsigned char sector[SECTOR]; /* of all but grains, what comes in pieces */
    size_t have;                  /* of it, or of the packed grain */
    uint64_t capacity, grain;     /* sectors */
    uint64_t told, upto; /* sectors that were told, data and holes; that are unpacked, too */
    uint64_t left;       /* bytes of what the state is about, with its padding */
    uint64_t lba;        /* of the grain that comes */
    size_t packed_len, packed_cap;
    unsigned char *packed, *plain; /* plain: BATCH_BYTES, from `told` to `upto` */
    uint64_t entries;              /* grains of a table */
    bool
        has_tables; /* behind the grains; qemu has them in the head, where a stream cannot have them */
    struct vmw_vmdk_tables tables;
    uint64_t digest;
};

struct vmw_vmdk *vmw_vmdk_new(hf_extent_cb emit, void *ctx)
{
    struct vmw_vmdk *v = calloc(1, sizeof *v);
    if (v) {
        v->emit = emit;
        v->ctx = ctx;
    }
    return v;
}

void vmw_vmdk_free(struct vmw_vmdk *v)
{
    if (!v)
        return;
    free(v->packed);
    free(v->plain);
    free(v);
}

uint64_t vmw_vmdk_capacity(const struct vmw_vmdk *v)
{
    return v->capacity * SECTOR;
}

uint64_t vmw_vmdk_digest(const struct vmw_vmdk *v)
{
    return v->digest;
}

static int fail(struct hf_err *err, const char *what)
{
    return hf_fail(err, HF_E_CORRUPT, "the VMDK stream %s", what);
}

/* ---- the header --------------------------------------------------------------------------------------------------- */

/* The four bytes that a transfer as text would have changed. */
static bool is_binary(const unsigned char *p)
{
    return memcmp(p, "\n \r\n", 4) == 0;
}

static int read_header(struct vmw_vmdk *v, struct hf_err *err)
{
    const unsigned char *h = v->sector;
    uint32_t version = hf_le32(h + 4), flags = hf_le32(h + 8), entries = hf_le32(h + 44);
    uint64_t overhead = hf_le64(h + 64);
    if (memcmp(h, "KDMV", 4) != 0)
        return fail(err, "is none: it does not begin as a VMDK");
    if (version < 1 || version > 3 || !(flags & HAS_COMPRESSED_GRAINS) || !(flags & HAS_MARKERS) ||
        (h[77] | h[78] << 8) != 1)
        return hf_fail(err, HF_E_UNSUPPORTED,
                       "the VMDK is not streamOptimized (version %u, flags "
                       "0x%x)",
                       (unsigned)version, (unsigned)flags);
    v->capacity = hf_le64(h + 12);
    v->grain = hf_le64(h + 20);
    if (!is_binary(h + 73))
        return fail(err, "was changed on its way, as text is");
    if (v->grain < 8 || v->grain > GRAIN_MAX_SECTORS || (v->grain & (v->grain - 1)) ||
        !v->capacity || v->capacity > CAPACITY_MAX_SECTORS || !entries ||
        entries > TABLE_MAX_ENTRIES || !overhead || overhead > HEAD_MAX_SECTORS)
        return fail(err, "has a header that cannot be");
    v->packed_cap = compressBound(v->grain * SECTOR) + SECTOR;
    v->plain = malloc(BATCH_BYTES);
    v->packed = malloc(v->packed_cap);
    if (!v->plain || !v->packed)
        return hf_fail_nomem(err);
    v->has_tables = hf_le64(h + 56) == UINT64_MAX;
    v->entries = entries;
    v->tables.tables_max = (v->capacity - 1) / (v->grain * entries) + 1;
    v->left = (overhead - 1) * SECTOR;
    v->state = v->left ? IN_HEAD : IN_MARKER;
    return 0;
}

/* ---- grains -------------------------------------------------------------------------------------------------------- */

static int tell(struct vmw_vmdk *v, uint64_t upto, const void *data)
{
    uint64_t from = v->told;
    if (upto == from)
        return 0;
    v->told = upto;
    return v->emit(v->ctx, from * SECTOR, data, (upto - from) * SECTOR) != 0 ? -1 : 0;
}

static int tell_unpacked(struct vmw_vmdk *v)
{
    return tell(v, v->upto, v->plain);
}

static int tell_hole(struct vmw_vmdk *v, uint64_t upto)
{
    v->upto = upto;
    return tell(v, upto, NULL);
}

static bool is_zero(const unsigned char *data, size_t len)
{
    return !len || (!data[0] && memcmp(data, data + 1, len - 1) == 0);
}

/* Its place, and its checksum, which stands behind the packed data and was compared. A grain of zeros is a hole. */
static void add_digest(struct vmw_vmdk *v, const unsigned char *plain, size_t len, size_t packed)
{
    if (is_zero(plain, len))
        return;
    uint64_t x = v->digest ^ (v->lba << 32 | hf_le32(v->packed + packed - 4));
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    v->digest = x ^ x >> 32;
}

/* Room for one more, right behind those that are unpacked. */
static int make_room(struct vmw_vmdk *v)
{
    bool is_behind = v->lba == v->upto;
    if (is_behind && (v->upto - v->told + v->grain) * SECTOR <= BATCH_BYTES)
        return 0;
    return tell_unpacked(v) != 0 || tell_hole(v, v->lba) != 0 ? -1 : 0;
}

static int unpack(struct vmw_vmdk *v, struct hf_err *err)
{
    uLongf len = v->grain * SECTOR;
    uLong used = v->packed_len;
    uint64_t end = v->lba + v->grain < v->capacity ? v->lba + v->grain : v->capacity;
    if (make_room(v) != 0)
        return -1;
    unsigned char *plain = v->plain + (v->upto - v->told) * SECTOR;
    int rc = uncompress2(plain, &len, v->packed, &used);
    if (rc == Z_MEM_ERROR)
        return hf_fail_nomem(err);
    /* The last one may be as short as the disk. */
    if (rc != Z_OK || (len != v->grain * SECTOR && len != (end - v->lba) * SECTOR))
        return fail(err, "has a grain that does not unpack");
    vmw_tables_grain(&v->tables, v->item_at / SECTOR, v->lba / v->grain, v->entries);
    add_digest(v, plain, len, used);
    v->upto = end;
    return 0;
}

static uint64_t padded(uint64_t bytes)
{
    return (bytes + SECTOR - 1) / SECTOR * SECTOR;
}

/* Its data begin within the marker's own sector. */
static int begin_grain(struct vmw_vmdk *v, uint64_t lba, uint32_t len, struct hf_err *err)
{
    size_t here = SECTOR - 12;
    if (lba % v->grain || lba >= v->capacity || lba < v->upto)
        return fail(err, "has a grain that lies off the disk, or out of order");
    if (len > v->packed_cap)
        return fail(err, "has a grain that is larger than it can be");
    v->lba = lba;
    v->packed_len = len;
    v->have = len < here ? len : here;
    memcpy(v->packed, v->sector + 12, v->have);
    v->left = padded(12 + (uint64_t)len) - SECTOR;
    if (v->left) {
        v->state = IN_GRAIN;
        return 0;
    }
    v->state = IN_MARKER;
    v->have = 0;
    return unpack(v, err);
}

/* ---- markers ------------------------------------------------------------------------------------------------------- */

/* Grain tables are no larger than the disk needs, the directory and the footer are small. */
static int begin_metadata(struct vmw_vmdk *v, uint32_t type, uint64_t sectors, struct hf_err *err)
{
    uint64_t at = v->item_at / SECTOR + 1;
    if (type == MARKER_END) {
        v->state = AT_END;
        return sectors ? fail(err, "has an end that is none") : 0;
    }
    if (type == MARKER_UNKNOWN) /* vSphere's, in no specification: a sector, whatever its value */
        return 0;
    if (type > MARKER_FOOTER || !sectors || sectors > HEAD_MAX_SECTORS ||
        (type == MARKER_TABLE && sectors > TABLE_MAX_ENTRIES * 4 / SECTOR) ||
        (type == MARKER_FOOTER && sectors != 1))
        return fail(err, "has a marker that cannot be");
    v->left = sectors * SECTOR;
    v->state = type == MARKER_TABLE       ? IN_TABLE
               : type == MARKER_DIRECTORY ? IN_DIRECTORY
                                          : IN_FOOTER;
    if (type == MARKER_TABLE)
        vmw_tables_begin_table(&v->tables, at);
    else if (type == MARKER_DIRECTORY)
        vmw_tables_begin_directory(&v->tables, at);
    return 0;
}

static int read_marker(struct vmw_vmdk *v, struct hf_err *err)
{
    uint64_t value = hf_le64(v->sector);
    uint32_t size = hf_le32(v->sector + 8);
    v->have = 0;
    return size ? begin_grain(v, value, size, err)
                : begin_metadata(v, hf_le32(v->sector + 12), value, err);
}

/* A header again, with the directory's place. */
static void read_footer(struct vmw_vmdk *v)
{
    const unsigned char *f = v->sector;
    vmw_tables_footer(&v->tables,
                      memcmp(f, "KDMV", 4) == 0 && hf_le64(f + 12) == v->capacity &&
                          hf_le64(f + 20) == v->grain && hf_le32(f + 44) == v->entries,
                      hf_le64(f + 56));
}

static void read_metadata(struct vmw_vmdk *v)
{
    if (v->state == IN_TABLE)
        vmw_tables_table(&v->tables, v->sector);
    else if (v->state == IN_DIRECTORY)
        vmw_tables_directory(&v->tables, v->sector);
    else
        read_footer(v);
}

/* ---- the stream ---------------------------------------------------------------------------------------------------- */

/* So much of it as a sector still wants; the sector is full when have is SECTOR. */
static size_t fill(struct vmw_vmdk *v, const unsigned char *data, size_t len)
{
    size_t n = SECTOR - v->have < len ? SECTOR - v->have : len;
    memcpy(v->sector + v->have, data, n);
    v->have += n;
    return n;
}

static size_t skip(struct vmw_vmdk *v, size_t len)
{
    size_t n = v->left < len ? (size_t)v->left : len;
    v->left -= n;
    if (!v->left)
        v->state = IN_MARKER;
    return n;
}

static int take_grain(struct vmw_vmdk *v, const unsigned char *data, size_t len, size_t *out_used,
                      struct hf_err *err)
{
    size_t wanted = v->packed_len - v->have;
    *out_used = v->left < len ? (size_t)v->left : len;
    size_t n = *out_used < wanted ? *out_used : wanted; /* the rest is padding */
    memcpy(v->packed + v->have, data, n);
    v->have += n;
    v->left -= *out_used;
    if (v->left)
        return 0;
    v->have = 0;
    v->state = IN_MARKER;
    return unpack(v, err);
}

/* One that is whole. */
static int take_sector(struct vmw_vmdk *v, struct hf_err *err)
{
    if (v->have < SECTOR)
        return 0;
    if (v->state == IN_MARKER)
        return read_marker(v, err);
    v->have = 0;
    if (v->state == IN_HEADER)
        return read_header(v, err);
    read_metadata(v);
    v->left -= SECTOR;
    if (!v->left)
        v->state = IN_MARKER;
    return 0;
}

static int take(struct vmw_vmdk *v, const unsigned char *data, size_t len, size_t *out_used,
                struct hf_err *err)
{
    switch (v->state) {
    case IN_HEADER:
    case IN_MARKER:
    case IN_TABLE:
    case IN_DIRECTORY:
    case IN_FOOTER:
        *out_used = fill(v, data, len);
        return take_sector(v, err);
    case IN_HEAD:
        *out_used = skip(v, len);
        return 0;
    case IN_GRAIN:
        return take_grain(v, data, len, out_used, err);
    case AT_END: /* zeros fill it up */
        *out_used = len;
        return is_zero(data, len) ? 0 : fail(err, "goes on behind its end");
    default:
        return fail(err, "was broken before");
    }
}

int vmw_vmdk_write(struct vmw_vmdk *v, const void *data, size_t len, struct hf_err *err)
{
    const unsigned char *p = data;
    while (len) {
        size_t used = 0;
        if (v->state == IN_MARKER && !v->have)
            v->item_at = v->seen;
        if (take(v, p, len, &used, err) != 0) {
            v->state = BROKEN;
            return -1;
        }
        p += used;
        v->seen += used;
        len -= used;
    }
    return 0;
}

int vmw_vmdk_finish(struct vmw_vmdk *v, struct hf_err *err)
{
    if (v->state != AT_END)
        return fail(err, "ends too early");
    if (v->has_tables && vmw_tables_check(&v->tables, err) != 0)
        return -1;
    return tell_unpacked(v) != 0 ? -1 : tell_hole(v, v->capacity);
}
