import { type FileHandle, open } from 'node:fs/promises';

/**
 * An append-only file of JSON lines that a small server's state is made of: each entry is applied in memory at once
 * and is on disk when `durable()` resolves. Answer only after that, and a killed process forgets nothing it told
 * anybody. Without a file everything is kept in memory only.
 *
 * After a failed write nothing resolves any more: what was applied in memory may be missing from the file.
 */
export class Journal<Entry> {
  private waiting: string[] = [];
  private flushed: Promise<void> = Promise.resolve();
  private scheduled = false;

  private constructor(
    private readonly file: FileHandle | undefined,
    private readonly apply: (entry: Entry) => void,
  ) {}

  /** Applies all entries the file holds; a last line that a crash cut short was never answered for and is dropped. */
  static async open<Entry>(path: string | undefined, apply: (entry: Entry) => void): Promise<Journal<Entry>> {
    if (path === undefined) return new Journal(undefined, apply);
    const file = await open(path, 'a+');
    try {
      const text = await file.readFile('utf8');
      const whole = text.slice(0, text.lastIndexOf('\n') + 1);
      for (const [index, line] of whole.split('\n').entries()) {
        if (line === '') continue;
        let entry: Entry;
        try {
          entry = JSON.parse(line);
        } catch (cause) {
          throw new Error(`${path}:${index + 1} is not JSON. The file is damaged: move it away to start with none.`, {
            cause,
          });
        }
        apply(entry);
      }
      if (whole.length < text.length) await file.truncate(Buffer.byteLength(whole));
    } catch (error) {
      await file.close();
      throw error;
    }
    return new Journal(file, apply);
  }

  append(entry: Entry): void {
    this.apply(entry);
    if (this.file === undefined) return;
    this.waiting.push(`${JSON.stringify(entry)}\n`);
    if (this.scheduled) return;
    this.scheduled = true;
    // All that is appended while a write is under way shares the next one.
    this.flushed = this.flushed.then(() => this.flush());
    this.flushed.catch(() => undefined);
  }

  /** Resolves when everything appended so far is on disk. */
  durable(): Promise<void> {
    return this.flushed;
  }

  async close(): Promise<void> {
    try {
      await this.flushed;
    } finally {
      await this.file?.close();
    }
  }

  private async flush(): Promise<void> {
    this.scheduled = false;
    const lines = this.waiting;
    this.waiting = [];
    await this.file?.appendFile(lines.join(''));
    await this.file?.datasync();
  }
}
