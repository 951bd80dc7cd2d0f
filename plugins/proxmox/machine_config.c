/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration at the head of a backup: "key: value" lines, notes behind '#', and which disk has its data in the backup.
 */
#include "base/utf8.h"
#include "machine.h"

#include <string.h>

#define TEXT_MAX ((size_t)256 << 10)
#define LINES_MAX 2000
#define KEY_MAX 40
#define MAP "#qmdump#map:"

void pve_backup_config_free(struct pve_backup_config *c)
{
    json_object_put(c->keys);
    json_object_put(c->disks);
    hf_buf_free(&c->notes);
    *c = (struct pve_backup_config){0};
}

/* #qmdump#map:scsi0:drive-scsi0:local-lvm:raw: */
static int take_map(char *line, struct pve_backup_config *out, struct hf_err *err)
{
    char *target = line + strlen(MAP), *device = strchr(target, ':');
    char *storage = device ? strchr(device + 1, ':') : NULL;
    char *end = storage ? strchr(storage + 1, ':') : NULL;
    if (!end || device == target || device - target > KEY_MAX)
        return hf_fail(err, HF_E_CORRUPT, "a disk of the backup's configuration: '%.80s'", line);
    *device = *end = '\0';
    return hf_json_add_string(out->disks, target, storage + 1) == 0 ? 0 : hf_fail_nomem(err);
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* Percent-encoded, but for the '%' itself: one that is followed by no number stands for itself. */
static void take_note(char *line, struct pve_backup_config *out)
{
    char *to = line;
    for (const char *from = line; *from; from++) {
        int high = *from == '%' ? digit(from[1]) : -1, low = high >= 0 ? digit(from[2]) : -1;
        bool is_byte = low >= 0 && (high || low);
        *to++ = is_byte ? (char)(high << 4 | low) : *from;
        from += is_byte ? 2 : 0;
    }
    *to = '\0';
    if (out->notes.len)
        hf_buf_str_add(&out->notes, "\n");
    hf_utf8_add_line(&out->notes, line);
}

static bool is_key(const char *key)
{
    size_t len = strlen(key);
    return len && len <= KEY_MAX && *key >= 'a' && *key <= 'z' &&
           strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

static int take_key(char *line, struct pve_backup_config *out, struct hf_err *err)
{
    char *colon = strchr(line, ':');
    if (colon)
        *colon = '\0';
    if (!colon || !is_key(line))
        return hf_fail(err, HF_E_CORRUPT, "'%.60s' in the backup's configuration is no setting",
                       line);
    char *value = colon + 1 + strspn(colon + 1, " \t");
    for (size_t n = strlen(value); n && strchr(" \t\r", value[n - 1]); n--)
        value[n - 1] = '\0';
    for (const char *p = value; *p; p++)
        if (hf_is_control(*p))
            return hf_fail(err, HF_E_CORRUPT,
                           "'%s' in the backup's configuration has a control "
                           "character",
                           line);
    return hf_json_add_string(out->keys, line, value) == 0 ? 0 : hf_fail_nomem(err);
}

static int take_line(char *line, struct pve_backup_config *out, struct hf_err *err)
{
    if (!*line || strncmp(line, "#vzdump#", 8) == 0)
        return 0;
    if (strncmp(line, MAP, strlen(MAP)) == 0)
        return take_map(line, out, err);
    if (strncmp(line, "#qmdump#", 8) == 0)
        return 0;
    if (*line != '#')
        return take_key(line, out, err);
    take_note(line + 1, out);
    return 0;
}

int pve_backup_config_parse(const char *text, struct pve_backup_config *out, struct hf_err *err)
{
    HF_AUTOFREE char *copy = strlen(text) <= TEXT_MAX ? strdup(text) : NULL;
    char *rest = copy;
    out->keys = json_object_new_object();
    out->disks = json_object_new_object();
    if (strlen(text) > TEXT_MAX)
        return hf_fail(err, HF_E_CORRUPT, "the backup's configuration is larger than 256 KiB");
    if (!copy || !out->keys || !out->disks)
        return hf_fail_nomem(err);
    for (int n = 0; rest; n++) {
        char *line = strsep(&rest, "\n");
        if (*line == '[') /* a snapshot's section, or what was pending */
            break;
        if (n >= LINES_MAX)
            return hf_fail(err, HF_E_CORRUPT, "the backup's configuration has no end");
        if (take_line(line, out, err) != 0)
            return -1;
    }
    if (!json_object_object_length(out->keys))
        return hf_fail(err, HF_E_CORRUPT, "the backup has no configuration of a VM");
    return out->notes.failed ? hf_fail_nomem(err) : 0;
}
