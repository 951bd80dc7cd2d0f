/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "harness/hf_test.h"

#include <errno.h>
#include <string.h>

static void sets_class_and_message_and_clears_the_rest(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    hf_left(&err, "an old lock");
    hf_hint(&err, "Old advice.");
    err.retryable = 1;
    err.sys_errno = EIO;
    assert_int_equal(hf_fail(&err, HF_E_BUSY, "vm '%s' is held by run %d", "web01", 7), -1);
    assert_int_equal(err.cls, HF_E_BUSY);
    assert_string_equal(err.message, "vm 'web01' is held by run 7");
    assert_string_equal(err.hint, "");
    assert_string_equal(err.left, "");
    assert_int_equal(err.retryable, 0);
    assert_int_equal(err.sys_errno, 0);
}

static void keeps_errno(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT, second = HF_ERR_INIT;
    errno = EXDEV;
    hf_fail(&err, HF_E_BUSY, "a %s", "b");
    hf_fail_sys(&err, ENOENT, "a");
    hf_wrap(&err, "c");
    hf_hint(&err, "d");
    hf_left(&err, "e");
    hf_fail_nomem(&second);
    hf_also(&err, &second);
    hf_err_copy(&second, &err);
    hf_err_clear(&err);
    assert_int_equal(errno, EXDEV);
}

static void may_quote_its_own_message(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    hf_fail(&err, HF_E_AUTH, "inner");
    hf_fail(&err, HF_E_PLUGIN, "outer saw: %s", err.message);
    assert_string_equal(err.message, "outer saw: inner");
    hf_hint(&err, "Because %s.", err.message);
    assert_string_equal(err.hint, "Because outer saw: inner.");
}

static void cuts_a_message_that_is_too_long(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    char text[2 * HF_ERR_MESSAGE_MAX];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    hf_fail(&err, HF_E_INTERNAL, "%s", text);
    assert_int_equal(strlen(err.message), HF_ERR_MESSAGE_MAX - 1);
    hf_wrap(&err, "context");
    assert_int_equal(strlen(err.message), HF_ERR_MESSAGE_MAX - 1);
    assert_memory_equal(err.message, "context: xxx", 12);
    hf_hint(&err, "%s", text);
    assert_int_equal(strlen(err.hint), HF_ERR_HINT_MAX - 1);
    hf_left(&err, "%s", text);
    hf_left(&err, "more");
    assert_int_equal(strlen(err.left), HF_ERR_LEFT_MAX - 1);
}

/* Every way a two, three or four byte character can lie across the end of the field. */
static void never_cuts_inside_a_character(void **state)
{
    (void)state;
    static const char *const letters[] = {"ü", "€", "🔒"};
    for (size_t i = 0; i < 3; i++) {
        size_t width = strlen(letters[i]);
        for (size_t before = 0; before <= width; before++) {
            size_t head = HF_ERR_MESSAGE_MAX - 1 - before;
            char text[2 * HF_ERR_MESSAGE_MAX];
            memset(text, 'x', head);
            text[head] = '\0';
            strcat(text, letters[i]);
            strcat(text, "tail");
            struct hf_err err = HF_ERR_INIT;
            hf_fail(&err, HF_E_INTERNAL, "%s", text);
            size_t kept = before == width ? head + width : head;
            assert_int_equal(strlen(err.message), kept);
            assert_memory_equal(err.message, text, kept);
        }
    }
}

static void never_cuts_inside_a_character_when_wrapping(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    char text[HF_ERR_MESSAGE_MAX];
    memset(text, 'x', sizeof text);
    strcpy(text + sizeof text - 3, "ü"); /* ends exactly at the end of the field */
    hf_fail(&err, HF_E_INTERNAL, "%s", text);
    assert_int_equal(strlen(err.message), HF_ERR_MESSAGE_MAX - 1);
    hf_wrap(&err, "%s", ""); /* ": " in front moves it across the end by two */
    assert_int_equal((unsigned char)err.message[strlen(err.message) - 1], 'x');
}

static void keeps_bytes_that_are_no_utf8(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    char text[2 * HF_ERR_MESSAGE_MAX];
    memset(text, 0x80, sizeof text); /* continuation bytes that continue nothing */
    text[sizeof text - 1] = '\0';
    hf_fail(&err, HF_E_INTERNAL, "%s", text);
    assert_int_equal(strlen(err.message), HF_ERR_MESSAGE_MAX - 1);
}

