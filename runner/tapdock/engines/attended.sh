# Runs a connector by hand: waits until its input files are in memory, runs it on its container's own input and output,
# and, if the connector has changed its config, waits until somebody has read it.
#
#   sh -c SCRIPT tapdock FILES COMMAND [ARG]...
files=$1
shift
turn() { sleep 0.1 2>/dev/null || sleep 1; }
ulimit -c 0
until [ -e "$files/.ready" ]; do turn; done
variables=
if [ -f "$files/env.sh" ]; then
  variables=$(cat "$files/env.sh")
  rm "$files/env.sh"
fi
config=$(cat "$files/config.json")
trap : INT TERM HUP QUIT # the connector gets these signals as well, and decides
(trap - INT TERM HUP QUIT; eval "$variables"; exec "$@")
code=$?
if [ "$(cat "$files/config.json")" != "$config" ]; then
  : >"$files/.ended"
  left=100
  until [ -e "$files/.kept" ] || [ "$left" = 0 ]; do turn; left=$((left - 1)); done
fi
exit "$code"
