/* SPDX-License-Identifier: Apache-2.0 */
#include "db/places.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "db/dberr.h"
#include "db/server.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PATH_BYTES 4096
#define LIST_LIMIT_S 10

#define STR_(x) #x
#define STR(x) STR_(x)

/* One row too many tells that there are more. Inside the datadir a path is relative and goes nowhere else. */
#define DIRECTORIES(column, table)                                                                 \
    "DISTINCT LEFT(" column ", CHAR_LENGTH(" column ") - CHAR_LENGTH(SUBSTRING_INDEX(" column      \
    ", '/', -1))) FROM information_schema." table " WHERE " column " LIKE '/%' OR " column         \
    " LIKE '%../%' LIMIT 65"
_Static_assert(HF_DB_PLACES_TABLESPACES_MAX + 1 == 65, "LIMIT in DIRECTORIES");

enum form {
    DIRECTORY,
    BASENAME,   /* a file's name without its end: its directory counts */
    LIST,       /* directories with ':' between */
    DATA_FILES, /* innodb_data_file_path, below innodb_data_home_dir */
};

/* In the order in which they are listed: a directory with two uses is known by the first. */
static const struct setting {
    const char *name, *what;
    enum form form;
} settings[] = {
    {"datadir", "datadir", DIRECTORY},
    {"innodb_data_home_dir", "innodb data", DIRECTORY},
    {"innodb_data_file_path", "innodb data", DATA_FILES},
    {"innodb_log_group_home_dir", "redo", DIRECTORY},
    {"innodb_undo_directory", "undo", DIRECTORY},
    {"innodb_doublewrite_dir", "doublewrite", DIRECTORY},
    {"log_bin_basename", "binlog", BASENAME},
    {"relay_log_basename", "relay log", BASENAME},
    {"aria_log_dir_path", "aria log", DIRECTORY},
    {"tmpdir", "tmp", LIST},
    {"innodb_tmpdir", "tmp", LIST},
};
enum { DATADIR = 0, DATA_HOME = 1 };

#define SETTINGS                                                                                   \
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'datadir', 'innodb_data_home_dir', " \
    "'innodb_data_file_path', 'innodb_log_group_home_dir', 'innodb_undo_directory', "              \
    "'innodb_doublewrite_dir', 'log_bin_basename', 'relay_log_basename', 'aria_log_dir_path', "    \
    "'tmpdir', 'innodb_tmpdir')"

struct finding {
    struct hf_db_places *out;
    const char *name; /* of the server, for messages */
    char *values[HF_ARRAY_SIZE(settings)];
    bool has_binlog;
    size_t n_tablespaces;
};

static void finding_free(struct finding *f)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(f->values); i++)
        free(f->values[i]);
}
HF_DEFINE_AUTO_VALUE(finding, finding_free)

void hf_db_places_free(struct hf_db_places *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->items[i].path);
    *p = (struct hf_db_places)HF_DB_PLACES_INIT;
}

/* ---- paths ---------------------------------------------------------------------------------- */

/* The text itself is not repeated: it is what makes it no path. */
static int refuse(const struct finding *f, const char *what, struct hf_err *err)
{
    return hf_fail(err, HF_E_CORRUPT, "database %s: what it calls its %s is no path", f->name,
                   what);
}

static bool is_plain(const char *text)
{
    size_t len = strnlen(text, PATH_BYTES);
    for (size_t i = 0; i < len; i++)
        if (hf_is_control(text[i]))
            return false;
    return len < PATH_BYTES;
}

/* "/a/./b//../c/" to "/a/c": by the letters, without a look at the file system. */
static void tidy(char *path)
{
    char *w = path;
    for (char *r = path; *r;) {
        size_t n = strcspn(++r, "/");
        if (n == 2 && !memcmp(r, "..", 2)) {
            while (w > path && *--w != '/')
                continue;
        } else if (n > 0 && !(n == 1 && *r == '.')) {
            *w++ = '/';
            memmove(w, r, n);
            w += n;
        }
        r += n;
    }
    if (w == path)
        *w++ = '/';
    *w = '\0';
}

static bool is_listed(const struct hf_db_places *p, const char *path)
{
    for (size_t i = 0; i < p->n; i++)
        if (!strcmp(p->items[i].path, path))
            return true;
    return false;
}

static bool is_inside(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return !strncmp(path, dir, len) && (path[len] == '/' || path[len] == '\0');
}

/* base/path, where path is not absolute. base NULL: it has to be. */
static char *absolute(const struct finding *f, const char *what, const char *base, const char *path,
                      struct hf_err *err)
{
    if (!is_plain(path) || (*path != '/' && !base)) {
        refuse(f, what, err);
        return NULL;
    }
    char *out = *path == '/' ? strdup(path) : hf_asprintf("%s/%s", base, path);
    if (!out)
        hf_fail_nomem(err);
    else
        tidy(out);
    return out;
}

static int add(struct finding *f, const char *what, const char *base, const char *path,
               struct hf_err *err)
{
    struct hf_db_places *p = f->out;
    HF_AUTOFREE char *full = absolute(f, what, base, path, err);
    if (!full)
        return -1;
    if (is_listed(p, full))
        return 0;
    if (p->n == HF_DB_PLACES_MAX)
        p->more = true;
    else
        p->items[p->n++] = (struct hf_db_place){what, HF_STEAL(full)};
    return 0;
}

/* ---- settings ------------------------------------------------------------------------------- */

