import { setTimeout as pause } from 'node:timers/promises';
import { type KubernetesApi, Refused } from './api.js';
import type { Manifest } from './manifests.js';

const LOOK_EVERY_MS = 200;

/**
 * Stands in for the controllers and kubelets that are not there, as far as Helm waits for them: every Job of the
 * namespace ends well, and so does every pod (those of `helm test`). Nothing is run.
 */
export function finishJobs(api: KubernetesApi, namespace: string): AsyncDisposable {
  const stop = new AbortController();
  const loop = async () => {
    while (!stop.signal.aborted) {
      await finishAll(api, namespace);
      await pause(LOOK_EVERY_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  };
  const ended = loop();
  // Told when this is disposed of; until then Helm waits in vain, and says so.
  ended.catch(() => undefined);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}

async function finishAll(api: KubernetesApi, namespace: string): Promise<void> {
  for (const job of await api.list('batch/v1', 'Job', namespace))
    if (!statusOf(job)['completionTime']) await set(api, job, namespace, jobThatEnded(new Date()));
  for (const pod of await api.list('v1', 'Pod', namespace))
    if (statusOf(pod)['phase'] !== 'Succeeded') await set(api, pod, namespace, { phase: 'Succeeded' });
}

async function set(api: KubernetesApi, manifest: Manifest, namespace: string, status: object): Promise<void> {
  try {
    await api.setStatus(manifest, namespace, status);
  } catch (error) {
    // Gone, or changed, since it was looked at: the next look sees it as it is.
    if (!(error instanceof Refused && [404, 409].includes(error.status))) throw error;
  }
}

const statusOf = (manifest: Manifest) => (manifest['status'] ?? {}) as Record<string, unknown>;

function jobThatEnded(now: Date): object {
  const time = `${now.toISOString().slice(0, 19)}Z`;
  const condition = { status: 'True', reason: 'StandIn', message: '', lastProbeTime: time, lastTransitionTime: time };
  return {
    startTime: time,
    completionTime: time,
    succeeded: 1,
    ready: 0,
    terminating: 0,
    conditions: ['SuccessCriteriaMet', 'Complete'].map((type) => ({ type, ...condition })),
  };
}
