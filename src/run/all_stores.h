/* SPDX-License-Identifier: Apache-2.0
 *
 * run/all_stores.h - does any store of the configuration have this point? Asked of all of them, each opened when it is first asked.
 *
 * A store that cannot be asked is no "no": who deletes because nobody has the point must not go on then.
 */
#ifndef HF_RUN_ALL_STORES_H
#define HF_RUN_ALL_STORES_H

#include "catalog/catalog.h"
#include "point/points.h"
#include "run/env.h"

struct hf_all_stores {
    const struct hf_env *env;
    struct hf_one_store *items;
    size_t n;
};
void hf_all_stores_free(struct hf_all_stores *s); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_all_stores, hf_all_stores_free)

enum hf_has_point { HF_HAS_NOT, HF_HAS_POINT, HF_HAS_UNKNOWN };

/* Of a point's copy on a store, by their ids. */
#define HF_COPY_KEY_MAX (HF_IMAGE_STORE_ID + 1 + HF_ID_MAX)
void hf_copy_key(const char *store_id, const char *point, char out[HF_COPY_KEY_MAX]);

struct hf_has_question {
    const char *id;             /* of the point; of whatever VM */
    const char *but;            /* the id of a store that is not asked; or NULL */
    const struct hf_strv *gone; /* copies that do not count, as hf_copy_key names them; or NULL */
    struct hf_catalog
        *catalog; /* copies that it knows of count: also on stores that are not configured */
};
/* why: which store has it, or cannot be asked. -1: cancelled, or no memory. */
int hf_all_stores_ask(struct hf_all_stores *s, const struct hf_has_question *q,
                      enum hf_has_point *out, char why[HF_ERR_MESSAGE_MAX], struct hf_err *err)
    HF_CHECKED;

#endif
