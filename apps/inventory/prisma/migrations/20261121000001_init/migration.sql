CREATE TABLE stock (
  sku text PRIMARY KEY,
  initial integer NOT NULL CHECK (initial >= 0),
  available integer NOT NULL CHECK (available >= 0),
  reserved integer NOT NULL DEFAULT 0 CHECK (reserved >= 0),
  sold integer NOT NULL DEFAULT 0 CHECK (sold >= 0),
  CONSTRAINT nothing_lost_nothing_made CHECK (available + reserved + sold = initial)
);

CREATE TABLE reservations (
  order_id uuid PRIMARY KEY,
  status text NOT NULL CHECK (status IN ('refused', 'reserved', 'rejected', 'released', 'sold')),
  items jsonb NOT NULL,
  updated_at timestamptz NOT NULL
);

-- What was set aside is sold or released, once; everything else is final.
CREATE FUNCTION reservations_legal_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status <> NEW.status AND (OLD.status <> 'reserved' OR NEW.status NOT IN ('sold', 'released')) THEN
    RAISE EXCEPTION 'reservation % is % and cannot become %', OLD.order_id, OLD.status, NEW.status USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER reservations_legal_transition BEFORE UPDATE ON reservations FOR EACH ROW EXECUTE FUNCTION reservations_legal_transition();
