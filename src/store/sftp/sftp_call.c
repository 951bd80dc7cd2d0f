/* SPDX-License-Identifier: Apache-2.0 */
#include "net/retry.h"
#include "store/sftp/sftp_intern.h"

#include <ctype.h>
#include <poll.h>
#include <string.h>

/* What makes no sense is asked for again, but not for minutes: a wrong server stays wrong. */
#define NONSENSE_TRIES 3
/* Bytes are given the time for this beside that of the retries: that nothing stands still is watched elsewhere. */
#define SLOWEST_BYTES_MS 4
#define DIR_MODE 0755u
#define FILE_MODE 0600u
#define TEXT_MAX 100
#define ROOM_BYTES ((uint64_t)4 << 20) /* with less a failure is a full file system */

/* ---- the pool --------------------------------------------------------------------------- */

/* One that the server has hung up on meanwhile is found here, mostly. */
static bool is_alive(struct hf_sftp_conn *c)
{
    struct hf_sftp_answer dropped;
    struct hf_err ignored = HF_ERR_INIT;
    struct pollfd p = {.fd = c->ssh->fd, .events = POLLIN};
    int rc = poll(&p, 1, 0);
    while (rc > 0)
        rc = hf_sftp_receive(c, &dropped, &ignored);
    return rc == 0;
}

static struct hf_sftp_conn *take_idle(struct hf_sftp *s)
{
    struct hf_sftp_conn *c = NULL;
    pthread_mutex_lock(&s->lock);
    if (s->n_idle > 0)
        c = s->idle[--s->n_idle];
    pthread_mutex_unlock(&s->lock);
    return c;
}

struct hf_sftp_conn *hf_sftp_take(struct hf_sftp *s, int64_t until_ms, struct hf_err *err)
{
    for (;;) {
        struct hf_sftp_conn *c = take_idle(s);
        if (!c)
            return hf_sftp_connect(s, until_ms, err);
        hf_sftp_begin_work(c, until_ms);
        if (is_alive(c))
            return c;
        hf_sftp_conn_close(c);
    }
}

void hf_sftp_give(struct hf_sftp *s, struct hf_sftp_conn *c)
{
    if (c && !c->is_broken && c->n_waiting < HF_SFTP_REQUESTS_MAX) {
        pthread_mutex_lock(&s->lock);
        if (s->n_idle < HF_SFTP_IDLE_MAX)
            s->idle[s->n_idle++] = HF_STEAL(c);
        pthread_mutex_unlock(&s->lock);
    }
    hf_sftp_conn_close(c);
}

/* ---- retries ---------------------------------------------------------------------------- */

static int try_once(struct hf_sftp *s, int64_t until_ms, int64_t work_ms, hf_sftp_fn fn, void *ctx,
                    struct hf_err *err)
{
    struct hf_sftp_conn *c = hf_sftp_take(s, until_ms, err);
    if (!c)
        return -1;
    hf_sftp_begin_work(c, until_ms + work_ms);
    int rc = fn(s, c, ctx, err);
    hf_sftp_give(s, c);
    return rc;
}

bool hf_sftp_is_worth_it(const struct hf_err *err, unsigned *nonsense)
{
    bool is_lost = err->cls == HF_E_UNREACHABLE || err->cls == HF_E_TIMEOUT;
    return err->retryable && (is_lost || ++*nonsense < NONSENSE_TRIES);
}

int hf_sftp_do(struct hf_sftp *s, uint64_t bytes, hf_sftp_fn fn, void *ctx, struct hf_err *err)
{
    int64_t until_ms = hf_clock_mono_ms(s->clock) + atomic_load(&s->store.patience_ms);
    struct hf_retry retry = {.clock = s->clock, .cancel = s->cancel, .deadline_ms = until_ms};
    for (unsigned nonsense = 0;;) {
        struct hf_err one = HF_ERR_INIT;
        if (hf_cancel_check(s->cancel, err) < 0)
            return -1;
        if (try_once(s, until_ms, (int64_t)(bytes / SLOWEST_BYTES_MS), fn, ctx, &one) == 0)
            return 0;
        if (hf_sftp_is_worth_it(&one, &nonsense) && hf_retry_wait(&retry, 0))
            continue;
        return hf_retry_give_up(&retry, &one, err);
    }
}

