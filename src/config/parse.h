/* SPDX-License-Identifier: Apache-2.0
 *
 * config/parse.h - the three steps from text to a checked configuration; private to config/.
 *
 * parse   reads sections and values as they stand (parse.c)
 * check   fills in defaults, adds to each VM what its apps name (apps.c), and looks at what one key means for
 *         another (check.c)
 */
#ifndef HF_CONFIG_PARSE_H
#define HF_CONFIG_PARSE_H

#include "config/schema.h"

/* All sections of one kind, in the file's order; each item is an object of hf_sections[id].size. */
struct hf_section_list {
    void **items;
    size_t n;
};

struct hf_config {
    char *file;
    struct hf_strv
        app_files; /* names of the profiles that were read; heads of sections point to them */
    struct hf_section_list sections[HF_SECTION_COUNT];
};

/* Appends an empty section; NULL: no memory. label is copied and may be NULL. */
void *hf_config_add_section(struct hf_config *c, enum hf_section_id id, const char *label,
                            unsigned line);

static inline struct hf_config_head *hf_section_head(void *item)
{
    return item;
}

static inline void *hf_option_field(void *item, const struct hf_option *o)
{
    return (char *)item + o->offset;
}

static inline unsigned *hf_option_line(void *item, const struct hf_option *o)
{
    return (unsigned *)(void *)((char *)item + o->line_offset);
}

/* "FILE:LINE: KEY" in front of a value's error, and the type's expectation as hint. Returns -1. */
int hf_option_wrap(const struct hf_config_head *head, const struct hf_option *o, unsigned line,
                   struct hf_err *err);

/* What the keys of each [store NAME] mean for each other, and that the stores of each VM are there (check_store.c). */
int hf_config_check_stores(const struct hf_config *c, struct hf_err *err) HF_CHECKED;
/* That each of a list `stores` is a section; file and line are where it stands. */
int hf_config_check_store_names(const struct hf_config *c, const struct hf_strv *names,
                                const char *file, unsigned line, struct hf_err *err) HF_CHECKED;

/* What the keys of each [notify NAME] mean for each other (check_notify.c). */
int hf_config_check_notify(const struct hf_config *c, struct hf_err *err) HF_CHECKED;

/* The whole file, adding to out. CONFIG: not there, too long, or others than root could have written it. */
int hf_config_read_file(const char *path, struct hf_buf *out, struct hf_err *err) HF_CHECKED;
int hf_config_parse_text(struct hf_config *c, const char *text, size_t len, struct hf_err *err)
    HF_CHECKED;
int hf_config_check(struct hf_config *c, struct hf_err *err) HF_CHECKED;

#endif
