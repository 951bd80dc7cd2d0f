/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "point/manifest_intern.h"

#define SHA "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const unsigned char packs[3][HF_IMAGE_PACK_ID] = {{9}, {1}, {9}};

static struct hf_image_keys *some_keys(void)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_age_identities) struct hf_age_identities *ids = hf_age_identities_generate(&err);
    assert_hf_got(ids, &err);
    struct hf_image_keys *k = hf_image_keys_new(ids, "00112233445566778899aabbccddeeff", &err);
    assert_hf_got(k, &err);
    return k;
}

/* Everything that a manifest can have. */
static void fill(struct hf_manifest *m)
{
    struct hf_err err = HF_ERR_INIT;
    char name[] = "dump/b.sql", first[] = "dump/a.sql", tar[] = "files/www.tar.zst";
    struct hf_point_object o = {.name = name, .bytes = 5, .stored_bytes = 6, .sha256 = SHA};
    fill_manifest(m, "web 01", POINT_A);
    m->grade_why = strdup("because");
    m->server = strdup("MariaDB 10.11");
    m->checkpoint = strdup("hf-" POINT_A);
    m->fencing_token = 17;
    struct hf_point_artifact *a = hf_manifest_add_artifact(m, HF_POINT_IMAGE, "vda", &err);
    memset(a->root, 0xab, sizeof a->root);
    a->bytes = DISK_BYTES;
    a->stored_bytes = 12345;
    a->is_incremental = true;
    memcpy(a->parent, POINT_B, sizeof POINT_B);
    a->incremental_why = strdup("its bitmap is lost");
    a->read_bytes = 4711;
    assert_hf_ok(hf_manifest_add_packs(m, packs, 3, &err), &err);
    a = hf_manifest_add_artifact(m, HF_POINT_DUMP, "dump", &err);
    a->has_position = true;
    assert_hf_ok(hf_db_position_copy(&a->position, &m->position, &err), &err);
    a->position.offset = 815;
    assert_hf_ok(hf_manifest_add_object(a, &o, &err), &err);
    o.name = first;
    assert_hf_ok(hf_manifest_add_object(a, &o, &err), &err);
    a = hf_manifest_add_artifact(m, HF_POINT_FILES, "www", &err);
    a->read_from_us = TAKEN_US + 1000000;
    a->read_to_us = TAKEN_US + 2000000;
    o.name = tar;
    assert_hf_ok(hf_manifest_add_object(a, &o, &err), &err);
}

static void assert_same(const struct hf_manifest *m)
{
    assert_string_equal(m->point.vm, "web 01");
    assert_string_equal(m->point.id, POINT_A);
    assert_string_equal(m->hypervisor, "lab");
    assert_string_equal(m->vm_id, "5d1c");
    assert_string_equal(m->holdfast, "0.1.0");
    assert_string_equal(m->proof, "position");
    assert_string_equal(m->grade_why, "because");
    assert_string_equal(m->server, "MariaDB 10.11");
    assert_string_equal(m->checkpoint, "hf-" POINT_A);
    assert_int_equal(m->taken_us, TAKEN_US);
    assert_int_equal(m->fencing_token, 17);
    assert_true(m->grade == 'B' && m->required == 'B');
    assert_true(m->stall_ms == 47.25 && m->held_ms == 28);
    assert_true(m->has_position && !m->has_bracket && m->position.has_binlog);
    assert_string_equal(m->position.file, "binlog.000007");
    assert_int_equal(m->position.offset, 4711);
    assert_string_equal(m->position.gtid, "0-1-99");
    assert_true(m->position.has_lsn && m->position.lsn == 123456789012);
    assert_true(!m->artifacts[0].has_position && m->artifacts[1].has_position);
    assert_string_equal(m->artifacts[1].position.file, "binlog.000007");
    assert_int_equal(m->artifacts[1].position.offset, 815);
    assert_int_equal(m->n_events, 2);
    assert_string_equal(m->events[1].event, "unlocked");
    assert_true(m->events[1].at_ms == 147.25);
}

