/* SPDX-License-Identifier: Apache-2.0
 *
 * A directory of mydumper to a folder: what belongs together follows from file names, the real names from its metadata
 * (since 0.11: [`schema`.`table`] real_table_name, rows) and from the CREATE statements.
 *
 *     SCHEMA-schema-create.sql      SCHEMA.TABLE-schema.sql           SCHEMA.TABLE.00003.sql, SCHEMA.TABLE.sql
 *     SCHEMA-schema-post.sql        SCHEMA.TABLE-schema-view.sql, -schema-triggers.sql, -schema-sequence.sql
 *
 * each with .gz or .zst behind it. A name of a table may have dots; its own -schema.sql settles which dot it is.
 */
#include "db/load/folder.h"
#include "db/load/lex.h"
#include "db/load/split.h"
#include "db/load/statement.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define FILES_MAX 2000000
#define HEAD_BYTES ((size_t)16 << 20)

static const char *const system_schemas[] = {"mysql", "sys", "performance_schema",
                                             "information_schema"};

static const char *suffix_at(const char *name, size_t len, const char *suffix)
{
    size_t n = strlen(suffix);
    return len > n && memcmp(name + len - n, suffix, n) == 0 ? name + len - n : NULL;
}

/* Length without .gz or .zst. */
static size_t unpacked_len(const char *name)
{
    size_t len = strlen(name);
    const char *cut = suffix_at(name, len, ".gz");
    cut = cut ? cut : suffix_at(name, len, ".zst");
    return cut ? (size_t)(cut - name) : len;
}

/* ---- names in the directory ---------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct listing {
    struct hf_load_folder *f;
    struct hf_strv *names;
};

static int take_listed(void *ctx, const char *name, struct hf_err *err)
{
    struct listing *l = ctx;
    if (l->names->n >= FILES_MAX)
        return hf_fail(err, HF_E_UNSUPPORTED, "%s has more than %d files", l->f->files->label,
                       FILES_MAX);
    return hf_strv_add(l->names, name) ? hf_fail_nomem(err) : 0;
}

static int list_names(struct hf_load_folder *f, struct hf_strv *names, struct hf_err *err)
{
    struct listing l = {f, names};
    if (hf_io_files_list(f->files, take_listed, &l, err))
        return -1;
    if (names->n)
        qsort(names->items, names->n, sizeof *names->items, compare_names);
    return 0;
}

/* ---- the first CREATE of a file -------------------------------------------------------------------- */

static int fill_from_reader(void *ctx, void *buf, size_t len, size_t *out_n, struct hf_err *err)
{
    return hf_io_read_some(ctx, buf, len, out_n, err);
}

/* The name that the file's first CREATE gives, to be freed; *out NULL: it has none. */
static int created_name(struct hf_load_folder *f, const char *name, char **out, struct hf_err *err)
{
    struct hf_sql_statement st;
    HF_AUTO(hf_io_read) struct hf_io_read *r = hf_io_files_read(f->files, name, false, false, err);
    HF_AUTO(hf_sql_split)
    struct hf_sql_split *s = r ? hf_sql_split_new(fill_from_reader, r, HEAD_BYTES, err) : NULL;
    int rc = s ? 1 : -1;
    while (!*out && rc > 0 && (rc = hf_sql_split_next(s, &st, err)) > 0) {
        struct hf_sql_what w = hf_sql_look(st.text, st.len);
        if (!(w.kind & (HF_SQL_CREATE_TABLE | HF_SQL_CREATE_SCHEMA | HF_SQL_CREATE_SEQUENCE |
                        HF_SQL_CREATE_VIEW)))
            continue;
        struct hf_sql_lex lex = {w.name, w.name + w.name_len};
        struct hf_sql_token t = hf_sql_lex_next(&lex);
        if (!(*out = hf_sql_name(&t)))
            return hf_fail_nomem(err);
    }
    return rc < 0 ? hf_wrap(err, "%s", name) : 0;
}

/* ---- schemas and tables ---------------------------------------------------------------------------- */

static struct hf_load_schema *find_schema(struct hf_load_folder *f, const char *file, size_t len)
{
    for (size_t i = 0; i < f->n_schemas; i++)
        if (strlen(f->schemas[i]->file) == len && memcmp(f->schemas[i]->file, file, len) == 0)
            return f->schemas[i];
    return NULL;
}

static struct hf_load_schema *need_schema(struct hf_load_folder *f, const char *file, size_t len)
{
    struct hf_load_schema *s = find_schema(f, file, len);
    HF_AUTOFREE char *copy = s ? NULL : strndup(file, len);
    return s ? s : copy ? hf_load_folder_add_schema(f, copy, copy) : NULL;
}

/* By bisection: they are sorted when they are looked for. */
static struct hf_load_table *find_table(struct hf_load_folder *f, const char *file, size_t len)
{
    for (size_t i = f->n_schemas; i-- > 0;) {
        struct hf_load_schema *s = f->schemas[i];
        size_t low = 0, high = s->n_tables;
        while (low < high) {
            size_t mid = (low + high) / 2;
            const char *have = s->tables[mid]->file;
            int order = strncmp(have, file, len);
            order = order == 0 && strlen(have) > len ? 1 : order;
            if (order == 0)
                return s->tables[mid];
            if (order < 0)
                low = mid + 1;
            else
                high = mid;
        }
    }
    return NULL;
}

