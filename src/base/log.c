/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/buf.h"
#include "base/strv.h"
#include "base/utf8.h"

#include <pthread.h>
#include <string.h>

struct hf_log {
    enum hf_log_level level;
    bool json, journal;
    FILE *out;
    const struct hf_clock *clock;
    struct hf_strv debug;
    pthread_mutex_t mutex; /* guards run and vm */
    char *run, *vm;
};

struct hf_log *hf_log_new(const struct hf_log_opts *opts)
{
    HF_AUTO(hf_log) struct hf_log *log = calloc(1, sizeof *log);
    if (!log)
        return NULL;
    pthread_mutex_init(&log->mutex, NULL);
    log->level = opts->level;
    log->json = opts->json;
    log->journal = opts->journal && !opts->json;
    log->out = opts->out ? opts->out : stderr;
    log->clock = opts->clock ? opts->clock : hf_clock_system();
    if (opts->debug && hf_strv_split(&log->debug, opts->debug, ',') < 0)
        return NULL;
    return HF_STEAL(log);
}

void hf_log_free(struct hf_log *log)
{
    if (!log)
        return;
    pthread_mutex_destroy(&log->mutex);
    hf_strv_free(&log->debug);
    free(log->run);
    free(log->vm);
    free(log);
}

static void replace(char **field, const char *value)
{
    free(*field);
    *field = value ? strdup(value) : NULL;
}

void hf_log_bind(struct hf_log *log, const char *run, const char *vm)
{
    if (!log)
        return;
    pthread_mutex_lock(&log->mutex);
    replace(&log->run, run);
    replace(&log->vm, vm);
    pthread_mutex_unlock(&log->mutex);
}

static bool is_wanted(const struct hf_log *log, enum hf_log_level level, const char *source)
{
    if (level <= log->level)
        return true;
    return level == HF_LOG_DEBUG &&
           (hf_strv_has(&log->debug, source) || hf_strv_has(&log->debug, "all"));
}

static const char *level_name(enum hf_log_level level)
{
    static const char *const names[] = {[HF_LOG_ERROR] = "error",
                                        [HF_LOG_WARN] = "warn",
                                        [HF_LOG_INFO] = "info",
                                        [HF_LOG_DETAIL] = "detail",
                                        [HF_LOG_DEBUG] = "debug"};
    return (unsigned)level < HF_ARRAY_SIZE(names) ? names[level] : "debug";
}

/* As in syslog(3). */
static int priority(enum hf_log_level level)
{
    static const int priorities[] = {[HF_LOG_ERROR] = 3, [HF_LOG_WARN] = 4, [HF_LOG_INFO] = 6};
    return (unsigned)level < HF_ARRAY_SIZE(priorities) ? priorities[level] : 7;
}

/* Messages quote servers and guests: whatever they say stays one line and valid UTF-8, and cannot
 * drive the reader's terminal. In JSON quotes and backslashes are escaped too. */
static void add_escaped(struct hf_buf *b, const char *text, bool json)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        size_t len = hf_utf8_character((const char *)s);
        if (len == 0) {
            hf_buf_str_add(b, "\xEF\xBF\xBD"); /* U+FFFD */
            s++;
            continue;
        }
        if (*s == '\n')
            hf_buf_str_add(b, "\\n");
        else if (*s == '\t')
            hf_buf_str_add(b, "\\t");
        else if (hf_is_control((char)*s))
            hf_buf_printf(b, "\\u%04x", *s);
        else if (json && (*s == '"' || *s == '\\'))
            hf_buf_printf(b, "\\%c", *s);
        else
            hf_buf_add(b, s, len);
        s += len;
    }
}

static void add_json(struct hf_buf *b, const char *key, const char *value)
{
    hf_buf_printf(b, "%s\"%s\":\"", b->len ? "," : "{", key);
    add_escaped(b, value, true);
    hf_buf_str_add(b, "\"");
}

static void add_field(struct hf_buf *b, bool json, const char *key, const char *value)
{
    if (!value)
        return;
    if (json) {
        add_json(b, key, value);
        return;
    }
    hf_buf_printf(b, " %s=", key);
    add_escaped(b, value, false);
}

static void format_line(struct hf_log *log, struct hf_buf *b, enum hf_log_level level,
                        const char *source, const char *message)
{
    char time[HF_TIME_MAX];
    hf_time_rfc3339(hf_clock_wall_us(log->clock), time);
    if (log->json) {
        add_json(b, "time", time);
        add_json(b, "level", level_name(level));
        add_json(b, "source", source);
    } else if (log->journal) {
        hf_buf_printf(b, "<%d>%s", priority(level), level_name(level));
    } else {
        hf_buf_printf(b, "%s %-6s", time, level_name(level));
    }
    pthread_mutex_lock(&log->mutex);
    add_field(b, log->json, "run", log->run);
    add_field(b, log->json, "vm", log->vm);
    pthread_mutex_unlock(&log->mutex);
    if (log->json) {
        add_json(b, "message", message);
        hf_buf_str_add(b, "}\n");
    } else {
        hf_buf_printf(b, " %s: ", source);
        add_escaped(b, message, false);
        hf_buf_str_add(b, "\n");
    }
}

static void write_line(struct hf_log *log, enum hf_log_level level, const char *source,
                       const char *message)
{
    HF_AUTO(hf_buf) struct hf_buf line = HF_BUF_INIT;
    format_line(log, &line, level, source, message);
    /* One fwrite, which locks the stream: lines of threads do not mix. What cannot be logged must
     * not stop a run that may hold a lock, so errors end here. */
    if (hf_buf_ok(&line))
        fwrite(line.data, 1, line.len, log->out);
    fflush(log->out);
}

void hf_log(struct hf_log *log, enum hf_log_level level, const char *source, const char *fmt, ...)
{
    if (!log || !is_wanted(log, level, source))
        return;
    int saved = errno;
    HF_AUTO(hf_buf) struct hf_buf message = HF_BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    hf_buf_vprintf(&message, fmt, ap);
    va_end(ap);
    write_line(log, level, source, hf_buf_ok(&message) ? hf_buf_str(&message) : fmt);
    errno = saved;
}

void hf_log_err(struct hf_log *log, enum hf_log_level level, const char *source,
                const struct hf_err *err)
{
    hf_log(log, level, source, "%s", err->message);
    if (err->hint[0])
        hf_log(log, level, source, "hint: %s", err->hint);
    if (err->left[0])
        hf_log(log, level, source, "left: %s", err->left);
}
