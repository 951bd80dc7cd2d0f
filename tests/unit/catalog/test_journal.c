/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/path.h"
#include "catalog/journal.h"
#include "catalog/journal_intern.h"
#include "harness/hf_test.h"
#include "harness/small_fs.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN "20261123T030000Z-7f3a9c21"
#define RUN_LINE "{\"seq\":1,\"at\":\"-\",\"kind\":\"run\",\"data\":{}}\n"
#define SNAP_LINE "{\"seq\":2,\"at\":\"-\",\"kind\":\"snapshot\",\"data\":{}}\n"

static struct json_object *data_of(const char *text)
{
    struct json_object *data = json_tokener_parse(text);
    assert_non_null(data);
    return data;
}

static struct hf_journal *create(void **state, const char *run_id)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *data = data_of("{\"vm\":\"web01\"}");
    struct hf_journal *j =
        hf_journal_create(hf_test_dir(state), run_id, data, &hf_test_clock(state)->clock, &err);
    assert_hf_got(j, &err);
    return j;
}

static struct hf_journal *reopen(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_journal *j =
        hf_journal_open(hf_test_dir(state), RUN, &hf_test_clock(state)->clock, &err);
    assert_hf_got(j, &err);
    return j;
}

static uint64_t intent(struct hf_journal *j, const char *kind, const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    uint64_t seq = 0;
    HF_AUTOJSON struct json_object *data = text ? data_of(text) : NULL;
    assert_hf_ok(hf_journal_intent(j, kind, data, &seq, &err), &err);
    return seq;
}

static void undone(struct hf_journal *j, uint64_t seq)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_journal_undone(j, seq, &err), &err);
}

static void end(struct hf_journal *j, const char *outcome)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_journal_end(j, outcome, &err), &err);
}

static const char *file_of(void **state)
{
    return hf_test_path(state, "journal/" RUN ".jsonl");
}

static char *text_of(void **state, size_t *len)
{
    struct hf_err err = HF_ERR_INIT;
    char *text = hf_path_read(file_of(state), (size_t)8 << 20, len, &err);
    assert_hf_got(text, &err);
    return text;
}

/* A journal with exactly these bytes. */
static void put(void **state, const char *bytes, size_t len)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_path_mkdirs(hf_test_path(state, "journal"), 0700, &err), &err);
    assert_hf_ok(hf_path_write(file_of(state), bytes, len, 0600, &err), &err);
}

static void reads_back_what_was_written(void **state)
{
    HF_AUTO(hf_journal) struct hf_journal *j = create(state, RUN);
    assert_int_equal(intent(j, "service", "{\"start\":\"cron\"}"), 2);
    assert_int_equal(intent(j, "snapshot", "{\"delete\":\"hf-1\"}"), 3);
    undone(j, 2);
    hf_journal_close(HF_STEAL(j));

    j = reopen(state);
    struct json_object *run = hf_journal_run_data(j);
    assert_string_equal(json_object_get_string(json_object_object_get(run, "vm")), "web01");
    assert_string_equal(hf_journal_run_id(j), RUN);
    assert_int_equal(hf_journal_count(j), 2);
    assert_string_equal(hf_journal_at(j, 0)->kind, "service");
    assert_true(hf_journal_at(j, 0)->is_undone);
    const struct hf_journal_entry *snapshot = hf_journal_at(j, 1);
    assert_int_equal(snapshot->seq, 3);
    assert_false(snapshot->is_undone);
    assert_string_equal(json_object_to_json_string_ext(snapshot->data, 0), "{\"delete\":\"hf-1\"}");
    assert_null(hf_journal_at(j, 2));
    assert_false(hf_journal_is_ended(j));
    assert_null(hf_journal_outcome(j));
}

static void writes_one_documented_line_per_entry(void **state)
{
    size_t len;
    HF_AUTO(hf_journal) struct hf_journal *j = create(state, RUN);
    intent(j, "snapshot", NULL);
    undone(j, 2);
    end(j, "failed");
    HF_AUTOFREE char *text = text_of(state, &len);
    assert_string_equal(text,
                        "{\"seq\":1,\"at\":\"2026-11-23T03:00:00.000Z\",\"kind\":\"run\","
                        "\"data\":{\"vm\":\"web01\"}}\n"
                        "{\"seq\":2,\"at\":\"2026-11-23T03:00:00.000Z\",\"kind\":\"snapshot\","
                        "\"data\":{}}\n"
                        "{\"seq\":3,\"at\":\"2026-11-23T03:00:00.000Z\",\"kind\":\"undone\","
                        "\"of\":2}\n"
                        "{\"seq\":4,\"at\":\"2026-11-23T03:00:00.000Z\",\"kind\":\"end\","
                        "\"outcome\":\"failed\"}\n");
}

