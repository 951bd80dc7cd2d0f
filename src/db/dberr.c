/* SPDX-License-Identifier: Apache-2.0 */
#include "db/dberr.h"

#include "base/cleanup.h"

#include <stddef.h>
#include <stdint.h>

/* Written as numbers: the two client libraries ship different mysqld_error.h files, and neither has
 * all. */
static const struct meaning {
    uint16_t code;
    uint8_t cls;
    const char *hint;
} meanings[] = {
    /* who are you */
    {1044, HF_E_AUTH, NULL},
    {1045, HF_E_AUTH, "Check user and password in the option file."},
    {1129, HF_E_AUTH, "Run 'mysqladmin flush-hosts' on the server."},
    {1130, HF_E_AUTH, "Create the account for the address that this host connects from."},
    {1142, HF_E_AUTH, NULL},
    {1143, HF_E_AUTH, NULL},
    {1227, HF_E_AUTH, "'holdfast check' prints the missing GRANT statements."},
    {1251, HF_E_AUTH, NULL},
    {1370, HF_E_AUTH, NULL},
    {1524, HF_E_AUTH, NULL},
    {1698, HF_E_AUTH, "Name a user in the option file."},
    {1820, HF_E_AUTH, "The account's password has expired: set a new one."},
    {1862, HF_E_AUTH, "The account's password has expired: set a new one."},
    {2026, HF_E_AUTH, "Compare ssl-ca in the option file with the server's certificate."},
    {2049, HF_E_AUTH, NULL},
    {2059, HF_E_AUTH,
     "The account needs a client authentication plugin that is not installed here."},
    {2061, HF_E_AUTH, NULL},
    {3118, HF_E_AUTH, "The account is locked."},
    {3159, HF_E_AUTH, "The server accepts TLS only: put ssl-ca or ssl-mode into the option file."},
    {4151, HF_E_AUTH, "The account is locked."},
    /* nobody there, or no longer */
    {1053, HF_E_UNREACHABLE, NULL},
    {1152, HF_E_UNREACHABLE, NULL},
    {1158, HF_E_UNREACHABLE, NULL},
    {1159, HF_E_UNREACHABLE, NULL},
    {1160, HF_E_UNREACHABLE, NULL},
    {1161, HF_E_UNREACHABLE, NULL},
    {1184, HF_E_UNREACHABLE, NULL},
    {1927, HF_E_UNREACHABLE, NULL}, /* MariaDB: connection was killed */
    {2001, HF_E_UNREACHABLE, NULL},
    {2002, HF_E_UNREACHABLE, NULL},
    {2003, HF_E_UNREACHABLE, NULL},
    {2004, HF_E_UNREACHABLE, NULL},
    {2005, HF_E_UNREACHABLE, NULL},
    {2006, HF_E_UNREACHABLE, NULL},
    {2012, HF_E_UNREACHABLE, NULL},
    {2013, HF_E_UNREACHABLE, NULL},
    {2027, HF_E_UNREACHABLE, NULL},
    {2055, HF_E_UNREACHABLE, NULL},
    {3169, HF_E_UNREACHABLE, NULL}, /* MySQL: session was killed */
    {4031, HF_E_UNREACHABLE, NULL}, /* MySQL 8.0.24+: disconnected because of inactivity */
    /* full */
    {1040, HF_E_BUSY, "The server has max_connections sessions: free one, or raise the limit."},
    {1203, HF_E_BUSY, "The account has as many sessions as max_user_connections allows."},
    /* In words "unknown command"; a Galera node says it to what uses a table, while it is not in step. */
    {1047, HF_E_BUSY, "Look at wsrep_local_state_comment and wsrep_cluster_status of this node."},
    {1226, HF_E_BUSY, "The account has used up one of its resource limits."},
    /* waited too long */
    {1205, HF_E_TIMEOUT, NULL},
    {1969, HF_E_TIMEOUT, NULL}, /* MariaDB: max_statement_time */
    {3024, HF_E_TIMEOUT, NULL}, /* MySQL: max_execution_time */
    {1317, HF_E_CANCELLED, NULL},
    {1213, HF_E_CONFLICT, NULL},
    /* not there, not known */
    {1049, HF_E_NOT_FOUND, NULL},
    {1094, HF_E_NOT_FOUND, NULL},
    {1146, HF_E_NOT_FOUND, NULL},
    {1064, HF_E_UNSUPPORTED, NULL},
    {1193, HF_E_UNSUPPORTED, NULL},
    {1235, HF_E_UNSUPPORTED, NULL},
    {1290, HF_E_UNSUPPORTED, NULL},
    {2054, HF_E_UNSUPPORTED, NULL},
    {1021, HF_E_NOSPACE, NULL},
};

static const struct meaning *find(unsigned code)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(meanings); i++)
        if (meanings[i].code == code)
            return &meanings[i];
    return NULL;
}

enum hf_err_class hf_db_errno_class(unsigned code)
{
    const struct meaning *m = find(code);
    return m ? m->cls : HF_E_INTERNAL;
}

const char *hf_db_errno_hint(unsigned code)
{
    const struct meaning *m = find(code);
    return m ? m->hint : NULL;
}

bool hf_db_errno_is_lost(unsigned code)
{
    return hf_db_errno_class(code) == HF_E_UNREACHABLE;
}

bool hf_db_errno_is_interrupted(unsigned code)
{
    return code == 1205 || code == 1213 || code == 1317 || code == 1969 || code == 3024;
}

int hf_db_fail(struct hf_err *err, const char *name, unsigned code, const char *text)
{
    enum hf_err_class cls = hf_db_errno_class(code);
    hf_fail(err, cls, "database %s: %s", name, text);
    if (hf_db_errno_hint(code))
        hf_hint(err, "%s", hf_db_errno_hint(code));
    err->retryable = cls == HF_E_UNREACHABLE || cls == HF_E_BUSY || cls == HF_E_TIMEOUT;
    return -1;
}
