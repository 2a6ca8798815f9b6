import type { Dataset, File as OpenFile, Group } from 'h5wasm';
import { messageOf, UsageError } from '../../errors.js';
import type { WeightTensor } from './weight-files.js';

const SIGNATURE = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1');

/** Whether these are the bytes of an HDF5 file, as Keras writes one: with the signature at its very beginning. */
export function isH5(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(SIGNATURE) === 0;
}

/** How many files were opened: each has a name of its own in the library's memory. */
let opened = 0;

/**
 * An HDF5 file that lies in memory. The library that reads it (the HDF5 Group's own, in WebAssembly) is loaded with the first such
 * file; it sees these bytes and no disk, so that a file with links to other files reaches none.
 */
export class H5File {
  private constructor(
    private readonly file: OpenFile,
    private readonly forget: () => void,
  ) {}

  /** Throws UsageError where the bytes are no HDF5 file, or only its beginning. */
  static async open(bytes: Uint8Array): Promise<H5File> {
    const { File, ready } = await import('h5wasm');
    const library = await ready;
    // It would otherwise print its errors on standard error.
    library.activate_throwing_error_handler();
    const name = `/weights-${opened++}.h5`;
    library.FS.writeFile(name, bytes);
    const forget = () => void library.FS.unlink(name);
    try {
      return new H5File(new File(name, 'r'), forget);
    } catch (error) {
      forget();
      throw damaged(error);
    }
  }

  close(): void {
    this.file.close();
    this.forget();
  }

  hasGroup(path: string): boolean {
    return this.group(path) !== undefined;
  }

  /** Names of what lies in a group, sorted; none where there is no such group. */
  namesIn(path: string): readonly string[] {
    const group = this.group(path);
    return group === undefined ? [] : told(() => group.keys());
  }

  /** A text attribute of a group; undefined where it has none of this name. Throws UsageError where it is no text. */
  text(path: string, name: string): string | undefined {
    const value = this.attribute(path, name);
    if (value === undefined || typeof value === 'string') return value;
    throw new UsageError(`attribute ${name} of ${inWords(path)} is no text`);
  }

  /**
   * A list of texts among a group's attributes, which Keras cuts into `name0`, `name1` and so on where it is long; undefined where
   * there is none. Throws UsageError where there is something else.
   */
  texts(path: string, name: string): readonly string[] | undefined {
    const whole = this.attribute(path, name);
    if (whole !== undefined) return this.listOf(whole, path, name);
    const parts: string[] = [];
    for (let i = 0; ; i++) {
      const part = this.attribute(path, `${name}${i}`);
      if (part === undefined) return i === 0 ? undefined : parts;
      parts.push(...this.listOf(part, path, `${name}${i}`));
    }
  }

  private listOf(value: unknown, path: string, name: string): readonly string[] {
    // An empty list is one of no numbers.
    if (ArrayBuffer.isView(value) && value.byteLength === 0) return [];
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
    throw new UsageError(`attribute ${name} of ${inWords(path)} is no list of texts`);
  }

  /** A data set's shape and kind, and what reads its values; undefined where there is none under this path. */
  tensor(path: string): StoredTensor | undefined {
    const found = told(() => this.file.get(path));
    if (!isDataset(found)) return undefined;
    const { shape, dtype } = told(() => ({ shape: found.shape, dtype: found.dtype }));
    return {
      shape: shape ?? [],
      dtype: typeof dtype === 'string' ? (KINDS[dtype] ?? dtype) : 'no number',
      read() {
        const values = told(() => found.value);
        if (!(values instanceof Float32Array)) throw new Error(`${path} is no float32`);
        return values;
      },
    };
  }

  private group(path: string): Group | undefined {
    const found = path === '' ? this.file : told(() => this.file.get(path));
    return found !== null && 'keys' in found ? found : undefined;
  }

  private attribute(path: string, name: string): unknown {
    const group = this.group(path);
    return group && told(() => group.attrs[name]?.value ?? undefined);
  }
}

/** A tensor in a file whose values were not read yet. */
export interface StoredTensor extends Pick<WeightTensor, 'shape'> {
  /** As in `float32`. */
  readonly dtype: string;
  /** Of float32 alone. */
  readonly read: () => Float32Array;
}

/** What the library calls the kinds of numbers, and how everybody else does. */
const KINDS: Readonly<Record<string, string>> = {
  '<f': 'float32',
  '<d': 'float64',
  '<e': 'float16',
  '>f': 'float32 of the other byte order',
};

function isDataset(found: unknown): found is Dataset {
  return typeof found === 'object' && found !== null && 'filters' in found;
}

function inWords(path: string): string {
  return path === '' ? 'the file' : `«${path}»`;
}

/** What the library answers; throws UsageError where the file is damaged at this place. */
function told<Answer>(ask: () => Answer): Answer {
  try {
    return ask();
  } catch (error) {
    throw damaged(error);
  }
}

/** The library tells of an error from where it was noticed down to its cause, a line each: the last says what is wrong. */
function damaged(error: unknown): UsageError {
  const lines = [...messageOf(error).matchAll(/ in \w+\(\): (.+)$/gmu)].map(([, text]) => text);
  const cause = lines.at(-1) ?? messageOf(error).split('\n', 1)[0];
  return new UsageError(`this HDF5 file is damaged or was cut off: ${cause}`, { cause: error });
}
