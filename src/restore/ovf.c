/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "restore/ovf_intern.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMAS "http://schemas.dmtf.org/"
#define CIM SCHEMAS "wbem/wscim/1/cim-schema/2/"
#define FILE_NAME_MAX 200

/* ---- text ------------------------------------------------------------------------------- */

/* Fit for an attribute and for an element alike. */
void ovf_add_escaped(struct hf_buf *out, const char *text)
{
    while (*text) {
        size_t len = hf_utf8_character(text);
        unsigned char c = (unsigned char)*text;
        if (c == '\n' || c == '\t')
            hf_buf_printf(out, "&#%d;", c);
        else if (hf_is_control(*text))
            hf_buf_str_add(out, " ");
        else if (!hf_utf8_is_xml(text, len))
            hf_buf_str_add(out, "?");
        else if (strchr("&<>\"'", c))
            hf_buf_printf(out, "&#%d;", c);
        else
            hf_buf_add(out, text, len);
        text += len ? len : 1;
    }
}

void ovf_add_element(struct hf_buf *out, const char *name, const char *text)
{
    hf_buf_printf(out, "        <%s>", name);
    ovf_add_escaped(out, text);
    hf_buf_printf(out, "</%s>\n", name);
}

void ovf_add_number(struct hf_buf *out, const char *name, int64_t n)
{
    hf_buf_printf(out, "        <%s>%lld</%s>\n", name, (long long)n, name);
}

char *hf_ovf_file_name(const char *name)
{
    char *out = strndup(name, FILE_NAME_MAX);
    for (char *p = out; p && *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(".-_", *p))
            *p = '_';
    return out;
}

/* ---- what lies beside it ---------------------------------------------------------------- */

static void add_head(struct hf_buf *out)
{
    hf_buf_str_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                        "<Envelope xmlns=\"" SCHEMAS "ovf/envelope/1\" xmlns:ovf=\"" SCHEMAS
                        "ovf/envelope/1\"\n xmlns:rasd=\"" CIM
                        "CIM_ResourceAllocationSettingData\"\n xmlns:vssd=\"" CIM
                        "CIM_VirtualSystemSettingData\"\n"
                        " xmlns:vmw=\"http://www.vmware.com/schema/ovf\">\n");
}

static void add_references(struct hf_buf *out, const struct hf_ovf *o)
{
    hf_buf_str_add(out, "  <References>\n");
    for (size_t i = 0; i < o->n_files; i++)
        hf_buf_printf(out, "    <File ovf:href=\"%s\" ovf:id=\"file%zu\" ovf:size=\"%llu\"/>\n",
                      o->files[i].name, i + 1, (unsigned long long)o->files[i].bytes);
    hf_buf_str_add(out, "  </References>\n");
}

/* vSphere takes streamOptimized only; the others are named as oVirt and libvirt's tools do. */
static const char *format_uri(enum hf_disk_format format)
{
    return format == HF_DISK_VMDK
               ? "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
           : format == HF_DISK_QCOW2 ? "http://www.gnome.org/~markmc/qcow-image-format.html"
                                     : "http://en.wikipedia.org/wiki/Byte";
}

/* Whole sectors, as the disk in the file has. */
static uint64_t capacity(const struct hf_ovf_file *f)
{
    return (f->disk_bytes + 511) / 512 * 512;
}

static void add_disk_section(struct hf_buf *out, const struct hf_ovf *o)
{
    hf_buf_str_add(out, "  <DiskSection>\n    <Info>The virtual disks</Info>\n");
    for (size_t i = 0; i < o->n_files; i++)
        hf_buf_printf(out,
                      "    <Disk ovf:capacity=\"%llu\" ovf:capacityAllocationUnits=\"byte\" "
                      "ovf:diskId=\"vmdisk%zu\" ovf:fileRef=\"file%zu\" ovf:format=\"%s\"/>\n",
                      (unsigned long long)capacity(&o->files[i]), i + 1, i + 1,
                      format_uri(o->format));
    hf_buf_str_add(out, "  </DiskSection>\n");
}

