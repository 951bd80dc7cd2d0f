/* SPDX-License-Identifier: Apache-2.0
 *
 * A disk out of a store in memory into a file: whole or not there, and what was durable is not fetched again.
 */
#include "base/path.h"
#include "harness/small_fs.h"
#include "restore/disk.h"
#include "restore/disk_part.h"
#include "unit/image/fixture.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#define CHUNK 4096u
#define CHUNKS 700u
#define LEN ((size_t)CHUNKS * CHUNK)

struct case_of {
    struct site s;
    unsigned char *disk;
    struct hf_image_written w;
    struct hf_restore_disk what;
    struct hf_restored_disk done;
    char *part, *record;
};

static struct case_of begin(void **state, bool is_encrypted)
{
    struct case_of c = {.s = site_new(state, is_encrypted, CHUNK), .disk = malloc(LEN)};
    fill_random(c.disk, LEN, 11);
    memset(c.disk + 100 * CHUNK, 0, 200 * CHUNK);
    c.w = write_disk(&c.s, c.disk, LEN);
    c.what = (struct hf_restore_disk){.image = c.s.im,
                                      .root = c.w.root,
                                      .point = "web/20261123T030000Z-7f3a9c21",
                                      .disk = "vda",
                                      .file = hf_test_path(state, "vda.img"),
                                      .clock = hf_clock_system()};
    c.part = hf_asprintf("%s.holdfast-part", c.what.file);
    c.record = hf_asprintf("%s.json", c.part);
    return c;
}

static void end(struct case_of *c)
{
    site_free(&c->s);
    hf_image_written_free(&c->w);
    free(c->disk);
    free(c->part);
    free(c->record);
}

static int restore(struct case_of *c, struct hf_err *err)
{
    c->what.image = c->s.im;
    c->what.root = c->w.root;
    return hf_restore_disk(&c->what, &c->done, err);
}

static bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void assert_restored(struct case_of *c)
{
    struct hf_err err = HF_ERR_INIT;
    size_t len = 0;
    struct stat st;
    HF_AUTOFREE char *back = hf_path_read(c->what.file, LEN, &len, &err);
    assert_hf_got(back, &err);
    assert_int_equal(len, LEN);
    assert_memory_equal(back, c->disk, LEN);
    assert_int_equal(stat(c->what.file, &st), 0);
    assert_false(is_there(c->part));
    assert_false(is_there(c->record));
}

