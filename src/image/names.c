/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"
#include "image/format.h"

#define CONDEMNED "condemned/"
#define DAMAGED "damaged/"
#define MOVED "moved/"

const unsigned char hf_image_hole[HF_IMAGE_ID];

static const char *suffix(bool is_encrypted)
{
    return is_encrypted ? ".age" : "";
}

void hf_image_pack_name(enum hf_image_kind kind, const unsigned char id[HF_IMAGE_PACK_ID],
                        bool is_encrypted, char out[HF_IMAGE_NAME_MAX])
{
    char hex[HF_IMAGE_PACK_HEX];
    hf_hex(id, HF_IMAGE_PACK_ID, hex);
    snprintf(out, HF_IMAGE_NAME_MAX, "%s/%.2s/%s%s", kind == HF_IMAGE_TREE ? "trees" : "packs", hex,
             hex, suffix(is_encrypted));
}

void hf_image_index_name(const unsigned char id[HF_IMAGE_PACK_ID], bool is_encrypted,
                         char out[HF_IMAGE_NAME_MAX])
{
    char hex[HF_IMAGE_PACK_HEX];
    hf_hex(id, HF_IMAGE_PACK_ID, hex);
    snprintf(out, HF_IMAGE_NAME_MAX, "index/%s.idx%s", hex, suffix(is_encrypted));
}

bool hf_image_pack_id(enum hf_image_kind kind, const char *name, bool is_encrypted,
                      unsigned char out[HF_IMAGE_PACK_ID])
{
    char hex[HF_IMAGE_PACK_HEX], again[HF_IMAGE_NAME_MAX];
    const char *last = strrchr(name, '/');
    if (!last || strlen(last + 1) < sizeof hex - 1)
        return false;
    memcpy(hex, last + 1, sizeof hex - 1);
    hex[sizeof hex - 1] = '\0';
    if (hf_unhex(hex, out, HF_IMAGE_PACK_ID) < 0)
        return false;
    hf_image_pack_name(kind, out, is_encrypted, again);
    return strcmp(name, again) == 0;
}

static void marked_name(const char *mark, const unsigned char *id, char *out)
{
    char hex[HF_IMAGE_PACK_HEX];
    hf_hex(id, HF_IMAGE_PACK_ID, hex);
    snprintf(out, HF_IMAGE_NAME_MAX, "%s%s", mark, hex);
}

static bool marked_id(const char *mark, const char *name, unsigned char *out)
{
    return strncmp(name, mark, strlen(mark)) == 0 &&
           hf_unhex(name + strlen(mark), out, HF_IMAGE_PACK_ID) == 0;
}

void hf_image_condemned_name(const unsigned char id[HF_IMAGE_PACK_ID], char out[HF_IMAGE_NAME_MAX])
{
    marked_name(CONDEMNED, id, out);
}

bool hf_image_condemned_id(const char *name, unsigned char out[HF_IMAGE_PACK_ID])
{
    return marked_id(CONDEMNED, name, out);
}

void hf_image_damaged_name(const unsigned char id[HF_IMAGE_PACK_ID], char out[HF_IMAGE_NAME_MAX])
{
    marked_name(DAMAGED, id, out);
}

bool hf_image_damaged_id(const char *name, unsigned char out[HF_IMAGE_PACK_ID])
{
    return marked_id(DAMAGED, name, out);
}

bool hf_image_index_id(const char *name, bool is_encrypted, unsigned char out[HF_IMAGE_PACK_ID])
{
    char hex[HF_IMAGE_PACK_HEX], again[HF_IMAGE_NAME_MAX];
    const size_t folder = strlen("index/");
    if (strlen(name) < folder + HF_IMAGE_PACK_HEX - 1)
        return false;
    memcpy(hex, name + folder, sizeof hex - 1);
    hex[sizeof hex - 1] = '\0';
    if (hf_unhex(hex, out, HF_IMAGE_PACK_ID) < 0)
        return false;
    hf_image_index_name(out, is_encrypted, again);
    return strcmp(name, again) == 0;
}

void hf_image_moved_name(const unsigned char old[HF_IMAGE_PACK_ID],
                         const unsigned char new_id[HF_IMAGE_PACK_ID], char out[HF_IMAGE_MOVED_MAX])
{
    char from[HF_IMAGE_PACK_HEX], to[HF_IMAGE_PACK_HEX];
    hf_hex(old, HF_IMAGE_PACK_ID, from);
    hf_hex(new_id, HF_IMAGE_PACK_ID, to);
    snprintf(out, HF_IMAGE_MOVED_MAX, MOVED "%s/%s", from, to);
}

bool hf_image_moved_ids(const char *name, unsigned char out_old[HF_IMAGE_PACK_ID],
                        unsigned char out_new[HF_IMAGE_PACK_ID])
{
    char from[HF_IMAGE_PACK_HEX];
    const size_t folder = strlen(MOVED), digits = sizeof from - 1;
    if (strncmp(name, MOVED, folder) != 0 || strlen(name) != folder + digits + 1 + digits ||
        name[folder + digits] != '/')
        return false;
    memcpy(from, name + folder, digits);
    from[digits] = '\0';
    return hf_unhex(from, out_old, HF_IMAGE_PACK_ID) == 0 &&
           hf_unhex(name + folder + digits + 1, out_new, HF_IMAGE_PACK_ID) == 0;
}