static void says_the_system_s_reason_and_derives_the_class(void **state)
{
    (void)state;
    static const struct {
        int sys_errno;
        enum hf_err_class cls;
    } cases[] = {
        {ENOENT, HF_E_NOT_FOUND},
        {EACCES, HF_E_AUTH},
        {EPERM, HF_E_AUTH},
        {ENOSPC, HF_E_NOSPACE},
        {EDQUOT, HF_E_NOSPACE},
        {ETIMEDOUT, HF_E_TIMEOUT},
        {ECONNREFUSED, HF_E_UNREACHABLE},
        {ECONNRESET, HF_E_UNREACHABLE},
        {EHOSTUNREACH, HF_E_UNREACHABLE},
        {ENETUNREACH, HF_E_UNREACHABLE},
        {EPIPE, HF_E_UNREACHABLE},
        {ENOMEM, HF_E_INTERNAL},
        {EIO, HF_E_INTERNAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hf_err err = HF_ERR_INIT;
        assert_int_equal(hf_fail_sys(&err, cases[i].sys_errno, "cannot open '%s'", "/x"), -1);
        assert_int_equal(err.cls, cases[i].cls);
        assert_int_equal(err.sys_errno, cases[i].sys_errno);
    }
    struct hf_err err = HF_ERR_INIT;
    hf_fail_sys(&err, ENOENT, "cannot open '%s'", "/x");
    assert_string_equal(err.message, "cannot open '/x': No such file or directory");
    hf_fail_sys(&err, 99999, "odd");
    assert_string_equal(err.message, "odd: error 99999");
}

static void keeps_the_reason_behind_a_text_that_is_too_long(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    char text[2 * HF_ERR_MESSAGE_MAX];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    hf_fail_sys(&err, ENOSPC, "%s", text);
    assert_hf_err(&err, HF_E_NOSPACE, "xxx: No space left on device");
    assert_int_equal(strlen(err.message), HF_ERR_MESSAGE_MAX - 1);
}

static void out_of_memory_is_internal(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    assert_int_equal(hf_fail_nomem(&err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "out of memory");
    assert_int_equal(err.sys_errno, ENOMEM);
}

static void wrapping_puts_context_in_front_and_keeps_the_rest(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    hf_fail_sys(&err, ECONNREFUSED, "connect");
    hf_hint(&err, "Start it.");
    assert_int_equal(hf_wrap(&err, "proxmox %s", "pve1"), -1);
    hf_wrap(&err, "run 7");
    assert_string_equal(err.message, "run 7: proxmox pve1: connect: Connection refused");
    assert_string_equal(err.hint, "Start it.");
    assert_int_equal(err.cls, HF_E_UNREACHABLE);
    assert_int_equal(err.sys_errno, ECONNREFUSED);
}

static void the_first_hint_stays(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    hf_fail(&err, HF_E_AUTH, "denied");
    assert_int_equal(hf_hint(&err, "Run: GRANT %s.", "RELOAD"), -1);
    assert_int_equal(hf_hint(&err, "Ask somebody."), -1);
    assert_string_equal(err.hint, "Run: GRANT RELOAD.");
}

static void lists_what_is_left(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    hf_fail(&err, HF_E_TIMEOUT, "no answer");
    assert_int_equal(hf_left(&err, "snapshot '%s' remains", "s1"), -1);
    hf_left(&err, "mariadb is stopped");
    assert_string_equal(err.left, "snapshot 's1' remains; mariadb is stopped");
}

static void joining_keeps_the_first_cause_and_both_lists(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT, second = HF_ERR_INIT;
    hf_fail(&err, HF_E_TIMEOUT, "snapshot took too long");
    hf_left(&err, "snapshot s1");
    hf_fail(&second, HF_E_UNREACHABLE, "guest does not answer");
    hf_hint(&second, "Thaw by hand.");
    hf_left(&second, "a frozen filesystem");
    assert_int_equal(hf_also(&err, &second), -1);
    assert_int_equal(err.cls, HF_E_TIMEOUT);
    assert_string_equal(err.message, "snapshot took too long; then: guest does not answer");
    assert_string_equal(err.left, "snapshot s1; a frozen filesystem");
    assert_string_equal(err.hint, "Thaw by hand.");
}

static void joining_to_no_error_copies_the_second(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT, second = HF_ERR_INIT;
    hf_fail(&second, HF_E_UNREACHABLE, "guest does not answer");
    hf_left(&second, "a frozen filesystem");
    hf_also(&err, &second);
    assert_hf_err(&err, HF_E_UNREACHABLE, "guest does not answer");
    assert_string_equal(err.left, "a frozen filesystem");
}

static void joining_two_long_messages_keeps_half_of_each(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT, second = HF_ERR_INIT;
    char a[HF_ERR_MESSAGE_MAX], b[HF_ERR_MESSAGE_MAX];
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    a[sizeof a - 1] = b[sizeof b - 1] = '\0';
    hf_fail(&err, HF_E_TIMEOUT, "%s", a);
    hf_fail(&second, HF_E_AUTH, "%s", b);
    hf_also(&err, &second);
    const char *joint = strstr(err.message, "; then: ");
    assert_non_null(joint);
    assert_in_range(joint - err.message, 240, 260);
    assert_in_range(strlen(joint), 240, 260);
}

static void copies_within_both_sizes(void **state)
{
    (void)state;
    /* A later version of the object, with a field behind those of this one. */
    struct {
        struct hf_err err;
        char later[8];
    } big = {.err = HF_ERR_INIT, .later = "abcdefg"};
    big.err.struct_size = sizeof big;
    struct hf_err small = HF_ERR_INIT;
    hf_fail(&big.err, HF_E_AUTH, "from the big one");
    hf_err_copy(&small, &big.err);
    assert_hf_err(&small, HF_E_AUTH, "from the big one");
    assert_int_equal(small.struct_size, sizeof small);
    assert_string_equal(big.later, "abcdefg");

    hf_fail(&small, HF_E_BUSY, "from the small one");
    hf_err_copy(&big.err, &small);
    assert_hf_err(&big.err, HF_E_BUSY, "from the small one");
    assert_int_equal(big.err.struct_size, sizeof big);
    assert_string_equal(big.later, ""); /* what the source does not have is absent */
}

static void copies_whole_from_an_object_nobody_initialised(void **state)
{
    (void)state;
    struct hf_err zeroed, err = HF_ERR_INIT;
    memset(&zeroed, 0, sizeof zeroed);
    hf_fail(&zeroed, HF_E_AUTH, "denied");
    hf_err_copy(&err, &zeroed);
    assert_hf_err(&err, HF_E_AUTH, "denied");
}

static void ends_strings_that_a_plugin_did_not_end(void **state)
{
    (void)state;
    struct hf_err foreign = HF_ERR_INIT, err = HF_ERR_INIT;
    memset(foreign.message, 'm', sizeof foreign.message);
    memset(foreign.hint, 'h', sizeof foreign.hint);
    memset(foreign.left, 'l', sizeof foreign.left);
    hf_err_copy(&err, &foreign);
    assert_int_equal(strlen(err.message), HF_ERR_MESSAGE_MAX - 1);
    assert_int_equal(strlen(err.hint), HF_ERR_HINT_MAX - 1);
    assert_int_equal(strlen(err.left), HF_ERR_LEFT_MAX - 1);
}

static void clearing_keeps_only_the_size(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT, fresh = HF_ERR_INIT;
    hf_fail_sys(&err, EIO, "x");
    hf_left(&err, "y");
    hf_err_clear(&err);
    assert_memory_equal(&err, &fresh, sizeof err);
}

static void every_class_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < HF_E_CLASSES; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(hf_err_class_name(i), hf_err_class_name(j));
    assert_string_equal(hf_err_class_name(HF_E_CONFIG), "config");
    assert_string_equal(hf_err_class_name(HF_E_NOT_FOUND), "not-found");
    assert_string_equal(hf_err_class_name(-1), "internal");
    assert_string_equal(hf_err_class_name(HF_E_CLASSES), "internal");
}

static void classes_map_to_exit_statuses(void **state)
{
    (void)state;
    for (int cls = 0; cls < HF_E_CLASSES; cls++) {
        struct hf_err err = HF_ERR_INIT;
        err.cls = cls;
        int want = cls == HF_E_NONE                              ? 0
                   : cls == HF_E_CONFIG                          ? 2
                   : cls == HF_E_BUSY || cls == HF_E_UNSUPPORTED ? 4
                                                                 : 1;
        assert_int_equal(hf_err_exit_status(&err), want);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(sets_class_and_message_and_clears_the_rest),
        HF_TEST(keeps_errno),
        HF_TEST(may_quote_its_own_message),
        HF_TEST(cuts_a_message_that_is_too_long),
        HF_TEST(never_cuts_inside_a_character),
        HF_TEST(never_cuts_inside_a_character_when_wrapping),
        HF_TEST(keeps_bytes_that_are_no_utf8),
        HF_TEST(says_the_system_s_reason_and_derives_the_class),
        HF_TEST(keeps_the_reason_behind_a_text_that_is_too_long),
        HF_TEST(out_of_memory_is_internal),
        HF_TEST(wrapping_puts_context_in_front_and_keeps_the_rest),
        HF_TEST(the_first_hint_stays),
        HF_TEST(lists_what_is_left),
        HF_TEST(joining_keeps_the_first_cause_and_both_lists),
        HF_TEST(joining_to_no_error_copies_the_second),
        HF_TEST(joining_two_long_messages_keeps_half_of_each),
        HF_TEST(copies_within_both_sizes),
        HF_TEST(copies_whole_from_an_object_nobody_initialised),
        HF_TEST(ends_strings_that_a_plugin_did_not_end),
        HF_TEST(clearing_keeps_only_the_size),
        HF_TEST(every_class_has_a_name_of_its_own),
        HF_TEST(classes_map_to_exit_statuses),
    };
    return HF_RUN_TESTS("base.err", tests);
}
