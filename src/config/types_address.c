/* SPDX-License-Identifier: Apache-2.0
 *
 * Types of options.def that say where something is reached.
 */
#include "config/schema.h"

#include <stdlib.h>
#include <string.h>

#define DB_DEFAULT_PORT 3306
#define SSH_DEFAULT_PORT 22

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

int hf_config_endpoint_parse(const char *text, const char *whole, char **host, unsigned *port,
                             struct hf_err *err)
{
    const char *start = NULL;
    size_t len = 0;
    const char *rest = host_split(text, &start, &len);
    if (len == 0 || *start == '-' || strcspn(start, " \t/@,") < len ||
        (*rest != '\0' && *rest != ':'))
        return hf_fail(err, HF_E_CONFIG, "'%s' has no valid host name or address", whole);
    if (strchr(rest, ':') != strrchr(rest, ':'))
        return hf_fail(err, HF_E_CONFIG, "'%s': an IPv6 address belongs into brackets", whole);
    if (*rest == ':' && port_parse(rest + 1, port, err) != 0)
        return -1;
    *host = strndup(start, len);
    return *host ? 0 : hf_fail_nomem(err);
}

/* ---- the database ----------------------------------------------------------------------- */

static const struct db_scheme {
    const char *word;
    enum hf_db_kind kind;
    bool needs_host; /* else the word alone is enough: the guest's own 127.0.0.1 */
    bool has_socket;
} db_schemes[] = {
    {"tcp", HF_DB_TCP, true, false},
    {"ssh", HF_DB_SSH, false, true},
    {"agent", HF_DB_AGENT, false, false},
};

static const struct db_scheme *db_scheme_of(const char *text, const char **rest)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(db_schemes); i++) {
        const struct db_scheme *s = &db_schemes[i];
        size_t len = strlen(s->word);
        if (strncmp(text, s->word, len) != 0)
            continue;
        *rest = text + len;
        if (strncmp(*rest, "://", 3) == 0 || (**rest == '\0' && !s->needs_host))
            return s;
    }
    return NULL;
}

int hf_db_address_parse(const char *text, struct hf_db_address *db, struct hf_err *err)
{
    const char *rest = NULL;
    if (strcmp(text, "none") == 0) {
        db->kind = HF_DB_NONE;
        return 0;
    }
    const struct db_scheme *s = db_scheme_of(text, &rest);
    if (!s)
        return hf_fail(err, HF_E_CONFIG, "'%s' is not accepted by this version", text);
    db->kind = s->kind;
    db->port = DB_DEFAULT_PORT;
    if (*rest && rest[3] == '/' && s->has_socket)
        return (db->socket = strdup(rest + 3)) ? 0 : hf_fail_nomem(err);
    if (*rest)
        return hf_config_endpoint_parse(rest + 3, text, &db->host, &db->port, err);
    return (db->host = strdup("127.0.0.1")) ? 0 : hf_fail_nomem(err);
}

void hf_db_address_clear(struct hf_db_address *db)
{
    free(db->host);
    free(db->socket);
    *db = (struct hf_db_address){0};
}

static int db_parse(const char *text, void *field, struct hf_err *err)
{
    return hf_db_address_parse(text, field, err);
}

static void db_clear(void *field)
{
    hf_db_address_clear(field);
}

const struct hf_type hf_type_DB = {.name = "address",
                                   .expects = "none, tcp://HOST:PORT such as tcp://10.0.0.5:3306 "
                                              "or tcp://[fd00::5]:3306, ssh, ssh://HOST:PORT, "
                                              "ssh:///PATH/OF/SOCKET, agent or agent://HOST:PORT",
                                   .parse = db_parse,
                                   .clear = db_clear};

/* ---- ssh -------------------------------------------------------------------------------- */

static int ssh_parse(const char *text, void *field, struct hf_err *err)
{
    struct hf_ssh_address *ssh = field;
    const char *at = strchr(text, '@');
    size_t user_len = at ? (size_t)(at - text) : 0;
    if (at && (user_len == 0 || *text == '-' || strcspn(text, " \t:/") < user_len))
        return hf_fail(err, HF_E_CONFIG, "'%s' has no valid user name", text);
    ssh->user = at ? strndup(text, user_len) : strdup("root");
    ssh->port = SSH_DEFAULT_PORT;
    if (!ssh->user)
        return hf_fail_nomem(err);
    return hf_config_endpoint_parse(at ? at + 1 : text, text, &ssh->host, &ssh->port, err);
}

static void ssh_clear(void *field)
{
    struct hf_ssh_address *ssh = field;
    free(ssh->user);
    free(ssh->host);
    *ssh = (struct hf_ssh_address){0};
}

const struct hf_type hf_type_SSH = {.name = "address",
                                    .expects = "[USER@]HOST[:PORT], such as root@web01:22",
                                    .parse = ssh_parse,
                                    .clear = ssh_clear};
