/* SPDX-License-Identifier: Apache-2.0
 *
 * store/sftp/sftp.h - sftp://USER@HOST[:PORT]/DIR: a directory on a server with ssh as a store.
 *
 * An object is a file, mode 0600. It is written under a hidden name beside its place, synced and renamed to a name that must not
 * exist, so a crash on either side leaves a hidden file or an empty directory (swept later). Then the directories above it are synced,
 * which OpenSSH's server can do; on another one a new name may be lost when power is lost right after it. A server without
 * fsync@openssh.com may lose what it acknowledged then; one without posix-rename@openssh.com has a moment in which an object that is
 * replaced is not there. Nothing is confirmed by an answer: what was put is read back.
 *
 * Host and login  net/ssh.h. The host's key is checked first, always.
 * Errors     UNREACHABLE with a hint: the directory is not there, which is never NOT_FOUND. NOSPACE: the server says that it failed, and
 *            its file system has no room (SFTP has no word for it). AUTH: also what the account may not do there.
 * Trouble    a connection that is lost is replaced, under retry_ms. A put goes on behind what the server has: its unacknowledged
 *            bytes are kept here, 4 MiB at the most. One of an earlier process is begun anew: its bytes are not known to be the
 *            same without reading them.
 * Threads    any; each sink and each reader has a connection, and those are kept (8) and used again.
 */
#ifndef HF_STORE_SFTP_SFTP_H
#define HF_STORE_SFTP_SFTP_H

#include "store/store.h"

/* Connects to nothing yet. */
struct hf_store *hf_store_sftp_open(const struct hf_store_opts *opts, struct hf_err *err)
    HF_CHECKED;

#endif
