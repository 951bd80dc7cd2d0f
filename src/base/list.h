/* SPDX-License-Identifier: Apache-2.0
 *
 * base/list.h - a list that grows: twice as long each time, so that n items are moved about n times in all.
 */
#ifndef HF_BASE_LIST_H
#define HF_BASE_LIST_H

#include <stddef.h>

/* The items with room for one behind the n that are there, *io_cap as many as there is room for; `first` of them to begin with. bytes:
 * of one. NULL: no memory, and items and *io_cap are as they were. */
void *hf_list_room(void *items, size_t n, size_t *io_cap, size_t bytes, size_t first);

#endif
