import { classFlags } from '../config/run-config.js';
import { checkData } from '../check/check-data.js';
import { dataReport } from '../report/pages/data-check.js';
import type { DataCheckDocument } from '../runs/documents.js';
import { sameAgain } from './closing.js';
import { Exit } from './errors.js';
import { checkReportFolder, inSession, type RawFlags } from './session.js';
import { printBesides } from './terminal.js';

/**
 * `onecycle data check [DIR]`. Exits 0 where the folder could be checked, whatever was found; with --strict 1 where something makes
 * results wrong.
 */
export function runDataCheck(dir: string | undefined, flags: RawFlags): Promise<void> {
  return inSession(
    dir === undefined ? flags : { ...flags, data: dir },
    async ({ settings, signal, progress, startBackend, print, close }) => {
      const { report } = settings;
      await checkReportFolder({ ...(report !== undefined && { report }) });
      const document = await checkData({ settings, emit: progress.emit, signal, startBackend });
      const writePage = async (page: string) => {
        const { writeDataReport } = await import('./write-report.js');
        return writeDataReport(page, document);
      };
      const page = await printBesides(report === undefined ? undefined : () => writePage(report), () =>
        print(document, (layout) => dataReport(document, layout)),
      );
      close({ results: [page], next: afterCheck(document, page) });
      if (settings.strict && document.findings.some(({ serious }) => serious)) throw new Exit(1);
    },
    { ending: 'stopping', nothing: 'Interrupted before all images were checked: nothing was written.' },
  );
}

/** The page where something was found that can be looked at, else a range test on the data. */
function afterCheck(
  { data, config, findings, duplicates, odd, labels }: DataCheckDocument,
  page: string | undefined,
): string[] {
  const pictures = duplicates.length + odd.length + (labels?.valid.length ?? 0) + (labels?.train.length ?? 0);
  if (page === undefined && findings.length > 0 && pictures > 0) {
    return [...sameAgain(['strict']), '--report', 'data-page'];
  }
  return ['find-lr', '--data', data, ...classFlags(config)];
}
