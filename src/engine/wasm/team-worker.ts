import { workerData } from 'node:worker_threads';
import { instantiateKernels } from './compile-kernels.js';
import { JobBoard, takesPart } from './job-board.js';
import { TeamMember } from './team-member.js';
import type { TeamWorkerData } from './team.js';

// A further thread of a team. It takes no messages: the board says what to do. An error ends the thread, which the team notices.
const { memory, module, plan, thread }: TeamWorkerData = workerData;
const board = new JobBoard(memory, plan.board, plan.arenas.length);
const member = new TeamMember(memory, await instantiateKernels(module, memory), plan, board, thread);

// Threads are numbered anew as they join, which may be in another order.
const { number, signal } = board.join();
for (let seen = signal; ;) {
  seen = board.awaitSignal(seen);
  if (!takesPart(number, seen)) continue;
  const job = board.read();
  for (const phase of member.phasesOf(job)) board.awaitPhaseAfter(member.work(job, phase, number));
}
