import { createRequire } from 'node:module';

/** Versions of installed packages by their names; a package that is not there is left out. */
export function versionsOf(...packages: readonly string[]): Record<string, string> {
  const require = createRequire(import.meta.url);
  return Object.fromEntries(
    packages.flatMap((name) => {
      try {
        const { version }: { version: string } = require(`${name}/package.json`);
        return [[name.replace('@tensorflow/', ''), version]];
      } catch {
        return [];
      }
    }),
  );
}
