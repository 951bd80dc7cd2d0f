/* SPDX-License-Identifier: Apache-2.0
 *
 * base/buf.h - a growing byte string, always NUL-terminated, bounded by HF_BUF_MAX.
 *
 * Out of memory is remembered, not reported per call: after a series of appends ask
 * hf_buf_ok once. A failed buffer stays failed and is safe to read ("").
 */
#ifndef HF_BASE_BUF_H
#define HF_BASE_BUF_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define HF_BUF_MAX ((size_t)256 << 20)

struct hf_buf {
    char *data; /* NULL while empty; use hf_buf_str for a string */
    size_t len, cap;
    bool failed;
};

#define HF_BUF_INIT                                                                                \
    {                                                                                              \
        0                                                                                          \
    }

void hf_buf_add(struct hf_buf *b, const void *data, size_t len);
void hf_buf_str_add(struct hf_buf *b, const char *s);
void hf_buf_printf(struct hf_buf *b, const char *fmt, ...) HF_PRINTF(2, 3);
void hf_buf_vprintf(struct hf_buf *b, const char *fmt, va_list ap);
void hf_buf_clear(struct hf_buf *b); /* keeps the memory */
void hf_buf_free(struct hf_buf *b);
bool hf_buf_ok(const struct hf_buf *b);
const char *hf_buf_str(const struct hf_buf *b); /* "" when empty or failed */
/* Hands the string over (caller frees); NULL when an append had failed. b is empty afterwards. */
char *hf_buf_steal(struct hf_buf *b);

HF_DEFINE_AUTO_VALUE(hf_buf, hf_buf_free)

/* Room for so many bytes in *p, which has *cap of them (NULL: none) and keeps its content. To be freed. */
int hf_room(unsigned char **p, size_t *cap, size_t need, struct hf_err *err) HF_CHECKED;

/* A formatted string, to be freed; NULL: no memory. */
char *hf_asprintf(const char *fmt, ...) HF_PRINTF(1, 2);

#endif
