/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/path.h"
#include "unit/store/path_store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct hf_store *open_store(void **state)
{
    return open_at(hf_test_dir(state));
}

static void names_that_could_leave_the_prefix_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "/",   "/a",  "a/",  "a//b", ".",     "..",   "a/../b",
                                      "a/.", "./a", ".a",  "a b", "a\\b", "a\nb",  "a%2f", "a/.b",
                                      "ä",   "a;b", "a?b", "a*b", "a:b",  "a/\x01"};
    static const char *const good[] = {"a", "a/b", "A-Z_0.9~@=+", "points/vm/x/manifest.json.age",
                                       "-a"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++)
        assert_false(hf_store_name_is_valid(bad[i]));
    for (size_t i = 0; i < HF_ARRAY_SIZE(good); i++)
        assert_true(hf_store_name_is_valid(good[i]));
    char name[HF_STORE_NAME_MAX + 2];
    memset(name, 'a', sizeof name);
    for (size_t i = 100; i < sizeof name; i += 101)
        name[i] = '/';
    name[HF_STORE_NAME_MAX] = '\0';
    assert_true(hf_store_name_is_valid(name));
    name[HF_STORE_NAME_MAX] = 'a';
    name[HF_STORE_NAME_MAX + 1] = '\0';
    assert_false(hf_store_name_is_valid(name));
    memset(name, 'a', sizeof name);
    name[HF_STORE_PART_MAX] = '\0';
    assert_true(hf_store_name_is_valid(name));
    name[HF_STORE_PART_MAX] = 'a';
    name[HF_STORE_PART_MAX + 1] = '\0';
    assert_false(hf_store_name_is_valid(name));
    assert_true(hf_store_name_is_valid("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"));
    assert_false(hf_store_name_is_valid("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"));
}

