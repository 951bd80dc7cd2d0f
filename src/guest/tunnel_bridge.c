/* SPDX-License-Identifier: Apache-2.0
 *
 * The scripts here are constant; names, addresses and numbers reach them as parameters. The bridge itself is started by
 * systemd, which would replace "${" and "$$" and a "$" in front: it contains none.
 */
#include "guest/tunnel_bridge.h"

#include "base/point.h"
#include "base/unit_name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "holdfast-bridge-"
#define RUN_DIR "/run/"
#define UPTIME_MAX 256
/* One write of the agent. */
#define LINE_MAX_BYTES ((size_t)48 << 10)

/* $1 directory, $2 host, $3 port, $4 token, $5 milliseconds of silence.
 * One process each for the two directions, which may wait for the connection; the third only watches. fd 4 is a pipe that
 * nobody writes to: waiting for it is a sleep without a program. What came last from a database that has closed has still
 * to be fetched, so the watcher stays until we say that it is over. Where there is no room for a piece (a full /run) all
 * ends at once: a connection that is lost is better than one with a hole. */
static const char bridge_script[] =
    "LC_ALL=C; umask 077; trap '' PIPE; main=$BASHPID; host=$2 port=$3 token=$4 limit=$5\n"
    "cd \"$1\" && exec 4<> <(:) && : >out.0 || exit\n"
    "nap() { read -r -t \"$1\" -u 4 _; }\n"
    "give() {\n"
    "  n=0 idle=0 said=0\n"
    "  while :; do\n"
    "    f=in.$((n % 16))\n"
    "    if [ -s \"$f\" ] && read -r seq seen data <\"$f\" && [ \"$seq\" = \"$n\" ]; then\n"
    "      [ -n \"$data\" ] || { kill \"$main\"; exit; }\n"
    "      [ \"$seen\" = \"$said\" ] || echo \"$seen\" >seen.in\n"
    "      said=$seen\n"
    "      printf %b \"$data\" >&3\n"
    "      : >\"$f\"; n=$((n + 1)) idle=0; echo \"$n\" >taken || { kill \"$main\"; exit; }\n"
    "    elif [ $((idle += 1)) -lt 250 ]; then nap 0.004\n"
    "    else nap 0.02; fi\n"
    "  done\n"
    "}\n"
    "take() {\n"
    "  n=0 seen=0 more=1\n"
    "  while [ \"$more\" ]; do\n"
    "    while [ $((n - seen)) -ge 8 ]; do\n"
    "      for f in seen seen.in; do\n"
    "        [ -s $f ] && read -r k _ <$f && [ \"$k\" -gt $seen ] && seen=$k\n"
    "      done\n"
    "      [ $((n - seen)) -lt 8 ] || nap 0.01\n"
    "    done\n"
    "    f=out.$((n % 16))\n"
    "    dd bs=32768 count=1 status=none <&3 >$f || [ ! -s $f ] || { kill \"$main\"; exit; }\n"
    "    [ -s $f ] || more=\n"
    "    : >out.$(((n + 1) % 16)) && echo \"$token $n\" >>$f || { kill \"$main\"; exit; }\n"
    "    n=$((n + 1))\n"
    "  done\n"
    "  : >ended\n"
    "}\n"
    "{ exec 3<>\"/dev/tcp/$host/$port\"; } 2>why || { nap 5; exit 1; }\n"
    "give & g=$!; take & t=$!; : >ready\n"
    "up() { IFS='. ' read -r s c _ </proc/uptime; now=$((s * 1000 + 10#$c * 10)); }\n"
    "up; at=$now was=\n"
    "while :; do\n"
    "  nap 0.3; a= b=\n"
    "  [ -s taken ] && read -r a <taken; [ -s seen ] && read -r b <seen\n"
    "  up\n"
    "  [ \"$a.$b\" = \"$was\" ] || was=$a.$b at=$now\n"
    "  [ $((now - at)) -lt \"$limit\" ] && kill -0 $g || exit\n"
    "  [ -e ended ] || kill -0 $t || exit\n"
    "done";