static void the_file_is_the_disk_and_nothing_is_beside_it(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct stat st;
    for (int is_encrypted = 0; is_encrypted < 2; is_encrypted++) {
        struct case_of c = begin(state, is_encrypted);
        assert_hf_ok(restore(&c, &err), &err);
        assert_restored(&c);
        assert_int_equal(c.done.written, 500 * CHUNK);
        assert_int_equal(c.done.bytes, LEN);
        assert_false(c.done.is_resumed);
        assert_int_equal(stat(c.what.file, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_true((size_t)st.st_blocks * 512 <= 520 * CHUNK);
        unlink(c.what.file);
        end(&c);
    }
}

static void a_file_that_is_there_is_refused_and_stays(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct case_of c = begin(state, false);
    size_t len = 0;
    hf_test_file(state, "vda.img", "precious", 0640);
    assert_int_equal(restore(&c, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "--overwrite");
    HF_AUTOFREE char *text = hf_path_read(c.what.file, 100, &len, &err);
    assert_string_equal(text, "precious");
    assert_false(is_there(c.part));
    end(&c);
}

static void with_overwrite_it_is_replaced_by_another_file_with_its_mode(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct case_of c = begin(state, false);
    struct stat before, after;
    hf_test_file(state, "vda.img", "precious", 0640);
    assert_int_equal(stat(c.what.file, &before), 0);
    c.what.overwrite = true;
    assert_hf_ok(restore(&c, &err), &err);
    assert_restored(&c);
    assert_int_equal(stat(c.what.file, &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino);
    assert_int_equal(after.st_mode & 07777, 0640);
    end(&c);
}

static void a_file_that_a_program_has_locked_is_not_replaced(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct case_of c = begin(state, false);
    hf_test_file(state, "vda.img", "precious", 0640);
    HF_AUTOFD int fd = open(c.what.file, O_RDWR | O_CLOEXEC);
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 201, .l_len = 1};
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
    c.what.overwrite = true;
    assert_int_equal(restore(&c, &err), -1);
    assert_hf_err(&err, HF_E_BUSY, "in use");
    end(&c);
}

struct meanwhile {
    struct case_of *c;
    int fd; /* >= 0: of FILE, to be locked; else another file gets its name */
    bool is_done;
};

static void happen(void *ctx, uint64_t done, uint64_t total)
{
    struct meanwhile *m = ctx;
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 201, .l_len = 1};
    (void)done, (void)total;
    if (m->is_done)
        return;
    m->is_done = true;
    if (m->fd >= 0) {
        assert_int_equal(fcntl(m->fd, F_OFD_SETLK, &lock), 0);
        return;
    }
    HF_AUTOFREE char *other = hf_asprintf("%s.other", m->c->what.file);
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_path_write(other, "other", 5, 0600, &err), &err);
    assert_int_equal(rename(other, m->c->what.file), 0);
}

static void assert_kept(struct case_of *c, const char *content)
{
    struct hf_err err = HF_ERR_INIT;
    size_t len = 0;
    HF_AUTOFREE char *text = hf_path_read(c->what.file, 100, &len, &err);
    assert_hf_got(text, &err);
    assert_string_equal(text, content);
    assert_true(is_there(c->part) && is_there(c->record));
}

/* The same command, later: nothing is left to be written. */
static void assert_ends_it(struct case_of *c)
{
    struct hf_err err = HF_ERR_INIT;
    c->what.progress = NULL;
    assert_hf_ok(restore(c, &err), &err);
    assert_true(c->done.is_resumed);
    assert_int_equal(c->done.written, 0);
    assert_restored(c);
}

static void a_file_that_a_program_has_locked_meanwhile_is_not_replaced(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct case_of c = begin(state, false);
    hf_test_file(state, "vda.img", "precious", 0640);
    struct meanwhile m = {&c, open(c.what.file, O_RDWR | O_CLOEXEC), false};
    if (geteuid() == 0)
        assert_int_equal(fchown(m.fd, 12345, 12345), 0);
    c.what.overwrite = true;
    c.what.progress = happen;
    c.what.progress_ctx = &m;
    assert_int_equal(restore(&c, &err), -1);
    assert_hf_err(&err, HF_E_BUSY, "in use");
    assert_contains(err.hint, "same command");
    assert_kept(&c, "precious");
    close(m.fd);
    assert_ends_it(&c);
    end(&c);
}

static void a_file_that_has_come_into_its_place_meanwhile_is_not_replaced(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct case_of c = begin(state, false);
    hf_test_file(state, "vda.img", "precious", 0640);
    struct meanwhile m = {&c, -1, false};
    c.what.overwrite = true;
    c.what.progress = happen;
    c.what.progress_ctx = &m;
    assert_int_equal(restore(&c, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "another file");
    assert_kept(&c, "other");
    assert_ends_it(&c);
    end(&c);
}

static void what_is_no_file_and_no_name_of_one_is_refused(void **state)
{
    struct case_of c = begin(state, false);
    const char *file = c.what.file;
    assert_int_equal(symlink("/dev/null", file), 0);
    c.what.overwrite = true;
    const char *const odd[] = {file, hf_test_dir(state),       "/dev/null", "", "/",
                               "..", "/no/such/folder/vda.img"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(odd); i++) {
        struct hf_err err = HF_ERR_INIT;
        c.what.file = odd[i];
        assert_int_equal(restore(&c, &err), -1);
        assert_true(err.cls == HF_E_CONFLICT || err.cls == HF_E_CONFIG ||
                    err.cls == HF_E_NOT_FOUND);
    }
    end(&c);
}

static void two_at_once_are_one_too_many(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct case_of c = begin(state, false);
    HF_AUTOFD int fd = open(c.part, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(restore(&c, &err), -1);
    assert_hf_err(&err, HF_E_BUSY, "being restored already");
    end(&c);
}

static void a_missing_chunk_leaves_what_is_good_and_no_file(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct case_of c = begin(state, false);
    struct object *o = NULL; /* the last pack: what comes first is there by then */
    for (size_t i = 0; i < c.s.m->n; i++)
        o = strncmp(c.s.m->objects[i].name, "packs/", 6) == 0 ? &c.s.m->objects[i] : o;
    o->name[0] = 'x';
    assert_int_equal(restore(&c, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "the disk at ");
    assert_contains(err.message, o->name + strlen("packs/xx/"));
    assert_contains(err.hint, "verify");
    assert_contains(err.left, "vda.img.holdfast-part");
    assert_false(is_there(c.what.file));
    o->name[0] = 'p';
    err = (struct hf_err)HF_ERR_INIT;
    assert_hf_ok(restore(&c, &err), &err);
    assert_true(c.done.is_resumed);
    assert_true(c.done.written < 500 * CHUNK);
    assert_restored(&c);
    end(&c);
}

static void without_the_key_nothing_is_left(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct case_of c = begin(state, true);
    site_open(&c.s, false);
    assert_int_equal(restore(&c, &err), -1);
    assert_hf_err(&err, HF_E_AUTH, "identity-file");
    assert_string_equal(err.left, "");
    assert_false(is_there(c.what.file) || is_there(c.part) || is_there(c.record));
    end(&c);
}

/* ---- gone on with ----------------------------------------------------------------------- */

/* A part of which some chunks are said to be durable; all of it is 'x', so that it is seen what was written anew. */
static void make_part(struct case_of *c, uint64_t from, uint64_t to, unsigned char root0)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_disk_part) struct hf_disk_part p = {.fd = -1};
    HF_AUTO(hf_chunk_set) struct hf_chunk_set set = {0};
    struct hf_disk_record want = {.point = (char *)c->what.point,
                                  .disk = (char *)c->what.disk,
                                  .format = c->what.format,
                                  .shape = {LEN, CHUNK}};
    HF_AUTOFREE unsigned char *x = malloc(LEN);
    memcpy(want.root, c->w.root, HF_IMAGE_ID);
    want.root[0] ^= root0;
    memset(x, 'x', LEN);
    assert_hf_ok(hf_disk_part_open(c->what.file, &want, HF_DISK_PART_NEW, &p, &err), &err);
    assert_int_equal(pwrite(p.fd, x, LEN, 0), LEN);
    assert_hf_ok(hf_chunk_set_init(&set, CHUNKS, &err), &err);
    hf_chunk_set_add(&set, from, to);
    assert_hf_ok(hf_disk_part_record(&p, &set, &err), &err);
}

/* Chunks of the file that are 'x'. */
static uint64_t count_x(struct case_of *c)
{
    struct hf_err err = HF_ERR_INIT;
    size_t len = 0;
    uint64_t n = 0;
    HF_AUTOFREE char *back = hf_path_read(c->what.file, LEN, &len, &err);
    assert_hf_got(back, &err);
    for (size_t i = 0; i < CHUNKS; i++)
        n += back[i * CHUNK] == 'x' && !memcmp(back + i * CHUNK, back + i * CHUNK + 1, CHUNK - 1);
    return n;
}

static void what_was_durable_is_taken_and_nothing_else(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct case_of c = begin(state, false);
    make_part(&c, 10, 60, 0);
    assert_hf_ok(restore(&c, &err), &err);
    assert_true(c.done.is_resumed);
    assert_int_equal(c.done.written, 450 * CHUNK);
    assert_int_equal(count_x(&c),
                     50 + 200); /* and the hole, which is never written: it was one before */
    end(&c);
}

static void the_part_of_another_disk_is_begun_anew(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct case_of c = begin(state, false);
    make_part(&c, 10, 60, 1);
    assert_hf_ok(restore(&c, &err), &err);
    assert_false(c.done.is_resumed);
    assert_restored(&c);
    end(&c);
}

static void a_part_that_is_not_the_one_of_the_record_is_begun_anew(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct case_of c = begin(state, false);
    make_part(&c, 0, CHUNKS, 0);
    HF_AUTOFREE char *other = hf_asprintf("%s.other", c.part);
    HF_AUTOFD int fd = open(other, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, (off_t)LEN), 0);
    assert_int_equal(rename(other, c.part), 0);
    assert_hf_ok(restore(&c, &err), &err);
    assert_false(c.done.is_resumed);
    assert_restored(&c);
    end(&c);
}

static void a_part_that_was_cut_or_has_no_record_that_makes_sense_is_begun_anew(void **state)
{
    for (int i = 0; i < 3; i++) {
        struct hf_err err = HF_ERR_INIT;
        struct case_of c = begin(state, false);
        make_part(&c, 0, CHUNKS, 0);
        if (i == 0)
            assert_int_equal(truncate(c.part, LEN - 1), 0);
        else if (i == 1)
            assert_int_equal(unlink(c.record), 0);
        else
            assert_hf_ok(hf_path_write(c.record, "{\"format\":1}", 12, 0600, &err), &err);
        assert_hf_ok(restore(&c, &err), &err);
        assert_false(c.done.is_resumed);
        assert_restored(&c);
        assert_int_equal(unlink(c.what.file), 0);
        end(&c);
    }
}

/* As a run that died right behind the renaming leaves it. */
static void leave_renamed(struct case_of *c)
{
    struct hf_err err = HF_ERR_INIT;
    size_t len = 0;
    HF_AUTO(hf_disk_record) struct hf_disk_record r = {0};
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    struct stat st;
    make_part(c, 0, CHUNKS, 0);
    HF_AUTOFREE char *old = hf_path_read(c->record, 4096, &len, &err);
    assert_hf_ok(hf_disk_record_parse(old, len, &r, &err), &err);
    assert_int_equal(stat(c->part, &st), 0);
    r.whole_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    assert_hf_ok(hf_disk_record_write(&r, &text, &err), &err);
    assert_hf_ok(hf_path_write(c->record, text.data, text.len, 0600, &err), &err);
    assert_int_equal(rename(c->part, c->what.file), 0);
}

static void a_file_that_only_lacks_the_end_is_taken_for_whole_and_a_changed_one_is_not(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct case_of c = begin(state, false);
    leave_renamed(&c);
    assert_hf_ok(restore(&c, &err), &err);
    assert_true(c.done.is_resumed);
    assert_int_equal(count_x(&c), CHUNKS);
    assert_false(is_there(c.record));
    unlink(c.what.file);
    leave_renamed(&c);
    HF_AUTOFD int fd = open(c.what.file, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "y", 1, 0), 1);
    assert_int_equal(restore(&c, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "exists");
    end(&c);
}

static void a_provisional_file_is_whole_as_long_as_nobody_has_written_to_it(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct case_of c = begin(state, false);
    c.what.is_provisional = true;
    assert_hf_ok(restore(&c, &err), &err);
    assert_true(is_there(c.record));
    assert_hf_ok(restore(&c, &err), &err);
    assert_true(c.done.is_resumed);
    assert_int_equal(c.done.fetched, 0);
    HF_AUTOFD int fd = open(c.what.file, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "y", 1, 0), 1);
    assert_hf_ok(restore(&c, &err), &err);
    assert_false(c.done.is_resumed);
    assert_int_not_equal(c.done.fetched, 0);
    unlink(c.record);
    assert_restored(&c);
    assert_hf_ok(restore(&c, &err), &err); /* without a record nobody knows */
    assert_false(c.done.is_resumed);
    end(&c);
}

