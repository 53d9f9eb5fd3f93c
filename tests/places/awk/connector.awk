# An Airbyte source in awk: an image that has it needs no Python, no C library and no shell.
BEGIN {
  verb = ARGV[1]
  for (name in ENVIRON) print "variable " name > "/dev/stderr"
  if (verb == "spec") print "{\"type\":\"SPEC\",\"spec\":{\"connectionSpecification\":{\"type\":\"object\",\"properties\":{\"count\":{\"type\":\"integer\"}}}}}"
  if (verb == "check") print "{\"type\":\"CONNECTION_STATUS\",\"connectionStatus\":{\"status\":\"SUCCEEDED\"}}"
  if (verb == "discover") print "{\"type\":\"CATALOG\",\"catalog\":{\"streams\":[{\"name\":\"rows\",\"json_schema\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"integer\"}}},\"supported_sync_modes\":[\"full_refresh\"],\"source_defined_primary_key\":[[\"id\"]]}]}}"
  if (verb == "read") for (i = 1; i <= 3; i++) printf "{\"type\":\"RECORD\",\"record\":{\"stream\":\"rows\",\"data\":{\"id\":%d},\"emitted_at\":1}}\n", i
  exit
}
