/* SPDX-License-Identifier: Apache-2.0
 *
 * What names a machine: the token, and the first line of its notes.
 */
#include "base/utf8.h"
#include "machine.h"

#include <string.h>

static const char in_run[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

static bool fits(const char *text, size_t size)
{
    return text && *text && strlen(text) < size && text[strspn(text, in_run)] == '\0';
}

char *pve_machine_write(const struct pve_machine *m, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    if (!o || hf_json_add_int(o, "v", 1) | hf_json_add_string(o, "op", "machine") |
                  hf_json_add_string(o, "vm", m->vm_id) | hf_json_add_string(o, "node", m->node) |
                  hf_json_add_string(o, "run", m->run) |
                  hf_json_add_string(o, "purpose", m->purpose) |
                  hf_json_add_bool(o, "down", m->has_links_down) |
                  hf_json_add_string(o, "before", m->before.upid)) {
        hf_fail_nomem(err);
        return NULL;
    }
    return pve_token_print(o, err);
}

static bool read_members(struct json_object *o, struct pve_machine *m)
{
    const char *op = pve_text(o, "op"), *vm = pve_text(o, "vm"), *node = pve_text(o, "node");
    const char *run = pve_text(o, "run"), *purpose = pve_text(o, "purpose");
    if (!op || strcmp(op, "machine") != 0 || pve_int(o, "v", 0) != 1 || !vm || !*vm ||
        strlen(vm) >= sizeof m->vm_id || vm[strspn(vm, "0123456789")] || !pve_is_node(node) ||
        !fits(run, sizeof m->run) || !fits(purpose, sizeof m->purpose))
        return false;
    snprintf(m->vm_id, sizeof m->vm_id, "%s", vm);
    snprintf(m->node, sizeof m->node, "%s", node);
    snprintf(m->run, sizeof m->run, "%s", run);
    snprintf(m->purpose, sizeof m->purpose, "%s", purpose);
    m->has_links_down = pve_bool(o, "down");
    return true;
}

int pve_machine_read(const char *token, struct pve_machine *out, struct hf_err *err)
{
    struct hf_err ignored = HF_ERR_INIT;
    struct json_object *before = NULL;
    HF_AUTOJSON struct json_object *o = hf_json_parse(token, strlen(token), &ignored);
    *out = (struct pve_machine){0};
    if (!o || !read_members(o, out))
        return hf_fail(err, HF_E_CORRUPT, "this is no token of a machine");
    json_object_object_get_ex(o, "before", &before);
    if (!before || !json_object_get_string_len(before))
        return 0;
    return pve_task_take(before, &out->before, &ignored) == 0
               ? 0
               : hf_fail(err, HF_E_CORRUPT, "this is no token of a machine");
}

/* ---- the mark ------------------------------------------------------------------------------------ */

/* "key=VALUE" of a line, up to the next blank. */
static bool word(const char *line, const char *key, char *out, size_t size)
{
    size_t len = strlen(key), end = strcspn(line, "\n");
    for (const char *p = line; p && p < line + end;
         p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL) {
        if (strncmp(p, key, len) != 0)
            continue;
        snprintf(out, size, "%.*s", (int)strcspn(p + len, " \n"), p + len);
        return fits(out, size);
    }
    return false;
}

enum pve_marked pve_mark_read(const char *notes, struct pve_machine *out)
{
    char links[8] = "";
    if (notes && strncmp(notes, PVE_RESTORED_MARK, strlen(PVE_RESTORED_MARK)) == 0)
        return word(notes, "run=", out->run, sizeof out->run) ? PVE_SETTLED_MARK : PVE_UNMARKED;
    if (!notes || strncmp(notes, PVE_MACHINE_MARK, strlen(PVE_MACHINE_MARK)) != 0 ||
        !word(notes, "run=", out->run, sizeof out->run) ||
        !word(notes, "purpose=", out->purpose, sizeof out->purpose))
        return PVE_UNMARKED;
    out->has_links_down = word(notes, "links=", links, sizeof links) && strcmp(links, "down") == 0;
    return PVE_MARKED;
}

static char *with_line(char *line, const char *rest, bool *out_cut)
{
    HF_AUTOFREE char *owned = line;
    if (!owned)
        return NULL;
    size_t room = PVE_NOTES_MAX - strlen(owned) - 1, len = hf_utf8_fit(rest, room);
    *out_cut = rest[len] != '\0';
    return hf_asprintf("%s%s%.*s", owned, len ? "\n" : "", (int)len, rest);
}

char *pve_mark_add(const struct pve_machine *m, const char *notes, bool *out_cut)
{
    return with_line(hf_asprintf(PVE_MACHINE_MARK "run=%s purpose=%s links=%s", m->run, m->purpose,
                                 m->has_links_down ? "down" : "up"),
                     notes ? notes : "", out_cut);
}

char *pve_mark_settle(const struct pve_machine *m, const char *notes)
{
    bool was_cut = false;
    const char *rest = notes ? strchr(notes, '\n') : NULL;
    return with_line(hf_asprintf(PVE_RESTORED_MARK "%s", m->run), rest ? rest + 1 : "", &was_cut);
}