static int set_file(struct hf_load_file *file, const char *name, struct hf_err *err)
{
    file->name = strdup(name);
    file->rows = HF_LOAD_ROWS_UNKNOWN;
    return file->name ? 0 : hf_fail_nomem(err);
}

/* "SCHEMA-schema-create.sql": the schema's real name is in it. */
static int take_schema(struct hf_load_folder *f, const char *name, const char *cut,
                       struct hf_err *err)
{
    HF_AUTOFREE char *real = NULL;
    struct hf_load_schema *s = need_schema(f, name, (size_t)(cut - name));
    if (!s)
        return hf_fail_nomem(err);
    if (created_name(f, name, &real, err) || set_file(&s->create, name, err))
        return -1;
    if (real) {
        free(s->name);
        s->name = HF_STEAL(real);
    }
    return 0;
}

/* "SCHEMA.TABLE-schema.sql": the table's real name is in it, and says where SCHEMA ends. */
static int take_table(struct hf_load_folder *f, const char *name, const char *cut,
                      enum hf_load_kind kind, struct hf_err *err)
{
    HF_AUTOFREE char *real = NULL;
    HF_AUTOFREE char *file = strndup(name, (size_t)(cut - name));
    if (!file)
        return hf_fail_nomem(err);
    if (created_name(f, name, &real, err))
        return -1;
    if (!real)
        return hf_fail(err, HF_E_CORRUPT, "%s/%s creates no table", f->files->label, name);
    size_t n = strlen(file), m = strlen(real);
    const char *dot = n > m + 1 && strcmp(file + n - m, real) == 0 && file[n - m - 1] == '.'
                          ? file + n - m - 1
                          : strchr(file, '.');
    if (!dot || dot == file)
        return hf_fail(err, HF_E_CORRUPT, "%s/%s has no schema in its name", f->files->label, name);
    struct hf_load_schema *s = need_schema(f, file, (size_t)(dot - file));
    struct hf_load_table *t = s ? hf_load_folder_add_table(s, real, file) : NULL;
    if (!t)
        return hf_fail_nomem(err);
    t->kind = kind;
    return set_file(&t->create, name, err);
}

static int take_part(struct hf_load_folder *f, const char *name, const char *cut, size_t member,
                     struct hf_err *err)
{
    struct hf_load_table *t = find_table(f, name, (size_t)(cut - name));
    if (!t)
        return hf_fail(err, HF_E_CORRUPT, "%s/%s belongs to no table: its -schema.sql is missing",
                       f->files->label, name);
    if (member == offsetof(struct hf_load_table, view))
        t->kind = HF_LOAD_VIEW;
    return set_file((struct hf_load_file *)((char *)t + member), name, err);
}

/* "SCHEMA.TABLE.00003.sql", "SCHEMA.TABLE.sql": numbers go until a table is found. */
static int take_data(struct hf_load_folder *f, const char *name, const char *cut,
                     struct hf_err *err)
{
    size_t len = (size_t)(cut - name);
    struct hf_load_table *t = find_table(f, name, len);
    while (!t && len > 0) {
        size_t digits = 0;
        while (digits < len && name[len - 1 - digits] >= '0' && name[len - 1 - digits] <= '9')
            digits++;
        if (digits == 0 || digits + 1 >= len || name[len - 1 - digits] != '.')
            break;
        len -= digits + 1;
        t = find_table(f, name, len);
    }
    if (!t)
        return hf_fail(err, HF_E_CORRUPT, "%s/%s belongs to no table: its -schema.sql is missing",
                       f->files->label, name);
    struct hf_load_file *file = hf_load_folder_add_file(t);
    return file ? set_file(file, name, err) : hf_fail_nomem(err);
}

static int take_post(struct hf_load_folder *f, const char *name, const char *cut,
                     struct hf_err *err)
{
    struct hf_load_schema *s = need_schema(f, name, (size_t)(cut - name));
    return s ? set_file(&s->post, name, err) : hf_fail_nomem(err);
}

/* Of one table, or of a whole schema. */
static int take_triggers(struct hf_load_folder *f, const char *name, const char *cut,
                         struct hf_err *err)
{
    struct hf_load_schema *s = find_schema(f, name, (size_t)(cut - name));
    return s ? set_file(&s->triggers, name, err)
             : take_part(f, name, cut, offsetof(struct hf_load_table, triggers), err);
}

enum { FIRST, SECOND, THIRD, PASSES }; /* schemas; tables; what belongs to tables */

