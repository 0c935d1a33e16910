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
  -- Since when it has waited to be published: since it was stored, or since a replay asked for it again.
  waiting_since timestamptz NOT NULL DEFAULT now(),
  leased_until timestamptz NOT NULL,
  published_at timestamptz,
  quarantined text
) PARTITION BY RANGE (id);
-- With what is quarantined: until a day is analyzed, an index of its own for that is passed over, and the day read through.
CREATE INDEX outbox_unpublished ON messaging.outbox (id) WHERE published_at IS NULL;
CREATE INDEX outbox_aggregate ON messaging.outbox (aggregate_id);

-- The smallest UUIDv7 of a moment.
CREATE FUNCTION messaging.first_id(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE
  RETURN (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;

-- Whether an outbox partition still holds rows that were never published.
CREATE FUNCTION messaging.holds_unpublished(part name) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  found boolean;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT FROM messaging.%I WHERE published_at IS NULL)', part) INTO found;
  RETURN found;
END $$;

-- Makes the daily partitions ahead and drops those past their time; an outbox partition that still holds unpublished
-- rows stays. Called at every start of a service and once an hour; safe to call at any time, from any instance. Locks
-- nothing when nothing is to be done; fails when it cannot have a lock in 2 seconds, to be called again: whoever wants to
-- say or hear something queues behind it meanwhile.
CREATE FUNCTION messaging.maintain(at timestamptz, keep_inbox interval, keep_outbox interval) RETURNS void
-- Days are UTC's whatever the database's own time zone is: a day of 23 or 25 hours would leave a gap, or overlap.
LANGUAGE plpgsql SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
  statements text[];
  outdated name[];
  todo text;
  part name;
BEGIN
  -- Not a lock that messages meet.
  PERFORM pg_advisory_xact_lock(hashtext('messaging.maintain'));
  SELECT array_agg(format('CREATE TABLE messaging.%I PARTITION OF messaging.%I FOR VALUES FROM (%L) TO (%L)',
      wanted.name, wanted.parent, messaging.first_id(wanted.day), messaging.first_id(wanted.day + interval '1 day')))
    INTO statements
    FROM (SELECT kept.parent, day, kept.parent || to_char(day, '_YYYYMMDD') AS name
      FROM (VALUES ('inbox', keep_inbox), ('outbox', keep_outbox)) AS kept (parent, span),
        generate_series(date_trunc('day', at - kept.span), at + interval '2 days' - interval '1 microsecond', interval '1 day') AS day
    ) AS wanted
    WHERE to_regclass(format('messaging.%I', wanted.name)) IS NULL;
  SELECT array_agg(child.relname) INTO outdated
    FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid JOIN pg_class parent ON parent.oid = inhparent
    WHERE parent.relnamespace = 'messaging'::regnamespace AND child.relkind = 'r'
      AND to_date(right(child.relname, 8), 'YYYYMMDD')
        < date_trunc('day', at - CASE parent.relname WHEN 'inbox' THEN keep_inbox ELSE keep_outbox END)::date
      AND CASE parent.relname WHEN 'inbox' THEN true ELSE NOT messaging.holds_unpublished(child.relname) END;
  FOREACH todo IN ARRAY coalesce(statements, '{}') LOOP
    EXECUTE todo;
  END LOOP;
  FOREACH part IN ARRAY coalesce(outdated, '{}') LOOP
    IF part LIKE 'outbox%' THEN
      -- Asked again under the lock: a replay may have come in between.
      LOCK TABLE ONLY messaging.outbox IN ACCESS EXCLUSIVE MODE;
      CONTINUE WHEN messaging.holds_unpublished(part);
    END IF;
    EXECUTE format('DROP TABLE messaging.%I', part);
  END LOOP;
END $$;

SELECT messaging.maintain(now(), interval '7 days', interval '48 hours');
