/* SPDX-License-Identifier: Apache-2.0
 *
 * tree.h - what a server answered, read without trust: bounded in size and depth, no network, no DTD, no entities.
 *
 * Names are compared without their prefix; the prefixes and the order of attributes differ between servers. A value that is
 * unset may be absent, or there with xsi:nil: both read as absent here.
 */
#ifndef HF_VMWARE_TREE_H
#define HF_VMWARE_TREE_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMW_TREE_MAX ((size_t)16 << 20)
#define VMW_ELEMENTS_MAX 400000
#define VMW_DEPTH_MAX 160 /* a chain of 32 snapshots needs 45 */

struct vmw_tree; /* a document */
struct vmw_node; /* an element of one; lives as long */

/* CORRUPT: not well-formed, carries a DTD, too big, too deep, too many elements or attributes of one, no element called root
 * outermost. */
struct vmw_tree *vmw_tree_parse(const char *text, size_t len, const char *root, struct hf_err *err)
    HF_CHECKED;
void vmw_tree_free(struct vmw_tree *t);
HF_DEFINE_AUTO(vmw_tree, vmw_tree_free)
const struct vmw_node *vmw_tree_root(const struct vmw_tree *t);

/* The first child of that name (NULL: any) that has a value, the next sibling of the same name, the next sibling of any name.
 * NULL in, NULL out. */
const struct vmw_node *vmw_child(const struct vmw_node *n, const char *name);
const struct vmw_node *vmw_next(const struct vmw_node *n);
const struct vmw_node *vmw_next_any(const struct vmw_node *n);
const char *vmw_name(const struct vmw_node *n);
/* Its text, "" where there is none; NULL for NULL. */
const char *vmw_text(const struct vmw_node *n);
/* Text of the child of that name; NULL: absent. */
const char *vmw_child_text(const struct vmw_node *n, const char *name);
/* The data type that it says it has (xsi:type without its prefix), "" where it says none. */
const char *vmw_type(const struct vmw_node *n);
bool vmw_is(const struct vmw_node *n, const char *text);
/* fallback where absent, or no number. */
int64_t vmw_int(const struct vmw_node *n, int64_t fallback);
/* absent: false. */
bool vmw_true(const struct vmw_node *n);
/* xsd:dateTime in seconds since the epoch; 0: absent, or none. */
int64_t vmw_time(const struct vmw_node *n);

/* A managed object: its type and the server's id of it, which is opaque. */
struct vmw_ref {
    char type[48], id[208];
};
/* false: absent, or none. */
bool vmw_ref_read(const struct vmw_node *n, struct vmw_ref *out);
bool vmw_ref_same(const struct vmw_ref *a, const struct vmw_ref *b);

#endif
