/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "point/site_doc.h"

static struct hf_err refused(struct hf_site *(*how)(const struct hf_site_opts *, struct hf_err *),
                             const struct hf_site_opts *opts)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_site) struct hf_site *s = how(opts, &err);
    assert_null(s);
    return err;
}

static void lose_state(const struct place *p, const char *file)
{
    HF_AUTOFREE char *path = hf_asprintf("%s/stores/vault/%s", p->state, file);
    assert_int_equal(unlink(path), 0);
}

static char *doc_text(const struct place *p)
{
    struct hf_err err = HF_ERR_INIT;
    size_t len;
    HF_AUTOFREE char *path = file_at(p, HF_SITE_FILE);
    char *text = hf_path_read(path, HF_SITE_DOC_MAX, &len, &err);
    assert_hf_got(text, &err);
    return text;
}

static void check_made_and_opened(void **state, bool is_encrypted)
{
    struct place p;
    struct stat st;
    place_begin(state, &p, is_encrypted);
    HF_AUTO(hf_site) struct hf_site *made = make_site(&p);
    HF_AUTO(hf_site) struct hf_site *opened = open_site(&p, NULL);
    assert_string_equal(made->id, opened->id);
    assert_int_equal(opened->chunk_bytes, 4096);
    assert_int_equal(opened->is_encrypted, is_encrypted);
    assert_int_equal(opened->to_data.n, is_encrypted ? 1 : 0);
    assert_int_equal(opened->to_meta.n, is_encrypted ? 2 : 0);
    assert_true(made->is_first_sight && !opened->is_first_sight && !opened->has_new_recipients);
    assert_memory_equal(made->keys, opened->keys, sizeof *made->keys);
    HF_AUTOFREE char *key = hf_asprintf("%s/stores/vault/metadata.key", p.state);
    assert_int_equal(stat(key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    HF_AUTOFREE char *doc = doc_text(&p);
    if (is_encrypted)
        assert_lacks(doc, "AGE-SECRET-KEY");
    else
        assert_contains(doc, "\"metadata_identity\":\"AGE-SECRET-KEY-1");
    place_end(&p);
}

static void a_store_is_made_ready_and_opened(void **state)
{
    check_made_and_opened(state, true);
}

static void a_plain_store_is_made_ready_and_opened(void **state)
{
    check_made_and_opened(state, false);
}

static void a_store_that_is_there_is_not_made_again(void **state)
{
    struct place p;
    place_begin(state, &p, true);
    HF_AUTO(hf_site) struct hf_site *made = make_site(&p);
    HF_AUTOFREE char *before = doc_text(&p);
    struct hf_site_opts opts = site_opts(&p);
    struct hf_err err = refused(hf_site_make, &opts);
    assert_hf_err(&err, HF_E_CONFLICT, "was made ready already");
    opts.state_dir = a_dir(state, "other host");
    err = refused(hf_site_make, &opts);
    assert_hf_err(&err, HF_E_CONFLICT, "was made ready already");
    HF_AUTOFREE char *after = doc_text(&p);
    assert_string_equal(before, after);
    place_end(&p);
}

static void what_looks_like_ours_is_not_made_ready(void **state)
{
    struct place p;
    place_begin(state, &p, true);
    put_text(p.store, "packs/00/x", "a pack");
    struct hf_site_opts opts = site_opts(&p);
    struct hf_err err = refused(hf_site_make, &opts);
    assert_hf_err(&err, HF_E_CONFLICT, "has no holdfast.json, but packs/");
    err = refused(hf_site_open, &opts);
    assert_hf_err(&err, HF_E_NOT_FOUND, "store init vault");
    place_end(&p);
}

static void an_interrupted_making_goes_on(void **state)
{
    struct place p;
    place_begin(state, &p, true);
    HF_AUTO(hf_site) struct hf_site *first = make_site(&p);
    /* died between holdfast.json and store.json */
    lose_state(&p, "store.json");
    HF_AUTO(hf_site) struct hf_site *again = make_site(&p);
    assert_string_equal(first->id, again->id);
    /* died between the key and holdfast.json: the key is taken up */
    HF_AUTOFREE char *doc = file_at(&p, HF_SITE_FILE);
    assert_int_equal(unlink(doc), 0);
    lose_state(&p, "store.json");
    HF_AUTO(hf_site) struct hf_site *third = make_site(&p);
    assert_string_equal(first->metadata_recipient, third->metadata_recipient);
    assert_string_not_equal(first->id, third->id);
    place_end(&p);
}

static void another_store_under_the_same_name_is_refused(void **state)
{
    struct place p;
    place_begin(state, &p, false);
    HF_AUTO(hf_site) struct hf_site *made = make_site(&p);
    HF_AUTOFREE char *doc = doc_text(&p);
    char *id = strstr(doc, made->id);
    assert_non_null(id);
    *id = *id == '0' ? '1' : '0';
    put_text(p.store, HF_SITE_FILE, doc);
    struct hf_site_opts opts = site_opts(&p);
    struct hf_err err = refused(hf_site_open, &opts);
    assert_hf_err(&err, HF_E_CONFLICT, "its id is");
    place_end(&p);
}

static void a_changed_size_of_chunks_is_refused(void **state)
{
    struct place p;
    place_begin(state, &p, true);
    HF_AUTO(hf_site) struct hf_site *made = make_site(&p);
    HF_AUTOFREE char *doc = doc_text(&p);
    char *bytes = strstr(doc, "4096");
    assert_non_null(bytes);
    memcpy(bytes, "8192", 4);
    put_text(p.store, HF_SITE_FILE, doc);
    struct hf_site_opts opts = site_opts(&p);
    struct hf_err err = refused(hf_site_open, &opts);
    assert_hf_err(&err, HF_E_CONFLICT, "its size of chunks is 8192, when this host");
    place_end(&p);
}

static void a_lost_key_comes_back_with_the_identity_file_only(void **state)
{
    struct place p;
    char recipient[HF_AGE_TEXT_MAX];
    place_begin(state, &p, true);
    HF_AUTO(hf_site) struct hf_site *made = make_site(&p);
    lose_state(&p, "metadata.key");
    struct hf_site_opts opts = site_opts(&p);
    struct hf_err err = refused(hf_site_open, &opts);
    assert_hf_err(&err, HF_E_AUTH, "is not on this host");
    assert_hf_err(&err, HF_E_AUTH, "identity-file");
    opts.identity_file = a_key(state, "wrong.age", recipient);
    err = refused(hf_site_open, &opts);
    assert_hf_err(&err, HF_E_AUTH, "the copy of the metadata identity");
    HF_AUTO(hf_site) struct hf_site *back = open_site(&p, p.identity_file);
    assert_memory_equal(made->keys, back->keys, sizeof *made->keys);
    HF_AUTO(hf_site) struct hf_site *later = open_site(&p, NULL);
    assert_string_equal(later->id, made->id);
    place_end(&p);
}

static void a_plain_store_gives_its_key_to_a_host_that_has_lost_it(void **state)
{
    struct place p;
    place_begin(state, &p, false);
    HF_AUTO(hf_site) struct hf_site *made = make_site(&p);
    lose_state(&p, "metadata.key");
    lose_state(&p, "store.json");
    HF_AUTO(hf_site) struct hf_site *back = open_site(&p, NULL);
    assert_true(back->is_first_sight);
    assert_memory_equal(made->keys, back->keys, sizeof *made->keys);
    place_end(&p);
}

static void the_key_of_another_store_is_refused(void **state)
{
    struct place p;
    char recipient[HF_AGE_TEXT_MAX];
    place_begin(state, &p, true);
    HF_AUTO(hf_site) struct hf_site *made = make_site(&p);
    lose_state(&p, "metadata.key");
    a_key(state, "state/stores/vault/metadata.key", recipient);
    struct hf_site_opts opts = site_opts(&p);
    struct hf_err err = refused(hf_site_open, &opts);
    assert_hf_err(&err, HF_E_CONFLICT, "that of this host is age1");
    place_end(&p);
}

static void recipients_are_those_of_the_configuration(void **state)
{
    struct place p;
    char recipient[HF_AGE_TEXT_MAX];
    place_begin(state, &p, true);
    HF_AUTO(hf_site) struct hf_site *made = make_site(&p);
    struct hf_site_opts opts = site_opts(&p);
    opts.recipients = NULL;
    struct hf_err err = refused(hf_site_open, &opts);
    assert_hf_err(&err, HF_E_CONFIG, "was made with recipients, the configuration has none");
    a_key(state, "new.age", recipient);
    assert_int_equal(hf_strv_add(&p.recipients, recipient), 0);
    HF_AUTO(hf_site) struct hf_site *s = open_site(&p, NULL);
    assert_true(s->has_new_recipients);
    assert_int_equal(s->to_data.n, 2);
    place_end(&p);
}

static void a_plain_store_is_not_used_as_an_encrypted_one(void **state)
{
    struct place p;
    char recipient[HF_AGE_TEXT_MAX];
    place_begin(state, &p, false);
    HF_AUTO(hf_site) struct hf_site *made = make_site(&p);
    a_key(state, "new.age", recipient);
    assert_int_equal(hf_strv_add(&p.recipients, recipient), 0);
    struct hf_site_opts opts = site_opts(&p);
    struct hf_err err = refused(hf_site_open, &opts);
    assert_hf_err(&err, HF_E_CONFIG, "was made without recipients, the configuration has some");
    place_end(&p);
}

static void documents_that_are_none_are_refused(void **state)
{
    static const struct {
        const char *text;
        enum hf_err_class cls;
        const char *piece;
    } cases[] = {
        {"", HF_E_CORRUPT, "JSON"},
        {"{}", HF_E_CORRUPT, "'format' is missing"},
        {"{\"format\":2}", HF_E_UNSUPPORTED, "format 2"},
        {"{\"format\":1,\"store\":\"00\"}", HF_E_CORRUPT, "32 hex digits"},
        {"{\"format\":1,\"store\":\"00112233445566778899aabbccddeeff\",\"chunk_bytes\":5000}",
         HF_E_CORRUPT, "'chunk_bytes' is 5000"},
        {"{\"format\":1,\"store\":\"00112233445566778899aabbccddeeff\",\"chunk_bytes\":4096,"
         "\"recipients\":[],\"metadata_recipient\":\"age1x\"}",
         HF_E_CORRUPT, "no key of age"},
    };
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_site_doc) struct hf_site_doc doc = {0};
        assert_int_equal(hf_site_doc_parse(cases[i].text, strlen(cases[i].text), &doc, &err), -1);
        assert_hf_err(&err, cases[i].cls, cases[i].piece);
    }
}

