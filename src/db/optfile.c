/* SPDX-License-Identifier: Apache-2.0 */
#include "db/optfile.h"

#include "base/path.h"
#include "base/secret.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define FILE_MAX ((size_t)64 << 10)

static const char *const groups[] = {"client", "client-server", "client-mariadb", "holdfast"};

static const struct key {
    const char *name;
    size_t offset;
} keys[] = {
    {"user", offsetof(struct hf_optfile, user)},
    {"password", offsetof(struct hf_optfile, password)},
    {"ssl-ca", offsetof(struct hf_optfile, ssl_ca)},
    {"ssl-capath", offsetof(struct hf_optfile, ssl_capath)},
    {"ssl-cert", offsetof(struct hf_optfile, ssl_cert)},
    {"ssl-key", offsetof(struct hf_optfile, ssl_key)},
    {"ssl-cipher", offsetof(struct hf_optfile, ssl_cipher)},
    {"ssl-crl", offsetof(struct hf_optfile, ssl_crl)},
    {"ssl-crlpath", offsetof(struct hf_optfile, ssl_crlpath)},
    {"tls-version", offsetof(struct hf_optfile, tls_version)},
    {"plugin-dir", offsetof(struct hf_optfile, plugin_dir)},
};

static char *trim(char *s)
{
    s += strspn(s, " \t\r");
    for (char *end = s + strlen(s); end > s && strchr(" \t\r", end[-1]);)
        *--end = '\0';
    return s;
}

/* MySQL's rule: from the first '#' outside quotes the line is a comment. A password with a '#'
 * needs quotes. */
static void cut_comment(char *s)
{
    char quote = '\0';
    for (; *s; s++) {
        if (*s == '\\' && s[1] != '\0') {
            s++;
        } else if (quote) {
            quote = *s == quote ? '\0' : quote;
        } else if (*s == '\'' || *s == '"') {
            quote = *s;
        } else if (*s == '#') {
            *s = '\0';
            return;
        }
    }
}

/* \b \t \n \r \\ \s (a blank) as MySQL's option files know them; any other pair stays as it is. */
static void unescape(char *s)
{
    static const char from[] = "btnr\\s'\"", to[] = "\b\t\n\r\\ '\"";
    char *w = s;
    for (; *s; s++) {
        const char *p = *s == '\\' && s[1] != '\0' ? strchr(from, s[1]) : NULL;
        if (p) {
            *w++ = to[p - from];
            s++;
        } else {
            *w++ = *s;
        }
    }
    *w = '\0';
}

static char *value_of(char *s)
{
    cut_comment(s);
    s = trim(s);
    size_t len = strlen(s);
    if (len >= 2 && (*s == '"' || *s == '\'') && s[len - 1] == *s) {
        s[len - 1] = '\0';
        s++;
    }
    unescape(s);
    return s;
}

static void wipe(char **value)
{
    if (*value)
        hf_wipe(*value, strlen(*value));
    free(*value);
    *value = NULL;
}

static int set_string(char **slot, const char *value, struct hf_err *err)
{
    char *copy = strdup(value);
    if (!copy)
        return hf_fail_nomem(err);
    wipe(slot);
    *slot = copy;
    return 0;
}

static bool is_on(const char *value)
{
    return !value || !strcasecmp(value, "1") || !strcasecmp(value, "on") ||
           !strcasecmp(value, "true");
}

static int set_mode(struct hf_optfile *out, const char *value, const char *path, struct hf_err *err)
{
    static const struct {
        const char *name;
        enum hf_tls_demand tls;
    } modes[] = {{"DISABLED", HF_TLS_OFFERED},
                 {"PREFERRED", HF_TLS_OFFERED},
                 {"REQUIRED", HF_TLS_REQUIRED},
                 {"VERIFY_CA", HF_TLS_CA},
                 {"VERIFY_IDENTITY", HF_TLS_IDENTITY}};
    for (size_t i = 0; value && i < HF_ARRAY_SIZE(modes); i++) {
        if (strcasecmp(value, modes[i].name))
            continue;
        out->tls = modes[i].tls;
        return 0;
    }
    return hf_fail(err, HF_E_CONFIG, "%s: ssl-mode '%s' is unknown", path, value ? value : "");
}

