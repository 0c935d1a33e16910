export { apply, type ApplyOptions } from './provisioning/apply.js';
export { Change } from './provisioning/change.js';
export { ProvisioningError } from './provisioning/errors.js';
export { plan } from './provisioning/plan.js';
export type { BucketDefinition, StreamDefinition, Topology } from './provisioning/topology.js';
