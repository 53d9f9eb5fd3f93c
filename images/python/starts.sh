#!/bin/sh
# Fails the build if the installed program cannot start: none of its usual questions is answered, and it ends with a traceback.
set -u
unset FTP_PROXY
export HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PATH="/opt/connector/bin:$PATH"
said=/tmp/said
code=0

for question in "$@"; do
  timeout 120 /opt/connector/run "$question" </dev/null >"$said" 2>&1
  code=$?
  [ "$code" -ne 0 ] || exit 0
done
# Without a config, some programs only print how they are used. A code from 126 on is that of a signal or of the shell.
if [ "$code" -ge 126 ] || grep -q '^Traceback (most recent call last)' "$said"; then
  tail -n 30 "$said"
  printf 'error: %s was installed, but its program does not start: %s\n' "$PACKAGE" "$(grep -v '^[[:space:]]*$' "$said" | tail -n 1)"
  echo 'hint: change what is installed with `with`, `constraints`, `overrides`, `before`, `apt` or `python` under `build`'
  exit 1
fi >&2
