/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/completion.h"

#include "cli/args.h"

#include <string.h>

/* Words before the cursor say which verb it is, and how many of its own words stand there; what could come next is a kind: one of the
 * lists of names, file, words, or nothing. Bash takes --store=x apart at the '='. */
static const char frame[] =
    "_holdfast_names() {\n"
    "    local name\n"
    "    while IFS= read -r name; do\n"
    "        [[ $name == \"$3\"* ]] && printf -v name %q \"$name\" && COMPREPLY+=(\"$name\")\n"
    "    done < <(\"$1\" ${_holdfast_config:+-c \"$_holdfast_config\"} completion \"$2\" "
    "2>/dev/null </dev/null)\n"
    "}\n"
    "\n"
    "_holdfast_fill() { # PROGRAM KIND CUR\n"
    "    case $2 in\n"
    "    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$3\") "
    ";;\n"
    "    vms|policies|stores|hypervisors) _holdfast_names \"$1\" \"$2\" \"$3\" ;;\n"
    "    words:*) mapfile -t COMPREPLY < <(compgen -W \"${2#words:}\" -- \"$3\") ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "_holdfast() {\n"
    "    local i word kind verb= n=0 cur=${COMP_WORDS[COMP_CWORD]} option= _holdfast_config=\n"
    "    COMPREPLY=()\n"
    "    [[ $cur == '=' ]] && cur=\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if [[ $word == '=' ]]; then\n"
    "            continue\n"
    "        elif [[ $option ]]; then\n"
    "            [[ $option == -c || $option == --config ]] && "
    "_holdfast_config=${word/#\\~\\//$HOME/}\n"
    "            option=\n"
    "        elif [[ $word == -* ]]; then\n"
    "            [[ $(_holdfast_option \"$verb\" \"$word\") ]] && option=$word\n"
    "        elif [[ $(_holdfast_verbs \"$verb\") ]]; then\n"
    "            verb+=\"${verb:+ }$word\"\n"
    "        else\n"
    "            n=$((n + 1))\n"
    "        fi\n"
    "    done\n"
    "    if [[ $option ]]; then\n"
    "        kind=$(_holdfast_option \"$verb\" \"$option\")\n"
    "    elif [[ $cur == -* ]]; then\n"
    "        kind=words:$(_holdfast_options \"$verb\")\n"
    "    else\n"
    "        kind=words:$(_holdfast_verbs \"$verb\")\n"
    "        [[ $kind == words: ]] && kind=$(_holdfast_argument \"$verb\" \"$n\")\n"
    "    fi\n"
    "    _holdfast_fill \"${COMP_WORDS[0]}\" \"$kind\" \"$cur\"\n"
    "}\n"
    "complete -F _holdfast holdfast\n";

/* ---- what could stand there ------------------------------------------------------------- */

/* "VM" of "[VM…]", len of it; kind of what it means, "" for nothing. verb: for NAME. */
static void add_kind(struct hf_buf *out, const char *arg, size_t len, const char *whose)
{
    static const char *const kinds[][2] = {
        {"VM", "vms"}, {"FILE", "file"}, {"DIR", "file"}, {"PATH", "file"}, {"TARGET", "file"}};
    static const char *const lists[][2] = {
        {"store", "stores"}, {"policy", "policies"}, {"hypervisor", "hypervisors"}};
    if (memchr(arg, '|', len) && strchr("abcdefghijklmnopqrstuvwxyz", arg[0])) {
        hf_buf_str_add(out, "words:");
        for (size_t i = 0; i < len; i++)
            hf_buf_add(out, arg[i] == '|' ? " " : &arg[i], 1);
        return;
    }
    for (size_t i = 0; i < HF_ARRAY_SIZE(kinds); i++)
        if (strlen(kinds[i][0]) == len && strncmp(arg, kinds[i][0], len) == 0)
            hf_buf_str_add(out, kinds[i][1]);
    for (size_t i = 0; len == 4 && strncmp(arg, "NAME", 4) == 0 && i < HF_ARRAY_SIZE(lists); i++)
        if (strncmp(whose, lists[i][0], strlen(lists[i][0])) == 0)
            hf_buf_str_add(out, lists[i][1]);
}

/* ---- tables ----------------------------------------------------------------------------- */

/* Does the verb begin with `group` and a blank? "": is it one of the first words? */
static const char *next_word(const struct hf_verb *verb, const char *group, size_t *len)
{
    size_t skip = strlen(group);
    if (verb->hidden || strncmp(verb->name, group, skip) != 0)
        return NULL;
    if (skip && verb->name[skip] != ' ')
        return NULL;
    const char *word = verb->name + skip + (skip > 0);
    *len = strcspn(word, " ");
    return word;
}

/* The words that may follow `group`, each once: those of one group stand together in the table or not. */
static void add_words(struct hf_buf *out, const struct hf_verb *const *verbs, const char *group)
{
    for (size_t i = 0; verbs[i]; i++) {
        size_t len = 0, other_len = 0;
        const char *word = next_word(verbs[i], group, &len);
        bool is_new = word != NULL;
        for (size_t k = 0; k < i && is_new; k++) {
            const char *other = next_word(verbs[k], group, &other_len);
            is_new = !other || other_len != len || strncmp(other, word, len) != 0;
        }
        if (is_new)
            hf_buf_printf(out, "%.*s ", (int)len, word);
    }
}

static void add_verbs(struct hf_buf *out, const struct hf_verb *const *verbs)
{
    hf_buf_str_add(out, "_holdfast_verbs() { # VERB: the words that may follow\n"
                        "    case $1 in\n    '') echo '");
    add_words(out, verbs, "");
    hf_buf_str_add(out, "' ;;\n");
    for (size_t i = 0; verbs[i]; i++) {
        size_t len = strcspn(verbs[i]->name, " ");
        HF_AUTOFREE char *group = strndup(verbs[i]->name, len);
        bool is_first = group && verbs[i]->name[len] && !verbs[i]->hidden;
        for (size_t k = 0; k < i && is_first; k++)
            is_first = strncmp(verbs[k]->name, verbs[i]->name, len + 1) != 0;
        if (!is_first)
            continue;
        hf_buf_printf(out, "    '%s') echo '", group);
        add_words(out, verbs, group);
        hf_buf_str_add(out, "' ;;\n");
    }
    hf_buf_str_add(out, "    esac\n}\n\n");
}

static void add_option_names(struct hf_buf *out, const struct hf_cli_opt *opts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hf_buf_printf(out, "--%s ", opts[i].name);
}

static void add_options(struct hf_buf *out, const struct hf_verb *const *verbs)
{
    hf_buf_str_add(out, "_holdfast_options() { # VERB\n    case $1 in\n");
    for (; *verbs; verbs++) {
        if ((*verbs)->hidden || (*verbs)->n_opts == 0)
            continue;
        hf_buf_printf(out, "    '%s') echo '", (*verbs)->name);
        add_option_names(out, (*verbs)->opts, (*verbs)->n_opts);
        hf_buf_str_add(out, "' ;;\n");
    }
    hf_buf_str_add(out, "    esac\n    echo '");
    add_option_names(out, hf_cli_globals, HF_GLOBAL_COUNT);
    hf_buf_str_add(out, "'\n}\n\n");
}

/* "-" is a value of which nothing is known: there is one all the same. */
static void add_values(struct hf_buf *out, const char *verb, const struct hf_cli_opt *opts,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        HF_AUTO(hf_buf) struct hf_buf kind = HF_BUF_INIT;
        if (opts[i].type == HF_OPT_FLAG || !opts[i].arg)
            continue;
        add_kind(&kind, opts[i].arg, strlen(opts[i].arg), opts[i].name);
        hf_buf_printf(out, "    %s' --%s'", verb, opts[i].name);
        if (opts[i].letter)
            hf_buf_printf(out, "|%s' -%c'", verb, opts[i].letter);
        hf_buf_printf(out, ") echo '%s' ;;\n", kind.len ? hf_buf_str(&kind) : "-");
    }
}