/* ---- a full disk ------------------------------------------------------------------------ */

static void a_full_disk_is_said_and_no_file_is_there(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct case_of c = begin(state, false);
    const char *dir = small_fs_mount(state, 1024);
    HF_AUTOFREE char *file = hf_asprintf("%s/vda.img", dir);
    c.what.file = file;
    assert_int_equal(restore(&c, &err), -1);
    assert_hf_err(&err, HF_E_NOSPACE, "No space left");
    assert_false(is_there(file));
    small_fs_umount(dir);
    end(&c);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(the_file_is_the_disk_and_nothing_is_beside_it),
        HF_TEST(a_file_that_is_there_is_refused_and_stays),
        HF_TEST(with_overwrite_it_is_replaced_by_another_file_with_its_mode),
        HF_TEST(a_file_that_a_program_has_locked_is_not_replaced),
        HF_TEST(a_file_that_a_program_has_locked_meanwhile_is_not_replaced),
        HF_TEST(a_file_that_has_come_into_its_place_meanwhile_is_not_replaced),
        HF_TEST(what_is_no_file_and_no_name_of_one_is_refused),
        HF_TEST(two_at_once_are_one_too_many),
        HF_TEST(a_missing_chunk_leaves_what_is_good_and_no_file),
        HF_TEST(without_the_key_nothing_is_left),
        HF_TEST(what_was_durable_is_taken_and_nothing_else),
        HF_TEST(the_part_of_another_disk_is_begun_anew),
        HF_TEST(a_part_that_is_not_the_one_of_the_record_is_begun_anew),
        HF_TEST(a_part_that_was_cut_or_has_no_record_that_makes_sense_is_begun_anew),
        HF_TEST(a_file_that_only_lacks_the_end_is_taken_for_whole_and_a_changed_one_is_not),
        HF_TEST(a_provisional_file_is_whole_as_long_as_nobody_has_written_to_it),
        HF_TEST(a_full_disk_is_said_and_no_file_is_there),
    };
    return HF_RUN_TESTS("restore.disk", tests);
}
