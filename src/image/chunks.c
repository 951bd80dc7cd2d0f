/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"
#include "image/chunks_intern.h"

#include <stdlib.h>
#include <sys/mman.h>

#define CODEC_BIT 0x80000000u

struct hf_image_chunks *hf_image_chunks_open(const char *dir, struct hf_err *err)
{
    HF_AUTO(hf_image_chunks) struct hf_image_chunks *c = calloc(1, sizeof *c);
    if (!c) {
        hf_fail_nomem(err);
        return NULL;
    }
    pthread_rwlock_init(&c->lock, NULL);
    c->dir = strdup(dir);
    if (!c->dir) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (hf_path_mkdirs(dir, 0700, err) < 0 || hf_image_base_load(c, err) < 0)
        return NULL;
    return HF_STEAL(c);
}

void hf_image_chunks_close(struct hf_image_chunks *c)
{
    if (!c)
        return;
    hf_image_run_unmap(&c->base);
    for (size_t i = 0; i < c->runs_n; i++)
        hf_image_run_unmap(&c->runs[i]);
    pthread_rwlock_destroy(&c->lock);
    free(c->table);
    free(c->packs);
    free(c->by_id);
    free(c->dir);
    free(c);
}

/* ---- packs ------------------------------------------------------------------------------ */

/* Where this id stands in by_id, or would stand. */
static uint32_t by_id_place(const struct hf_image_chunks *c, const unsigned char *id,
                            bool *is_there)
{
    uint32_t low = 0, high = c->by_id_n;
    *is_there = false;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order = memcmp(c->packs[c->by_id[mid]].pack.id, id, HF_IMAGE_PACK_ID);
        if (order == 0) {
            *is_there = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static uint32_t find_pack(const struct hf_image_chunks *c, const unsigned char *id)
{
    bool is_there = false;
    uint32_t place = by_id_place(c, id, &is_there);
    return is_there ? c->by_id[place] : HF_IMAGE_NO_PACK;
}

uint32_t hf_image_chunks_pack_find(struct hf_image_chunks *c,
                                   const unsigned char id[HF_IMAGE_PACK_ID])
{
    pthread_rwlock_rdlock(&c->lock);
    uint32_t number = find_pack(c, id);
    pthread_rwlock_unlock(&c->lock);
    return number;
}

uint32_t hf_image_chunks_packs_n(struct hf_image_chunks *c)
{
    pthread_rwlock_rdlock(&c->lock);
    uint32_t n = c->packs_n;
    pthread_rwlock_unlock(&c->lock);
    return n;
}

bool hf_image_chunks_pack(struct hf_image_chunks *c, uint32_t number, struct hf_image_pack *out)
{
    pthread_rwlock_rdlock(&c->lock);
    bool is_there = number < c->packs_n && c->packs[number].pack.kind;
    if (is_there)
        *out = c->packs[number].pack;
    pthread_rwlock_unlock(&c->lock);
    return is_there;
}

/* Room for one more pack; both arrays grow together. */
static int grow_packs(struct hf_image_chunks *c, struct hf_err *err)
{
    if (c->packs_n < c->packs_cap)
        return 0;
    uint32_t cap = c->packs_cap ? 2 * c->packs_cap : 64;
    struct hf_image_known *packs = reallocarray(c->packs, cap, sizeof *packs);
    if (packs)
        c->packs = packs;
    uint32_t *by_id = packs ? reallocarray(c->by_id, cap, sizeof *by_id) : NULL;
    if (!by_id)
        return hf_fail_nomem(err);
    c->by_id = by_id;
    c->packs_cap = cap;
    return 0;
}

static uint32_t free_number(const struct hf_image_chunks *c)
{
    for (uint32_t i = 0; i < c->packs_n; i++)
        if (!c->packs[i].pack.kind && !c->packs[i].was_lost)
            return i;
    return c->packs_n;
}

static int add_pack(struct hf_image_chunks *c, const struct hf_image_pack *pack, uint32_t *number,
                    struct hf_err *err)
{
    bool is_there = false;
    if (grow_packs(c, err) < 0)
        return -1;
    /* Looking for a free number costs, and a few bytes per pack do not. */
    *number = c->by_id_n < c->packs_n ? free_number(c) : c->packs_n;
    uint32_t place = by_id_place(c, pack->id, &is_there);
    memmove(c->by_id + place + 1, c->by_id + place, (c->by_id_n - place) * sizeof *c->by_id);
    c->by_id[place] = *number;
    c->by_id_n++;
    if (*number == c->packs_n)
        c->packs_n++;
    c->packs[*number] = (struct hf_image_known){.pack = *pack};
    c->is_changed = true;
    return 0;
}

static int order_listed(const void *id, const void *listed)
{
    return memcmp(id, ((const struct hf_image_listed *)listed)->id, HF_IMAGE_PACK_ID);
}

void hf_image_chunks_live(struct hf_image_chunks *c, const struct hf_image_listed *there, size_t n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->by_id_n; i++) {
        struct hf_image_known *k = &c->packs[c->by_id[i]];
        if (n && bsearch(k->pack.id, there, n, sizeof *there, order_listed)) {
            c->by_id[kept++] = c->by_id[i];
            continue;
        }
        *k = (struct hf_image_known){.was_lost = true};
        c->is_changed = true;
    }
    c->by_id_n = kept;
}

void hf_image_chunks_condemn(struct hf_image_chunks *c, const unsigned char id[HF_IMAGE_PACK_ID],
                             bool is_condemned)
{
    pthread_rwlock_wrlock(&c->lock);
    uint32_t number = find_pack(c, id);
    if (number != HF_IMAGE_NO_PACK)
        c->packs[number].is_condemned = is_condemned;
    pthread_rwlock_unlock(&c->lock);
}

bool hf_image_chunks_is_condemned(struct hf_image_chunks *c,
                                  const unsigned char id[HF_IMAGE_PACK_ID])
{
    pthread_rwlock_rdlock(&c->lock);
    uint32_t number = find_pack(c, id);
    bool is_condemned = number != HF_IMAGE_NO_PACK && c->packs[number].is_condemned;
    pthread_rwlock_unlock(&c->lock);
    return is_condemned;
}

/* ---- the table -------------------------------------------------------------------------- */

static size_t table_hash(const unsigned char *id)
{
    uint64_t h;
    memcpy(&h, id, sizeof h);
    return (size_t)h;
}

static void table_insert(struct hf_image_slot *table, size_t cap, const struct hf_image_slot *s)
{
    size_t i = table_hash(s->id) & (cap - 1);
    while (table[i].pack != HF_IMAGE_NO_PACK)
        i = (i + 1) & (cap - 1);
    table[i] = *s;
}

static struct hf_image_slot *table_new(size_t cap)
{
    struct hf_image_slot *t = reallocarray(NULL, cap, sizeof *t);
    if (t)
        memset(t, 0xff, cap * sizeof *t);
    return t;
}

static int table_grow(struct hf_image_chunks *c, struct hf_err *err)
{
    size_t cap = c->table_cap ? 2 * c->table_cap : HF_IMAGE_TABLE_FIRST;
    struct hf_image_slot *t = table_new(cap);
    if (!t)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < c->table_cap; i++)
        if (c->table[i].pack != HF_IMAGE_NO_PACK)
            table_insert(t, cap, &c->table[i]);
    free(c->table);
    c->table = t;
    c->table_cap = cap;
    return 0;
}

