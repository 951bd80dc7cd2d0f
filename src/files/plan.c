/* SPDX-License-Identifier: Apache-2.0 */
#include "files/plan.h"

#include "files/some.h"

#include <string.h>

#define SETUID_BITS 06000
#define CAPABILITY "security.capability"

void hf_unpacked_free(struct hf_unpacked *u)
{
    hf_strv_free(&u->refused);
    hf_strv_free(&u->warnings);
}

static int note(struct hf_strv *list, uint64_t *n, const char *name, const char *what,
                struct hf_err *err)
{
    if ((*n)++ >= HF_UNPACK_NAMED)
        return 0;
    char *text = hf_asprintf("%s: %s", name, what ? what : "unknown");
    return hf_strv_take(list, text) < 0 ? hf_fail_nomem(err) : 0;
}

int hf_unpacked_warn(struct hf_unpacked *u, const char *name, const char *what, struct hf_err *err)
{
    return note(&u->warnings, &u->n_warnings, name, what, err);
}

int hf_plan_open(struct hf_plan *p, const struct hf_unpack *req, struct hf_unpacked *out,
                 struct hf_err *err)
{
    p->req = req;
    p->out = out;
    p->is_found = calloc(req->paths ? req->paths->n + 1 : 1, sizeof *p->is_found);
    if (!p->is_found)
        return hf_fail_nomem(err);
    p->files = req->files ? req->files : (p->own = hf_io_folder_open(req->dir, err));
    return p->files ? hf_archive_about(p->files, &p->about, err) : -1;
}

void hf_plan_close(struct hf_plan *p)
{
    hf_io_files_close(HF_STEAL(p->own));
    hf_names_free(&p->symlinks);
    hf_names_free(&p->targets);
    hf_listing_kept_free(&p->listing);
    free(p->is_found);
    p->is_found = NULL;
}

/* ---- which ------------------------------------------------------------------------------ */

static const char *plain_path(const char *path, size_t *len)
{
    while (*path == '/' || strncmp(path, "./", 2) == 0)
        path += *path == '/' ? 1 : 2;
    *len = strlen(path);
    while (*len > 0 && path[*len - 1] == '/')
        (*len)--;
    return path;
}

/* A path means itself and all below it. */
static bool is_wanted(struct hf_plan *p, const char *name)
{
    const struct hf_strv *paths = p->req->paths;
    bool is = !paths || paths->n == 0;
    for (size_t i = 0; paths && i < paths->n; i++) {
        size_t len;
        const char *path = plain_path(paths->items[i], &len);
        if (len > 0 && (strncmp(name, path, len) != 0 || (name[len] && name[len] != '/')))
            continue;
        p->is_found[i] = is = true;
    }
    return is;
}

/* NULL: it is restored, as far as it alone can tell. */
static const char *why_refused(const struct hf_plan *p, const struct hf_entry *e)
{
    bool is_device = e->type == HF_ENTRY_CHAR || e->type == HF_ENTRY_BLOCK;
    if (is_device && !p->req->with_devices)
        return "a device node";
    if (e->type == HF_ENTRY_SYMLINK && !p->req->with_links &&
        hf_entry_link_leaves(e->name, e->link))
        return "a symlink that leads out of the target";
    return NULL;
}

/* ---- before ----------------------------------------------------------------------------- */

static int check_place(struct hf_plan *p, const struct hf_entry *e, struct hf_err *err)
{
    p->is_unplaced |= !e->has_at;
    if (e->has_at && p->n_listed++ > 0 && e->at <= p->last_at)
        return hf_fail(err, HF_E_CORRUPT, "the listing: '%s' begins where another entry lies",
                       e->name);
    p->last_at = e->at;
    return 0;
}

