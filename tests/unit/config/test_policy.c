/* SPDX-License-Identifier: Apache-2.0
 *
 * [policy NAME]: what its keys hold, and every mistake with its line and its way out.
 */
#include "base/buf.h"
#include "parsing.h"

#include <string.h>

#define VMS                                                                                        \
    "[hypervisor lab]\nplugin = libvirt\n[vm web01]\nhypervisor = lab\n[vm db1]\nhypervisor = "    \
    "lab\n[store vault]\nurl = file:///mnt/nas\n"
#define POLICY VMS "[policy nightly]\n"
#define LEAST POLICY "vms = web*\nschedule = 0 2 * * *\n"

static void reads_every_key(void **state)
{
    (void)state;
    HF_AUTO(hf_config)
    struct hf_config *c =
        parse(POLICY "vms = web*, !web9*, db1\n"
                     "schedule = 30 2 * * mon-fri\n"
                     "timezone = Europe/Berlin\n"
                     "window = 22:00-06:00\n"
                     "jitter = 10m\n"
                     "produce = image, files\n"
                     "stores = vault\n"
                     "keep = last 3, hourly 24, daily 7, weekly 4, monthly 12, yearly 2\n"
                     "drill = weekly\n"
                     "retry = 1m\n"
                     "require = B\n");
    assert_int_equal(hf_config_policy_count(c), 1);
    const struct hf_config_policy *p = hf_config_policy_at(c, 0);
    static const uint32_t keep[] = {3, 24, 7, 4, 12, 2};
    assert_string_equal(p->label, "nightly");
    assert_int_equal(p->vms.include.n, 2);
    assert_string_equal(p->vms.include.items[0], "web*");
    assert_int_equal(p->vms.exclude.n, 1);
    assert_string_equal(p->vms.exclude.items[0], "web9*");
    assert_string_equal(p->schedule.text, "30 2 * * mon-fri");
    assert_string_equal(p->timezone, "Europe/Berlin");
    assert_int_equal(p->window.from_min, 22 * 60);
    assert_int_equal(p->window.until_min, 6 * 60);
    assert_int_equal(p->jitter, 600000);
    assert_int_equal(p->produce, HF_PRODUCE_IMAGE | HF_PRODUCE_FILES);
    assert_string_equal(p->stores.items[0], "vault");
    assert_int_equal(p->drill, INT64_C(7) * 24 * 3600000);
    assert_int_equal(p->retry, 60000);
    assert_memory_equal(p->keep.n, keep, sizeof keep);
    assert_int_equal(p->require, HF_GRADE_B);
}

static void what_is_left_out_has_its_default(void **state)
{
    (void)state;
    HF_AUTO(hf_config) struct hf_config *c = parse(LEAST);
    const struct hf_config_policy *p = hf_config_policy_at(c, 0);
    static const struct hf_keep everything = {0};
    assert_null(p->timezone);
    assert_int_equal(p->window.from_min, p->window.until_min);
    assert_int_equal(p->jitter, 0);
    assert_int_equal(p->produce, 0);
    assert_int_equal(p->drill, 0);
    assert_int_equal(p->retry, 15 * 60000);
    assert_memory_equal(&p->keep, &everything, sizeof everything);
    assert_int_equal(p->require, HF_GRADE_NONE);
}

static void a_window_may_end_at_midnight(void **state)
{
    (void)state;
    HF_AUTO(hf_config) struct hf_config *c = parse(LEAST "window = 20:00-24:00\n");
    assert_int_equal(hf_config_policy_at(c, 0)->window.from_min, 20 * 60);
    assert_int_equal(hf_config_policy_at(c, 0)->window.until_min, 0);
}

static void a_policy_without_vms_or_schedule_is_refused(void **state)
{
    (void)state;
    assert_refused(POLICY "vms = web*\n", "[policy nightly] has no key 'schedule'", "0 2 * * *");
    assert_refused(POLICY "schedule = @daily\n", "has no key 'vms'", "vms = web*");
    assert_refused(VMS "[policy]\n", "has no name", "[policy NAME]");
}

