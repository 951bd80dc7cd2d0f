/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast.json to a folder. docs/dump-format.md says what is in it; nothing in it is believed that leads out of the directory.
 */
#include "db/load/folder.h"
#include "net/json.h"

#include <ctype.h>
#include <string.h>

#define FORMAT 1
#define NAME_BYTES_MAX 255

static bool is_hex(const char *s, size_t digits)
{
    size_t n = strspn(s, "0123456789abcdef");
    return n == digits && s[n] == '\0';
}

static bool is_file_name(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= NAME_BYTES_MAX && !strchr(name, '/') && name[0] != '.';
}

static int read_size(struct json_object *o, const char *key, uint64_t *out, struct hf_err *err)
{
    int64_t n = 0;
    if (hf_json_get_int(o, key, &n, err))
        return -1;
    if (n < 0)
        return hf_fail(err, HF_E_CORRUPT, "'%s' is negative", key);
    *out = (uint64_t)n;
    return 0;
}

static int read_file(struct json_object *o, struct hf_load_file *out, struct hf_err *err)
{
    const char *name = NULL, *sha256 = NULL;
    if (hf_json_get_string(o, "name", &name, err) ||
        hf_json_get_string(o, "sha256", &sha256, err) || read_size(o, "bytes", &out->bytes, err) ||
        read_size(o, "stored_bytes", &out->stored, err))
        return -1;
    if (!is_file_name(name))
        return hf_fail(err, HF_E_CORRUPT, "'%s' is no name of a file in this directory", name);
    if (!is_hex(sha256, 64))
        return hf_fail(err, HF_E_CORRUPT, "the sha256 of %s is none", name);
    memcpy(out->sha256, sha256, sizeof out->sha256);
    out->rows = HF_LOAD_ROWS_UNKNOWN;
    out->name = strdup(name);
    return out->name ? 0 : hf_fail_nomem(err);
}

/* A FILE or null. */
static int opt_file(struct json_object *o, const char *key, struct hf_load_file *out,
                    struct hf_err *err)
{
    struct json_object *file = NULL;
    if (!json_object_object_get_ex(o, key, &file) || !file)
        return 0;
    if (!json_object_is_type(file, json_type_object))
        return hf_fail(err, HF_E_CORRUPT, "'%s' is neither an object nor null", key);
    return read_file(file, out, err) ? hf_wrap(err, "%s", key) : 0;
}

static int read_data_file(struct json_object *o, struct hf_load_table *t, struct hf_err *err)
{
    struct hf_load_file *file = hf_load_folder_add_file(t);
    if (!file)
        return hf_fail_nomem(err);
    if (read_file(o, file, err) || hf_json_get_int(o, "rows", &file->rows, err))
        return -1;
    return file->rows < 0 ? hf_fail(err, HF_E_CORRUPT, "'rows' is negative") : 0;
}

static int read_kind(struct json_object *o, enum hf_load_kind *out, struct hf_err *err)
{
    static const char *const kinds[] = {"table", "view", "sequence"};
    const char *kind = NULL;
    if (hf_json_get_string(o, "kind", &kind, err))
        return -1;
    for (int i = 0; i < 3; i++) {
        if (strcmp(kind, kinds[i]) == 0) {
            *out = (enum hf_load_kind)i;
            return 0;
        }
    }
    return hf_fail(err, HF_E_CORRUPT, "'%s' is no kind of table", kind);
}

static int read_rows(struct json_object *o, struct hf_load_table *t, struct hf_err *err)
{
    const char *checksum = NULL;
    int64_t sum = 0;
    if (hf_json_opt_int(o, "rows", &t->rows, err) ||
        hf_json_opt_string(o, "checksum", &checksum, err))
        return -1;
    if (checksum && !is_hex(checksum, 16))
        return hf_fail(err, HF_E_CORRUPT, "the checksum of %s is none", t->file);
    if (checksum)
        memcpy(t->checksum, checksum, sizeof t->checksum);
    for (size_t i = 0; i < t->n_files; i++)
        if (__builtin_add_overflow(sum, t->files[i].rows, &sum))
            return hf_fail(err, HF_E_CORRUPT, "more rows than there are numbers");
    if (t->kind == HF_LOAD_TABLE && t->rows != sum)
        return hf_fail(err, HF_E_CORRUPT, "%s: its files have %lld rows, it has %lld", t->file,
                       (long long)sum, (long long)t->rows);
    return 0;
}

