/* SPDX-License-Identifier: Apache-2.0
 *
 * config/schema.h - options.def as data: for the parser, the sample file and the manual.
 *
 * A section of the file becomes an object of `size` bytes that begins with struct hf_config_head;
 * an option's value lies at `offset` in it, the line it stood in at `line_offset` (unsigned).
 */
#ifndef HF_CONFIG_SCHEMA_H
#define HF_CONFIG_SCHEMA_H

#include "base/buf.h"
#include "base/err.h"
#include "base/units.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

#define HF_SECTION_NAMED 1u /* [section NAME], any number */
#define HF_SECTION_OPEN 2u  /* unknown keys are kept */
#define HF_SECTION_ASIDE 4u /* in the sample its heading stands behind a ';', too */

struct hf_type {
    const char *name;           /* "duration", for the manual */
    const char *expects;        /* "a duration such as 2s": the hint of each error */
    const char *const *choices; /* NULL-terminated, the only accepted words; or NULL */
    /* Stores the value in *field, which is all zero. CONFIG: what is wrong with it. */
    int (*parse)(const char *text, void *field, struct hf_err *err);
    /* CONFIG unless the value lies in "low..high"; NULL: the type has no order. */
    int (*check_range)(const char *range, const void *field, struct hf_err *err);
    void (*clear)(void *field); /* frees what parse allocated; NULL: nothing */
    bool
        repeats; /* the key may stand several times: parse adds to *field; its line is the first one's */
};

struct hf_option {
    const char *key;
    bool is_required;
    const struct hf_type *type;
    const char *fallback, *range, *example, *help; /* as in options.def */
    size_t offset, line_offset;
};

struct hf_section {
    const char *name;
    unsigned flags;
    const char *sample; /* NAME in the sample file */
    const char *help;
    size_t size;
    const struct hf_option *options;
    size_t n_options;
};

enum hf_section_id {
#define HF_SECTION_BEGIN(section, flags, sample, help) HF_SECTION_ID_##section,
#define HF_OPTION(section, need, key, field, TYPE, fallback, range, example, help)
#define HF_SECTION_END(section)
#include "config/options.def"
#undef HF_SECTION_BEGIN
#undef HF_OPTION
#undef HF_SECTION_END
    HF_SECTION_COUNT
};

extern const struct hf_section hf_sections[HF_SECTION_COUNT];

/* The types of options.def: types.c, types_number.c, types_word.c, types_address.c, types_list.c, types_probe.c,
 * types_store.c, types_keep.c, types_policy.c, types_notify.c. */
extern const struct hf_type hf_type_STRING, hf_type_PATH, hf_type_DURATION, hf_type_SHARE,
    hf_type_COUNT, hf_type_CATALOG, hf_type_GUEST, hf_type_QUIESCE, hf_type_FREEZE, hf_type_REST,
    hf_type_UNCOVERED, hf_type_UNREADABLE, hf_type_PATTERNS, hf_type_GRADE, hf_type_DB, hf_type_SSH,
    hf_type_UNITS, hf_type_PATHS, hf_type_PROBES, hf_type_APPS, hf_type_SCHEMAS, hf_type_DUMP,
    hf_type_STORES, hf_type_STORE_URL, hf_type_PIN, hf_type_SIZE, hf_type_RECIPIENTS,
    hf_type_OFF_HOST, hf_type_COMPRESSION, hf_type_CHECKPOINT, hf_type_KEEP, hf_type_ZONE,
    hf_type_REPACK, hf_type_CRON, hf_type_WINDOW, hf_type_SELECTION, hf_type_PRODUCE, hf_type_EVERY,
    hf_type_TAGS, hf_type_LISTEN, hf_type_WEBHOOK, hf_type_SMTP, hf_type_MAIL, hf_type_MAILS,
    hf_type_ALARMS;

/* "low..high" of options.def into two texts. INTERNAL: not one, a bug there, which the tests find. */
int hf_type_split_range(const char *range, char low[HF_UNITS_MAX], char high[HF_UNITS_MAX],
                        struct hf_err *err) HF_CHECKED;

/* The name with its type, .service where it has none, to be freed; NULL: no memory. */
char *hf_config_unit_in_full(const char *name);

/* What `apps` accepts: a to z, 0 to 9, _ and -, so that NAME.conf is never anything but a file of app-dir. */
bool hf_app_name_is_valid(const char *name);

/* "HOST[:PORT]"; *host is to be freed, *port keeps its value when there is none. `whole` is what messages quote. */
int hf_config_endpoint_parse(const char *text, const char *whole, char **host, unsigned *port,
                             struct hf_err *err) HF_CHECKED;
/* Values separated by commas that is_valid (NULL: any) accepts, each once; the error says that one is not `what`. */
int hf_config_names_parse(const char *text, bool (*is_valid)(const char *name), const char *what,
                          struct hf_strv *out, struct hf_err *err) HF_CHECKED;
/* `clear` of what is one string, of what is a list of them. */
void hf_config_text_clear(void *field);
void hf_config_list_clear(void *field);

/* Most values of one key, with those of a VM's apps. */
#define HF_CONFIG_LIST_MAX 64

/* A default that check.c works out is written in parentheses. */
bool hf_option_default_is_text(const struct hf_option *o);
/* The default as people read it, without the parentheses; only when there is one. */
void hf_option_default_add(struct hf_buf *out, const struct hf_option *o);

#endif
