/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/journal.h"

#include "base/buf.h"
#include "base/id.h"
#include "base/path.h"
#include "base/point.h"
#include "catalog/journal_intern.h"
#include "catalog/state_intern.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Readers refuse more than FILE_MAX. Intents stop at a quarter of it: a mark that undoes one is
 * about as long as the shortest intent, so the marks always fit, even twice. */
#define FILE_MAX ((size_t)4 << 20)
#define INTENTS_MAX (FILE_MAX / 4)
#define RESERVE_STEP ((size_t)64 << 10)
#define MARK_MAX 128 /* an "undone" or "end" line */

struct hf_journal {
    char run_id[HF_ID_MAX];
    char *path;
    int fd;
    const struct hf_clock *clock;
    struct hf_journal_log log;
    size_t end;      /* where the next line goes: behind the last good newline */
    size_t size;     /* of the file as we left it; more than end when a line was torn */
    size_t reserved; /* bytes known to be allocated */
    bool is_stuck;   /* a line that failed could not be taken back */
};

void hf_journal_close(struct hf_journal *j)
{
    if (!j)
        return;
    int saved = errno;
    if (j->fd >= 0)
        close(j->fd);
    hf_journal_log_free(&j->log);
    free(j->path);
    free(j);
    errno = saved;
}

/* The object without its file. */
static struct hf_journal *journal_new(const char *dir, const char *run_id,
                                      const struct hf_clock *clock, struct hf_err *err)
{
    if (!hf_id_is_valid(run_id)) {
        hf_fail(err, HF_E_CONFIG, "'%s' is not the id of a run", run_id);
        return NULL;
    }
    HF_AUTOFREE char *name = hf_asprintf("%s" HF_JOURNAL_SUFFIX, run_id);
    HF_AUTO(hf_journal) struct hf_journal *j = calloc(1, sizeof(*j));
    if (j) {
        j->fd = -1;
        j->clock = clock;
        snprintf(j->run_id, sizeof j->run_id, "%s", run_id); /* a valid id fits */
        j->path = name ? hf_path_join(dir, name) : NULL;
    }
    if (!j || !j->path) {
        hf_fail_nomem(err);
        return NULL;
    }
    return HF_STEAL(j);
}

/* Where the file system cannot allocate ahead (EOPNOTSUPP, old kernels), appending may meet a full
 * disk; there is nothing better to do there than to go on. */
