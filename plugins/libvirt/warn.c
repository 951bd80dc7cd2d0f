/* SPDX-License-Identifier: Apache-2.0 */
#include "warn.h"

#include <stdarg.h>
#include <stdio.h>

int lv_warn(const struct lv_warner *w, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    return w->say(w->ctx, line) ? -1 : 0;
}
