/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_serve.c - `serve`.
 */
#include "base/units.h"
#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "restore/serve.h"

#include <poll.h>
#include <stdio.h>

static const struct hf_cli_opt opts[] = {
    {"disk", 'd', HF_OPT_STRING, "DISK",
     "Which one, as `show` names it. When left out: the only one."},
    {"socket", 'S', HF_OPT_STRING, "PATH",
     "The unix socket to make; only this user can connect to it."},
    {"writable", 'w', HF_OPT_FLAG, NULL,
     "Take writes, too: they are kept in memory (tmpfs) and gone when the serving ends."},
    {"store", 's', HF_OPT_STRING, "NAME",
     "Only from this store. When left out: the first that has it."},
};

extern const struct hf_verb hf_verb_serve;

static int print_json(const struct hf_serve_facts *f, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (!doc || hf_json_add_string(doc, "point", f->point) < 0 ||
        hf_json_add_string(doc, "vm", f->vm) < 0 || hf_json_add_string(doc, "disk", f->disk) < 0 ||
        hf_json_add_string(doc, "uri", f->uri) < 0 ||
        hf_json_add_int(doc, "bytes", (int64_t)f->bytes) < 0 ||
        hf_json_add_string(doc, "store", f->store) < 0)
        return hf_fail_nomem(err);
    return hf_cli_print_json(doc, err);
}

static int print_text(const struct hf_serve_facts *f, struct hf_err *err)
{
    char size[HF_UNITS_MAX];
    hf_format_size(f->bytes, size);
    printf("%-10s %s/%s, disk %s, %s, from store %s\n%-10s %s\n", "serving", f->vm, f->point,
           f->disk, size, f->store, "uri", f->uri);
    return hf_cli_flush(err);
}

/* Until somebody asks us to stop: 0, or nbdkit ends by itself: 1. */
static int serve(const struct hf_cli *cli, const struct hf_serving *s)
{
    struct pollfd fds[] = {{.fd = hf_cancel_fd(cli->cancel), .events = POLLIN},
                           {.fd = hf_serve_fd(s), .events = POLLIN}};
    while (!hf_cancel_is_set(cli->cancel)) {
        if (poll(fds, HF_ARRAY_SIZE(fds), -1) > 0 && fds[1].revents)
            return 1;
    }
    return 0;
}

static int run_serve(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    struct hf_env env = hf_cli_env(cli);
    struct hf_serve_facts facts;
    const struct hf_point_wish wish = {.text = args->items[0],
                                       .store = hf_cli_get(&hf_verb_serve, args, "store")->text,
                                       .area = "serve"};
    const struct hf_serve_opts how = {
        .socket = hf_cli_get(&hf_verb_serve, args, "socket")->text,
        .is_writable = hf_cli_get(&hf_verb_serve, args, "writable")->is_set,
    };
    if (!how.socket)
        return hf_fail(err, HF_E_CONFIG, "--socket PATH is needed");
    HF_AUTO(hf_serving)
    struct hf_serving *s =
        hf_serve_begin(&env, &wish, hf_cli_get(&hf_verb_serve, args, "disk")->text, &how, err);
    if (!s)
        return -1;
    hf_serve_facts(s, &facts);
    if ((cli->json ? print_json(&facts, err) : print_text(&facts, err)) < 0)
        return -1;
    int status = serve(cli, s);
    if (status != 0) /* the document is out: the reason goes to the log */
        hf_log(cli->log, HF_LOG_ERROR, "serve", "nbdkit has ended by itself");
    return status;
}

const struct hf_verb hf_verb_serve = {
    .name = "serve",
    .args = "POINT",
    .min_args = 1,
    .max_args = 1,
    .summary = "serve a disk of a recovery point as NBD, straight from the store",
    .help =
        "Nothing is copied first: what is read is fetched, proven by its checksum, and kept in a "
        "cache of 128 MiB; who reads on is read ahead for. The line `uri` (with --json a document) "
        "appears when the socket answers. It is served until SIGINT or SIGTERM.\n\n"
        "A read that cannot be served is an I/O error for who reads, and the reason is in the log. "
        "An encrypted store has to have its identity-file. nbdkit has to be installed.\n\n"
        "  holdfast serve web01/20261123T030000Z-7f3a9c21 -d vda -S /run/vda.sock\n"
        "  nbdcopy 'nbd+unix:///?socket=/run/vda.sock' vda.raw",
    .opts = opts,
    .n_opts = HF_ARRAY_SIZE(opts),
    .needs_config = true,
    .run = run_serve,
};
