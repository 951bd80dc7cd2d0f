/* SPDX-License-Identifier: Apache-2.0
 *
 * The ssh channel against a real sshd.
 */
#include "base/path.h"
#include "base/proc.h"
#include "harness/hf_test.h"
#include "integration/db/server.h"
#include "integration/guest/sshd.h"
#include "integration/need.h"

#include <arpa/inet.h>
#include <libssh2.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct hf_test_sshd sshd;

static int64_t now_ms(void)
{
    return hf_clock_mono_ms(hf_clock_system());
}

static struct hf_guest *try_login(const struct hf_ssh_target *t, struct hf_err *err)
{
    return hf_guest_ssh(t, hf_clock_system(), NULL, now_ms() + 20000, err);
}

static struct hf_guest *login(void)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_ssh_target t = hf_test_ssh_target(&sshd);
    struct hf_guest *g = try_login(&t, &err);
    assert_hf_got(g, &err);
    return g;
}

static void assert_no_login(const struct hf_ssh_target *t, enum hf_err_class cls, const char *why)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_guest *g = try_login(t, &err);
    assert_null(g);
    assert_hf_err(&err, cls, why);
}

static const char *in_dir(void **state, const char *name)
{
    (void)state;
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", sshd.dir, name);
    return path;
}

/* sh -c script; deadline 20 s. */
static void run_sh(struct hf_guest *g, const char *script, const void *input, size_t len,
                   struct hf_hv_exec_result *out)
{
    struct hf_err err = HF_ERR_INIT;
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct hf_guest_cmd cmd = {
        .argv = argv, .input = input, .input_len = len, .deadline_ms = now_ms() + 20000};
    hf_hv_exec_result_free(out);
    *out = (struct hf_hv_exec_result){0};
    assert_hf_ok(hf_guest_exec(g, &cmd, out, &err), &err);
}

static int try_sh(struct hf_guest *g, const char *script, int64_t within_ms, struct hf_err *err)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = now_ms() + within_ms};
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    return hf_guest_exec(g, &cmd, &r, err);
}

/* ---- commands --------------------------------------------------------------------------- */

static void a_program_says_its_words_and_its_status(void **state)
{
    (void)state;
    static const int codes[] = {0, 1, 7, 200, 255};
    HF_AUTO(hf_guest) struct hf_guest *g = login();
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    for (size_t i = 0; i < HF_ARRAY_SIZE(codes); i++) {
        char script[64];
        snprintf(script, sizeof script, "printf out; printf 'e\\036r' >&2; exit %d", codes[i]);
        run_sh(g, script, NULL, 0, &r);
        assert_int_equal(r.exit_code, codes[i]);
        assert_int_equal(r.term_signal, 0);
        assert_string_equal(hf_buf_str(&r.out), "out");
        assert_string_equal(hf_buf_str(&r.err), "e\036r");
        assert_false(r.truncated);
    }
}

static void a_signal_is_told(void **state)
{
    (void)state;
    HF_AUTO(hf_guest) struct hf_guest *g = login();
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    run_sh(g, "kill -TERM $$", NULL, 0, &r);
    assert_int_equal(r.term_signal, SIGTERM);
    assert_int_equal(r.exit_code, -1);
    run_sh(g, "kill -KILL $$", NULL, 0, &r);
    assert_int_equal(r.term_signal, SIGKILL);
}

static void a_missing_program_is_status_127(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_guest) struct hf_guest *g = login();
    const char *const argv[] = {"/nonesuch", NULL};
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = now_ms() + 20000};
    assert_int_equal(hf_guest_run(g, &cmd, NULL, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "'/nonesuch' in the guest: status 127: ");
}

static void arguments_arrive_as_they_are(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_guest) struct hf_guest *g = login();
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    const char *const argv[] = {"/usr/bin/printf",
                                "[%s]",
                                "",
                                "'",
                                "''a'b",
                                "\"$HOME\"",
                                "`id`",
                                "$(id)",
                                "\\",
                                "\\'",
                                " ",
                                "*",
                                "~",
                                "a;b|c&d>e",
                                "!!",
                                "#x",
                                "\xc3\xa9",
                                "\xff",
                                "--",
                                "%s",
                                NULL};
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = now_ms() + 20000};
    assert_hf_ok(hf_guest_run(g, &cmd, &r, &err), &err);
    HF_AUTO(hf_buf) struct hf_buf want = HF_BUF_INIT;
    for (size_t i = 2; argv[i]; i++)
        hf_buf_printf(&want, "[%s]", argv[i]);
    assert_string_equal(hf_buf_str(&r.out), hf_buf_str(&want));
}

