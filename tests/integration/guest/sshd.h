/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/sshd.h - a real sshd of one test program: own keys, own port on 127.0.0.1, logins as the user who runs the test.
 *
 * A caretaker outside the test's process tree starts it and waits for the test to go, however it goes; then it ends sshd
 * and its sessions and removes the directory.
 *
 * In dir: host keys host_{ed25519,rsa,ecdsa}; user keys user_{ed25519,ecdsa,rsa} (authorized), other (not), locked (with
 * a passphrase), forced (runs a command of its own); known_hosts; authorized_keys.
 */
#ifndef HF_TEST_GUEST_SSHD_H
#define HF_TEST_GUEST_SSHD_H

#include "guest/ssh.h"

#include <sys/types.h>

struct hf_test_sshd {
    unsigned port;
    pid_t pid;
    int caretaker_fd;
    char user[64];
    char dir[64], key[128], known_hosts[128];
};

/* Ends the test (hf_need_missing) when sshd is not there or the test is not root. config: further lines of sshd_config. */
void hf_test_sshd_start(struct hf_test_sshd *s, const char *config);
/* Waits until sshd and directory are gone. */
void hf_test_sshd_stop(struct hf_test_sshd *s);
/* SIGKILL to all that serve a session: their connections are lost. sshd itself goes on. */
void hf_test_sshd_cut(struct hf_test_sshd *s);

/* With the key user_ed25519. */
struct hf_ssh_target hf_test_ssh_target(const struct hf_test_sshd *s);

/* Descriptors that this process has open. */
int hf_test_count_fds(void);

#endif
