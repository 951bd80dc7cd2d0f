/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "vmw.h"

#include <string.h>

#define OPEN_MS 20000
#define LOGOUT_MS 3000
#define LOGIN_HELD_MS 5000 /* where a database waits */
#define CHAIN_DEFAULT 3
#define CHAIN_MOST 31

/* That this plugin was written for, the newest first. What is newer speaks the newest of these as well. */
static const char *const dialects[] = {"8.0.1.0", "7.0", "6.7", "6.5", "6.0", "5.5"};

/* ---- what the configuration says --------------------------------------------------------------------------- */

/* The host ends up in a URL: nothing in it may start another part of one. */
static int read_uri(struct hf_instance *in, struct hf_err *err)
{
    const char *host = strncmp(in->uri, "https://", 8) == 0 ? in->uri + 8 : in->uri;
    size_t len = strlen(host);
    if (len > 4 && strcmp(host + len - 4, "/sdk") == 0)
        len -= 4;
    else if (len && host[len - 1] == '/')
        len--;
    HF_AUTOFREE char *name = strndup(host, len);
    if (!name)
        return hf_fail_nomem(err);
    const char *close = *name == '[' ? strchr(name, ']') : NULL;
    const char *colon = strchr(close ? close : name, ':');
    if (!*name || strpbrk(name, "/@?#\\ \t%") || (*name == '[' && !close) ||
        (colon && (!colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1)))) {
        hf_fail(err, HF_E_CONFIG, "'%s' is no https://HOST", in->uri);
        return hf_hint(err, "Only https, and no path behind the host; an IPv6 address stands in brackets.");
    }
    in->base = hf_asprintf("https://%s", name);
    return in->base ? 0 : hf_fail_nomem(err);
}

static int check_trust(const struct hf_instance *in, struct hf_err *err)
{
    if (in->ca_file && access(in->ca_file, R_OK) != 0)
        return hf_fail(err, HF_E_CONFIG, "CA file '%s': %s", in->ca_file, strerror(errno));
    if (in->pin && (strncmp(in->pin, "sha256//", 8) != 0 || strlen(in->pin) != 52))
        return hf_fail(err, HF_E_CONFIG, "'%s' is no pin: sha256// and 44 characters", in->pin);
    if (in->thumbprint && (in->pin || in->ca_file))
        return hf_fail(err, HF_E_CONFIG, "thumbprint stands alone: drop it, or ca-file and pin");
    if (in->thumbprint && strlen(in->thumbprint) == 59) {
        hf_fail(err, HF_E_CONFIG, "'%s' is a SHA-1 thumbprint", in->thumbprint);
        return hf_hint(err, "SHA-1 can be forged. The one by SHA-256: openssl s_client -connect "
                            "HOST:443 </dev/null | openssl x509 -noout -fingerprint -sha256");
    }
    return 0;
}

static int read_chain_max(struct hf_instance *in, struct hf_err *err)
{
    char *end = NULL;
    in->chain_max = CHAIN_DEFAULT;
    if (!in->chain_max_text)
        return 0;
    long n = strtol(in->chain_max_text, &end, 10);
    if (!*in->chain_max_text || *end || n < 1 || n > CHAIN_MOST)
        return hf_fail(err, HF_E_CONFIG, "chain-max is 1 to %d", CHAIN_MOST);
    in->chain_max = (int)n;
    return 0;
}

static int read_keys(struct hf_instance *in, struct hf_err *err)
{
    if (!in->uri || !in->user || !in->password_file)
        return hf_fail(err, HF_E_CONFIG, "the key '%s' is missing",
                       !in->uri    ? "uri"
                       : !in->user ? "user"
                                   : "password-file");
    if (!in->guest_user != !in->guest_password_file)
        return hf_fail(err, HF_E_CONFIG, "guest-user and guest-password-file go together");
    if (read_uri(in, err) != 0 || check_trust(in, err) != 0 || read_chain_max(in, err) != 0)
        return -1;
    in->password = hf_secret_read(in->password_file, err);
    if (!in->password)
        return -1;
    if (!in->guest_password_file)
        return 0;
    in->guest_password = hf_secret_read(in->guest_password_file, err);
    return in->guest_password ? 0 : -1;
}

/* ---- which dialect ------------------------------------------------------------------------------------------- */

static bool lists(const struct vmw_node *space, const char *version)
{
    const struct vmw_node *prior = vmw_child(vmw_child(space, "priorVersions"), "version");
    if (vmw_is(vmw_child(space, "version"), version))
        return true;
    for (; prior; prior = vmw_next(prior))
        if (vmw_is(prior, version))
            return true;
    return false;
}

