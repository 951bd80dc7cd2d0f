/* SPDX-License-Identifier: Apache-2.0 */
#include "files/entry.h"

#include "base/utf8.h"
#include "net/json.h"

#include <inttypes.h>
#include <string.h>

static const char *const type_names[HF_ENTRY_TYPES] = {"file", "hardlink", "symlink", "dir",
                                                       "fifo", "char",     "block"};

const char *hf_entry_type_name(enum hf_entry_type type)
{
    return type_names[type];
}

void hf_entry_free(struct hf_entry *e)
{
    free(e->name);
    free(e->link);
    *e = (struct hf_entry){0};
}

/* ---- names ------------------------------------------------------------------------------ */

bool hf_entry_name_is_safe(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > HF_ENTRY_NAME_MAX || name[0] == '/')
        return false;
    if (strcmp(name, ".") == 0)
        return true;
    for (const char *p = name; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        p += n + (p[n] == '/');
    }
    return true;
}

/* ".." only at the beginning, and not more often than NAME is deep: behind a name, which may be a link itself, it leads
 * anywhere. */
bool hf_entry_link_leaves(const char *name, const char *link)
{
    size_t depth = 0, ups = 0;
    bool is_down = false;
    if (link[0] == '/')
        return true;
    for (const char *p = name; *p; p++)
        depth += *p == '/';
    for (const char *p = link; *p;) {
        size_t n = strcspn(p, "/");
        bool is_up = n == 2 && p[0] == '.' && p[1] == '.';
        if (is_up && (is_down || ++ups > depth))
            return true;
        is_down |= n > 0 && !is_up && !(n == 1 && p[0] == '.');
        p += n + (p[n] == '/');
    }
    return false;
}

static bool is_utf8(const char *s)
{
    size_t n = 1;
    for (; *s && n; s += n)
        n = hf_utf8_character(s);
    return n;
}

/* ---- writing ---------------------------------------------------------------------------- */

static int add_name(struct json_object *o, const char *key, const char *value)
{
    if (is_utf8(value))
        return hf_json_add_string(o, key, value);
    HF_AUTO(hf_buf) struct hf_buf hex = HF_BUF_INIT;
    HF_AUTOFREE char *hex_key = hf_asprintf("%s_hex", key);
    for (const char *p = value; *p; p++)
        hf_buf_printf(&hex, "%02x", (unsigned char)*p);
    return hex_key && hf_buf_ok(&hex) ? hf_json_add_string(o, hex_key, hf_buf_str(&hex)) : -1;
}

int hf_entry_print(const struct hf_entry *e, struct hf_buf *out, struct hf_err *err)
{
    char mode[8], mtime[48];
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    snprintf(mode, sizeof mode, "%04o", e->mode & 07777);
    snprintf(mtime, sizeof mtime, "%" PRId64 ".%09ld", e->mtime_s, e->mtime_ns);
    if (!o || add_name(o, "name", e->name) < 0 ||
        hf_json_add_string(o, "type", type_names[e->type]) < 0 ||
        hf_json_add_int(o, "size", (int64_t)e->size) < 0 ||
        hf_json_add_string(o, "mode", mode) < 0 || hf_json_add_int(o, "uid", (int64_t)e->uid) < 0 ||
        hf_json_add_int(o, "gid", (int64_t)e->gid) < 0 ||
        hf_json_add_string(o, "mtime", mtime) < 0 ||
        (e->link && add_name(o, "link", e->link) < 0) ||
        (e->has_at && hf_json_add_int(o, "at", (int64_t)e->at) < 0) ||
        (e->sha256[0] && hf_json_add_string(o, "sha256", e->sha256) < 0))
        return hf_fail_nomem(err);
    hf_buf_str_add(out, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
                                                              JSON_C_TO_STRING_NOSLASHESCAPE));
    hf_buf_str_add(out, "\n");
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

