-- The inbox and the outbox of one service. Owned by libs/outbox; copied into each service's migrations by `npm run generate`.
CREATE SCHEMA messaging;

-- What has been handled. Partitioned by the id itself (a UUIDv7, so by the time the event was said): partitioned by
-- arrival, a redelivery after midnight would pass for new.
CREATE TABLE messaging.inbox (
  event_id uuid NOT NULL,
  durable text NOT NULL,
  handled_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (event_id, durable)
) PARTITION BY RANGE (event_id);

-- What is to be said. A row is claimed by being unpublished, never by its place: ids commit out of order.
CREATE TABLE messaging.outbox (
  id uuid NOT NULL PRIMARY KEY,
  aggregate_id text NOT NULL,
  subject text NOT NULL,
  headers jsonb NOT NULL,
  data jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  leased_until timestamptz NOT NULL,
  published_at timestamptz,
  quarantined text
) PARTITION BY RANGE (id);
CREATE INDEX outbox_unpublished ON messaging.outbox (id) WHERE published_at IS NULL AND quarantined IS NULL;
CREATE INDEX outbox_aggregate ON messaging.outbox (aggregate_id);
CREATE INDEX outbox_quarantined ON messaging.outbox (id) WHERE quarantined IS NOT NULL;

-- The smallest UUIDv7 of a moment.
CREATE FUNCTION messaging.first_id(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE
  RETURN (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;

-- Makes the daily partitions ahead and drops those past their time; an outbox partition that still holds unpublished
-- rows stays. Called at every start of a service and once an hour; safe to call at any time, from any instance.
CREATE FUNCTION messaging.maintain(at timestamptz, keep_inbox interval, keep_outbox interval) RETURNS void
-- Days are UTC's whatever the database's own time zone is: a day of 23 or 25 hours would leave a gap, or overlap.
LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
  day timestamptz;
  part record;
  unpublished boolean;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('messaging.maintain'));
  FOR part IN SELECT * FROM (VALUES ('inbox', keep_inbox), ('outbox', keep_outbox)) AS kept (name, span) LOOP
    day := date_trunc('day', at - part.span, 'UTC');
    WHILE day < at + interval '2 days' LOOP
      IF to_regclass(format('messaging.%I', part.name || to_char(day AT TIME ZONE 'UTC', '_YYYYMMDD'))) IS NULL THEN
        EXECUTE format('CREATE TABLE messaging.%I PARTITION OF messaging.%I FOR VALUES FROM (%L) TO (%L)',
          part.name || to_char(day AT TIME ZONE 'UTC', '_YYYYMMDD'), part.name,
          messaging.first_id(day), messaging.first_id(day + interval '1 day'));
      END IF;
      day := day + interval '1 day';
    END LOOP;
  END LOOP;
  FOR part IN
    SELECT child.relname AS name, parent.relname AS parent FROM pg_inherits
      JOIN pg_class child ON child.oid = inhrelid JOIN pg_class parent ON parent.oid = inhparent
    WHERE parent.relnamespace = 'messaging'::regnamespace AND child.relkind = 'r'
  LOOP
    CONTINUE WHEN to_date(right(part.name, 8), 'YYYYMMDD')
      >= (date_trunc('day', at - CASE part.parent WHEN 'inbox' THEN keep_inbox ELSE keep_outbox END, 'UTC') AT TIME ZONE 'UTC')::date;
    IF part.parent = 'outbox' THEN
      EXECUTE format('SELECT EXISTS (SELECT FROM messaging.%I WHERE published_at IS NULL)', part.name) INTO unpublished;
      CONTINUE WHEN unpublished;
    END IF;
    EXECUTE format('DROP TABLE messaging.%I', part.name);
  END LOOP;
END $$;

SELECT messaging.maintain(now(), interval '7 days', interval '48 hours');
