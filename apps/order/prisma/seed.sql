-- The catalogue of the local platform and the demo. Prices are minor units.
INSERT INTO products (sku, name, price, currency) VALUES
  ('TEAPOT', 'Cast-iron teapot', 4900, 'EUR'),
  ('CUP', 'Porcelain cup', 1250, 'EUR'),
  ('LANTERN', 'Storm lantern', 3400, 'EUR'),
  ('RECORD', 'Limited pressing', 2800, 'EUR'),
  ('GHOST', 'Listed, but never in stock', 990, 'EUR')
ON CONFLICT (sku) DO NOTHING;
