-- The stock of the local platform and the demo.
INSERT INTO stock (sku, initial, available) VALUES
  ('TEAPOT', 1000000, 1000000),
  ('CUP', 1000000, 1000000),
  ('LANTERN', 1000000, 1000000),
  ('RECORD', 100, 100),
  ('GHOST', 0, 0)
ON CONFLICT (sku) DO NOTHING;
