/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/app.h - `restore app`: dump and files of a point into a VM that runs, with its services at rest meanwhile.
 *
 * Before     the point, its dump and its files are looked at on the store, and the VM: nothing was stopped when that fails.
 * While      the VM's `services` rest (run/at_rest.h), for rest-limit at most: rows first (accounts too), then files, configuration among them, below
 *            /. What is there already is refused, or with replace dropped and overwritten.
 * After      the services that ran run again. That the database reads changed configuration is its administrator's to see to.
 * Failure    the services are started; what was restored stays, and left names it.
 * Crash      a run as any other: the guardian starts the services at once, the dead-man in the guest at rest-limit, `recover` the rest. A half
 *            restored application is completed by the same again.
 */
#ifndef HF_RESTORE_APP_H
#define HF_RESTORE_APP_H

#include "net/json.h"
#include "run/env.h"

struct hf_restore_app {
    const char *point, *store; /* store NULL: any */
    const char *vm;
    const char *defaults_file; /* of an account that may do all of it; NULL: that of the VM */
    bool replace, resume, with_devices, with_setuid;
};

/* *out, to be put: {"run","vm","stopped":[],"rest_ms","dump":{…},"files":{…},"warnings":[]}: dump as of hf_restore_dump, files as of
 * hf_restore_files. 1: all was restored but what files.refused names, or rows differ from the dump. */
int hf_restore_app(const struct hf_env *env, const struct hf_restore_app *req,
                   struct json_object **out, struct hf_err *err) HF_CHECKED;

#endif
