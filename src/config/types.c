/* SPDX-License-Identifier: Apache-2.0
 *
 * The types of options.def: how a value is read, what the error says when it cannot be.
 */
#include "base/units.h"
#include "config/schema.h"

#include <stdlib.h>
#include <string.h>

#define DB_DEFAULT_PORT 3306

/* ---- text ------------------------------------------------------------------------------- */

static int string_parse(const char *text, void *field, struct hf_err *err)
{
    char **out = field;
    *out = strdup(text);
    return *out ? 0 : hf_fail_nomem(err);
}

static void string_clear(void *field)
{
    char **s = field;
    free(*s);
    *s = NULL;
}

static int path_parse(const char *text, void *field, struct hf_err *err)
{
    if (text[0] != '/')
        return hf_fail(err, HF_E_CONFIG, "'%s' is not an absolute path", text);
    return string_parse(text, field, err);
}

const struct hf_type hf_type_STRING = {
    .name = "text", .expects = "any text", .parse = string_parse, .clear = string_clear};
const struct hf_type hf_type_PATH = {.name = "path",
                                     .expects = "a path that begins with '/'",
                                     .parse = path_parse,
                                     .clear = string_clear};

/* ---- durations -------------------------------------------------------------------------- */

static int duration_parse(const char *text, void *field, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    if (hf_parse_duration(text, field, &why) != 0)
        return hf_fail(err, HF_E_CONFIG, "%s", why.message);
    return 0;
}

/* Ranges come from options.def: one that does not parse is a bug there, which the tests find. */
static int duration_check_range(const char *range, const void *field, struct hf_err *err)
{
    const int64_t *value = field;
    const char *dots = strstr(range, "..");
    HF_AUTOFREE char *low_text = dots ? strndup(range, (size_t)(dots - range)) : NULL;
    int64_t low = 0;
    int64_t high = 0;
    char text[HF_UNITS_MAX];

    if (!low_text)
        return hf_fail(err, HF_E_INTERNAL, "range '%s' in options.def", range);
    if (hf_parse_duration(low_text, &low, err) != 0 || hf_parse_duration(dots + 2, &high, err) != 0)
        return -1;
    if (*value >= low && *value <= high)
        return 0;
    hf_format_duration(*value, text);
    hf_fail(err, HF_E_CONFIG, "%s is out of range", text);
    return hf_hint(err, "Accepted: %s to %s.", low_text, dots + 2);
}

const struct hf_type hf_type_DURATION = {
    .name = "duration",
    .expects = "a number with its unit (ms, s, m, h), such as 250ms, 2s or 10m",
    .parse = duration_parse,
    .check_range = duration_check_range};

/* ---- words ------------------------------------------------------------------------------ */

static const char *const catalog_words[] = {[HF_CATALOG_SQLITE] = "sqlite", NULL};
static const char *const guest_words[] = {
    [HF_GUEST_AGENT] = "agent", [HF_GUEST_NONE] = "none", NULL};
static const char *const quiesce_words[] = {
    [HF_QUIESCE_LOCK] = "lock", [HF_QUIESCE_NONE] = "none", NULL};
static const char *const grade_words[] = {"A", "B", "C", "D", "E", NULL};

/* Index of text among words. */
static int word_parse(const char *text, const char *const *words, int *out, struct hf_err *err)
{
    for (int i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return 0;
        }
    }
    return hf_fail(err, HF_E_CONFIG, "'%s' is not accepted by this version", text);
}

static int catalog_parse(const char *text, void *field, struct hf_err *err)
{
    int i = 0;
    if (word_parse(text, catalog_words, &i, err) != 0)
        return -1;
    *(enum hf_catalog_kind *)field = (enum hf_catalog_kind)i;
    return 0;
}

static int guest_parse(const char *text, void *field, struct hf_err *err)
{
    int i = 0;
    if (word_parse(text, guest_words, &i, err) != 0)
        return -1;
    *(enum hf_guest_channel *)field = (enum hf_guest_channel)i;
    return 0;
}

