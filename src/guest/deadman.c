/* SPDX-License-Identifier: Apache-2.0
 *
 * The scripts here are constant; names, mounts and times reach them as parameters. Those that systemd runs contain no "${"
 * and no "$$" and do not begin with "$": it would replace these itself.
 */
#include "guest/deadman.h"

#include "base/point.h"
#include "base/unit_name.h"
#include "guest/deadman_intern.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "holdfast-deadman-"
#define MARK_DIR "/run/holdfast"
#define LIST_MAX 64
#define TARGETS_MAX 128
#define AFTER_MAX_MS ((int64_t)7 * 24 * 3600 * 1000)

/* 'set -C' refuses to write over a mark that is there. $1 mark, then a command that arms. */
#define ARM                                                                                        \
    "umask 077; mkdir -p " MARK_DIR " && set -C && echo armed >\"$1\" || exit; m=$1; shift; "      \
    "\"$@\" || { rc=$?; rm -f -- \"$m\"; exit $rc; }"

static const char arm_script[] = ARM;

/* The programs that the frozen guest will need are there, and in memory. */
static const char arm_thaw_script[] = "fsfreeze --version >/dev/null && sleep 0 || exit; " ARM;

/* $1 mark, then the units. 124: timeout gave up waiting, the start goes on. Otherwise the unit may have been started too
 * often in the last seconds: then systemd wants to hear that we mean it. */
static const char start_script[] =
    "true >\"$1\"; shift; for u; do "
    "timeout 30 systemctl start -- \"$u\" || [ $? -eq 124 ] || "
    "{ systemctl reset-failed -- \"$u\"; timeout 30 systemctl start -- \"$u\"; }; done";

/* $1 mark, $2 seconds, then the mounts. */
static const char thaw_script[] =
    "sleep \"$2\"; true >\"$1\"; shift 2; idle=0; n=0; "
    "while [ $idle -lt 5 ] && [ $n -lt 120 ]; do idle=$((idle+1)); n=$((n+1)); "
    "for m; do fsfreeze --unfreeze \"$m\" && idle=0; done; sleep 1; done";

/* $1 name, $2 mark. Both kinds of units end by the same commands; one of the two was never there. */
static const char disarm_script[] =
    "systemctl stop -- \"$1.timer\" \"$1.service\" 2>/dev/null; for u in timer service; do "
    "s=$(systemctl show -p ActiveState --value -- \"$1.$u\") || exit; "
    "case $s in inactive|failed) ;; *) echo \"$1.$u is $s\" >&2; exit 1;; esac; done; "
    "systemctl reset-failed -- \"$1.timer\" \"$1.service\" 2>/dev/null; "
    "if [ -s \"$2\" ]; then echo armed; else echo fired; fi; rm -f -- \"$2\"";

static const char tick_script[] = "read -r up rest </proc/uptime; echo \"$up\" >\"$1\"";

/* $1 name, $2 mark, $3 tenths of a second to wait, then a command that arms. */
static const char measure_script[] =
    "umask 077; mkdir -p " MARK_DIR " || exit; n=$1 m=$2 i=$3; shift 3; rm -f -- \"$m\"; "
    "read -r up rest </proc/uptime; \"$@\" || exit; "
    "while [ ! -s \"$m\" ] && [ $i -gt 0 ]; do sleep 0.1; i=$((i-1)); done; "
    "if [ -s \"$m\" ]; then read -r at <\"$m\"; echo \"$up $at\"; "
    "else systemctl stop -- \"$n.timer\"; echo \"$up late\"; fi; rm -f -- \"$m\"";

void hf_deadman_name(char out[HF_DEADMAN_MAX], const char *run_id, const char *what)
{
    snprintf(out, HF_DEADMAN_MAX, PREFIX "%s-%s", run_id, what);
}

/* ---- commands ---------------------------------------------------------------------------- */

static int check_name(const char *name, struct hf_err *err)
{
    if (!hf_unit_name_is_valid(name) || strncmp(name, PREFIX, sizeof PREFIX - 1) != 0 ||
        strlen(name) >= HF_DEADMAN_MAX)
        return hf_fail(err, HF_E_INTERNAL, "'%s' is not the name of a dead-man", name);
    return 0;
}

