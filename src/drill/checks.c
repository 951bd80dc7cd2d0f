/* SPDX-License-Identifier: Apache-2.0 */
#include "drill/checks.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP 16

const char *hf_drill_result_name(enum hf_drill_result r)
{
    static const char *const names[] = {"ok", "failed", "skipped"};
    return names[r];
}

static char *make_printable(char *text)
{
    if (text)
        hf_replace_controls(text, ' ');
    return text;
}

static struct hf_drill_check *add(struct hf_drill_checks *c)
{
    struct hf_drill_check *items =
        c->n % STEP ? c->items : realloc(c->items, (c->n + STEP) * sizeof *items);
    if (!items)
        return NULL;
    c->items = items;
    c->items[c->n] = (struct hf_drill_check){0};
    return &c->items[c->n++];
}

void hf_drill_note(struct hf_drill_checks *c, const char *name, enum hf_drill_result result,
                   const char *why, ...)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    struct hf_drill_check *k = add(c);
    if (why) {
        va_list ap;
        va_start(ap, why);
        hf_buf_vprintf(&text, why, ap);
        va_end(ap);
    }
    if (!k) {
        c->is_nomem = true;
        return;
    }
    k->result = result;
    k->name = make_printable(strdup(name));
    k->why = why ? make_printable(hf_buf_steal(&text)) : NULL;
    c->is_nomem = c->is_nomem || !k->name || (why && !k->why);
}

void hf_drill_values(struct hf_drill_checks *c, const char *expected, const char *found)
{
    if (c->n == 0)
        return;
    struct hf_drill_check *k = &c->items[c->n - 1];
    k->expected = expected ? make_printable(strdup(expected)) : NULL;
    k->found = found ? make_printable(strdup(found)) : NULL;
    c->is_nomem = c->is_nomem || (expected && !k->expected) || (found && !k->found);
}

bool hf_drill_checks_ok(const struct hf_drill_checks *c)
{
    return !c->is_nomem;
}

void hf_drill_checks_free(struct hf_drill_checks *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->items[i].name);
        free(c->items[i].why);
        free(c->items[i].expected);
        free(c->items[i].found);
    }
    free(c->items);
    *c = (struct hf_drill_checks){0};
}

static const struct hf_drill_check *find(const struct hf_drill_checks *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].name && strcmp(c->items[i].name, name) == 0)
            return &c->items[i];
    return NULL;
}

static const char *why_not(const struct hf_drill_check *k)
{
    return !k ? "not come to" : k->why ? k->why : hf_drill_result_name(k->result);
}

bool hf_drill_has(const struct hf_drill_checks *c, const char *name)
{
    return find(c, name) != NULL;
}

static bool fails(const struct hf_drill_check *k, char *why, size_t size)
{
    if (!k || k->result != HF_DRILL_FAILED)
        return false;
    snprintf(why, size, "%s: %s", k->name ? k->name : "", k->why ? k->why : "failed");
    return true;
}

bool hf_drill_judge(const struct hf_drill_checks *c, char *why, size_t size)
{
    const struct hf_drill_check *position = find(c, HF_DRILL_POSITION);
    const struct hf_drill_check *tables = find(c, HF_DRILL_TABLES);
    why[0] = '\0';
    if (fails(find(c, HF_DRILL_DISKS), why, size))
        return false;
    for (size_t i = 0; i < c->n; i++)
        if (fails(&c->items[i], why, size))
            return false;
    if ((position && position->result == HF_DRILL_OK) || (tables && tables->result == HF_DRILL_OK))
        return true;
    snprintf(why, size, "nothing was compared: position: %s; tables: %s", why_not(position),
             why_not(tables));
    return false;
}

struct json_object *hf_drill_checks_json(const struct hf_drill_checks *c)
{
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    for (size_t i = 0; list && i < c->n; i++) {
        const struct hf_drill_check *k = &c->items[i];
        struct json_object *o = hf_json_append_object(list);
        if (!o || hf_json_add_string(o, "name", k->name) < 0 ||
            hf_json_add_string(o, "result", hf_drill_result_name(k->result)) < 0 ||
            hf_json_add_string(o, "why", k->why) < 0 ||
            hf_json_add_string(o, "expected", k->expected) < 0 ||
            hf_json_add_string(o, "found", k->found) < 0)
            return NULL;
    }
    return HF_STEAL(list);
}
