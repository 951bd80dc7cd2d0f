/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/metrics.h - what the catalog knows of duties and alarms, as text for Prometheus (format 0.0.4).
 *
 * Times are timestamps, not ages, so that the document changes only when something has happened. A duty that is not configured any more
 * is left out. Labels are policy and vm, and kind of alarms; whatever stands in names cannot leave its label.
 * Content   no message and no data of a run: numbers, names of sections, grades.
 */
#ifndef HF_DAEMON_METRICS_H
#define HF_DAEMON_METRICS_H

#include "base/buf.h"
#include "catalog/catalog.h"
#include "config/config.h"

/* When an attempt of a duty is due next. */
struct hf_metrics_due {
    const char *policy, *vm, *kind; /* HF_DUTY_… */
    int64_t due_s;
};

/* Adds the document to `out`. due: may be empty. Errors: of the catalog, or no memory; then what is in `out` is of no use. */
int hf_metrics_render(struct hf_catalog *c, const struct hf_config *config,
                      const struct hf_metrics_due *due, size_t n_due, struct hf_buf *out,
                      struct hf_err *err) HF_CHECKED;

/* Adds the document again, with holdfast_trouble 1 instead of 0: what it tells was true once. Of another one, or none (NULL), only that
 * there is trouble. */
int hf_metrics_mark(const char *doc, size_t len, struct hf_buf *out, struct hf_err *err) HF_CHECKED;

/* Replaces the file, mode 0644: a reader sees the former document or this one, whole; also after a crash. An
 * interrupted one may leave a file behind (FILE, a dot and six characters), which node_exporter does not read. */
int hf_metrics_write(const char *path, const struct hf_buf *doc, struct hf_err *err) HF_CHECKED;

#endif
