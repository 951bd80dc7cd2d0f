/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "point/moved.h"

typedef unsigned char pack_id[HF_IMAGE_PACK_ID];

static void id_of(char c, pack_id out)
{
    memset(out, c, HF_IMAGE_PACK_ID);
}

/* "ab": a was moved to b. */
static void say(struct hf_store *store, const char *pair)
{
    pack_id old, new_id;
    char name[HF_IMAGE_MOVED_MAX];
    id_of(pair[0], old);
    id_of(pair[1], new_id);
    hf_image_moved_name(old, new_id, name);
    put_text(store, name, "");
}

/* What these packs stand for, in their order: those that were given, then the others. */
static void assert_stands_for(const struct hf_moved *m, const char *packs, const char *all)
{
    struct hf_err err = HF_ERR_INIT;
    pack_id given[8];
    size_t n = 0;
    HF_AUTOFREE pack_id *out = NULL;
    for (size_t i = 0; packs[i]; i++)
        id_of(packs[i], given[i]);
    assert_hf_ok(hf_moved_closure(m, (const unsigned char(*)[HF_IMAGE_PACK_ID])given, strlen(packs),
                                  &out, &n, &err),
                 &err);
    assert_int_equal(n, strlen(all));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(out[i][0], all[i]);
}

static void a_pack_stands_for_all_that_its_content_was_moved_to(void **state)
{
    struct place p;
    struct hf_err err = HF_ERR_INIT;
    size_t n = 0;
    pack_id a, b, z;
    HF_AUTO(hf_moved) struct hf_moved m = {0};
    place_begin(state, &p, false);
    HF_AUTO(hf_site) struct hf_site *s = make_site(&p);
    static const char *const pairs[] = {"ab", "ac", "bd", "db", "dd", "xy", "ce", "ea"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(pairs); i++)
        say(p.store, pairs[i]);
    put_text(p.store, "moved/README", "");
    put_text(p.store, "moved/00/11", "");
    assert_hf_ok(hf_moved_list(s, &m, &err), &err);
    assert_int_equal(m.n, HF_ARRAY_SIZE(pairs));
    assert_stands_for(&m, "", "");
    assert_stands_for(&m, "z", "z");
    assert_stands_for(&m, "a", "abcde");
    assert_stands_for(&m, "d", "db");
    assert_stands_for(&m, "bd", "bd");
    assert_stands_for(&m, "acz", "aczbde");
    id_of('a', a);
    id_of('b', b);
    id_of('z', z);
    assert_non_null(hf_moved_of(&m, a, &n));
    assert_int_equal(n, 2);
    assert_null(hf_moved_of(&m, z, &n));
    assert_true(hf_moved_has(&m, a, b));
    assert_false(hf_moved_has(&m, b, a));
    place_end(&p);
}

static void names_are_read_as_they_are_written_and_no_others(void **state)
{
    char name[HF_IMAGE_MOVED_MAX];
    pack_id a, b, old, new_id;
    (void)state;
    id_of('a', a);
    id_of('b', b);
    hf_image_moved_name(a, b, name);
    assert_true(hf_image_moved_ids(name, old, new_id));
    assert_memory_equal(old, a, sizeof a);
    assert_memory_equal(new_id, b, sizeof b);
    const size_t len = strlen(name);
    for (size_t i = 0; i < len; i++) {
        const char was = name[i];
        name[i] = 'X';
        assert_false(hf_image_moved_ids(name, old, new_id));
        name[i] = was;
    }
    name[len - 1] = '\0';
    assert_false(hf_image_moved_ids(name, old, new_id));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_pack_stands_for_all_that_its_content_was_moved_to),
        HF_TEST(names_are_read_as_they_are_written_and_no_others),
    };
    return HF_RUN_TESTS("point.moved", tests);
}
