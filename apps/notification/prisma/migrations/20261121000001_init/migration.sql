-- One notification per order and outcome, whatever became of it.
CREATE TABLE notifications (
  order_id uuid NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('confirmed', 'cancelled')),
  status text NOT NULL CHECK (status IN ('sent', 'failed', 'suppressed')),
  message_id text NOT NULL UNIQUE,
  detail text,
  at timestamptz NOT NULL,
  PRIMARY KEY (order_id, outcome)
);
