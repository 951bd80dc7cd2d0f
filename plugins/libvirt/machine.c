/* SPDX-License-Identifier: Apache-2.0
 *
 * The adaptation as a whole. Elements that libvirt would read twice, or under another name than we do, go first.
 */
#include "machine.h"

#include "base/hex.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define ROOT_KNOWN                                                                                 \
    "name uuid genid title description metadata maxMemory memory currentMemory memoryBacking "     \
    "memtune blkiotune vcpu vcpus iothreads iothreadids defaultiothread cputune numatune "         \
    "resource sysinfo* os features cpu clock on_poweroff on_reboot on_crash on_lockfailure pm "    \
    "perf launchSecurity keywrap devices"

void lv_making_drop(struct lv_making *m)
{
    if (m->doc)
        xmlFreeDoc(m->doc);
    if (m->former_doc)
        xmlFreeDoc(m->former_doc);
    free(m->nvram);
    hf_strv_free(&m->kept);
    hf_strv_free(&m->paths);
    m->doc = m->former_doc = NULL;
    m->nvram = NULL;
}

/* Elements and attributes of a namespace, which libvirt reads by their local name in places, labels of a security driver,
 * comments. The parser bounds the depth. */
static void scrub(xmlNodePtr node)
{
    lv_drop_twofold(node);
    for (xmlNodePtr n = node->children, next; n; n = next) {
        next = n->next;
        if (n->type == XML_TEXT_NODE)
            continue;
        if (n->type != XML_ELEMENT_NODE || n->ns || strcmp((const char *)n->name, "seclabel") == 0)
            lv_xml_drop(n);
        else
            scrub(n);
    }
}

static void scrub_all(struct lv_making *m)
{
    for (xmlNodePtr n = m->root->children; n; n = n->next)
        if (n->type == XML_ELEMENT_NODE && !n->ns && strcmp((const char *)n->name, "metadata") != 0)
            scrub(n);
    lv_xml_drop_children(m->root, "seclabel");
    size_t gone = lv_keep_only(m->root, ROOT_KNOWN);
    if (gone)
        lv_find(m, HF_MACHINE_LEFT_OUT, "definition", "%zu parts of a kind that is not taken over",
                gone);
}

static int take_uuid(struct lv_making *m, struct hf_err *err)
{
    unsigned char r[16];
    char hex[33];
    const char *was = lv_get_text(m, lv_xml_child(m->root, "uuid"));
    if (m->is_replacing || m->req->flags & HF_MACHINE_KEEP_UUID) {
        if (strlen(was) != LV_UUID_MAX - 1)
            return hf_fail(err, HF_E_CORRUPT, "the definition tells no UUID to keep");
        memcpy(m->uuid, was, LV_UUID_MAX);
        return 0;
    }
    if (getrandom(r, sizeof r, 0) != sizeof r)
        return hf_fail_sys(err, errno, "random bytes");
    r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    hf_hex(r, sizeof r, hex);
    snprintf(m->uuid, sizeof m->uuid, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
    return 0;
}

static int open_definition(struct lv_making *m, struct hf_err *err)
{
    m->doc = lv_xml_parse(m->req->definition, "domain", err);
    m->root = m->doc ? xmlDocGetRootElement(m->doc) : NULL;
    if (!m->doc || m->root->ns) {
        if (m->doc)
            hf_fail(err, HF_E_CORRUPT, "it is no domain of libvirt's");
        return hf_wrap(err, "the definition");
    }
    if (m->former && !(m->former_doc = lv_xml_parse(m->former, "domain", err)))
        return -1;
    m->is_replacing = m->req->flags & HF_MACHINE_REPLACE;
    m->is_isolated = m->req->flags & HF_MACHINE_ISOLATED;
    m->keeps_net = !m->is_isolated && !(m->req->flags & HF_MACHINE_NO_NETWORK);
    lv_drop_twofold(m->root);
    lv_make_arguments(
        m); /* first: of the root's children of a namespace only QEMU's own are left */
    scrub_all(m);
    m->devices = lv_xml_child(m->root, "devices");
    if (!m->devices || !lv_xml_child(m->root, "os") || !lv_xml_child(m->root, "name"))
        return hf_fail(err, HF_E_CORRUPT, "the definition has no name, system or devices");
    return take_uuid(m, err);
}

int lv_make(struct lv_making *m, struct hf_err *err)
{
    if (open_definition(m, err) != 0)
        return -1;
    lv_make_identity(m);
    lv_make_lifecycle(m);
    lv_make_memory(m);
    lv_make_placement(m);
    lv_make_os(m);
    lv_make_cpu(m);
    lv_make_devices(m);
    lv_make_paths(m);
    if (m->is_broken)
        return hf_fail_nomem(err);
    if (m->is_stopped)
        return -1;
    if (m->is_refused)
        hf_err_copy(err, &m->why);
    return m->is_refused ? -1 : 0;
}
