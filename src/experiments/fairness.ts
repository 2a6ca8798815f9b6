import { isJsonObject, type JsonObject } from '../record/json.js';
import { runKey } from '../record/run-key.js';
import { fieldText, type RecordedRun } from './recorded-run.js';

/** Settings in which arms may differ because they are the policy. */
const POLICY_SETTINGS = new Set([
  'arm',
  'policy',
  'lr',
  'momentum',
  'momentumRange',
  'decay',
  'decayAt',
  'decayEvery',
  'decayFactor',
  'patience',
  'pctStart',
  'divFactor',
  'finalDivFactor',
  'anneal',
  'threePhase',
  'onStop',
]);
/** Settings that differ from run to run in every fair comparison, or say only where things lie. */
const PER_RUN_SETTINGS = new Set(['seed', 'data', 'weights']);
/** What a result may hang on beside the configuration. */
const ENVIRONMENT = ['backend', 'onecycle', 'sliceSize'];

/** Every way in which the runs differ beyond the policies they compare, one sentence each. */
export function fairnessWarnings(runs: readonly RecordedRun[]): string[] {
  const [first] = runs;
  if (first === undefined) return [];
  const settings = Object.keys(first.record.config).filter(
    (name) => !POLICY_SETTINGS.has(name) && !PER_RUN_SETTINGS.has(name),
  );
  const warnings = [
    ...settings.map((name) => differing(runs, name, ({ record }) => fieldText(record.config, name))),
    ...ENVIRONMENT.map((name) => differing(runs, name, ({ record }) => fieldText(record.environment, name))),
    differing(runs, 'starting weights', ({ record }) => fieldText(record.dataset, 'weightsSha256')),
    differing(runs, 'training files', ({ record }) => filesKey(record.dataset, 'train')),
    differing(runs, 'validation files', ({ record }) => filesKey(record.dataset, 'valid')),
    ...momentumWarnings(runs),
  ];
  return warnings.filter((warning) => warning !== undefined);
}

function differing(
  runs: readonly RecordedRun[],
  what: string,
  value: (run: RecordedRun) => string,
): string | undefined {
  const byValue = new Map<string, string>();
  for (const run of runs) if (!byValue.has(value(run))) byValue.set(value(run), run.arm);
  if (byValue.size === 1) return undefined;
  const shown = [...byValue].map(
    ([text, arm]) => `${text.length > 40 ? `${text.slice(1, 9)}…` : text} (${arm})`,
  );
  return `The runs differ in ${what}: ${shown.join(', ')}.`;
}

/** Momentum belongs to the policy, but a cycle around another level than the fixed one is a second difference. */
function momentumWarnings(runs: readonly RecordedRun[]): string[] {
  const levels = new Map<string, { low: number; high: number }>();
  for (const { arm, record } of runs) {
    const momenta = record.steps.map(({ momentum }) => momentum);
    if (momenta.length > 0) levels.set(arm, { low: Math.min(...momenta), high: Math.max(...momenta) });
  }
  const arms = [...levels];
  return arms.flatMap(([arm, own], i) =>
    arms.slice(i + 1).flatMap(([other, its]) => {
      const apart = own.low > its.high || its.low > own.high;
      const range = ({ low, high }: { low: number; high: number }) =>
        low === high ? `${low}` : `${low} to ${high}`;
      return apart
        ? [
            `The arms differ in the level of momentum: ${arm} ${range(own)}, ${other} ${range(its)}. A difference may be the momentum's, not the schedule's.`,
          ]
        : [];
    }),
  );
}

function filesKey(dataset: JsonObject, part: string): string {
  const files = dataset['files'];
  return runKey(isJsonObject(files) ? (files[part] ?? null) : null);
}
