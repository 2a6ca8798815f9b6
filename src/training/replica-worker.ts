import { parentPort, workerData } from 'node:worker_threads';
import { startWasm } from '../backend/wasm/start.js';
import { ReplicaMember } from './replica-member.js';
import type { ReplicaReply, ReplicaRequest, ReplicaWorkerData } from './replica-protocol.js';
import { Replica } from './replica.js';
import { SharedGradients } from './shared-gradients.js';

// The thread of one replica: a wasm instance of its own, asked one thing at a time.
const { setup, gradients }: ReplicaWorkerData = workerData;
const port = parentPort;
if (port === null) throw new Error('replica-worker runs as a worker thread only');

await startWasm();
const replica = new Replica(setup);
const member = new ReplicaMember(replica, new SharedGradients(replica.trained, gradients));

async function answer(request: ReplicaRequest): Promise<Float32Array | Float64Array | undefined> {
  switch (request.op) {
    case 'gradients':
      return member.gradients(request.tasks, request.batchSize);
    case 'update':
      member.update(request.slices, request.rates);
      return undefined;
    case 'restore':
      replica.restore(request.state);
      return undefined;
    default:
      return member.forward(request.op, request.input);
  }
}

let turn = Promise.resolve();
port.on('message', (request: ReplicaRequest) => {
  turn = turn.then(async () => {
    let reply: ReplicaReply;
    try {
      reply = { ok: true, values: await answer(request) };
    } catch (error) {
      reply = { ok: false, message: error instanceof Error ? error.message : String(error) };
    }
    port.postMessage(reply);
  });
});
