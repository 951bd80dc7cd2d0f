/* SPDX-License-Identifier: Apache-2.0 */
#include "db/server.h"

#include <stdio.h>
#include <string.h>

int hf_db_server_parse(const char *version, struct hf_db_server *out, struct hf_err *err)
{
    unsigned major = 0, minor = 0, patch = 0;
    const char *text = version;
    /* MariaDB before 11.0 puts this in front where old replicas look; proxies hand it through. */
    if (!strncmp(text, "5.5.5-10.", 9))
        text += strlen("5.5.5-");
    if (sscanf(text, "%3u.%3u.%3u", &major, &minor, &patch) < 2 || minor > 99 || patch > 99)
        return hf_fail(err, HF_E_UNSUPPORTED, "the server calls its version '%.60s'", version);
    out->flavour = strstr(text, "MariaDB") ? HF_DB_MARIADB : HF_DB_MYSQL;
    out->version = major * 10000 + minor * 100 + patch;
    snprintf(out->text, sizeof out->text, "%s %u.%u.%u",
             out->flavour == HF_DB_MARIADB ? "MariaDB" : "MySQL", major, minor, patch);
    return 0;
}

bool hf_db_is_mariadb(const struct hf_db_server *s, unsigned since)
{
    return s->flavour == HF_DB_MARIADB && s->version >= since;
}

bool hf_db_is_mysql(const struct hf_db_server *s, unsigned since)
{
    return s->flavour == HF_DB_MYSQL && s->version >= since;
}
