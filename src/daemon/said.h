/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/said.h - what a run prints and says, in bounded memory: its document, and its log, which becomes part of ours.
 */
#ifndef HF_DAEMON_SAID_H
#define HF_DAEMON_SAID_H

#include "base/buf.h"
#include "base/log.h"

#define HF_SAID_OUT_MAX ((size_t)1 << 20)
#define HF_SAID_LINE_MAX 2048

struct hf_said {
    struct hf_buf out;
    bool is_cut; /* it printed more than HF_SAID_OUT_MAX */
    struct hf_log *log;
    const char *source; /* of its lines in our log */
    char line[HF_SAID_LINE_MAX];
    size_t len;
    char last[HF_SAID_LINE_MAX]; /* the last line that says something */
};

/* Take what is there without waiting. false: it is at its end. */
bool hf_said_read_out(struct hf_said *s, int fd);
bool hf_said_read_err(struct hf_said *s, int fd);
/* A last line without an end counts, too. */
void hf_said_finish(struct hf_said *s);
void hf_said_free(struct hf_said *s);

/* A line of a run's log without its time and level, and the level; a line of another kind is a warning, whole. */
const char *hf_said_split(const char *line, enum hf_log_level *out_level);

#endif