static int take_name(struct hf_load_folder *f, const char *name, int pass, struct hf_err *err)
{
    size_t len = unpacked_len(name);
    const char *cut;
    if (suffix_at(name, len, ".dat") || suffix_at(name, len, ".csv"))
        return hf_fail(err, HF_E_UNSUPPORTED,
                       "%s/%s: data for LOAD DATA (mydumper --load-data, --csv) is not read",
                       f->files->label, name);
    if (!suffix_at(name, len, ".sql"))
        return 0;
    if ((cut = suffix_at(name, len, "-schema-create.sql")))
        return pass == FIRST ? take_schema(f, name, cut, err) : 0;
    if ((cut = suffix_at(name, len, "-schema-sequence.sql")))
        return pass == SECOND ? take_table(f, name, cut, HF_LOAD_SEQUENCE, err) : 0;
    if ((cut = suffix_at(name, len, "-schema.sql")))
        return pass == SECOND ? take_table(f, name, cut, HF_LOAD_TABLE, err) : 0;
    if (pass != THIRD)
        return 0;
    if ((cut = suffix_at(name, len, "-schema-post.sql")))
        return take_post(f, name, cut, err);
    if ((cut = suffix_at(name, len, "-schema-view.sql")))
        return take_part(f, name, cut, offsetof(struct hf_load_table, view), err);
    if ((cut = suffix_at(name, len, "-schema-triggers.sql")))
        return take_triggers(f, name, cut, err);
    if ((cut = suffix_at(name, len, "-checksum.sql")))
        return 0;
    return take_data(f, name, suffix_at(name, len, ".sql"), err);
}

/* ---- metadata -------------------------------------------------------------------------------------- */

/* "[`schema`.`table`]" to "schema.table" as in file names; NULL: another section. */
static char *section_file(const char *line)
{
    struct hf_sql_lex lex = {line + 1, line + strlen(line)};
    struct hf_sql_token s = hf_sql_lex_next(&lex), t = {HF_SQL_END, NULL, 0};
    if (s.kind == HF_SQL_NAME && hf_sql_accept_char(&lex, '.'))
        t = hf_sql_lex_next(&lex);
    HF_AUTOFREE char *schema = hf_sql_name(&s);
    HF_AUTOFREE char *table = t.kind == HF_SQL_NAME ? hf_sql_name(&t) : NULL;
    return schema && table ? hf_asprintf("%s.%s", schema, table) : NULL;
}

static void read_metadata_line(struct hf_load_folder *f, struct hf_load_table **t, const char *line)
{
    if (line[0] == '[') {
        HF_AUTOFREE char *file = section_file(line);
        *t = file ? find_table(f, file, strlen(file)) : NULL;
    } else if (*t && (*t)->kind == HF_LOAD_TABLE && strncmp(line, "rows", 4) == 0) {
        const char *value = strchr(line, '=');
        char *end = NULL;
        long long rows = value ? strtoll(value + 1, &end, 10) : -1;
        if (value && end != value + 1 && rows >= 0)
            (*t)->rows = rows;
    }
}

static int read_metadata(struct hf_load_folder *f, const char *text, struct hf_err *err)
{
    struct hf_load_table *t = NULL;
    while (*text) {
        size_t n = strcspn(text, "\n");
        HF_AUTOFREE char *line = strndup(text, n);
        if (!line)
            return hf_fail_nomem(err);
        read_metadata_line(f, &t, line);
        text += n + (text[n] == '\n');
    }
    return 0;
}

static int leave_out_system(struct hf_load_folder *f, struct hf_err *err)
{
    for (size_t i = 0; i < f->n_schemas; i++) {
        struct hf_load_schema *s = f->schemas[i];
        for (size_t k = 0; k < HF_ARRAY_SIZE(system_schemas); k++) {
            if (strcasecmp(s->name, system_schemas[k]) != 0)
                continue;
            HF_AUTOFREE char *text =
                hf_asprintf("schema %s is the server's own: left out", s->name);
            if (!text || hf_strv_add(&f->warnings, text))
                return hf_fail_nomem(err);
            s->is_selected = false;
            for (size_t j = 0; j < s->n_tables; j++)
                s->tables[j]->is_selected = false;
        }
    }
    return 0;
}

static int compare_tables(const void *a, const void *b)
{
    return strcmp((*(struct hf_load_table *const *)a)->file,
                  (*(struct hf_load_table *const *)b)->file);
}

static void sort_tables(struct hf_load_folder *f)
{
    for (size_t i = 0; i < f->n_schemas; i++)
        if (f->schemas[i]->n_tables)
            qsort(f->schemas[i]->tables, f->schemas[i]->n_tables, sizeof(struct hf_load_table *),
                  compare_tables);
}

int hf_load_read_mydumper(struct hf_load_folder *f, const char *metadata, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    if (list_names(f, &names, err))
        return -1;
    for (int pass = FIRST; pass < PASSES; pass++) {
        for (size_t i = 0; i < names.n; i++)
            if (take_name(f, names.items[i], pass, err))
                return -1;
        sort_tables(f);
    }
    if (f->n_schemas == 0)
        return hf_fail(err, HF_E_NOT_FOUND, "%s holds no schema", f->files->label);
    return read_metadata(f, metadata, err) || leave_out_system(f, err) ? -1 : 0;
}
