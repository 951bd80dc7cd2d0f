/* SPDX-License-Identifier: Apache-2.0
 *
 * unit/db/script.h - a MySQL client library that follows a script.
 *
 * Included by a test program, it defines the calls of mysql.h that src/db makes; the program's own
 * definitions win over those of the shared library. Each test program is one scripted server: it
 * knows the answers to all that a session asks in good times, and a case adds rules for what goes
 * wrong. Statements are recorded as "1:BACKUP STAGE START" with the number of the session, so that
 * order can be asserted. Threads: any.
 *
 * The same situations are met with real servers in tests/integration/db; where they differ, this
 * file is wrong.
 */
#ifndef HF_TEST_SCRIPT_H
#define HF_TEST_SCRIPT_H

#include "base/buf.h"
#include "harness/hf_test.h"

#include <mysql.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SCRIPT_RULES 24
#define SCRIPT_FIELDS 12

struct rule {
    const char *piece;  /* of the statement */
    unsigned code;      /* error to answer; 0: none. 2013 closes the session */
    unsigned late_code; /* the same, behind the result sets: of a later statement in the packet */
    const char *
        rows; /* "a|b|c\nd|e|f", "\\N" is NULL, a line "--" begins a further result set; a first line
                           "#x|y|z" names the columns */
    bool waits;          /* until its session gets KILL QUERY, 2 s at the most; then 1317 */
    bool waits_and_wins; /* the same, but it is granted at that moment */
    int delay_ms;        /* before the answer */
    int times;           /* so often; 0: always */
    int skip;            /* not the first ones */
};

static struct script {
    pthread_mutex_t mutex;
    pthread_cond_t killed;
    struct rule rules[SCRIPT_RULES];
    int n_rules;
    struct hf_buf log;
    unsigned sessions;
    const char *version, *tables, *grants, *log_bin;
    const char *flush_log, *sync_binlog; /* until a SET GLOBAL */
    bool is_galera;
    const char *desync; /* "0", "1", as SELECT shows it */
    const char *node;   /* wsrep_ready, wsrep_cluster_status, wsrep_local_state_comment */
    unsigned mark_owner;
    unsigned offset;
} script = {.mutex = PTHREAD_MUTEX_INITIALIZER, .killed = PTHREAD_COND_INITIALIZER};

/* What a MYSQL_RES is here: the lines that are left. */
struct st_script_result {
    char *text, *next;
    char *fields[SCRIPT_FIELDS + 1];
    MYSQL_FIELD columns[SCRIPT_FIELDS];
    unsigned n;
};

struct session {
    MYSQL mysql; /* first: the caller's handle */
    unsigned id, code, late_code;
    bool is_open, kill_pending;
    char *answer; /* result sets that were not read yet */
    bool has_answer;
};

static struct session *script_all[64];

static void script_begin(const char *version)
{
    hf_buf_free(&script.log);
    script.n_rules = 0;
    script.sessions = 0;
    script.mark_owner = 0;
    script.offset = 100;
    script.version = version;
    script.flush_log = script.sync_binlog = "1";
    script.is_galera = false;
    script.desync = "0";
    script.node = "wsrep_ready|ON\nwsrep_cluster_status|Primary\nwsrep_cluster_size|3\n"
                  "wsrep_local_state_comment|Synced";
    script.tables = "";
    script.log_bin = "ON";
    script.grants = "GRANT ALL PRIVILEGES ON *.* TO `hf`@`localhost`";
}

static inline void script_add(struct rule r)
{
    assert_true(script.n_rules < SCRIPT_RULES);
    script.rules[script.n_rules++] = r;
}

static const char *script_log(void)
{
    return hf_buf_str(&script.log);
}

