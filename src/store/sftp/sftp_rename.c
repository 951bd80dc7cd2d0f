/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sftp/sftp_intern.h"

struct renaming {
    const struct hf_sftp_renaming *what;
    unsigned tries;
};

/* 1: it is there (with this length, unless NULL); 0: it is not; -1. */
static int is_there(struct hf_sftp *s, struct hf_sftp_conn *c, const char *name,
                    const uint64_t *bytes, struct hf_err *err)
{
    struct hf_sftp_answer a;
    if (hf_sftp_ask_path(s, c, HF_SFTP_LSTAT, name, NULL, &a, err) < 0)
        return -1;
    if (a.type == HF_SFTP_ATTRS)
        return !bytes || (a.attrs.has_bytes && a.attrs.bytes == *bytes);
    return a.type == HF_SFTP_STATUS && a.status == HF_SFTP_NO_SUCH_FILE
               ? 0
               : hf_sftp_fail(&a, "cannot examine it", err);
}

/* An earlier try was the one, and its answer was lost: the hidden file is gone, and the object has our length. */
static int was_renamed(struct hf_sftp *s, struct hf_sftp_conn *c, const struct hf_sftp_renaming *r,
                       struct hf_err *err)
{
    int rc = is_there(s, c, r->tmp, NULL, err);
    return rc == 0 ? is_there(s, c, r->name, &r->bytes, err) : rc < 0 ? -1 : 0;
}

/* A plain rename has one word for all failures. */
static int fail_rename(struct hf_sftp *s, struct hf_sftp_conn *c, const struct hf_sftp_renaming *r,
                       const struct hf_sftp_answer *a, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    hf_sftp_fail_room(s, c, a, "cannot rename it into place", &why);
    int rc = r->replace || c->is_broken ? 0 : is_there(s, c, r->name, NULL, err);
    if (rc < 0)
        return -1;
    if (rc == 1)
        return hf_fail(err, HF_E_CONFLICT, "it exists already");
    hf_err_copy(err, &why);
    return -1;
}

static int give_name(struct hf_sftp *s, struct hf_sftp_conn *c, struct renaming *t,
                     struct hf_err *err)
{
    const struct hf_sftp_renaming *r = t->what;
    struct hf_sftp_answer a;
    int rc = t->tries++ > 0 ? was_renamed(s, c, r, err) : 0;
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    bool is_posix = r->replace && c->has.posix_rename;
    if (r->replace && !is_posix &&
        hf_sftp_ask_path(s, c, HF_SFTP_REMOVE, r->name, NULL, &a, err) < 0)
        return -1;
    if (hf_sftp_ask_path(s, c, is_posix ? HF_SFTP_EXTENDED : HF_SFTP_RENAME, r->tmp, r->name, &a,
                         err) < 0)
        return -1;
    return a.type == HF_SFTP_STATUS && a.status == HF_SFTP_OK ? 0 : fail_rename(s, c, r, &a, err);
}

static int rename_it(struct hf_sftp *s, struct hf_sftp_conn *c, void *ctx, struct hf_err *err)
{
    struct renaming *t = ctx;
    return give_name(s, c, t, err) < 0 ? -1 : hf_sftp_sync_dirs(s, c, t->what->name, err);
}

int hf_sftp_rename(struct hf_sftp *s, const struct hf_sftp_renaming *r, struct hf_err *err)
{
    struct renaming t = {.what = r};
    return hf_sftp_do(s, 0, rename_it, &t, err);
}