static int check_arm(const char *name, const struct hf_strv *targets, int64_t after_ms,
                     struct hf_err *err)
{
    if (check_name(name, err) < 0)
        return -1;
    if (!targets->n || targets->n > TARGETS_MAX)
        return hf_fail(err, HF_E_INTERNAL, "a dead-man for %zu things", targets->n);
    if (after_ms <= 0 || after_ms > AFTER_MAX_MS)
        return hf_fail(err, HF_E_INTERNAL, "a dead-man after %" PRId64 " ms", after_ms);
    return 0;
}

/* An argument list that is put together; what does not fit the memory is told by finish. */
struct args {
    struct hf_strv v;
    bool failed;
};

static void add(struct args *a, const char *s)
{
    a->failed |= hf_strv_add(&a->v, s) < 0;
}

__attribute__((format(printf, 2, 3))) static void addf(struct args *a, const char *fmt, ...)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    hf_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    a->failed |= !hf_buf_ok(&text);
    add(a, hf_buf_str(&text));
}

static void add_shell(struct args *a, const char *script)
{
    add(a, "/bin/sh");
    add(a, "-c");
    add(a, script);
    add(a, "sh");
}

static void add_mark(struct args *a, const char *name)
{
    addf(a, MARK_DIR "/%s", name);
}

static void add_run(struct args *a, const char *name)
{
    add(a, "systemd-run");
    add(a, "--quiet");
    add(a, "--collect");
    addf(a, "--unit=%s", name);
    /* Ours says nothing, and the journal may be frozen. */
    add(a, "--property=StandardOutput=null");
    add(a, "--property=StandardError=null");
    add(a, "--property=TimeoutStopSec=5");
    /* The last one to be killed when memory runs out: nobody else wakes the guest. */
    add(a, "--property=OOMScoreAdjust=-1000");
}

/* Without AccuracySec a timer fires up to a minute late. */
static void add_timer(struct args *a, int64_t after_ms)
{
    addf(a, "--on-active=%" PRId64 ".%03ds", after_ms / 1000, (int)(after_ms % 1000));
    add(a, "--timer-property=AccuracySec=100ms");
    add(a, "--timer-property=RemainAfterElapse=no");
}

static int run(struct hf_guest *g, struct args *a, int64_t deadline_ms,
               struct hf_hv_exec_result *out, struct hf_err *err)
{
    struct hf_guest_cmd cmd = {.argv = (const char *const *)a->v.items, .deadline_ms = deadline_ms};
    int rc = a->failed ? hf_fail_nomem(err) : hf_guest_run(g, &cmd, out, err);
    hf_strv_free(&a->v);
    return rc;
}

/* ---- arm --------------------------------------------------------------------------------- */

int hf_deadman_arm_start(struct hf_guest *g, const char *name, const struct hf_strv *units,
                         int64_t after_ms, int64_t deadline_ms, struct hf_err *err)
{
    struct args a = {0};
    if (check_arm(name, units, after_ms, err) < 0)
        return -1;
    for (size_t i = 0; i < units->n; i++)
        if (!hf_unit_name_is_valid(units->items[i]))
            return hf_fail(err, HF_E_CONFIG, "'%s' is not the name of a systemd unit",
                           units->items[i]);
    add_shell(&a, arm_script);
    add_mark(&a, name);
    add_run(&a, name);
    add_timer(&a, after_ms);
    /* A reference and nothing else: a timer is never reloaded, and no order comes with it. */
    for (size_t i = 0; i < units->n; i++)
        addf(&a, "--timer-property=PropagatesReloadTo=%s", units->items[i]);
    add_shell(&a, start_script);
    add_mark(&a, name);
    for (size_t i = 0; i < units->n; i++)
        add(&a, units->items[i]);
    HF_POINT("deadman.before_arm_start");
    int rc = run(g, &a, deadline_ms, NULL, err);
    HF_POINT("deadman.after_arm_start");
    return rc < 0 ? hf_wrap(err, "arm the dead-man '%s'", name) : 0;
}

