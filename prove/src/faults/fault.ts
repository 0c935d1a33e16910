import type { PlatformOptions, Settings } from '@pavane/tools';
import type { Wish } from '../clients.js';
import type { Scene } from '../scene.js';

/** What a scene is set up with, before anything is broken. */
export interface Stage {
  settings?: Partial<Pick<Settings, 'orderDeadline' | 'slowChargeMs' | 'env'>>;
  options?: PlatformOptions;
  /** What customers wish for; what ends by itself, when it is not said. */
  wishes?: readonly Wish[];
  /** Customers a second while the fault is on; 0 for a fault that sends its own. */
  perSecond?: number;
  /** Nobody else comes while so many wait for an answer. Default: no limit. */
  mostWaiting?: number;
  /** Released when the scene is over, however it ended: after the platform has stopped. */
  dispose?(): Promise<void> | void;
}

/** One way to break the platform, and to heal it again. */
export interface Fault {
  /** How `--only` names it: `nats-sigkill`. */
  name: string;
  /** What is done to the platform, in one line. */
  about: string;
  /** Skipped, aloud, where it cannot be had. */
  needs?: 'root';
  /** Why it cannot be had here, beyond what it needs: a tool that is not installed, a container that forbids mounting. */
  unmet?(): Promise<string | undefined>;
  /** Who plays it: every run; or, since it takes long, `--full` and `--only` alone. When not said, all but `--quick`. */
  when?: 'quick' | 'full';
  /** Prepares what must be there before the platform starts: a proxy in between, another kind of broker. */
  stage?(about: StageOptions): Promise<Stage> | Stage;
  /**
   * Breaks the platform while customers keep coming, and heals it. What has ended when it resolves counts as healed; the
   * time from then until every order accepted before has ended is the recovery.
   */
  run(scene: Scene): Promise<void>;
  /** What must hold beyond the invariants once everything has come to rest; says so in `scene.violations`. */
  judge?(scene: Scene): Promise<void>;
}

export interface StageOptions {
  /** The ports and the directory the platform will have. */
  settings: Settings;
  seed: number;
}