static int quiesce_parse(const char *text, void *field, struct hf_err *err)
{
    int i = 0;
    if (word_parse(text, quiesce_words, &i, err) != 0)
        return -1;
    *(enum hf_quiesce *)field = (enum hf_quiesce)i;
    return 0;
}

static int grade_parse(const char *text, void *field, struct hf_err *err)
{
    int i = 0;
    if (word_parse(text, grade_words, &i, err) != 0)
        return -1;
    *(enum hf_grade *)field = (enum hf_grade)(HF_GRADE_A + i);
    return 0;
}

const struct hf_type hf_type_CATALOG = {
    .name = "word", .expects = "sqlite", .choices = catalog_words, .parse = catalog_parse};
const struct hf_type hf_type_GUEST = {
    .name = "word", .expects = "agent or none", .choices = guest_words, .parse = guest_parse};
const struct hf_type hf_type_QUIESCE = {
    .name = "word", .expects = "lock or none", .choices = quiesce_words, .parse = quiesce_parse};
const struct hf_type hf_type_GRADE = {.name = "grade",
                                      .expects = "a grade from A (best) to E",
                                      .choices = grade_words,
                                      .parse = grade_parse};

const char *hf_quiesce_name(enum hf_quiesce q)
{
    return quiesce_words[q];
}

const char *hf_grade_name(enum hf_grade g)
{
    return g == HF_GRADE_NONE ? NULL : grade_words[g - HF_GRADE_A];
}

/* ---- database address ------------------------------------------------------------------- */

static int port_parse(const char *text, unsigned *out, struct hf_err *err)
{
    char *end = NULL;
    unsigned long n = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
    if (n < 1 || n > 65535 || *end != '\0')
        return hf_fail(err, HF_E_CONFIG, "'%s' is not a port: 1 to 65535", text);
    *out = (unsigned)n;
    return 0;
}

/* Splits "host[:port]" or "[v6][:port]"; *host_len 0: neither. Returns what is behind the host. */
static const char *host_split(const char *text, const char **host, size_t *host_len)
{
    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        *host = text + 1;
        *host_len = close ? (size_t)(close - text - 1) : 0;
        return close ? close + 1 : text;
    }
    *host = text;
    *host_len = strcspn(text, ":");
    return text + *host_len;
}

static int db_parse(const char *text, void *field, struct hf_err *err)
{
    static const char scheme[] = "tcp://";
    struct hf_db_address *db = field;
    const char *host = NULL;
    size_t host_len = 0;
    unsigned port = DB_DEFAULT_PORT;

    if (strcmp(text, "none") == 0) {
        db->kind = HF_DB_NONE;
        return 0;
    }
    if (strncmp(text, scheme, strlen(scheme)) != 0)
        return hf_fail(err, HF_E_CONFIG, "'%s' is not accepted by this version", text);
    const char *rest = host_split(text + strlen(scheme), &host, &host_len);
    if (host_len == 0 || strcspn(host, " \t/@,") < host_len || (*rest != '\0' && *rest != ':'))
        return hf_fail(err, HF_E_CONFIG, "'%s' has no valid host name or address", text);
    if (strchr(rest, ':') != strrchr(rest, ':'))
        return hf_fail(err, HF_E_CONFIG, "'%s': an IPv6 address belongs into brackets", text);
    if (*rest == ':' && port_parse(rest + 1, &port, err) != 0)
        return -1;
    db->host = strndup(host, host_len);
    if (!db->host)
        return hf_fail_nomem(err);
    db->kind = HF_DB_TCP;
    db->port = port;
    return 0;
}

static void db_clear(void *field)
{
    struct hf_db_address *db = field;
    string_clear(&db->host);
}

const struct hf_type hf_type_DB = {
    .name = "address",
    .expects = "none, or tcp://HOST:PORT such as tcp://10.0.0.5:3306 or tcp://[fd00::5]:3306",
    .parse = db_parse,
    .clear = db_clear};
