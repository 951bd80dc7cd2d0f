/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/guest.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SAID_MAX 200

struct hf_guest {
    const struct hf_guest_ops *ops;
    void *self;
};

struct hf_guest *hf_guest_new(const struct hf_guest_ops *ops, void *self, struct hf_err *err)
{
    struct hf_guest *g = self ? malloc(sizeof *g) : NULL;
    if (!g) {
        if (self)
            ops->close(self);
        hf_fail_nomem(err);
        return NULL;
    }
    *g = (struct hf_guest){.ops = ops, .self = self};
    return g;
}

void hf_guest_close(struct hf_guest *g)
{
    if (!g)
        return;
    g->ops->close(g->self);
    free(g);
}

const char *hf_guest_channel_name(const struct hf_guest *g)
{
    return g->ops->name;
}

int hf_guest_exec(struct hf_guest *g, const struct hf_guest_cmd *cmd, struct hf_hv_exec_result *out,
                  struct hf_err *err)
{
    return g->ops->exec(g->self, cmd, out, err);
}

void hf_guest_first_line(const struct hf_buf *said, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < said->len && n + 1 < size; i++) {
        unsigned char c = (unsigned char)said->data[i];
        if (c == '\n' && n)
            break;
        if (c != '\n')
            out[n++] = (char)(c < 0x80 && !isprint(c) ? '?' : c);
    }
    out[n] = '\0';
}

int hf_guest_run(struct hf_guest *g, const struct hf_guest_cmd *cmd, struct hf_hv_exec_result *out,
                 struct hf_err *err)
{
    char said[SAID_MAX];
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    if (hf_guest_exec(g, cmd, &r, err) < 0)
        return -1;
    if (r.exit_code != 0) {
        hf_guest_first_line(r.err.len ? &r.err : &r.out, said, sizeof said);
        if (r.term_signal)
            return hf_fail(err, HF_E_PLUGIN, "'%s' in the guest: ended by signal %d", cmd->argv[0],
                           r.term_signal);
        return hf_fail(err, HF_E_PLUGIN, "'%s' in the guest: status %d%s%s", cmd->argv[0],
                       r.exit_code, said[0] ? ": " : "", said);
    }
    if (out) {
        *out = r;
        r = (struct hf_hv_exec_result){0};
    }
    return 0;
}

int hf_guest_read(struct hf_guest *g, const char *path, size_t max_bytes, int64_t deadline_ms,
                  struct hf_buf *out, struct hf_err *err)
{
    if (!g->ops->read)
        return hf_fail(err, HF_E_UNSUPPORTED, "the %s channel reads no files", g->ops->name);
    return g->ops->read(g->self, path, max_bytes, deadline_ms, out, err);
}

int hf_guest_write(struct hf_guest *g, const char *path, const void *data, size_t len,
                   int64_t deadline_ms, struct hf_err *err)
{
    if (!g->ops->write)
        return hf_fail(err, HF_E_UNSUPPORTED, "the %s channel writes no files", g->ops->name);
    return g->ops->write(g->self, path, data, len, deadline_ms, err);
}