/* The pieces appear in this order. */
static inline void assert_said(const char *const *pieces, size_t n)
{
    const char *at = script_log();
    for (size_t i = 0; i < n; i++) {
        const char *found = strstr(at, pieces[i]);
        if (!found)
            fail_msg("'%s' was not said (after the ones before it) in:\n%s", pieces[i],
                     script_log());
        at = found + strlen(pieces[i]);
    }
}
#define ASSERT_SAID(...)                                                                           \
    assert_said((const char *const[]){__VA_ARGS__},                                                \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static inline int script_count(const char *piece)
{
    int n = 0;
    for (const char *p = script_log(); (p = strstr(p, piece)); p++)
        n++;
    return n;
}

static const char **script_variable(const char *sql)
{
    return strstr(sql, "wsrep_desync")  ? &script.desync
           : strstr(sql, "sync_binlog") ? &script.sync_binlog
                                        : &script.flush_log;
}

/* Numbers of one digit, and switches. */
static void script_set(const char *sql)
{
    static const char digits[] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009";
    const char *value = strstr(sql, " = ");
    if (!strncmp(sql, "SET GLOBAL ", 11) && strstr(sql, "wsrep_desync"))
        script.desync = strstr(sql, " = ON") ? "1" : "0";
    else if (!strncmp(sql, "SET GLOBAL ", 11) && value)
        *script_variable(sql) = &digits[2 * (value[3] - '0')];
}

/* ---- good times ------------------------------------------------------------------------------ */

static char *script_default(struct session *s, const char *sql)
{
    if (strstr(sql, "VERSION()"))
        return hf_asprintf("%u|%s", s->id, script.version);
    if (strstr(sql, "SHOW GLOBAL VARIABLES"))
        return hf_asprintf("log_bin|%s\nsync_binlog|%s\ninnodb_flush_log_at_trx_commit|%s%s%s",
                           script.log_bin, script.sync_binlog, script.flush_log,
                           script.is_galera ? "\nwsrep_on|ON\nwsrep_provider|/usr/lib/galera.so\n"
                                              "wsrep_desync|"
                                            : "\nwsrep_on|ON\nwsrep_provider|none\nwsrep_desync|",
                           strcmp(script.desync, "1") ? "OFF" : "ON");
    if (strstr(sql, "wsrep_ready"))
        return strdup(script.node);
    if (strstr(sql, "SHOW GRANTS"))
        return strdup(script.grants);
    if (strstr(sql, "information_schema.tables"))
        return strdup(script.tables);
    if (strstr(sql, "CURRENT_USER()"))
        return strdup("hf@localhost");
    if (strstr(sql, "GET_LOCK(")) {
        bool is_free = !script.mark_owner || !script_all[script.mark_owner]->is_open;
        script.mark_owner = is_free ? s->id : script.mark_owner;
        return strdup(is_free ? "1" : "0");
    }
    if (strstr(sql, "log_status"))
        return hf_asprintf("%u|%u|binlog.000001|%u|uuid:1-5|1234", s->id, script.mark_owner,
                           script.offset);
    if (strstr(sql, "SHOW MASTER STATUS"))
        return hf_asprintf("binlog.000001|%u||\n--\n0-1-5|%u|%u", script.offset, s->id,
                           script.mark_owner);
    if (strstr(sql, "SELECT ''"))
        return hf_asprintf("|%u|%u", s->id, script.mark_owner);
    if (!strncmp(sql, "SELECT @@global.", 16))
        return strdup(*script_variable(sql));
    if (strstr(sql, "COUNT(*)"))
        return strdup("0");
    if (!strncmp(sql, "SELECT", 6) || !strncmp(sql, "SHOW", 4))
        return strdup("");
    return NULL;
}

static struct rule *script_match(const char *sql)
{
    for (int i = 0; i < script.n_rules; i++) {
        struct rule *r = &script.rules[i];
        if (r->times < 0 || !strstr(sql, r->piece))
            continue;
        if (r->skip > 0) {
            r->skip--;
            continue;
        }
        if (r->times > 0 && --r->times == 0)
            r->times = -1;
        return r;
    }
    return NULL;
}

static bool script_wait_for_kill(struct session *s)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 2;
    while (!s->kill_pending)
        if (pthread_cond_timedwait(&script.killed, &script.mutex, &until))
            break;
    bool was_killed = s->kill_pending;
    s->kill_pending = false;
    return was_killed;
}

static void script_lose(struct session *s)
{
    s->is_open = false;
    if (script.mark_owner == s->id)
        script.mark_owner = 0;
}

static int script_answer(struct session *s, const char *sql)
{
    hf_buf_printf(&script.log, "%u:%s\n", s->id, sql);
    if (!s->is_open)
        return (int)(s->code = 2006);
    if (!strncmp(sql, "KILL QUERY ", 11)) {
        unsigned victim = (unsigned)atoi(sql + 11);
        struct rule *r = script_match(sql);
        if (r && r->code)
            return (int)(s->code = r->code);
        script_all[victim]->kill_pending = true;
        pthread_cond_broadcast(&script.killed);
        return 0;
    }
    struct rule *r = script_match(sql);
    if (r && (r->waits || r->waits_and_wins)) {
        bool was_killed = script_wait_for_kill(s);
        if (!r->waits_and_wins)
            return (int)(s->code = was_killed ? 1317 : 1205);
    }
    if (r && r->delay_ms)
        hf_clock_sleep_ms(hf_clock_system(), r->delay_ms);
    if (r && r->code) {
        if (r->code == 2013)
            script_lose(s);
        return (int)(s->code = r->code);
    }
    script_set(sql);
    s->late_code = r ? r->late_code : 0;
    free(s->answer);
    s->answer = r && r->rows ? strdup(r->rows) : script_default(s, sql);
    s->has_answer = s->answer != NULL;
    return 0;
}

/* ---- mysql.h ----------------------------------------------------------------------------------
 */

MYSQL *STDCALL mysql_init(MYSQL *m)
{
    struct session *s = calloc(1, sizeof *s);
    (void)m;
    pthread_mutex_lock(&script.mutex);
    s->id = ++script.sessions;
    script_all[s->id] = s;
    pthread_mutex_unlock(&script.mutex);
    return &s->mysql;
}

int STDCALL mysql_options(MYSQL *m, enum mysql_option option, const void *value)
{
    (void)m, (void)option, (void)value;
    return 0;
}

