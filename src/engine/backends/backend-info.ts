import { createRequire } from 'node:module';
import { cpus } from 'node:os';

/** The backends that can train, in the order in which `auto` tries them. */
export const BACKENDS = ['tensorflow', 'webgpu', 'wasm', 'cpu'] as const;

export type BackendName = (typeof BACKENDS)[number];

/**
 * How a product is added to a sum: rounded first (`separate`), or with one rounding for both (`fused`), which not every processor
 * can do. Results differ in their last bits.
 */
export type Arithmetic = 'separate' | 'fused';

/** The backend that computes, as records quote it. */
export interface BackendInfo {
  readonly name: BackendName;
  /** What it runs on, in words. */
  readonly device: string;
  /** Whether that is a graphics card and no software in its place. */
  readonly gpu: boolean;
  /** The driver in words, where there is one to name. */
  readonly driver: string | null;
  /** Absent where the backend does not tell. */
  readonly arithmetic?: Arithmetic;
  /** Memory and limits of the device in bytes, by name, as far as it tells them. */
  readonly limits: Readonly<Record<string, number>>;
  /** Versions of the packages behind it. */
  readonly versions: Readonly<Record<string, string>>;
}

/** A backend cannot work here: why, and how to get it. Choosing goes on to the next one, or tells the user. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';

  /**
   * @param why a few words, without a full stop
   * @param remedy a sentence that says what to do
   */
  constructor(
    readonly why: string,
    readonly remedy: string,
  ) {
    super(`${why}. ${remedy}`);
  }
}

/** What a backend is started with. */
export interface BackendRequest {
  /** Refuse anything but a graphics card: what `auto` wants of the first two. */
  readonly gpuOnly: boolean;
  /** Let the native libraries print their logs. */
  readonly debug: boolean;
}

/** The processor as its maker calls it. */
export function cpuModel(): string {
  return cpus()[0]?.model.trim() ?? 'unknown processor';
}

/** Versions of installed packages by their names; a package that is not there is left out. */
export function versionsOf(...packages: readonly string[]): Record<string, string> {
  const require = createRequire(import.meta.url);
  return Object.fromEntries(
    packages.flatMap((name) => {
      try {
        const { version }: { version: string } = require(`${name}/package.json`);
        return [[name.replace('@tensorflow/', ''), version]];
      } catch {
        return [];
      }
    }),
  );
}
