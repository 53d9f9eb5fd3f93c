#!/bin/sh
# Installs PACKAGE into /opt/connector and makes /opt/connector/run start its program.
# Runs in the build stage; PACKAGE, EXECUTABLE, VERSION and the index addresses are build arguments.
set -eu
case "${FTP_PROXY:-}" in "export "*) eval "$FTP_PROXY" ;; esac; unset FTP_PROXY

fail() { # message, hint
  printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

uv() { /opt/uv/bin/uv --quiet "$@"; }

overrides() { # of this package alone: what its release says of its dependencies, and should not
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
  uv pip install --python /opt/connector --override "$(overrides)" $PACKAGE
  set +f
}

add_shims() {
  folder=$(/opt/connector/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  cp /opt/tapdock_shims.py "$folder/"
  /opt/connector/bin/python -m py_compile "$folder/tapdock_shims.py"
  echo 'import tapdock_shims' >"$folder/tapdock_shims.pth"
}

programs() {
  cd /opt/connector/bin
  for program in source-* destination-*; do
    [ ! -x "$program" ] || printf ' %s' "$program"
  done
}

installed_version() { # package
  /opt/connector/bin/python -c 'import sys; from importlib.metadata import version; print(version(sys.argv[1]))' "$1"
}

[ -n "${PACKAGE:-}" ] || fail 'no package given' 'add --build-arg PACKAGE=airbyte-source-faker==7.2.1'
! printf '%s' "$PACKAGE" | grep -Eq '[a-z]://[^/ ]*:[^/ ]*@|https?://[^/ ]*@' ||
  fail 'PACKAGE carries a credential, which would stay in a label of the image' \
    'pass it in PIP_INDEX_URL or PIP_EXTRA_INDEX_URL'
case "$PACKAGE" in
  *git+*) apt-get -qq update && apt-get -qq install --yes --no-install-recommends git >/dev/null ;;
esac

first=${PACKAGE%% *}
package=${first%%[!A-Za-z0-9._-]*}
install_into_venv
add_shims

name=${EXECUTABLE:-${package#airbyte-}}
! printf '%s' "$name" | grep -q '[^A-Za-z0-9._-]' ||
  fail "\`$name\` is not the name of a program" 'use letters, digits, `-`, `_` and `.`'
[ -x "/opt/connector/bin/$name" ] ||
  fail "$PACKAGE has no program \`$name\`; source-* and destination-* that it has:$(programs)" \
    "name one with \`executable\` under \`build\`, or --build-arg EXECUTABLE=…"
if [ -n "${VERSION:-}" ] && [ "$VERSION" != "$(installed_version "$package")" ]; then
  fail "VERSION=$VERSION was given, but $package $(installed_version "$package") was installed" \
    'give the same version in PACKAGE and VERSION'
fi

# A script and not a link, so that the program sees its own name.
printf '#!/bin/sh\nexec /opt/connector/bin/%s "$@"\n' "$name" >/opt/connector/run
chmod 0755 /opt/connector/run
