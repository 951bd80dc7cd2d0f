/* SPDX-License-Identifier: Apache-2.0 */
#include "db/load/folder.h"

#include <string.h>

#define MANIFEST_MAX ((size_t)192 << 20) /* 50,000 tables in some files each */
#define TABLES_STEP 64

static void free_file(struct hf_load_file *file)
{
    free(file->name);
}

static void free_table(struct hf_load_table *t)
{
    if (!t)
        return;
    free(t->name);
    free(t->file);
    free_file(&t->create);
    free_file(&t->view);
    free_file(&t->triggers);
    for (size_t i = 0; i < t->n_files; i++)
        free_file(&t->files[i]);
    free(t->files);
    hf_buf_free(&t->keys);
    hf_buf_free(&t->fks);
    free(t);
}

static void free_schema(struct hf_load_schema *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_tables; i++)
        free_table(s->tables[i]);
    free(s->tables);
    free(s->by_name);
    free(s->name);
    free(s->file);
    free(s->target);
    free_file(&s->create);
    free_file(&s->post);
    free_file(&s->triggers);
    free(s);
}

void hf_load_folder_close(struct hf_load_folder *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n_schemas; i++)
        free_schema(f->schemas[i]);
    free(f->schemas);
    free_file(&f->users);
    free(f->server);
    hf_io_files_close(f->own);
    hf_strv_free(&f->warnings);
    free(f);
}

/* The list with room for one more pointer; NULL: no memory, the list stays. */
static void *grown(void *list, size_t n)
{
    return n % TABLES_STEP ? list : realloc(list, (n + TABLES_STEP) * sizeof(void *));
}

struct hf_load_schema *hf_load_folder_add_schema(struct hf_load_folder *f, const char *name,
                                                 const char *file)
{
    struct hf_load_schema *s = calloc(1, sizeof *s);
    if (s) {
        s->name = strdup(name);
        s->file = strdup(file);
        s->is_selected = true;
    }
    struct hf_load_schema **list = grown(f->schemas, f->n_schemas);
    f->schemas = list ? list : f->schemas;
    if (!s || !s->name || !s->file || !list) {
        free_schema(s);
        return NULL;
    }
    return f->schemas[f->n_schemas++] = s;
}

struct hf_load_table *hf_load_folder_add_table(struct hf_load_schema *s, const char *name,
                                               const char *file)
{
    struct hf_load_table *t = calloc(1, sizeof *t);
    if (t) {
        *t = (struct hf_load_table){.schema = s,
                                    .name = strdup(name),
                                    .file = strdup(file),
                                    .rows = HF_LOAD_ROWS_UNKNOWN,
                                    .is_selected = true,
                                    .is_transactional = true,
                                    .is_plain = true};
    }
    struct hf_load_table **list = grown(s->tables, s->n_tables);
    s->tables = list ? list : s->tables;
    if (!t || !t->name || !t->file || !list) {
        free_table(t);
        return NULL;
    }
    return s->tables[s->n_tables++] = t;
}

struct hf_load_file *hf_load_folder_add_file(struct hf_load_table *t)
{
    if (t->n_files % TABLES_STEP == 0) {
        struct hf_load_file *list = realloc(t->files, (t->n_files + TABLES_STEP) * sizeof *list);
        if (!list)
            return NULL;
        t->files = list;
    }
    struct hf_load_file *file = &t->files[t->n_files++];
    *file = (struct hf_load_file){.rows = HF_LOAD_ROWS_UNKNOWN};
    return file;
}

/* ---- --only ------------------------------------------------------------------------------------ */

/* "schema" or "schema.table"; the schema's name may have dots. */
static size_t select_one(struct hf_load_folder *f, const char *what)
{
    size_t found = 0;
    for (size_t i = 0; i < f->n_schemas; i++) {
        struct hf_load_schema *s = f->schemas[i];
        size_t n = strlen(s->name);
        bool is_whole = strcmp(what, s->name) == 0;
        if (!is_whole && (strncmp(what, s->name, n) != 0 || what[n] != '.'))
            continue;
        for (size_t j = 0; j < s->n_tables; j++) {
            struct hf_load_table *t = s->tables[j];
            if (is_whole || strcmp(what + n + 1, t->name) == 0) {
                t->is_selected = true;
                found++;
            }
        }
        s->is_selected = s->is_selected || is_whole;
        found += is_whole;
    }
    return found;
}

int hf_load_folder_select(struct hf_load_folder *f, const char *only, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv parts = HF_STRV_INIT;
    if (hf_strv_split(&parts, only, ','))
        return hf_fail_nomem(err);
    for (size_t i = 0; i < f->n_schemas; i++) {
        f->schemas[i]->is_selected = false;
        for (size_t j = 0; j < f->schemas[i]->n_tables; j++)
            f->schemas[i]->tables[j]->is_selected = false;
    }
    for (size_t i = 0; i < parts.n; i++)
        if (select_one(f, parts.items[i]) == 0)
            return hf_fail(err, HF_E_NOT_FOUND, "--only: there is no '%s' in %s", parts.items[i],
                           f->files->label);
    return 0;
}

