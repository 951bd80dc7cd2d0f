/* SPDX-License-Identifier: Apache-2.0 */
#include "db/stream.h"

#include "db/session.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

int hf_db_stream_open(struct hf_db_conn *c, const char *sql, struct hf_db_stream *out,
                      struct hf_err *err)
{
    *out = (struct hf_db_stream){.conn = c};
    c->last_errno = 0;
    if (mysql_real_query(c->mysql, sql, (unsigned long)strlen(sql)))
        return hf_db_session_fail(c, err);
    out->result = mysql_use_result(c->mysql);
    if (!out->result)
        return mysql_errno(c->mysql)
                   ? hf_db_session_fail(c, err)
                   : hf_fail(err, HF_E_INTERNAL, "a statement without rows was read as a stream");
    out->n = mysql_num_fields(out->result);
    return 0;
}

int hf_db_stream_next(struct hf_db_stream *s, struct hf_err *err)
{
    s->values = mysql_fetch_row(s->result);
    if (s->values) {
        s->lengths = mysql_fetch_lengths(s->result);
        return 1;
    }
    /* Also after an error: nothing more comes. */
    s->at_end = true;
    return mysql_errno(s->conn->mysql) ? hf_db_session_fail(s->conn, err) : 0;
}

void hf_db_stream_close(struct hf_db_stream *s)
{
    if (!s->result)
        return;
    if (!s->at_end)
        hf_db_cut(s->conn);
    mysql_free_result(HF_STEAL(s->result));
}

int hf_db_send(struct hf_db_conn *c, const char *sql, struct hf_err *err)
{
    c->last_errno = 0;
    return mysql_send_query(c->mysql, sql, (unsigned long)strlen(sql)) ? hf_db_session_fail(c, err)
                                                                       : 0;
}

int hf_db_receive(struct hf_db_conn *c, struct hf_err *err)
{
    return mysql_read_query_result(c->mysql) ? hf_db_session_fail(c, err) : 0;
}

int hf_db_wait(struct hf_db_conn *c, const struct hf_clock *clock, int64_t deadline_ms,
               struct hf_err *err)
{
    struct pollfd p = {.fd = hf_db_session_fd(c), .events = POLLIN};
    int n;
    if (deadline_ms == HF_NO_DEADLINE)
        return 0; /* the session's own timeout ends the receive */
    do
        n = poll(&p, 1, hf_clock_left_ms(clock, deadline_ms));
    while ((n < 0 && errno == EINTR) || (n == 0 && !hf_clock_is_past(clock, deadline_ms)));
    if (n < 0)
        return hf_fail_sys(err, errno, "%s: cannot wait", hf_db_name(c));
    return n ? 0 : hf_fail(err, HF_E_TIMEOUT, "%s: no answer in time", hf_db_name(c));
}

void hf_db_cut(struct hf_db_conn *c)
{
    (void)shutdown(hf_db_session_fd(c), SHUT_RDWR);
}
