import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command, isLeftover, reasonAgainst } from './command.js';

/** How long the file system may keep what nobody asked it to write, in seconds: longer than any fault takes. */
const COMMIT_AFTER_S = 300;
const IMAGE = '512M';

/** A file system of its own, which can be filled up, or lose its power. Needs root, and mounting to be allowed. */
export class Disk {
  private constructor(
    private readonly dir: string,
    private readonly mountOptions: readonly string[],
  ) {}

  /** Where it is mounted. */
  get path(): string {
    return join(this.dir, 'mount');
  }

  /** Of so many megabytes of memory, so that it is soon full. */
  static async small(megabytes: number): Promise<Disk> {
    const disk = Disk.#named(['-t', 'tmpfs', '-o', `size=${megabytes}m`]);
    return disk.#made(() => disk.#mount());
  }

  /** A disk (ext4 in an image) that is written only when somebody insists: what was not synced dies with the power. */
  static async lazy(): Promise<Disk> {
    const disk = Disk.#named(['-o', `loop,noatime,commit=${COMMIT_AFTER_S}`]);
    return disk.#made(async () => {
      await command('truncate', '-s', IMAGE, disk.#image);
      await command('mkfs.ext4', '-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', disk.#image);
      await disk.#mount();
    });
  }

  /** Why there can be no such disk here; undefined when there can be one. */
  static unmet(kind: 'small' | 'lazy'): Promise<string | undefined> {
    return reasonAgainst(async () => (kind === 'small' ? await Disk.small(1) : await Disk.lazy()).remove());
  }

  /** Makes everything written so far safe from a loss of power, as the kernel does now and then. */
  async sync(): Promise<void> {
    await command('sync', '-f', this.path);
  }

  /** What was not synced is gone, as after a loss of power. Nobody may have anything open there. */
  async losePower(): Promise<void> {
    const survives = `${this.#image}.survives`;
    // The image holds what was written to the disk; everything else is in the memory of the file system above it.
    await command('cp', '--sparse=always', this.#image, survives);
    await command('umount', this.path);
    await rename(survives, this.#image);
    await this.#mount();
  }

  /** Leaves no byte free, until `free` is called. */
  async fill(): Promise<void> {
    const ballast = await open(this.#ballast, 'a');
    try {
      for (let size = 1 << 20; size > 0;) {
        const { bytesWritten } = await ballast.write(Buffer.alloc(size)).catch(() => ({ bytesWritten: 0 }));
        if (bytesWritten < size) size >>= 1;
      }
    } finally {
      await ballast.close();
    }
  }

  async free(): Promise<void> {
    await rm(this.#ballast, { force: true });
  }

  async remove(): Promise<void> {
    await removed(this.dir);
  }

  get #image(): string {
    return join(this.dir, 'image');
  }

  get #ballast(): string {
    return join(this.path, 'ballast');
  }

  static #named(mountOptions: readonly string[]): Disk {
    return new Disk(mkdtempSync(join(tmpdir(), `pavane-disk-${process.pid}-`)), mountOptions);
  }

  async #made(make: () => Promise<void>): Promise<this> {
    try {
      await removeLeftovers();
      mkdirSync(this.path);
      await make();
      return this;
    } catch (error) {
      await this.remove();
      throw error;
    }
  }

  async #mount(): Promise<void> {
    await command('mount', ...this.mountOptions, this.#image, this.path);
  }
}

async function removed(dir: string): Promise<void> {
  // Lazily, since a server that outlives its parent a little may still write there.
  await command('umount', '-l', join(dir, 'mount')).catch(() => undefined);
  rmSync(dir, { recursive: true, force: true });
}

async function removeLeftovers(): Promise<void> {
  for (const name of readdirSync(tmpdir()))
    if (isLeftover(/^pavane-disk-(\d+)-/.exec(name)?.[1])) await removed(join(tmpdir(), name));
}
