/* SPDX-License-Identifier: Apache-2.0
 *
 * [store NAME], and the stores a VM names.
 */
#include "base/buf.h"
#include "config/schema.h"
#include "harness/hf_test.h"

#include <string.h>

#define KEY "age15knge467znamrjvtrpa7m0l3py4hfleethyz0a9f5ngmsyg4cffqax4tgh"
#define PIN "sha256//AbCdEfGhIjKlMnOpQrStUvWxYz0123456789+/abcde="
#define URL "url = s3+https://h/b\n"

/* [store vault] begins in line 1; its keys stand from line 2 on. */
static struct hf_config *parse(const char *keys, struct hf_err *err)
{
    HF_AUTOFREE char *text = hf_asprintf("[store vault]\n%s", keys);
    return hf_config_parse(text, strlen(text), "test.conf", err);
}

static struct hf_config *good(const char *keys)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_config *c = parse(keys, &err);
    assert_hf_got(c, &err);
    return c;
}

static void assert_refused(const char *keys, const char *message, const char *hint)
{
    struct hf_err err = HF_ERR_INIT;
    assert_null(parse(keys, &err));
    assert_hf_err(&err, HF_E_CONFIG, message);
    assert_contains(err.hint, hint);
}

static void fills_in_defaults(void **state)
{
    (void)state;
    HF_AUTO(hf_config) struct hf_config *c = good("url = file:///mnt/nas\n");
    struct hf_err err = HF_ERR_INIT;
    const struct hf_config_store *s = hf_config_find_store(c, "vault", &err);
    assert_hf_got(s, &err);
    assert_int_equal(hf_config_store_count(c), 1);
    assert_ptr_equal(hf_config_store_at(c, 0), s);
    assert_string_equal(s->url, "file:///mnt/nas");
    assert_string_equal(s->region, "us-east-1");
    assert_int_equal(s->off_host, HF_OFF_HOST_VERIFY);
    assert_int_equal(s->compression, HF_COMPRESSION_ZSTD);
    assert_int_equal(s->repack, HF_REPACK_YES);
    assert_int_equal(s->rate_limit, 0);
    assert_int_equal(s->patience, 5 * 60 * 1000);
    assert_int_equal(s->recipients.n, 0);
    assert_null(s->identity_file);
    assert_null(hf_config_find_store(c, "vaults", &err));
    assert_hf_err(&err, HF_E_CONFIG, "no section [store vaults]");
}

static void reads_all_keys(void **state)
{
    (void)state;
    HF_AUTO(hf_config)
    struct hf_config *c = good("url = s3+https://[fd00::5]:8443/b/site.1/x\naccess-key-file = /a\n"
                               "secret-key-file = /s\nregion = r\nca-file = /c\npin = " PIN
                               "\nrate-limit = 50M\npatience = 7s\n"
                               "off-host = assume\nrecipients = " KEY ", age1" /* 58: */
                               "0123456789012345678901234567890123456789012345678901234567\n"
                               "identity-file = /i\ncompression = gzip\nrepack = no\n");
    const struct hf_config_store *s = hf_config_store_at(c, 0);
    assert_string_equal(s->url, "s3+https://[fd00::5]:8443/b/site.1/x");
    assert_string_equal(s->access_key_file, "/a");
    assert_string_equal(s->secret_key_file, "/s");
    assert_string_equal(s->region, "r");
    assert_string_equal(s->ca_file, "/c");
    assert_string_equal(s->pin, PIN);
    assert_int_equal(s->rate_limit, 50 << 20);
    assert_int_equal(s->patience, 7000);
    assert_int_equal(s->off_host, HF_OFF_HOST_ASSUME);
    assert_int_equal(s->recipients.n, 2);
    assert_string_equal(s->recipients.items[0], KEY);
    assert_string_equal(s->identity_file, "/i");
    assert_int_equal(s->compression, HF_COMPRESSION_GZIP);
    assert_int_equal(s->repack, HF_REPACK_NO);
}

