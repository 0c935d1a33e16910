import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { Journal } from './journal.js';

const dir = mkdtempSync(join(tmpdir(), 'pavane-spec-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('Journal', () => {
  it('applies an entry at once and has it on disk when durable() resolves', async () => {
    const file = join(dir, 'one');
    const { journal, applied } = await opened(file);
    journal.append(1);
    expect(applied).toEqual([1]);
    await journal.durable();
    expect(readFileSync(file, 'utf8')).toBe('1\n');
    await journal.close();
  });

  it('gives back everything in order, also what was appended together', async () => {
    const file = join(dir, 'many');
    const first = await opened(file);
    const wanted = Array.from({ length: 5_000 }, (_, index) => index);
    for (const entry of wanted) {
      first.journal.append(entry);
      if (entry % 500 === 0) await first.journal.durable();
    }
    await first.journal.close();
    const { journal, applied } = await opened(file);
    expect(applied).toEqual(wanted);
    await journal.close();
  });

  it('drops a last line that a crash cut short and goes on after the ones before it', async () => {
    const file = join(dir, 'torn');
    writeFileSync(file, '1\n2\n"unfin');
    const { journal, applied } = await opened(file);
    expect(applied).toEqual([1, 2]);
    journal.append(3);
    await journal.close();
    expect(readFileSync(file, 'utf8')).toBe('1\n2\n3\n');
  });

  it('names the damaged line instead of starting without what it held', async () => {
    const file = join(dir, 'damaged');
    appendFileSync(file, '1\n{oops}\n3\n');
    await expect(opened(file)).rejects.toThrow(`${file}:2 is not JSON`);
  });
});

async function opened(file: string) {
  const applied: unknown[] = [];
  return { applied, journal: await Journal.open<unknown>(file, (entry) => applied.push(entry)) };
}
