/* SPDX-License-Identifier: Apache-2.0
 *
 * unit/guest/fake_units.h - what `systemctl show` prints, for the cases of units, services and dead-men.
 *
 * show("mariadb", RUNNING("1"), MORE, "cron", DEAD, …, NULL): blocks in systemd's own words. What it returns stays until the
 * program ends.
 */
#ifndef HF_TEST_FAKE_UNITS_H
#define HF_TEST_FAKE_UNITS_H

#include "base/buf.h"

#include <stdarg.h>
#include <stddef.h>

#define INV(d) d d d d d d d d d d d d d d d d d d d d d d d d d d d d d d d d
#define LOADED "LoadState=loaded\nType=notify\nUnitFileState=enabled\n"
#define RUNNING(d)                                                                                 \
    LOADED "ActiveState=active\nSubState=running\nResult=success\nMainPID=25" d                    \
           "\nControlGroup=/system.slice/x\nTasksCurrent=3\nInvocationID=" INV(d) "\n"
#define DEAD(d)                                                                                    \
    LOADED "ActiveState=inactive\nSubState=dead\nResult=success\nMainPID=0\nControlGroup=\n"       \
           "TasksCurrent=[not set]\nInvocationID=" d "\n"
#define FAILED(d, result)                                                                          \
    LOADED "ActiveState=failed\nSubState=failed\nResult=" result                                   \
           "\nMainPID=0\nControlGroup=\nTasksCurrent=[not set]\nInvocationID=" INV(d) "\n"
#define ABSENT "LoadState=not-found\nActiveState=inactive\nSubState=dead\nInvocationID=\n"

/* Pairs of name and block, then NULL; ".service" is added where no type stands. */
static inline const char *show(const char *name, ...)
{
    static struct hf_buf all[64]; /* until the program ends */
    static size_t n;
    struct hf_buf *b = &all[n++ % 64];
    va_list ap;
    hf_buf_clear(b);
    va_start(ap, name);
    for (const char *id = name; id; id = va_arg(ap, const char *)) {
        const char *type = strchr(id, '.') ? "" : ".service";
        const char *block = va_arg(ap, const char *);
        hf_buf_printf(b, "%sId=%s%s\n", b->len ? "\n" : "", id, type);
        if (!strstr(block, "Names="))
            hf_buf_printf(b, "Names=%s%s\n", id, type);
        hf_buf_str_add(b, block);
    }
    va_end(ap);
    return hf_buf_str(b);
}

#endif
