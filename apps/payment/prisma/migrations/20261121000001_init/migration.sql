CREATE TABLE payments (
  order_id uuid PRIMARY KEY,
  status text NOT NULL CHECK (status IN ('refused', 'intended', 'captured', 'failed', 'voided', 'refund_pending', 'refunded')),
  amount integer CHECK (amount >= 0),
  currency char(3),
  method text,
  items jsonb,
  deadline_at timestamptz,
  cancel_requested boolean NOT NULL DEFAULT false,
  due_at timestamptz,
  tries integer NOT NULL DEFAULT 0,
  traceparent text,
  updated_at timestamptz NOT NULL,
  -- A tombstone knows nothing of the money; everything else does.
  CONSTRAINT money_known CHECK ((status = 'refused') OR (amount IS NOT NULL AND currency IS NOT NULL AND method IS NOT NULL AND items IS NOT NULL AND deadline_at IS NOT NULL)),
  CONSTRAINT only_open_work_is_due CHECK ((due_at IS NULL) OR status IN ('intended', 'refund_pending'))
);
CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;

-- Money that moved cannot be talked away: what was captured is at most refunded, and a refund is final.
CREATE FUNCTION payments_legal_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (
    ('intended', 'captured'), ('intended', 'failed'), ('intended', 'voided'), ('intended', 'refund_pending'),
    ('captured', 'refund_pending'), ('captured', 'refunded'), ('refund_pending', 'refunded')) THEN
    RAISE EXCEPTION 'payment % is % and cannot become %', OLD.order_id, OLD.status, NEW.status USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER payments_legal_transition BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION payments_legal_transition();
