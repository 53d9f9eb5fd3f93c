-- Enough of pgvector's type for a table to be made: text that is called a vector.
CREATE TYPE vector;
CREATE FUNCTION vector_in(cstring, oid, integer) RETURNS vector AS 'varcharin' LANGUAGE internal IMMUTABLE STRICT;
CREATE FUNCTION vector_out(vector) RETURNS cstring AS 'varcharout' LANGUAGE internal IMMUTABLE STRICT;
CREATE TYPE vector (
  INPUT = vector_in, OUTPUT = vector_out, TYPMOD_IN = varchartypmodin, TYPMOD_OUT = varchartypmodout, LIKE = varchar
);