static void refuses_wrong_urls(void **state)
{
    static const char *const wrong[] = {
        "/mnt/nas",          "file://mnt",           "file:/mnt",        "ftp://h/x",
        "s3://h/b",          "https://h/b",          "s3+https://h",     "s3+https://h/",
        "s3+https:///b",     "s3+https://:1/b",      "s3+https://h:0/b", "s3+https://h:x/b",
        "s3+https://u@h/b",  "s3+https://fd00::5/b", "s3+https://h/b/",  "s3+https://h//b",
        "s3+https://h/b//x", "s3+https://h/b/../c",  "s3+https://h/.b",  "s3+https://h/b?x=1",
        "s3+https://h/b%2f", "S3+HTTPS://h/b",       "s3+https://h/ä",
    };
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(wrong); i++) {
        HF_AUTOFREE char *keys = hf_asprintf("url = %s\n", wrong[i]);
        assert_refused(keys, "test.conf:2: url: ", "s3+https://HOST[:PORT]/BUCKET[/PREFIX]");
    }
    assert_refused("region = x\n", "[store vault] has no key 'url'", "url = s3+https://");
}

static void refuses_wrong_values(void **state)
{
    static const struct {
        const char *key, *value, *hint;
    } wrong[] = {
        {"pin", "sha256/AbCdEfGhIjKlMnOpQrStUvWxYz0123456789+/abcde=", "44 characters"},
        {"pin", "sha256//short=", "44 characters"},
        {"pin", "sha256//AbCdEfGhIjKlMnOpQrStUvWxYz0123456789+/abcdef", "44 characters"},
        {"pin", "sha256//AbCdEfGhIjKlMnOpQrStUvWxYz0123456789+-abcde=", "44 characters"},
        {"rate-limit", "fast", "50M"},
        {"rate-limit", "1023", "1K to 1T"},
        {"rate-limit", "0", "1K to 1T"},
        {"rate-limit", "2T", "1K to 1T"},
        {"off-host", "yes", "verify or assume"},
        {"compression", "xz", "zstd, gzip or none"},
        {"recipients", "age1short", "58 more characters"},
        {"pin", "sha256//AbCdEfGhIjKlMnOpQrStUvWxYz0123456789+/abcde!", "44 characters"},
        {"recipients", KEY "!", "58 more characters"},
        {"recipients", KEY "x", "58 more characters"},
        {"recipients",
         "AGE1"
         "5KNGE467ZNAMRJVTRPA7M0L3PY4HFLEETHYZ0A9F5NGMSYG4CFFQAX4TGH",
         "58 more characters"},
        {"recipients", "age15knge467znamrjvtrpa7m0l3py4hfleethyz0a9f5ngmsyg4cffqax4t-h",
         "58 more characters"},
        {"recipients", "ssh-ed25519 AAAA", "58 more characters"},
        {"recipients", KEY ", " KEY, "58 more characters"},
        {"recipients", ",", "58 more characters"},
        {"identity-file", "vault.age", "begins with '/'"},
    };
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(wrong); i++) {
        HF_AUTOFREE char *keys = hf_asprintf(URL "%s = %s\n", wrong[i].key, wrong[i].value);
        HF_AUTOFREE char *where = hf_asprintf("test.conf:3: %s: ", wrong[i].key);
        assert_refused(keys, where, wrong[i].hint);
    }
}

static void a_secret_key_in_the_wrong_place_is_not_repeated(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    assert_null(parse(URL "recipients = age-secret-key-1CCFJJW37HK7Z2PVH6\n", &err));
    assert_hf_err(&err, HF_E_CONFIG, "test.conf:3: recipients: a secret key stands where");
    assert_lacks(err.message, "CCFJJW");
    assert_lacks(err.hint, "CCFJJW");
}