static int check_entry(struct hf_plan *p, const struct hf_entry *e, struct hf_err *err)
{
    bool is_hard = e->type == HF_ENTRY_HARDLINK;
    if (check_place(p, e, err) < 0)
        return -1;
    if (!hf_entry_name_is_safe(e->name) || (is_hard && !hf_entry_name_is_safe(e->link)))
        return hf_fail(err, HF_E_CORRUPT, "a name in the archive leads out of the target");
    if (e->type == HF_ENTRY_SYMLINK && hf_names_add(&p->symlinks, e->name, err) < 0)
        return -1;
    if (!is_wanted(p, e->name))
        return 0;
    p->wanted++;
    if (is_hard && !is_wanted(p, e->link)) {
        hf_fail(err, HF_E_CONFLICT, "'%s' is another name of '%s'", e->name, e->link);
        return hf_hint(err, "Name that one, too: it has the content.");
    }
    p->bytes += e->size;
    return is_hard ? hf_names_add(&p->targets, e->link, err) : 0;
}

/* tar writes nothing below a symlink, so somebody else did. */
static int check_above(struct hf_plan *p, const struct hf_entry *e, struct hf_err *err)
{
    char link[HF_ENTRY_NAME_MAX + 1];
    if (!hf_names_find_above(&p->symlinks, e->name, link, sizeof link))
        return 0;
    return hf_fail(err, HF_E_CORRUPT, "'%s' is below '%s', which is a symlink in the archive",
                   e->name, link);
}

struct seeing {
    struct hf_plan *p;
    int (*see)(void *, const struct hf_entry *, struct hf_err *);
    void *ctx;
};

static int see_entry(struct seeing *s, const struct hf_entry *e, struct hf_err *err)
{
    if (!is_wanted(s->p, e->name) || why_refused(s->p, e))
        return 0;
    return check_above(s->p, e, err) < 0 ? -1 : s->see(s->ctx, e, err);
}

/* s NULL: the first time, when nobody is told yet. */
static int read_listing(struct hf_plan *p, struct seeing *s, struct hf_err *err)
{
    HF_AUTO(hf_listing) struct hf_listing l = HF_LISTING_INIT;
    HF_AUTO(hf_entry) struct hf_entry e = {0};
    int rc = hf_listing_open(&l, p->files, &p->listing, err) < 0 ? -1 : 1;
    while (rc == 1 && (rc = hf_listing_next(&l, &e, err)) == 1)
        if (hf_cancel_check(p->req->cancel, err) < 0 ||
            (s ? see_entry(s, &e, err) : check_entry(p, &e, err)) < 0)
            return -1;
    return rc < 0 ? -1 : hf_archive_check(l.r, HF_ARCHIVE_LISTING, p->about.listing_sha256, err);
}

int hf_plan_check(struct hf_plan *p, int (*see)(void *, const struct hf_entry *, struct hf_err *),
                  void *ctx, struct hf_err *err)
{
    struct seeing s = {p, see, ctx};
    if (read_listing(p, NULL, err) < 0)
        return -1;
    for (size_t i = 0; p->req->paths && i < p->req->paths->n; i++)
        if (!p->is_found[i])
            return hf_fail(err, HF_E_NOT_FOUND, "there is no '%s' in the archive",
                           p->req->paths->items[i]);
    if (hf_names_ready(&p->symlinks, err) < 0 || hf_names_ready(&p->targets, err) < 0)
        return -1;
    return read_listing(p, &s, err);
}

/* ---- one entry -------------------------------------------------------------------------- */

static int refuse(struct hf_plan *p, const struct hf_entry *e, const char *why, struct hf_err *err)
{
    return note(&p->out->refused, &p->out->n_refused, e->name, why, err);
}

/* 1: it is not restored. */
static int is_refused(struct hf_plan *p, const struct hf_entry *e, struct hf_err *err)
{
    const char *why = why_refused(p, e);
    /* What it leads to may be in the target all the same, and be nobody's to give another name. */
    const bool *is_restored =
        e->type == HF_ENTRY_HARDLINK ? hf_names_find(&p->targets, e->link) : NULL;
    if (e->type == HF_ENTRY_HARDLINK && (!is_restored || !*is_restored))
        why = "another name of what was not restored";
    return !why ? 0 : refuse(p, e, why, err) < 0 ? -1 : 1;
}

