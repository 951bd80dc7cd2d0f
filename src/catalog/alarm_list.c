/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/alarm.h"
#include "catalog/catalog_intern.h"

int hf_alarms(struct hf_catalog *c, hf_alarm_cb emit, void *ctx, struct hf_err *err)
{
    HF_AUTOSTMT sqlite3_stmt *s =
        hf_sql_prepare(c, err,
                       "SELECT kind, policy, vm, since_us, text FROM alarms"
                       " ORDER BY since_us, kind, policy, vm",
                       "");
    int rc = s ? 1 : -1;
    while (rc > 0 && (rc = hf_sql_step(c, s, "list the alarms", err)) > 0) {
        const struct hf_alarm a = {.kind = hf_sql_text(s, 0),
                                   .policy = hf_sql_text(s, 1),
                                   .vm = hf_sql_text(s, 2),
                                   .since_us = sqlite3_column_int64(s, 3),
                                   .text = hf_sql_text(s, 4)};
        if (emit(ctx, &a, err))
            return -1;
    }
    return rc;
}
