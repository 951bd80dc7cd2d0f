/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the definition of a machine: what comes of it names no path of the host that was not decided on and no
 * argument by itself, an isolated machine has no way in or out, and adapting it again changes nothing of that. What is refused says why.
 */
#include "../plugin/machine_paths.h"
#include "machine.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Half of what is asked for is there, and no file but below /ok/. */
static bool has(void *ctx, enum lv_fact what, const char *value)
{
    (void)ctx;
    if (*value == '/')
        return strncmp(value, "/ok/", 4) == 0;
    return what != LV_HAS_FILE && what != LV_HAS_EMULATOR && strlen(value) % 2;
}

static int say(void *ctx, const struct hf_machine_finding *f)
{
    (void)ctx;
    assert(f->kind >= HF_MACHINE_CHANGED && f->kind <= HF_MACHINE_REFUSED);
    assert(f->about && *f->about && f->text && *f->text && !strchr(f->text, '\n'));
    return 0;
}

static const struct hf_machine_disk disks[] = {
    {sizeof disks[0], HF_MACHINE_FILE, "vda", "/disk/a", "qcow2", NULL},
    {sizeof disks[0], HF_MACHINE_NBD, "vdb", "/disk/b", "raw", "vdb"},
};

static void look_at(const struct lv_making *m)
{
    static const char *const words[] = {"/ok/",        "/disk/a", "/disk/b",     "/dev/urandom",
                                        "/dev/random", "/dir/",   NULL};
    xmlNodePtr devices = lv_xml_child(m->root, "devices");
    assert(!strange_path(m->root, words));
    assert(!twofold_attribute(m->root) && !stray_argument(m->root));
    assert(devices && !lv_xml_child(devices, "hostdev") && !lv_xml_child(devices, "filesystem"));
    assert(!m->is_isolated || !way_out(m->root));
    for (xmlNodePtr d = lv_xml_child(devices, "disk"); d; d = lv_xml_next(d))
        assert(!lv_xml_child(d, "backingStore") && !lv_xml_child(d, "auth"));
}

static char *adapt(const char *xml, uint32_t flags)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_machine_request req = {.struct_size = sizeof req,
                                     .flags = flags,
                                     .definition = xml,
                                     .name = "new",
                                     .run = "run-1",
                                     .purpose = "drill",
                                     .dir = "/dir",
                                     .disks = disks,
                                     .n_disks = flags & HF_MACHINE_KEEP_MAC ? 0 : 2,
                                     .memory_max_bytes = 1 << 30};
    HF_AUTO(lv_making) struct lv_making m = {.req = &req, .has = has, .say = say};
    if (lv_make(&m, &err) != 0) {
        assert(err.message[0] && (err.cls == HF_E_CORRUPT || err.cls == HF_E_UNSUPPORTED ||
                                  err.cls == HF_E_CONFLICT));
        return NULL;
    }
    assert(lv_make_mark(m.doc, &req, "{}", &err) == 0);
    look_at(&m);
    return lv_xml_print(m.doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t flags[] = {0, HF_MACHINE_KEEP_MAC, HF_MACHINE_ISOLATED,
                                     HF_MACHINE_NO_NETWORK};
    HF_AUTOFREE char *xml = strndup((const char *)data, size);
    for (size_t i = 0; xml && i < HF_ARRAY_SIZE(flags); i++) {
        HF_AUTOFREE char *once = adapt(xml, flags[i]);
        HF_AUTOFREE char *twice = once ? adapt(once, flags[i]) : NULL;
        assert(!once || twice);
    }
    return 0;
}
