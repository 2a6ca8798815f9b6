/** The rooms of src from the top floor down. A room may import rooms of the floors below it, and itself. */
const FLOORS = [
  ['cli'],
  ['check'],
  ['compare', 'doctor', 'predict', 'show'],
  ['train'],
  ['find-lr'],
  ['report'],
  ['workbench', 'export'],
  ['runs'],
  ['engine'],
  ['model', 'data'],
  ['config'],
  ['schedule', 'stats'],
  ['fetch'],
];

const rooms = (names) => `^src/(${names.join('|')})/`;

const upward = FLOORS.flatMap((floor, i) => {
  const above = FLOORS.slice(0, i).flat();
  if (above.length === 0) return [];
  return {
    name: `${floor.join('-and-')}-imports-no-floor-above`,
    severity: 'error',
    from: { path: rooms(floor) },
    to: { path: rooms(above) },
  };
});

/** Rooms on one floor that do not know each other. */
const strangers = (from, to) => ({
  name: `${from.join('-and-')}-does-not-know-${to.join('-and-')}`,
  severity: 'error',
  from: { path: rooms(from) },
  to: { path: rooms(to) },
});

/** A package belongs to the rooms named; nobody else may import it. */
const owned = (name, places, pattern = `node_modules/${name}/`) => ({
  name: `${name.replace(/\W/g, '-')}-belongs-to-${places.join('-')}`,
  severity: 'error',
  from: { path: '^src/', pathNot: `^src/(${places.join('|')})` },
  to: { path: pattern },
});

module.exports = {
  forbidden: [
    ...upward,
    strangers(['compare'], ['doctor', 'predict', 'show']),
    strangers(['doctor'], ['compare', 'predict', 'show']),
    strangers(['predict'], ['compare', 'doctor', 'show']),
    strangers(['show'], ['compare', 'doctor', 'predict']),
    strangers(['workbench'], ['export']),
    strangers(['export'], ['workbench']),
    {
      name: 'report-knows-documents-and-numbers-alone',
      severity: 'error',
      from: { path: rooms(['report']) },
      to: { path: '^src/(workbench|engine|model|data)/|^src/runs/(?!documents|json)' },
    },
    {
      name: 'of-engine-runs-knows-what-a-backend-says',
      severity: 'error',
      from: { path: rooms(['runs']) },
      to: { path: '^src/engine/(?!backends/backend-info)' },
    },
    strangers(['model'], ['data']),
    strangers(['data'], ['model']),
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'errors-files-and-random-import-nothing-of-ours',
      severity: 'error',
      from: { path: '^src/(errors|files|random)\\.ts' },
      to: { path: '^src/' },
    },
    owned('commander', ['cli/']),
    owned('cli-progress', ['cli/']),
    owned('asciichart', ['report/']),
    owned('@observablehq', ['report/charts/'], 'node_modules/@observablehq/'),
    owned('@xmldom', ['report/charts/'], 'node_modules/@xmldom/'),
    owned('cephes', ['stats/distributions']),
    owned('undici', ['fetch/fetch-file']),
    owned('tar', ['fetch/unpack']),
    owned('yauzl', ['fetch/unpack', 'model/load/keras-archive']),
    owned('h5wasm', ['model/load/h5-file']),
    owned('sharp', ['data/images/decode']),
    owned('tfjs', ['engine/', 'export/page.browser'], 'node_modules/@tensorflow/'),
    {
      name: 'report-schedule-and-stats-are-pure',
      severity: 'error',
      from: { path: '^src/(report|schedule|stats)/' },
      to: { path: '^(node:)?(fs|child_process|worker_threads|process)' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
  },
};
