/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/run_report.h"

#include "net/json.h"

static double stall_of(struct json_object *doc)
{
    struct json_object *stall = NULL;
    json_object_object_get_ex(doc, "stall_ms", &stall);
    return json_object_is_type(stall, json_type_double) || json_object_is_type(stall, json_type_int)
               ? json_object_get_double(stall)
               : -1;
}

static int64_t bytes_of(struct json_object *doc)
{
    struct hf_err none = HF_ERR_INIT;
    struct json_object *stores = hf_json_list(doc, "stores");
    int64_t sum = 0;
    for (size_t i = 0; stores && i < json_object_array_length(stores); i++) {
        int64_t n = 0;
        if (hf_json_opt_int(json_object_array_get_idx(stores, i), "bytes", &n, &none) < 0 ||
            n < 0 || __builtin_add_overflow(sum, n, &sum))
            return 0;
    }
    return sum;
}

struct hf_run_figures hf_run_figures(struct json_object *report)
{
    struct hf_err none = HF_ERR_INIT;
    bool is_protected = false;
    if (hf_json_get_bool(report, "protected", &is_protected, &none) < 0)
        is_protected = false;
    return (struct hf_run_figures){.run = hf_json_text(report, "run"),
                                   .grade = hf_json_text(report, "grade"),
                                   .stall_ms = stall_of(report),
                                   .bytes = bytes_of(report),
                                   .is_protected = is_protected};
}