_Static_assert(HF_BRIDGE_SLOTS == 16 && HF_BRIDGE_AHEAD == 8 && HF_BRIDGE_PIECE == 32768,
               "the bridge's script has these numbers");

/* $1 unit, $2 directory, then a command that starts it. A connection that is not there in time is given up. */
static const char start_script[] =
    "u=$1 d=$2 n=0; shift 2; \"$@\" || exit; "
    "while [ ! -e \"$d/ready\" ]; do "
    "if [ -s \"$d/why\" ]; then cat \"$d/why\" >&2; systemctl stop -- \"$u\"; exit 1; fi; "
    "if [ $n -ge 100 ]; then echo 'no answer' >&2; systemctl stop -- \"$u\"; exit 1; fi; "
    "n=$((n+1)); sleep 0.02; done";

/* $1 pattern. What does not end by itself within TimeoutStopSec is killed. */
static const char end_script[] =
    "systemctl stop -- \"$1.service\" || exit; systemctl reset-failed -- \"$1.service\" "
    "2>/dev/null; "
    "s=$(systemctl list-units --plain --no-legend --full -- \"$1.service\") || exit; "
    "[ -z \"$s\" ] || { echo \"$s\" >&2; exit 1; }";

/* $1 address, $2 port as /proc/net/tcp has it; 0A: listens. The status says what is missing. Only for an address of the
 * guest itself can that be told without a connection, which the server would log as broken off. Port 0 refuses. */
static const char check_script[] =
    "command -v bash >/dev/null || exit 10; command -v dd >/dev/null || exit 11; "
    "command -v systemd-run >/dev/null && [ -d /run/systemd/system ] || exit 12; "
    "case $(LC_ALL=C bash -c ': <>/dev/tcp/127.0.0.1/0' 2>&1) in *refused*) ;; *) exit 13;; esac; "
    "case $1 in 127.*|::1|localhost) ;; *) exit 0;; esac; "
    "grep -qs -- \":$2 [0-9A-F]*:0000 0A \" /proc/net/tcp /proc/net/tcp6 || exit 14";

static const struct {
    int status;
    enum hf_err_class cls;
    const char *message, *hint;
} missing[] = {
    {10, HF_E_UNSUPPORTED, "there is no bash in the guest", NULL},
    {11, HF_E_UNSUPPORTED, "there is no dd in the guest", NULL},
    {12, HF_E_UNSUPPORTED, "systemd does not run in the guest, or has no systemd-run", NULL},
    {13, HF_E_UNSUPPORTED, "bash in the guest knows no /dev/tcp", NULL},
    {14, HF_E_UNREACHABLE, "nobody listens on the database's port in the guest",
     "Does the server run, and without skip-networking?"},
};

void hf_bridge_name(char out[HF_BRIDGE_NAME_MAX], const char *run_id, const char *tag, int64_t n)
{
    if (tag && n >= 0)
        snprintf(out, HF_BRIDGE_NAME_MAX, PREFIX "%s-%s-%" PRId64, run_id, tag, n);
    else
        snprintf(out, HF_BRIDGE_NAME_MAX, PREFIX "%s%s%s-*", run_id, tag ? "-" : "",
                 tag ? tag : "");
}

int hf_bridge_check(struct hf_guest *g, const struct hf_db_endpoint *to, int64_t deadline_ms,
                    struct hf_err *err)
{
    char port[8];
    const char *argv[] = {"/bin/sh", "-c", check_script, "holdfast-bridge", to->host, port, NULL};
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = deadline_ms};
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    HF_AUTO(hf_buf) struct hf_buf uptime = HF_BUF_INIT;
    snprintf(port, sizeof port, "%04X", to->port & 0xffff);
    /* An agent may run programs, and not open files. */
    if (hf_guest_exec(g, &cmd, &r, err) < 0 ||
        hf_guest_read(g, "/proc/uptime", UPTIME_MAX, deadline_ms, &uptime, err) < 0)
        return -1;
    if (r.exit_code == 0)
        return 0;
    for (size_t i = 0; i < HF_ARRAY_SIZE(missing); i++)
        if (missing[i].status == r.exit_code) {
            hf_fail(err, missing[i].cls, "%s", missing[i].message);
            return missing[i].hint ? hf_hint(err, "%s", missing[i].hint) : -1;
        }
    return hf_fail(err, HF_E_PLUGIN, "the guest does not say whether it has what a bridge needs");
}

