# SPDX-License-Identifier: Apache-2.0
# Sourced by the meta tests. A test defines
#
#     check ROOT     looks at a tree, prints what is wrong, returns 1 if anything is
#     self_test      shows check bad samples (put, must_fail) and a good one (must_pass)
#
# and ends with: meta_main "$@". `TEST` checks this repository, `TEST --self-test` checks the test.

meta_root=$(cd "$(dirname "$0")/../.." && pwd)

# put PATH: a file of the sample tree, from stdin.
put() {
    mkdir -p "$sample/$(dirname "$1")"
    cat >"$sample/$1"
}

# fresh: an empty sample tree.
fresh() {
    rm -rf "$sample"
    mkdir -p "$sample"
}

# must_fail PIECE: the sample is refused, and the reason contains PIECE.
must_fail() {
    if output=$(check "$sample" 2>&1); then
        echo "self-test: accepted, though it should say: $1" >&2
        exit 1
    fi
    case $output in
    *"$1"*) ;;
    *)
        echo "self-test: refused, but not for the reason '$1':" >&2
        echo "$output" >&2
        exit 1
        ;;
    esac
}

must_pass() {
    if ! output=$(check "$sample" 2>&1); then
        echo "self-test: a good sample was refused:" >&2
        echo "$output" >&2
        exit 1
    fi
}

meta_main() {
    case ${1-} in
    --self-test)
        scratch=$(mktemp -d)
        trap 'rm -rf "$scratch"' EXIT
        sample=$scratch/sample
        fresh
        self_test
        echo "self-test passed"
        ;;
    "") check "$meta_root" ;;
    *)
        echo "usage: $0 [--self-test]" >&2
        exit 2
        ;;
    esac
}
