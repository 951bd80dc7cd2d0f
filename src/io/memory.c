/* SPDX-License-Identifier: Apache-2.0 */
#include "io/memory.h"

struct memory {
    struct hf_io_sink sink;
    struct hf_buf *out;
};

static int memory_write(struct hf_io_sink *s, const void *data, size_t len, struct hf_err *err)
{
    struct hf_buf *out = ((struct memory *)s)->out;
    hf_buf_add(out, data, len);
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

static int memory_finish(struct hf_io_sink *s, struct hf_err *err)
{
    (void)s;
    (void)err;
    return 0;
}

static void memory_close(struct hf_io_sink *s)
{
    free(s);
}

static const struct hf_io_sink_ops memory_ops = {memory_write, memory_finish, memory_close};

struct hf_io_sink *hf_io_memory_new(struct hf_buf *out, struct hf_err *err)
{
    struct memory *m = calloc(1, sizeof *m);
    if (!m) {
        hf_fail_nomem(err);
        return NULL;
    }
    m->sink.ops = &memory_ops;
    m->out = out;
    return &m->sink;
}
