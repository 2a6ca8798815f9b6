import { createHash } from 'node:crypto';
import type { TrainedState } from './network-setup.js';

/** SHA-256 over every trained weight and every momentum buffer, bit for bit. */
export function fingerprint({ weights, velocities }: TrainedState): string {
  const hash = createHash('sha256');
  for (const values of [weights, velocities]) {
    for (const [name, { buffer, byteOffset, byteLength }] of values) {
      hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength));
    }
  }
  return hash.digest('hex');
}