static int take_setting(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct finding *f = ctx;
    if (n < 2 || !values[0] || !values[1])
        return 0;
    if (!strcmp(values[0], "log_bin"))
        f->has_binlog = !strcasecmp(values[1], "ON") || !strcmp(values[1], "1");
    for (size_t i = 0; i < HF_ARRAY_SIZE(settings); i++) {
        if (strcmp(values[0], settings[i].name) != 0 || f->values[i] || !values[1][0])
            continue;
        f->values[i] = strdup(values[1]);
        if (!f->values[i])
            return hf_fail_nomem(err);
    }
    return 0;
}

static const char *datadir(const struct finding *f)
{
    return f->out->n ? f->out->items[DATADIR].path : NULL;
}

static int add_directory_of(struct finding *f, const char *what, const char *base, char *file,
                            struct hf_err *err)
{
    char *slash = strrchr(file, '/');
    if (slash)
        slash[1] = '\0';
    return add(f, what, base, slash ? file : ".", err);
}

/* "ibdata1:12M;/fast/ibdata2:50M:autoextend", "/dev/sdb1:3Gnewraw". Cuts its text. */
static int add_data_files(struct finding *f, const struct setting *s, char *list,
                          struct hf_err *err)
{
    const char *given = f->values[DATA_HOME] ? f->values[DATA_HOME] : ".";
    HF_AUTOFREE char *home = absolute(f, s->what, datadir(f), given, err);
    if (!home)
        return -1;
    for (char *file; (file = strsep(&list, ";"));) {
        char *size = strchr(file, ':');
        size_t len = size ? strlen(size) : 0;
        bool is_raw = len > 3 && !strcmp(size + len - 3, "raw");
        if (size)
            *size = '\0';
        if (is_raw ? add(f, s->what, home, file, err)
                   : add_directory_of(f, s->what, home, file, err))
            return -1;
    }
    return 0;
}

static int add_list(struct finding *f, const struct setting *s, char *list, struct hf_err *err)
{
    for (char *dir; (dir = strsep(&list, ":"));)
        if (*dir && add(f, s->what, datadir(f), dir, err))
            return -1;
    return 0;
}

static int add_setting(struct finding *f, size_t i, struct hf_err *err)
{
    const struct setting *s = &settings[i];
    if (!is_plain(f->values[i]))
        return refuse(f, s->what, err);
    HF_AUTOFREE char *text = strdup(f->values[i]);
    if (!text)
        return hf_fail_nomem(err);
    switch (s->form) {
    case DATA_FILES:
        return add_data_files(f, s, text, err);
    case LIST:
        return add_list(f, s, text, err);
    case BASENAME:
        return add_directory_of(f, s->what, datadir(f), text, err);
    case DIRECTORY:
        break;
    }
    return add(f, s->what, datadir(f), text, err);
}

static int add_settings(struct finding *f, struct hf_err *err)
{
    if (!f->values[DATADIR])
        return refuse(f, "datadir", err);
    for (size_t i = 0; i < HF_ARRAY_SIZE(settings); i++) {
        /* A server without a binlog has a name for it all the same. */
        bool is_unused = !strcmp(settings[i].name, "log_bin_basename") && !f->has_binlog;
        if (f->values[i] && !is_unused && add_setting(f, i, err))
            return -1;
    }
    return 0;
}

/* ---- tablespaces ---------------------------------------------------------------------------- */

static int take_tablespace(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct finding *f = ctx;
    if (n < 1 || !values[0])
        return 0;
    HF_AUTOFREE char *path = absolute(f, "tablespace", datadir(f), values[0], err);
    if (!path)
        return -1;
    if (is_inside(path, datadir(f)) || is_listed(f->out, path))
        return 0;
    if (f->n_tablespaces++ < HF_DB_PLACES_TABLESPACES_MAX)
        return add(f, "tablespace", NULL, path, err);
    f->out->more = true;
    return 0;
}

static const char *tablespaces_sql(const struct hf_db_server *s)
{
    if (s->flavour == HF_DB_MYSQL)
        return hf_db_is_mysql(s, 80000)
                   ? "SELECT /*+ MAX_EXECUTION_TIME(" STR(LIST_LIMIT_S) "000) */ " DIRECTORIES(
                         "PATH", "INNODB_DATAFILES")
                   : "SELECT /*+ MAX_EXECUTION_TIME(" STR(LIST_LIMIT_S) "000) */ " DIRECTORIES(
                         "PATH", "INNODB_SYS_DATAFILES");
    /* 10.6 moved the path. */
    return s->version >= 100600
               ? "SET STATEMENT max_statement_time = " STR(LIST_LIMIT_S) " FOR SELECT " DIRECTORIES(
                     "FILENAME", "INNODB_SYS_TABLESPACES")
               : "SET STATEMENT max_statement_time = " STR(LIST_LIMIT_S) " FOR SELECT " DIRECTORIES(
                     "PATH", "INNODB_SYS_DATAFILES");
}

static int add_tablespaces(struct hf_db_conn *c, struct finding *f, struct hf_err *err)
{
    struct hf_err cause = HF_ERR_INIT;
    if (hf_db_query(c, tablespaces_sql(hf_db_server(c)), take_tablespace, f, &cause) == 0)
        return 0;
    f->out->tablespaces_unknown = true;
    if (cause.cls == HF_E_AUTH || hf_db_errno_is_interrupted(hf_db_errno(c)))
        return 0;
    hf_err_copy(err, &cause);
    return -1;
}

int hf_db_places(struct hf_db_conn *conn, struct hf_db_places *out, struct hf_err *err)
{
    HF_AUTO(finding) struct finding f = {.out = out, .name = hf_db_name(conn)};
    if (hf_db_query(conn, SETTINGS, take_setting, &f, err) || add_settings(&f, err))
        return -1;
    return add_tablespaces(conn, &f, err);
}
