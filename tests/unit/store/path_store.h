/* SPDX-License-Identifier: Apache-2.0
 *
 * unit/store/path_store.h - what the tests of a path as a store have in common.
 */
#ifndef HF_TEST_PATH_STORE_H
#define HF_TEST_PATH_STORE_H

#include "base/buf.h"
#include "harness/hf_test.h"
#include "store/store.h"

#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

static inline struct hf_store *open_at(const char *dir)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *url = hf_asprintf("file://%s", dir);
    struct hf_store_opts opts = {.url = url, .clock = hf_clock_system()};
    struct hf_store *s = hf_store_open(&opts, &err);
    assert_hf_got(s, &err);
    return s;
}

static inline void put(struct hf_store *s, const char *name, const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_receipt r;
    assert_hf_ok(hf_store_put_bytes(s, name, text, strlen(text), true, &r, &err), &err);
    assert_int_equal(r.digest.bytes, strlen(text));
    assert_false(r.confirmed);
}

static inline void assert_holds(struct hf_store *s, const char *name, const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_store_object o;
    char back[64] = "";
    assert_hf_ok(hf_store_head(s, name, &o, &err), &err);
    assert_int_equal(o.bytes, strlen(text));
    assert_hf_ok(hf_store_get(s, name, 0, back, o.bytes, &err), &err);
    assert_string_equal(back, text);
}

/* Names, each with a blank behind it. */
static inline int collect(void *ctx, const struct hf_store_object *o, struct hf_err *err)
{
    (void)err;
    hf_buf_printf(ctx, "%s ", o->name);
    return 0;
}

static inline void assert_listed(struct hf_store *s, const char *prefix, const char *after,
                                 bool shallow, const char *want)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    struct hf_store_list what = {prefix, after, shallow};
    assert_hf_ok(hf_store_list(s, &what, collect, &b, &err), &err);
    assert_string_equal(hf_buf_str(&b), want);
}

static int n_hidden;
static inline int count_hidden(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    n_hidden += type == FTW_F && path[ftw->base] == '.';
    return 0;
}

/* Hidden files in a directory and below. */
static inline int hidden_in(const char *dir)
{
    n_hidden = 0;
    assert_int_equal(nftw(dir, count_hidden, 8, FTW_PHYS), 0);
    return n_hidden;
}

#endif
