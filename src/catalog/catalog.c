/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/catalog.h"

#include "base/path.h"
#include "catalog/catalog_intern.h"
#include "catalog/state_intern.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>

#define BUSY_MS 5000
#define SETUP_RETRY_MS 10

void hf_catalog_close(struct hf_catalog *c)
{
    if (!c)
        return;
    int saved = errno;
    for (size_t i = 0; i < HF_SQL_KEPT; i++)
        sqlite3_finalize(c->kept[i]);
    sqlite3_close(c->db);
    free(c->path);
    free(c);
    errno = saved;
}

/* SQLite would create the file with the umask's mode; -wal and -shm then follow the file's.
 * Only when it is new: closing a descriptor of an open database drops the locks of every
 * connection that this process has to it (POSIX locks, see sqlite.org/howtocorrupt.html). */
static int create_private(const char *state_dir, const char *path, struct hf_err *err)
{
    HF_AUTOFD int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        return hf_path_sync_dir(state_dir, err);
    return errno == EEXIST ? 0 : hf_fail_sys(err, errno, "create catalog '%s'", path);
}

/* A new file changes to WAL by way of a rollback journal, and processes that meet there see each
 * other's half-made files ("locked", "disk I/O error", seen with SQLite 3.40), so one at a time
 * sets a catalog up. The directory stands in for a lock file of its own; to be closed. */
static int setup_lock(const struct hf_catalog *c, const char *state_dir, struct hf_err *err)
{
    HF_AUTOFD int fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return hf_fail_sys(err, errno, "open directory '%s'", state_dir);
    int64_t deadline = hf_clock_mono_ms(c->clock) + BUSY_MS;
    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK)
            return hf_fail_sys(err, errno, "lock directory '%s'", state_dir);
        if (hf_clock_is_past(c->clock, deadline)) {
            hf_fail(err, HF_E_BUSY, "catalog '%s': another process is setting it up", c->path);
            err->retryable = 1;
            return -1;
        }
        hf_clock_sleep_ms(c->clock, SETUP_RETRY_MS);
    }
    return HF_STEAL_FD(fd);
}

static int set_up(struct hf_catalog *c, struct hf_err *err)
{
    static const char pragmas[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                  "PRAGMA foreign_keys = ON";
    if (sqlite3_open_v2(c->path, &c->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        return hf_sql_fail(c, "open", err);
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_timeout(c->db, BUSY_MS);
    if (hf_sql_exec(c, pragmas, "open", err))
        return -1;
    return hf_schema_migrate(c, err);
}

static struct hf_catalog *catalog_new(const char *state_dir, const struct hf_clock *clock,
                                      struct hf_err *err)
{
    HF_AUTO(hf_catalog) struct hf_catalog *c = calloc(1, sizeof(*c));
    if (c) {
        c->clock = clock;
        c->path = hf_path_join(state_dir, "catalog.sqlite");
    }
    if (!c || !c->path) {
        hf_fail_nomem(err);
        return NULL;
    }
    return HF_STEAL(c);
}

struct hf_catalog *hf_catalog_open(const char *state_dir, const struct hf_clock *clock,
                                   struct hf_err *err)
{
    HF_AUTO(hf_catalog) struct hf_catalog *c = catalog_new(state_dir, clock, err);
    if (!c || hf_state_dir(state_dir, err))
        return NULL;
    HF_AUTOFD int lock = setup_lock(c, state_dir, err);
    if (lock < 0 || create_private(state_dir, c->path, err) || set_up(c, err))
        return NULL;
    return HF_STEAL(c);
}

/* ---- many changes -------------------------------------------------------------------------- */

int hf_catalog_batch_begin(struct hf_catalog *c, struct hf_err *err)
{
    return hf_sql_begin(c, err);
}

int hf_catalog_batch_end(struct hf_catalog *c, int rc, struct hf_err *err)
{
    return hf_sql_end(c, rc, err);
}