static void assert_same_artifacts(const struct hf_manifest *m)
{
    assert_int_equal(m->n_artifacts, 3);
    const struct hf_point_artifact *a = m->artifacts;
    assert_true(a[0].kind == HF_POINT_IMAGE && a[0].root[31] == 0xab && a[0].is_incremental);
    assert_string_equal(a[0].name, "vda");
    assert_string_equal(a[0].parent, POINT_B);
    assert_string_equal(a[0].incremental_why, "its bitmap is lost");
    assert_int_equal(a[0].read_bytes, 4711);
    assert_true(a[0].bytes == DISK_BYTES && a[0].stored_bytes == 12345);
    assert_int_equal(a[1].n_objects, 2);
    assert_string_equal(a[1].objects[0].name, "dump/a.sql");
    assert_string_equal(a[1].objects[1].sha256, SHA);
    assert_true(a[1].objects[1].bytes == 5 && a[1].objects[1].stored_bytes == 6);
    assert_int_equal(a[2].read_from_us, TAKEN_US + 1000000);
    assert_int_equal(a[2].read_to_us, TAKEN_US + 2000000);
    assert_int_equal(m->n_packs, 2);
    assert_memory_equal(m->packs[0], packs[1], HF_IMAGE_PACK_ID);
    assert_true(hf_manifest_has_pack(m, packs[0]));
    assert_false(hf_manifest_has_pack(m, (const unsigned char *)"another pack id."));
}

static void write_it(const struct hf_image_keys *keys, struct hf_buf *out)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    fill(&m);
    assert_hf_ok(hf_manifest_write(&m, keys, false, out, &err), &err);
}

/* One whose disks lie with the hypervisor. */
static void fill_pushed(struct hf_manifest *m)
{
    struct hf_err err = HF_ERR_INIT;
    fill_manifest(m, "web 01", POINT_A);
    struct hf_point_artifact *a =
        hf_manifest_add_artifact(m, HF_POINT_PUSHED, HF_MANIFEST_PUSHED, &err);
    assert_hf_got(a, &err);
    a->bytes = DISK_BYTES;
    a->stored_bytes = 12345;
    a->pushed.ref = strdup("nfs1:backup/vzdump-qemu-100-2026_11_23-03_00_00.vma.zst");
    a->pushed.form = strdup("vma");
    a->pushed.place = strdup("nfs1");
    a->pushed.off_host = HF_POINT_OFF_HOST_ASSUMED;
    a->pushed.off_host_why = strdup("what is mounted there is not told");
    a->pushed.taken_us = INT64_C(1795402800000000);
    assert_int_equal(hf_strv_add(&a->pushed.disks, "scsi0"), 0);
    assert_int_equal(hf_strv_add(&a->pushed.disks, "scsi1"), 0);
}

static void write_pushed(const struct hf_image_keys *keys, struct hf_buf *out)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    fill_pushed(&m);
    assert_hf_ok(hf_manifest_write(&m, keys, false, out, &err), &err);
}

static void a_backup_that_lies_with_the_hypervisor_is_named(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_image_keys) struct hf_image_keys *keys = some_keys();
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest back = {0};
    uint64_t objects = 0, bytes = 0;
    (void)state;
    write_pushed(keys, &text);
    assert_non_null(strstr(text.data, "\"format\":2,"));
    assert_hf_ok(hf_manifest_read(text.data, text.len, keys, false, &back, &err), &err);
    const struct hf_point_artifact *a = hf_manifest_find(&back, HF_POINT_PUSHED);
    assert_non_null(a);
    assert_string_equal(a->name, "backup");
    assert_string_equal(a->pushed.ref, "nfs1:backup/vzdump-qemu-100-2026_11_23-03_00_00.vma.zst");
    assert_string_equal(a->pushed.form, "vma");
    assert_string_equal(a->pushed.place, "nfs1");
    assert_string_equal(a->pushed.off_host_why, "what is mounted there is not told");
    assert_true(a->pushed.off_host == HF_POINT_OFF_HOST_ASSUMED && a->stored_bytes == 12345);
    assert_true(a->bytes == DISK_BYTES && a->pushed.taken_us == INT64_C(1795402800000000));
    assert_int_equal(a->pushed.disks.n, 2);
    assert_string_equal(a->pushed.disks.items[1], "scsi1");
    hf_manifest_own(&back, &objects, &bytes);
    assert_true(objects == 0 && bytes == 0 && back.n_packs == 0);
}

