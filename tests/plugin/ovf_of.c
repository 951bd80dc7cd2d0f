/* SPDX-License-Identifier: Apache-2.0
 *
 * ovf_of NAME [keep-mac] <DEFINITION: the envelope of all its captured disks, as a restore would write it.
 */
#include "restore/ovf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEN ((size_t)1 << 20)

int main(int argc, char **argv)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_machine_doc) struct hf_machine_doc m = {0};
    HF_AUTO(hf_buf) struct hf_buf out = HF_BUF_INIT;
    HF_AUTOFREE char *text = calloc(1, LEN + 1);
    struct hf_ovf_file files[64] = {{0}};
    char names[64][40];
    size_t n = 0, len = text ? fread(text, 1, LEN, stdin) : 0;
    if (argc < 2 || hf_machine_doc_parse(text, len, &m, &err) < 0)
        return fprintf(stderr, "%s\n", err.message), 1;
    for (size_t i = 0; i < m.n_disks && n < HF_ARRAY_SIZE(files); i++) {
        if (!m.disks[i].is_captured)
            continue;
        snprintf(names[n], sizeof names[n], "disk%zu.vmdk", n + 1);
        files[n] = (struct hf_ovf_file){.target = m.disks[i].target,
                                        .name = names[n],
                                        .bytes = 4096 + n,
                                        .disk_bytes = (uint64_t)(n + 1) << 20};
        n++;
    }
    const struct hf_ovf o = {.machine = &m,
                             .name = argv[1],
                             .format = HF_DISK_VMDK,
                             .keep_mac = argc > 2 && strcmp(argv[2], "keep-mac") == 0,
                             .files = files,
                             .n_files = n};
    if (hf_ovf_write(&o, &out, &err) < 0)
        return fprintf(stderr, "%s\n", err.message), 1;
    return fputs(hf_buf_str(&out), stdout) < 0;
}
