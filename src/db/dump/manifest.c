/* SPDX-License-Identifier: Apache-2.0
 *
 * Members and their meaning: docs/dump-format.md, "Manifest".
 */
#include "db/dump/manifest.h"

#include "db/dump/out.h"
#include "net/json.h"

#include <inttypes.h>
#include <string.h>

#define FORMAT 1
#define ROW_HASH "xxh3-64-sum"
#define CHECKSUM_HEX 17

/* What of a member failed does not matter: it is memory. */
struct making {
    struct hf_dump *d;
    bool failed;
};

static void add(struct making *m, struct json_object *o, const char *key, struct json_object *child)
{
    m->failed |= !o || hf_json_add(o, key, child) < 0;
}

/* A member that is null. */
static void add_null(struct making *m, struct json_object *o, const char *key)
{
    m->failed |= !o || hf_json_add_string(o, key, NULL) < 0;
}

static void add_text(struct making *m, struct json_object *o, const char *key, const char *value)
{
    m->failed |= !o || hf_json_add_string(o, key, value) < 0;
}

static void add_number(struct making *m, struct json_object *o, const char *key, uint64_t value)
{
    m->failed |= !o || hf_json_add_int(o, key, (int64_t)value) < 0;
}

static void add_flag(struct making *m, struct json_object *o, const char *key, bool value)
{
    m->failed |= !o || hf_json_add_bool(o, key, value) < 0;
}

static void append(struct making *m, struct json_object *list, struct json_object *child)
{
    if (list && child && json_object_array_add(list, child) == 0)
        return;
    json_object_put(child);
    m->failed = true;
}

static void add_checksum(struct making *m, struct json_object *o, uint64_t checksum)
{
    char text[CHECKSUM_HEX];
    snprintf(text, sizeof text, "%016" PRIx64, checksum);
    add_text(m, o, "checksum", text);
}

static struct json_object *file_object(struct making *m, const struct hf_dump_file *f)
{
    struct json_object *o = json_object_new_object();
    add_text(m, o, "name", f->name);
    add_number(m, o, "bytes", f->digest.bytes);
    add_number(m, o, "stored_bytes", f->stored_bytes);
    add_text(m, o, "sha256", f->digest.sha256);
    return o;
}

static void add_file(struct making *m, struct json_object *o, const char *key,
                     const struct hf_dump_file *f)
{
    if (f->name)
        add(m, o, key, file_object(m, f));
    else
        add_null(m, o, key);
}

/* ---- tables and schemas ----------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct hf_dump_file *)a)->name, ((const struct hf_dump_file *)b)->name);
}

static struct json_object *data_files(struct making *m, const struct hf_dump_table *t)
{
    struct json_object *list = json_object_new_array();
    if (t->n_files)
        qsort(t->files, t->n_files, sizeof *t->files, by_name);
    for (size_t i = 0; i < t->n_files; i++) {
        struct json_object *o = file_object(m, &t->files[i]);
        add_number(m, o, "rows", t->files[i].rows);
        add_checksum(m, o, t->files[i].checksum);
        append(m, list, o);
    }
    return list;
}

static struct json_object *strings(struct making *m, const struct hf_strv *v)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < v->n; i++)
        append(m, list, json_object_new_string(v->items[i]));
    return list;
}

static struct json_object *table_object(struct making *m, const struct hf_dump_table *t)
{
    static const char *const kinds[] = {"table", "view", "sequence"};
    struct json_object *o = json_object_new_object();
    add_text(m, o, "name", t->name);
    add_text(m, o, "file", t->file);
    add_text(m, o, "kind", kinds[t->kind]);
    add_file(m, o, "schema", &t->schema_file);
    add_file(m, o, "view", &t->view_file);
    add_file(m, o, "triggers", &t->trigger_file);
    add_number(m, o, "trigger_count", t->triggers.n);
    add_text(m, o, "engine", t->engine);
    add_flag(m, o, "nontransactional", t->is_plain);
    add(m, o, "columns", strings(m, &t->columns));
    add_number(m, o, "rows", t->rows);
    if (t->kind == HF_DUMP_TABLE && !t->is_window)
        add_checksum(m, o, t->checksum);
    else
        add_null(m, o, "checksum");
    add(m, o, "files", data_files(m, t));
    return o;
}

static struct json_object *schema_object(struct making *m, const struct hf_dump_schema *s)
{
    struct json_object *o = json_object_new_object(), *tables = json_object_new_array();
    add_text(m, o, "name", s->name);
    add_text(m, o, "file", s->file);
    add_text(m, o, "character_set", s->charset);
    add_text(m, o, "collation", s->collation);
    add_file(m, o, "create", &s->create_file);
    add_file(m, o, "post", &s->post_file);
    add_number(m, o, "routines", s->routines);
    add_number(m, o, "events", s->events);
    for (size_t i = s->first; i < s->first + s->n; i++)
        append(m, tables, table_object(m, &m->d->tables[i]));
    add(m, o, "tables", tables);
    return o;
}

/* ---- the server and the instant --------------------------------------------------------- */