static void wrong_values_are_refused_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *line, *message, *hint;
    } cases[] = {
        {"timezone = Europe/Berlln", ":12: timezone: there is no time zone 'Europe/Berlln'",
         "Europe/Berlin"},
        {"window = 22:00", ":12: window: '22:00' is not a window", "HH:MM-HH:MM"},
        {"window = 22:00-22:00", "is empty, or always open", "HH:MM"},
        {"window = 00:00-24:00", "is empty, or always open", "HH:MM"},
        {"window = 24:00-06:00", "is not a window", "HH:MM"},
        {"window = 22:60-06:00", "is not a window", "HH:MM"},
        {"window = 22:00-06:00x", "is not a window", "HH:MM"},
        {"window = 1:00-2:00", "is not a window", "HH:MM"},
        {"jitter = 13h", ":12: jitter: 13h is out of range", "0s to 12h"},
        {"produce = disk", "'disk' is nothing that a run leaves behind", "snapshot, or image"},
        {"produce = dump", "a recovery point has an image", "snapshot, or image"},
        {"produce = image, snapshot", "snapshot stands alone", "snapshot, or image"},
        {"produce = image, image", "'image' stands there twice", "snapshot, or image"},
        {"keep = daily", "how many?", "daily 7"},
        {"drill = often", "often", "daily, weekly, monthly"},
        {"drill = 10m", "10m is less than an hour", "daily, weekly, monthly"},
        {"retry = 25h", "out of range", "0s to 24h"},
        {"require = F", "'F' is not accepted", "A (best) to E"},
        {"stores = vaults", ":12: stores: there is no section [store vaults]", "vault"},
        {"time-zone = UTC", "unknown key 'time-zone'", "Did you mean 'timezone'"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        HF_AUTOFREE char *text = hf_asprintf("%s%s\n", LEAST, cases[i].line);
        assert_refused(text, cases[i].message, cases[i].hint);
    }
}

static void a_bad_selection_is_refused(void **state)
{
    (void)state;
    assert_refused(POLICY "schedule = @daily\nvms = !web9*\n", "nothing but exclusions", "web*");
    assert_refused(POLICY "schedule = @daily\nvms = web[12]\n", "'web[12]' cannot match", "web*");
    assert_refused(POLICY "schedule = @daily\nvms = web*, !\n", "cannot match", "web*");
    assert_refused(POLICY "schedule = @daily\nvms = web*, web*\n", "twice", "web*");
    assert_refused(POLICY "schedule = @daily\nvms = web02\n",
                   "test.conf:11: vms: there is no section [vm web02]", "Did you mean 'web01'");
    assert_refused(POLICY "schedule = @daily\nvms = *, !web02\n", "no section [vm web02]", "web01");
}

static void a_bad_schedule_is_refused_with_its_line(void **state)
{
    (void)state;
    assert_refused(POLICY "vms = web*\nschedule = 0 25 * * *\n",
                   "test.conf:11: schedule: hour '25': not in its range", "crontab(5)");
}

static void a_key_of_the_other_kind_is_refused(void **state)
{
    (void)state;
    static const char *const keys[] = {"stores = vault", "keep = daily 7", "drill = weekly"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(keys); i++) {
        HF_AUTOFREE char *text = hf_asprintf("%sproduce = snapshot\n%s\n", LEAST, keys[i]);
        assert_refused(text, "has no meaning for produce = snapshot", "snapshot-keep");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(reads_every_key),
        HF_TEST(what_is_left_out_has_its_default),
        HF_TEST(a_window_may_end_at_midnight),
        HF_TEST(a_policy_without_vms_or_schedule_is_refused),
        HF_TEST(wrong_values_are_refused_with_their_line),
        HF_TEST(a_bad_selection_is_refused),
        HF_TEST(a_bad_schedule_is_refused_with_its_line),
        HF_TEST(a_key_of_the_other_kind_is_refused),
    };
    return HF_RUN_TESTS("config.policy", tests);
}
