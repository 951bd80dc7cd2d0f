/* SPDX-License-Identifier: Apache-2.0 */
#include "vzdump_log.h"

#include <stdio.h>
#include <string.h>

/* What stands behind the prefix, or NULL. */
static const char *after(const char *line, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(line, prefix, len) == 0 ? line + len : NULL;
}

/* A name between quotes. One whose second quote is not there yet comes again. */
static void take_archive(struct pve_dump_log *l, const char *text, bool is_on_server)
{
    const char *end = strrchr(text, '\'');
    if (!end)
        return;
    const char *from = text;
    for (const char *p = text; !is_on_server && p < end; p++)
        if (*p == '/')
            from = p + 1;
    if ((size_t)(end - from) >= sizeof l->archive)
        return;
    snprintf(l->archive, sizeof l->archive, "%.*s", (int)(end - from), from);
    l->is_on_server = is_on_server;
}

/* "32.0 GiB" and a blank or bracket behind it; 0: none. */
static uint64_t read_size(const char *text)
{
    static const char units[] = "BKMGTP";
    unsigned long long whole = 0;
    unsigned tenth = 0;
    char unit = 0;
    if (sscanf(text, "%8llu.%1u %c", &whole, &tenth, &unit) != 3 || !unit || !strchr(units, unit))
        return 0;
    unsigned shift = 10 * (unsigned)(strchr(units, unit) - units);
    return ((uint64_t)(whole * 10 + tenth) << shift) / 10;
}

/* "  3% (1.1 GiB of 32.0 GiB) in 3s, …" */
static void read_progress(struct pve_dump_log *l, const char *text)
{
    unsigned percent = 0;
    const char *of = strstr(text, " of ");
    uint64_t all = of ? read_size(of + strlen(" of ")) : 0;
    if (!all || sscanf(text, " %3u%% (", &percent) != 1 || percent > 100)
        return;
    l->all_bytes = all;
    l->done_bytes = all / 100 * percent;
}

static void read_info(struct pve_dump_log *l, const char *text)
{
    const char *rest;
    if (after(text, "started backup task '"))
        l->has_instant = true;
    else if ((rest = after(text, "creating vzdump archive '")))
        take_archive(l, rest, false);
    else if ((rest = after(text, "creating Proxmox Backup Server archive '")))
        take_archive(l, rest, true);
    else if (after(text, "issuing guest-agent 'fs-freeze' command"))
        l->has_frozen = true;
    else if (after(text, "issuing guest-agent 'fs-thaw' command"))
        l->is_thawing = true;
    else if (after(text, "skipping guest filesystem freeze - already frozen"))
        l->has_frozen = l->is_by_others = true;
    else if (after(text, "status = running"))
        l->is_running = true;
    else if ((rest = after(text, "exclude disk '")) && strstr(rest, "(backup=no)"))
        snprintf(l->left_out, sizeof l->left_out, "%.*s", (int)strcspn(rest, "'"), rest);
    else if (after(text, "aborting backup job"))
        l->has_failed = true;
    else if (*text == ' ' || (*text >= '0' && *text <= '9'))
        read_progress(l, text);
}

static void read_error(struct pve_dump_log *l, const char *text)
{
    bool is_end = after(text, "Backup of VM ") != NULL;
    const char *why = is_end ? strstr(text, " failed - ") : NULL;
    if (is_end || after(text, "can't acquire lock "))
        l->has_failed = true;
    if (l->has_frozen && !l->is_thawing && !l->has_instant)
        l->is_unfrozen = true;
    if (!is_end && l->has_reason)
        return;
    l->has_reason |= why != NULL;
    snprintf(l->reason, sizeof l->reason, "%s", why ? why + strlen(" failed - ") : text);
}

int pve_dump_line(void *ctx, const char *line)
{
    struct pve_dump_log *l = ctx;
    const char *text;
    if ((text = after(line, "INFO: ")))
        read_info(l, text);
    else if ((text = after(line, "ERROR: ")))
        read_error(l, text);
    return 0;
}
