#!/bin/sh
# Installs PACKAGE into /opt/connector and makes /opt/connector/run start its program.
# Runs in the build stage. Its settings are build arguments of the recipe; PROGRAMS are patterns of programs' names.
set -eu
case "${FTP_PROXY:-}" in "export "*) eval "$FTP_PROXY" ;; esac; unset FTP_PROXY
set -f # the brackets of an extra, and the stars of PROGRAMS, are not patterns of files

fail() { # message, hint; each line of the message is reported
  printf '%s\n' "$1" | sed 's/^/error: /' >&2
  printf 'hint: %s\n' "$2" >&2
  exit 1
}

uv() {
  /opt/uv/bin/uv --quiet "$@" 2>/tmp/said ||
    fail "$PACKAGE cannot be installed:
$(grep -v '^[[:space:]]*$' /tmp/said)" "$(advice)"
  cat /tmp/said >&2
}

advice() { # by what uv reported
  if grep -q 'build backend returned an error' /tmp/said; then
    echo 'a compiler or a library may be missing: add Debian packages with `apt` under `build`, such as `[gcc, libc6-dev]`; or choose another `python`'
  elif grep -q 'current Python version' /tmp/said; then
    echo 'choose the version of Python with `python` under `build`'
  else
    echo 'change what is installed with `overrides`, `constraints` or `before` under `build`'
  fi
}

lines() { # what tapdock ships for this package, what the user wrote; a list with the releases that are to be had
  [ ! -f "$1" ] || cat "$1"
  printf '%s\n' "$2"
}

require_python() {
  found=$(python3 -c 'import platform; print(platform.python_version())')
  case "$found." in
    "${PYTHON:-$found}".*) ;;
    *) fail "\`python\` under \`build\` is $PYTHON, but the base image has Python $found" \
      "set TAPDOCK_BASE_IMAGE to an image with Python $PYTHON; \`{python}\` in it is replaced by the version of each build" ;;
  esac
}

add_debian_packages() {
  packages=${APT:-}
  case "$PACKAGE ${WITH:-} ${CONSTRAINTS:-} ${OVERRIDES:-}" in *git+*) packages="$packages git" ;; esac
  [ -n "$packages" ] || return 0
  # shellcheck disable=SC2086 # several packages
  { apt-get -qq update && apt-get -qq install --yes --no-install-recommends $packages; } >/tmp/said 2>&1 ||
    fail "Debian packages cannot be installed:
$(grep '^E: ' /tmp/said || tail -n 5 /tmp/said)" 'correct `apt` under `build`: the packages are those of the release of Debian in the base image'
}

install_into_venv() {
  export UV_INDEX_URL="${UV_INDEX_URL:-${PIP_INDEX_URL:-}}"
  export UV_EXTRA_INDEX_URL="${UV_EXTRA_INDEX_URL:-${PIP_EXTRA_INDEX_URL:-}}"
  [ -z "${BEFORE:-}" ] || export UV_EXCLUDE_NEWER="${BEFORE}T00:00:00Z"
  lines "/opt/constraints/$package.txt" "${CONSTRAINTS:-}" >/tmp/constraints
  lines "/opt/overrides/$package.txt" "${OVERRIDES:-}" >/tmp/overrides.txt
  lines '' "${WITH:-}" >/tmp/with
  uv venv --python "$(command -v python3)" /opt/connector
  # shellcheck disable=SC2086 # several requirements
  uv pip install --python /opt/connector --constraint /tmp/constraints --override /tmp/overrides.txt $PACKAGE --requirement /tmp/with
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

[ -n "${PACKAGE:-}" ] || fail 'no package given' 'add --build-arg PACKAGE=NAME==VERSION'
! printf '%s' "$PACKAGE ${WITH:-} ${CONSTRAINTS:-} ${OVERRIDES:-}" | grep -Eq '[a-z]://[^/ ]*:[^/ ]*@|https?://[^/ ]*@' ||
  fail 'a requirement contains a credential, which would stay in a label of the image' \
    'pass it in PIP_INDEX_URL or PIP_EXTRA_INDEX_URL'
first=${PACKAGE%% *}
package=$(printf '%s' "${first%%[!A-Za-z0-9._-]*}" | tr 'A-Z_' 'a-z-') # as the files of constraints are named
require_python
add_debian_packages
install_into_venv
[ ! -f /opt/repair.py ] || /opt/connector/bin/python /opt/repair.py
add_pkg_resources
add_shims
/opt/connector/bin/python /opt/program.py
