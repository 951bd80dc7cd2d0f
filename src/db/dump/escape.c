/* SPDX-License-Identifier: Apache-2.0 */
#include "db/dump/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What stands behind the backslash; 0: the byte needs none. */
static const char behind[256] = {
    ['\0'] = '0', ['\n'] = 'n', ['\r'] = 'r', [26] = 'Z', ['\\'] = '\\', ['\''] = '\'',
};

/* Sixteen bytes at once, in whatever registers the machine has. */
typedef unsigned char block __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

static inline bool is_plain(block b)
{
    halves any =
        (halves)((b == 0) | (b == '\n') | (b == '\r') | (b == 26) | (b == '\\') | (b == '\''));
    return (any[0] | any[1]) == 0;
}

static inline char *escape_bytes(char *to, const char *from, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char code = behind[(unsigned char)from[i]];
        if (code)
            *to++ = '\\';
        *to++ = code ? code : from[i];
    }
    return to;
}

char *hf_sql_escape(char *to, const char *from, size_t len)
{
    while (len >= sizeof(block)) {
        block b;
        memcpy(&b, from, sizeof b);
        if (is_plain(b)) {
            memcpy(to, &b, sizeof b);
            to += sizeof b;
        } else {
            to = escape_bytes(to, from, sizeof b);
        }
        from += sizeof b;
        len -= sizeof b;
    }
    return escape_bytes(to, from, len);
}

void hf_sql_add_name(struct hf_buf *b, const char *name)
{
    hf_buf_add(b, "`", 1);
    for (size_t n; *name; name += n) {
        n = strcspn(name, "`");
        hf_buf_add(b, name, n);
        if (name[n] == '`') {
            hf_buf_add(b, "``", 2);
            n++;
        }
    }
    hf_buf_add(b, "`", 1);
}

void hf_sql_add_names(struct hf_buf *b, const char *schema, const char *name)
{
    hf_sql_add_name(b, schema);
    hf_buf_add(b, ".", 1);
    hf_sql_add_name(b, name);
}

void hf_sql_add_text(struct hf_buf *b, const char *text)
{
    char piece[HF_SQL_ESCAPE_ROOM(256)];
    size_t len = strlen(text);
    hf_buf_add(b, "'", 1);
    while (len > 0) {
        size_t n = len < 256 ? len : 256;
        hf_buf_add(b, piece, (size_t)(hf_sql_escape(piece, text, n) - piece));
        text += n;
        len -= n;
    }
    hf_buf_add(b, "'", 1);
}