int hf_image_table_spill(struct hf_image_chunks *c, struct hf_err *err)
{
    struct hf_image_run *r = &c->runs[c->runs_n];
    if (c->table_n == 0)
        return 0;
    size_t n = 0;
    for (size_t i = 0; i < c->table_cap; i++)
        if (c->table[i].pack != HF_IMAGE_NO_PACK)
            c->table[n++] = c->table[i];
    qsort(c->table, n, sizeof *c->table, hf_image_run_order);
    HF_AUTOFD int fd = hf_image_nameless(c, err);
    r->map_bytes = n * sizeof *c->table;
    if (fd < 0 || hf_image_write_all(fd, c->table, r->map_bytes, err) < 0)
        return -1;
    r->map = mmap(NULL, r->map_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (r->map == MAP_FAILED) {
        r->map = NULL;
        return hf_fail_sys(err, errno, "cannot map a file in '%s'", c->dir);
    }
    r->slots = r->map;
    r->n = n;
    c->runs_n++;
    memset(c->table, 0xff, c->table_cap * sizeof *c->table);
    c->table_n = 0;
    return c->runs_n == HF_IMAGE_RUNS_MAX ? hf_image_base_merge(c, err) : 0;
}

static void table_add(struct hf_image_chunks *c, const struct hf_image_entry *e, uint32_t number)
{
    struct hf_image_slot s = {.pack = number, .at = e->at, .stored = e->stored};
    memcpy(s.id, e->id, HF_IMAGE_ID);
    s.plain = e->plain | (e->codec == HF_IMAGE_ZSTD ? CODEC_BIT : 0);
    table_insert(c->table, c->table_cap, &s);
    c->table_n++;
}

/* For all of a pack at once: so the file never has a pack without its records. */
static int make_room(struct hf_image_chunks *c, uint32_t records, struct hf_err *err)
{
    /* Full only after a merge that failed, with an empty table. */
    if (c->runs_n == HF_IMAGE_RUNS_MAX && hf_image_base_merge(c, err) < 0)
        return -1;
    while (4 * (c->table_n + records) > 3 * c->table_cap) {
        int rc =
            c->table_cap == HF_IMAGE_TABLE_LAST ? hf_image_table_spill(c, err) : table_grow(c, err);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int add(struct hf_image_chunks *c, const struct hf_image_pack *pack,
               const struct hf_image_entry *entries, uint32_t *number, struct hf_err *err)
{
    *number = find_pack(c, pack->id);
    if (*number != HF_IMAGE_NO_PACK)
        return 0;
    if (make_room(c, pack->records, err) < 0 || add_pack(c, pack, number, err) < 0)
        return -1;
    for (uint32_t i = 0; i < pack->records; i++)
        table_add(c, &entries[i], *number);
    return 0;
}

int hf_image_chunks_add(struct hf_image_chunks *c, const struct hf_image_pack *pack,
                        const struct hf_image_entry *entries, uint32_t *out_number,
                        struct hf_err *err)
{
    pthread_rwlock_wrlock(&c->lock);
    int rc = add(c, pack, entries, out_number, err);
    pthread_rwlock_unlock(&c->lock);
    return rc;
}

int hf_image_chunks_save(struct hf_image_chunks *c, struct hf_err *err)
{
    if (!c->is_changed)
        return 0;
    if (hf_image_table_spill(c, err) < 0)
        return -1;
    return c->is_changed ? hf_image_base_merge(c, err) : 0;
}

/* ---- finding ---------------------------------------------------------------------------- */

/* A number beyond the packs comes from a damaged file. */
static bool suits(const struct hf_image_chunks *c, const struct hf_image_slot *s,
                  enum hf_image_kind kind, bool to_reuse, struct hf_image_place *out)
{
    if (s->pack >= c->packs_n || c->packs[s->pack].pack.kind != kind ||
        (to_reuse && c->packs[s->pack].is_condemned))
        return false;
    uint64_t end = (uint64_t)s->at + HF_IMAGE_RECORD_HEAD + s->stored;
    if (end > c->packs[s->pack].pack.plain_bytes)
        return false;
    out->pack = s->pack;
    memcpy(out->entry.id, s->id, HF_IMAGE_ID);
    out->entry.at = s->at;
    out->entry.stored = s->stored;
    out->entry.plain = s->plain & ~CODEC_BIT;
    out->entry.codec = s->plain & CODEC_BIT ? HF_IMAGE_ZSTD : HF_IMAGE_RAW;
    return true;
}

static bool find_in_table(const struct hf_image_chunks *c, enum hf_image_kind kind,
                          const unsigned char *id, bool to_reuse, struct hf_image_place *out)
{
    if (c->table_n == 0)
        return false;
    for (size_t i = table_hash(id) & (c->table_cap - 1); c->table[i].pack != HF_IMAGE_NO_PACK;
         i = (i + 1) & (c->table_cap - 1))
        if (memcmp(c->table[i].id, id, HF_IMAGE_ID) == 0 &&
            suits(c, &c->table[i], kind, to_reuse, out))
            return true;
    return false;
}

static bool find_in_run(const struct hf_image_chunks *c, const struct hf_image_run *r,
                        enum hf_image_kind kind, const unsigned char *id, bool to_reuse,
                        struct hf_image_place *out)
{
    for (size_t i = hf_image_run_search(r, id);
         i < r->n && memcmp(r->slots[i].id, id, HF_IMAGE_ID) == 0; i++)
        if (suits(c, &r->slots[i], kind, to_reuse, out))
            return true;
    return false;
}

static bool find(const struct hf_image_chunks *c, enum hf_image_kind kind, const unsigned char *id,
                 bool to_reuse, struct hf_image_place *out)
{
    if (find_in_table(c, kind, id, to_reuse, out))
        return true;
    for (size_t i = c->runs_n; i-- > 0;)
        if (find_in_run(c, &c->runs[i], kind, id, to_reuse, out))
            return true;
    return find_in_run(c, &c->base, kind, id, to_reuse, out);
}

bool hf_image_chunks_find(struct hf_image_chunks *c, enum hf_image_kind kind,
                          const unsigned char id[HF_IMAGE_ID], bool to_reuse,
                          struct hf_image_place *out)
{
    pthread_rwlock_rdlock(&c->lock);
    bool is_there = find(c, kind, id, true, out) || (!to_reuse && find(c, kind, id, false, out));
    pthread_rwlock_unlock(&c->lock);
    return is_there;
}