/* ---- what an answer means --------------------------------------------------------------- */

static const struct {
    uint32_t status;
    enum hf_err_class cls;
    const char *text;
} meanings[] = {
    {HF_SFTP_NO_SUCH_FILE, HF_E_NOT_FOUND, "no such object"},
    {HF_SFTP_DENIED, HF_E_AUTH, "the account may not do that there"},
    {HF_SFTP_WRITE_PROTECT, HF_E_AUTH, "the server's file system is read-only"},
    {HF_SFTP_BAD_MESSAGE, HF_E_UNSUPPORTED, "the server does not take this request"},
    {HF_SFTP_UNSUPPORTED, HF_E_UNSUPPORTED, "the server cannot do that"},
    {HF_SFTP_EXISTS, HF_E_CONFLICT, "it exists already"},
    {HF_SFTP_NO_SPACE, HF_E_NOSPACE, "the server's file system is full"},
    {HF_SFTP_QUOTA, HF_E_NOSPACE, "the account's quota is full"},
    {HF_SFTP_NO_CONNECTION, HF_E_UNREACHABLE, "the server cannot reach its own storage"},
    {HF_SFTP_CONNECTION_LOST, HF_E_UNREACHABLE, "the server cannot reach its own storage"},
};

/* What the server says, fit for a terminal; "" when that is its usual word for this status. */
static void text_of(const struct hf_sftp_answer *a, char out[TEXT_MAX])
{
    size_t n = 0;
    for (; a->data && n < a->len && n < TEXT_MAX - 1; n++)
        out[n] = isprint(a->data[n]) ? (char)a->data[n] : '?';
    out[n] = '\0';
    if (strcasecmp(out, "Failure") == 0)
        out[0] = '\0';
}

int hf_sftp_fail(const struct hf_sftp_answer *a, const char *what, struct hf_err *err)
{
    char text[TEXT_MAX];
    if (a->type != HF_SFTP_STATUS || a->status == HF_SFTP_OK) {
        hf_fail(err, HF_E_CORRUPT, "%s: the server answers something else than was asked for",
                what);
        err->retryable = true;
        return -1;
    }
    text_of(a, text);
    for (size_t i = 0; i < HF_ARRAY_SIZE(meanings); i++)
        if (meanings[i].status == a->status)
            return hf_fail(err, meanings[i].cls, "%s: %s", what, meanings[i].text);
    hf_fail(err, HF_E_UNREACHABLE, "%s: the server fails, and does not say why%s%s", what,
            text[0] ? ": " : "", text);
    return hf_hint(err, "Look there: at its disk, at quotas, at what its log says.");
}

int hf_sftp_room(struct hf_sftp *s, struct hf_sftp_conn *c, uint64_t *out_bytes,
                 uint64_t *out_files, struct hf_err *err)
{
    static const char name[] = "statvfs@openssh.com";
    uint64_t n[11];
    size_t at;
    struct hf_sftp_answer a;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    HF_AUTOFREE char *path = hf_sftp_path(s, "", err);
    if (!path)
        return -1;
    if (!c->has.statvfs)
        return hf_fail(err, HF_E_UNSUPPORTED, "this server tells no free space");
    uint32_t id = hf_sftp_request(c, &b, HF_SFTP_EXTENDED, &at);
    hf_sftp_add_string(&b, name, strlen(name));
    hf_sftp_add_string(&b, path, strlen(path));
    hf_sftp_end(&b, at);
    if (hf_sftp_send(c, &b, 1, err) < 0 || hf_sftp_await(c, id, &a, err) < 0)
        return -1;
    if (a.type != HF_SFTP_EXTENDED_REPLY)
        return hf_sftp_fail_name(s, c, &a, "cannot ask for its free space", err);
    if (hf_sftp_numbers_parse(&a, n, HF_ARRAY_SIZE(n), err) < 0)
        return -1;
    if (__builtin_mul_overflow(n[1] ? n[1] : n[0], n[4], out_bytes))
        *out_bytes = UINT64_MAX;
    *out_files = n[5] > 0 ? n[7] : UINT64_MAX; /* file systems without a limit say 0 of 0 */
    return 0;
}

