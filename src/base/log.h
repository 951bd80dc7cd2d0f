/* SPDX-License-Identifier: Apache-2.0
 *
 * base/log.h - the log: an object that is passed in, one line per event on stderr.
 *
 * error/warn: somebody has to act. info: one line per phase. detail: per item.
 * debug: for developers, HOLDFAST_DEBUG=name,name or `all`. Lines carry time, level and the
 * fields bound with hf_log_bind (run, vm). Text or JSON is the edge's choice.
 * Secrets never reach it: nothing here formats a struct hf_secret.
 * Threads: any.
 */
#ifndef HF_BASE_LOG_H
#define HF_BASE_LOG_H

#include "api/holdfast/plugin.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>

struct hf_log;

struct hf_log_opts {
    enum hf_log_level level; /* lines above it are dropped */
    bool json;
    bool journal; /* for systemd's journal: <PRIORITY> in front, and no time, which it has itself */
    FILE *out;    /* borrowed; stderr when NULL */
    const char *debug;            /* names as in HOLDFAST_DEBUG, or NULL */
    const struct hf_clock *clock; /* system clock when NULL */
};

struct hf_log *hf_log_new(const struct hf_log_opts *opts); /* NULL: no memory */
void hf_log_free(struct hf_log *log);
HF_DEFINE_AUTO(hf_log, hf_log_free)

/* Fields put on each further line; NULL removes. Copies. */
void hf_log_bind(struct hf_log *log, const char *run, const char *vm);

/* log may be NULL: silence. `source` names the module ("run", "db", plugin name). */
void hf_log(struct hf_log *log, enum hf_log_level level, const char *source, const char *fmt, ...)
    HF_PRINTF(4, 5);

/* An error object as up to three lines: message, hint, left. */
void hf_log_err(struct hf_log *log, enum hf_log_level level, const char *source,
                const struct hf_err *err);

#endif
