#!/usr/bin/env bash
# Node 20 (V8 11.3): an object literal with a spread and then a property that the spread object lacks, as in `{ ...row, number: i }`,
# makes a hidden class of its own for every single object. A list of 100,000 of them takes over four times the memory of the same
# list with its properties written out.
#
# Input: 100,000 objects { path, label }, from which lists are made in five ways.
# Expected: what Node 22 shows: objects that are made in one place with the same properties share one hidden class.
# Seen on linux-x64, November 2026, bytes an object (heap after a collection) and whether two neighbours share a hidden class:
#                                 Node 20.19.5     Node 22.21.1
#     {...row, number}            256, no          88, yes
#     {...row, ...{ number }}     256, no          88, yes
#     {number, ...row}             88, yes         88, yes
#     Object.assign({}, row, ..)   64, yes         64, yes
#     {path, label, number}        56, yes         56, yes
# Why, as far as it shows: heap snapshots of Node 20 hold a Map and a DescriptorArray («object shape») and a PropertyArray for each
# object. The spread copies the object into one whose class then gets the new property without leaving a transition that the next
# could take. A property that comes before the spread does not do that.
#
# Needs Node 20 or later with npm, and the npm registry; installs both versions of Node into a temporary folder. Ends with 0 while Node 20
# behaves as said above, and with 1 once it does not: lists of images (src/data/images/prepare.ts) may then be written with a spread.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat > finding.mjs <<'EOF'
const COUNT = 100_000;
const rows = Array.from({ length: COUNT }, (_, i) => ({ path: `class/${i}.jpg`, label: i % 1000 }));
const heap = () => {
  gc();
  gc();
  return process.memoryUsage().heapUsed;
};
const ways = {
  '{...row, number}': (row, number) => ({ ...row, number }),
  '{...row, ...{ number }}': (row, number) => ({ ...row, ...{ number } }),
  '{number, ...row}': (row, number) => ({ number, ...row }),
  'Object.assign({}, row, ..)': (row, number) => Object.assign({}, row, { number }),
  '{path, label, number}': ({ path, label }, number) => ({ path, label, number }),
};
console.log(`Node ${process.versions.node}, V8 ${process.versions.v8}`);
const answers = Object.entries(ways).map(([name, make]) => {
  const before = heap();
  const made = rows.map(make);
  const bytes = Math.round((heap() - before) / COUNT);
  const shared = %HaveSameMap(made[COUNT - 2], made[COUNT - 1]);
  console.log(`    ${name.padEnd(27)} ${String(bytes).padStart(3)} bytes, one hidden class: ${shared ? 'yes' : 'no'}`);
  return { bytes, shared };
});
const spread = answers[0];
const written = answers.at(-1);
const apart = !spread.shared && spread.bytes > 4 * written.bytes;
const asSeen = process.versions.node.startsWith('20.') ? apart : answers.every(({ shared }) => shared);
if (!asSeen || !written.shared) {
  console.error('Node behaves otherwise now');
  process.exit(1);
}
EOF

for version in 20.19.5 22.21.1; do
  npm install --silent --no-audit --no-fund --no-save --prefix "$version" "node@$version"
  "$version/node_modules/.bin/node" --expose-gc --allow-natives-syntax finding.mjs
done
