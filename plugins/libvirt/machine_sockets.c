/* SPDX-License-Identifier: Apache-2.0
 *
 * Whoever serves a disk at a socket lets nobody but himself connect; the machine's process is another user's, and only libvirt knows whose.
 */
#include "machine.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct owner {
    uid_t uid;
    gid_t gid;
};

/* <secmodel><model>dac</model><baselabel type='kvm'>+64055:+64055</baselabel>. false: libvirt does not tell. */
static bool read_owner(xmlNodePtr model, const char *type, struct owner *out)
{
    bool failed = false;
    unsigned uid, gid;
    char more;
    xmlNodePtr label = lv_xml_child(model, "baselabel");
    while (label && !lv_xml_attr_is(label, "type", type))
        label = lv_xml_next(label);
    HF_AUTOFREE char *text = lv_xml_text(label, &failed);
    if (!text || sscanf(text, "+%9u:+%9u%c", &uid, &gid, &more) != 2)
        return false;
    *out = (struct owner){.uid = uid, .gid = gid};
    return true;
}

/* 1: *out; 0: libvirt does not tell; -1. */
static int find_owner(const char *capabilities, const char *type, struct owner *out,
                      struct hf_err *err)
{
    bool failed = false, found = false;
    LV_AUTODOC xmlDocPtr doc = lv_xml_parse(capabilities, "capabilities", err);
    if (!doc)
        return -1;
    xmlNodePtr model = lv_xml_path(xmlDocGetRootElement(doc), "host", "secmodel", NULL);
    for (; model && !found; model = lv_xml_next(model)) {
        HF_AUTOFREE char *name = lv_xml_text(lv_xml_child(model, "model"), &failed);
        found = name && strcmp(name, "dac") == 0 && read_owner(model, type, out);
    }
    return found;
}

static int give(const char *path, const struct owner *to, struct hf_err *err)
{
    struct stat st;
    HF_AUTOFD int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return hf_fail_sys(err, errno, "socket '%s'", path);
    if (!S_ISSOCK(st.st_mode))
        return hf_fail(err, HF_E_CORRUPT, "'%s' is no socket", path);
    if (st.st_uid == to->uid || st.st_uid != geteuid() || st.st_mode & (S_IRWXG | S_IRWXO))
        return 0;
    if (fchownat(fd, "", to->uid, to->gid, AT_EMPTY_PATH) != 0)
        return hf_fail_sys(err, errno, "owner of socket '%s'", path);
    return 0;
}

static int give_all(xmlNodePtr root, const struct owner *to, struct hf_err *err)
{
    bool failed = false;
    xmlNodePtr disk = lv_xml_path(root, "devices", "disk", NULL);
    for (; disk; disk = lv_xml_next(disk)) {
        xmlNodePtr source = lv_xml_child(disk, "source");
        HF_AUTOFREE char *path = lv_xml_attr(lv_xml_child(source, "host"), "socket", &failed);
        if (failed)
            return hf_fail_nomem(err);
        if (path && lv_xml_attr_is(source, "protocol", "nbd") && give(path, to, err) != 0)
            return -1;
    }
    return 0;
}

int lv_machine_give_sockets(struct hf_instance *in, const char *definition, struct hf_err *err)
{
    struct owner to;
    bool failed = false;
    LV_AUTODOC xmlDocPtr doc = lv_xml_parse(definition, "domain", err);
    if (!doc)
        return -1;
    if (geteuid() != 0)
        return 0;
    xmlNodePtr root = xmlDocGetRootElement(doc);
    HF_AUTOFREE char *type = lv_xml_attr(root, "type", &failed);
    HF_AUTOFREE char *here = virConnectGetCapabilities(in->conn);
    if (!here)
        return lv_fail(err, "what this host can do");
    if (!type)
        return failed ? hf_fail_nomem(err) : 0;
    int found = find_owner(here, type, &to, err);
    return found == 1 ? give_all(root, &to, err) : found;
}
