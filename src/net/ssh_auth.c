/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"
#include "base/secret.h"
#include "net/ssh_intern.h"

#include <ctype.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define KEY_MAX ((size_t)32 << 10)
#define OFFERED_MAX 100
#define AGENT_KEYS_MAX 32

/* ---- what the host says ---------------------------------------------------------------- */

/* The methods it offers, without what a terminal would obey. */
static void keep_printable(char out[OFFERED_MAX], const char *said)
{
    size_t n = 0;
    for (; said && *said && n + 1 < OFFERED_MAX; said++)
        out[n++] = isgraph((unsigned char)*said) ? *said : '?';
    out[n] = '\0';
}

/* 1: logged in already, without any proof. */
static int ask_methods(struct hf_ssh_conn *c, const struct hf_ssh_target *t, int64_t until_ms,
                       char offered[OFFERED_MAX], struct hf_err *err)
{
    char *list;
    while (!(list = libssh2_userauth_list(c->session, t->user, (unsigned)strlen(t->user)))) {
        int rc = libssh2_session_last_errno(c->session);
        if (libssh2_userauth_authenticated(c->session))
            return 1;
        if (rc != LIBSSH2_ERROR_EAGAIN)
            return hf_ssh_fail(c, rc, "login", err);
        if (!hf_ssh_wait(c, until_ms))
            return hf_ssh_fail_time(c, "login", err);
    }
    keep_printable(offered, list);
    if (strstr(list, "publickey"))
        return 0;
    return hf_fail(err, HF_E_AUTH, "ssh %s: the host takes no keys from this user, only: %s",
                   c->name, offered);
}

static int refused(struct hf_ssh_conn *c, const char *which, const char *offered,
                   struct hf_err *err)
{
    hf_fail(err, HF_E_AUTH, "ssh %s: the host does not accept %s (it offers: %s)", c->name, which,
            offered);
    return hf_hint(err,
                   "Append the public key to authorized_keys of that user there%s. For "
                   "root, sshd needs "
                   "PermitRootLogin prohibit-password.",
                   libssh2_version(0x010b00)
                       ? ""
                       : "; take an ed25519 key, since RSA needs libssh2 1.11 here");
}

/* ---- a key file ------------------------------------------------------------------------- */

/* OpenSSH's own format in base64, up to the names of its cipher and key derivation: "none" both. */
#define OPENSSH_HEAD "-----BEGIN OPENSSH PRIVATE KEY-----"
#define OPENSSH_PLAIN "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ"

static bool is_encrypted(const char *text)
{
    const char *head = strstr(text, OPENSSH_HEAD);
    if (!head)
        return strstr(text, "ENCRYPTED") != NULL;
    head += strlen(OPENSSH_HEAD);
    head += strspn(head, "\r\n");
    return strncmp(head, OPENSSH_PLAIN, strlen(OPENSSH_PLAIN)) != 0;
}

int hf_ssh_key_check(const char *text, const char *path, struct hf_err *err)
{
    if (!strstr(text, "-----BEGIN ") || !strstr(text, "PRIVATE KEY-----"))
        return hf_fail(err, HF_E_CONFIG, "'%s' is not a private key in PEM or OpenSSH format",
                       path);
    if (!is_encrypted(text))
        return 0;
    hf_fail(err, HF_E_CONFIG, "'%s' is protected by a passphrase", path);
    return hf_hint(err,
                   "Nobody is there to type it: take it off (ssh-keygen -p -N '' -f '%s'), or "
                   "leave ssh-key out and "
                   "use an ssh-agent.",
                   path);
}

struct key {
    size_t len;
    char text[KEY_MAX + 1];
};

static void key_wipe(struct key *k)
{
    hf_wipe(k, sizeof *k);
}
HF_DEFINE_AUTO_VALUE(key, key_wipe)

/* From the very file that was found to be private. */
static int read_key(const char *path, struct key *k, struct hf_err *err)
{
    ssize_t n = 1;
    HF_AUTOFD int fd = hf_path_open_private(path, err);
    if (fd < 0)
        return -1;
    while (n > 0 && k->len < KEY_MAX) {
        n = read(fd, k->text + k->len, KEY_MAX - k->len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n < 0)
            return hf_fail_sys(err, errno, "cannot read '%s'", path);
        else
            k->len += (size_t)n;
    }
    k->text[k->len] = '\0';
    if (k->len == KEY_MAX)
        return hf_fail(err, HF_E_CONFIG, "'%s' is too large for a key", path);
    return hf_ssh_key_check(k->text, path, err);
}

/* A host that hangs up in between has refused nothing, whatever libssh2 makes of it. */
static bool is_refusal(const struct hf_ssh_conn *c, int rc)
{
    return !c->is_lost &&
           (rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED || rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED);
}

