/* SPDX-License-Identifier: Apache-2.0
 *
 * known_hosts, read here and not by libssh2: 1.10 gives up on the whole file at the first line it does not know, takes
 * "@revoked" for the name of a host, so that a revoked key that stands elsewhere in the file stays trusted, and has no
 * patterns. Only the HMAC of a hashed name is left to it.
 */
#include "base/base64.h"
#include "base/path.h"
#include "net/ssh_intern.h"

#include <ctype.h>
#include <string.h>

#define FILE_MAX ((size_t)4 << 20)
#define KEYS_MAX 64
#define SSH_PORT 22

/* What is asked for, best first, and the type under which known_hosts has it. */
static const struct algorithm {
    const char *name, *type;
} algorithms[] = {
    {"ssh-ed25519", "ssh-ed25519"},
    {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"},
    {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"},
    {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"},
    {"rsa-sha2-512", "ssh-rsa"},
    {"rsa-sha2-256", "ssh-rsa"},
    {"ssh-rsa", "ssh-rsa"},
};

/* ---- names ------------------------------------------------------------------------------ */

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* '*' and '?', and nothing else: fnmatch would take "[host]:22" for a set of letters. */
static bool glob_matches(const char *pattern, size_t len, const char *name)
{
    const char *p = pattern, *end = pattern + len, *star = NULL, *retry = NULL;
    while (*name) {
        if (p < end && *p == '*') {
            star = p++;
            retry = name;
        } else if (p < end && (*p == '?' || same_letter(*p, *name))) {
            p++;
            name++;
        } else if (star) {
            p = star + 1;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (p < end && *p == '*')
        p++;
    return p == end;
}

/* "a,*.b,!c.b": one matches, and none with '!' does. */
static bool list_matches(const char *list, size_t len, const char *name)
{
    bool matches = false;
    for (const char *p = list, *end = list + len; p < end;) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end;
        bool is_negated = *p == '!';
        p += is_negated;
        if (stop > p && glob_matches(p, (size_t)(stop - p), name)) {
            if (is_negated)
                return false;
            matches = true;
        }
        p = stop + 1;
    }
    return matches;
}

/* "|1|SALT|HASH": libssh2 is given a line with that name and a key of no meaning, and asked for the name. */
static bool hash_matches(LIBSSH2_SESSION *session, const char *hashed, size_t len, const char *name)
{
    static const char type[] = "ssh-ed25519";
    static const char key[] =
        "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    bool matches = false;
    HF_AUTOFREE char *line =
        len < 256 ? hf_asprintf("%.*s %s %s", (int)len, hashed, type, key) : NULL;
    LIBSSH2_KNOWNHOSTS *hosts = line ? libssh2_knownhost_init(session) : NULL;
    if (!hosts)
        return false;
    if (libssh2_knownhost_readline(hosts, line, strlen(line), LIBSSH2_KNOWNHOST_FILE_OPENSSH) == 0)
        matches =
            libssh2_knownhost_check(hosts, name, key, sizeof key - 1,
                                    LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_BASE64,
                                    NULL) == LIBSSH2_KNOWNHOST_CHECK_MATCH;
    libssh2_knownhost_free(hosts);
    return matches;
}

/* ---- lines ------------------------------------------------------------------------------ */

struct word {
    const char *at;
    size_t len;
};

static struct word next_word(const char **p)
{
    struct word w = {.at = *p + strspn(*p, " \t\r")};
    w.len = strcspn(w.at, " \t\r\n");
    *p = w.at + w.len;
    return w;
}

static bool word_is(struct word w, const char *text)
{
    return w.len == strlen(text) && memcmp(w.at, text, w.len) == 0;
}

struct reading {
    LIBSSH2_SESSION *session; /* for libssh2_knownhost_init alone */
    struct hf_known_host *out;
    const char *name; /* what is looked for: "host" or "[host]:2222" */
    bool only_revoked;
};

static int add_key(struct hf_known_host *out, struct word type, struct word blob, bool is_revoked,
                   struct hf_err *err)
{
    if (out->n == KEYS_MAX)
        return hf_fail(err, HF_E_CONFIG, "more than %d keys for '%s'", KEYS_MAX, out->host);
    struct hf_known_key *more = realloc(out->keys, (out->n + 1) * sizeof *more);
    if (!more)
        return hf_fail_nomem(err);
    out->keys = more;
    struct hf_known_key *k = &more[out->n++];
    *k = (struct hf_known_key){.type = strndup(type.at, type.len),
                               .blob = strndup(blob.at, blob.len),
                               .is_revoked = is_revoked};
    return k->type && k->blob ? 0 : hf_fail_nomem(err);
}

static int read_line(struct reading *r, const char *line, struct hf_err *err)
{
    const char *p = line;
    struct word names = next_word(&p), type, blob;
    bool is_revoked = word_is(names, "@revoked");
    if (names.len == 0 || *names.at == '#' || (*names.at == '@' && !is_revoked))
        return 0;
    if (is_revoked)
        names = next_word(&p);
    type = next_word(&p);
    blob = next_word(&p);
    if (blob.len == 0 || (r->only_revoked && !is_revoked))
        return 0;
    bool is_hashed = names.len > 3 && memcmp(names.at, "|1|", 3) == 0;
    bool matches = is_hashed ? hash_matches(r->session, names.at, names.len, r->name)
                             : list_matches(names.at, names.len, r->name);
    return matches ? add_key(r->out, type, blob, is_revoked, err) : 0;
}

static int read_for(struct reading *r, const char *text, struct hf_err *err)
{
    for (const char *line = text; *line;) {
        if (read_line(r, line, err) < 0)
            return -1;
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return 0;
}

static bool has_trusted(const struct hf_known_host *k)
{
    for (size_t i = 0; i < k->n; i++)
        if (!k->keys[i].is_revoked)
            return true;
    return false;
}

/* As OpenSSH: with another port than 22 the name is "[host]:port"; the plain name counts when that one is not there. What is
 * revoked for the plain name is revoked for every port. */
static int parse_with(struct reading *r, const char *text, struct hf_err *err)
{
    HF_AUTOFREE char *with_port = hf_asprintf("[%s]:%u", r->out->host, r->out->port);
    if (!with_port)
        return hf_fail_nomem(err);
    if (r->out->port != SSH_PORT) {
        r->name = with_port;
        if (read_for(r, text, err) < 0)
            return -1;
        r->only_revoked = has_trusted(r->out);
    }
    r->name = r->out->host;
    return read_for(r, text, err);
}

int hf_known_host_parse(const char *text, struct hf_known_host *out, struct hf_err *err)
{
    struct reading r = {.session = libssh2_session_init(), .out = out};
    if (!r.session)
        return hf_fail_nomem(err);
    int rc = parse_with(&r, text, err);
    libssh2_session_free(r.session);
    return rc;
}

int hf_known_host_read(const struct hf_ssh_target *t, struct hf_known_host *out, struct hf_err *err)
{
    *out = (struct hf_known_host){.host = t->host, .port = t->port, .file = t->known_hosts};
    HF_AUTOFREE char *text = hf_path_read(t->known_hosts, FILE_MAX, NULL, err);
    if (!text) {
        err->cls = HF_E_CONFIG;
        hf_wrap(err, "host keys");
        return hf_hint(err,
                       "Make it: ssh-keyscan -p %u %s >>'%s', and compare the keys with those on "
                       "that host itself.",
                       t->port, t->host, t->known_hosts);
    }
    return hf_known_host_parse(text, out, err) < 0 ? hf_wrap(err, "'%s'", t->known_hosts) : 0;
}

void hf_known_host_free(struct hf_known_host *k)
{
    for (size_t i = 0; i < k->n; i++) {
        free(k->keys[i].type);
        free(k->keys[i].blob);
    }
    free(k->keys);
    k->keys = NULL;
    k->n = 0;
}

/* ---- decisions -------------------------------------------------------------------------- */

enum hf_host_trust hf_known_host_judge(const struct hf_known_host *k, const char *blob)
{
    bool is_there = false;
    for (size_t i = 0; i < k->n; i++) {
        if (strcmp(k->keys[i].blob, blob) != 0)
            continue;
        if (k->keys[i].is_revoked)
            return HF_HOST_REVOKED;
        is_there = true;
    }
    if (is_there)
        return HF_HOST_TRUSTED;
    return has_trusted(k) ? HF_HOST_CHANGED : HF_HOST_UNKNOWN;
}

static bool is_supported(const char *name, const char *const *supported, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(supported[i], name) == 0)
            return true;
    return false;
}

void hf_known_host_algorithms(const struct hf_known_host *k, const char *const *supported, int n,
                              struct hf_buf *out)
{
    for (size_t a = 0; a < HF_ARRAY_SIZE(algorithms); a++)
        for (size_t i = 0; i < k->n && is_supported(algorithms[a].name, supported, n); i++)
            if (!k->keys[i].is_revoked && strcmp(k->keys[i].type, algorithms[a].type) == 0) {
                hf_buf_printf(out, "%s%s", out->len ? "," : "", algorithms[a].name);
                break;
            }
}

static int refuse(const struct hf_ssh_conn *c, const struct hf_known_host *k,
                  enum hf_host_trust trust, const char *print, struct hf_err *err)
{
    switch (trust) {
    case HF_HOST_REVOKED:
        return hf_fail(err, HF_E_AUTH, "ssh %s: the host's key %s is revoked in '%s'", c->name,
                       print, k->file);
    case HF_HOST_CHANGED:
        hf_fail(err, HF_E_AUTH,
                "ssh %s: the host's key has changed: it shows %s, and '%s' has another one",
                c->name, print, k->file);
        return hf_hint(
            err,
            "Unless the host was installed anew, somebody may be in between. Compare there: "
            "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub; then replace the line in the file.");
    default:
        hf_fail(err, HF_E_AUTH, "ssh %s: the host is unknown: its key %s is not in '%s'", c->name,
                print, k->file);
        return hf_hint(
            err,
            "Compare on that host itself: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub; "
            "then: ssh-keyscan "
            "-p %u %s >>'%s'",
            k->port, k->host, k->file);
    }
}

int hf_ssh_check_host(struct hf_ssh_conn *c, const struct hf_known_host *k, struct hf_err *err)
{
    size_t len = 0;
    int type = 0;
    const char *key = libssh2_session_hostkey(c->session, &len, &type);
    const char *hash = libssh2_hostkey_hash(c->session, LIBSSH2_HOSTKEY_HASH_SHA256);
    HF_AUTO(hf_buf) struct hf_buf blob = HF_BUF_INIT, print = HF_BUF_INIT;
    if (!key || !hash)
        return hf_fail(err, HF_E_AUTH, "ssh %s: the host shows no key", c->name);
    hf_base64_encode(&blob, key, len);
    hf_base64_encode(&print, hash, 32);
    if (!hf_buf_ok(&blob) || !hf_buf_ok(&print))
        return hf_fail_nomem(err);
    enum hf_host_trust trust = hf_known_host_judge(k, hf_buf_str(&blob));
    if (trust == HF_HOST_TRUSTED)
        return 0;
    HF_AUTOFREE char *named =
        hf_asprintf("SHA256:%.*s", (int)strcspn(hf_buf_str(&print), "="), hf_buf_str(&print));
    return named ? refuse(c, k, trust, named, err) : hf_fail_nomem(err);
}
