/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include "base/path.h"

#include <stdint.h>
#include <string.h>

#define SECRET_MAX ((size_t)4096)

struct hf_secret {
    size_t len;
    char text[]; /* NUL-terminated */
};

void hf_wipe(void *p, size_t len)
{
    explicit_bzero(p, len);
}

struct hf_secret *hf_secret_new(const char *text, size_t len)
{
    if (len >= SIZE_MAX - sizeof(struct hf_secret))
        return NULL;
    struct hf_secret *s = malloc(sizeof *s + len + 1);
    if (!s)
        return NULL;
    s->len = len;
    memcpy(s->text, text, len);
    s->text[len] = '\0';
    return s;
}

/* What was read of a secret file; wiped with the scope. */
struct raw {
    size_t len;
    char text[SECRET_MAX + 2]; /* with CR LF behind the longest line */
};

static void raw_wipe(struct raw *r)
{
    hf_wipe(r, sizeof *r);
}
HF_DEFINE_AUTO_VALUE(raw, raw_wipe)

static int read_raw(int fd, struct raw *r, struct hf_err *err)
{
    while (r->len < sizeof r->text) {
        ssize_t n = read(fd, r->text + r->len, sizeof r->text - r->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hf_fail_sys(err, errno, "read failed");
        if (n == 0)
            break;
        r->len += (size_t)n;
    }
    return 0;
}

static struct hf_secret *first_line(const struct raw *r, struct hf_err *err)
{
    const char *newline = memchr(r->text, '\n', r->len);
    size_t len = newline ? (size_t)(newline - r->text) : r->len;
    if (len > 0 && newline && newline[-1] == '\r')
        len--;
    if (len > SECRET_MAX) {
        hf_fail(err, HF_E_CONFIG, "its first line is longer than %zu bytes", SECRET_MAX);
        return NULL;
    }
    if (len == 0) {
        hf_fail(err, HF_E_CONFIG, "its first line is empty");
        return NULL;
    }
    struct hf_secret *s = hf_secret_new(r->text, len);
    if (!s)
        hf_fail_nomem(err);
    return s;
}

struct hf_secret *hf_secret_read(const char *path, struct hf_err *err)
{
    HF_AUTOFD int fd = hf_path_open_private(path, err);
    if (fd < 0)
        return NULL;
    HF_AUTO(raw) struct raw r = {0};
    struct hf_secret *s = NULL;
    if (read_raw(fd, &r, err) == 0)
        s = first_line(&r, err);
    if (!s)
        hf_wrap(err, "'%s'", path);
    return s;
}

void hf_secret_free(struct hf_secret *s)
{
    if (!s)
        return;
    hf_wipe(s, sizeof *s + s->len);
    free(s);
}

const char *hf_secret_reveal(const struct hf_secret *s)
{
    return s->text;
}

size_t hf_secret_len(const struct hf_secret *s)
{
    return s->len;
}
