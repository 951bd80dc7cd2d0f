/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"
#include "store/sftp/sftp_wire.h"

#include <string.h>

/* A packet without its length, of the numbers and strings that were added behind type and id. */
struct packet {
    struct hf_buf b;
    size_t at;
};

static struct packet begin(enum hf_sftp_type type, uint32_t id)
{
    struct packet p = {.b = HF_BUF_INIT};
    hf_sftp_begin(&p.b, type, id, &p.at);
    return p;
}

static const unsigned char *bytes(struct packet *p, size_t *len)
{
    hf_sftp_end(&p->b, p->at);
    *len = p->b.len - 4;
    return (const unsigned char *)p->b.data + 4;
}

static int parse(struct packet *p, struct hf_sftp_answer *out, struct hf_err *err)
{
    size_t len;
    const unsigned char *packet = bytes(p, &len);
    return hf_sftp_answer_parse(packet, len, out, err);
}

static void a_request_has_its_length_in_front(void **state)
{
    (void)state;
    struct packet p = begin(HF_SFTP_WRITE, 7);
    HF_AUTO(hf_buf) struct hf_buf b = p.b;
    hf_sftp_add_string(&b, "ab", 2);
    hf_sftp_add_u64(&b, 0x0102030405060708);
    hf_sftp_end(&b, 0);
    static const char want[] = "\0\0\0\x13\x06\0\0\0\x07\0\0\0\x02"
                               "ab\x01\x02\x03\x04\x05\x06\x07\x08";
    assert_int_equal(b.len, sizeof want - 1);
    assert_memory_equal(b.data, want, sizeof want - 1);
}

static void answers_of_each_kind_are_read(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_sftp_answer a;
    struct packet status = begin(HF_SFTP_STATUS, 1);
    hf_sftp_add_u32(&status.b, HF_SFTP_DENIED);
    assert_hf_ok(parse(&status, &a, &err), &err); /* of the oldest servers: no text */
    assert_int_equal(a.status, HF_SFTP_DENIED);
    hf_buf_free(&status.b);
    struct packet data = begin(HF_SFTP_DATA, 2);
    hf_sftp_add_string(&data.b, "hello", 5);
    assert_hf_ok(parse(&data, &a, &err), &err);
    assert_int_equal(a.id, 2);
    assert_int_equal(a.len, 5);
    assert_memory_equal(a.data, "hello", 5);
    hf_buf_free(&data.b);
    struct packet attrs = begin(HF_SFTP_ATTRS, 3);
    hf_sftp_add_u32(&attrs.b, 0x8000000f);
    hf_sftp_add_u64(&attrs.b, 1234);
    for (uint32_t i = 1; i <= 2; i++)
        hf_sftp_add_u32(&attrs.b, i); /* owner */
    hf_sftp_add_u32(&attrs.b, 0100600);
    hf_sftp_add_u32(&attrs.b, 55);
    hf_sftp_add_u32(&attrs.b, 77);
    hf_sftp_add_u32(&attrs.b, 1);
    hf_sftp_add_string(&attrs.b, "x", 1);
    hf_sftp_add_string(&attrs.b, "", 0);
    assert_hf_ok(parse(&attrs, &a, &err), &err);
    assert_true(a.attrs.has_bytes && a.attrs.has_mode && a.attrs.has_time);
    assert_int_equal(a.attrs.bytes, 1234);
    assert_int_equal(a.attrs.mode, 0100600);
    assert_int_equal(a.attrs.changed_s, 77);
    hf_buf_free(&attrs.b);
}

