/* SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"

#include <string.h>

#define REQUIRED true
#define OPTIONAL false

/* First pass: one array of options per section. */
#define HF_SECTION_BEGIN(section, section_flags, section_sample, section_help)                     \
    static const struct hf_option section##_options[] = {
#define HF_OPTION(section, need, option_key, member, TYPE, option_fallback, option_range,          \
                  option_example, option_help)                                                     \
    {                                                                                              \
        .key = (option_key),                                                                       \
        .is_required = (need),                                                                     \
        .type = &hf_type_##TYPE,                                                                   \
        .fallback = (option_fallback),                                                             \
        .range = (option_range),                                                                   \
        .example = (option_example),                                                               \
        .help = (option_help),                                                                     \
        .offset = offsetof(struct hf_config_##section, member),                                    \
        .line_offset = offsetof(struct hf_config_##section, member##_line),                        \
    },
#define HF_SECTION_END(section)                                                                    \
    }                                                                                              \
    ;
#include "config/options.def"
#undef HF_SECTION_BEGIN
#undef HF_OPTION
#undef HF_SECTION_END

/* Second pass: the sections. */
#define HF_SECTION_BEGIN(section, section_flags, section_sample, section_help)                     \
    [HF_SECTION_ID_##section] = {                                                                  \
        .name = #section,                                                                          \
        .flags = (section_flags),                                                                  \
        .sample = (section_sample),                                                                \
        .help = (section_help),                                                                    \
        .size = sizeof(struct hf_config_##section),                                                \
        .options = section##_options,                                                              \
        .n_options = HF_ARRAY_SIZE(section##_options),                                             \
    },
#define HF_OPTION(...)
#define HF_SECTION_END(section)

const struct hf_section hf_sections[HF_SECTION_COUNT] = {
#include "config/options.def"
};

bool hf_option_default_is_text(const struct hf_option *o)
{
    return o->fallback && o->fallback[0] != '(';
}

void hf_option_default_add(struct hf_buf *out, const struct hf_option *o)
{
    size_t skip = hf_option_default_is_text(o) ? 0 : 1;
    hf_buf_add(out, o->fallback + skip, strlen(o->fallback) - 2 * skip);
}
