/* SPDX-License-Identifier: Apache-2.0 */
#include "files/said.h"

#include "base/utf8.h"

#include <string.h>

/* The first that a line has in it. A name may have one of these in it, too: then the file is still named. */
static const struct {
    const char *text;
    enum hf_said_kind kind;
} phrases[] = {
    {": File removed before we read it", HF_SAID_VANISHED},
    {": file changed as we read it", HF_SAID_CHANGED},
    {": File shrank by ", HF_SAID_CHANGED},
    {": socket ignored", HF_SAID_SKIPPED},
    {": door ignored", HF_SAID_SKIPPED},
    {": file is on a different filesystem; not dumped", HF_SAID_SKIPPED},
    {": Unknown file type; file ignored", HF_SAID_SKIPPED},
    {": Cannot open: ", HF_SAID_UNREADABLE},
    {": Cannot stat: ", HF_SAID_UNREADABLE},
    {": Cannot read", HF_SAID_UNREADABLE},
    {": Cannot savedir: ", HF_SAID_UNREADABLE},
    {": Cannot close: ", HF_SAID_UNREADABLE},
    {": Read error at byte ", HF_SAID_UNREADABLE},
    {": Warning: Cannot ", HF_SAID_UNREADABLE},
    {": Warning: Read error ", HF_SAID_UNREADABLE},
};

const char *hf_said_name(enum hf_said_kind kind)
{
    static const char *const names[HF_SAID_KINDS] = {"unreadable", "vanished", "changed", "skipped",
                                                     "other"};
    return names[kind];
}

static enum hf_said_kind kind_of(const char *line)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(phrases); i++)
        if (strstr(line, phrases[i].text))
            return phrases[i].kind;
    return HF_SAID_OTHER;
}

static void take_line(struct hf_said *s)
{
    const char *line = hf_buf_str(&s->line);
    if (strncmp(line, "tar: ", 5) == 0)
        line += 5;
    /* Says only that there was something before. */
    if (*line && !strstr(line, "Exiting with failure status due to previous errors")) {
        enum hf_said_kind kind = kind_of(line);
        if (s->n[kind]++ < HF_SAID_KEPT && hf_strv_add(&s->kept[kind], line) < 0)
            s->is_nomem = true;
    }
    hf_buf_clear(&s->line);
}

void hf_said_add(struct hf_said *s, const char *data, size_t len)
{
    if (len == 0 && s->line.len)
        take_line(s);
    for (size_t i = 0; i < len; i++) {
        char c = data[i];
        if (c == '\n')
            take_line(s);
        else if (s->line.len < HF_SAID_LINE_MAX)
            hf_buf_add(&s->line, hf_is_control(c) ? "?" : &c, 1);
    }
    s->is_nomem |= !hf_buf_ok(&s->line);
}

void hf_said_free(struct hf_said *s)
{
    for (int i = 0; i < HF_SAID_KINDS; i++)
        hf_strv_free(&s->kept[i]);
    hf_buf_free(&s->line);
}