static void no_function_takes_a_name_that_is_none(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_store(state);
    struct hf_store_receipt r = {0};
    struct hf_store_object o;
    struct hf_store_list what = {.prefix = "../"};
    char back[1];
    assert_int_equal(hf_store_put_bytes(s, "../x", "x", 1, true, &r, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "'../x' is no name");
    assert_int_equal(hf_store_get(s, "/etc/passwd", 0, back, 1, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "is no name");
    assert_int_equal(hf_store_head(s, "..", &o, &err), -1);
    assert_int_equal(hf_store_remove(s, ".hidden", &err), -1);
    assert_int_equal(hf_store_confirm(s, "a//b", &r, &err), -1);
    assert_int_equal(hf_store_list(s, &what, collect, NULL, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "no prefix");
}

static void what_was_put_is_read_headed_confirmed_and_removed(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_store(state);
    struct hf_store_receipt r;
    struct hf_store_object o;
    char back[8] = "";
    assert_hf_ok(hf_store_put_bytes(s, "a/b/c", "0123456789", 10, false, &r, &err), &err);
    assert_string_equal(r.digest.sha256,
                        "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882");
    assert_hf_ok(hf_store_confirm(s, "a/b/c", &r, &err), &err);
    assert_true(r.confirmed);
    assert_hf_ok(hf_store_get(s, "a/b/c", 3, back, 4, &err), &err);
    assert_string_equal(back, "3456");
    assert_hf_ok(hf_store_head(s, "a/b/c", &o, &err), &err);
    assert_int_equal(o.bytes, 10);
    assert_int_equal(hf_store_get(s, "a/b/c", 8, back, 4, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "a/b/c: it ends at byte 10: truncated");
    assert_hf_ok(hf_store_remove(s, "a/b/c", &err), &err);
    assert_hf_ok(hf_store_remove(s, "a/b/c", &err), &err);
    assert_int_equal(hf_store_head(s, "a/b/c", &o, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "a/b/c");
    assert_listed(s, "", NULL, true, "");
}

static void an_object_appears_when_it_is_finished_and_not_before(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_store(state);
    struct hf_store_receipt r;
    struct hf_store_put how = {.bytes = HF_STORE_UNKNOWN};
    struct hf_io_sink *sink = hf_store_put(s, "x/y", &how, &r, &err);
    assert_hf_got(sink, &err);
    assert_hf_ok(hf_io_write(sink, "one", 3, &err), &err);
    assert_listed(s, "", NULL, false, "");
    hf_io_close(sink);
    assert_listed(s, "", NULL, false, "");
    assert_int_equal(hidden_in(hf_test_dir(state)), 0);
    how.bytes = 4;
    sink = hf_store_put(s, "x/y", &how, &r, &err);
    assert_hf_got(sink, &err);
    assert_hf_ok(hf_io_write(sink, "one", 3, &err), &err);
    assert_int_equal(hf_io_finish(sink, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "3 bytes were written of 4");
    hf_io_close(sink);
    assert_listed(s, "", NULL, false, "");
}

static void a_name_is_given_once_unless_it_may_be_replaced(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_store(state);
    struct hf_store_receipt r;
    char back[4] = "";
    put(s, "m", "old");
    assert_int_equal(hf_store_put_bytes(s, "m", "new", 3, false, &r, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "m: it exists already");
    assert_int_equal(hidden_in(hf_test_dir(state)), 0);
    assert_hf_ok(hf_store_get(s, "m", 0, back, 3, &err), &err);
    assert_string_equal(back, "old");
    assert_hf_ok(hf_store_put_bytes(s, "m", "new", 3, true, &r, &err), &err);
    assert_hf_ok(hf_store_get(s, "m", 0, back, 3, &err), &err);
    assert_string_equal(back, "new");
}

static void other_bytes_on_the_store_are_not_confirmed(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_store(state);
    enum { LEN = 5 * 1048576 + 77 };
    char *data = calloc(1, LEN);
    struct hf_store_receipt r;
    assert_hf_ok(hf_store_put_bytes(s, "pack", data, LEN, false, &r, &err), &err);
    free(data);
    assert_hf_ok(hf_store_confirm(s, "pack", &r, &err), &err);
    r.confirmed = false;
    int fd = open(hf_test_path(state, "pack"), O_WRONLY);
    assert_int_equal(pwrite(fd, "!", 1, LEN - 1), 1);
    assert_int_equal(hf_store_confirm(s, "pack", &r, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "pack: what was read back has another content");
    assert_int_equal(ftruncate(fd, LEN - 1), 0);
    close(fd);
    assert_int_equal(hf_store_confirm(s, "pack", &r, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "bytes there instead of");
    assert_false(r.confirmed);
}

static void lists_in_the_byte_order_of_whole_names(void **state)
{
    HF_AUTO(hf_store) struct hf_store *s = open_store(state);
    static const char *const names[] = {"b", "a/c", "a-b", "a/b/d", "a0", "c/x/y"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++)
        put(s, names[i], names[i]);
    hf_test_file(state, ".hidden", "", 0600);
    assert_listed(s, "", NULL, false, "a-b a/b/d a/c a0 b c/x/y ");
    assert_listed(s, "", NULL, true, "a-b a/ a0 b c/ ");
    assert_listed(s, "", "a/b/d", false, "a/c a0 b c/x/y ");
    assert_listed(s, "", "a/b", false, "a/b/d a/c a0 b c/x/y ");
    assert_listed(s, "", "a/", true, "a0 b c/ ");
    assert_listed(s, "a/", NULL, false, "a/b/d a/c ");
    assert_listed(s, "c/x/", NULL, false, "c/x/y ");
    assert_listed(s, "nothing/", NULL, false, "");
}

static int stop_at_second(void *ctx, const struct hf_store_object *o, struct hf_err *err)
{
    (void)o;
    (void)err;
    int *n = ctx;
    return ++*n == 2 ? 7 : 0;
}

static void a_listing_ends_when_its_reader_has_enough(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_store(state);
    struct hf_store_list what = {.prefix = ""};
    int n = 0;
    put(s, "a/1", "");
    put(s, "a/2", "");
    put(s, "b", "");
    assert_int_equal(hf_store_list(s, &what, stop_at_second, &n, &err), 7);
    assert_int_equal(n, 2);
}

static void what_lies_deeper_than_names_go_is_not_listed(void **state)
{
    HF_AUTO(hf_store) struct hf_store *s = open_store(state);
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *deep =
        hf_asprintf("%s/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h", hf_test_dir(state));
    put(s, "1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/o", "x");
    assert_hf_ok(hf_path_mkdirs(deep, 0755, &err), &err);
    hf_test_file(state, "1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h/o", "x", 0600);
    assert_listed(s, "", NULL, false, "1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/o ");
}

static void links_inside_the_store_are_not_followed(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_store(state);
    struct hf_store_receipt r;
    char back[1];
    assert_int_equal(symlink("/etc", hf_test_path(state, "out")), 0);
    assert_int_equal(symlink("/etc/passwd", hf_test_path(state, "file")), 0);
    assert_int_equal(hf_store_get(s, "out/passwd", 0, back, 1, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "links are not followed");
    assert_int_equal(hf_store_put_bytes(s, "out/x", "x", 1, true, &r, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "links are not followed");
    assert_int_equal(hf_store_get(s, "file", 0, back, 1, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "links are not followed");
    assert_int_equal(hf_store_remove(s, "out/passwd", &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "links are not followed");
    struct hf_store_list what = {.prefix = "out/"};
    assert_int_equal(hf_store_list(s, &what, collect, NULL, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "out/: ");
    assert_int_equal(mkfifo(hf_test_path(state, "pipe"), 0600), 0);
    assert_int_equal(hf_store_get(s, "pipe", 0, back, 1, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "not a regular file");
    assert_listed(s, "", NULL, false, "");
}

/* Somebody moved it to another disk: a prune must not take it for removed. */
static void a_link_in_a_folder_of_the_store_is_no_missing_object(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_store(state);
    put(s, "points/a/x", "x");
    assert_int_equal(symlink("a", hf_test_path(state, "points/b")), 0);
    struct hf_store_list what = {.prefix = "points/"};
    for (int shallow = 0; shallow < 2; shallow++) {
        what.shallow = shallow;
        assert_int_equal(hf_store_list(s, &what, collect, NULL, &err), -1);
        assert_hf_err(&err, HF_E_CONFLICT, "points/: 'b' is a link");
    }
    assert_listed(s, "points/a/", NULL, false, "points/a/x ");
}

static void a_sweep_removes_old_leftovers_and_nothing_else(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_store(state);
    int64_t now = 0;
    uint64_t n = 0;
    put(s, "d/object", "x");
    hf_test_file(state, "d/.object.0123456789abcdef.tmp", "torn", 0600);
    assert_hf_ok(hf_store_now(s, &now, &err), &err);
    assert_true(llabs(now - (int64_t)time(NULL)) < 60);
    assert_hf_ok(hf_store_sweep(s, now - 3600, &n, &err), &err);
    assert_int_equal(n, 0);
    assert_int_equal(mkdir(hf_test_path(state, "empty"), 0755), 0);
    hf_test_file(state, "d/.foreign", "not ours", 0600);
    assert_hf_ok(hf_store_sweep(s, now + 3600, &n, &err), &err);
    assert_int_equal(n, 2);
    assert_listed(s, "", NULL, true, "d/ ");
    assert_int_equal(unlink(hf_test_path(state, "d/.foreign")), 0);
    assert_int_equal(hidden_in(hf_test_dir(state)), 0);
    assert_listed(s, "", NULL, false, "d/object ");
}

static void a_directory_that_is_not_there_is_not_made(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *url = hf_asprintf("file://%s/mount", hf_test_dir(state));
    struct hf_store_opts opts = {.url = url, .clock = hf_clock_system()};
    assert_null(hf_store_open(&opts, &err));
    assert_hf_err(&err, HF_E_NOT_FOUND, "is mounted");
    opts.url = "file://relative";
    assert_null(hf_store_open(&opts, &err));
    assert_hf_err(&err, HF_E_CONFIG, "absolute");
    opts.url = "ftp://x/y";
    assert_null(hf_store_open(&opts, &err));
    assert_hf_err(&err, HF_E_CONFIG, "no store of this kind");
}

static void a_directory_that_was_removed_is_no_empty_store(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *dir = hf_test_path(state, "store");
    assert_int_equal(mkdir(dir, 0755), 0);
    HF_AUTO(hf_store) struct hf_store *s = open_at(dir);
    assert_int_equal(rmdir(dir), 0);
    struct hf_store_receipt r;
    struct hf_store_object o;
    struct hf_store_list what = {.prefix = ""};
    uint64_t n;
    assert_int_equal(hf_store_head(s, "a", &o, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "directory was removed");
    assert_contains(err.hint, "mounted");
    assert_int_equal(hf_store_list(s, &what, collect, NULL, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "directory was removed");
    assert_int_equal(hf_store_put_bytes(s, "a/b", "x", 1, true, &r, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "directory was removed");
    assert_int_equal(hf_store_remove(s, "a", &err), -1);
    assert_int_equal(hf_store_sweep(s, 0, &n, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "directory was removed");
}

static void more_than_announced_is_refused_at_once(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_store(state);
    struct hf_store_receipt r;
    struct hf_store_put how = {.bytes = 2};
    HF_AUTO(hf_io_sink) struct hf_io_sink *sink = hf_store_put(s, "o", &how, &r, &err);
    assert_hf_got(sink, &err);
    assert_int_equal(hf_io_write(sink, "one", 3, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "o: 3 bytes were written of 2");
    assert_int_equal(hf_io_finish(sink, &err), -1);
    assert_listed(s, "", NULL, false, "");
}

static void tells_its_free_space(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_store(state);
    uint64_t n = 0;
    assert_hf_ok(hf_store_space(s, &n, &err), &err);
    assert_true(n > 0);
}

static void a_source_reads_ahead(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_store) struct hf_store *s = open_store(state);
    char back[12] = "";
    put(s, "o", "0123456789");
    HF_AUTO(hf_io_source) struct hf_io_source *o = hf_store_source(s, "o", 4, &err);
    assert_hf_got(o, &err);
    assert_int_equal(o->size, 10);
    static const struct {
        unsigned at, len;
        const char *want;
    } reads[] = {{1, 2, "12"}, {2, 2, "23"}, {4, 3, "456"},
                 {9, 1, "9"},  {8, 2, "89"}, {0, 10, "0123456789"}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(reads); i++) {
        memset(back, 0, sizeof back);
        assert_hf_ok(hf_io_read_at(o, reads[i].at, back, reads[i].len, &err), &err);
        assert_string_equal(back, reads[i].want);
    }
    assert_int_equal(hf_io_read_at(o, 9, back, 2, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "of only 10");
}

static void a_rate_makes_them_wait(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_fake_clock *clock = hf_test_clock(state);
    HF_AUTOFREE char *url = hf_asprintf("file://%s", hf_test_dir(state));
    struct hf_store_opts opts = {.url = url, .clock = &clock->clock, .rate_bytes_s = 1000};
    HF_AUTO(hf_store) struct hf_store *s = hf_store_open(&opts, &err);
    assert_hf_got(s, &err);
    struct hf_store_receipt r;
    static char data[5000];
    int64_t begin = clock->mono_us;
    assert_hf_ok(hf_store_put_bytes(s, "o", data, sizeof data, false, &r, &err), &err);
    /* The first second's worth was free. */
    assert_int_equal(clock->mono_us - begin, 4000000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(names_that_could_leave_the_prefix_are_none),
        HF_TEST(no_function_takes_a_name_that_is_none),
        HF_TEST(what_was_put_is_read_headed_confirmed_and_removed),
        HF_TEST(an_object_appears_when_it_is_finished_and_not_before),
        HF_TEST(a_name_is_given_once_unless_it_may_be_replaced),
        HF_TEST(other_bytes_on_the_store_are_not_confirmed),
        HF_TEST(lists_in_the_byte_order_of_whole_names),
        HF_TEST(a_listing_ends_when_its_reader_has_enough),
        HF_TEST(what_lies_deeper_than_names_go_is_not_listed),
        HF_TEST(links_inside_the_store_are_not_followed),
        HF_TEST(a_link_in_a_folder_of_the_store_is_no_missing_object),
        HF_TEST(a_sweep_removes_old_leftovers_and_nothing_else),
        HF_TEST(a_directory_that_is_not_there_is_not_made),
        HF_TEST(a_directory_that_was_removed_is_no_empty_store),
        HF_TEST(more_than_announced_is_refused_at_once),
        HF_TEST(tells_its_free_space),
        HF_TEST(a_source_reads_ahead),
        HF_TEST(a_rate_makes_them_wait),
    };
    return HF_RUN_TESTS("store.path", tests);
}
