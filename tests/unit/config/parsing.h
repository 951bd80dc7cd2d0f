/* SPDX-License-Identifier: Apache-2.0
 *
 * A text as the whole configuration: what is read of it, or why it is refused.
 */
#ifndef HF_TESTS_CONFIG_PARSING_H
#define HF_TESTS_CONFIG_PARSING_H

#include "config/config.h"
#include "harness/hf_test.h"

#include <string.h>

static inline struct hf_config *parse(const char *text)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_config *c = hf_config_parse(text, strlen(text), "test.conf", &err);
    assert_hf_got(c, &err);
    return c;
}

static inline void assert_refused(const char *text, const char *message, const char *hint)
{
    struct hf_err err = HF_ERR_INIT;
    assert_null(hf_config_parse(text, strlen(text), "test.conf", &err));
    assert_hf_err(&err, HF_E_CONFIG, message);
    assert_contains(err.message, "test.conf:");
    assert_contains(err.hint, hint);
}

#endif
