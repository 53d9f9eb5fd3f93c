#!/bin/sh
# Installs PACKAGE into /opt/connector and makes /opt/connector/run start its program.
# Runs in the build stage; PACKAGE, EXECUTABLE and the index addresses are build arguments.
set -eu
case "${FTP_PROXY:-}" in "export "*) eval "$FTP_PROXY" ;; esac; unset FTP_PROXY

fail() { # message, hint
  printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

uv() { /opt/uv/bin/uv --quiet "$@"; }

constraints() { # of this package alone: what is wrong for one is right for another
  file=/opt/constraints/$package.txt
  [ -f "$file" ] || file=/dev/null
  printf '%s\n' "$file"
}

overrides() { # where a package itself pins what cannot be installed: a constraint cannot widen that
  file=/opt/overrides/$package.txt
  [ -f "$file" ] || file=/dev/null
  printf '%s\n' "$file"
}

install_into_venv() {
  export UV_INDEX_URL="${UV_INDEX_URL:-${PIP_INDEX_URL:-}}"
  export UV_EXTRA_INDEX_URL="${UV_EXTRA_INDEX_URL:-${PIP_EXTRA_INDEX_URL:-}}"
  uv venv --python "$(command -v python3)" /opt/connector
  set -f # the brackets of an extra are not a pattern
  # shellcheck disable=SC2086 # several requirements
  uv pip install --python /opt/connector --constraint "$(constraints)" --override "$(overrides)" $PACKAGE
  set +f
}

# Older packages use what pip once put into every environment, and do not declare it.
add_pkg_resources() {
  grep -rqE --include='*.py' '^ *(import|from) pkg_resources' /opt/connector/lib || return 0
  /opt/connector/bin/python -W ignore -c 'import pkg_resources' 2>/dev/null ||
    uv pip install --python /opt/connector 'setuptools<80.9'
}

add_shims() {
  folder=$(/opt/connector/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  cp /opt/tapdock_shims.py "$folder/"
  /opt/connector/bin/python -m py_compile "$folder/tapdock_shims.py"
  echo 'import tapdock_shims' >"$folder/tapdock_shims.pth"
}

programs() {
  cd /opt/connector/bin
  for program in tap-* target-*; do
    [ ! -x "$program" ] || printf ' %s' "$program"
  done
}

[ -n "${PACKAGE:-}" ] || fail 'no package given' 'add --build-arg PACKAGE=target-jsonl==0.1.4'
! printf '%s' "$PACKAGE" | grep -Eq '[a-z]://[^/ ]*:[^/ ]*@|https?://[^/ ]*@' ||
  fail 'PACKAGE carries a credential, which would stay in a label of the image' \
    'pass it in PIP_INDEX_URL or PIP_EXTRA_INDEX_URL'
case "$PACKAGE" in
  *git+*) apt-get -qq update && apt-get -qq install --yes --no-install-recommends git >/dev/null ;;
esac

first=${PACKAGE%% *}
package=$(printf '%s' "${first%%[!A-Za-z0-9._-]*}" | tr 'A-Z_' 'a-z-') # as the files of constraints are named
install_into_venv
/opt/connector/bin/python /opt/repair.py
add_pkg_resources
add_shims

name=${EXECUTABLE:-$package}
only=$(programs)
only=${only# }
if [ -z "${EXECUTABLE:-}" ] && ! [ -x "/opt/connector/bin/$package" ]; then
  case "$only" in "" | *" "*) ;; *) name=$only ;; esac
fi
! printf '%s' "$name" | grep -q '[^A-Za-z0-9._-]' ||
  fail "\`$name\` is not the name of a program" 'use letters, digits, `-`, `_` and `.`'
[ -x "/opt/connector/bin/$name" ] ||
  fail "$PACKAGE has no program \`$name\`; tap-* and target-* that it has:$(programs)" \
    "name one with \`executable\` under \`build\`, or --build-arg EXECUTABLE=…"

# A script and not a link, so that the program sees its own name.
printf '#!/bin/sh\nexec /opt/connector/bin/%s "$@"\n' "$name" >/opt/connector/run
chmod 0755 /opt/connector/run
