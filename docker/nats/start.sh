#!/bin/sh
# Starts nats-server alone, or as one of three when the profile "cluster" brings the other two.
set -eu

asked=single
if getent hosts route-2 >/dev/null; then asked=cluster; fi
kept=$(cat /data/mode 2>/dev/null || echo "$asked")

# A cluster whose other servers are down stays a cluster: alone it would begin anew, without its streams.
if [ "$kept" = single ] && [ "$asked" = cluster ]; then
  echo "The volume of this nats-server holds the streams of a single server, which a cluster does not take over." >&2
  echo "Leave out the profile cluster, or begin anew: docker compose --profile '*' down -v" >&2
  exit 1
fi
if [ "$kept" = cluster ] && [ "$asked" = single ]; then
  echo "This nats-server belongs to a cluster and waits for the others; start them with the profile cluster." >&2
fi

echo "$kept" >/data/mode
exec nats-server --config "/config/$kept.conf" --name "$(hostname)"
