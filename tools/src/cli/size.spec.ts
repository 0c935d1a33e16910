import { bytesOf } from './size.js';

it.each([
  ['1073741824', 1024 ** 3],
  ['512Mi', 512 * 1024 ** 2],
  ['1.5Gi', 1.5 * 1024 ** 3],
  ['7G', 7e9],
  ['2k', 2000],
  ['2Ki', 2048],
  ['1T', 1e12],
])('a size is said as in Kubernetes: %s', (size, bytes) => {
  expect(bytesOf(size)).toBe(bytes);
});

it.each(['', '7GB', 'Gi', '-1Gi', '1 Gi', '7gi', '1e9', 'ki'])(
  '"%s" is no size, and the error shows some that are',
  (size) => {
    expect(() => bytesOf(size)).toThrow(/is no size; say it as 512Mi, 7Gi/);
  },
);
