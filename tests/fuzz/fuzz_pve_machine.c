/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the configuration at the head of a backup of Proxmox VE: what is asked for of the server then keeps what machine.h
 * promises, and what cannot be kept is refused. What is no configuration says why.
 */
#include "machine.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int say(void *ctx, const struct hf_machine_finding *f)
{
    (void)ctx;
    assert(f->kind >= HF_MACHINE_CHANGED && f->kind <= HF_MACHINE_REFUSED);
    assert(f->about && *f->about && f->text && !strchr(f->text, '\n'));
    return 0;
}

static bool begins(const char *key, const char *kind)
{
    return strncmp(key, kind, strlen(kind)) == 0 && key[strlen(kind)] >= '0' &&
           key[strlen(kind)] <= '9' &&
           strspn(key + strlen(kind), "0123456789") == strlen(key + strlen(kind));
}

/* The value that is asked for: decoded; to be freed. NULL: not asked for. */
static char *asked(const struct hf_buf *params, const char *key)
{
    HF_AUTOFREE char *copy = strdup(hf_buf_str(params));
    size_t len = strlen(key);
    char *rest = copy, *found = NULL;
    while (rest) {
        char *part = strsep(&rest, "&");
        if (strncmp(part, key, len) != 0 || part[len] != '=')
            continue;
        assert(!found); /* twice would be a list */
        found = strdup(part + len + 1);
        assert(found && hf_url_decode(found, false) == 0);
    }
    return found;
}

static void look_at(const struct pve_planning *p)
{
    static const char *const never[] = {"force", "start",      "skiplock",
                                        "args",  "hookscript", "delete"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(never); i++) {
        HF_AUTOFREE char *value = asked(&p->post, never[i]);
        assert(!value);
    }
    HF_AUTOFREE char *onboot = asked(&p->post, "onboot"), *notes = asked(&p->post, "description");
    struct pve_machine told = {0};
    assert(onboot && strcmp(onboot, "0") == 0);
    assert(notes && strlen(notes) <= PVE_NOTES_MAX && pve_mark_read(notes, &told) == PVE_MARKED &&
           strcmp(told.run, p->m.run) == 0);
    bool is_isolated = p->req->flags & HF_MACHINE_ISOLATED;
    json_object_object_foreach(p->config.keys, key, value)
    {
        HF_AUTOFREE char *net = begins(key, "net") ? asked(&p->post, key) : NULL;
        (void)value;
        assert(!begins(key, "net") || !pve_machine_wants_links_down(p) ||
               (net && pve_net_is_down(net)));
        assert(p->is_refused || !is_isolated ||
               (strcmp(key, "args") != 0 && strcmp(key, "hookscript") != 0 &&
                strcmp(key, "ivshmem") != 0));
        assert(p->is_refused || !is_isolated ||
               !(begins(key, "hostpci") || begins(key, "usb") || begins(key, "virtiofs")) ||
               hf_strv_has(&p->dropped, key));
    }
}

static void plan(const struct pve_backup_config *config, uint32_t flags)
{
    struct hf_instance in = {.major = 9};
    struct hf_err err = HF_ERR_INIT;
    const struct hf_machine_request req = {.struct_size = sizeof req,
                                           .flags = flags,
                                           .name = "new",
                                           .vm_id = "100",
                                           .memory_max_bytes = 1 << 30};
    struct pve_planning p = {.in = &in,
                             .req = &req,
                             .emit = say,
                             .err = &err,
                             .config = *config,
                             .storages = json_object_new_array()};
    snprintf(p.m.run, sizeof p.m.run, "run-1");
    snprintf(p.m.purpose, sizeof p.m.purpose, "drill");
    p.m.has_links_down = pve_machine_wants_links_down(&p);
    if (pve_machine_judge(&p) == 0)
        look_at(&p);
    else
        assert(err.message[0]);
    json_object_put(p.storages);
    hf_buf_free(&p.post);
    hf_buf_free(&p.put);
    hf_strv_free(&p.dropped);
    hf_strv_free(&p.rights);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HF_AUTO(pve_backup_config) struct pve_backup_config config = {0};
    HF_AUTOFREE char *text = size < 65536 ? strndup((const char *)data, size) : NULL;
    struct hf_err err = HF_ERR_INIT;
    if (!text)
        return 0;
    if (pve_backup_config_parse(text, &config, &err) != 0) {
        assert(err.cls == HF_E_CORRUPT && err.message[0]);
        return 0;
    }
    plan(&config, HF_MACHINE_ISOLATED);
    plan(&config,
         HF_MACHINE_NO_NETWORK | HF_MACHINE_KEEP_MAC | HF_MACHINE_KEEP_UUID | HF_MACHINE_ARGUMENTS);
    plan(&config, 0);
    return 0;
}