static void sees_its_own_entries_without_reopening(void **state)
{
    HF_AUTO(hf_journal) struct hf_journal *j = create(state, RUN);
    uint64_t seq = intent(j, "lock", "{\"db\":\"web01\"}");
    const struct hf_journal_entry *first = hf_journal_at(j, 0);
    for (int i = 0; i < 40; i++)
        intent(j, "more", NULL);
    undone(j, seq);
    /* Still the same object: entries stay where they are until close. */
    assert_ptr_equal(first, hf_journal_at(j, 0));
    assert_true(first->is_undone);
    assert_int_equal(hf_journal_count(j), 41);
}

static void keeps_the_file_private_and_its_space_allocated(void **state)
{
    struct stat st;
    mode_t before = umask(0);
    HF_AUTO(hf_journal) struct hf_journal *j = create(state, RUN);
    umask(before);
    assert_int_equal(stat(file_of(state), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true(st.st_size < 200);
    assert_true(st.st_blocks * 512 >= 64 << 10);
    assert_int_equal(stat(hf_test_path(state, "journal"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void never_replaces_a_journal(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_journal) struct hf_journal *j = create(state, RUN);
    intent(j, "snapshot", NULL);
    assert_null(
        hf_journal_create(hf_test_dir(state), RUN, NULL, &hf_test_clock(state)->clock, &err));
    assert_hf_err(&err, HF_E_CONFLICT, RUN);
    HF_AUTO(hf_journal) struct hf_journal *same = reopen(state);
    assert_int_equal(hf_journal_count(same), 1);
    assert_int_not_equal(access(hf_test_path(state, "journal/" RUN ".jsonl.new"), F_OK), 0);
}

static void an_id_from_outside_is_no_path(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_clock *clock = &hf_test_clock(state)->clock;
    assert_null(hf_journal_create(hf_test_dir(state), "../evil", NULL, clock, &err));
    assert_hf_err(&err, HF_E_CONFIG, "../evil");
    assert_null(hf_journal_open(hf_test_dir(state), "", clock, &err));
    assert_hf_err(&err, HF_E_CONFIG, "not the id of a run");
    assert_null(hf_journal_open(hf_test_dir(state), RUN, clock, &err));
    assert_hf_err(&err, HF_E_NOT_FOUND, RUN);
}

/* Cuts the last line of `text` behind `cut` bytes, puts `junk` behind it, and goes on with shorter
 * and longer lines than the one that was lost. */
static void go_on_after_cut(void **state, const char *text, size_t cut, const char *junk,
                            size_t junk_len)
{
    HF_AUTO(hf_buf) struct hf_buf torn = HF_BUF_INIT;
    hf_buf_add(&torn, text, cut);
    hf_buf_add(&torn, junk, junk_len);
    put(state, torn.data, torn.len);

    HF_AUTO(hf_journal) struct hf_journal *j = reopen(state);
    assert_int_equal(hf_journal_count(j), 1);
    assert_int_equal(intent(j, "x", NULL), 3);
    undone(j, 2);
    hf_journal_close(HF_STEAL(j));

    j = reopen(state);
    assert_int_equal(hf_journal_count(j), 2);
    assert_true(hf_journal_at(j, 0)->is_undone);
    assert_string_equal(hf_journal_at(j, 1)->kind, "x");
    assert_int_equal(intent(j, "y", "{\"long\":\"0123456789012345678901234567890123456789\"}"), 5);
    hf_journal_close(HF_STEAL(j));

    j = reopen(state);
    assert_int_equal(hf_journal_count(j), 3);
}

static void a_line_torn_at_any_byte_is_ignored_and_written_over(void **state)
{
    static const char zeros[300];
    size_t len;
    HF_AUTO(hf_journal) struct hf_journal *j = create(state, RUN);
    intent(j, "service", NULL);
    HF_AUTOFREE char *before = text_of(state, &len);
    size_t last = len;
    intent(j, "snapshot", "{\"name\":\"hf-0123456789\",\"disks\":[\"vda\",\"vdb\",\"vdc\"]}");
    HF_AUTOFREE char *text = text_of(state, &len);
    assert_true(len > last + 100);

    for (size_t cut = last; cut < len; cut++)
        go_on_after_cut(state, text, cut, "", 0);
    /* What power loss may leave instead of the end of the line. */
    go_on_after_cut(state, text, last, zeros, sizeof(zeros));
    go_on_after_cut(state, text, last + 20, zeros, sizeof(zeros));
}

static void a_torn_end_is_no_end(void **state)
{
    size_t len;
    HF_AUTO(hf_journal) struct hf_journal *j = create(state, RUN);
    end(j, "done");
    HF_AUTOFREE char *text = text_of(state, &len);
    put(state, text, len - 1);
    HF_AUTO(hf_journal) struct hf_journal *torn = reopen(state);
    assert_false(hf_journal_is_ended(torn));
    end(torn, "undone");
    HF_AUTO(hf_journal) struct hf_journal *again = reopen(state);
    assert_string_equal(hf_journal_outcome(again), "undone");
}

struct bad {
    const char *text, *message;
};

static void a_bad_line_names_file_and_line(void **state)
{
    static const struct bad cases[] = {
        {"", "no 'run' entry"},
        {"{\"seq\":1,\"kind\":\"ru", "no 'run' entry"},
        {SNAP_LINE, "line 1: number 2 where 1"},
        {"{\"seq\":1,\"kind\":\"end\",\"outcome\":\"done\"}\n", "line 1: 'end' before"},
        {"{\"seq\":1,\"kind\":\"run\"}\n", "line 1: 'data'"},
        {"[]\n", "line 1: "},
        {"null\n", "line 1: "},
        {RUN_LINE "\n" SNAP_LINE, "line 2: "},
        {RUN_LINE "garbage\n" SNAP_LINE, "line 2: not JSON"},
        {RUN_LINE RUN_LINE, "line 2: number 1 where 2"},
        {RUN_LINE "{\"seq\":2,\"kind\":\"run\",\"data\":{}}\n", "line 2: a second 'run'"},
        {RUN_LINE SNAP_LINE "{\"seq\":4,\"kind\":\"x\",\"data\":{}}\n", "line 3: number 4"},
        {RUN_LINE "{\"seq\":2,\"kind\":\"x\",\"data\":[]}\n", "line 2: 'data'"},
        {RUN_LINE "{\"seq\":2,\"kind\":\"\",\"data\":{}}\n", "line 2: an entry of no kind"},
        {RUN_LINE "{\"seq\":2,\"data\":{}}\n", "line 2: 'kind'"},
        {RUN_LINE "{\"seq\":\"2\",\"kind\":\"x\",\"data\":{}}\n", "line 2: 'seq'"},
        {RUN_LINE SNAP_LINE "{\"seq\":3,\"kind\":\"undone\",\"of\":1}\n", "line 3: undoes entry 1"},
        {RUN_LINE SNAP_LINE "{\"seq\":3,\"kind\":\"undone\",\"of\":-2}\n", "line 3: undoes"},
        {RUN_LINE "{\"seq\":2,\"kind\":\"end\",\"outcome\":\"fine\"}\n", "unknown outcome 'fine'"},
        {RUN_LINE "{\"seq\":2,\"kind\":\"end\",\"outcome\":\"done\"}\n"
                  "{\"seq\":3,\"kind\":\"x\",\"data\":{}}\n",
         "line 3: an entry behind the end"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        put(state, cases[i].text, strlen(cases[i].text));
        assert_null(hf_journal_open(hf_test_dir(state), RUN, &hf_test_clock(state)->clock, &err));
        assert_hf_err(&err, HF_E_CORRUPT, cases[i].message);
        assert_contains(err.message, RUN ".jsonl");
        assert_contains(err.hint, "by hand");
    }
}

static void does_not_read_without_bound(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    put(state, RUN_LINE, strlen(RUN_LINE));
    assert_int_equal(truncate(file_of(state), ((off_t)4 << 20) + 1), 0);
    assert_null(hf_journal_open(hf_test_dir(state), RUN, &hf_test_clock(state)->clock, &err));
    assert_hf_err(&err, HF_E_CORRUPT, "larger than");
}

static void undoing_twice_is_one_mark(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct stat first, second;
    HF_AUTO(hf_journal) struct hf_journal *j = create(state, RUN);
    uint64_t seq = intent(j, "snapshot", NULL);
    undone(j, seq);
    assert_int_equal(stat(file_of(state), &first), 0);
    undone(j, seq);
    assert_int_equal(stat(file_of(state), &second), 0);
    assert_int_equal(first.st_size, second.st_size);
    assert_int_equal(hf_journal_undone(j, 77, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "no entry 77");
}

static void ends_as_failed_only_with_nothing_open(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_journal) struct hf_journal *j = create(state, RUN);
    uint64_t seq = intent(j, "snapshot", NULL);
    assert_int_equal(hf_journal_end(j, "failed", &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "'snapshot' (2) is open");
    assert_int_equal(hf_journal_end(j, "undone", &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "is open");
    assert_int_equal(hf_journal_end(j, "superb", &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "superb");
    undone(j, seq);
    end(j, "failed");
    assert_string_equal(hf_journal_outcome(j), "failed");
}

static void keeps_wanted_effects_open_when_done(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_journal) struct hf_journal *j = create(state, RUN);
    uint64_t seq = intent(j, "snapshot", NULL);
    end(j, "done");
    assert_int_equal(hf_journal_intent(j, "late", NULL, NULL, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "has ended");
    assert_int_equal(hf_journal_undone(j, seq, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "has ended");
    assert_int_equal(hf_journal_end(j, "done", &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "has ended");
}

static void is_removed_only_after_its_end(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_journal) struct hf_journal *j = create(state, RUN);
    assert_int_equal(hf_journal_finish(j, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "has not ended");
    assert_int_equal(access(file_of(state), F_OK), 0);
    end(j, "done");
    assert_hf_ok(hf_journal_finish(j, &err), &err);
    assert_int_not_equal(access(file_of(state), F_OK), 0);
    /* A second `recover` that comes late. */
    assert_hf_ok(hf_journal_finish(j, &err), &err);
}

static void keeps_its_own_words_for_itself(void **state)
{
    static const char *const words[] = {"run", "undone", "end", ""};
    HF_AUTO(hf_journal) struct hf_journal *j = create(state, RUN);
    for (size_t i = 0; i < HF_ARRAY_SIZE(words); i++) {
        struct hf_err err = HF_ERR_INIT;
        assert_int_equal(hf_journal_intent(j, words[i], NULL, NULL, &err), -1);
        assert_hf_err(&err, HF_E_INTERNAL, "no kind of effect");
    }
}

static void does_not_write_what_it_could_not_read(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf deep = HF_BUF_INIT;
    for (int i = 0; i < 31; i++)
        hf_buf_str_add(&deep, "{\"a\":");
    hf_buf_str_add(&deep, "1");
    for (int i = 0; i < 31; i++)
        hf_buf_str_add(&deep, "}");
    HF_AUTOJSON struct json_object *data = data_of(hf_buf_str(&deep));
    HF_AUTO(hf_journal) struct hf_journal *j = create(state, RUN);
    assert_int_equal(hf_journal_intent(j, "deep", data, NULL, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "line 2");
    /* The same object goes on, with a line that is shorter than the failed one. */
    assert_int_equal(intent(j, "x", NULL), 2);
    HF_AUTO(hf_journal) struct hf_journal *again = reopen(state);
    assert_int_equal(hf_journal_count(again), 1);
}

static void notices_a_second_writer(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_journal) struct hf_journal *coordinator = create(state, RUN);
    HF_AUTO(hf_journal) struct hf_journal *guardian = reopen(state);
    intent(guardian, "x", NULL);
    assert_int_equal(hf_journal_intent(coordinator, "y", NULL, NULL, &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "somebody else");
    HF_AUTO(hf_journal) struct hf_journal *again = reopen(state);
    assert_int_equal(hf_journal_count(again), 1);
}

/* The file may grow by so many bytes only; SIGXFSZ is ignored. */
static void limit_growth(void **state, rlim_t bytes)
{
    struct stat st;
    assert_int_equal(stat(file_of(state), &st), 0);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : (rlim_t)st.st_size + bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void goes_on_after_a_line_that_was_cut_by_its_own_write(void **state)
{
    HF_AUTO(hf_journal) struct hf_journal *j = create(state, RUN);
    for (rlim_t bytes = 0; bytes < 60; bytes += 7) {
        struct hf_err err = HF_ERR_INIT;
        limit_growth(state, bytes);
        int rc = hf_journal_intent(j, "a-rather-long-name-of-an-effect", NULL, NULL, &err);
        limit_growth(state, RLIM_INFINITY);
        assert_int_equal(rc, -1);
        assert_contains(err.message, "write");
        intent(j, "x", NULL);
    }
    HF_AUTO(hf_journal) struct hf_journal *again = reopen(state);
    assert_int_equal(hf_journal_count(again), hf_journal_count(j));
}

static void a_full_disk_stops_before_an_effect_and_never_an_undo(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *dir = small_fs_mount(state, 160);
    HF_AUTOJSON struct json_object *data = data_of("{\"delete\":\"hf-0123456789\"}");
    struct hf_journal *j = hf_journal_create(dir, RUN, data, &hf_test_clock(state)->clock, &err);
    assert_hf_got(j, &err);
    small_fs_fill(dir);
    size_t n = 0;
    while (!hf_journal_intent(j, "snapshot", data, NULL, &err))
        n++;
    assert_hf_err(&err, HF_E_NOSPACE, "allocate");
    assert_true(n > 100);
    for (size_t i = n; i-- > 0;)
        undone(j, hf_journal_at(j, i)->seq);
    end(j, "failed");
    hf_journal_close(j);

    j = hf_journal_open(dir, RUN, &hf_test_clock(state)->clock, &err);
    assert_hf_got(j, &err);
    assert_int_equal(hf_journal_count(j), n);
    assert_string_equal(hf_journal_outcome(j), "failed");
    hf_journal_close(j);
    small_fs_umount(dir);
}

static void no_run_begins_on_a_full_disk(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_strv ids = HF_STRV_INIT;
    const char *dir = small_fs_mount(state, 64);
    small_fs_fill(dir);
    assert_null(hf_journal_create(dir, RUN, NULL, &hf_test_clock(state)->clock, &err));
    assert_hf_err(&err, HF_E_NOSPACE, "");
    assert_hf_ok(hf_journal_list(dir, &ids, &err), &err);
    assert_int_equal(ids.n, 0);
    small_fs_umount(dir);
}

static void a_full_journal_has_room_for_its_marks(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_journal) struct hf_journal *j = create(state, RUN);
    HF_AUTOFREE char *text = hf_asprintf("{\"pad\":\"%040000d\"}", 0);
    HF_AUTOJSON struct json_object *data = data_of(text);
    size_t n = 0;
    while (!hf_journal_intent(j, "x", data, NULL, &err))
        n++;
    assert_hf_err(&err, HF_E_NOSPACE, "no room");
    assert_int_equal(n, 26);
    for (size_t i = n; i-- > 0;)
        undone(j, hf_journal_at(j, i)->seq);
    end(j, "undone");
}

static void lists_the_oldest_first_and_nothing_foreign(void **state)
{
    static const char *const ids[] = {"20261123T030000Z-7f3a9c21", "20251123T030000Z-ffffffff",
                                      "20261124T030000Z-00000000"};
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv found = HF_STRV_INIT;
    assert_hf_ok(hf_journal_list(hf_test_dir(state), &found, &err), &err);
    assert_int_equal(found.n, 0);
    for (size_t i = 0; i < HF_ARRAY_SIZE(ids); i++)
        hf_journal_close(create(state, ids[i]));
    hf_test_file(state, "journal/README.jsonl", "", 0600);
    hf_test_file(state, "journal/20261123T030000Z-7f3a9c22", "", 0600);
    hf_test_file(state, "journal/20261123T030000Z-7f3a9c23.jsonl.new", "", 0600);
    hf_test_file(state, "journal/.jsonl", "", 0600);
    assert_hf_ok(hf_journal_list(hf_test_dir(state), &found, &err), &err);
    assert_int_equal(found.n, 3);
    assert_string_equal(found.items[0], ids[1]);
    assert_string_equal(found.items[1], ids[0]);
    assert_string_equal(found.items[2], ids[2]);
}

/* Appends until it is killed, reporting the number of each entry that is durable. */
static _Noreturn void append_forever(const char *dir, int report)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_journal *j = hf_journal_open(dir, RUN, hf_clock_system(), &err);
    for (uint64_t seq = 0; j && !hf_journal_intent(j, "effect", NULL, &seq, &err);)
        if (write(report, &seq, sizeof(seq)) != sizeof(seq))
            break;
    _exit(1);
}

/* Lets a writer die after some entries; returns the number of the last one it reported. */
static uint64_t kill_a_writer(const char *dir, int entries, int pause_us)
{
    int pipe_fds[2];
    uint64_t seq = 0, next;
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (!pid)
        append_forever(dir, pipe_fds[1]);
    close(pipe_fds[1]);
    for (int i = 0; i < entries && read(pipe_fds[0], &next, sizeof(next)) == sizeof(next); i++)
        seq = next;
    usleep((useconds_t)pause_us);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    while (read(pipe_fds[0], &next, sizeof(next)) == sizeof(next))
        seq = next;
    close(pipe_fds[0]);
    return seq;
}

static void every_acknowledged_entry_survives_a_kill(void **state)
{
    hf_journal_close(create(state, RUN));
    for (int i = 0; i < 20; i++) {
        uint64_t seq = kill_a_writer(hf_test_dir(state), i % 4, i * 37);
        HF_AUTO(hf_journal) struct hf_journal *j = reopen(state);
        size_t n = hf_journal_count(j);
        uint64_t last = n ? hf_journal_at(j, n - 1)->seq : 1;
        /* The one it was about to report may be there too. */
        assert_true(!seq || last == seq || last == seq + 1);
    }
}

#ifdef HF_POINTS
/* In a process of its own: the switch is read once, at the first point. */
static int fail_to_sync(const char *dir)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_journal) struct hf_journal *j = hf_journal_open(dir, RUN, hf_clock_system(), &err);
    if (!j || !hf_journal_intent(j, "effect", NULL, NULL, &err) || hf_journal_count(j))
        return 1;
    return strstr(err.message, "journal.before_sync") ? 0 : 1;
}

static void an_entry_that_is_not_durable_is_not_there(void **state)
{
    int status;
    hf_journal_close(create(state, RUN));
    const char *dir = hf_test_dir(state);
    pid_t pid = fork();
    if (!pid) {
        setenv("HOLDFAST_POINT", "journal.before_sync=error", 1);
        execl("/proc/self/exe", "test_journal", "fail-to-sync", dir, NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    HF_AUTO(hf_journal) struct hf_journal *j = reopen(state);
    assert_int_equal(hf_journal_count(j), 0);
    assert_int_equal(intent(j, "x", NULL), 2);
    HF_AUTO(hf_journal) struct hf_journal *again = reopen(state);
    assert_int_equal(hf_journal_count(again), 1);
}
#endif

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(reads_back_what_was_written),
        HF_TEST(writes_one_documented_line_per_entry),
        HF_TEST(sees_its_own_entries_without_reopening),
        HF_TEST(keeps_the_file_private_and_its_space_allocated),
        HF_TEST(never_replaces_a_journal),
        HF_TEST(an_id_from_outside_is_no_path),
        HF_TEST(a_line_torn_at_any_byte_is_ignored_and_written_over),
        HF_TEST(a_torn_end_is_no_end),
        HF_TEST(a_bad_line_names_file_and_line),
        HF_TEST(does_not_read_without_bound),
        HF_TEST(undoing_twice_is_one_mark),
        HF_TEST(ends_as_failed_only_with_nothing_open),
        HF_TEST(keeps_wanted_effects_open_when_done),
        HF_TEST(is_removed_only_after_its_end),
        HF_TEST(keeps_its_own_words_for_itself),
        HF_TEST(does_not_write_what_it_could_not_read),
        HF_TEST(notices_a_second_writer),
        HF_TEST(goes_on_after_a_line_that_was_cut_by_its_own_write),
        HF_TEST(a_full_disk_stops_before_an_effect_and_never_an_undo),
        HF_TEST(no_run_begins_on_a_full_disk),
        HF_TEST(a_full_journal_has_room_for_its_marks),
        HF_TEST(lists_the_oldest_first_and_nothing_foreign),
        HF_TEST(every_acknowledged_entry_survives_a_kill),
#ifdef HF_POINTS
        HF_TEST(an_entry_that_is_not_durable_is_not_there),
#endif
    };
#ifdef HF_POINTS
    if (argc == 3 && !strcmp(argv[1], "fail-to-sync"))
        return fail_to_sync(argv[2]);
#else
    (void)argc;
    (void)argv;
#endif
    signal(SIGXFSZ, SIG_IGN);
    return HF_RUN_TESTS("catalog.journal", tests);
}