static void keys_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    assert_refused("url = file:///m\nrate-limit = 1M\nregion = x\n",
                   "test.conf:4: [store vault]: region is a key of S3", "another kind of store");
    assert_refused("url = file:///m\nca-file = /c\n", "test.conf:3: ", "another kind of store");
    assert_refused("url = sftp://b@h/d\nregion = x\n", "test.conf:3: ", "another kind of store");
    assert_refused("url = sftp://b@h/d\npin = " PIN "\n", "test.conf:3: ", "another kind");
    assert_refused("url = davs://h/d\nssh-key = /k\n",
                   "test.conf:3: [store vault]: ssh-key is a key of sftp://", "another kind");
    assert_refused(URL "user = u\npassword-file = /p\n",
                   "test.conf:3: [store vault]: user is a key of davs://", "another kind");
    assert_refused("url = file:///m\npassword-file = /p\n", "test.conf:3: ", "another kind");
    assert_refused("url = dav://h/d\nca-file = /c\n", "test.conf:3: [store vault]: nothing",
                   "davs://");
    assert_refused("url = davs://h/d\nuser = u\n", "test.conf:3: [store vault]: one of user",
                   "belong together");
    assert_refused("url = s3+http://h/b\npin = " PIN "\n", "test.conf:3: [store vault]: nothing",
                   "s3+https://");
    assert_refused("url = s3+http://h/b\nca-file = /c\n", "test.conf:3: [store vault]: nothing",
                   "s3+https://");
    assert_refused(URL "access-key-file = /a\n", "test.conf:3: [store vault]: one of",
                   "belong together");
    assert_refused(URL "secret-key-file = /a\n", "test.conf:3: [store vault]: one of",
                   "belong together");
}

static void servers_of_sftp_and_webdav_have_urls_of_their_own(void **state)
{
    (void)state;
    static const char *const right[] = {
        "sftp://backup@nas/volume1/holdfast",
        "sftp://b.u-1@[fd00::5]:2222/",
        "davs://h:8443/dav/b/",
        "dav://10.0.0.5/",
        "sftp://u@h/.hidden/@x",
    };
    static const char *const wrong[] = {
        "sftp://nas/d",     "sftp://@nas/d",  "sftp://-o@nas/d",   "sftp://u@nas",
        "sftp://u@nas:0/d", "sftp://u@h/~/d", "sftp://u@h/a/../b", "sftp://u@h//d",
        "davs://u@h/d",     "davs://h/a b",   "davs://h/./d",      "davs://h",
        "dav:///d",         "sftp://u p@h/d",
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(right); i++) {
        HF_AUTOFREE char *keys = hf_asprintf("url = %s\n", right[i]);
        HF_AUTO(hf_config) struct hf_config *c = good(keys);
        assert_string_equal(hf_config_store_at(c, 0)->url, right[i]);
    }
    for (size_t i = 0; i < HF_ARRAY_SIZE(wrong); i++) {
        HF_AUTOFREE char *keys = hf_asprintf("url = %s\n", wrong[i]);
        assert_refused(keys, "test.conf:2: url: ", "sftp://USER@HOST[:PORT]/DIR");
    }
    HF_AUTO(hf_config)
    struct hf_config *c = good("url = sftp://u@h/d\nssh-key = /k\n[store w]\nurl = davs://h/d\n"
                               "user = backup\npassword-file = /p\nca-file = /c\n");
    assert_string_equal(hf_config_store_at(c, 0)->ssh_key, "/k");
    assert_string_equal(hf_config_store_at(c, 0)->ssh_known_hosts, "/etc/ssh/ssh_known_hosts");
    assert_string_equal(hf_config_store_at(c, 1)->user, "backup");
    assert_string_equal(hf_config_store_at(c, 1)->password_file, "/p");
}

static void a_vm_names_stores_that_are_there(void **state)
{
    (void)state;
    HF_AUTO(hf_config)
    struct hf_config *c =
        good("url = file:///m\n[store nas]\nurl = file:///n\n[hypervisor lab]\nplugin = libvirt\n"
             "[vm web01]\nhypervisor = lab\nstores = vault, nas\n[vm web02]\nhypervisor = lab\n");
    assert_int_equal(hf_config_vm_at(c, 0)->stores.n, 2);
    assert_string_equal(hf_config_vm_at(c, 0)->stores.items[1], "nas");
    assert_int_equal(hf_config_vm_at(c, 1)->stores.n, 0);
    static const char vm[] = "url = file:///m\n[hypervisor lab]\nplugin = libvirt\n"
                             "[vm web01]\nhypervisor = lab\nstores = ";
    HF_AUTOFREE char *near = hf_asprintf("%svualt\n", vm);
    assert_refused(near, "test.conf:7: stores: there is no section [store vualt]",
                   "Did you mean 'vault'?");
    HF_AUTOFREE char *twice = hf_asprintf("%svault, vault\n", vm);
    assert_refused(twice, "test.conf:7: stores: 'vault' stands there twice", "[store NAME]");
}

