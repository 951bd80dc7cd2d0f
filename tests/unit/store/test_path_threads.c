/* SPDX-License-Identifier: Apache-2.0
 *
 * Several who use one path as a store at the same time.
 */
#include "unit/store/path_store.h"

#include <pthread.h>
#include <stdio.h>

#define N_THREADS 6
#define N_ROUNDS 100

struct writer {
    pthread_t thread;
    struct hf_store *store;
    int me, n_done, n_won;
    struct hf_err err;
};

/* Whoever removes the last object of a directory removes that, too, while others are about to write there. */
static void *put_and_remove(void *arg)
{
    struct writer *w = arg;
    struct hf_store_receipt r;
    char name[32];
    snprintf(name, sizeof name, "d/e/%d", w->me);
    for (int i = 0; i < N_ROUNDS; i++) {
        if (hf_store_put_bytes(w->store, name, "x", 1, false, &r, &w->err) < 0 ||
            hf_store_remove(w->store, name, &w->err) < 0)
            return NULL;
        w->n_done++;
    }
    return NULL;
}

/* All want the same names. */
static void *put_once(void *arg)
{
    struct writer *w = arg;
    struct hf_store_receipt r;
    char name[32];
    for (int i = 0; i < N_ROUNDS; i++) {
        snprintf(name, sizeof name, "once/%d", i);
        w->n_won += hf_store_put_bytes(w->store, name, "x", 1, false, &r, &w->err) == 0;
        w->n_done += w->err.cls == HF_E_NONE || w->err.cls == HF_E_CONFLICT;
        hf_err_clear(&w->err);
    }
    return NULL;
}

static void run_all(struct hf_store *s, struct writer *w, void *(*work)(void *arg))
{
    for (int i = 0; i < N_THREADS; i++) {
        w[i] = (struct writer){.store = s, .me = i, .err = HF_ERR_INIT};
        assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(w[i].thread, NULL);
}

static void writers_do_not_lose_directories_to_those_who_remove(void **state)
{
    HF_AUTO(hf_store) struct hf_store *s = open_at(hf_test_dir(state));
    struct writer w[N_THREADS];
    run_all(s, w, put_and_remove);
    for (int i = 0; i < N_THREADS; i++)
        assert_hf_ok(w[i].n_done == N_ROUNDS ? 0 : -1, &w[i].err);
    assert_listed(s, "", NULL, true, "");
    assert_int_equal(hidden_in(hf_test_dir(state)), 0);
}

static void of_several_who_put_one_name_one_succeeds(void **state)
{
    HF_AUTO(hf_store) struct hf_store *s = open_at(hf_test_dir(state));
    struct writer w[N_THREADS];
    int n_won = 0;
    run_all(s, w, put_once);
    for (int i = 0; i < N_THREADS; i++) {
        assert_int_equal(w[i].n_done, N_ROUNDS);
        n_won += w[i].n_won;
    }
    assert_int_equal(n_won, N_ROUNDS);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(writers_do_not_lose_directories_to_those_who_remove),
        HF_TEST(of_several_who_put_one_name_one_succeeds),
    };
    return HF_RUN_TESTS("store.path_threads", tests);
}
