/* SPDX-License-Identifier: Apache-2.0
 *
 * What QEMU's programs answer that cannot be had on demand. Under their names in PATH they are this very program.
 */
#include "base/path.h"
#include "restore/disk.h"
#include "restore/disk_part.h"
#include "restore/disk_target.h"
#include "unit/image/fixture.h"

#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CHUNK 4096u
#define CHUNKS 50u
#define LEN ((size_t)CHUNKS * CHUNK)
#define STUCK_S 20 /* whoever waits for ever fails the test, not only its caller's patience */

/* ---- the programs ----------------------------------------------------------------------- */

/* FAKE_CHECK: the status that a check ends with; none: it never ends. */
static int play_img(char **argv)
{
    const char *status = getenv("FAKE_CHECK");
    if (strcmp(argv[1], "check") != 0) {
        fprintf(stderr, "asked to %s\n", argv[1]);
        return 9;
    }
    if (!status)
        pause();
    fprintf(stderr, "checked\n");
    return status ? (int)strtol(status, NULL, 10) : 0;
}

/* Listens, says so by the file FAKE_LISTENS, and never greets anybody. */
static int play_nbd(char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", strchr(argv[1], '=') + 1);
    usleep(300000);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 16) < 0 ||
        creat(getenv("FAKE_LISTENS"), 0600) < 0)
        return 1;
    for (;;)
        pause();
}

/* In front of the real ones, for this case only. */
static char *put_in_path(void **state)
{
    char *before = strdup(getenv("PATH"));
    HF_AUTOFREE char *path = hf_asprintf("%s:%s", hf_test_dir(state), before);
    static const char *const names[] = {"qemu-img", "qemu-nbd"};
    char self[4096] = "";
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++)
        assert_int_equal(symlink(self, hf_test_path(state, names[i])), 0);
    setenv("PATH", path, 1);
    setenv("FAKE_LISTENS", hf_test_path(state, "listens"), 1);
    return before;
}

static void restore_path(char **before)
{
    setenv("PATH", *before, 1);
    free(*before);
    alarm(0);
}
#define PLAYED_BY_US(state)                                                                        \
    __attribute__((cleanup(restore_path), unused)) char *path_before = put_in_path(state);         \
    alarm(STUCK_S)

static void *want_to_stop(void *cancel)
{
    usleep(800000);
    hf_cancel_set(cancel);
    return NULL;
}

/* ---- a part that is gone on with -------------------------------------------------------- */

struct case_of {
    struct site s;
    struct hf_image_written w;
    struct hf_restore_disk what;
    unsigned char *disk;
    char *part, *record;
};

static struct case_of begin(void **state)
{
    struct case_of c = {.s = site_new(state, false, CHUNK), .disk = malloc(LEN)};
    fill_random(c.disk, LEN, 31);
    c.w = write_disk(&c.s, c.disk, LEN);
    c.what = (struct hf_restore_disk){.point = "p",
                                      .disk = "vda",
                                      .file = hf_test_path(state, "vda.qcow2"),
                                      .format = HF_DISK_QCOW2,
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

static void make_part(struct case_of *c, const char *content)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_disk_part) struct hf_disk_part p = {.fd = -1};
    HF_AUTO(hf_chunk_set) struct hf_chunk_set set = {0};
    struct hf_disk_record want = {.point = (char *)"p",
                                  .disk = (char *)"vda",
                                  .format = HF_DISK_QCOW2,
                                  .shape = {LEN, CHUNK}};
    memcpy(want.root, c->w.root, HF_IMAGE_ID);
    assert_hf_ok(hf_disk_part_open(c->what.file, &want, false, &p, &err), &err);
    assert_int_equal(pwrite(p.fd, content, strlen(content), 0), strlen(content));
    assert_hf_ok(hf_chunk_set_init(&set, CHUNKS, &err), &err);
    hf_chunk_set_add(&set, 0, 30);
    assert_hf_ok(hf_disk_part_record(&p, &set, &err), &err);
}

static int restore(struct case_of *c, struct hf_err *err)
{
    struct hf_restored_disk done;
    c->what.image = c->s.im;
    c->what.root = c->w.root;
    return hf_restore_disk(&c->what, &done, err);
}

static void assert_kept(struct case_of *c, const struct hf_err *why)
{
    struct hf_err err = HF_ERR_INIT;
    size_t len = 0;
    HF_AUTOFREE char *part = hf_path_read(c->part, 100, &len, &err);
    assert_hf_got(part, &err);
    assert_string_equal(part, "QFI\xfb and more");
    HF_AUTOFREE char *record = hf_path_read(c->record, 4096, &len, &err);
    assert_hf_got(record, &err);
    assert_contains(record, "[[0,30]]");
    assert_contains(why->left, "vda.qcow2.holdfast-part");
}

static void a_part_that_could_not_be_checked_is_kept(void **state)
{
    PLAYED_BY_US(state);
    struct case_of c = begin(state);
    static const char *const statuses[] = {"1", "63", "137"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(statuses); i++) {
        struct hf_err err = HF_ERR_INIT;
        make_part(&c, "QFI\xfb and more");
        setenv("FAKE_CHECK", statuses[i], 1);
        assert_int_equal(restore(&c, &err), -1);
        assert_hf_err(&err, HF_E_PLUGIN, "checked");
        assert_kept(&c, &err);
    }
    end(&c);
}