static struct json_object *variables(struct making *m)
{
    struct json_object *o = json_object_new_object();
    for (size_t i = 0; i < m->d->variables.n; i++) {
        const char *item = m->d->variables.items[i], *value = strchr(item, '=');
        HF_AUTOFREE char *name = strndup(item, (size_t)(value - item));
        if (name)
            add_text(m, o, name, value + 1);
        m->failed |= !name;
    }
    return o;
}

static struct json_object *server_object(struct making *m)
{
    struct json_object *o = json_object_new_object();
    add_text(m, o, "flavour", m->d->server.flavour == HF_DB_MARIADB ? "mariadb" : "mysql");
    add_text(m, o, "version", m->d->server_text);
    add_number(m, o, "number", m->d->server.version);
    add(m, o, "variables", variables(m));
    return o;
}

static struct json_object *position_object(struct making *m, const struct hf_db_position *p)
{
    struct json_object *o = json_object_new_object();
    add_text(m, o, "file", p->file);
    add_number(m, o, "offset", p->offset);
    add_text(m, o, "gtid", p->gtid);
    if (p->has_lsn)
        add_number(m, o, "lsn", p->lsn);
    else
        add_null(m, o, "lsn");
    return o;
}

static void add_time(struct making *m, struct json_object *o, const char *key, int64_t wall_us)
{
    char text[HF_TIME_MAX];
    hf_time_rfc3339(wall_us, text);
    add_text(m, o, key, text);
}

static struct json_object *manifest(struct making *m, const struct hf_db_position *position)
{
    struct hf_dump *d = m->d;
    struct json_object *o = json_object_new_object(), *schemas = json_object_new_array();
    add_number(m, o, "format", FORMAT);
    add_text(m, o, "producer", "holdfast " HF_VERSION);
    add_time(m, o, "started_at", d->started_us);
    add_time(m, o, "finished_at", hf_clock_wall_us(d->opts.clock));
    add(m, o, "server", server_object(m));
    add_text(m, o, "consistency", "lock");
    if (position && position->has_binlog)
        add(m, o, "position", position_object(m, position));
    else
        add_null(m, o, "position");
    add_text(m, o, "compression", hf_io_packing_name(d->opts.packing));
    add_text(m, o, "definers", d->opts.strip_definers ? "strip" : "keep");
    if (d->opts.only && d->opts.only->n)
        add(m, o, "selection", strings(m, d->opts.only));
    else
        add_null(m, o, "selection");
    add_text(m, o, "row_hash", ROW_HASH);
    add_number(m, o, "largest_statement_bytes", d->largest_statement);
    add_file(m, o, "users", &d->users_file);
    for (size_t i = 0; i < d->n_schemas; i++)
        append(m, schemas, schema_object(m, &d->schemas[i]));
    add(m, o, "schemas", schemas);
    add(m, o, "warnings", strings(m, &d->warnings));
    return o;
}

int hf_dump_manifest_write(struct hf_dump *d, const struct hf_db_position *position,
                           struct hf_err *err)
{
    struct making m = {.d = d};
    HF_AUTOJSON struct json_object *o = manifest(&m, position);
    const char *text = o && !m.failed
                           ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
                                                                   JSON_C_TO_STRING_NOSLASHESCAPE)
                           : NULL;
    if (!text)
        return hf_fail_nomem(err);
    HF_AUTO(hf_io_sink)
    struct hf_io_sink *s = d->place.open(d->place.ctx, "holdfast.json", NULL, err);
    if (!s || hf_io_write(s, text, strlen(text), err) < 0 || hf_io_write(s, "\n", 1, err) < 0)
        return -1;
    return hf_io_finish(s, err);
}