/* Cut anywhere it is refused, and nothing behind its end is read (the sanitizers see that). */
static void an_answer_that_ends_too_early_is_refused(void **state)
{
    (void)state;
    struct packet p = begin(HF_SFTP_ATTRS, 3);
    HF_AUTO(hf_buf) struct hf_buf guard = HF_BUF_INIT;
    hf_sftp_add_u32(&p.b, 0x8000000d);
    hf_sftp_add_u64(&p.b, 1);
    hf_sftp_add_u32(&p.b, 2);
    hf_sftp_add_u64(&p.b, 3);
    hf_sftp_add_u32(&p.b, 1);
    hf_sftp_add_string(&p.b, "abc", 3);
    hf_sftp_add_string(&p.b, "d", 1);
    size_t len;
    const unsigned char *packet = bytes(&p, &len);
    for (size_t n = 0; n < len; n++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_sftp_answer a;
        HF_AUTOFREE unsigned char *copy = malloc(n ? n : 1);
        memcpy(copy, packet, n);
        assert_int_equal(hf_sftp_answer_parse(copy, n, &a, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "no answer of an SFTP server");
    }
    hf_buf_free(&p.b);
}

static void handles_of_a_strange_length_and_unknown_kinds_are_refused(void **state)
{
    (void)state;
    static const char long_one[HF_SFTP_HANDLE_MAX + 1];
    for (int i = 0; i < 4; i++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_sftp_answer a;
        struct packet p = begin(i == 3 ? (enum hf_sftp_type)99 : HF_SFTP_HANDLE, 1);
        if (i == 0)
            hf_sftp_add_string(&p.b, "", 0);
        if (i == 1)
            hf_sftp_add_string(&p.b, long_one, sizeof long_one);
        if (i == 2)
            hf_sftp_add_u32(&p.b, UINT32_MAX);
        assert_int_equal(parse(&p, &a, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "no answer of an SFTP server");
        assert_true(err.retryable);
        hf_buf_free(&p.b);
    }
}

static void a_length_that_no_file_has_is_refused(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_sftp_answer a;
    struct packet p = begin(HF_SFTP_ATTRS, 3);
    hf_sftp_add_u32(&p.b, 1);
    hf_sftp_add_u64(&p.b, UINT64_MAX);
    assert_int_equal(parse(&p, &a, &err), -1);
    hf_buf_free(&p.b);
}

static void only_version_3_is_spoken_and_extensions_are_noted(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_sftp_extensions has;
    size_t len;
    struct packet p = begin(HF_SFTP_VERSION, 3);
    hf_sftp_add_string(&p.b, "posix-rename@openssh.com", 24);
    hf_sftp_add_string(&p.b, "1", 1);
    hf_sftp_add_string(&p.b, "something@else", 14);
    hf_sftp_add_string(&p.b, "", 0);
    const unsigned char *packet = bytes(&p, &len);
    assert_hf_ok(hf_sftp_version_parse(packet, len, &has, &err), &err);
    assert_true(has.posix_rename && !has.fsync && !has.statvfs && !has.limits);
    assert_int_equal(hf_sftp_version_parse(packet, len - 1, &has, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "ends too early");
    hf_buf_free(&p.b);
    struct packet six = begin(HF_SFTP_VERSION, 6);
    packet = bytes(&six, &len);
    assert_int_equal(hf_sftp_version_parse(packet, len, &has, &err), -1);
    assert_hf_err(&err, HF_E_UNSUPPORTED, "version 6 of SFTP");
    hf_buf_free(&six.b);
}

static int note(void *ctx, const char *name, const struct hf_sftp_attrs *a, struct hf_err *err)
{
    (void)a, (void)err;
    hf_buf_printf(ctx, "%s;", name);
    return 0;
}

static void add_name(struct packet *p, const char *name, size_t len)
{
    hf_sftp_add_string(&p->b, name, len);
    hf_sftp_add_string(&p->b, "-rw-", 4);
    hf_sftp_add_u32(&p->b, 0);
}

static void names_that_are_none_are_left_out_of_a_listing(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    struct hf_sftp_answer a;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    static char long_one[HF_SFTP_NAME_MAX + 1];
    memset(long_one, 'x', sizeof long_one);
    struct packet p = begin(HF_SFTP_NAME, 3);
    hf_sftp_add_u32(&p.b, 6);
    add_name(&p, "a", 1);
    add_name(&p, "b/c", 3);
    add_name(&p, "d\0e", 3);
    add_name(&p, "", 0);
    add_name(&p, long_one, sizeof long_one);
    add_name(&p, "f", 1);
    assert_hf_ok(parse(&p, &a, &err), &err);
    assert_hf_ok(hf_sftp_names_parse(&a, note, &got, &err), &err);
    assert_string_equal(hf_buf_str(&got), "a;f;");
    a.n = UINT32_MAX;
    assert_int_equal(hf_sftp_names_parse(&a, note, &got, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "a listing that ends too early");
    hf_buf_free(&p.b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_request_has_its_length_in_front),
        HF_TEST(answers_of_each_kind_are_read),
        HF_TEST(an_answer_that_ends_too_early_is_refused),
        HF_TEST(handles_of_a_strange_length_and_unknown_kinds_are_refused),
        HF_TEST(a_length_that_no_file_has_is_refused),
        HF_TEST(only_version_3_is_spoken_and_extensions_are_noted),
        HF_TEST(names_that_are_none_are_left_out_of_a_listing),
    };
    return HF_RUN_TESTS("store.sftp_wire", tests);
}
