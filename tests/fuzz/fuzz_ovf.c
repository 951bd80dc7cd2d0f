/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the definition of a machine: what is taken gives an envelope that a parser of XML takes, with each name in its place; what
 * is refused is CORRUPT or of another kind.
 */
#include "restore/ovf.h"

#include <assert.h>
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(const xmlNode *n, size_t *items, size_t *files)
{
    for (; n; n = n->next) {
        *items += n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, "Item") == 0;
        *files += n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, "File") == 0;
        assert(n->type == XML_ELEMENT_NODE || n->type == XML_TEXT_NODE);
        count(n->children, items, files);
    }
}

static void write_it(const struct hf_machine_doc *m, const char *name)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    HF_AUTOFREE struct hf_ovf_file *files = calloc(m->n_disks + 1, sizeof *files);
    HF_AUTOFREE char *file = hf_ovf_file_name(name);
    size_t items = 0, n_files = 0;
    assert(files && file && !strpbrk(file, "/:\"&<>% \n"));
    for (size_t i = 0; i < m->n_disks; i++)
        files[i] = (struct hf_ovf_file){.target = m->disks[i].target, .name = file};
    const struct hf_ovf o = {.machine = m,
                             .name = name,
                             .format = HF_DISK_VMDK,
                             .keep_mac = true,
                             .files = files,
                             .n_files = m->n_disks};
    assert(hf_ovf_write(&o, &out, &err) == 0);
    xmlDoc *doc = xmlReadMemory(hf_buf_str(&out), (int)out.len, NULL, NULL,
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_HUGE);
    assert(doc);
    count(xmlDocGetRootElement(doc), &items, &n_files);
    xmlFreeDoc(doc);
    assert(n_files == m->n_disks && items >= 2 + m->n_disks + m->n_nics);
    assert(items <= 2 + m->n_disks + m->n_nics + m->n_controllers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_machine_doc) struct hf_machine_doc m = {0};
    if (hf_machine_doc_parse((const char *)data, size, &m, &err) < 0) {
        assert(err.cls == HF_E_CORRUPT || err.cls == HF_E_UNSUPPORTED);
        return 0;
    }
    assert(hf_machine_doc_is((const char *)data, size));
    write_it(&m, *m.name ? m.name : "none");
    return 0;
}
