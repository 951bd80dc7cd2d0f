/* SPDX-License-Identifier: Apache-2.0
 *
 * unit/point/fixture.h - a path as a store, made ready, with one point on it.
 */
#ifndef HF_UNIT_POINT_FIXTURE_H
#define HF_UNIT_POINT_FIXTURE_H

#include "base/buf.h"
#include "base/path.h"
#include "harness/hf_test.h"
#include "image/writer.h"
#include "point/points.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define POINT_A "20261123T030000Z-7f3a9c21"
#define POINT_B "20261124T030000Z-00000001"
#define TAKEN_US (INT64_C(1795402800123000)) /* 2026-11-23T03:00:00.123Z */
#define DISK_BYTES ((uint64_t)1 << 20)

struct place {
    struct hf_store *store;
    struct hf_strv recipients;
    const char *dir, *state, *identity_file; /* identity_file: of the recipient */
    const struct hf_clock *clock;
};

static inline const char *a_dir(void **state, const char *name)
{
    const char *path = hf_test_path(state, name);
    assert_int_equal(mkdir(path, 0700), 0);
    return path;
}

/* An age key: its file, and its recipient. */
static inline const char *a_key(void **state, const char *name, char recipient[HF_AGE_TEXT_MAX])
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_age_identities) struct hf_age_identities *ids = hf_age_identities_generate(&err);
    assert_hf_got(ids, &err);
    HF_AUTO(hf_secret) struct hf_secret *text = hf_age_identities_text(ids, 0);
    hf_age_identities_recipient(ids, 0, recipient);
    return hf_test_file(state, name, hf_secret_reveal(text), 0600);
}

static inline void place_begin(void **state, struct place *p, bool is_encrypted)
{
    struct hf_err err = HF_ERR_INIT;
    char recipient[HF_AGE_TEXT_MAX];
    *p = (struct place){.dir = a_dir(state, "store"), .state = a_dir(state, "state")};
    p->clock = hf_clock_system();
    p->identity_file = a_key(state, "site.age", recipient);
    if (is_encrypted)
        assert_int_equal(hf_strv_add(&p->recipients, recipient), 0);
    HF_AUTOFREE char *url = hf_asprintf("file://%s", p->dir);
    const struct hf_store_opts opts = {.url = url, .clock = p->clock};
    p->store = hf_store_open(&opts, &err);
    assert_hf_got(p->store, &err);
}

static inline void place_end(struct place *p)
{
    hf_store_close(p->store);
    hf_strv_free(&p->recipients);
}

static inline struct hf_site_opts site_opts(const struct place *p)
{
    return (struct hf_site_opts){.store = p->store,
                                 .state_dir = p->state,
                                 .name = "vault",
                                 .recipients = &p->recipients,
                                 .chunk_bytes = 4096,
                                 .clock = p->clock};
}

static inline struct hf_site *make_site(const struct place *p)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_site_opts opts = site_opts(p);
    struct hf_site *s = hf_site_make(&opts, &err);
    assert_hf_got(s, &err);
    return s;
}

static inline struct hf_site *open_site(const struct place *p, const char *identity_file)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_site_opts opts = site_opts(p);
    opts.identity_file = identity_file;
    struct hf_site *s = hf_site_open(&opts, &err);
    assert_hf_got(s, &err);
    return s;
}

/* ---- a point ---------------------------------------------------------------------------- */

/* A manifest that has everything but disks and objects. */
static inline void fill_manifest(struct hf_manifest *m, const char *vm, const char *id)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_point_name_set(&m->point, vm, id, &err), &err);
    memset(m->store, 'a', sizeof m->store - 1);
    m->hypervisor = strdup("lab");
    m->vm_id = strdup("5d1c");
    m->holdfast = strdup("0.1.0");
    m->proof = strdup("position");
    m->taken_us = TAKEN_US;
    m->grade = m->required = 'B';
    m->stall_ms = 47.25;
    m->held_ms = 28;
    m->has_position = true;
    m->position = (struct hf_db_position){.has_binlog = true,
                                          .file = strdup("binlog.000007"),
                                          .offset = 4711,
                                          .gtid = strdup("0-1-99"),
                                          .has_lsn = true,
                                          .lsn = 123456789012};
    assert_hf_ok(hf_manifest_add_event(m, 100, "lock_begin", &err), &err);
    assert_hf_ok(hf_manifest_add_event(m, 147.25, "unlocked", &err), &err);
}

