import { examine } from '../doctor/doctor.js';
import { doctorReport } from '../report/pages/doctor.js';
import { Exit } from './errors.js';
import { listenForSignals, type RawFlags } from './session.js';
import { layout, printResult } from './terminal.js';

/** `onecycle doctor`: exits 0 where at least one backend trains, else 1. */
export async function runDoctor(flags: RawFlags): Promise<void> {
  const asked = layout({ color: flags['color'] !== false }, process.stdout);
  const stop = listenForSignals(() => undefined);
  try {
    const found = await examine(stop.signal);
    const terminal = {
      interactive: process.stderr.isTTY === true,
      columns: asked.width,
      colour: asked.colour,
    };
    const document = { ...found, terminal };
    printResult(document, (shown) => doctorReport(document, shown), {
      json: flags['json'] === true,
      color: flags['color'] !== false,
    });
    const code = stop.exitCode() ?? (found.automatic === null ? 1 : 0);
    if (code !== 0) throw new Exit(code);
  } finally {
    stop.release();
  }
}