/* ---- by name ----------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(struct hf_load_table *const *)a)->name,
                  (*(struct hf_load_table *const *)b)->name);
}

static int sort_names(struct hf_load_folder *f, struct hf_err *err)
{
    for (size_t i = 0; i < f->n_schemas; i++) {
        struct hf_load_schema *s = f->schemas[i];
        s->by_name = calloc(s->n_tables + 1, sizeof *s->by_name);
        if (!s->by_name)
            return hf_fail_nomem(err);
        for (size_t j = 0; j < s->n_tables; j++)
            s->by_name[j] = s->tables[j];
        qsort(s->by_name, s->n_tables, sizeof *s->by_name, compare_names);
    }
    return 0;
}

struct hf_load_table *hf_load_schema_find(const struct hf_load_schema *s, const char *name)
{
    size_t low = 0, high = s->n_tables;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = strcmp(s->by_name[mid]->name, name);
        if (order == 0)
            return s->by_name[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* ---- opening ----------------------------------------------------------------------------------- */

static int exists(struct hf_load_folder *f, const char *name, bool *out, struct hf_err *err)
{
    enum hf_io_seen seen;
    uint64_t bytes;
    if (hf_io_files_look(f->files, name, &seen, &bytes, err))
        return -1;
    *out = seen != HF_IO_SEEN_NONE;
    return 0;
}

static int check_complete(struct hf_load_folder *f, bool force, struct hf_err *err)
{
    static const char *const marks[] = {"INCOMPLETE", "metadata.partial"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(marks); i++) {
        bool is_there;
        if (exists(f, marks[i], &is_there, err))
            return -1;
        if (!is_there)
            continue;
        if (!force) {
            hf_fail(err, HF_E_CORRUPT, "%s holds a dump that was not finished: %s is there",
                    f->files->label, marks[i]);
            return hf_hint(err,
                           "Take another dump, or load what there is with --force-incomplete.");
        }
        if (hf_strv_add(&f->warnings, "the dump was not finished; what there is was loaded"))
            return hf_fail_nomem(err);
    }
    return 0;
}

/* The whole of one of the dump's own descriptions, and its SHA-256 as the dump's identity. */
static char *read_whole(struct hf_load_folder *f, const char *name, size_t *out_len,
                        struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTO(hf_io_read) struct hf_io_read *r = hf_io_files_read(f->files, name, true, true, err);
    HF_AUTOFREE char *chunk = malloc(1 << 16);
    size_t n = 0;
    if (!r || !chunk)
        return NULL;
    do {
        if (hf_io_read_some(r, chunk, 1 << 16, &n, err))
            return NULL;
        hf_buf_add(&text, chunk, n);
        if (text.len > MANIFEST_MAX) {
            hf_fail(err, HF_E_CORRUPT, "%s/%s is larger than any such file", f->files->label, name);
            return NULL;
        }
    } while (n > 0);
    if (hf_io_read_sha256(r, f->id, err))
        return NULL;
    *out_len = text.len;
    hf_buf_add(&text, "", 0);
    char *out = text.len ? hf_buf_steal(&text) : strdup("");
    if (!out)
        hf_fail_nomem(err);
    return out;
}

/* The first of them that is there; *out NULL: none is. */
static int find_description(struct hf_load_folder *f, const char **out, struct hf_err *err)
{
    static const char *const names[] = {"holdfast.json", "metadata", "metadata.partial"};
    *out = NULL;
    for (size_t i = 0; !*out && i < HF_ARRAY_SIZE(names); i++) {
        bool is_there;
        if (exists(f, names[i], &is_there, err))
            return -1;
        *out = is_there ? names[i] : NULL;
    }
    return 0;
}

static int read_description(struct hf_load_folder *f, bool force, struct hf_err *err)
{
    const char *name, *dir = f->files->label;
    size_t len = 0;
    if (find_description(f, &name, err))
        return -1;
    if (!name) {
        if (force)
            return hf_load_read_mydumper(f, "", err);
        hf_fail(err, HF_E_NOT_FOUND, "%s is no dump: neither holdfast.json nor metadata is there",
                dir);
        return hf_hint(err, "Name a directory that `holdfast dump` or mydumper has written.");
    }
    HF_AUTOFREE char *text = read_whole(f, name, &len, err);
    if (!text)
        return -1;
    f->is_holdfast = strcmp(name, "holdfast.json") == 0;
    if (f->is_holdfast)
        return hf_load_read_manifest(f, text, len, err) ? hf_wrap(err, "%s/%s", dir, name) : 0;
    return hf_load_read_mydumper(f, text, err);
}

struct hf_load_folder *hf_load_folder_read(struct hf_io_files *files, bool force,
                                           struct hf_err *err)
{
    HF_AUTO(hf_load_folder) struct hf_load_folder *f = calloc(1, sizeof *f);
    if (!f) {
        hf_fail_nomem(err);
        return NULL;
    }
    f->files = files;
    if (check_complete(f, force, err) || read_description(f, force, err) ||
        hf_load_check_files(f, force, err) || sort_names(f, err))
        return NULL;
    return HF_STEAL(f);
}

struct hf_load_folder *hf_load_folder_parse(const char *text, size_t len, struct hf_err *err)
{
    HF_AUTO(hf_load_folder) struct hf_load_folder *f = calloc(1, sizeof *f);
    if (!f) {
        hf_fail_nomem(err);
        return NULL;
    }
    f->is_holdfast = true;
    return hf_load_read_manifest(f, text, len, err) || sort_names(f, err) ? NULL : HF_STEAL(f);
}

struct hf_load_folder *hf_load_folder_open(const char *dir, bool force, struct hf_err *err)
{
    HF_AUTO(hf_io_files) struct hf_io_files *files = hf_io_files_dir(dir, err);
    struct hf_load_folder *f = files ? hf_load_folder_read(files, force, err) : NULL;
    if (f)
        f->own = HF_STEAL(files);
    return f;
}
