/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk_tables.h"

#include "base/bytes.h"

/* Places have 32 bits in the tables. */
static void add(struct vmw_places *p, uint64_t at, uint64_t index)
{
    uint64_t x = (at & UINT32_MAX) | index << 32;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    p->n++;
    p->sum += x ^ x >> 31;
}

static bool same(const struct vmw_places *a, const struct vmw_places *b)
{
    return a->n == b->n && a->sum == b->sum;
}

void vmw_tables_grain(struct vmw_vmdk_tables *t, uint64_t at, uint64_t grain, uint64_t entries)
{
    add(&t->grains, at, grain % entries);
}

static void end_table(struct vmw_vmdk_tables *t)
{
    if (t->is_used)
        add(&t->used, t->table_at, 0);
    t->is_used = false;
}

void vmw_tables_begin_table(struct vmw_vmdk_tables *t, uint64_t at)
{
    end_table(t);
    t->table_at = at;
    t->entry = 0;
    add(&t->tables, at, 0);
}

void vmw_tables_begin_directory(struct vmw_vmdk_tables *t, uint64_t at)
{
    t->is_odd = t->is_odd || t->directory_at;
    t->directory_at = at;
    t->entry = 0;
}

/* An entry of 0 is no grain, of 1 one of zeros. */
void vmw_tables_table(struct vmw_vmdk_tables *t, const unsigned char sector[VMW_SECTOR])
{
    for (size_t i = 0; i < VMW_SECTOR; i += 4, t->entry++) {
        uint32_t at = hf_le32(sector + i);
        if (at <= 1)
            continue;
        t->is_used = true;
        add(&t->listed, at, t->entry);
    }
}

void vmw_tables_directory(struct vmw_vmdk_tables *t, const unsigned char sector[VMW_SECTOR])
{
    for (size_t i = 0; i < VMW_SECTOR; i += 4, t->entry++) {
        uint32_t at = hf_le32(sector + i);
        if (!at)
            continue;
        t->is_odd = t->is_odd || t->entry >= t->tables_max;
        add(&t->directory, at, 0);
    }
}

void vmw_tables_footer(struct vmw_vmdk_tables *t, bool is_as_header, uint64_t directory_at)
{
    t->is_odd = t->is_odd || t->has_footer || !is_as_header || directory_at != t->directory_at;
    t->has_footer = true;
}

/* Whether an empty table is in the directory is its writer's business. */
int vmw_tables_check(struct vmw_vmdk_tables *t, struct hf_err *err)
{
    end_table(t);
    if (t->listed.n != t->grains.n)
        return hf_fail(err, HF_E_CORRUPT,
                       "the VMDK stream lists %llu grains, and %llu of them came",
                       (unsigned long long)t->listed.n, (unsigned long long)t->grains.n);
    if (!t->directory_at || !t->has_footer)
        return hf_fail(err, HF_E_CORRUPT, "the VMDK stream ends without its %s",
                       t->directory_at ? "footer" : "directory");
    if (t->is_odd || !same(&t->listed, &t->grains) ||
        (!same(&t->directory, &t->tables) && !same(&t->directory, &t->used)))
        return hf_fail(err, HF_E_CORRUPT, "the VMDK stream has tables that do not fit its grains");
    return 0;
}