static void a_control_character_is_refused_and_costs_nothing(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_guest) struct hf_guest *g = login();
    assert_int_equal(try_sh(g, "echo a\necho b", 20000, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "control character");
    assert_hf_ok(try_sh(g, "true", 20000, &err), &err);
}

static void a_mebibyte_goes_in_and_the_first_64_kib_come_back(void **state)
{
    (void)state;
    static unsigned char data[1 << 20];
    HF_AUTO(hf_guest) struct hf_guest *g = login();
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 2654435761u >> 13);
    run_sh(g, "tee /dev/stderr", data, sizeof data, &r);
    assert_int_equal(r.exit_code, 0);
    assert_true(r.truncated);
    assert_int_equal(r.out.len, HF_GUEST_OUTPUT_MAX);
    assert_int_equal(r.err.len, HF_GUEST_OUTPUT_MAX);
    assert_memory_equal(r.out.data, data, r.out.len);
    run_sh(g, "tail -c 65536", data, sizeof data, &r);
    assert_false(r.truncated);
    assert_int_equal(r.out.len, 65536);
    assert_memory_equal(r.out.data, data + sizeof data - 65536, 65536);
    run_sh(g, "wc -c", data, sizeof data, &r);
    assert_int_equal(atoi(hf_buf_str(&r.out)), sizeof data);
}

static void a_program_need_not_read_its_input(void **state)
{
    (void)state;
    static char data[4 << 20];
    HF_AUTO(hf_guest) struct hf_guest *g = login();
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    run_sh(g, "exit 3", data, sizeof data, &r);
    assert_int_equal(r.exit_code, 3);
    run_sh(g, "cat; echo end", NULL, 0, &r);
    assert_string_equal(hf_buf_str(&r.out), "end\n");
}

static void output_past_the_limit_is_drained(void **state)
{
    (void)state;
    HF_AUTO(hf_guest) struct hf_guest *g = login();
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    run_sh(g, "yes | head -c 20000000; exit 5", NULL, 0, &r);
    assert_int_equal(r.exit_code, 5);
    assert_true(r.truncated);
}

/* sshd keeps the channel open as long as the child does. */
static void a_child_left_behind_does_not_hold_us(void **state)
{
    (void)state;
    HF_AUTO(hf_guest) struct hf_guest *g = login();
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    int64_t begin_ms = now_ms();
    run_sh(g, "sleep 30 & echo started; exit 4", NULL, 0, &r);
    assert_in_range(now_ms() - begin_ms, 0, 10000);
    assert_int_equal(r.exit_code, 4);
    assert_string_equal(hf_buf_str(&r.out), "started\n");
    run_sh(g, "echo again", NULL, 0, &r);
    assert_string_equal(hf_buf_str(&r.out), "again\n");
}

static void past_the_deadline_the_program_may_still_run(void **state)
{
    (void)state;
    static const char *const scripts[] = {"sleep 30", "yes", "while :; do echo x >&2; done"};
    HF_AUTO(hf_guest) struct hf_guest *g = login();
    for (size_t i = 0; i < HF_ARRAY_SIZE(scripts); i++) {
        struct hf_err err = HF_ERR_INIT;
        int64_t begin_ms = now_ms();
        assert_int_equal(try_sh(g, scripts[i], 1000, &err), -1);
        assert_in_range(now_ms() - begin_ms, 900, 5000);
        assert_hf_err(&err, HF_E_TIMEOUT, "not done in time");
        assert_contains(err.left, "'sh' may still run in the guest");
        err = (struct hf_err)HF_ERR_INIT;
        assert_hf_ok(try_sh(g, "true", 20000, &err), &err);
    }
}

