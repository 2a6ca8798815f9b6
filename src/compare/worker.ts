import { parentPort, workerData } from 'node:worker_threads';
import { startBackend } from '../engine/backends/choose.js';
import { trainRun } from '../train/run.js';
import { attachWorkbench } from '../workbench/share.js';
import { wholeBench } from '../workbench/workbench.js';
import type { RunTask, RunWorkerData, RunWorkerReply, RunWorkerRequest } from './pool.js';

// A thread that trains whole runs, one at a time, with a backend of its own.
const port = parentPort;
if (port === null) throw new Error('run-worker runs as a worker thread only');
const { backend }: RunWorkerData = workerData;
const reply = (message: RunWorkerReply) => port.postMessage(message);
const stop = new AbortController();
const started = startBackend(backend);

async function train({ bench: handle, config, context, resume }: RunTask): Promise<void> {
  await started;
  const bench = attachWorkbench(handle);
  try {
    const emit = (event: RunWorkerReply & { type: 'event' }) => reply(event);
    const document = await trainRun(
      wholeBench(bench),
      config,
      { ...context, emit: (event) => emit({ type: 'event', event }), signal: stop.signal },
      resume,
    );
    reply({ type: 'done', document });
  } finally {
    bench.close();
  }
}

port.on('message', (request: RunWorkerRequest) => {
  if (request.type === 'stop') return stop.abort();
  train(request.task).catch((error: unknown) => {
    const { name, message, stack = '' } = error instanceof Error ? error : new Error(String(error));
    reply({ type: 'error', name, message, stack });
  });
});
