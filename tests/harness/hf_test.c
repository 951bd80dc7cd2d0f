/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/hf_test.h"

#include "base/buf.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/strv.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What one case has taken; lives in cmocka's state. */
struct fixture {
    char *dir;
    struct hf_strv paths; /* handed out by hf_test_path */
    struct hf_fake_clock clock;
    struct hf_log *log;
    FILE *log_out;
    char *log_text; /* of open_memstream */
    size_t log_len;
};

static struct fixture *fixture_of(void **state)
{
    if (!*state)
        fail_msg("this case is not registered with HF_TEST");
    return *state;
}

int hf_test_begin(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    hf_fake_clock_init(&f->clock);
    *state = f;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

/* A case may have made a directory that even its owner cannot enter. */
static int open_up(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)where;
    if (kind == FTW_D || kind == FTW_DNR)
        return chmod(path, st->st_mode | S_IRWXU);
    return 0;
}

int hf_test_end(void **state)
{
    struct fixture *f = *state;
    int rc = 0;
    if (f->dir) {
        nftw(f->dir, open_up, 16, FTW_PHYS);
        rc = nftw(f->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
    hf_log_free(f->log);
    if (f->log_out)
        fclose(f->log_out);
    free(f->log_text);
    hf_strv_free(&f->paths);
    free(f->dir);
    free(f);
    *state = NULL;
    return rc;
}

int hf_run_tests(const char *group, const struct CMUnitTest *tests, size_t n)
{
    const char *filter = getenv("HOLDFAST_TEST");
    if (filter)
        cmocka_set_test_filter(filter);
    return _cmocka_run_group_tests(group, tests, n, NULL, NULL);
}

/* ---- what a machine may lack ------------------------------------------------------------ */

bool hf_test_is_required(const char *name)
{
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    const char *list = getenv("HOLDFAST_TEST_REQUIRE");
    if (list && hf_strv_split(&names, list, ','))
        return true;
    return hf_strv_has(&names, name) || hf_strv_has(&names, "all");
}

void hf_test_missing(const char *name, const char *why)
{
    print_message("SKIP %s: %s\n", name, why);
    if (hf_test_is_required(name))
        fail_msg("%s is required here", name);
    skip();
}

/* ---- files ------------------------------------------------------------------------------ */

const char *hf_test_dir(void **state)
{
    struct fixture *f = fixture_of(state);
    if (f->dir)
        return f->dir;
    const char *tmp = getenv("TMPDIR");
    char *dir = hf_path_join(tmp ? tmp : "/tmp", "holdfast-test-XXXXXX");
    assert_non_null(dir);
    assert_non_null(mkdtemp(dir));
    f->dir = dir;
    return dir;
}

const char *hf_test_path(void **state, const char *name)
{
    struct fixture *f = fixture_of(state);
    assert_int_equal(hf_strv_take(&f->paths, hf_path_join(hf_test_dir(state), name)), 0);
    return f->paths.items[f->paths.n - 1];
}

const char *hf_test_file(void **state, const char *name, const char *content, unsigned mode)
{
    const char *path = hf_test_path(state, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    return path;
}

/* ---- time ------------------------------------------------------------------------------- */

static int64_t fake_mono_us(void *ctx)
{
    return ((struct hf_fake_clock *)ctx)->mono_us;
}

static int64_t fake_wall_us(void *ctx)
{
    return ((struct hf_fake_clock *)ctx)->wall_us;
}

static void fake_sleep_us(void *ctx, int64_t us)
{
    struct hf_fake_clock *f = ctx;
    f->mono_us += us;
    f->wall_us += us;
    f->slept_us += us;
}

void hf_fake_clock_init(struct hf_fake_clock *f)
{
    f->clock = (struct hf_clock){
        .mono_us = fake_mono_us, .wall_us = fake_wall_us, .sleep_us = fake_sleep_us, .ctx = f};
    f->mono_us = INT64_C(1000000000);
    f->wall_us = INT64_C(1795402800000000);
    f->slept_us = 0;
}

void hf_fake_clock_advance_ms(struct hf_fake_clock *f, int64_t ms)
{
    f->mono_us += ms * 1000;
    f->wall_us += ms * 1000;
}

struct hf_fake_clock *hf_test_clock(void **state)
{
    return &fixture_of(state)->clock;
}

/* ---- log -------------------------------------------------------------------------------- */

struct hf_log *hf_test_log(void **state, const struct hf_log_opts *opts)
{
    struct fixture *f = fixture_of(state);
    assert_null(f->log);
    f->log_out = open_memstream(&f->log_text, &f->log_len);
    assert_non_null(f->log_out);
    struct hf_log_opts mine = opts ? *opts : (struct hf_log_opts){.level = HF_LOG_DEBUG};
    mine.out = f->log_out;
    if (!mine.clock)
        mine.clock = &f->clock.clock;
    f->log = hf_log_new(&mine);
    assert_non_null(f->log);
    return f->log;
}

const char *hf_test_logged(void **state)
{
    struct fixture *f = fixture_of(state);
    assert_non_null(f->log_out);
    fflush(f->log_out);
    return f->log_text;
}

/* ---- assertions ------------------------------------------------------------------------- */

static void describe(const struct hf_err *err)
{
    print_error("  class   %s\n  message %s\n  hint    %s\n  left    %s\n",
                hf_err_class_name(err->cls), err->message, err->hint, err->left);
}

void hf_assert_err_(const struct hf_err *err, enum hf_err_class cls, const char *piece,
                    const char *file, int line)
{
    bool said = strstr(err->message, piece) || strstr(err->hint, piece) || strstr(err->left, piece);
    if (err->cls == (int32_t)cls && said)
        return;
    print_error("expected an error of class %s with \"%s\", got\n", hf_err_class_name(cls), piece);
    describe(err);
    _fail(file, line);
}

void hf_assert_ok_(int ok, const struct hf_err *err, const char *what, const char *file, int line)
{
    if (ok)
        return;
    print_error("%s failed\n", what);
    describe(err);
    _fail(file, line);
}

void hf_assert_contains_(const char *text, const char *piece, int wanted, const char *file,
                         int line)
{
    if (!!strstr(text, piece) == !!wanted)
        return;
    print_error("\"%s\" %s \"%s\"\n", text, wanted ? "does not contain" : "contains", piece);
    _fail(file, line);
}

bool hf_test_run(const char *const *argv)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_proc_request req = {.argv = argv, .timeout_ms = 60000};
    if (hf_proc_check(&req, &r, &err) == 0)
        return true;
    describe(&err);
    return false;
}