static void a_forced_command_is_no_answer(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_ssh_target t = hf_test_ssh_target(&sshd);
    t.key_file = in_dir(state, "forced");
    HF_AUTO(hf_guest) struct hf_guest *g = try_login(&t, &err);
    assert_hf_got(g, &err);
    assert_int_equal(try_sh(g, "true", 20000, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "the login shell did not run 'sh': only this");
}

/* ---- files ------------------------------------------------------------------------------ */

static void files_are_written_privately_and_read_back(void **state)
{
    static char data[300000];
    struct hf_err err = HF_ERR_INIT;
    struct stat st;
    HF_AUTO(hf_guest) struct hf_guest *g = login();
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    const char *path = hf_test_path(state, "it's a \"$file\"");
    memset(data, 'x', sizeof data);
    data[17] = '\0';
    assert_hf_ok(hf_guest_write(g, path, data, sizeof data, now_ms() + 20000, &err), &err);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_hf_ok(hf_guest_read(g, path, sizeof data, now_ms() + 20000, &b, &err), &err);
    assert_int_equal(b.len, sizeof data);
    assert_memory_equal(b.data, data, sizeof data);
    assert_int_equal(hf_guest_read(g, path, sizeof data - 1, now_ms() + 20000, &b, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "larger than 299999 bytes");
    assert_hf_ok(hf_guest_write(g, path, "", 0, now_ms() + 20000, &err), &err);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 0);
    const char *none = hf_test_path(state, "none");
    assert_int_equal(hf_guest_read(g, none, 10, now_ms() + 20000, &b, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "none");
    const char *nowhere = hf_test_path(state, "no/where");
    assert_int_equal(hf_guest_write(g, nowhere, "x", 1, now_ms() + 20000, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "no/where");
}

/* ---- trust ------------------------------------------------------------------------------ */

/* A known_hosts of this case: `name` and the public key of the file `key` in sshd's directory, or its mate. */
static struct hf_ssh_target knowing(void **state, const char *format, const char *key)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *pub = hf_path_read(in_dir(state, key), 4096, NULL, &err);
    assert_hf_got(pub, &err);
    HF_AUTOFREE char *text = hf_asprintf(format, sshd.port, pub, sshd.port, pub);
    struct hf_ssh_target t = hf_test_ssh_target(&sshd);
    t.known_hosts = hf_test_file(state, "known_hosts", text, 0644);
    return t;
}

static void any_key_type_that_the_file_has_will_do(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_ssh_target t = knowing(state, "[127.0.0.1]:%u %s", "host_ecdsa.pub");
    HF_AUTO(hf_guest) struct hf_guest *a = try_login(&t, &err);
    assert_hf_got(a, &err);
    t = knowing(state, "[127.0.0.1]:%u %s", "host_ed25519.pub");
    HF_AUTO(hf_guest) struct hf_guest *b = try_login(&t, &err);
    assert_hf_got(b, &err);
    t = knowing(state, "[127.0.0.1]:%u %s", "host_rsa.pub");
    if (libssh2_version(0x010b00)) {
        HF_AUTO(hf_guest) struct hf_guest *c = try_login(&t, &err);
        assert_hf_got(c, &err);
        return;
    }
    assert_no_login(&t, HF_E_UNSUPPORTED, "Add its ed25519 key there");
}

static void an_unknown_host_is_refused_with_its_fingerprint(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_ssh_target t = knowing(state, "elsewhere.invalid%.0u %s", "host_ed25519.pub");
    assert_null(try_login(&t, &err));
    assert_hf_err(&err, HF_E_AUTH, "the host is unknown: its key SHA256:");
    assert_contains(err.hint, "ssh-keyscan -p ");
    const char *const argv[] = {"ssh-keygen", "-lf", in_dir(state, "host_ecdsa.pub"), NULL};
    struct hf_proc_request req = {.argv = argv, .timeout_ms = 10000};
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    struct hf_err ignored = HF_ERR_INIT;
    assert_hf_ok(hf_proc_check(&req, &r, &ignored), &ignored);
    char *print = strstr(r.out.data, "SHA256:");
    print[strcspn(print, " ")] = '\0';
    assert_contains(err.message, print);
}

static void a_changed_key_is_refused_plainly(void **state)
{
    struct hf_ssh_target t = knowing(state, "[127.0.0.1]:%u %s", "other.pub");
    assert_no_login(&t, HF_E_AUTH, "the host's key has changed");
}

static void a_revoked_key_is_refused(void **state)
{
    struct hf_ssh_target t =
        knowing(state, "[127.0.0.1]:%u %s\n@revoked [127.0.0.1]:%u %s", "host_ed25519.pub");
    assert_no_login(&t, HF_E_AUTH, "is revoked");
}

/* ---- login ------------------------------------------------------------------------------ */

static void a_key_that_the_guest_does_not_know_is_refused(void **state)
{
    struct hf_ssh_target t = hf_test_ssh_target(&sshd);
    t.key_file = in_dir(state, "other");
    assert_no_login(&t, HF_E_AUTH, "it offers: publickey");
    assert_no_login(&t, HF_E_AUTH, "authorized_keys");
}

static void keys_of_other_kinds_log_in(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_ssh_target t = hf_test_ssh_target(&sshd);
    t.key_file = in_dir(state, "user_ecdsa");
    HF_AUTO(hf_guest) struct hf_guest *a = try_login(&t, &err);
    assert_hf_got(a, &err);
    t.key_file = in_dir(state, "user_rsa");
    if (libssh2_version(0x010b00)) {
        HF_AUTO(hf_guest) struct hf_guest *b = try_login(&t, &err);
        assert_hf_got(b, &err);
        return;
    }
    assert_no_login(&t, HF_E_AUTH, "RSA needs libssh2 1.11");
}

static void a_key_with_a_passphrase_is_refused(void **state)
{
    struct hf_ssh_target t = hf_test_ssh_target(&sshd);
    t.key_file = in_dir(state, "locked");
    assert_no_login(&t, HF_E_CONFIG, "is protected by a passphrase");
}

static void a_key_that_others_can_read_is_refused(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_ssh_target t = hf_test_ssh_target(&sshd);
    HF_AUTOFREE char *text = hf_path_read(sshd.key, 65536, NULL, &err);
    t.key_file = hf_test_file(state, "open", text, 0644);
    assert_no_login(&t, HF_E_CONFIG, "is open to others");
    t.key_file = hf_test_path(state, "none");
    assert_no_login(&t, HF_E_CONFIG, "none");
    t.key_file = hf_test_file(state, "broken", "-----BEGIN RSA PRIVATE KEY-----\nMIIx\n", 0600);
    assert_no_login(&t, HF_E_CONFIG, "is no usable key");
}

/* ---- an ssh-agent ----------------------------------------------------------------------- */

static pid_t agent_start(void **state)
{
    char program[200];
    const char *path = hf_test_path(state, "agent");
    hf_need_program("ssh-agent", "ssh-agent", program, sizeof program);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(program, program, "-D", "-a", path, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500 && access(path, F_OK); i++)
        usleep(10000);
    setenv("SSH_AUTH_SOCK", path, 1);
    return pid;
}

static void agent_add(void **state, const char *key)
{
    struct hf_err err = HF_ERR_INIT;
    const char *const argv[] = {"ssh-add", "-q", in_dir(state, key), NULL};
    struct hf_proc_request req = {.argv = argv, .timeout_ms = 10000};
    HF_AUTO(hf_proc_result) struct hf_proc_result r = {0};
    assert_hf_ok(hf_proc_check(&req, &r, &err), &err);
}

static void the_keys_of_an_agent_are_tried_one_by_one(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_ssh_target t = hf_test_ssh_target(&sshd);
    t.key_file = NULL;
    pid_t pid = agent_start(state);
    assert_no_login(&t, HF_E_CONFIG, "the ssh-agent has no keys");
    agent_add(state, "other");
    assert_no_login(&t, HF_E_AUTH, "any of 1 key of the ssh-agent");
    agent_add(state, "host_ed25519");
    agent_add(state, "user_ed25519");
    HF_AUTO(hf_guest) struct hf_guest *g = try_login(&t, &err);
    assert_hf_got(g, &err);
    assert_hf_ok(try_sh(g, "true", 20000, &err), &err);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_no_login(&t, HF_E_CONFIG, "no ssh-agent answers");
    unsetenv("SSH_AUTH_SOCK");
    assert_no_login(&t, HF_E_CONFIG, "SSH_AUTH_SOCK is empty");
}

/* One that never answers, and one that hangs up. */
static void an_agent_that_is_silent_or_gone_does_not_hold_us(void **state)
{
    for (int hangs_up = 0; hangs_up < 2; hangs_up++) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        const char *path = hf_test_path(state, hangs_up ? "b" : "a");
        snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
        assert_int_equal(listen(fd, 8), 0);
        setenv("SSH_AUTH_SOCK", path, 1);
        pid_t pid = hangs_up ? fork() : -1;
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;)
                close(accept(fd, NULL, NULL));
        }
        struct hf_ssh_target t = hf_test_ssh_target(&sshd);
        t.key_file = NULL;
        t.connect_timeout_ms = 2000;
        int64_t begin_ms = now_ms();
        assert_no_login(&t, HF_E_CONFIG, "does not tell its keys");
        assert_in_range(now_ms() - begin_ms, 0, 8000);
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        close(fd);
    }
    unsetenv("SSH_AUTH_SOCK");
}