static void an_oversized_document_is_not_read(void **state)
{
    struct place p;
    place_begin(state, &p, true);
    HF_AUTOFREE char *text = malloc(HF_SITE_DOC_MAX + 2);
    memset(text, ' ', HF_SITE_DOC_MAX + 1);
    text[HF_SITE_DOC_MAX + 1] = '\0';
    put_text(p.store, HF_SITE_FILE, text);
    struct hf_site_opts opts = site_opts(&p);
    struct hf_err err = refused(hf_site_open, &opts);
    assert_hf_err(&err, HF_E_CORRUPT, "has 65537 bytes");
    place_end(&p);
}

static void data_is_read_with_the_key_of_the_data_only(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_receipt receipt;
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    place_begin(state, &p, true);
    HF_AUTO(hf_site) struct hf_site *s = make_site(&p);
    assert_hf_ok(hf_site_put_bytes(s, HF_SITE_DATA, "points/d.age", "data", 4, &receipt, &err),
                 &err);
    assert_hf_ok(hf_site_put_bytes(s, HF_SITE_META, "points/m.age", "meta", 4, &receipt, &err),
                 &err);
    assert_hf_ok(hf_site_get_bytes(s, HF_SITE_META, "points/m.age", 4, &out, &err), &err);
    assert_string_equal(hf_buf_str(&out), "meta");
    assert_int_equal(hf_site_get_bytes(s, HF_SITE_META, "points/m.age", 3, &out, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "it has 4 bytes");
    assert_int_equal(hf_site_get_bytes(s, HF_SITE_DATA, "points/d.age", 9, &out, &err), -1);
    assert_hf_err(&err, HF_E_AUTH, "identity-file");
    assert_int_equal(hf_site_get_bytes(s, HF_SITE_META, "points/d.age", 9, &out, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "points/d.age: it was not encrypted to the store's");
    HF_AUTO(hf_site) struct hf_site *reader = open_site(&p, p.identity_file);
    hf_buf_clear(&out);
    assert_hf_ok(hf_site_get_bytes(reader, HF_SITE_DATA, "points/d.age", 9, &out, &err), &err);
    assert_string_equal(hf_buf_str(&out), "data");
    place_end(&p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_store_is_made_ready_and_opened),
        HF_TEST(a_plain_store_is_made_ready_and_opened),
        HF_TEST(a_store_that_is_there_is_not_made_again),
        HF_TEST(what_looks_like_ours_is_not_made_ready),
        HF_TEST(an_interrupted_making_goes_on),
        HF_TEST(another_store_under_the_same_name_is_refused),
        HF_TEST(a_changed_size_of_chunks_is_refused),
        HF_TEST(a_lost_key_comes_back_with_the_identity_file_only),
        HF_TEST(a_plain_store_gives_its_key_to_a_host_that_has_lost_it),
        HF_TEST(the_key_of_another_store_is_refused),
        HF_TEST(recipients_are_those_of_the_configuration),
        HF_TEST(a_plain_store_is_not_used_as_an_encrypted_one),
        HF_TEST(documents_that_are_none_are_refused),
        HF_TEST(an_oversized_document_is_not_read),
        HF_TEST(data_is_read_with_the_key_of_the_data_only),
    };
    return HF_RUN_TESTS("point.site", tests);
}
