# Programs built from Go modules, for the builds that source this. It expects
#   cache        the project's .cache
#   compile_X    makes "$work/X"; run in a shell of its own, with the Go compiler there
#   links_of X   the names in .cache/bin that lead to it
# and gives build_one X TARGET: .cache/TARGET is there, and the links lead to it. Idempotent, safe to
# run side by side; a build that fails or is killed leaves no half file.

say() { echo "build: $*" >&2; }

die() {
    say "$*"
    exit 1
}

# is_linked NAME TARGET: all its links lead to .cache/TARGET, and that is there.
is_linked() {
    local each
    [ -x "$cache/$2" ] || return 1
    for each in $(links_of "$1"); do
        [ "$cache/bin/$each" -ef "$cache/$2" ] || return 1
    done
}

link() {
    local each
    mkdir -p "$cache/bin"
    for each in $(links_of "$1"); do
        ln -sfn "../$2" "$cache/bin/.$each.$$"
        mv -Tf "$cache/bin/.$each.$$" "$cache/bin/$each"
    done
}

need_go() {
    command -v go > /dev/null || die "no Go compiler. Install Go 1.26 or later from https://go.dev/dl," \
        "or (as root) apt-get install -t bookworm-backports golang-go, which fetches 1.26 itself"
    export HOME=${HOME:-$cache/home} CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOWORK=off
}

# watched WHAT TOTAL LOG CMD...: runs CMD, which names every package it compiles in LOG, and shows how
# far it is: one line that is rewritten on a terminal, else a line every 15 s. TOTAL: packages in all.
watched() {
    local what=$1 total=$2 log=$3 begin=$SECONDS shown=$SECONDS line
    shift 3
    "$@" > "$log" 2>&1 & # it keeps the lock if this script is killed
    child=$!
    while kill -0 $child 2> /dev/null; do
        sleep 0.2
        line="$what: $((SECONDS - begin)) s, $(grep -cv '^go: ' "$log" || true) of $total packages compiled"
        if [ -t 2 ]; then
            printf '\rbuild: %s ' "$line" >&2
        elif [ $((SECONDS - shown)) -ge 15 ]; then
            say "$line"
            shown=$SECONDS
        fi
    done
    [ ! -t 2 ] || printf '\r\033[K' >&2
    if ! wait $child; then
        child=
        tail -n 20 "$log" >&2
        die "$what: go failed"
    fi
    child=
    say "$what: done after $((SECONDS - begin)) s"
}

# packages ARG...: how many packages a build of these arguments has; fetches missing modules first.
packages() {
    local list
    list=$(go list -deps "$@" 2> "$work/list.log") || {
        tail -n 20 "$work/list.log" >&2
        die "go list failed"
    }
    wc -l <<< "$list"
}

# make_one NAME TARGET: compiles NAME unless .cache/TARGET is there.
make_one() {
    local name=$1 target=$2
    if [ ! -x "$cache/$target" ]; then
        need_go
        work=$(mktemp -d "$cache/$name/.work.XXXXXX")
        compile_"$name"
        mkdir -p "$(dirname "$cache/$target")"
        mv "$work/$name" "$cache/$target"
        rm -rf "$work"
    fi
    is_linked "$name" "$target" || link "$name" "$target"
}

build_one() {
    local name=$1 target=$2
    ! is_linked "$name" "$target" || return 0
    mkdir -p "$cache/$name"
    exec 9> "$cache/$name/.lock"
    if ! flock -n 9; then
        say "$name: another build is under way; waiting for it"
        flock 9
    fi
    rm -rf "$cache/$name"/.work.* # of a build that was killed
    make_one "$name" "$target"
    exec 9>&-
}

child='' work=''
cleanup() {
    [ -z "$child" ] || kill -INT "$child" 2> /dev/null || true
    [ -z "$work" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
