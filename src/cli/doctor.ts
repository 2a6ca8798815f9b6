import { examine, examineMachine } from '../doctor/doctor.js';
import { backendRow, backendRows, doctorEnd, machineText } from '../report/pages/doctor.js';
import { printableJson, printableReport } from '../printable.js';
import { Exit } from './errors.js';
import { listenForSignals, type RawFlags } from './session.js';
import { layout } from './terminal.js';

/** `onecycle doctor`: prints what it finds as it finds it; exits 0 where at least one backend trains, else 1. */
export async function runDoctor(flags: RawFlags): Promise<void> {
  const asked = layout({ color: flags['color'] !== false }, process.stdout);
  const json = flags['json'] === true;
  const print = (text: string) => process.stdout.write(`${text}\n`);
  const report = (text: string) => void (json || print(printableReport(text)));
  const stop = listenForSignals(() => undefined);
  try {
    const machine = examineMachine();
    report(`${machineText(machine, asked)}\n\n${backendRows(asked)}`);
    const found = await examine(machine, stop.signal, (probe) => report(backendRow(probe, asked)));
    const terminal = {
      interactive: process.stderr.isTTY === true,
      columns: asked.width,
      colour: asked.colour,
    };
    const document = { ...found, terminal };
    report(`\n${doctorEnd(document, asked)}`);
    if (json) print(printableJson(document));
    const code = stop.exitCode() ?? (found.automatic === null ? 1 : 0);
    if (code !== 0) throw new Exit(code);
  } finally {
    stop.release();
  }
}
