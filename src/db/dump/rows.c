/* SPDX-License-Identifier: Apache-2.0 */
#include "db/dump/rows.h"

#include "base/cleanup.h"
#include "db/dump/escape.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* A buffer up to this size is kept from row to row. */
#define KEPT_BYTES ((size_t)4 << 20)
/* Quotes, introducer, comma: what a value needs besides its own bytes. */
#define AROUND 24

/* ---- what is read, and how it is written ------------------------------------------------ */

static enum hf_row_kind kind_of(const char *type, bool is_mariadb)
{
    static const char *const numbers[] = {"tinyint", "smallint", "mediumint", "int",
                                          "bigint",  "decimal",  "year"};
    static const char *const spelled[] = {"inet4", "inet6", "uuid"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(numbers); i++)
        if (!strcmp(type, numbers[i]))
            return HF_ROW_NUMBER;
    if (!strcmp(type, "float") || !strcmp(type, "double"))
        return HF_ROW_REAL;
    if (!strcmp(type, "bit"))
        return HF_ROW_BIT;
    /* A string without a character set is refused by MySQL for JSON (MariaDB's is text like any other), and taken by
     * MariaDB for the bytes of an address. */
    if (!strcmp(type, "json"))
        return is_mariadb ? HF_ROW_TEXT : HF_ROW_UTF8;
    for (size_t i = 0; i < HF_ARRAY_SIZE(spelled); i++)
        if (!strcmp(type, spelled[i]))
            return HF_ROW_UTF8;
    return HF_ROW_TEXT;
}

int hf_row_plan_add(struct hf_row_plan *p, const char *column, const char *type, bool is_mariadb,
                    struct hf_err *err)
{
    unsigned char *kinds = realloc(p->kinds, p->n + 1);
    if (!kinds)
        return hf_fail_nomem(err);
    p->kinds = kinds;
    p->kinds[p->n] = (unsigned char)kind_of(type, is_mariadb);
    if (p->n++) {
        hf_buf_str_add(&p->select, ",");
        hf_buf_str_add(&p->names, ",");
    }
    hf_sql_add_name(&p->select, column);
    hf_sql_add_name(&p->names, column);
    /* Servers print a FLOAT with six digits; as a DOUBLE it has all that are needed to get it back. Not by +0,
     * which takes the sign from a zero. */
    if (!strcmp(type, "float"))
        hf_buf_str_add(&p->select, "*1e0");
    return hf_buf_ok(&p->select) && hf_buf_ok(&p->names) ? 0 : hf_fail_nomem(err);
}

void hf_row_plan_free(struct hf_row_plan *p)
{
    free(p->kinds);
    hf_buf_free(&p->select);
    hf_buf_free(&p->names);
    *p = (struct hf_row_plan){0};
}

/* ---- the buffer ------------------------------------------------------------------------- */

static int reserve(struct hf_row_buffer *b, size_t more, struct hf_err *err)
{
    if (b->cap - b->len >= more)
        return 0;
    size_t cap = b->cap ? b->cap : 65536;
    while (cap - b->len < more)
        cap += cap / 2;
    char *data = realloc(b->data, cap);
    if (!data)
        return hf_fail_nomem(err);
    b->data = data;
    b->cap = cap;
    return 0;
}

int hf_row_buffer_add(struct hf_row_buffer *b, const void *data, size_t len, struct hf_err *err)
{
    if (reserve(b, len, err) < 0)
        return -1;
    memcpy(b->data + b->len, data, len);
    b->len += len;
    return 0;
}

void hf_row_buffer_clear(struct hf_row_buffer *b)
{
    b->len = 0;
    if (b->cap > KEPT_BYTES)
        hf_row_buffer_free(b);
}

void hf_row_buffer_free(struct hf_row_buffer *b)
{
    free(b->data);
    *b = (struct hf_row_buffer){0};
}

/* ---- values ----------------------------------------------------------------------------- */

static char *put_text(char *to, const char *v, size_t len)
{
    *to++ = '\'';
    to = hf_sql_escape(to, v, len);
    *to++ = '\'';
    return to;
}

static const bool in_numbers[256] = {
    ['0'] = true, ['1'] = true, ['2'] = true, ['3'] = true, ['4'] = true,
    ['5'] = true, ['6'] = true, ['7'] = true, ['8'] = true, ['9'] = true,
    ['-'] = true, ['+'] = true, ['.'] = true, ['e'] = true, ['E'] = true,
};

static char *put_number(char *to, const char *v, size_t len)
{
    bool ok = len > 0;
    for (size_t i = 0; i < len; i++) {
        ok &= in_numbers[(unsigned char)v[i]];
        to[i] = v[i];
    }
    /* An e in front would make it a name. */
    return ok && (v[0] | 32) != 'e' ? to + len : put_text(to, v, len);
}

/* As an integer, -0 would lose its sign. */
static char *put_real(char *to, const char *v, size_t len)
{
    char *end = put_number(to, v, len);
    if (len == 2 && v[0] == '-' && v[1] == '0') {
        memcpy(end, "e0", 2);
        end += 2;
    }
    return end;
}

static char *put_bit(char *to, const char *v, size_t len)
{
    uint64_t n = 0;
    char digits[20];
    size_t k = sizeof digits;
    for (size_t i = 0; i < len && i < 8; i++)
        n = n << 8 | (unsigned char)v[i];
    do
        digits[--k] = (char)('0' + n % 10);
    while (n /= 10);
    memcpy(to, digits + k, sizeof digits - k);
    return to + (sizeof digits - k);
}

static inline char *put_value(char *to, enum hf_row_kind kind, const char *v, size_t len)
{
    static const char introducer[] = "_utf8mb4";
    switch (kind) {
    case HF_ROW_NUMBER:
        return put_number(to, v, len);
    case HF_ROW_REAL:
        return put_real(to, v, len);
    case HF_ROW_BIT:
        return put_bit(to, v, len);
    case HF_ROW_UTF8:
        memcpy(to, introducer, sizeof introducer - 1);
        return put_text(to + sizeof introducer - 1, v, len);
    case HF_ROW_TEXT:
        break;
    }
    return put_text(to, v, len);
}

int hf_row_add(struct hf_row_buffer *b, const struct hf_row_plan *p, char *const *values,
               const unsigned long *lengths, uint64_t *checksum, struct hf_err *err)
{
    size_t room = AROUND;
    for (unsigned i = 0; i < p->n; i++)
        room += HF_SQL_ESCAPE_ROOM(values[i] ? lengths[i] : 0) + AROUND;
    if (reserve(b, room, err) < 0)
        return -1;
    char *begin = b->data + b->len, *to = begin;
    *to++ = '(';
    for (unsigned i = 0; i < p->n; i++) {
        if (i)
            *to++ = ',';
        if (values[i]) {
            to = put_value(to, p->kinds[i], values[i], lengths[i]);
        } else {
            memcpy(to, "NULL", 4);
            to += 4;
        }
    }
    *to++ = ')';
    *checksum += XXH3_64bits(begin, (size_t)(to - begin));
    b->len += (size_t)(to - begin);
    return 0;
}
