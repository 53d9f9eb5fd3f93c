#!/bin/sh
# An Airbyte source that says again what another one said, as often as its config's `times` asks.
case "$1" in
  spec)
    echo '{"type":"SPEC","spec":{"connectionSpecification":{"type":"object","properties":{"times":{"type":"integer"}}}}}'
    ;;
  check) echo '{"type":"CONNECTION_STATUS","connectionStatus":{"status":"SUCCEEDED"}}' ;;
  discover) exec cat /recording/catalog.jsonl ;;
  read)
    times=$(sed 's/.*"times": *\([0-9]*\).*/\1/' "$3") # read --config FILE --catalog FILE
    set --
    while [ "$times" -gt 0 ]; do
      set -- "$@" /recording/messages.jsonl
      times=$((times - 1))
    done
    exec cat "$@"
    ;;
esac
