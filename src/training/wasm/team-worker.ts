import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../errors/message-of.js';
import { instantiateKernels } from '../../backend/wasm/kernels-module.js';
import { JobBoard, takesPart } from './job-board.js';
import { TeamMember } from './team-member.js';
import type { TeamWorkerData } from './team.js';

// One more thread on the network that the first one laid out: it never answers messages, the board says what to do.
const { memory, module, plan, thread }: TeamWorkerData = workerData;
const board = new JobBoard(memory, plan.board);
const member = new TeamMember(memory, await instantiateKernels(module, memory), plan, board, thread);

const { number, signal } = board.join();
for (let seen = signal; ;) {
  seen = board.awaitSignal(seen);
  if (!takesPart(number, seen)) continue;
  let ok = true;
  try {
    member.work();
  } catch (error) {
    ok = false;
    parentPort?.postMessage(messageOf(error));
  }
  board.finish(ok);
}
