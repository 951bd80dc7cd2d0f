/* SPDX-License-Identifier: Apache-2.0
 *
 * base/units.h - durations and sizes as people write them.
 */
#ifndef HF_BASE_UNITS_H
#define HF_BASE_UNITS_H

#include "base/err.h"

#include <stdint.h>

/* "250ms" "2s" "10m" "24h" "7d" "4w"; a number without a unit is refused (which unit?).
 * Milliseconds. */
int hf_parse_duration(const char *text, int64_t *out_ms, struct hf_err *err) HF_CHECKED;
/* "512" "64K" "32M" "4G" "1T" (powers of 1024; KiB, MiB … too). Bytes. */
int hf_parse_size(const char *text, uint64_t *out_bytes, struct hf_err *err) HF_CHECKED;

#define HF_UNITS_MAX 32
void hf_format_duration(int64_t ms, char out[HF_UNITS_MAX]); /* "2s", "1m30s", "24h", "7d" */
void hf_format_size(uint64_t bytes, char out[HF_UNITS_MAX]); /* "4.0 GiB" */

#endif
