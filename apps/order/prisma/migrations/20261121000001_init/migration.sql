CREATE TABLE products (
  sku text PRIMARY KEY,
  name text NOT NULL,
  price integer NOT NULL CHECK (price >= 0),
  currency char(3) NOT NULL
);

CREATE TABLE orders (
  id uuid PRIMARY KEY,
  version integer NOT NULL CHECK (version > 0),
  status text NOT NULL CHECK (status IN ('pending', 'confirmed', 'cancelled')),
  reason text CHECK (reason IN ('payment_failed', 'out_of_stock', 'deadline_passed', 'customer_request')),
  customer_id text NOT NULL,
  email text NOT NULL,
  items jsonb NOT NULL,
  amount integer NOT NULL CHECK (amount >= 0),
  currency char(3) NOT NULL,
  payment_method text NOT NULL,
  deadline_at timestamptz NOT NULL,
  idempotency_key text NOT NULL UNIQUE,
  fingerprint text NOT NULL,
  noted text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL,
  ended_at timestamptz,
  traceparent text,
  echo_due_at timestamptz,
  resaid integer NOT NULL DEFAULT 0,
  CONSTRAINT cancelled_with_reason CHECK ((status = 'cancelled') = (reason IS NOT NULL)),
  CONSTRAINT ended_when_over CHECK ((status = 'pending') = (ended_at IS NULL))
);
CREATE INDEX orders_pending ON orders (deadline_at) WHERE status = 'pending';
CREATE INDEX orders_echo_due ON orders (echo_due_at) WHERE echo_due_at IS NOT NULL;

CREATE TABLE history (
  order_id uuid NOT NULL REFERENCES orders (id),
  version integer NOT NULL,
  event text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (order_id, version)
);

-- The last line of defence for the one decision nobody may take twice.
CREATE FUNCTION orders_end_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status <> 'pending' AND (NEW.status, NEW.reason) IS DISTINCT FROM (OLD.status, OLD.reason) THEN
    RAISE EXCEPTION 'order % is % and cannot become %', OLD.id, OLD.status, NEW.status USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER orders_end_once BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION orders_end_once();
