/* SPDX-License-Identifier: Apache-2.0
 *
 * db/optfile.h - the my.cnf-style option file: who we are and how the server is to be trusted.
 *
 * Read here and not by the client library, because there the file wins over the program: a
 * `protocol`, `socket`, `init-command` or `local-infile` in it would send the session elsewhere or
 * weaken it (seen with Connector/C 3.3.20), and Connector/C does not know ssl-mode. Groups
 * [client], [client-mariadb], [client-server] and [holdfast]; a later line wins. Keys that say who
 * and how to trust are taken, all others left to other programs. `!include` is refused: the
 * included file's permissions would not be checked.
 */
#ifndef HF_DB_OPTFILE_H
#define HF_DB_OPTFILE_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>

enum hf_tls_demand {
    HF_TLS_OFFERED,  /* used when the server offers it */
    HF_TLS_REQUIRED, /* refused without; the certificate is not looked at */
    HF_TLS_CA,       /* signed by ssl-ca (or the system's authorities); its name is not looked at */
    HF_TLS_IDENTITY, /* and issued for the host that was asked for */
};

struct hf_optfile {
    char *user, *password;
    char *ssl_ca, *ssl_capath, *ssl_cert, *ssl_key, *ssl_cipher, *ssl_crl, *ssl_crlpath,
        *tls_version;
    char *plugin_dir;
    enum hf_tls_demand tls;
};

#define HF_OPTFILE_INIT                                                                            \
    {                                                                                              \
        0                                                                                          \
    }

/* A private file (hf_path_check_private) of at most 64 KiB. */
int hf_optfile_read(const char *path, struct hf_optfile *out, struct hf_err *err) HF_CHECKED;
/* The same from memory; `text` is changed. `path` is for messages. */
int hf_optfile_parse(char *text, const char *path, struct hf_optfile *out, struct hf_err *err)
    HF_CHECKED;
/* Wipes the password. */
void hf_optfile_free(struct hf_optfile *f);
HF_DEFINE_AUTO_VALUE(hf_optfile, hf_optfile_free)

#endif
