/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a line of an archive's listing: CORRUPT, or an entry that is the same when written and read again. And any
 * bytes as a tar: its entries, or CORRUPT.
 */
#include "files/some.h"
#include "harness/bytes.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_line(const char *line, size_t len)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_entry) struct hf_entry e = {0}, back = {0};
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (hf_entry_parse(line, len, &e, &err) < 0) {
        assert(err.cls == HF_E_CORRUPT && err.message[0]);
        return;
    }
    assert(strlen(e.name) <= HF_ENTRY_NAME_MAX);
    (void)hf_entry_name_is_safe(e.name);
    if (e.link)
        (void)hf_entry_link_leaves(e.name, e.link);
    assert(hf_entry_print(&e, &text, &err) == 0);
    assert(hf_entry_parse(text.data, text.len - 1, &back, &err) == 0);
    assert(strcmp(e.name, back.name) == 0 && e.size == back.size && e.mtime_s == back.mtime_s);
    assert(e.has_at == back.has_at && e.at == back.at);
}

static void read_tar(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    struct bytes b = {data, size, 0};
    const struct hf_tar_source source = {bytes_read, &b};
    HF_AUTO(hf_entry) struct hf_entry e = {0};
    HF_AUTO(hf_tar) struct hf_tar *t = hf_tar_open(&source, NULL, &err);
    int rc = t ? 1 : -1;
    while (rc == 1 && (rc = hf_tar_next(t, &e, NULL, &err)) == 1)
        /* A hole of a tebibyte takes its time, and shows nothing. */
        if (e.type == HF_ENTRY_FILE && e.size < 1 << 20 && hf_tar_content(t, &e, NULL, &err) < 0)
            rc = -1;
    assert(rc == 0 || err.cls == HF_E_CORRUPT);
}

/* Wherever a listing says that an entry begins. */
static void read_tar_at(const uint8_t *data, size_t size, uint64_t at)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_io_source *source = hf_io_source_memory(data, size, &err);
    HF_AUTO(hf_some) struct hf_some *s = source ? hf_some_open(source, NULL, &err) : NULL;
    HF_AUTO(hf_entry) struct hf_entry e = {0};
    struct hf_tar *t = s ? hf_some_next(s, at, size, &e, NULL, &err) : NULL;
    if (t && e.type == HF_ENTRY_FILE && e.size < 1 << 20 && hf_tar_content(t, &e, NULL, &err) < 0)
        t = NULL;
    assert(t || err.cls == HF_E_CORRUPT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_line((const char *)data, size);
    read_tar(data, size);
    read_tar_at(data, size, size / 1024 * 512);
    return 0;
}