/* ---- reading ---------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int from_hex(const char *hex, struct hf_buf *out, struct hf_err *err)
{
    for (; *hex; hex += 2) {
        int high = hex_digit(hex[0]), low = high < 0 ? -1 : hex_digit(hex[1]);
        char c = (char)(high * 16 + low);
        if (low < 0 || c == 0)
            return hf_fail(err, HF_E_CORRUPT, "a name that is no hexadecimal number");
        hf_buf_add(out, &c, 1);
    }
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

static int get_name(struct json_object *o, const char *key, char **out, struct hf_err *err)
{
    const char *plain = NULL, *hex = NULL;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    HF_AUTOFREE char *hex_key = hf_asprintf("%s_hex", key);
    if (!hex_key)
        return hf_fail_nomem(err);
    if (hf_json_opt_string(o, key, &plain, err) < 0 ||
        hf_json_opt_string(o, hex_key, &hex, err) < 0 || (hex && from_hex(hex, &b, err) < 0))
        return -1;
    if (!hex && plain)
        hf_buf_str_add(&b, plain);
    if (b.len > HF_ENTRY_NAME_MAX)
        return hf_fail(err, HF_E_CORRUPT, "a name of %zu bytes", b.len);
    if (b.len && !(*out = hf_buf_steal(&b)))
        return hf_fail_nomem(err);
    return 0;
}

static int get_number(struct json_object *o, const char *key, uint64_t most, uint64_t *out,
                      struct hf_err *err)
{
    int64_t n = 0;
    if (hf_json_get_int(o, key, &n, err) < 0)
        return -1;
    if (n < 0 || (uint64_t)n > most)
        return hf_fail(err, HF_E_CORRUPT, "'%s' is %" PRId64, key, n);
    *out = (uint64_t)n;
    return 0;
}

static int get_place(struct json_object *o, struct hf_entry *e, struct hf_err *err)
{
    e->has_at = json_object_object_get_ex(o, "at", NULL);
    return e->has_at ? get_number(o, "at", HF_ENTRY_AT_MAX, &e->at, err) : 0;
}

static int get_texts(struct json_object *o, struct hf_entry *e, struct hf_err *err)
{
    const char *type = NULL, *mode = NULL, *mtime = NULL, *sha256 = NULL;
    int end = 0, type_no = 0;
    if (hf_json_get_string(o, "type", &type, err) < 0 ||
        hf_json_get_string(o, "mode", &mode, err) < 0 ||
        hf_json_get_string(o, "mtime", &mtime, err) < 0 ||
        hf_json_opt_string(o, "sha256", &sha256, err) < 0)
        return -1;
    while (type_no < HF_ENTRY_TYPES && strcmp(type, type_names[type_no]) != 0)
        type_no++;
    if (type_no == HF_ENTRY_TYPES)
        return hf_fail(err, HF_E_CORRUPT, "type '%.20s'", type);
    e->type = (enum hf_entry_type)type_no;
    if (strspn(mode, "01234567") != 4 || mode[4])
        return hf_fail(err, HF_E_CORRUPT, "mode '%.20s'", mode);
    e->mode = (unsigned)strtoul(mode, NULL, 8);
    if (strlen(mtime) > 40 ||
        sscanf(mtime, "%" SCNd64 ".%9ld%n", &e->mtime_s, &e->mtime_ns, &end) != 2 || mtime[end] ||
        e->mtime_ns < 0)
        return hf_fail(err, HF_E_CORRUPT, "mtime '%.40s'", mtime);
    if (sha256 && (strlen(sha256) != 64 || strspn(sha256, "0123456789abcdef") != 64))
        return hf_fail(err, HF_E_CORRUPT, "a digest that is none");
    snprintf(e->sha256, sizeof e->sha256, "%s", sha256 ? sha256 : "");
    return 0;
}

int hf_entry_parse(const char *line, size_t len, struct hf_entry *out, struct hf_err *err)
{
    HF_AUTO(hf_entry) struct hf_entry e = {0};
    if (len > HF_ENTRY_LINE_MAX)
        return hf_fail(err, HF_E_CORRUPT, "a line of %zu bytes in the listing", len);
    HF_AUTOJSON struct json_object *o = hf_json_parse(line, len, err);
    if (!o || get_name(o, "name", &e.name, err) < 0 || get_name(o, "link", &e.link, err) < 0 ||
        get_texts(o, &e, err) < 0 || get_number(o, "size", HF_ENTRY_SIZE_MAX, &e.size, err) < 0 ||
        get_number(o, "uid", INT64_MAX, &e.uid, err) < 0 ||
        get_number(o, "gid", INT64_MAX, &e.gid, err) < 0 || get_place(o, &e, err) < 0)
        return hf_wrap(err, "the listing");
    bool is_link = e.type == HF_ENTRY_HARDLINK || e.type == HF_ENTRY_SYMLINK;
    if (!e.name || is_link != (e.link != NULL) || (e.type == HF_ENTRY_FILE) != (e.sha256[0] != 0))
        return hf_fail(err, HF_E_CORRUPT, "the listing: a line without what its type has");
    *out = e;
    e = (struct hf_entry){0};
    return 0;
}
