import { fileURLToPath } from 'node:url';
import { serviceName } from './service-name.js';

const HERE = fileURLToPath(import.meta.url);

describe('the name of a service', () => {
  it('is the package of its entry without the scope', () => {
    expect(serviceName({}, HERE)).toBe('telemetry');
  });

  it('is the one the environment gives', () => {
    expect(serviceName({ OTEL_SERVICE_NAME: 'order' }, HERE)).toBe('order');
  });

  it('is the file where there is no package', () => {
    expect(serviceName({}, '/somewhere-else/job.js')).toBe('job.js');
  });
});
