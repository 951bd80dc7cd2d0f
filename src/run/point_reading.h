/* SPDX-License-Identifier: Apache-2.0
 *
 * run/point_reading.h - points that something on this host reads just now: a restore that has gone on for hours is not to lose what is left
 * of it to a prune, nor a verification to call damaged what was removed.
 *
 * How      locks on bytes of one file, STATE/stores/NAME/reading, one byte per point: shared by readers, alone for who removes. The kernel lets
 *          go when the process ends, however it does. Two points on one byte (their ids end alike) count as one, no more.
 * Limits   this host, and the store's name that it was opened by. Other hosts' readers have what prune-grace gives them.
 */
#ifndef HF_RUN_POINT_READING_H
#define HF_RUN_POINT_READING_H

#include "base/cleanup.h"
#include "point/site.h"

struct hf_point_reading;

/* NULL: nobody is told; whoever reads goes on all the same. */
struct hf_point_reading *hf_point_reading_begin(const struct hf_site *s, const char *id);
/* Keeps readers out until it ends. NULL: with err; or without, and it is being read (*out_is_read). is_dry: only asks, and is NULL. */
struct hf_point_reading *hf_point_reading_exclude(const struct hf_site *s, const char *id,
                                                  bool is_dry, bool *out_is_read,
                                                  struct hf_err *err);
void hf_point_reading_end(struct hf_point_reading *r);
HF_DEFINE_AUTO(hf_point_reading, hf_point_reading_end)

#endif
