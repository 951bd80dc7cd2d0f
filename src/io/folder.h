/* SPDX-License-Identifier: Apache-2.0
 *
 * io/folder.h - a directory that is written to as a whole.
 *
 * begin makes it (0700) or takes an empty one, and puts a file INCOMPLETE there, durably; finish brings all to disk, then
 * takes INCOMPLETE away, durably. Whatever dies in between, the directory says so itself. close abandons: what is there
 * stays, INCOMPLETE too.
 */
#ifndef HF_IO_FOLDER_H
#define HF_IO_FOLDER_H

#include "base/cleanup.h"
#include "base/err.h"
#include "io/files.h"
#include "io/place.h"

#define HF_IO_INCOMPLETE "INCOMPLETE"

struct hf_io_folder {
    const char *path; /* borrowed */
    int fd;           /* -1: not open */
};
#define HF_IO_FOLDER_INIT                                                                          \
    {                                                                                              \
        NULL, -1                                                                                   \
    }

/* what: "dump", for the text of INCOMPLETE. CONFLICT: not empty. */
int hf_io_folder_begin(struct hf_io_folder *f, const char *path, const char *what,
                       struct hf_err *err) HF_CHECKED;
/* Whether begin would take it, and nothing else: to be asked before something that costs. CONFLICT: not empty. */
int hf_io_folder_check(const char *path, struct hf_err *err) HF_CHECKED;
int hf_io_folder_finish(struct hf_io_folder *f, struct hf_err *err) HF_CHECKED;
/* One that is there, to read from it. CONFLICT: INCOMPLETE. */
struct hf_io_files *hf_io_folder_open(const char *path, struct hf_err *err) HF_CHECKED;
/* Files are written into it as io/sink.h says; borrows the folder. */
struct hf_io_place hf_io_folder_place(const struct hf_io_folder *f);
void hf_io_folder_close(struct hf_io_folder *f);
HF_DEFINE_AUTO_VALUE(hf_io_folder, hf_io_folder_close)

#endif
