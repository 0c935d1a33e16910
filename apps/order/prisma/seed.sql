-- The catalogue of the demo: for the local platform and trial installations, once in a database
-- (npm run migrate -- --seed). Prices are minor units.
INSERT INTO products (sku, name, price, currency) VALUES
  ('TEAPOT', 'Cast-iron teapot', 4900, 'EUR'),
  ('CUP', 'Porcelain cup', 1250, 'EUR'),
  ('LANTERN', 'Storm lantern', 3400, 'EUR'),
  ('RECORD', 'Limited pressing', 2800, 'EUR'),
  ('GHOST', 'Listed, but never in stock', 990, 'EUR')
ON CONFLICT (sku) DO NOTHING;