typedef int (*each_cb)(void *ctx, struct json_object *o, struct hf_err *err);

/* Each object of an array. */
static int each(struct json_object *o, const char *key, each_cb cb, void *ctx, struct hf_err *err)
{
    struct json_object *list = NULL;
    if (hf_json_get_array(o, key, &list, err))
        return -1;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        if (!json_object_is_type(item, json_type_object))
            return hf_fail(err, HF_E_CORRUPT, "'%s' has a member that is no object", key);
        if (cb(ctx, item, err))
            return hf_wrap(err, "%s[%zu]", key, i);
    }
    return 0;
}

static int read_data_file_cb(void *ctx, struct json_object *o, struct hf_err *err)
{
    return read_data_file(o, ctx, err);
}

static int read_table(void *ctx, struct json_object *o, struct hf_err *err)
{
    const char *name = NULL, *file = NULL;
    if (hf_json_get_string(o, "name", &name, err) || hf_json_get_string(o, "file", &file, err))
        return -1;
    struct hf_load_table *t = hf_load_folder_add_table(ctx, name, file);
    if (!t)
        return hf_fail_nomem(err);
    if (read_kind(o, &t->kind, err) || opt_file(o, "schema", &t->create, err) ||
        opt_file(o, "view", &t->view, err) || opt_file(o, "triggers", &t->triggers, err) ||
        each(o, "files", read_data_file_cb, t, err))
        return -1;
    struct json_object *plain = NULL;
    t->is_of_no_instant =
        json_object_object_get_ex(o, "nontransactional", &plain) && json_object_get_boolean(plain);
    if (!t->create.name || (t->kind == HF_LOAD_VIEW && !t->view.name))
        return hf_fail(err, HF_E_CORRUPT, "%s has no definition", t->file);
    return read_rows(o, t, err);
}

static int read_schema(void *ctx, struct json_object *o, struct hf_err *err)
{
    const char *name = NULL, *file = NULL;
    if (hf_json_get_string(o, "name", &name, err) || hf_json_get_string(o, "file", &file, err))
        return -1;
    struct hf_load_schema *s = hf_load_folder_add_schema(ctx, name, file);
    if (!s)
        return hf_fail_nomem(err);
    return opt_file(o, "create", &s->create, err) || opt_file(o, "post", &s->post, err) ||
                   each(o, "tables", read_table, s, err)
               ? -1
               : 0;
}

static int read_server(struct hf_load_folder *f, struct json_object *doc, struct hf_err *err)
{
    struct json_object *server = NULL;
    const char *flavour = NULL, *version = NULL;
    if (hf_json_get_object(doc, "server", &server, err) ||
        hf_json_get_string(server, "flavour", &flavour, err) ||
        hf_json_get_string(server, "version", &version, err))
        return -1;
    f->server = hf_asprintf("%s %s", flavour, version);
    return f->server ? 0 : hf_fail_nomem(err);
}

int hf_load_read_manifest(struct hf_load_folder *f, const char *text, size_t len,
                          struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = hf_json_parse(text, len, err);
    int64_t format = 0, largest = 0;
    if (!doc)
        return -1;
    if (!json_object_is_type(doc, json_type_object))
        return hf_fail(err, HF_E_CORRUPT, "not a JSON object");
    if (hf_json_get_int(doc, "format", &format, err))
        return -1;
    if (format != FORMAT) {
        hf_fail(err, HF_E_UNSUPPORTED, "format %lld, this holdfast knows %d", (long long)format,
                FORMAT);
        return hf_hint(err, "Use the holdfast that wrote the dump, or a later one.");
    }
    if (read_server(f, doc, err) || opt_file(doc, "users", &f->users, err) ||
        hf_json_opt_int(doc, "largest_statement_bytes", &largest, err))
        return -1;
    f->largest_statement = largest > 0 ? (uint64_t)largest : 0;
    return each(doc, "schemas", read_schema, f, err);
}
