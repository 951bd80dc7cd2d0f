/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/http.h - gives the metrics to whoever asks by HTTP: a thread of libmicrohttpd.
 *
 * Answers   GET and HEAD of /metrics (503 before the first document) and /healthz ("ok"); 404 for any other path, 405 for any other method.
 * Bounds    16 connections, 4 of one address: with one more the oldest is hung up on, so that who dawdles keeps nobody out. 5 s without
 *           a byte, 16 KiB a connection; a request has no body, and one that says it has is answered and hung up on. A document is
 *           kept small, by gzip, and shared by all who read it; who takes gzip gets it as it is kept.
 * Idle      without a connection the thread does not wake.
 * Threads   open, put and close from one.
 */
#ifndef HF_DAEMON_HTTP_H
#define HF_DAEMON_HTTP_H

#include "base/buf.h"
#include "base/log.h"
#include "config/config.h"

struct hf_metrics_http;

/* Listens and begins the thread. That the address is no loopback one is said in the log. Port 0: any, for tests. */
struct hf_metrics_http *hf_metrics_http_open(const struct hf_listen *listen, struct hf_log *log,
                                             struct hf_err *err) HF_CHECKED;
unsigned hf_metrics_http_port(const struct hf_metrics_http *h);
/* The document from now on; copied. -1: no memory, the former one stays. */
int hf_metrics_http_put(struct hf_metrics_http *h, const struct hf_buf *doc, struct hf_err *err)
    HF_CHECKED;
/* Adds the document that is given out; nothing when there is none yet. For whoever puts. */
int hf_metrics_http_document(const struct hf_metrics_http *h, struct hf_buf *out,
                             struct hf_err *err) HF_CHECKED;
void hf_metrics_http_close(struct hf_metrics_http *h);
HF_DEFINE_AUTO(hf_metrics_http, hf_metrics_http_close)

#endif
