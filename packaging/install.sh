#!/bin/sh
# Installs sftmill @VERSION@ from this folder alone; nothing is fetched.
#
#   sh install.sh [FOLDER]            a virtual environment in FOLDER (default ./sftmill-venv)
#   PYTHON=/path/to/python sh install.sh
#   MODELS=/path sh install.sh        where the weights go (default ~/.cache/sftmill/models)
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
target=${1:-sftmill-venv}
python=${PYTHON:-python@PYTHON@}
models=${MODELS:-$HOME/.cache/sftmill/models}

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

system="$(uname -s) $(uname -m)"
[ "$system" = "@SYSTEM@ @MACHINE@" ] || fail "these wheels are for @SYSTEM@ @MACHINE@, this is $system; make a bundle on such a machine"
command -v "$python" >/dev/null 2>&1 || fail "no $python here; install Python @PYTHON@, or name one: PYTHON=/path/to/python sh install.sh"
found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$found" = "@PYTHON@" ] || fail "$python is Python $found, the wheels are for @PYTHON@; name another: PYTHON=/path/to/python sh install.sh"

echo "checking all files against SHA256SUMS"
if command -v sha256sum >/dev/null 2>&1; then
    (cd "$here" && sha256sum -c --quiet SHA256SUMS) || fail "a file is missing or damaged (see above); copy the archive again"
elif command -v shasum >/dev/null 2>&1; then
    (cd "$here" && shasum -a 256 -c --quiet SHA256SUMS) || fail "a file is missing or damaged (see above); copy the archive again"
else
    fail "neither sha256sum nor shasum is here; install one of them (coreutils or perl)"
fi

echo "installing into $target"
"$python" -m venv "$target" || fail "no virtual environment could be made; on Debian and Ubuntu: apt install python@PYTHON@-venv"
# neither this user's nor this machine's settings of pip: only what lies here
PIP_CONFIG_FILE=/dev/null "$target/bin/python" -m pip --isolated --disable-pip-version-check install --quiet --no-index \
    --find-links "$here/wheels" -r "$here/requirements.txt" "sftmill==@VERSION@"

for file in "$here"/weights/*; do
    [ -f "$file" ] || continue
    mkdir -p "$models"
    [ -f "$models/${file##*/}" ] || cp "$file" "$models/"
    echo "weights: $models/${file##*/}"
done

"$target/bin/sftmill" --help >/dev/null || fail "sftmill does not start; run $target/bin/sftmill --help to see why"
echo "done: $target/bin/sftmill --help"
