/* SPDX-License-Identifier: Apache-2.0
 *
 * store/dav/dav.h - davs://HOST[:PORT]/DIR: a folder (collection) of a WebDAV server as a store; dav:// without TLS.
 *
 * An object is put under a hidden name beside its place, its length is looked at, and it is moved (Overwrite: F, so a name that is there
 * is left alone): servers leave what was cut short under the name it was put to. A crash leaves a hidden file, swept later; an empty
 * collection stays, for the request that removes one removes all that somebody puts into it meanwhile. Durable is what the server says it
 * has. ETags are made of time and size: nothing is confirmed by an answer, what was put is read back. That a name is left alone is as true as
 * the server makes it: Apache looks first and renames then, so of two that put a name at the same instant, one may learn it from what it reads.
 *
 * Login      Basic; without user none.
 * Errors     UNREACHABLE with a hint: the folder itself is not there, which is never NOT_FOUND. NOSPACE: 507.
 * Trouble    a request is repeated under retry_ms. What is larger than two parts, or than one and not announced, goes as one request whose
 *            body nobody keeps: when that fails, the put has. WebDAV cannot append, so nothing is taken up again.
 * Threads    any.
 */
#ifndef HF_STORE_DAV_DAV_H
#define HF_STORE_DAV_DAV_H

#include "store/store.h"

/* Connects to nothing yet. */
struct hf_store *hf_store_dav_open(const struct hf_store_opts *opts, struct hf_err *err) HF_CHECKED;

#endif