/* systemd replaces $NAME and ${NAME} in a command line, and $$ by $. */
static void add_literal(struct args *a, const char *s)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    for (; *s; s++)
        hf_buf_add(&text, "$$", *s == '$' ? 2 : 0), hf_buf_add(&text, s, *s != '$');
    a->failed |= !hf_buf_ok(&text);
    add(a, hf_buf_str(&text));
}

int hf_deadman_arm_thaw(struct hf_guest *g, const char *name, const struct hf_strv *mounts,
                        int64_t after_ms, int64_t deadline_ms, struct hf_err *err)
{
    struct args a = {0};
    if (check_arm(name, mounts, after_ms, err) < 0)
        return -1;
    for (size_t i = 0; i < mounts->n; i++)
        if (mounts->items[i][0] != '/')
            return hf_fail(err, HF_E_CONFIG, "a mount point that does not begin with '/'");
    add_shell(&a, arm_thaw_script);
    add_mark(&a, name);
    add_run(&a, name);
    add_shell(&a, thaw_script);
    add_mark(&a, name);
    addf(&a, "%" PRId64 ".%03d", after_ms / 1000, (int)(after_ms % 1000));
    for (size_t i = 0; i < mounts->n; i++)
        add_literal(&a, mounts->items[i]);
    HF_POINT("deadman.before_arm_thaw");
    int rc = run(g, &a, deadline_ms, NULL, err);
    HF_POINT("deadman.after_arm_thaw");
    return rc < 0 ? hf_wrap(err, "arm the dead-man '%s'", name) : 0;
}

/* ---- disarm, list ------------------------------------------------------------------------ */

int hf_deadman_disarm(struct hf_guest *g, const char *name, int64_t deadline_ms, bool *out_fired,
                      struct hf_err *err)
{
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    struct args a = {0};
    if (check_name(name, err) < 0)
        return -1;
    add_shell(&a, disarm_script);
    add(&a, name);
    add_mark(&a, name);
    HF_POINT("deadman.before_disarm");
    int rc = run(g, &a, deadline_ms, &r, err);
    HF_POINT("deadman.after_disarm");
    if (rc == 0 && strcmp(hf_buf_str(&r.out), "armed\n") && strcmp(hf_buf_str(&r.out), "fired\n"))
        rc = hf_fail(err, HF_E_CORRUPT, "the guest does not say whether it fired");
    if (rc < 0) {
        hf_left(err, "dead-man '%s' may be armed in the guest", name);
        return hf_wrap(err, "disarm the dead-man '%s'", name);
    }
    *out_fired = strcmp(hf_buf_str(&r.out), "fired\n") == 0;
    return 0;
}

/* Its name without the kind of unit, from a line "UNIT LOAD ACTIVE SUB DESCRIPTION"; 1: not one of those wanted. */
static int parse_line(char *line, const char *prefix, char out[HF_DEADMAN_MAX], struct hf_err *err)
{
    char *save = NULL, *unit = strtok_r(line, " ", &save);
    const char *load = strtok_r(NULL, " ", &save), *state = strtok_r(NULL, " ", &save);
    (void)load;
    if (!unit)
        return 1;
    if (!state || !hf_unit_name_is_valid(unit) || strncmp(unit, PREFIX, sizeof PREFIX - 1) != 0)
        return hf_fail(err, HF_E_CORRUPT, "the guest lists something else than dead-men");
    char *dot = strrchr(unit, '.');
    if (!dot || dot - unit >= HF_DEADMAN_MAX)
        return hf_fail(err, HF_E_CORRUPT, "the guest lists something else than dead-men");
    *dot = '\0';
    if (strncmp(unit, prefix, strlen(prefix)) != 0 || strcmp(state, "inactive") == 0 ||
        strcmp(state, "failed") == 0)
        return 1;
    memcpy(out, unit, (size_t)(dot - unit) + 1);
    return 0;
}