/* A demand only ever grows with the words that ask for trust; ssl-mode alone says exactly how much.
 */
static void demand(struct hf_optfile *out, enum hf_tls_demand least)
{
    if (out->tls < least)
        out->tls = least;
}

struct reading {
    struct hf_optfile *out;
    const char *path;
    unsigned line;
    bool ours;     /* inside one of our groups */
    bool has_mode; /* ssl-mode was given: it decides, not the presence of ssl-ca */
};

static int take(struct reading *r, const char *name, const char *value, struct hf_err *err)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(keys); i++)
        if (!strcmp(name, keys[i].name))
            return set_string((char **)((char *)r->out + keys[i].offset), value ? value : "", err);
    if (!strcmp(name, "ssl-mode")) {
        r->has_mode = true;
        return set_mode(r->out, value, r->path, err);
    }
    if (r->has_mode)
        return 0;
    if (!strcmp(name, "ssl-verify-server-cert") && is_on(value))
        demand(r->out, HF_TLS_IDENTITY);
    else if (!strcmp(name, "ssl") && is_on(value))
        demand(r->out, HF_TLS_REQUIRED);
    return 0;
}

/* "loose-ssl_ca" and "ssl-ca" are one option to MySQL's programs. */
static char *option_name(char *s)
{
    s = trim(s);
    for (char *p = s; *p; p++)
        if (*p == '_')
            *p = '-';
    return strncmp(s, "loose-", 6) ? s : s + 6;
}

static int enter_group(struct reading *r, char *s, struct hf_err *err)
{
    char *end = strchr(s, ']');
    if (!end)
        return hf_fail(err, HF_E_CONFIG, "%s: line %u: ']' is missing", r->path, r->line);
    *end = '\0';
    const char *name = trim(s + 1);
    r->ours = false;
    for (size_t i = 0; i < HF_ARRAY_SIZE(groups); i++)
        r->ours |= !strcmp(name, groups[i]);
    return 0;
}

static int read_line(struct reading *r, char *s, struct hf_err *err)
{
    s = trim(s);
    if (*s == '\0' || *s == '#' || *s == ';')
        return 0;
    if (*s == '!') {
        hf_fail(err, HF_E_CONFIG, "%s: line %u: '%.12s' is not followed", r->path, r->line, s);
        return hf_hint(err, "Put user, password and ssl-* into this file itself.");
    }
    if (*s == '[')
        return enter_group(r, s, err);
    if (!r->ours)
        return 0;
    char *eq = strchr(s, '=');
    if (eq)
        *eq = '\0';
    return take(r, option_name(s), eq ? value_of(eq + 1) : NULL, err);
}

int hf_optfile_parse(char *text, const char *path, struct hf_optfile *out, struct hf_err *err)
{
    struct reading r = {.out = out, .path = path};
    for (char *line = text; line;) {
        char *next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        r.line++;
        if (read_line(&r, line, err))
            return -1;
        line = next;
    }
    /* Who names an authority wants it to be asked. */
    if (!r.has_mode && (out->ssl_ca || out->ssl_capath))
        demand(out, HF_TLS_IDENTITY);
    return 0;
}

int hf_optfile_read(const char *path, struct hf_optfile *out, struct hf_err *err)
{
    size_t len = 0;
    if (hf_path_check_private(path, err))
        return -1;
    char *text = hf_path_read(path, FILE_MAX, &len, err);
    if (!text)
        return -1;
    int rc = hf_optfile_parse(text, path, out, err);
    hf_wipe(text, len);
    free(text);
    return rc;
}

void hf_optfile_free(struct hf_optfile *f)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(keys); i++)
        wipe((char **)((char *)f + keys[i].offset));
}
