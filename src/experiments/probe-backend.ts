import { messageOf } from '../errors/message-of.js';
import { BACKENDS, Unavailable } from '../backend/backend-info.js';
import { tryBackend } from '../backend/choose.js';
import type { BackendProbe } from './probe-protocol.js';
import { measureSpeed } from './speed-test.js';

// A process that tries one backend: what a bad driver brings down is this and not its parent. It prints one line of
// JSON when the backend is up, and another when its speed is known.
const name = BACKENDS.find((known) => known === process.argv[2]);
if (name === undefined) throw new Error('probe-backend wants the name of a backend');

const print = (probe: BackendProbe) => process.stdout.write(`${JSON.stringify(probe)}\n`);
try {
  const info = await tryBackend(name, { gpuOnly: false, debug: false });
  const software = name === 'webgpu' && !info.gpu;
  const why = software ? 'a software adapter: auto passes it by, its speed is not measured' : null;
  print({ name, works: true, info, imagesPerSecond: null, why: why ?? 'its first step took too long' });
  if (!software) print({ name, works: true, info, imagesPerSecond: await measureSpeed(), why: null });
} catch (error) {
  const reason = messageOf(error);
  const { why, remedy } =
    error instanceof Unavailable ? error : { why: `it fails: ${reason}`, remedy: 'Use another backend.' };
  print({ name, works: false, why, remedy });
}