/* A server refuses a dialect newer than its own, and takes none or an unknown one for the oldest there is. */
static int negotiate(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    HF_AUTO(hf_http_answer) struct hf_http_answer reply = {0};
    if (vmw_get_document(in, call, "/sdk/vimServiceVersions.xml", &reply, err) != 0)
        return -1;
    HF_AUTO(vmw_tree)
    struct vmw_tree *t = vmw_tree_parse(hf_buf_str(&reply.body), reply.body.len, "namespaces", err);
    if (!t) {
        hf_wrap(err, "/sdk/vimServiceVersions.xml");
        return vmw_hint_other(err);
    }
    const struct vmw_node *space = vmw_child(vmw_tree_root(t), "namespace");
    while (space && !vmw_is(vmw_child(space, "name"), "urn:vim25"))
        space = vmw_next(space);
    for (size_t i = 0; space && i < HF_ARRAY_SIZE(dialects); i++) {
        if (!lists(space, dialects[i]))
            continue;
        snprintf(in->version, sizeof in->version, "%s", dialects[i]);
        return 0;
    }
    return hf_fail(err, HF_E_UNSUPPORTED, "the server speaks no dialect that this plugin knows");
}

static int read_content(struct hf_instance *in, const struct vmw_node *c, struct hf_err *err)
{
    const struct vmw_node *about = vmw_child(c, "about");
    struct vmw_content *to = &in->content;
    const struct {
        const char *name;
        struct vmw_ref *ref;
        bool is_needed;
    } parts[] = {{"rootFolder", &to->root, true},
                 {"propertyCollector", &to->properties, true},
                 {"sessionManager", &to->session, true},
                 {"searchIndex", &to->search, true},
                 {"viewManager", &to->view, true},
                 {"guestOperationsManager", &to->guest, false},
                 {"authorizationManager", &to->rights, false}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(parts); i++)
        if (!vmw_ref_read(vmw_child(c, parts[i].name), parts[i].ref) && parts[i].is_needed)
            return hf_fail(err, HF_E_CORRUPT, "the server has no %s", parts[i].name);
    const char *name = vmw_child_text(about, "name"), *version = vmw_child_text(about, "version"),
               *build = vmw_child_text(about, "build");
    to->is_host = vmw_is(vmw_child(about, "apiType"), "HostAgent");
    snprintf(to->name, sizeof to->name, "%.80s %.20s build-%.20s", name ? name : "vSphere",
             version ? version : "?", build ? build : "?");
    hf_replace_controls(to->name, ' ');
    return 0;
}

static int load_content(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    const struct vmw_ref service = {"ServiceInstance", "ServiceInstance"};
    struct vmw_request req = {
        .method = "RetrieveServiceContent", .self = &service, .is_read = true};
    if (vmw_call(in, call, &req, &t, err) != 0)
        return -1;
    return read_content(in, vmw_child(vmw_response(t), "returnval"), err);
}

/* ---- in and out ---------------------------------------------------------------------------------------------- */

int vmw_log_in(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    struct vmw_request req = {.method = "Login",
                              .self = &in->content.session,
                              .args = &args,
                              .wait_ms = in->is_held ? LOGIN_HELD_MS : 0};
    /* A log-in with a live cookie is refused as a wrong password would be. */
    hf_secret_free(in->cookie);
    in->cookie = NULL;
    vmw_put(&args, "userName", in->user);
    vmw_put(&args, "password", hf_secret_reveal(in->password));
    if (vmw_call(in, call, &req, &t, err) != 0) {
        in->is_unclear = false; /* what was to come behind it was not sent */
        return hf_wrap(err, "log-in as '%s'", in->user);
    }
    const char *key = vmw_child_text(vmw_child(vmw_response(t), "returnval"), "key");
    if (!in->cookie || !key || !*key || strlen(key) >= sizeof in->session_key)
        return hf_fail(err, HF_E_CORRUPT, "the log-in gave no session");
    snprintf(in->session_key, sizeof in->session_key, "%s", key);
    return 0;
}

void vmw_log_out(struct hf_instance *in)
{
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    struct hf_err ignored = HF_ERR_INIT;
    struct hf_call call = {.struct_size = sizeof call, .deadline_ms = vmw_now_ms(in) + LOGOUT_MS};
    struct vmw_request req = {
        .method = "Logout", .self = &in->content.session, .is_read = true}; /* twice does no harm */
    if (!in->cookie)
        return;
    in->ignores_cancel = true;
    if (vmw_call(in, &call, &req, &t, &ignored) != 0)
        vmw_log(in, HF_LOG_DETAIL, "the session was not ended: %s", ignored.message);
    hf_secret_free(in->cookie);
    in->cookie = NULL;
}

static int is_cancelled(void *ctx)
{
    struct hf_instance *in = ctx;
    return !in->ignores_cancel && in->host->cancelled(in->host->ctx);
}

int vmw_connect(struct hf_instance *in, struct hf_err *err)
{
    struct hf_call call = {.struct_size = sizeof call, .deadline_ms = vmw_now_ms(in) + OPEN_MS};
    if (read_keys(in, err) != 0)
        return -1;
    struct hf_http_opts opts = {.ca_file = in->ca_file,
                                .pin = in->pin,
                                .fingerprint = in->thumbprint,
                                .stall_ms = OPEN_MS * 15, /* a long poll says nothing */
                                .is_cancelled = is_cancelled,
                                .cancel_ctx = in};
    in->http = hf_http_new(&opts, err);
    if (!in->http || negotiate(in, &call, err) != 0 || load_content(in, &call, err) != 0 ||
        vmw_log_in(in, &call, err) != 0)
        return in->base ? hf_wrap(err, "%s", in->base) : -1;
    return 0;
}