int hf_sftp_fail_room(struct hf_sftp *s, struct hf_sftp_conn *c, const struct hf_sftp_answer *a,
                      const char *what, struct hf_err *err)
{
    uint64_t bytes = 0, files = 0;
    struct hf_err ignored = HF_ERR_INIT;
    bool may_be_full = a->type == HF_SFTP_STATUS && a->status == HF_SFTP_FAILURE;
    hf_sftp_fail(a, what, err); /* before the next answer takes its place */
    if (!may_be_full || hf_sftp_room(s, c, &bytes, &files, &ignored) < 0 ||
        (bytes >= ROOM_BYTES && files > 0))
        return -1;
    hf_fail(err, HF_E_NOSPACE, "%s: the server's file system is full", what);
    return hf_hint(err, "Delete old points, or give it room.");
}

static int ask_stat(struct hf_sftp *s, struct hf_sftp_conn *c, bool *out_is_missing,
                    struct hf_err *err)
{
    struct hf_sftp_answer a;
    if (hf_sftp_ask_path(s, c, HF_SFTP_STAT, "", NULL, &a, err) < 0)
        return -1;
    *out_is_missing = a.type == HF_SFTP_STATUS && a.status == HF_SFTP_NO_SUCH_FILE;
    return 0;
}

int hf_sftp_fail_name(struct hf_sftp *s, struct hf_sftp_conn *c, const struct hf_sftp_answer *a,
                      const char *what, struct hf_err *err)
{
    bool is_missing = false;
    bool asks = a->type == HF_SFTP_STATUS && a->status == HF_SFTP_NO_SUCH_FILE;
    hf_sftp_fail(a, what, err);
    if (!asks)
        return -1;
    struct hf_err odd = HF_ERR_INIT;
    if (ask_stat(s, c, &is_missing, &odd) < 0) {
        hf_err_copy(err, &odd);
        return -1;
    }
    if (!is_missing)
        return -1;
    hf_fail(err, HF_E_UNREACHABLE, "%s: there is no directory '%s' on the server", what,
            s->root[0] ? s->root : "/");
    return hf_hint(err, "Create it there, and look whether its file system is mounted.");
}

/* ---- requests --------------------------------------------------------------------------- */

char *hf_sftp_path(const struct hf_sftp *s, const char *name, struct hf_err *err)
{
    const char *root = s->root[0] || name[0] ? s->root : "/";
    char *path = hf_asprintf("%s%s%s", root, name[0] ? "/" : "", name);
    if (!path)
        hf_fail_nomem(err);
    return path;
}

static int add_path(struct hf_sftp *s, struct hf_buf *b, const char *name, struct hf_err *err)
{
    HF_AUTOFREE char *path = hf_sftp_path(s, name, err);
    if (!path)
        return -1;
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    hf_sftp_add_string(b, path, len);
    return 0;
}

static int ask(struct hf_sftp_conn *c, const struct hf_buf *b, uint32_t id,
               struct hf_sftp_answer *out, struct hf_err *err)
{
    return hf_sftp_send(c, b, 1, err) < 0 || hf_sftp_await(c, id, out, err) < 0 ? -1 : 0;
}

