/* SPDX-License-Identifier: Apache-2.0
 *
 * encode.h - the arguments of a call, put together without a word of the dialect that carries them (SOAP here; the JSON one
 * of vSphere 8 would be another encode.c, send.c and tree.c).
 *
 * The order is that of the schema: real servers refuse another. What is of an abstract type names its own.
 */
#ifndef HF_VMWARE_ENCODE_H
#define HF_VMWARE_ENCODE_H

#include "base/buf.h"
#include "tree.h"

#include <stdbool.h>
#include <stdint.h>

struct vmw_args {
    struct hf_buf text;
};
#define VMW_ARGS_INIT                                                                              \
    {                                                                                              \
        HF_BUF_INIT                                                                                \
    }
/* Wipes: a password may stand in it. */
void vmw_args_free(struct vmw_args *a);
HF_DEFINE_AUTO_VALUE(vmw_args, vmw_args_free)

void vmw_put(struct vmw_args *a, const char *name, const char *value);
void vmw_put_bool(struct vmw_args *a, const char *name, bool value);
void vmw_put_int(struct vmw_args *a, const char *name, int64_t value);
void vmw_put_ref(struct vmw_args *a, const char *name, const struct vmw_ref *ref);
/* type: of an abstract argument, else NULL. */
void vmw_put_begin(struct vmw_args *a, const char *name, const char *type);
void vmw_put_end(struct vmw_args *a, const char *name);

/* The whole request; false: no memory. */
bool vmw_encode(const char *method, const struct vmw_ref *self, const struct vmw_args *args,
                struct hf_buf *out);

#endif
