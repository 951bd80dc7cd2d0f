/* SPDX-License-Identifier: Apache-2.0
 *
 * Which routines, triggers and events of the dump are on the target already. They come last in a load, so it is here, before anything
 * is changed, that their files are read for their names.
 */
#include "db/dump/escape.h"
#include "db/load/lex.h"
#include "db/load/state.h"

#include <string.h>
#include <strings.h>

struct finding {
    struct hf_load *l;
    const struct hf_load_schema *schema;
    struct hf_strv wanted; /* "PROCEDURE name" */
    struct hf_strv *there;
};

static void finding_free(struct finding *x)
{
    hf_strv_free(&x->wanted);
}
HF_DEFINE_AUTO_VALUE(finding, finding_free)

/* Where sql_mode had ANSI_QUOTES, a name stands in what the lexer takes for a string. */
static char *name_of(const struct hf_sql_what *w)
{
    struct hf_sql_lex lex = {w->name, w->name + w->name_len};
    struct hf_sql_token t = hf_sql_lex_next(&lex);
    if (t.kind == HF_SQL_STRING && *t.text == '"')
        t.kind = HF_SQL_NAME;
    return hf_sql_name(&t);
}

/* One whose name cannot be read is left to the server to judge, when its turn comes. */
static int take_wanted(void *ctx, const struct hf_sql_what *w, const char *text, size_t len,
                       struct hf_err *err)
{
    struct finding *x = ctx;
    struct hf_sql_lex lex = {text, text + len};
    (void)hf_sql_skip_create(&lex);
    struct hf_sql_token word = hf_sql_lex_next(&lex);
    bool is_body = hf_sql_is(&word, "PACKAGE") && hf_sql_accept(&lex, "BODY");
    HF_AUTOFREE char *name = name_of(w);
    if (!name)
        return 0;
    return hf_strv_take(&x->wanted, hf_asprintf("%.*s%s %s", (int)word.len, word.text,
                                                is_body ? " BODY" : "", name))
               ? hf_fail_nomem(err)
               : 0;
}

static int read_names(struct finding *x, const struct hf_load_file *file, unsigned kinds,
                      struct hf_err *err)
{
    struct hf_load_script script = {.file = file,
                                    .skip = HF_SQL_DROP,
                                    .taken = kinds,
                                    .take = take_wanted,
                                    .ctx = x,
                                    .is_look = true,
                                    .has_own_modes = !x->l->folder->is_holdfast};
    return hf_load_script(x->l, x->l->main, &script, err);
}

static int read_schema(struct finding *x, struct hf_err *err)
{
    const struct hf_load_schema *s = x->schema;
    if (s->is_selected &&
        (read_names(x, &s->post, HF_SQL_CREATE_ROUTINE | HF_SQL_CREATE_EVENT, err) ||
         read_names(x, &s->triggers, HF_SQL_CREATE_TRIGGER, err)))
        return -1;
    for (size_t i = 0; i < s->n_tables; i++)
        if (s->tables[i]->is_selected &&
            read_names(x, &s->tables[i]->triggers, HF_SQL_CREATE_TRIGGER, err))
            return -1;
    return 0;
}

/* Programs' names are the same in any case of letters, or may be: triggers depend on the file system. */
static int compare(const void *a, const void *b)
{
    return strcasecmp(*(char *const *)a, *(char *const *)b);
}

/* Kind and name */
static int take_there(void *ctx, unsigned n, char *const *v, struct hf_err *err)
{
    struct finding *x = ctx;
    HF_AUTOFREE char *key = n >= 2 && v[0] && v[1] ? hf_asprintf("%s %s", v[0], v[1]) : NULL;
    HF_AUTO(hf_buf) struct hf_buf full = HF_BUF_INIT;
    if (!key)
        return hf_fail_nomem(err);
    if (!bsearch(&key, x->wanted.items, x->wanted.n, sizeof key, compare))
        return 0;
    hf_buf_printf(&full, "%s ", v[0]);
    hf_sql_add_names(&full, x->schema->target, v[1]);
    return hf_strv_take(x->there, hf_buf_steal(&full)) ? hf_fail_nomem(err) : 0;
}

static int ask(struct finding *x, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf name = HF_BUF_INIT;
    hf_sql_add_text(&name, x->schema->target);
    if (!hf_buf_ok(&name))
        return hf_fail_nomem(err);
    const char *in = hf_buf_str(&name);
    return hf_load_query(
        x->l->main,
        hf_asprintf(
            "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE "
            "ROUTINE_SCHEMA = %s UNION ALL "
            "SELECT 'TRIGGER', TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA "
            "= %s UNION ALL "
            "SELECT 'EVENT', EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s",
            in, in, in),
        take_there, x, err);
}

int hf_load_find_programs(struct hf_load *l, struct hf_strv *there, struct hf_err *err)
{
    for (size_t i = 0; i < l->folder->n_schemas; i++) {
        HF_AUTO(finding)
        struct finding x = {.l = l, .schema = l->folder->schemas[i], .there = there};
        if (read_schema(&x, err))
            return hf_wrap(err, "programs of schema %s", x.schema->name);
        if (x.wanted.n == 0)
            continue;
        qsort(x.wanted.items, x.wanted.n, sizeof *x.wanted.items, compare);
        if (ask(&x, err))
            return -1;
    }
    return 0;
}
