/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the definition of a machine: what comes of it names no path of the host that was not decided on and no
 * argument by itself, an isolated machine has no way in or out, and adapting it again changes nothing of that. What is refused says why.
 * A definition of another hypervisor becomes a domain of which all that holds, and which is never refused then.
 */
#include "../plugin/machine_paths.h"
#include "machine_foreign.h"

#include <assert.h>
#include <stdlib.h>
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
    static const char *const words[] = {"/ok/",        "/disk/a", "/disk/b", "/dev/urandom",
                                        "/dev/random", "/dir/",   NULL};
    xmlNodePtr devices = lv_xml_child(m->root, "devices");
    assert(!strange_path(m->root, words));
    assert(!twofold_attribute(m->root) && !stray_argument(m->root));
    assert(devices && !lv_xml_child(devices, "hostdev") && !lv_xml_child(devices, "filesystem"));
    assert(!m->is_isolated || !way_out(m->root));
    for (xmlNodePtr d = lv_xml_child(devices, "disk"); d; d = lv_xml_next(d))
        assert(!lv_xml_child(d, "backingStore") && !lv_xml_child(d, "auth"));
}

static void assert_told(const struct hf_err *err)
{
    assert(err->message[0] &&
           (err->cls == HF_E_CORRUPT || err->cls == HF_E_UNSUPPORTED || err->cls == HF_E_CONFLICT));
}

static char *adapt_request(const struct hf_machine_request *req)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(lv_making) struct lv_making m = {.req = req, .has = has, .say = say};
    if (lv_make(&m, &err) != 0) {
        assert_told(&err);
        return NULL;
    }
    assert(lv_make_mark(m.doc, req, "{}", &err) == 0);
    look_at(&m);
    return lv_xml_print(m.doc);
}

static struct hf_machine_request request(const char *definition, uint32_t flags)
{
    return (struct hf_machine_request){.struct_size = sizeof(struct hf_machine_request),
                                       .flags = flags,
                                       .definition = definition,
                                       .name = "new",
                                       .run = "run-1",
                                       .purpose = "drill",
                                       .dir = "/dir",
                                       .disks = disks,
                                       .n_disks = flags & HF_MACHINE_KEEP_MAC ? 0 : 2,
                                       .memory_max_bytes = 1 << 30};
}

static char *adapt(const char *xml, uint32_t flags)
{
    struct hf_machine_request req = request(xml, flags);
    return adapt_request(&req);
}

/* With all its disks. */
static void adapt_foreign(const char *text, uint32_t flags)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_machine_request req = request(text, flags);
    HF_AUTO(hf_machine_doc) struct hf_machine_doc doc = {0};
    HF_AUTO(lv_making) struct lv_making m = {.req = &req, .has = has, .say = say};
    HF_AUTO(lv_foreign) struct lv_foreign f = {0};
    bool is_one = hf_machine_doc_parse(text, strlen(text), &doc, &err) == 0;
    HF_AUTOFREE struct hf_machine_disk *all = calloc(doc.n_disks + 1, sizeof *all);
    for (size_t i = 0; all && is_one && i < doc.n_disks; i++) {
        all[i] = disks[0];
        all[i].target = doc.disks[i].target;
    }
    req.disks = all;
    req.n_disks = is_one ? (uint32_t)doc.n_disks : 0;
    if (lv_foreign_make(&m, "qemu", &f, &err) != 0) {
        assert_told(&err);
        return;
    }
    HF_AUTOFREE char *xml = adapt_request(&f.req);
    assert(is_one && xml);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t flags[] = {0, HF_MACHINE_KEEP_MAC, HF_MACHINE_ISOLATED,
                                     HF_MACHINE_NO_NETWORK};
    HF_AUTOFREE char *xml = strndup((const char *)data, size);
    const struct hf_machine_request as_it_is = {.definition = xml};
    for (size_t i = 0; xml && i < HF_ARRAY_SIZE(flags); i++) {
        if (lv_foreign_is(&as_it_is)) {
            adapt_foreign(xml, flags[i]);
            continue;
        }
        HF_AUTOFREE char *once = adapt(xml, flags[i]);
        HF_AUTOFREE char *twice = once ? adapt(once, flags[i]) : NULL;
        assert(!once || twice);
    }
    return 0;
}
