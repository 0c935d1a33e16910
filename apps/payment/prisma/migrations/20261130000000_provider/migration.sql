-- `reference` is the provider's own name for the charge; `customer_url` is where the customer completes a payment that
-- waits for it. Instances of the version before go on writing rows without any of them.
ALTER TABLE payments
  ADD COLUMN reference text,
  ADD COLUMN customer_url text,
  ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
