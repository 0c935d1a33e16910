# One image for every service (--build-arg APP=order) and for the local servers and commands (APP=tools).
FROM node:24-bookworm-slim AS build
WORKDIR /platform
ENV NX_DAEMON=false
COPY . .
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund
RUN npx nx run-many -t build
ARG APP
# Only what this one part needs at run time; packages of the workspace stay links to libs/.
RUN --mount=type=cache,target=/root/.npm \
    npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund --workspace "@pavane/$APP"

FROM node:24-bookworm-slim
ARG APP
LABEL org.opencontainers.image.title="pavane-$APP" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production HOST=0.0.0.0 OTEL_SERVICE_NAME=$APP APP=$APP
WORKDIR /platform
# Where the provider and the mail sink keep what they know; a volume takes its owner from it.
RUN install -d -o node -g node /state
COPY --from=build --chown=node:node /platform/node_modules node_modules
COPY --from=build --chown=node:node /platform/package.json .
COPY --from=build --chown=node:node /platform/libs libs
COPY --from=build --chown=node:node /platform/apps apps
COPY --from=build --chown=node:node /platform/tools tools
USER node
EXPOSE 3000
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=5 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT ?? 3000}/health/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# exec: signals must reach Node, which drains.
CMD ["sh", "-c", "cd apps/$APP && exec node --max-semi-space-size=4 --import @pavane/telemetry/register dist/main.js"]
