/* SPDX-License-Identifier: Apache-2.0
 *
 * db/stream.h - a large result row by row, with lengths: bytes as they are, zeros in them too.
 *
 * The server sends while we read: nothing is gathered on either side. One stream at a time per session, and no other
 * statement meanwhile. send and receive are the two halves of a statement without a result, so that several sessions
 * can do the same in the same moment.
 */
#ifndef HF_DB_STREAM_H
#define HF_DB_STREAM_H

#include "base/clock.h"
#include "db/conn.h"

struct hf_db_stream {
    struct hf_db_conn *conn;
    void *result;  /* MYSQL_RES */
    unsigned n;    /* columns */
    char **values; /* of the row, valid until the next; NULL: SQL NULL */
    const unsigned long *lengths;
    bool at_end;
};

#define HF_DB_STREAM_INIT                                                                          \
    {                                                                                              \
        0                                                                                          \
    }

int hf_db_stream_open(struct hf_db_conn *c, const char *sql, struct hf_db_stream *out,
                      struct hf_err *err) HF_CHECKED;
/* 1: a row, 0: the end, -1: failed. */
int hf_db_stream_next(struct hf_db_stream *s, struct hf_err *err) HF_CHECKED;
/* Before the end: the session is cut off, as the server would have to send the rest otherwise. Of no use afterwards. */
void hf_db_stream_close(struct hf_db_stream *s);
HF_DEFINE_AUTO_VALUE(hf_db_stream, hf_db_stream_close)

int hf_db_send(struct hf_db_conn *c, const char *sql, struct hf_err *err) HF_CHECKED;
int hf_db_receive(struct hf_db_conn *c, struct hf_err *err) HF_CHECKED;
/* After a send: until the answer begins to come. TIMEOUT at the deadline: the answer is still owed, so the session is of no
 * use any more. HF_NO_DEADLINE: returns at once, the receive waits. */
int hf_db_wait(struct hf_db_conn *c, const struct hf_clock *clock, int64_t deadline_ms,
               struct hf_err *err) HF_CHECKED;

/* From any thread: whatever c waits for fails now, and everything after. The session is still to be closed. */
void hf_db_cut(struct hf_db_conn *c);

#endif
