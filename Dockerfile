# One image for every service (--build-arg APP=order) and for the local servers and commands (APP=tools).

FROM node:24-bookworm-slim AS manifests
WORKDIR /platform
COPY . .
# Only what decides about packages: a change of code installs nothing again.
RUN find . -type f ! -name package.json ! -name package-lock.json ! -name .npmrc -delete && find . -type d -empty -delete

FROM node:24-bookworm-slim AS build
WORKDIR /platform
ENV NX_DAEMON=false
COPY --from=manifests /platform .
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund --prefer-offline
COPY . .
RUN npx nx run-many -t build --projects='apps/*,tools'

FROM node:24-bookworm-slim AS packages
WORKDIR /platform
COPY --from=manifests /platform .
ARG APP
RUN --mount=type=cache,target=/root/.npm \
    npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund --prefer-offline --workspace "@pavane/$APP"
# What no process opens: types, source maps, and Prisma's query compilers for other databases than PostgreSQL.
RUN find node_modules -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \
      -o -path '*/@prisma/client/runtime/*' \( -name '*mysql*' -o -name '*sqlite*' -o -name '*sqlserver*' -o -name '*cockroachdb*' \) \) -delete

# Of the workspace's own parts those that the packages link to; a service knows by its migrations what its database must
# have, and the tools bring all of them along.
FROM packages AS app
ARG APP
RUN --mount=type=bind,from=build,source=/platform,target=/built \
    parts=$(cd node_modules/@pavane && readlink * | sed 's|^../../||') && mkdir /app && cd /built && \
    for part in $parts; do cp -r --parents "$part/package.json" "$part/dist" /app; done && \
    if [ "$APP" = tools ]; then cp -r --parents apps/*/prisma /app; else cp -r --parents "apps/$APP/prisma/migrations" /app; fi && \
    find /app -type f \( -name '*.d.ts' -o -name '*.map' -o -name .tsbuildinfo \) -delete

FROM node:24-bookworm-slim
# Where the provider and the mail sink keep what they know; a volume takes its owner from it.
RUN install -d -o node -g node /state
WORKDIR /platform
ARG APP
# Owned by root: a process cannot change what it runs.
COPY --from=packages /platform/node_modules node_modules
COPY --from=app /app .
ENV NODE_ENV=production HOST=:: MALLOC_ARENA_MAX=1 OTEL_SERVICE_NAME=$APP APP=$APP
# By number, so that a cluster can tell that it is not root.
USER 1000:1000
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT ?? 3000}/health/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# exec: signals must reach Node, which drains.
CMD ["sh", "-c", "exec node --max-semi-space-size=4 --import @pavane/service/register --import @pavane/telemetry/register apps/$APP/dist/main.js"]
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="pavane-$APP" \
      org.opencontainers.image.description="Reference platform for event-driven NestJS: $APP" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
