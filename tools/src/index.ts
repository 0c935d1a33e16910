export { main, UsageError } from './cli/command.js';
export { printed } from './cli/progress.js';
export { cancel, NotAccepted, type Order, place, read } from './demo/client.js';
export { KeyRing } from './keys/ring.js';
export type { Child } from './local/child.js';
export { LocalPlatform, type PlatformOptions, type Progress } from './local/platform.js';
export { freePorts } from './local/ports.js';
export {
  type Addresses,
  localAddresses,
  PORTS,
  type PortName,
  ROOT,
  SERVICES,
  type Settings,
} from './local/settings.js';
export { type HttpServer } from './http.js';
export { type PaymentIntentsOptions, startPaymentIntents } from './payment-intents/payment-intents.js';
export { type ProviderOptions, startProvider } from './provider/provider.js';
export { type Audit, audit, type AuditOptions } from './verify/audit.js';
export type { Evidence } from './verify/evidence.js';
export { judge } from './verify/invariants.js';
export { signatureOf } from './webhooks.js';
