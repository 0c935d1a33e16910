-- Revision 2 of the inbox and the outbox: they say which revision they are, so that a service can wait for the one it needs.
CREATE FUNCTION messaging.revision() RETURNS integer LANGUAGE sql IMMUTABLE RETURN 2;
