/* SPDX-License-Identifier: Apache-2.0
 *
 * token.h - the undo token: which files a capture makes, over which bases.
 *
 *   {"v":1,"vm":UUID,"name":NAME,"disks":[{"target":"vda","base":PATH,"overlay":PATH}]}
 *
 * Written before anything was changed; read by whoever undoes, maybe another process after a crash.
 */
#ifndef HF_LIBVIRT_TOKEN_H
#define HF_LIBVIRT_TOKEN_H

#include "snapshot_xml.h"

char *lv_token_write(const char *uuid, const char *name, const struct lv_plan_disk *disks, size_t n,
                     struct hf_err *err) HF_CHECKED;

/* CORRUPT: no token, or of another VM or name. Each (target, base, overlay) is handed to `each`. */
int lv_token_read(const char *token, const char *uuid, const char *name,
                  int (*each)(void *ctx, const char *target, const char *base, const char *overlay,
                              struct hf_err *err),
                  void *ctx, struct hf_err *err) HF_CHECKED;

#endif
