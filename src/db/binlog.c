/* SPDX-License-Identifier: Apache-2.0 */
#include "db/binlog.h"

#include "base/path.h"
#include "db/binlog_feed.h"
#include "db/grants.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* An event's head, the same in every version since MySQL 5.0. */
enum { HEAD_BYTES = 19, AT_TYPE = 4, AT_FLAGS = 17, ROTATE_POSITION_BYTES = 8, CRC_BYTES = 4 };
enum {
    ROTATE = 4,
    DESCRIPTION = 15,
    HEARTBEAT = 27,
    PREVIOUS_GTIDS = 35, /* MySQL */
    HEARTBEAT_V2 = 41,
    GTID_LIST = 163, /* MariaDB */
};
#define ARTIFICIAL 0x20u
#define FIRST_EVENT 4u
#define NAME_BYTES_MAX 200

struct saving {
    const struct hf_db_binlog *what;
    struct hf_strv *files;
    uint64_t bytes;
    size_t checksum_bytes; /* behind each event */
    FILE *to;              /* the file that is written; NULL: none yet */
    bool is_head;          /* only what a file begins with is taken */
    bool has_head;         /* … and has been: the first description that comes then is the same */
};

/* ---- before ----------------------------------------------------------------------------- */

static int lacks_right(struct hf_db_conn *c, struct hf_err *err)
{
    HF_AUTOFREE char *account = NULL;
    if (hf_db_value(c, "SELECT CURRENT_USER()", &account, err) < 0)
        return -1;
    hf_fail(err, HF_E_AUTH, "database %s: the account may not read the binlog", hf_db_name(c));
    HF_AUTO(hf_strv) struct hf_strv sql = HF_STRV_INIT;
    HF_AUTO(hf_grants_missing) struct hf_grants_missing m = {0};
    if (hf_strv_add(&m.hard, "REPLICATION SLAVE") < 0 ||
        hf_grants_statements(&m, account ? account : "", true, &sql, err) < 0 || sql.n == 0)
        return -1;
    return hf_hint(err, "Run on the server: %s", sql.items[0]);
}

int hf_db_binlog_check(struct hf_db_conn *c, struct hf_err *err)
{
    HF_AUTOFREE char *on = NULL;
    HF_AUTO(hf_grants) struct hf_grants grants = HF_GRANTS_INIT;
    if (hf_db_value(c, "SELECT @@global.log_bin", &on, err) < 0)
        return -1;
    if (!on || strcmp(on, "1") != 0)
        return hf_fail(err, HF_E_UNSUPPORTED, "database %s writes no binlog", hf_db_name(c));
    if (hf_grants_read(c, &grants, err) < 0)
        return -1;
    return hf_grants_has(&grants, "REPLICATION SLAVE") ? 0 : lacks_right(c, err);
}

int hf_db_binlog_hold(struct hf_db_conn *c, unsigned within_s, struct hf_err *err)
{
    char sql[64];
    snprintf(sql, sizeof sql, "SET SESSION lock_wait_timeout = %u", within_s);
    if (hf_db_exec(c, sql, err) < 0)
        return -1;
    return hf_db_exec(c, "FLUSH TABLES WITH READ LOCK", err);
}

/* ---- files ------------------------------------------------------------------------------ */

static bool is_file_name(const char *name, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    return len > 0 && len <= NAME_BYTES_MAX && name[0] != '.' && strspn(name, allowed) >= len;
}

static int close_file(struct saving *s, struct hf_err *err)
{
    FILE *f = s->to;
    s->to = NULL;
    if (!f)
        return 0;
    bool ok = fflush(f) == 0 && fsync(fileno(f)) == 0;
    int why = errno;
    if (fclose(f) != 0 && ok) {
        ok = false;
        why = errno;
    }
    return ok ? 0 : hf_fail_sys(err, why, "write the saved binlog in '%s'", s->what->dir);
}

static void saving_close(struct saving *s)
{
    struct hf_err ignored = HF_ERR_INIT; /* whoever cared has closed it before */
    (void)close_file(s, &ignored);
}
HF_DEFINE_AUTO_VALUE(saving, saving_close)

static int put(struct saving *s, const void *data, size_t len, struct hf_err *err)
{
    if (s->bytes + len > s->what->max_bytes)
        return hf_fail(err, HF_E_NOSPACE, "more than %" PRIu64 " bytes were written since",
                       s->what->max_bytes);
    s->bytes += len;
    if (fwrite(data, 1, len, s->to) != len)
        return hf_fail_sys(err, errno, "write the saved binlog in '%s'", s->what->dir);
    return 0;
}

static int next_file(struct saving *s, const char *name, size_t len, struct hf_err *err)
{
    char safe[NAME_BYTES_MAX + 1];
    if (!is_file_name(name, len))
        return hf_fail(err, HF_E_CORRUPT, "the server names a binlog that is no file name");
    memcpy(safe, name, len);
    safe[len] = '\0';
    /* Said again when the connection is new, for the file that we are in. */
    if (s->to && strcmp(s->files->items[s->files->n - 1], safe) == 0)
        return 0;
    HF_AUTOFREE char *path = hf_path_join(s->what->dir, safe);
    if (!path || hf_strv_add(s->files, safe) < 0)
        return hf_fail_nomem(err);
    if (close_file(s, err) < 0)
        return -1;
    HF_AUTOFD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    s->to = fd < 0 ? NULL : fdopen(fd, "w");
    if (!s->to)
        return hf_fail_sys(err, errno, "create '%s'", path);
    (void)HF_STEAL_FD(fd);
    return put(s,
               "\xfe"
               "bin",
               4, err);
}

