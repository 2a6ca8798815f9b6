import { resolve } from 'node:path';
import { UsageError } from '../errors/errors.js';

/** Refuses, before anything is trained, a place for the report that would not do. Throws UsageError. */
export function checkReportFolder(report: string, out: string): void {
  if (/\.html?$/iu.test(report)) {
    throw new UsageError(
      `Expected a folder for --report but received ${report}. Give a folder: report.html and its charts go into it.`,
    );
  }
  if (resolve(report) === resolve(out)) {
    throw new UsageError(
      `--report and --out are both ${out}, which holds run folders alone. Give --report another one.`,
    );
  }
}
