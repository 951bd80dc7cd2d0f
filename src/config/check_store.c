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

/* Line of the first key that only a server knows something to do with; 0: there is none. */
static unsigned server_key_line(const struct hf_config_store *s)
{
    const unsigned lines[] = {s->access_key_file_line, s->secret_key_file_line, s->region_line,
                              s->ca_file_line, s->pin_line};
    for (size_t i = 0; i < HF_ARRAY_SIZE(lines); i++)
        if (lines[i])
            return lines[i];
    return 0;
}

static int check_store(const struct hf_config_store *s, struct hf_err *err)
{
    unsigned tls_line = s->ca_file_line ? s->ca_file_line : s->pin_line;
    if (strncmp(s->url, "file://", 7) == 0 && server_key_line(s))
        return contradiction(s, server_key_line(s), "a key of S3, and url is a directory",
                             "Remove it, or name a bucket in url.", err);
    if (strncmp(s->url, "s3+http://", 10) == 0 && tls_line)
        return contradiction(s, tls_line, "nothing is checked without TLS, and url is s3+http://",
                             "Set 'url = s3+https://…', or remove ca-file and pin.", err);
    if (!s->access_key_file != !s->secret_key_file)
        return contradiction(
            s, s->access_key_file_line ? s->access_key_file_line : s->secret_key_file_line,
            "one of access-key-file and secret-key-file is missing", "They belong together.", err);
    return 0;
}

static int check_vm_stores(const struct hf_config *c, const struct hf_config_vm *vm,
                           struct hf_err *err)
{
    struct hf_err none = HF_ERR_INIT;
    for (size_t i = 0; i < vm->stores.n; i++) {
        if (hf_config_find_store(c, vm->stores.items[i], &none))
            continue;
        hf_fail(err, HF_E_CONFIG, "%s:%u: stores: there is no section [store %s]", vm->file,
                vm->stores_line, vm->stores.items[i]);
        return hf_hint(err, "%s", none.hint);
    }
    return 0;
}

int hf_config_check_stores(const struct hf_config *c, struct hf_err *err)
{
    for (size_t i = 0; i < hf_config_store_count(c); i++)
        if (check_store(hf_config_store_at(c, i), err) != 0)
            return -1;
    for (size_t i = 0; i < hf_config_vm_count(c); i++)
        if (check_vm_stores(c, hf_config_vm_at(c, i), err) != 0)
            return -1;
    return 0;
}