static int allocate(struct hf_journal *j, size_t bytes, struct hf_err *err)
{
    int rc;
    do
        rc = fallocate(j->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes);
    while (rc && errno == EINTR);
    if (rc && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
        return hf_fail_sys(err, errno, "allocate %zu bytes for the journal", bytes);
    j->reserved = bytes;
    return 0;
}

/* Room for this line, and for the marks that will end what is open after it: an effect begins only
 * when a disk that fills up later cannot keep its undoing from being written down. */
static int reserve(struct hf_journal *j, size_t len, struct hf_err *err)
{
    size_t need = j->end + len + MARK_MAX * (j->log.n + 2);
    if (need <= j->reserved)
        return 0;
    return allocate(j, (need / RESERVE_STEP + 1) * RESERVE_STEP, err);
}

/* Two writers at once would overwrite each other's lines. The VM's lock excludes that; this only
 * notices when somebody works without it. */
static int check_ours(const struct hf_journal *j, struct hf_err *err)
{
    struct stat st;
    if (j->is_stuck)
        return hf_fail(err, HF_E_CONFLICT, "an earlier write failed and could not be taken back");
    if (fstat(j->fd, &st))
        return hf_fail_sys(err, errno, "stat");
    if (st.st_size != (off_t)j->size)
        return hf_fail(err, HF_E_CONFLICT, "somebody else has written to it");
    return 0;
}

static int write_all(int fd, const char *data, size_t len, size_t at, struct hf_err *err)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, data, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hf_fail_sys(err, errno, "write");
        data += n;
        at += (size_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_line(struct hf_journal *j, const struct hf_buf *line, struct hf_err *err)
{
    if (write_all(j->fd, line->data, line->len, j->end, err) ||
        HF_POINT_ERR("journal.before_sync", err))
        return -1;
    if (fdatasync(j->fd))
        return hf_fail_sys(err, errno, "sync");
    return 0;
}

/* Makes a line that failed a torn one, by taking its newline away. Not by truncating: that would
 * give the allocated space back. */
static void take_back(struct hf_journal *j, size_t len)
{
    struct stat st;
    if (fstat(j->fd, &st)) {
        j->is_stuck = true;
        return;
    }
    j->size = (size_t)st.st_size;
    if (j->size >= j->end + len && pwrite(j->fd, " ", 1, (off_t)(j->end + len - 1)) != 1)
        j->is_stuck = true;
}

static int append_line(struct hf_journal *j, const struct hf_buf *line, struct hf_err *err)
{
    if (j->end + line->len > FILE_MAX)
        return hf_fail(err, HF_E_NOSPACE, "it has reached %zu bytes", FILE_MAX);
    if (check_ours(j, err))
        return -1;
    if (write_line(j, line, err) || hf_journal_log_line(&j->log, line->data, line->len - 1, err)) {
        take_back(j, line->len);
        return -1;
    }
    j->end += line->len;
    if (j->size < j->end)
        j->size = j->end;
    return 0;
}

/* {"seq":…,"at":…,"kind":…} to which the caller adds; NULL: no memory. */
static struct json_object *line_new(const struct hf_journal *j, const char *kind)
{
    char at[HF_TIME_MAX];
    HF_AUTOJSON struct json_object *line = json_object_new_object();
    hf_time_rfc3339(hf_clock_wall_us(j->clock), at);
    if (!line || hf_json_add_int(line, "seq", (int64_t)(j->log.last_seq + 1)) ||
        hf_json_add_string(line, "at", at) || hf_json_add_string(line, "kind", kind))
        return NULL;
    return HF_STEAL(line);
}

static int line_text(struct json_object *line, struct hf_buf *out, struct hf_err *err)
{
    const char *text = json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN |
                                                                JSON_C_TO_STRING_NOSLASHESCAPE);
    if (text)
        hf_buf_str_add(out, text);
    hf_buf_str_add(out, "\n");
    return text && hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

/* A line that carries data: the run itself, or an intent. */
static int append_data(struct hf_journal *j, const char *kind, struct json_object *data,
                       struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTOJSON struct json_object *line = line_new(j, kind);
    struct json_object *member = data ? json_object_get(data) : json_object_new_object();
    if (!line) {
        json_object_put(member);
        return hf_fail_nomem(err);
    }
    if (hf_json_add(line, "data", member))
        return hf_fail_nomem(err);
    if (line_text(line, &text, err))
        return -1;
    if (j->end + text.len > INTENTS_MAX)
        return hf_fail(err, HF_E_NOSPACE, "no room for another entry of %zu bytes", text.len);
    if (reserve(j, text.len, err))
        return -1;
    return append_line(j, &text, err);
}

/* Gives the finished file its name. link, not rename: a journal that exists is never replaced. */
static int publish(struct hf_journal *j, const char *dir, const char *from, struct hf_err *err)
{
    if (linkat(AT_FDCWD, from, AT_FDCWD, j->path, AT_SYMLINK_FOLLOW)) {
        if (errno == EEXIST)
            return hf_fail(err, HF_E_CONFLICT, "it exists already");
        return hf_fail_sys(err, errno, "link");
    }
    if (hf_path_sync_dir(dir, err)) {
        (void)unlink(j->path);
        return -1;
    }
    return 0;
}

/* A file without a name leaves nothing behind when a crash comes before it gets one. */
static int create_nameless(struct hf_journal *j, const char *dir, struct json_object *data,
                           struct hf_err *err)
{
    char from[64];
    snprintf(from, sizeof from, "/proc/self/fd/%d", j->fd);
    return append_data(j, "run", data, err) ? -1 : publish(j, dir, from, err);
}

/* For file systems that have no nameless files: a crash may leave a harmless RUN.jsonl.new. */
static int create_named(struct hf_journal *j, const char *dir, struct json_object *data,
                        struct hf_err *err)
{
    HF_AUTOFREE char *temporary = hf_asprintf("%s.new", j->path);
    if (!temporary)
        return hf_fail_nomem(err);
    j->fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (j->fd < 0)
        return hf_fail_sys(err, errno, "create");
    int result = append_data(j, "run", data, err) ? -1 : publish(j, dir, temporary, err);
    (void)unlink(temporary);
    return result;
}

static int create_file(struct hf_journal *j, const char *dir, struct json_object *data,
                       struct hf_err *err)
{
    j->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (j->fd >= 0)
        return create_nameless(j, dir, data, err);
    if (errno == EOPNOTSUPP || errno == EISDIR)
        return create_named(j, dir, data, err);
    return hf_fail_sys(err, errno, "create");
}

struct hf_journal *hf_journal_create(const char *state_dir, const char *run_id,
                                     struct json_object *data, const struct hf_clock *clock,
                                     struct hf_err *err)
{
    if (HF_POINT_ERR("journal.before_create", err))
        return NULL;
    HF_AUTOFREE char *dir = hf_state_subdir(state_dir, HF_JOURNAL_SUBDIR, err);
    if (!dir)
        return NULL;
    HF_AUTO(hf_journal) struct hf_journal *j = journal_new(dir, run_id, clock, err);
    if (!j)
        return NULL;
    if (create_file(j, dir, data, err)) {
        hf_wrap(err, "journal '%s'", j->path);
        return NULL;
    }
    HF_POINT("journal.after_create");
    return HF_STEAL(j);
}

static int read_file(struct hf_journal *j, struct hf_err *err)
{
    j->fd = open(j->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (j->fd < 0)
        return hf_fail_sys(err, errno, "open");
    HF_AUTOFREE char *text = hf_path_read(j->path, FILE_MAX, &j->size, err);
    if (!text)
        return -1;
    return hf_journal_parse(text, j->size, &j->log, &j->end, err);
}

struct hf_journal *hf_journal_open(const char *state_dir, const char *run_id,
                                   const struct hf_clock *clock, struct hf_err *err)
{
    HF_AUTOFREE char *dir = hf_path_join(state_dir, HF_JOURNAL_SUBDIR);
    if (!dir) {
        hf_fail_nomem(err);
        return NULL;
    }
    HF_AUTO(hf_journal) struct hf_journal *j = journal_new(dir, run_id, clock, err);
    if (!j)
        return NULL;
    if (read_file(j, err)) {
        hf_wrap(err, "journal '%s'", j->path);
        if (err->cls == HF_E_CORRUPT)
            hf_hint(err, "Its readable lines say what the run had begun: undo that by hand, then "
                         "move the file away.");
        return NULL;
    }
    return HF_STEAL(j);
}

static int check_open(const struct hf_journal *j, struct hf_err *err)
{
    if (j->log.end)
        return hf_fail(err, HF_E_INTERNAL, "journal '%s': it has ended", j->path);
    return 0;
}

int hf_journal_intent(struct hf_journal *j, const char *kind, struct json_object *data,
                      uint64_t *out_seq, struct hf_err *err)
{
    if (!*kind || hf_journal_kind_is_reserved(kind))
        return hf_fail(err, HF_E_INTERNAL, "'%s' is no kind of effect", kind);
    if (HF_POINT_ERR("journal.before_intent", err) || check_open(j, err))
        return -1;
    if (append_data(j, kind, data, err))
        return hf_wrap(err, "journal '%s'", j->path);
    if (out_seq)
        *out_seq = j->log.last_seq;
    HF_POINT("journal.after_intent");
    return 0;
}

static int append_mark(struct hf_journal *j, struct json_object *line, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (line_text(line, &text, err))
        return -1;
    if (append_line(j, &text, err))
        return hf_wrap(err, "journal '%s'", j->path);
    return 0;
}

int hf_journal_undone(struct hf_journal *j, uint64_t seq, struct hf_err *err)
{
    const struct hf_journal_entry *entry = hf_journal_log_find(&j->log, seq);
    if (!entry)
        return hf_fail(err, HF_E_INTERNAL, "journal '%s': no entry %llu to undo", j->path,
                       (unsigned long long)seq);
    if (entry->is_undone)
        return 0;
    if (HF_POINT_ERR("journal.before_undone", err) || check_open(j, err))
        return -1;
    HF_AUTOJSON struct json_object *line = line_new(j, "undone");
    if (!line || hf_json_add_int(line, "of", (int64_t)seq))
        return hf_fail_nomem(err);
    if (append_mark(j, line, err))
        return -1;
    HF_POINT("journal.after_undone");
    return 0;
}

/* After "done" the effects that are still there are what was wanted. After any other outcome
 * nothing would ever look at them again. */
static int check_nothing_open(const struct hf_journal *j, const char *outcome, struct hf_err *err)
{
    const struct hf_journal_entry *entry = hf_journal_log_open_entry(&j->log);
    if (!entry || !strcmp(outcome, "done"))
        return 0;
    return hf_fail(err, HF_E_CONFLICT, "journal '%s': cannot end as %s while '%s' (%llu) is open",
                   j->path, outcome, entry->kind, (unsigned long long)entry->seq);
}

int hf_journal_end(struct hf_journal *j, const char *outcome, struct hf_err *err)
{
    if (!hf_journal_outcome_is_known(outcome))
        return hf_fail(err, HF_E_INTERNAL, "'%s' is no outcome of a journal", outcome);
    if (check_open(j, err) || check_nothing_open(j, outcome, err) ||
        HF_POINT_ERR("journal.before_end", err))
        return -1;
    HF_AUTOJSON struct json_object *line = line_new(j, "end");
    if (!line || hf_json_add_string(line, "outcome", outcome))
        return hf_fail_nomem(err);
    if (append_mark(j, line, err))
        return -1;
    HF_POINT("journal.after_end");
    return 0;
}

int hf_journal_finish(struct hf_journal *j, struct hf_err *err)
{
    if (!j->log.end)
        return hf_fail(err, HF_E_INTERNAL, "journal '%s': it has not ended", j->path);
    if (HF_POINT_ERR("journal.before_finish", err))
        return -1;
    if (unlink(j->path) && errno != ENOENT)
        return hf_fail_sys(err, errno, "remove journal '%s'", j->path);
    HF_AUTOFREE char *dir = strndup(j->path, (size_t)(strrchr(j->path, '/') - j->path));
    if (!dir)
        return hf_fail_nomem(err);
    if (hf_path_sync_dir(dir, err))
        return -1;
    HF_POINT("journal.after_finish");
    return 0;
}

const char *hf_journal_run_id(const struct hf_journal *j)
{
    return j->run_id;
}

struct json_object *hf_journal_run_data(const struct hf_journal *j)
{
    return json_object_object_get(j->log.run, "data");
}

size_t hf_journal_count(const struct hf_journal *j)
{
    return j->log.n;
}

const struct hf_journal_entry *hf_journal_at(const struct hf_journal *j, size_t i)
{
    return hf_journal_log_at(&j->log, i);
}

bool hf_journal_is_ended(const struct hf_journal *j)
{
    return j->log.end != NULL;
}

const char *hf_journal_outcome(const struct hf_journal *j)
{
    return j->log.end ? json_object_get_string(json_object_object_get(j->log.end, "outcome"))
                      : NULL;
}