static void what_was_written_is_read_back(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_image_keys) struct hf_image_keys *keys = some_keys();
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest back = {0};
    (void)state;
    write_it(keys, &text);
    assert_hf_ok(hf_manifest_read(text.data, text.len, keys, false, &back, &err), &err);
    assert_same(&back);
    assert_same_artifacts(&back);
}

static void any_changed_byte_is_noticed(void **state)
{
    HF_AUTO(hf_image_keys) struct hf_image_keys *keys = some_keys();
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    (void)state;
    write_it(keys, &text);
    for (size_t i = 0; i < text.len; i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_manifest) struct hf_manifest back = {0};
        text.data[i] ^= 1;
        assert_int_equal(hf_manifest_read(text.data, text.len, keys, false, &back, &err), -1);
        assert_int_equal(err.cls, HF_E_CORRUPT);
        text.data[i] ^= 1;
    }
}

static void a_cut_manifest_is_noticed(void **state)
{
    HF_AUTO(hf_image_keys) struct hf_image_keys *keys = some_keys();
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    (void)state;
    write_it(keys, &text);
    for (size_t len = 0; len < text.len; len++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_manifest) struct hf_manifest back = {0};
        assert_int_equal(hf_manifest_read(text.data, len, keys, false, &back, &err), -1);
        assert_int_equal(err.cls, HF_E_CORRUPT);
    }
}

static void a_manifest_by_another_key_is_forged(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_image_keys) struct hf_image_keys *keys = some_keys();
    struct hf_image_keys *others = some_keys();
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest back = {0};
    (void)state;
    write_it(others, &text);
    assert_int_equal(hf_manifest_read(text.data, text.len, keys, false, &back, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "not written by a holder of the store's key");
    hf_image_keys_free(others);
}

static void a_manifest_that_would_not_be_read_back_is_not_written(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_image_keys) struct hf_image_keys *keys = some_keys();
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    (void)state;
    fill(&m);
    m.artifacts[1].objects[0].name[4] = '.';
    assert_int_equal(hf_manifest_write(&m, keys, false, &text, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "cannot be an object");
    assert_int_equal(text.len, 0);
}

/* ---- inner objects with one thing changed ----------------------------------------------- */

static void assert_refused(const char *inner, const char *from, const char *to, const char *piece)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest back = {0};
    const char *at = strstr(inner, from);
    if (!at)
        fail_msg("no %s in %s", from, inner);
    hf_buf_add(&b, inner, (size_t)(at - inner));
    hf_buf_str_add(&b, to);
    hf_buf_str_add(&b, at + strlen(from));
    if (hf_manifest_parse(b.data, b.len, false, &back, &err) == 0)
        fail_msg("accepted: %s", to);
    assert_contains(err.message, piece);
}

static char *inner_of(const struct hf_buf *text)
{
    size_t head = strlen(HF_MANIFEST_HEAD) + 64 + strlen(HF_MANIFEST_MIDDLE);
    return strndup(text->data + head, text->len - head - strlen(HF_MANIFEST_TAIL));
}

