-- How many orders ended of late is asked a few times a second.
CREATE INDEX orders_ended ON orders (ended_at) WHERE ended_at IS NOT NULL;
