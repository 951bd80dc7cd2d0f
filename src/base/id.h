/* SPDX-License-Identifier: Apache-2.0
 *
 * base/id.h - names of runs: "20261123T030000Z-7f3a9c21" (UTC second, 32 random bits).
 *
 * They sort by time, fit file names, snapshot names, unit names and SQL without quoting.
 */
#ifndef HF_BASE_ID_H
#define HF_BASE_ID_H

#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>

#define HF_ID_MAX 32

int hf_id_new(const struct hf_clock *clock, char out[HF_ID_MAX], struct hf_err *err) HF_CHECKED;
/* Has exactly the form above: the test before an id from outside is put into a path. */
bool hf_id_is_valid(const char *id);
/* The eight digits of it that are random, for a short name; borrowed. */
const char *hf_id_digits(const char *id);

#endif
