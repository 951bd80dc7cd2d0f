/* SPDX-License-Identifier: Apache-2.0
 *
 * Types of options.def whose values are a few fixed words, and what these are called.
 */
#include "config/schema.h"

#include <string.h>

static const char *const catalog_words[] = {[HF_CATALOG_SQLITE] = "sqlite", NULL};
static const char *const guest_words[] = {
    [HF_GUEST_AGENT] = "agent", [HF_GUEST_SSH] = "ssh", [HF_GUEST_NONE] = "none", NULL};
static const char *const quiesce_words[] = {[HF_QUIESCE_STOP] = "stop",
                                            [HF_QUIESCE_LOCK] = "lock",
                                            [HF_QUIESCE_LIGHT] = "light",
                                            [HF_QUIESCE_NONE] = "none",
                                            NULL};
static const char *const freeze_words[] = {
    [HF_FREEZE_AUTO] = "auto", [HF_FREEZE_YES] = "yes", [HF_FREEZE_NO] = "no", NULL};
static const char *const rest_words[] = {
    [HF_REST_RELEASE] = "release", [HF_REST_FILES] = "files", NULL};
static const char *const uncovered_words[] = {
    [HF_UNCOVERED_REFUSE] = "refuse", [HF_UNCOVERED_LOWER] = "lower", NULL};
static const char *const unreadable_words[] = {
    [HF_UNREADABLE_FAIL] = "fail", [HF_UNREADABLE_WARN] = "warn", NULL};
static const char *const off_host_words[] = {
    [HF_OFF_HOST_VERIFY] = "verify", [HF_OFF_HOST_ASSUME] = "assume", NULL};
static const char *const repack_words[] = {[HF_REPACK_YES] = "yes", [HF_REPACK_NO] = "no", NULL};
static const char *const compression_words[] = {[HF_COMPRESSION_ZSTD] = "zstd",
                                                [HF_COMPRESSION_GZIP] = "gzip",
                                                [HF_COMPRESSION_NONE] = "none",
                                                NULL};
static const char *const checkpoint_words[] = {[HF_CHECKPOINT_AUTO] = "auto",
                                               [HF_CHECKPOINT_ALWAYS] = "always",
                                               [HF_CHECKPOINT_NEVER] = "never",
                                               NULL};
static const char *const grade_words[] = {"A", "B", "C", "D", "E", NULL};

/* Index of text among words. */
static int word_parse(const char *text, const char *const *words, int *out, struct hf_err *err)
{
    for (int i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return 0;
        }
    }
    return hf_fail(err, HF_E_CONFIG, "'%s' is not accepted by this version", text);
}

/* NAME_parse: the word's index, plus `first`, is the enum's value. */
#define WORD_PARSE(name, enum_type, first)                                                         \
    static int name##_parse(const char *text, void *field, struct hf_err *err)                     \
    {                                                                                              \
        int i = 0;                                                                                 \
        if (word_parse(text, name##_words, &i, err) != 0)                                          \
            return -1;                                                                             \
        *(enum_type *)field = (enum_type)((first) + i);                                            \
        return 0;                                                                                  \
    }
WORD_PARSE(catalog, enum hf_catalog_kind, 0)
WORD_PARSE(guest, enum hf_guest_channel, 0)
WORD_PARSE(quiesce, enum hf_quiesce, 0)
WORD_PARSE(freeze, enum hf_freeze, 0)
WORD_PARSE(rest, enum hf_rest, 0)
WORD_PARSE(uncovered, enum hf_uncovered, 0)
WORD_PARSE(unreadable, enum hf_unreadable, 0)
WORD_PARSE(off_host, enum hf_off_host, 0)
WORD_PARSE(repack, enum hf_repack, 0)
WORD_PARSE(compression, enum hf_compression, 0)
WORD_PARSE(checkpoint, enum hf_checkpoint_use, 0)
WORD_PARSE(grade, enum hf_grade, HF_GRADE_A)

const struct hf_type hf_type_CATALOG = {
    .name = "word", .expects = "sqlite", .choices = catalog_words, .parse = catalog_parse};
const struct hf_type hf_type_GUEST = {
    .name = "word", .expects = "agent, ssh or none", .choices = guest_words, .parse = guest_parse};
const struct hf_type hf_type_QUIESCE = {.name = "word",
                                        .expects = "stop, lock, light or none",
                                        .choices = quiesce_words,
                                        .parse = quiesce_parse};
const struct hf_type hf_type_FREEZE = {
    .name = "word", .expects = "auto, yes or no", .choices = freeze_words, .parse = freeze_parse};
const struct hf_type hf_type_REST = {
    .name = "word", .expects = "release or files", .choices = rest_words, .parse = rest_parse};
const struct hf_type hf_type_UNCOVERED = {.name = "word",
                                          .expects = "refuse or lower",
                                          .choices = uncovered_words,
                                          .parse = uncovered_parse};
const struct hf_type hf_type_OFF_HOST = {.name = "word",
                                         .expects = "verify or assume",
                                         .choices = off_host_words,
                                         .parse = off_host_parse};
const struct hf_type hf_type_REPACK = {
    .name = "word", .expects = "yes or no", .choices = repack_words, .parse = repack_parse};
const struct hf_type hf_type_COMPRESSION = {.name = "word",
                                            .expects = "zstd, gzip or none",
                                            .choices = compression_words,
                                            .parse = compression_parse};
const struct hf_type hf_type_CHECKPOINT = {.name = "word",
                                           .expects = "auto, always or never",
                                           .choices = checkpoint_words,
                                           .parse = checkpoint_parse};
const struct hf_type hf_type_GRADE = {.name = "grade",
                                      .expects = "a grade from A (best) to E",
                                      .choices = grade_words,
                                      .parse = grade_parse};

const char *hf_quiesce_name(enum hf_quiesce q)
{
    return quiesce_words[q];
}

const char *hf_grade_name(enum hf_grade g)
{
    return g == HF_GRADE_NONE ? NULL : grade_words[g - HF_GRADE_A];
}

enum hf_grade hf_quiesce_grade(enum hf_quiesce q, enum hf_freeze freeze)
{
    static const enum hf_grade best[] = {[HF_QUIESCE_STOP] = HF_GRADE_A,
                                         [HF_QUIESCE_LOCK] = HF_GRADE_B,
                                         [HF_QUIESCE_LIGHT] = HF_GRADE_C,
                                         [HF_QUIESCE_NONE] = HF_GRADE_E};
    return q == HF_QUIESCE_NONE && freeze == HF_FREEZE_YES ? HF_GRADE_D : best[q];
}
const struct hf_type hf_type_UNREADABLE = {.name = "word",
                                           .expects = "fail or warn",
                                           .choices = unreadable_words,
                                           .parse = unreadable_parse};
