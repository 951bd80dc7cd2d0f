/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as what a guest says: every reader of the libvirt plugin takes them or refuses them as
 * CORRUPT, and what is taken keeps the limits that the callers count on.
 */
#include "agent_reply.h"
#include "fsinfo.h"
#include "base/mountinfo.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ASKED 64

static bool took(int rc, const struct hf_err *err)
{
    assert(rc == 0 || (rc == -1 && err->cls == HF_E_CORRUPT && err->message[0]));
    return rc == 0;
}

static void numbers(struct json_object *value)
{
    struct hf_err err = HF_ERR_INIT;
    int64_t n;
    uint32_t count;
    enum hf_freeze_state state;
    if (took(lv_reply_handle(value, &n, &err), &err))
        assert(n >= 0);
    if (took(lv_reply_pid(value, &n, &err), &err))
        assert(n > 0 && n <= UINT32_MAX);
    if (took(lv_reply_fs_count(value, &count, &err), &err))
        assert(count <= LV_MOUNTS_MAX);
    if (took(lv_reply_freeze_state(value, &state, &err), &err))
        assert(state == HF_FREEZE_THAWED || state == HF_FREEZE_FROZEN);
}

static void files(struct json_object *value)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf buf = HF_BUF_INIT;
    bool eof;
    size_t n;
    hf_buf_str_add(&buf, "before");
    bool is_read = took(lv_reply_read(value, ASKED, &buf, &eof, &err), &err);
    assert(is_read ? buf.len <= 6 + ASKED : buf.len == 6);
    if (took(lv_reply_written(value, ASKED, &n, &err), &err))
        assert(n > 0 && n <= ASKED);
}

static void programs(struct json_object *value)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(lv_exec_status) struct lv_exec_status s = {0};
    if (!took(lv_reply_exec_status(value, ASKED, &s, &err), &err))
        return;
    assert(s.out.len <= ASKED && s.err.len <= ASKED);
    assert(!s.has_exited || (s.term_signal ? s.exit_code == -1 : s.exit_code >= 0));
}

static const struct lv_vm vm;

static void file_systems(struct json_object *value)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(lv_fs_list) struct lv_fs_list l = {0};
    if (!took(lv_fsinfo_parse(value, &l, &err), &err))
        return;
    assert(l.n <= LV_MOUNTS_MAX);
    for (size_t i = 0; i < l.n; i++) {
        const struct lv_fs *first = lv_fs_find(&l, l.items[i].mountpoint);
        assert(first && first <= &l.items[i] && *first->mountpoint && first->type && first->name);
        for (size_t k = 0; k < l.items[i].n_disks; k++)
            assert(!lv_fs_disk_target(&l.items[i].disks[k], &vm));
    }
}

static void mounts(const char *text, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_mountinfo) struct hf_mountinfo l = {0};
    if (!took(hf_mountinfo_parse(text, size, &l, &err), &err))
        return;
    assert(l.n <= LV_MOUNTS_MAX);
    for (size_t i = 0; i < l.n; i++)
        assert(*l.items[i].mountpoint == '/' && l.items[i].type && l.items[i].source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOJSON struct json_object *value = NULL;
    HF_AUTOFREE char *text = strndup((const char *)data, size);
    mounts((const char *)data, size);
    if (!took(lv_reply_parse(text, &value, &err), &err))
        return 0;
    numbers(value);
    files(value);
    programs(value);
    file_systems(value);
    return 0;
}
