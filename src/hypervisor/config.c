/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"
#include "hypervisor/hv.h"

#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 256 /* the loader refuses tables with more */

static const struct hf_plugin_key *find_key(const struct hf_plugin *p, const char *name)
{
    for (uint32_t i = 0; i < p->n_keys; i++)
        if (strcmp(p->keys[i].name, name) == 0)
            return &p->keys[i];
    return NULL;
}

static const char *find_value(const struct hf_kv *kv, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(kv[i].key, key) == 0)
            return kv[i].value;
    return NULL;
}

static int fail_unknown(const struct hf_plugin *p, const char *key, struct hf_err *err)
{
    const char *names[KEYS_MAX];
    HF_AUTO(hf_buf) struct hf_buf all = HF_BUF_INIT;
    for (uint32_t i = 0; i < p->n_keys; i++) {
        names[i] = p->keys[i].name;
        hf_buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    hf_fail(err, HF_E_CONFIG, "plugin '%s' knows no key '%s'", p->name, key);
    const char *near = hf_nearest(key, names, p->n_keys);
    if (near)
        return hf_hint(err, "Did you mean '%s'?", near);
    return hf_hint(err, "It knows: %s.", hf_buf_str(&all));
}

static bool is_bool(const char *v)
{
    static const char *const words[] = {"yes", "no", "true", "false", "on", "off", "1", "0"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(words); i++)
        if (strcasecmp(v, words[i]) == 0)
            return true;
    return false;
}

static bool is_int(const char *v)
{
    char *end;
    errno = 0;
    (void)strtoll(v, &end, 10);
    return *v && !*end && errno == 0;
}

static int check_value(const struct hf_plugin_key *k, const char *v, struct hf_err *err)
{
    if (!v || !*v)
        return hf_fail(err, HF_E_CONFIG, "key '%s' is empty", k->name);
    switch (k->type) {
    case HF_KEY_BOOL:
        return is_bool(v)
                   ? 0
                   : hf_fail(err, HF_E_CONFIG, "key '%s' wants yes or no, not '%s'", k->name, v);
    case HF_KEY_INT:
        return is_int(v)
                   ? 0
                   : hf_fail(err, HF_E_CONFIG, "key '%s' wants a number, not '%s'", k->name, v);
    case HF_KEY_PATH:
    case HF_KEY_SECRET_FILE:
        if (*v != '/')
            return hf_fail(err, HF_E_CONFIG, "key '%s' wants an absolute path, not '%s'", k->name,
                           v);
        if (k->type == HF_KEY_SECRET_FILE && hf_path_check_private(v, err) != 0)
            return hf_wrap(err, "key '%s'", k->name);
        return 0;
    case HF_KEY_STRING:
        break;
    }
    return 0;
}

static int check_given(const struct hf_plugin *p, const struct hf_kv *kv, size_t n,
                       struct hf_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct hf_plugin_key *k = find_key(p, kv[i].key);
        if (!k)
            return fail_unknown(p, kv[i].key, err);
        if (find_value(kv, i, kv[i].key))
            return hf_fail(err, HF_E_CONFIG, "key '%s' is given twice", kv[i].key);
        if (check_value(k, kv[i].value, err) != 0)
            return -1;
    }
    return 0;
}

int hf_plugin_check_config(const struct hf_plugin *p, const struct hf_kv *kv, size_t n,
                           struct hf_err *err)
{
    if (check_given(p, kv, n, err) != 0)
        return -1;
    for (uint32_t i = 0; i < p->n_keys; i++) {
        const struct hf_plugin_key *k = &p->keys[i];
        if (!k->required || find_value(kv, n, k->name))
            continue;
        hf_fail(err, HF_E_CONFIG, "plugin '%s' needs the key '%s'", p->name, k->name);
        return hf_hint(err, "%s: %s", k->name, k->help);
    }
    return 0;
}
