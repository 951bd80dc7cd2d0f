/* SPDX-License-Identifier: Apache-2.0
 *
 * base/xml_bounds.h - XML of strangers, looked over before libxml2 is let at it.
 *
 * libxml2 compares each attribute of an element with all before it, and keeps some 120 bytes of each element (2.9.14): two
 * megabytes of attributes cost minutes that nothing interrupts, sixteen of empty elements half a gigabyte. A definition
 * of entities has no place in any answer. Linear in len; whether it is well-formed is the parser's business.
 */
#ifndef HF_BASE_XML_BOUNDS_H
#define HF_BASE_XML_BOUNDS_H

#include <stddef.h>

#define HF_XML_ATTRIBUTES_MAX 256 /* of one element */

/* NULL: it may be parsed. Else what it does too much of, for "the answer …". */
const char *hf_xml_excess(const char *text, size_t len, size_t elements_max);

#endif