static void reads_rules_of_keep(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_config)
    struct hf_config *c =
        good("url = file:///nas\nkeep = last 3,hourly 24, monthly\t12\nprune-grace = 7d\n");
    const struct hf_config_store *s = hf_config_find_store(c, "vault", &err);
    assert_false(s->keep.is_all);
    assert_int_equal(s->keep.n[HF_KEEP_LAST], 3);
    assert_int_equal(s->keep.n[HF_KEEP_HOURLY], 24);
    assert_int_equal(s->keep.n[HF_KEEP_DAILY], 0);
    assert_int_equal(s->keep.n[HF_KEEP_MONTHLY], 12);
    assert_int_equal(s->prune_grace, INT64_C(7) * 24 * 3600 * 1000);
    HF_AUTO(hf_config) struct hf_config *all = good("url = file:///nas\nkeep = all\n");
    assert_true(hf_config_find_store(all, "vault", &err)->keep.is_all);
    HF_AUTO(hf_config) struct hf_config *none = good("url = file:///nas\n");
    assert_int_equal(hf_config_find_store(none, "vault", &err)->keep_line, 0);
}

static void refuses_rules_of_keep_that_are_none(void **state)
{
    (void)state;
    assert_refused(URL "keep = daily\n", "how many?", "last 3, daily 7");
    assert_refused(URL "keep = daily 0\n", "how many?", "last 3");
    assert_refused(URL "keep = daily -1\n", "how many?", "last 3");
    assert_refused(URL "keep = daily 7 weeks\n", "how many?", "last 3");
    assert_refused(URL "keep = daily 9999999\n", "how many?", "last 3");
    assert_refused(URL "keep = dayly 7\n", "begins with none of the rules", "hourly");
    assert_refused(URL "keep = daily 7, daily 8\n", "'daily' stands there twice", "last 3");
    assert_refused(URL "keep = all, daily 8\n", "begins with none of the rules", "all, or rules");
    assert_refused(URL "keep = ,\n", "no rule", "last 3");
    assert_refused(URL "prune-grace = 1h\n", "out of range", "2h");
}

static void a_time_zone_has_to_be_there(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    const char *text = "[defaults]\ntimezone = Europe/Berlin\n";
    HF_AUTO(hf_config) struct hf_config *c = hf_config_parse(text, strlen(text), "test.conf", &err);
    assert_hf_got(c, &err);
    assert_string_equal(hf_config_get_defaults(c)->timezone, "Europe/Berlin");
    text = "[defaults]\ntimezone = Europe/Bonn\n";
    assert_null(hf_config_parse(text, strlen(text), "test.conf", &err));
    assert_hf_err(&err, HF_E_CONFIG, "there is no time zone 'Europe/Bonn'");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(fills_in_defaults),
        HF_TEST(reads_all_keys),
        HF_TEST(reads_rules_of_keep),
        HF_TEST(refuses_rules_of_keep_that_are_none),
        HF_TEST(a_time_zone_has_to_be_there),
        HF_TEST(refuses_wrong_urls),
        HF_TEST(refuses_wrong_values),
        HF_TEST(a_secret_key_in_the_wrong_place_is_not_repeated),
        HF_TEST(keys_that_contradict_each_other_are_refused),
        HF_TEST(servers_of_sftp_and_webdav_have_urls_of_their_own),
        HF_TEST(a_vm_names_stores_that_are_there),
    };
    return HF_RUN_TESTS("config.store", tests);
}
