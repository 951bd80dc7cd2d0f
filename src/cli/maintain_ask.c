/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/maintain_ask.h"

#include "base/path.h"
#include "cli/ask.h"

#include <stdio.h>
#include <string.h>

#define SHOWN_BYTES ((size_t)8 << 10)
#define LOG_BYTES_MAX ((size_t)32 << 20)
#define ANSWER_MAX 64

/* The end of what the command said, without what a terminal would obey. */
static void show_output(const char *log)
{
    struct hf_err err = HF_ERR_INIT;
    size_t len = 0;
    HF_AUTOFREE char *text = hf_path_read(log, LOG_BYTES_MAX, &len, &err);
    if (!text) {
        fprintf(stderr, "%s\n", err.message);
        return;
    }
    size_t from = len > SHOWN_BYTES ? len - SHOWN_BYTES : 0;
    for (size_t i = from; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        fputc(c >= ' ' || c == '\n' || c == '\t' ? c : '?', stderr);
    }
    fprintf(stderr, "\n(all of it: %s)\n", log);
}

static void print_question(const struct hf_maintain_question *q)
{
    fprintf(stderr, "\n%s: %s\n", q->vm, q->why);
    if (q->saves)
        fprintf(stderr, "Rolling back to %s saves what the database took since, first.\n",
                q->snapshot);
    else
        fprintf(stderr,
                "Rolling back to %s loses what the database took since: it cannot be saved (%s). "
                "The disks of now stay.\n",
                q->snapshot, q->why_not);
}

int hf_maintain_ask(void *ctx, const struct hf_maintain_question *q, enum hf_maintain_choice *out)
{
    struct hf_cli *cli = ctx;
    char answer[ANSWER_MAX];
    print_question(q);
    for (;;) {
        fprintf(stderr,
                "r: roll back   k: keep everything as it is   o: show the command's output > ");
        if (!hf_cli_read_answer(cli, answer, sizeof answer)) {
            fprintf(stderr, "\nno answer: everything is kept\n");
            hf_cancel_clear(cli->cancel);
            return -1;
        }
        if (strcmp(answer, "o") == 0)
            show_output(q->log);
        *out = strcmp(answer, "r") == 0 ? HF_MAINTAIN_ROLL_BACK : HF_MAINTAIN_KEEP;
        if (*out == HF_MAINTAIN_ROLL_BACK || strcmp(answer, "k") == 0)
            return 0;
    }
}
