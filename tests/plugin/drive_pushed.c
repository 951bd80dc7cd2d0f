/* SPDX-License-Identifier: Apache-2.0
 *
 * drive_pushed.c - backups that the hypervisor keeps.
 */
#include "drive.h"

#include <stdio.h>

void tell_pushed(const struct hf_pushed_copy *p)
{
    static const char *const where[] = {"unknown", "here", "elsewhere"};
    static const char *const check[] = {"unchecked", "good", "bad"};
    printf("pushed %s form=%s place=%s server=%s where=%s check=%s ours=%d protected=%d run=%s "
           "bytes=%llu taken=%lld why=%s "
           "notes=%s\n",
           p->ref, p->form, p->place, p->server ? p->server : "-", where[p->where], check[p->check],
           p->is_ours, p->is_protected, p->run ? p->run : "-", (unsigned long long)p->stored_bytes,
           (long long)p->taken_at_s, p->where_why ? p->where_why : "-", p->notes ? p->notes : "-");
}

/* pushed VM-ID [REF]: all of them, or that one. */
int do_pushed(struct drive *d, char **args, struct hf_err *err)
{
    HF_AUTO(hf_pushed_list) struct hf_pushed_list l = {0};
    HF_AUTO(hf_pushed_copy) struct hf_pushed_copy one = {0};
    struct hf_hv_call call = call_of(d);
    if (args[1] && hf_hv_pushed_find(d->hv, &call, args[0], args[1], &one, err) != 0)
        return -1;
    if (args[1])
        tell_pushed(&one);
    else if (hf_hv_pushed_list(d->hv, &call, args[0], &l, err) != 0)
        return -1;
    for (size_t i = 0; i < l.n; i++)
        tell_pushed(&l.items[i]);
    return 0;
}

/* pushed-delete VM-ID REF RUN */
int do_pushed_delete(struct drive *d, char **args, struct hf_err *err)
{
    struct hf_hv_call call = call_of(d);
    return hf_hv_pushed_delete(d->hv, &call, args[0], args[1], args[2], err);
}
