/* SPDX-License-Identifier: Apache-2.0 */
#include "db/lock_methods.h"

#include "base/cleanup.h"

#include <stddef.h>

/* LOCAL: without it MariaDB waits for its own lock, and replicas would get the statement. */
#define SETTLE "FLUSH LOCAL ENGINE LOGS"

/* Best first. What waits for what: docs/notes-mysql.md. */
static const struct hf_db_method methods[] = {
    {
        /* Commits wait, open transactions go on inside, and no stage ever queues the site behind a
         * SELECT. START waits for LOCK TABLES … WRITE, and DDL behind it; writes to
         * non-transactional tables wait from FLUSH on, and BLOCK_DDL waits for one that runs; all
         * others wait from BLOCK_COMMIT on. */
        .name = "backup-stage",
        .flavour = HF_DB_MARIADB,
        .since = 100400,
        .steps = {{"BACKUP STAGE START", HF_STALLS_DDL, false},
                  {"BACKUP STAGE FLUSH", HF_STALLS_PLAIN_TABLES, false},
                  {"BACKUP STAGE BLOCK_DDL", HF_STALLS_PLAIN_OR_NODE, false},
                  {"BACKUP STAGE BLOCK_COMMIT", HF_STALLS_WRITERS, false}},
        .unlock = "BACKUP STAGE END",
        /* It does nothing while the variable is 0 (10.3, 10.11: rows lost). */
        .settle = SETTLE,
    },
    {
        /* LOCK INSTANCE stops DDL first, cheaply. FTWRL waits for every statement that uses a
         * table, and from its first moment all writes wait behind it: never while a long one runs.
         */
        .name = "instance+ftwrl",
        .flavour = HF_DB_MYSQL,
        .since = 80000,
        .steps = {{"LOCK INSTANCE FOR BACKUP", HF_STALLS_DDL, true},
                  {"FLUSH TABLES WITH READ LOCK", HF_STALLS_WRITERS, true}},
        .unlock = "UNLOCK TABLES",
        .unlock_ddl = "UNLOCK INSTANCE",
        .settle = SETTLE,
        .settles_lazy = true,
    },
    {
        .name = "ftwrl",
        .flavour = HF_DB_MYSQL,
        .since = 0,
        .steps = {{"FLUSH TABLES WITH READ LOCK", HF_STALLS_WRITERS, true}},
        .unlock = "UNLOCK TABLES",
        .settle = SETTLE,
        .settles_lazy = true,
    },
    {
        .name = "ftwrl",
        .flavour = HF_DB_MARIADB,
        .since = 0,
        .steps = {{"FLUSH TABLES WITH READ LOCK", HF_STALLS_WRITERS, true}},
        .unlock = "UNLOCK TABLES",
        .settle = SETTLE,
    },
    {
        /* The stages but the last: no file of a transactional table appears, goes or is renamed, and commits go on. */
        .name = "backup-stage-ddl",
        .flavour = HF_DB_MARIADB,
        .since = 100400,
        .is_light = true,
        .steps = {{"BACKUP STAGE START", HF_STALLS_DDL, false},
                  {"BACKUP STAGE FLUSH", HF_STALLS_PLAIN_TABLES, false},
                  {"BACKUP STAGE BLOCK_DDL", HF_STALLS_PLAIN_OR_NODE, false}},
        .unlock = "BACKUP STAGE END",
        .settle = SETTLE,
    },
    {
        /* Waits for DDL that runs, and only DDL queues behind it: no look at readers is needed. */
        .name = "instance",
        .flavour = HF_DB_MYSQL,
        .since = 80000,
        .is_light = true,
        .steps = {{"LOCK INSTANCE FOR BACKUP", HF_STALLS_DDL, false}},
        .unlock = "UNLOCK INSTANCE",
        .settle = SETTLE,
        .settles_lazy = true,
    },
};

const struct hf_db_method *hf_db_method_for(const struct hf_db_server *s, bool is_light)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(methods); i++)
        if (methods[i].is_light == is_light && methods[i].flavour == s->flavour &&
            s->version >= methods[i].since)
            return &methods[i];
    return NULL;
}