MYSQL *STDCALL mysql_real_connect(MYSQL *m, const char *host, const char *user, const char *passwd,
                                  const char *db, unsigned port, const char *socket,
                                  unsigned long flags)
{
    struct session *s = (struct session *)m;
    (void)host, (void)user, (void)passwd, (void)db, (void)port, (void)socket, (void)flags;
    pthread_mutex_lock(&script.mutex);
    hf_buf_printf(&script.log, "%u:connect\n", s->id);
    struct rule *r = script_match("connect");
    s->code = r ? r->code : 0;
    s->is_open = s->code == 0;
    pthread_mutex_unlock(&script.mutex);
    return s->is_open ? m : NULL;
}

void STDCALL mysql_close(MYSQL *m)
{
    struct session *s = (struct session *)m;
    static struct session closed;
    pthread_mutex_lock(&script.mutex);
    hf_buf_printf(&script.log, "%u:close\n", s->id);
    script_lose(s);
    script_all[s->id] = &closed;
    pthread_mutex_unlock(&script.mutex);
    free(s->answer);
    free(s);
}

const char *STDCALL mysql_get_ssl_cipher(MYSQL *m)
{
    (void)m;
    return NULL;
}

my_socket STDCALL mysql_get_socket(MYSQL *m)
{
    (void)m;
    return -1;
}

unsigned STDCALL mysql_errno(MYSQL *m)
{
    return ((struct session *)m)->code;
}

const char *STDCALL mysql_error(MYSQL *m)
{
    static _Thread_local char text[32];
    snprintf(text, sizeof text, "scripted error %u", mysql_errno(m));
    return text;
}

int STDCALL mysql_real_query(MYSQL *m, const char *sql, unsigned long len)
{
    struct session *s = (struct session *)m;
    (void)len;
    pthread_mutex_lock(&script.mutex);
    s->code = 0;
    int rc = script_answer(s, sql);
    pthread_mutex_unlock(&script.mutex);
    return rc ? 1 : 0;
}

static void script_name_columns(struct st_script_result *res)
{
    static char nameless[] = "";
    char *names = res->next && *res->next == '#' ? res->next + 1 : NULL;
    if (names) {
        char *end = strchr(names, '\n');
        res->next = end ? end + 1 : NULL;
        if (end)
            *end = '\0';
    }
    for (unsigned i = 0; i < SCRIPT_FIELDS; i++)
        res->columns[i].name = names ? strsep(&names, "|") : nameless;
}

MYSQL_RES *STDCALL mysql_use_result(MYSQL *m)
{
    struct session *s = (struct session *)m;
    if (!s->has_answer)
        return NULL;
    struct st_script_result *res = calloc(1, sizeof *res);
    char *further = strstr(s->answer, "\n--\n");
    if (further)
        *further = '\0';
    res->text = strdup(s->answer);
    res->next = *res->text ? res->text : NULL;
    s->has_answer = further != NULL;
    if (further)
        memmove(s->answer, further + 4, strlen(further + 4) + 1);
    /* The number of columns is known before the first row. */
    res->n = 1;
    for (char *p = res->text; *p && *p != '\n'; p++)
        res->n += *p == '|';
    script_name_columns(res);
    return (MYSQL_RES *)res;
}

MYSQL_FIELD *STDCALL mysql_fetch_fields(MYSQL_RES *r)
{
    return ((struct st_script_result *)r)->columns;
}

unsigned STDCALL mysql_num_fields(MYSQL_RES *r)
{
    return ((struct st_script_result *)r)->n;
}

MYSQL_ROW STDCALL mysql_fetch_row(MYSQL_RES *r)
{
    struct st_script_result *res = (struct st_script_result *)r;
    if (!res->next)
        return NULL;
    char *line = res->next, *end = strchr(line, '\n');
    res->next = end ? end + 1 : NULL;
    if (end)
        *end = '\0';
    for (unsigned i = 0; i < SCRIPT_FIELDS; i++) {
        char *field = line ? strsep(&line, "|") : NULL;
        res->fields[i] = field && strcmp(field, "\\N") ? field : NULL;
    }
    return res->fields;
}

void STDCALL mysql_free_result(MYSQL_RES *r)
{
    struct st_script_result *res = (struct st_script_result *)r;
    free(res->text);
    free(res);
}

int STDCALL mysql_next_result(MYSQL *m)
{
    struct session *s = (struct session *)m;
    if (s->has_answer)
        return 0;
    s->code = s->late_code;
    s->late_code = 0;
    if (s->code != 2013)
        return s->code ? 1 : -1;
    pthread_mutex_lock(&script.mutex);
    script_lose(s);
    pthread_mutex_unlock(&script.mutex);
    return 1;
}

int STDCALL mysql_set_server_option(MYSQL *m, enum enum_mysql_set_option option)
{
    (void)option;
    return ((struct session *)m)->is_open ? 0 : 1;
}

unsigned long STDCALL mysql_real_escape_string(MYSQL *m, char *to, const char *from,
                                               unsigned long len)
{
    (void)m;
    memcpy(to, from, len + 1);
    return len;
}

void STDCALL mysql_thread_end(void)
{
}

#endif
