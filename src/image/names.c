/* SPDX-License-Identifier: Apache-2.0 */
#include "image/format.h"

const unsigned char hf_image_hole[HF_IMAGE_ID];

void hf_image_hex(const void *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * len] = '\0';
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hf_image_unhex(const char *text, void *out, size_t len)
{
    unsigned char *p = out;
    for (size_t i = 0; i < len; i++) {
        int high = digit(text[2 * i]);
        int low = high < 0 ? -1 : digit(text[2 * i + 1]);
        if (low < 0)
            return -1;
        p[i] = (unsigned char)(high << 4 | low);
    }
    return text[2 * len] ? -1 : 0;
}

static const char *suffix(bool is_encrypted)
{
    return is_encrypted ? ".age" : "";
}

void hf_image_pack_name(enum hf_image_kind kind, const unsigned char id[HF_IMAGE_PACK_ID],
                        bool is_encrypted, char out[HF_IMAGE_NAME_MAX])
{
    char hex[HF_IMAGE_PACK_HEX];
    hf_image_hex(id, HF_IMAGE_PACK_ID, hex);
    snprintf(out, HF_IMAGE_NAME_MAX, "%s/%.2s/%s%s", kind == HF_IMAGE_TREE ? "trees" : "packs", hex,
             hex, suffix(is_encrypted));
}

void hf_image_index_name(const unsigned char id[HF_IMAGE_PACK_ID], bool is_encrypted,
                         char out[HF_IMAGE_NAME_MAX])
{
    char hex[HF_IMAGE_PACK_HEX];
    hf_image_hex(id, HF_IMAGE_PACK_ID, hex);
    snprintf(out, HF_IMAGE_NAME_MAX, "index/%s.idx%s", hex, suffix(is_encrypted));
}

bool hf_image_index_id(const char *name, bool is_encrypted, unsigned char out[HF_IMAGE_PACK_ID])
{
    char hex[HF_IMAGE_PACK_HEX], again[HF_IMAGE_NAME_MAX];
    const size_t folder = strlen("index/");
    if (strlen(name) < folder + HF_IMAGE_PACK_HEX - 1)
        return false;
    memcpy(hex, name + folder, sizeof hex - 1);
    hex[sizeof hex - 1] = '\0';
    if (hf_image_unhex(hex, out, HF_IMAGE_PACK_ID) < 0)
        return false;
    hf_image_index_name(out, is_encrypted, again);
    return strcmp(name, again) == 0;
}
