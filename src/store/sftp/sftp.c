/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sftp/sftp.h"

#include "store/address.h"
#include "store/sftp/sftp_intern.h"
#include "store/walk.h"

#include <string.h>

#define SSH_PORT 22
#define STALL_MS 30000
#define KNOWN_HOSTS "/etc/ssh/ssh_known_hosts"

static struct hf_sftp *of(struct hf_store *s)
{
    return (struct hf_sftp *)s;
}

/* ---- the clock, and the room ------------------------------------------------------------ */

/* What the server dates a new file. */
static int stat_new(struct hf_sftp_conn *c, const struct hf_sftp_answer *opened, int64_t *out_s,
                    struct hf_err *err)
{
    struct hf_sftp_handle h;
    struct hf_sftp_answer a;
    if (hf_sftp_keep_handle(opened, &h, err) < 0)
        return -1;
    int rc = hf_sftp_ask_handle(c, HF_SFTP_FSTAT, &h, &a, err);
    bool is_told = rc == 0 && a.type == HF_SFTP_ATTRS && a.attrs.has_time;
    if (is_told)
        *out_s = a.attrs.changed_s;
    else if (rc == 0)
        rc = hf_fail(err, HF_E_UNSUPPORTED, "the server does not tell the time of a file");
    hf_sftp_close_handle(c, &h);
    return rc;
}

static int ask_now(struct hf_sftp *s, struct hf_sftp_conn *c, void *ctx, struct hf_err *err)
{
    struct hf_sftp_answer a;
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTOFREE char *tmp = hf_store_tmp_name("now", err);
    if (!tmp)
        return -1;
    if (hf_sftp_ask_open(s, c, tmp, HF_SFTP_FOR_WRITE | HF_SFTP_CREATE | HF_SFTP_EXCLUSIVE, &a,
                         err) < 0)
        return -1;
    if (a.type == HF_SFTP_STATUS && a.status == HF_SFTP_NO_SUCH_FILE)
        return hf_sftp_fail_name(s, c, &a, "cannot ask for its time", err);
    if (a.type == HF_SFTP_STATUS)
        return hf_sftp_fail_room(s, c, &a, "cannot ask for its time", err);
    int rc = stat_new(c, &a, ctx, err);
    if (!c->is_broken)
        (void)!hf_sftp_ask_path(s, c, HF_SFTP_REMOVE, tmp, NULL, &a, &ignored); /* else a sweep */
    return rc;
}

static int sftp_now(struct hf_store *store, int64_t *out_s, struct hf_err *err)
{
    return hf_sftp_do(of(store), 0, ask_now, out_s, err);
}

static int ask_room(struct hf_sftp *s, struct hf_sftp_conn *c, void *ctx, struct hf_err *err)
{
    uint64_t files = 0;
    return hf_sftp_room(s, c, ctx, &files, err);
}

static int sftp_space(struct hf_store *store, uint64_t *out_free, struct hf_err *err)
{
    return hf_sftp_do(of(store), 0, ask_room, out_free, err);
}

/* ---- open and close --------------------------------------------------------------------- */

static void sftp_close(struct hf_store *store)
{
    struct hf_sftp *s = of(store);
    while (s->n_idle > 0)
        hf_sftp_conn_close(s->idle[--s->n_idle]);
    pthread_mutex_destroy(&s->lock);
    free((char *)s->target.user);
    free((char *)s->target.host);
    free((char *)s->target.key_file);
    free((char *)s->target.known_hosts);
    free(s->root);
    free(s);
}

static const struct hf_store_ops sftp_ops = {
    .put = hf_sftp_put,
    .get = hf_sftp_get,
    .head = hf_sftp_head,
    .list = hf_sftp_list,
    .remove = hf_sftp_remove,
    .now = sftp_now,
    .space = sftp_space,
    .sweep = hf_sftp_sweep,
    .close = sftp_close,
};

static int fill(struct hf_sftp *s, const struct hf_store_opts *o, struct hf_err *err)
{
    HF_AUTO(hf_store_address) struct hf_store_address a = {0};
    if (hf_store_address_parse(o->url + strlen("sftp://"), SSH_PORT, &a, err) < 0)
        return -1;
    if (!a.user)
        return hf_fail(err, HF_E_CONFIG, "a store's address is sftp://USER@HOST[:PORT]/DIR");
    s->clock = o->clock;
    s->cancel = o->cancel;
    s->stall_ms = o->stall_ms ? o->stall_ms : STALL_MS;
    s->target = (struct hf_ssh_target){
        .user = HF_STEAL(a.user),
        .host = HF_STEAL(a.host),
        .port = a.port,
        .key_file = o->key_file ? strdup(o->key_file) : NULL,
        .known_hosts = strdup(o->known_hosts ? o->known_hosts : KNOWN_HOSTS),
        .cancel = o->cancel,
    };
    s->root = HF_STEAL(a.path);
    s->store.url = strdup(o->url);
    return s->store.url && s->target.known_hosts && (s->target.key_file || !o->key_file)
               ? 0
               : hf_fail_nomem(err);
}

/* libssh2 starts what it needs with its first session, but for two threads at once. */
static void init_ssh(void)
{
    struct hf_err ignored = HF_ERR_INIT;
    (void)!hf_ssh_library_init(&ignored);
}

struct hf_store *hf_store_sftp_open(const struct hf_store_opts *opts, struct hf_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_ssh);
    struct hf_sftp *s = calloc(1, sizeof *s);
    if (!s || pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s);
        hf_fail_nomem(err);
        return NULL;
    }
    HF_AUTO(hf_store) struct hf_store *store = &s->store;
    store->ops = &sftp_ops;
    store->features = HF_STORE_EXCLUSIVE | HF_STORE_FREE_SPACE;
    return fill(s, opts, err) < 0 ? NULL : HF_STEAL(store);
}