static bool is_named_before(const struct hf_machine_doc *m, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(ovf_network_of(&m->nics[k]), ovf_network_of(&m->nics[i])) == 0)
            return true;
    return false;
}

static void add_networks(struct hf_buf *out, const struct hf_machine_doc *m)
{
    if (m->n_nics == 0)
        return;
    hf_buf_str_add(out, "  <NetworkSection>\n    <Info>The networks</Info>\n");
    for (size_t i = 0; i < m->n_nics; i++) {
        if (is_named_before(m, i))
            continue;
        hf_buf_str_add(out, "    <Network ovf:name=\"");
        ovf_add_escaped(out, ovf_network_of(&m->nics[i]));
        hf_buf_str_add(out, "\"><Description>A network of the machine that was backed up"
                            "</Description></Network>\n");
    }
    hf_buf_str_add(out, "  </NetworkSection>\n");
}

/* ---- the machine ------------------------------------------------------------------------ */

/* CIM's numbers of systems: 64-bit Linux, Linux, other. vSphere reads its own name of it instead. */
static int os_id(const char *guest)
{
    static const char *const linuxes[] = {"Linux",  "linux",  "rhel",     "centos", "debian",
                                          "ubuntu", "sles",   "opensuse", "fedora", "rocky",
                                          "alma",   "coreos", "photon"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(linuxes); i++)
        if (strstr(guest, linuxes[i]))
            return strstr(guest, "64") ? 101 : 36;
    return 1;
}

static void add_machine(struct hf_buf *out, const struct hf_ovf *o)
{
    const struct hf_machine_doc *m = o->machine;
    hf_buf_str_add(out, "  <VirtualSystem ovf:id=\"");
    ovf_add_escaped(out, o->name);
    hf_buf_str_add(out, "\">\n    <Info>A virtual machine</Info>\n    <Name>");
    ovf_add_escaped(out, o->name);
    hf_buf_printf(out, "</Name>\n    <OperatingSystemSection ovf:id=\"%d\" vmw:osType=\"",
                  os_id(m->guest));
    ovf_add_escaped(out, *m->guest ? m->guest : "otherGuest");
    hf_buf_str_add(out, "\">\n      <Info>The guest's system</Info>\n"
                        "    </OperatingSystemSection>\n");
    if (*m->annotation) {
        hf_buf_str_add(out,
                       "    <AnnotationSection>\n      <Info>Notes</Info>\n      <Annotation>");
        ovf_add_escaped(out, m->annotation);
        hf_buf_str_add(out, "</Annotation>\n    </AnnotationSection>\n");
    }
    ovf_add_hardware(out, o);
    hf_buf_str_add(out, "  </VirtualSystem>\n");
}

int hf_ovf_write(const struct hf_ovf *o, struct hf_buf *out, struct hf_err *err)
{
    for (size_t i = 0; i < o->n_files; i++)
        if (!ovf_disk_of(o, &o->files[i]))
            return hf_fail(err, HF_E_CORRUPT, "the machine's definition has no disk %.60s",
                           o->files[i].target);
    add_head(out);
    add_references(out, o);
    add_disk_section(out, o);
    add_networks(out, o->machine);
    add_machine(out, o);
    hf_buf_str_add(out, "</Envelope>\n");
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

int hf_ovf_manifest(const struct hf_ovf *o, const char *ovf_name, const char *ovf_sha256,
                    struct hf_buf *out, struct hf_err *err)
{
    hf_buf_printf(out, "SHA256(%s)= %s\n", ovf_name, ovf_sha256);
    for (size_t i = 0; i < o->n_files; i++)
        hf_buf_printf(out, "SHA256(%s)= %s\n", o->files[i].name, o->files[i].sha256);
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}
