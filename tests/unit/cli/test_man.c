/* SPDX-License-Identifier: Apache-2.0
 *
 * The built man pages say what the tables say, and their example is a configuration that parses.
 */
#include "base/buf.h"
#include "cli/args.h"
#include "cli_run.h"
#include "config/schema.h"

/* A page as plain text: roff's escapes and font changes taken out. */
static char *read_page(const char *name)
{
    HF_AUTOFREE char *path = hf_asprintf("%s/docs/man/%s", getenv("HOLDFAST_BUILD_DIR"), name);
    char *text = cli_read(path);
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (from[0] == '\\' && from[1] == 'f' && from[2] != '\0')
            from += 2;
        else if (from[0] == '\\' && (from[1] == '&' || from[1] == '\\' || from[1] == '-'))
            *to = *++from, to += *from != '&';
        else
            *to++ = *from;
    }
    *to = '\0';
    return text;
}

static void assert_options(const char *page, const struct hf_cli_opt *opts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        HF_AUTOFREE char *name = hf_asprintf("--%s%s%s", opts[i].name, opts[i].arg ? " " : "",
                                             opts[i].arg ? opts[i].arg : "");
        assert_contains(page, name);
        assert_contains(page, opts[i].help);
    }
}

static void each_verb_has_a_page_with_its_options(void **state)
{
    HF_AUTOFREE char *all = read_page("holdfast.1");
    (void)state;
    assert_options(all, hf_cli_globals, HF_GLOBAL_COUNT);
    for (size_t i = 0; hf_verbs[i]; i++) {
        const struct hf_verb *v = hf_verbs[i];
        if (v->hidden)
            continue;
        HF_AUTOFREE char *name = hf_asprintf("holdfast-%s.1", v->name);
        for (char *p = name; *p; p++)
            *p = *p == ' ' ? '-' : *p;
        HF_AUTOFREE char *page = read_page(name);
        assert_contains(all, v->summary);
        assert_contains(page, v->summary);
        assert_contains(page, v->name);
        assert_options(page, v->opts, v->n_opts);
    }
}

static void the_configurations_page_has_every_key(void **state)
{
    HF_AUTOFREE char *page = read_page("holdfast.conf.5");
    (void)state;
    for (size_t s = 0; s < HF_SECTION_COUNT; s++) {
        HF_AUTOFREE char *heading = hf_asprintf("[%s", hf_sections[s].name);
        assert_contains(page, heading);
        for (size_t i = 0; i < hf_sections[s].n_options; i++) {
            const struct hf_option *o = &hf_sections[s].options[i];
            HF_AUTOFREE char *key = hf_asprintf("%s = %s", o->key, o->type->name);
            assert_contains(page, key);
            assert_contains(page, o->help);
            if (o->range)
                assert_contains(page, o->range);
        }
    }
}

static void the_example_parses(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *path =
        hf_asprintf("%s/docs/man/holdfast.conf.5.scd.in", getenv("HOLDFAST_SOURCE_DIR"));
    HF_AUTOFREE char *text = cli_read(path);
    (void)state;
    const char *begin = strstr(text, "\n```\n[defaults]");
    assert_non_null(begin);
    begin += strlen("\n```\n");
    const char *end = strstr(begin, "```");
    HF_AUTO(hf_config)
    struct hf_config *c = hf_config_parse(begin, (size_t)(end - begin), "example", &err);
    assert_hf_got(c, &err);
    assert_int_equal(hf_config_vm_at(c, 0)->require, HF_GRADE_B);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(each_verb_has_a_page_with_its_options),
        HF_TEST(the_configurations_page_has_every_key),
        HF_TEST(the_example_parses),
    };
    return HF_RUN_TESTS("cli.man", tests);
}