static int log_in_by_file(struct hf_ssh_conn *c, const struct hf_ssh_target *t, int64_t until_ms,
                          const char *offered, struct hf_err *err)
{
    int rc;
    HF_AUTO(key) struct key k = {0};
    if (read_key(t->key_file, &k, err) < 0)
        return hf_wrap(err, "ssh %s", c->name);
    /* An empty passphrase and none are not the same to 1.10: without one it crashes on some keys. */
    while ((rc = libssh2_userauth_publickey_frommemory(c->session, t->user, strlen(t->user), NULL,
                                                       0, k.text, k.len, "")) ==
           LIBSSH2_ERROR_EAGAIN)
        if (!hf_ssh_wait(c, until_ms))
            return hf_ssh_fail_time(c, "login", err);
    if (rc == 0)
        return 0;
    if (is_refusal(c, rc)) {
        HF_AUTOFREE char *which = hf_asprintf("the key '%s'", t->key_file);
        return refused(c, which ? which : "the key", offered, err);
    }
    hf_ssh_fail(c, rc, "login", err);
    if (err->cls == HF_E_PLUGIN)
        return hf_fail(err, HF_E_CONFIG, "ssh %s: '%s' is no usable key", c->name, t->key_file);
    return -1;
}

/* ---- the agent -------------------------------------------------------------------------- */

/* libssh2 connects by a call that may wait for ever; this one tells before. */
static int try_agent(const char *path, struct hf_err *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (!path || !*path) {
        hf_fail(err, HF_E_CONFIG, "no key file is set, and no ssh-agent: SSH_AUTH_SOCK is empty");
        return hf_hint(err, "Set ssh-key to a private key file.");
    }
    if (strlen(path) >= sizeof a.sun_path)
        return hf_fail(err, HF_E_CONFIG, "SSH_AUTH_SOCK is longer than a socket's path can be");
    memcpy(a.sun_path, path, strlen(path));
    HF_AUTOFD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return hf_fail_sys(err, errno, "unix socket");
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return 0;
    hf_fail_sys(err, errno, "no ssh-agent answers at '%s'", path);
    err->cls = HF_E_CONFIG;
    return -1;
}

/* 0: logged in. 1: this key is not accepted. */
static int try_identity(struct hf_ssh_conn *c, LIBSSH2_AGENT *agent, const char *user,
                        struct libssh2_agent_publickey *id, int64_t until_ms, struct hf_err *err)
{
    int rc;
    while ((rc = libssh2_agent_userauth(agent, user, id)) == LIBSSH2_ERROR_EAGAIN)
        if (!hf_ssh_wait(c, until_ms))
            return hf_ssh_fail_time(c, "login", err);
    if (rc == 0 || is_refusal(c, rc))
        return rc ? 1 : 0;
    return hf_ssh_fail(c, rc, "login by a key of the ssh-agent", err);
}

static int try_identities(struct hf_ssh_conn *c, LIBSSH2_AGENT *agent,
                          const struct hf_ssh_target *t, int64_t until_ms, const char *offered,
                          struct hf_err *err)
{
    struct libssh2_agent_publickey *id = NULL;
    int n = 0, rc = 1;
    if (libssh2_agent_connect(agent) || libssh2_agent_list_identities(agent))
        return hf_fail(err, HF_E_CONFIG, "ssh %s: the ssh-agent does not tell its keys", c->name);
    for (; n < AGENT_KEYS_MAX && libssh2_agent_get_identity(agent, &id, id) == 0; n++) {
        rc = try_identity(c, agent, t->user, id, until_ms, err);
        if (rc == 0)
            return 0;
        if (rc < 0)
            break;
    }
    /* sshd hangs up after MaxAuthTries keys. */
    if (rc < 0 && (n == 0 || err->cls != HF_E_UNREACHABLE))
        return -1;
    if (n == 0)
        return hf_fail(err, HF_E_CONFIG, "ssh %s: the ssh-agent has no keys", c->name);
    HF_AUTOFREE char *which = hf_asprintf("%s %d key%s of the ssh-agent",
                                          rc < 0 ? "the first" : "any of", n, n == 1 ? "" : "s");
    return refused(c, which ? which : "the ssh-agent's keys", offered, err);
}

static int log_in_by_agent(struct hf_ssh_conn *c, const struct hf_ssh_target *t, int64_t until_ms,
                           const char *offered, struct hf_err *err)
{
    const char *path = getenv("SSH_AUTH_SOCK");
    if (try_agent(path, err) < 0)
        return hf_wrap(err, "ssh %s", c->name);
    LIBSSH2_AGENT *agent = libssh2_agent_init(c->session);
    if (!agent)
        return hf_fail_nomem(err);
    c->agent_until_ms = until_ms;
    libssh2_agent_set_identity_path(agent, path);
    int rc = try_identities(c, agent, t, until_ms, offered, err);
    libssh2_agent_disconnect(agent);
    libssh2_agent_free(agent);
    return rc;
}

int hf_ssh_log_in(struct hf_ssh_conn *c, const struct hf_ssh_target *t, int64_t until_ms,
                  struct hf_err *err)
{
    char offered[OFFERED_MAX];
    int rc = ask_methods(c, t, until_ms, offered, err);
    if (rc != 0)
        return rc > 0 ? 0 : -1;
    return t->key_file ? log_in_by_file(c, t, until_ms, offered, err)
                       : log_in_by_agent(c, t, until_ms, offered, err);
}
