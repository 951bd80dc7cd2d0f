/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Every field of the error object has this size; temporary copies on the stack rely on it. */
#define FIELD_MAX HF_ERR_MESSAGE_MAX
_Static_assert(HF_ERR_HINT_MAX == FIELD_MAX && HF_ERR_LEFT_MAX == FIELD_MAX,
               "one scratch size serves all fields");

/* What the first version of the contract has; an object that claims less was never initialised. */
#define STRUCT_SIZE_V1 (sizeof(struct hf_err))

/* Length of `s` after dropping a UTF-8 sequence that the cut at `len` left incomplete. */
static size_t whole_chars(const char *s, size_t len)
{
    size_t start = len;
    while (start > 0 && len - start < 3 && ((unsigned char)s[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return len;
    unsigned char lead = (unsigned char)s[start - 1];
    size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return len - start + 1 < need ? start - 1 : len;
}

/* Appends at most `room` bytes of `s`, cut between characters; returns the new length of `field`.
 */
static size_t append(char field[FIELD_MAX], size_t at, const char *s, size_t room)
{
    size_t len = strlen(s), fits = FIELD_MAX - 1 - at;
    if (room < fits)
        fits = room;
    if (len > fits)
        len = whole_chars(s, fits);
    memcpy(field + at, s, len);
    field[at + len] = '\0';
    return at + len;
}

/* Formats aside and only then copies, because the arguments may point into the field itself. */
static void format(char field[FIELD_MAX], const char *fmt, va_list ap)
{
    int n = vsnprintf(field, FIELD_MAX, fmt, ap);
    if (n < 0)
        field[0] = '\0';
    else if (n >= FIELD_MAX)
        field[whole_chars(field, FIELD_MAX - 1)] = '\0';
}

static void set(struct hf_err *err, enum hf_err_class cls, int sys_errno, const char *message)
{
    err->cls = cls;
    err->sys_errno = sys_errno;
    err->retryable = 0;
    append(err->message, 0, message, FIELD_MAX);
    err->hint[0] = '\0';
    err->left[0] = '\0';
}

int hf_fail(struct hf_err *err, enum hf_err_class cls, const char *fmt, ...)
{
    int saved = errno;
    char text[FIELD_MAX];
    va_list ap;
    va_start(ap, fmt);
    format(text, fmt, ap);
    va_end(ap);
    set(err, cls, 0, text);
    errno = saved;
    return -1;
}

static enum hf_err_class class_of(int sys_errno)
{
    switch (sys_errno) {
    case ENOENT:
        return HF_E_NOT_FOUND;
    case EACCES:
    case EPERM:
        return HF_E_AUTH;
    case ENOSPC:
    case EDQUOT:
        return HF_E_NOSPACE;
    case ETIMEDOUT:
        return HF_E_TIMEOUT;
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ENOTCONN:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
        return HF_E_UNREACHABLE;
    default:
        return HF_E_INTERNAL;
    }
}

int hf_fail_sys(struct hf_err *err, int sys_errno, const char *fmt, ...)
{
    int saved = errno;
    char text[FIELD_MAX];
    va_list ap;
    va_start(ap, fmt);
    format(text, fmt, ap);
    va_end(ap);

    /* Not strerror: this one is neither translated nor kept in a shared buffer. */
    const char *reason = strerrordesc_np(sys_errno);
    char number[32];
    if (!reason) {
        snprintf(number, sizeof number, "error %d", sys_errno);
        reason = number;
    }
    /* The reason is short and says most, so a long text is cut to leave room for it. */
    char message[FIELD_MAX];
    size_t at = append(message, 0, text, FIELD_MAX - 1 - strlen(": ") - strlen(reason));
    at = append(message, at, ": ", FIELD_MAX);
    append(message, at, reason, FIELD_MAX);
    set(err, class_of(sys_errno), sys_errno, message);
    errno = saved;
    return -1;
}

int hf_fail_nomem(struct hf_err *err)
{
    set(err, HF_E_INTERNAL, ENOMEM, "out of memory");
    return -1;
}

int hf_wrap(struct hf_err *err, const char *fmt, ...)
{
    int saved = errno;
    char text[FIELD_MAX];
    va_list ap;
    va_start(ap, fmt);
    format(text, fmt, ap);
    va_end(ap);
    size_t at = append(text, strlen(text), ": ", FIELD_MAX);
    append(text, at, err->message, FIELD_MAX);
    append(err->message, 0, text, FIELD_MAX);
    errno = saved;
    return -1;
}

int hf_hint(struct hf_err *err, const char *fmt, ...)
{
    if (err->hint[0])
        return -1;
    int saved = errno;
    char text[FIELD_MAX];
    va_list ap;
    va_start(ap, fmt);
    format(text, fmt, ap);
    va_end(ap);
    append(err->hint, 0, text, FIELD_MAX);
    errno = saved;
    return -1;
}

static void add_left(struct hf_err *err, const char *item)
{
    size_t at = strlen(err->left);
    if (at > 0)
        at = append(err->left, at, "; ", FIELD_MAX);
    append(err->left, at, item, FIELD_MAX);
}

int hf_left(struct hf_err *err, const char *fmt, ...)
{
    int saved = errno;
    char text[FIELD_MAX];
    va_list ap;
    va_start(ap, fmt);
    format(text, fmt, ap);
    va_end(ap);
    add_left(err, text);
    errno = saved;
    return -1;
}

int hf_also(struct hf_err *err, const struct hf_err *second)
{
    static const char joint[] = "; then: ";
    if (err->cls == HF_E_NONE) {
        hf_err_copy(err, second);
        return -1;
    }
    /* Neither may push the other out: when both are long, each keeps half. */
    size_t half = (FIELD_MAX - sizeof joint) / 2;
    size_t second_len = strlen(second->message);
    size_t reserved = second_len < half ? second_len : half;
    char text[FIELD_MAX];
    size_t at = append(text, 0, err->message, FIELD_MAX - sizeof joint - reserved);
    at = append(text, at, joint, FIELD_MAX);
    append(text, at, second->message, FIELD_MAX);
    append(err->message, 0, text, FIELD_MAX);
    if (second->left[0])
        add_left(err, second->left);
    if (second->hint[0])
        hf_hint(err, "%s", second->hint);
    return -1;
}

static size_t true_size(const struct hf_err *err)
{
    return err->struct_size < STRUCT_SIZE_V1 ? STRUCT_SIZE_V1 : err->struct_size;
}

void hf_err_copy(struct hf_err *dst, const struct hf_err *src)
{
    const size_t head = sizeof dst->struct_size;
    size_t dst_size = true_size(dst), src_size = true_size(src);
    size_t size = dst_size < src_size ? dst_size : src_size;
    memmove((char *)dst + head, (const char *)src + head, size - head);
    memset((char *)dst + size, 0, dst_size - size);
    /* The source may be a plugin's: its strings are not trusted to end. */
    dst->message[HF_ERR_MESSAGE_MAX - 1] = '\0';
    dst->hint[HF_ERR_HINT_MAX - 1] = '\0';
    dst->left[HF_ERR_LEFT_MAX - 1] = '\0';
}

void hf_err_clear(struct hf_err *err)
{
    const size_t head = sizeof err->struct_size;
    memset((char *)err + head, 0, true_size(err) - head);
}

const char *hf_err_class_name(int cls)
{
    static const char *const names[HF_E_CLASSES] = {
        [HF_E_NONE] = "none",           [HF_E_CONFIG] = "config",
        [HF_E_AUTH] = "auth",           [HF_E_UNREACHABLE] = "unreachable",
        [HF_E_TIMEOUT] = "timeout",     [HF_E_EXPIRED] = "expired",
        [HF_E_BUSY] = "busy",           [HF_E_NOT_FOUND] = "not-found",
        [HF_E_CONFLICT] = "conflict",   [HF_E_UNSUPPORTED] = "unsupported",
        [HF_E_NOSPACE] = "no-space",    [HF_E_CORRUPT] = "corrupt",
        [HF_E_CANCELLED] = "cancelled", [HF_E_PLUGIN] = "plugin",
        [HF_E_INTERNAL] = "internal",
    };
    return cls >= 0 && cls < HF_E_CLASSES ? names[cls] : names[HF_E_INTERNAL];
}

int hf_err_exit_status(const struct hf_err *err)
{
    switch (err->cls) {
    case HF_E_NONE:
        return 0;
    case HF_E_CONFIG:
        return 2;
    case HF_E_BUSY:
    case HF_E_UNSUPPORTED: /* refused before anything was changed */
        return 4;
    default:
        return 1;
    }
}
