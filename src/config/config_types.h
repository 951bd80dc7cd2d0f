/* SPDX-License-Identifier: Apache-2.0
 *
 * config/config_types.h - struct hf_config_SECTION for each section of options.def. Include
 * config.h.
 *
 * Each has the members of struct hf_config_head, and for each key its value (field named as the
 * key, '-' written '_') and FIELD_line, the line it stands in (0: the default holds).
 */
#ifndef HF_CONFIG_CONFIG_TYPES_H
#define HF_CONFIG_CONFIG_TYPES_H

/* What all sections have in common: its name ("vm"), NAME of [vm NAME] or NULL, file and line of
 * its heading for messages (line 0: the section is not in the file), and, in sections marked
 * HF_SECTION_OPEN, the keys that options.def does not know, with their lines, in the file's order.
 */
#define HF_CONFIG_HEAD_MEMBERS                                                                     \
    const char *section_name;                                                                      \
    char *label;                                                                                   \
    const char *file;                                                                              \
    unsigned line;                                                                                 \
    struct hf_kv *kv;                                                                              \
    unsigned *kv_lines;                                                                            \
    size_t n_kv;

struct hf_config_head {
    HF_CONFIG_HEAD_MEMBERS
};

/* The C type of each TYPE in options.def. */
#define HF_FIELD_STRING char *
#define HF_FIELD_PATH char *      /* absolute */
#define HF_FIELD_DURATION int64_t /* milliseconds */
#define HF_FIELD_SHARE struct hf_share
#define HF_FIELD_COUNT uint32_t
#define HF_FIELD_CATALOG enum hf_catalog_kind
#define HF_FIELD_GUEST enum hf_guest_channel
#define HF_FIELD_QUIESCE enum hf_quiesce
#define HF_FIELD_GRADE enum hf_grade
#define HF_FIELD_FREEZE enum hf_freeze
#define HF_FIELD_REST enum hf_rest
#define HF_FIELD_UNCOVERED enum hf_uncovered
#define HF_FIELD_UNREADABLE enum hf_unreadable
#define HF_FIELD_DB struct hf_db_address
#define HF_FIELD_SSH struct hf_ssh_address
#define HF_FIELD_UNITS struct hf_strv /* systemd units, in full: apache2.service */
#define HF_FIELD_PATHS struct hf_strv /* absolute */
#define HF_FIELD_PROBES struct hf_vm_probes
#define HF_FIELD_PATTERNS struct hf_strv
#define HF_FIELD_APPS struct hf_strv
#define HF_FIELD_SCHEMAS struct hf_strv
#define HF_FIELD_DUMP struct hf_dumped
#define HF_FIELD_STORES struct hf_strv
#define HF_FIELD_STORE_URL char *
#define HF_FIELD_PIN char *
#define HF_FIELD_SIZE uint64_t
#define HF_FIELD_RECIPIENTS                                                                        \
    struct hf_strv /* their form is right; whether they are keys is for io/age.h to say */
#define HF_FIELD_OFF_HOST enum hf_off_host
#define HF_FIELD_REPACK enum hf_repack
#define HF_FIELD_CHECKPOINT enum hf_checkpoint_use
#define HF_FIELD_COMPRESSION enum hf_compression
#define HF_FIELD_KEEP struct hf_keep
#define HF_FIELD_ZONE char * /* there is such a zone (base/zone.h) */
#define HF_FIELD_CRON struct hf_cron
#define HF_FIELD_WINDOW struct hf_window
#define HF_FIELD_SELECTION struct hf_selection
#define HF_FIELD_PRODUCE unsigned /* bits HF_PRODUCE_… */
#define HF_FIELD_EVERY int64_t    /* milliseconds; 0: never */
#define HF_FIELD_TAGS struct hf_strv
#define HF_FIELD_LISTEN struct hf_listen
#define HF_FIELD_WEBHOOK char * /* http(s)://HOST[:PORT][/…], http:// of a loopback address only */
#define HF_FIELD_SMTP char *    /* smtp(s)://HOST:PORT */
#define HF_FIELD_MAIL char *    /* printable ASCII without blanks and brackets, with one '@' */
#define HF_FIELD_MAILS struct hf_strv
#define HF_FIELD_ALARMS struct hf_strv /* kinds of alarms (catalog/alarm.h) */

/* The head is reached as vm->label for those who use a section and as vm->head by the code for all
 * sections. */
#define HF_SECTION_BEGIN(section, flags, sample, help)                                             \
    struct hf_config_##section {                                                                   \
        union {                                                                                    \
            struct hf_config_head head;                                                            \
            struct {                                                                               \
                HF_CONFIG_HEAD_MEMBERS                                                             \
            };                                                                                     \
        };
#define HF_OPTION(section, need, key, field, TYPE, fallback, range, example, help)                 \
    HF_FIELD_##TYPE field;                                                                         \
    unsigned field##_line;
#define HF_SECTION_END(section)                                                                    \
    }                                                                                              \
    ;
#include "config/options.def"
#undef HF_SECTION_BEGIN
#undef HF_OPTION
#undef HF_SECTION_END

#endif
