/* SPDX-License-Identifier: Apache-2.0
 *
 * base/unit_name.h - is this the name of a systemd unit?
 *
 * The characters of systemd.unit(5) and no more, so that a name is never anything but a name to whoever gets it: a
 * shell, a terminal, an option parser. For names from the configuration and from a guest alike.
 */
#ifndef HF_BASE_UNIT_NAME_H
#define HF_BASE_UNIT_NAME_H

#include <stdbool.h>

/* Longer than any unit's name may be (UNIT_NAME_MAX). */
#define HF_UNIT_NAME_MAX 255

bool hf_unit_name_is_valid(const char *s);
/* "mariadb@.service": to make units from, no unit itself. */
bool hf_unit_name_is_template(const char *s);

#endif
