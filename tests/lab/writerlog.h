/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's log: what a client outside the guest did, and when it knew that it was done.
 *
 * One line per event, each written by one write(2), so that a killed writer leaves a log that is
 * true as far as it goes. All times are nanoseconds; "real" is CLOCK_REALTIME, for comparison with
 * the timeline of a run on the same host, "mono" is CLOCK_MONOTONIC, for intervals.
 *
 *   S txn thread kind rows sent_mono sent_real
 *   A txn thread kind rows sent_mono sent_real acked_mono acked_real begun_mono worst_ns
 *   F txn thread kind rows sent_mono sent_real mono real errno message
 *
 * S is written just before the statement that commits is sent (COMMIT, or the autocommit INSERT), A
 * when its acknowledgement has arrived, F when an error came instead: then nobody but the server
 * knows whether it was committed. begun is when the transaction's first statement was sent, worst
 * the longest single statement in it. kind: see enum kind. Row "part" of "txn" carries both numbers
 * and the number of parts. A txn number is never used twice, not by a later writer either. */
#ifndef LAB_WRITERLOG_H
#define LAB_WRITERLOG_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Each kind has its own table but MULTI, whose rows alternate between the two InnoDB tables. */
enum kind { KIND_SINGLE, KIND_MULTI, KIND_MYISAM, KIND_ARIA, KIND_COUNT };

static const char *const kind_names[KIND_COUNT] = {"single", "multi", "myisam", "aria"};

enum table { TABLE_INNODB, TABLE_INNODB2, TABLE_MYISAM, TABLE_ARIA, TABLE_COUNT };

static const char *const table_names[TABLE_COUNT] = {"w_innodb", "w_innodb2", "w_myisam", "w_aria"};

struct commit {
    uint64_t txn;
    unsigned thread;
    enum kind kind;
    unsigned rows;
    int64_t sent_mono, sent_real;
    int64_t acked_mono, acked_real; /* 0: never acknowledged */
    int64_t begun_mono;
    int64_t worst_ns;
};

/* In the order of the S lines, so that the commits of each thread are in their order. */
struct commits {
    struct commit *v;
    size_t n, cap;
};

static inline int64_t clock_ns(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* RFC 3339 with microseconds, into a buffer of at least 32 bytes. */
static inline const char *rfc3339(int64_t ns, char *buf)
{
    time_t sec = ns / 1000000000;
    struct tm tm;
    gmtime_r(&sec, &tm);
    size_t n = strftime(buf, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(buf + n, 32 - n, ".%06dZ", (int)(ns % 1000000000 / 1000));
    return buf;
}

/* An instant as a number of nanoseconds or as RFC 3339 in UTC, either followed by +MS if one likes:
 * a timeline has a start and offsets in milliseconds. */
static inline bool parse_instant(const char *text, int64_t *out)
{
    char *end;
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest != NULL) {
        *out = (int64_t)timegm(&tm) * 1000000000;
        if (*rest == '.') {
            *out += (int64_t)(strtod(rest, &end) * 1e9 + 0.5);
            rest = end;
        }
        if (*rest == 'Z')
            rest++;
        else if (strncmp(rest, "+00:00", 6) == 0)
            rest += 6;
        else
            return false;
    } else {
        *out = strtoll(text, &end, 10);
        if (end == text)
            return false;
        rest = end;
    }
    if (*rest == '+') {
        *out += (int64_t)(strtod(rest + 1, &end) * 1e6);
        rest = end;
    }
    return *rest == '\0';
}

static inline struct commit *commits_add(struct commits *list)
{
    if (list->n == list->cap) {
        list->cap = list->cap ? 2 * list->cap : 1024;
        list->v = realloc(list->v, list->cap * sizeof(*list->v));
        if (list->v == NULL)
            abort();
    }
    memset(&list->v[list->n], 0, sizeof(*list->v));
    return &list->v[list->n++];
}

static inline bool kind_parse(const char *name, enum kind *out)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        if (strcmp(name, kind_names[i]) == 0) {
            *out = (enum kind)i;
            return true;
        }
    }
    return false;
}

/* An A line belongs to a recent S line: there is one per thread in between at most. */
static inline struct commit *commits_find_recent(struct commits *list, uint64_t txn)
{
    for (size_t i = list->n; i-- > 0;) {
        if (list->v[i].txn == txn)
            return &list->v[i];
    }
    return NULL;
}

static inline bool commits_parse_line(struct commits *list, const char *line)
{
    struct commit c = {0};
    char type, kind[16];
    int n = sscanf(line,
                   "%c %" SCNu64 " %u %15s %u %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
                   " %" SCNd64 " %" SCNd64,
                   &type, &c.txn, &c.thread, kind, &c.rows, &c.sent_mono, &c.sent_real,
                   &c.acked_mono, &c.acked_real, &c.begun_mono, &c.worst_ns);
    if (n < 7 || !kind_parse(kind, &c.kind))
        return false;
    switch (type) {
    case 'S':
        c.acked_mono = c.acked_real = 0;
        *commits_add(list) = c;
        return true;
    case 'A': {
        struct commit *sent = commits_find_recent(list, c.txn);
        if (sent == NULL || n != 11)
            return false;
        *sent = c;
        return true;
    }
    case 'F':
        return commits_find_recent(list, c.txn) != NULL;
    default:
        return false;
    }
}

/* A last line without its end was cut off by the writer's death and does not count; any other
 * line that cannot be read is an error, for a log that is half understood proves nothing. */
static inline bool commits_load(struct commits *list, const char *path)
{
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t size = 0, number = 0;
    ssize_t len;
    bool ok = true;
    if (f == NULL) {
        perror(path);
        return false;
    }
    while (ok && (len = getline(&line, &size, f)) > 0) {
        number++;
        if (line[len - 1] != '\n' || line[0] == '#')
            continue;
        ok = commits_parse_line(list, line);
        if (!ok)
            fprintf(stderr, "%s:%zu: cannot read this line\n", path, number);
    }
    free(line);
    fclose(f);
    return ok;
}

#endif