static void what_is_out_of_bounds_is_refused(void **state)
{
    static const char *const cases[][3] = {
        {"\"format\":1", "\"format\":3", "format 3"},
        {"\"format\":1", "\"format\":2", "has 0 backups"},
        {"\"point\":\"" POINT_A, "\"point\":\"../../x", "no id of a point"},
        {"\"vm\":\"web 01\"", "\"vm\":\"\"", "without a name"},
        {"\"taken_at\":\"2026-11-23", "\"taken_at\":\"2026-02-30", "'taken_at' is no time"},
        {"\"taken_at\":\"2026-11-23T03:00:00.123Z\"", "\"taken_at\":null", "'taken_at' is null"},
        {"\"fencing_token\":17", "\"fencing_token\":-1", "'fencing_token' is -1"},
        {"\"grade\":\"B\"", "\"grade\":\"F\"", "'grade' is no grade"},
        {"\"grade\":\"B\"", "\"grade\":null", "'grade' is missing"},
        {"\"stall_ms\":47.250", "\"stall_ms\":-1", "'stall_ms' is no duration"},
        {"\"stall_ms\":47.250", "\"stall_ms\":\"x\"", "'stall_ms' is no number"},
        {"\"stall_ms\":47.250", "\"stall_ms\":1e84", "'stall_ms' is no duration"},
        {"\"position_min\":null", "\"position_min\":{\"file\":\"b.1\",\"offset\":1,\"gtid\":\"\"}",
         "only one end"},
        {"\"position\":{", "\"position\":[],\"x\":{", "sought in an array"},
        {"\"kind\":\"dump\"", "\"kind\":\"tape\"", "is no artifact"},
        {"\"kind\":\"files\",\"name\":\"www\"", "\"kind\":\"dump\",\"name\":\"dump\"",
         "cannot be an object"},
        {"\"name\":\"dump/a.sql\"", "\"name\":\"dump/../../../x\"", "cannot be an object"},
        {"\"name\":\"dump/a.sql\"", "\"name\":\"files/a.sql\"", "cannot be an object"},
        {"\"name\":\"dump/a.sql\"", "\"name\":\"dump/c.sql\"", "stands twice, or not in order"},
        {"\"sha256\":\"e3", "\"sha256\":\"E3", "64 hex digits"},
        {"\"stored_bytes\":6", "\"stored_bytes\":9007199254740993", "'stored_bytes' is 9007"},
        {"\"root\":\"ab", "\"root\":\"", "64 hex digits"},
        {"\"parent\":\"" POINT_B, "\"parent\":\"x", "'parent' is no point"},
        {"\"packs\":\"AQ", "\"packs\":\"CQ", "'packs' is not in order"},
        {"\"packs\":\"AQ", "\"packs\":\"AAAA", "no list of packs"},
        {"\"packs\":\"AQ", "\"packs\":\"!!", "no list of packs"},
    };
    HF_AUTO(hf_image_keys) struct hf_image_keys *keys = some_keys();
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    (void)state;
    write_it(keys, &text);
    HF_AUTOFREE char *inner = inner_of(&text);
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++)
        assert_refused(inner, cases[i][0], cases[i][1], cases[i][2]);
}

static void what_cannot_be_such_a_backup_is_refused(void **state)
{
    static const char *const cases[][3] = {
        {"\"format\":2", "\"format\":1", "has 1 backups"},
        {"\"ref\":\"nfs1", "\"ref\":\"\\u001bnfs1", "control character"},
        {"\"ref\":\"nfs1", "\"ref\":\"\",\"x\":\"", "'ref' has 0 bytes"},
        {"\"ref\":", "\"r\":", "'ref' is missing"},
        {"\"form\":\"vma\"", "\"form\":null", "'form'"},
        {"\"place\":\"nfs1\"", "\"place\":7", "'place'"},
        {"\"scsi0\",\"scsi1\"", "", "0 disks"},
        {"\"scsi0\",\"scsi1\"", "\"scsi0\",\"scsi0\"", "stands twice"},
        {"\"scsi0\",\"scsi1\"", "\"scsi0\",1", "disks"},
        {"\"off_host\":\"assumed\"", "\"off_host\":\"yes\"", "'off_host' is 'yes'"},
        {"\"artifacts\":[",
         "\"artifacts\":[{\"kind\":\"image\",\"name\":\"vda\",\"bytes\":0,\"stored_bytes\":0,"
         "\"root\":"
         "\"" SHA "\",\"incremental\":false},",
         "1 backups of the hypervisor and 1 images"},
    };
    HF_AUTO(hf_image_keys) struct hf_image_keys *keys = some_keys();
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    char ref[HF_MANIFEST_REF_MAX + 16];
    (void)state;
    write_pushed(keys, &text);
    HF_AUTOFREE char *inner = inner_of(&text);
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++)
        assert_refused(inner, cases[i][0], cases[i][1], cases[i][2]);
    snprintf(ref, sizeof ref, "\"ref\":\"%0*d", (int)HF_MANIFEST_REF_MAX, 0);
    assert_refused(inner, "\"ref\":\"", ref, "'ref' has");
}

