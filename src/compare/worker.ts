import { parentPort, workerData } from 'node:worker_threads';
import { startBackend } from '../engine/backends/choose.js';
import type { RunConfig } from '../config/run-config.js';
import { type RunContext, trainRun } from '../train/run.js';
import { limitReached } from '../system.js';
import type { ExperimentEvent } from '../workbench/events.js';
import { attachWorkbench } from '../workbench/share.js';
import { wholeBench, type Workbench } from '../workbench/bench.js';
import type { RunTask, RunWorkerData, RunWorkerReply, RunWorkerRequest } from './pool.js';

// A thread that trains whole runs, one at a time, with a backend of its own.
const port = parentPort;
if (port === null) throw new Error('compare/worker.js runs as a worker thread only');
const { backend }: RunWorkerData = workerData;
const reply = (message: RunWorkerReply) => port.postMessage(message);
const stop = new AbortController();
const started = startBackend(backend);

async function train({ bench: handle, config, context: given, resume }: RunTask): Promise<void> {
  await started;
  const bench = attachWorkbench(handle);
  let document;
  try {
    const emit = (event: ExperimentEvent) => reply({ type: 'event', event });
    const context = { ...given, emit, signal: stop.signal };
    document = await trained(bench, config, context, resume);
  } finally {
    bench.close();
  }
  // Last: the thread may be ended as soon as this has come.
  reply({ type: 'done', run: document.run });
}

async function trained(bench: Workbench, config: RunConfig, context: RunContext, resume: string | undefined) {
  if (resume === undefined) return trainRun(wholeBench(bench), config, context);
  // Reading a configuration takes a library that no other run needs.
  const { resumeShared } = await import('../train/resume.js');
  return resumeShared(resume, bench, context);
}

port.on('message', (request: RunWorkerRequest) => {
  if (request.type === 'stop') return stop.abort();
  train(request.task).catch((error: unknown) => {
    const said = limitReached(error) ?? error;
    const { name, message, stack = '' } = said instanceof Error ? said : new Error(String(said));
    reply({ type: 'error', name, message, stack });
  });
});