static void a_part_that_is_broken_is_begun_anew(void **state)
{
    PLAYED_BY_US(state);
    struct case_of c = begin(state);
    struct stat st;
    for (int is_other = 0; is_other < 2; is_other++) {
        struct hf_err err = HF_ERR_INIT;
        make_part(&c, is_other ? "something else" : "QFI\xfb and more");
        setenv("FAKE_CHECK", is_other ? "1" : "2", 1);
        assert_int_equal(restore(&c, &err), -1);
        assert_hf_err(&err, HF_E_PLUGIN, "asked to create");
        assert_int_equal(lstat(c.part, &st), -1);
    }
    end(&c);
}

static void clusters_that_nobody_uses_are_no_reason_to_begin_anew(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    PLAYED_BY_US(state);
    const struct hf_disk_qcow2_opts o = {.path = hf_test_file(state, "x", "QFI\xfb and more", 0600),
                                         .clock = hf_clock_system()};
    setenv("FAKE_CHECK", "3", 1);
    assert_hf_ok(hf_disk_qcow2_check(&o, &err), &err);
}

static void a_check_can_be_interrupted_and_the_part_is_kept(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    pthread_t thread;
    PLAYED_BY_US(state);
    struct case_of c = begin(state);
    HF_AUTO(hf_cancel) struct hf_cancel *cancel = hf_cancel_new(&err);
    make_part(&c, "QFI\xfb and more");
    unsetenv("FAKE_CHECK");
    c.what.cancel = cancel;
    assert_int_equal(pthread_create(&thread, NULL, want_to_stop, cancel), 0);
    assert_int_equal(restore(&c, &err), -1);
    pthread_join(thread, NULL);
    assert_int_equal(err.cls, HF_E_CANCELLED);
    assert_kept(&c, &err);
    end(&c);
}

/* ---- a server that says nothing --------------------------------------------------------- */

static void a_server_that_does_not_greet_can_be_interrupted(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    pthread_t thread;
    PLAYED_BY_US(state);
    HF_AUTO(hf_cancel) struct hf_cancel *cancel = hf_cancel_new(&err);
    const struct hf_disk_qcow2_opts o = {.path = hf_test_path(state, "x"),
                                         .workers = 1,
                                         .clock = hf_clock_system(),
                                         .cancel = cancel};
    assert_int_equal(pthread_create(&thread, NULL, want_to_stop, cancel), 0);
    assert_null(hf_disk_qcow2(&o, &err));
    pthread_join(thread, NULL);
    assert_int_equal(err.cls, HF_E_CANCELLED);
}

/* Once it listens, a minute is gone. */
static int64_t leaping_us(void *ctx)
{
    return hf_clock_mono_us(hf_clock_system()) + (access(ctx, F_OK) == 0 ? 60000000 : 0);
}

static void a_server_that_does_not_greet_has_a_deadline(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    PLAYED_BY_US(state);
    struct hf_clock clock = *hf_clock_system();
    clock.mono_us = leaping_us;
    clock.ctx = getenv("FAKE_LISTENS");
    const struct hf_disk_qcow2_opts o = {
        .path = hf_test_path(state, "x"), .workers = 1, .clock = &clock};
    assert_null(hf_disk_qcow2(&o, &err));
    assert_int_equal(err.cls, HF_E_TIMEOUT);
}

/* ---- the real ones ---------------------------------------------------------------------- */

static long processors;

long __real_sysconf(int name);
long __wrap_sysconf(int name);
long __wrap_sysconf(int name)
{
    return name == _SC_NPROCESSORS_ONLN && processors ? processors++ : __real_sysconf(name);
}

static void processors_that_come_while_it_restores_change_nothing(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct stat st;
    if (system("qemu-img --version >/dev/null 2>&1 && qemu-nbd --version >/dev/null 2>&1") != 0)
        hf_test_missing("qemu-nbd", "no qemu-img, or no qemu-nbd");
    struct case_of c = begin(state);
    processors = 4;
    int rc = restore(&c, &err);
    assert_int_equal(processors, 5);
    processors = 0;
    assert_hf_ok(rc, &err);
    assert_int_equal(lstat(c.what.file, &st), 0);
    end(&c);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_part_that_could_not_be_checked_is_kept),
        HF_TEST(a_part_that_is_broken_is_begun_anew),
        HF_TEST(clusters_that_nobody_uses_are_no_reason_to_begin_anew),
        HF_TEST(a_check_can_be_interrupted_and_the_part_is_kept),
        HF_TEST(a_server_that_does_not_greet_can_be_interrupted),
        HF_TEST(a_server_that_does_not_greet_has_a_deadline),
        HF_TEST(processors_that_come_while_it_restores_change_nothing),
    };
    const char *name = argc > 1 ? basename(argv[0]) : "";
    if (strcmp(name, "qemu-img") == 0)
        return play_img(argv);
    return strcmp(name, "qemu-nbd") == 0 ? play_nbd(argv)
                                         : HF_RUN_TESTS("restore.disk_qcow2", tests);
}