static inline void put_object(struct hf_site *s, struct hf_manifest *m, struct hf_point_artifact *a,
                              const char *name, const char *content)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_receipt receipt;
    char object[HF_POINT_NAME_MAX], at[HF_POINT_NAME_MAX];
    assert_hf_ok(hf_point_object_name(a->kind, name, s->is_encrypted, object, &err), &err);
    assert_hf_ok(hf_point_object_at(&m->point, object, at, &err), &err);
    assert_hf_ok(hf_site_put_bytes(s, HF_SITE_DATA, at, content, strlen(content), &receipt, &err),
                 &err);
    assert_true(receipt.confirmed);
    struct hf_point_object o = {
        .name = object, .bytes = strlen(content), .stored_bytes = receipt.digest.bytes};
    memcpy(o.sha256, receipt.digest.sha256, sizeof o.sha256);
    assert_hf_ok(hf_manifest_add_object(a, &o, &err), &err);
    a->bytes += o.bytes;
    a->stored_bytes += o.stored_bytes;
}

/* A disk with random bytes at its beginning, zeros behind it. */
static inline void put_disk(struct hf_site *s, struct hf_manifest *m, const char *target)
{
    struct hf_err err = HF_ERR_INIT;
    static unsigned char data[8 * 4096];
    arc4random_buf(data, sizeof data);
    HF_AUTO(hf_image) struct hf_image *im = hf_site_image(s, &err);
    assert_hf_got(im, &err);
    const struct hf_image_writer_opts opts = {.disk_bytes = DISK_BYTES, .workers = 1};
    HF_AUTO(hf_image_writer) struct hf_image_writer *w = hf_image_write_begin(im, &opts, &err);
    assert_hf_got(w, &err);
    HF_AUTO(hf_image_written) struct hf_image_written done = {0};
    assert_hf_ok(hf_image_write(w, 0, data, sizeof data, &err), &err);
    assert_hf_ok(hf_image_write_finish(w, &done, &err), &err);
    struct hf_point_artifact *a = hf_manifest_add_artifact(m, HF_POINT_IMAGE, target, &err);
    assert_hf_got(a, &err);
    memcpy(a->root, done.root, sizeof a->root);
    a->bytes = DISK_BYTES;
    a->stored_bytes = done.stored_bytes;
    assert_hf_ok(hf_manifest_add_packs(m, (const unsigned char(*)[HF_IMAGE_PACK_ID])done.packs,
                                       done.packs_n, &err),
                 &err);
}

static inline void put_point(struct hf_site *s, const char *vm, const char *id)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    fill_manifest(&m, vm, id);
    put_disk(s, &m, "vda");
    struct hf_point_artifact *a = hf_manifest_add_artifact(&m, HF_POINT_DUMP, "dump", &err);
    put_object(s, &m, a, "shop.orders.00000.sql.zst", "orders of the shop");
    put_object(s, &m, a, "shop-schema-create.sql", "create");
    a = hf_manifest_add_artifact(&m, HF_POINT_DEFINITION, "definition", &err);
    put_object(s, &m, a, "domain.xml", "<domain/>");
    assert_hf_ok(hf_point_commit(s, &m, &err), &err);
}

/* Past the site: as it is. */
static inline void put_text(struct hf_store *store, const char *name, const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_receipt receipt;
    assert_hf_ok(hf_store_put_bytes(store, name, text, strlen(text), true, &receipt, &err), &err);
}

static inline struct hf_point_name name_of(const char *vm, const char *id)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_point_name n;
    assert_hf_ok(hf_point_name_set(&n, vm, id, &err), &err);
    return n;
}

/* ---- damage ----------------------------------------------------------------------------- */

static inline char *file_at(const struct place *p, const char *name)
{
    return hf_path_join(p->dir, name);
}

static inline void flip(const char *path, off_t at)
{
    struct stat st;
    char c;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    if (at < 0)
        at += st.st_size;
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 0x10;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

#endif