/* ---- events ----------------------------------------------------------------------------- */

static int take_rotation(struct saving *s, const unsigned char *event, size_t len,
                         struct hf_err *err)
{
    size_t before = HEAD_BYTES + ROTATE_POSITION_BYTES;
    if (len <= before + s->checksum_bytes)
        return hf_fail(err, HF_E_CORRUPT, "an event without a file in the binlog");
    return next_file(s, (const char *)event + before, len - before - s->checksum_bytes, err);
}

/* Of the head of the first file. 0: it ends here. */
static int take_head(struct saving *s, const unsigned char *event, size_t len, struct hf_err *err)
{
    unsigned type = event[AT_TYPE];
    if (type != DESCRIPTION && type != PREVIOUS_GTIDS && type != GTID_LIST)
        return 0;
    s->has_head = true;
    return put(s, event, len, err) < 0 ? -1 : 1;
}

/* 1: go on. */
static int take_event(struct saving *s, const unsigned char *event, size_t len, struct hf_err *err)
{
    if (len < HEAD_BYTES)
        return hf_fail(err, HF_E_CORRUPT, "an event of %zu bytes in the binlog", len);
    unsigned type = event[AT_TYPE], flags = event[AT_FLAGS] | (unsigned)event[AT_FLAGS + 1] << 8;
    if (type == ROTATE && flags & ARTIFICIAL)
        return take_rotation(s, event, len, err) < 0 ? -1 : 1;
    if (type == HEARTBEAT || type == HEARTBEAT_V2 || (flags & ARTIFICIAL && type != DESCRIPTION))
        return 1; /* said to a replica, and in no file */
    if (!s->to)
        return hf_fail(err, HF_E_CORRUPT, "the server sends events of no file");
    if (s->is_head)
        return take_head(s, event, len, err);
    if (type == DESCRIPTION && s->has_head) {
        s->has_head = false;
        return 1;
    }
    return put(s, event, len, err) < 0 ? -1 : 1;
}

/* What a replica says, so that events come as they stand in the file. */
static int introduce(struct hf_db_conn *c, struct saving *s, struct hf_err *err)
{
    HF_AUTOFREE char *checksum = NULL;
    if (hf_db_exec(c, "SET @master_binlog_checksum = @@global.binlog_checksum", err) < 0 ||
        hf_db_exec(c, "SET @source_binlog_checksum = @@global.binlog_checksum", err) < 0 ||
        hf_db_exec(c, "SET @mariadb_slave_capability = 4", err) < 0 ||
        hf_db_value(c, "SELECT @@global.binlog_checksum", &checksum, err) < 0)
        return -1;
    s->checksum_bytes = checksum && strcmp(checksum, "NONE") != 0 ? CRC_BYTES : 0;
    return 0;
}

/* The protocol has 32 bits for the offset: beyond them the whole file is taken. */
static uint32_t first_offset(const struct hf_db_binlog *what)
{
    return what->offset < FIRST_EVENT || what->offset > UINT32_MAX ? FIRST_EVENT
                                                                   : (uint32_t)what->offset;
}

/* A session of its own: it can do nothing else afterwards. */
static int take_from(struct saving *s, const struct hf_db_target *t, uint32_t offset,
                     struct hf_err *err)
{
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(t, err);
    if (!c || introduce(c, s, err) < 0)
        return -1;
    HF_AUTO(hf_db_feed) struct hf_db_feed *feed = hf_db_feed_open(c, s->what->file, offset, err);
    const unsigned char *event = NULL;
    size_t len = 0;
    int n = feed ? 1 : -1;
    while (n > 0 && (n = hf_db_feed_next(feed, &event, &len, err)) > 0)
        n = take_event(s, event, len, err);
    return n;
}

/* The head of the first file says which transactions came before: mysqlbinlog misses it. */
static int take_all(struct saving *s, const struct hf_db_target *t, struct hf_err *err)
{
    uint32_t offset = first_offset(s->what);
    if (offset > FIRST_EVENT) {
        s->is_head = true;
        if (take_from(s, t, FIRST_EVENT, err) < 0)
            return -1;
        s->is_head = false;
    }
    if (take_from(s, t, offset, err) < 0)
        return -1;
    return close_file(s, err);
}

int hf_db_binlog_save(const struct hf_db_target *t, const struct hf_db_binlog *what,
                      struct hf_strv *out_files, uint64_t *out_bytes, struct hf_err *err)
{
    HF_AUTO(saving) struct saving s = {.what = what, .files = out_files};
    if (take_all(&s, t, err) < 0)
        return hf_wrap(err, "saving the writes since %s:%" PRIu64, what->file, what->offset);
    *out_bytes = s.bytes;
    return hf_path_sync_dir(what->dir, err);
}
