# Runs a connector inside its container: copies its input files from pipes into memory, starts it as a child with its
# output (and a target's input) on pipes, and reports on `control` how it ended. `orders` is the lifeline: `end` closes
# a target's input, `stop` sends SIGTERM to the connector, and when the pipe closes, everything here is killed at once,
# so that a target never mistakes the death of the runner for the end of its input.
#
#   sh -c SCRIPT tapdock PIPES FILES stdin|none [NAME SIZE|-]... -- COMMAND [ARG]...
#
# The size `-` means that the size is not known yet. The writer of such a file also has the lifeline, so an incomplete
# file is never used. A connector's package may contain programs of any name, so the system's programs are preferred.
pipes=$1 files=$2 input=$3 path=$PATH system=/usr/sbin:/usr/bin:/sbin:/bin
shift 3
PATH=$system
command -v cat >/dev/null && command -v wc >/dev/null && command -v rm >/dev/null || system=$path PATH=$path
ulimit -c 0 # a core file would contain secrets, in a folder that the connector writes to
mask=$(umask)
umask 077
stopped=
trap 'stopped=1' TERM INT HUP
for pipe in control orders out config; do
  [ -p "$pipes/$pipe" ] || { echo "tapdock: $pipes/$pipe is not a pipe here" >&2; exit 125; }
done
# Each pipe is first opened for reading and writing, so that this does not block if the owner of the other end has
# died. The end of the pipe is then found at once.
exec 8<>"$pipes/control" 3>"$pipes/control" 8<>"$pipes/orders" 4<"$pipes/orders" 8<>"$pipes/out" 5>"$pipes/out"
exec 8<>"$pipes/config" 9>"$pipes/config" 8>&-
# Opened for reading and writing, so that this does not block. Only the watcher keeps it open until `end`.
[ "$input" = none ] || exec 6<>"$pipes/in" 7<"$pipes/in"

(
  trap '' TERM INT HUP
  exec 3>&- 5>&- 7<&- 9>&-
  while read -r order <&4; do
    case $order in
      end) exec 6>&- ;;
      stop) kill -TERM 0 ;;
    esac
  done
  kill -KILL 0
) </dev/null &
watcher=$!
exec 4<&- 6>&-
# The watcher is killed first: after the final message, the lifeline may close at any time.
leave() { kill -KILL "$watcher" 2>/dev/null; echo "$*" >&3; exit "$code"; }

echo hello >&3
while [ "$1" != -- ]; do
  cat <"$pipes/file.$1" >"$files/$1"
  size=$(($(wc -c <"$files/$1")))
  [ "$2" = - ] || [ "$size" = "$2" ] || { code=125; leave short "$1" "$size" "$2"; }
  shift 2
done
shift
variables=
if [ -f "$files/env.sh" ]; then
  variables=$(cat "$files/env.sh")
  rm "$files/env.sh"
fi
[ -z "$stopped" ] || { code=143; leave exit 143; }
config=$(cat "$files/config.json" 2>/dev/null)
umask "$mask"

# In a process of its own, so that the user's variables cannot replace those of this script.
connector() { PATH=$path; eval "$variables"; exec "$@"; }
if [ "$input" = none ]; then connector "$@" </dev/null >&5 3>&- 5>&- 9>&- & else connector "$@" <&7 >&5 3>&- 5>&- 7<&- 9>&- & fi
child=$!
[ -z "$stopped" ] || kill -TERM "$child" # the signal arrived before there was a child
exec 5>&- 2>/dev/null
[ "$input" = none ] || exec 7<&-
# A trapped signal interrupts `wait`, so it is repeated until the child has ended.
while :; do
  wait "$child"
  code=$?
  kill -0 "$child" 2>/dev/null || break
done
# A connector may change its config, for example a single-use token. The changed config is sent back and kept.
if [ "$(cat "$files/config.json")" != "$config" ]; then
  echo "config $(($(wc -c <"$files/config.json")))" >&3
  cat "$files/config.json" >&9
fi
leave exit "$code"
