/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as what systemctl in a guest said: as the answer of `show` and as that of `list-units`. What is accepted holds
 * names that are names and words that a terminal may see; what is refused is CORRUPT and leaves nothing behind.
 */
#include "base/unit_name.h"
#include "guest/deadman_intern.h"
#include "guest/units.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_names(const struct hf_strv *v, size_t max)
{
    assert(v->n <= max);
    for (size_t i = 0; i < v->n; i++)
        assert(hf_unit_name_is_valid(v->items[i]));
}

static void look_at_word(const char *s)
{
    assert(strlen(s) < HF_UNIT_WORD_MAX);
    for (; *s; s++)
        assert(islower((unsigned char)*s) || isdigit((unsigned char)*s) || *s == '-');
}

static void look_at_unit(const struct hf_unit_list *l, const struct hf_unit *u)
{
    assert(hf_unit_name_is_valid(u->id) && hf_strv_has(&u->names, u->id));
    assert(hf_unit_list_find(l, u->id));
    look_at_names(&u->names, HF_UNITS_MAX);
    look_at_names(&u->wakers, HF_UNITS_MAX);
    look_at_names(&u->dependents, HF_UNITS_MAX);
    look_at_word(u->load_word);
    look_at_word(u->state_word);
    look_at_word(u->sub);
    look_at_word(u->type);
    look_at_word(u->result);
    look_at_word(u->enabled);
    assert(strlen(u->invocation) == 0 || strlen(u->invocation) == 32);
    assert(u->main_pid >= 0 && u->tasks >= -1 && u->exit_status >= 0);
    assert(!hf_unit_runs(u) || !hf_unit_is_idle(u));
}

static void look_at_refusal(const struct hf_err *err)
{
    assert(err->cls == HF_E_CORRUPT);
    for (const char *p = err->message; *p; p++)
        assert(isprint((unsigned char)*p));
}

static void as_show(const char *text, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_unit_list) struct hf_unit_list l = HF_UNIT_LIST_INIT;
    if (hf_units_parse(text, size, &l, &err)) {
        assert(!l.items && !l.n);
        look_at_refusal(&err);
        return;
    }
    assert(l.n <= HF_UNITS_MAX);
    for (size_t i = 0; i < l.n; i++)
        look_at_unit(&l, &l.items[i]);
}

static void as_list(const char *text, const char *run_id)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    if (hf_deadman_parse_list(text, run_id, &names, &err))
        look_at_refusal(&err);
    look_at_names(&names, 64);
    for (size_t i = 0; i < names.n; i++)
        assert(strlen(names.items[i]) < HF_DEADMAN_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HF_AUTOFREE char *text = malloc(size + 1);
    assert(text);
    memcpy(text, data, size);
    text[size] = '\0';
    as_show(text, size);
    as_list(text, NULL);
    as_list(text, "hf-1");
    return 0;
}