/* ---- bad connections -------------------------------------------------------------------- */

static void nobody_listens(void **state)
{
    (void)state;
    struct hf_ssh_target t = hf_test_ssh_target(&sshd);
    t.port = hf_test_free_port();
    assert_no_login(&t, HF_E_UNREACHABLE, "cannot connect");
    t.host = "elsewhere.invalid";
    assert_no_login(&t, HF_E_UNREACHABLE, "elsewhere.invalid");
}

static void a_host_that_is_silent_after_the_connection_is_given_up(void **state)
{
    (void)state;
    struct hf_ssh_target t = hf_test_ssh_target(&sshd);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    t.port = ntohs(a.sin_port);
    t.connect_timeout_ms = 1000;
    int64_t begin_ms = now_ms();
    assert_no_login(&t, HF_E_TIMEOUT, "key exchange");
    assert_in_range(now_ms() - begin_ms, 900, 5000);
    close(fd);
}

static void a_session_that_was_dropped_while_idle_is_opened_again(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_guest) struct hf_guest *g = login();
    for (int i = 0; i < 3; i++) {
        hf_test_sshd_cut(&sshd);
        assert_hf_ok(try_sh(g, "true", 20000, &err), &err);
    }
}

static void a_connection_lost_in_a_command_is_told_and_not_repeated(void **state)
{
    HF_AUTO(hf_guest) struct hf_guest *g = login();
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *script = hf_asprintf(
        "echo x >>'%s'; read -r a b c sshd rest </proc/$PPID/stat; kill -9 $sshd; sleep 20",
        hf_test_path(state, "count"));
    int64_t begin_ms = now_ms();
    assert_int_equal(try_sh(g, script, 20000, &err), -1);
    assert_in_range(now_ms() - begin_ms, 0, 10000);
    assert_hf_err(&err, HF_E_UNREACHABLE, "connection lost");
    assert_contains(err.left, "may still run in the guest");
    HF_AUTOFREE char *count = hf_path_read(hf_test_path(state, "count"), 100, NULL, &err);
    assert_string_equal(count, "x\n");
    err = (struct hf_err)HF_ERR_INIT;
    assert_hf_ok(try_sh(g, "true", 20000, &err), &err);
}

