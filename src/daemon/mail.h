/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/mail.h - one mail: its text (RFC 5322), and how it gets to a server (libcurl).
 *
 * Promise   no text from outside can begin a header, end the header or the mail: the subject is one line of printable ASCII or encoded words,
 *           the body is plain ASCII with short lines or base64.
 */
#ifndef HF_DAEMON_MAIL_H
#define HF_DAEMON_MAIL_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/secret.h"
#include "base/strv.h"

#include <stdint.h>

struct hf_mail { /* all borrowed */
    const char *from;
    const struct hf_strv *to;   /* addresses as [notify NAME] accepts them */
    const char *subject, *body; /* any text; lines of the body end with \n */
    int64_t at_us;              /* its Date; wall */
    const char
        *id; /* letters, digits and dots: makes its Message-ID, the same when it is sent again */
};
/* Adds the mail, lines ending with CR LF. Whether there was memory: hf_buf_ok. */
void hf_mail_compose(const struct hf_mail *m, struct hf_buf *out);

struct hf_mail_server {
    const char *url;           /* smtp(s)://HOST:PORT */
    const char *ca_file, *pin; /* or NULL */
    const char *user;          /* or NULL */
    const struct hf_secret *password;
    bool is_lenient; /* recipients that it refuses are left out, but for the last */
};
/* 0: the server has taken it over. TLS but for smtp:// to a loopback address; 10 s to connect, 30 s in all. */
int hf_mail_send(const struct hf_mail_server *s, const struct hf_mail *m,
                 const struct hf_cancel *cancel, struct hf_err *err) HF_CHECKED;

#endif
