/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/said.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CHUNKS_MAX                                                                                 \
    64 /* at a time: more than a pipe holds, and one that never stops holds nobody up */
#define TIME_LEN (sizeof "2026-11-23T03:00:00.123Z" - 1)

const char *hf_said_split(const char *line, enum hf_log_level *out_level)
{
    static const struct {
        const char *name;
        enum hf_log_level level;
    } levels[] = {{"error ", HF_LOG_ERROR},
                  {"warn ", HF_LOG_WARN},
                  {"info ", HF_LOG_INFO},
                  {"detail ", HF_LOG_DETAIL},
                  {"debug ", HF_LOG_DEBUG}};
    int64_t ignored;
    char time[TIME_LEN + 1];
    *out_level = HF_LOG_WARN;
    if (strlen(line) <= TIME_LEN || line[TIME_LEN] != ' ')
        return line;
    memcpy(time, line, TIME_LEN);
    time[TIME_LEN] = '\0';
    if (hf_time_parse(time, &ignored) < 0)
        return line;
    const char *rest = line + TIME_LEN + 1;
    for (size_t i = 0; i < HF_ARRAY_SIZE(levels); i++) {
        size_t len = strlen(levels[i].name);
        if (strncmp(rest, levels[i].name, len) != 0)
            continue;
        *out_level = levels[i].level;
        return rest + len + strspn(rest + len, " ");
    }
    return line;
}

static void end_line(struct hf_said *s)
{
    enum hf_log_level level;
    s->line[s->len] = '\0';
    s->len = 0;
    const char *text = hf_said_split(s->line, &level);
    if (!*text)
        return;
    hf_log(s->log, level, s->source, "%s", text);
    snprintf(s->last, sizeof s->last, "%s", text);
}

static void take_text(struct hf_said *s, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\n')
            end_line(s);
        else if (s->len < sizeof s->line - 1 && text[i] != '\0')
            s->line[s->len++] = text[i];
}

static void take_document(struct hf_said *s, const char *text, size_t n)
{
    size_t room = HF_SAID_OUT_MAX - s->out.len, take = n < room ? n : room;
    hf_buf_add(&s->out, text, take);
    s->is_cut = s->is_cut || take < n;
}

static bool drain(struct hf_said *s, int fd, void (*take)(struct hf_said *, const char *, size_t))
{
    char chunk[16384];
    for (int i = 0; i < CHUNKS_MAX; i++) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
            return false;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n > 0)
            take(s, chunk, (size_t)n);
    }
    return true;
}

bool hf_said_read_out(struct hf_said *s, int fd)
{
    return drain(s, fd, take_document);
}

bool hf_said_read_err(struct hf_said *s, int fd)
{
    return drain(s, fd, take_text);
}

void hf_said_finish(struct hf_said *s)
{
    if (s->len > 0)
        end_line(s);
}

void hf_said_free(struct hf_said *s)
{
    hf_buf_free(&s->out);
}
