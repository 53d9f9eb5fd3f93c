"""JSON schemas from one protocol to the other, and validation of records against them."""