static void add_option_values(struct hf_buf *out, const struct hf_verb *const *verbs)
{
    hf_buf_str_add(
        out, "_holdfast_option() { # VERB OPTION: the kind of its value; nothing: it has none\n"
             "    case \"$1 $2\" in\n");
    for (; *verbs; verbs++) {
        HF_AUTOFREE char *name = hf_asprintf("'%s'", (*verbs)->name);
        if (name && !(*verbs)->hidden)
            add_values(out, name, (*verbs)->opts, (*verbs)->n_opts);
    }
    add_values(out, "*", hf_cli_globals, HF_GLOBAL_COUNT);
    hf_buf_str_add(out, "    esac\n}\n\n");
}

/* Of "VM NAME", "[VM…]", "[VERB]": a kind for each place, and the last for all behind it where there is a "…". */
static void add_places(struct hf_buf *out, const struct hf_verb *verb)
{
    size_t place = 0;
    for (const char *at = verb->args; *at; place++) {
        HF_AUTO(hf_buf) struct hf_buf kind = HF_BUF_INIT;
        at += strspn(at, "[ ");
        size_t len = strcspn(at, " ]"), letters = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        bool is_many = letters < len && at[letters] != '|';
        add_kind(&kind, at, letters, verb->name);
        if (kind.len)
            hf_buf_printf(out, "    '%s '%s) echo '%s' ;;\n", verb->name,
                          is_many ? "*" : (const char[]){(char)('0' + place), '\0'},
                          hf_buf_str(&kind));
        at += len + strspn(at + len, "] ");
    }
}

static void add_arguments(struct hf_buf *out, const struct hf_verb *const *verbs)
{
    hf_buf_str_add(out, "_holdfast_argument() { # VERB PLACE: the kind of its word there\n"
                        "    case \"$1 $2\" in\n");
    for (size_t i = 0; verbs[i]; i++)
        if (!verbs[i]->hidden)
            add_places(out, verbs[i]);
    hf_buf_str_add(out, "    'help 0') echo \"words:$(_holdfast_verbs '')\" ;;\n    esac\n}\n\n");
}

void hf_completion_bash(struct hf_buf *out, const struct hf_verb *const *verbs)
{
    hf_buf_str_add(out, "# SPDX-License-Identifier: Apache-2.0\n"
                        "# Completion for holdfast(1), made by `holdfast completion bash`.\n\n");
    add_verbs(out, verbs);
    add_options(out, verbs);
    add_option_values(out, verbs);
    add_arguments(out, verbs);
    hf_buf_str_add(out, frame);
}
