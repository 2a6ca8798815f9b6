/** The rooms of src and who may know whom: imports point to the right only. */
const FLOORS = [
  ['cli'],
  ['experiments', 'report'],
  ['training', 'record'],
  ['model', 'data'],
  ['backend'],
  ['config'],
  ['schedule', 'stats'],
  ['random', 'errors'],
];

const upward = FLOORS.flatMap((floor, i) => {
  const above = FLOORS.slice(0, i).flat();
  if (above.length === 0) return [];
  return {
    name: `${floor.join('-and-')}-imports-no-floor-above`,
    severity: 'error',
    from: { path: `^src/(${floor.join('|')})/` },
    to: { path: `^src/(${above.join('|')})/` },
  };
});

/** A package belongs to the rooms named; nobody else may import it. */
const owned = (name, rooms, pattern = `node_modules/${name}/`) => ({
  name: `${name.replace(/\W/g, '-')}-belongs-to-${rooms.join('-')}`,
  severity: 'error',
  from: { path: '^src/', pathNot: `^src/(${rooms.join('|')})` },
  to: { path: pattern },
});

module.exports = {
  forbidden: [
    ...upward,
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    owned('commander', ['cli/']),
    owned('cli-progress', ['cli/']),
    owned('asciichart', ['report/']),
    owned('echarts', ['report/']),
    owned('sharp', ['data/', 'record/png']),
    owned('tfjs', ['backend/', 'model/', 'training/'], 'node_modules/@tensorflow/'),
    {
      name: 'report-is-pure',
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