/* libarchive takes all attributes or none. */
static bool drop_capability(struct archive_entry *raw)
{
    const char *name;
    const void *value;
    size_t size;
    bool has = false;
    archive_entry_xattr_reset(raw);
    while (archive_entry_xattr_next(raw, &name, &value, &size) == ARCHIVE_OK)
        has |= strcmp(name, CAPABILITY) == 0;
    if (!has)
        return false;
    struct archive_entry *all = archive_entry_clone(raw);
    archive_entry_xattr_clear(raw);
    if (all)
        archive_entry_xattr_reset(all);
    while (all && archive_entry_xattr_next(all, &name, &value, &size) == ARCHIVE_OK)
        if (strcmp(name, CAPABILITY) != 0)
            archive_entry_xattr_add_entry(raw, name, value, size);
    archive_entry_free(all);
    return true;
}

/* A setgid directory only hands down its group. */
static int drop_rights(struct hf_plan *p, const struct hf_entry *e, struct archive_entry *raw,
                       struct hf_err *err)
{
    if (p->req->with_setuid || e->type == HF_ENTRY_DIR)
        return 0;
    bool has = drop_capability(raw) || (e->mode & SETUID_BITS);
    archive_entry_set_perm(raw, e->mode & ~(unsigned)SETUID_BITS);
    return has ? refuse(p, e, "restored without its setuid, setgid or capability", err) : 0;
}

static int differs(const struct hf_entry *e, struct hf_err *err)
{
    return hf_fail(err, HF_E_CORRUPT, "'%s' in the tar is not what the listing says",
                   e->name ? e->name : "nothing");
}

static int pass_entry(struct hf_plan *p, struct hf_tar *tar, struct hf_entry *e,
                      struct archive_entry *raw, const struct hf_entry *listed,
                      const struct hf_plan_sink *sink, struct hf_err *err)
{
    const struct hf_tar_taker taker = {sink->take, sink->ctx};
    archive_entry_copy_pathname(raw, e->name);
    if (e->type == HF_ENTRY_HARDLINK) {
        archive_entry_copy_hardlink(raw, e->link);
        archive_entry_unset_size(raw);
    }
    if (drop_rights(p, e, raw, err) < 0 || sink->begin(sink->ctx, e, raw, err) < 0 ||
        (e->type == HF_ENTRY_FILE && hf_tar_content(tar, e, &taker, err) < 0))
        return -1;
    if (strcmp(e->sha256, listed->sha256) != 0)
        return differs(e, err);
    bool *is_target = hf_names_find(&p->targets, e->name);
    if (is_target)
        *is_target = true;
    p->out->entries++;
    p->out->bytes += e->size;
    return sink->end(sink->ctx, e, err);
}

/* ---- all -------------------------------------------------------------------------------- */

static ssize_t read_tar(void *ctx, void *buf, size_t size, struct hf_err *err)
{
    size_t n = 0;
    return hf_io_read_some(ctx, buf, size, &n, err) < 0 ? -1 : (ssize_t)n;
}

static bool is_same(const struct hf_entry *a, const struct hf_entry *b)
{
    return a->type == b->type && a->size == b->size && a->mode == b->mode && a->uid == b->uid &&
           a->gid == b->gid && (!b->has_at || a->at == b->at) && a->mtime_s == b->mtime_s &&
           a->mtime_ns == b->mtime_ns && strcmp(a->name, b->name) == 0 && !a->link == !b->link &&
           (!a->link || strcmp(a->link, b->link) == 0);
}

static int pass_next(struct hf_plan *p, struct hf_tar *tar, struct hf_entry *e,
                     struct archive_entry *raw, const struct hf_entry *listed,
                     const struct hf_plan_sink *sink, struct hf_err *err)
{
    if (!is_same(e, listed))
        return differs(e, err);
    if (!is_wanted(p, e->name))
        return 0;
    p->passed++;
    int rc = is_refused(p, e, err);
    return rc != 0 ? (rc < 0 ? -1 : 0) : pass_entry(p, tar, e, raw, listed, sink, err);
}

static bool is_over(const struct hf_plan *p)
{
    return p->req->stops_early && p->req->paths && p->req->paths->n && p->passed == p->wanted;
}

