"""The ledgers, which map each acknowledgement of the target to a state of the source."""