int hf_deadman_parse_list(const char *text, const char *run_id, struct hf_strv *out,
                          struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv lines = HF_STRV_INIT;
    char prefix[HF_DEADMAN_MAX], name[HF_DEADMAN_MAX];
    size_t before = out->n;
    if (run_id)
        hf_deadman_name(prefix, run_id, "");
    else
        snprintf(prefix, sizeof prefix, "%s", PREFIX);
    if (hf_strv_split(&lines, text, '\n') < 0)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < lines.n; i++) {
        int rc = parse_line(lines.items[i], prefix, name, err);
        if (rc < 0)
            return -1;
        if (rc > 0 || hf_strv_has(out, name))
            continue;
        if (out->n - before == LIST_MAX)
            return hf_fail(err, HF_E_CORRUPT, "more than %d dead-men in the guest", LIST_MAX);
        if (hf_strv_add(out, name) < 0)
            return hf_fail_nomem(err);
    }
    return 0;
}

int hf_deadman_list(struct hf_guest *g, const char *run_id, struct hf_strv *out,
                    int64_t deadline_ms, struct hf_err *err)
{
    static const char *const argv[] = {"systemctl",   "list-units", "--all",    "--full",
                                       "--no-legend", "--plain",    PREFIX "*", NULL};
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = deadline_ms};
    if (hf_guest_run(g, &cmd, &r, err) < 0)
        return hf_wrap(err, "list the dead-men");
    if (r.truncated)
        return hf_fail(err, HF_E_CORRUPT, "more dead-men in the guest than there can be");
    return hf_deadman_parse_list(hf_buf_str(&r.out), run_id, out, err);
}

/* ---- measure ----------------------------------------------------------------------------- */

/* "123.45", seconds since boot, to ms. */
static bool read_uptime(const char **p, int64_t *out_ms)
{
    char *end;
    if (!isdigit((unsigned char)**p))
        return false;
    errno = 0;
    long long s = strtoll(*p, &end, 10);
    if (errno || s > INT32_MAX || *end != '.' || !isdigit((unsigned char)end[1]) ||
        !isdigit((unsigned char)end[2]))
        return false;
    *out_ms = s * 1000 + (end[1] - '0') * 100 + (end[2] - '0') * 10;
    *p = end + 3;
    return true;
}

static int read_lateness(const char *said, int64_t after_ms, int64_t *out_ms, struct hf_err *err)
{
    int64_t armed_ms, fired_ms;
    if (!read_uptime(&said, &armed_ms))
        return hf_fail(err, HF_E_CORRUPT, "the guest does not say when it fired");
    if (strcmp(said, " late\n") == 0)
        return hf_fail(err, HF_E_TIMEOUT, "it had not fired by the deadline");
    if (*said++ != ' ' || !read_uptime(&said, &fired_ms) || strcmp(said, "\n") != 0)
        return hf_fail(err, HF_E_CORRUPT, "the guest does not say when it fired");
    *out_ms = fired_ms - armed_ms - after_ms;
    return 0;
}

int hf_deadman_measure(struct hf_guest *g, const char *name, int64_t after_ms, int64_t deadline_ms,
                       int64_t *out_late_ms, struct hf_err *err)
{
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    struct args a = {0};
    int64_t wait_ms = deadline_ms - hf_clock_mono_ms(hf_clock_system());
    if (check_name(name, err) < 0)
        return -1;
    if (after_ms <= 0 || wait_ms <= after_ms)
        return hf_fail(err, HF_E_TIMEOUT, "no time to measure a dead-man");
    add_shell(&a, measure_script);
    add(&a, name);
    add_mark(&a, name);
    /* A part of the time is the script's own. */
    addf(&a, "%" PRId64, (after_ms + (wait_ms - after_ms) / 2) / 100);
    add_run(&a, name);
    add_timer(&a, after_ms);
    add_shell(&a, tick_script);
    add_mark(&a, name);
    if (run(g, &a, deadline_ms, &r, err) < 0 ||
        read_lateness(hf_buf_str(&r.out), after_ms, out_late_ms, err) < 0)
        return hf_wrap(err, "measure the dead-man '%s'", name);
    return 0;
}