static int pass_all(struct hf_plan *p, const struct hf_plan_sink *sink, struct hf_err *err)
{
    struct archive_entry *raw = NULL;
    HF_AUTO(hf_listing) struct hf_listing l = HF_LISTING_INIT;
    HF_AUTO(hf_entry) struct hf_entry e = {0}, listed = {0};
    HF_AUTO(hf_io_read) struct hf_io_read *r = hf_archive_open(p->files, HF_ARCHIVE_TAR, err);
    const struct hf_tar_source source = {read_tar, r};
    if (!r || hf_listing_open(&l, p->files, &p->listing, err) < 0)
        return -1;
    HF_AUTO(hf_tar) struct hf_tar *tar = hf_tar_open(&source, p->req->cancel, err);
    if (!tar)
        return -1;
    for (;;) {
        int has = hf_tar_next(tar, &e, &raw, err);
        int has_listed = has < 0 ? -1 : hf_listing_next(&l, &listed, err);
        if (has_listed < 0)
            return -1;
        if (has != has_listed)
            return differs(has ? &e : &listed, err);
        if (!has)
            return hf_archive_check(r, HF_ARCHIVE_TAR, p->about.tar_sha256, err);
        if (pass_next(p, tar, &e, raw, &listed, sink, err) < 0)
            return -1;
        if (is_over(p))
            return 0;
    }
}

/* ---- some ------------------------------------------------------------------------------- */

/* 1: what is wanted of the tar can be read without the rest. */
static int open_some(const struct hf_plan *p, struct hf_some **out, struct hf_err *err)
{
    struct hf_io_source *tar = NULL;
    bool may = p->req->paths && p->req->paths->n && !p->is_unplaced && p->about.tar_bytes;
    int rc = may ? hf_archive_open_tar_at(p->files, &tar, err) : 0;
    if (rc <= 0)
        return rc;
    if (tar->size != p->about.tar_bytes) {
        rc = hf_fail(err, HF_E_CORRUPT, "'" HF_ARCHIVE_TAR "' has %llu bytes, not %llu",
                     (unsigned long long)tar->size, (unsigned long long)p->about.tar_bytes);
        hf_io_source_close(tar);
        return rc;
    }
    *out = hf_some_open(tar, p->req->cancel, err);
    return *out ? 1 : -1;
}

static int pass_one(struct hf_plan *p, struct hf_some *some, const struct hf_entry *listed,
                    uint64_t end, const struct hf_plan_sink *sink, struct hf_err *err)
{
    struct archive_entry *raw = NULL;
    HF_AUTO(hf_entry) struct hf_entry e = {0};
    struct hf_tar *tar = hf_some_next(some, listed->at, end, &e, &raw, err);
    if (!tar)
        return hf_wrap(err, "'%s'", listed->name);
    return pass_next(p, tar, &e, raw, listed, sink, err);
}

/* An entry ends where the next one begins. */
static int pass_some(struct hf_plan *p, struct hf_some *some, const struct hf_plan_sink *sink,
                     struct hf_err *err)
{
    HF_AUTO(hf_listing) struct hf_listing l = HF_LISTING_INIT;
    HF_AUTO(hf_entry) struct hf_entry listed = {0}, next = {0};
    int has = hf_listing_open(&l, p->files, &p->listing, err) < 0
                  ? -1
                  : hf_listing_next(&l, &listed, err);
    while (has == 1 && p->passed < p->wanted) {
        if (hf_cancel_check(p->req->cancel, err) < 0 || (has = hf_listing_next(&l, &next, err)) < 0)
            return -1;
        uint64_t end = has ? next.at : p->about.tar_bytes;
        if (is_wanted(p, listed.name) && pass_one(p, some, &listed, end, sink, err) < 0)
            return -1;
        hf_entry_free(&listed);
        listed = next;
        next = (struct hf_entry){0};
    }
    return has < 0 ? -1 : 0;
}

int hf_plan_run(struct hf_plan *p, const struct hf_plan_sink *sink, struct hf_err *err)
{
    HF_AUTO(hf_some) struct hf_some *some = NULL;
    int rc = open_some(p, &some, err);
    return rc < 0 ? -1 : rc ? pass_some(p, some, sink, err) : pass_all(p, sink, err);
}
