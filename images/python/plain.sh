#!/bin/sh
# Makes /opt/connector without packages: Python alone, which is also the program that starts by default.
set -eu
unset FTP_PROXY
found=$(python3 -c 'import platform; print(platform.python_version())')
case "$found." in
  "${PYTHON:-$found}".*) ;;
  *)
    echo "error: \`python\` under \`build\` is $PYTHON, but the base image has Python $found" >&2
    echo "hint: set TAPDOCK_BASE_IMAGE to an image with Python $PYTHON; \`{python}\` in it is replaced by the version of each build" >&2
    exit 1
    ;;
esac
python3 -m venv --without-pip /opt/connector
echo "${EXECUTABLE:-python}" >/opt/connector/default
echo python >/opt/connector/programs
