#!/bin/sh
# Starts a program of the image: program NAME [ARG]... An empty NAME is the default one.
folder=/opt/connector
name=$1
shift
if [ -z "$name" ] && [ -e "$folder/default" ]; then
  name=$(cat "$folder/default")
fi
if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then
  exec "$name" "$@"
fi
known=$(tr '\n' ' ' <"$folder/programs")
if [ -n "$name" ]; then
  echo "error: there is no program \`$name\` in this image; its packages have: ${known:-none}" >&2
else
  echo "error: the command names no \`executable\`, and no program has the name of the package; its packages have: ${known:-none}" >&2
fi
exit 127
