/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdint.h>
#include <string.h>

#define FIRST_SIZE 64

static void fail(struct hf_buf *b)
{
    hf_buf_free(b);
    b->failed = true;
}

/* Room for `more` bytes and the NUL; false: failed, now or before. */
static bool reserve(struct hf_buf *b, size_t more)
{
    if (b->failed)
        return false;
    if (more >= HF_BUF_MAX - b->len) {
        fail(b);
        return false;
    }
    size_t need = b->len + more + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : FIRST_SIZE;
    while (cap < need)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (!data) {
        fail(b);
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void hf_buf_add(struct hf_buf *b, const void *data, size_t len)
{
    if (!reserve(b, len))
        return;
    if (len > 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void hf_buf_str_add(struct hf_buf *b, const char *s)
{
    hf_buf_add(b, s, strlen(s));
}

void hf_buf_vprintf(struct hf_buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len < 0) {
        fail(b);
        return;
    }
    if (!reserve(b, (size_t)len))
        return;
    vsnprintf(b->data + b->len, (size_t)len + 1, fmt, ap);
    b->len += (size_t)len;
}

void hf_buf_printf(struct hf_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    hf_buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void hf_buf_clear(struct hf_buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

void hf_buf_free(struct hf_buf *b)
{
    free(b->data);
    *b = (struct hf_buf)HF_BUF_INIT;
}

bool hf_buf_ok(const struct hf_buf *b)
{
    return !b->failed;
}

const char *hf_buf_str(const struct hf_buf *b)
{
    return b->data ? b->data : "";
}

char *hf_buf_steal(struct hf_buf *b)
{
    hf_buf_add(b, "", 0); /* an empty buffer hands over "", not NULL */
    char *data = HF_STEAL(b->data);
    hf_buf_free(b);
    return data;
}

int hf_room(unsigned char **p, size_t *cap, size_t need, struct hf_err *err)
{
    if (need <= *cap)
        return 0;
    unsigned char *more = realloc(*p, need);
    if (!more)
        return hf_fail_nomem(err);
    *p = more;
    *cap = need;
    return 0;
}

char *hf_asprintf(const char *fmt, ...)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    hf_buf_vprintf(&b, fmt, ap);
    va_end(ap);
    return hf_buf_steal(&b);
}
