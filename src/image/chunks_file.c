/* SPDX-License-Identifier: Apache-2.0
 *
 * The file: head, packs, slots in their order. A name of its own while it is written, synced, then renamed.
 */
#include "base/path.h"
#include "image/chunks_intern.h"

#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MAGIC "HFCHUNK1"
#define PACKS_MAX ((uint32_t)1 << 26)
#define OUT_SLOTS 4096

struct head {
    char magic[8];
    uint32_t slot_bytes, pack_bytes; /* another build's layout is another file */
    uint64_t packs, slots;
};

/* ---- runs ------------------------------------------------------------------------------- */

int hf_image_run_order(const void *a, const void *b)
{
    const struct hf_image_slot *x = a, *y = b;
    int order = memcmp(x->id, y->id, HF_IMAGE_ID);
    return order ? order : (x->pack > y->pack) - (x->pack < y->pack);
}

static uint64_t key_of(const unsigned char *id)
{
    uint64_t key;
    memcpy(&key, id, sizeof key);
    return be64toh(key);
}

/* Ids are uniform: the place is guessed, the guess widened until it holds, then halved. */
size_t hf_image_run_search(const struct hf_image_run *r, const unsigned char *id)
{
    size_t guess = (size_t)(((__uint128_t)key_of(id) * r->n) >> 64);
    size_t low = guess, high = guess, step = 32;
    while (low > 0 && memcmp(r->slots[low].id, id, HF_IMAGE_ID) >= 0) {
        low = low > step ? low - step : 0;
        step *= 4;
    }
    for (step = 32; high < r->n && memcmp(r->slots[high].id, id, HF_IMAGE_ID) < 0; step *= 4)
        high = r->n - high > step ? high + step : r->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (memcmp(r->slots[mid].id, id, HF_IMAGE_ID) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

int hf_image_nameless(const struct hf_image_chunks *c, struct hf_err *err)
{
    int fd = open(c->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd < 0 ? hf_fail_sys(err, errno, "cannot create a file in '%s'", c->dir) : fd;
}

int hf_image_write_all(int fd, const void *data, size_t len, struct hf_err *err)
{
    for (const char *p = data; len > 0;) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hf_fail_sys(err, errno, "the index of chunks");
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

void hf_image_run_unmap(struct hf_image_run *r)
{
    if (r->map)
        munmap(r->map, r->map_bytes);
    *r = (struct hf_image_run){0};
}

/* ---- loading ---------------------------------------------------------------------------- */

static int order_numbers(const void *a, const void *b, void *ctx)
{
    const struct hf_image_known *packs = ctx;
    return memcmp(packs[*(const uint32_t *)a].pack.id, packs[*(const uint32_t *)b].pack.id,
                  HF_IMAGE_PACK_ID);
}

int hf_image_by_id_rebuild(struct hf_image_chunks *c, struct hf_err *err)
{
    uint32_t *by_id = reallocarray(c->by_id, c->packs_cap + 1, sizeof *by_id);
    if (!by_id)
        return hf_fail_nomem(err);
    c->by_id = by_id;
    c->by_id_n = 0;
    for (uint32_t i = 0; i < c->packs_n; i++)
        if (c->packs[i].pack.kind)
            by_id[c->by_id_n++] = i;
    qsort_r(by_id, c->by_id_n, sizeof *by_id, order_numbers, c->packs);
    return 0;
}

static bool head_is_sane(const struct head *h, uint64_t file_bytes)
{
    if (memcmp(h->magic, MAGIC, sizeof h->magic) != 0 ||
        h->slot_bytes != sizeof(struct hf_image_slot) ||
        h->pack_bytes != sizeof(struct hf_image_pack) || h->packs > PACKS_MAX ||
        h->slots > h->packs * HF_IMAGE_RECORDS_MAX)
        return false;
    return file_bytes == sizeof *h + h->packs * sizeof(struct hf_image_pack) +
                             h->slots * sizeof(struct hf_image_slot);
}

/* Packs lie between head and slots, at an odd place for the processor: slots begin at a multiple of 8 all the same. */
_Static_assert(sizeof(struct hf_image_pack) % 8 == 0 && sizeof(struct head) % 8 == 0, "alignment");

static int take_packs(struct hf_image_chunks *c, const struct head *h, struct hf_err *err)
{
    const struct hf_image_pack *from = (const struct hf_image_pack *)(h + 1);
    c->packs = calloc(h->packs + 1, sizeof *c->packs);
    if (!c->packs)
        return hf_fail_nomem(err);
    c->packs_n = (uint32_t)h->packs;
    c->packs_cap = c->packs_n + 1;
    for (uint32_t i = 0; i < c->packs_n; i++)
        c->packs[i].pack = from[i];
    return hf_image_by_id_rebuild(c, err);
}

static int map_base(struct hf_image_run *r, int fd, size_t bytes, struct hf_err *err)
{
    r->map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (r->map == MAP_FAILED) {
        r->map = NULL;
        return hf_fail_sys(err, errno, "the index of chunks");
    }
    r->map_bytes = bytes;
    const struct head *h = r->map;
    if (bytes < sizeof *h || !head_is_sane(h, bytes))
        return 0;
    r->n = h->slots;
    r->slots = (const struct hf_image_slot *)((const struct hf_image_pack *)(h + 1) + h->packs);
    (void)madvise(r->map, bytes, MADV_RANDOM);
    return 0;
}

int hf_image_base_load(struct hf_image_chunks *c, struct hf_err *err)
{
    HF_AUTOFREE char *path = hf_path_join(c->dir, "chunks");
    struct stat st;
    if (!path)
        return hf_fail_nomem(err);
    HF_AUTOFD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return hf_fail_sys(err, errno, "'%s'", path);
    if (st.st_size < (off_t)sizeof(struct head))
        return 0;
    if (map_base(&c->base, fd, (size_t)st.st_size, err) < 0)
        return -1;
    if (!c->base.slots) { /* a cache that is damaged is none */
        hf_image_run_unmap(&c->base);
        return 0;
    }
    return take_packs(c, c->base.map, err);
}

/* ---- writing ---------------------------------------------------------------------------- */

struct merge {
    struct hf_image_chunks *c;
    size_t at[HF_IMAGE_RUNS_MAX + 1];
    int fd;
    uint64_t slots;
    size_t have;
    struct hf_image_slot out[OUT_SLOTS];
};

static int flush(struct merge *m, struct hf_err *err)
{
    size_t n = m->have;
    m->have = 0;
    m->slots += n;
    return hf_image_write_all(m->fd, m->out, n * sizeof *m->out, err);
}

/* The lowest of what the runs come to next; NULL: all is merged. */
static const struct hf_image_slot *next_slot(struct merge *m)
{
    const struct hf_image_slot *best = NULL;
    size_t from = 0;
    for (size_t i = 0; i <= m->c->runs_n; i++) {
        const struct hf_image_run *r = i ? &m->c->runs[i - 1] : &m->c->base;
        if (m->at[i] == r->n)
            continue;
        const struct hf_image_slot *s = &r->slots[m->at[i]];
        if (!best || hf_image_run_order(s, best) < 0) {
            best = s;
            from = i;
        }
    }
    if (best)
        m->at[from]++;
    return best;
}

static int merge_slots(struct merge *m, struct hf_err *err)
{
    for (const struct hf_image_slot *s = next_slot(m); s; s = next_slot(m)) {
        if (s->pack >= m->c->packs_n || !m->c->packs[s->pack].pack.kind)
            continue;
        m->out[m->have++] = *s;
        if (m->have == OUT_SLOTS && flush(m, err) < 0)
            return -1;
    }
    return flush(m, err);
}

static int write_packs(const struct hf_image_chunks *c, int fd, struct hf_err *err)
{
    HF_AUTOFREE struct hf_image_pack *out = calloc((size_t)c->packs_n + 1, sizeof *out);
    if (!out)
        return hf_fail_nomem(err);
    for (uint32_t i = 0; i < c->packs_n; i++)
        out[i] = c->packs[i].pack;
    return hf_image_write_all(fd, out, c->packs_n * sizeof *out, err);
}

static int write_file(struct hf_image_chunks *c, int fd, struct hf_err *err)
{
    struct head h = {.slot_bytes = sizeof(struct hf_image_slot),
                     .pack_bytes = sizeof(struct hf_image_pack),
                     .packs = c->packs_n};
    HF_AUTOFREE struct merge *m = calloc(1, sizeof *m);
    if (!m)
        return hf_fail_nomem(err);
    m->c = c;
    m->fd = fd;
    if (hf_image_write_all(fd, &h, sizeof h, err) < 0 || write_packs(c, fd, err) < 0 ||
        merge_slots(m, err) < 0)
        return -1;
    memcpy(h.magic, MAGIC, sizeof h.magic);
    h.slots = m->slots;
    if (pwrite(fd, &h, sizeof h, 0) != (ssize_t)sizeof h || fsync(fd) < 0)
        return hf_fail_sys(err, errno, "the index of chunks");
    return 0;
}

/* The new file in place of the old one and of all runs. */
static int take_over(struct hf_image_chunks *c, int fd, struct hf_err *err)
{
    struct hf_image_run fresh = {0};
    struct stat st;
    if (fstat(fd, &st) < 0)
        return hf_fail_sys(err, errno, "the index of chunks");
    if (map_base(&fresh, fd, (size_t)st.st_size, err) < 0)
        return -1;
    hf_image_run_unmap(&c->base);
    for (size_t i = 0; i < c->runs_n; i++)
        hf_image_run_unmap(&c->runs[i]);
    c->base = fresh;
    c->runs_n = 0;
    for (uint32_t i = 0; i < c->packs_n; i++)
        c->packs[i].was_lost = false;
    c->is_changed = false;
    return 0;
}

/* It had no name so far. That another process has just done the same does no harm: one of the files stays. */
static int publish(const struct hf_image_chunks *c, int fd, struct hf_err *err)
{
    HF_AUTOFREE char *path = hf_path_join(c->dir, "chunks");
    HF_AUTOFREE char *fresh = hf_path_join(c->dir, ".chunks.new");
    char self[64];
    if (!path || !fresh)
        return hf_fail_nomem(err);
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    unlink(fresh);
    if ((linkat(AT_FDCWD, self, AT_FDCWD, fresh, AT_SYMLINK_FOLLOW) < 0 && errno != EEXIST) ||
        (rename(fresh, path) < 0 && errno != ENOENT))
        return hf_fail_sys(err, errno, "cannot put '%s' into place", path);
    return 0;
}

int hf_image_base_merge(struct hf_image_chunks *c, struct hf_err *err)
{
    HF_AUTOFD int fd = hf_image_nameless(c, err);
    if (fd < 0 || write_file(c, fd, err) < 0 || publish(c, fd, err) < 0)
        return -1;
    return take_over(c, fd, err);
}
