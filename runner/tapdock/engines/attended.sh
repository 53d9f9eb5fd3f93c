# Runs a connector by hand, or a task: waits until its input files are in memory, runs it on its container's own input and
# output, and, if the connector has changed its config, waits until somebody has read it.
#
#   sh -c SCRIPT tapdock FILES stdin|lifeline COMMAND [ARG]...
#
# With `lifeline`, the program has an empty input, and the end of ours kills the whole process group: tapdock has died.
files=$1
stdin=$2
shift 2
turn() { sleep 0.1 2>/dev/null || sleep 1; }
ulimit -c 0
if [ "$stdin" = lifeline ]; then
  exec 3<&0 </dev/null
  (trap '' INT TERM HUP QUIT; cat <&3; kill -9 "-$$" || kill -9 "$$") >/dev/null 2>&1 &
  exec 3<&-
fi
until [ -e "$files/.ready" ]; do turn; done
variables=
if [ -f "$files/env.sh" ]; then
  variables=$(cat "$files/env.sh")
  rm "$files/env.sh"
fi
config=
[ ! -f "$files/config.json" ] || config=$(cat "$files/config.json")
trap : INT TERM HUP QUIT # the connector gets these signals as well, and decides
(trap - INT TERM HUP QUIT; eval "$variables"; exec "$@")
code=$?
if [ -n "$config" ] && [ "$(cat "$files/config.json")" != "$config" ]; then
  : >"$files/.ended"
  left=100
  until [ -e "$files/.kept" ] || [ "$left" = 0 ]; do turn; left=$((left - 1)); done
fi
exit "$code"