int hf_sftp_ask_path(struct hf_sftp *s, struct hf_sftp_conn *c, enum hf_sftp_type type,
                     const char *name, const char *second, struct hf_sftp_answer *out,
                     struct hf_err *err)
{
    static const char posix_rename[] = "posix-rename@openssh.com";
    size_t at;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    uint32_t id = hf_sftp_request(c, &b, type, &at);
    if (type == HF_SFTP_EXTENDED)
        hf_sftp_add_string(&b, posix_rename, strlen(posix_rename));
    if (add_path(s, &b, name, err) < 0 || (second && add_path(s, &b, second, err) < 0))
        return -1;
    if (type == HF_SFTP_MKDIR)
        hf_sftp_add_mode(&b, DIR_MODE);
    hf_sftp_end(&b, at);
    return ask(c, &b, id, out, err);
}

int hf_sftp_add_open(struct hf_sftp *s, struct hf_sftp_conn *c, struct hf_buf *b, const char *name,
                     unsigned flags, uint32_t *out_id, struct hf_err *err)
{
    size_t at;
    *out_id = hf_sftp_request(c, b, HF_SFTP_OPEN, &at);
    if (add_path(s, b, name, err) < 0)
        return -1;
    hf_sftp_add_u32(b, flags);
    hf_sftp_add_mode(b, FILE_MODE);
    hf_sftp_end(b, at);
    return 0;
}

int hf_sftp_ask_open(struct hf_sftp *s, struct hf_sftp_conn *c, const char *name, unsigned flags,
                     struct hf_sftp_answer *out, struct hf_err *err)
{
    uint32_t id;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    return hf_sftp_add_open(s, c, &b, name, flags, &id, err) < 0 ? -1 : ask(c, &b, id, out, err);
}

uint32_t hf_sftp_add_handle(struct hf_sftp_conn *c, struct hf_buf *b, enum hf_sftp_type type,
                            const struct hf_sftp_handle *h)
{
    static const char fsync[] = "fsync@openssh.com";
    size_t at;
    uint32_t id = hf_sftp_request(c, b, type, &at);
    if (type == HF_SFTP_EXTENDED)
        hf_sftp_add_string(b, fsync, strlen(fsync));
    hf_sftp_add_string(b, h->bytes, h->len);
    hf_sftp_end(b, at);
    return id;
}

int hf_sftp_ask_handle(struct hf_sftp_conn *c, enum hf_sftp_type type,
                       const struct hf_sftp_handle *h, struct hf_sftp_answer *out,
                       struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    uint32_t id = hf_sftp_add_handle(c, &b, type, h);
    return ask(c, &b, id, out, err);
}

void hf_sftp_close_handle(struct hf_sftp_conn *c, const struct hf_sftp_handle *h)
{
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    if (c->is_broken || h->len == 0)
        return;
    (void)hf_sftp_add_handle(c, &b, HF_SFTP_CLOSE, h);
    (void)!hf_sftp_send(c, &b, 1, &ignored);
}

int hf_sftp_keep_handle(const struct hf_sftp_answer *a, struct hf_sftp_handle *out,
                        struct hf_err *err)
{
    if (a->type != HF_SFTP_HANDLE)
        return hf_sftp_fail(a, "a handle", err);
    memcpy(out->bytes, a->data, a->len); /* its length was looked at when it was read */
    out->len = (uint32_t)a->len;
    return 0;
}

/* From the top on: FAILURE is what an existing one gets. What is really wrong shows when something is made in it. */
int hf_sftp_make_dirs(struct hf_sftp *s, struct hf_sftp_conn *c, const char *name,
                      struct hf_err *err)
{
    char dir[HF_STORE_NAME_MAX + HF_SFTP_NAME_MAX + 1];
    struct hf_sftp_answer a;
    snprintf(dir, sizeof dir, "%s", name);
    for (char *slash = strchr(dir, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (hf_sftp_ask_path(s, c, HF_SFTP_MKDIR, dir, NULL, &a, err) < 0)
            return -1;
        if (a.type != HF_SFTP_STATUS)
            return hf_sftp_fail(&a, "cannot create a directory for it", err);
        if (a.status != HF_SFTP_OK && a.status != HF_SFTP_FAILURE && a.status != HF_SFTP_EXISTS)
            return hf_sftp_fail_name(s, c, &a, "cannot create a directory for it", err);
        *slash = '/';
    }
    return 0;
}