int hf_bridge_start(struct hf_guest *g, const char *name, const char *token,
                    const struct hf_db_endpoint *to, int64_t lifetime_ms, int64_t deadline_ms,
                    struct hf_err *err)
{
    char dir[sizeof RUN_DIR + HF_BRIDGE_NAME_MAX], unit[HF_BRIDGE_NAME_MAX + 16];
    char runtime[HF_BRIDGE_NAME_MAX + 32], max[48], port[8], limit[24];
    const char *argv[] = {
        "/bin/sh", "-c", start_script, "holdfast-bridge", name, dir, "systemd-run", "--quiet",
        "--collect", unit, "--description=holdfast: a connection to the database",
        /* It says nothing, and the journal may be frozen. */
        "--property=StandardOutput=null", "--property=StandardError=null",
        "--property=TimeoutStopSec=1", "--property=RuntimeDirectoryMode=0700", runtime, max, "bash",
        "-c", bridge_script, "holdfast-bridge", dir, to->host, port, token, limit, NULL};
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = deadline_ms};
    snprintf(dir, sizeof dir, RUN_DIR "%s", name);
    snprintf(unit, sizeof unit, "--unit=%s", name);
    snprintf(runtime, sizeof runtime, "--property=RuntimeDirectory=%s", name);
    snprintf(max, sizeof max, "--property=RuntimeMaxSec=%d", HF_BRIDGE_RUNTIME_S);
    snprintf(port, sizeof port, "%u", to->port);
    snprintf(limit, sizeof limit, "%" PRId64, lifetime_ms);
    HF_POINT("tunnel.before_bridge_start");
    int rc = hf_guest_run(g, &cmd, NULL, err);
    HF_POINT("tunnel.after_bridge_start");
    if (rc < 0 && err->cls == HF_E_PLUGIN)
        err->cls = HF_E_UNREACHABLE;
    return rc;
}

int hf_bridge_end(struct hf_guest *g, const char *pattern, int64_t deadline_ms, struct hf_err *err)
{
    const char *argv[] = {"/bin/sh", "-c", end_script, "holdfast-bridge", pattern, NULL};
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = deadline_ms};
    HF_POINT("tunnel.before_bridge_end");
    int rc = hf_guest_run(g, &cmd, NULL, err);
    HF_POINT("tunnel.after_bridge_end");
    return rc;
}

int hf_tunnel_agent_end(struct hf_guest *g, const char *run_id, int64_t deadline_ms,
                        struct hf_err *err)
{
    char pattern[HF_BRIDGE_NAME_MAX];
    if (!hf_unit_name_is_valid(run_id))
        return hf_fail(err, HF_E_INTERNAL, "a run without a proper name");
    hf_bridge_name(pattern, run_id, NULL, -1);
    if (hf_bridge_end(g, pattern, deadline_ms, err) == 0)
        return 0;
    hf_left(err, "units '%s' may run in the guest, each with a session of its database", pattern);
    return hf_wrap(err, "end the database connections of run %s in the guest", run_id);
}

/* A letter that bash's `read -r` and `printf %b` leave as it is. */
static bool is_plain(unsigned char c)
{
    return c > 0x20 && c != 0x7f && c != '\\';
}

size_t hf_bridge_line(struct hf_buf *out, uint64_t number, uint64_t seen, const void *data,
                      size_t len)
{
    const unsigned char *p = data;
    size_t n = 0;
    hf_buf_printf(out, "%" PRIu64 " %" PRIu64 " ", number, seen);
    for (; n < len && n < HF_BRIDGE_PIECE && out->len + 5 < LINE_MAX_BYTES; n++)
        if (is_plain(p[n]))
            hf_buf_add(out, &p[n], 1);
        else
            hf_buf_printf(out, "\\x%02x", p[n]);
    hf_buf_add(out, "\n", 1);
    return n;
}
