/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include "run/report.h"

#include <stdio.h>

/* Flushed at once: a full disk has to be noticed before the exit status is decided. */
static int print(const char *text, const char *end, struct hf_err *err)
{
    if (fputs(text, stdout) != EOF && fputs(end, stdout) != EOF && fflush(stdout) == 0)
        return 0;
    return hf_fail_sys(err, errno, "writing to standard output");
}

int hf_cli_flush(struct hf_err *err)
{
    return fflush(stdout) == 0 ? 0 : hf_fail_sys(err, errno, "standard output");
}

int hf_cli_print(const struct hf_buf *text, struct hf_err *err)
{
    if (!hf_buf_ok(text))
        return hf_fail_nomem(err);
    return print(hf_buf_str(text), "", err);
}

int hf_cli_print_json(struct json_object *doc, struct hf_err *err)
{
    const char *text = doc ? json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN |
                                                                     JSON_C_TO_STRING_NOSLASHESCAPE)
                           : NULL;
    return text ? print(text, "\n", err) : hf_fail_nomem(err);
}

/* ---- errors ----------------------------------------------------------------------------- */

static void print_error_text(const struct hf_err *err)
{
    fprintf(stderr, "holdfast: %s\n", err->message);
    if (*err->hint)
        fprintf(stderr, "hint: %s\n", err->hint);
    if (*err->left)
        fprintf(stderr, "left: %s\n", err->left);
}

void hf_cli_print_error(const struct hf_err *err, bool json)
{
    struct hf_err second = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *doc = json ? hf_report_error(err) : NULL;
    /* Without JSON, or when that cannot be made or written: better in the wrong place than nowhere.
     */
    if (!doc || hf_cli_print_json(doc, &second) != 0)
        print_error_text(err);
}
