/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/dump.h"

#include "restore/part.h"

int hf_restore_dump(const struct hf_env *env, struct hf_restore_dump *req, struct json_object **out,
                    struct hf_err *err)
{
    HF_AUTO(hf_restore_part) struct hf_restore_part part = {0};
    const struct hf_restore_wish wish = {
        .point = req->point, .store = req->store, .kind = HF_POINT_DUMP};
    if (hf_restore_part_open(env, &wish, &part, err) < 0)
        return -1;
    req->load.opts.dir = NULL;
    req->load.opts.files = part.files;
    int rc = hf_run_load(env, &req->load, out, err);
    req->load.opts.files = NULL;
    if (rc >= 0 && hf_restore_part_document(&part, *out) < 0)
        return hf_fail_nomem(err);
    return rc;
}
