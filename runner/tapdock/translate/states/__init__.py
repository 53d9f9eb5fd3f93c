"""The ledgers: which state of the source each acknowledgement of the target stands for."""
