# Runs a connector inside its container: takes its input files from pipes into memory, starts it as a child with its
# output (and a target's input) on pipes, and tells on `control` how it went. The runner's end of `orders` is its
# lifeline: `end` lets a target see the end of its input, `stop` asks the connector to end, and when the pipe closes
# everything here is killed at once, so that no target ever takes a dead runner for the end of its input.
#
#   sh -c SCRIPT tapdock PIPES FILES stdin|none [NAME SIZE|-]... -- COMMAND [ARG]...
#
# `-` is the size of a file that nobody knows yet: who writes it holds the lifeline as well, so half of it is never used.
# A connector's package may bring programs of any name, so those of the system are used here, where there are any.
pipes=$1 files=$2 input=$3 path=$PATH system=/usr/sbin:/usr/bin:/sbin:/bin
shift 3
PATH=$system
command -v cat >/dev/null && command -v wc >/dev/null && command -v rm >/dev/null || system=$path PATH=$path
ulimit -c 0 # a core file would hold secrets, and lie where the connector writes
mask=$(umask)
umask 077
stopped=
trap 'stopped=1' TERM INT HUP
for pipe in control orders out config; do
  [ -p "$pipes/$pipe" ] || { echo "tapdock: $pipes/$pipe is not a pipe here" >&2; exit 125; }
done
# Opened for both ways first, so that opening does not wait where the other end's owner died: its end is then found at
# once, as later on.
exec 8<>"$pipes/control" 3>"$pipes/control" 8<>"$pipes/orders" 4<"$pipes/orders" 8<>"$pipes/out" 5>"$pipes/out"
exec 8<>"$pipes/config" 9>"$pipes/config" 8>&-
# Opened for both ways, so that this does not wait, and held by the watcher alone until `end`.
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
# The watcher goes first: once the last word is said the lifeline may be cut at any time.
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

# In a process of its own: whatever the variables are called, they are none of ours.
connector() { PATH=$path; eval "$variables"; exec "$@"; }
if [ "$input" = none ]; then connector "$@" </dev/null >&5 3>&- 5>&- 9>&- & else connector "$@" <&7 >&5 3>&- 5>&- 7<&- 9>&- & fi
child=$!
[ -z "$stopped" ] || kill -TERM "$child" # it was said while there was no child to hear it
exec 5>&- 2>/dev/null
[ "$input" = none ] || exec 7<&-
# A trapped signal interrupts `wait`: it is over only when the child is really gone.
while :; do
  wait "$child"
  code=$?
  kill -0 "$child" 2>/dev/null || break
done
# A connector may rewrite its config (a token that works only once): what became of it goes back, and is kept.
if [ "$(cat "$files/config.json")" != "$config" ]; then
  echo "config $(($(wc -c <"$files/config.json")))" >&3
  cat "$files/config.json" >&9
fi
leave exit "$code"
