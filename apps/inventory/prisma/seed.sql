-- The stock of the demo: for the local platform and trial installations, once in a database (npm run migrate -- --seed).
INSERT INTO stock (sku, initial, available) VALUES
  ('TEAPOT', 1000000, 1000000),
  ('CUP', 1000000, 1000000),
  ('LANTERN', 1000000, 1000000),
  ('RECORD', 100, 100),
  ('GHOST', 0, 0)
ON CONFLICT (sku) DO NOTHING;