static void no_descriptor_stays_behind(void **state)
{
    struct hf_ssh_target t = hf_test_ssh_target(&sshd);
    int before = hf_test_count_fds();
    for (int i = 0; i < 10; i++) {
        HF_AUTO(hf_guest) struct hf_guest *g = login();
        struct hf_err err = HF_ERR_INIT;
        (void)!try_sh(g, i % 2 ? "true" : "sleep 5", 200, &err);
        t.key_file = in_dir(state, "other");
        assert_no_login(&t, HF_E_AUTH, "does not accept");
    }
    assert_int_equal(hf_test_count_fds(), before);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_program_says_its_words_and_its_status),
        HF_TEST(a_signal_is_told),
        HF_TEST(a_missing_program_is_status_127),
        HF_TEST(arguments_arrive_as_they_are),
        HF_TEST(a_control_character_is_refused_and_costs_nothing),
        HF_TEST(a_mebibyte_goes_in_and_the_first_64_kib_come_back),
        HF_TEST(a_program_need_not_read_its_input),
        HF_TEST(output_past_the_limit_is_drained),
        HF_TEST(a_child_left_behind_does_not_hold_us),
        HF_TEST(past_the_deadline_the_program_may_still_run),
        HF_TEST(a_forced_command_is_no_answer),
        HF_TEST(files_are_written_privately_and_read_back),
        HF_TEST(any_key_type_that_the_file_has_will_do),
        HF_TEST(an_unknown_host_is_refused_with_its_fingerprint),
        HF_TEST(a_changed_key_is_refused_plainly),
        HF_TEST(a_revoked_key_is_refused),
        HF_TEST(a_key_that_the_guest_does_not_know_is_refused),
        HF_TEST(keys_of_other_kinds_log_in),
        HF_TEST(a_key_with_a_passphrase_is_refused),
        HF_TEST(a_key_that_others_can_read_is_refused),
        HF_TEST(the_keys_of_an_agent_are_tried_one_by_one),
        HF_TEST(an_agent_that_is_silent_or_gone_does_not_hold_us),
        HF_TEST(nobody_listens),
        HF_TEST(a_host_that_is_silent_after_the_connection_is_given_up),
        HF_TEST(a_session_that_was_dropped_while_idle_is_opened_again),
        HF_TEST(a_connection_lost_in_a_command_is_told_and_not_repeated),
        HF_TEST(no_descriptor_stays_behind),
    };
    struct hf_err err = HF_ERR_INIT;
    if (hf_ssh_library_init(&err))
        return 1;
    hf_test_sshd_start(&sshd, "");
    int failed = HF_RUN_TESTS("guest.ssh", tests);
    hf_test_sshd_stop(&sshd);
    hf_ssh_library_end();
    return failed;
}
