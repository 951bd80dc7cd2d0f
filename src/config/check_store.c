/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of [store NAME] that contradict another one, and stores that VMs name.
 */
#include "config/parse.h"

#include <string.h>

static int contradiction(const struct hf_config_store *s, unsigned line, const char *what,
                         const char *hint, struct hf_err *err)
{
    hf_fail(err, HF_E_CONFIG, "%s:%u: [store %s]: %s", s->file, line, s->label, what);
    return hf_hint(err, "%s", hint);
}

enum kind { DIRECTORY = 1, S3 = 2, SFTP = 4, DAV = 8 };

static enum kind kind_of(const struct hf_config_store *s)
{
    return strncmp(s->url, "file:", 5) == 0   ? DIRECTORY
           : strncmp(s->url, "sftp:", 5) == 0 ? SFTP
           : strncmp(s->url, "dav", 3) == 0   ? DAV
                                              : S3;
}

static bool has_tls(const struct hf_config_store *s)
{
    return strncmp(s->url, "s3+https:", 9) == 0 || strncmp(s->url, "davs:", 5) == 0;
}

static int check_kind(const struct hf_config_store *s, struct hf_err *err)
{
    const struct {
        unsigned line;
        enum kind kinds; /* that know something to do with it */
        const char *what;
    } keys[] = {
        {s->access_key_file_line, S3, "access-key-file is a key of S3"},
        {s->secret_key_file_line, S3, "secret-key-file is a key of S3"},
        {s->region_line, S3, "region is a key of S3"},
        {s->ssh_key_line, SFTP, "ssh-key is a key of sftp://"},
        {s->ssh_known_hosts_line, SFTP, "ssh-known-hosts is a key of sftp://"},
        {s->user_line, DAV, "user is a key of davs:// and dav://"},
        {s->password_file_line, DAV, "password-file is a key of davs:// and dav://"},
        {s->ca_file_line, S3 | DAV, "ca-file is a key of S3 and davs://"},
        {s->pin_line, S3 | DAV, "pin is a key of S3 and davs://"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(keys); i++)
        if (keys[i].line && !(keys[i].kinds & kind_of(s)))
            return contradiction(s, keys[i].line, keys[i].what,
                                 "Remove it, or name another kind of store in url.", err);
    return 0;
}

static int check_pair(const struct hf_config_store *s, unsigned one, unsigned other,
                      const char *what, struct hf_err *err)
{
    return !one == !other ? 0
                          : contradiction(s, one ? one : other, what, "They belong together.", err);
}

static int check_store(const struct hf_config_store *s, struct hf_err *err)
{
    unsigned tls_line = s->ca_file_line ? s->ca_file_line : s->pin_line;
    if (check_kind(s, err) < 0)
        return -1;
    if (tls_line && !has_tls(s))
        return contradiction(s, tls_line, "nothing is checked without TLS, and url has none",
                             "Set 'url = s3+https://…' or 'davs://…', or remove ca-file and pin.",
                             err);
    if (check_pair(s, s->access_key_file_line, s->secret_key_file_line,
                   "one of access-key-file and secret-key-file is missing", err) < 0)
        return -1;
    return check_pair(s, s->user_line, s->password_file_line,
                      "one of user and password-file is missing", err);
}

int hf_config_check_store_names(const struct hf_config *c, const struct hf_strv *names,
                                const char *file, unsigned line, struct hf_err *err)
{
    struct hf_err none = HF_ERR_INIT;
    for (size_t i = 0; i < names->n; i++) {
        if (hf_config_find_store(c, names->items[i], &none))
            continue;
        hf_fail(err, HF_E_CONFIG, "%s:%u: stores: there is no section [store %s]", file, line,
                names->items[i]);
        return hf_hint(err, "%s", none.hint);
    }
    return 0;
}

int hf_config_check_stores(const struct hf_config *c, struct hf_err *err)
{
    for (size_t i = 0; i < hf_config_store_count(c); i++)
        if (check_store(hf_config_store_at(c, i), err) != 0)
            return -1;
    for (size_t i = 0; i < hf_config_vm_count(c); i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(c, i);
        if (hf_config_check_store_names(c, &vm->stores, vm->file, vm->stores_line, err) != 0)
            return -1;
    }
    return 0;
}