static void counts_beyond_the_limits_are_refused(void **state)
{
    HF_AUTO(hf_image_keys) struct hf_image_keys *keys = some_keys();
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTO(hf_buf) struct hf_buf events = HF_BUF_INIT;
    HF_AUTO(hf_buf) struct hf_buf artifacts = HF_BUF_INIT;
    (void)state;
    write_it(keys, &text);
    HF_AUTOFREE char *inner = inner_of(&text);
    hf_buf_str_add(&events, "\"timeline\":[");
    for (unsigned i = 0; i <= HF_MANIFEST_EVENTS_MAX; i++)
        hf_buf_str_add(&events, "{\"event\":\"x\",\"at_ms\":1},");
    assert_refused(inner, "\"timeline\":[", hf_buf_str(&events), "more than 64 events");
    hf_buf_str_add(&artifacts, "\"artifacts\":[");
    for (unsigned i = 0; i <= HF_MANIFEST_ARTIFACTS_MAX; i++)
        hf_buf_printf(&artifacts,
                      "{\"kind\":\"vm\",\"name\":\"%u\",\"bytes\":0,\"stored_bytes\":0,"
                      "\"objects\":[]},",
                      i);
    assert_refused(inner, "\"artifacts\":[", hf_buf_str(&artifacts), "more than 1024 artifacts");
}

static void two_artifacts_of_one_name_are_refused(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_image_keys) struct hf_image_keys *keys = some_keys();
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    (void)state;
    fill(&m);
    assert_hf_got(hf_manifest_add_artifact(&m, HF_POINT_IMAGE, "vda", &err), &err);
    assert_int_equal(hf_manifest_write(&m, keys, false, &text, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "'vda' stands twice");
}

static void an_encrypted_point_has_encrypted_objects_only(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_image_keys) struct hf_image_keys *keys = some_keys();
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest back = {0};
    (void)state;
    write_it(keys, &text);
    assert_int_equal(hf_manifest_read(text.data, text.len, keys, true, &back, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "cannot be an object");
}

static void digests_are_those_of_sha256sum(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    char digest[HF_SHA256_HEX];
    uint64_t objects, bytes;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    (void)state;
    fill(&m);
    assert_hf_ok(hf_manifest_digest(&m.artifacts[0], digest, &err), &err);
    assert_memory_equal(digest, "abababab", 8);
    assert_hf_ok(hf_manifest_digest(&m.artifacts[2], digest, &err), &err);
    /* printf '%s  files/www.tar.zst\n' SHA | sha256sum */
    assert_string_equal(digest, "18ee5eacf9392c2a8b3e00efa4aae71759995bda38fe42952fbccc6a82f4ae02");
    hf_manifest_own(&m, &objects, &bytes);
    assert_true(objects == 3 && bytes == 18);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(what_was_written_is_read_back),
        HF_TEST(a_backup_that_lies_with_the_hypervisor_is_named),
        HF_TEST(what_cannot_be_such_a_backup_is_refused),
        HF_TEST(any_changed_byte_is_noticed),
        HF_TEST(a_cut_manifest_is_noticed),
        HF_TEST(a_manifest_by_another_key_is_forged),
        HF_TEST(a_manifest_that_would_not_be_read_back_is_not_written),
        HF_TEST(what_is_out_of_bounds_is_refused),
        HF_TEST(counts_beyond_the_limits_are_refused),
        HF_TEST(two_artifacts_of_one_name_are_refused),
        HF_TEST(an_encrypted_point_has_encrypted_objects_only),
        HF_TEST(digests_are_those_of_sha256sum),
    };
    return HF_RUN_TESTS("point.manifest", tests);
}
